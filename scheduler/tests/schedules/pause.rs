//! §2: pause and unpause.

use rstest::rstest;

use crate::world::{Backend, World};

/// Unpause with catchup=False → one run for the latest tick; with the other policies what they say (complaints.md 10).
#[rstest]
#[case::latest("false", &["2026-11-21T05:00:00"])]
#[case::none("none", &[])]
#[case::all("true", &["2026-11-21T02:00:00", "2026-11-21T03:00:00", "2026-11-21T04:00:00", "2026-11-21T05:00:00"])]
#[case::window("{mode: all, window: 90m}", &["2026-11-21T04:00:00", "2026-11-21T05:00:00"])]
#[tokio::test]
async fn unpausing_makes_up_for_what_catchup_says(#[case] catchup: &str, #[case] expected: &[&str]) {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T01:50:00Z").await;
    let file = format!(
        "schedule: '@hourly'\nstart_date: 2026-11-21T02:00:00\ncatchup: {catchup}\nis_paused_upon_creation: true\n\
         tasks: [{{task_id: a, operator: empty}}]\n"
    );
    world.dag("hourly", &file).await;
    world.start().await;
    world.becomes("2026-11-21T05:11:40Z").await;
    assert_eq!(world.due("hourly").await, [""; 0], "a paused DAG makes no runs");

    world.unpause("hourly").await;
    world.settle().await;

    assert_eq!(world.due("hourly").await, expected);
    world.becomes("2026-11-21T06:00:00Z").await;
    assert_eq!(world.due("hourly").await.last().unwrap(), "2026-11-21T06:00:00", "and the next tick is not missed");
    world.stop().await;
}

/// A new DAG that is not paused makes up for the latest tick before it (§1), unless it says otherwise.
#[tokio::test]
async fn a_new_dag_makes_up_for_what_catchup_says() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:11:40Z").await;
    world.start().await;
    let file = |catchup: &str| {
        format!(
            "schedule: '@daily'\nstart_date: 2026-01-01\ncatchup: {catchup}\ntasks: [{{task_id: a, operator: empty}}]\n"
        )
    };
    world.dag("latest", &file("false")).await;
    world.dag("none", &file("none")).await;
    world.settle().await;

    assert_eq!(world.due("latest").await, ["2026-11-21T00:00:00"]);
    assert_eq!(world.due("none").await, [""; 0]);
    world.stop().await;
}

/// Queued runs do not start, manual ones included; running runs get nothing more started, and what runs may end.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_paused_dag_starts_nothing_and_lets_what_runs_end(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    let file = "max_active_runs: 2\ntasks:\n  - {task_id: first, operator: hold}\n  - {task_id: second, operator: empty, dependencies: [first]}\n";
    world.dag("steps", file).await;
    world.dag("only", "tasks: [{task_id: last, operator: hold}]\n").await;
    world.start().await;
    let begun = world.trigger("steps", "begun").await;
    world.trigger("only", "ends").await;
    world.become_states("steps", &["running"]).await;
    world.become_states("only", &["running"]).await;

    world.pause("steps").await;
    world.pause("only").await;
    world.settle().await;
    world.trigger("steps", "waits").await;
    world.release();
    world.become_states("only", &["success"]).await;
    world.settle().await;

    assert_eq!(world.states("steps").await, ["running", "queued"], "the second run does not begin");
    let instances = world.instances(&begun).await;
    let state = |task: &str| instances.iter().find(|(id, _)| id == task).unwrap().1.clone();
    assert_eq!(state("first").as_deref(), Some("success"), "what ran may end");
    assert_ne!(state("second").as_deref(), Some("success"), "what follows waits");

    world.unpause("steps").await;
    world.become_states("steps", &["success", "success"]).await;
    world.stop().await;
}

/// A pause that another process wrote is seen by the transaction that would make a run, whoever has been woken.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_pause_by_another_process_counts_at_once(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("hourly", "schedule: '@hourly'\ncatchup: none\ntasks: [{task_id: a, operator: empty}]\n").await;
    world.start().await;
    let elsewhere = world.another();

    elsewhere.pause("hourly").await;
    world.becomes("2026-11-21T06:00:00Z").await;

    assert_eq!(world.due("hourly").await, [""; 0]);
    world.stop().await;
}

/// `catchup: none` makes nothing up for that came while the DAG was not there.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn ticks_while_the_file_was_gone_are_missed(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    let file = "schedule: '@daily'\ncatchup: none\ntasks: [{task_id: a, operator: empty}]\n";
    world.dag("daily", file).await;
    world.start().await;
    world.remove_dag("daily").await;
    world.settle().await;
    assert_eq!(world.row("daily").await.next_dagrun_run_after, None);
    world.becomes("2026-11-24T07:00:00Z").await;

    world.dag("daily", file).await;
    world.settle().await;
    assert_eq!(world.due("daily").await, [""; 0]);
    world.becomes("2026-11-25T00:00:00Z").await;

    assert_eq!(world.due("daily").await, ["2026-11-25T00:00:00"]);
    world.stop().await;
}

/// A DAG whose file is gone: no scheduling, and runs stay as they are, save that what runs may end. They go on when it is back.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn runs_of_a_dag_without_a_file_stay_as_they_are(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    let file = "max_active_runs: 1\ntasks:\n  - {task_id: first, operator: hold}\n  - {task_id: second, operator: empty, dependencies: [first]}\n";
    world.dag("steps", file).await;
    world.start().await;
    let begun = world.trigger("steps", "begun").await;
    world.task_becomes(&begun, "first", "running", "").await;
    world.settle().await;
    world.trigger("steps", "waits").await;
    world.settle().await;

    world.remove_dag("steps").await;
    world.settle().await;
    world.release();
    world.task_becomes(&begun, "second", "scheduled", "DAG file is gone").await;
    world.settle().await;

    assert_eq!(world.states("steps").await, ["running", "queued"]);
    assert_eq!(world.runs("steps").await[1].reason.as_deref(), Some("DAG file is gone"));
    world.dag("steps", file).await;
    world.become_states("steps", &["success", "success"]).await;
    world.stop().await;
}
