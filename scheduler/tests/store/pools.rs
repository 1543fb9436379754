//! Pools, and what is taken of them.

use rstest::rstest;
use scheduler::store::entity::{dag_run, pool, task_instance};
use scheduler::store::pools::{self, DEFAULT_POOL, PoolSettings, SlotUse};
use scheduler::store::{Db, StoreError, commit, runs};
use sea_orm::{EntityTrait, IntoActiveModel};
use uuid::Uuid;

use crate::{Backend, a_run, noon, open};

fn a_pool(name: &str, slots: i32) -> PoolSettings {
    PoolSettings { name: name.to_owned(), slots, description: None, include_deferred: false }
}

async fn make(db: &Db, settings: &PoolSettings) -> Result<(), StoreError> {
    let txn = db.begin_write().await?;
    pools::insert(&txn, settings).await?;
    commit(txn).await
}

async fn names(db: &Db) -> Vec<String> {
    pools::list(db.read()).await.unwrap().into_iter().map(|pool| pool.name).collect()
}

/// Airflow semantics, section 5: `default_pool` has 128 slots and is always there.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_new_database_has_the_default_pool(#[case] backend: Backend) {
    let db = open(backend).await;

    let pool = pools::get(db.read(), DEFAULT_POOL).await.unwrap();

    assert_eq!((pool.slots, pool.include_deferred), (128, false));
    assert_eq!(names(&db).await, [DEFAULT_POOL]);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn pools_are_made_changed_and_deleted(#[case] backend: Backend) {
    let db = open(backend).await;
    make(&db, &a_pool("etl", 4)).await.unwrap();
    make(&db, &a_pool("other", -1)).await.unwrap();
    let again = make(&db, &a_pool("etl", 5)).await;
    assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");

    let txn = db.begin_write().await.unwrap();
    let changed = PoolSettings { description: Some("Loads".to_owned()), include_deferred: true, ..a_pool("load", 8) };
    assert!(pools::update(&txn, "etl", &changed).await.unwrap());
    assert!(!pools::update(&txn, "etl", &changed).await.unwrap(), "it has another name now");
    commit(txn).await.unwrap();
    let load = pools::get(db.read(), "load").await.unwrap();
    assert_eq!((load.slots, load.description.as_deref(), load.include_deferred), (8, Some("Loads"), true));

    let txn = db.begin_write().await.unwrap();
    let taken = pools::update(&txn, "load", &a_pool("other", 1)).await;
    assert!(matches!(taken, Err(StoreError::Exists { .. })), "{taken:?}");
    drop(txn);
    let txn = db.begin_write().await.unwrap();
    assert!(pools::delete(&txn, "load").await.unwrap());
    assert!(!pools::delete(&txn, "load").await.unwrap());
    commit(txn).await.unwrap();
    assert_eq!(names(&db).await, [DEFAULT_POOL, "other"]);
    assert!(pools::find(db.read(), "load").await.unwrap().is_none());
}

pub fn an_instance(
    run: &dag_run::Model,
    task: i32,
    state: Option<&str>,
    pool: &str,
    slots: i32,
) -> task_instance::Model {
    task_instance::Model {
        dag_run_id: run.id,
        task_id: format!("t{task}"),
        map_index: -1,
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        task_index: task,
        state: state.map(str::to_owned),
        try_number: 1,
        max_tries: 0,
        try_id: Uuid::now_v7(),
        lost_tries: 0,
        operator: "empty".to_owned(),
        pool: pool.to_owned(),
        pool_slots: slots,
        queue: "default".to_owned(),
        priority_weight: 1,
        scheduled_when: None,
        queued_when: None,
        start_date: None,
        end_date: None,
        deferred_at: None,
        next_try_at: None,
        hostname: None,
        pid: None,
        reason: None,
        error: None,
        note: None,
        rendered_fields: None,
        rendered_map_index: None,
        pushed_items: None,
        skips: None,
        updated_at: noon(),
    }
}

/// Airflow semantics, section 5: open = slots - running - queued (- deferred, if the pool says so), in slots.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_is_taken_follows_from_the_states_of_task_instances(#[case] backend: Backend) {
    let db = open(backend).await;
    let run = a_run("one", Uuid::now_v7(), None);
    let states = ["running", "restarting", "queued", "scheduled", "deferred", "success", "up_for_retry", "failed"];
    let mut rows: Vec<task_instance::Model> =
        states.iter().zip(0..).map(|(state, task)| an_instance(&run, task, Some(state), "etl", 1 << task)).collect();
    rows.push(an_instance(&run, 8, None, "etl", 256));
    rows.push(an_instance(&run, 9, Some("running"), "a pool that nobody made", 3));
    let txn = db.begin_write().await.unwrap();
    runs::insert(&txn, run).await.unwrap();
    let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    task_instance::Entity::insert_many(rows).exec_without_returning(&txn).await.unwrap();
    commit(txn).await.unwrap();

    let all = pools::slot_use(db.read()).await.unwrap();

    assert_eq!(all["etl"], SlotUse { running: 3, queued: 4, scheduled: 8, deferred: 16 });
    assert_eq!(all["a pool that nobody made"].running, 3);
    assert_eq!(all.get(DEFAULT_POOL), None);
    let with = |slots: i32, include_deferred: bool| pool::Model {
        id: 1,
        name: "etl".to_owned(),
        slots,
        description: None,
        include_deferred,
    };
    let etl = all["etl"];
    assert_eq!((etl.occupied(&with(10, false)), etl.open(&with(10, false))), (7, 3));
    assert_eq!((etl.occupied(&with(30, true)), etl.open(&with(30, true))), (23, 7));
    assert_eq!(etl.open(&with(2, false)), 0, "it was made smaller than what is taken");
    assert_eq!(etl.open(&with(-1, true)), -1);
}
