//! Pools, weights and the other limits, from outside: what may run at the same time, what goes first, and what is said of
//! that which waits.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use rstest::rstest;
use scheduler::store::entity::task_instance;
use scheduler::store::{Db, runs};
use serde_json::{Value, json};

use crate::server::{Backend, Installation, eventually, finished, instances};

/// A file that tasks wait for.
fn until(flag: &Path) -> String {
    format!("while ! [ -e {} ]; do sleep 0.02; done", flag.display())
}

/// A DAG of `count` tasks that run until the flag is there, each with `keys`.
fn waiting_tasks(count: usize, keys: &str, flag: &Path) -> String {
    let tasks = (0..count)
        .map(|number| format!("  - {{task_id: t{number}, operator: bash, bash_command: '{}', {keys}}}\n", until(flag)));
    format!("tasks:\n{}", tasks.collect::<String>())
}

/// The reasons of the task instances in that state, by how many have each; none while there are not `count` of them.
async fn reasons(db: &Db, dag_id: &str, run_id: &str, state: &str, count: usize) -> Option<BTreeMap<String, usize>> {
    let run = runs::find(db.read(), dag_id, run_id).await.unwrap()?;
    let all: Vec<task_instance::Model> =
        instances(db, &run).await.into_iter().filter(|instance| instance.state.as_deref() == Some(state)).collect();
    let mut reasons = BTreeMap::new();
    for instance in &all {
        *reasons.entry(instance.reason.clone().unwrap_or_default()).or_default() += 1;
    }
    (all.len() == count).then_some(reasons)
}

async fn running(db: &Db, dag_id: &str, run_id: &str, count: usize) {
    eventually(&format!("{count} running tasks"), || reasons(db, dag_id, run_id, "running", count)).await;
}

async fn waiting(db: &Db, dag_id: &str, run_id: &str, reason: &str, count: usize) {
    let wanted = BTreeMap::from([(reason.to_owned(), count)]);
    eventually(&format!("{count} times `{reason}`"), || async {
        reasons(db, dag_id, run_id, "scheduled", count).await.filter(|found| *found == wanted)
    })
    .await;
}

async fn trigger(installation: &Installation, dag_id: &str, run_id: &str) {
    installation.json(&["dags", "trigger", dag_id, "--run-id", run_id]).await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_pool_bounds_what_runs_and_the_rest_says_so(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let flag = installation.path().join("flag");
    installation.write_dag("five.yaml", &waiting_tasks(5, "pool: narrow, pool_slots: 2", &flag));
    let server = installation.start().await;
    let db = installation.database().await;

    trigger(&installation, "five", "one").await;
    waiting(&db, "five", "one", "pool narrow does not exist", 5).await;
    installation.json(&["pools", "set", "narrow", "1"]).await;
    waiting(&db, "five", "one", "pool narrow has 1 slot, and the task takes 2", 5).await;
    installation.json(&["pools", "set", "narrow", "5"]).await;
    running(&db, "five", "one", 2).await;
    waiting(&db, "five", "one", "pool narrow is full (5 slots)", 3).await;

    let pool = installation.json(&["pools", "get", "narrow"]).await;
    assert_eq!(
        (&pool["running_slots"], &pool["scheduled_slots"], &pool["open_slots"]),
        (&json!(4), &json!(6), &json!(1))
    );
    let why = installation.json(&["tasks", "why", "five", "one"]).await;
    assert_eq!(why["task_instances"].as_array().unwrap().len(), 3, "{why}");
    let dependency = &why["task_instances"][0]["dependencies"][0];
    assert_eq!(dependency["reason"], "pool narrow is full (5 slots)");
    assert!(dependency["remedy"].as_str().unwrap().contains("updraft pools set narrow"), "{dependency}");

    installation.json(&["pools", "set", "narrow", "8"]).await;
    running(&db, "five", "one", 4).await;
    std::fs::write(&flag, "").unwrap();
    assert_eq!(finished(&db, "five", "one").await.state, "success");
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_run_and_the_installation_have_limits_of_their_own() {
    let installation = Installation::new(Backend::Sqlite).await;
    let flag = installation.path().join("flag");
    let tasks = waiting_tasks(4, "queue: default", &flag);
    installation.write_dag("few.yaml", &format!("max_active_tasks: 2\n{tasks}"));
    installation
        .write_dag("single.yaml", &format!("max_active_runs: 1\n{}", waiting_tasks(2, "queue: default", &flag)));
    let server = installation.start_with(&["--parallelism", "3"]).await;
    let db = installation.database().await;

    trigger(&installation, "few", "one").await;
    running(&db, "few", "one", 2).await;
    waiting(&db, "few", "one", "max_active_tasks 2 reached", 2).await;
    trigger(&installation, "single", "one").await;
    running(&db, "single", "one", 1).await;
    waiting(&db, "single", "one", "parallelism 3 reached", 1).await;
    trigger(&installation, "single", "two").await;
    reason_of_run(&db, "single", "two", "max_active_runs 1 reached").await;

    installation.json(&["dags", "pause", "single"]).await;
    reason_of_run(&db, "single", "two", "DAG paused").await;
    waiting(&db, "single", "one", "DAG paused", 1).await;
    let why = installation.run(&["tasks", "why", "single", "two"]).await;
    let said = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(said.contains("the run does not begin: DAG paused"), "{said}");
    assert!(said.contains("help: unpause it: `updraft dags unpause single`"), "{said}");

    std::fs::write(&flag, "").unwrap();
    installation.json(&["dags", "unpause", "single"]).await;
    for (dag_id, run_id) in [("few", "one"), ("single", "one"), ("single", "two")] {
        let run = finished(&db, dag_id, run_id).await;
        assert_eq!((run.state.as_str(), run.reason), ("success", None));
    }
    assert!(server.stop().await);
}

async fn reason_of_run(db: &Db, dag_id: &str, run_id: &str, reason: &str) {
    eventually(reason, || async {
        let run = runs::find(db.read(), dag_id, run_id).await.unwrap()?;
        (run.reason.as_deref() == Some(reason)).then_some(())
    })
    .await;
}

/// Airflow semantics, section 5: weights come first, and with the default rule a task weighs what follows from it.
#[tokio::test]
async fn heavier_tasks_go_first() {
    let installation = Installation::new(Backend::Sqlite).await;
    let flag = installation.path().join("flag");
    let text = format!(
        "tasks:
  - {{task_id: holds_the_slot, operator: bash, bash_command: '{}', priority_weight: 100}}
  - {{task_id: light, operator: empty}}
  - {{task_id: heavy, operator: empty, priority_weight: 5}}
  - {{task_id: first_of_many, operator: empty}}
  - {{task_id: next, operator: empty, dependencies: [first_of_many], priority_weight: 3}}
  - {{task_id: last, operator: empty, dependencies: [next], priority_weight: 3}}
",
        until(&flag)
    );
    installation.write_dag("order.yaml", &text);
    let server = installation.start_with(&["--parallelism", "1"]).await;
    let db = installation.database().await;
    trigger(&installation, "order", "one").await;
    waiting(&db, "order", "one", "parallelism 1 reached", 3).await;

    std::fs::write(&flag, "").unwrap();
    let run = finished(&db, "order", "one").await;

    let mut ran = instances(&db, &run).await;
    ran.sort_by_key(|instance| instance.start_date);
    let order: Vec<(&str, i32)> =
        ran.iter().map(|instance| (instance.task_id.as_str(), instance.priority_weight)).collect();
    let expected =
        [("holds_the_slot", 100), ("first_of_many", 7), ("next", 6), ("heavy", 5), ("last", 3), ("light", 1)];
    assert_eq!(order, expected);
    assert!(server.stop().await);
}

/// Complaints 22 and 23: slots neither leak nor are exceeded, whether tasks fail, are tried again, or the server is killed.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn retries_and_restarts_pass_the_same_door(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let (lock, ledger) = (installation.path().join("lock"), installation.path().join("ledger"));
    // Only one may hold the lock; the kernel takes it from whoever dies.
    let script = format!(
        "exec 9>{}; flock --nonblock 9 || echo overlap >> {ledger}; sleep 0.05; \
         [ \"$AIRFLOW_CTX_TRY_NUMBER\" -gt 1 ] && echo ok >> {ledger}",
        lock.display(),
        ledger = ledger.display(),
    );
    let tasks = (0..6).map(|number| format!("  - {{task_id: t{number}, operator: bash, bash_command: '{script}'}}\n"));
    let head = "default_args: {pool: single, retries: 3, retry_delay: 0.01}\ntasks:\n";
    installation.write_dag("retried.yaml", &format!("{head}{}", tasks.collect::<String>()));
    installation.json(&["pools", "set", "single", "1"]).await;
    let mut server = installation.start().await;
    let db = installation.database().await;
    trigger(&installation, "retried", "one").await;
    trigger(&installation, "retried", "two").await;
    let lines = || std::fs::read_to_string(&ledger).unwrap_or_default().lines().count();
    for done in [2, 5, 8] {
        eventually("some progress", || async { (lines() >= done).then_some(()) }).await;
        server.kill().await;
        server = installation.start().await;
    }

    for run_id in ["one", "two"] {
        let run = finished(&db, "retried", run_id).await;
        assert_eq!(run.state, "success", "{run_id}");
        for instance in instances(&db, &run).await {
            assert!(instance.try_number >= 2, "{} was tried again", instance.task_id);
        }
    }
    let told = std::fs::read_to_string(&ledger).unwrap();
    assert!(!told.contains("overlap"), "{told}");
    let pool = installation.json(&["pools", "get", "single"]).await;
    assert_eq!((&pool["occupied_slots"], &pool["open_slots"]), (&json!(0), &json!(1)), "no slot is left behind");
    assert!(server.stop().await);
}

/// Airflow semantics, section 2: `max_active_tis_per_dag` counts the instances of a task in all runs.
#[tokio::test]
async fn a_task_may_be_bounded_over_all_runs() {
    let installation = Installation::new(Backend::Sqlite).await;
    let flag = installation.path().join("flag");
    let server = installation.start().await;
    let db = installation.database().await;
    installation.write_dag("bounded.yaml", &waiting_tasks(1, "max_active_tis_per_dag: 2", &flag));
    eventually("the DAG", || async { scheduler::store::dags::find(db.read(), "bounded").await.unwrap() }).await;
    for run_id in ["one", "two", "three"] {
        trigger(&installation, "bounded", run_id).await;
    }

    running(&db, "bounded", "one", 1).await;
    running(&db, "bounded", "two", 1).await;
    waiting(&db, "bounded", "three", "max_active_tis_per_dag 2 reached", 1).await;
    std::fs::write(&flag, "").unwrap();

    let mut spans: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
    for run_id in ["one", "two", "three"] {
        let run = finished(&db, "bounded", run_id).await;
        let ran = instances(&db, &run).await;
        spans.push((ran[0].start_date.unwrap(), ran[0].end_date.unwrap()));
    }
    assert!(spans[2].0 >= spans[0].1.min(spans[1].1), "the third began before one of the others had ended: {spans:?}");
    assert!(server.stop().await);
}

#[tokio::test]
async fn pools_are_listed_set_and_deleted() {
    let installation = Installation::new(Backend::Sqlite).await;
    let names = async || {
        let list = installation.json(&["pools", "list"]).await;
        let name = |pool: &Value| pool["name"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(name).collect::<Vec<String>>()
    };

    let made = installation.json(&["pools", "set", "etl", "4", "--description", "Loads"]).await;
    assert_eq!(
        (&made["slots"], &made["description"], &made["include_deferred"]),
        (&json!(4), &json!("Loads"), &json!(false))
    );
    let changed = installation.json(&["pools", "set", "etl", "-1", "--include-deferred"]).await;
    assert_eq!(
        (&changed["slots"], &changed["description"], &changed["include_deferred"]),
        (&json!(-1), &json!("Loads"), &json!(true))
    );
    assert_eq!(names().await, ["default_pool", "etl"]);
    let shown = installation.run(&["pools", "list"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.starts_with("POOL") && shown.contains("etl           no end"), "{shown}");

    for (args, said) in [
        (&["pools", "set", "etl", "-2"][..], "-2 is not in -1.."),
        (
            &["pools", "set", "default_pool", "1", "--description", "x"],
            "Only slots and included_deferred can be modified",
        ),
        (&["pools", "get", "nothing"], "pool `nothing` does not exist"),
        (&["pools", "delete", "nothing", "--yes"], "pool `nothing` does not exist"),
        (&["pools", "delete", "default_pool", "--yes"], "Default Pool can't be deleted"),
        (&["pools", "delete", "etl"], "hint: say so with --yes"),
    ] {
        let output = installation.command(args).stdin(std::process::Stdio::null()).output().await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
        assert!(errors.contains(said), "{args:?}: {errors}");
    }
    assert_eq!(names().await, ["default_pool", "etl"]);
    installation.json(&["pools", "delete", "etl", "--yes"]).await;
    assert_eq!(names().await, ["default_pool"]);
}

#[tokio::test]
async fn a_file_is_tested_whatever_pools_it_names() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("any.yaml", "tasks: [{task_id: a, operator: empty, pool: nowhere, pool_slots: 1000}]\n");

    let tested = installation.run(&["dags", "test", "dags/any.yaml"]).await;

    assert_eq!(tested.status.code(), Some(0), "{}", String::from_utf8_lossy(&tested.stderr));
}

#[tokio::test]
async fn queued_runs_of_a_backfill_say_why_they_wait() {
    let installation = Installation::new(Backend::Sqlite).await;
    let flag = installation.path().join("flag");
    let head = "schedule: '@daily'\nstart_date: 2026-01-01\nend_date: 2026-01-01\n";
    installation.write_dag("days.yaml", &format!("{head}{}", waiting_tasks(1, "queue: default", &flag)));
    let server = installation.start().await;
    let db = installation.database().await;
    eventually("the DAG", || async { scheduler::store::dags::find(db.read(), "days").await.unwrap() }).await;
    let range = ["--from-date", "2026-02-01T00:00:00Z", "--to-date", "2026-02-03T00:00:00Z"];
    let create = [&["backfill", "create", "days", "--max-active-runs", "1"][..], &range].concat();
    let backfill = installation.json(&create).await["id"].to_string();
    let queued = async |reason: &str| {
        eventually(reason, || async {
            let made = runs::newest(db.read(), Some("days"), 10).await.unwrap();
            (made.iter().filter(|run| run.reason.as_deref() == Some(reason)).count() == 2).then_some(())
        })
        .await;
    };

    queued("max_active_runs 1 of the backfill reached").await;
    installation.json(&["backfill", "pause", &backfill]).await;
    queued("backfill paused").await;
    installation.json(&["backfill", "unpause", &backfill]).await;
    queued("max_active_runs 1 of the backfill reached").await;

    std::fs::write(&flag, "").unwrap();
    eventually("the end of all three", || async {
        let made = runs::newest(db.read(), Some("days"), 10).await.unwrap();
        made.iter().filter(|run| run.backfill_id.is_some()).all(|run| run.state == "success").then_some(())
    })
    .await;
    assert!(server.stop().await);
}

/// What a task leaves to map over is bounded, and whoever runs Updraft says how far.
#[tokio::test]
async fn the_length_that_is_mapped_over_can_be_set() {
    let installation = Installation::new(Backend::Sqlite).await;
    let file = installation.path().join("mapped.yaml");
    std::fs::write(
        &file,
        "tasks:\n  - {task_id: items, operator: bash, bash_command: \"echo '[1, 2, 3]'\", output_processor: json}\n  \
         - {task_id: each, operator: bash, append_env: true, bash_command: ls, expand: {skip_on_exit_code: items.output}}\n",
    )
    .unwrap();
    let mut ends = Vec::new();
    for most in ["2", "3", "many"] {
        let mut command = installation.command(&["dags", "test", file.to_str().unwrap()]);
        let output = command.env("UPDRAFT_MAX_MAP_LENGTH", most).output().await.unwrap();
        ends.push((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    assert_eq!(ends.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [Some(1), Some(0), Some(2)], "{ends:?}");
    assert!(ends[0].1.contains("upstream_failed"), "{}", ends[0].1);
    assert!(ends[2].1.contains("UPDRAFT_MAX_MAP_LENGTH is `many`"), "{}", ends[2].1);
}
