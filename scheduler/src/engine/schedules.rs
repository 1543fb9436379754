//! The DAGs as the engine knows them, and which of their runs are due.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::dag::Dag;
use crate::dag::timetable::{Bounds, DataInterval, NextRun, Timetable};
use crate::run::RunType;
use crate::run_id;
use crate::store::dags::NextDagrun;
use crate::store::entity::{dag, dag_run};

/// A DAG, and when it is due.
#[derive(Debug)]
pub(super) struct ScheduledDag {
    /// The row, as last read.
    pub(super) row: dag::Model,
    /// Its current definition.
    pub(super) definition: Arc<Dag>,
    timetable: Timetable,
    last: Option<DataInterval>,
    /// The next run; none while there is none to come.
    pub(super) next: Option<NextRun>,
}

impl ScheduledDag {
    /// Reads a DAG's schedule. Broken definitions are left out: the file's import error speaks for them.
    pub(super) fn new(
        row: dag::Model,
        catalog: &Catalog,
        last: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<ScheduledDag, String> {
        let definition = catalog
            .definition(&row.dag_id, &row.version_hash, &row.relative_fileloc, &row.source)
            .map_err(|error| error.to_string())?;
        let timetable = Timetable::new(&definition.schedule, definition.timezone).map_err(|error| error.to_string())?;
        let last = last.map(|date| timetable.manual_interval(date));
        let mut dag = ScheduledDag { row, definition, timetable, last, next: None };
        dag.next = dag.next_after(dag.last.as_ref(), now);
        Ok(dag)
    }

    fn next_after(&self, last: Option<&DataInterval>, now: DateTime<Utc>) -> Option<NextRun> {
        let bounds = Bounds { earliest: self.definition.start_date, latest: self.definition.end_date };
        self.timetable.next_run(last, now, bounds, self.definition.runs.catchup)
    }

    /// The run that is due at `now`, if one is.
    pub(super) fn due(&self, now: DateTime<Utc>) -> Option<NextRun> {
        self.next.filter(|next| next.run_after <= now && !self.row.is_paused && !self.row.is_stale)
    }

    /// What follows once `run` is made.
    pub(super) fn after(&self, run: &NextRun, now: DateTime<Utc>) -> Option<NextRun> {
        self.next_after(Some(&run.data_interval), now)
    }

    /// `run` was made, and is durable: `next` follows it.
    pub(super) fn made(&mut self, run: &NextRun, next: Option<NextRun>) {
        self.last = Some(run.data_interval);
        self.next = next;
    }

    /// The latest logical date for which a run was made.
    pub(super) fn last_logical_date(&self) -> Option<DateTime<Utc>> {
        self.last.map(|interval| interval.start)
    }

    /// Most runs at the same time.
    pub(super) fn max_active_runs(&self) -> usize {
        if self.timetable.one_run_at_a_time() { 1 } else { self.definition.runs.max_active_runs as usize }
    }

    /// The row of a run that the schedule asks for.
    pub(super) fn run_row(&self, next: &NextRun, version: Uuid, now: DateTime<Utc>) -> dag_run::Model {
        dag_run::Model {
            id: Uuid::now_v7(),
            dag_id: self.row.dag_id.clone(),
            run_id: run_id::generate(RunType::Scheduled, next.run_after, next.logical_date),
            run_type: RunType::Scheduled.word().to_owned(),
            state: "queued".to_owned(),
            logical_date: next.logical_date,
            data_interval_start: Some(next.data_interval.start),
            data_interval_end: Some(next.data_interval.end),
            run_after: next.run_after,
            queued_at: Some(now),
            start_date: None,
            end_date: None,
            last_scheduling_decision: None,
            triggered_by: Some("timetable".to_owned()),
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

/// The DAGs by id.
pub(super) type ScheduledDags = HashMap<String, ScheduledDag>;

/// What people are shown of the next run.
pub(super) fn shown(next: Option<NextRun>) -> NextDagrun {
    next.map_or_else(NextDagrun::default, |next| NextDagrun {
        logical_date: next.logical_date,
        data_interval: Some((next.data_interval.start, next.data_interval.end)),
        run_after: Some(next.run_after),
    })
}
