//! Schedules, pauses and files, from outside.

use std::time::Duration;

use rstest::rstest;
use scheduler::store::{dags, runs};

use crate::server::{Backend, Installation, eventually, finished, instances};

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_unpaused_dag_runs_its_latest_missed_tick_once(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag(
        "nightly.yaml",
        // Several ticks were missed, and the next one is far away.
        "schedule: '@yearly'\nstart_date: 2020-01-01\nis_paused_upon_creation: true\ntasks: [{task_id: a, operator: empty}]\n",
    );
    let server = installation.start().await;
    let db = installation.database().await;
    let paused = eventually("the DAG", || async { dags::find(db.read(), "nightly").await.unwrap() }).await;
    assert!(paused.is_paused);
    assert!(runs::newest(db.read(), Some("nightly"), 10).await.unwrap().is_empty(), "a paused DAG makes no runs");

    installation.json(&["dags", "unpause", "nightly"]).await;
    let run = eventually("the scheduled run", || async {
        runs::newest(db.read(), Some("nightly"), 10).await.unwrap().into_iter().find(|run| run.state == "success")
    })
    .await;

    assert_eq!(run.run_type, "scheduled");
    assert_eq!(run.logical_date, run.data_interval_end, "cron intervals have no length");
    assert!(run.run_id.starts_with("scheduled__") && run.run_id.ends_with("-01-01T00:00:00+00:00"), "{}", run.run_id);
    assert_eq!(runs::newest(db.read(), Some("nightly"), 10).await.unwrap().len(), 1, "no catchup, so one run");
    assert!(server.stop().await);
}

#[tokio::test]
async fn catchup_makes_every_missed_run_in_order() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag(
        "monthly.yaml",
        "schedule: '@monthly'\nstart_date: 2025-01-01\nend_date: 2025-06-01\ncatchup: true\nmax_active_runs: 1\n\
         tasks: [{task_id: a, operator: empty}]\n",
    );
    let server = installation.start().await;
    let db = installation.database().await;

    let made = eventually("all six runs", || async {
        let made = runs::newest(db.read(), Some("monthly"), 20).await.unwrap();
        (made.iter().filter(|run| run.state == "success").count() == 6).then_some(made)
    })
    .await;

    let mut dates: Vec<String> =
        made.iter().map(|run| run.logical_date.unwrap().format("%Y-%m-%d").to_string()).collect();
    dates.reverse();
    assert_eq!(dates, ["2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01", "2025-05-01", "2025-06-01"]);
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_cron_tick_makes_a_run() {
    let installation = Installation::new(Backend::Sqlite).await;
    // Six fields, the seconds last, as Airflow's croniter has it.
    installation.write_dag("often.yaml", "schedule: '* * * * * */2'\ntasks: [{task_id: a, operator: empty}]\n");
    let server = installation.start().await;
    let db = installation.database().await;

    let made = eventually("three ticks", || async {
        let made = runs::newest(db.read(), Some("often"), 50).await.unwrap();
        (made.iter().filter(|run| run.state == "success").count() >= 3).then_some(made)
    })
    .await;

    for run in made {
        assert_eq!(run.logical_date.unwrap().timestamp() % 2, 0, "{}", run.run_id);
    }
    assert!(server.stop().await);
}

#[tokio::test]
async fn files_are_picked_up_broken_ones_keep_their_last_good_version_and_others_are_left_alone() {
    let installation = Installation::new(Backend::Sqlite).await;
    let server = installation.start().await;
    let db = installation.database().await;
    let dag = |id: &'static str| {
        let db = db.clone();
        move || {
            let db = db.clone();
            async move { dags::find(db.read(), id).await.unwrap() }
        }
    };

    installation.write_dag("good.yaml", "tasks: [{task_id: a, operator: empty}]\n");
    installation.write_dag("other.yaml", "tasks: [{task_id: a, operator: empty}]\n");
    eventually("the new DAG", dag("good")).await;
    eventually("the other DAG", dag("other")).await;

    installation.write_dag("good.yaml", "tasks: [{task_id: a, operator: emty}]\n");
    // A look may have come upon the file while it was empty.
    let errors = eventually("the import error", || async {
        let errors = dags::list_import_errors(db.read(), "dags-folder").await.unwrap();
        errors.iter().any(|error| error.stack_trace.contains("emty")).then_some(errors)
    })
    .await;
    assert_eq!(errors.len(), 1);
    assert!(errors[0].stack_trace.contains("good.yaml:1:"), "{}", errors[0].stack_trace);
    assert!(errors[0].stack_trace.contains("`empty`"), "a suggestion: {}", errors[0].stack_trace);
    let broken = dags::find(db.read(), "good").await.unwrap().unwrap();
    assert!(broken.has_import_errors && !broken.is_stale);
    assert!(broken.source.contains("operator: empty"), "the last good version stays");
    assert!(!dags::find(db.read(), "other").await.unwrap().unwrap().has_import_errors);
    let refused = installation.run(&["dags", "trigger", "good"]).await;
    assert_eq!(refused.status.code(), Some(2), "a broken DAG is not triggered by hand");

    installation.write_dag("good.yaml", "tasks: [{task_id: b, operator: empty}]\n");
    eventually("the mended DAG", || async {
        dags::find(db.read(), "good")
            .await
            .unwrap()
            .filter(|row| !row.has_import_errors && row.source.contains("id: b"))
    })
    .await;
    assert!(dags::list_import_errors(db.read(), "dags-folder").await.unwrap().is_empty());

    std::fs::remove_file(installation.path().join("dags/good.yaml")).unwrap();
    eventually("the DAG without a file", || async {
        dags::find(db.read(), "good").await.unwrap().filter(|row| row.is_stale)
    })
    .await;
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_run_keeps_the_version_that_it_began_with() {
    let installation = Installation::new(Backend::Sqlite).await;
    let flag = installation.path().join("flag");
    let file = |word: &str| {
        format!(
            "tasks:\n  - task_id: wait\n    operator: bash\n    bash_command: while ! [ -e {} ]; do sleep 0.05; done\n  \
             - task_id: say\n    operator: bash\n    bash_command: echo {word}\n    dependencies: [wait]\n",
            flag.display()
        )
    };
    installation.write_dag("pinned.yaml", &file("before"));
    let server = installation.start().await;
    installation.json(&["dags", "trigger", "pinned", "--run-id", "one"]).await;
    let db = installation.database().await;
    eventually("the first task", || async {
        let run = runs::get(db.read(), "pinned", "one").await.unwrap();
        instances(&db, &run).await.iter().any(|instance| instance.state.as_deref() == Some("running")).then_some(())
    })
    .await;

    installation.write_dag("pinned.yaml", &file("after"));
    eventually("the new version", || async {
        dags::find(db.read(), "pinned").await.unwrap().filter(|row| row.source.contains("echo after"))
    })
    .await;
    std::fs::write(&flag, "").unwrap();
    let run = finished(&db, "pinned", "one").await;
    let said = runs::pull_xcoms(db.read(), run.id, "say", "return_value").await.unwrap();

    assert_eq!(said, [(-1, serde_json::json!("before"))]);
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_paused_dag_queues_its_triggered_runs_until_it_is_unpaused() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("held.yaml", "is_paused_upon_creation: true\ntasks: [{task_id: a, operator: empty}]\n");
    let server = installation.start().await;
    let db = installation.database().await;
    eventually("the DAG", || async { dags::find(db.read(), "held").await.unwrap() }).await;
    installation.json(&["dags", "trigger", "held", "--run-id", "one"]).await;
    eventually("the adoption of the run", || async { runs::get(db.read(), "held", "one").await.unwrap().owner }).await;
    // Were it not held, it would be over long before the engine has looked around again.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(runs::get(db.read(), "held", "one").await.unwrap().state, "queued");

    installation.json(&["dags", "unpause", "held"]).await;

    assert_eq!(finished(&db, "held", "one").await.state, "success");
    assert!(server.stop().await);
}
