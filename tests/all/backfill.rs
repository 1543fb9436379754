//! Backfills, from outside (Airflow 3 semantics, section 15).

use rstest::rstest;
use scheduler::store::entity::dag_run;
use scheduler::store::{Db, backfills, runs};
use serde_json::json;

use crate::server::{Backend, Installation, eventually};

/// Fails for the day that `bad` in its conf names, and otherwise writes its day into a ledger.
const DAG: &str = "schedule: '@daily'
start_date: 2026-01-01
is_paused_upon_creation: false
end_date: 2026-01-01
tasks:
  - task_id: day
    operator: bash
    bash_command: |
      test '{{ ds }}' != '{{ dag_run.conf.bad | default('') }}' || exit 1
      echo {{ ds }} >> '{{ dag_run.conf.ledger }}'
";

/// The exit code of a command, and what it said on standard error.
async fn told(installation: &Installation, args: &[&str]) -> (i32, String) {
    let output = installation.run(args).await;
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn days(db: &Db) -> Vec<(String, String)> {
    let mut made: Vec<dag_run::Model> = runs::newest(db.read(), Some("days"), 100).await.unwrap();
    made.retain(|run| run.backfill_id.is_some());
    made.sort_by_key(|run| run.logical_date);
    made.iter().map(|run| (run.logical_date.unwrap().format("%m-%d").to_string(), run.state.clone())).collect()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_range_of_dates_is_run_in_order_and_what_failed_again(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag("days.yaml", DAG);
    let server = installation.start().await;
    let db = installation.database().await;
    eventually("the DAG", || async { scheduler::store::dags::find(db.read(), "days").await.unwrap() }).await;
    let ledger = installation.home().join("ledger");
    let conf = json!({ "ledger": ledger, "bad": "2026-02-03" }).to_string();
    let range = ["--from-date", "2026-02-01T00:00:00Z", "--to-date", "2026-02-05T00:00:00Z"];

    let mut create = vec!["backfill", "create", "days", "--max-active-runs", "1", "--wait", "--run-backwards"];
    create.extend(range);
    create.extend(["--conf", &conf]);
    let (code, progress) = told(&installation, &create).await;

    assert_eq!(code, 1, "a run failed: {progress}");
    assert!(progress.contains("5 of 5 runs are over: 4 success, 1 failed"), "{progress}");
    assert_eq!(
        days(&db).await,
        [("02-01", "success"), ("02-02", "success"), ("02-03", "failed"), ("02-04", "success"), ("02-05", "success")]
            .map(|(day, state)| (day.to_owned(), state.to_owned()))
    );
    let written = std::fs::read_to_string(&ledger).unwrap();
    assert_eq!(written, "2026-02-05\n2026-02-04\n2026-02-02\n2026-02-01\n", "newest first, one at a time");

    // Nothing is left to make; only what failed is run again.
    let mut again = vec!["backfill", "create", "days"];
    again.extend(range);
    let (code, refusal) = told(&installation, &again).await;
    assert_eq!(code, 2, "{refusal}");
    assert!(refusal.contains("every date has one"), "{refusal}");
    let conf = json!({ "ledger": ledger }).to_string();
    again.extend(["--reprocess-behavior", "failed", "--wait", "--conf", &conf]);
    let (code, progress) = told(&installation, &again).await;
    assert_eq!(code, 0, "{progress}");
    assert!(std::fs::read_to_string(&ledger).unwrap().ends_with("2026-02-01\n2026-02-03\n"));
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_backfill_can_be_paused_and_cancelled(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let gate = installation.home().join("gate");
    let dag = DAG
        .replace("      echo", &format!("      while ! test -e '{}'; do sleep 0.05; done\n      echo", gate.display()));
    installation.write_dag("days.yaml", &dag);
    let server = installation.start().await;
    let db = installation.database().await;
    eventually("the DAG", || async { scheduler::store::dags::find(db.read(), "days").await.unwrap() }).await;
    let conf = json!({ "ledger": installation.home().join("ledger") }).to_string();
    let made = installation
        .json(&[
            "backfill",
            "create",
            "days",
            "--from-date",
            "2026-02-01T00:00:00Z",
            "--to-date",
            "2026-02-04T00:00:00Z",
            "--max-active-runs",
            "2",
            "--conf",
            &conf,
        ])
        .await;
    let id = made["id"].to_string();
    let states = |wanted: &'static [&'static str]| {
        let db = db.clone();
        move || {
            let db = db.clone();
            async move {
                let states: Vec<String> = days(&db).await.into_iter().map(|(_, state)| state).collect();
                (states == wanted).then_some(())
            }
        }
    };
    eventually("two runs", states(&["running", "running", "queued", "queued"])).await;

    let other = ["--from-date", "2026-03-01T00:00:00Z", "--to-date", "2026-03-02T00:00:00Z"];
    let (code, refusal) = told(&installation, &[&["backfill", "create", "days"], other.as_slice()].concat()).await;
    assert_eq!(code, 2, "{refusal}");
    assert!(refusal.contains("has an active backfill already"), "{refusal}");
    installation.json(&["backfill", "pause", &id]).await;
    std::fs::write(&gate, "").unwrap();
    eventually("what ran to end, and nothing to follow", states(&["success", "success", "queued", "queued"])).await;
    assert!(backfills::get(db.read(), id.parse().unwrap()).await.unwrap().completed_at.is_none());
    let cancelled = installation.json(&["backfill", "cancel", &id]).await;

    assert_eq!(cancelled["state"], "completed");
    eventually("the rest to fail", states(&["success", "success", "failed", "failed"])).await;
    assert!(server.stop().await);
}
