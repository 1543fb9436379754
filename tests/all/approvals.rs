//! Approvals from outside: a person answers, through any door and at any time, and the task goes on.

use rstest::rstest;
use scheduler::store::entity::task_instance;
use scheduler::store::{Db, read, runs};
use serde_json::{Value, json};

use crate::server::{Backend, Installation, eventually, finished, instances};

/// More often than a try may be lost before that counts.
const KILLS: usize = 4;

const DAG: &str = "
tasks:
  - {task_id: publish, operator: approval, subject: 'Publish {{ run_id }}?', params: {rows: {type: integer, default: 3}}}
  - {task_id: goes_on, operator: empty, dependencies: [publish]}
";

struct World {
    installation: Installation,
    db: Db,
}

impl World {
    async fn new(backend: Backend, dag: &str) -> World {
        let installation = Installation::new(backend).await;
        installation.write_dag("asks.yaml", dag);
        std::fs::create_dir_all(installation.home()).unwrap();
        let db = installation.database().await;
        db.migrate().await.unwrap();
        World { installation, db }
    }

    async fn trigger(&self) {
        self.installation.json(&["dags", "trigger", "asks", "--run-id", "one"]).await;
    }

    async fn instance(&self, task_id: &str) -> Option<task_instance::Model> {
        let run = runs::find(self.db.read(), "asks", "one").await.unwrap()?;
        instances(&self.db, &run).await.into_iter().find(|instance| instance.task_id == task_id)
    }

    /// The task, once it waits in a process that is not one of these.
    async fn asked(&self, not_in: &[Option<i32>]) -> task_instance::Model {
        eventually("a question", || async {
            let instance = self.instance("publish").await?;
            let waits = instance.state.as_deref() == Some("awaiting_input") && !not_in.contains(&instance.pid);
            waits.then_some(instance)
        })
        .await
    }

    async fn state(&self, task_id: &str) -> String {
        self.instance(task_id).await.and_then(|instance| instance.state).unwrap_or_default()
    }

    async fn return_value(&self) -> Value {
        let found = read::find_xcom(self.db.read(), "asks", "one", "publish", -1, "return_value").await.unwrap();
        found.expect("it left an answer").xcom.value.0
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_question_outlives_its_processes_and_so_does_an_answer_that_nobody_heard(#[case] backend: Backend) {
    let world = World::new(backend, DAG).await;
    let mut server = world.installation.start().await;
    world.trigger().await;
    let mut pids = Vec::new();
    let begun = world.asked(&[]).await.start_date;
    for _ in 0..KILLS {
        pids.push(world.asked(&pids).await.pid);
        server.kill().await;
        server = world.installation.start().await;
    }
    world.asked(&pids).await;
    let questions = world.installation.json(&["tasks", "questions"]).await;
    assert_eq!(questions.as_array().unwrap().len(), 1, "it was asked once: {questions}");
    assert_eq!(questions[0]["subject"], "Publish one?");

    server.kill().await;
    let to = ["asks", "one", "publish", "--user", "ann", "--param", "rows=7"];
    world.installation.json(&[&["tasks", "approve"], &to[..]].concat()).await;
    let again = world.installation.run(&["tasks", "reject", "asks", "one", "publish"]).await;
    let server = world.installation.start().await;

    assert_eq!(finished(&world.db, "asks", "one").await.state, "success");
    assert_eq!(world.state("goes_on").await, "success");
    let answer = world.return_value().await;
    assert_eq!((&answer["chosen_options"], &answer["params_input"]), (&json!(["Approve"]), &json!({ "rows": 7 })));
    assert_eq!(answer["responded_by_user"]["name"], "ann");
    let instance = world.instance("publish").await.unwrap();
    assert_eq!((instance.try_number, instance.lost_tries, instance.start_date), (1, 0, begun));
    let refusal = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(2) && refusal.contains("was answered already, by ann"), "{refusal}");
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_rejection_over_rest_skips_what_comes_after(#[case] backend: Backend) {
    let world = World::new(backend, DAG).await;
    let server = world.installation.start().await;
    world.trigger().await;
    world.asked(&[]).await;
    let token = server.token().await;
    let path = "/api/v2/dags/asks/dagRuns/one/taskInstances/publish/-1/hitlDetails";
    let question = server.request("GET", path, Some(&token), "").await;
    assert!(question.contains("\"response_received\":false"), "{question}");

    let answer = server.request("PATCH", path, Some(&token), r#"{"chosen_options": ["Reject"]}"#).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    assert_eq!(finished(&world.db, "asks", "one").await.state, "success");
    assert_eq!((world.state("publish").await.as_str(), world.state("goes_on").await.as_str()), ("success", "skipped"));
    assert_eq!(world.return_value().await["responded_by_user"]["name"], "admin");
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_cleared_task_asks_anew_and_a_marked_one_takes_no_answer() {
    let world = World::new(Backend::Sqlite, DAG).await;
    let server = world.installation.start().await;
    world.trigger().await;
    world.asked(&[]).await;

    world.installation.json(&["tasks", "clear", "asks", "one", "publish", "--yes"]).await;
    eventually("the second question", || async {
        let instance = world.instance("publish").await?;
        (instance.try_number == 2 && instance.state.as_deref() == Some("awaiting_input")).then_some(())
    })
    .await;
    let questions = world.installation.json(&["tasks", "questions", "asks"]).await;
    assert_eq!(questions.as_array().unwrap().len(), 1, "that of the first try is history: {questions}");
    world.installation.json(&["tasks", "mark", "asks", "one", "publish", "failed"]).await;
    assert_eq!(finished(&world.db, "asks", "one").await.state, "failed");

    let late = world.installation.run(&["tasks", "approve", "asks", "one", "publish"]).await;

    let refusal = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(late.status.code() == Some(2) && refusal.contains("does not wait for an answer any more"), "{refusal}");
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_worker_hears_of_an_answer_that_an_api_server_takes() {
    let world = World::new(Backend::Postgres, DAG).await;
    let scheduler = world.installation.start_role("scheduler", &[]).await;
    let worker = world.installation.start_role("worker", &["--concurrency", "1"]).await;
    let api = world.installation.start_role("api-server", &["--port", "0"]).await;
    world.trigger().await;
    world.asked(&[]).await;

    let token = api.token().await;
    let path = "/api/v2/dags/asks/dagRuns/one/taskInstances/publish/-1/hitlDetails";
    let answer = api.request("PATCH", path, Some(&token), r#"{"chosen_options": ["Approve"]}"#).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    assert_eq!(finished(&world.db, "asks", "one").await.state, "success");
    assert!(api.stop().await && worker.stop().await && scheduler.stop().await);
}
