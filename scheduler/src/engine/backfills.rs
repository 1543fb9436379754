//! Backfills as the engine knows them: which are active, and how many of their runs may run.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::coordinator::Coordinator;
use crate::run::Limit;
use crate::store::entity::backfill;
use crate::store::{StoreError, backfills, commit};

/// The backfills that are active, and those that are over of which runs are in memory: they were cleared since. By id.
pub(super) type KnownBackfills = HashMap<i64, backfill::Model>;

impl Coordinator {
    /// Completes backfills whose last run has ended, and reads the others anew.
    pub(super) async fn look_at_backfills(&mut self) -> Result<(), StoreError> {
        let active = backfills::active(self.settings.db.read()).await?;
        if !active.is_empty() {
            let txn = self.settings.db.begin_write().await?;
            backfills::complete_finished(&txn, self.settings.clock.now()).await?;
            commit(txn).await?;
            for backfill in &active {
                self.announce_dag(&backfill.dag_id);
            }
        }
        let active = backfills::active(self.settings.db.read()).await?;
        let mut known: KnownBackfills = active.into_iter().map(|backfill| (backfill.id, backfill)).collect();
        let of_runs = self.runs.values().filter_map(|active| active.row.backfill_id);
        let over: BTreeSet<i64> = of_runs.filter(|id| !known.contains_key(id)).collect();
        let over = backfills::find_all(self.settings.db.read(), over).await?;
        known.extend(over.into_iter().map(|backfill| (backfill.id, backfill)));
        // Their runs wait for something else now.
        self.todo.explain |=
            known.iter().any(|(id, now)| self.backfills.get(id).map(keeps_waiting) != Some(keeps_waiting(now)));
        self.backfills = known;
        Ok(())
    }

    /// Of the queued runs of a DAG that are part of a backfill, those that may begin: each backfill has a limit of its own
    /// and an order of its own, and its runs do not count against the DAG's (Airflow 3: backfill).
    pub(super) fn backfill_runs_to_begin(&self, queued: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
        let mut waiting: Vec<(i64, i32, Uuid)> = queued
            .filter_map(|id| {
                let row = &self.runs.get(&id)?.row;
                Some((row.backfill_id?, row.sort_ordinal.unwrap_or(i32::MAX), id))
            })
            .collect();
        if waiting.is_empty() {
            return Vec::new();
        }
        waiting.sort_unstable();
        let mut free: HashMap<i64, usize> = HashMap::new();
        let mut begin = Vec::new();
        for (backfill, _, id) in waiting {
            let Some(known) = self.backfills.get(&backfill).filter(|known| !keeps_waiting(known)) else { continue };
            let free = free.entry(backfill).or_insert_with(|| {
                let limit = usize::try_from(known.max_active_runs).unwrap_or(0);
                limit.saturating_sub(self.running_of_backfill(&known.dag_id, backfill))
            });
            if *free > 0 {
                *free -= 1;
                begin.push(id);
            }
        }
        begin
    }

    /// What keeps the runs of a backfill from beginning.
    pub(super) fn limit_of_backfill(&self, backfill: i64) -> Option<Limit> {
        let known = self.backfills.get(&backfill)?;
        if keeps_waiting(known) {
            return Some(Limit::BackfillPaused);
        }
        let most = usize::try_from(known.max_active_runs).unwrap_or(0);
        let is_reached = self.running_of_backfill(&known.dag_id, backfill) >= most;
        is_reached.then_some(Limit::BackfillMaxActiveRuns(most))
    }

    fn running_of_backfill(&self, dag_id: &str, backfill: i64) -> usize {
        let running = self.running.get(dag_id).into_iter().flatten();
        running.filter(|id| self.backfill_of(**id) == Some(backfill)).count()
    }

    /// The backfill that a run is part of.
    pub(super) fn backfill_of(&self, run: Uuid) -> Option<i64> {
        self.runs.get(&run)?.row.backfill_id
    }
}

/// Whether the runs of a backfill wait because it is paused. One that was cancelled is paused for ever, and over: who clears a
/// run of it wants the run.
fn keeps_waiting(backfill: &backfill::Model) -> bool {
    backfill.is_paused && backfill.completed_at.is_none()
}
