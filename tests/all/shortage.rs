//! Disks without room, made for a test.
//!
//! As root, the home is a small file system of its own, filled up. Otherwise a limit on the size of files stands in for
//! it: to whoever writes, both are an error of `write`.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::server::{Installation, Server};

/// Enough for a database and small tables.
const DISK: &str = "size=24m";

/// What is short.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// Room on the disk of the home folder.
    Room,
    /// The size that a file may have.
    FileSize,
}

/// A shortage that can begin and end.
pub(crate) struct Shortage {
    of: Of,
    home: PathBuf,
}

impl Shortage {
    /// Makes ready. None when that needs rights that this test does not have.
    pub(crate) fn prepare(of: Of, installation: &Installation) -> Option<Shortage> {
        let home = installation.home();
        if let Of::Room = of {
            fs::create_dir(&home).expect("a folder can be made");
            let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(&home).output();
            if !mounted.is_ok_and(|output| output.status.success()) {
                println!("no file system can be mounted here; the test with a limit on the size of files stands in");
                return None;
            }
        }
        Some(Shortage { of, home })
    }

    /// The program under which a process is short from its begin. A full disk needs none.
    pub(crate) fn program(&self) -> &'static [&'static str] {
        match self.of {
            Of::Room => &["env"],
            Of::FileSize => &["prlimit", "--fsize=1024:"],
        }
    }

    /// From now on nothing can be written that is not there already. Files may not grow beyond `bytes` where their size
    /// is what is short.
    pub(crate) fn begin(&self, server: Option<&Server>, bytes: u64) {
        match (self.of, server) {
            (Of::Room, _) => fill(&self.ballast()),
            (Of::FileSize, Some(server)) => limit(server, &format!("{bytes}:")),
            (Of::FileSize, None) => {}
        }
    }

    /// There is room again.
    pub(crate) fn end(&self, server: Option<&Server>) {
        match (self.of, server) {
            (Of::Room, _) => fs::remove_file(self.ballast()).expect("our own file can be removed"),
            (Of::FileSize, Some(server)) => limit(server, "unlimited:"),
            (Of::FileSize, None) => {}
        }
    }

    fn ballast(&self) -> PathBuf {
        self.home.join("ballast")
    }
}

impl Drop for Shortage {
    fn drop(&mut self) {
        if let Of::Room = self.of {
            // Lazily: a server that a failed test leaves behind may still hold files open.
            let _ = Command::new("umount").arg("--lazy").arg(&self.home).status();
        }
    }
}

/// Takes all the room there is.
fn fill(ballast: &std::path::Path) {
    let mut file = File::create(ballast).expect("an empty file needs no room");
    let page = [0; 4096];
    while file.write_all(&page).is_ok() {}
}

fn limit(server: &Server, size: &str) {
    let limited = Command::new("prlimit").args(["--pid", &server.pid(), &format!("--fsize={size}")]).status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit is a part of util-linux");
}
