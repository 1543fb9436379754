//! Runs of partitions: which are made, what they tell of their assets, and those that people ask for.

use rstest::rstest;
use scheduler::control::{ControlError, NewBackfill, Reprocess, Trigger, TriggeredBy};
use scheduler::dag::asset::Asset;
use scheduler::store::entity::dag_run;
use scheduler::store::{asset_events, assets};

use crate::world::{Backend, World, at};

/// Each midnight a run about the day before.
const DAILY: &str = "schedule: {cron: '@daily', key_format: '%Y-%m-%d', run_offset: -1}\nstart_date: 2026-11-20\n\
                     tasks: [{task_id: make, operator: empty, outlets: [s3://a]}]\n";

async fn trigger(world: &World, dag_id: &str, key: &str) -> Result<dag_run::Model, ControlError> {
    let trigger = Trigger {
        run_id: None,
        logical_date: None,
        data_interval: None,
        partition_key: Some(key.to_owned()),
        run_after: None,
        conf: serde_json::Map::new(),
        note: None,
        triggered_by: TriggeredBy::Test,
        user: None,
    };
    world.control.trigger(dag_id, trigger).await
}

/// Airflow's `CronPartitionTimetable`: no logical date, no data interval. Who waits for all of an asset is not asked for, who
/// waits for parts of it is.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_tick_makes_a_run_of_its_partition(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("daily", DAILY).await;
    world.dag("waiter", "schedule: [s3://a]\ntasks: [{task_id: a, operator: empty}]\n").await;
    world.dag("follower", &waits_for_parts("[s3://a]")).await;
    world.start().await;
    world.become_states("daily", &["success"]).await;
    world.settle().await;

    let [run] = world.runs("daily").await.try_into().unwrap();
    assert_eq!(run.partition_key.as_deref(), Some("2026-11-20"));
    assert_eq!(run.partition_date, Some(at("2026-11-20T00:00:00Z")));
    assert_eq!((run.logical_date, run.data_interval_start, run.data_interval_end), (None, None, None));
    assert_eq!((run.run_type.as_str(), run.run_after), ("scheduled", at("2026-11-21T00:00:00Z")));
    assert!(run.run_id.starts_with("scheduled__2026-11-21T00:00:00+00:00__2026-11-20__"), "{}", run.run_id);
    let row = world.row("daily").await;
    assert_eq!((row.next_dagrun_logical_date, row.next_dagrun_run_after), (None, Some(at("2026-11-22T00:00:00Z"))));

    let asset = Asset::new(None, Some("s3://a")).unwrap();
    let [update] = asset_events::newest(world.db.read(), &[asset], 10).await.unwrap().try_into().unwrap();
    assert_eq!(update.event.partition_key.as_deref(), Some("2026-11-20"));
    assert!(world.runs("waiter").await.is_empty());

    let [following] = world.runs("follower").await.try_into().unwrap();
    let of_what = (following.run_type.as_str(), following.partition_key.as_deref(), following.partition_date);
    assert_eq!(of_what, ("asset_triggered", Some("2026-11-20"), run.partition_date), "the date comes along");
    world.stop().await;
}

fn waits_for_parts(assets: &str) -> String {
    format!("schedule: {{assets: {assets}, partitioned: true}}\ntasks: [{{task_id: a, operator: empty}}]\n")
}

/// Somebody says that a part of an asset was updated.
async fn emit(world: &World, uri: &str, key: &str) {
    let [asset] = assets::called(world.db.read(), uri).await.unwrap().try_into().unwrap();
    world.control.emit_asset_event(asset.id, serde_json::Map::new(), Some(key), None).await.unwrap();
    world.settle().await;
}

/// The partitions of the runs of a DAG, with how many updates each was made for.
async fn made(world: &World, dag_id: &str) -> Vec<(String, usize)> {
    let mut made = Vec::new();
    for run in world.runs(dag_id).await {
        let given = asset_events::of_run(world.db.read(), run.id).await.unwrap().len();
        made.push((run.partition_key.unwrap_or_default(), given));
    }
    made
}

fn times(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    expected.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
}

/// Airflow's `PartitionedAssetTimetable`: a run for each key that all assets have, with all updates of it so far.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_partition_that_all_assets_have_makes_a_run(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("both", &waits_for_parts("[s3://a, s3://b]")).await;
    world.dag("either", &waits_for_parts("{any: [s3://a, s3://b]}")).await;
    world.start().await;

    for (uri, key) in [("s3://a", "eu"), ("s3://b", "us"), ("s3://a", "eu")] {
        emit(&world, uri, key).await;
    }
    assert!(world.runs("both").await.is_empty(), "no key is there of both");
    assert_eq!(made(&world, "either").await, times(&[("eu", 1), ("us", 1), ("eu", 1)]));
    emit(&world, "s3://a", "us").await;
    assert_eq!(made(&world, "both").await, times(&[("us", 2)]));
    emit(&world, "s3://b", "eu").await;
    assert_eq!(made(&world, "both").await, times(&[("us", 2), ("eu", 3)]));
    emit(&world, "s3://b", "eu").await;
    assert_eq!(made(&world, "both").await.len(), 2, "it waits for the other asset anew");
    world.stop().await;
}

/// What is queued outlives the scheduler; of a DAG with a place for one run, the partitions come one after another.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn partitions_wait_for_a_scheduler_and_for_a_place(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    let file =
        "schedule: {assets: [s3://a], partitioned: true}\nmax_active_runs: 1\ntasks: [{task_id: a, operator: hold}]\n";
    world.dag("one", file).await;
    world.start().await;
    world.stop().await;
    let [asset] = assets::called(world.db.read(), "s3://a").await.unwrap().try_into().unwrap();
    for key in ["eu", "us"] {
        world.control.emit_asset_event(asset.id, serde_json::Map::new(), Some(key), None).await.unwrap();
    }

    let mut world = world.restart("2026-11-21T05:12:00Z").await;
    assert_eq!(made(&world, "one").await, times(&[("eu", 1)]));
    world.release();
    world.become_states("one", &["success", "success"]).await;
    assert_eq!(made(&world, "one").await, times(&[("eu", 1), ("us", 1)]));
    world.stop().await;
}

/// Nothing but the lock of the DAG keeps a run without a logical date from being made twice.
#[tokio::test]
async fn two_schedulers_make_the_run_of_each_partition_once() {
    let mut one = World::new(Backend::Postgres, "2026-11-21T05:11:40Z").await;
    one.dag("daily", DAILY).await;
    one.start().await;
    let mut other = one.another();
    other.start().await;

    for midnight in ["2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"] {
        one.becomes(midnight).await;
        other.settle().await;
    }

    let keys: Vec<Option<String>> = one.runs("daily").await.into_iter().map(|run| run.partition_key).collect();
    assert_eq!(keys, ["2026-11-20", "2026-11-21", "2026-11-22"].map(|key| Some(key.to_owned())));
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn people_ask_for_a_partition_by_its_key() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:11:40Z").await;
    world.dag("daily", DAILY).await;
    world.dag("plain", "schedule: '@daily'\ntasks: [{task_id: a, operator: empty}]\n").await;
    world.start().await;

    let run = trigger(&world, "daily", "2026-01-01").await.unwrap();
    assert_eq!(
        (run.partition_key.as_deref(), run.partition_date),
        (Some("2026-01-01"), Some(at("2026-01-01T00:00:00Z")))
    );

    for (dag_id, key, why) in [
        ("plain", "2026-01-01", "is not partitioned"),
        ("daily", "January", "is not of the form `%Y-%m-%d`"),
        ("daily", " ", "must not be blank"),
    ] {
        let error = trigger(&world, dag_id, key).await.unwrap_err();
        assert!(matches!(&error, ControlError::Invalid(text) if text.contains(why)), "{key}: {error}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_backfill_of_partitions_is_refused() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:11:40Z").await;
    world.dag("daily", DAILY).await;
    world.start().await;

    let new = NewBackfill {
        dag_id: "daily".to_owned(),
        from_date: at("2026-01-01T00:00:00Z"),
        to_date: at("2026-01-02T00:00:00Z"),
        run_backwards: false,
        conf: serde_json::Map::new(),
        reprocess: Reprocess::None,
        max_active_runs: 10,
        run_on_latest_version: None,
    };
    let error = world.control.plan_backfill(&new).await.unwrap_err().to_string();
    assert!(error.contains("backfills of partitions are not served"), "{error}");
    world.stop().await;
}
