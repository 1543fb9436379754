//! `updraft runs clear` and `updraft tasks clear`: letting things run again.

use scheduler::control::{Affected, ClearRun, ClearTasks, ClearedRun, Relatives, Runs, StatesMeant, TaskRef};
use serde_json::{Value, json};

use super::installation::Installation;
use crate::cli::ClearTasksArgs;
use crate::output::{self, Output};
use crate::report::{BadInput, Status};
use crate::terminal;

/// Clears a run.
pub async fn run(
    installation: &Installation,
    dag_id: &str,
    run_id: &str,
    clear: ClearRun,
    output: Output,
) -> anyhow::Result<Status> {
    let is_dry = clear.dry_run;
    let ClearedRun { instances, new_tasks } = installation.control.clear_run(dag_id, run_id, clear, None).await?;
    let data = json!({
        "dry_run": is_dry,
        "task_instances": instances.iter().map(view).collect::<Vec<_>>(),
        "new_tasks": new_tasks,
    });
    output.print(&data, |_| {
        let new = match new_tasks.len() {
            0 => String::new(),
            count => format!(", and {count} new: {}", new_tasks.join(", ")),
        };
        format!("{}\n{}{new}", listed(&instances), counted(instances.len(), is_dry))
    })?;
    Ok(Status::Done)
}

/// Clears task instances, once the person has seen which.
pub async fn tasks(installation: &Installation, args: ClearTasksArgs, output: Output) -> anyhow::Result<Status> {
    let ClearTasksArgs { dag_id, run_id, .. } = &args;
    let clear = ClearTasks {
        runs: Runs::One(run_id.clone()),
        tasks: args.tasks.iter().map(|named| task_ref(named)).collect::<anyhow::Result<_>>()?,
        relatives: Relatives {
            upstream: args.upstream,
            downstream: args.downstream,
            past: args.past,
            future: args.future,
        },
        states: if args.only_failed { StatesMeant::Failed } else { StatesMeant::Any },
        run_on_latest_version: args.latest_version,
        prevent_running_task: false,
        reset_runs: true,
        note: None,
        dry_run: true,
    };
    let mut affected = installation.control.clear_tasks(dag_id, clear.clone(), None).await?;
    let is_dry = args.dry_run || affected.is_empty();
    if !is_dry {
        if !args.yes {
            terminal::line(&listed(&affected));
            let question = format!("clear {}?", instances(affected.len()));
            if !agreed(&question, "whether to clear them")? {
                return Ok(Status::Done);
            }
        }
        affected = installation.control.clear_tasks(dag_id, ClearTasks { dry_run: false, ..clear }, None).await?;
    }
    let data = json!({ "dry_run": args.dry_run, "task_instances": affected.iter().map(view).collect::<Vec<_>>() });
    output.print(&data, |_| format!("{}\n{}", listed(&affected), counted(affected.len(), args.dry_run)))?;
    Ok(Status::Done)
}

/// The person's answer to a question; a mistake when nobody is there to be asked.
pub(super) fn agreed(question: &str, about: &str) -> anyhow::Result<bool> {
    let nobody = || BadInput::new(format!("nobody is there to be asked {about}")).hint("say so with --yes");
    Ok(terminal::confirm(question).ok_or_else(nobody)?)
}

/// A task or group by its id, or with `[n]` after it one instance of a mapped task.
pub(super) fn task_ref(named: &str) -> anyhow::Result<TaskRef> {
    let Some((task_id, rest)) = named.split_once('[') else {
        return Ok(TaskRef { task_id: named.to_owned(), map_index: None });
    };
    let map_index = rest.strip_suffix(']').and_then(|index| index.parse().ok()).filter(|index: &i32| *index >= 0);
    let Some(map_index) = map_index else {
        return Err(BadInput::new(format!("`{named}` is no task"))
            .hint("an instance is written like `task[3]`")
            .into());
    };
    Ok(TaskRef { task_id: task_id.to_owned(), map_index: Some(map_index) })
}

/// A task instance, for programs.
pub(super) fn view(affected: &Affected) -> Value {
    json!({
        "dag_id": affected.dag_id,
        "dag_run_id": affected.run_id,
        "task_id": affected.task_id,
        "map_index": affected.map_index,
    })
}

/// Task instances, for people.
pub(super) fn listed(affected: &[Affected]) -> String {
    if affected.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> =
        affected.iter().map(|one| vec![one.run_id.clone(), shown(&one.task_id, one.map_index)]).collect();
    output::table(&["RUN", "TASK"], &rows)
}

/// A task instance as people write it.
pub(super) fn shown(task_id: &str, map_index: i32) -> String {
    if map_index < 0 { task_id.to_owned() } else { format!("{task_id}[{map_index}]") }
}

fn instances(count: usize) -> String {
    if count == 1 { "1 task instance".to_owned() } else { format!("{count} task instances") }
}

fn counted(count: usize, is_dry: bool) -> String {
    format!("{} {}", instances(count), if is_dry { "would be cleared" } else { "cleared" })
}
