//! Backfills as the engine knows them: which are active, and how many of their runs may run.

use std::collections::HashMap;

use uuid::Uuid;

use super::coordinator::Coordinator;
use crate::run::Limit;
use crate::store::entity::backfill;
use crate::store::{StoreError, backfills, commit};

/// The active backfills by id.
pub(super) type ActiveBackfills = HashMap<i64, backfill::Model>;

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
        self.backfills = active.into_iter().map(|backfill| (backfill.id, backfill)).collect();
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
            let Some(known) = self.backfills.get(&backfill).filter(|known| !known.is_paused) else { continue };
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
        if known.is_paused {
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
