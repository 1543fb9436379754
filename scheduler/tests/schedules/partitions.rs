//! Runs of partitions: which are made, what they tell of their assets, and those that people ask for.

use rstest::rstest;
use scheduler::control::{ControlError, NewBackfill, Reprocess, Trigger, TriggeredBy};
use scheduler::dag::asset::Asset;
use scheduler::store::asset_events;
use scheduler::store::entity::dag_run;

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

/// Airflow's `CronPartitionTimetable`: no logical date, no data interval. Who waits for all of an asset is not asked for.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_tick_makes_a_run_of_its_partition(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("daily", DAILY).await;
    world.dag("waiter", "schedule: [s3://a]\ntasks: [{task_id: a, operator: empty}]\n").await;
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
