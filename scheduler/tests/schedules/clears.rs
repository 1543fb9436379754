//! §14: what clearing does to the run.

use rstest::rstest;
use scheduler::control::{ClearTasks, Relatives, Runs, StatesMeant};
use scheduler::store::entity::dag_run;

use crate::world::{Backend, World};

async fn clear(world: &World) {
    let everything = ClearTasks {
        runs: Runs::One("one".to_owned()),
        tasks: Vec::new(),
        relatives: Relatives::default(),
        states: StatesMeant::Any,
        run_on_latest_version: None,
        prevent_running_task: false,
        reset_runs: true,
        note: None,
        dry_run: false,
    };
    world.control.clear_tasks("dag", everything, None).await.unwrap();
}

async fn run(world: &World) -> dag_run::Model {
    world.runs("dag").await.remove(0)
}

/// `clear_number` + 1 and `queued_at` = now, whatever the state of the run; one that is over is queued, and has not begun.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_clear_counts_whatever_its_run_does(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("dag", "tasks: [{task_id: a, operator: hold}]\n").await;
    world.start().await;
    let made = world.trigger("dag", "one").await;
    world.task_becomes(&made, "a", "running", "").await;
    let begun = run(&world).await;

    world.becomes("2026-11-21T06:00:00Z").await;
    clear(&world).await;
    let cleared = run(&world).await;
    assert_eq!((cleared.state.as_str(), cleared.clear_number), ("running", 1));
    assert!(cleared.queued_at > begun.queued_at);
    assert_eq!(cleared.start_date, begun.start_date, "it has not begun anew");

    world.release();
    world.become_states("dag", &["success"]).await;
    world.pause("dag").await;
    world.becomes("2026-11-21T07:00:00Z").await;
    clear(&world).await;
    world.settle().await;
    let again = run(&world).await;
    assert_eq!((again.state.as_str(), again.clear_number, again.start_date), ("queued", 2, None));
    assert!(again.queued_at > cleared.queued_at);

    clear(&world).await;
    assert_eq!(run(&world).await.clear_number, 3, "one that is queued is cleared as well");
    world.unpause("dag").await;
    world.become_states("dag", &["success"]).await;
    world.stop().await;
}
