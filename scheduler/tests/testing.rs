//! The databases that tests stand on: each is migrated, and is nobody else's.

#![allow(clippy::unwrap_used, reason = "what a test sets up must be there; helpers of tests are tests, too")]

use scheduler::store::entity::dag_tag;
use scheduler::testing::TestDb;
use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait};

#[tokio::test]
async fn sqlite_databases_are_migrated_and_apart() {
    let (one, other) = (TestDb::sqlite().await, TestDb::sqlite().await);

    assert_apart(&one, &other).await;
}

#[tokio::test]
async fn postgres_databases_are_migrated_and_apart() {
    let (one, other) = (TestDb::postgres().await, TestDb::postgres().await);

    assert!(one.is_postgres());
    assert_apart(&one, &other).await;
}

async fn assert_apart(one: &TestDb, other: &TestDb) {
    let tag = dag_tag::ActiveModel { dag_id: Set("a".into()), name: Set("b".into()) };
    let transaction = one.begin_write().await.unwrap();
    dag_tag::Entity::insert(tag).exec_without_returning(&transaction).await.unwrap();
    transaction.commit().await.unwrap();

    assert_eq!(dag_tag::Entity::find().count(one.read()).await.unwrap(), 1);
    assert_eq!(dag_tag::Entity::find().count(other.read()).await.unwrap(), 0);
}
