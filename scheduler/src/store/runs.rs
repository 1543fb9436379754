//! Runs and their task instances.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict, Query, SelectStatement};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Select, TryInsertResult,
};
use uuid::Uuid;

use super::asset_events::{self, NewAssetEvent};
use super::entity::json_text::JsonText;
use super::entity::{callback_request, dag_run, run_request, task_instance, task_instance_history, xcom};
use super::error::{StoreError, doing, is_duplicate};
use super::tries::TryBatch;
use super::{ROWS_MAX, dag_runs, leases, task_instances};
use crate::operator::TaskKey;

pub use super::task_instances::Express;

/// Task instances that one condition names: SQLite parses some thousand `OR`s at most.
pub(super) const KEYS_MAX: usize = 100;

/// Stores a run that somebody asked for.
///
/// # Errors
/// [`StoreError::Exists`] when there is one with its id or its logical date.
pub async fn insert(db: &impl ConnectionTrait, run: dag_run::Model) -> Result<(), StoreError> {
    let id = run.run_id.clone();
    dag_run::Entity::insert(run.into_active_model()).exec_without_returning(db).await.map_err(|error| {
        if is_duplicate(&error) { StoreError::Exists { what: "run", id } } else { doing("writing a run")(error) }
    })?;
    Ok(())
}

/// Stores runs that schedules ask for, as far as they are not there: a doubled tick makes no doubled run. Answers with how
/// many were stored.
pub async fn insert_new(db: &impl ConnectionTrait, runs: Vec<dag_run::Model>) -> Result<u64, StoreError> {
    let mut stored = 0;
    for runs in runs.chunks(ROWS_MAX) {
        let inserted = dag_run::Entity::insert_many(runs.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(db)
            .await
            .map_err(doing("writing scheduled runs"))?;
        if let TryInsertResult::Inserted(rows) = inserted {
            stored += rows;
        }
    }
    Ok(stored)
}

/// The run that people call `run_id`.
pub async fn find(db: &impl ConnectionTrait, dag_id: &str, run_id: &str) -> Result<Option<dag_run::Model>, StoreError> {
    dag_run::Entity::find()
        .filter(dag_run::Column::DagId.eq(dag_id))
        .filter(dag_run::Column::RunId.eq(run_id))
        .one(db)
        .await
        .map_err(doing("looking for a run"))
}

/// The run that people call `run_id`, which must exist.
pub async fn get(db: &impl ConnectionTrait, dag_id: &str, run_id: &str) -> Result<dag_run::Model, StoreError> {
    find(db, dag_id, run_id).await?.ok_or_else(|| StoreError::NotFound { what: "run", id: run_id.to_owned() })
}

/// The run with that key.
pub async fn find_by_key(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<dag_run::Model>, StoreError> {
    dag_run::Entity::find_by_id(id).one(db).await.map_err(doing("looking for a run"))
}

/// The run that people call `run_id`, which must exist; nobody else changes it until the transaction ends.
pub async fn get_locked(db: &impl ConnectionTrait, dag_id: &str, run_id: &str) -> Result<dag_run::Model, StoreError> {
    let run = dag_run::Entity::find()
        .filter(dag_run::Column::DagId.eq(dag_id))
        .filter(dag_run::Column::RunId.eq(run_id))
        .lock_exclusive()
        .one(db)
        .await
        .map_err(doing("locking a run"))?;
    run.ok_or_else(|| StoreError::NotFound { what: "run", id: run_id.to_owned() })
}

/// The run that has the name or the logical date of `run`, if there is one.
pub async fn clashing(db: &impl ConnectionTrait, run: &dag_run::Model) -> Result<Option<dag_run::Model>, StoreError> {
    use dag_run::Column as C;
    let same =
        Condition::any().add(C::RunId.eq(&run.run_id)).add_option(run.logical_date.map(|date| C::LogicalDate.eq(date)));
    let same = dag_run::Entity::find().filter(C::DagId.eq(&run.dag_id)).filter(same);
    same.one(db).await.map_err(doing("looking for a run"))
}

/// A task instance, which must exist; nobody else changes it until the transaction ends.
pub async fn lock_instance(db: &impl ConnectionTrait, key: &TaskKey) -> Result<task_instance::Model, StoreError> {
    use task_instance::Column as C;
    let found = task_instance::Entity::find()
        .filter(C::DagId.eq(&key.dag_id))
        .filter(C::RunId.eq(&key.run_id))
        .filter(C::TaskId.eq(&key.task_id))
        .filter(C::MapIndex.eq(key.map_index))
        .lock_exclusive()
        .one(db)
        .await
        .map_err(doing("locking a task instance"))?;
    found.ok_or_else(|| StoreError::NotFound { what: "task instance", id: key.task_id.clone() })
}

/// The runs of a DAG whose logical date lies between two dates, inclusive, oldest first.
pub async fn between(
    db: &impl ConnectionTrait,
    dag_id: &str,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<Vec<dag_run::Model>, StoreError> {
    of_dates(dag_id, from, until).all(db).await.map_err(doing("looking for runs between two dates"))
}

/// The same, and nobody else changes them until the transaction ends.
pub async fn between_locked(
    db: &impl ConnectionTrait,
    dag_id: &str,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<Vec<dag_run::Model>, StoreError> {
    let locked = of_dates(dag_id, from, until).lock_exclusive();
    locked.all(db).await.map_err(doing("looking for runs between two dates"))
}

fn of_dates(dag_id: &str, from: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> Select<dag_run::Entity> {
    let mut query = dag_run::Entity::find()
        .filter(dag_run::Column::DagId.eq(dag_id))
        .filter(dag_run::Column::LogicalDate.is_not_null())
        .order_by_asc(dag_run::Column::LogicalDate);
    if let Some(from) = from {
        query = query.filter(dag_run::Column::LogicalDate.gte(from));
    }
    if let Some(until) = until {
        query = query.filter(dag_run::Column::LogicalDate.lte(until));
    }
    query
}

/// The run before a logical date, as far as tasks wait for it (Airflow 3: with catchup only runs that nobody triggered).
pub async fn before(
    db: &impl ConnectionTrait,
    dag_id: &str,
    date: DateTime<Utc>,
    without_manual: bool,
) -> Result<Option<dag_run::Model>, StoreError> {
    let mut query = dag_run::Entity::find()
        .filter(dag_run::Column::DagId.eq(dag_id))
        .filter(dag_run::Column::LogicalDate.lt(date))
        .order_by_desc(dag_run::Column::LogicalDate);
    if without_manual {
        query = query.filter(dag_run::Column::RunType.ne("manual"));
    }
    query.one(db).await.map_err(doing("looking for the run before"))
}

/// Which of these tasks any run of the DAG before a logical date had.
pub async fn had_before(
    db: &impl ConnectionTrait,
    dag_id: &str,
    date: DateTime<Utc>,
    task_ids: &[&str],
) -> Result<BTreeSet<String>, StoreError> {
    use sea_orm::sea_query::ExprTrait as _;
    let looking = doing("looking for tasks in earlier runs");
    let mut wanted: BTreeSet<&str> = task_ids.iter().copied().collect();
    let mut had = BTreeSet::new();
    // One walk, in as many pieces as there are runs that are the newest with one of them.
    while !wanted.is_empty() {
        let in_it = Query::select()
            .expr(Expr::val(1))
            .from(task_instance::Entity)
            .and_where(
                Expr::col((task_instance::Entity, task_instance::Column::DagRunId))
                    .equals((dag_run::Entity, dag_run::Column::Id)),
            )
            .and_where(Expr::col((task_instance::Entity, task_instance::Column::TaskId)).is_in(wanted.iter().copied()))
            .to_owned();
        let newest: Option<Uuid> = dag_run::Entity::find()
            .select_only()
            .column(dag_run::Column::Id)
            .filter(dag_run::Column::DagId.eq(dag_id))
            .filter(dag_run::Column::LogicalDate.lt(date))
            .filter(in_each(in_it))
            .order_by_desc(dag_run::Column::LogicalDate)
            .into_tuple()
            .one(db)
            .await
            .map_err(&looking)?;
        let Some(run) = newest else { break };
        let there: Vec<String> = task_instance::Entity::find()
            .select_only()
            .column(task_instance::Column::TaskId)
            .distinct()
            .filter(task_instance::Column::DagRunId.eq(run))
            .filter(task_instance::Column::TaskId.is_in(wanted.iter().copied()))
            .into_tuple()
            .all(db)
            .await
            .map_err(&looking)?;
        if there.is_empty() {
            // It was deleted meanwhile.
            break;
        }
        wanted.retain(|task_id| !there.iter().any(|known| known == task_id));
        had.extend(there);
    }
    Ok(had)
}

/// Whether a row that belongs to a run is there, looked for in one run after the other, until one has it. Without the offset
/// Postgres may join instead, and read such rows of all DAGs to find out that this one has none.
pub(super) fn in_each(mut of_run: SelectStatement) -> Expr {
    Expr::exists(of_run.limit(1).offset(0).take())
}

/// The state of the run of a DAG about a logical date, and the states of its instances of these tasks.
pub async fn standing(
    db: &impl ConnectionTrait,
    dag_id: &str,
    date: DateTime<Utc>,
    task_ids: &[String],
) -> Result<Option<(String, Vec<(String, Option<String>)>)>, StoreError> {
    let run: Option<(Uuid, String)> = dag_run::Entity::find()
        .select_only()
        .columns([dag_run::Column::Id, dag_run::Column::State])
        .filter(dag_run::Column::DagId.eq(dag_id))
        .filter(dag_run::Column::LogicalDate.eq(date))
        .into_tuple()
        .one(db)
        .await
        .map_err(doing("looking for the run about a date"))?;
    let Some((run, state)) = run else { return Ok(None) };
    if task_ids.is_empty() {
        return Ok(Some((state, Vec::new())));
    }
    let instances = task_instance::Entity::find()
        .select_only()
        .columns([task_instance::Column::TaskId, task_instance::Column::State])
        .filter(task_instance::Column::DagRunId.eq(run))
        .filter(task_instance::Column::TaskId.is_in(task_ids))
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking how task instances stand"))?;
    Ok(Some((state, instances)))
}

/// Makes a run part of a backfill, with the backfill's type and conf (Airflow 3: backfill).
pub async fn join_backfill(
    db: &impl ConnectionTrait,
    run: Uuid,
    backfill: i64,
    ordinal: i32,
    conf: &serde_json::Value,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    dag_run::Entity::update_many()
        .col_expr(dag_run::Column::BackfillId, Expr::value(backfill))
        .col_expr(dag_run::Column::SortOrdinal, Expr::value(ordinal))
        .col_expr(dag_run::Column::RunType, Expr::value("backfill"))
        .col_expr(dag_run::Column::TriggeredBy, Expr::value("backfill"))
        .col_expr(dag_run::Column::Conf, Expr::value(conf.clone()))
        .col_expr(dag_run::Column::UpdatedAt, Expr::value(now))
        .filter(dag_run::Column::Id.eq(run))
        .exec(db)
        .await
        .map_err(doing("taking a run into a backfill"))?;
    Ok(())
}

/// Deletes a run with everything that is stored of it.
pub async fn delete(db: &impl ConnectionTrait, run: Uuid) -> Result<(), StoreError> {
    super::history::delete_runs(db, &[run]).await?;
    Ok(())
}

/// The newest runs, of one DAG or of all.
pub async fn newest(
    db: &impl ConnectionTrait,
    dag_id: Option<&str>,
    limit: u64,
) -> Result<Vec<dag_run::Model>, StoreError> {
    let mut query = dag_run::Entity::find().order_by_desc(dag_run::Column::Id).limit(limit);
    if let Some(dag_id) = dag_id {
        query = query.filter(dag_run::Column::DagId.eq(dag_id));
    }
    query.all(db).await.map_err(doing("listing runs"))
}

/// Makes up to `limit` runs that nobody owns ours, oldest first: unfinished ones, and those that ended before their owner
/// saw what was asked of them.
pub async fn adopt(db: &impl ConnectionTrait, lease: Uuid, limit: u64) -> Result<Vec<dag_run::Model>, StoreError> {
    let asked = Query::select().column(run_request::Column::DagRunId).from(run_request::Entity).to_owned();
    // Two looks, each by an index; one that joins them by `or` would read the whole history.
    let mut adopted = adopt_where(db, lease, limit, is_unfinished()).await?;
    adopted.extend(adopt_where(db, lease, limit, dag_run::Column::Id.in_subquery(asked)).await?);
    Ok(adopted)
}

/// That a run is not over. Its states stand in the text, because only then do databases see that the index of unfinished runs
/// has all of them, and need not look through all that a DAG has ever had.
pub(super) fn is_unfinished() -> Expr {
    Expr::cust("dag_run.state IN ('queued', 'running')")
}

/// The runs that belong to a lease.
pub async fn owned_by(db: &impl ConnectionTrait, lease: Uuid) -> Result<Vec<dag_run::Model>, StoreError> {
    dag_run::Entity::find()
        .filter(dag_run::Column::Owner.eq(lease))
        .order_by_asc(dag_run::Column::Id)
        .all(db)
        .await
        .map_err(doing("looking for the runs of a scheduler"))
}

async fn adopt_where(
    db: &impl ConnectionTrait,
    lease: Uuid,
    limit: u64,
    which: Expr,
) -> Result<Vec<dag_run::Model>, StoreError> {
    let mut orphans = dag_run::Entity::find()
        .select_only()
        .column(dag_run::Column::Id)
        .filter(dag_run::Column::Owner.is_null())
        .filter(which);
    if db.get_database_backend() == DbBackend::Postgres {
        // Two schedulers that look at once take different runs instead of waiting for each other.
        orphans = orphans
            .order_by_asc(dag_run::Column::Id)
            .limit(limit)
            .lock_with_behavior(sea_orm::sea_query::LockType::Update, sea_orm::sea_query::LockBehavior::SkipLocked);
    }
    let mut ids: Vec<Uuid> = orphans.into_tuple().all(db).await.map_err(doing("looking for runs without an owner"))?;
    // Asked for an order, SQLite would walk through all runs in it, if somebody had it gather statistics.
    ids.sort_unstable();
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    dag_run::Entity::update_many()
        .col_expr(dag_run::Column::Owner, Expr::value(lease))
        .filter(dag_run::Column::Id.is_in(ids))
        .filter(dag_run::Column::Owner.is_null())
        .exec_with_returning(db)
        .await
        .map_err(doing("adopting runs"))
}

/// The task instances of a run, in the order of the DAG file.
pub async fn instances(db: &impl ConnectionTrait, run: Uuid) -> Result<Vec<task_instance::Model>, StoreError> {
    Ok(instances_of(db, &[run]).await?.remove(&run).unwrap_or_default())
}

/// The task instances of each of these runs that has any, in the order of the DAG file.
pub async fn instances_of(
    db: &impl ConnectionTrait,
    runs: &[Uuid],
) -> Result<HashMap<Uuid, Vec<task_instance::Model>>, StoreError> {
    let rows = task_instance::Entity::find()
        .filter(task_instance::Column::DagRunId.is_in(runs.iter().copied()))
        .order_by_asc(task_instance::Column::TaskIndex)
        .order_by_asc(task_instance::Column::MapIndex)
        .all(db)
        .await
        .map_err(doing("reading task instances"))?;
    let mut by_run: HashMap<Uuid, Vec<task_instance::Model>> = HashMap::new();
    for row in rows {
        by_run.entry(row.dag_run_id).or_default().push(row);
    }
    Ok(by_run)
}

/// An XCom that a try left.
#[derive(Clone, Debug, PartialEq)]
pub struct NewXCom {
    /// By which task instance.
    pub instance: InstanceKey,
    /// The key.
    pub key: String,
    /// The value.
    pub value: serde_json::Value,
}

/// A task instance, as the database names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceKey {
    /// The run's key.
    pub dag_run_id: Uuid,
    /// Its DAG, for the rows' sake.
    pub dag_id: String,
    /// Its name, for the rows' sake.
    pub run_id: String,
    /// The task.
    pub task_id: String,
    /// -1 when not mapped.
    pub map_index: i32,
}

impl InstanceKey {
    /// What people call `of`, in the run with that key.
    pub fn of(dag_run_id: Uuid, of: &TaskKey) -> InstanceKey {
        let TaskKey { dag_id, run_id, task_id, map_index } = of.clone();
        InstanceKey { dag_run_id, dag_id, run_id, task_id, map_index }
    }
}

/// Everything that changed since the commit before, as rows.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Runs, as they are now.
    pub runs: Vec<dag_run::Model>,
    /// Task instances of runs of which none was ever written.
    pub first_instances: Vec<task_instance::Model>,
    /// Whether all of this may have been written already, because an answer to its commit was lost.
    pub is_repeated: bool,
    /// Task instances of which some were never written.
    pub new_instances: Vec<task_instance::Model>,
    /// Task instances that were written before, as they are now.
    pub instances: Vec<task_instance::Model>,
    /// Tries that are over and followed by another.
    pub history: Vec<task_instance_history::Model>,
    /// Task instances that have become several, and are no longer there under this key.
    pub expanded: Vec<InstanceKey>,
    /// Task instances whose XComs go, because a new try begins (Airflow 3: XCom).
    pub forget_xcoms: Vec<InstanceKey>,
    /// What tries left behind.
    pub xcoms: Vec<NewXCom>,
    /// Requests that were carried out.
    pub requests_done: Vec<i64>,
    /// Runs that went on with another version of their DAG, with the tasks that it has.
    pub vanished: Vec<(Uuid, Vec<String>)>,
    /// Whom to tell of it.
    pub callbacks: Vec<callback_request::Model>,
    /// Runs that succeeded, and when: the deadlines that they met go.
    pub succeeded: Vec<(Uuid, DateTime<Utc>)>,
    /// Tries that workers make.
    pub tries: TryBatch,
    /// What task instances that succeeded have made.
    pub asset_events: Vec<NewAssetEvent>,
    /// Task instances of which nobody wants any more what their last try may have started elsewhere.
    pub withdrawn: Vec<InstanceKey>,
}

impl Batch {
    /// Whether all that there is to write are other states of task instances that were written before.
    fn is_of_known_instances(&self) -> bool {
        let Batch {
            runs,
            first_instances,
            is_repeated: _,
            new_instances,
            instances: _,
            history,
            expanded,
            forget_xcoms,
            xcoms,
            requests_done,
            vanished,
            callbacks,
            succeeded,
            tries,
            asset_events,
            withdrawn,
        } = self;
        runs.is_empty()
            && first_instances.is_empty()
            && new_instances.is_empty()
            && history.is_empty()
            && expanded.is_empty()
            && forget_xcoms.is_empty()
            && xcoms.is_empty()
            && requests_done.is_empty()
            && vanished.is_empty()
            && callbacks.is_empty()
            && succeeded.is_empty()
            && tries.is_empty()
            && asset_events.is_empty()
            && withdrawn.is_empty()
    }
}

/// Writes a batch under `lease`, inside the caller's transaction.
///
/// # Errors
/// [`StoreError::Fenced`] when the lease was taken over; nothing is written then.
pub async fn write(
    db: &impl ConnectionTrait,
    lease: Uuid,
    batch: &Batch,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    leases::assert_held(db, lease).await?;
    write_unowned(db, batch, now).await
}

/// Writes a batch under `lease` in a commit of its own, if that takes one statement. False when it takes more, or when the
/// lease was taken over: then nothing counts yet, and [`write()`] is the way.
pub async fn write_at_once(express: &mut Express, lease: Uuid, batch: &Batch) -> Result<bool, StoreError> {
    if !batch.is_of_known_instances() {
        return Ok(false);
    }
    express.update(lease, &batch.instances).await
}

/// Writes a batch about runs that are over, and so belong to nobody; the caller has locked them.
pub async fn write_unowned(db: &impl ConnectionTrait, batch: &Batch, now: DateTime<Utc>) -> Result<(), StoreError> {
    dag_runs::update(db, &batch.runs).await?;
    for rows in batch.history.chunks(ROWS_MAX) {
        // A try that was given back and taken up again ends only once, but its process may have been killed between.
        task_instance_history::Entity::insert_many(rows.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(db)
            .await
            .map_err(doing("writing earlier tries"))?;
    }
    task_instances::delete(db, &batch.expanded).await?;
    if batch.is_repeated {
        task_instances::upsert(db, &batch.first_instances).await?;
    } else {
        task_instances::insert(db, &batch.first_instances).await?;
    }
    task_instances::upsert(db, &batch.new_instances).await?;
    if batch.vanished.is_empty() {
        task_instances::update(db, &batch.instances).await?;
    } else {
        // Another version of the DAG may have other pools, queues and weights.
        task_instances::upsert(db, &batch.instances).await?;
    }
    for keys in batch.forget_xcoms.chunks(KEYS_MAX) {
        use xcom::Column as C;
        let which = of_any([C::DagRunId, C::TaskId, C::MapIndex], keys);
        xcom::Entity::delete_many().filter(which).exec(db).await.map_err(doing("forgetting XComs"))?;
    }
    for rows in batch.xcoms.chunks(ROWS_MAX) {
        upsert_xcoms(db, rows, now).await?;
    }
    super::tries::write(db, &batch.tries).await?;
    super::callbacks::insert(db, &batch.callbacks).await?;
    for &(run, ended) in &batch.succeeded {
        super::deadlines::forget_met(db, run, ended).await?;
    }
    for (run, tasks) in &batch.vanished {
        super::checkpoints::withdraw_vanished(db, *run, tasks, now).await?;
        mark_removed(db, *run, tasks, now).await?;
    }
    asset_events::emit(db, &batch.asset_events, now).await?;
    super::checkpoints::withdraw(db, &batch.withdrawn, now).await?;
    super::requests::delete(db, &batch.requests_done).await
}

/// Task instances of tasks that the version of the DAG does not have any more (Airflow 3: removed).
async fn mark_removed(
    db: &impl ConnectionTrait,
    run: Uuid,
    tasks: &[String],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    task_instance::Entity::update_many()
        .col_expr(task_instance::Column::State, Expr::value("removed"))
        .col_expr(task_instance::Column::UpdatedAt, Expr::value(now))
        .filter(task_instance::Column::DagRunId.eq(run))
        .filter(task_instance::Column::TaskId.is_not_in(tasks))
        .exec(db)
        .await
        .map_err(doing("removing task instances"))?;
    Ok(())
}

/// Writes a run that is over, and so belongs to nobody.
pub async fn update_unowned(db: &impl ConnectionTrait, run: &dag_run::Model) -> Result<(), StoreError> {
    dag_runs::update(db, std::slice::from_ref(run)).await
}

/// Rows of any of these task instances, in a table with these three columns.
pub(super) fn of_any(columns: [impl ColumnTrait; 3], keys: &[InstanceKey]) -> Condition {
    let [run, task, index] = columns;
    keys.iter().fold(Condition::any(), |any, key| {
        let one = Condition::all().add(run.eq(key.dag_run_id)).add(task.eq(&key.task_id)).add(index.eq(key.map_index));
        any.add(one)
    })
}

async fn upsert_xcoms(db: &impl ConnectionTrait, rows: &[NewXCom], now: DateTime<Utc>) -> Result<(), StoreError> {
    use xcom::Column as C;
    let rows = rows.iter().map(|new| xcom::ActiveModel {
        dag_run_id: Set(new.instance.dag_run_id),
        task_id: Set(new.instance.task_id.clone()),
        map_index: Set(new.instance.map_index),
        key: Set(new.key.clone()),
        dag_id: Set(new.instance.dag_id.clone()),
        run_id: Set(new.instance.run_id.clone()),
        value: Set(JsonText(new.value.clone())),
        timestamp: Set(now),
    });
    let on_conflict = OnConflict::columns([C::DagRunId, C::TaskId, C::MapIndex, C::Key])
        .update_columns([C::Value, C::Timestamp])
        .to_owned();
    xcom::Entity::insert_many(rows)
        .on_conflict(on_conflict)
        .exec_without_returning(db)
        .await
        .map_err(doing("writing XComs"))?;
    Ok(())
}

/// Stores an XCom of a try that goes on.
pub async fn push_xcom(db: &impl ConnectionTrait, new: NewXCom, now: DateTime<Utc>) -> Result<(), StoreError> {
    upsert_xcoms(db, &[new], now).await
}

/// What the instances of a task left under a key, with their map indices, in their order.
pub async fn pull_xcoms(
    db: &impl ConnectionTrait,
    run: Uuid,
    task_id: &str,
    key: &str,
) -> Result<Vec<(i32, serde_json::Value)>, StoreError> {
    let rows = xcom::Entity::find()
        .filter(xcom::Column::DagRunId.eq(run))
        .filter(xcom::Column::TaskId.eq(task_id))
        .filter(xcom::Column::Key.eq(key))
        .order_by_asc(xcom::Column::MapIndex)
        .all(db)
        .await
        .map_err(doing("reading XComs"))?;
    Ok(rows.into_iter().map(|row| (row.map_index, row.value.0)).collect())
}

/// A task instance, if it is there.
pub async fn find_instance(
    db: &impl ConnectionTrait,
    run: Uuid,
    task_id: &str,
    map_index: i32,
) -> Result<Option<task_instance::Model>, StoreError> {
    let found = task_instance::Entity::find_by_id((run, task_id.to_owned(), map_index)).one(db).await;
    found.map_err(doing("reading a task instance"))
}

/// The `max_tries` of a task instance, if it is there.
pub async fn max_tries(
    db: &impl ConnectionTrait,
    run: Uuid,
    task_id: &str,
    map_index: i32,
) -> Result<Option<u32>, StoreError> {
    let row = find_instance(db, run, task_id, map_index).await?;
    Ok(row.and_then(|row| u32::try_from(row.max_tries).ok()))
}

/// A remark of a person on a task instance: that of a run, by its task and map index.
pub async fn set_instance_note(
    db: &impl ConnectionTrait,
    (run, task_id, map_index): (Uuid, &str, i32),
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    task_instance::Entity::update_many()
        .col_expr(task_instance::Column::Note, Expr::value(note.map(str::to_owned)))
        .col_expr(task_instance::Column::UpdatedAt, Expr::value(now))
        .filter(task_instance::Column::DagRunId.eq(run))
        .filter(task_instance::Column::TaskId.eq(task_id))
        .filter(task_instance::Column::MapIndex.eq(map_index))
        .exec(db)
        .await
        .map_err(doing("writing a note"))?;
    Ok(())
}

/// A remark of a person on a run.
pub async fn set_note(
    db: &impl ConnectionTrait,
    run: Uuid,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    dag_run::Entity::update_many()
        .col_expr(dag_run::Column::Note, Expr::value(note.map(str::to_owned)))
        .col_expr(dag_run::Column::UpdatedAt, Expr::value(now))
        .filter(dag_run::Column::Id.eq(run))
        .exec(db)
        .await
        .map_err(doing("writing a note"))?;
    Ok(())
}
