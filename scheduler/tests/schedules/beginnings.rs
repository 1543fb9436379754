//! A try begins when it is durable that it does, and finds what was written with that.

use std::time::Duration;

use rstest::rstest;

use crate::refusal::{refuse, relent};
use crate::world::{Backend, World};

/// A world in which the database refuses that `hold`, which leaves a list, has ended, and that the rest begins.
async fn refused_world(backend: Backend, rest: &str) -> World {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("dag", &format!("tasks:\n  - {{task_id: first, operator: hold}}\n{rest}")).await;
    world.start().await;
    let run = world.trigger("dag", "run").await;
    world.task_becomes(&run, "first", "running", "").await;
    refuse(&world, backend, "run").await;
    world.release();
    // Nobody tells of what does not happen. It would have by then.
    tokio::time::sleep(Duration::from_millis(500)).await;
    world
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_is_written_with_the_beginning_of_a_try_is_there_for_it(#[case] backend: Backend) {
    let rest = "  - {task_id: at_once, operator: nothing, task_group_name: each}
  - {task_id: later, operator: empty, task_group_name: each}
task_groups: [{group_name: each, expand: {item: first.output}}]
";
    let mut world = refused_world(backend, rest).await;

    relent(&world).await;

    world.become_states("dag", &["success"]).await;
    let states = world.instances(&world.runs("dag").await[0]).await;
    assert_eq!(states.len(), 7, "{states:?}");
    world.stop().await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_cannot_be_written_does_not_begin(#[case] backend: Backend) {
    let mut world = refused_world(backend, "  - {task_id: next, operator: stubborn, dependencies: [first]}\n").await;
    assert_eq!(world.at_work.most(), 0);

    relent(&world).await;

    world.become_states("dag", &["success"]).await;
    assert_eq!(world.at_work.most(), 1);
    world.stop().await;
}

/// Whoever takes over knows nothing of a try that was to begin, and makes it.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_another_process_begins_does_not_begin_here(#[case] backend: Backend) {
    let rest = "  - {task_id: next, operator: stubborn, dependencies: [first]}
  - {task_id: each_time, operator: stubborn, task_group_name: each}
task_groups: [{group_name: each, expand: {item: first.output}}]
";
    let mut world = refused_world(backend, rest).await;

    world.lapse().await;
    relent(&world).await;
    let mut other = world.another();
    other.start().await;

    other.become_states("dag", &["success"]).await;
    world.stop().await;
    assert_eq!(world.at_work.most(), 0);
    let states = other.instances(&other.runs("dag").await[0]).await;
    assert_eq!(states.len(), 5, "{states:?}");
    let log = world.logs();
    assert!(!log.contains("Stopped") && !log.contains("Failed"), "a try that never began says nothing: {log}");
    other.stop().await;
}
