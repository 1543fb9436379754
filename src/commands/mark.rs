//! `updraft runs mark` and `updraft tasks mark`: saying how things ended.

use scheduler::control::{MarkTasks, Relatives, RunPatch};
use scheduler::run::{RunState, TaskState};
use serde_json::json;

use super::clear::{listed, task_ref, view};
use super::installation::Installation;
use crate::cli::{MarkTasksArgs, RunEnd, TaskEnd};
use crate::output::Output;
use crate::report::Status;

/// Marks a run.
pub async fn run(
    installation: &Installation,
    dag_id: &str,
    run_id: &str,
    end: RunEnd,
    output: Output,
) -> anyhow::Result<Status> {
    let state = match end {
        RunEnd::Success => RunState::Success,
        RunEnd::Failed => RunState::Failed,
    };
    let patch = RunPatch { state: Some(state), note: None };
    let run = installation.control.patch_run(dag_id, run_id, patch, None).await?;
    let data = json!({ "dag_id": run.dag_id, "dag_run_id": run.run_id, "state": run.state });
    output.print(&data, |_| {
        let teardowns = if run.state == state.word() { "" } else { ", until its teardowns have run" };
        format!("{}  {}  {}{teardowns}", run.dag_id, run.run_id, run.state)
    })?;
    Ok(Status::Done)
}

/// Marks task instances.
pub async fn tasks(installation: &Installation, args: MarkTasksArgs, output: Output) -> anyhow::Result<Status> {
    let state = match args.state {
        TaskEnd::Success => TaskState::Success,
        TaskEnd::Failed => TaskState::Failed,
        TaskEnd::Skipped => TaskState::Skipped,
    };
    let mark = MarkTasks {
        run_id: args.run_id,
        tasks: args.tasks.iter().map(|named| task_ref(named)).collect::<anyhow::Result<_>>()?,
        relatives: Relatives {
            upstream: args.upstream,
            downstream: args.downstream,
            past: args.past,
            future: args.future,
        },
        state: Some(state),
        note: args.note,
        dry_run: args.dry_run,
    };
    let marked = installation.control.mark_tasks(&args.dag_id, mark, None).await?;
    let data = json!({
        "dry_run": args.dry_run,
        "state": state.word(),
        "task_instances": marked.iter().map(view).collect::<Vec<_>>(),
    });
    let done = if args.dry_run { "would be marked" } else { "marked" };
    output.print(&data, |_| format!("{}\n{done} {state}", listed(&marked)))?;
    Ok(Status::Done)
}
