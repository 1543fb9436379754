//! What the store says of the runs that schedules made.

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use scheduler::store::dags::{self, NextDagrun};
use scheduler::store::entity::dag_run;
use scheduler::store::{Db, commit, runs, schedules};
use uuid::Uuid;

use crate::{Backend, a_run, noon, open, with_dag};

/// A run that the schedule made, over the hour before `noon` plus so many hours.
fn scheduled(run_id: &str, hours: i64) -> dag_run::Model {
    let end = noon() + TimeDelta::hours(hours);
    dag_run::Model {
        run_type: "scheduled".to_owned(),
        data_interval_start: Some(end - TimeDelta::hours(1)),
        data_interval_end: Some(end),
        run_after: end,
        ..a_run(&format!("scheduled__{run_id}"), Uuid::now_v7(), Some(end - TimeDelta::hours(1)))
    }
}

async fn insert(db: &Db, rows: Vec<dag_run::Model>) {
    let txn = db.begin_write().await.unwrap();
    for row in rows {
        runs::insert(&txn, row).await.unwrap();
    }
    commit(txn).await.unwrap();
}

async fn last(db: &Db) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    schedules::standings(db.read(), Some(&["a".to_owned()])).await.unwrap()["a"].last()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_last_run_is_the_newest_scheduled_one_with_its_own_interval(#[case] backend: Backend) {
    let db = open(backend).await;
    with_dag(&db).await;
    assert_eq!(last(&db).await, None, "a DAG without runs stands, too");

    let again = dag_run::Model { run_type: "backfill".to_owned(), ..scheduled("three", 3) };
    let by_hand = dag_run::Model { run_after: noon() + TimeDelta::days(9), ..a_run("manual", Uuid::now_v7(), None) };
    insert(&db, vec![scheduled("one", 1), again, scheduled("two", 2), by_hand]).await;

    assert_eq!(last(&db).await, Some((noon() + TimeDelta::hours(2), noon() + TimeDelta::hours(3))));
    assert_eq!(schedules::standings(db.read(), None).await.unwrap().len(), 1);
    assert!(schedules::standings(db.read(), Some(&["b".to_owned()])).await.unwrap().is_empty());
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn active_runs_are_those_that_are_neither_over_nor_of_a_backfill(#[case] backend: Backend) {
    let db = open(backend).await;
    with_dag(&db).await;
    let in_state = |run: dag_run::Model, state: &str| {
        let end_date = (state == "failed").then_some(run.run_after);
        dag_run::Model { state: state.to_owned(), end_date, ..run }
    };
    let backfill = dag_run::Model { run_type: "backfill".to_owned(), ..scheduled("backfill", 9) };
    let rows = vec![
        scheduled("queued", 1),
        in_state(scheduled("running", 2), "running"),
        in_state(scheduled("over", 3), "failed"),
        a_run("by_hand", Uuid::now_v7(), None),
        backfill,
    ];
    insert(&db, rows).await;

    let active = schedules::active_runs(db.read(), &["a".to_owned()]).await.unwrap();
    assert_eq!(active["a"], 3);
    let states = schedules::last_states(db.read(), "a", 3).await.unwrap();
    assert_eq!(states, ["queued", "failed", "running"], "newest first, by when they were due");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn unpausing_forgets_what_was_said_of_the_next_run(#[case] backend: Backend) {
    let db = open(backend).await;
    with_dag(&db).await;
    let promised = || async { schedules::promised(&dags::find(db.read(), "a").await.unwrap().unwrap()) };
    let txn = db.begin_write().await.unwrap();
    let next = NextDagrun { run_after: Some(noon()), ..NextDagrun::default() };
    dags::set_next_dagruns(&txn, &[("a".to_owned(), next.clone())]).await.unwrap();
    dags::set_paused(&txn, "a", false, noon()).await.unwrap();
    commit(txn).await.unwrap();
    assert_eq!(promised().await, Some(noon()), "it was not paused");

    let txn = db.begin_write().await.unwrap();
    dags::set_paused(&txn, "a", true, noon()).await.unwrap();
    commit(txn).await.unwrap();
    assert_eq!(promised().await, None, "nothing is promised of a paused DAG");
    let txn = db.begin_write().await.unwrap();
    dags::set_paused(&txn, "a", false, noon()).await.unwrap();
    commit(txn).await.unwrap();

    assert_eq!(promised().await, None);
}

/// §11: `prev_data_interval_start_success` and its like.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_last_success_is_the_newest_before_by_logical_date(#[case] backend: Backend) {
    let db = open(backend).await;
    with_dag(&db).await;
    let over = |run: dag_run::Model, state: &str| {
        let end_date = Some(run.run_after);
        dag_run::Model { state: state.to_owned(), end_date, ..run }
    };
    let this = scheduled("this", 5);
    let without_date = a_run("by_hand", Uuid::now_v7(), None);
    let (first, dateless) = (scheduled("first", 1), without_date.id);
    let rows = vec![
        over(first.clone(), "success"),
        over(scheduled("later", 6), "success"),
        over(scheduled("before", 2), "success"),
        over(scheduled("failed", 3), "failed"),
        this.clone(),
        without_date,
    ];
    insert(&db, rows).await;

    let last = |run: Uuid| schedules::last_success(db.read(), run);
    let found = last(this.id).await.unwrap().map(|run| run.run_id);
    assert_eq!(found.as_deref(), Some("scheduled__before"));
    assert_eq!(last(first.id).await.unwrap(), None, "nothing is before it");
    assert_eq!(last(dateless).await.unwrap(), None, "it has no date that others could be before");
    assert_eq!(last(Uuid::now_v7()).await.unwrap(), None);
}
