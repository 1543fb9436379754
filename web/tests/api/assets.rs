//! Assets: who names them, their events, what is queued of them, and runs that make them.

use axum::http::StatusCode;
use insta::assert_json_snapshot;
use rstest::rstest;
use scheduler::events::ChangeKind;
use scheduler::store::entity::dag_run;
use scheduler::store::{asset_queue, commit};
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server};

const MAKER: &str = "
is_paused_upon_creation: false
tasks:
  - task_id: make
    operator: bash
    bash_command: make
    outlets: [{name: orders, uri: 's3://lake/orders', group: lake, extra: {owner: ann}}]
";

const REPORT: &str = "
is_paused_upon_creation: false
schedule: {any: [{name: orders, uri: 's3://lake/orders'}, {all: ['s3://lake/a', 's3://lake/b']}]}
tasks:
  - task_id: report
    operator: bash
    bash_command: report
    inlets: [{name: orders, uri: 's3://lake/orders'}]
";

async fn start(backend: Backend) -> Server {
    let mut server = Server::start(backend).await;
    server.write_dag("maker.yaml", MAKER).await;
    server.write_dag("report.yaml", REPORT).await;
    server
}

/// The number of an asset.
async fn id(server: &Server, name: &str) -> i64 {
    let list = server.get_ok(&format!("/assets?name_prefix_pattern={name}")).await;
    list["assets"][0]["id"].as_i64().unwrap()
}

async fn emit(server: &Server, name: &str, extra: Value) -> Value {
    let (status, event) =
        server.post("/assets/events", &json!({ "asset_id": id(server, name).await, "extra": extra })).await;
    assert_eq!(status, StatusCode::OK, "{event}");
    event
}

/// A run of `report` for everything that is queued, as the scheduler makes it.
async fn take(server: &Server) -> dag_run::Model {
    let run = rows::run_of(&server.db, "report", "asset_triggered__one", "queued", 1).await;
    let txn = server.db.begin_write().await.unwrap();
    let queued = asset_queue::lock_queued(&txn, &["report".to_owned()]).await.unwrap();
    asset_queue::give(&txn, "report", run.id, &queued, true).await.unwrap();
    commit(txn).await.unwrap();
    run
}

fn names(body: &Value) -> Vec<&str> {
    body["assets"].as_array().unwrap().iter().map(|asset| asset["name"].as_str().unwrap()).collect()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn assets_are_listed_with_who_names_them(#[case] backend: Backend) {
    let mut server = start(backend).await;
    emit(&server, "orders", json!({ "rows": 3 })).await;

    let list = server.get_ok("/assets?order_by=name").await;

    assert_json_snapshot!("assets", list);
    assert_eq!(server.get_ok(&format!("/assets/{}", list["assets"][0]["id"])).await, list["assets"][0]);
    for (query, expected) in [
        ("order_by=-uri", &["orders", "s3://lake/b", "s3://lake/a"][..]),
        ("order_by=name&name_pattern=LAKE", &["s3://lake/a", "s3://lake/b"]),
        ("order_by=name&uri_prefix_pattern=s3://lake/o|s3://lake/a", &["orders", "s3://lake/a"]),
        ("dag_ids=maker", &["orders"]),
        ("order_by=name&dag_ids=report,maker", &["orders", "s3://lake/a", "s3://lake/b"]),
        ("order_by=name&limit=1&offset=1", &["s3://lake/a"]),
    ] {
        assert_eq!(names(&server.get_ok(&format!("/assets?{query}")).await), expected, "{query}");
    }
    assert_eq!(server.get("/assets?order_by=extra").await.0, StatusCode::BAD_REQUEST);
    let (status, body) = server.get("/assets/999").await;
    assert_eq!((status, &body["detail"]), (StatusCode::NOT_FOUND, &json!("The Asset with ID: `999` was not found")));
    assert_eq!(server.get("/assets/orders").await.0, StatusCode::UNPROCESSABLE_ENTITY);

    server.remove_dag("report.yaml").await;
    assert_eq!(names(&server.get_ok("/assets").await), ["orders"], "nobody names the others any more");
    assert_eq!(server.get_ok("/assets?only_active=false").await["total_entries"], 3);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_event_is_made_and_queued_and_leads_to_a_run(#[case] backend: Backend) {
    let server = start(backend).await;
    let mut hints = server.changes.subscribe();

    let event = emit(&server, "orders", json!({ "rows": 3 })).await;

    assert_json_snapshot!("event", event);
    assert_eq!(hints.recv().await.unwrap().kind, ChangeKind::Asset);
    let orders = id(&server, "orders").await;
    let queued = json!({
        "dag_id": "report", "asset_id": orders, "created_at": "2026-11-21T08:00:00Z", "dag_display_name": "report",
    });
    for path in [format!("/assets/{orders}/queuedEvents"), "/dags/report/assets/queuedEvents".to_owned()] {
        let expected = json!({ "queued_events": [queued], "total_entries": 1 });
        assert_eq!(server.get_ok(&path).await, expected, "{path}");
        assert_eq!(server.get(&format!("{path}?before=2026-11-21T08:00:00Z")).await.0, StatusCode::NOT_FOUND);
    }
    assert_eq!(server.get_ok(&format!("/dags/report/assets/{orders}/queuedEvents")).await, queued);
    let awaited = server.get_ok("/updraft/dags/report/assets").await;
    assert_json_snapshot!("awaited", awaited);

    let run = take(&server).await;

    let (status, none) = server.get("/dags/report/assets/queuedEvents").await;
    let detail = json!("Queue event with dag_id: `report` was not found");
    assert_eq!((status, &none["detail"]), (StatusCode::NOT_FOUND, &detail));
    let upstream = server.get_ok(&format!("/dags/report/dagRuns/{}/upstreamAssetEvents", run.run_id)).await;
    assert_json_snapshot!("upstream", upstream);
    assert_eq!(server.get_ok("/assets/events").await, upstream, "it is the only event");
    assert_eq!(server.get("/dags/report/dagRuns/none/upstreamAssetEvents").await.0, StatusCode::NOT_FOUND);
    let log = server.get_ok("/eventLogs?event=create_asset_event").await;
    assert_eq!(log["event_logs"][0]["owner"], "admin");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn events_are_filtered(#[case] backend: Backend) {
    let server = start(backend).await;
    for name in ["orders", "s3://lake/a", "orders"] {
        emit(&server, name, json!({})).await;
    }
    let orders = id(&server, "orders").await;

    for (query, expected) in [
        ("", 3),
        ("name_pattern=ORD", 2),
        (&*format!("asset_id={orders}"), 2),
        ("source_dag_id=maker", 0),
        ("source_map_index=-1", 3),
        ("timestamp_gte=2026-11-21T08:00:00Z", 3),
        ("timestamp_gt=2026-11-21T08:00:00Z", 0),
        ("order_by=-timestamp&limit=1", 3),
    ] {
        assert_eq!(server.get_ok(&format!("/assets/events?{query}")).await["total_entries"], expected, "{query}");
    }
    assert_eq!(server.get("/assets/events?order_by=extra").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/assets/events?asset_id=orders").await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

/// A DAG that waits for an asset waits for all of it.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_update_of_a_part_of_an_asset_queues_nothing(#[case] backend: Backend) {
    let server = start(backend).await;
    let orders = id(&server, "orders").await;

    let body = json!({ "asset_id": orders, "partition_key": "2026-11-21" });
    let (status, event) = server.post("/assets/events", &body).await;
    assert_eq!((status, &event["partition_key"]), (StatusCode::OK, &json!("2026-11-21")), "{event}");
    assert_eq!(server.get("/dags/report/assets/queuedEvents").await.0, StatusCode::NOT_FOUND);

    let all = emit(&server, "orders", json!({})).await;
    assert_eq!(all["partition_key"], Value::Null);
    let run = take(&server).await;
    let given = server.get_ok(&format!("/dags/report/dagRuns/{}/upstreamAssetEvents", run.run_id)).await;
    let keys: Vec<&Value> =
        given["asset_events"].as_array().unwrap().iter().map(|event| &event["partition_key"]).collect();
    assert_eq!(keys, [&json!("2026-11-21"), &Value::Null], "the next run is given both");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_is_queued_is_forgotten(#[case] backend: Backend) {
    let server = start(backend).await;
    let orders = id(&server, "orders").await;

    for path in [
        format!("/assets/{orders}/queuedEvents"),
        "/dags/report/assets/queuedEvents".to_owned(),
        format!("/dags/report/assets/{orders}/queuedEvents"),
    ] {
        emit(&server, "orders", json!({})).await;
        let earlier = format!("{path}?before=2026-11-21T08:00:00Z");
        assert_eq!(server.delete(&earlier).await.0, StatusCode::NOT_FOUND, "it is not older than itself");
        assert_eq!(server.delete(&path).await, (StatusCode::NO_CONTENT, Value::Null), "{path}");
        assert_eq!(server.delete(&path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(server.get_ok("/assets/events").await["total_entries"], 3, "the events stay");
}

#[tokio::test]
async fn what_is_no_event_is_refused() {
    let server = start(Backend::Sqlite).await;
    let orders = id(&server, "orders").await;

    for (body, status) in [
        (json!({ "asset_id": 999 }), StatusCode::NOT_FOUND),
        (json!({}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "asset_id": null }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "asset_id": "orders" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "asset_id": orders, "extra": 3 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "asset_id": orders, "partition_key": " " }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "asset_id": orders, "partition_key": "a".repeat(251) }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "asset_id": orders, "access_control": {} }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "asset_id": orders, "colour": "blue" }), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(server.post("/assets/events", &body).await.0, status, "{body}");
    }
    assert_eq!(server.get_ok("/assets/events").await["total_entries"], 0);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_asset_is_made_by_a_run_of_the_dag_that_makes_it(#[case] backend: Backend) {
    let mut server = start(backend).await;
    let orders = id(&server, "orders").await;
    let path = format!("/assets/{orders}/materialize");

    let (status, run) = server.post(&path, &Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{run}");
    assert_eq!((&run["dag_id"], &run["run_type"]), (&json!("maker"), &json!("asset_materialization")));
    assert!(run["dag_run_id"].as_str().unwrap().starts_with("asset_materialization__"), "{run}");
    assert_eq!((&run["state"], &run["logical_date"]), (&json!("queued"), &Value::Null));
    let body =
        json!({ "dag_run_id": "mine", "conf": { "a": 1 }, "note": "now", "logical_date": "2026-01-01T00:00:00Z" });
    let (status, run) = server.post(&path, &body).await;
    assert_eq!((status, &run["conf"], &run["note"]), (StatusCode::OK, &json!({ "a": 1 }), &json!("now")));
    assert_eq!(server.post(&path, &body).await.0, StatusCode::CONFLICT, "there is such a run");
    let imitation = json!({ "dag_run_id": "manual__mine" });
    assert_eq!(server.post(&path, &imitation).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.post(&path, &json!({ "colour": 1 })).await.0, StatusCode::UNPROCESSABLE_ENTITY);

    let nobody = id(&server, "s3://lake/a").await;
    let (status, body) = server.post(&format!("/assets/{nobody}/materialize"), &json!({})).await;
    let detail = json!(format!("No DAG materializes asset with ID: {nobody}"));
    assert_eq!((status, &body["detail"]), (StatusCode::NOT_FOUND, &detail));
    server.write_dag("another.yaml", MAKER).await;
    let (status, body) = server.post(&path, &json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(body["detail"].as_str().unwrap().contains("`another`, `maker`"), "{body}");
}

#[tokio::test]
async fn the_details_of_a_dag_say_what_it_waits_for() {
    let server = start(Backend::Sqlite).await;

    let asset = |name: &str, uri: &str| json!({ "asset": { "name": name, "uri": uri, "group": "asset" } });
    let (a, b) = (asset("s3://lake/a", "s3://lake/a"), asset("s3://lake/b", "s3://lake/b"));
    let expected = json!({ "any": [asset("orders", "s3://lake/orders"), { "all": [a, b] }] });
    assert_eq!(server.get_ok("/dags/report/details").await["asset_expression"], expected);
    assert_eq!(server.get_ok("/dags/maker/details").await["asset_expression"], Value::Null);
    let nothing = json!({ "expression": null, "is_met": false, "assets": [], "unresolved_aliases": [] });
    assert_eq!(server.get_ok("/updraft/dags/maker/assets").await, nothing);
    assert_eq!(server.get("/updraft/dags/none/assets").await.0, StatusCode::NOT_FOUND);
}

/// Aliases are Python's; a client that asks is answered.
#[tokio::test]
async fn there_are_no_aliases() {
    let server = start(Backend::Sqlite).await;

    assert_eq!(server.get_ok("/assets/aliases").await, json!({ "asset_aliases": [], "total_entries": 0 }));
    assert_eq!(server.get("/assets/aliases/1").await.0, StatusCode::NOT_FOUND);
}

/// DAGs and runs by the assets that they have to do with, and by what there is not.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn dags_and_runs_are_found_by_assets(#[case] backend: Backend) {
    let mut server = start(backend).await;
    emit(&server, "orders", json!({})).await;
    take(&server).await;
    rows::run(&server.db, "a", "success", 1).await;
    // Nothing was found under the alias yet.
    server.write_dag("by_alias.yaml", "schedule: {alias: days}\ntasks: []\n").await;

    for (query, expected) in [
        ("/dags?has_asset_schedule=true", 2),
        ("/dags?has_asset_schedule=false", 3),
        ("/dags?asset_dependency=ORDERS", 1),
        ("/dags?asset_dependency=s3://lake/a", 1),
        ("/dags?asset_dependency=nothing", 0),
        ("/dags?is_favorite=true", 0),
        ("/dags?is_favorite=false", 5),
        ("/dags?bundle_version=1", 0),
        ("/dags/~/dagRuns?consuming_asset_pattern=orders", 1),
        ("/dags/~/dagRuns?consuming_asset_prefix_pattern=s3://lake/o", 1),
        ("/dags/~/dagRuns?consuming_asset_pattern=nothing", 0),
        ("/dags/~/dagRuns?partition_key_pattern=x", 0),
        ("/dags/~/dagRuns?partition_date_gte=2020-01-01", 0),
        ("/dags/~/dagRuns?bundle_version=1", 0),
        ("/dags/~/dagRuns", 2),
    ] {
        assert_eq!(server.get_ok(query).await["total_entries"], expected, "{query}");
    }
}
