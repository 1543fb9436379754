//! §14: what clearing does to the run.

use rstest::rstest;
use scheduler::control::{ClearRun, ClearTasks, ControlError, MarkTasks, Relatives, Runs, StatesMeant, TaskRef};
use scheduler::run::TaskState;
use scheduler::store::entity::dag_run;
use scheduler::store::requests::{self, Request};
use scheduler::store::{commit, runs};

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

/// A try that was marked may take its time to stop, although nobody waits for it.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_task_that_is_cleared_begins_when_its_marked_try_has_stopped(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("dag", "tasks: [{task_id: a, operator: stubborn}]\n").await;
    world.start().await;
    let made = world.trigger("dag", "one").await;
    world.task_becomes(&made, "a", "running", "").await;
    world.settle().await;
    let mark = MarkTasks {
        run_id: "one".to_owned(),
        tasks: vec![TaskRef { task_id: "a".to_owned(), map_index: None }],
        relatives: Relatives::default(),
        state: Some(TaskState::Failed),
        note: None,
        dry_run: false,
    };
    world.control.mark_tasks("dag", mark, None).await.unwrap();
    world.become_states("dag", &["failed"]).await;

    clear(&world).await;
    world.task_becomes(&made, "a", "running", "").await;
    // What could begin has begun by then.
    world.settle().await;
    world.release();

    world.become_states("dag", &["success"]).await;
    assert_eq!(world.at_work.most(), 1, "no two tries of a task at the same time");
    world.stop().await;
}

/// A run that ended before its scheduler saw what was asked of it is still to go on.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_that_is_over_and_in_hand_is_not_deleted(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("dag", "tasks: [{task_id: a, operator: empty}]\n").await;
    world.start().await;
    let made = world.trigger("dag", "one").await;
    world.become_states("dag", &["success"]).await;
    world.stop().await;
    let txn = world.db.begin_write().await.unwrap();
    let again = Request::Mark { state: "queued".to_owned() };
    requests::insert(&txn, made.id, &again, None, world.clock.now()).await.unwrap();
    runs::adopt(&txn, made.id, 10).await.unwrap();
    commit(txn).await.unwrap();

    let refused = world.control.delete_run("dag", "one", None).await;

    assert!(matches!(refused, Err(ControlError::Conflict(_))), "{refused:?}");
    assert_eq!(world.states("dag").await, ["success"]);
}

/// §2: `dagrun_timeout` is measured from the beginning of the run, also where it is the second.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_that_begins_again_has_all_of_its_time(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:00:00Z").await;
    world.dag("dag", "dagrun_timeout: 1h\ntasks: [{task_id: a, operator: hold}]\n").await;
    world.start().await;
    let made = world.trigger("dag", "one").await;
    world.task_becomes(&made, "a", "running", "").await;
    world.becomes("2026-11-21T05:40:00Z").await;
    world.release();
    world.become_states("dag", &["success"]).await;
    world.hold();
    clear(&world).await;
    world.task_becomes(&made, "a", "running", "").await;

    world.becomes("2026-11-21T06:10:00Z").await;
    assert_eq!(run(&world).await.state, "running");
    world.becomes("2026-11-21T06:50:00Z").await;
    world.become_states("dag", &["failed"]).await;
    world.task_becomes(&made, "a", "skipped", "").await;
    world.stop().await;
}

/// §3: a task that one version of the DAG took away and a later one has again is restored, and its tries go on, whether its
/// run is over or goes on.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_task_that_is_there_again_is_restored(#[case] backend: Backend, #[values(false, true)] is_over: bool) {
    let both = "tasks: [{task_id: a, operator: hold}, {task_id: b, operator: empty}]\n";
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("dag", both).await;
    world.start().await;
    if is_over {
        world.release();
    }
    let made = world.trigger("dag", "one").await;
    world.task_becomes(&made, "a", if is_over { "success" } else { "running" }, "").await;
    world.task_becomes(&made, "b", "success", "").await;
    world.settle().await;

    world.dag("dag", "tasks: [{task_id: a, operator: hold}]\n").await;
    assert_eq!(go_on_with_newest(&world).await, [""; 0]);
    world.task_becomes(&made, "b", "removed", "").await;
    world.settle().await;
    world.dag("dag", both).await;
    assert_eq!(go_on_with_newest(&world).await, ["b"]);
    world.task_becomes(&made, "b", "success", "").await;
    let rows = runs::instances(world.db.read(), made.id).await.unwrap();
    let restored = rows.iter().find(|row| row.task_id == "b").unwrap();
    assert_eq!((restored.try_number, restored.max_tries), (2, 1));
    world.release();
    world.become_states("dag", &["success"]).await;
    world.stop().await;
}

/// Has the run go on with the newest version of its DAG; answers with the tasks that are new to it.
async fn go_on_with_newest(world: &World) -> Vec<String> {
    let only_new = ClearRun { only_new: true, ..ClearRun::default() };
    world.control.clear_run("dag", "one", only_new, None).await.unwrap().new_tasks
}
