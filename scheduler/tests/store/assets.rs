//! What the store says of assets, their events and queues.

use std::collections::BTreeSet;

use rstest::rstest;
use scheduler::dag::Dag;
use scheduler::dag::asset::Asset;
use scheduler::dag::spec::{SourceFile, load};
use scheduler::operator::Registry;
use scheduler::store::asset_events::{self, EventSource, NewAssetEvent};
use scheduler::store::asset_queue::{self, QueueFilter};
use scheduler::store::entity::asset_event;
use scheduler::store::{Db, assets, commit, dags, history, partition_queue, runs};
use sea_orm::EntityTrait;
use uuid::Uuid;

use crate::{Backend, a_dag, a_run, noon, open};

/// The DAG `a` as its file has it.
fn definition(schedule: &str) -> std::sync::Arc<Dag> {
    let source = SourceFile::new("a.yaml", format!("schedule: {schedule}\ntasks: []\n"));
    let loaded = load(&source, &Registry::default());
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    std::sync::Arc::clone(&loaded.dags[0].dag)
}

async fn waits_for(db: &Db, schedule: &str) {
    let txn = db.begin_write().await.unwrap();
    dags::upsert(&txn, &[(a_dag("a"), BTreeSet::new())]).await.unwrap();
    assets::set_references(&txn, &[&*definition(schedule)], noon()).await.unwrap();
    commit(txn).await.unwrap();
}

fn update(uri: &str, try_id: Option<Uuid>) -> NewAssetEvent {
    NewAssetEvent {
        asset: Asset::new(None, Some(uri)).unwrap(),
        extra: serde_json::Map::new(),
        partition_key: None,
        alias: None,
        source: try_id.map(|try_id| EventSource {
            dag_id: "maker".to_owned(),
            run_id: "one".to_owned(),
            task_id: "make".to_owned(),
            map_index: -1,
            try_id,
            partition_date: None,
        }),
    }
}

async fn emit(db: &Db, events: &[NewAssetEvent]) -> Vec<asset_event::Model> {
    let txn = db.begin_write().await.unwrap();
    let kept = asset_events::emit(&txn, events, noon()).await.unwrap();
    commit(txn).await.unwrap();
    kept
}

async fn queued(db: &Db) -> Vec<String> {
    let queued = asset_queue::queued(db.read(), &QueueFilter::default()).await.unwrap();
    queued.into_iter().map(|queued| queued.uri).collect()
}

/// Takes what is queued for `a`, for a run of its own.
async fn take(db: &Db, run_id: &str) -> Uuid {
    let txn = db.begin_write().await.unwrap();
    let taken = asset_queue::lock_queued(&txn, &["a".to_owned()]).await.unwrap();
    let run = a_run(run_id, Uuid::now_v7(), None);
    let id = run.id;
    runs::insert(&txn, run).await.unwrap();
    asset_queue::give(&txn, "a", id, &taken, true).await.unwrap();
    commit(txn).await.unwrap();
    id
}

/// A commit of which nobody knows whether it was made is made again.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_update_that_is_written_again_counts_once(#[case] backend: Backend) {
    let db = open(backend).await;
    waits_for(&db, "[s3://a]").await;
    let once = [update("s3://a", Some(Uuid::now_v7())), update("s3://b", Some(Uuid::now_v7()))];

    let kept = emit(&db, &once).await;
    assert_eq!(kept.len(), 2);
    let run = take(&db, "first").await;
    let again = emit(&db, &once).await;

    assert!(again.is_empty());
    assert!(queued(&db).await.is_empty(), "it asks for no other run");
    assert_eq!(asset_events::of_run(db.read(), run).await.unwrap().len(), 1);
    assert_eq!(emit(&db, &[update("s3://a", None), update("s3://a", None)]).await.len(), 2, "by hand, each counts");
    assert_eq!(queued(&db).await, ["s3://a"]);
}

/// Airflow 3's semantics, section 13: who waits for an asset waits for all of it.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_update_of_a_part_asks_for_nothing_and_is_given_with_the_others(#[case] backend: Backend) {
    let db = open(backend).await;
    waits_for(&db, "[s3://a]").await;
    let of_a_part = NewAssetEvent { partition_key: Some("2026-11-21".to_owned()), ..update("s3://a", None) };

    let [kept] = emit(&db, &[of_a_part]).await.try_into().unwrap();
    assert_eq!(kept.partition_key.as_deref(), Some("2026-11-21"));
    assert!(queued(&db).await.is_empty());
    emit(&db, &[update("s3://a", None)]).await;
    let run = take(&db, "first").await;

    let given = asset_events::of_run(db.read(), run).await.unwrap();
    let keys: Vec<Option<&str>> = given.iter().map(|given| given.event.partition_key.as_deref()).collect();
    assert_eq!(keys, [Some("2026-11-21"), None]);
}

/// The parts that are queued for `a`.
async fn queued_parts(db: &Db) -> Vec<String> {
    let queued = partition_queue::queued(db.read(), None).await.unwrap();
    queued.into_iter().map(|update| format!("{} {}", update.uri, update.partition_key)).collect()
}

/// Who waits for parts is queued each update of one, once, until a run takes it or nobody waits for it any more.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn parts_are_queued_one_by_one(#[case] backend: Backend) {
    let db = open(backend).await;
    waits_for(&db, "{assets: [s3://a], partitioned: true}").await;
    let part = |key: &str, try_id: Option<Uuid>| NewAssetEvent {
        partition_key: Some(key.to_owned()),
        ..update("s3://a", try_id)
    };
    let once = [part("eu", Some(Uuid::now_v7()))];
    emit(&db, &once).await;
    emit(&db, &once).await;
    emit(&db, &[part("us", None), update("s3://a", None)]).await;

    assert_eq!(queued_parts(&db).await, ["s3://a eu", "s3://a us"], "nobody waits for all of it");
    assert!(queued(&db).await.is_empty());
    let waiting = partition_queue::queued(db.read(), Some(&["a".to_owned()])).await.unwrap();
    let txn = db.begin_write().await.unwrap();
    let run = a_run("first", Uuid::now_v7(), None);
    let first = run.id;
    runs::insert(&txn, run).await.unwrap();
    partition_queue::give(&txn, first, &waiting[..1]).await.unwrap();
    commit(txn).await.unwrap();
    assert_eq!(asset_events::of_run(db.read(), first).await.unwrap().len(), 1);
    assert_eq!(queued_parts(&db).await, ["s3://a us"]);

    let later = noon() + chrono::TimeDelta::days(1);
    let txn = db.begin_write().await.unwrap();
    assert_eq!(
        history::delete_unused_asset_events(&txn, later, 10).await.unwrap(),
        0,
        "a run has one, one is waited for"
    );
    commit(txn).await.unwrap();

    let forget = async |filter: QueueFilter| {
        let txn = db.begin_write().await.unwrap();
        let forgotten = partition_queue::forget_queued(&txn, &filter).await.unwrap();
        commit(txn).await.unwrap();
        forgotten
    };
    let dag_ids = |dag_id: &str| Some(vec![dag_id.to_owned()]);
    assert_eq!(forget(QueueFilter { dag_ids: dag_ids("b"), ..QueueFilter::default() }).await, 0);
    assert_eq!(forget(QueueFilter { asset_id: Some(-1), ..QueueFilter::default() }).await, 0);
    assert_eq!(
        forget(QueueFilter { before: Some(noon() - chrono::TimeDelta::days(1)), ..QueueFilter::default() }).await,
        0
    );
    assert_eq!(forget(QueueFilter { dag_ids: dag_ids("a"), ..QueueFilter::default() }).await, 1);
    emit(&db, &[part("us", None)]).await;

    waits_for(&db, "[s3://a]").await;
    assert!(queued_parts(&db).await.is_empty());
    emit(&db, &[part("us", None), update("s3://a", None)]).await;
    assert_eq!((queued_parts(&db).await, queued(&db).await), (Vec::new(), vec!["s3://a".to_owned()]));
}

/// An event that comes while a run is being made is the next run's, and asks for it.
#[tokio::test]
async fn an_event_beside_a_take_is_queued_anew() {
    let db = open(Backend::Postgres).await;
    waits_for(&db, "[s3://a]").await;
    emit(&db, &[update("s3://a", None)]).await;
    let txn = db.begin_write().await.unwrap();
    let taken = asset_queue::lock_queued(&txn, &["a".to_owned()]).await.unwrap();
    let run = a_run("first", Uuid::now_v7(), None);
    let first = run.id;
    runs::insert(&txn, run).await.unwrap();

    let late = [update("s3://a", None)];
    let take = async {
        asset_queue::give(&txn, "a", first, &taken, true).await.unwrap();
        commit(txn).await.unwrap();
    };
    let ((), kept) = tokio::join!(take, emit(&db, &late));

    assert_eq!(kept.len(), 1);
    assert_eq!(queued(&db).await, ["s3://a"]);
    let second = self::take(&db, "second").await;
    assert_eq!(asset_events::of_run(db.read(), first).await.unwrap().len(), 1);
    assert_eq!(asset_events::of_run(db.read(), second).await.unwrap().len(), 1);
}

/// A run takes either an event and what it queues, or neither: no other run is made for nothing.
#[tokio::test]
async fn an_event_of_another_asset_beside_a_take_stays_with_its_queue() {
    let db = open(Backend::Postgres).await;
    waits_for(&db, "{any: [{uri: 's3://a'}, {uri: 's3://b'}]}").await;
    emit(&db, &[update("s3://a", None)]).await;
    let txn = db.begin_write().await.unwrap();
    let taken = asset_queue::lock_queued(&txn, &["a".to_owned()]).await.unwrap();
    let run = a_run("first", Uuid::now_v7(), None);
    let first = run.id;
    runs::insert(&txn, run).await.unwrap();
    let late = [update("s3://b", None)];
    let writing = emit(&db, &late);
    tokio::pin!(writing);
    let waits = tokio::time::timeout(std::time::Duration::from_millis(300), &mut writing).await.is_err();

    asset_queue::give(&txn, "a", first, &taken, true).await.unwrap();
    commit(txn).await.unwrap();
    assert!(waits, "whoever updates an asset waits for whoever takes what is queued of it");
    writing.await;

    assert_eq!(asset_events::of_run(db.read(), first).await.unwrap().len(), 1);
    assert_eq!(queued(&db).await, ["s3://b"]);
}

/// Deleting a run does not give its events to another.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_a_deleted_run_was_given_is_given_to_no_other(#[case] backend: Backend) {
    let db = open(backend).await;
    waits_for(&db, "[s3://a]").await;
    emit(&db, &[update("s3://a", None)]).await;
    let first = take(&db, "first").await;

    let txn = db.begin_write().await.unwrap();
    runs::delete(&txn, first).await.unwrap();
    commit(txn).await.unwrap();
    emit(&db, &[update("s3://a", None)]).await;
    let second = take(&db, "second").await;

    assert_eq!(asset_events::of_run(db.read(), second).await.unwrap().len(), 1);
}

/// What one file says of an asset is kept when another only names it.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_bare_uri_says_nothing_of_an_asset(#[case] backend: Backend) {
    let db = open(backend).await;
    waits_for(&db, "[{uri: 's3://a', group: lake, extra: {owner: ann}}]").await;
    waits_for(&db, "[s3://a]").await;

    let [asset] = assets::called(db.read(), "s3://a").await.unwrap().try_into().unwrap();
    assert_eq!((asset.group.as_str(), &asset.extra["owner"]), ("lake", &serde_json::json!("ann")));
    assert_eq!(assets::called(db.read(), &asset.id.to_string()).await.unwrap().len(), 1);
    waits_for(&db, "[{uri: 's3://a', group: lake, extra: {owner: bob}}]").await;
    assert_eq!(assets::get(db.read(), asset.id).await.unwrap().extra["owner"], "bob");
}

/// What says when an asset was last updated stays, and what a run was given, or is yet to be given.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn old_events_go_when_nobody_needs_them(#[case] backend: Backend) {
    let db = open(backend).await;
    let once = || update("s3://a", Some(Uuid::now_v7()));
    let forgotten = emit(&db, &[update("s3://c", None)]).await;
    waits_for(&db, "[s3://a, s3://b]").await;
    emit(&db, &[update("s3://b", None)]).await;
    let given = emit(&db, &[once()]).await;
    let run = take(&db, "one").await;
    let awaited = emit(&db, &[once()]).await;
    let newest = emit(&db, &[once(), update("s3://b", None), update("s3://c", None)]).await;

    let later = noon() + chrono::TimeDelta::days(1);
    let none = std::collections::BTreeMap::new();
    let without_the_run = history::given_asset_events(db.read(), &[run]).await.unwrap();
    assert_eq!(history::unused_asset_events(db.read(), noon(), &none).await.unwrap(), 0, "all are younger");
    assert_eq!(history::unused_asset_events(db.read(), later, &none).await.unwrap(), 1);
    let without = history::unused_asset_events(db.read(), later, &without_the_run).await.unwrap();
    assert_eq!(without, 1 + without_the_run.len() as u64, "what the run was given goes with it");
    let txn = db.begin_write().await.unwrap();
    assert_eq!(history::delete_unused_asset_events(&txn, later, 10).await.unwrap(), 1);
    assert_eq!(history::delete_unused_asset_events(&txn, later, 10).await.unwrap(), 0);
    commit(txn).await.unwrap();

    let left: BTreeSet<i64> = asset_event::Entity::find().all(db.read()).await.unwrap().iter().map(|e| e.id).collect();
    assert!(!left.contains(&forgotten[0].id));
    for event in [given, awaited, newest].concat() {
        assert!(left.contains(&event.id), "{event:?}");
    }
}

/// The same update of an asset, found under the alias `days`.
fn found(uri: &str) -> NewAssetEvent {
    NewAssetEvent { alias: Some("days".to_owned()), ..update(uri, Some(Uuid::now_v7())) }
}

/// §13: who waits for an alias waits for what is found under it, before and after it begins to wait.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn who_waits_for_an_alias_waits_for_what_is_found_under_it(#[case] backend: Backend) {
    let db = open(backend).await;
    emit(&db, &[found("s3://lake/monday")]).await;
    waits_for(&db, "{alias: days}").await;
    assert!(queued(&db).await.is_empty(), "what was found before is waited for, and no update of it yet");

    emit(&db, &[update("s3://lake/monday", None), update("s3://lake/other", None)]).await;
    assert_eq!(queued(&db).await, ["s3://lake/monday"]);
    let run = take(&db, "first").await;
    assert_eq!(asset_events::of_run(db.read(), run).await.unwrap().len(), 2, "both were since it waits");

    emit(&db, &[found("s3://lake/tuesday")]).await;
    assert_eq!(queued(&db).await, ["s3://lake/tuesday"]);
    waits_for(&db, "{any: [{alias: days}, \"s3://lake/other\"]}").await;
    assert_eq!(queued(&db).await, ["s3://lake/tuesday"], "a new version of the file waits for the same");
    let by_alias = asset_queue::queued(db.read(), &QueueFilter::default()).await.unwrap();
    assert!(by_alias[0].is_found_under("days") && !by_alias[0].is_found_under("weeks"));

    waits_for(&db, "[\"s3://lake/other\"]").await;
    assert!(queued(&db).await.is_empty(), "what it waits for no more is queued no more");
    emit(&db, &[found("s3://lake/wednesday"), update("s3://lake/monday", None)]).await;
    assert!(queued(&db).await.is_empty());
}

/// Whoever finds something while the file is read that waits for the alias no more is not waited for either.
#[tokio::test]
async fn what_is_found_while_the_last_alias_is_dropped_is_not_waited_for() {
    let db = open(Backend::Postgres).await;
    waits_for(&db, "{alias: days}").await;
    let finding = db.begin_write().await.unwrap();
    asset_events::emit(&finding, &[found("s3://lake/monday")], noon()).await.unwrap();
    let dropping = waits_for(&db, "null");
    tokio::pin!(dropping);
    let waits = tokio::time::timeout(std::time::Duration::from_millis(300), &mut dropping).await.is_err();

    commit(finding).await.unwrap();
    dropping.await;

    assert!(waits, "whoever waits no more waits for whoever finds something");
    emit(&db, &[update("s3://lake/monday", None)]).await;
    assert!(queued(&db).await.is_empty());
}
