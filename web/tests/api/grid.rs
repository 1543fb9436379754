//! The grid of a DAG: its latest runs, task by task.

use axum::http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server};

/// A group with a task that is mapped, and one that is not in it.
const COUNTRIES: &str = "
schedule: null
task_groups:
  - {group_name: each, tooltip: By country, group_display_name: Countries, dependencies: [start]}
tasks:
  - {task_id: start, operator: bash, bash_command: echo start}
  - {task_id: report, operator: bash, task_group_name: each, expand: {bash_command: [echo de, echo fr, echo it]}}
";

/// What a run's column says, as `task=state×count@try`.
fn told(run: &Value) -> Vec<String> {
    let one = |cell: &Value| {
        let state = cell["state"].as_str().unwrap_or("none");
        format!("{}={state}×{}@{}", cell["task_id"].as_str().unwrap(), cell["count"], cell["try_number"])
    };
    run["task_instances"].as_array().unwrap().iter().map(one).collect()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_latest_runs_stand_side_by_side_with_what_became_of_their_tasks(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    for hours in 1..=4 {
        let run = rows::run(&server.db, &format!("scheduled__{hours}"), "failed", hours).await;
        let instances = [
            rows::instance(&run, "load", 1, Some("upstream_failed")),
            rows::instance(&run, "extract", 0, Some("failed")),
            rows::instance(&run, "list", 2, None),
        ];
        rows::insert(&server.db, instances).await;
    }

    let grid = server.get_ok("/updraft/dags/sales/grid?limit=2").await;

    let ids: Vec<&Value> = grid["runs"].as_array().unwrap().iter().map(|run| &run["dag_run_id"]).collect();
    assert_eq!(ids, ["scheduled__1", "scheduled__2"]);
    let run = &grid["runs"][0];
    assert_eq!(told(run), ["extract=failed×1@1", "load=upstream_failed×1@0", "list=none×1@0"], "the order of the file");
    assert_eq!(
        (&run["state"], &run["run_type"], &run["duration"]),
        (&json!("failed"), &json!("scheduled"), &json!(1.5))
    );
    assert_eq!(
        run["task_instances"][0],
        json!({
            "task_id": "extract", "state": "failed", "count": 1, "is_mapped": false, "try_number": 1,
            "start_date": "2026-11-21T07:00:00Z", "end_date": "2026-11-21T07:00:00.250000Z",
            "reason": null, "error": "exit code 1",
        })
    );
    assert_eq!(run["task_instances"][2]["reason"], "waits for `extract`");
    assert_eq!(grid["groups"], json!([]));
    assert_eq!(
        grid["tasks"][0],
        json!({
            "task_id": "extract", "task_display_name": "extract", "group_id": null, "downstream_task_ids": ["load"],
            "is_mapped": false, "is_removed": false,
        })
    );
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn mapped_instances_are_counted_by_state_within_their_groups(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    server.write_dag("countries.yaml", COUNTRIES).await;
    let run = rows::run_of(&server.db, "countries", "a", "running", 1).await;
    let mapped = [(0, Some("success")), (1, Some("failed")), (2, Some("success"))].map(|(index, state)| {
        let mut instance = rows::instance(&run, "each.report", 1, state);
        instance.map_index = index;
        instance.try_number = index + 1;
        instance
    });
    rows::insert(&server.db, mapped).await;
    rows::insert(&server.db, [rows::instance(&run, "start", 0, Some("running"))]).await;

    let grid = server.get_ok("/updraft/dags/countries/grid").await;

    let mut cells = told(&grid["runs"][0]);
    cells[1..].sort();
    assert_eq!(cells, ["start=running×1@1", "each.report=failed×1@2", "each.report=success×2@3"]);
    assert_eq!(grid["runs"][0]["task_instances"][1]["is_mapped"], true);
    let group = json!({ "group_id": "each", "group_display_name": "Countries", "parent_group_id": null, "tooltip": "By country" });
    assert_eq!(grid["groups"], json!([group]));
    assert_eq!((&grid["tasks"][1]["group_id"], &grid["tasks"][1]["is_mapped"]), (&json!("each"), &json!(true)));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_task_that_only_earlier_versions_have_keeps_its_row(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let run = rows::run(&server.db, "a", "success", 1).await;
    rows::insert(&server.db, [rows::instance(&run, "transform", 1, Some("success"))]).await;

    let grid = server.get_ok("/updraft/dags/sales/grid").await;

    let last = grid["tasks"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["task_id"], &last["is_removed"]), (&json!("transform"), &json!(true)));
}

#[tokio::test]
async fn a_grid_is_that_of_a_dag() {
    let server = Server::start(Backend::Sqlite).await;

    assert_eq!(server.get("/updraft/dags/nothing/grid").await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/updraft/dags/sales/grid?limit=many").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(server.get_ok("/updraft/dags/manual/grid").await["runs"], json!([]));
}
