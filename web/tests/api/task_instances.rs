//! Task instances and their tries.

use axum::http::StatusCode;
use insta::assert_json_snapshot;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server};

fn names(body: &Value) -> Vec<String> {
    let word = |instance: &Value, key: &str| instance[key].as_str().unwrap().to_owned();
    body["task_instances"]
        .as_array()
        .unwrap()
        .iter()
        .map(|instance| format!("{}/{}", word(instance, "dag_run_id"), word(instance, "task_id")))
        .collect()
}

/// Two runs: in `a` the first task failed at its second try, in `b` it runs.
async fn with_two_runs(backend: Backend) -> Server {
    let server = Server::start(backend).await;
    let a = rows::run(&server.db, "a", "failed", 3).await;
    let mut failed = rows::instance(&a, "extract", 0, Some("failed"));
    failed.try_number = 2;
    rows::insert_earlier_try(&server.db, &failed, 1).await;
    let rest = [
        failed,
        rows::instance(&a, "load", 1, Some("upstream_failed")),
        rows::instance(&a, "list", 2, Some("success")),
    ];
    rows::insert(&server.db, rest).await;
    let b = rows::run(&server.db, "b", "running", 1).await;
    let mut load = rows::instance(&b, "load", 1, None);
    "big".clone_into(&mut load.queue);
    "warehouse".clone_into(&mut load.pool);
    rows::insert(&server.db, [rows::instance(&b, "extract", 0, Some("running")), load]).await;
    server
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn task_instances_are_listed_and_looked_at(#[case] backend: Backend) {
    let server = with_two_runs(backend).await;

    let list = server.get_ok("/dags/sales/dagRuns/a/taskInstances").await;

    assert_json_snapshot!("task_instances", server.masked(&list));
    assert_eq!(server.get_ok("/dags/sales/dagRuns/a/taskInstances/extract").await, list["task_instances"][0]);
    assert_eq!(server.get_ok("/dags/sales/dagRuns/a/taskInstances/list").await, list["task_instances"][2]);
    assert_eq!(server.get("/dags/sales/dagRuns/a/taskInstances/nothing").await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/dags/sales/dagRuns/nothing/taskInstances").await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/dags/nothing/dagRuns/~/taskInstances").await.0, StatusCode::NOT_FOUND);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn task_instances_are_filtered_and_ordered(#[case] backend: Backend) {
    let server = with_two_runs(backend).await;

    for (path, expected) in [
        ("sales/dagRuns/b", &["b/extract", "b/load"][..]),
        ("~/dagRuns/~", &["a/extract", "a/load", "a/list", "b/extract", "b/load"]),
        ("sales/dagRuns/~?state=none", &["b/load"]),
        ("sales/dagRuns/~?state=no_status&state=failed", &["a/extract", "b/load"]),
        ("sales/dagRuns/~?task_id=load", &["a/load", "b/load"]),
        ("sales/dagRuns/~?task_display_name_pattern=LI", &["a/list"]),
        ("sales/dagRuns/~?run_id_pattern=b", &["b/extract", "b/load"]),
        ("sales/dagRuns/~?try_number=2", &["a/extract"]),
        ("sales/dagRuns/~?map_index=3", &[]),
        ("sales/dagRuns/~?pool=warehouse", &["b/load"]),
        ("sales/dagRuns/~?queue_name_pattern=BIG", &["b/load"]),
        ("sales/dagRuns/~?operator=bash&limit=1", &["a/extract"]),
        ("sales/dagRuns/~?operator=python", &[]),
        // A task instance has no executor, as its answer says.
        ("sales/dagRuns/~?executor=LocalExecutor&executor=CeleryExecutor", &[]),
        ("sales/dagRuns/~?run_after_gt=2026-11-21T06:00:00Z", &["b/extract", "b/load"]),
        ("sales/dagRuns/~?duration_gte=0.25&duration_lte=0.25", &["a/extract", "a/list"]),
        ("sales/dagRuns/~?version_number=1&order_by=-logical_date&limit=2", &["b/load", "b/extract"]),
        ("sales/dagRuns/a?order_by=-start_date", &["a/list", "a/extract", "a/load"]),
        ("sales/dagRuns/~?order_by=state&limit=2", &["a/extract", "b/extract"]),
    ] {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let body = server.get_ok(&format!("/dags/{path}/taskInstances?{query}")).await;
        assert_eq!(names(&body), expected, "{path}?{query}");
    }
    let (status, body) = server
        .post(
            "/dags/~/dagRuns/~/taskInstances/list",
            &json!({ "dag_run_ids": ["b"], "state": [null, "running"], "order_by": "-map_index" }),
        )
        .await;
    assert_eq!((status, names(&body)), (StatusCode::OK, vec!["b/load".to_owned(), "b/extract".to_owned()]));
    for (executor, found) in [(json!(["LocalExecutor"]), 0), (json!([]), 5)] {
        let body = json!({ "executor": executor });
        let (_, list) = server.post("/dags/~/dagRuns/~/taskInstances/list", &body).await;
        assert_eq!(list["total_entries"], found, "{body}");
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn task_instances_are_paged_by_cursor(#[case] backend: Backend) {
    let server = with_two_runs(backend).await;

    for order in ["map_index", "-start_date", "duration", "state", "-run_after"] {
        let path = format!("/dags/~/dagRuns/~/taskInstances?order_by={order}");
        let whole = server.get_ok(&path).await;
        let (mut found, mut cursor) = (Vec::new(), Some(String::new()));
        while let Some(token) = cursor {
            let page = server.get_ok(&format!("{path}&limit=2&cursor={token}")).await;
            found.extend(names(&page));
            cursor = page["next_cursor"].as_str().map(str::to_owned);
        }

        assert_eq!(found, names(&whole), "{order}");
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn every_try_is_kept(#[case] backend: Backend) {
    let server = with_two_runs(backend).await;

    let tries = server.get_ok("/dags/sales/dagRuns/a/taskInstances/extract/tries").await;

    assert_json_snapshot!("tries", server.masked(&tries));
    let first = "/dags/sales/dagRuns/a/taskInstances/extract/tries/1";
    assert_eq!(server.get_ok(first).await, tries["task_instances"][0]);
    assert_eq!(server.get("/dags/sales/dagRuns/a/taskInstances/extract/tries/3").await.0, StatusCode::NOT_FOUND);
    let none = server.get_ok("/dags/sales/dagRuns/b/taskInstances/load/tries").await;
    assert_eq!(none, json!({ "task_instances": [], "total_entries": 0 }));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_mapped_task_is_looked_at_by_index(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let run = rows::run(&server.db, "a", "running", 1).await;
    let mapped = (0..3).map(|index| {
        let mut instance = rows::instance(&run, "extract", 0, Some("success"));
        instance.map_index = index;
        instance
    });
    rows::insert(&server.db, mapped).await;
    let path = "/dags/sales/dagRuns/a/taskInstances/extract";

    let (status, hint) = server.get(path).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(hint["detail"], "Task instance is mapped, add the map_index value to the URL");
    assert_eq!(server.get_ok(&format!("{path}/2")).await["rendered_map_index"], "2");
    assert_eq!(server.get_ok(&format!("{path}/2/tries")).await["total_entries"], 1);
    assert_eq!(server.get_ok(&format!("{path}/2/tries/1")).await["map_index"], 2);
    let list = server.get_ok(&format!("{path}/listMapped?order_by=-map_index&limit=2")).await;
    assert_eq!((&list["total_entries"], &list["task_instances"][0]["map_index"]), (&json!(3), &json!(2)));
    assert_eq!(server.get_ok(&format!("{path}/listMapped?map_index=1")).await["total_entries"], 1);
    assert_eq!(server.get_ok(&format!("{path}/listMapped?map_index=-1")).await["total_entries"], 0);
    let (status, _) = server.get("/dags/sales/dagRuns/a/taskInstances/load/listMapped").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn task_instances_of_runs_that_are_over_can_be_deleted(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let over = rows::run(&server.db, "a", "success", 2).await;
    let running = rows::run(&server.db, "b", "running", 1).await;
    let extract = rows::instance(&over, "extract", 0, Some("success"));
    let mut mapped = rows::instance(&over, "load", 1, Some("success"));
    mapped.map_index = 1;
    rows::insert(&server.db, [extract.clone(), mapped, rows::instance(&running, "extract", 0, Some("success"))]).await;
    rows::insert_earlier_try(&server.db, &extract, 1).await;
    rows::insert_xcom(&server.db, &extract, "rows", serde_json::json!(1)).await;
    let path = "/dags/sales/dagRuns/a/taskInstances";

    assert_eq!(server.delete(&format!("{path}/extract")).await, (StatusCode::OK, serde_json::Value::Null));
    assert_eq!(server.delete(&format!("{path}/extract")).await.0, StatusCode::NOT_FOUND);
    let xcoms = server.get_ok(&format!("{path}/~/xcomEntries")).await;
    assert_eq!(xcoms["total_entries"], 0, "they go with it");
    assert_eq!(server.get(&format!("{path}/extract/tries/1")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.delete(&format!("{path}/load")).await.0, StatusCode::NOT_FOUND, "it is mapped");
    assert_eq!(server.delete(&format!("{path}/load?map_index=1")).await.0, StatusCode::OK);
    assert_eq!(server.get_ok(path).await["total_entries"], 0);
    let (status, refused) = server.delete("/dags/sales/dagRuns/b/taskInstances/extract").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(refused["detail"].as_str().unwrap().contains("run `b` is running"), "{refused}");
    let log = server.get_ok("/eventLogs?event=delete_task_instance").await;
    assert_eq!(log["total_entries"], 2);

    // A run that is cleared makes anew what was deleted.
    let clear = serde_json::json!({ "dry_run": false });
    assert_eq!(server.post("/dags/sales/dagRuns/a/clear", &clear).await.0, StatusCode::OK);
    assert_eq!(server.get_ok("/dags/sales/dagRuns/a").await["state"], "queued");
}

#[tokio::test]
async fn task_instances_are_found_by_their_group_and_by_the_names_of_mapped_ones() {
    let mut server = Server::start(Backend::Sqlite).await;
    let grouped = "
task_groups: [{group_name: outer}, {group_name: inner, parent_group_name: outer, prefix_group_id: false}]
tasks:
  - {task_id: a, operator: bash}
  - {task_id: b, operator: bash, task_group_name: outer}
  - {task_id: c, operator: bash, task_group_name: inner}
";
    server.write_dag("grouped.yaml", grouped).await;
    let run = rows::run_of(&server.db, "grouped", "a", "success", 1).await;
    let mut instances: Vec<_> =
        [("a", 0), ("outer.b", 1), ("c", 2)].map(|(id, at)| rows::instance(&run, id, at, Some("success"))).to_vec();
    instances[0].rendered_map_index = Some("Europe".to_owned());
    rows::insert(&server.db, instances).await;
    let path = "/dags/grouped/dagRuns/a/taskInstances";

    for (query, expected) in [
        ("task_group_id=outer", 2),
        ("task_group_id=outer&task_id=c", 1),
        ("task_group_id=outer&task_id=a", 0),
        ("task_group_id=a", 1),
        ("rendered_map_index_pattern=EUR", 1),
        ("rendered_map_index_prefix_pattern=Asia|Eu", 1),
    ] {
        let found = server.get_ok(&format!("{path}?{query}")).await;
        assert_eq!(found["total_entries"], expected, "{query}: {found}");
    }
    assert_eq!(server.get(&format!("{path}?task_group_id=none")).await.0, StatusCode::NOT_FOUND);
    let everywhere = "/dags/~/dagRuns/~/taskInstances?task_group_id=outer";
    assert_eq!(server.get(everywhere).await.0, StatusCode::BAD_REQUEST);
}
