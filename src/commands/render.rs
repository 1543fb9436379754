//! `updraft dags render`: what the tasks of a DAG file would be given, and what they would send elsewhere.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use scheduler::clock::Clock;
use scheduler::dag::TaskIndex;
use scheduler::operator::ErasedOperator;
use scheduler::rehearsal::Rehearsal;
use scheduler::template_files::SearchPath;
use serde::Serialize;
use serde_json::{Map, Value};

use super::dags::{dag_file, parse_conf, parse_date};
use super::installation::catalog;
use super::test;
use crate::cli::RenderArgs;
use crate::config::Config;
use crate::output::Output;
use crate::report::{BadInput, Status};
use crate::terminal;

/// A task as it would begin.
#[derive(Serialize)]
struct Rendered {
    task_id: String,
    operator: String,
    arguments: Map<String, Value>,
    /// What it would send elsewhere, if it does not do its work itself.
    submission: Option<Value>,
}

/// Shows the tasks of a file, or those that are named.
pub fn run(args: &RenderArgs, config: &Config, output: Output) -> anyhow::Result<Status> {
    let catalog = catalog(config)?;
    let Some(loaded) = test::load(&args.source, &catalog, config)? else { return Ok(Status::BadInput) };
    let dag = Arc::clone(&loaded.dag);
    let now = Clock::System.now();
    let logical_date = args.source.logical_date.as_deref().map(parse_date).transpose()?.unwrap_or(now);
    let conf = parse_conf(args.source.conf.as_deref())?;
    let files = SearchPath::of(&dag, &dag_file(&args.source.file, config))
        .map_err(|problem| BadInput::new(problem.to_string()))?;
    let rehearsal = Rehearsal::of((Arc::clone(&dag), files), &conf, logical_date, now)
        .map_err(|problems| BadInput::new(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    if let Some(unknown) = args.tasks.iter().find(|task| dag.find(task).is_none()) {
        return Err(BadInput::new(format!("the DAG `{}` has no task `{unknown}`", dag.dag_id)).into());
    }
    let mut rendered = Vec::new();
    let mut is_whole = true;
    for (at, task) in dag.tasks() {
        if !args.tasks.is_empty() && !args.tasks.contains(&task.task_id) {
            continue;
        }
        let Some(operator) = catalog.registry().find(&task.operator) else { continue };
        match render(&rehearsal, at, operator, &config.home) {
            Ok((arguments, submission)) => {
                let (task_id, operator) = (task.task_id.clone(), task.operator.clone());
                rendered.push(Rendered { task_id, operator, arguments, submission });
            }
            Err(problem) => {
                is_whole = false;
                terminal::line(&format!("task {}: {problem:#}", task.task_id));
            }
        }
    }
    output.print(&rendered, |rendered| rendered.iter().map(shown).collect::<Vec<_>>().join("\n"))?;
    Ok(if is_whole { Status::Done } else { Status::BadInput })
}

fn render(
    rehearsal: &Rehearsal,
    at: TaskIndex,
    operator: &ErasedOperator,
    home: &Path,
) -> anyhow::Result<(Map<String, Value>, Option<Value>)> {
    let arguments = rehearsal.arguments(at, operator)?;
    let submission = operator.preview(arguments.clone(), &rehearsal.key(at), home).map_err(|error| error.error)?;
    Ok((arguments, submission))
}

/// A task for people: JSON, and texts of several lines as they are.
fn shown(task: &Rendered) -> String {
    let mut text = format!("{} ({})\n", task.task_id, task.operator);
    push(&mut text, &Value::Object(task.arguments.clone()), 1);
    if let Some(submission) = &task.submission {
        text.push_str("  sends\n");
        push(&mut text, submission, 2);
    }
    text
}

fn push(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let Value::Object(entries) = value else { return };
    for (key, value) in entries {
        // Writing to a `String` cannot fail.
        let _ = match value {
            Value::Object(entries) if !entries.is_empty() => {
                let _ = writeln!(text, "{indent}{key}:");
                push(text, value, depth + 1);
                Ok(())
            }
            Value::String(lines) if lines.trim_end().contains('\n') => {
                let lines: Vec<String> =
                    lines.lines().map(|line| format!("{indent}  {line}").trim_end().to_owned()).collect();
                writeln!(text, "{indent}{key}: |\n{}", lines.join("\n"))
            }
            other => writeln!(text, "{indent}{key}: {other}"),
        };
    }
}
