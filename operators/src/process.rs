//! Child processes that never outlive their try.
//!
//! A child leads a process group of its own, so that a stop reaches everything that it started. It dies with the Updraft
//! process that started it, even when that is killed: the kernel sends it SIGKILL (parent-death signal), and the
//! [`crate::guardian`] ends what it had started in turn.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use scheduler::log::{Level, TaskLog};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::guardian;

/// Settings of Updraft that are nobody else's business: they may hold passwords.
const PRIVATE_PREFIX: &str = "UPDRAFT_";

/// Between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(10);

/// After the command has ended, what it left behind in other sessions may hold its output open no longer than this.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

/// A line longer than this is taken in pieces: output without newlines must not fill the memory.
const LINE_BYTES_MAX: u64 = 64 * 1024;

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
    variable.starts_with(PRIVATE_PREFIX) && variable != "UPDRAFT_HOME"
}

/// Keeps the settings of Updraft from a child process.
pub(crate) fn hide_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_private(&name.to_string_lossy())) {
        command.env_remove(name);
    }
}

/// Runs `command`, with its output in the log, until it ends or is cancelled.
pub(crate) async fn run(mut command: Command, log: &TaskLog, cancelled: &CancellationToken) -> io::Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    command.env(guardian::MARK, guardian::identity());
    die_with_parent(&mut command);
    let mut child = command.spawn()?;
    let group = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    let group = Group(group);
    let stdout = follow(child.stdout.take(), "stdout", log);
    let stderr = follow(child.stderr.take(), "stderr", log);

    let status = tokio::select! {
        status = child.wait() => Some(status?),
        () = cancelled.cancelled() => {
            stop(&mut child, &group).await?;
            None
        }
    };
    // Whatever it had left running in the background belongs to the try, and ends with it.
    group.signal(Signal::KILL);
    let last_line = last_words(stdout).await;
    let last_error = last_words(stderr).await;
    Ok(match status {
        Some(status) => Ended::ByItself { status, last_line, last_error },
        None => Ended::Stopped,
    })
}

/// A process group that is killed when it is let go of, also when the try is dropped half-way.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may be gone already, which is what we want.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Asks the group to end, and after a while ends it.
async fn stop(child: &mut Child, group: &Group) -> io::Result<()> {
    group.signal(Signal::TERM);
    if tokio::time::timeout(TERM_GRACE, child.wait()).await.is_err() {
        group.signal(Signal::KILL);
        child.wait().await?;
    }
    Ok(())
}

/// Copies output to the log line by line; answers with the last line that is not empty.
fn follow(
    output: Option<impl AsyncRead + Unpin + Send + 'static>,
    logger: &'static str,
    log: &TaskLog,
) -> JoinHandle<Option<String>> {
    let log = log.clone();
    tokio::spawn(async move {
        let mut reader = BufReader::new(output?);
        let mut last_line = None;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let mut piece = tokio::io::AsyncReadExt::take(&mut reader, LINE_BYTES_MAX);
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

/// Lets the kernel kill the child when the thread that started it ends. Tokio's workers live as long as the process, and
/// operators are never run on threads that come and go.
#[expect(unsafe_code, reason = "the only way to act between fork and exec; both calls are async-signal-safe")]
fn die_with_parent(command: &mut Command) {
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    let before_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the kernel was told.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::from_raw_os_error(3)) }
    };
    // SAFETY: the closure allocates nothing and takes no lock; prctl and getppid are async-signal-safe.
    unsafe {
        command.pre_exec(before_exec);
    }
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
