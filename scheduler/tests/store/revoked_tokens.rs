//! Which tokens were signed out.

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use scheduler::store::{Db, commit, revoked_tokens};

use crate::{Backend, noon, open};

async fn revoke(db: &Db, jti: &str, exp: DateTime<Utc>) {
    let txn = db.begin_write().await.unwrap();
    revoked_tokens::insert(&txn, jti, exp).await.unwrap();
    commit(txn).await.unwrap();
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_token_that_was_taken_back_is_known_to_all_who_open_the_database(#[case] backend: Backend) {
    let db = open(backend).await;

    revoke(&db, "one", noon()).await;
    revoke(&db, "one", noon()).await;

    let other = Db::open(db.url()).await.unwrap();
    assert!(revoked_tokens::contains(other.read(), "one").await.unwrap());
    assert!(!revoked_tokens::contains(other.read(), "two").await.unwrap());
    other.close().await.unwrap();
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_has_expired_is_forgotten_and_nothing_else(#[case] backend: Backend) {
    let db = open(backend).await;
    revoke(&db, "old", noon() - TimeDelta::seconds(1)).await;
    revoke(&db, "new", noon()).await;

    let txn = db.begin_write().await.unwrap();
    let forgotten = revoked_tokens::delete_expired(&txn, noon()).await.unwrap();
    commit(txn).await.unwrap();

    assert_eq!(forgotten, 1);
    assert!(!revoked_tokens::contains(db.read(), "old").await.unwrap());
    assert!(revoked_tokens::contains(db.read(), "new").await.unwrap());
}
