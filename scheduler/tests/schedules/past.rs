//! §3: `depends_on_past` over the versions of a DAG.

use rstest::rstest;
use scheduler::control::{MarkTasks, Relatives, TaskRef};
use scheduler::run::TaskState;
use scheduler::store::entity::dag_run;
use scheduler::store::{commit, runs};

use crate::world::{Backend, World, at};

const ABSENT: &str = "waits for the run before, which does not have the task";

/// Makes the DAG one of these tasks; those with an `!` need not wait in the first run that has them.
async fn tasks(world: &mut World, names: &str) {
    let task = |name: &str| {
        let (id, first) = (name.trim_end_matches('!'), name.ends_with('!'));
        format!("  - {{task_id: {id}, operator: empty, ignore_first_depends_on_past: {first}}}\n")
    };
    let list: String = names.split(' ').map(task).collect();
    world.dag("dag", &format!("default_args: {{depends_on_past: true}}\ntasks:\n{list}")).await;
    world.settle().await;
}

async fn run_of(world: &World, day: &str) -> dag_run::Model {
    world.trigger_about("dag", day, at(&format!("2026-01-{day}T00:00:00Z"))).await
}

/// A task that the run before did not have waits for it, unless it may do without in its first run; a task that was there
/// before that, and away in between, waits in any case.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_new_task_waits_unless_it_may_not(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-02-01T00:00:00Z").await;
    world.start().await;
    tasks(&mut world, "a").await;
    let first = run_of(&world, "01").await;
    world.task_becomes(&first, "a", "success", "").await;
    world.settle().await;

    tasks(&mut world, "a new may!").await;
    let second = run_of(&world, "02").await;
    world.task_becomes(&second, "may", "success", "").await;
    world.task_becomes(&second, "new", "none", ABSENT).await;
    world.task_becomes(&second, "a", "success", "").await;
    let mark = MarkTasks {
        run_id: "02".to_owned(),
        tasks: vec![TaskRef { task_id: "new".to_owned(), map_index: None }],
        relatives: Relatives::default(),
        state: Some(TaskState::Success),
        note: None,
        dry_run: false,
    };
    world.control.mark_tasks("dag", mark, None).await.unwrap();
    world.settle().await;

    tasks(&mut world, "a new").await;
    let third = run_of(&world, "03").await;
    world.task_becomes(&third, "new", "success", "").await;
    world.settle().await;
    tasks(&mut world, "a new may!").await;
    let fourth = run_of(&world, "04").await;
    world.task_becomes(&fourth, "new", "success", "").await;
    world.task_becomes(&fourth, "may", "none", ABSENT).await;
    world.stop().await;
}

/// A run that waits for the run before goes on when that is deleted, also when nobody hears of it.
#[rstest]
#[tokio::test]
async fn a_run_goes_on_when_the_run_before_is_gone(#[values(false, true)] is_said: bool) {
    let mut world = World::new(Backend::Sqlite, "2026-02-01T00:00:00Z").await;
    let tasks = |operator: &str| {
        format!("default_args: {{depends_on_past: true}}\ntasks: [{{task_id: a, operator: {operator}}}]\n")
    };
    world.start().await;
    world.dag("dag", &tasks("fail")).await;
    let first = run_of(&world, "01").await;
    world.become_states("dag", &["failed"]).await;
    world.dag("dag", &tasks("empty")).await;
    let second = run_of(&world, "02").await;
    world.task_becomes(&second, "a", "none", "waits for the run before").await;

    if is_said {
        world.control.delete_run("dag", "01", None).await.unwrap();
    } else {
        let txn = world.db.begin_write().await.unwrap();
        runs::delete(&txn, first.id).await.unwrap();
        commit(txn).await.unwrap();
        world.settle().await;
    }
    world.task_becomes(&second, "a", "success", "").await;
    world.stop().await;
}
