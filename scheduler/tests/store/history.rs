//! What may be forgotten, and what goes with it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use scheduler::store::checkpoints::{self, Keeper};
use scheduler::store::entity::json_text::JsonText;
use scheduler::store::entity::{backfill, callback_request, dag, dag_run, event_log, task_instance, xcom};
use scheduler::store::requests::{self, Request};
use scheduler::store::{Db, audit, callbacks, commit, dags, history, runs, versions};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, PaginatorTrait};
use serde_json::json;
use uuid::Uuid;

use crate::{Backend, a_dag, a_run, noon, open, with_dag};

fn days_ago(days: i64) -> DateTime<Utc> {
    noon() - TimeDelta::days(days)
}

/// A run that was over so many days before noon.
fn over(run_id: &str, days: i64) -> dag_run::Model {
    let end = days_ago(days);
    dag_run::Model {
        state: "success".to_owned(),
        run_after: end,
        end_date: Some(end),
        ..a_run(run_id, Uuid::nil(), Some(end))
    }
}

async fn insert(db: &Db, rows: Vec<dag_run::Model>) {
    let txn = db.begin_write().await.unwrap();
    for row in rows {
        runs::insert(&txn, row).await.unwrap();
    }
    commit(txn).await.unwrap();
}

/// Leaves something that a try of this run started elsewhere, and that nobody has wanted for so many days.
async fn leave_elsewhere(txn: &impl ConnectionTrait, run: &dag_run::Model, dag_version: Option<Uuid>, days: i64) {
    let keeper = Keeper { run: run.id, task_id: "t0".to_owned(), map_index: -1, try_number: 1, dag_version };
    checkpoints::save(txn, &keeper, json!(1), days_ago(days)).await.unwrap();
}

/// The runs that may go when nothing older than a day is kept.
async fn old(db: &Db) -> BTreeSet<String> {
    let kept = history::kept(db.read()).await.unwrap();
    let over = history::over(db.read(), days_ago(1), Uuid::nil(), 100).await.unwrap();
    over.into_iter().filter(|run| !kept.contains(&run.id)).map(|run| run.run_id).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_runs_that_the_next_ones_hang_on_stay(#[case] backend: Backend) {
    let db = open(backend).await;
    let without_date = |run: dag_run::Model| dag_run::Model { logical_date: None, ..run };
    let of_b = |run: dag_run::Model| dag_run::Model { dag_id: "b".to_owned(), ..run };
    insert(
        &db,
        vec![
            over("scheduled__1", 9),
            over("scheduled__2", 8),
            over("manual__1", 7),
            over("manual__2", 6),
            without_date(over("manual__3", 5)),
            without_date(over("manual__4", 4)),
            of_b(over("only one", 9)),
        ],
    )
    .await;

    // The newest by its schedule, by its date and at all stay.
    assert_eq!(old(&db).await, names(&["scheduled__1", "manual__1", "manual__3"]));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_that_somebody_still_has_to_do_with_stays(#[case] backend: Backend) {
    let db = open(backend).await;
    let asked = over("asked", 9);
    let telling = over("telling", 8);
    let ending = over("ending", 10);
    let ending_in_vain = over("ending in vain", 11);
    let in_backfill =
        |run_id: &str, days, backfill| dag_run::Model { backfill_id: Some(backfill), ..over(run_id, days) };
    let running = dag_run::Model { state: "running".to_owned(), end_date: None, ..over("running", 7) };
    let owned = dag_run::Model { owner: Some(Uuid::now_v7()), ..over("owned", 6) };
    let rows = vec![
        asked.clone(),
        telling.clone(),
        ending.clone(),
        ending_in_vain.clone(),
        in_backfill("active backfill", 5, 1),
        in_backfill("done backfill", 4, 2),
        running,
        owned,
        over("plain", 3),
        over("recent", 0),
    ];
    insert(&db, rows).await;
    let txn = db.begin_write().await.unwrap();
    let mark = Request::Mark { state: "failed".to_owned() };
    requests::insert(&txn, asked.id, &mark, None, noon()).await.unwrap();
    callbacks::insert(&txn, &[a_callback(&telling)]).await.unwrap();
    leave_elsewhere(&txn, &ending, None, 1).await;
    leave_elsewhere(&txn, &ending_in_vain, None, 3).await;
    for (id, completed_at) in [(1, None), (2, Some(noon()))] {
        backfill::Entity::insert(a_backfill(id, completed_at)).exec_without_returning(&txn).await.unwrap();
    }
    commit(txn).await.unwrap();

    assert_eq!(old(&db).await, names(&["done backfill", "ending in vain", "plain"]));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_goes_with_all_that_is_stored_of_it(#[case] backend: Backend) {
    let db = open(backend).await;
    let (goes, stays) = (over("goes", 9), over("stays", 8));
    insert(&db, vec![goes.clone(), stays.clone()]).await;
    let txn = db.begin_write().await.unwrap();
    for run in [&goes, &stays] {
        task_instance::Entity::insert(an_instance(run)).exec_without_returning(&txn).await.unwrap();
        xcom::Entity::insert(an_xcom(run)).exec_without_returning(&txn).await.unwrap();
        callbacks::insert(&txn, &[a_callback(run)]).await.unwrap();
    }
    commit(txn).await.unwrap();
    let counts = history::instance_counts(db.read(), &[goes.id, stays.id]).await.unwrap();
    assert_eq!(counts[&goes.id], 1);

    let counted = history::count_runs(db.read(), &[goes.id]).await.unwrap();
    let txn = db.begin_write().await.unwrap();
    let deleted = history::delete_runs(&txn, &[goes.id]).await.unwrap();
    commit(txn).await.unwrap();

    assert_eq!(counted, deleted, "what was said is what happens");
    assert_eq!((deleted["dag_run"], deleted["task_instance"], deleted["xcom"]), (1, 1, 1));
    assert_eq!(runs::newest(db.read(), None, 10).await.unwrap(), std::slice::from_ref(&stays));
    assert_eq!(runs::instances(db.read(), stays.id).await.unwrap().len(), 1);
    assert_eq!(callback_request::Entity::find().count(db.read()).await.unwrap(), 1);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn versions_go_when_no_run_uses_them(#[case] backend: Backend) {
    let db = open(backend).await;
    let mut row = with_dag(&db).await;
    let mut made = Vec::new();
    let txn = db.begin_write().await.unwrap();
    for hash in ["one", "two", "three", "ending", "four"] {
        row.version_hash = hash.to_owned();
        made.push(versions::current(&txn, &row, days_ago(9)).await.unwrap());
    }
    let pinned = dag_run::Model { dag_version_id: made[1], ..over("pinned", 3) };
    runs::insert(&txn, pinned.clone()).await.unwrap();
    leave_elsewhere(&txn, &pinned, Some(made[3]), 1).await;
    // The file went back to what it was at first: its version is in use without a run.
    let back = dag::Model { version_hash: "one".to_owned(), ..a_dag("a") };
    dags::upsert(&txn, &[(back, BTreeSet::new())]).await.unwrap();
    commit(txn).await.unwrap();

    let none = BTreeMap::new();
    assert_eq!(history::unused_versions(db.read(), days_ago(10), &none).await.unwrap(), 0, "all are younger");
    assert_eq!(history::unused_versions(db.read(), days_ago(1), &none).await.unwrap(), 1);
    let without_the_run = BTreeMap::from([(made[1], 1)]);
    assert_eq!(history::unused_versions(db.read(), days_ago(1), &without_the_run).await.unwrap(), 2);
    let txn = db.begin_write().await.unwrap();
    assert_eq!(history::delete_unused_versions(&txn, days_ago(1), 10).await.unwrap(), 1);
    commit(txn).await.unwrap();

    let mut left = Vec::new();
    for id in made {
        left.push(versions::find(db.read(), id).await.unwrap().is_some());
    }
    let all_but_one = [true, true, false, true, true];
    assert_eq!(
        left, all_but_one,
        "the present one, the pinned one, that with which something is ended, and the newest stay"
    );
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_audit_log_goes_in_bounded_steps(#[case] backend: Backend) {
    let db = open(backend).await;
    let txn = db.begin_write().await.unwrap();
    for days in [9, 8, 7, 0] {
        let deed = audit::Deed { event: "trigger_dag_run", ..audit::Deed::default() };
        audit::record(&txn, deed, days_ago(days)).await.unwrap();
    }

    assert_eq!(history::count_events(&txn, days_ago(1)).await.unwrap(), 3);
    assert_eq!(history::delete_events(&txn, days_ago(1), 2).await.unwrap(), 2);
    assert_eq!(history::delete_events(&txn, days_ago(1), 2).await.unwrap(), 1);
    assert_eq!(history::delete_events(&txn, days_ago(1), 2).await.unwrap(), 0);
    let left = event_log::Entity::find().all(&txn).await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.dttm).collect::<Vec<_>>(), [noon()]);
}

fn a_callback(run: &dag_run::Model) -> callback_request::Model {
    callbacks::called(run, "on_failure_callback", 0, json!({}), noon())
}

fn a_backfill(id: i64, completed_at: Option<DateTime<Utc>>) -> backfill::ActiveModel {
    backfill::Model {
        id,
        dag_id: "a".to_owned(),
        from_date: noon(),
        to_date: noon(),
        dag_run_conf: json!({}),
        is_paused: false,
        reprocess_behavior: "none".to_owned(),
        max_active_runs: 1,
        triggering_user_name: None,
        created_at: noon(),
        completed_at,
        updated_at: noon(),
    }
    .into()
}

fn an_instance(run: &dag_run::Model) -> task_instance::ActiveModel {
    task_instance::ActiveModel {
        dag_run_id: Set(run.id),
        task_id: Set("t".to_owned()),
        map_index: Set(-1),
        dag_id: Set(run.dag_id.clone()),
        run_id: Set(run.run_id.clone()),
        task_index: Set(0),
        state: Set(Some("success".to_owned())),
        try_number: Set(1),
        max_tries: Set(0),
        try_id: Set(Uuid::now_v7()),
        lost_tries: Set(0),
        operator: Set("empty".to_owned()),
        pool: Set("default_pool".to_owned()),
        pool_slots: Set(1),
        queue: Set("default".to_owned()),
        priority_weight: Set(1),
        updated_at: Set(noon()),
        ..Default::default()
    }
}

fn an_xcom(run: &dag_run::Model) -> xcom::ActiveModel {
    xcom::ActiveModel {
        dag_run_id: Set(run.id),
        task_id: Set("t".to_owned()),
        map_index: Set(-1),
        key: Set("return_value".to_owned()),
        dag_id: Set(run.dag_id.clone()),
        run_id: Set(run.run_id.clone()),
        value: Set(JsonText(json!(1))),
        timestamp: Set(noon()),
    }
}
