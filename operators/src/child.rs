//! A running child process, and the group that it leads: told, awaited, and never left behind.
//!
//! It is known by a pidfd, which becomes readable when it ends, so nobody needs to listen for SIGCHLD. Its group is killed
//! before its exit status is taken: until then its number cannot go to a stranger.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, pidfd_send_signal, waitid, waitpid,
};
use tokio::io::unix::AsyncFd;

/// A child that can be awaited. When it is let go of before its end, it is killed with its group.
#[derive(Debug)]
pub(crate) struct Child {
    leader: AsyncFd<Leader>,
}

impl Child {
    pub(crate) fn of(leader: AsyncFd<Leader>) -> Child {
        Child { leader }
    }

    /// Sends a signal to the child and all that it started in its group.
    pub(crate) fn signal(&self, signal: Signal) {
        self.leader.get_ref().signal(signal);
    }

    /// Waits for its end, with which its group ends too. May be given up and called again.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            let mut ready = self.leader.readable_mut().await?;
            if let Some(status) = ready.get_inner_mut().ended()? {
                return Ok(status);
            }
            ready.clear_ready();
        }
    }
}

/// The child itself.
#[derive(Debug)]
pub(crate) struct Leader {
    pid: Pid,
    pidfd: OwnedFd,
    /// How it ended; from then on the number may be somebody else's.
    status: Option<ExitStatus>,
}

impl Leader {
    pub(crate) fn of(pid: Pid, pidfd: OwnedFd) -> Leader {
        Leader { pid, pidfd, status: None }
    }

    /// Waits for the end of one that is ending.
    pub(crate) fn reap(mut self) -> io::Result<()> {
        self.status = Some(reap(self.pid)?);
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            // All of it may be gone already, which is what a signal is for.
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// How it ended, if it did. What it had left running in the background ends with it.
    fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if waitid(WaitId::PidFd(self.pidfd.as_fd()), look)?.is_some() {
                self.signal(Signal::KILL);
                self.status = Some(reap(self.pid)?);
            }
        }
        Ok(self.status)
    }
}

impl AsRawFd for Leader {
    fn as_raw_fd(&self) -> RawFd {
        self.pidfd.as_raw_fd()
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.status.is_some() {
            return;
        }
        self.signal(Signal::KILL);
        // It may have gone to another group.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        if matches!(self.ended(), Ok(None)) {
            let pid = self.pid;
            // It dies within a moment, unless it hangs on a disk; the runtime must wait for neither. Without a thread, it
            // stays in the process table until we end.
            let reaper = std::thread::Builder::new().name("reaper".to_owned()).stack_size(64 * 1024);
            let _ = reaper.spawn(move || reap(pid));
        }
    }
}

/// Takes the exit status of a child of ours, once it has ended.
fn reap(pid: Pid) -> io::Result<ExitStatus> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(ExitStatus::from_raw(status.as_raw())),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use rustix::process::{PidfdFlags, pidfd_open};
    use tokio::io::{AsyncBufReadExt, BufReader};

    use super::*;
    use crate::output::Output;
    use crate::spawn::{Command, Started};

    fn bash(script: &str) -> Started {
        let mut command = Command::new("bash");
        command.arg("-c").arg(script);
        command.spawn().unwrap()
    }

    /// The number that the child prints first.
    async fn pid(stdout: Output) -> Pid {
        let line = BufReader::new(stdout).lines().next_line().await.unwrap().unwrap();
        Pid::from_raw(line.parse().unwrap()).unwrap()
    }

    async fn end_of(process: OwnedFd) {
        let timeout = Timespec { tv_sec: 120, tv_nsec: 0 };
        let ended =
            tokio::task::spawn_blocking(move || poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout)));
        assert_eq!(ended.await.unwrap(), Ok(1), "it still runs");
    }

    #[tokio::test]
    async fn one_that_is_let_go_of_leaves_no_zombie() {
        let Started { child, stdout, .. } = bash("echo $$; sleep 1000");
        let process = pidfd_open(pid(stdout).await, PidfdFlags::empty()).unwrap();
        drop(child);
        let look = || waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let deadline = Instant::now() + Duration::from_mins(2);
        // It answers when the child has ended, and with an error when its status was taken.
        while !matches!(look(), Err(Errno::CHILD)) {
            assert!(Instant::now() < deadline, "nobody took its exit status");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_it_left_in_the_background_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let script = format!("mkfifo {fifo}; sleep 1000 & echo $!; read < {fifo}", fifo = fifo.display());
        let Started { mut child, stdout, .. } = bash(&script);
        let background = pidfd_open(pid(stdout).await, PidfdFlags::empty()).unwrap();
        std::fs::write(fifo, "end\n").unwrap();
        assert!(child.wait().await.unwrap().success());
        end_of(background).await;
        // It may be asked again.
        assert!(child.wait().await.unwrap().success());
    }

    #[tokio::test]
    async fn a_wait_may_be_given_up_and_signals_reach_the_group() {
        let Started { mut child, stdout, .. } = bash("sleep 1000 & echo $!; wait");
        let background = pidfd_open(pid(stdout).await, PidfdFlags::empty()).unwrap();
        assert!(tokio::time::timeout(Duration::ZERO, child.wait()).await.is_err());
        child.signal(Signal::TERM);
        end_of(background).await;
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGTERM));
    }
}
