//! Whatever waits has a stored reason that names what it waits for.
//!
//! A reason is given when the wait begins, and is the same until the regular look, a pause or a change of the pools finds
//! that another limit is in the way. In between, limits that take turns would have every waiting row written each turn.

use uuid::Uuid;

use super::coordinator::Coordinator;
use crate::run::{Limit, RunState};

impl Coordinator {
    /// Gives reasons to the task instances and runs that began to wait, or that wait for something else now.
    pub(super) fn explain_waiting(&mut self) {
        let everything = std::mem::take(&mut self.todo.explain);
        for (limit, waiting) in self.admission.explain(everything) {
            let reason = limit.to_string();
            for rank in waiting {
                let Some(active) = self.runs.get_mut(&rank.run) else { continue };
                if active.run.explain(rank.at(), Some(&reason)) {
                    self.pending.touch_instances(rank.run, [rank.at()]);
                }
            }
        }
        let mut runs = std::mem::take(&mut self.todo.unexplained);
        if everything {
            runs = self.queued.values().flatten().map(|&(_, run)| run).collect();
        }
        for run in runs {
            self.explain_run(run);
        }
    }

    fn explain_run(&mut self, id: Uuid) {
        let limit = self.limit_of_run(id);
        let Some(active) = self.runs.get_mut(&id).filter(|active| active.run.state == RunState::Queued) else { return };
        if active.explain(limit.as_ref()) {
            self.pending.touch_run(id);
        }
    }

    /// What keeps a queued run from beginning.
    fn limit_of_run(&self, id: Uuid) -> Option<Limit> {
        let active = self.runs.get(&id)?;
        let dag = self.dags.get(&active.row.dag_id)?;
        if let Some(limit) = dag.held_back_by() {
            return Some(limit);
        }
        let run_after = active.row.run_after;
        if run_after > self.settings.clock.now() {
            return Some(Limit::RunAfter(run_after));
        }
        if let Some(backfill) = active.row.backfill_id {
            return self.limit_of_backfill(backfill);
        }
        let most = dag.max_active_runs();
        let is_reached = self.running_by_schedule_or_hand(&active.row.dag_id) >= most;
        is_reached.then_some(Limit::MaxActiveRuns(most))
    }
}
