//! A full disk is said once and clearly, nothing half-written is taken for data, and everything goes on when there is
//! room again.

use std::path::Path;

use rstest::rstest;
use scheduler::store::runs;
use serde_json::{Value, json};

use crate::server::{Backend, Installation, eventually, finished, instances};
use crate::shortage::{Of, Shortage};

/// Two tasks in a row; the first ends when the flag is there.
fn chain(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "tasks:\n  - task_id: first\n    operator: bash\n    bash_command: |\n      echo first >> {folder}/ledger\n      \
         while ! [ -e {folder}/flag ]; do sleep 0.05; done\n  - task_id: second\n    operator: bash\n    \
         bash_command: echo second >> {folder}/ledger\n    dependencies: [first]\n"
    )
}

#[rstest]
#[case::disk(Of::Room)]
#[case::file_size(Of::FileSize)]
#[tokio::test]
async fn the_engine_waits_until_there_is_room_for_the_database(#[case] of: Of) {
    let installation = Installation::new(Backend::Sqlite).await;
    let Some(shortage) = Shortage::prepare(of, &installation) else { return };
    installation.write_dag("chain.yaml", &chain(installation.path()));
    let (server, log) = installation.start_logged().await;
    let token = server.token().await;
    installation.json(&["dags", "trigger", "chain", "--run-id", "one"]).await;
    let ledger = installation.path().join("ledger");
    eventually("the first task", || async { ledger.exists().then_some(()) }).await;

    let written = std::fs::metadata(installation.home().join("updraft.db-wal")).map_or(0, |wal| wal.len());
    shortage.begin(Some(&server), written);
    std::fs::write(installation.path().join("flag"), "").unwrap();
    log.says("what happened cannot be written: the disk that the database is on").await;
    let runs = "/api/v2/dags/chain/dagRuns";
    let refused = server.request("POST", runs, Some(&token), r#"{"logical_date": null}"#).await;
    let read = server.request("GET", runs, Some(&token), "").await;
    let in_words = std::fs::read_to_string(&ledger).unwrap();
    shortage.end(Some(&server));

    let db = installation.database().await;
    let run = finished(&db, "chain", "one").await;
    assert_eq!(run.state, "success");
    log.says("the database can be used again").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("Try again in a moment: the disk that the database is on"), "{refused}");
    assert!(read.starts_with("HTTP/1.1 200"), "what is there can be read: {read}");
    assert_eq!(in_words, "first\n", "nothing follows before it is durable");
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), "first\nsecond\n", "each task ran once");
    assert_eq!(log.text().matches("what happened cannot be written").count(), 1, "it is said once: {}", log.text());
    assert!(server.stop().await);
}

#[rstest]
#[case::disk(Of::Room)]
#[case::file_size(Of::FileSize)]
#[tokio::test]
async fn a_start_without_room_is_refused_and_leaves_nothing_that_stands_in_the_way(#[case] of: Of) {
    let installation = Installation::new(Backend::Sqlite).await;
    let Some(shortage) = Shortage::prepare(of, &installation) else { return };
    installation.write_dag("fine.yaml", "tasks: [{task_id: a, operator: empty}]\n");

    shortage.begin(None, 0);
    let start = ["standalone", "--port", "0"];
    let refused = installation.command_under(shortage.program(), &start).output().await.unwrap();
    shortage.end(None);
    let server = installation.start().await;

    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("error: cannot open the database"), "{said}");
    assert!(said.contains("the disk that the database is on"), "{said}");
    assert!(said.contains("hint: "), "{said}");
    installation.json(&["dags", "trigger", "fine", "--run-id", "one"]).await;
    assert_eq!(finished(&installation.database().await, "fine", "one").await.state, "success");
    assert!(server.stop().await);
}

const LAND: &str = "params: {rows: 100}\ntasks:\n  - {task_id: land, operator: emulation, rows: '{{ params.rows }}', flush_size: 1000}\n";
const CLEAN: &str = "tasks:\n  - task_id: clean\n    operator: clean\n    \
                     input: lake/topics/0a3db223d459.user/partition=0/*.json\n    output: lake/users\n";
const COUNT: &str = "tasks:\n  - task_id: count\n    operator: query\n    tables: {users: lake/users}\n    \
                     sql: SELECT COUNT(*) FROM users\n";

#[rstest]
#[case::disk(Of::Room)]
#[case::file_size(Of::FileSize)]
#[tokio::test]
async fn tables_stay_as_they_were_and_logs_say_what_is_missing(#[case] of: Of) {
    let installation = Installation::new(Backend::Postgres).await;
    let Some(shortage) = Shortage::prepare(of, &installation) else { return };
    for (name, text) in [("land.yaml", LAND), ("clean.yaml", CLEAN), ("count.yaml", COUNT)] {
        installation.write_dag(name, text);
    }
    let (server, log) = installation.start_logged().await;
    let run = async |dag_id: &str, run_id: &str, conf: Value| {
        installation.json(&["dags", "trigger", dag_id, "--run-id", run_id, "--conf", &conf.to_string()]).await;
        let db = installation.database().await;
        let run = finished(&db, dag_id, run_id).await;
        let instance = instances(&db, &run).await.remove(0);
        let left = runs::pull_xcoms(db.read(), run.id, &instance.task_id, "return_value").await.unwrap();
        let left = left.into_iter().next().map(|(_, value)| value).unwrap_or_default();
        (run.state, instance.error.unwrap_or_default(), left)
    };
    let count = async |run_id: &str| run("count", run_id, json!({})).await.2["rows"][0][0].take();

    run("land", "before", json!({})).await;
    run("clean", "before", json!({})).await;
    let before = count("before").await;
    shortage.begin(Some(&server), 2048);
    let (landed, why_not_landed, _) = run("land", "without_room", json!({ "rows": 200 })).await;
    let (cleaned, why_not_cleaned, _) = run("clean", "without_room", json!({})).await;
    let meanwhile = count("without_room").await;
    shortage.end(Some(&server));
    run("land", "after", json!({ "rows": 200 })).await;
    let (cleaned_after, problem, _) = run("clean", "after", json!({})).await;
    let after = count("after").await;

    assert_eq!((landed.as_str(), cleaned.as_str()), ("failed", "failed"));
    assert!(why_not_landed.starts_with("cannot write ") && is_about_room(&why_not_landed), "{why_not_landed}");
    assert!(why_not_cleaned.contains("lake/users` cannot be written"), "{why_not_cleaned}");
    assert!(is_about_room(&why_not_cleaned), "{why_not_cleaned}");
    assert_eq!(meanwhile, before, "readers see the table as it was");
    assert_eq!(cleaned_after, "success", "{problem}");
    assert!(after.as_u64() > before.as_u64(), "{after} rows after, {before} before");
    assert!(!log.text().contains("panicked"), "{}", log.text());
    assert!(server.stop().await);
}

/// What the operating system says of a full disk, or of a file that must not grow.
fn is_about_room(error: &str) -> bool {
    error.contains("No space left on device") || error.contains("File too large")
}
