//! What a person reads of a run: each change of its states, the errors of its tasks, and what its notebooks answer.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::anyhow;
use scheduler::log::{Level, TaskLog};
use serde_json::{Map, Value};

use super::jobs::{self, Run, Standing, TaskRun};
use super::session::Session;

/// Of so many failed tasks the errors are read.
const FAILED_TASKS_MAX: usize = 20;

/// Of so many notebooks the answers are read.
const RESULTS_MAX: usize = 100;

/// Of what a task printed, so many lines are kept in the log.
const PRINTED_LINES_MAX: usize = 500;

/// What has been told of a run.
#[derive(Default)]
pub(super) struct Watched {
    run: Option<Standing>,
    tasks: HashMap<String, (i64, Box<str>)>,
}

impl Watched {
    /// Tells what has changed.
    pub(super) fn tell(&mut self, run: &Run, log: &TaskLog) {
        let standing = run.standing();
        if self.run.is_none() {
            let page = run.run_page_url.as_deref().unwrap_or("none");
            log.info(format_args!("Page of run {}: {page}", run.run_id));
        }
        if self.run.as_ref() != Some(&standing) {
            log.info(format_args!("Run {}: {}", run.run_id, standing.shown()));
            self.run = Some(standing);
        }
        // Of one task alone the run tells as much.
        let tasks = run.latest_tasks();
        if tasks.len() < 2 {
            return;
        }
        for task in tasks {
            let told = (task.run_id, task.standing().shown().into_boxed_str());
            if self.tasks.get(&task.task_key) != Some(&told) {
                log.info(format_args!("Task {}: {}", task.task_key, told.1));
                self.tasks.insert(task.task_key.clone(), told);
            }
        }
    }
}

/// Why a run did not succeed. The errors of its tasks go into the log with their traces.
pub(super) async fn failure(session: &Session, run: &Run) -> anyhow::Error {
    let tasks = run.latest_tasks();
    let broken: Vec<&TaskRun> = tasks.into_iter().filter(|task| task.standing().is_broken()).collect();
    let mut causes = String::new();
    for task in broken.iter().take(FAILED_TASKS_MAX) {
        if let Some(error) = task_failure(session, task).await {
            let first = error.lines().next().unwrap_or_default();
            let _ = write!(causes, "; task {}: {first}", task.task_key);
        }
    }
    if broken.len() > FAILED_TASKS_MAX {
        let _ = write!(causes, "; and {} tasks more", broken.len() - FAILED_TASKS_MAX);
    }
    let page = run.run_page_url.as_deref().map(|url| format!(" ({url})")).unwrap_or_default();
    anyhow!("run {} ended as {}{causes}{page}", run.run_id, run.standing().shown())
}

/// The error of a task, told in full in the log.
async fn task_failure(session: &Session, task: &TaskRun) -> Option<String> {
    let log = &session.ctx.log;
    let output = match jobs::output(session, task.run_id).await {
        Ok(output) => output,
        Err(failure) => {
            log.warning(format_args!(
                "The error of task {} cannot be read: {:#}",
                task.task_key, failure.trouble.error
            ));
            return None;
        }
    };
    print(log, &task.task_key, output.logs.as_deref());
    let error = output.error.filter(|error| !error.trim().is_empty());
    if let Some(error) = &error {
        log.error(format_args!("Task {}: {error}", task.task_key));
    }
    for line in output.error_trace.as_deref().unwrap_or_default().lines() {
        log.line(Level::Error, &task.task_key, &without_colours(line));
    }
    error
}

/// What the notebooks of a run gave to `dbutils.notebook.exit`: the text of a single one, or texts by the keys of tasks.
pub(super) async fn result(session: &Session, run: &Run) -> Value {
    let log = &session.ctx.log;
    let tasks = run.latest_tasks();
    let is_single = tasks.len() < 2;
    let mut results = Map::new();
    for task in tasks.into_iter().filter(|task| task.notebook_task.is_some() || is_single).take(RESULTS_MAX) {
        let output = match jobs::output(session, task.run_id).await {
            Ok(output) => output,
            Err(failure) => {
                let error = &failure.trouble.error;
                log.warning(format_args!("What task {} answered cannot be read: {error:#}", task.task_key));
                continue;
            }
        };
        print(log, &task.task_key, output.logs.as_deref());
        let Some(notebook) = output.notebook_output else { continue };
        let Some(result) = notebook.result else { continue };
        let cut = if notebook.truncated { " (cut by Databricks)" } else { "" };
        log.info(format_args!(
            "Task {} answers{cut}: {}",
            task.task_key,
            result.chars().take(1_000).collect::<String>()
        ));
        results.insert(task.task_key.clone(), Value::String(result));
    }
    match results.len() {
        0 => Value::Null,
        1 if is_single => results.into_iter().next().map_or(Value::Null, |(_, value)| value),
        _ => Value::Object(results),
    }
}

/// The last lines that a task printed.
fn print(log: &TaskLog, task: &str, printed: Option<&str>) {
    let lines: Vec<&str> = printed.unwrap_or_default().lines().collect();
    let passed_over = lines.len().saturating_sub(PRINTED_LINES_MAX);
    if passed_over > 0 {
        log.info(format_args!("Task {task} printed {} lines; these are the last {PRINTED_LINES_MAX}", lines.len()));
    }
    for line in &lines[passed_over..] {
        log.line(Level::Info, task, line);
    }
}

/// Traces come with colours for terminals.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut signs = line.chars();
    while let Some(sign) = signs.next() {
        if sign != '\u{1b}' {
            plain.push(sign);
            continue;
        }
        if signs.next() == Some('[') {
            let _ = signs.find(char::is_ascii_alphabetic);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_lose_their_colours_and_nothing_else() {
        assert_eq!(without_colours("\u{1b}[0;31mValueError\u{1b}[0m: 5 > 3 \u{1b}"), "ValueError: 5 > 3 ");
    }
}
