//! Many runs that begin and end at once are written in portions, of which each waits for the one before.

use std::time::Duration;

use rstest::rstest;
use scheduler::store::runs;

use crate::refusal::{refuse, relent};
use crate::world::{Backend, World, at};

const RUNS: usize = 50;
const TASKS: usize = 60;

/// A run of the second portion, of which the database wants nothing for as long as there is a refusal.
const REFUSED: &str = "r30";

/// A world in which the first portion is durable, and the database refuses the second.
async fn refused_world(backend: Backend) -> World {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    let tasks: String = (0..TASKS).map(|n| format!("  - {{task_id: t{n}, operator: nothing}}\n")).collect();
    world.dag("dag", &format!("max_active_runs: {RUNS}\nmax_active_tasks: 1000\ntasks:\n{tasks}")).await;
    world.start().await;
    world.pause("dag").await;
    for n in 0..RUNS {
        let date = at("2026-11-20T00:00:00Z") + chrono::TimeDelta::seconds(i64::try_from(n).unwrap());
        world.trigger_about("dag", &format!("r{n:02}"), date).await;
    }
    world.settle().await;
    // What is in the first portion is durable by then.
    refuse(&world, backend, REFUSED).await;
    world.unpause("dag").await;
    world
        .eventually("the first portion", || async {
            world.states("dag").await.iter().any(|state| state == "success").then_some(())
        })
        .await;
    world
}

/// Waits until all runs are over, and each task was tried once.
async fn all_are_over(world: &World) {
    world.become_states("dag", &["success"; RUNS]).await;
    for run in world.runs("dag").await {
        let rows = runs::instances(world.db.read(), run.id).await.unwrap();
        let ends: Vec<(Option<&str>, i32)> = rows.iter().map(|row| (row.state.as_deref(), row.try_number)).collect();
        assert_eq!(ends, [(Some("success"), 1); TASKS], "{}", run.run_id);
    }
}

/// What comes after a portion that the database refuses does not overtake it, and all of it is written once.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_portion_that_is_refused_holds_up_those_after_it_and_is_not_lost(#[case] backend: Backend) {
    let mut world = refused_world(backend).await;

    // Nobody tells of what does not happen. It would have by then.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let runs = world.runs("dag").await;
    let over = runs.iter().take_while(|run| run.state == "success").count();
    assert!((1..30).contains(&over), "{over} runs are over before the one that is refused");
    for run in &runs[over..] {
        let states: Vec<Option<String>> = world.instances(run).await.into_iter().map(|(_, state)| state).collect();
        assert_eq!((run.state.as_str(), states), ("queued", vec![None; TASKS]), "{}", run.run_id);
    }

    relent(&world).await;
    all_are_over(&world).await;
    world.stop().await;
}

/// Whoever leads after somebody who lost the lead between two portions goes on with what was not durable.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn whoever_takes_over_between_two_portions_makes_the_rest(#[case] backend: Backend) {
    let mut world = refused_world(backend).await;

    world.lapse().await;
    relent(&world).await;
    let mut other = world.another();
    other.start().await;

    all_are_over(&other).await;
    world.stop().await;
    other.stop().await;
}
