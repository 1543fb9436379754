//! Whatever the DAG and whatever the order of events: a run always ends, nothing starts early, and a crash at any point
//! changes nothing about the end.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use scheduler::dag::{Dag, DagHead, DagRunPolicy, Schedule, Task, TaskIndex, TriggerRule};
use scheduler::run::{Event, Instance, Run, RunState, TaskState, TryEnd};
use uuid::Uuid;

use crate::model::{Script, foretell, outcome};

#[derive(Clone, Debug)]
struct Case {
    dag: Arc<Dag>,
    scripts: Vec<Script>,
    /// Draws that decide what happens next.
    choices: Vec<u32>,
}

fn task(id: usize, retries: u32, trigger_rule: TriggerRule) -> Task {
    Task {
        task_id: format!("t{id}"),
        operator: "empty".to_owned(),
        args: serde_json::Map::new(),
        trigger_rule,
        retries,
        retry_delay: Duration::from_secs(60),
        retry_exponential_backoff: 0.0,
        max_retry_delay: None,
        execution_timeout: None,
        priority_weight: 1,
        pool: "default_pool".to_owned(),
        pool_slots: 1,
        queue: "default".to_owned(),
        owner: "airflow".to_owned(),
        doc_md: None,
        callbacks: Default::default(),
    }
}

fn dag(tasks: Vec<(Task, Vec<String>)>) -> Arc<Dag> {
    let head = DagHead {
        dag_id: "random".to_owned(),
        description: None,
        doc_md: None,
        schedule: Schedule::Never,
        timezone: chrono_tz::UTC,
        start_date: None,
        end_date: None,
        runs: DagRunPolicy::default(),
        tags: Default::default(),
        owner: "airflow".to_owned(),
        params: Default::default(),
        default_args: Default::default(),
        callbacks: Default::default(),
    };
    Arc::new(Dag::new(head, tasks).expect("edges only lead from earlier tasks to later ones"))
}

// A DAG has either failures or skips: a task behind both ends as whichever came first says, in Airflow, too (section 4:
// a skip counts "immediately"), so that only the order of events could foretell it.
prop_compose! {
    fn a_case()(size in 1usize..12)(
        edges in prop::collection::vec(prop::bool::weighted(0.3), size * size),
        rules in prop::collection::vec(0u8..3, size),
        retries in prop::collection::vec(0u32..3, size),
        scripts in prop::collection::vec((0u32..4, prop::bool::weighted(0.8), prop::bool::weighted(0.2)), size),
        choices in prop::collection::vec(any::<u32>(), 400),
        has_skips in any::<bool>(),
        size in Just(size),
    ) -> Case {
        let tasks = (0..size).map(|id| {
            let upstream = (0..id).filter(|before| edges[id * size + before]).map(|before| format!("t{before}"));
            let rule = [TriggerRule::AllSuccess, TriggerRule::AllDone, TriggerRule::NoneFailedMinOneSuccess];
            (task(id, retries[id], rule[usize::from(rules[id])]), upstream.collect())
        });
        let scripts = scripts.into_iter().map(|(failures, may_retry, skips)| Script {
            failures: if has_skips { 0 } else { failures },
            may_retry,
            skips: has_skips && skips,
        });
        Case { dag: dag(tasks.collect()), scripts: scripts.collect(), choices }
    }
}

/// Plays a run in an order that the choices decide; `crashes` lets the process die now and then.
fn play(case: &Case, crashes: bool) -> Run {
    let mut now = DateTime::<Utc>::UNIX_EPOCH;
    let mut run = Run::new(Arc::clone(&case.dag), "one".to_owned(), None);
    run.step(Event::Begin, now).unwrap();
    let mut choices = case.choices.iter().copied().chain(std::iter::repeat(0));
    let mut tries = 0u128;
    for _ in 0..10_000 {
        if run.state.is_finished() {
            return run;
        }
        assert!(run.clone().settle_all(now).is_empty(), "the whole run says the same as what an event touched");
        let choice = choices.next().unwrap_or_default();
        if crashes && choice % 7 == 0 {
            run = restore(&run);
            for (task, try_id) in in_state(&run, TaskState::Running) {
                run.step(Event::TryEnded { task, try_id, end: TryEnd::GivenBack }, now).unwrap();
            }
        }
        let startable = in_state(&run, TaskState::Scheduled);
        let running = in_state(&run, TaskState::Running);
        let waiting = in_state(&run, TaskState::UpForRetry);
        let pick = |from: &[(TaskIndex, Uuid)]| from[choice as usize / 8 % from.len()];
        if !startable.is_empty() && (choice % 3 == 0 || (running.is_empty() && waiting.is_empty())) {
            tries += 1;
            let (task, _) = pick(&startable);
            check_start(&run, task);
            run.step(Event::TryStarted { task, try_id: Uuid::from_u128(tries) }, now).unwrap();
        } else if !running.is_empty() && (choice % 3 == 1 || waiting.is_empty()) {
            let (task, try_id) = pick(&running);
            let end = scripted(&case.scripts[task.index()], run.instance(task));
            run.step(Event::TryEnded { task, try_id, end: end.clone() }, now).unwrap();
            assert!(run.step(Event::TryEnded { task, try_id, end }, now).is_err(), "a try ends once");
        } else if !waiting.is_empty() {
            now += TimeDelta::seconds(60);
            let (task, _) = pick(&waiting);
            run.step(Event::RetryDue { task }, now).unwrap();
        }
    }
    panic!("the run never ends: {run:?}");
}

fn in_state(run: &Run, state: TaskState) -> Vec<(TaskIndex, Uuid)> {
    run.instances().filter(|(_, instance)| instance.state == state).map(|(task, found)| (task, found.try_id)).collect()
}

fn scripted(script: &Script, instance: &Instance) -> TryEnd {
    if instance.try_number <= script.failures {
        TryEnd::Failed { error: "as scripted".to_owned(), may_retry: script.may_retry }
    } else if script.skips {
        TryEnd::Skipped { reason: "as scripted".to_owned() }
    } else {
        TryEnd::Success
    }
}

/// No rule of these three lets a task start before an upstream task has ended, or the same try twice.
fn check_start(run: &Run, task: TaskIndex) {
    for before in run.dag.upstream(task) {
        assert!(run.instance(before).state.is_finished(), "started before its upstream ended");
    }
    assert!(run.instance(task).try_number <= run.instance(task).max_tries + 1);
}

/// What a restart knows: the rows.
fn restore(run: &Run) -> Run {
    let instances = run.instances().map(|(_, instance)| instance.clone()).collect();
    let mut restored = Run::restore(Arc::clone(&run.dag), run.run_id.clone(), run.logical_date, run.state, instances);
    restored.start_date = run.start_date;
    restored.settle_all(DateTime::<Utc>::UNIX_EPOCH);
    restored
}

fn ends(run: &Run) -> Vec<String> {
    run.instances().map(|(_, instance)| instance.state.to_string()).collect()
}

proptest! {
    #[test]
    fn a_run_ends_as_the_model_foretells(case in a_case()) {
        let run = play(&case, false);
        let foretold = foretell(&case.dag, &case.scripts);

        prop_assert_eq!(ends(&run), foretold.clone());
        prop_assert_eq!(run.state.word(), outcome(&case.dag, &foretold));
    }

    #[test]
    fn crashes_at_any_point_change_nothing_about_the_end(case in a_case()) {
        prop_assert_eq!(ends(&play(&case, true)), ends(&play(&case, false)));
    }

    #[test]
    fn a_marked_run_is_over_at_once(case in a_case(), fails in any::<bool>()) {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let mut run = Run::new(Arc::clone(&case.dag), "one".to_owned(), None);
        run.step(Event::Begin, now).unwrap();
        let first = in_state(&run, TaskState::Scheduled);
        for (n, (task, _)) in first.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
            run.step(Event::TryStarted { task: *task, try_id: Uuid::from_u128(n as u128 + 1) }, now).unwrap();
        }
        let running: Vec<TaskIndex> = in_state(&run, TaskState::Running).into_iter().map(|(task, _)| task).collect();
        let state = if fails { RunState::Failed } else { RunState::Success };
        run.step(Event::Marked { state }, now).unwrap();

        prop_assert_eq!(run.state, state);
        for (task, instance) in run.instances() {
            let expected = if running.contains(&task) { state.word() } else { "skipped" };
            prop_assert_eq!(instance.state.to_string(), expected);
        }
    }
}

#[test]
fn a_try_that_is_lost_again_and_again_counts_as_a_failure_in_the_end() {
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let mut run = Run::new(dag(vec![(task(0, 0, TriggerRule::AllSuccess), Vec::new())]), "one".to_owned(), None);
    run.step(Event::Begin, now).unwrap();
    let only = TaskIndex::new(0);
    let mut lost = 0u128;
    while !run.state.is_finished() {
        lost += 1;
        let try_id = Uuid::from_u128(lost);
        run.step(Event::TryStarted { task: only, try_id }, now).unwrap();
        run.step(Event::TryEnded { task: only, try_id, end: TryEnd::Lost }, now).unwrap();
    }
    assert_eq!(lost, 4);
    assert_eq!(run.instance(only).error.as_deref(), Some("the process that ran it was lost 4 times"));
}

/// Airflow 3 semantics, section 3: the wait of exponential back-off lies in [m, 2m) and depends on nothing but the try.
#[test]
fn back_off_grows_and_is_the_same_after_a_restart() {
    let mut slow = task(0, 5, TriggerRule::AllSuccess);
    slow.retry_exponential_backoff = 2.0;
    let graph = dag(vec![(slow, Vec::new())]);
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let waits = || {
        let mut run = Run::new(Arc::clone(&graph), "one".to_owned(), Some(now));
        run.step(Event::Begin, now).unwrap();
        let only = TaskIndex::new(0);
        let mut waits = Vec::new();
        for n in 1..=4 {
            let try_id = Uuid::from_u128(n);
            run.step(Event::TryStarted { task: only, try_id }, now).unwrap();
            let end = TryEnd::Failed { error: String::new(), may_retry: true };
            run.step(Event::TryEnded { task: only, try_id, end }, now).unwrap();
            waits.push((run.instance(only).next_try_at.unwrap() - now).num_seconds());
            run.step(Event::RetryDue { task: only }, now).unwrap();
        }
        waits
    };
    let first = waits();
    for (wait, least) in first.iter().zip([60, 120, 240, 480]) {
        assert!((least..2 * least).contains(wait), "{wait} is not in [{least}, {})", 2 * least);
    }
    assert_eq!(first, waits());
    assert_eq!(first, AIRFLOW_WAITS, "the very seconds that Airflow 3.3.2's formula gives");
}

/// `max(1, ceil(60 * 2**(n-1)))` plus `int(sha1("random#t0#1970-01-01 00:00:00+00:00#n"), 16)` modulo it, in Python.
const AIRFLOW_WAITS: [i64; 4] = [115, 200, 303, 916];
