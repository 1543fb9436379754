//! Runs on Databricks that nobody wants any more: whoever comes next cancels them there, whatever has become of their process, their
//! task and their DAG.

use rstest::rstest;
use scheduler::store::dags;

use super::World;
use super::fake::{Fault, RUNNING};
use crate::server::{Backend, eventually, finished};

/// What a person does while no process runs.
async fn meanwhile(world: &World, args: &[&str]) {
    let told = world.installation.run(args).await;
    let error = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(error.contains("scheduler"), "it is kept for whoever comes next: {error}");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn marked_while_no_process_runs_its_run_is_cancelled_by_the_next_one(#[case] backend: Backend) {
    let world = World::new(backend, "").await;
    world.fake.script(&[RUNNING]);
    let server = world.start().await;
    world.trigger().await;
    world.deferred_in(&server).await;
    server.kill().await;
    meanwhile(&world, &["tasks", "mark", "lake", "one", "clean", "success"]).await;
    // The workspace is away at first, and the process that tries is killed as well.
    world.fake.faults("runs/get", [Fault::Answer(503, "x", None), Fault::Hang]);
    let server = world.start().await;
    world.fake.hanging().await;
    server.kill().await;
    assert_eq!(world.fake.runs()[0].cancels, 0);

    let server = world.start().await;

    world.cancelled().await;
    assert_eq!(finished(&world.db, "lake", "one").await.state, "success");
    world.forgotten().await;
    assert_eq!(world.fake.runs().iter().map(|run| run.cancels).collect::<Vec<_>>(), [1]);
    assert!(world.log(1).contains("Run 1000000000001 was cancelled"), "{}", world.log(1));
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn cleared_while_no_process_runs_its_run_is_cancelled_and_another_started(#[case] backend: Backend) {
    let world = World::new(backend, ", on_retry: adopt").await;
    world.fake.script(&[RUNNING]);
    let server = world.start().await;
    world.trigger().await;
    world.deferred_in(&server).await;
    server.kill().await;
    meanwhile(&world, &["tasks", "clear", "lake", "one", "clean", "--yes"]).await;

    let server = world.start().await;

    assert_eq!(finished(&world.db, "lake", "one").await.state, "success");
    let runs = world.fake.runs();
    assert_eq!((runs.len(), runs[0].cancels > 0, runs[1].cancels), (2, true, 0));
    assert_eq!(world.instance().await.unwrap().try_number, 2);
    assert!(server.stop().await);
}

#[tokio::test]
async fn killed_before_it_could_cancel_the_run_the_next_process_does() {
    let world = World::new(Backend::Sqlite, "").await;
    world.fake.script(&[RUNNING]);
    let server = world.start().await;
    world.trigger().await;
    world.deferred_in(&server).await;
    world.fake.set_away(true);
    world.installation.json(&["tasks", "mark", "lake", "one", "clean", "failed"]).await;
    assert_eq!(finished(&world.db, "lake", "one").await.state, "failed");
    server.kill().await;
    world.fake.set_away(false);
    assert_eq!(world.fake.runs()[0].cancels, 0);

    let server = world.start().await;

    world.cancelled().await;
    world.forgotten().await;
    assert_eq!(world.fake.runs()[0].cancels, 1);
    assert!(server.stop().await);
}

impl World {
    /// Leaves a run that goes on there with a run here that nobody minds: told to stop, its try could not cancel it before its
    /// process was killed.
    async fn orphaned(&self, tell: impl AsyncFnOnce(&World)) {
        self.fake.script(&[RUNNING]);
        let server = self.start().await;
        self.trigger().await;
        self.deferred_in(&server).await;
        self.fake.set_away(true);
        tell(self).await;
        server.kill().await;
        self.fake.set_away(false);
        assert_eq!(self.fake.runs()[0].cancels, 0);
    }

    /// Saves the DAG anew, and waits until that is seen.
    async fn rewrite(&self, text: &str) {
        let before = self.version_hash().await;
        self.installation.write_dag("lake.yaml", text);
        eventually("the new version", || async { (self.version_hash().await != before).then_some(()) }).await;
    }

    async fn version_hash(&self) -> String {
        dags::find(self.db.read(), "lake").await.unwrap().expect("there is the DAG").version_hash
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite, "tasks: [{task_id: tell, operator: empty}]\n", "tell")]
#[case::postgres(Backend::Postgres, "tasks: [{task_id: tell, operator: empty}]\n", "tell")]
// The new version has the task, and does something else in it.
#[case::another_operator(Backend::Sqlite, "tasks: [{task_id: clean, operator: empty}]\n", "clean")]
// The instance that it was started for is gone, because the new version has several in its place.
#[case::became_mapped(
    Backend::Sqlite,
    "tasks: [{task_id: clean, operator: bash, expand: {bash_command: ['true', 'true']}}]\n",
    "clean"
)]
#[tokio::test]
async fn a_run_of_a_task_that_the_new_version_has_no_more_is_cancelled(
    #[case] backend: Backend,
    #[case] new_version: &str,
    #[case] cleared: &str,
) {
    let world = World::new(backend, "}\n  - {task_id: tell, operator: empty").await;
    world
        .orphaned(async |world| {
            world.rewrite(new_version).await;
            let clear = ["tasks", "clear", "lake", "one", cleared, "--latest-version", "--yes"];
            world.installation.json(&clear).await;
        })
        .await;

    let server = world.start().await;

    world.cancelled().await;
    world.forgotten().await;
    assert_eq!(finished(&world.db, "lake", "one").await.state, "success");
    assert_eq!(world.fake.runs().iter().map(|run| run.cancels).collect::<Vec<_>>(), [1]);
    // One that has begun anew since goes on in the log of its last try.
    let log = world.log(1) + &world.log(2);
    assert!(log.contains("Run 1000000000001 was cancelled"), "{log}");
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_run_of_a_dag_that_vanished_while_no_process_ran_is_cancelled() {
    let world = World::new(Backend::Sqlite, "").await;
    world.fake.script(&[RUNNING]);
    let server = world.start().await;
    world.trigger().await;
    world.deferred_in(&server).await;
    server.kill().await;
    std::fs::remove_file(world.installation.path().join("dags/lake.yaml")).unwrap();
    meanwhile(&world, &["tasks", "mark", "lake", "one", "clean", "failed"]).await;

    let server = world.start().await;

    world.cancelled().await;
    world.forgotten().await;
    assert_eq!(finished(&world.db, "lake", "one").await.state, "failed");
    world.installation.json(&["dags", "delete", "lake", "--yes"]).await;
    assert!(server.stop().await);
}

/// With the run would go the only thing that says what is to be cancelled.
#[tokio::test]
async fn nothing_is_deleted_of_which_something_may_go_on_there() {
    let world = World::new(Backend::Sqlite, "").await;
    let refused = async |world: &World| {
        let told = world.installation.run(&["runs", "delete", "lake", "one", "--yes"]).await;
        let error = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(!told.status.success() && error.contains("task `clean` of run `one` started elsewhere"), "{error}");
    };
    world
        .orphaned(async |world| {
            world.installation.json(&["tasks", "mark", "lake", "one", "clean", "failed"]).await;
            assert_eq!(finished(&world.db, "lake", "one").await.state, "failed");
            refused(world).await;
        })
        .await;
    refused(&world).await;

    let server = world.start().await;

    world.cancelled().await;
    world.forgotten().await;
    world.installation.json(&["runs", "delete", "lake", "one", "--yes"]).await;
    assert!(server.stop().await);
}
