//! The guardian: a small process that ends what Updraft's children started when Updraft itself is killed.
//!
//! The kernel kills the direct children of a process that dies, but not what those had started: a killed server would
//! leave half a pipeline running beside its second try. So each Updraft process that runs tries starts a guardian, which
//! holds the other end of a pipe. When the pipe breaks, it kills every process that bears the mark of that Updraft, and
//! ends.
//!
//! The guardian also holds the lock of the home folder meanwhile, so that the next Updraft does not start before the last
//! process of the one before is gone.

use std::fs::{self, File};
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

/// The environment variable that marks every process below an Updraft process.
pub const MARK: &str = "UPDRAFT_GUARDED_BY";

/// The hidden command of the binary that runs the guardian.
pub const COMMAND: &str = "guardian";

/// What the mark of this process's children says.
pub(crate) fn identity() -> &'static str {
    static IDENTITY: OnceLock<String> = OnceLock::new();
    IDENTITY.get_or_init(|| Uuid::new_v4().to_string())
}

/// A running guardian. It acts when this value is dropped, or the process dies.
#[derive(Debug)]
pub struct Guardian {
    _child: Child,
}

/// Starts the guardian of this process: the same binary, with the hidden command. It shares `lock`.
pub fn start(lock: &File) -> io::Result<Guardian> {
    let child = Command::new(std::env::current_exe()?)
        .arg(COMMAND)
        .arg(identity())
        .stdin(Stdio::piped())
        // Not for writing: an open file keeps its lock as long as anybody holds it.
        .stdout(Stdio::from(lock.try_clone()?))
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Guardian { _child: child })
}

/// What the guardian does: waits until its Updraft is gone, then kills what bears the mark.
pub fn watch(identity: &str) {
    ignore_signals_for_the_group();
    let mut nothing = Vec::new();
    // Nobody ever writes: the end of the file is the end of the process that held the other end.
    let _ = io::stdin().read_to_end(&mut nothing);
    let mark = format!("{MARK}={identity}");
    // A process that forks while we look has a child that the next look finds.
    while kill_marked(mark.as_bytes()) > 0 {
        std::thread::yield_now();
    }
}

/// Ctrl-C reaches the whole foreground group; the guardian must outlive its Updraft.
fn ignore_signals_for_the_group() {
    // A process that leads its own session gets no signal of the terminal. It fails when it does already.
    let _ = rustix::process::setsid();
}

/// Kills every process whose environment holds `mark`; answers with how many there were.
fn kill_marked(mark: &[u8]) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let own = std::process::id();
    let pids = processes.filter_map(Result::ok).filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut killed = 0;
    for pid in pids.filter(|&pid| pid != own) {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        if environment.split(|&byte| byte == 0).any(|variable| variable == mark)
            && let Some(pid) = Pid::from_raw(pid.cast_signed())
            && kill_process(pid, Signal::KILL).is_ok()
        {
            killed += 1;
        }
    }
    killed
}
