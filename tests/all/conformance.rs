//! What DAG files mean, case by case: each folder below `tests/conformance/cases` holds a DAG and how a run of it ends.
//!
//! `expected.txt` says how `updraft dags test` exits, and how every task instance ends. `UPDRAFT_REGENERATE=1` writes it anew;
//! look at the difference.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::server::{Backend, Installation};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/cases");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[tokio::test]
async fn dag_files_do_what_they_say() {
    let installation = Installation::new(Backend::Sqlite).await;
    let mut wrong = String::new();
    for case in cases() {
        let file = case.join("dag.yaml");
        let output = installation.run(&["dags", "test", file.to_str().unwrap()]).await;
        let said = summary(output.status.code(), &String::from_utf8_lossy(&output.stderr));
        let path = case.join("expected.txt");
        if std::env::var_os("UPDRAFT_REGENERATE").is_some() {
            std::fs::write(&path, &said).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        if said != expected {
            writeln!(wrong, "{}\nexpected:\n{expected}\nand it was:\n{said}", case.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What of the progress does not hang on which task was faster: the last state of each task instance.
fn summary(code: Option<i32>, progress: &str) -> String {
    let is_state = |line: &&str| !line.starts_with(' ') && !line.starts_with("run manual__");
    let states: BTreeMap<&str, &str> = progress
        .lines()
        .filter(is_state)
        .filter_map(|line| line.rsplit_once("  "))
        .map(|(name, state)| (name.trim(), state))
        .collect();
    let mut summary = format!("exit code {}\n", code.unwrap_or(-1));
    for (name, state) in states {
        writeln!(summary, "{name}: {state}").unwrap();
    }
    summary
}
