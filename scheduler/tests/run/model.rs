//! The slow, obvious model: looks at the whole run again and again until nothing changes.
//!
//! It waits for everything upstream to end before it asks a trigger rule, which no rule minds about its end: those that
//! need not wait (`one_success`, `all_success` at the first failure, …) come to the same end sooner. It says nothing of
//! DAGs in which a task sees a failure and a skip at once: there the order of events decides, in Airflow, too.

use scheduler::dag::{Dag, TaskIndex, TaskRole, TriggerRule};

/// What a task does in each of its tries, and so what the model can foretell.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// How many tries fail before one does not.
    pub(crate) failures: u32,
    /// Whether a failure may be retried.
    pub(crate) may_retry: bool,
    /// Whether the last try skips instead of succeeding.
    pub(crate) skips: bool,
    /// Whether each try waits, deferred, before it ends. Of how it ends that says nothing.
    pub(crate) defers: bool,
}

/// How each task of a run must end, in Airflow's words, in the order of the DAG's tasks.
pub(crate) fn foretell(dag: &Dag, scripts: &[Script]) -> Vec<&'static str> {
    let mut ends: Vec<Option<&'static str>> = vec![None; dag.len()];
    while ends.iter().any(Option::is_none) {
        for (index, task) in dag.tasks() {
            if ends[index.index()].is_some() {
                continue;
            }
            let all = |tasks: Vec<TaskIndex>| tasks.iter().map(|before| ends[before.index()]).collect();
            let upstream: Option<Vec<&str>> = all(dag.upstream(index).collect());
            let setups: Option<Vec<&str>> = all(dag.indirect_setups(index).to_vec());
            let (Some(upstream), Some(setups)) = (upstream, setups) else { continue };
            let direct_setups: Vec<&str> = dag
                .upstream(index)
                .filter(|before| dag.task(*before).role == TaskRole::Setup)
                .filter_map(|before| ends[before.index()])
                .collect();
            let settled = needs(&setups).or_else(|| rule(task.trigger_rule, &upstream, &direct_setups));
            ends[index.index()] = Some(settled.unwrap_or_else(|| run(task.retries, &scripts[index.index()])));
        }
    }
    ends.into_iter().flatten().collect()
}

/// Whether the order of events has no say in how the tasks end.
pub(crate) fn is_foretold(dag: &Dag, ends: &[&str]) -> bool {
    dag.tasks().all(|(index, task)| {
        let of = |tasks: Vec<TaskIndex>| tasks.iter().map(|before| ends[before.index()]).collect::<Vec<_>>();
        let (upstream, setups) = (of(dag.upstream(index).collect()), of(dag.indirect_setups(index).to_vec()));
        let all: Vec<&str> = upstream.iter().chain(&setups).copied().collect();
        let bad = all.contains(&"failed") || all.contains(&"upstream_failed");
        let is_mixed = bad && all.contains(&"skipped");
        !(is_mixed && (task.trigger_rule == TriggerRule::AllSuccess || !setups.is_empty()))
            && (needs(&setups).is_none() || task.trigger_rule == TriggerRule::AllSuccess)
    })
}

/// Airflow 3 semantics, section 7: an implicit all_success on the setups in whose scope a task is.
fn needs(setups: &[&str]) -> Option<&'static str> {
    match () {
        () if setups.iter().any(|end| *end == "failed" || *end == "upstream_failed") => Some("upstream_failed"),
        () if setups.contains(&"skipped") => Some("skipped"),
        () => None,
    }
}

/// Airflow 3 semantics, section 4, once everything upstream has ended: `None` is to run.
fn rule(rule: TriggerRule, upstream: &[&str], setups: &[&str]) -> Option<&'static str> {
    let count = |word: &str| upstream.iter().filter(|end| **end == word).count();
    let (success, skipped, failed) = (count("success"), count("skipped"), count("failed"));
    let bad = failed + count("upstream_failed");
    let first = |cases: &[(bool, &'static str)]| cases.iter().find(|(holds, _)| *holds).map(|(_, end)| *end);
    if upstream.is_empty() {
        return None;
    }
    match rule {
        TriggerRule::AllSuccess => first(&[(bad > 0, "upstream_failed"), (skipped > 0, "skipped")]),
        TriggerRule::AllFailed => first(&[(success + skipped > 0, "skipped")]),
        TriggerRule::AllDone | TriggerRule::Always => None,
        TriggerRule::AllDoneMinOneSuccess => first(&[(skipped > 0, "skipped"), (success == 0, "upstream_failed")]),
        TriggerRule::AllSkipped => first(&[(success + bad > 0, "skipped")]),
        TriggerRule::OneSuccess => {
            first(&[(success > 0, ""), (bad == 0, "skipped"), (true, "upstream_failed")]).filter(|end| !end.is_empty())
        }
        TriggerRule::OneFailed => first(&[(bad == 0, "skipped")]),
        TriggerRule::OneDone => first(&[(success + failed == 0, "skipped")]),
        TriggerRule::NoneFailed => first(&[(bad > 0, "upstream_failed")]),
        TriggerRule::NoneFailedMinOneSuccess => first(&[(bad > 0, "upstream_failed"), (success == 0, "skipped")]),
        TriggerRule::NoneSkipped => first(&[(skipped > 0, "skipped")]),
        TriggerRule::AllDoneSetupSuccess => {
            let all_skipped = !setups.is_empty() && setups.iter().all(|end| *end == "skipped");
            let none_succeeded = !setups.is_empty() && !setups.contains(&"success");
            first(&[(all_skipped, "skipped"), (none_succeeded, "upstream_failed")])
        }
    }
}

fn run(retries: u32, script: &Script) -> &'static str {
    let allowed = if script.may_retry { retries } else { 0 };
    match (script.failures > allowed, script.skips) {
        (true, _) => "failed",
        (false, true) => "skipped",
        (false, false) => "success",
    }
}

/// How the run must end: only its leaves count, and of teardowns only those that say so.
pub(crate) fn outcome(dag: &Dag, ends: &[&str]) -> &'static str {
    let counts = |task: &TaskIndex| dag.task(*task).role != TaskRole::Teardown { fails_run: false };
    let bad = |word: &str| word == "failed" || word == "upstream_failed";
    let failed = dag
        .tasks()
        .filter(|(index, _)| counts(index) && !dag.downstream(*index).any(|after| counts(&after)))
        .any(|(index, _)| bad(ends[index.index()]));
    if failed { "failed" } else { "success" }
}
