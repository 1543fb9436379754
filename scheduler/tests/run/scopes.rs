//! Airflow 3: §7. What lies between setups and teardowns.

use std::collections::BTreeSet;

use rstest::rstest;
use scheduler::dag::{Dag, TaskRole, TriggerRule};
use scheduler::run::{Event, RunState, TryEnd, selection};

use crate::semantics::{Play, dag};

/// Tasks that begin with `make` are setups, those that begin with `drop` teardowns.
fn scoped(graph: &str, rules: &[(&str, TriggerRule)]) -> Dag {
    dag(graph, |task| {
        if task.task_id.starts_with("make") {
            task.role = TaskRole::Setup;
        }
        if task.task_id.starts_with("drop") {
            task.role = TaskRole::Teardown { fails_run: false };
            task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
        }
        if let Some((_, rule)) = rules.iter().find(|(id, _)| *id == task.task_id) {
            task.trigger_rule = *rule;
        }
    })
}

/// A teardown also waits for every task in scope, also where what is directly before it did not (`_evaluate_teardown_scope`).
#[test]
fn a_teardown_waits_for_everything_in_scope() {
    let mut play =
        Play::of(scoped("make > fast slow > join > drop, make > drop", &[("join", TriggerRule::OneSuccess)]));
    play.succeed("make fast join");
    assert_eq!(play.states(), "make=success fast=success slow=scheduled join=success drop=none");
    assert_eq!(play.reason("drop"), "waits for slow, which works with what it takes away");

    play.end("slow", TryEnd::Failed { error: "no".to_owned(), exit_code: None, may_retry: true });
    assert_eq!(play.state("drop"), "scheduled");
    play.clear("slow");
    assert_eq!(play.states(), "make=success fast=success slow=scheduled join=success drop=none", "it waits again");
    play.succeed("slow drop");
    assert_eq!(play.run.state, RunState::Success);
}

/// What no setup of it is before is none of its business.
#[test]
fn a_teardown_waits_for_nothing_out_of_scope() {
    let mut play = Play::of(scoped(
        "make > work > drop, make > drop, other slow > any > work",
        &[("any", TriggerRule::OneSuccess)],
    ));
    play.succeed("make other any work");
    assert_eq!((play.state("slow").as_str(), play.state("drop").as_str()), ("scheduled", "scheduled"));
}

/// How setups and the work end, and what becomes of the work and of the teardown: it runs when all of its upstream is done
/// and at least one of its setups succeeded; the work has an implicit all_success on its setups.
#[rstest]
#[case::all_well("make=success", "work=scheduled last=none drop=none")]
#[case::setup_failed("make=failed", "work=upstream_failed last=upstream_failed drop=upstream_failed")]
#[case::setup_skipped("make=skipped", "work=skipped last=skipped drop=skipped")]
#[case::work_failed("make=success work=failed", "work=failed last=scheduled drop=none")]
#[case::work_and_last_failed("make=success work=failed last=failed", "work=failed last=failed drop=scheduled")]
#[case::work_skipped("make=success work=skipped last=skipped", "work=skipped last=skipped drop=scheduled")]
fn setups_decide_about_what_follows(#[case] ends: &str, #[case] expected: &str) {
    // `last` runs whatever becomes of `work`, but not without its setup, which is not directly before it.
    let mut play = Play::of(scoped("make > work > last > drop, make > drop", &[("last", TriggerRule::AllDone)]));
    for end in ends.split(' ') {
        play.ends_as(end);
    }
    assert_eq!(play.states().split_once(' ').unwrap().1, expected);
}

/// One of two setups is enough for the teardown, and not for the work.
#[rstest]
#[case("make1=success make2=failed", "work=upstream_failed drop=scheduled")]
#[case("make1=failed make2=failed", "work=upstream_failed drop=upstream_failed")]
#[case("make1=skipped make2=skipped", "work=skipped drop=skipped")]
#[case("make1=success make2=skipped", "work=skipped drop=scheduled")]
fn a_teardown_needs_one_of_its_setups(#[case] ends: &str, #[case] expected: &str) {
    let mut play = Play::of(scoped("make1 make2 > work > drop, make1 make2 > drop", &[]));
    for end in ends.split(' ') {
        play.ends_as(end);
    }
    assert_eq!(play.states().split_once(" work").unwrap().1, expected.strip_prefix("work").unwrap());
}

/// Clearing a work task clears its setups and teardowns, clearing a setup its teardowns (`partial_subset`).
#[rstest]
#[case("work", "make drop work")]
#[case("make", "make drop")]
#[case("drop", "drop")]
#[case("outside", "outside")]
#[case("make_inner", "make_inner drop_inner")]
#[case("inner", "make make_inner drop drop_inner inner")]
fn setups_and_teardowns_are_cleared_with_the_work(#[case] cleared: &str, #[case] expected: &str) {
    let dag = scoped(
        "make > work > drop, make > drop > outside, make > make_inner > inner > drop_inner > drop, make_inner > drop_inner",
        &[],
    );
    let meant = BTreeSet::from([dag.find(cleared).unwrap()]);
    let names: BTreeSet<&str> =
        selection::with_setups(&dag, &meant).into_iter().map(|task| dag.task(task).task_id.as_str()).collect();
    assert_eq!(names, expected.split(' ').collect());
}

/// A teardown that fails does not fail the run, unless it says so; after `mark` of the run teardowns still run.
#[rstest]
#[case::failed(RunState::Failed)]
#[case::success(RunState::Success)]
fn teardowns_run_after_a_mark(#[case] state: RunState) {
    let mut play = Play::of(scoped("make > work > drop, make > drop", &[]));
    play.succeed("make");
    play.start("work");
    play.tell(Event::Marked { state });
    assert_eq!(play.states(), format!("make=success work={} drop=scheduled", state.word()));
    assert_eq!(play.run.state, RunState::Running, "it is over when its teardowns are");
    play.ends_as("drop=failed");
    assert_eq!(play.run.state, state);
}
