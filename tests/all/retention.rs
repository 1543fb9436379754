//! `updraft db clean`: what is old goes, and what the next runs hang on stays.

use rstest::rstest;
use scheduler::clock::Clock;
use serde_json::json;

use crate::server::{Backend, Installation};

const DAG: &str = "tasks:\n  - task_id: say\n    operator: bash\n    bash_command: echo {{ run_id }}\n";

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn old_runs_go_with_their_logs_beside_a_server(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag("talk.yaml", DAG);
    let server = installation.start().await;
    for run_id in ["one", "two", "three"] {
        installation.json(&["dags", "trigger", "talk", "--run-id", run_id, "--wait"]).await;
    }
    let logs = installation.home().join("logs/dag_id=talk");
    let logged = |run_id: &str| logs.join(format!("run_id={run_id}")).exists();
    std::fs::create_dir_all(logs.join("run_id=deleted long ago")).unwrap();
    // Logs that were written in this very moment are not older than it.
    let before = (Clock::System.now() + chrono::TimeDelta::milliseconds(20)).to_rfc3339();
    tokio::time::sleep(std::time::Duration::from_millis(40)).await;

    let planned = installation.json(&["db", "clean", "--before", &before, "--dry-run"]).await;
    assert!(logged("one") && logged("deleted long ago"), "nothing was removed yet");
    let unasked = installation.run(&["db", "clean", "--before", &before]).await;
    let said = String::from_utf8_lossy(&unasked.stderr).into_owned();
    assert_eq!(unasked.status.code(), Some(2), "{said}");
    assert!(said.contains("task_instance     2") && said.contains("--yes"), "{said}");
    let removed = installation.json(&["db", "clean", "--before", &before, "--yes"]).await;

    assert_eq!(planned["rows"], removed["rows"]);
    assert_eq!(removed["rows"]["dag_run"], 2);
    assert_eq!((&planned["logs"], &removed["logs"]), (&json!(3), &json!(3)));
    let runs = installation.json(&["runs", "list", "talk"]).await;
    assert_eq!(runs[0]["dag_run_id"], "three", "the newest run stays, however old it is");
    assert_eq!(runs.as_array().unwrap().len(), 1);
    let left: Vec<bool> = ["one", "two", "three", "deleted long ago"].map(logged).to_vec();
    assert_eq!(left, [false, false, true, false]);
    let again = installation.json(&["db", "clean", "--before", &before, "--dry-run"]).await;
    assert!(again["rows"].as_object().unwrap().values().all(|count| count == 0), "{again}");
    installation.json(&["dags", "trigger", "talk", "--run-id", "four", "--wait"]).await;
    assert!(server.stop().await);
}

#[tokio::test]
async fn an_age_that_makes_no_sense_is_refused() {
    let installation = Installation::new(Backend::Sqlite).await;
    for (args, message) in [
        (["db", "clean", "--older-than", "90", "--dry-run"], "`90` has no unit"),
        (["db", "clean", "--before", "yesterday", "--dry-run"], "`yesterday` is not a date"),
        (["db", "clean", "--before", "2999-01-01", "--dry-run"], "2999-01-01T00:00:00Z has not come yet"),
        (["db", "clean", "--dry-run", "--yes", "--yes"], "--yes"),
    ] {
        let output = installation.run(&args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(message), "{args:?}: {said}");
    }
}
