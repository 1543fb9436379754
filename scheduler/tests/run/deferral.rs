//! A try that only waits: it holds no slot, is otherwise as one that runs, and outlives its process.

use std::time::Duration;

use rstest::rstest;
use scheduler::dag::{Dag, DagRunPolicy};
use scheduler::run::{Event, RunState, TaskState, TryEnd};
use uuid::Uuid;

use crate::dags::head;
use crate::semantics::{NOW, Play, dag, graph};

const REASON: &str = "waits for file /data/x; looks again every 1m";

/// A run whose task `a` is deferred, with one retry; answers with its try.
fn deferred(graph: &str) -> (Play, Uuid) {
    let mut play = Play::of(dag(graph, |task| task.retries = 1));
    let try_id = play.start("a");
    defer(&mut play, "a", try_id);
    (play, try_id)
}

fn defer(play: &mut Play, name: &str, try_id: Uuid) {
    play.tell(Event::TryDeferred { at: play.at(name), try_id, reason: REASON.to_owned(), state: TaskState::Deferred });
    assert_eq!((play.state(name), play.reason(name)), ("deferred".to_owned(), REASON));
}

fn end(play: &mut Play, name: &str, try_id: Uuid, end: TryEnd) {
    play.tell(Event::TryEnded { at: play.at(name), try_id, end });
}

fn failed() -> TryEnd {
    TryEnd::Failed { error: "no".to_owned(), exit_code: None, may_retry: true }
}

/// Airflow 3: §3. What waits for a person is `awaiting_input`, a sensor with `mode: reschedule` is `up_for_reschedule`; both
/// are otherwise as what is deferred, and keep the number of their try.
#[rstest]
fn other_waits_are_as_what_is_deferred(
    #[values(TaskState::AwaitingInput, TaskState::UpForReschedule)] state: TaskState,
    #[values(
        (TryEnd::success(), "success"),
        (TryEnd::Lost, "scheduled"),
        (TryEnd::GivenBack, "scheduled"),
        (failed(), "up_for_retry")
    )]
    end_and_state: (TryEnd, &str),
) {
    let (how, then) = end_and_state;
    let mut play = Play::of(dag("a", |task| task.retries = 1));
    let try_id = play.start("a");
    let begun = play.run.instance(play.at("a")).start_date;
    let reason = "waits for a person to answer".to_owned();
    play.tell(Event::TryDeferred { at: play.at("a"), try_id, reason, state });
    assert_eq!((play.state("a"), play.reason("a")), (state.to_string(), "waits for a person to answer"));

    end(&mut play, "a", try_id, how.clone());

    assert_eq!(play.state("a"), then);
    let instance = play.run.instance(play.at("a"));
    assert_eq!(instance.try_number, 1);
    if then == "scheduled" {
        assert_eq!(instance.resumes_from(), begun, "it goes on as the same try");
    }
}

#[rstest]
#[case::success(TryEnd::success(), "success", "scheduled")]
#[case::skip(TryEnd::Skipped { reason: "too late".to_owned() }, "skipped", "skipped")]
#[case::failure(failed(), "up_for_retry", "none")]
#[case::shutdown(TryEnd::GivenBack, "scheduled", "none")]
#[case::lost(TryEnd::Lost, "scheduled", "none")]
fn it_ends_as_any_other(#[case] how: TryEnd, #[case] a: &str, #[case] b: &str) {
    let (mut play, try_id) = deferred("a > b");
    end(&mut play, "a", try_id, how);
    assert_eq!((play.state("a").as_str(), play.state("b").as_str()), (a, b));
}

#[rstest]
#[case::lost(TryEnd::Lost)]
#[case::given_back(TryEnd::GivenBack)]
fn the_same_try_goes_on_when_its_process_is_gone_however_often(#[case] how: TryEnd) {
    let (mut play, mut try_id) = deferred("a");
    let begun = play.run.instance(play.at("a")).start_date;
    for n in 1..20 {
        end(&mut play, "a", try_id, how.clone());
        assert_eq!(play.run.instance(play.at("a")).resumes_from(), begun);
        let later = NOW + Duration::from_secs(60 * n);
        try_id = Uuid::from_u128(1000 + u128::from(n));
        let at = play.at("a");
        play.run.step(Event::TryStarted { at, try_id }, later).unwrap();
        defer(&mut play, "a", try_id);
    }
    let instance = play.run.instance(play.at("a"));
    assert_eq!((instance.try_number, instance.lost_tries, instance.start_date), (1, 0, begun));
}

#[test]
fn a_try_that_is_lost_while_it_looks_again_counts_as_lost() {
    let (mut play, try_id) = deferred("a");
    end(&mut play, "a", try_id, TryEnd::Lost);
    let again = play.start("a");
    end(&mut play, "a", again, TryEnd::Lost);
    assert_eq!(play.run.instance(play.at("a")).lost_tries, 1);
}

#[test]
fn a_retry_begins_anew() {
    let (mut play, try_id) = deferred("a");
    end(&mut play, "a", try_id, failed());
    let at = play.at("a");
    play.tell(Event::RetryDue { at });
    let instance = play.run.instance(at);
    assert_eq!((instance.state, instance.resumes_from()), (TaskState::Scheduled, None));
}

#[test]
fn only_the_try_that_runs_can_say_so() {
    let mut play = Play::of(dag("a", |_| {}));
    let try_id = play.start("a");
    let at = play.at("a");
    let other =
        Event::TryDeferred { at, try_id: Uuid::from_u128(77), reason: REASON.to_owned(), state: TaskState::Deferred };
    assert!(play.run.step(other, NOW).is_err());

    play.clear("a");
    play.tell(Event::TryDeferred { at, try_id, reason: REASON.to_owned(), state: TaskState::Deferred });
    assert_eq!(play.state("a"), "restarting", "one that was cleared is being stopped");
    end(&mut play, "a", try_id, TryEnd::GivenBack);
    assert_eq!(play.state("a"), "scheduled");
}

#[test]
fn clearing_it_stops_it_first() {
    let (mut play, try_id) = deferred("a");
    let at = play.at("a");
    let step = play.run.step(Event::Cleared { instances: vec![at], reopens: true }, NOW).unwrap();
    assert_eq!((step.abandoned, play.state("a")), (vec![try_id], "restarting".to_owned()));
    let step = play.run.step(Event::TryEnded { at, try_id, end: TryEnd::GivenBack }, NOW).unwrap();
    assert_eq!(step.superseded.len(), 1);
    assert_eq!((play.state("a"), play.run.instance(at).resumes_from()), ("scheduled".to_owned(), None));
}

/// Section 14: what is deferred is as what runs.
#[rstest]
#[case::instance(Event::InstancesMarked { instances: Vec::new(), state: TaskState::Success }, "success")]
#[case::run_success(Event::Marked { state: RunState::Success }, "success")]
#[case::run_failed(Event::Marked { state: RunState::Failed }, "failed")]
#[case::timeout(Event::TimedOut, "skipped")]
fn marking_it_or_its_run_abandons_its_try(#[case] event: Event, #[case] expected: &str) {
    let (mut play, try_id) = deferred("a");
    let at = play.at("a");
    let event = match event {
        Event::InstancesMarked { state, .. } => Event::InstancesMarked { instances: vec![at], state },
        other => other,
    };
    let step = play.run.step(event, NOW).unwrap();
    assert_eq!((step.abandoned, play.state("a")), (vec![try_id], expected.to_owned()));
    assert!(play.run.state.is_finished());
    let late = Event::TryEnded { at, try_id, end: TryEnd::success() };
    assert!(play.run.step(late, NOW).is_err(), "its word comes too late");
}

/// Airflow 3: §2, `_stop_remaining_tasks`. `fail_fast` fails what runs and skips all the rest, also what waits elsewhere; there
/// it is ended.
#[rstest]
#[case::deferred(TaskState::Deferred)]
#[case::rescheduled(TaskState::UpForReschedule)]
#[case::awaiting_input(TaskState::AwaitingInput)]
fn fail_fast_skips_it(#[case] state: TaskState) {
    let mut head = head();
    head.runs = DagRunPolicy { fail_fast: true, ..DagRunPolicy::default() };
    let mut play = Play::of(Dag::new(head, graph("a b c > d")).unwrap());
    let waiting = play.start("a");
    play.tell(Event::TryDeferred { at: play.at("a"), try_id: waiting, reason: REASON.to_owned(), state });
    let running = play.start("b");
    let other = play.start("c");
    let step = play.run.step(Event::TryEnded { at: play.at("c"), try_id: other, end: failed() }, NOW).unwrap();

    assert_eq!(play.states(), "a=skipped b=failed c=failed d=skipped");
    assert_eq!(play.run.state, RunState::Failed);
    assert_eq!(step.abandoned, [waiting, running], "both are told to stop");
    assert!(step.withdrawn.contains(&play.at("a")), "what it started elsewhere is ended: {:?}", step.withdrawn);
}

/// A person acts while no process holds the try: nothing is to be stopped here, and what it started elsewhere is not wanted.
#[rstest]
#[case::cleared(Event::Cleared { instances: Vec::new(), reopens: true })]
#[case::marked(Event::InstancesMarked { instances: Vec::new(), state: TaskState::Success })]
#[case::run_failed(Event::Marked { state: RunState::Failed })]
#[case::timeout(Event::TimedOut)]
fn what_a_cut_off_try_started_is_withdrawn(#[case] event: Event) {
    let (mut play, try_id) = deferred("a");
    let at = play.at("a");
    end(&mut play, "a", try_id, TryEnd::Lost);
    let event = match event {
        Event::InstancesMarked { state, .. } => Event::InstancesMarked { instances: vec![at], state },
        Event::Cleared { reopens, .. } => Event::Cleared { instances: vec![at], reopens },
        other => other,
    };
    let step = play.run.step(event, NOW).unwrap();
    assert_eq!((step.withdrawn, step.abandoned), (vec![at], Vec::new()));
}

#[test]
fn a_cut_off_try_that_is_cleared_is_over_and_another_follows() {
    let (mut play, try_id) = deferred("a");
    let at = play.at("a");
    end(&mut play, "a", try_id, TryEnd::Lost);
    let step = play.run.step(Event::Cleared { instances: vec![at], reopens: true }, NOW).unwrap();
    let (_, ended) = &step.superseded[0];
    assert_eq!((ended.try_number, ended.state), (1, TaskState::Failed));
    let instance = play.run.instance(at);
    assert_eq!((instance.state, instance.try_number, instance.resumes_from()), (TaskState::Scheduled, 2, None));
}

#[test]
fn a_task_that_is_over_or_has_never_begun_has_nothing_to_withdraw() {
    let mut play = Play::of(dag("a b > c", |_| {}));
    play.succeed("a");
    let instances = ["a", "b", "c"].map(|name| play.at(name)).to_vec();
    let step = play.run.step(Event::Cleared { instances, reopens: true }, NOW).unwrap();
    assert_eq!(step.withdrawn, []);
}

/// Further tries see to what those before them started; after the last one nobody does.
#[test]
fn what_the_last_try_left_is_withdrawn_when_it_fails() {
    let (mut play, try_id) = deferred("a");
    let at = play.at("a");
    let step = play.run.step(Event::TryEnded { at, try_id, end: failed() }, NOW).unwrap();
    assert_eq!(step.withdrawn, []);
    play.tell(Event::RetryDue { at });
    let try_id = play.start("a");
    let step = play.run.step(Event::TryEnded { at, try_id, end: failed() }, NOW).unwrap();
    assert_eq!((step.withdrawn, play.state("a")), (vec![at], "failed".to_owned()));
}
