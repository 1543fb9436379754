//! How task instances are written: all at once, under a lease, whether their rows are there or not.

use rstest::rstest;
use scheduler::store::entity::task_instance;
use scheduler::store::runs::{self, Batch, Express};
use scheduler::store::{Db, commit};
use serde_json::json;
use uuid::Uuid;

use crate::pools::an_instance;
use crate::{Backend, a_run, lead, noon, open};

/// A row in which everything that may be absent is there.
fn full(row: &task_instance::Model) -> task_instance::Model {
    let at = Some(noon());
    task_instance::Model {
        state: Some("up_for_retry".to_owned()),
        try_number: 2,
        max_tries: 3,
        try_id: Uuid::now_v7(),
        lost_tries: 1,
        scheduled_when: at,
        queued_when: at,
        start_date: at,
        end_date: at,
        deferred_at: at,
        next_try_at: at,
        hostname: Some("here".to_owned()),
        pid: Some(7),
        reason: Some("it's late; \"so\" {what}?".to_owned()),
        error: Some("…".to_owned()),
        rendered_fields: Some(json!({"a": [1, null, "'"]})),
        rendered_map_index: Some("seven".to_owned()),
        pushed_items: Some(-1),
        skips: Some(json!(["b"])),
        ..row.clone()
    }
}

async fn stored(db: &Db, run: Uuid) -> Vec<task_instance::Model> {
    runs::instances(db.read(), run).await.unwrap()
}

async fn write(db: &Db, lease: Uuid, batch: &Batch) {
    let txn = db.begin_engine().await.unwrap();
    runs::write(&txn, lease, batch, noon()).await.unwrap();
    commit(txn).await.unwrap();
}

/// One statement and a transaction come to the same, and both can take away what was there.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_changed_is_written_and_what_is_gone_is_taken_away(
    #[case] backend: Backend,
    #[values(false, true)] at_once: bool,
) {
    let db = open(backend).await;
    let lease = lead(&db, "home", &[]).await.unwrap();
    let run = a_run("one", Uuid::now_v7(), None);
    let new: Vec<task_instance::Model> = (0..3).map(|task| an_instance(&run, task, None, "etl", 1)).collect();
    write(&db, lease, &Batch { new_instances: new.clone(), ..Batch::default() }).await;
    assert_eq!(stored(&db, run.id).await, new);

    let full: Vec<task_instance::Model> = new[1..].iter().map(full).collect();
    for rows in [&full, &new[1..].to_vec()] {
        let batch = Batch { instances: rows.clone(), ..Batch::default() };
        if at_once {
            assert!(runs::write_at_once(&mut Express::new((*db).clone()), lease, &batch).await.unwrap());
        } else {
            write(&db, lease, &batch).await;
        }
        assert_eq!(stored(&db, run.id).await, [&new[..1], rows].concat());
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn one_statement_writes_nothing_without_the_lease(#[case] backend: Backend) {
    let db = open(backend).await;
    let slow = lead(&db, "slow", &[]).await.unwrap();
    let run = a_run("one", Uuid::now_v7(), None);
    let new = vec![an_instance(&run, 0, None, "etl", 1)];
    write(&db, slow, &Batch { new_instances: new.clone(), ..Batch::default() }).await;
    lead(&db, "quick", &[slow]).await.unwrap();

    let batch = Batch { instances: vec![full(&new[0])], ..Batch::default() };

    assert!(!runs::write_at_once(&mut Express::new((*db).clone()), slow, &batch).await.unwrap());
    assert_eq!(stored(&db, run.id).await, new);
}

/// What follows from the definition changes with the version of the DAG.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_that_goes_on_with_another_version_has_its_pools(#[case] backend: Backend) {
    let db = open(backend).await;
    let lease = lead(&db, "home", &[]).await.unwrap();
    let run = a_run("one", Uuid::now_v7(), None);
    let row = an_instance(&run, 0, None, "etl", 1);
    write(&db, lease, &Batch { new_instances: vec![row.clone()], ..Batch::default() }).await;

    let moved = task_instance::Model { pool: "web".to_owned(), pool_slots: 2, priority_weight: 7, ..row };
    let vanished = vec![(run.id, vec![moved.task_id.clone()])];
    write(&db, lease, &Batch { instances: vec![moved.clone()], vanished, ..Batch::default() }).await;

    assert_eq!(stored(&db, run.id).await, [moved]);
}

/// Whoever believes that a row is there may be wrong.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_row_that_is_missing_is_seen_and_then_made(#[case] backend: Backend) {
    let db = open(backend).await;
    let lease = lead(&db, "home", &[]).await.unwrap();
    let run = a_run("one", Uuid::now_v7(), None);
    let row = an_instance(&run, 0, Some("running"), "etl", 1);
    let batch = Batch { instances: vec![row.clone()], ..Batch::default() };

    assert!(!runs::write_at_once(&mut Express::new((*db).clone()), lease, &batch).await.unwrap());
    write(&db, lease, &batch).await;

    assert_eq!(stored(&db, run.id).await, [row]);
}

/// What takes more than one statement is not begun that way.
#[tokio::test]
async fn a_run_that_changed_takes_a_transaction() {
    let db = open(Backend::Sqlite).await;
    let lease = lead(&db, "home", &[]).await.unwrap();
    let batch = Batch { runs: vec![a_run("one", Uuid::now_v7(), None)], ..Batch::default() };

    assert!(!runs::write_at_once(&mut Express::new((*db).clone()), lease, &batch).await.unwrap());
}

/// The answer to a commit may be lost, and the commit not.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_first_rows_of_a_run_are_written_once_and_again_only_when_that_is_said(#[case] backend: Backend) {
    let db = open(backend).await;
    let lease = lead(&db, "home", &[]).await.unwrap();
    let run = a_run("one", Uuid::now_v7(), None);
    let rows: Vec<task_instance::Model> = (0..3).map(|task| an_instance(&run, task, None, "etl", 1)).collect();
    let first = Batch { first_instances: rows.clone(), ..Batch::default() };
    write(&db, lease, &first).await;
    assert_eq!(stored(&db, run.id).await, rows);

    let txn = db.begin_engine().await.unwrap();
    assert!(runs::write(&txn, lease, &first, noon()).await.is_err());
    drop(txn);
    write(&db, lease, &Batch { is_repeated: true, ..first }).await;

    assert_eq!(stored(&db, run.id).await, rows);
}
