//! What the tasks of a DAG may not be together, told with places.

use super::collect::Problems;
use super::problem::{Code, Problem};
use super::read_groups::Groups;
use super::read_task::ReadTask;
use crate::dag::{TaskRole, TriggerRule};

/// Notes every rule that a task or a group breaks.
pub(super) fn check(tasks: &[ReadTask], groups: &Groups, fail_fast: bool, problems: &mut Problems) {
    for (index, group) in groups.list.iter().enumerate() {
        let around = groups.around(group.parent).find(|outer| groups.list[*outer].mapping.is_some());
        if let (Some(own), Some(outer)) = (&group.mapping, around) {
            let subject = format!("group `{}`", groups.list[index].id);
            problems.push(mapped_twice(&subject, own.place, &groups.list[outer].id));
        }
    }
    for read in tasks {
        teardown(read, problems);
        let mapped = groups.around(read.group).find(|group| groups.list[*group].mapping.is_some());
        if let Some(group) = mapped {
            within_mapped(read, &groups.list[group].id, problems);
        }
        if fail_fast {
            fits_fail_fast(read, problems);
        }
    }
}

/// Airflow 3: the trigger rule of a teardown cannot be chosen, and no other task has it.
fn teardown(read: &ReadTask, problems: &mut Problems) {
    let is_teardown = matches!(read.task.role, TaskRole::Teardown { .. });
    match (is_teardown, read.task.trigger_rule == TriggerRule::AllDoneSetupSuccess) {
        (true, false) => problems.push(
            Problem::new(
                Code::InvalidValue,
                format!("the trigger rule of {} cannot be chosen: it is a teardown", read.subject()),
                read.rule_place.unwrap_or(read.id_place),
                "not here",
            )
            .help("a teardown always has the rule `all_done_setup_success`"),
        ),
        (false, true) => problems.push(
            Problem::new(
                Code::InvalidValue,
                format!("{} has the trigger rule of teardowns, and is none", read.subject()),
                read.rule_place.unwrap_or(read.id_place),
                "only for teardowns",
            )
            .help("write `is_teardown: true`, or another trigger rule"),
        ),
        _ => (),
    }
}

/// Airflow 3: mapped task groups.
fn within_mapped(read: &ReadTask, group: &str, problems: &mut Problems) {
    if let Some(own) = &read.mapping {
        problems.push(mapped_twice(&read.subject(), own.place, group));
    }
    if read.task.trigger_rule == TriggerRule::Always {
        let message = format!("{} cannot have the trigger rule `always` in the mapped group `{group}`", read.subject());
        problems.push(
            Problem::new(
                Code::InvalidValue,
                message,
                read.rule_place.unwrap_or(read.id_place),
                "not in a mapped group",
            )
            .help("it could start before anybody knows how many instances there are; `all_done` waits for that"),
        );
    }
}

fn mapped_twice(subject: &str, place: super::source::Place, group: &str) -> Problem {
    let message = format!("{subject} is mapped, and lies in the mapped group `{group}`");
    Problem::new(Code::InvalidValue, message, place, "mapped within mapped")
        .help("a mapped group holds tasks and groups that are not mapped themselves")
}

/// Airflow 3: `FailFastDagInvalidTriggerRule`.
fn fits_fail_fast(read: &ReadTask, problems: &mut Problems) {
    if matches!(read.task.trigger_rule, TriggerRule::AllSuccess | TriggerRule::AllDoneSetupSuccess) {
        return;
    }
    let message =
        format!("{} must have the trigger rule `all_success`, because the DAG says `fail_fast`", read.subject());
    problems.push(
        Problem::new(Code::InvalidValue, message, read.rule_place.unwrap_or(read.id_place), "not with `fail_fast`")
            .help("take the rule or `fail_fast` away; what must run in any case is a teardown"),
    );
}
