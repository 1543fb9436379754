//! What the store promises, on both databases.

#![allow(clippy::unwrap_used, reason = "a test panics when the world is not as it set it up")]

mod assets;
mod checkpoints;
mod dag_runs;
mod history;
mod hitl_details;
mod pools;
mod revoked_tokens;
mod schedules;
mod secrets;
mod shortage;
mod task_instances;
mod tries;
mod try_logs;
mod vanished_server;
mod xcoms;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use scheduler::store::entity::{dag, dag_run};
use scheduler::store::leases::{self, Holder, Offer};
use scheduler::store::runs::{self, Batch};
use scheduler::store::{Db, StoreError, commit, dags, versions};
use scheduler::testing::TestDb;
use uuid::Uuid;

#[derive(Clone, Copy, Debug)]
enum Backend {
    Sqlite,
    Postgres,
}

async fn open(backend: Backend) -> TestDb {
    match backend {
        Backend::Sqlite => TestDb::sqlite().await,
        Backend::Postgres => TestDb::postgres().await,
    }
}

fn noon() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn a_dag(dag_id: &str) -> dag::Model {
    dag::Model {
        dag_id: dag_id.to_owned(),
        dag_display_name: None,
        task_display_names: None,
        is_paused: false,
        is_stale: false,
        has_import_errors: false,
        fileloc: String::new(),
        relative_fileloc: format!("{dag_id}.yaml"),
        bundle_name: "dags-folder".to_owned(),
        last_parsed_time: None,
        last_parse_duration_ms: None,
        description: None,
        owners: String::new(),
        timetable_summary: None,
        timetable_description: None,
        timezone: "UTC".to_owned(),
        max_active_runs: 16,
        max_active_tasks: 16,
        allowed_run_types: None,
        next_dagrun_logical_date: None,
        next_dagrun_data_interval_start: None,
        next_dagrun_data_interval_end: None,
        next_dagrun_run_after: None,
        version_hash: "one".to_owned(),
        source: String::new(),
        updated_at: noon(),
    }
}

fn a_run(run_id: &str, version: Uuid, logical_date: Option<DateTime<Utc>>) -> dag_run::Model {
    dag_run::Model {
        id: Uuid::now_v7(),
        dag_id: "a".to_owned(),
        run_id: run_id.to_owned(),
        run_type: "manual".to_owned(),
        state: "queued".to_owned(),
        logical_date,
        data_interval_start: None,
        data_interval_end: None,
        partition_key: None,
        partition_date: None,
        run_after: noon(),
        queued_at: None,
        start_date: None,
        end_date: None,
        last_scheduling_decision: None,
        triggered_by: None,
        triggering_user_name: None,
        conf: serde_json::json!({}),
        note: None,
        dag_version_id: version,
        backfill_id: None,
        sort_ordinal: None,
        decided_state: None,
        clear_number: 0,
        owner: None,
        reason: None,
        updated_at: noon(),
    }
}

async fn with_dag(db: &Db) -> dag::Model {
    let row = a_dag("a");
    let txn = db.begin_write().await.unwrap();
    dags::upsert(&txn, &[(row.clone(), BTreeSet::new())]).await.unwrap();
    commit(txn).await.unwrap();
    row
}

fn holder(instance: &str) -> Holder {
    Holder::alone(instance, "here")
}

async fn lead(db: &Db, instance: &str, dead: &[Uuid]) -> Option<Uuid> {
    let txn = db.begin_write().await.unwrap();
    let lease = leases::lead(&txn, &holder(instance), dead, noon()).await.unwrap();
    commit(txn).await.unwrap();
    lease
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn two_runs_that_need_the_first_version_at_once_get_one(#[case] backend: Backend) {
    let db = open(backend).await;
    let row = with_dag(&db).await;
    let make = || async {
        let txn = db.begin_write().await?;
        let version = versions::current(&txn, &row, noon()).await?;
        commit(txn).await?;
        Ok::<Uuid, StoreError>(version)
    };

    let (first, second) = tokio::join!(make(), make());

    assert_eq!(first.unwrap(), second.unwrap());
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_doubled_tick_makes_no_doubled_run(#[case] backend: Backend) {
    let db = open(backend).await;
    let txn = db.begin_write().await.unwrap();
    let version = Uuid::now_v7();

    let first = runs::insert_new(&txn, vec![a_run("tick", version, Some(noon()))]).await.unwrap();
    let again = runs::insert_new(&txn, vec![a_run("tick", version, Some(noon()))]).await.unwrap();
    let other_name = runs::insert_new(&txn, vec![a_run("tock", version, Some(noon()))]).await.unwrap();
    let without_date = runs::insert_new(&txn, vec![a_run("x", version, None)]).await.unwrap();
    let without_date_either = runs::insert_new(&txn, vec![a_run("y", version, None)]).await.unwrap();

    assert_eq!((first, again, other_name, without_date, without_date_either), (1, 0, 0, 1, 1));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_that_somebody_asks_for_twice_exists_already(#[case] backend: Backend) {
    let db = open(backend).await;
    let version = Uuid::now_v7();
    runs::insert(&db.begin_write().await.unwrap(), a_run("gone with its transaction", version, Some(noon())))
        .await
        .unwrap();
    let txn = db.begin_write().await.unwrap();
    runs::insert(&txn, a_run("one", version, Some(noon()))).await.unwrap();

    let refused = runs::insert(&txn, a_run("one", version, None)).await;

    assert!(matches!(refused, Err(StoreError::Exists { .. })), "{refused:?}");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_process_whose_lease_was_taken_over_can_write_nothing(#[case] backend: Backend) {
    let db = open(backend).await;
    let slow = lead(&db, "slow", &[]).await.unwrap();
    let version = Uuid::now_v7();
    let txn = db.begin_write().await.unwrap();
    runs::insert(&txn, a_run("one", version, None)).await.unwrap();
    let owned = runs::adopt(&txn, slow, 10).await.unwrap();
    commit(txn).await.unwrap();
    assert_eq!(owned.len(), 1);

    let later = noon() + TimeDelta::seconds(60);
    assert_eq!(lead(&db, "quick", &[]).await, None, "one scheduler leads at a time");
    let quick = lead(&db, "quick", &[slow]).await.unwrap();
    let txn = db.begin_write().await.unwrap();
    let taken = runs::adopt(&txn, quick, 10).await.unwrap();
    commit(txn).await.unwrap();

    let mut row = owned[0].clone();
    row.state = "running".to_owned();
    let batch = Batch { runs: vec![row], ..Batch::default() };
    let refused = runs::write(&db.begin_write().await.unwrap(), slow, &batch, later).await;
    assert_eq!(taken.len(), 1);
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    let renewed = leases::renew(&db.begin_write().await.unwrap(), slow, false, later).await;
    assert!(matches!(renewed, Err(StoreError::Fenced)), "{renewed:?}");
    let run = runs::get(db.read(), "a", "one").await.unwrap();
    assert_eq!((run.state.as_str(), run.owner), ("queued", Some(quick)));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_next_process_of_a_home_takes_over_at_once(#[case] backend: Backend) {
    let db = open(backend).await;
    let before = lead(&db, "home", &[]).await.unwrap();
    let offer = Offer { queues: vec!["default".to_owned()], concurrency: 1 };
    let txn = db.begin_write().await.unwrap();
    let elsewhere = leases::register(&txn, &holder("other home"), &offer, noon()).await.unwrap();
    commit(txn).await.unwrap();

    let now = lead(&db, "home", &[]).await.unwrap();

    let txn = db.begin_write().await.unwrap();
    assert!(matches!(leases::assert_held(&txn, before).await, Err(StoreError::Fenced)));
    assert!(leases::assert_held(&txn, elsewhere).await.is_ok());
    assert!(leases::assert_held(&txn, now).await.is_ok());
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn migrations_go_down_and_up_again(#[case] backend: Backend) {
    use migrations::Migrator;
    use sea_orm_migration::MigratorTrait;

    let db = open(backend).await;
    with_dag(&db).await;
    Migrator::down(db.read(), None).await.unwrap();
    db.migrate().await.unwrap();

    assert!(dags::list_all(db.read()).await.unwrap().is_empty());
}
