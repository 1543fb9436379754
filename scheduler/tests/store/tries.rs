//! What workers and the scheduler tell each other about tries.

use rstest::rstest;
use scheduler::store::entity::task_try;
use scheduler::store::leases::Offer;
use scheduler::store::tries::{self, TryBatch};
use scheduler::store::{Db, commit, leases};
use serde_json::json;
use uuid::Uuid;

use crate::{Backend, holder, noon, open};

/// A worker, and a try that it has taken.
async fn taken(db: &Db) -> (Uuid, Uuid) {
    let offer = Offer { queues: vec!["default".to_owned()], concurrency: 1 };
    let txn = db.begin_write().await.unwrap();
    let worker = leases::register(&txn, &holder("worker"), &offer, noon()).await.unwrap();
    let row = a_try(Some(worker));
    let try_id = row.try_id;
    tries::write(&txn, &TryBatch { queued: vec![row], ..TryBatch::default() }).await.unwrap();
    commit(txn).await.unwrap();
    (worker, try_id)
}

pub fn a_try(worker: Option<Uuid>) -> task_try::Model {
    task_try::Model {
        try_id: Uuid::now_v7(),
        dag_run_id: Uuid::now_v7(),
        task_id: "waits".to_owned(),
        map_index: -1,
        try_number: 1,
        dag_version_id: Uuid::now_v7(),
        queue: "default".to_owned(),
        priority_weight: 1,
        ordered_at: noon(),
        worker,
        hostname: None,
        pid: None,
        started_at: Some(noon()),
        resumes_from: None,
        deferral: None,
        is_seen: false,
        is_cancelled: false,
        outcome: None,
        ended_at: None,
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_a_worker_reports_comes_with_its_keys_in_their_order(#[case] backend: Backend) {
    let db = open(backend).await;
    let (worker, try_id) = taken(&db).await;
    let outcome = json!({ "end": "success", "xcoms": [["return_value", { "removed": 2, "a": 1 }]] });
    let written = outcome.to_string();

    let txn = db.begin_write().await.unwrap();
    assert!(tries::report(&txn, worker, try_id, outcome, noon()).await.unwrap());
    commit(txn).await.unwrap();

    let told = tries::news(db.read(), 10).await.unwrap().remove(0);
    assert_eq!(told.outcome.unwrap().to_string(), written);
}

async fn write(db: &Db, batch: TryBatch) {
    let txn = db.begin_write().await.unwrap();
    tries::write(&txn, &batch).await.unwrap();
    commit(txn).await.unwrap();
}

async fn defer(db: &Db, worker: Uuid, try_id: Uuid, reason: &str) {
    let txn = db.begin_write().await.unwrap();
    tries::defer(&txn, worker, try_id, reason).await.unwrap();
    commit(txn).await.unwrap();
}

/// What the scheduler would hear: why each try waits.
async fn news(db: &Db) -> Vec<Option<String>> {
    let news = tries::news(db.read(), 10).await.unwrap();
    news.into_iter().map(|told| told.deferral).collect()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn that_a_try_waits_is_heard_of_even_if_it_says_so_while_it_is_noted_to_run(#[case] backend: Backend) {
    let db = open(backend).await;
    let (worker, try_id) = taken(&db).await;
    assert_eq!(news(&db).await, [None]);

    defer(&db, worker, try_id, "waits for x").await;
    // The scheduler had read it before.
    write(&db, TryBatch { seen: vec![try_id], ..TryBatch::default() }).await;
    assert_eq!(news(&db).await, [Some("waits for x".to_owned())]);
    write(&db, TryBatch { deferred: vec![try_id], ..TryBatch::default() }).await;
    assert_eq!(news(&db).await, []);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn only_the_worker_that_has_a_try_says_that_it_waits_and_only_once(#[case] backend: Backend) {
    let db = open(backend).await;
    let (worker, try_id) = taken(&db).await;
    write(&db, TryBatch { seen: vec![try_id], ..TryBatch::default() }).await;

    defer(&db, Uuid::now_v7(), try_id, "waits for nothing").await;
    assert_eq!(news(&db).await, []);
    defer(&db, worker, try_id, "waits for x").await;
    write(&db, TryBatch { deferred: vec![try_id], ..TryBatch::default() }).await;
    defer(&db, worker, try_id, "waits for y").await;

    assert_eq!(news(&db).await, []);
}
