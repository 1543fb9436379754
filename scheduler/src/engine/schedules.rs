//! The DAGs as the engine knows them, and which of their runs are due.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::dag::asset::Asset;
use crate::dag::timetable::{DataInterval, NextRun, Past, Restriction, Timetable};
use crate::dag::{Dag, Schedule};
use crate::run::{Limit, RunType};
use crate::run_id;
use crate::store::asset_queue::QueuedAsset;
use crate::store::dags::NextDagrun;
use crate::store::entity::{dag, dag_run};
use crate::store::partition_queue::QueuedUpdate;
use crate::store::schedules::promised;

/// A DAG, and when it is due.
#[derive(Debug)]
pub(super) struct ScheduledDag {
    /// The row, as last read.
    pub(super) row: dag::Model,
    /// Its current definition.
    pub(super) definition: Arc<Dag>,
    timetable: Timetable,
    restriction: Restriction,
    last: Option<DataInterval>,
    /// The next run; none while there is none to come.
    pub(super) next: Option<NextRun>,
}

impl ScheduledDag {
    /// Reads a DAG's schedule; `known` is what was known of the DAG before. Broken definitions are left out: the file's
    /// import error speaks for them.
    pub(super) fn new(
        row: dag::Model,
        catalog: &Catalog,
        last: Option<DataInterval>,
        known: Option<&ScheduledDag>,
        now: DateTime<Utc>,
    ) -> Result<ScheduledDag, String> {
        let definition = catalog
            .definition(&row.dag_id, &row.version_hash, &row.relative_fileloc, &row.source)
            .map_err(|error| error.to_string())?;
        let timetable = Timetable::new(&definition.schedule, definition.timezone).map_err(|error| error.to_string())?;
        let restriction = Restriction::of(&definition);
        let is_the_same = known.is_none_or(|known| {
            known.restriction == restriction
                && known.definition.schedule == definition.schedule
                && known.definition.timezone == definition.timezone
        });
        let promised = promised(&row).filter(|_| is_the_same);
        let next = timetable.next_run(&Past { last, promised }, now, &restriction);
        Ok(ScheduledDag { row, definition, timetable, restriction, last, next })
    }

    /// Takes the present into account: which of the runs that were missed is made is decided when it is made.
    pub(super) fn look(&mut self, now: DateTime<Utc>) {
        let Some(next) = self.due(now) else { return };
        let past = Past { last: self.last, promised: Some(next.run_after) };
        self.next = self.timetable.next_run(&past, now, &self.restriction);
    }

    /// The run that is due at `now`, if one is.
    pub(super) fn due(&self, now: DateTime<Utc>) -> Option<NextRun> {
        self.next.filter(|next| next.run_after <= now && self.is_active())
    }

    /// What follows once `run` is made.
    pub(super) fn after(&self, run: &NextRun, now: DateTime<Utc>) -> Option<NextRun> {
        self.timetable.next_run(&Past::after(run.data_interval), now, &self.restriction)
    }

    /// `run` was made, and is durable: `next` follows it.
    pub(super) fn made(&mut self, run: &NextRun, next: Option<NextRun>) {
        self.last = Some(run.data_interval);
        self.next = next;
    }

    /// Another scheduler has made a run over `interval`, unless we know a later one.
    pub(super) fn learn_of(&mut self, interval: DataInterval, now: DateTime<Utc>) {
        if self.last.is_none_or(|last| last.end < interval.end) {
            self.last = Some(interval);
            self.next = self.timetable.next_run(&Past::after(interval), now, &self.restriction);
        }
    }

    /// The data interval of the latest run that was made.
    pub(super) fn last(&self) -> Option<DataInterval> {
        self.last
    }

    /// Most runs at the same time.
    pub(super) fn max_active_runs(&self) -> usize {
        if self.timetable.one_run_at_a_time() { 1 } else { self.definition.runs.max_active_runs as usize }
    }

    /// Whether runs of it may be made and go on.
    pub(super) fn is_active(&self) -> bool {
        self.held_back_by().is_none()
    }

    /// What keeps everything of it from starting.
    pub(super) fn held_back_by(&self) -> Option<Limit> {
        held_back_by(&self.row)
    }

    /// Whether the assets in `queued`, which are all that is queued for it, ask for a run.
    pub(super) fn is_asked_for(&self, queued: &[QueuedAsset]) -> bool {
        // What was queued before its schedule changed asks for nothing.
        if self.waits_for_parts() {
            return false;
        }
        let is_updated = |asset: &Asset| queued.iter().any(|queued| queued.is_of(asset));
        let is_alias_updated = |alias: &str| queued.iter().any(|queued| queued.is_found_under(alias));
        self.definition.schedule.assets().is_some_and(|assets| assets.is_true(&is_updated, &is_alias_updated))
    }

    /// Whether it waits for parts of assets, each by itself.
    pub(super) fn waits_for_parts(&self) -> bool {
        matches!(self.definition.schedule, Schedule::PartitionedAssets(_))
    }

    /// The key of the first partition of which what is queued asks for a run.
    pub(super) fn asked_partition<'q>(&self, queued: &'q [QueuedUpdate]) -> Option<&'q str> {
        let Schedule::PartitionedAssets(assets) = &self.definition.schedule else { return None };
        let mut keys: Vec<&str> = Vec::new();
        let mut of_key: HashMap<&str, Vec<&QueuedUpdate>> = HashMap::new();
        for update in queued {
            let key = update.partition_key.as_str();
            let of_this = of_key.entry(key).or_default();
            if of_this.is_empty() {
                keys.push(key);
            }
            of_this.push(update);
        }
        let is_asked_for = |key: &&str| {
            let is_updated = |asset: &Asset| of_key[*key].iter().any(|update| update.is_of(asset));
            assets.is_true(&is_updated, &|_| false)
        };
        keys.into_iter().find(is_asked_for)
    }

    /// Takes the updates of that partition off what is queued.
    pub(super) fn take_partition(&self, queued: &mut Vec<QueuedUpdate>) -> Option<Vec<QueuedUpdate>> {
        let key = self.asked_partition(queued)?.to_owned();
        let (taken, left) = std::mem::take(queued).into_iter().partition(|update| update.partition_key == key);
        *queued = left;
        Some(taken)
    }

    /// The row of a run whose time has come. One of a partition is about no stretch of time (Airflow 3).
    pub(super) fn run_row(&self, next: &NextRun, version: Uuid, now: DateTime<Utc>) -> dag_run::Model {
        if let Some(partition) = self.timetable.partition(next.run_after) {
            return dag_run::Model {
                run_id: run_id::of_partition(next.run_after, &partition.key),
                partition_key: Some(partition.key),
                partition_date: partition.date,
                triggered_by: Some("timetable".to_owned()),
                ..self.new_row(RunType::Scheduled, next.run_after, None, version, now)
            };
        }
        dag_run::Model {
            logical_date: Some(next.logical_date),
            data_interval_start: Some(next.data_interval.start),
            data_interval_end: Some(next.data_interval.end),
            triggered_by: Some("timetable".to_owned()),
            ..self.new_row(RunType::Scheduled, next.run_after, Some(next.logical_date), version, now)
        }
    }

    /// The row of a run that assets ask for. It is about no stretch of time (Airflow 3: `asset_triggered`).
    pub(super) fn asset_run_row(&self, run_after: DateTime<Utc>, version: Uuid, now: DateTime<Utc>) -> dag_run::Model {
        dag_run::Model {
            triggered_by: Some("asset".to_owned()),
            ..self.new_row(RunType::AssetTriggered, run_after, None, version, now)
        }
    }

    /// What people are shown of the next run.
    pub(super) fn shown(&self, next: Option<NextRun>) -> NextDagrun {
        let Some(next) = next else { return NextDagrun::default() };
        let dated = !self.timetable.is_partitioned();
        NextDagrun {
            logical_date: dated.then_some(next.logical_date),
            data_interval: dated.then_some((next.data_interval.start, next.data_interval.end)),
            run_after: Some(next.run_after),
        }
    }

    fn new_row(
        &self,
        run_type: RunType,
        run_after: DateTime<Utc>,
        logical_date: Option<DateTime<Utc>>,
        version: Uuid,
        now: DateTime<Utc>,
    ) -> dag_run::Model {
        dag_run::Model {
            id: Uuid::now_v7(),
            dag_id: self.row.dag_id.clone(),
            run_id: run_id::generate(run_type, run_after, logical_date),
            run_type: run_type.word().to_owned(),
            state: "queued".to_owned(),
            logical_date,
            data_interval_start: None,
            data_interval_end: None,
            partition_key: None,
            partition_date: None,
            run_after,
            queued_at: Some(now),
            start_date: None,
            end_date: None,
            last_scheduling_decision: None,
            triggered_by: None,
            triggering_user_name: None,
            conf: serde_json::json!({}),
            note: None,
            dag_version_id: version,
            backfill_id: None,
            sort_ordinal: None,
            decided_state: None,
            clear_number: 0,
            owner: None,
            reason: None,
            updated_at: now,
        }
    }
}

/// What keeps everything of a DAG from starting (Airflow 3: pause, stale DAGs).
pub(super) fn held_back_by(row: &dag::Model) -> Option<Limit> {
    Limit::of_dag(row.is_paused, row.is_stale)
}

/// The DAGs by id.
pub(super) type ScheduledDags = HashMap<String, ScheduledDag>;
