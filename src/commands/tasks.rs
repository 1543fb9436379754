//! `updraft tasks`.

use scheduler::control::TaskRef;
use scheduler::log::{LogKey, LogLine, LogReader};
use scheduler::operator::TaskKey;
use scheduler::store::runs;

use super::installation::Installation;
use super::why::{self, Question};
use super::{clear, mark, respond, runs as runs_command};
use crate::cli::TasksCommand;
use crate::config::Config;
use crate::output::Output;
use crate::report::{BadInput, Status};

/// Runs the command.
pub async fn run(command: TasksCommand, config: Config, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    let (dag_id, run_id, task_id, try_number) = match command {
        TasksCommand::Logs { dag_id, run_id, task_id, try_number } => (dag_id, run_id, task_id, try_number),
        TasksCommand::List { dag_id, run_id } => {
            return runs_command::list_instances(&installation, &dag_id, &run_id, output).await;
        }
        TasksCommand::Clear(args) => return clear::tasks(&installation, args, output).await,
        TasksCommand::Mark(args) => return mark::tasks(&installation, args, output).await,
        TasksCommand::Questions { dag_id } => return respond::list(&installation, dag_id, output).await,
        TasksCommand::Approve(to) => {
            return respond::respond(&installation, to, vec!["Approve".to_owned()], output).await;
        }
        TasksCommand::Reject(to) => {
            return respond::respond(&installation, to, vec!["Reject".to_owned()], output).await;
        }
        TasksCommand::Respond { to, chosen } => return respond::respond(&installation, to, chosen, output).await,
        TasksCommand::Why { dag_id, run_id, task_id } => {
            return why::run(&installation, Question { dag_id, run_id, task_id }, output).await;
        }
    };
    let run = runs::get(installation.db.read(), &dag_id, &run_id).await?;
    let instances = runs::instances(installation.db.read(), run.id).await?;
    let TaskRef { task_id, map_index } = clear::task_ref(&task_id)?;
    let of_task: Vec<_> = instances.iter().filter(|instance| instance.task_id == task_id).collect();
    let instance = match (map_index, of_task.as_slice()) {
        (_, []) => return Err(BadInput::new(format!("run `{run_id}` has no task `{task_id}`")).into()),
        (None, [only]) => *only,
        (None, several) => {
            let message = format!("task `{task_id}` is mapped, and has {} instances", several.len());
            return Err(BadInput::new(message).hint(format!("name one of them, such as `{task_id}[0]`")).into());
        }
        (Some(index), of_task) => {
            let found = of_task.iter().find(|instance| instance.map_index == index);
            found.ok_or_else(|| BadInput::new(format!("task `{task_id}` of run `{run_id}` has no instance {index}")))?
        }
    };
    let try_number = try_number.unwrap_or_else(|| u32::try_from(instance.try_number).unwrap_or(0));
    let key = TaskKey { dag_id, run_id, task_id, map_index: instance.map_index };
    let logs = LogReader::new(installation.config.log_folder(), installation.db.clone());
    let log = LogKey { run: run.id, task: key, try_number };
    let Some(bytes) = logs.read(&log, 0, u64::MAX).await? else {
        return Err(BadInput::new(format!("task `{}` has no log of try {try_number}", log.task.task_id)).into());
    };
    let lines = lines(&bytes);
    output.print(&lines, |lines| lines.iter().map(shown).collect::<Vec<_>>().join("\n"))?;
    Ok(Status::Done)
}

/// A line of a log as people read it.
pub(super) fn shown(line: &LogLine) -> String {
    format!("{}  {:<7}  {}", line.timestamp.format("%H:%M:%S%.3f"), line.level.word(), line.event)
}

/// The last lines of a log, for a person who asks why.
pub(super) fn tail(path: &std::path::Path, count: usize) -> Vec<LogLine> {
    let lines = lines(&std::fs::read(path).unwrap_or_default());
    lines[lines.len().saturating_sub(count)..].to_vec()
}

/// What can be read of a log; a killed process may have left half a line.
fn lines(log: &[u8]) -> Vec<LogLine> {
    log.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}
