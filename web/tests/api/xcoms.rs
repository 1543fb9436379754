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
