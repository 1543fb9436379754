//! §2: `max_consecutive_failed_dag_runs`.

use rstest::rstest;
use scheduler::control::RunPatch;
use scheduler::run::RunState;
use scheduler::store::entity::event_log;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::world::{Backend, World};

fn file(operator: &str) -> String {
    format!("max_consecutive_failed_dag_runs: 3\ntasks: [{{task_id: a, operator: {operator}}}]\n")
}

async fn run(world: &World, name: &str) {
    world.trigger("dag", name).await;
    world
        .eventually(name, || async {
            world.runs("dag").await.iter().any(|run| run.run_id == name && run.end_date.is_some()).then_some(())
        })
        .await;
    world.settle().await;
}

/// The last N runs by run_after all failed → the DAG is paused, and the audit log says that the scheduler did it.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_dag_that_keeps_failing_is_paused(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("dag", &file("fail")).await;
    world.start().await;
    run(&world, "one").await;
    run(&world, "two").await;
    assert!(!world.row("dag").await.is_paused, "two are not three");
    run(&world, "three").await;

    assert!(world.row("dag").await.is_paused);
    let deeds =
        event_log::Entity::find().filter(event_log::Column::Event.eq("paused")).all(world.db.read()).await.unwrap();
    assert_eq!(deeds.len(), 1);
    assert_eq!((deeds[0].dag_id.as_deref(), deeds[0].owner.as_deref()), (Some("dag"), Some("scheduler")));
    world.trigger("dag", "four").await;
    world.settle().await;
    assert_eq!(world.states("dag").await, ["failed", "failed", "failed", "queued"], "and stays so");
    world.stop().await;
}

#[tokio::test]
async fn a_run_that_succeeds_begins_the_count_anew() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:11:40Z").await;
    world.dag("dag", &file("fail")).await;
    world.start().await;
    run(&world, "one").await;
    run(&world, "two").await;
    world.dag("dag", &file("empty")).await;
    world.settle().await;
    run(&world, "three").await;
    world.dag("dag", &file("fail")).await;
    world.settle().await;
    run(&world, "four").await;
    run(&world, "five").await;

    assert_eq!(world.states("dag").await, ["failed", "failed", "success", "failed", "failed"]);
    assert!(!world.row("dag").await.is_paused);
    world.stop().await;
}

/// It is paused for its runs as well: nothing more of them starts.
#[tokio::test]
async fn what_runs_of_it_starts_nothing_more() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:11:40Z").await;
    let file = "max_consecutive_failed_dag_runs: 1\ntasks:\n  - {task_id: first, operator: hold}\n  - {task_id: second, operator: empty, dependencies: [first]}\n";
    world.dag("dag", file).await;
    world.start().await;
    let one = world.trigger("dag", "one").await;
    world.settle().await;
    world.trigger("dag", "two").await;
    world.become_states("dag", &["running", "running"]).await;

    let failed = RunPatch { state: Some(RunState::Failed), note: None };
    world.control.patch_run("dag", "two", failed, None).await.unwrap();
    assert!(world.row("dag").await.is_paused);
    world.release();

    world.task_becomes(&one, "second", "scheduled", "DAG paused").await;
    assert_eq!(world.states("dag").await, ["running", "failed"]);
    world.stop().await;
}
