//! A disk that is full at any point of writing leaves a table as it was, or the new one.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::context::{run, try_run};

/// Room for the inputs and some versions of the table.
const DISK: &str = "size=4m";

/// A small file system, unmounted when it is dropped. None without the right to mount.
struct Disk<'a>(&'a Path);

impl Disk<'_> {
    fn mount(folder: &Path) -> Option<Disk<'_>> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(folder).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Disk(folder));
        }
        eprintln!("no file system can be mounted here; the tests of the binary use a limit on the size of files");
        None
    }

    /// Takes all the room but about `bytes`.
    fn leave(&self, bytes: u64) {
        let path = self.0.join("ballast");
        let mut ballast = File::create(&path).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
        let taken = ballast.metadata().unwrap().len();
        ballast.set_len(taken.saturating_sub(bytes)).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_table_is_the_old_one_or_the_new_one_wherever_the_room_ends() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path()) else { return };
    let lines = |rows: usize| (0..rows).map(|n| format!("{{\"n\":{n},\"text\":\"{n:>64}\"}}\n")).collect::<String>();
    let (few, many) = (elsewhere.path().join("few.jsonl"), elsewhere.path().join("many.jsonl"));
    fs::write(&few, lines(500)).unwrap();
    fs::write(&many, lines(900)).unwrap();
    let table = folder.path().join("table");
    let clean = async |input: &Path| {
        let args = json!({ "input": input, "output": table, "vacuum_retention": "0s" });
        try_run("clean", args, &crate::context::context(elsewhere.path()), &crate::context::nowhere()).await
    };
    let count = async || {
        let args = json!({ "tables": { "t": table }, "sql": "SELECT COUNT(*), COUNT(text) FROM t" });
        run("query", args, elsewhere.path()).await["rows"][0].take()
    };
    clean(&few).await.unwrap();
    let (mut failures, mut successes) = (0, 0);

    for pages in 0..40 {
        let before = count().await;
        let (input, rows) = if before == json!([500, 500]) { (&many, 900) } else { (&few, 500) };
        disk.leave(pages * 2048);
        let outcome = clean(input).await;
        let after = count().await;
        disk.free();

        let new = json!([rows, rows]);
        match outcome {
            Ok(_) => {
                successes += 1;
                assert_eq!(after, new, "{pages} pages left");
            }
            Err(error) => {
                failures += 1;
                assert!(error.to_string().contains("No space left on device"), "{pages} pages left: {error}");
                assert!(after == before || after == new, "{pages} pages left: {before} became {after}");
            }
        }
    }

    assert!(failures > 0 && successes > 0, "{failures} failures, {successes} successes");
    clean(&few).await.unwrap();
    assert_eq!(count().await, json!([500, 500]));
}
