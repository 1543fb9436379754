//! What is refused, and how: Airflow's clients decide by these bodies.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use insta::assert_json_snapshot;
use rstest::rstest;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::server::{Backend, Server, json_request, read};

#[tokio::test]
async fn refusals_look_like_airflows() {
    let server = Server::start(Backend::Sqlite).await;
    let mut seen = Vec::new();
    for path in [
        "/dags/nothing",
        "/dags/nothing/details",
        "/dags/sales/tasks/nothing",
        "/dags/sales/tasks?order_by=nothing",
        "/dags/sales/dagVersions/7",
        "/dags/sales/dagVersions/x",
        "/dags/sales/dagRuns/nothing",
        "/dags/sales/dagRuns/nothing/taskInstances/extract",
        "/dags/sales/dagRuns/nothing/taskInstances/extract/xcomEntries/key",
        "/importErrors/1",
        "/eventLogs/1",
        "/dags?order_by=fileloc",
        "/dags?limit=-1&offset=many&paused=perhaps",
        "/dags?last_dag_run_state=stuck",
        "/dags/sales/dagRuns?state=stuck",
        "/dags/sales/dagRuns?run_after_gte=yesterday&duration_lt=long",
        "/dags/sales/dagRuns?cursor=00",
        "/dags/sales/dagRuns?cursor=zz",
        "/dags/sales/dagRuns?cursor=&order_by=conf",
        "/dags/sales/dagRuns/~/taskInstances?state=stuck",
    ] {
        let (status, body) = server.get(path).await;
        seen.push(json!({ "path": path, "status": status.as_u16(), "body": body }));
    }
    let many = format!("/dags?{}", ["order_by=dag_id"; 11].join("&"));
    let (status, body) = server.get(&many).await;
    seen.push(json!({ "path": "/dags with 11 order_by", "status": status.as_u16(), "body": body }));

    assert_json_snapshot!("refusals", seen);
}

/// Postgres keeps no NUL, and says so in its own words.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_nul_is_the_requests_fault(#[case] backend: Backend) {
    let server = Server::start(backend).await;

    let body = json!({ "logical_date": null, "conf": { "rows": [1, { "a": "x\0" }] }, "note": "fine" });
    let (status, refused) = server.post("/dags/sales/dagRuns", &body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "conf", "rows", 1, "a"]));
    for (path, status) in [
        ("/dags?dag_id_pattern=a%00", StatusCode::UNPROCESSABLE_ENTITY),
        ("/dagStats?dag_ids=a%00", StatusCode::UNPROCESSABLE_ENTITY),
        ("/dags/a%00", StatusCode::NOT_FOUND),
        ("/variables/a%00", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(server.get(path).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_order_is_refused() {
    let server = Server::start(Backend::Sqlite).await;
    for number in 0..3 {
        crate::rows::run(&server.db, &format!("run_{number}"), "success", number).await;
    }

    let page = server.get_ok("/dags/sales/dagRuns?limit=1&cursor=&order_by=run_after").await;
    let token = page["next_cursor"].as_str().unwrap();
    let (status, body) = server.get(&format!("/dags/sales/dagRuns?cursor={token}&order_by=state")).await;

    assert_eq!((status, body), (StatusCode::BAD_REQUEST, json!({ "detail": "Invalid cursor token" })));
}

#[tokio::test]
async fn paths_that_are_not_served_say_so() {
    let server = Server::start(Backend::Sqlite).await;
    let answer = async |method: Method, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        read(server.send_signed(request).await).await
    };

    let unknown = (StatusCode::NOT_FOUND, json!({ "error": "API route not found" }));
    assert_eq!(answer(Method::GET, "/api/v2/nothing").await, unknown);
    assert_eq!(answer(Method::GET, "/api/nothing").await, unknown);
    assert_eq!(answer(Method::GET, "/api/v2/dags/a/dagRuns/b/taskInstances/c/elsewhere").await, unknown);
    let (status, body) = answer(Method::GET, "/api/v1/dags").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body["error"].as_str().unwrap().starts_with("/api/v1 has been removed in Airflow 3"), "{body}");
    assert_eq!(answer(Method::DELETE, "/api/v2/version").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer(Method::POST, "/nothing").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn bodies_must_be_json_objects_of_a_reasonable_size() {
    let server = Server::start(Backend::Sqlite).await;
    let send = async |kind: &str, body: String| {
        let request =
            Request::patch("/api/v2/dags/sales").header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap();
        server.send_signed(request).await.status()
    };
    let json = "application/json";

    assert_eq!(send("text/plain", r#"{"is_paused":true}"#.into()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(json, "{".into()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(json, "[]".into()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(json, r#"{"is_paused":null}"#.into()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(json, r#"{"is_paused":"yes"}"#.into()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(json, r#"{"is_paused":true,"x":1}"#.into()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(json, format!("\"{}\"", "x".repeat(1024 * 1024))).await, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, body) = server.patch("/dags/sales?update_mask=description", &json!({ "is_paused": true })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["detail"], "Only `is_paused` field can be updated through the REST API");
}

#[tokio::test]
async fn what_goes_wrong_inside_stays_inside() {
    let server = Server::start(Backend::Sqlite).await;
    // Whatever is asked of this table fails from here on.
    let txn = server.db.begin_write().await.unwrap();
    txn.execute_unprepared("ALTER TABLE dag RENAME TO gone").await.unwrap();
    scheduler::store::commit(txn).await.unwrap();

    let request = json_request(Method::GET, "/api/v2/dags", &json!({}));
    let response = server.send_signed(request).await;

    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let (_, body) = read(response).await;
    let detail = format!("Internal error; the server's log has the cause under request id {id}");
    assert_eq!(body, json!({ "detail": detail }));
}

#[tokio::test]
async fn a_database_that_is_away_is_worth_another_try() {
    let server = Server::start(Backend::Sqlite).await;
    let _ = server.db.read().clone().close().await;

    let response = server.send_signed(json_request(Method::GET, "/api/v2/dags", &json!({}))).await;

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let server = Server::start(Backend::Sqlite).await;

    for path in ["/api/v2/version", "/", "/api/v2/dags"] {
        let response = server.send(Request::get(path).body(Body::empty()).unwrap()).await;
        let headers = response.headers();

        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert!(headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(headers["referrer-policy"], "same-origin", "{path}");
        assert_eq!(headers["x-request-id"].len(), 32, "{path}");
    }
}
