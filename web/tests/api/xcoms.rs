//! XComs.

use axum::http::StatusCode;
use insta::assert_json_snapshot;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server};

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn xcoms_are_listed_without_and_looked_at_with_their_values(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let run = rows::run(&server.db, "a", "success", 1).await;
    let (extract, load) =
        (rows::instance(&run, "extract", 0, Some("success")), rows::instance(&run, "load", 1, Some("success")));
    rows::insert(&server.db, [extract.clone(), load.clone()]).await;
    rows::insert_xcom(&server.db, &extract, "return_value", json!({ "rows": [1, 2], "name": "ü" })).await;
    rows::insert_xcom(&server.db, &extract, "word", json!("hello")).await;
    rows::insert_xcom(&server.db, &load, "return_value", json!(null)).await;
    let path = "/dags/sales/dagRuns/a/taskInstances/extract/xcomEntries";

    assert_json_snapshot!("xcoms", server.get_ok(path).await);
    for (query, expected) in [
        ("~/dagRuns/~/taskInstances/~/xcomEntries", 3),
        ("sales/dagRuns/a/taskInstances/~/xcomEntries?xcom_key=return_value", 2),
        ("sales/dagRuns/a/taskInstances/~/xcomEntries?xcom_key_pattern=WO", 1),
        ("sales/dagRuns/a/taskInstances/~/xcomEntries?task_id_prefix_pattern=lo", 1),
        ("sales/dagRuns/a/taskInstances/~/xcomEntries?map_index=-1", 3),
        ("sales/dagRuns/~/taskInstances/~/xcomEntries?run_after_lt=2026-01-01", 0),
        ("sales/dagRuns/~/taskInstances/~/xcomEntries?order_by=-run_after&order_by=key&limit=0", 3),
    ] {
        assert_eq!(server.get_ok(&format!("/dags/{query}")).await["total_entries"], expected, "{query}");
    }

    let value = async |query: &str| server.get_ok(&format!("{path}/{query}")).await["value"].clone();
    assert_eq!(value("word").await, json!("\"hello\""));
    assert_eq!(value("word?stringify=true").await, json!("hello"));
    assert_eq!(value("word?deserialize=true").await, json!("hello"));
    assert_eq!(value("return_value?deserialize=true").await, json!({ "rows": [1, 2], "name": "ü" }));
    let text = value("return_value").await;
    let read: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(read, json!({ "rows": [1, 2], "name": "ü" }));
    assert_eq!(server.get(&format!("{path}/nothing")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get(&format!("{path}/word?map_index=1")).await.0, StatusCode::NOT_FOUND);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn xcoms_are_made_changed_and_deleted(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let run = rows::run(&server.db, "a", "running", 1).await;
    let mut mapped = rows::instance(&run, "load", 1, Some("success"));
    mapped.map_index = 0;
    rows::insert(&server.db, [rows::instance(&run, "extract", 0, Some("success")), mapped]).await;
    let path = "/dags/sales/dagRuns/a/taskInstances/extract/xcomEntries";
    let mapped = "/dags/sales/dagRuns/a/taskInstances/load/xcomEntries";

    let (status, made) = server.post(path, &json!({ "key": "rows", "value": { "count": [1, null] } })).await;
    assert_eq!((status, &made["value"]), (StatusCode::CREATED, &json!({ "count": [1, null] })), "{made}");
    assert_eq!((&made["key"], &made["map_index"], &made["run_id"]), (&json!("rows"), &json!(-1), &json!("a")));
    let (status, again) = server.post(path, &json!({ "key": "rows", "value": 1 })).await;
    assert_eq!(status, StatusCode::CONFLICT, "{again}");
    let (status, _) = server.post(mapped, &json!({ "key": "rows", "value": 7, "map_index": 0 })).await;
    assert_eq!(status, StatusCode::CREATED);

    let (status, changed) = server.patch(&format!("{path}/rows"), &json!({ "value": null })).await;
    assert_eq!((status, &changed["value"]), (StatusCode::OK, &Value::Null), "{changed}");
    let (status, changed) = server.patch(&format!("{mapped}/rows"), &json!({ "value": "x", "map_index": 0 })).await;
    assert_eq!((status, &changed["value"]), (StatusCode::OK, &json!("x")), "{changed}");

    assert_eq!(server.delete(&format!("{path}/rows")).await, (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(server.delete(&format!("{path}/rows")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get(&format!("{mapped}/rows?map_index=0")).await.0, StatusCode::OK, "of another task instance");
    let log = server.get_ok("/eventLogs?order_by=id").await;
    let told = |number: usize, field: &str| log["event_logs"][number][field].clone();
    let events: Vec<Value> = (0..5).map(|number| told(number, "event")).collect();
    let made =
        ["create_xcom_entry", "create_xcom_entry", "update_xcom_entry", "update_xcom_entry", "delete_xcom_entry"];
    assert_eq!(events, made);
    assert_eq!((told(1, "task_id"), told(1, "map_index")), (json!("load"), json!(0)));
    assert!(!log.to_string().contains("count"), "values are not in the audit log: {log}");

    for (path, body, expected) in [
        (path, json!({ "key": "x" }), 422),
        (path, json!({ "value": 1 }), 422),
        (path, json!({ "key": null, "value": 1 }), 422),
        (path, json!({ "key": "x", "value": 1, "surprise": 1 }), 422),
        (path, json!({ "key": "", "value": 1 }), 400),
        (path, json!({ "key": "x".repeat(513), "value": 1 }), 400),
        (path, json!({ "key": "x", "value": 1, "map_index": 3 }), 404),
        (mapped, json!({ "key": "x", "value": 1 }), 404),
        ("/dags/sales/dagRuns/a/taskInstances/nothing/xcomEntries", json!({ "key": "x", "value": 1 }), 404),
        ("/dags/sales/dagRuns/z/taskInstances/extract/xcomEntries", json!({ "key": "x", "value": 1 }), 404),
    ] {
        let (status, answer) = server.post(path, &body).await;
        assert_eq!(status.as_u16(), expected, "{path} {body}: {answer}");
    }
    assert_eq!(server.patch(&format!("{path}/nothing"), &json!({ "value": 1 })).await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.patch(&format!("{path}/nothing"), &json!({})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}
