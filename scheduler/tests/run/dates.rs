//! Airflow 3: §1. A run whose logical date is to come runs, and nothing of it is scheduled until then.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use scheduler::dag::{PastDependency, TaskRole, TriggerRule};
use scheduler::run::{Event, Run, RunState, TaskState, TryEnd};
use uuid::Uuid;

use crate::semantics::{NOW, Play, dag};

const REASON: &str = "logical date is in the future: 1970-01-02T00:00:00Z";

fn date() -> DateTime<Utc> {
    NOW + TimeDelta::days(1)
}

/// A run of `a > b` and a teardown behind it that is about tomorrow, and has begun.
fn early() -> Play {
    let graph = dag("a > b > undo", |task| {
        if task.task_id == "undo" {
            task.role = TaskRole::Teardown { fails_run: false };
            task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
        }
    });
    begun(Run::new(Arc::new(graph), "one".to_owned(), Some(date())))
}

fn begun(run: Run) -> Play {
    let mut play = Play::with(run);
    play.tell(Event::Begin);
    play
}

#[test]
fn nothing_is_scheduled_before_its_date() {
    let mut play = early();
    assert_eq!((play.run.state, play.run.start_date), (RunState::Running, Some(NOW)));
    assert_eq!(play.states(), "a=none b=none undo=none");
    assert_eq!([play.reason("a"), play.reason("b"), play.reason("undo")], [REASON; 3]);
    assert_eq!(play.run.date_to_come(NOW), Some(date()));

    play.tell(Event::DateReached);
    assert_eq!(play.states(), "a=none b=none undo=none", "a timer that rings early wakes nobody");

    play.run.step(Event::DateReached, date()).unwrap();
    assert_eq!(play.states(), "a=scheduled b=none undo=none");
    assert_eq!((play.reason("a"), play.reason("b")), ("", "waits for a"));
    assert_eq!(play.run.date_to_come(date()), None);
}

/// What is rebuilt from its rows after a restart waits as well, and goes on when the date came meanwhile.
#[test]
fn a_restart_changes_nothing() {
    let before = early().run;
    let rows: Vec<_> = before.instances().map(|(at, instance)| (at, instance.clone())).collect();
    let mut run = Run::restore(Arc::clone(&before.dag), "one".to_owned(), Some(date()), RunState::Running, rows);

    assert!(run.settle_all(NOW).is_empty());
    assert!(!run.settle_all(date()).is_empty());
    assert_eq!(begun(run).states(), "a=scheduled b=none undo=none");
}

/// A clock that is set back stops nothing that has begun.
#[test]
fn what_has_begun_goes_on_before_its_date() {
    let mut play = early();
    play.run.step(Event::DateReached, date()).unwrap();
    play.succeed("a b undo");
    assert_eq!(play.run.state, RunState::Success);
}

/// What waits for the run before as well waits for the date again, when the clock is set back; it is told again then.
#[test]
fn it_may_wait_for_the_run_before_as_well() {
    let graph = dag("a", |task| task.past = PastDependency::Itself);
    let mut play = begun(Run::new(Arc::new(graph), "one".to_owned(), Some(date())));
    assert_eq!(play.reason("a"), REASON);
    play.run.step(Event::DateReached, date()).unwrap();
    assert_eq!((play.states().as_str(), play.reason("a")), ("a=none", "waits for the run before"));
    assert_eq!(play.run.state, RunState::Running, "that is no deadlock");

    play.tell(Event::PastSeen { blocked: Default::default() });
    assert_eq!((play.states().as_str(), play.reason("a")), ("a=none", REASON));
    play.run.step(Event::DateReached, date()).unwrap();
    assert_eq!(play.states(), "a=scheduled");
}

/// Section 2: `dagrun_timeout` counts from the beginning of the run. Section 14: what a person says holds at once.
#[rstest]
#[case::timeout(Event::TimedOut, "a=skipped b=skipped undo=skipped", RunState::Failed)]
#[case::success(Event::Marked { state: RunState::Success }, "a=skipped b=skipped undo=scheduled", RunState::Running)]
fn what_ends_a_run_does_not_wait(#[case] event: Event, #[case] states: &str, #[case] state: RunState) {
    let mut play = early();
    play.tell(event);
    assert_eq!((play.states().as_str(), play.run.state), (states, state));
}

#[test]
fn what_is_marked_starts_nothing_before_the_date() {
    let mut play = early();
    play.mark("a", TaskState::Success);
    assert_eq!(play.states(), "a=success b=none undo=none");
    play.run.step(Event::DateReached, date()).unwrap();
    assert_eq!(play.states(), "a=success b=scheduled undo=none");

    let mut play = early();
    for task in ["a", "b", "undo"] {
        play.mark(task, TaskState::Success);
    }
    assert_eq!(play.run.state, RunState::Success, "nothing is left to wait for");
}

/// A run about the present begins at once, also when its date has no end in the past.
#[test]
fn a_date_that_has_come_is_not_waited_for() {
    let play = begun(Run::new(Arc::new(dag("a", |_| {})), "one".to_owned(), Some(NOW)));
    assert_eq!(play.states(), "a=scheduled");
    let mut play = begun(Run::new(Arc::new(dag("a", |_| {})), "one".to_owned(), None));
    play.tell(Event::TryStarted { at: play.at("a"), try_id: Uuid::from_u128(7) });
    play.tell(Event::TryEnded { at: play.at("a"), try_id: Uuid::from_u128(7), end: TryEnd::success() });
    assert_eq!(play.run.state, RunState::Success, "a run without a date waits for none");
}
