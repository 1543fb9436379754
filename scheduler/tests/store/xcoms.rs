//! XComs that tasks look for in other runs (airflow-semantics.md §9).

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use scheduler::store::entity::dag_run;
use scheduler::store::runs::{self, InstanceKey};
use scheduler::store::xcoms::{self, LeftXCom, WhichRun};
use scheduler::store::{Db, commit};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Backend, a_run, noon, open, with_dag};

fn days(ago: i64) -> DateTime<Utc> {
    noon() - TimeDelta::days(ago)
}

/// Runs with what task `t` left in each, by map index.
async fn with_runs(db: &Db, runs: &[(&dag_run::Model, &[(i32, Value)])]) {
    with_dag(db).await;
    let txn = db.begin_write().await.unwrap();
    for (run, left) in runs {
        runs::insert(&txn, (*run).clone()).await.unwrap();
        for (map_index, value) in *left {
            let instance = InstanceKey {
                dag_run_id: run.id,
                dag_id: run.dag_id.clone(),
                run_id: run.run_id.clone(),
                task_id: "t".to_owned(),
                map_index: *map_index,
            };
            xcoms::insert(&txn, &instance, "mark", value.clone(), noon()).await.unwrap();
        }
    }
    commit(txn).await.unwrap();
}

async fn find(db: &Db, which: WhichRun<'_>, or_before: bool, map_index: Option<i32>) -> Vec<(i32, Value)> {
    let of = LeftXCom { task_id: "t", key: "mark", map_index };
    xcoms::of_run(db.read(), &which, or_before, &of).await.unwrap()
}

/// People see them in it, and tasks are mapped over them in it.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn keys_keep_their_order(#[case] backend: Backend) {
    let db = open(backend).await;
    let run = a_run("own", Uuid::now_v7(), Some(noon()));
    with_runs(&db, &[(&run, &[(-1, json!({ "removed": 2, "a": { "second": 1, "b": null } }))])]).await;

    let left = find(&db, WhichRun { own: run.id, dag_id: None, run_id: None }, false, None).await;

    assert_eq!(left[0].1.to_string(), r#"{"removed":2,"a":{"second":1,"b":null}}"#);
}

/// `include_prior_dates`: the newest by logical date, this run included; runs without one count by when they might start.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_newest_run_up_to_a_date_that_left_something_counts(#[case] backend: Backend) {
    let db = open(backend).await;
    let dated = |name: &str, ago| a_run(name, Uuid::now_v7(), Some(days(ago)));
    let (later, own, silent, mapped, first) =
        (dated("later", 0), dated("own", 1), dated("silent", 2), dated("mapped", 3), dated("first", 4));
    let undated = dag_run::Model { run_after: days(2), ..a_run("undated", Uuid::now_v7(), None) };
    with_runs(
        &db,
        &[
            // Neither the order in which they were made nor that of the names is that of the dates.
            (&later, &[(-1, json!("later"))]),
            (&mapped, &[(0, json!("m0")), (1, json!("m1"))]),
            (&own, &[]),
            (&silent, &[]),
            (&first, &[(-1, json!("first"))]),
            (&undated, &[]),
        ],
    )
    .await;
    let from = |run: &dag_run::Model| WhichRun { own: run.id, dag_id: None, run_id: None };

    assert_eq!(find(&db, from(&own), false, None).await, []);
    assert_eq!(find(&db, from(&own), true, None).await, [(0, json!("m0")), (1, json!("m1"))]);
    assert_eq!(find(&db, from(&own), true, Some(1)).await, [(1, json!("m1"))]);
    assert_eq!(find(&db, from(&own), true, Some(-1)).await, [(-1, json!("first"))]);
    assert_eq!(find(&db, from(&later), true, None).await, [(-1, json!("later"))]);
    assert_eq!(find(&db, from(&undated), true, None).await, [(0, json!("m0")), (1, json!("m1"))]);
    let named = WhichRun { run_id: Some("first"), ..from(&own) };
    assert_eq!(find(&db, named, false, None).await, [(-1, json!("first"))]);
    assert_eq!(find(&db, named, true, None).await, [(-1, json!("first"))]);
    assert_eq!(find(&db, WhichRun { run_id: Some("none"), ..from(&own) }, true, None).await, []);
}

/// A run without a logical date stands among those that have one, by when it might start.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn runs_with_and_without_a_date_are_in_one_order(#[case] backend: Backend) {
    let db = open(backend).await;
    let dated = |name: &str, ago| a_run(name, Uuid::now_v7(), Some(days(ago)));
    let undated = |name: &str, ago| dag_run::Model { run_after: days(ago), ..a_run(name, Uuid::now_v7(), None) };
    let (own, between, yesterday) = (dated("own", 0), undated("between", 2), undated("yesterday", 1));
    let (dated_3, undated_4) = (dated("dated", 3), undated("undated", 4));
    let left = [(-1, json!("dated"))];
    with_runs(&db, &[(&own, &[]), (&yesterday, &[]), (&dated_3, &left), (&undated_4, &[(-1, json!("undated"))])]).await;
    let from = WhichRun { own: own.id, dag_id: None, run_id: None };
    assert_eq!(find(&db, from, true, None).await, left);

    let txn = db.begin_write().await.unwrap();
    runs::insert(&txn, between.clone()).await.unwrap();
    let instance = InstanceKey {
        dag_run_id: between.id,
        dag_id: between.dag_id.clone(),
        run_id: between.run_id.clone(),
        task_id: "t".to_owned(),
        map_index: -1,
    };
    xcoms::insert(&txn, &instance, "mark", json!("between"), noon()).await.unwrap();
    commit(txn).await.unwrap();
    assert_eq!(find(&db, from, true, None).await, [(-1, json!("between"))]);
    assert_eq!(find(&db, WhichRun { run_id: Some("undated"), ..from }, true, None).await, [(-1, json!("undated"))]);
}

/// Another DAG's run goes by the name of this one unless another is given; what counts before it is its date.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn runs_of_another_dag_are_found_by_name_or_by_date(#[case] backend: Backend) {
    let db = open(backend).await;
    let of_other =
        |name: &str, ago| dag_run::Model { dag_id: "b".to_owned(), ..a_run(name, Uuid::now_v7(), Some(days(ago))) };
    let own = a_run("today", Uuid::now_v7(), Some(days(1)));
    let (same, other) = (of_other("today", 3), of_other("older", 2));
    with_runs(
        &db,
        &[(&own, &[(-1, json!("own"))]), (&same, &[(-1, json!("same"))]), (&other, &[(-1, json!("older"))])],
    )
    .await;
    let from = WhichRun { own: own.id, dag_id: Some("b"), run_id: None };

    assert_eq!(find(&db, from, false, None).await, [(-1, json!("same"))]);
    assert_eq!(find(&db, from, true, None).await, [(-1, json!("same"))], "up to its own date");
    assert_eq!(find(&db, WhichRun { run_id: Some("older"), ..from }, false, None).await, [(-1, json!("older"))]);
    let nobody = a_run("nobody", Uuid::now_v7(), Some(days(0)));
    let txn = db.begin_write().await.unwrap();
    runs::insert(&txn, nobody.clone()).await.unwrap();
    commit(txn).await.unwrap();
    let from = WhichRun { own: nobody.id, ..from };
    assert_eq!(find(&db, from, false, None).await, []);
    assert_eq!(
        find(&db, from, true, None).await,
        [(-1, json!("older"))],
        "it has no run of that name; the date counts"
    );
}
