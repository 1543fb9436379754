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
use tokio_util::sync::CancellationToken;

use crate::child::Child;
use crate::guardian;
use crate::output::Output;
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
    // With ours held it wakes us when it says something, and with its end; not with the end of each output before, when whoever
    // is woken takes its processor.
    let Started { mut child, stdout, stderr, ends } = command.spawn()?;
    drop(command);
    let (mut stdout, mut stderr) = (Lines::of(stdout, "stdout", log), Lines::of(stderr, "stderr", log));

    // Whatever it had left running in the background belongs to the try, and ends with it.
    let end = async {
        tokio::select! {
            status = child.wait() => Ok::<_, io::Error>(Some(status?)),
            () = cancelled.cancelled() => {
                stop(&mut child).await?;
                // What has a session of its own is not in the group. Whoever looks for it cannot be interrupted.
                let _ = tokio::task::spawn_blocking(move || guardian::end_marked(&mark)).await;
                Ok(None)
            }
        }
    };
    let status = tokio::select! {
        status = end => status?,
        Err(error) = follow(&mut stdout, &mut stderr) => return Err(error.into()),
    };
    stdout.output.get_mut().unwatch()?;
    stderr.output.get_mut().unwatch()?;
    drop(ends);
    // What it said is there by now. Those whom it has left behind may never be done.
    if let Ok(followed) = tokio::time::timeout(OUTPUT_GRACE, follow(&mut stdout, &mut stderr)).await {
        followed?;
    }
    let (last_line, last_error) = (stdout.end(), stderr.end());
    Ok(match status {
        Some(status) => Ended::ByItself { status, last_line, last_error },
        None => Ended::Stopped,
    })
}

/// Follows both outputs until both have ended. May be given up and called again.
async fn follow(stdout: &mut Lines<'_>, stderr: &mut Lines<'_>) -> io::Result<()> {
    tokio::try_join!(stdout.follow(), stderr.follow())?;
    Ok(())
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

/// An output on its way into the log.
struct Lines<'a> {
    output: BufReader<Output>,
    logger: &'static str,
    log: &'a TaskLog,
    /// The beginning of a line.
    unfinished: Vec<u8>,
    /// The last line that is not empty.
    last: Option<String>,
}

impl Lines<'_> {
    fn of<'a>(output: Output, logger: &'static str, log: &'a TaskLog) -> Lines<'a> {
        Lines { output: BufReader::new(output), logger, log, unfinished: Vec::new(), last: None }
    }

    /// Copies line by line until the output ends. May be given up and called again.
    async fn follow(&mut self) -> io::Result<()> {
        loop {
            let room = LINE_BYTES_MAX.saturating_sub(self.unfinished.len() as u64);
            let mut piece = AsyncReadExt::take(&mut self.output, room);
            if piece.read_until(b'\n', &mut self.unfinished).await? == 0 {
                return Ok(());
            }
            self.finish_line();
        }
    }

    fn finish_line(&mut self) {
        if self.unfinished.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&self.unfinished);
        let line = text.trim_end_matches(['\n', '\r']);
        self.log.line(Level::Info, self.logger, line);
        if !line.trim().is_empty() {
            self.last = Some(line.to_owned());
        }
        self.unfinished.clear();
    }

    /// The last line, also when nothing says that it is finished.
    fn end(mut self) -> Option<String> {
        self.finish_line();
        self.last.take()
    }
}

/// Whoever gives up on a command sees the question for whose answer it waited.
impl Drop for Lines<'_> {
    fn drop(&mut self) {
        self.finish_line();
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
    let Started { mut child, stdout, stderr, .. } = command.spawn().map_err(OutputError::Start)?;
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

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, kill_process};
    use scheduler::clock::Clock;
    use tempfile::TempDir;

    use super::*;

    /// Runs a script in a folder, where its log is, too.
    async fn run_in(folder: &TempDir, script: &str, cancelled: &CancellationToken) -> Ended {
        let log = TaskLog::at(folder.path().join("log"), Clock::System);
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(folder.path());
        run(command, &log, cancelled).await.unwrap()
    }

    fn log_in(folder: &TempDir) -> String {
        std::fs::read_to_string(folder.path().join("log")).unwrap()
    }

    #[tokio::test]
    async fn who_stays_with_the_output_open_does_not_keep_the_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let stay =
            "mkfifo ready; setsid bash -c 'echo > ready; exec sleep 60' & read < ready; echo late >&2; printf $!";

        let ended = run_in(&folder, stay, &CancellationToken::new()).await;

        let Ended::ByItself { last_line: Some(pid), last_error, .. } = ended else { panic!("{ended:?}") };
        assert_eq!(last_error.as_deref(), Some("late"));
        assert!(log_in(&folder).contains(&pid));
        // It fails when nobody has stayed.
        kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn more_than_a_pipe_holds_comes_through_on_both_outputs() {
        let folder = tempfile::tempdir().unwrap();
        let much = "for side in 1 2; do seq 20000 >&$side; printf 'end of %s' $side >&$side; done";

        let ended = run_in(&folder, much, &CancellationToken::new()).await;

        let Ended::ByItself { status, last_line, last_error } = ended else { panic!("{ended:?}") };
        assert!(status.success());
        assert_eq!((last_line.as_deref(), last_error.as_deref()), (Some("end of 1"), Some("end of 2")));
        assert_eq!(log_in(&folder).lines().count(), 40_002);
    }

    #[tokio::test]
    async fn what_it_says_is_in_the_log_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let turns = "heard() { until grep -qs $1 log; do :; done; }
            echo one >&2; heard one; echo two; heard two; echo three >&2";

        run_in(&folder, turns, &CancellationToken::new()).await;

        let log = log_in(&folder);
        let at = ["one", "two", "three"].map(|word| log.find(word).unwrap());
        assert!(at.is_sorted(), "{log}");
    }

    #[tokio::test]
    async fn one_that_is_stopped_leaves_all_that_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let cancelled = CancellationToken::new();
        let script =
            "trap 'seq 20000; printf goodbye; exit' TERM; printf 'Password: '; echo asked >&2; sleep 60 & wait";
        let stop = async {
            until_logged(&folder, "asked").await;
            cancelled.cancel();
        };

        let (ended, ()) = tokio::join!(run_in(&folder, script, &cancelled), stop);

        assert!(matches!(ended, Ended::Stopped), "{ended:?}");
        let log = log_in(&folder);
        assert!(log.contains("\"Password: 1\"") && log.contains("\"20000\"") && log.contains("\"goodbye\""));
    }

    #[tokio::test]
    async fn one_that_is_given_up_leaves_its_question() {
        let folder = tempfile::tempdir().unwrap();
        let cancelled = CancellationToken::new();
        let script =
            "printf 'Password: '; echo asked >&2; until grep -qs asked log; do :; done; echo waiting >&2; sleep 60";
        tokio::select! {
            ended = run_in(&folder, script, &cancelled) => panic!("{ended:?}"),
            () = until_logged(&folder, "waiting") => {}
        }
        assert!(log_in(&folder).contains("\"Password: \""));
    }

    async fn until_logged(folder: &TempDir, word: &str) {
        while !std::fs::read_to_string(folder.path().join("log")).is_ok_and(|log| log.contains(word)) {
            tokio::task::yield_now().await;
        }
    }
}
