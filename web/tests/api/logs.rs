//! The logs of tries, by parts and whole.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use rstest::rstest;
use scheduler::log::{self, TaskLog};
use scheduler::operator::TaskKey;
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server, read_text};

/// The log of a try of `extract` in run `a`.
pub(crate) fn open(server: &Server, try_number: u32) -> TaskLog {
    let key = TaskKey { dag_id: "sales".into(), run_id: "a".into(), task_id: "extract".into(), map_index: -1 };
    TaskLog::at(log::path(&server.logs(), &key, try_number), server.clock.clone())
}

const PATH: &str = "/dags/sales/dagRuns/a/taskInstances/extract/logs";

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_log_of_a_finished_try_is_whole(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let run = rows::run(&server.db, "a", "success", 1).await;
    rows::insert(&server.db, [rows::instance(&run, "extract", 0, Some("success"))]).await;
    let log = open(&server, 1);
    log.info("one");
    log.error("two");

    let body = server.get_ok(&format!("{PATH}/1")).await;

    let source = "dag_id=sales/run_id=a/task_id=extract/attempt=1.log";
    let line = |level: &str, event: &str| json!({ "timestamp": "2026-11-21T08:00:00Z", "event": event, "level": level, "logger": "task" });
    let content = json!([
        { "event": "::group::Log message source details", "sources": [source] },
        { "event": "::endgroup::" },
        line("info", "one"),
        line("error", "two"),
    ]);
    assert_eq!(body, json!({ "content": content, "continuation_token": null }));

    let ndjson = Request::get(format!("/api/v2{PATH}/1")).header(header::ACCEPT, "application/x-ndjson");
    let response = server.send_signed(ndjson.body(Body::empty()).unwrap()).await;
    assert!(!response.headers().contains_key("airflow-continuation-token"));
    let (_, text) = read_text(response).await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events = |lines: &[Value]| lines.iter().map(|line| line["event"].clone()).collect::<Vec<_>>();
    assert_eq!(events(&lines), events(content.as_array().unwrap()));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_growing_log_is_read_on_where_it_ended(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let run = rows::run(&server.db, "a", "running", 1).await;
    let mut instance = rows::instance(&run, "extract", 0, Some("running"));
    rows::insert(&server.db, [instance.clone()]).await;
    let log = open(&server, 1);
    let events = |body: &Value| -> Vec<String> {
        body["content"].as_array().unwrap().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    };

    log.info("one");
    let first = server.get_ok(&format!("{PATH}/1")).await;
    let token = first["continuation_token"].as_str().unwrap();
    log.info("two");
    let second = server.get_ok(&format!("{PATH}/1?token={token}")).await;
    instance.state = Some("success".to_owned());
    rows::update(&server.db, &instance).await;
    let token = second["continuation_token"].as_str().unwrap();
    let last = server.get_ok(&format!("{PATH}/1?token={token}")).await;

    assert_eq!(events(&first)[2..], ["one"]);
    assert_eq!(events(&second), ["two"]);
    assert_eq!(last, json!({ "content": [], "continuation_token": null }));
}

#[tokio::test]
async fn a_long_log_comes_by_parts_or_all_at_once() {
    let server = Server::start(Backend::Sqlite).await;
    let run = rows::run(&server.db, "a", "success", 1).await;
    rows::insert(&server.db, [rows::instance(&run, "extract", 0, Some("success"))]).await;
    let log = open(&server, 1);
    let long = "x".repeat(50_000);
    for _ in 0..50 {
        log.info(&long);
    }

    let (mut lines, mut parts, mut token) = (0, 0, Some(String::new()));
    while let Some(at) = token {
        let query = if at.is_empty() { String::new() } else { format!("?token={at}") };
        let part = server.get_ok(&format!("{PATH}/1{query}")).await;
        lines += part["content"].as_array().unwrap().len();
        parts += 1;
        token = part["continuation_token"].as_str().map(str::to_owned);
    }
    let whole = server.get_ok(&format!("{PATH}/1?full_content=true")).await;
    let ndjson = Request::get(format!("/api/v2{PATH}/1")).header(header::ACCEPT, "application/x-ndjson");
    let (_, text) = read_text(server.send_signed(ndjson.body(Body::empty()).unwrap()).await).await;

    assert_eq!((lines, parts), (52, 3));
    assert_eq!(whole["content"].as_array().unwrap().len(), 52);
    assert_eq!(text.lines().count(), 52);
}

#[tokio::test]
async fn only_tries_that_are_known_have_a_log() {
    let server = Server::start(Backend::Sqlite).await;
    let run = rows::run(&server.db, "a", "running", 1).await;
    rows::insert(&server.db, [rows::instance(&run, "extract", 0, Some("running"))]).await;

    let nothing = server.get_ok(&format!("{PATH}/0")).await;
    assert_eq!((nothing["content"].as_array().unwrap().len(), &nothing["continuation_token"]), (2, &Value::Null));
    let next = server.get_ok(&format!("{PATH}/2")).await;
    assert_eq!(next["continuation_token"], "0");
    let still = server.get_ok(&format!("{PATH}/2?token=0")).await;
    assert_eq!(
        still,
        json!({ "content": [], "continuation_token": "0" }),
        "who has read the opening does not get it again"
    );
    for (path, status) in [
        (format!("{PATH}/3"), StatusCode::NOT_FOUND),
        (format!("{PATH}/1?map_index=1"), StatusCode::NOT_FOUND),
        (format!("{PATH}/-1"), StatusCode::UNPROCESSABLE_ENTITY),
        (format!("{PATH}/1?token=x"), StatusCode::BAD_REQUEST),
        ("/dags/sales/dagRuns/..%2F..%2Fa/taskInstances/extract/logs/1".to_owned(), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(server.get(&path).await.0, status, "{path}");
    }
}
