//! What the API tells of the installation itself: its processes, what is amiss, and what of Airflow there is not.

use axum::http::StatusCode;
use chrono::TimeDelta;
use insta::assert_json_snapshot;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server, now};

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn processes_are_listed_as_jobs(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    rows::insert_lease(&server.db, now() - TimeDelta::hours(1)).await;
    rows::insert_lease(&server.db, now()).await;

    let mut jobs = server.get_ok("/jobs?order_by=-start_date").await;
    let ids: Vec<i64> = jobs["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_i64().unwrap()).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| (1..1 << 53).contains(id)), "{ids:?}");
    for job in jobs["jobs"].as_array_mut().unwrap() {
        job["id"] = json!("<id>");
    }
    assert_json_snapshot!("jobs", jobs);
    for (query, expected) in [
        ("is_alive=true", 1),
        ("is_alive=false", 1),
        ("job_type=SchedulerJob", 2),
        ("job_type=WorkerJob", 0),
        ("job_type=TriggererJob", 0),
        ("job_state=running", 2),
        ("job_state=failed", 0),
        ("job_state=queued", 0),
        ("hostname=host", 2),
        ("hostname=elsewhere", 0),
        ("executor_class=LocalExecutor", 0),
        ("start_date_gte=2026-11-21T07:30:00Z", 1),
        ("end_date_lt=2027-01-01T00:00:00Z", 0),
        ("limit=0", 2),
    ] {
        assert_eq!(server.get_ok(&format!("/jobs?{query}")).await["total_entries"], expected, "{query}");
    }
    assert_eq!(server.get("/jobs?order_by=pid").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/jobs?is_alive=perhaps").await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn dags_with_pools_that_there_are_not_are_warned_of(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    assert_eq!(server.get_ok("/dagWarnings").await, json!({ "dag_warnings": [], "total_entries": 0 }));
    let tasks = "tasks: [{task_id: a, operator: bash, pool: etl}, {task_id: b, operator: bash, pool: web}]\n";
    server.write_dag("nightly.yaml", tasks).await;
    server.write_dag("daily.yaml", "tasks: [{task_id: a, operator: bash, pool: etl}]\n").await;

    assert_json_snapshot!("dag_warnings", server.get_ok("/dagWarnings").await);
    let ids = |answer: &Value| -> Vec<String> {
        let warnings = answer["dag_warnings"].as_array().unwrap();
        warnings.iter().map(|warning| warning["dag_id"].as_str().unwrap().to_owned()).collect()
    };
    for (query, expected) in [
        ("order_by=-dag_id", &["nightly", "daily"][..]),
        ("order_by=warning_type&order_by=message", &["daily", "nightly"]),
        ("dag_id=nightly", &["nightly"]),
        ("dag_id=nothing", &[]),
        ("warning_type=asset%20conflict", &[]),
        ("limit=1&offset=1", &["nightly"]),
    ] {
        assert_eq!(ids(&server.get_ok(&format!("/dagWarnings?{query}")).await), expected, "{query}");
    }
    assert_eq!(server.get("/dagWarnings?order_by=pool").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/dagWarnings?warning_type=weather").await.0, StatusCode::UNPROCESSABLE_ENTITY);

    server.post("/pools", &json!({ "name": "etl", "slots": 1 })).await;
    assert_eq!(ids(&server.get_ok("/dagWarnings").await), ["nightly"]);
    server.remove_dag("nightly.yaml").await;
    assert!(ids(&server.get_ok("/dagWarnings").await).is_empty());
}

#[tokio::test]
async fn what_there_is_not_is_said_as_airflow_says_it() {
    let server = Server::start(Backend::Sqlite).await;
    let run = rows::run(&server.db, "a", "success", 1).await;
    rows::insert(&server.db, [rows::instance(&run, "extract", 0, Some("success"))]).await;

    for path in ["/config", "/config/section/core/option/parallelism"] {
        assert_eq!(server.get(path).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(server.get_ok("/plugins").await, json!({ "plugins": [], "total_entries": 0 }));
    assert_eq!(server.get_ok("/plugins/importErrors").await, json!({ "import_errors": [], "total_entries": 0 }));
    assert_eq!(server.get_ok("/providers").await, json!({ "providers": [], "total_entries": 0 }));
    let log = "/dags/sales/dagRuns/a/taskInstances/extract/externalLogUrl/1";
    assert_eq!(server.get(log).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.get(&log.replace("extract", "nothing")).await.0, StatusCode::NOT_FOUND);
}
