//! Packages of `python` by uv, where that is in `PATH`: an environment with them is made once, and what goes wrong is told.

use std::path::{Path, PathBuf};
use std::process::Command;

use scheduler::store::runs;

use crate::server::{Backend, Installation, Server, finished, instances};

/// A package with one module, as a wheel: nothing has to be fetched to install it.
const MAKE_WHEEL: &str = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('answers.py', 'def deep(): return 42\\n')
    info = 'answers-1.0.dist-info/'
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: answers\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', 'answers.py,,\\n' + info + 'METADATA,,\\n' + info + 'WHEEL,,\\n' + info + 'RECORD,,\\n')
";

/// The programs of the environment with `tests/requirements.txt`.
fn programs() -> PathBuf {
    let environment = std::env::var_os("UPDRAFT_TEST_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv"), PathBuf::from);
    let programs = environment.join("bin");
    assert!(programs.join("uv").is_file(), "there is no uv in {}; `make venv` installs it", programs.display());
    programs
}

#[tokio::test]
async fn an_environment_is_made_once_by_uv() {
    let programs = programs();
    let installation = Installation::new(Backend::Sqlite).await;
    let wheel = installation.path().join("answers-1.0-py3-none-any.whl");
    let made = Command::new("python3").args(["-c", MAKE_WHEEL]).arg(&wheel).status().expect("there is a python3");
    assert!(made.success());
    let task = |requirement: &str| {
        format!(
            "{{operator: python, code: 'import answers; print(answers.deep())', requirements: ['{requirement}'], pip_install_options: [--no-index]}}"
        )
    };
    let there = task(&wheel.display().to_string());
    let text = format!("tasks:\n  one: {there}\n  two: {there}\n  none: {}\n", task("there-is-no-such-package"));
    installation.write_dag("packages.yaml", &text);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut command = installation.command(&["standalone", "--port", "0"]);
    command.env("PATH", path).env("UV_CACHE_DIR", installation.path().join("uv")).env("UPDRAFT_LOG", "warn");
    let server = Server::start(command).await;
    installation.json(&["dags", "trigger", "packages", "--run-id", "first"]).await;

    let db = installation.database().await;
    assert_eq!(finished(&db, "packages", "first").await.state, "failed");

    let log = |task: &str| {
        let file = format!("logs/dag_id=packages/run_id=first/task_id={task}/attempt=1.log");
        std::fs::read_to_string(installation.home().join(file)).unwrap()
    };
    let run = runs::get(db.read(), "packages", "first").await.unwrap();
    for instance in instances(&db, &run).await {
        let expected = if instance.task_id == "none" { "failed" } else { "success" };
        assert_eq!(instance.state.as_deref(), Some(expected), "{}", log(&instance.task_id));
        let error = instance.error.unwrap_or_default();
        assert!(
            instance.task_id != "none" || error.contains("installing the requirements ended with exit code 1"),
            "{error}"
        );
    }
    let both = log("one") + &log("two");
    assert_eq!(both.matches("Makes an environment with 1 requirements by uv").count(), 1, "{both}");
    assert_eq!(both.matches("\"event\":\"42\"").count(), 2, "{both}");
    assert!(log("none").contains("there-is-no-such-package"), "{}", log("none"));
    assert!(server.stop().await);
}
