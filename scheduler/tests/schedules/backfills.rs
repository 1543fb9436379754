//! §15: backfills, over a DAG whose first days have runs already.

use rstest::rstest;
use scheduler::control::{ClearRun, ControlError, Fate, NewBackfill, Reprocess};
use scheduler::run::RunState;
use scheduler::store::{commit, runs};

use crate::world::{Backend, World, at};

const NOW: &str = "2026-01-10T12:00:00Z";

fn days(from: &str, to: &str) -> NewBackfill {
    NewBackfill {
        dag_id: "days".to_owned(),
        from_date: at(&format!("2026-01-{from}T00:00:00Z")),
        to_date: at(&format!("2026-01-{to}T00:00:00Z")),
        run_backwards: false,
        conf: serde_json::Map::new(),
        reprocess: Reprocess::None,
        max_active_runs: 10,
        run_on_latest_version: None,
    }
}

/// A DAG that is due at midnight, and has runs of January 1 (success), 2 (failed) and 3 (running).
async fn with_runs(backend: Backend) -> World {
    let mut world = World::new(backend, NOW).await;
    let text = "schedule: '@daily'\ncatchup: none\nstart_date: 2026-01-01\ntasks: [{task_id: a, operator: hold}]\n";
    world.dag("days", text).await;
    world.start().await;
    for (day, state) in [("01", Some(RunState::Success)), ("02", Some(RunState::Failed)), ("03", None)] {
        world.trigger_about("days", day, at(&format!("2026-01-{day}T00:00:00Z"))).await;
        if let Some(state) = state {
            let patch = scheduler::control::RunPatch { state: Some(state), note: None };
            world.control.patch_run("days", day, patch, None).await.unwrap();
        }
    }
    world.become_states("days", &["success", "failed", "running"]).await;
    world
}

/// What becomes of dates that have a run.
#[rstest]
#[case::left_alone(Reprocess::None, [Fate::AlreadyExists, Fate::AlreadyExists, Fate::InFlight, Fate::New])]
#[case::what_failed(Reprocess::Failed, [Fate::AlreadyExists, Fate::Again, Fate::InFlight, Fate::New])]
#[case::what_is_over(Reprocess::Completed, [Fate::Again, Fate::Again, Fate::InFlight, Fate::New])]
#[tokio::test]
async fn dates_that_have_a_run_are_reprocessed_as_asked(#[case] reprocess: Reprocess, #[case] expected: [Fate; 4]) {
    let mut world = with_runs(Backend::Sqlite).await;
    let new = NewBackfill { reprocess, ..days("01", "04") };

    let plan = world.control.plan_backfill(&new).await.unwrap();

    assert_eq!(plan.iter().map(|date| date.fate).collect::<Vec<_>>(), expected);
    let backwards = world.control.plan_backfill(&NewBackfill { run_backwards: true, ..new }).await.unwrap();
    assert!(plan.iter().eq(backwards.iter().rev()), "the same, newest first");
    world.release();
    world.stop().await;
}

/// A plan waits for nobody who writes.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_would_run_is_told_while_others_change_the_runs(#[case] backend: Backend) {
    let mut world = World::new(backend, NOW).await;
    world.dag("days", "schedule: '@daily'\ncatchup: none\ntasks: [{task_id: a, operator: empty}]\n").await;
    world.trigger_about("days", "01", at("2026-01-01T00:00:00Z")).await;
    let txn = world.db.begin_write().await.unwrap();
    runs::get_locked(&txn, "days", "01").await.unwrap();

    let plan = world.control.plan_backfill(&days("01", "02")).await.unwrap();

    assert_eq!(plan.iter().map(|date| date.fate).collect::<Vec<_>>(), [Fate::InFlight, Fate::New]);
    commit(txn).await.expect("it was not made to wait until Postgres had enough of it");
}

/// What is reused takes the type and the conf of the backfill; new runs are called after when they were due.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn runs_that_are_reused_become_part_of_the_backfill(#[case] backend: Backend) {
    let mut world = with_runs(backend).await;
    let mut new = NewBackfill { reprocess: Reprocess::Failed, ..days("02", "04") };
    new.conf.insert("why".to_owned(), "mended".into());

    let (made, _) = world.control.create_backfill(new, Some("ann")).await.unwrap();

    let of_backfill: Vec<(String, String, Option<i32>)> = world
        .runs("days")
        .await
        .into_iter()
        .filter(|run| run.backfill_id == Some(made.id) && run.conf["why"] == "mended")
        .map(|run| (run.run_id, run.run_type, run.sort_ordinal))
        .collect();
    let mut expected = [
        ("02".to_owned(), "backfill".to_owned(), Some(1)),
        ("backfill__2026-01-04T00:00:00+00:00".to_owned(), "backfill".to_owned(), Some(2)),
    ];
    let mut found = of_backfill;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    world.release();
    world
        .eventually("the end of the backfill", || async {
            let row = scheduler::store::backfills::get(world.db.read(), made.id).await.unwrap();
            row.completed_at
        })
        .await;
    world.stop().await;
}

/// A run of a backfill that is over is cleared like any other, also where the backfill was cancelled and so is paused for ever.
#[rstest]
#[case::done(false)]
#[case::cancelled(true)]
#[tokio::test]
async fn a_run_of_a_backfill_that_is_over_can_be_cleared(#[case] is_cancelled: bool) {
    let mut world = World::new(Backend::Sqlite, NOW).await;
    let text = "schedule: '@daily'\ncatchup: none\ntasks: [{task_id: a, operator: hold}]\n";
    world.dag("days", text).await;
    world.start().await;
    let new = NewBackfill { max_active_runs: 1, ..days("01", "02") };
    let (made, _) = world.control.create_backfill(new, None).await.unwrap();
    world.become_states("days", &["running", "queued"]).await;
    if is_cancelled {
        world.control.cancel_backfill(made.id, None).await.unwrap();
    }
    world.release();
    world.become_states("days", &["success", if is_cancelled { "failed" } else { "success" }]).await;
    world.settle().await;
    assert!(scheduler::store::backfills::get(world.db.read(), made.id).await.unwrap().completed_at.is_some());

    let run_id = world.runs("days").await[1].run_id.clone();
    world.control.clear_run("days", &run_id, ClearRun::default(), None).await.unwrap();
    world.become_states("days", &["success", "success"]).await;
    world.stop().await;
}

/// A backfill has a limit of its own, and takes no place of the others.
#[tokio::test]
async fn a_backfill_has_its_own_limit() {
    let mut world = World::new(Backend::Sqlite, NOW).await;
    let text = "schedule: '@daily'\ncatchup: none\nmax_active_runs: 1\ntasks: [{task_id: a, operator: hold}]\n";
    world.dag("days", text).await;
    world.start().await;
    let new = NewBackfill { max_active_runs: 2, ..days("01", "03") };
    world.control.create_backfill(new, None).await.unwrap();
    world.become_states("days", &["running", "running", "queued"]).await;

    world.trigger("days", "by_hand").await;

    world.become_states("days", &["running", "running", "queued", "running"]).await;
    world.release();
    world.become_states("days", &["success"; 4]).await;
    world.stop().await;
}

/// The first run of a backfill does not wait for what was before it, those after it do.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_first_run_of_a_backfill_waits_for_no_run_before(#[case] backend: Backend) {
    let mut world = World::new(backend, NOW).await;
    let text = "schedule: '@daily'\ncatchup: none\ndefault_args: {depends_on_past: true}\n\
                tasks: [{task_id: a, operator: hold}]\n";
    world.dag("days", text).await;
    world.start().await;
    world.trigger_about("days", "before", at("2026-01-01T00:00:00Z")).await;
    let failed = scheduler::control::RunPatch { state: Some(RunState::Failed), note: None };
    world.control.patch_run("days", "before", failed, None).await.unwrap();

    let new = NewBackfill { reprocess: Reprocess::Failed, ..days("02", "03") };
    world.control.create_backfill(new, None).await.unwrap();
    world.become_states("days", &["running", "running", "failed"]).await;
    let state = async |position: usize| {
        let run = world.runs("days").await.remove(position);
        let [instance] = runs::instances(world.db.read(), run.id).await.unwrap().try_into().unwrap();
        (instance.state, instance.reason)
    };
    world
        .eventually("the task of the first", || async {
            (state(0).await.0.as_deref() == Some("running")).then_some(())
        })
        .await;
    assert_eq!(state(1).await, (None, Some("waits for the run before".to_owned())));

    world.release();
    world.become_states("days", &["success", "success", "failed"]).await;
    world.stop().await;
}

/// What makes no sense is refused with the reason.
#[rstest]
#[case::backwards_in_time("schedule: '@daily'", days("05", "04"), "is after `to_date`")]
#[case::to_come("schedule: '@daily'", days("20", "25"), "no runs are due in this range")]
#[case::no_schedule("schedule: null", days("01", "02"), "no periodic schedule")]
#[case::once("schedule: '@once'", days("01", "02"), "no periodic schedule")]
#[case::assets("schedule: [s3://a]", days("01", "02"), "no periodic schedule")]
#[case::newest_first(
    "schedule: '@daily'\ndefault_args: {depends_on_past: true}",
    NewBackfill { run_backwards: true, reprocess: Reprocess::Failed, ..days("01", "02") },
    "cannot run backwards"
)]
#[case::reprocess_none(
    "schedule: '@daily'\ndefault_args: {wait_for_downstream: true}",
    days("01", "02"),
    "choose the `reprocess_behavior` failed or completed"
)]
#[case::no_room("schedule: '@daily'", NewBackfill { max_active_runs: 0, ..days("01", "02") }, "must be at least 1")]
#[tokio::test]
async fn what_makes_no_sense_is_refused(#[case] head: &str, #[case] new: NewBackfill, #[case] why: &str) {
    let mut world = World::new(Backend::Sqlite, NOW).await;
    world.dag("days", &format!("{head}\ntasks: [{{task_id: a, operator: empty}}]\n")).await;

    let refused = world.control.create_backfill(new, None).await.unwrap_err();

    assert!(matches!(refused, ControlError::Invalid(_)) && refused.to_string().contains(why), "{refused}");
    let unknown = NewBackfill { dag_id: "none".to_owned(), ..days("01", "02") };
    assert!(matches!(world.control.plan_backfill(&unknown).await.unwrap_err(), ControlError::NotFound { .. }));
}
