//! Runs: triggering, listing, marking.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use insta::assert_json_snapshot;
use rstest::rstest;
use scheduler::events::Change;
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server, json_request, read, read_text};

fn ids(body: &Value) -> Vec<&str> {
    body["dag_runs"].as_array().unwrap().iter().map(|run| run["dag_run_id"].as_str().unwrap()).collect()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_is_triggered(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let body = json!({
        "dag_run_id": "mine",
        "logical_date": "2026-11-20T06:00:00+01:00",
        "conf": { "rows": 5 },
        "note": "by hand",
    });

    let (status, run) = server.post("/dags/sales/dagRuns", &body).await;

    assert_eq!(status, StatusCode::OK, "{run}");
    assert_json_snapshot!("triggered_run", server.masked(&run));
    assert_eq!(server.get_ok("/dags/sales/dagRuns/mine").await, run);
    let audit = server.get_ok("/eventLogs?event=trigger_dag_run").await;
    assert_eq!(
        (&audit["event_logs"][0]["owner"], &audit["event_logs"][0]["run_id"]),
        (&json!("admin"), &json!("mine"))
    );
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_without_a_logical_date_has_a_name_of_its_own(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let mut from_the_ui = json_request(Method::POST, "/api/v2/dags/manual/dagRuns", &json!({ "logical_date": null }));
    from_the_ui.headers_mut().insert(header::REFERER, "http://localhost/dags/manual".parse().unwrap());

    let (_, one) = server.post("/dags/manual/dagRuns", &json!({ "logical_date": null })).await;
    let (_, other) = read(server.send_signed(from_the_ui).await).await;

    for run in [&one, &other] {
        let id = run["dag_run_id"].as_str().unwrap();
        assert!(id.starts_with("manual__2026-11-21T08:00:00+00:00_"), "{id}");
        assert_eq!((&run["logical_date"], &run["data_interval_start"]), (&Value::Null, &Value::Null));
        assert_eq!((&run["conf"], &run["state"]), (&json!({}), &json!("queued")));
    }
    assert_ne!(one["dag_run_id"], other["dag_run_id"]);
    assert_eq!((&one["triggered_by"], &other["triggered_by"]), (&json!("rest_api"), &json!("ui")));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_trigger_is_refused_as_airflow_refuses_it(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    server.write_dag("gone.yaml", "schedule: null\ntasks: []\n").await;
    server.remove_dag("gone.yaml").await;
    let at = "2026-11-20T06:00:00Z";
    server.post("/dags/sales/dagRuns", &json!({ "dag_run_id": "mine", "logical_date": at })).await;

    for (dag, body, expected) in [
        ("nothing", json!({ "logical_date": null }), StatusCode::NOT_FOUND),
        ("gone", json!({ "logical_date": null }), StatusCode::NOT_FOUND),
        ("sales", json!({}), StatusCode::UNPROCESSABLE_ENTITY),
        ("sales", json!({ "logical_date": "2026-11-20T06:00:00" }), StatusCode::UNPROCESSABLE_ENTITY),
        ("sales", json!({ "logical_date": null, "surprise": 1 }), StatusCode::UNPROCESSABLE_ENTITY),
        ("sales", json!({ "logical_date": null, "data_interval_start": at }), StatusCode::UNPROCESSABLE_ENTITY),
        ("sales", json!({ "logical_date": null, "conf": { "rows": 0 } }), StatusCode::BAD_REQUEST),
        ("sales", json!({ "logical_date": null, "dag_run_id": "scheduled__x" }), StatusCode::BAD_REQUEST),
        ("sales", json!({ "logical_date": null, "dag_run_id": "../x" }), StatusCode::BAD_REQUEST),
        ("sales", json!({ "logical_date": null, "dag_run_id": "mine" }), StatusCode::CONFLICT),
        ("sales", json!({ "logical_date": at, "dag_run_id": "other" }), StatusCode::CONFLICT),
    ] {
        let (status, answer) = server.post(&format!("/dags/{dag}/dagRuns"), &body).await;

        assert_eq!(status, expected, "{dag} {body}: {answer}");
    }
    let twice = json!({ "logical_date": null, "dag_run_id": "mine" });
    assert_json_snapshot!("trigger_conflict", server.post("/dags/sales/dagRuns", &twice).await.1);
    let many_faults = json!({ "conf": [], "surprise": 1, "note": 2, "data_interval_end": "soon" });
    assert_json_snapshot!("trigger_invalid", server.post("/dags/sales/dagRuns", &many_faults).await.1);
}

/// Runs of partitions are asked for, told of and found by their keys.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_may_be_about_a_partition(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    let parts = "schedule: {cron: '@daily', key_format: '%Y-%m-%d'}\n\
                 tasks: [{task_id: a, operator: bash, bash_command: make, outlets: ['s3://lake/a']}]\n";
    server.write_dag("parts.yaml", parts).await;
    let dag = server.get_ok("/dags/parts").await;
    let told = ["timetable_summary", "timetable_partitioned", "is_backfillable"].map(|name| dag[name].clone());
    assert_eq!(told, [json!("@daily"), json!(true), json!(false)]);
    assert_eq!(server.get_ok("/dags/sales").await["timetable_partitioned"], false);

    for (number, key) in ["2026-01-31", "2026-02-01"].iter().enumerate() {
        let body = json!({ "dag_run_id": format!("run{number}"), "logical_date": null, "partition_key": key });
        let (status, run) = server.post("/dags/parts/dagRuns", &body).await;
        assert_eq!((status, &run["partition_key"]), (StatusCode::OK, &json!(key)), "{run}");
        assert_eq!(run["partition_date"], json!(format!("{key}T00:00:00Z")));
    }
    server.post("/dags/parts/dagRuns", &json!({ "dag_run_id": "none", "logical_date": null })).await;

    for (query, expected) in [
        ("partition_key_pattern=-02-", &["run1"][..]),
        ("partition_key_prefix_pattern=2026", &["run0", "run1"]),
        ("partition_date_gte=2026-02-01", &["run1"]),
        ("partition_date_lt=2026-02-01", &["run0"]),
        ("partition_key_pattern=March", &[]),
    ] {
        assert_eq!(ids(&server.get_ok(&format!("/dags/parts/dagRuns?{query}")).await), expected, "{query}");
    }
    let newest_first = server.get_ok("/dags/parts/dagRuns?order_by=-partition_date&partition_key_pattern=2026").await;
    assert_eq!(ids(&newest_first), ["run1", "run0"]);

    for (dag, key) in [("sales", "2026-01-31"), ("parts", "January"), ("parts", " ")] {
        let body = json!({ "logical_date": null, "partition_key": key });
        assert_eq!(server.post(&format!("/dags/{dag}/dagRuns"), &body).await.0, StatusCode::BAD_REQUEST, "{dag} {key}");
    }
    let assets = server.get_ok("/assets?name_prefix_pattern=s3://lake/a").await;
    let path = format!("/assets/{}/materialize", assets["assets"][0]["id"]);
    let (status, run) = server.post(&path, &json!({ "partition_key": "2026-03-01" })).await;
    assert_eq!((status, &run["partition_key"]), (StatusCode::OK, &json!("2026-03-01")), "{run}");

    server.write_dag("joins.yaml", "schedule: {assets: ['s3://lake/a'], partitioned: true}\ntasks: []\n").await;
    let dag = server.get_ok("/dags/joins").await;
    let told = ["timetable_summary", "timetable_partitioned", "timetable_periodic"].map(|name| dag[name].clone());
    assert_eq!(told, [json!("Partitioned Asset"), json!(true), json!(false)]);
    let any_key = json!({ "logical_date": null, "partition_key": "eu" });
    let (status, run) = server.post("/dags/joins/dagRuns", &any_key).await;
    assert_eq!((status, &run["partition_key"], &run["partition_date"]), (StatusCode::OK, &json!("eu"), &Value::Null));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn runs_are_filtered_and_ordered(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    rows::run(&server.db, "scheduled__a", "success", 8).await;
    rows::run(&server.db, "scheduled__b", "failed", 6).await;
    rows::run(&server.db, "manual__c", "running", 4).await;
    rows::run(&server.db, "manual__d", "queued", 2).await;
    rows::run_of(&server.db, "manual", "manual__e", "success", 1).await;
    let (a, b, c, d, e) = ("scheduled__a", "scheduled__b", "manual__c", "manual__d", "manual__e");

    for (path, expected) in [
        ("sales/dagRuns", &[a, b, c, d][..]),
        ("~/dagRuns", &[a, b, c, d, e]),
        ("~/dagRuns?dag_id_pattern=MAN", &[e]),
        ("~/dagRuns?order_by=-run_after&limit=2", &[e, d]),
        ("~/dagRuns?order_by=-run_after&limit=2&offset=2", &[c, b]),
        ("~/dagRuns?order_by=dag_id&order_by=-logical_date", &[e, d, c, b, a]),
        ("~/dagRuns?order_by=duration", &[e, b, a, c, d]),
        ("~/dagRuns?order_by=-duration", &[a, b, e, d, c]),
        ("~/dagRuns?order_by=start_date", &[a, b, c, e, d]),
        ("~/dagRuns?order_by=-start_date", &[e, c, b, a, d]),
        ("sales/dagRuns?state=failed&state=queued", &[b, d]),
        ("sales/dagRuns?run_type=manual", &[c, d]),
        ("sales/dagRuns?run_id_pattern=__C", &[c]),
        ("sales/dagRuns?run_id_prefix_pattern=manual__", &[c, d]),
        ("sales/dagRuns?conf_contains=%22hours%22", &[a, b, c, d]),
        ("sales/dagRuns?conf_contains=hours_", &[]),
        ("sales/dagRuns?conf_contains=HOURS", &[]),
        // Both databases find it however its spaces are written, or the term's.
        ("sales/dagRuns?conf_contains=%22hours%22%3A8", &[a]),
        ("sales/dagRuns?conf_contains=%22hours%22%3A+8%7D", &[a]),
        ("sales/dagRuns?conf_contains=+", &[a, b, c, d]),
        ("sales/dagRuns?run_after_gte=2026-11-21T02:00:00Z&run_after_lt=2026-11-21T06:00:00Z", &[b, c]),
        ("sales/dagRuns?logical_date_gt=2026-11-21T02:00:00Z", &[c, d]),
        // What has not started or ended meets every lower bound, and counts as now for upper ones.
        ("sales/dagRuns?end_date_gte=2026-11-21T05:00:00Z", &[c, d]),
        ("sales/dagRuns?end_date_lt=2026-11-21T05:00:00Z", &[a, b]),
        ("sales/dagRuns?start_date_lte=2026-11-21T09:00:00Z", &[a, b, c, d]),
        ("sales/dagRuns?duration_gt=9&duration_lte=12", &[a]),
        ("sales/dagRuns?duration_gte=9&duration_lt=12", &[b]),
        ("sales/dagRuns?dag_version=1", &[a, b, c, d]),
        ("sales/dagRuns?dag_version=2", &[]),
    ] {
        assert_eq!(ids(&server.get_ok(&format!("/dags/{path}")).await), expected, "{path}");
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn pages_by_cursor_are_the_list_in_both_directions(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    for (number, state) in ["success", "queued", "failed", "running", "queued", "success", "success"].iter().enumerate()
    {
        rows::run(&server.db, &format!("run_{number}"), state, i64::try_from(number).unwrap()).await;
    }

    for order in ["id", "-run_after", "start_date", "-start_date", "end_date", "-duration", "duration", "state"] {
        let path = format!("/dags/sales/dagRuns?order_by={order}");
        let whole = server.get_ok(&path).await;
        let first = server.get_ok(&format!("{path}&limit=3&cursor=")).await;
        let (mut pages, mut forward) = (vec![first.clone()], ids(&first).join(" "));
        while let Some(next) = pages.last().unwrap()["next_cursor"].as_str() {
            let page = server.get_ok(&format!("{path}&limit=3&cursor={next}")).await;
            forward = format!("{forward} {}", ids(&page).join(" "));
            pages.push(page);
        }
        let mut backward = ids(pages.last().unwrap()).join(" ");
        let mut at = pages.last().unwrap().clone();
        while let Some(previous) = at["previous_cursor"].as_str() {
            at = server.get_ok(&format!("{path}&limit=3&cursor={previous}")).await;
            backward = format!("{} {backward}", ids(&at).join(" "));
        }

        assert_eq!(forward, ids(&whole).join(" "), "{order}, forward");
        assert_eq!(backward, forward, "{order}, backward");
        assert_eq!((&first["total_entries"], &first["total_entries_limit"]), (&json!(7), &json!(50_000)));
        assert_eq!((&whole["next_cursor"], &whole["total_entries_limit"]), (&Value::Null, &Value::Null));
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn runs_are_listed_by_a_body(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    rows::run(&server.db, "a", "success", 3).await;
    rows::run(&server.db, "b", "failed", 2).await;
    rows::run_of(&server.db, "manual", "c", "success", 1).await;

    let body = json!({ "dag_ids": ["sales"], "states": ["success", null], "order_by": "-run_after", "page_limit": 1 });
    let (status, found) = server.post("/dags/~/dagRuns/list", &body).await;
    assert_eq!((status, ids(&found), &found["total_entries"]), (StatusCode::OK, vec!["a"], &json!(1)));
    let (_, later) = server.post("/dags/~/dagRuns/list", &json!({ "run_after_gte": "2026-11-21T06:00:00Z" })).await;
    assert_eq!(ids(&later), ["b", "c"]);
    let (status, _) = server.post("/dags/sales/dagRuns/list", &json!({})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_is_marked_and_remarked_upon(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    rows::run(&server.db, "a", "failed", 3).await;

    let (status, run) = server.patch("/dags/sales/dagRuns/a", &json!({ "state": "success", "note": "fine" })).await;
    assert_eq!((status, &run["state"], &run["note"]), (StatusCode::OK, &json!("success"), &json!("fine")));

    let masked = "/dags/sales/dagRuns/a?update_mask=note";
    let (_, run) = server.patch(masked, &json!({ "state": "failed", "note": "" })).await;
    assert_eq!((&run["state"], &run["note"]), (&json!("success"), &Value::Null));

    let (status, _) = server.patch("/dags/sales/dagRuns/a", &json!({ "state": "running" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let long = "x".repeat(1001);
    let (status, _) = server.patch("/dags/sales/dagRuns/a", &json!({ "note": long })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = server.patch("/dags/sales/dagRuns/nothing", &json!({ "note": "x" })).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_run_may_be_called_list() {
    let server = Server::start(Backend::Sqlite).await;
    rows::run(&server.db, "list", "success", 1).await;

    let request = Request::get("/api/v2/dags/sales/dagRuns/list").body(Body::empty()).unwrap();
    let (status, run) = read(server.send_signed(request).await).await;

    assert_eq!((status, &run["dag_run_id"]), (StatusCode::OK, &json!("list")));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn somebody_waits_for_the_end_of_a_run_and_is_told_what_its_tasks_answered(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let running = rows::run(&server.db, "a", "running", 1).await;
    let over = rows::run(&server.db, "b", "success", 2).await;
    let extract = rows::instance(&over, "extract", 0, Some("success"));
    rows::insert(&server.db, [extract.clone()]).await;
    rows::insert_xcom(&server.db, &extract, "return_value", json!({ "rows": 3 })).await;
    let lines = async |path: &str| -> Vec<Value> {
        let request = Request::get(format!("/api/v2/dags/sales/dagRuns/{path}")).body(Body::empty()).unwrap();
        let (status, text) = read_text(server.send_signed(request).await).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };

    let results = json!({ "extract": { "rows": 3 }, "load": null });
    assert_eq!(lines("b/wait?result=extract&result=load").await, [json!({ "state": "success", "results": results })]);
    assert_eq!(lines("b/wait").await, [json!({ "state": "success" })]);
    let (told, ()) = tokio::join!(lines("a/wait?interval=30"), async {
        rows::end(&server.db, &running, "failed").await;
        server.changes.send(Change::dag_run("sales", "a", "failed"));
    });
    assert_eq!(told.last(), Some(&json!({ "state": "failed" })), "{told:?}");
    assert_eq!(server.get("/dags/sales/dagRuns/nothing/wait").await.0, StatusCode::NOT_FOUND);
}
