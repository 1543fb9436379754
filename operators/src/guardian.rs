//! The guardian: a small process that ends what Updraft's children started when Updraft itself is killed.
//!
//! The kernel kills the direct children of a process that dies, but not what those had started: a killed server would
//! leave half a pipeline running beside its second try. So each Updraft process that runs tries starts a guardian, which
//! holds the other end of a pipe. When the pipe breaks, it kills every process that bears the mark of that Updraft, and
//! ends.
//!
//! The guardian also holds the lock of the home folder meanwhile, so that the next Updraft does not start before the last
//! process of the one before is gone.
//!
//! An Updraft that shares its database with others tells its guardian from time to time until when its tries may go on
//! (its leash). When that time has come, because Updraft is suspended or cut off, the guardian kills
//! the children all the same: others may be making those tries again.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use scheduler::clock::since_boot;
use uuid::Uuid;

/// The longest sleep: the clock by which it sleeps stands still while the machine does, and that of the deadline goes on.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// What goes through the pipe: a time since the machine started, in milliseconds, as a big-endian number.
const FRAME_BYTES: usize = 8;

/// The environment variable that marks every process below an Updraft process.
pub const MARK: &str = "UPDRAFT_GUARDED_BY";

/// What stands between the mark of a process and that of one of its children.
const OF_CHILD: char = '/';

/// How often what a child has left is looked for: what forks while we look has a child that the next look finds.
const PASSES_MAX: u32 = 100;

/// What was killed needs a moment to go.
const PASS_PAUSE: Duration = Duration::from_millis(10);

/// The hidden command of the binary that runs the guardian.
pub const COMMAND: &str = "guardian";

/// What the mark of this process's children says.
pub(crate) fn identity() -> &'static str {
    static IDENTITY: OnceLock<String> = OnceLock::new();
    IDENTITY.get_or_init(|| Uuid::new_v4().to_string())
}

/// The mark of one child of this process, and of whatever that starts.
pub(crate) fn mark_of_child() -> String {
    format!("{}{OF_CHILD}{}", identity(), Uuid::new_v4())
}

/// Kills what bears the mark of a child, in whatever session it is. Returns when it is gone, or cannot be killed.
pub(crate) fn end_marked(mark: &str) {
    let mark = format!("{MARK}={mark}");
    for _ in 0..PASSES_MAX {
        if kill_marked(mark.as_bytes()) == 0 {
            return;
        }
        std::thread::sleep(PASS_PAUSE);
    }
}

/// A running guardian. It acts when this value is dropped, or the process dies.
#[derive(Debug)]
pub struct Guardian {
    child: Child,
}

impl Guardian {
    /// The children may go on until then, a time since the machine started; what was said before no longer counts.
    ///
    /// # Errors
    /// When the guardian is gone.
    pub fn kill_at(&self, until: Duration) -> io::Result<()> {
        let Some(mut pipe) = self.child.stdin.as_ref() else { return Ok(()) };
        pipe.write_all(&u64::try_from(until.as_millis()).unwrap_or(u64::MAX).to_be_bytes())
    }
}

/// Starts the guardian of this process: the same binary, with the hidden command. It shares `lock`.
pub fn start(lock: &File) -> io::Result<Guardian> {
    let child = Command::new(std::env::current_exe()?)
        .arg(COMMAND)
        .arg(identity())
        // That of a process that a task runs is not ended with the task before it has done its work.
        .env_remove(MARK)
        .stdin(Stdio::piped())
        // Not for writing: an open file keeps its lock as long as anybody holds it.
        .stdout(Stdio::from(lock.try_clone()?))
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Guardian { child })
}

/// What the guardian does: waits until its Updraft is gone, or its time is up, then kills what bears the mark.
pub fn watch(identity: &str) {
    ignore_signals_for_the_group();
    let mark = format!("{MARK}={identity}");
    let mut deadline = None;
    loop {
        match wait(deadline) {
            Heard::Until(until) => deadline = Some(until),
            Heard::Nothing if deadline.is_some_and(|deadline| since_boot() >= deadline) => {
                kill_all_marked(&mark);
                deadline = None;
            }
            Heard::Nothing => {}
            Heard::End => return kill_all_marked(&mark),
        }
    }
}

/// What the guardian learns while it waits.
enum Heard {
    /// The children may go on until then.
    Until(Duration),
    Nothing,
    /// Updraft is gone.
    End,
}

fn wait(deadline: Option<Duration>) -> Heard {
    let stdin = io::stdin();
    if let Some(deadline) = deadline {
        let sleep = deadline.saturating_sub(since_boot()).min(SLEEP_MAX);
        let timeout =
            Timespec { tv_sec: i64::try_from(sleep.as_secs()).unwrap_or(1), tv_nsec: sleep.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(_) => return Heard::Nothing,
            Ok(_) => {}
        }
    }
    let mut frame = [0; FRAME_BYTES];
    // The end of the file is the end of the process that held the other end. Frames are written in one piece.
    match stdin.lock().read_exact(&mut frame) {
        Ok(()) => Heard::Until(Duration::from_millis(u64::from_be_bytes(frame))),
        Err(_) => Heard::End,
    }
}

fn kill_all_marked(mark: &str) {
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

/// Whether a variable is `mark`, or begins with it as the mark of a child does.
fn bears(variable: &[u8], mark: &[u8]) -> bool {
    variable.strip_prefix(mark).is_some_and(|rest| rest.first().is_none_or(|&byte| char::from(byte) == OF_CHILD))
}

/// Kills every process whose environment holds `mark`; answers with how many there were.
fn kill_marked(mark: &[u8]) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let own = std::process::id();
    let pids = processes.filter_map(Result::ok).filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut killed = 0;
    for pid in pids.filter(|&pid| pid != own) {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        if environment.split(|&byte| byte == 0).any(|variable| bears(variable, mark))
            && let Some(pid) = Pid::from_raw(pid.cast_signed())
            && kill_process(pid, Signal::KILL).is_ok()
        {
            killed += 1;
        }
    }
    killed
}
