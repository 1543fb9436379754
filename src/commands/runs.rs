//! `updraft runs`.

use chrono::{DateTime, Utc};
use scheduler::control::ClearRun;
use scheduler::store::entity::{dag_run, task_instance};
use scheduler::store::runs;
use serde_json::{Value, json};

use super::installation::Installation;
use super::{clear, mark};
use crate::cli::RunsCommand;
use crate::config::Config;
use crate::output::{self, Output};
use crate::report::{BadInput, Status};

/// Runs the command.
pub async fn run(command: RunsCommand, config: Config, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    match command {
        RunsCommand::List { dag_id, limit } => list(&installation, dag_id.as_deref(), limit, output).await,
        RunsCommand::Show { dag_id, run_id } => show(&installation, &dag_id, run_id.as_deref(), output).await,
        RunsCommand::Clear { dag_id, run_id, only_failed, latest_version, dry_run } => {
            let clear = ClearRun { only_failed, run_on_latest_version: latest_version, dry_run, ..ClearRun::default() };
            clear::run(&installation, &dag_id, &run_id, clear, output).await
        }
        RunsCommand::Mark { dag_id, run_id, state } => mark::run(&installation, &dag_id, &run_id, state, output).await,
        RunsCommand::Delete { dag_id, run_id, yes } => delete(&installation, (&dag_id, &run_id), yes, output).await,
    }
}

async fn list(installation: &Installation, dag_id: Option<&str>, limit: u16, output: Output) -> anyhow::Result<Status> {
    let rows = runs::newest(installation.db.read(), dag_id, u64::from(limit)).await?;
    let data: Vec<Value> = rows.iter().map(view).collect();
    output.print(&data, |_| {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|run| {
                vec![
                    run.dag_id.clone(),
                    run.run_id.clone(),
                    run.state.clone(),
                    shown(run.start_date),
                    duration(run.start_date, run.end_date),
                ]
            })
            .collect();
        output::table(&["DAG", "RUN", "STATE", "STARTED", "DURATION"], &rows)
    })?;
    Ok(Status::Done)
}

async fn show(
    installation: &Installation,
    dag_id: &str,
    run_id: Option<&str>,
    output: Output,
) -> anyhow::Result<Status> {
    let run = match run_id {
        Some(run_id) => runs::get(installation.db.read(), dag_id, run_id).await?,
        None => runs::newest(installation.db.read(), Some(dag_id), 1)
            .await?
            .pop()
            .ok_or_else(|| BadInput::new(format!("DAG `{dag_id}` has no runs")))?,
    };
    let instances = runs::instances(installation.db.read(), run.id).await?;
    let mut data = view(&run);
    data["task_instances"] = instances.iter().map(instance_view).collect();
    output.print(&data, |_| {
        format!(
            "{}  {}  {}  {}\n\n{}",
            run.dag_id,
            run.run_id,
            run.state,
            run.reason.clone().unwrap_or_else(|| duration(run.start_date, run.end_date)),
            instance_table(&instances)
        )
    })?;
    Ok(Status::Done)
}

async fn delete(
    installation: &Installation,
    (dag_id, run_id): (&str, &str),
    yes: bool,
    output: Output,
) -> anyhow::Result<Status> {
    let run = runs::get(installation.db.read(), dag_id, run_id).await?;
    let question = format!("delete run `{run_id}` of `{dag_id}`, which is {}?", run.state);
    if !yes && !clear::agreed(&question, "whether to delete the run")? {
        return Ok(Status::Done);
    }
    installation.control.delete_run(dag_id, run_id, None).await?;
    output.print(&json!({ "deleted": run_id }), |_| format!("{run_id}  deleted"))?;
    Ok(Status::Done)
}

/// Lists the task instances of a run.
pub(super) async fn list_instances(
    installation: &Installation,
    dag_id: &str,
    run_id: &str,
    output: Output,
) -> anyhow::Result<Status> {
    let run = runs::get(installation.db.read(), dag_id, run_id).await?;
    let instances = runs::instances(installation.db.read(), run.id).await?;
    let data: Vec<Value> = instances.iter().map(instance_view).collect();
    output.print(&data, |_| instance_table(&instances))?;
    Ok(Status::Done)
}

fn instance_table(instances: &[task_instance::Model]) -> String {
    let row = |instance: &task_instance::Model| {
        vec![
            clear::shown(&instance.task_id, instance.map_index),
            instance.state.clone().unwrap_or_else(|| "none".to_owned()),
            instance.try_number.to_string(),
            duration(instance.start_date, instance.end_date),
            instance.error.clone().or_else(|| instance.reason.clone()).unwrap_or_default(),
        ]
    };
    output::table(&["TASK", "STATE", "TRY", "DURATION", ""], &instances.iter().map(row).collect::<Vec<_>>())
}

fn view(run: &dag_run::Model) -> Value {
    json!({
        "dag_id": run.dag_id,
        "dag_run_id": run.run_id,
        "run_type": run.run_type,
        "state": run.state,
        "logical_date": run.logical_date,
        "run_after": run.run_after,
        "start_date": run.start_date,
        "end_date": run.end_date,
        "conf": run.conf,
        "note": run.note,
        "reason": run.reason,
    })
}

fn instance_view(instance: &task_instance::Model) -> Value {
    json!({
        "task_id": instance.task_id,
        "map_index": instance.map_index,
        "state": instance.state,
        "try_number": instance.try_number,
        "start_date": instance.start_date,
        "end_date": instance.end_date,
        "reason": instance.reason,
        "error": instance.error,
    })
}

fn shown(date: Option<DateTime<Utc>>) -> String {
    date.map(|date| date.format("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

fn duration(start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) -> String {
    match (start, end) {
        (Some(start), Some(end)) => format!("{:.1}s", (end - start).as_seconds_f64()),
        _ => String::new(),
    }
}
