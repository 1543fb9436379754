//! `trigger_dag` from outside: a try makes one run, whatever becomes of the server meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;
use scheduler::store::entity::dag_run;
use scheduler::store::{read, runs};

use crate::server::{Backend, Installation, eventually, finished, instances};

/// How often the server is killed: a try that is lost a fourth time counts as a failure.
const KILLS: usize = 3;

/// How many runs are made meanwhile.
const RUNS: usize = 30;

async fn made(installation: &Installation, dag_id: &str) -> Vec<dag_run::Model> {
    let db = installation.database().await;
    runs::newest(db.read(), Some(dag_id), 1000).await.unwrap()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn kill_9_at_many_points_makes_each_run_once(#[case] backend: Backend) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let installation = Installation::new(backend).await;
    installation.write_dag("target.yaml", "max_active_runs: 100\ntasks: [{task_id: a, operator: empty}]\n");
    let numbers: Vec<String> = (0..RUNS).map(|number| format!("{{n: {number}}}")).collect();
    let maker = format!(
        "tasks:\n  - task_id: make\n    operator: trigger_dag\n    trigger_dag_id: target\n    wait_for_completion: true\n    \
         poke_interval: 0.2\n    expand: {{conf: [{}]}}\n",
        numbers.join(", ")
    );
    installation.write_dag("maker.yaml", &maker);
    let mut server = installation.start().await;
    installation.json(&["dags", "trigger", "maker", "--run-id", "one"]).await;
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(random.random_range(10..400))).await;
        server.kill().await;
        server = installation.start().await;
    }

    let db = installation.database().await;
    assert_eq!(finished(&db, "maker", "one").await.state, "success");

    let made = made(&installation, "target").await;
    let given: HashSet<i64> = made.iter().map(|run| run.conf["n"].as_i64().unwrap()).collect();
    assert_eq!((made.len(), given.len()), (RUNS, RUNS), "each was made once");
    for run in &made {
        assert_eq!((run.run_type.as_str(), run.triggered_by.as_deref()), ("operator_triggered", Some("operator")));
        assert_eq!(run.state, "success");
    }
    let maker = runs::get(db.read(), "maker", "one").await.unwrap();
    for instance in instances(&db, &maker).await {
        let name = read::find_xcom(db.read(), "maker", "one", "make", instance.map_index, "trigger_run_id").await;
        let name = name.unwrap().expect("it says which run it made").xcom.value.0;
        let run = made.iter().find(|run| run.run_id == name.as_str().unwrap()).expect("and there is one");
        assert_eq!(run.conf["n"], instance.map_index, "and it is its own");
    }
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn runs_that_are_there_are_skipped_reset_or_fail_the_task(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag(
        "target.yaml",
        "params: {rows: {type: integer, default: 1}}\ntasks: [{task_id: a, operator: empty}]\n",
    );
    installation.write_dag("paused.yaml", "is_paused_upon_creation: true\ntasks: [{task_id: a, operator: empty}]\n");
    installation.write_dag("broken.yaml", "tasks: [{task_id: a, operator: nothing}]\n");
    let task = |id: &str, keys: &str| format!("  - {{task_id: {id}, operator: trigger_dag, {keys}}}\n");
    let there = "trigger_dag_id: target, trigger_run_id: there, dependencies: [first]";
    let tasks = [
        task("first", "trigger_dag_id: target, trigger_run_id: there, wait_for_completion: true, poke_interval: 0.1"),
        task("fails", there),
        task("skipped", &format!("{there}, skip_when_already_exists: true")),
        task("unknown", "trigger_dag_id: nothing"),
        task("wrong", "trigger_dag_id: target, conf: {rows: many}"),
        task("refuses", "trigger_dag_id: paused, fail_when_dag_is_paused: true"),
        task("waits", "trigger_dag_id: paused, logical_date: null"),
        task("imitates", "trigger_dag_id: target, trigger_run_id: scheduled__2026"),
        task(
            "resets",
            "trigger_dag_id: target, trigger_run_id: there, reset_dag_run: true, wait_for_completion: true, \
             poke_interval: 0.1, trigger_rule: all_done, dependencies: [fails, skipped]",
        ),
    ];
    installation.write_dag("maker.yaml", &format!("tasks:\n{}", tasks.concat()));
    let server = installation.start().await;

    installation.json(&["dags", "trigger", "maker", "--run-id", "one"]).await;

    let db = installation.database().await;
    finished(&db, "maker", "one").await;
    let run = runs::get(db.read(), "maker", "one").await.unwrap();
    let all = instances(&db, &run).await;
    let found = |task_id: &str| {
        let instance = all.iter().find(|instance| instance.task_id == task_id).unwrap();
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        (word(&instance.state), word(&instance.error))
    };
    let failed = |task_id: &str| {
        let (state, error) = found(task_id);
        assert_eq!(state, "failed", "{task_id}");
        error
    };
    assert_eq!(found("first").0, "success");
    assert_eq!(failed("fails"), "DAG `target` has a run `there` or one with the same logical date already");
    assert_eq!(found("skipped").0, "skipped");
    assert_eq!(failed("unknown"), "there is no DAG `nothing`");
    assert!(failed("wrong").starts_with("param `rows` does not fit"), "{}", failed("wrong"));
    assert_eq!(failed("refuses"), "DAG `paused` is paused");
    assert_eq!(found("waits").0, "success");
    assert!(failed("imitates").contains("begins like that of a run of another type"), "{}", failed("imitates"));
    assert_eq!(found("resets").0, "success", "{}", found("resets").1);
    let there = runs::get(db.read(), "target", "there").await.unwrap();
    assert_eq!((there.state.as_str(), there.clear_number), ("success", 1), "it ran twice");
    assert_eq!(made(&installation, "paused").await.len(), 1);
    let token = server.token().await;
    let links = "/api/v2/dags/maker/dagRuns/one/taskInstances/resets/links";
    let links = server.request("GET", links, Some(&token), "").await;
    assert!(
        links.contains(r#"{"extra_links":{"Triggered DAG":"/dags/target/runs/there"},"total_entries":1}"#),
        "{links}"
    );
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_dag_may_trigger_itself_and_a_worker_may_be_the_one_who_does() {
    let installation = Installation::new(Backend::Postgres).await;
    let text = "params: {left: 3}\ntasks:\n  - {task_id: any_left, operator: short_circuit, condition: '{{ params.left | int > 0 }}'}\n  \
                - {task_id: again, operator: trigger_dag, trigger_dag_id: '{{ dag.dag_id }}', conf: {left: '{{ params.left | int - 1 }}'}, \
                dependencies: [any_left]}\n";
    installation.write_dag("cycle.yaml", text);
    let scheduler = installation.start_role("scheduler", &[]).await;
    let worker = installation.start_role("worker", &["--concurrency", "2"]).await;

    installation.json(&["dags", "trigger", "cycle", "--run-id", "one"]).await;

    let db = installation.database().await;
    eventually("four runs", || async {
        let made = runs::newest(db.read(), Some("cycle"), 10).await.unwrap();
        (made.len() == 4 && made.iter().all(|run| run.state == "success")).then_some(())
    })
    .await;
    assert!(worker.stop().await && scheduler.stop().await);
}
