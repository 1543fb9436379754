//! Task instances and their tries.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, IntoSimpleExpr, JoinType, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use uuid::Uuid;

use super::filter::{Pattern, Range, micros_between, micros_range, nothing};
use super::keyset::{KeyValue, Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use super::runs::{RunRow, with_versions};
use crate::store::Db;
use crate::store::entity::{dag_run, dag_version, task_instance, task_instance_history};
use crate::store::error::{StoreError, doing};

/// A task instance, with its run.
#[derive(Clone, Debug)]
pub struct TaskInstanceRow {
    /// The row.
    pub instance: task_instance::Model,
    /// The run that it is part of.
    pub run: RunRow,
}

/// Which task instances. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct TaskInstanceFilter {
    /// Only of these DAGs, unless empty.
    pub dag_ids: Vec<String>,
    /// Only of the runs that people call so, unless empty.
    pub run_ids: Vec<String>,
    /// Only of these tasks, unless empty.
    pub task_ids: Vec<String>,
    /// Only in one of these states, unless empty; `None` is the absence of a state.
    pub states: Vec<Option<String>>,
    /// Only in one of these pools, unless empty.
    pub pools: Vec<String>,
    /// Only for one of these queues, unless empty.
    pub queues: Vec<String>,
    /// Only of one of these operators, unless empty.
    pub operators: Vec<String>,
    /// Only at one of these tries, unless empty.
    pub try_numbers: Vec<i32>,
    /// Only one of these mapped instances, unless empty.
    pub map_indices: Vec<i32>,
    /// Only of runs pinned to a version with one of these numbers, unless empty.
    pub version_numbers: Vec<i32>,
    /// None of them: they have nothing of what is asked for.
    pub is_of_none: bool,
    /// Filters on the DAG's id.
    pub dag_id: Vec<Pattern>,
    /// Filters on the run's id.
    pub run_id: Vec<Pattern>,
    /// Filters on the task's id.
    pub task_id: Vec<Pattern>,
    /// Filters on the pool.
    pub pool: Vec<Pattern>,
    /// Filters on the queue.
    pub queue: Vec<Pattern>,
    /// Filters on the operator.
    pub operator: Vec<Pattern>,
    /// Filters on the name of a mapped instance.
    pub rendered_map_index: Vec<Pattern>,
    /// When the run might start.
    pub run_after: Range<DateTime<Utc>>,
    /// What the run is about.
    pub logical_date: Range<DateTime<Utc>>,
    /// When it started.
    pub start_date: Range<DateTime<Utc>>,
    /// When it ended.
    pub end_date: Range<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: Range<DateTime<Utc>>,
    /// How long it took, in seconds.
    pub duration: Range<f64>,
    /// The present, for what has not started or ended yet.
    pub now: DateTime<Utc>,
}

impl TaskInstanceFilter {
    fn select(&self, backend: DbBackend) -> Select<task_instance::Entity> {
        let of_run = task_instance::Entity::belongs_to(dag_run::Entity)
            .from(task_instance::Column::DagRunId)
            .to(dag_run::Column::Id)
            .into();
        let all = self.words(self.times(Condition::all(), backend));
        task_instance::Entity::find().join(JoinType::InnerJoin, of_run).filter(all)
    }

    fn times(&self, all: Condition, backend: DbBackend) -> Condition {
        use task_instance::Column as C;
        all.add(self.run_after.on(dag_run::Column::RunAfter.into_simple_expr()))
            .add(self.logical_date.on(dag_run::Column::LogicalDate.into_simple_expr()))
            .add(self.start_date.on_open(C::StartDate.into_simple_expr(), self.now))
            .add(self.end_date.on_open(C::EndDate.into_simple_expr(), self.now))
            .add(self.updated_at.on(C::UpdatedAt.into_simple_expr()))
            .add(micros_range(self.duration).on(duration(backend)))
    }

    fn words(&self, mut all: Condition) -> Condition {
        use task_instance::Column as C;
        for (column, words) in [
            (C::DagId, &self.dag_ids),
            (C::RunId, &self.run_ids),
            (C::TaskId, &self.task_ids),
            (C::Pool, &self.pools),
            (C::Queue, &self.queues),
            (C::Operator, &self.operators),
        ] {
            if !words.is_empty() {
                all = all.add(column.is_in(words));
            }
        }
        for (column, patterns) in [
            (C::DagId, &self.dag_id),
            (C::RunId, &self.run_id),
            (C::TaskId, &self.task_id),
            (C::Pool, &self.pool),
            (C::Queue, &self.queue),
            (C::Operator, &self.operator),
            (C::RenderedMapIndex, &self.rendered_map_index),
        ] {
            for pattern in patterns {
                all = all.add(pattern.on(column.into_simple_expr()));
            }
        }
        for (column, numbers) in [(C::TryNumber, &self.try_numbers), (C::MapIndex, &self.map_indices)] {
            if !numbers.is_empty() {
                all = all.add(column.is_in(numbers.iter().copied()));
            }
        }
        if !self.states.is_empty() {
            let mut any = Condition::any().add(C::State.is_in(self.states.iter().flatten()));
            if self.states.contains(&None) {
                any = any.add(C::State.is_null());
            }
            all = all.add(any);
        }
        if self.is_of_none {
            all = all.add(nothing());
        }
        if !self.version_numbers.is_empty() {
            let versions = Query::select()
                .column(dag_version::Column::Id)
                .from(dag_version::Entity)
                .and_where(dag_version::Column::VersionNumber.is_in(self.version_numbers.iter().copied()))
                .to_owned();
            all = all.add(dag_run::Column::DagVersionId.in_subquery(versions));
        }
        all
    }
}

fn duration(backend: DbBackend) -> Expr {
    micros_between(
        backend,
        task_instance::Column::StartDate.into_simple_expr(),
        task_instance::Column::EndDate.into_simple_expr(),
    )
}

/// What task instances can be ordered by (Airflow 3), and the words `run`, `place` and `task_id` of our own, which
/// together with `map_index` tell any two apart and keep the order of the file.
pub fn task_instance_sort_key(word: &str, db: &Db) -> Option<SortKey<TaskInstanceRow>> {
    use task_instance::Column as C;
    type Read = fn(&TaskInstanceRow) -> KeyValue;

    let own = |column: C, kind, read: Read| Some(SortKey::new(column.into_simple_expr(), kind, read));
    let run = |column: dag_run::Column, read: Read| Some(SortKey::new(column.into_simple_expr(), Kind::Instant, read));
    match word {
        "id" => own(C::TryId, Kind::Uuid, |row| KeyValue::Uuid(row.instance.try_id)),
        "state" => own(C::State, Kind::Text, |row| row.instance.state.as_deref().into()),
        "start_date" => own(C::StartDate, Kind::Instant, |row| row.instance.start_date.into()),
        "end_date" => own(C::EndDate, Kind::Instant, |row| row.instance.end_date.into()),
        "map_index" | "rendered_map_index" => own(C::MapIndex, Kind::Number, |row| row.instance.map_index.into()),
        "try_number" => own(C::TryNumber, Kind::Number, |row| row.instance.try_number.into()),
        "operator" => own(C::Operator, Kind::Text, |row| row.instance.operator.as_str().into()),
        "task_id" => own(C::TaskId, Kind::Text, |row| row.instance.task_id.as_str().into()),
        "run" => own(C::DagRunId, Kind::Uuid, |row| KeyValue::Uuid(row.instance.dag_run_id)),
        "place" => own(C::TaskIndex, Kind::Number, |row| row.instance.task_index.into()),
        "logical_date" => run(dag_run::Column::LogicalDate, |row| row.run.run.logical_date.into()),
        "run_after" => run(dag_run::Column::RunAfter, |row| Some(row.run.run.run_after).into()),
        "data_interval_start" => run(dag_run::Column::DataIntervalStart, |row| row.run.run.data_interval_start.into()),
        "data_interval_end" => run(dag_run::Column::DataIntervalEnd, |row| row.run.run.data_interval_end.into()),
        "duration" => Some(SortKey::new(duration(db.read().get_database_backend()), Kind::Number, |row| {
            let ends = row.instance.start_date.zip(row.instance.end_date);
            let micros = ends.and_then(|(start, end)| (end - start).num_microseconds());
            micros.map_or(KeyValue::Null, KeyValue::Number)
        })),
        _ => None,
    }
}

/// A page of task instances.
pub async fn list_task_instances(
    db: &impl ConnectionTrait,
    filter: &TaskInstanceFilter,
    sorting: &Sorting<TaskInstanceRow>,
    paging: &Paging,
) -> Result<Listing<TaskInstanceRow>, StoreError> {
    let select = || filter.select(db.get_database_backend());
    let total = total(db, select(), paging).await?;
    let (instances, has_more) = fetch(db, select(), sorting, paging).await?;
    let rows = with_runs(db, instances).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// One task instance.
pub async fn find_task_instance(
    db: &impl ConnectionTrait,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    map_index: i32,
) -> Result<Option<TaskInstanceRow>, StoreError> {
    let instance = task_instance::Entity::find()
        .filter(task_instance::Column::DagId.eq(dag_id))
        .filter(task_instance::Column::RunId.eq(run_id))
        .filter(task_instance::Column::TaskId.eq(task_id))
        .filter(task_instance::Column::MapIndex.eq(map_index))
        .one(db)
        .await
        .map_err(doing("looking for a task instance"))?;
    Ok(with_runs(db, instance.into_iter().collect()).await?.pop())
}

/// The map indices of a task's instances in a run, in their order.
pub async fn map_indices(
    db: &impl ConnectionTrait,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
) -> Result<Vec<i32>, StoreError> {
    task_instance::Entity::find()
        .select_only()
        .column(task_instance::Column::MapIndex)
        .filter(task_instance::Column::DagId.eq(dag_id))
        .filter(task_instance::Column::RunId.eq(run_id))
        .filter(task_instance::Column::TaskId.eq(task_id))
        .order_by_asc(task_instance::Column::MapIndex)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for the instances of a task"))
}

/// A task instance, as people name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceName {
    /// The DAG.
    pub dag_id: String,
    /// The run.
    pub run_id: String,
    /// The task.
    pub task_id: String,
    /// -1 when not mapped.
    pub map_index: i32,
}

/// The task instances with these names, in this order; those that there are not are left out.
pub async fn find_task_instances(
    db: &impl ConnectionTrait,
    wanted: &[InstanceName],
) -> Result<Vec<TaskInstanceRow>, StoreError> {
    let mut runs: Vec<(&str, &str)> = wanted.iter().map(|one| (one.dag_id.as_str(), one.run_id.as_str())).collect();
    runs.sort_unstable();
    runs.dedup();
    let mut found = HashMap::new();
    for (dag_id, run_id) in runs {
        let instances = task_instance::Entity::find()
            .filter(task_instance::Column::DagId.eq(dag_id))
            .filter(task_instance::Column::RunId.eq(run_id))
            .all(db)
            .await
            .map_err(doing("reading the task instances of a run"))?;
        found.extend(with_runs(db, instances).await?.into_iter().map(|row| (name_of(&row.instance), row)));
    }
    Ok(wanted.iter().filter_map(|name| found.remove(name)).collect())
}

/// The task instances with these keys: run, task, map index.
pub(super) async fn find_instances_of(
    db: &impl ConnectionTrait,
    keys: &[(Uuid, &str, i32)],
) -> Result<Vec<TaskInstanceRow>, StoreError> {
    use task_instance::Column as C;
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let any = keys.iter().fold(Condition::any(), |any, &(run, task_id, map_index)| {
        any.add(Condition::all().add(C::DagRunId.eq(run)).add(C::TaskId.eq(task_id)).add(C::MapIndex.eq(map_index)))
    });
    let instances = task_instance::Entity::find().filter(any).all(db).await.map_err(doing("reading task instances"))?;
    with_runs(db, instances).await
}

fn name_of(instance: &task_instance::Model) -> InstanceName {
    InstanceName {
        dag_id: instance.dag_id.clone(),
        run_id: instance.run_id.clone(),
        task_id: instance.task_id.clone(),
        map_index: instance.map_index,
    }
}

async fn with_runs(
    db: &impl ConnectionTrait,
    instances: Vec<task_instance::Model>,
) -> Result<Vec<TaskInstanceRow>, StoreError> {
    let mut ids: Vec<Uuid> = instances.iter().map(|instance| instance.dag_run_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let runs = dag_run::Entity::find()
        .filter(dag_run::Column::Id.is_in(ids))
        .all(db)
        .await
        .map_err(doing("reading the runs of task instances"))?;
    let runs: HashMap<Uuid, RunRow> = with_versions(db, runs).await?.into_iter().map(|row| (row.run.id, row)).collect();
    Ok(instances
        .into_iter()
        .filter_map(|instance| {
            let run = runs.get(&instance.dag_run_id)?.clone();
            Some(TaskInstanceRow { instance, run })
        })
        .collect())
}

/// Every try of a task instance.
#[derive(Clone, Debug)]
pub struct Tries {
    /// The task instance, which is its latest try.
    pub latest: TaskInstanceRow,
    /// The tries before it, in order; when it was cleared also the last one, which has its number.
    pub earlier: Vec<task_instance_history::Model>,
}

/// The tries of a task instance; none when there is no such task instance.
pub async fn tries(
    db: &impl ConnectionTrait,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    map_index: i32,
) -> Result<Option<Tries>, StoreError> {
    let Some(latest) = find_task_instance(db, dag_id, run_id, task_id, map_index).await? else { return Ok(None) };
    let mut earlier = task_instance_history::Entity::find()
        .filter(task_instance_history::Column::DagRunId.eq(latest.instance.dag_run_id))
        .filter(task_instance_history::Column::TaskId.eq(task_id))
        .filter(task_instance_history::Column::MapIndex.eq(map_index))
        .filter(task_instance_history::Column::TryNumber.lte(latest.instance.try_number))
        .order_by_asc(task_instance_history::Column::TryNumber)
        .all(db)
        .await
        .map_err(doing("reading earlier tries"))?;
    // A try may stand in both tables. One that was cleared is over and waits for nothing; only the history has its end.
    if latest.instance.state.is_some() {
        earlier.retain(|earlier| earlier.try_number < latest.instance.try_number);
    }
    Ok(Some(Tries { latest, earlier }))
}
