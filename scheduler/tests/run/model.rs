//! The slow, obvious model: looks at the whole run again and again until nothing changes.

use scheduler::dag::{Dag, TriggerRule};

/// What a task does in each of its tries, and so what the model can foretell.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// How many tries fail before one does not.
    pub(crate) failures: u32,
    /// Whether a failure may be retried.
    pub(crate) may_retry: bool,
    /// Whether the last try skips instead of succeeding.
    pub(crate) skips: bool,
}

/// How each task of a run must end, in Airflow's words, in the order of the DAG's tasks.
pub(crate) fn foretell(dag: &Dag, scripts: &[Script]) -> Vec<&'static str> {
    let mut ends: Vec<Option<&'static str>> = vec![None; dag.len()];
    while ends.iter().any(Option::is_none) {
        for (index, task) in dag.tasks() {
            if ends[index.index()].is_some() {
                continue;
            }
            let upstream: Option<Vec<&str>> = dag.upstream(index).map(|before| ends[before.index()]).collect();
            // Waiting for all upstream tasks is slower than the rules are, but comes to the same end.
            let Some(upstream) = upstream else { continue };
            ends[index.index()] = Some(match rule(task.trigger_rule, &upstream) {
                Some(settled) => settled,
                None => run(task.retries, &scripts[index.index()]),
            });
        }
    }
    ends.into_iter().flatten().collect()
}

fn rule(rule: TriggerRule, upstream: &[&str]) -> Option<&'static str> {
    let any = |words: &[&str]| upstream.iter().any(|end| words.contains(end));
    match rule {
        _ if upstream.is_empty() => None,
        TriggerRule::AllDone => None,
        _ if any(&["failed", "upstream_failed"]) => Some("upstream_failed"),
        TriggerRule::AllSuccess => any(&["skipped"]).then_some("skipped"),
        TriggerRule::NoneFailedMinOneSuccess => (!any(&["success"])).then_some("skipped"),
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

/// How the run must end: only its leaves count.
pub(crate) fn outcome(dag: &Dag, ends: &[&str]) -> &'static str {
    let bad = |word: &str| word == "failed" || word == "upstream_failed";
    let failed = dag.tasks().any(|(index, _)| dag.downstream(index).next().is_none() && bad(ends[index.index()]));
    if failed { "failed" } else { "success" }
}
