//! Rows as an engine would have written them.

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::store::entity::json_text::JsonText;
use scheduler::store::entity::{dag_run, process_lease, task_instance, task_instance_history, xcom};
use scheduler::store::{Db, dags, versions};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::server::now;

/// A run of `sales`, `hours` before now, that is over or not as its state says.
pub(crate) async fn run(db: &Db, run_id: &str, state: &str, hours: i64) -> dag_run::Model {
    run_of(db, "sales", run_id, state, hours).await
}

/// The same of any DAG.
pub(crate) async fn run_of(db: &Db, dag_id: &str, run_id: &str, state: &str, hours: i64) -> dag_run::Model {
    let at = now() - TimeDelta::hours(hours);
    let txn = db.begin_write().await.unwrap();
    let dag = dags::find(&txn, dag_id).await.unwrap().unwrap();
    let version = versions::current(&txn, &dag, now()).await.unwrap();
    let has_begun = state != "queued";
    let is_over = matches!(state, "success" | "failed");
    let run = dag_run::Model {
        id: Uuid::now_v7(),
        dag_id: dag_id.to_owned(),
        run_id: run_id.to_owned(),
        run_type: if run_id.starts_with("scheduled") { "scheduled" } else { "manual" }.to_owned(),
        state: state.to_owned(),
        logical_date: Some(at),
        data_interval_start: Some(at),
        data_interval_end: Some(at),
        partition_key: None,
        partition_date: None,
        run_after: at,
        queued_at: Some(at),
        start_date: has_begun.then_some(at),
        // Longer ago took longer, so that the orders by either differ from no order at all.
        end_date: is_over.then_some(at + TimeDelta::milliseconds(1500 * hours)),
        last_scheduling_decision: None,
        triggered_by: Some("timetable".to_owned()),
        triggering_user_name: None,
        conf: json!({ "hours": hours }),
        note: None,
        dag_version_id: version,
        clear_number: 0,
        owner: None,
        reason: None,
        backfill_id: None,
        sort_ordinal: None,
        decided_state: None,
        updated_at: at,
    };
    dag_run::Entity::insert(run.clone().into_active_model()).exec_without_returning(&txn).await.unwrap();
    txn.commit().await.unwrap();
    run
}

/// A task instance of a run, at its first try.
pub(crate) fn instance(run: &dag_run::Model, task_id: &str, place: i32, state: Option<&str>) -> task_instance::Model {
    let has_begun = matches!(state, Some("running" | "success" | "failed" | "up_for_retry"));
    let is_over = matches!(state, Some("success" | "failed" | "skipped" | "upstream_failed"));
    task_instance::Model {
        dag_run_id: run.id,
        task_id: task_id.to_owned(),
        map_index: -1,
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        task_index: place,
        state: state.map(str::to_owned),
        try_number: i32::from(has_begun),
        max_tries: 2,
        try_id: Uuid::now_v7(),
        lost_tries: 0,
        operator: "bash".to_owned(),
        pool: "default_pool".to_owned(),
        pool_slots: 1,
        queue: "default".to_owned(),
        priority_weight: 1,
        scheduled_when: run.start_date,
        queued_when: None,
        start_date: run.start_date.filter(|_| has_begun),
        end_date: is_over.then(|| run.run_after + TimeDelta::milliseconds(250)),
        deferred_at: None,
        next_try_at: None,
        hostname: has_begun.then(|| "host".to_owned()),
        pid: has_begun.then_some(42),
        reason: (!is_over && !has_begun).then(|| "waits for `extract`".to_owned()),
        error: (state == Some("failed")).then(|| "exit code 1".to_owned()),
        note: None,
        rendered_fields: Some(json!({ "bash_command": "echo 10" })),
        rendered_map_index: None,
        pushed_items: None,
        skips: None,
        updated_at: run.run_after,
    }
}

/// Ends a run.
pub(crate) async fn end(db: &Db, run: &dag_run::Model, state: &str) {
    let txn = db.begin_write().await.unwrap();
    let (id, state, end_date) = (Set(run.id), Set(state.to_owned()), Set(Some(now())));
    let ended = dag_run::ActiveModel { id, state, end_date, ..Default::default() };
    ended.update(&txn).await.unwrap();
    txn.commit().await.unwrap();
}

/// Writes task instances.
pub(crate) async fn insert(db: &Db, instances: impl IntoIterator<Item = task_instance::Model>) {
    let txn = db.begin_write().await.unwrap();
    let rows = instances.into_iter().map(IntoActiveModel::into_active_model);
    task_instance::Entity::insert_many(rows).exec_without_returning(&txn).await.unwrap();
    txn.commit().await.unwrap();
}

/// Writes a failed try before the latest of a task instance.
pub(crate) async fn insert_earlier_try(db: &Db, instance: &task_instance::Model, try_number: i32) {
    let row = task_instance_history::Model {
        dag_run_id: instance.dag_run_id,
        task_id: instance.task_id.clone(),
        map_index: instance.map_index,
        try_number,
        dag_id: instance.dag_id.clone(),
        run_id: instance.run_id.clone(),
        state: Some("failed".to_owned()),
        max_tries: instance.max_tries,
        try_id: Uuid::now_v7(),
        operator: instance.operator.clone(),
        pool: instance.pool.clone(),
        pool_slots: instance.pool_slots,
        queue: instance.queue.clone(),
        priority_weight: instance.priority_weight,
        scheduled_when: instance.scheduled_when,
        queued_when: instance.queued_when,
        start_date: instance.start_date,
        end_date: instance.start_date.map(|start| start + TimeDelta::seconds(1)),
        hostname: instance.hostname.clone(),
        pid: instance.pid,
        error: Some("exit code 2".to_owned()),
        rendered_fields: None,
    };
    let txn = db.begin_write().await.unwrap();
    task_instance_history::Entity::insert(row.into_active_model()).exec_without_returning(&txn).await.unwrap();
    txn.commit().await.unwrap();
}

/// Changes the state of a task instance.
pub(crate) async fn update(db: &Db, instance: &task_instance::Model) {
    let txn = db.begin_write().await.unwrap();
    let row = instance.clone().into_active_model().reset_all();
    task_instance::Entity::update(row).exec(&txn).await.unwrap();
    txn.commit().await.unwrap();
}

/// Writes an XCom.
pub(crate) async fn insert_xcom(db: &Db, instance: &task_instance::Model, key: &str, value: Value) {
    let row = xcom::Model {
        dag_run_id: instance.dag_run_id,
        task_id: instance.task_id.clone(),
        map_index: instance.map_index,
        key: key.to_owned(),
        dag_id: instance.dag_id.clone(),
        run_id: instance.run_id.clone(),
        value: JsonText(value),
        timestamp: now(),
    };
    let txn = db.begin_write().await.unwrap();
    xcom::Entity::insert(row.into_active_model()).exec_without_returning(&txn).await.unwrap();
    txn.commit().await.unwrap();
}

/// Writes the lease of a scheduler whose heart beat last at `heartbeat_at`.
pub(crate) async fn insert_lease(db: &Db, heartbeat_at: DateTime<Utc>) {
    let row = process_lease::Model {
        id: Uuid::now_v7(),
        kind: "scheduler".to_owned(),
        instance: "home".to_owned(),
        hostname: "host".to_owned(),
        pid: 42,
        presence: None,
        patience_ms: 15_000,
        renewals: 1,
        started_at: heartbeat_at,
        heartbeat_at,
        is_lapsed: false,
        is_draining: false,
        queues: None,
        concurrency: None,
    };
    let txn = db.begin_write().await.unwrap();
    process_lease::Entity::insert(row.into_active_model()).exec_without_returning(&txn).await.unwrap();
    txn.commit().await.unwrap();
}
