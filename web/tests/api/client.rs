//! The official Airflow client for Python against a real socket: every model must parse, types and all.

use std::path::{Path, PathBuf};

use rstest::rstest;
use scheduler::store::entity::task_instance;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::hitl_details;
use crate::logs;
use crate::rows;
use crate::server::{Backend, Server};

const MAKER: &str = "
tasks:
  - task_id: make
    operator: bash
    bash_command: make
    pool: lake
    outlets: [{name: orders, uri: 's3://lake/orders', extra: {owner: ann}}]
";

const REPORT: &str = "
is_paused_upon_creation: false
schedule: {name: orders, uri: 's3://lake/orders'}
tasks: []
";

const NIGHTLY: &str = "
schedule: '@daily'
start_date: 2026-01-01
task_groups: [{group_name: g}]
tasks:
  - {task_id: one, operator: bash, bash_command: one, task_group_name: g}
  - {task_id: many, operator: bash, expand: {bash_command: [a, b]}}
";

/// Operations of which the client knows nothing, and those of signing in, which lead a browser elsewhere.
const NOT_FOR_THE_CLIENT: [&str; 7] =
    ["create_token", "create_token_all_admins", "create_token_cli", "login", "logout", "sign_in", "sign_out"];

/// Whatever Airflow's API has and Updraft serves is read by Airflow's client below.
#[test]
fn every_operation_of_airflow_is_asked_for_by_the_client() {
    let document: serde_json::Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let script = include_str!("client.py");
    // The second is how the client leaves an answer as it is.
    let calls = |id: &str| [format!(".{id}("), format!(".{id}_without_preload_content(")];
    let asks_for = |id: &str| calls(id).iter().any(|call| script.contains(call));
    let mut unread = Vec::new();
    for (path, verbs) in document["paths"].as_object().unwrap() {
        let of_airflow = !path.starts_with("/api/v2/updraft/");
        let ids = verbs.as_object().unwrap().values().filter_map(|operation| operation["operationId"].as_str());
        unread.extend(ids.filter(|id| of_airflow && !NOT_FOR_THE_CLIENT.contains(id) && !asks_for(id)));
    }
    assert!(unread.is_empty(), "{unread:?}");
}

/// The Python that has the packages of `tests/requirements.txt`.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let environment = std::env::var_os("UPDRAFT_TEST_VENV").map_or_else(|| root.join(".venv"), PathBuf::from);
    let python = environment.join("bin/python");
    assert!(
        python.exists(),
        "this test needs {}: python3 -m venv .venv && .venv/bin/pip install -r tests/requirements.txt",
        python.display()
    );
    python
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_official_client_reads_every_answer(#[case] backend: Backend) {
    let python = python();
    let mut server = Server::start(backend).await;
    server.write_dag("broken.yaml", "tasks: 1\n").await;
    server.write_dag("maker.yaml", MAKER).await;
    server.write_dag("report.yaml", REPORT).await;
    server.write_dag("nightly.yaml", NIGHTLY).await;
    let run = rows::run(&server.db, "a", "failed", 1).await;
    let mut extract = rows::instance(&run, "extract", 0, Some("failed"));
    extract.try_number = 2;
    rows::insert_earlier_try(&server.db, &extract, 1).await;
    rows::insert_xcom(&server.db, &extract, "return_value", json!({ "rows": 3 })).await;
    rows::insert(&server.db, [extract, rows::instance(&run, "load", 1, None)]).await;
    rows::run_of(&server.db, "sales", "b", "failed", 2).await;
    let old = rows::run_of(&server.db, "sales", "c", "failed", 3).await;
    rows::insert(&server.db, [rows::instance(&old, "list", 2, Some("failed"))]).await;
    rows::run_of(&server.db, "report", "over", "failed", 5).await;
    let nightly = rows::run_of(&server.db, "nightly", "n", "failed", 4).await;
    let of_many = |index: i32, state: Option<&'static str>| task_instance::Model {
        map_index: index,
        ..rows::instance(&nightly, "many", 1, state)
    };
    let (first, second) = (of_many(0, Some("failed")), of_many(1, None));
    rows::insert_earlier_try(&server.db, &first, 1).await;
    let first = task_instance::Model { try_number: 2, ..first };
    rows::insert(&server.db, [rows::instance(&nightly, "g.one", 0, Some("failed")), first, second]).await;
    rows::insert_lease(&server.db, server.clock.now()).await;
    let asking = rows::run_of(&server.db, "report", "asks", "running", 1).await;
    hitl_details::asked(&server.db, &asking, &hitl_details::question("Publish?")).await;
    logs::open(&server, 2).info("hello");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/client.py");
    let driven = async {
        let output = Command::new(python).arg(script).args([&url, "admin", "s3cret"]).output().await.unwrap();
        server.shutdown.cancel();
        output
    };
    let serving = web::serve(listener, server.router.clone(), server.shutdown.clone());
    let (served, output) = tokio::join!(serving, driven);

    served.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}
