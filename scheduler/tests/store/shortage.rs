//! What the store makes of an SQLite file that is full, or that others lock.

use scheduler::store::{Db, StoreError, commit, dags};
use scheduler::testing::TestDb;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use std::time::Duration;

use crate::a_dag;

/// A connection of somebody else, who does not wait.
async fn stranger(db: &TestDb) -> DatabaseConnection {
    let mut options = ConnectOptions::new(db.url());
    options
        .max_connections(1)
        .map_sqlx_sqlite_opts(|options: SqliteConnectOptions| options.busy_timeout(Duration::ZERO));
    Database::connect(options).await.unwrap()
}

/// Writes more than fits, in a transaction that is given up.
async fn write_too_much(db: &Db) -> StoreError {
    let txn = db.begin_write().await.unwrap();
    txn.execute_unprepared("PRAGMA max_page_count = 1").await.unwrap();
    let large = scheduler::store::entity::dag::Model { source: "x".repeat(1_000_000), ..a_dag("large") };
    let refused = dags::upsert(&txn, &[(large, std::collections::BTreeSet::new())]).await;
    refused.expect_err("it does not fit")
}

#[tokio::test]
async fn a_full_disk_is_told_apart_and_passes() {
    let db = TestDb::sqlite().await;

    let problem = write_too_much(&db).await;

    assert!(matches!(problem, StoreError::Full(_)), "{problem:?}");
    assert!(problem.is_passing());
    assert_eq!(problem.to_string(), "the disk that the database is on is full");
}

#[tokio::test]
async fn after_a_full_disk_a_transaction_locks_the_file_as_before() {
    let db = TestDb::sqlite().await;
    let stranger = stranger(&db).await;
    write_too_much(&db).await;

    let txn = db.begin_write().await.unwrap();
    let meanwhile = stranger.execute_unprepared("BEGIN IMMEDIATE").await;
    dags::upsert(&txn, &[(a_dag("small"), std::collections::BTreeSet::new())]).await.unwrap();
    commit(txn).await.unwrap();

    assert!(meanwhile.is_err(), "nobody else writes while we do");
    assert!(dags::find(db.read(), "small").await.unwrap().is_some());
}

#[tokio::test]
async fn a_foreign_lock_is_told_apart_and_passes() {
    let db = TestDb::sqlite().await;
    let stranger = stranger(&db).await;
    stranger.execute_unprepared("BEGIN EXCLUSIVE").await.unwrap();

    let problem = db.assert_unlocked().await.expect_err("somebody holds the lock");
    stranger.execute_unprepared("COMMIT").await.unwrap();

    assert!(matches!(problem, StoreError::Locked(_)), "{problem:?}");
    assert!(problem.is_passing());
    db.assert_unlocked().await.expect("nobody holds the lock");
}
