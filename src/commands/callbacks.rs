//! `updraft callbacks`: what was told to whom, what could not be told, and telling it again.

use anyhow::Context;
use scheduler::store::callbacks::CallbackState;
use scheduler::store::entity::callback_request;
use scheduler::store::read::{self, CallbackFilter, Direction, Paging, Sorting};
use serde_json::{Value, json};
use uuid::Uuid;

use super::clear;
use super::installation::Installation;
use crate::cli::{CallbacksCommand, CallbacksListArgs};
use crate::config::Config;
use crate::output::{self, Output};
use crate::report::Status;

/// Most callbacks that are told again at once by their state.
const RETRIED_MAX: u64 = 10_000;

/// Runs the command.
pub async fn run(command: CallbacksCommand, config: Config, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    match command {
        CallbacksCommand::List(args) => list(&installation, args, output).await,
        CallbacksCommand::Retry { ids, failed, dag_id } => {
            let ids = if failed { all_failed(&installation, dag_id).await? } else { ids };
            retry(&installation, &ids, output).await
        }
    }
}

async fn list(installation: &Installation, args: CallbacksListArgs, output: Output) -> anyhow::Result<Status> {
    let CallbacksListArgs { dag_id, run_id, states, limit } = args;
    let states = states.into_iter().map(CallbackState::from).collect();
    let filter = CallbackFilter { dag_id, run_id, task_id: None, states };
    let rows = found(installation, &filter, limit).await?;
    output.print(&rows.iter().map(data).collect::<Vec<_>>(), |_| {
        if rows.is_empty() {
            return "no callbacks".to_owned();
        }
        let head = ["ID", "STATE", "CALLED", "DAG", "RUN", "TASK", "CALLBACK", "THROUGH", "TO", "ATTEMPTS", "ERROR"];
        output::table(&head, &rows.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Status::Done)
}

async fn retry(installation: &Installation, ids: &[Uuid], output: Output) -> anyhow::Result<Status> {
    let mut retried = Vec::with_capacity(ids.len());
    for id in ids {
        retried.push(installation.control.retry_callback(*id, None).await?);
    }
    output.print(&retried.iter().map(data).collect::<Vec<_>>(), |_| match retried.as_slice() {
        [] => "no callback has failed".to_owned(),
        [one] => format!("{} of {} is told again", one.kind, one.run_id),
        several => format!("{} callbacks are told again", several.len()),
    })?;
    Ok(Status::Done)
}

async fn all_failed(installation: &Installation, dag_id: Option<String>) -> anyhow::Result<Vec<Uuid>> {
    let filter = CallbackFilter { dag_id, states: vec![CallbackState::Failed], ..CallbackFilter::default() };
    Ok(found(installation, &filter, RETRIED_MAX).await?.into_iter().map(|row| row.id).collect())
}

/// The newest first.
async fn found(
    installation: &Installation,
    filter: &CallbackFilter,
    limit: u64,
) -> anyhow::Result<Vec<callback_request::Model>> {
    let key = read::callback_sort_key("id").context("callbacks have ids")?;
    let sorting = Sorting::new(vec![(key, Direction::Descending)]);
    let paging = Paging::Offset { limit, offset: 0 };
    Ok(read::list_callbacks(installation.db.read(), filter, &sorting, &paging).await?.rows)
}

fn data(row: &callback_request::Model) -> Value {
    let is_waiting = row.state == CallbackState::Waiting.word();
    json!({
        "id": row.id,
        "dag_id": row.dag_id,
        "dag_run_id": row.run_id,
        "task_id": row.task_id,
        "map_index": row.map_index,
        "try_number": row.try_number,
        "kind": row.kind,
        "state": row.state,
        "notifier": row.notifier,
        "receiver": row.receiver,
        "attempts": row.attempts,
        "error": row.error,
        "created_at": row.created_at,
        "next_attempt_at": is_waiting.then_some(row.due_at),
        "ended_at": row.ended_at,
    })
}

fn line(row: &callback_request::Model) -> Vec<String> {
    let task = row.task_id.as_deref().map(|task_id| clear::shown(task_id, row.map_index)).unwrap_or_default();
    vec![
        row.id.to_string(),
        row.state.clone(),
        super::dags::shown(row.created_at),
        row.dag_id.clone(),
        row.run_id.clone(),
        task,
        row.kind.clone(),
        row.notifier.clone().unwrap_or_default(),
        row.receiver.clone().unwrap_or_default(),
        row.attempts.to_string(),
        row.error.clone().unwrap_or_default(),
    ]
}
