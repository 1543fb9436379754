//! Airflow 3: §2. How a run ends, and §14, what marks make of the states of its tasks.

use rstest::rstest;
use scheduler::dag::{Dag, PastDependency, Task, TaskRole, TriggerRule};
use scheduler::run::{Event, RunState, TaskState};
use uuid::Uuid;

use crate::semantics::{NOW, Play, dag, over};

fn teardown(task: &mut Task, fails_run: bool) {
    task.role = TaskRole::Teardown { fails_run };
    task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
}

/// `x` is a task with the rule `all_done`, `t` a teardown, `T` one that fails the run.
fn lettered(graph: &str) -> Dag {
    dag(graph, |task| match &task.task_id[..1] {
        "x" => task.trigger_rule = TriggerRule::AllDone,
        "t" => teardown(task, false),
        "T" => teardown(task, true),
        _ => {}
    })
}

/// Only leaves count; teardowns neither count nor keep what is before them from counting, unless they say so.
#[rstest]
#[case::all_well("a > b", "a=success b=success", RunState::Success)]
#[case::leaf_failed("a > b", "a=success b=failed", RunState::Failed)]
#[case::leaf_could_not_run("a > b", "a=failed", RunState::Failed)]
#[case::leaf_skipped("a > b", "a=skipped", RunState::Success)]
#[case::one_of_two_leaves("a > b, a > c", "a=success b=success c=failed", RunState::Failed)]
#[case::failed_in_the_middle("a > b > x", "a=success b=failed x=success", RunState::Success)]
#[case::failed_in_the_middle_beside_a_leaf("a > b > x, b > c", "a=success b=failed x=success", RunState::Failed)]
#[case::teardown_failed("a > t", "a=success t=failed", RunState::Success)]
#[case::work_before_a_teardown("a > t", "a=failed t=success", RunState::Failed)]
#[case::teardown_that_counts("a > T", "a=success T=failed", RunState::Failed)]
#[case::work_before_one_that_counts("a > T", "a=failed T=success", RunState::Success)]
#[case::nothing_but_teardowns("t1 > t2", "t1=success t2=failed", RunState::Failed)]
#[case::nothing_but_teardowns_but_the_last("t1 > t2", "t1=failed t2=success", RunState::Success)]
fn the_leaves_of_a_run_decide(#[case] graph: &str, #[case] ends: &str, #[case] expected: RunState) {
    let mut play = Play::of(lettered(graph));
    for end in ends.split(' ') {
        assert_eq!(play.run.state, RunState::Running, "before {end}");
        play.ends_as(end);
    }
    assert_eq!(play.run.state, expected, "{}", play.states());
}

/// A run of which nothing can move any more has failed, also when tasks that are over waited for the run before
/// (`all_tasks_deadlocked`).
#[rstest]
#[case::plain(false)]
#[case::after_waiting_for_the_run_before(true)]
fn a_run_that_is_stuck_has_failed(#[case] waits_for_past: bool) {
    // Of three instances one is removed, so that not all of them can be skipped.
    let mut play = Play::of(dag("items > work > none_of_them", |task| match task.task_id.as_str() {
        "items" if waits_for_past => task.past = PastDependency::Itself,
        "work" => task.mapping = Some(over("items")),
        "none_of_them" => task.trigger_rule = TriggerRule::AllSkipped,
        _ => {}
    }));
    play.tell(Event::PastSeen { blocked: Default::default() });
    play.leave("items", 2);
    play.ends_as("work[0]=skipped");
    play.ends_as("work[1]=skipped");
    play.clear("items work[0] work[1] none_of_them");
    play.tell(Event::PastSeen { blocked: Default::default() });
    play.leave("items", 1);
    assert_eq!(play.run.state, RunState::Running);
    play.ends_as("work[0]=skipped");

    assert_eq!(play.states(), "items=success work[0]=skipped work[1]=removed none_of_them=none");
    assert_eq!(play.reason("none_of_them"), "waits for what can no longer come: its trigger rule is not met");
    assert_eq!(play.run.state, RunState::Failed);
}

/// A run with tasks in every state there is, by their names.
fn motley() -> Play {
    let graph = "running, deferred, rescheduled, asks, queued, scheduled, retries, restarts, done, failed, skipped, running > waits, running > t";
    let mut play = Play::of(dag(graph, |task| match task.task_id.as_str() {
        "retries" => task.retries = 1,
        "t" => teardown(task, false),
        _ => {}
    }));
    play.start("running");
    for (name, state) in [
        ("deferred", TaskState::Deferred),
        ("rescheduled", TaskState::UpForReschedule),
        ("asks", TaskState::AwaitingInput),
    ] {
        let try_id = play.start(name);
        play.tell(Event::TryDeferred { at: play.at(name), try_id, reason: "it waits".to_owned(), state });
    }
    play.tell(Event::TryQueued { at: play.at("queued"), try_id: Uuid::from_u128(77) });
    play.start("restarts");
    play.clear("restarts");
    for end in ["done=success", "failed=failed", "skipped=skipped", "retries=failed"] {
        play.ends_as(end);
    }
    let states = "running=running deferred=deferred rescheduled=up_for_reschedule asks=awaiting_input queued=queued \
                  scheduled=scheduled retries=up_for_retry restarts=restarting done=success failed=failed skipped=skipped \
                  waits=none t=none";
    assert_eq!(play.states(), states);
    play
}

const WAITING: &str = "queued=skipped scheduled=skipped retries=skipped restarts=skipped done=success failed=failed \
                       skipped=skipped waits=skipped";

/// §14, marking a run: what runs or waits elsewhere takes the state, what is pending is skipped, what is over stays, and
/// teardowns are left to run. §2, `dagrun_timeout`: all that is not over is skipped, teardowns as well.
#[rstest]
#[case::success(Event::Marked { state: RunState::Success }, "success", "scheduled")]
#[case::failed(Event::Marked { state: RunState::Failed }, "failed", "scheduled")]
#[case::timeout(Event::TimedOut, "skipped", "skipped")]
fn what_ends_a_run_early_ends_its_tasks(#[case] event: Event, #[case] held: &str, #[case] teardown: &str) {
    let mut play = motley();
    let step = play.run.step(event, NOW).unwrap();

    let held = format!("running={held} deferred={held} rescheduled={held} asks={held}");
    assert_eq!(play.states(), format!("{held} {WAITING} t={teardown}"));
    assert_eq!(step.abandoned.len(), 6, "whoever holds a try is told: {:?}", step.abandoned);
    assert_eq!(play.run.state == RunState::Running, teardown == "scheduled");
}

/// §14: marking a run as queued changes its own state alone.
#[test]
fn a_run_that_is_queued_again_keeps_its_tasks() {
    let mut play = motley();
    let before = play.states();
    play.tell(Event::Marked { state: RunState::Queued });
    assert_eq!((play.states(), play.run.state, play.run.start_date), (before, RunState::Queued, None));
}

/// §14, clearing: what runs or waits elsewhere is stopped first; everything else is to begin anew, with its `retries` on top of
/// the tries that it had (`max_tries = try_number + retries`).
#[rstest]
#[case("running", "restarting", 1, 0)]
#[case("deferred", "restarting", 1, 0)]
#[case("queued", "restarting", 1, 0)]
#[case("retries", "scheduled", 2, 2)]
#[case("failed", "scheduled", 2, 1)]
#[case("skipped", "scheduled", 2, 1)]
#[case("done", "scheduled", 2, 1)]
#[case("scheduled", "scheduled", 1, 0)]
#[case("waits", "none", 0, 0)]
fn what_is_cleared_begins_anew(#[case] name: &str, #[case] state: &str, #[case] tries: u32, #[case] most: u32) {
    let mut play = motley();
    play.clear(name);

    let instance = play.run.instance(play.at(name));
    assert_eq!((instance.state.to_string().as_str(), instance.try_number, instance.max_tries), (state, tries, most));
    if state != "restarting" {
        assert_eq!((instance.start_date, instance.deferred_at, instance.next_try_at), (None, None, None));
    }
}

/// §14: a run that is over begins again when something of it is cleared, unless it is to stay over.
#[rstest]
#[case::begins_again(true, RunState::Queued)]
#[case::stays(false, RunState::Failed)]
fn a_clear_lets_the_run_begin_again(#[case] reopens: bool, #[case] expected: RunState) {
    let mut play = Play::of(dag("a > b", |_| {}));
    play.ends_as("a=failed");
    assert_eq!(play.run.state, RunState::Failed);
    play.tell(Event::Cleared { instances: vec![play.at("a"), play.at("b")], reopens });
    assert_eq!((play.states().as_str(), play.run.state), ("a=none b=none", expected));
    assert_eq!(play.run.start_date.is_none(), reopens);
}
