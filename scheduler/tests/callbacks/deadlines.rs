//! Deadlines: set when a run is made, told of once when they pass, forgotten when the run succeeds first
//! (airflow-semantics.md §12).

use chrono::TimeDelta;
use rstest::rstest;
use scheduler::run::RunState;

use crate::world::{Backend, World, noon};

const LATE: &str = r#"
late:
  deadline:
    - {name: early, reference: DAGRUN_QUEUED_AT, interval: 1h, callback: {fake: "{{ deadline.name }} {{ deadline.deadline_time | ts }} {{ dag_run.state }}"}}
    - {reference: DAGRUN_LOGICAL_DATE, interval: 3h, callback: {fake: "second"}}
  tasks: {only: {operator: script, does: [hold]}}
"#;

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_deadline_that_passes_is_told_of_once(#[case] backend: Backend) {
    let mut world = World::new(backend, LATE).await;
    let run = world.trigger("late", "one").await;
    world.task_is(&run, "only", "running").await;
    let times: Vec<_> = world.deadlines(&run).await.iter().map(|row| row.deadline_time).collect();
    assert_eq!(times, [noon() + TimeDelta::hours(1), noon() + TimeDelta::hours(3)]);

    world.advance(TimeDelta::minutes(61));
    let told = world.recorder.wait_for(1).await;
    world.stop().await;
    world.start().await;
    world.advance(TimeDelta::minutes(1));
    world.let_go();
    world.finished("late", "one").await;
    world.all_told(&run).await;

    assert_eq!(told, ["deadline -: early 2026-11-21T13:00:00+00:00 running"]);
    assert_eq!(world.recorder.count(), 1, "not again after a restart");
    let left: Vec<_> = world.deadlines(&run).await.iter().map(|row| (row.position, row.is_missed)).collect();
    assert_eq!(left, [(0, true)], "the one that was met is gone");
    world.advance(TimeDelta::hours(5));
    // Another run's deadline, which passes later, is told of; that of the first is not.
    let another = world.trigger("late", "two").await;
    world.task_is(&another, "only", "running").await;
    world.advance(TimeDelta::minutes(61));
    world.recorder.wait_for(2).await;
    assert_eq!(world.recorder.told().len(), 2, "{:?}", world.recorder.told());
    assert!(!world.recorder.told().iter().any(|line| line.contains("second")), "success came before it");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_deadline_that_passes_while_nothing_runs_is_told_of_at_the_start(#[case] backend: Backend) {
    let mut world = World::new(backend, LATE).await;
    let run = world.trigger("late", "one").await;
    world.task_is(&run, "only", "running").await;
    world.stop().await;

    world.advance(TimeDelta::hours(2));
    world.start().await;

    assert_eq!(world.recorder.wait_for(1).await.len(), 1);
}

#[tokio::test]
async fn a_run_that_was_made_while_nothing_ran_has_its_deadlines_all_the_same() {
    let mut world = World::asleep(Backend::Sqlite, LATE).await;
    let run = world.trigger("late", "one").await;
    world.advance(TimeDelta::hours(2));

    world.start().await;

    world.recorder.wait_for(1).await;
    assert_eq!(world.deadlines(&run).await.len(), 2);
}

#[tokio::test]
async fn a_run_that_failed_has_not_met_its_deadline() {
    let world = World::new(Backend::Sqlite, LATE).await;
    let run = world.trigger("late", "one").await;
    world.task_is(&run, "only", "running").await;
    world.mark("late", "one", RunState::Failed).await;

    world.advance(TimeDelta::hours(2));

    let told = world.recorder.wait_for(1).await;
    assert_eq!(told, ["deadline -: early 2026-11-21T13:00:00+00:00 failed"]);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_that_is_queued_again_has_a_new_deadline_by_that(#[case] backend: Backend) {
    let world = World::new(backend, LATE).await;
    let run = world.trigger("late", "one").await;
    world.let_go();
    world.finished("late", "one").await;
    assert!(world.deadlines(&run).await.is_empty(), "both were met");

    world.pause("late").await;
    world.advance(TimeDelta::hours(10));
    world.mark("late", "one", RunState::Queued).await;
    let again = world
        .eventually("the new deadline", || async {
            let rows = world.deadlines(&run).await;
            (!rows.is_empty()).then_some(rows)
        })
        .await;

    let times: Vec<_> = again.iter().map(|row| (row.position, row.deadline_time)).collect();
    assert_eq!(times, [(0, noon() + TimeDelta::hours(11))], "the logical date is where it was");
    world.advance(TimeDelta::hours(2));
    let told = world.recorder.wait_for(1).await;
    assert_eq!(told, ["deadline -: early 2026-11-21T23:00:00+00:00 queued"]);
}

const AVERAGE: &str = r#"
average:
  deadline: {reference: AVERAGE_RUNTIME, max_runs: 5, min_runs: 2, interval: 10m, callback: {fake: "slow"}}
  tasks: {only: {operator: script, does: [hold]}}
"#;

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_average_of_earlier_runs_makes_a_deadline_when_there_are_enough(#[case] backend: Backend) {
    let world = World::new(backend, AVERAGE).await;
    for (run_id, minutes) in [("one", 20), ("two", 40)] {
        let run = world.trigger("average", run_id).await;
        world.task_is(&run, "only", "running").await;
        assert!(world.deadlines(&run).await.is_empty(), "there are not two runs yet");
        world.advance(TimeDelta::minutes(minutes));
        world.let_go();
        world.finished("average", run_id).await;
    }

    let third = world.trigger("average", "three").await;
    world.task_is(&third, "only", "running").await;

    let times: Vec<_> = world.deadlines(&third).await.iter().map(|row| row.deadline_time).collect();
    assert_eq!(times, [world.clock.now() + TimeDelta::minutes(30 + 10)]);
}

/// A date in the DAG's zone, and what is counted from the logical date of a run that has none.
#[tokio::test]
async fn a_fixed_date_makes_a_deadline_for_every_run_and_a_missing_one_none() {
    let file = r#"
fixed:
  timezone: Europe/Amsterdam
  deadline:
    - {reference: FIXED_DATETIME, datetime: 2026-11-21T15:00:00, interval: -30m, callback: {fake: "now"}}
    - {reference: DAGRUN_LOGICAL_DATE, interval: 1h, callback: {fake: "never"}}
  tasks: {only: {operator: script, does: [hold]}}
"#;
    let world = World::new(Backend::Sqlite, file).await;
    let run = world.trigger_undated("fixed", "one").await;
    world.task_is(&run, "only", "running").await;

    let times: Vec<_> = world.deadlines(&run).await.iter().map(|row| (row.position, row.deadline_time)).collect();
    assert_eq!(times, [(0, noon() + TimeDelta::minutes(90))]);
    world.advance(TimeDelta::minutes(91));
    assert_eq!(world.recorder.wait_for(1).await, ["deadline -: now"]);
    world.let_go();
    world.finished("fixed", "one").await;
}
