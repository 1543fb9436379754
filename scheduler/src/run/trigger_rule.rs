//! When a task may start, given how its direct upstream tasks ended (Airflow 3: trigger rules).

use super::state::TaskState;
use crate::dag::TriggerRule;

/// How many of a task's direct upstream tasks stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// All of them.
    pub total: usize,
    /// `success`.
    pub success: usize,
    /// `skipped`.
    pub skipped: usize,
    /// `failed`.
    pub failed: usize,
    /// `upstream_failed`.
    pub upstream_failed: usize,
    /// `removed`.
    pub removed: usize,
}

impl Upstream {
    /// Counts states.
    pub fn count(states: impl Iterator<Item = TaskState>) -> Upstream {
        let mut counts = Upstream::default();
        for state in states {
            counts.total += 1;
            match state {
                TaskState::Success => counts.success += 1,
                TaskState::Skipped => counts.skipped += 1,
                TaskState::Failed => counts.failed += 1,
                TaskState::UpstreamFailed => counts.upstream_failed += 1,
                TaskState::Removed => counts.removed += 1,
                _ => {}
            }
        }
        counts
    }

    fn done(self) -> usize {
        self.success + self.skipped + self.failed + self.upstream_failed + self.removed
    }

    fn is_done(self) -> bool {
        self.done() >= self.total
    }

    fn any_failure(self) -> bool {
        self.failed + self.upstream_failed > 0
    }
}

/// What a trigger rule says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The task may start.
    Run,
    /// Not yet.
    Wait,
    /// It never will: it is settled in this state.
    Settle(TaskState),
}

/// Evaluates `rule`; a task without upstream tasks always runs (Airflow 3: `trigger_rule_dep.py`).
pub fn evaluate(rule: TriggerRule, upstream: Upstream) -> Verdict {
    if upstream.total == 0 {
        return Verdict::Run;
    }
    let Upstream { total, success, skipped, removed, .. } = upstream;
    match rule {
        TriggerRule::AllSuccess => {
            // A skip counts at once, without waiting for the rest.
            if upstream.any_failure() {
                Verdict::Settle(TaskState::UpstreamFailed)
            } else if skipped > 0 {
                Verdict::Settle(TaskState::Skipped)
            } else {
                run_when(success + removed >= total)
            }
        }
        TriggerRule::AllDone => run_when(upstream.is_done()),
        TriggerRule::NoneFailedMinOneSuccess => {
            if upstream.any_failure() {
                Verdict::Settle(TaskState::UpstreamFailed)
            } else if skipped == total {
                Verdict::Settle(TaskState::Skipped)
            } else if upstream.is_done() && success == 0 {
                Verdict::Settle(TaskState::UpstreamFailed)
            } else {
                run_when(success + skipped + removed >= total && success > 0)
            }
        }
    }
}

fn run_when(met: bool) -> Verdict {
    if met { Verdict::Run } else { Verdict::Wait }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TaskState::{Failed, None, Removed, Running, Skipped, Success, UpstreamFailed};

    /// Airflow 3 semantics, section 4: upstream states, and what follows under the three rules.
    #[test]
    fn rules_follow_airflow() {
        use Verdict::{Run, Settle, Wait};
        let upstream_failed = Settle(UpstreamFailed);
        let skipped = Settle(Skipped);
        let table: &[(&[TaskState], [Verdict; 3])] = &[
            // upstream                       all_success      all_done  none_failed_min_one_success
            (&[], [Run, Run, Run]),
            (&[None], [Wait, Wait, Wait]),
            (&[Success], [Run, Run, Run]),
            (&[Success, Running], [Wait, Wait, Wait]),
            (&[Success, Success], [Run, Run, Run]),
            (&[Failed, Running], [upstream_failed, Wait, upstream_failed]),
            (&[UpstreamFailed, Success], [upstream_failed, Run, upstream_failed]),
            (&[Failed, Success], [upstream_failed, Run, upstream_failed]),
            (&[Skipped, Running], [skipped, Wait, Wait]),
            (&[Skipped, Success], [skipped, Run, Run]),
            (&[Skipped, Skipped], [skipped, Run, skipped]),
            (&[Failed, Skipped], [upstream_failed, Run, upstream_failed]),
            (&[Success, Removed], [Run, Run, Run]),
            (&[Skipped, Removed], [skipped, Run, upstream_failed]),
        ];
        let rules = [TriggerRule::AllSuccess, TriggerRule::AllDone, TriggerRule::NoneFailedMinOneSuccess];

        for (states, expected) in table {
            let verdicts = rules.map(|rule| evaluate(rule, Upstream::count(states.iter().copied())));
            assert_eq!(&verdicts, expected, "upstream {states:?}");
        }
    }
}
