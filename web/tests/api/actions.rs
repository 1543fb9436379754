//! Clear, mark and delete, of runs that are over; what happens to runs that run is for the tests of the real binary.

use axum::http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server};

/// The task instances of an answer, as `task=state@try`.
fn told(body: &Value) -> Vec<String> {
    let one = |instance: &Value| {
        let state = instance["state"].as_str().unwrap_or("none");
        let index = instance["map_index"].as_i64().filter(|index| *index >= 0);
        let index = index.map(|index| format!("[{index}]")).unwrap_or_default();
        format!("{}{index}={state}@{}", instance["task_id"].as_str().unwrap(), instance["try_number"])
    };
    body["task_instances"].as_array().unwrap_or_else(|| panic!("{body}")).iter().map(one).collect()
}

/// Runs `a`, `b` and `c`, an hour apart: `extract` failed, so that `load` did not run; `list` ran nevertheless.
async fn with_failed_runs(backend: Backend) -> Server {
    let server = Server::start(backend).await;
    for (run_id, hours) in [("a", 3), ("b", 2), ("c", 1)] {
        let run = rows::run(&server.db, run_id, "failed", hours).await;
        let instances = [
            rows::instance(&run, "extract", 0, Some("failed")),
            rows::instance(&run, "load", 1, Some("upstream_failed")),
            rows::instance(&run, "list", 2, Some("success")),
        ];
        rows::insert(&server.db, instances).await;
    }
    server
}

async fn all(server: &Server, run: &str) -> Vec<String> {
    told(&server.get_ok(&format!("/dags/sales/dagRuns/{run}/taskInstances")).await)
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn clearing_says_what_it_would_do_until_it_is_told_to(#[case] backend: Backend) {
    let server = with_failed_runs(backend).await;
    let path = "/dags/sales/clearTaskInstances";

    let (status, preview) = server.post(path, &json!({ "dag_run_id": "a" })).await;
    assert_eq!(
        (status, told(&preview)),
        (StatusCode::OK, vec!["extract=failed@1".into(), "load=upstream_failed@0".into()])
    );
    assert_eq!(preview["total_entries"], 2);
    assert_eq!(server.get_ok("/dags/sales/dagRuns/a").await["state"], "failed");

    let real = json!({ "dag_run_id": "a", "dry_run": false, "note": "again" });
    let (status, cleared) = server.post(path, &real).await;
    assert_eq!((status, told(&cleared)), (StatusCode::OK, vec!["extract=none@1".into(), "load=none@0".into()]));
    assert_eq!(cleared["task_instances"][0]["note"], "again");
    assert_eq!(cleared["task_instances"][0]["max_tries"], 3, "one try was made, two retries are left anew");
    let run = server.get_ok("/dags/sales/dagRuns/a").await;
    assert_eq!((&run["state"], &run["start_date"], &run["end_date"]), (&json!("queued"), &Value::Null, &Value::Null));
    let tries = server.get_ok("/dags/sales/dagRuns/a/taskInstances/extract/tries").await;
    assert_eq!(told(&tries), ["extract=failed@1"], "the try is in the history, and shown once");
    let log = server.get_ok("/eventLogs?event=post_clear_task_instances").await;
    assert_eq!((&log["total_entries"], &log["event_logs"][0]["owner"]), (&json!(1), &json!("admin")));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn clearing_takes_relatives_runs_and_states(#[case] backend: Backend) {
    let server = with_failed_runs(backend).await;
    let path = "/dags/sales/clearTaskInstances";

    for (body, expected) in [
        (json!({ "dag_run_id": "a", "task_ids": ["load"] }), &["a/load"][..]),
        (json!({ "dag_run_id": "a", "task_ids": [["load", -1]] }), &["a/load"]),
        (json!({ "dag_run_id": "a", "task_ids": [["load", 3]] }), &[]),
        (json!({ "dag_run_id": "a", "task_ids": ["load"], "include_upstream": true }), &["a/extract", "a/load"]),
        (
            json!({ "dag_run_id": "a", "task_ids": ["load"], "include_downstream": true, "only_failed": false }),
            &["a/load", "a/list"],
        ),
        (json!({ "dag_run_id": "b", "task_ids": ["extract"], "include_past": true }), &["a/extract", "b/extract"]),
        (json!({ "dag_run_id": "b", "task_ids": ["extract"], "include_future": true }), &["b/extract", "c/extract"]),
        (json!({ "dag_run_id": "a", "only_running": true }), &[]),
        (
            json!({ "start_date": "2026-11-21T06:00:00Z", "end_date": "2026-11-21T07:00:00Z", "task_ids": ["list"], "only_failed": false }),
            &["b/list", "c/list"],
        ),
    ] {
        let (status, found) = server.post(path, &body).await;
        assert_eq!(status, StatusCode::OK, "{body}: {found}");
        let word = |instance: &Value, key: &str| instance[key].as_str().unwrap().to_owned();
        let found = found["task_instances"].as_array().unwrap().iter();
        let names: Vec<String> =
            found.map(|one| format!("{}/{}", word(one, "dag_run_id"), word(one, "task_id"))).collect();
        assert_eq!(names, expected, "{body}");
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn clearing_without_resetting_runs_leaves_them_over(#[case] backend: Backend) {
    let server = with_failed_runs(backend).await;

    let body = json!({ "dag_run_id": "a", "dry_run": false, "reset_dag_runs": false });
    let (status, cleared) = server.post("/dags/sales/clearTaskInstances", &body).await;

    assert_eq!((status, told(&cleared)), (StatusCode::OK, vec!["extract=none@1".into(), "load=none@0".into()]));
    let run = server.get_ok("/dags/sales/dagRuns/a").await;
    assert_eq!((&run["state"], run["end_date"].is_string()), (&json!("failed"), true));
}

#[tokio::test]
async fn what_cannot_be_cleared_is_refused() {
    let server = with_failed_runs(Backend::Sqlite).await;
    for (path, body, expected) in [
        ("sales", json!({}), 422),
        ("sales", json!({ "dag_run_id": "a", "start_date": "2026-11-21T06:00:00Z" }), 422),
        ("sales", json!({ "dag_run_id": "a", "task_ids": [] }), 422),
        ("sales", json!({ "dag_run_id": "a", "task_ids": [7] }), 422),
        ("sales", json!({ "dag_run_id": "a", "only_failed": true, "only_running": true }), 422),
        ("sales", json!({ "dag_run_id": "a", "surprise": 1 }), 422),
        ("sales", json!({ "start_date": "2026-11-21T06:00:00Z", "end_date": "2026-11-20T06:00:00Z" }), 422),
        ("sales", json!({ "dag_run_id": "nothing" }), 404),
        ("sales", json!({ "dag_run_id": "a", "task_ids": ["nothing"] }), 404),
        ("nothing", json!({ "dag_run_id": "a" }), 404),
    ] {
        let (status, answer) = server.post(&format!("/dags/{path}/clearTaskInstances"), &body).await;
        assert_eq!(status.as_u16(), expected, "{body}: {answer}");
    }
    let run = rows::run(&server.db, "busy", "running", 0).await;
    rows::insert(&server.db, [rows::instance(&run, "extract", 0, Some("running"))]).await;
    let body = json!({ "dag_run_id": "busy", "only_failed": false, "dry_run": false, "prevent_running_task": true });
    let (status, answer) = server.post("/dags/sales/clearTaskInstances", &body).await;
    assert_eq!((status, &answer["detail"]), (StatusCode::CONFLICT, &json!("task `extract` of run `busy` is running")));
}

/// A run before may be of a version that had no such task, and one after of a version that has it no more.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn runs_before_that_have_no_such_task_are_passed_over(#[case] backend: Backend) {
    let mut server = with_failed_runs(backend).await;
    let text = "schedule: '@daily'\ntasks:\n  - {task_id: extract, operator: bash, bash_command: 'false'}\n  \
                - {task_id: audit, operator: bash, bash_command: 'false'}\n";
    server.write_dag("sales.yaml", text).await;
    let run = rows::run(&server.db, "d", "failed", 0).await;
    let instances =
        [rows::instance(&run, "extract", 0, Some("success")), rows::instance(&run, "audit", 1, Some("failed"))];
    rows::insert(&server.db, instances).await;

    let both = json!({ "dag_run_id": "d", "task_ids": ["audit", "extract"], "include_past": true });
    let (status, preview) = server.post("/dags/sales/clearTaskInstances", &both).await;
    assert_eq!(status, StatusCode::OK, "{preview}");
    assert_eq!(told(&preview).iter().filter(|told| told.starts_with("audit")).count(), 1);
    let (_, unknown) =
        server.post("/dags/sales/clearTaskInstances", &json!({ "dag_run_id": "d", "task_ids": ["no"] })).await;
    assert_eq!(unknown["detail"], "task `no` does not exist");

    let mark = json!({ "new_state": "success", "include_past": true });
    let (status, marked) = server.patch("/dags/sales/dagRuns/d/taskInstances/audit", &mark).await;
    assert_eq!((status, told(&marked)), (StatusCode::OK, vec!["audit=success@1".into()]));
}

/// §14: the request says on which version, else the DAG, else it is that of the run.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_dag_may_want_its_newest_version_for_what_runs_again(#[case] backend: Backend) {
    let mut server = with_failed_runs(backend).await;
    let text = "schedule: '@daily'\nrerun_with_latest_version: true\ntasks:\n  \
                - {task_id: extract, operator: bash, bash_command: 'false'}\n";
    server.write_dag("sales.yaml", text).await;
    assert_eq!(server.get_ok("/dags/sales/details").await["rerun_with_latest_version"], true);

    for (run, body, expected) in
        [("a", json!({ "dry_run": false }), 2), ("b", json!({ "dry_run": false, "run_on_latest_version": false }), 1)]
    {
        let (status, answer) = server.post(&format!("/dags/sales/dagRuns/{run}/clear"), &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(answer["dag_versions"][0]["version_number"], expected, "{body}");
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_is_cleared_whole_or_where_it_failed(#[case] backend: Backend) {
    let mut server = with_failed_runs(backend).await;
    let clear = "/dags/sales/dagRuns/a/clear";

    let (_, preview) = server.post(clear, &json!({})).await;
    assert_eq!(told(&preview), ["extract=failed@1", "load=upstream_failed@0", "list=success@1"]);
    let (_, preview) = server.post(clear, &json!({ "only_failed": true })).await;
    assert_eq!(preview["total_entries"], 2);
    let (status, run) = server.post(clear, &json!({ "dry_run": false, "note": "mended" })).await;
    assert_eq!((status, &run["state"], &run["note"]), (StatusCode::OK, &json!("queued"), &json!("mended")));
    assert_eq!(all(&server, "a").await, ["extract=none@1", "load=none@0", "list=none@1"]);

    // On the newest version, which has a task more and one less.
    let text = "schedule: '@daily'\ntasks:\n  - {task_id: extract, operator: bash, bash_command: 'true'}\n  \
                - {task_id: load, operator: bash, bash_command: 'true'}\n  - {task_id: send, operator: bash, bash_command: 'true'}\n";
    server.write_dag("sales.yaml", text).await;
    let (_, preview) = server.post("/dags/sales/dagRuns/b/clear", &json!({ "only_new": true })).await;
    assert_eq!(preview["task_instances"], json!([{ "task_id": "send", "task_display_name": "send" }]));
    let real = json!({ "run_on_latest_version": true, "dry_run": false });
    let (status, run) = server.post("/dags/sales/dagRuns/b/clear", &real).await;
    assert_eq!((status, &run["dag_versions"][0]["version_number"]), (StatusCode::OK, &json!(2)));
    assert_eq!(all(&server, "b").await, ["extract=none@1", "load=none@0", "list=removed@1", "send=none@0"]);

    let both = json!({ "dag_runs": [{ "dag_run_id": "c" }], "dry_run": false });
    let (status, runs) = server.post("/dags/sales/clearDagRuns", &both).await;
    assert_eq!((status, &runs["dag_runs"][0]["state"]), (StatusCode::OK, &json!("queued")), "{runs}");
    assert_eq!(server.post("/dags/sales/dagRuns/nothing/clear", &json!({})).await.0, StatusCode::NOT_FOUND);
    let many = json!({ "only_failed": true, "only_new": true });
    assert_eq!(server.post(clear, &many).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn marking_changes_states_and_revives_what_failed_behind(#[case] backend: Backend) {
    let server = with_failed_runs(backend).await;
    let path = "/dags/sales/dagRuns/a/taskInstances/extract";

    let (status, preview) = server.patch(&format!("{path}/dry_run"), &json!({ "new_state": "success" })).await;
    assert_eq!((status, told(&preview)), (StatusCode::OK, vec!["extract=failed@1".into()]));
    let (status, marked) = server.patch(path, &json!({ "new_state": "success", "note": "by hand" })).await;
    assert_eq!((status, told(&marked)), (StatusCode::OK, vec!["extract=success@1".into()]));
    assert_eq!(marked["task_instances"][0]["note"], "by hand");
    assert_eq!(all(&server, "a").await, ["extract=success@1", "load=none@0", "list=success@1"]);
    assert_eq!(server.get_ok("/dags/sales/dagRuns/a").await["state"], "queued");

    let run = "/dags/sales/dagRuns/b/taskInstances";
    let (status, again) = server.patch(&format!("{run}/list"), &json!({ "new_state": "success" })).await;
    assert_eq!((status, &again["detail"]), (StatusCode::CONFLICT, &json!("Task id list is already in success state")));
    let (status, none) = server.patch(&format!("{run}/list/dry_run"), &json!({ "new_state": "success" })).await;
    assert_eq!((status, &none["total_entries"]), (StatusCode::OK, &json!(0)));
    let both = json!({ "new_state": "skipped", "include_downstream": true, "include_future": true });
    let (_, marked) = server.patch(&format!("{run}/load"), &both).await;
    assert_eq!(told(&marked), ["load=skipped@0", "list=skipped@1", "load=skipped@0", "list=skipped@1"], "of b and c");
    let masked = format!("{run}/load?update_mask=note");
    let (_, noted) = server.patch(&masked, &json!({ "new_state": "failed", "note": "n" })).await;
    assert_eq!((told(&noted), &noted["task_instances"][0]["note"]), (vec!["load=skipped@0".into()], &json!("n")));

    for (path, body, expected) in [
        ("load", json!({ "new_state": "running" }), 422),
        ("load", json!({ "new_state": "success", "surprise": 1 }), 422),
        ("nothing", json!({ "new_state": "success" }), 404),
        ("load/0", json!({ "new_state": "success" }), 404),
        ("load/0/dry_run", json!({ "new_state": "success" }), 404),
        ("load?update_mask=pool", json!({ "note": "x" }), 400),
    ] {
        let (status, answer) = server.patch(&format!("{run}/{path}"), &body).await;
        assert_eq!(status.as_u16(), expected, "{path} {body}: {answer}");
    }
    let group = "/dags/sales/dagRuns/b/taskGroupInstances/nothing";
    assert_eq!(server.patch(group, &json!({ "new_state": "success" })).await.0, StatusCode::NOT_FOUND);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn bulk_requests_do_each_part_for_itself(#[case] backend: Backend) {
    let server = with_failed_runs(backend).await;

    let body = json!({ "actions": [
        { "action": "update", "entities": [
            { "task_id": "load", "new_state": "success" },
            { "task_id": "list", "new_state": "success" },
            { "task_id": "nothing", "new_state": "success" },
        ] },
        { "action": "update", "action_on_non_existence": "skip", "entities": [{ "task_id": "nothing", "note": "x" }] },
        { "action": "delete", "entities": ["load", { "task_id": "load", "map_index": 3 }] },
    ] });
    let (status, answer) = server.patch("/dags/sales/dagRuns/a/taskInstances", &body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["update"]["success"], json!(["sales.a.load[-1]"]));
    let codes = |part: &str| -> Vec<u64> {
        answer[part]["errors"].as_array().unwrap().iter().map(|error| error["status_code"].as_u64().unwrap()).collect()
    };
    assert_eq!((codes("update"), codes("delete"), &answer["create"]), (vec![409, 404], vec![404], &Value::Null));
    assert_eq!(answer["delete"]["success"], json!(["sales.a.load[-1]"]));
    assert_eq!(server.get("/dags/sales/dagRuns/a/taskInstances/load").await.0, StatusCode::NOT_FOUND);

    let body = json!({ "actions": [
        { "action": "update", "entities": [{ "dag_run_id": "b", "state": "success" }] },
        { "action": "delete", "entities": ["c", { "dag_run_id": "a", "dag_id": "sales" }, "nothing"] },
        { "action": "create", "entities": [{ "dag_run_id": "d" }] },
    ] });
    let (_, answer) = server.patch("/dags/sales/dagRuns", &body).await;
    assert_eq!(
        (&answer["update"]["success"], &answer["delete"]["success"]),
        (&json!(["sales.b"]), &json!(["sales.c", "sales.a"]))
    );
    assert_eq!(answer["delete"]["errors"][0]["status_code"], 404);
    assert_eq!(answer["create"]["errors"][0]["status_code"], 405);
    assert_eq!(server.get_ok("/dags/sales/dagRuns").await["total_entries"], 1);
    let (status, _) = server.patch("/dags/sales/dagRuns", &json!({ "actions": [{ "action": "burn" }] })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let running =
        json!({ "actions": [{ "action": "update", "entities": [{ "task_id": "load", "new_state": "running" }] }] });
    let (status, fault) = server.patch("/dags/sales/dagRuns/b/taskInstances", &running).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(fault["detail"][0]["loc"], json!(["body", "actions", 0, "entities", 0, "new_state"]));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_is_deleted_with_all_that_is_stored_of_it(#[case] backend: Backend) {
    let server = with_failed_runs(backend).await;
    rows::run(&server.db, "busy", "running", 0).await;

    assert_eq!(server.delete("/dags/sales/dagRuns/a").await, (StatusCode::NO_CONTENT, Value::Null));

    assert_eq!(server.get("/dags/sales/dagRuns/a").await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get_ok("/dags/sales/dagRuns/~/taskInstances?run_id_pattern=a").await["total_entries"], 0);
    assert_eq!(server.delete("/dags/sales/dagRuns/a").await.0, StatusCode::NOT_FOUND);
    let (status, answer) = server.delete("/dags/sales/dagRuns/busy").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(answer["detail"], "run `busy` is running; mark it failed before it is deleted");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn instances_of_a_mapped_task_are_named_by_index(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let run = rows::run(&server.db, "a", "failed", 1).await;
    let mapped = (0..3).map(|index| {
        let mut instance = rows::instance(&run, "extract", 0, Some("failed"));
        instance.map_index = index;
        instance.rendered_map_index = (index == 1).then(|| "the second".to_owned());
        instance
    });
    rows::insert(&server.db, mapped).await;
    let path = "/dags/sales/dagRuns/a/taskInstances/extract";

    assert_eq!(server.get_ok(&format!("{path}/1")).await["rendered_map_index"], "the second");
    let body = json!({ "dag_run_id": "a", "task_ids": [["extract", 1]] });
    let (_, preview) = server.post("/dags/sales/clearTaskInstances", &body).await;
    assert_eq!(told(&preview), ["extract[1]=failed@1"]);
    let (status, one) = server.patch(&format!("{path}/2"), &json!({ "new_state": "success" })).await;
    assert_eq!((status, told(&one)), (StatusCode::OK, vec!["extract[2]=success@1".into()]));
    let (_, rest) = server.patch(path, &json!({ "new_state": "success" })).await;
    assert_eq!(told(&rest), ["extract[0]=success@1", "extract[1]=success@1"]);
}
