//! Child processes that never outlive their try.
//!
//! A child leads a process group of its own ([`crate::child`]), so that a stop reaches everything that it started. It dies
//! with the Updraft process that started it, even when that is killed: the kernel sends it SIGKILL ([`crate::spawn`]), and
//! the [`crate::guardian`] ends what it had started in turn.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use scheduler::log::{Level, TaskLog};
use scheduler::operator::{RunFacts, TaskFacts};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::child::Child;
use crate::guardian;
use crate::spawn::{Command, ProcessError, Started};

/// Variables of Updraft's environment that are its own: its settings, and the connections and variables that it looks up
/// there for tasks that ask for them.
const PRIVATE_PREFIXES: [&str; 3] = ["UPDRAFT_", "AIRFLOW_CONN_", "AIRFLOW_VAR_"];

/// Between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(10);

/// After the command has ended, what it left behind in other sessions may hold its output open no longer than this.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

/// A line longer than this is taken in pieces: output without newlines must not fill the memory.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// So much of what a program complains of is read.
const COMPLAINT_BYTES_MAX: u64 = 16 * 1024;

/// How a child ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It ended by itself.
    ByItself {
        /// How.
        status: ExitStatus,
        /// The last line of its standard output that is not empty.
        last_line: Option<String>,
        /// The same of its standard error.
        last_error: Option<String>,
    },
    /// It was stopped, because somebody said so.
    Stopped,
}

/// Whether a variable of Updraft's environment is kept from child processes.
pub(crate) fn is_private(variable: &str) -> bool {
    PRIVATE_PREFIXES.iter().any(|prefix| variable.starts_with(prefix)) && variable != "UPDRAFT_HOME"
}

/// Keeps the settings of Updraft from a child process.
pub(crate) fn hide_settings(command: &mut Command) {
    command.env_retain(|name| !is_private(&name.to_string_lossy()));
}

/// What a child process is run for, as it learns it from its environment (Airflow 3: `AIRFLOW_CTX_…`).
pub(crate) struct RunFor<'a> {
    /// The DAG.
    pub(crate) dag_id: &'a str,
    /// The run, as people name it.
    pub(crate) run_id: &'a str,
    /// What is known of the run.
    pub(crate) run: &'a RunFacts,
    /// The task, which of its tries, and what is known of it; none where it is about a run alone.
    pub(crate) task: Option<(&'a str, u32, &'a TaskFacts)>,
}

impl RunFor<'_> {
    /// Tells it.
    pub(crate) fn tell(&self, command: &mut Command) {
        let logical_date = self.run.logical_date.map(|date| date.format("%Y-%m-%dT%H:%M:%S%.f+00:00").to_string());
        let owner = self.task.map_or(&self.run.owner, |(_, _, task)| &task.owner);
        command
            .env("AIRFLOW_CTX_DAG_ID", self.dag_id)
            .env("AIRFLOW_CTX_DAG_RUN_ID", self.run_id)
            .env("AIRFLOW_CTX_DAG_OWNER", owner)
            .env("AIRFLOW_CTX_LOGICAL_DATE", logical_date.unwrap_or_default());
        if let Some((task_id, try_number, task)) = self.task {
            command.env("AIRFLOW_CTX_TASK_ID", task_id).env("AIRFLOW_CTX_TRY_NUMBER", try_number.to_string());
            if !task.email.is_empty() {
                command.env("AIRFLOW_CTX_DAG_EMAIL", task.email.join(","));
            }
        }
    }
}

/// Runs `command`, with its output in the log, until it ends or is cancelled.
pub(crate) async fn run(
    mut command: Command,
    log: &TaskLog,
    cancelled: &CancellationToken,
) -> Result<Ended, ProcessError> {
    let mark = guardian::mark_of_child();
    command.env(guardian::MARK, &mark);
    let Started { mut child, stdout, stderr } = command.spawn()?;
    drop(command);
    let stdout = follow(stdout, "stdout", log);
    let stderr = follow(stderr, "stderr", log);

    // Whatever it had left running in the background belongs to the try, and ends with it.
    let status = tokio::select! {
        status = child.wait() => Some(status?),
        () = cancelled.cancelled() => {
            stop(&mut child).await?;
            // What has a session of its own is not in the group. Whoever looks for it cannot be interrupted.
            let _ = tokio::task::spawn_blocking(move || guardian::end_marked(&mark)).await;
            None
        }
    };
    let last_line = last_words(stdout).await;
    let last_error = last_words(stderr).await;
    Ok(match status {
        Some(status) => Ended::ByItself { status, last_line, last_error },
        None => Ended::Stopped,
    })
}

/// Asks the group to end, and after a while ends it.
async fn stop(child: &mut Child) -> io::Result<()> {
    child.signal(Signal::TERM);
    if tokio::time::timeout(TERM_GRACE, child.wait()).await.is_err() {
        child.signal(Signal::KILL);
        child.wait().await?;
    }
    Ok(())
}

/// Copies output to the log line by line; answers with the last line that is not empty.
fn follow(
    output: impl AsyncRead + Unpin + Send + 'static,
    logger: &'static str,
    log: &TaskLog,
) -> JoinHandle<Option<String>> {
    let log = log.clone();
    tokio::spawn(async move {
        let mut reader = BufReader::new(output);
        let mut last_line = None;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let mut piece = AsyncReadExt::take(&mut reader, LINE_BYTES_MAX);
            match piece.read_until(b'\n', &mut bytes).await {
                Ok(0) | Err(_) => return last_line,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&bytes);
            let line = text.trim_end_matches(['\n', '\r']);
            log.line(Level::Info, logger, line);
            if !line.trim().is_empty() {
                last_line = Some(line.to_owned());
            }
        }
    })
}

async fn last_words(follower: JoinHandle<Option<String>>) -> Option<String> {
    let abort = follower.abort_handle();
    match tokio::time::timeout(OUTPUT_GRACE, follower).await {
        Ok(joined) => joined.ok().flatten(),
        Err(_) => {
            abort.abort();
            None
        }
    }
}

/// Why a program did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error(transparent)]
    Start(ProcessError),
    #[error("cannot read what it says")]
    Read(#[from] io::Error),
    #[error("it ended with {}: {}", spoken(*.status), .complaint.lines().last().unwrap_or("it says nothing"))]
    Failed { status: ExitStatus, complaint: String },
    #[error("it did not end within {} seconds", .0.as_secs())]
    TooSlow(Duration),
    #[error("it answers with more than {} MiB", .0 >> 20)]
    TooMuch(u64),
}

/// Runs a program that answers a question to its end; answers with what it printed.
pub(crate) async fn output_of(command: &Command, patience: Duration, bytes_max: u64) -> Result<Vec<u8>, OutputError> {
    let Started { mut child, stdout, stderr } = command.spawn().map_err(OutputError::Start)?;
    let all = async {
        let (answer, complaint) = tokio::join!(whole(stdout, bytes_max), whole(stderr, COMPLAINT_BYTES_MAX));
        let status = child.wait().await?;
        Ok::<_, io::Error>((answer?, complaint?, status))
    };
    let ended = tokio::time::timeout(patience, all).await;
    let (answer, complaint, status) = ended.map_err(|_| OutputError::TooSlow(patience))??;
    if !status.success() {
        return Err(OutputError::Failed { status, complaint: String::from_utf8_lossy(&complaint).into_owned() });
    }
    if answer.len() as u64 > bytes_max {
        return Err(OutputError::TooMuch(bytes_max));
    }
    Ok(answer)
}

/// What comes out, as far as it is not too long; the rest is thrown away, so that the program can end.
async fn whole(output: impl AsyncRead + Unpin, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut output = output.take(bytes_max + 1);
    output.read_to_end(&mut bytes).await?;
    let mut rest = output.into_inner();
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// How a process ended, as people say it.
pub(crate) fn spoken(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}
