//! §2: `max_active_runs`, and the order in which runs begin.

use rstest::rstest;

use crate::world::{Backend, World, at};

/// The scheduler stops making scheduled runs at the limit. When a place is free, the next missed one is made.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn no_more_runs_are_made_than_may_be_active(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world
        .dag(
            "hourly",
            "schedule: '@hourly'\nstart_date: 2026-11-21T02:00:00\ncatchup: true\nmax_active_runs: 2\n\
             tasks: [{task_id: a, operator: hold}]\n",
        )
        .await;
    world.start().await;
    assert_eq!(world.due("hourly").await, ["2026-11-21T02:00:00", "2026-11-21T03:00:00"]);

    world.release();
    world.become_states("hourly", &["success"; 4]).await;

    assert_eq!(world.due("hourly").await[2..], ["2026-11-21T04:00:00", "2026-11-21T05:00:00"]);
    world.stop().await;
}

/// Without catchup, ticks that pass while the DAG is at its limit leave only the latest behind (§1).
#[tokio::test]
async fn of_ticks_that_pass_at_the_limit_the_latest_is_made_up_for() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T02:59:50Z").await;
    world
        .dag(
            "hourly",
            "schedule: '@hourly'\ncatchup: none\nmax_active_runs: 1\ntasks: [{task_id: a, operator: hold}]\n",
        )
        .await;
    world.start().await;
    world.becomes("2026-11-21T03:00:00Z").await;
    world.becomes("2026-11-21T04:00:00Z").await;
    world.becomes("2026-11-21T06:30:00Z").await;
    assert_eq!(world.due("hourly").await, ["2026-11-21T03:00:00"]);

    world.release();
    world.become_states("hourly", &["success"; 2]).await;

    assert_eq!(world.due("hourly").await, ["2026-11-21T03:00:00", "2026-11-21T06:00:00"]);
    world.stop().await;
}

/// Runs that people ask for are always made, and queue up; scheduled ones wait until there are fewer. They begin in the
/// order in which they are due.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn manual_runs_are_always_made_and_begin_in_order(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:59:00Z").await;
    world
        .dag(
            "hourly",
            "schedule: '@hourly'\ncatchup: none\nmax_active_runs: 1\ntasks: [{task_id: a, operator: hold}]\n",
        )
        .await;
    world.start().await;
    for name in ["first", "second", "third"] {
        world.trigger("hourly", name).await;
        world.settle().await;
    }
    world.becomes("2026-11-21T06:00:00Z").await;
    assert_eq!(world.states("hourly").await, ["running", "queued", "queued"], "no scheduled one beside them");

    world.release();
    world.become_states("hourly", &["success"; 4]).await;

    let mut begun = world.runs("hourly").await;
    begun.sort_by_key(|run| run.start_date);
    let names: Vec<&str> = begun.iter().map(|run| run.run_id.as_str()).collect();
    assert_eq!(names, ["first", "second", "third", "scheduled__2026-11-21T06:00:00+00:00"]);
    world.stop().await;
}

/// `@continuous`: the next run begins when the one before has ended, and is about the time since.
#[tokio::test]
async fn continuous_runs_follow_each_other() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:00:00Z").await;
    world
        .dag(
            "again",
            "schedule: '@continuous'\nstart_date: 2026-11-21\nend_date: 2026-11-21T06:59:59\nmax_active_runs: 5\n\
             tasks: [{task_id: a, operator: hold}]\n",
        )
        .await;
    world.start().await;
    world.becomes("2026-11-21T06:30:00Z").await;
    let [only] = world.runs("again").await.try_into().unwrap();
    assert_eq!(only.state, "running");

    world.clock.set(crate::world::at("2026-11-21T06:45:00Z"));
    world.release();
    world.eventually("another run", || async { (world.runs("again").await.len() > 1).then_some(()) }).await;
    world.hold();
    world.becomes("2026-11-21T07:30:00Z").await;
    world.release();
    world.settle().await;

    let runs = world.runs("again").await;
    let second = &runs[1];
    assert_eq!(second.data_interval_start, only.data_interval_end, "it is about the time since");
    assert_eq!(second.data_interval_end, Some(crate::world::at("2026-11-21T06:45:00Z")));
    assert!(runs.iter().all(|run| run.run_after <= crate::world::at("2026-11-21T06:59:59Z")), "until the end date");
    world.stop().await;
}

/// Two schedulers over one database make each run once, also where its time depends on when they look.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn two_schedulers_make_each_run_once(#[case] backend: Backend) {
    let mut one = World::new(backend, "2026-11-21T05:11:40Z").await;
    // Shorter than a lease, which must not lapse while the clock jumps.
    let now_and_then = "schedule: 6s\nmax_active_runs: 1\ntasks: [{task_id: a, operator: hold}]\n";
    one.dag("often", now_and_then).await;
    one.dag("twice", &now_and_then.replace("max_active_runs: 1", "max_active_runs: 2")).await;
    one.start().await;
    let mut other = one.another();
    other.start().await;
    one.settle().await;
    assert_eq!(one.due("often").await.len(), 1);
    let first = one.runs("often").await[0].run_after;

    one.becomes(&(first + chrono::TimeDelta::seconds(6)).to_rfc3339()).await;
    other.settle().await;
    one.settle().await;

    assert_eq!(one.due("often").await.len(), 1, "whoever owns the first run, it counts");
    assert_eq!(one.due("twice").await.len(), 2);
    one.stop().await;
    other.stop().await;
}

/// A run that may not begin yet takes no place of those that may meanwhile.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_for_later_holds_nobody_up(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T12:00:00Z").await;
    world.dag("a", "max_active_runs: 1\ntasks: [{task_id: a, operator: hold}]\n").await;
    world.start().await;

    let tomorrow = at("2026-11-22T12:00:00Z");
    world.trigger_after("a", "tomorrow", at("2026-11-21T12:00:00Z"), Some(tomorrow)).await;
    world.settle().await;
    world.trigger("a", "now").await;
    world.become_states("a", &["running", "queued"]).await;
    let later = world.runs("a").await.into_iter().find(|run| run.run_id == "tomorrow").unwrap();
    assert_eq!(later.reason.as_deref(), Some("waits until 2026-11-22T12:00:00Z"));

    world.release();
    world.become_states("a", &["success", "queued"]).await;
    world.becomes("2026-11-22T12:00:00Z").await;
    world.become_states("a", &["success", "success"]).await;
    world.stop().await;
}

/// §1: a run whose logical date is to come runs, and counts as a run that does; nothing of it is scheduled until then,
/// whatever becomes of the process meanwhile.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_about_the_future_waits_for_its_date(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T12:00:00Z").await;
    world.dag("a", "max_active_runs: 1\ntasks: [{task_id: a, operator: hold}]\n").await;
    world.start().await;

    let tomorrow = world.trigger_about("a", "tomorrow", at("2026-11-22T12:00:00Z")).await;
    world.become_states("a", &["running"]).await;
    world.task_becomes(&tomorrow, "a", "none", "logical date is in the future: 2026-11-22T12:00:00Z").await;
    world.settle().await;
    world.trigger("a", "now").await;
    world.settle().await;
    assert_eq!(world.states("a").await, ["running", "queued"]);
    assert_eq!(world.runs("a").await[1].reason.as_deref(), Some("max_active_runs 1 reached"));

    let mut world = world.restart("2026-11-22T11:59:00Z").await;
    world.settle().await;
    world.task_becomes(&tomorrow, "a", "none", "logical date is in the future: 2026-11-22T12:00:00Z").await;
    world.becomes("2026-11-22T12:00:00Z").await;
    world.task_becomes(&tomorrow, "a", "running", "").await;
    world.release();
    world.become_states("a", &["success", "success"]).await;
    world.stop().await;
}
