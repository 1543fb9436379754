//! §13: runs that assets ask for.

use std::sync::Arc;

use rstest::rstest;
use scheduler::run::RunType;
use scheduler::store::asset_events;
use scheduler::store::asset_queue::{self, QueueFilter};
use scheduler::store::assets;
use scheduler::store::entity::dag_run;

use crate::world::{Backend, World, at};

const NOON: &str = "2026-11-21T12:00:00Z";

/// A DAG that makes an asset whenever it is triggered.
fn maker(asset: &str) -> String {
    format!("tasks: [{{task_id: make, operator: empty, outlets: [{asset}]}}]\n")
}

/// A DAG that waits for assets, and stays until it is let go.
fn waiter(schedule: &str) -> String {
    format!("schedule: {schedule}\ntasks: [{{task_id: a, operator: hold}}]\n")
}

/// Triggers a DAG, and waits until its run is over and what follows of it was made.
async fn make(world: &mut World, dag_id: &str, run_id: &str) {
    world.trigger(dag_id, run_id).await;
    world
        .eventually(&format!("the end of {run_id}"), || async {
            let runs = world.runs(dag_id).await;
            let run = runs.iter().find(|run| run.run_id == run_id)?;
            matches!(run.state.as_str(), "success" | "failed").then_some(())
        })
        .await;
    world.settle().await;
}

/// The events that a run was made for, as `asset by dag.run`.
async fn made_for(world: &World, run: &dag_run::Model) -> Vec<String> {
    let given = asset_events::of_run(world.db.read(), run.id).await.unwrap();
    given
        .iter()
        .map(|given| {
            let by = given.event.source_run_id.as_deref().unwrap_or("hand");
            format!("{} by {by}", given.asset.name)
        })
        .collect()
}

async fn queued(world: &World, dag_id: &str) -> Vec<String> {
    let filter = QueueFilter { dag_ids: Some(vec![dag_id.to_owned()]), ..QueueFilter::default() };
    let queued = asset_queue::queued(world.db.read(), &filter).await.unwrap();
    queued.into_iter().map(|queued| queued.name).collect()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_success_makes_a_run_of_who_waits_for_its_outlets(#[case] backend: Backend) {
    let mut world = World::new(backend, NOON).await;
    world.dag("maker", &maker("s3://a")).await;
    world.dag("waiter", &waiter("[s3://a]")).await;
    world.dag("other", &waiter("[s3://b]")).await;
    world.start().await;

    make(&mut world, "maker", "one").await;

    let [run] = world.runs("waiter").await.try_into().unwrap();
    assert_eq!(run.run_type, RunType::AssetTriggered.word());
    assert_eq!(run.triggered_by.as_deref(), Some("asset"));
    assert_eq!((run.logical_date, run.data_interval_start, run.data_interval_end), (None, None, None));
    let [event] = asset_events::of_run(world.db.read(), run.id).await.unwrap().try_into().unwrap();
    assert_eq!(run.run_after, event.event.timestamp);
    let stem = format!("asset_triggered__{}_", scheduler::run_id::isoformat(run.run_after));
    assert_eq!(run.run_id.strip_prefix(&stem).map(str::len), Some(8), "{}", run.run_id);
    assert_eq!(run.state, "running");
    assert_eq!(made_for(&world, &run).await, ["s3://a by one"]);
    assert!(queued(&world, "waiter").await.is_empty());
    assert!(world.runs("other").await.is_empty());
    world.stop().await;
}

/// Only success counts.
#[tokio::test]
async fn what_fails_or_is_marked_updates_nothing() {
    let mut world = World::new(Backend::Sqlite, NOON).await;
    world.dag("maker", "tasks: [{task_id: make, operator: fail, outlets: [s3://a]}]\n").await;
    world.dag("waiter", &waiter("[s3://a]")).await;
    world.start().await;

    make(&mut world, "maker", "one").await;

    assert!(world.runs("waiter").await.is_empty());
    assert!(queued(&world, "waiter").await.is_empty());
    world.stop().await;
}

/// A list means all of it; `any` one; nested, both.
#[rstest]
#[case::all("[s3://a, s3://b]", &["a"], 0)]
#[case::all_of_both("[s3://a, s3://b]", &["a", "b"], 1)]
#[case::the_same_twice_is_not_both("[s3://a, s3://b]", &["a", "a"], 0)]
#[case::any("{any: [s3://a, s3://b]}", &["b"], 1)]
#[case::any_of_both("{any: [s3://a, s3://b]}", &["b", "a"], 2)]
#[case::nested("{all: [s3://c, {any: [s3://a, s3://b]}]}", &["a", "b"], 0)]
#[case::nested_met("{all: [s3://c, {any: [s3://a, s3://b]}]}", &["a", "c"], 1)]
#[tokio::test]
async fn expressions_hold_as_they_are_written(#[case] schedule: &str, #[case] made: &[&str], #[case] runs: usize) {
    let mut world = World::new(Backend::Sqlite, NOON).await;
    for asset in ["a", "b", "c"] {
        world.dag(asset, &maker(&format!("s3://{asset}"))).await;
    }
    world.dag("waiter", &waiter(schedule)).await;
    world.start().await;

    for (number, dag_id) in made.iter().enumerate() {
        make(&mut world, dag_id, &format!("run{number}")).await;
    }

    assert_eq!(world.runs("waiter").await.len(), runs);
    world.stop().await;
}

/// The queue holds an asset once, and the run is given every event since the run before.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_is_given_all_events_since_the_one_before(#[case] backend: Backend) {
    let mut world = World::new(backend, NOON).await;
    world.dag("a", &maker("s3://a")).await;
    world.dag("b", &maker("{name: b, uri: 's3://b'}")).await;
    world.dag("waiter", &waiter("[s3://a, {name: b, uri: 's3://b'}]")).await;
    world.start().await;
    make(&mut world, "a", "a1").await;
    make(&mut world, "a", "a2").await;
    assert_eq!(queued(&world, "waiter").await, ["s3://a"]);

    make(&mut world, "b", "b1").await;
    make(&mut world, "b", "b2").await;
    make(&mut world, "a", "a3").await;

    let [first, second] = world.runs("waiter").await.try_into().unwrap();
    assert_eq!(made_for(&world, &first).await, ["s3://a by a1", "s3://a by a2", "b by b1"]);
    let given = asset_events::of_run(world.db.read(), first.id).await.unwrap();
    assert_eq!(first.run_after, given[2].event.timestamp, "when the last of them was queued");
    assert_eq!(made_for(&world, &second).await, ["b by b2", "s3://a by a3"]);
    world.stop().await;
}

/// At `max_active_runs`, the run is made when there is a free place, for all that came meanwhile.
#[tokio::test]
async fn at_its_limit_a_dag_is_asked_for_later() {
    let mut world = World::new(Backend::Sqlite, NOON).await;
    world.dag("maker", &maker("s3://a")).await;
    world.dag("waiter", &format!("max_active_runs: 1\n{}", waiter("[s3://a]"))).await;
    world.start().await;
    for run_id in ["one", "two", "three"] {
        make(&mut world, "maker", run_id).await;
    }
    assert_eq!(world.runs("waiter").await.len(), 1);
    assert_eq!(queued(&world, "waiter").await, ["s3://a"]);

    world.release();
    world.become_states("waiter", &["success", "success"]).await;

    let runs = world.runs("waiter").await;
    assert_eq!(made_for(&world, &runs[1]).await, ["s3://a by two", "s3://a by three"]);
    assert!(queued(&world, "waiter").await.is_empty());
    world.stop().await;
}

/// Nothing is queued for a paused DAG; what happened meanwhile is given to its next run.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_paused_dag_is_asked_for_by_what_comes_after_the_pause(#[case] backend: Backend) {
    let mut world = World::new(backend, NOON).await;
    world.dag("maker", &maker("s3://a")).await;
    world.dag("waiter", &waiter("[s3://a]")).await;
    world.start().await;
    world.pause("waiter").await;
    make(&mut world, "maker", "one").await;
    assert!(queued(&world, "waiter").await.is_empty());

    world.unpause("waiter").await;
    world.settle().await;
    assert!(world.runs("waiter").await.is_empty(), "unpausing alone is no update");
    make(&mut world, "maker", "two").await;

    let [run] = world.runs("waiter").await.try_into().unwrap();
    assert_eq!(made_for(&world, &run).await, ["s3://a by one", "s3://a by two"]);
    world.stop().await;
}

/// What was queued before a pause waits for its end.
#[tokio::test]
async fn what_is_queued_outlasts_a_pause() {
    let mut world = World::new(Backend::Sqlite, NOON).await;
    world.dag("a", &maker("s3://a")).await;
    world.dag("b", &maker("s3://b")).await;
    world.dag("waiter", &waiter("[s3://a, s3://b]")).await;
    world.start().await;
    make(&mut world, "a", "a1").await;
    world.pause("waiter").await;
    world.settle().await;
    world.unpause("waiter").await;
    world.settle().await;

    make(&mut world, "b", "b1").await;

    assert_eq!(world.runs("waiter").await.len(), 1);
    world.stop().await;
}

/// Assets or time: either makes a run, of its own kind.
#[tokio::test]
async fn assets_or_time_makes_runs_of_both_kinds() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T12:30:00Z").await;
    world.dag("maker", &maker("s3://a")).await;
    world.dag("waiter", &format!("catchup: none\n{}", waiter("{assets: [s3://a], time: '@hourly'}"))).await;
    world.start().await;
    assert!(world.runs("waiter").await.is_empty());

    make(&mut world, "maker", "one").await;
    world.becomes("2026-11-21T13:00:00Z").await;

    let types: Vec<String> = world.runs("waiter").await.into_iter().map(|run| run.run_type).collect();
    assert_eq!(types, ["asset_triggered", "scheduled"]);
    world.stop().await;
}

/// Without catchup, what happened before the DAG wished for it is not given; with it, it is.
#[rstest]
#[case("", &["s3://a by two"])]
#[case("start_date: 2026-01-01\ncatchup: true\n", &["s3://a by one", "s3://a by two"])]
#[tokio::test]
async fn events_before_the_subscription_are_given_with_catchup(#[case] catchup: &str, #[case] expected: &[&str]) {
    let mut world = World::new(Backend::Sqlite, NOON).await;
    world.dag("maker", &maker("s3://a")).await;
    world.start().await;
    make(&mut world, "maker", "one").await;
    world.dag("waiter", &format!("{catchup}{}", waiter("[s3://a]"))).await;
    world.settle().await;
    assert!(world.runs("waiter").await.is_empty(), "an old event asks for no run");

    make(&mut world, "maker", "two").await;

    let [run] = world.runs("waiter").await.try_into().unwrap();
    assert_eq!(made_for(&world, &run).await, expected);
    world.stop().await;
}

/// The queue follows the file: what a DAG waits for no more is queued for it no more.
#[tokio::test]
async fn a_changed_schedule_forgets_what_it_no_longer_waits_for() {
    let mut world = World::new(Backend::Sqlite, NOON).await;
    world.dag("a", &maker("s3://a")).await;
    world.dag("b", &maker("s3://b")).await;
    world.dag("waiter", &waiter("[s3://a, s3://b]")).await;
    world.start().await;
    make(&mut world, "a", "a1").await;
    assert_eq!(queued(&world, "waiter").await, ["s3://a"]);

    world.dag("waiter", &waiter("[s3://b, s3://c]")).await;
    world.settle().await;

    assert!(queued(&world, "waiter").await.is_empty());
    make(&mut world, "b", "b1").await;
    assert_eq!(queued(&world, "waiter").await, ["s3://b"]);
    world.stop().await;
}

/// What a person says of an asset counts as any other update.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_event_by_hand_asks_for_a_run(#[case] backend: Backend) {
    let mut world = World::new(backend, NOON).await;
    world.dag("waiter", &waiter("[s3://a]")).await;
    world.start().await;
    let [asset] = assets::called(world.db.read(), "s3://a").await.unwrap().try_into().unwrap();

    let extra = serde_json::json!({ "rows": 3 }).as_object().unwrap().clone();
    let update = world.control.emit_asset_event(asset.id, extra, None, Some("ann")).await.unwrap();
    world.settle().await;

    assert_eq!(update.event.extra["rows"], 3);
    let [run] = world.runs("waiter").await.try_into().unwrap();
    assert_eq!(made_for(&world, &run).await, ["s3://a by hand"]);
    world.stop().await;
}

/// A restart finds what is queued, and an update that was written twice counts once.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_scheduler_that_was_away_makes_the_run_when_it_is_back(#[case] backend: Backend) {
    let mut world = World::new(backend, NOON).await;
    world.dag("waiter", &waiter("[s3://a]")).await;
    world.start().await;
    world.stop().await;
    let [asset] = assets::called(world.db.read(), "s3://a").await.unwrap().try_into().unwrap();
    world.control.emit_asset_event(asset.id, serde_json::Map::new(), None, None).await.unwrap();
    assert!(world.runs("waiter").await.is_empty());

    let mut world = world.restart("2026-11-21T12:00:30Z").await;

    let [run] = world.runs("waiter").await.try_into().unwrap();
    assert!(run.run_after < at("2026-11-21T12:00:30Z"), "when it was queued");
    world.stop().await;
}

/// Two schedulers over one database make one run of each update.
#[tokio::test]
async fn two_schedulers_make_each_run_once() {
    let mut one = World::new(Backend::Postgres, NOON).await;
    one.dag("maker", &maker("s3://a")).await;
    one.dag("waiter", &waiter("[s3://a]")).await;
    one.start().await;
    let mut other = one.another();
    other.start().await;
    let control = Arc::new(other.control.clone());
    let [asset] = assets::called(one.db.read(), "s3://a").await.unwrap().try_into().unwrap();

    for number in 0..5 {
        make(&mut one, "maker", &format!("run{number}")).await;
        control.emit_asset_event(asset.id, serde_json::Map::new(), None, None).await.unwrap();
        other.settle().await;
    }
    // One of them leads; what was said to the other alone, it finds by itself.
    one.settle().await;

    let mut given = Vec::new();
    for run in one.runs("waiter").await {
        given.extend(made_for(&one, &run).await);
    }
    assert_eq!(given.len(), 10, "each event once: {given:?}");
    one.stop().await;
    other.stop().await;
}
