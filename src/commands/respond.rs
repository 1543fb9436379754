//! `updraft tasks questions`, `approve`, `reject` and `respond`: what tasks ask of people, and answering it.

use anyhow::Context;
use scheduler::control::Response;
use scheduler::operator::TaskKey;
use scheduler::store::read::{self, Direction, HitlDetailFilter, Paging, Sorting};
use serde_json::{Map, Value, json};

use super::clear::task_ref;
use super::installation::Installation;
use crate::cli::RespondArgs;
use crate::output::Output;
use crate::report::{BadInput, Status};

/// Most questions that are listed.
const LISTED_MAX: u64 = 1000;

/// Lists what waits for an answer, oldest first.
pub async fn list(installation: &Installation, dag_id: Option<String>, output: Output) -> anyhow::Result<Status> {
    let filter = HitlDetailFilter {
        dag_id,
        response_received: Some(false),
        states: vec![Some("awaiting_input".to_owned())],
        ..HitlDetailFilter::default()
    };
    let key = read::hitl_detail_sort_key("created_at").context("questions have an age")?;
    let sorting = Sorting::new(vec![(key, Direction::Ascending)]);
    let paging = Paging::Offset { limit: LISTED_MAX, offset: 0 };
    let found = read::list_hitl_details(installation.db.read(), &filter, &sorting, &paging).await?;
    let mut data = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        let (instance, question) = (&row.instance.instance, row.detail.question()?);
        data.push(json!({
            "dag_id": instance.dag_id,
            "dag_run_id": instance.run_id,
            "task_id": instance.task_id,
            "map_index": instance.map_index,
            "subject": question.subject,
            "options": question.options,
            "created_at": row.detail.created_at,
        }));
    }
    output.print(&data, |data| {
        if data.is_empty() {
            return "nothing waits for an answer".to_owned();
        }
        data.iter().map(shown).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Status::Done)
}

fn shown(question: &Value) -> String {
    let text = |key: &str| question[key].as_str().unwrap_or_default().to_owned();
    let index = question["map_index"].as_i64().filter(|index| *index >= 0);
    let index = index.map(|index| format!("[{index}]")).unwrap_or_default();
    let options: Vec<&str> = question["options"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (dag_id, run_id, task_id, subject) = (text("dag_id"), text("dag_run_id"), text("task_id"), text("subject"));
    format!("{dag_id}  {run_id}  {task_id}{index}  {subject}  ({})", options.join(" | "))
}

/// Answers what a task asks.
pub async fn respond(
    installation: &Installation,
    args: RespondArgs,
    chosen_options: Vec<String>,
    output: Output,
) -> anyhow::Result<Status> {
    let task = task_ref(&args.task_id)?;
    let to = TaskKey {
        dag_id: args.dag_id,
        run_id: args.run_id,
        task_id: task.task_id,
        map_index: task.map_index.unwrap_or(-1),
    };
    let response = Response { chosen_options, params_input: params(&args.params)? };
    let answer = installation.control.respond(&to, response, &args.user).await?;
    let data = json!({
        "dag_id": to.dag_id,
        "dag_run_id": to.run_id,
        "task_id": to.task_id,
        "map_index": to.map_index,
        "chosen_options": answer.chosen_options,
        "params_input": answer.params_input,
        "responded_at": answer.responded_at,
        "responded_by": answer.responded_by,
    });
    output.print(&data, |_| {
        format!("{}  {}  {}  {}", to.dag_id, to.run_id, to.task_id, answer.chosen_options.join(", "))
    })?;
    Ok(Status::Done)
}

/// `name=value`, where the value is JSON, or text.
fn params(written: &[String]) -> anyhow::Result<Map<String, Value>> {
    let read = |text: &String| {
        let Some((name, value)) = text.split_once('=') else {
            return Err(BadInput::new(format!("`{text}` names no param")).hint("write `--param rows=10`").into());
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        Ok((name.to_owned(), value))
    };
    written.iter().map(read).collect()
}
