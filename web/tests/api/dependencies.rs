//! Why a task instance does not run.

use axum::http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server};

/// Name and reason of everything that is in the way.
async fn asked(server: &Server, task: &str) -> Vec<(String, String)> {
    let body = server.get_ok(&format!("/dags/sales/dagRuns/a/taskInstances/{task}/dependencies")).await;
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    body["dependencies"].as_array().unwrap().iter().map(|each| (word(&each["name"]), word(&each["reason"]))).collect()
}

fn pair(name: &str, reason: &str) -> (String, String) {
    (name.to_owned(), reason.to_owned())
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_task_instance_says_what_is_in_its_way(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    server.patch("/dags/sales", &json!({ "is_paused": false })).await;
    let run = rows::run(&server.db, "a", "running", 1).await;
    let mut extract = rows::instance(&run, "extract", 0, Some("scheduled"));
    extract.reason = Some("pool warehouse is full (4 slots)".to_owned());
    let mut load = rows::instance(&run, "load", 1, None);
    load.reason = Some("waits for extract".to_owned());
    let list = rows::instance(&run, "list", 2, Some("success"));
    rows::insert(&server.db, [extract.clone(), load, list]).await;

    let pool = pair("Pool Slots Available", "pool warehouse is full (4 slots)");
    assert_eq!(asked(&server, "extract").await, std::slice::from_ref(&pool));
    assert_eq!(asked(&server, "load").await, [pair("Trigger Rule", "waits for extract")]);
    assert_eq!(asked(&server, "list").await, [], "it is over");

    server.patch("/dags/sales", &json!({ "is_paused": true })).await;
    assert_eq!(asked(&server, "extract").await, [pair("Dag Not Paused", "DAG paused"), pool]);

    "running".clone_into(extract.state.get_or_insert_default());
    rows::update(&server.db, &extract).await;
    assert_eq!(asked(&server, "extract").await, [], "it runs");
    let path = "/dags/sales/dagRuns/a/taskInstances/nothing/dependencies";
    assert_eq!(server.get(path).await.0, StatusCode::NOT_FOUND);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_instance_of_a_mapped_task_is_asked_by_its_index(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    server.patch("/dags/sales", &json!({ "is_paused": false })).await;
    let run = rows::run(&server.db, "a", "running", 1).await;
    let states = ["success", "running", "scheduled"];
    let mapped = (0..).zip(states).map(|(index, state)| {
        let mut instance = rows::instance(&run, "extract", 0, Some(state));
        (instance.map_index, instance.reason) = (index, (index == 2).then(|| "max_active_tasks 16 reached".to_owned()));
        instance
    });
    rows::insert(&server.db, mapped).await;

    let full = pair("Task Instance Slots Available", "max_active_tasks 16 reached");
    assert_eq!(asked(&server, "extract/2").await, [full]);
    assert_eq!(asked(&server, "extract/0").await, []);
    let whole = "/dags/sales/dagRuns/a/taskInstances/extract/dependencies";
    let (status, hint) = server.get(whole).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(hint["detail"], "Task instance is mapped, add the map_index value to the URL");
}
