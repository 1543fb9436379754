//! When the deadlines of a run are (Airflow 3: deadline alerts).
//!
//! They are written when the engine first takes a run over, whoever made it; those that count from `queued_at` are
//! written anew each time the run is queued again, or something of it is cleared.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::dag::callback::{Deadline, DeadlineReference};
use crate::engine::active_run::ActiveRun;
use crate::engine::coordinator::Coordinator;
use crate::store::entity::{dag_run, deadline};
use crate::store::{StoreError, commit, deadlines, leases};

impl Coordinator {
    /// Brings the deadlines of a run that was taken over, or queued anew, in line with its DAG.
    pub(in crate::engine) async fn set_deadlines(&self, active: &ActiveRun) -> Result<(), StoreError> {
        if active.run.dag.callbacks.deadlines.is_empty() {
            return Ok(());
        }
        let (dag, row, has_begun) = (&active.run.dag, &active.row, active.has_begun());
        let stored = deadlines::of_run(self.settings.db.read(), row.id).await?;
        let mut rows = Vec::new();
        for (position, wanted) in dag.callbacks.deadlines.iter().enumerate() {
            let known = stored.iter().find(|row| usize::try_from(row.position) == Ok(position));
            let is_moving = wanted.reference == DeadlineReference::QueuedAt;
            if (known.is_some() || has_begun) && !is_moving {
                continue;
            }
            let now = self.settings.clock.now();
            let runtimes = match &wanted.reference {
                DeadlineReference::AverageRuntime { max_runs, .. } => {
                    deadlines::runtimes(self.settings.db.read(), &row.dag_id, u64::from(*max_runs)).await?
                }
                _ => Vec::new(),
            };
            let Some(time) = time_of(wanted, row, &runtimes, now) else { continue };
            // A deadline that was missed stays so, unless the run was queued anew since.
            if known.is_none_or(|known| known.deadline_time != time) {
                rows.push(row_of(wanted, position, row, time, now));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let txn = self.settings.db.begin_write().await?;
        leases::assert_held(&txn, self.lease()).await?;
        deadlines::upsert(&txn, &rows).await?;
        commit(txn).await?;
        self.callbacks.wake();
        Ok(())
    }
}

/// When a deadline of a run is; none when there is nothing to count from.
fn time_of(
    deadline: &Deadline,
    run: &dag_run::Model,
    runtimes: &[TimeDelta],
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let made_at = run.queued_at.unwrap_or(now);
    let reference = match deadline.reference {
        DeadlineReference::LogicalDate => run.logical_date?,
        DeadlineReference::QueuedAt => made_at,
        DeadlineReference::Fixed(at) => at,
        DeadlineReference::AverageRuntime { min_runs, .. } => {
            let count = i32::try_from(runtimes.len()).ok().filter(|count| i64::from(*count) >= i64::from(min_runs))?;
            made_at + runtimes.iter().sum::<TimeDelta>() / count
        }
    };
    reference.checked_add_signed(deadline.interval)
}

fn row_of(
    deadline: &Deadline,
    position: usize,
    run: &dag_run::Model,
    deadline_time: DateTime<Utc>,
    now: DateTime<Utc>,
) -> deadline::Model {
    deadline::Model {
        id: Uuid::now_v7(),
        dag_run_id: run.id,
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        position: i32::try_from(position).unwrap_or(i32::MAX),
        name: deadline.name.clone(),
        deadline_time,
        is_missed: false,
        created_at: now,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::dag::callback::Callback;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn run() -> dag_run::Model {
        dag_run::Model {
            id: Uuid::nil(),
            dag_id: "a".to_owned(),
            run_id: "one".to_owned(),
            run_type: "manual".to_owned(),
            state: "queued".to_owned(),
            logical_date: Some(at("2026-11-21T00:00:00Z")),
            data_interval_start: None,
            data_interval_end: None,
            partition_key: None,
            partition_date: None,
            run_after: at("2026-11-21T00:00:00Z"),
            queued_at: Some(at("2026-11-21T08:00:00Z")),
            start_date: None,
            end_date: None,
            last_scheduling_decision: None,
            triggered_by: None,
            triggering_user_name: None,
            conf: serde_json::json!({}),
            note: None,
            dag_version_id: Uuid::nil(),
            clear_number: 0,
            owner: None,
            backfill_id: None,
            sort_ordinal: None,
            decided_state: None,
            reason: None,
            updated_at: at("2026-11-21T08:00:00Z"),
        }
    }

    fn time(reference: DeadlineReference, minutes: i64, run: &dag_run::Model, runtimes: &[i64]) -> Option<String> {
        let callback = Callback { notifier: "fake".to_owned(), args: Map::new() };
        let deadline = Deadline { name: None, reference, interval: TimeDelta::minutes(minutes), callback };
        let runtimes: Vec<TimeDelta> = runtimes.iter().map(|minutes| TimeDelta::minutes(*minutes)).collect();
        let time = time_of(&deadline, run, &runtimes, at("2026-11-21T09:00:00Z"))?;
        Some(time.format("%H:%M").to_string())
    }

    /// airflow-semantics.md §12: deadline alerts.
    #[test]
    fn deadlines_are_the_reference_and_the_interval() {
        let average = |max_runs, min_runs| DeadlineReference::AverageRuntime { max_runs, min_runs };
        let fixed = DeadlineReference::Fixed(at("2026-11-21T10:00:00Z"));
        let table = [
            (DeadlineReference::LogicalDate, 90, &[][..], Some("01:30")),
            (DeadlineReference::QueuedAt, 15, &[], Some("08:15")),
            (fixed.clone(), 0, &[], Some("10:00")),
            (fixed, -30, &[], Some("09:30")),
            (average(10, 2), 30, &[20, 40], Some("09:00")),
            (average(10, 3), 30, &[20, 40], None),
            (average(10, 10), 0, &[], None),
        ];
        for (reference, minutes, runtimes, expected) in table {
            let word = format!("{reference:?} {minutes}");
            assert_eq!(time(reference, minutes, &run(), runtimes).as_deref(), expected, "{word}");
        }
    }

    #[test]
    fn a_run_without_a_logical_date_has_no_deadline_by_it() {
        let run = dag_run::Model { logical_date: None, ..run() };
        assert_eq!(time(DeadlineReference::LogicalDate, 5, &run, &[]), None);
        assert_eq!(time(DeadlineReference::QueuedAt, 5, &run, &[]).as_deref(), Some("08:05"));
    }
}
