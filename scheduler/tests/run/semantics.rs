//! What Airflow says of single cases: branching, mapping, marking, the run before. Each test names the section of Airflow
//! 3's semantics that it holds.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rstest::rstest;
use scheduler::dag::timetable::CatchupMode;
use scheduler::dag::{
    Dag, DagRunPolicy, MappedValues, Mapping, PastDependency, Task, TaskGroup, TaskRole, TriggerRule,
};
use scheduler::run::{Event, Instance, InstanceIndex, Next, Pushed, Run, RunState, TaskState, TryEnd, past};
use serde_json::json;
use uuid::Uuid;

use crate::dags::{head, named};

pub(crate) const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

/// A run that is played by hand.
pub(crate) struct Play {
    pub(crate) run: Run,
    now: DateTime<Utc>,
    tries: u128,
}

impl Play {
    /// A run that has not begun.
    pub(crate) fn with(run: Run) -> Play {
        Play { run, now: NOW, tries: 0 }
    }

    pub(crate) fn of(dag: Dag) -> Play {
        let mut play = Play::with(Run::new(Arc::new(dag), "one".to_owned(), None));
        play.tell(Event::Begin);
        play
    }

    /// A run that is about a date; in a backfill tasks do not keep to dates of their own.
    fn about(dag: Dag, date: &str, is_backfill: bool) -> Play {
        let mut run = Run::new(Arc::new(dag), "one".to_owned(), Some(day(date)));
        run.keeps_to_dates = !is_backfill;
        // Whatever date it is about has come.
        let mut play = Play { now: day("2027-01-01"), ..Play::with(run) };
        play.tell(Event::Begin);
        play
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.run.step(event, self.now).unwrap();
        assert!(
            self.run.clone().settle_all(self.now).is_empty(),
            "the whole run says the same as what an event touched"
        );
    }

    pub(crate) fn at(&self, name: &str) -> InstanceIndex {
        let (task_id, index) = name
            .split_once('[')
            .map_or((name, -1), |(task_id, index)| (task_id, index.trim_end_matches(']').parse().unwrap()));
        InstanceIndex { task: self.run.dag.find(task_id).unwrap(), map_index: index }
    }

    pub(crate) fn start(&mut self, name: &str) -> Uuid {
        self.tries += 1;
        let try_id = Uuid::from_u128(self.tries);
        self.tell(Event::TryStarted { at: self.at(name), try_id });
        assert_eq!(self.state(name), "running", "{name} can start");
        try_id
    }

    pub(crate) fn end(&mut self, name: &str, end: TryEnd) {
        let try_id = self.start(name);
        self.tell(Event::TryEnded { at: self.at(name), try_id, end });
    }

    pub(crate) fn succeed(&mut self, names: &str) {
        names.split(' ').for_each(|name| self.end(name, TryEnd::success()));
    }

    fn fail(&mut self, name: &str) {
        self.end(name, TryEnd::Failed { error: "no".to_owned(), exit_code: None, may_retry: true });
    }

    /// `task=success`, `task=failed` or `task=skipped`: a try of the task ends so.
    pub(crate) fn ends_as(&mut self, end: &str) {
        match end.split_once('=').unwrap() {
            (name, "success") => self.succeed(name),
            (name, "failed") => self.fail(name),
            (name, _) => self.end(name, TryEnd::Skipped { reason: "nothing to do".to_owned() }),
        }
    }

    pub(crate) fn leave(&mut self, name: &str, items: u32) {
        self.end(name, TryEnd::Success { pushed: Pushed::Items(items), next: Next::Everything });
    }

    fn decide(&mut self, name: &str, next: Next) {
        self.end(name, TryEnd::Success { pushed: Pushed::Nothing, next });
    }

    pub(crate) fn clear(&mut self, names: &str) {
        let instances = names.split(' ').map(|name| self.at(name)).collect();
        self.tell(Event::Cleared { instances, reopens: true });
        self.tell(Event::Begin);
    }

    pub(crate) fn mark(&mut self, name: &str, state: TaskState) {
        self.tell(Event::InstancesMarked { instances: vec![self.at(name)], state });
    }

    /// Says which tasks have to wait for the run before.
    fn past(&mut self, blocked: &[(&str, past::Unmet)]) {
        let blocked = blocked.iter().map(|(name, why)| (self.at(name).task, *why)).collect();
        self.tell(Event::PastSeen { blocked });
    }

    pub(crate) fn state(&self, name: &str) -> String {
        self.run.get(self.at(name)).map_or("absent".to_owned(), |instance| instance.state.to_string())
    }

    /// All task instances with their states.
    pub(crate) fn states(&self) -> String {
        let named = |at: InstanceIndex| match at.map_index {
            -1 => self.run.dag.task(at.task).task_id.clone(),
            index => format!("{}[{index}]", self.run.dag.task(at.task).task_id),
        };
        self.run
            .instances()
            .map(|(at, instance)| format!("{}={}", named(at), instance.state))
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(crate) fn reason(&self, name: &str) -> &str {
        self.run.instance(self.at(name)).reason.as_deref().unwrap_or_default()
    }
}

/// `a b > c` is two tasks and one that waits for both; chains are separated by commas.
pub(crate) fn graph(text: &str) -> Vec<(Task, Vec<String>)> {
    let mut tasks: Vec<(Task, Vec<String>)> = Vec::new();
    for chain in text.split(", ") {
        let mut before: Vec<String> = Vec::new();
        for link in chain.split(" > ") {
            let names: Vec<String> = link.split(' ').map(str::to_owned).collect();
            for name in &names {
                if !tasks.iter().any(|(task, _)| task.task_id == *name) {
                    tasks.push((named(name), Vec::new()));
                }
                let (_, upstream) = tasks.iter_mut().find(|(task, _)| task.task_id == *name).unwrap();
                upstream.extend(before.iter().cloned());
            }
            before = names;
        }
    }
    tasks
}

pub(crate) fn dag(text: &str, change: impl Fn(&mut Task)) -> Dag {
    let mut tasks = graph(text);
    for (task, _) in &mut tasks {
        change(task);
    }
    Dag::new(head(), tasks).unwrap()
}

pub(crate) fn over(task_id: &str) -> Mapping {
    let output = MappedValues::Output { task_id: task_id.to_owned(), key: "return_value".to_owned() };
    Mapping::Product(vec![("x".to_owned(), output)])
}

/// Section 6: only direct downstream tasks that are not followed are skipped; what comes after a followed one is followed.
#[test]
fn a_branch_skips_what_it_does_not_follow() {
    let mut play = Play::of(dag("branch > a b join, a b > join > end", |task| {
        if task.task_id == "join" {
            task.trigger_rule = TriggerRule::NoneFailedMinOneSuccess;
        }
    }));
    play.decide("branch", Next::Only(vec!["a".to_owned()]));
    assert_eq!(play.states(), "branch=success a=scheduled b=skipped join=none end=none");
    play.succeed("a join end");
    assert_eq!(play.run.state, RunState::Success);
}

/// Section 6: nothing followed skips all direct downstream tasks, the rest follows by trigger rules.
#[test]
fn a_branch_that_follows_nothing_skips_its_direct_downstream() {
    let mut play = Play::of(dag("branch > a > b, branch > c", |task| {
        if task.task_id == "b" {
            task.trigger_rule = TriggerRule::AllDone;
        }
    }));
    play.decide("branch", Next::Only(Vec::new()));
    assert_eq!(play.states(), "branch=success a=skipped b=scheduled c=skipped");
}

/// Section 6: an unknown id fails the task, and trying again would not help.
#[test]
fn a_branch_to_nowhere_fails() {
    let mut play = Play::of(dag("branch > a", |task| task.retries = 3));
    play.decide("branch", Next::Only(vec!["nowhere".to_owned()]));
    assert_eq!(play.states(), "branch=failed a=upstream_failed");
    let error = play.run.instance(play.at("branch")).error.clone().unwrap();
    assert_eq!(error, "it decided for `nowhere`, which is neither a task nor a group of this DAG");
}

/// Section 6: a short circuit skips all descendants whatever their rules are, save teardowns.
#[test]
fn a_short_circuit_cuts_off_everything() {
    let mut play = Play::of(dag("gate > a > b > undo", |task| match task.task_id.as_str() {
        "b" => task.trigger_rule = TriggerRule::AllDone,
        "undo" => {
            task.role = TaskRole::Teardown { fails_run: false };
            task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
        }
        _ => {}
    }));
    play.decide("gate", Next::Nothing);
    assert_eq!(play.states(), "gate=success a=skipped b=skipped undo=scheduled");
}

/// Section 6: the decision is remembered, so that a task that is cleared is skipped again.
#[test]
fn what_was_skipped_is_skipped_again_when_it_is_cleared() {
    let mut play = Play::of(dag("branch > a b", |_| {}));
    play.decide("branch", Next::Only(vec!["a".to_owned()]));
    play.succeed("a");
    play.clear("b");
    assert_eq!(play.states(), "branch=success a=success b=skipped");
    play.clear("branch a b");
    play.decide("branch", Next::Only(vec!["b".to_owned()]));
    assert_eq!(play.states(), "branch=success a=skipped b=scheduled");
}

/// Section 8: one instance until it is known over what, then one for each item; what comes after waits for all of them.
#[test]
fn a_mapped_task_becomes_as_many_as_there_are_items() {
    let mut play = Play::of(dag("items > work > join", |task| {
        if task.task_id == "work" {
            task.mapping = Some(over("items"));
        }
    }));
    assert_eq!(play.reason("work"), "waits for what items leaves to map over");
    play.leave("items", 2);
    assert_eq!(play.states(), "items=success work[0]=scheduled work[1]=scheduled join=none");
    play.succeed("work[1]");
    assert_eq!(play.reason("join"), "waits for work");
    play.succeed("work[0] join");
    assert_eq!(play.run.state, RunState::Success);
}

/// Section 8: nothing to map over skips; a failure upstream fails; what is no list fails the task that left it.
#[test]
fn a_mapped_task_without_items_ends_as_airflow_says() {
    let mapped = || {
        dag("items > work", |task| {
            if task.task_id == "work" {
                task.mapping = Some(over("items"));
            }
        })
    };
    let ends = |end: TryEnd| {
        let mut play = Play::of(mapped());
        play.end("items", end);
        play.states()
    };
    let success = |pushed: Pushed| TryEnd::Success { pushed, next: Next::Everything };
    assert_eq!(ends(success(Pushed::Items(0))), "items=success work=skipped");
    assert_eq!(ends(success(Pushed::Value)), "items=failed work=upstream_failed");
    assert_eq!(ends(success(Pushed::Items(1025))), "items=failed work=upstream_failed");
    let mut longer = Play::of(mapped());
    longer.run.map_length_max = 1025;
    longer.leave("items", 1025);
    assert_eq!(longer.run.indices(longer.at("work").task).count(), 1025);
    assert_eq!(ends(success(Pushed::Nothing)), "items=success work=upstream_failed");
    assert_eq!(
        ends(TryEnd::Skipped { reason: String::new() }),
        "items=success work=skipped".replace("items=success", "items=skipped")
    );
}

/// Section 8: over the results of a mapped task is mapped as over a list of them, whatever each of them is.
#[test]
fn a_task_can_be_mapped_over_what_the_instances_of_another_leave() {
    let mut play = Play::of(dag("items > work > again", |task| match task.task_id.as_str() {
        "work" => task.mapping = Some(over("items")),
        "again" => task.mapping = Some(over("work")),
        _ => (),
    }));
    play.leave("items", 2);
    for name in ["work[0]", "work[1]"] {
        play.end(name, TryEnd::Success { pushed: Pushed::Value, next: Next::Everything });
    }
    assert_eq!(play.states(), "items=success work[0]=success work[1]=success again[0]=scheduled again[1]=scheduled");
}

/// Section 8: cross product, and literal lists are known from the start.
#[test]
fn several_arguments_make_a_cross_product() {
    let play = Play::of(dag("work", |task| {
        let literal = |items| MappedValues::Literal(items);
        task.mapping = Some(Mapping::Product(vec![
            ("a".to_owned(), literal(vec![json!(1), json!(2)])),
            ("b".to_owned(), literal(vec![json!("x"), json!("y"), json!("z")])),
        ]));
    }));
    assert_eq!(play.run.instances().count(), 6);
}

/// Section 8: run again with another length, extra indices are removed and new ones made.
#[test]
fn a_mapped_task_that_runs_again_takes_the_new_length() {
    let mut play = Play::of(dag("items > work", |task| {
        if task.task_id == "work" {
            task.mapping = Some(over("items"));
        }
    }));
    play.leave("items", 3);
    play.succeed("work[0] work[1] work[2]");
    play.clear("items work[0] work[1] work[2]");
    assert_eq!(play.states(), "items=scheduled work[0]=none work[1]=none work[2]=none");
    play.leave("items", 1);
    assert_eq!(play.states(), "items=success work[0]=scheduled work[1]=removed work[2]=removed");
    play.succeed("work[0]");
    play.clear("items work[0]");
    play.leave("items", 2);
    assert_eq!(play.states(), "items=success work[0]=scheduled work[1]=scheduled work[2]=removed");
}

/// Section 8: that holds of instances, too, that nobody cleared: how they ended says nothing of the run any more.
#[test]
fn what_a_mapped_task_has_too_many_of_is_removed_however_it_ended() {
    let mut play = Play::of(dag("items > work", |task| {
        if task.task_id == "work" {
            task.mapping = Some(over("items"));
        }
    }));
    play.leave("items", 3);
    play.succeed("work[0] work[1]");
    play.fail("work[2]");
    play.clear("items work[0]");
    play.leave("items", 1);
    assert_eq!(play.states(), "items=success work[0]=scheduled work[1]=removed work[2]=removed");
    play.succeed("work[0]");
    assert_eq!(play.run.state, RunState::Success);
}

/// Section 8: what waits for a mapped task goes on when the instance that kept it is wanted no more; wanted again, that
/// instance begins anew.
#[test]
fn what_waits_goes_on_when_an_instance_is_removed() {
    let mut play = Play::of(dag("items > work > end", |task| {
        if task.task_id == "work" {
            task.mapping = Some(over("items"));
        }
    }));
    play.leave("items", 3);
    play.succeed("work[0] work[1]");
    play.fail("work[2]");
    assert_eq!(play.states(), "items=success work[0]=success work[1]=success work[2]=failed end=upstream_failed");
    play.clear("items work[2] end");
    play.leave("items", 2);
    assert_eq!(play.states(), "items=success work[0]=success work[1]=success work[2]=removed end=scheduled");
    play.succeed("end");
    assert_eq!(play.run.state, RunState::Success);

    play.clear("items work[0] end");
    play.leave("items", 3);
    assert_eq!(play.states(), "items=success work[0]=scheduled work[1]=success work[2]=scheduled end=none");
    assert_eq!(play.run.instance(play.at("work[2]")).try_number, 2);
}

/// Section 3: a task that one version took away and a later one has again is restored, mapped or not. Its tries go on.
#[test]
fn a_task_that_is_there_again_begins_anew_after_its_earlier_tries() {
    let mut play = Play::of(dag("items > work, items > end", |task| {
        if task.task_id == "work" {
            task.mapping = Some(over("items"));
        }
    }));
    play.leave("items", 2);
    play.succeed("work[0] work[1] end");
    let away = dag("items", |_| {});
    let removed = |(at, instance): (InstanceIndex, &Instance)| {
        let is_away = away.find(&play.run.dag.task(at.task).task_id).is_none();
        let state = if is_away { TaskState::Removed } else { instance.state };
        (at, Instance { state, ..instance.clone() })
    };
    let stored: Vec<_> = play.run.instances().map(removed).collect();
    let mut run = Run::restore(Arc::clone(&play.run.dag), "one".to_owned(), None, RunState::Success, stored);
    let step = run.bring_back(&away, NOW);
    let tries: Vec<u32> = step.superseded.iter().map(|(_, ended)| ended.try_number).collect();
    assert_eq!(tries, [1, 1, 1], "what was tried goes into history");

    let mut play = Play::with(run);
    assert_eq!(play.states(), "items=success work[0]=none work[1]=none end=none");
    play.tell(Event::Cleared { instances: Vec::new(), reopens: true });
    play.tell(Event::Begin);
    assert_eq!(play.states(), "items=success work[0]=scheduled work[1]=scheduled end=scheduled");
    for name in ["work[0]", "work[1]", "end"] {
        assert_eq!(play.run.instance(play.at(name)).try_number, 2, "{name}");
    }
}

/// Section 8: within a mapped group the instances go in pairs; what comes after the group waits for all of them.
#[test]
fn a_mapped_group_goes_in_pairs() {
    let mut tasks = graph("items > g.a > g.b > end");
    for (task, _) in &mut tasks {
        if task.task_id.starts_with("g.") {
            task.group = Some("g".to_owned());
        }
    }
    let group = TaskGroup {
        group_id: "g".to_owned(),
        display_name: None,
        parent: None,
        tooltip: None,
        mapping: Some(over("items")),
    };
    let mut head = head();
    head.groups = vec![group];
    let mut play = Play::of(Dag::new(head, tasks).unwrap());
    play.leave("items", 2);
    assert_eq!(play.states(), "items=success g.a[0]=scheduled g.a[1]=scheduled g.b[0]=none g.b[1]=none end=none");
    play.fail("g.a[1]");
    assert_eq!(play.state("g.b[1]"), "upstream_failed");
    play.succeed("g.a[0]");
    assert_eq!(play.state("g.b[0]"), "scheduled");
}

/// Section 7: a task needs the setups in whose scope it is, and the teardown runs however the work went.
#[test]
fn setups_are_needed_and_teardowns_run_whatever_happens() {
    let cluster = || {
        dag("make > a > b > drop, make > drop", |task| match task.task_id.as_str() {
            "make" => task.role = TaskRole::Setup,
            "b" => task.trigger_rule = TriggerRule::AllDone,
            "drop" => {
                task.role = TaskRole::Teardown { fails_run: false };
                task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
            }
            _ => {}
        })
    };
    let mut play = Play::of(cluster());
    play.fail("make");
    assert_eq!(play.states(), "make=failed a=upstream_failed b=upstream_failed drop=upstream_failed");

    let mut play = Play::of(cluster());
    play.succeed("make");
    play.fail("a");
    play.succeed("b");
    play.fail("drop");
    assert_eq!(
        (play.states().as_str(), play.run.state),
        ("make=success a=failed b=success drop=failed", RunState::Success)
    );
}

/// Section 14: what a person, or `fail_fast`, said of the end of a run does not hold for what is cleared after that, while the
/// teardowns run.
#[test]
fn what_is_cleared_decides_the_run_anew() {
    let mut play = Play::of(dag("make > work > drop, make > drop", |task| match task.task_id.as_str() {
        "make" => task.role = TaskRole::Setup,
        "drop" => {
            task.role = TaskRole::Teardown { fails_run: false };
            task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
        }
        _ => {}
    }));
    play.succeed("make");
    play.tell(Event::Marked { state: RunState::Failed });
    assert_eq!(play.states(), "make=success work=skipped drop=scheduled");
    play.clear("work");
    assert_eq!(play.states(), "make=success work=scheduled drop=none");
    play.succeed("work drop");
    assert_eq!(play.run.state, RunState::Success);
}

/// Section 2: `fail_fast` fails what runs and skips what waits.
#[test]
fn fail_fast_ends_a_run_at_its_first_failure() {
    let mut head = head();
    head.runs = DagRunPolicy { fail_fast: true, ..DagRunPolicy::default() };
    let mut play = Play::of(Dag::new(head, graph("a > b, c > d, e")).unwrap());
    play.start("c");
    play.fail("a");
    assert_eq!(play.states(), "a=failed b=skipped c=failed d=skipped e=skipped");
    assert_eq!(play.run.state, RunState::Failed);
}

/// Section 14: marking a task gives what failed because of it another chance.
#[test]
fn a_mark_lets_the_downstream_run() {
    let mut play = Play::of(dag("a > b > c", |_| {}));
    play.fail("a");
    assert_eq!(play.run.state, RunState::Failed);
    play.mark("a", TaskState::Success);
    assert_eq!((play.states().as_str(), play.run.state), ("a=success b=none c=none", RunState::Queued));
    play.tell(Event::Begin);
    play.succeed("b c");
    assert_eq!(play.run.state, RunState::Success);
    play.mark("c", TaskState::Failed);
    assert_eq!(play.run.state, RunState::Failed);
}

/// Section 14: what runs when it is cleared is stopped, and begins anew with fresh retries; its result is forgotten.
#[test]
fn clearing_a_running_task_starts_it_again() {
    let mut play = Play::of(dag("a > b", |task| task.retries = 1));
    let try_id = play.start("a");
    let step = play.run.step(Event::Cleared { instances: vec![play.at("a")], reopens: true }, NOW).unwrap();
    assert_eq!(step.abandoned, [try_id]);
    assert_eq!(play.state("a"), "restarting");
    let step = play.run.step(Event::TryEnded { at: play.at("a"), try_id, end: TryEnd::success() }, NOW).unwrap();
    assert!(step.result_is_void);
    assert_eq!(play.states(), "a=scheduled b=none");
    let a = play.run.instance(play.at("a"));
    assert_eq!((a.try_number, a.max_tries), (2, 2));
}

/// Airflow 3: §3, `prev_dagrun_dep.py`. Which tasks wait for the run before, given how it stands.
#[rstest]
#[case::no_run_before("a: itself", None, "")]
#[case::well("a: itself, b: itself", Some("a=success b=skipped"), "")]
#[case::not_well("a: itself, b: itself, c: itself", Some("a=failed b=upstream_failed c=running"), "a b c")]
#[case::not_begun("a: itself", Some("a=none"), "a")]
#[case::up_for_retry("a: itself", Some("a=up_for_retry"), "a")]
#[case::one_of_several_instances("a: itself", Some("a=success a=failed"), "a")]
#[case::downstream_is_not_asked_about("a: itself", Some("a=success b=failed"), "")]
#[case::downstream("a: downstream", Some("a=success b=failed"), "a")]
#[case::only_direct_downstream("a: downstream", Some("a=success b=success c=failed"), "")]
#[case::downstream_that_is_new("a: downstream", Some("a=success"), "")]
#[case::downstream_needs_itself("a: downstream", Some("a=failed b=success"), "a")]
#[case::new_task("b: itself", Some("a=success"), "b!")]
#[case::new_task_that_may("b: itself first", Some("a=success"), "")]
#[case::task_that_was_away("b: itself first", Some("a=success -b"), "b!")]
#[case::task_that_is_not_well("b: itself first", Some("b=failed"), "b")]
fn tasks_wait_for_the_run_before(#[case] waits: &str, #[case] before: Option<&str>, #[case] expected: &str) {
    let dag = dag("a > b > c", |task| {
        let own = waits.split(", ").find_map(|one| one.strip_prefix(&format!("{}: ", task.task_id)));
        let Some(own) = own else { return };
        task.past =
            if own.starts_with("downstream") { PastDependency::ItselfAndDownstream } else { PastDependency::Itself };
        task.ignores_first_past = own.ends_with("first");
    });
    let before = before.map(|text| {
        let mut before = past::RunBefore::default();
        for word in text.split(' ') {
            match word.split_once('=') {
                Some((id, state)) => {
                    let state = Some(state).filter(|state| *state != "none");
                    let state = TaskState::from_word(state).unwrap();
                    before.states.entry(id.to_owned()).or_default().push(state);
                }
                None => {
                    before.had_earlier.insert(word.trim_start_matches('-').to_owned());
                }
            }
        }
        before
    });

    let told: Vec<String> = past::blocked(&dag, before.as_ref())
        .into_iter()
        .map(|(task, why)| {
            let mark = if why == past::Unmet::Absent { "!" } else { "" };
            format!("{}{mark}", dag.task(task).task_id)
        })
        .collect();

    assert_eq!(told.join(" "), expected);
}

/// Airflow 3: §3. With `catchup` a task does not wait for a run that is about a time before its own start.
#[rstest]
#[case::with_catchup(true, "2026-01-31", true)]
#[case::which_it_was_in(true, "2026-02-01", false)]
#[case::without(false, "2026-01-31", false)]
fn a_task_does_not_wait_for_a_run_before_its_start(
    #[case] catches_up: bool,
    #[case] before: &str,
    #[case] may_start: bool,
) {
    let mut tasks = graph("a");
    (tasks[0].0.past, tasks[0].0.start_date) = (PastDependency::Itself, Some(day("2026-02-01")));
    let mut head = head();
    head.runs.catchup.mode = if catches_up { CatchupMode::All } else { CatchupMode::Latest };
    let dag = Dag::new(head, tasks).unwrap();
    let before = past::RunBefore { logical_date: Some(day(before)), ..past::RunBefore::default() };
    assert_eq!(past::blocked(&dag, Some(&before)).is_empty(), may_start);
}

/// Airflow 3: §3. Who waits for the run before says so, and starts when that lets it.
#[test]
fn who_waits_for_the_run_before_says_so() {
    let mut play = Play::of(dag("a > b, c", |task| {
        if task.task_id != "b" {
            task.past = PastDependency::Itself;
        }
    }));
    assert_eq!(play.states(), "a=none b=none c=none", "nobody has looked");
    assert_eq!(play.reason("a"), "waits for the run before");
    play.past(&[("a", past::Unmet::Absent)]);
    assert_eq!(play.states(), "a=none b=none c=scheduled");
    assert_eq!(play.reason("a"), "waits for the run before, which does not have the task");
    play.past(&[]);
    assert_eq!(play.states(), "a=scheduled b=none c=scheduled");
}

/// Section 3: `wait_for_past_depends_before_skipping` holds up a skip until the run before lets the task go; without it a task
/// that waits for the run before is skipped at once.
#[test]
fn a_skip_can_wait_for_the_run_before() {
    let mut play = Play::of(dag("a > b, a > c", |task| {
        if task.task_id != "a" {
            task.past = PastDependency::Itself;
        }
        task.past_before_skipping = task.task_id == "b";
    }));
    play.past(&[("b", past::Unmet::NotWell), ("c", past::Unmet::NotWell)]);
    play.end("a", TryEnd::Skipped { reason: "no".to_owned() });
    assert_eq!(play.states(), "a=skipped b=none c=skipped");
    assert_eq!(play.reason("b"), "waits for the run before");
    assert_eq!(play.run.state, RunState::Running);

    play.past(&[]);
    assert_eq!(play.states(), "a=skipped b=skipped c=skipped");
    assert_eq!(play.run.state, RunState::Success);
}

fn day(date: &str) -> DateTime<Utc> {
    format!("{date}T00:00:00Z").parse().unwrap()
}

/// Section 1, tasks with dates of their own: outside of them a task does not run, whatever comes before it. Airflow makes no
/// instance of it then, except in a backfill; here there is one, which is skipped and says why.
#[test]
fn a_task_keeps_to_its_dates() {
    let dated = || {
        dag("a > b > c, b > d", |task| match task.task_id.as_str() {
            "b" => (task.start_date, task.end_date) = (Some(day("2026-02-01")), Some(day("2026-03-01"))),
            "d" => task.trigger_rule = TriggerRule::NoneFailed,
            _ => {}
        })
    };
    for (date, is_backfill, expected) in [
        ("2026-01-31", false, "a=scheduled b=skipped c=skipped d=scheduled"),
        ("2026-02-01", false, "a=scheduled b=none c=none d=none"),
        ("2026-03-01", false, "a=scheduled b=none c=none d=none"),
        ("2026-03-02", false, "a=scheduled b=skipped c=skipped d=scheduled"),
        ("2026-03-02", true, "a=scheduled b=none c=none d=none"),
    ] {
        assert_eq!(Play::about(dated(), date, is_backfill).states(), expected, "{date}, backfill: {is_backfill}");
    }
    assert_eq!(Play::of(dated()).states(), "a=scheduled b=none c=none d=none", "a run without a date");

    let mut play = Play::about(dated(), "2026-01-31", false);
    let expected = "the logical date 2026-01-31T00:00:00Z is before the task's start_date 2026-02-01T00:00:00Z";
    assert_eq!((play.reason("b"), play.reason("c")), (expected, ""));
    play.succeed("a d");
    assert_eq!(play.run.state, RunState::Success);
    play.clear("b");
    assert_eq!(play.state("b"), "skipped", "clearing it does not change its dates");
}

/// The same of a mapped task: what it is mapped over is not waited for.
#[test]
fn a_mapped_task_keeps_to_its_dates() {
    let mut tasks = graph("items > work > end");
    for (task, _) in &mut tasks {
        if task.task_id == "work" {
            task.mapping = Some(over("items"));
            task.end_date = Some(day("2026-01-01"));
        }
    }
    let mut play = Play::about(Dag::new(head(), tasks).unwrap(), "2026-02-01", false);
    assert_eq!(play.states(), "items=scheduled work=skipped end=skipped");
    play.leave("items", 3);
    assert_eq!((play.states().as_str(), play.run.state), ("items=success work=skipped end=skipped", RunState::Success));
}

/// Section 14, marking a run: what was only handed out is pending and is skipped, as what waits is; what runs takes the state.
#[test]
fn marking_a_run_skips_what_was_only_handed_out() {
    let mut play = Play::of(dag("a, b, c > d", |_| {}));
    play.tell(Event::TryQueued { at: play.at("a"), try_id: Uuid::from_u128(99) });
    play.start("b");
    let step = play.run.step(Event::Marked { state: RunState::Failed }, NOW).unwrap();

    assert_eq!(play.states(), "a=skipped b=failed c=skipped d=skipped");
    assert!(step.abandoned.contains(&Uuid::from_u128(99)), "its worker is told: {:?}", step.abandoned);
}
