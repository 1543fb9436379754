//! Statements of SQL on Databricks, which have no token: each is sent once all the same, and ended there when nobody wants it.

use rstest::rstest;

use super::World;
use super::fake::{Answer, Fault};
use crate::server::{Backend, eventually, finished};

/// A server that is killed when the warehouse has the statement and nobody here has heard of it.
async fn killed_unheard(backend: Backend) -> World {
    let world = World::new(backend, "").await;
    let text = "tasks:\n  - {task_id: clean, operator: databricks_sql, warehouse_id: w1, sql: INSERT INTO pins VALUES (1), \
                databricks_retry_delay: 0.05}\n";
    world.installation.write_dag("lake.yaml", text);
    world.fake.inside().history.lag = 2;
    world.fake.faults("sql/statements", [Fault::Hang]);
    let server = world.start().await;
    world.trigger().await;
    world.fake.hanging().await;
    server.kill().await;
    world
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn killed_between_a_statement_and_its_answer_it_sends_no_second_one(#[case] backend: Backend) {
    let world = killed_unheard(backend).await;

    let server = world.start().await;

    assert_eq!(finished(&world.db, "lake", "one").await.state, "success");
    assert_eq!(world.fake.inside().statements.len(), 1);
    assert_eq!(world.instance().await.unwrap().try_number, 1);
    let told = "Statement 1 was sent before this process took over: 01ef-0001";
    assert!(world.log(1).contains(told), "{}", world.log(1));
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_statement_of_which_nobody_heard_is_cancelled_when_its_task_is_marked(#[case] backend: Backend) {
    let world = killed_unheard(backend).await;
    let goes_on = Answer { waits: usize::MAX, ..Answer::rows(&[], Vec::new()) };
    world.fake.inside().statements.get_mut("01ef-0001").unwrap().answer = goes_on;
    let told = world.installation.run(&["tasks", "mark", "lake", "one", "clean", "success"]).await;
    assert!(String::from_utf8_lossy(&told.stderr).contains("scheduler"), "it is kept for whoever comes next");

    let server = world.start().await;

    let is_cancelled = || world.fake.inside().statements["01ef-0001"].is_cancelled;
    eventually("the cancellation there", || async { is_cancelled().then_some(()) }).await;
    world.forgotten().await;
    assert_eq!(world.fake.inside().statements.len(), 1);
    assert!(server.stop().await);
}
