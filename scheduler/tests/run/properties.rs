//! Whatever the DAG and whatever the order of events: a run always ends, nothing starts early, and neither a crash at any
//! point nor clearing any of its tasks changes anything about the end.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use scheduler::dag::{Dag, Task, TaskRole, TriggerRule};
use scheduler::run::{Event, Instance, InstanceIndex, Run, RunState, TaskState, TryEnd, UNMAPPED};
use uuid::Uuid;

use crate::dags::{dag, only, task};
use crate::model::{Script, foretell, is_foretold, outcome};

#[derive(Clone, Debug)]
struct Case {
    dag: Arc<Dag>,
    scripts: Vec<Script>,
    /// Draws that decide what happens next.
    choices: Vec<u32>,
}

/// The rules that tasks may have; teardowns have their own.
const RULES: [TriggerRule; 12] = [
    TriggerRule::AllSuccess,
    TriggerRule::AllFailed,
    TriggerRule::AllDone,
    TriggerRule::AllDoneMinOneSuccess,
    TriggerRule::AllSkipped,
    TriggerRule::OneSuccess,
    TriggerRule::OneFailed,
    TriggerRule::OneDone,
    TriggerRule::NoneFailed,
    TriggerRule::NoneFailedMinOneSuccess,
    TriggerRule::NoneSkipped,
    TriggerRule::Always,
];

prop_compose! {
    fn a_case()(size in 1usize..12)(
        edges in prop::collection::vec(prop::bool::weighted(0.3), size * size),
        rules in prop::collection::vec(prop_oneof![3 => Just(0usize), 1 => 0usize..RULES.len()], size),
        roles in prop::collection::vec(0u8..8, size),
        retries in prop::collection::vec(0u32..3, size),
        scripts in prop::collection::vec(
            (0u32..4, prop::bool::weighted(0.8), prop::bool::weighted(0.2), prop::bool::weighted(0.4)),
            size,
        ),
        choices in prop::collection::vec(any::<u32>(), 600),
        fails in prop::bool::weighted(0.7),
        size in Just(size),
    ) -> Case {
        let tasks = (0..size).map(|id| {
            let upstream = (0..id).filter(|before| edges[id * size + before]).map(|before| format!("t{before}"));
            let mut task = task(id, retries[id], RULES[rules[id]]);
            match roles[id] {
                0 => task.role = TaskRole::Setup,
                1 => {
                    task.role = TaskRole::Teardown { fails_run: id % 2 == 0 };
                    task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
                }
                _ => {}
            }
            (task, upstream.collect())
        });
        let tasks: Vec<(Task, Vec<String>)> = tasks.collect();
        let scripts = scripts.into_iter().map(|(failures, may_retry, skips, defers)| Script {
            failures: if fails { failures } else { 0 },
            may_retry,
            skips,
            defers,
        });
        Case { dag: dag(tasks), scripts: scripts.collect(), choices }
    }
}

/// What else happens while a run is played.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    Nothing,
    Crashes,
    Clears,
}

/// Plays a run in an order that the choices decide.
fn play(case: &Case, trouble: Trouble) -> Run {
    let mut now = DateTime::<Utc>::UNIX_EPOCH;
    let mut run = Run::new(Arc::clone(&case.dag), "one".to_owned(), None);
    let mut choices = case.choices.iter().copied().chain(std::iter::repeat(0));
    let (mut tries, mut clears) = (0u128, 0);
    for _ in 0..10_000 {
        run.step(Event::Begin, now).unwrap();
        assert!(run.clone().settle_all(now).is_empty(), "the whole run says the same as what an event touched");
        let choice = choices.next().unwrap_or_default();
        if trouble == Trouble::Clears && clears < 5 && (run.state.is_finished() || choice % 7 == 0) {
            clears += 1;
            run.step(Event::Cleared { instances: some_of(&run, choice), reopens: true }, now).unwrap();
            continue;
        }
        if run.state.is_finished() {
            return run;
        }
        if trouble == Trouble::Crashes && choice % 7 == 0 {
            run = restore(&run);
            for (at, try_id) in in_state(&run, TaskState::Running) {
                run.step(Event::TryEnded { at, try_id, end: TryEnd::GivenBack }, now).unwrap();
            }
            for (at, try_id) in in_state(&run, TaskState::Deferred) {
                lose_deferred(&mut run, at, try_id, now);
            }
        }
        let startable = in_state(&run, TaskState::Scheduled);
        let mut held = in_state(&run, TaskState::Running);
        held.extend(in_state(&run, TaskState::Restarting));
        held.extend(in_state(&run, TaskState::Deferred));
        let waiting = in_state(&run, TaskState::UpForRetry);
        let pick = |from: &[(InstanceIndex, Uuid)]| from[choice as usize / 8 % from.len()];
        if !startable.is_empty() && (choice % 3 == 0 || (held.is_empty() && waiting.is_empty())) {
            tries += 1;
            let (at, _) = pick(&startable);
            check_start(&run, at);
            run.step(Event::TryStarted { at, try_id: Uuid::from_u128(tries) }, now).unwrap();
        } else if !held.is_empty() && (choice % 3 == 1 || waiting.is_empty()) {
            let (at, try_id) = pick(&held);
            if run.instance(at).state == TaskState::Running && case.scripts[at.task.index()].defers {
                let reason = "as scripted".to_owned();
                run.step(Event::TryDeferred { at, try_id, reason, state: TaskState::Deferred }, now).unwrap();
                continue;
            }
            let end = scripted(&run, &case.scripts, at);
            let step = run.step(Event::TryEnded { at, try_id, end: end.clone() }, now).unwrap();
            assert!(step.result_is_void || run.step(Event::TryEnded { at, try_id, end }, now).is_err(), "it ends once");
        } else if !waiting.is_empty() {
            now += TimeDelta::seconds(60);
            let (at, _) = pick(&waiting);
            run.step(Event::RetryDue { at }, now).unwrap();
        }
    }
    panic!("the run never ends: {run:?}");
}

/// The process in which a try waited is gone: the same try goes on, and nothing is counted.
fn lose_deferred(run: &mut Run, at: InstanceIndex, try_id: Uuid, now: DateTime<Utc>) {
    let before = run.instance(at).clone();
    run.step(Event::TryEnded { at, try_id, end: TryEnd::Lost }, now).unwrap();
    let after = run.instance(at);
    assert_eq!(after.state, TaskState::Scheduled);
    assert_eq!(
        (after.try_number, after.lost_tries, after.resumes_from()),
        (before.try_number, before.lost_tries, before.start_date)
    );
}

/// Some task instances, as a person may choose them.
fn some_of(run: &Run, choice: u32) -> Vec<InstanceIndex> {
    let chosen =
        |(place, (at, _)): (usize, (InstanceIndex, &Instance))| (choice >> (place % 32) & 1 == 1).then_some(at);
    run.instances().enumerate().filter_map(chosen).collect()
}

fn in_state(run: &Run, state: TaskState) -> Vec<(InstanceIndex, Uuid)> {
    run.instances().filter(|(_, instance)| instance.state == state).map(|(at, found)| (at, found.try_id)).collect()
}

fn scripted(run: &Run, scripts: &[Script], at: InstanceIndex) -> TryEnd {
    let (script, instance) = (&scripts[at.task.index()], run.instance(at));
    // Clearing gives fresh retries, and the script begins anew with them.
    let before = instance.max_tries - run.dag.task(at.task).retries;
    if instance.try_number - before <= script.failures {
        TryEnd::Failed { error: "as scripted".to_owned(), exit_code: None, may_retry: script.may_retry }
    } else if script.skips {
        TryEnd::Skipped { reason: "as scripted".to_owned() }
    } else {
        TryEnd::success()
    }
}

/// What a rule waits for has come, the setups are there, and there is a try left.
fn check_start(run: &Run, at: InstanceIndex) {
    let task = run.dag.task(at.task);
    let states: Vec<TaskState> = run
        .dag
        .upstream(at.task)
        .map(|before| run.instance(InstanceIndex { task: before, map_index: UNMAPPED }).state)
        .collect();
    let need_not_wait = [TriggerRule::OneSuccess, TriggerRule::OneFailed, TriggerRule::OneDone, TriggerRule::Always];
    let has_to_wait = !need_not_wait.contains(&task.trigger_rule);
    assert!(!has_to_wait || states.iter().all(|state| state.is_finished()), "started before its upstream ended");
    assert!(run.instance(at).try_number <= run.instance(at).max_tries + 1);
}

/// What a restart knows: the rows.
fn restore(run: &Run) -> Run {
    let instances: Vec<_> = run.instances().map(|(at, instance)| (at, instance.clone())).collect();
    let mut restored = Run::restore(Arc::clone(&run.dag), run.run_id.clone(), run.logical_date, run.state, instances);
    restored.start_date = run.start_date;
    restored.decided = run.decided;
    restored.settle_all(DateTime::<Utc>::UNIX_EPOCH);
    restored
}

fn ends(run: &Run) -> Vec<String> {
    run.instances().map(|(_, instance)| instance.state.to_string()).collect()
}

proptest! {
    #[test]
    fn a_run_ends_as_the_model_foretells(case in a_case()) {
        let foretold = foretell(&case.dag, &case.scripts);
        prop_assume!(is_foretold(&case.dag, &foretold));
        let run = play(&case, Trouble::Nothing);

        prop_assert_eq!(ends(&run), foretold.clone());
        prop_assert_eq!(run.state.word(), outcome(&case.dag, &foretold));
    }

    #[test]
    fn crashes_at_any_point_change_nothing_about_the_end(case in a_case()) {
        let foretold = foretell(&case.dag, &case.scripts);
        prop_assume!(is_foretold(&case.dag, &foretold));
        prop_assert_eq!(ends(&play(&case, Trouble::Crashes)), foretold);
    }

    #[test]
    fn clearing_tasks_at_any_point_comes_to_the_same_end(case in a_case()) {
        let foretold = foretell(&case.dag, &case.scripts);
        prop_assume!(is_foretold(&case.dag, &foretold));
        let run = play(&case, Trouble::Clears);

        prop_assert_eq!(ends(&run), foretold.clone());
        prop_assert_eq!(run.state.word(), outcome(&case.dag, &foretold));
    }

    #[test]
    fn a_run_ends_whatever_its_dag_is(case in a_case()) {
        play(&case, Trouble::Clears);
        play(&case, Trouble::Crashes);
    }

    /// Airflow 3 semantics, section 14: what runs takes the state, what waits is skipped, teardowns still run.
    #[test]
    fn a_marked_run_is_over_once_its_teardowns_are(case in a_case(), fails in any::<bool>()) {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let mut run = Run::new(Arc::clone(&case.dag), "one".to_owned(), None);
        run.step(Event::Begin, now).unwrap();
        let first = in_state(&run, TaskState::Scheduled);
        for (n, (at, _)) in first.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
            run.step(Event::TryStarted { at: *at, try_id: Uuid::from_u128(n as u128 + 1) }, now).unwrap();
        }
        let before = run.clone();
        let is_teardown = |at: InstanceIndex| matches!(case.dag.task(at.task).role, TaskRole::Teardown { .. });
        let state = if fails { RunState::Failed } else { RunState::Success };
        let step = run.step(Event::Marked { state }, now).unwrap();

        for (at, instance) in run.instances().filter(|(at, _)| !is_teardown(*at)) {
            let expected = match before.instance(at).state {
                TaskState::Running => state.word().to_owned(),
                finished if finished.is_finished() => finished.to_string(),
                _ => "skipped".to_owned(),
            };
            prop_assert_eq!(instance.state.to_string(), expected);
        }
        let stopped = before.instances().filter(|(at, instance)| instance.state.is_held() && !is_teardown(*at));
        prop_assert_eq!(step.abandoned.len(), stopped.count());
        while !run.state.is_finished() {
            let (at, _) = in_state(&run, TaskState::Scheduled).pop().or_else(|| in_state(&run, TaskState::Running).pop()).unwrap();
            prop_assert!(is_teardown(at));
            let try_id = Uuid::from_u128(99);
            run.step(Event::TryStarted { at, try_id }, now).unwrap();
            let try_id = run.instance(at).try_id;
            run.step(Event::TryEnded { at, try_id, end: TryEnd::success() }, now).unwrap();
        }
        prop_assert_eq!(run.state, state);
    }
}

#[test]
fn a_try_that_is_lost_again_and_again_counts_as_a_failure_in_the_end() {
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let mut run = Run::new(dag(vec![(task(0, 0, TriggerRule::AllSuccess), Vec::new())]), "one".to_owned(), None);
    run.step(Event::Begin, now).unwrap();
    let mut lost = 0u128;
    while !run.state.is_finished() {
        lost += 1;
        let try_id = Uuid::from_u128(lost);
        run.step(Event::TryStarted { at: only(), try_id }, now).unwrap();
        run.step(Event::TryEnded { at: only(), try_id, end: TryEnd::Lost }, now).unwrap();
    }
    assert_eq!(lost, 4);
    assert_eq!(run.instance(only()).error.as_deref(), Some("the process that ran it was lost 4 times"));
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
        let mut waits = Vec::new();
        for n in 1..=4 {
            let try_id = Uuid::from_u128(n);
            run.step(Event::TryStarted { at: only(), try_id }, now).unwrap();
            let end = TryEnd::Failed { error: String::new(), exit_code: None, may_retry: true };
            run.step(Event::TryEnded { at: only(), try_id, end }, now).unwrap();
            waits.push((run.instance(only()).next_try_at.unwrap() - now).num_seconds());
            run.step(Event::RetryDue { at: only() }, now).unwrap();
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
