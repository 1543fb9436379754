//! `updraft tasks why`: what is in the way of task instances, and what would help.

use scheduler::control::Waited;
use scheduler::run::Limit;
use scheduler::store::entity::dag_run;
use scheduler::store::runs;
use serde_json::{Value, json};

use super::installation::Installation;
use crate::output::{self, Output};
use crate::report::{BadInput, Status};

/// Which task instances are asked about.
pub struct Question {
    pub dag_id: String,
    pub run_id: String,
    /// All when absent.
    pub task_id: Option<String>,
}

/// Runs the command.
pub async fn run(installation: &Installation, question: Question, output: Output) -> anyhow::Result<Status> {
    let Question { dag_id, run_id, task_id } = question;
    let run = runs::get(installation.db.read(), &dag_id, &run_id).await?;
    let waited = installation.control.obstacles(&dag_id, &run_id, task_id.as_deref()).await?;
    if let (Some(task_id), true) = (&task_id, waited.is_empty()) {
        let has_begun = !runs::instances(installation.db.read(), run.id).await?.is_empty();
        if has_begun {
            return Err(BadInput::new(format!("run `{run_id}` has no task `{task_id}`")).into());
        }
    }
    let waiting: Vec<Waited> = waited.into_iter().filter(|waited| !waited.obstacles.is_empty()).collect();
    let remedy =
        run.reason.as_deref().and_then(|reason| reason.parse::<Limit>().ok()).map(|limit| limit.remedy(&dag_id));
    let mut data = json!({ "dag_id": dag_id, "dag_run_id": run_id, "state": run.state, "reason": run.reason });
    data["remedy"] = json!(remedy);
    data["task_instances"] = waiting.iter().map(view).collect();
    output.print(&data, |_| text(&run, remedy.as_deref(), &waiting))?;
    Ok(Status::Done)
}

fn view(waited: &Waited) -> Value {
    let obstacles: Vec<Value> = waited
        .obstacles
        .iter()
        .map(|obstacle| json!({ "name": obstacle.dependency, "reason": obstacle.reason, "remedy": obstacle.remedy }))
        .collect();
    json!({
        "task_id": waited.instance.task_id,
        "map_index": waited.instance.map_index,
        "state": waited.instance.state,
        "dependencies": obstacles,
    })
}

fn text(run: &dag_run::Model, remedy: Option<&str>, waiting: &[Waited]) -> String {
    let head = format!("{}  {}  {}", run.dag_id, run.run_id, run.state);
    if run.state == "queued" {
        let reason = run.reason.as_deref().unwrap_or("no scheduler has looked at it yet");
        let help = remedy.map(|remedy| format!("\nhelp: {remedy}")).unwrap_or_default();
        return format!("{head}\n\nthe run does not begin: {reason}{help}");
    }
    if waiting.is_empty() {
        return format!("{head}\n\nnothing waits");
    }
    let rows: Vec<Vec<String>> = waiting
        .iter()
        .flat_map(|waited| waited.obstacles.iter().map(move |obstacle| (waited, obstacle)))
        .map(|(waited, obstacle)| {
            vec![
                name(waited),
                waited.instance.state.clone().unwrap_or_else(|| "none".to_owned()),
                obstacle.reason.clone(),
                obstacle.remedy.clone().unwrap_or_default(),
            ]
        })
        .collect();
    format!("{head}\n\n{}", output::table(&["TASK", "STATE", "WHY", "WHAT WOULD HELP"], &rows))
}

/// A task instance as people name it.
fn name(waited: &Waited) -> String {
    match waited.instance.map_index {
        index if index >= 0 => format!("{}[{index}]", waited.instance.task_id),
        _ => waited.instance.task_id.clone(),
    }
}
