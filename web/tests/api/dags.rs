//! DAGs, their sources, tags, numbers, versions and tasks, and what is wrong with their files.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use chrono::TimeDelta;
use insta::assert_json_snapshot;
use rstest::rstest;
use scheduler::store::{commit, dags};
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server, json_request, now, read_text};

fn ids(body: &Value) -> Vec<&str> {
    body["dags"].as_array().unwrap().iter().map(|dag| dag["dag_id"].as_str().unwrap()).collect()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn dags_are_listed_and_looked_at(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    rows::run(&server.db, "scheduled__1", "success", 1).await;

    assert_json_snapshot!("dags", server.masked(&server.get_ok("/dags").await));
    assert_json_snapshot!("dag_details", server.masked(&server.get_ok("/dags/sales/details").await));
    assert_json_snapshot!("tasks", server.get_ok("/dags/sales/tasks").await);
    assert_json_snapshot!("dag_versions", server.masked(&server.get_ok("/dags/~/dagVersions").await));
    assert_eq!(server.get_ok("/dags/sales").await, server.get_ok("/dags").await["dags"][1]);
    assert_eq!(server.get_ok("/dags/sales/tasks/list").await["trigger_rule"], "all_done");
    assert_eq!(server.get_ok("/dags/sales/dagVersions/1").await["version_number"], 1);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn dags_are_filtered_and_ordered(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    server.write_dag("stocks.yaml", "schedule: '@daily'\ntags: [Daily, stocks]\nowner: cy\ntasks: []\n").await;
    server.write_dag("gone.yaml", "schedule: null\ntasks: []\n").await;
    server.remove_dag("gone.yaml").await;
    rows::run(&server.db, "scheduled__1", "success", 5).await;
    rows::run(&server.db, "scheduled__2", "failed", 2).await;
    rows::run_of(&server.db, "manual", "manual__1", "success", 3).await;
    server.patch("/dags/manual", &json!({ "is_paused": false })).await;

    for (query, expected) in [
        ("", &["manual", "sales", "stocks"][..]),
        ("exclude_stale=false", &["gone", "manual", "sales", "stocks"]),
        ("order_by=-dag_id", &["stocks", "sales", "manual"]),
        ("limit=1&offset=1", &["sales"]),
        ("limit=0", &[]),
        ("tags=daily&tags=stocks", &["sales", "stocks"]),
        ("tags=daily&tags=sales&tags_match_mode=all", &["sales"]),
        ("tags=daily&tags=stocks&tags_match_mode=all", &[]),
        ("owners=bob", &["sales"]),
        ("owners=bo", &[]),
        ("paused=false", &["manual"]),
        ("dag_id_pattern=S", &["sales", "stocks"]),
        ("dag_id_pattern=s_l", &["sales"]),
        ("dag_id_pattern=man|sto", &["manual", "stocks"]),
        ("dag_id_pattern=~", &["manual", "sales", "stocks"]),
        ("dag_id_prefix_pattern=s", &["sales", "stocks"]),
        ("dag_id_prefix_pattern=S", &[]),
        ("dag_id_prefix_pattern=sto_", &["stocks"]),
        ("dag_id_pattern=%5C", &[]),
        ("last_dag_run_state=failed", &["sales"]),
        ("last_dag_run_state=success", &["manual"]),
        ("dag_run_state=success", &["manual", "sales"]),
        ("dag_run_start_date_gte=2026-11-21T05:30:00Z", &["sales"]),
        ("order_by=last_run_start_date", &["manual", "sales", "stocks"]),
        ("order_by=-last_run_start_date", &["sales", "manual", "stocks"]),
    ] {
        assert_eq!(ids(&server.get_ok(&format!("/dags?{query}")).await), expected, "{query}");
    }
    assert_eq!(server.get_ok("/dags?limit=0").await["total_entries"], 3);
    assert_eq!(
        server.get_ok("/dagTags").await,
        json!({ "tags": ["Daily", "daily", "sales", "stocks"], "total_entries": 4 })
    );
    assert_eq!(
        server.get_ok("/dagTags?tag_name_pattern=S&limit=1&order_by=-name").await,
        json!({ "tags": ["stocks"], "total_entries": 2 })
    );
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn runs_are_counted_by_state(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    rows::run(&server.db, "scheduled__1", "success", 3).await;
    rows::run(&server.db, "scheduled__2", "success", 2).await;
    rows::run(&server.db, "scheduled__3", "running", 1).await;

    let stats = server.get_ok("/dagStats?dag_ids=sales").await;

    let counts = json!([
        { "state": "queued", "count": 0 },
        { "state": "running", "count": 1 },
        { "state": "success", "count": 2 },
        { "state": "failed", "count": 0 },
    ]);
    let expected = json!({ "dag_id": "sales", "dag_display_name": "sales", "stats": counts });
    assert_eq!(stats, json!({ "dags": [expected], "total_entries": 1 }));
    let all = server.get_ok("/dagStats").await;
    assert_eq!((ids(&all), &all["dags"][1]), (vec!["manual", "sales"], &stats["dags"][0]));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn dags_are_paused_one_by_one_and_by_pattern(#[case] backend: Backend) {
    let server = Server::start(backend).await;

    let (status, one) = server.patch("/dags/sales?update_mask=is_paused", &json!({ "is_paused": false })).await;
    assert_eq!((status, &one["is_paused"]), (StatusCode::OK, &json!(false)));

    let (_, none) = server.patch("/dags", &json!({ "is_paused": false })).await;
    assert_eq!(none, json!({ "dags": [], "total_entries": 0 }));
    assert_eq!(ids(&server.get_ok("/dags?paused=true").await), ["manual"]);

    let (status, all) = server.patch("/dags?dag_id_pattern=~", &json!({ "is_paused": true })).await;
    assert_eq!((status, ids(&all)), (StatusCode::OK, vec!["manual", "sales"]));
    assert_eq!(ids(&server.get_ok("/dags?paused=true").await), ["manual", "sales"]);

    let audit = server.get_ok("/eventLogs?event=patch_dag&dag_id=sales&order_by=-when").await;
    assert_eq!(audit["total_entries"], 2);
    assert_json_snapshot!("event_log", server.get_ok("/eventLogs/1").await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_file_of_a_dag_is_served_as_json_and_as_text(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    rows::run_of(&server.db, "manual", "manual__1", "success", 1).await;
    let before = server.get_ok("/dagSources/manual").await;
    server.write_dag("manual.yaml", "schedule: null\ndescription: New\ntasks: []\n").await;
    let after = server.get_ok("/dagSources/manual").await;
    let pinned = server.get_ok("/dagSources/manual?version_number=1").await;
    let plain = Request::get("/api/v2/dagSources/manual").header(header::ACCEPT, "text/plain");

    assert_eq!((&before["version_number"], &pinned), (&json!(1), &before));
    assert_eq!((&after["version_number"], after["content"].as_str().unwrap().contains("New")), (&Value::Null, true));
    let (_, text) = read_text(server.send_signed(plain.body(Body::empty()).unwrap()).await).await;
    assert_eq!(text, after["content"].as_str().unwrap());
    let xml = Request::get("/api/v2/dagSources/manual").header(header::ACCEPT, "text/xml");
    let refused = server.send_signed(xml.body(Body::empty()).unwrap()).await;
    assert_eq!(refused.status(), StatusCode::NOT_ACCEPTABLE);
    assert_eq!(server.get("/dagSources/manual?version_number=7").await.0, StatusCode::NOT_FOUND);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_broken_file_is_told_of_and_its_dag_goes_on(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    server.write_dag("sales.yaml", "schedule: '0 6 * * *'\ntasks: [{ task_id: a, operator: bsh }]\n").await;
    server.write_dag("other.yaml", "tasks: 1\n").await;

    let errors = server.get_ok("/importErrors?order_by=filename").await;
    assert_eq!(errors["total_entries"], 2);
    let (other, sales) = (&errors["import_errors"][0], &errors["import_errors"][1]);
    assert_eq!((&other["filename"], &sales["filename"]), (&json!("other.yaml"), &json!("sales.yaml")));
    assert!(sales["stack_trace"].as_str().unwrap().contains("bsh"), "{sales}");
    let id = &sales["import_error_id"];
    assert_eq!(&server.get_ok(&format!("/importErrors/{id}")).await, sales);
    assert_eq!(server.get_ok("/importErrors?filename_pattern=OTH").await["total_entries"], 1);

    let dag = server.get_ok("/dags/sales").await;
    assert_eq!((&dag["has_import_errors"], &dag["is_stale"]), (&json!(true), &json!(false)));
    assert_eq!(server.get_ok("/dags/sales/tasks").await["total_entries"], 3);
    assert_eq!(ids(&server.get_ok("/dags?has_import_errors=true").await), ["sales"]);
    let (status, _) = server.post("/dags/sales/dagRuns", &json!({ "logical_date": null })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

/// §17: Airflow takes the last file that it reads, without a word.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_dag_that_two_files_define_is_that_of_the_first(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    server.write_dag("second.yaml", "own: {tasks: []}\nsales: {description: Another, tasks: []}\n").await;

    let errors = server.get_ok("/importErrors").await;
    assert_eq!((&errors["total_entries"], &errors["import_errors"][0]["filename"]), (&json!(1), &json!("second.yaml")));
    let told = errors["import_errors"][0]["stack_trace"].as_str().unwrap();
    assert!(told.contains("DAG `sales` is defined in `sales.yaml` already"), "{told}");
    assert_eq!(server.get_ok("/dags/sales").await["description"], "What was sold");
    assert_eq!(server.get_ok("/dags/own").await["relative_fileloc"], "second.yaml");

    // Whoever asks again finds the same error, as long as it is one.
    let id = errors["import_errors"][0]["import_error_id"].clone();
    server.write_dag("unconcerned.yaml", "tasks: []\n").await;
    assert_eq!(server.get_ok("/importErrors").await["import_errors"][0]["import_error_id"], id);

    // Whichever way the first lets it go, the second has it.
    server.write_dag("sales.yaml", "others: {tasks: []}\n").await;
    assert_eq!(server.get_ok("/importErrors").await["total_entries"], 0);
    let sales = server.get_ok("/dags/sales").await;
    assert_eq!((&sales["description"], &sales["is_stale"]), (&json!("Another"), &json!(false)));
    server.write_dag("third.yaml", "sales: {description: A third, tasks: []}\n").await;
    assert_eq!(server.get_ok("/importErrors").await["import_errors"][0]["filename"], "third.yaml");
    server.remove_dag("second.yaml").await;
    assert_eq!(server.get_ok("/importErrors").await["total_entries"], 0);
    let sales = server.get_ok("/dags/sales").await;
    assert_eq!((&sales["relative_fileloc"], &sales["is_stale"]), (&json!("third.yaml"), &json!(false)));
    assert_eq!(server.get_ok("/dags/own").await["is_stale"], true);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_ui_gets_each_dag_with_its_latest_runs(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    for hours in 1..=5 {
        rows::run(&server.db, &format!("scheduled__{hours}"), "success", hours).await;
    }
    rows::run_of(&server.db, "manual", "manual__1", "failed", 9).await;

    let body = server.get_ok("/updraft/dags?runs=3").await;

    let runs = |dag: usize| -> Vec<&Value> {
        body["dags"][dag]["recent_runs"].as_array().unwrap().iter().map(|run| &run["dag_run_id"]).collect()
    };
    assert_eq!(runs(0), ["manual__1"]);
    assert_eq!(runs(1), ["scheduled__1", "scheduled__2", "scheduled__3"]);
    assert_eq!(body["dags"][1]["timezone"], "Europe/Amsterdam");
    assert_eq!(body["total_entries"], 2);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_runs_to_come_follow_the_schedule(#[case] backend: Backend) {
    let server = Server::start(backend).await;

    let next = server.get_ok("/updraft/dags/sales/next?count=3").await;

    // 6 o'clock in Amsterdam is 5 o'clock UTC in winter; without a run so far, today's is made up for.
    let at: Vec<&Value> = next["runs"].as_array().unwrap().iter().map(|run| &run["run_after"]).collect();
    assert_eq!(at, ["2026-11-21T05:00:00Z", "2026-11-22T05:00:00Z", "2026-11-23T05:00:00Z"]);
    assert_eq!(next["runs"][0]["note"], Value::Null);
    assert_eq!(server.get_ok("/updraft/dags/manual/next").await, json!({ "runs": [] }));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn health_follows_the_heartbeat(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let dead = server.get_ok("/monitor/health").await;
    rows::insert_lease(&server.db, now()).await;
    let alive = server.get_ok("/monitor/health").await;
    server.clock.set(now() + TimeDelta::minutes(1));
    let lost = server.get_ok("/monitor/health").await;

    assert_eq!(
        (&dead["metadatabase"]["status"], &dead["scheduler"]["status"]),
        (&json!("healthy"), &json!("unhealthy"))
    );
    assert_json_snapshot!("health", alive);
    assert_eq!(lost["scheduler"]["status"], "unhealthy");
}

/// Everybody may ask for the health; where the DAG files are is not told.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn dag_files_that_cannot_be_reached_are_no_good_health(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    rows::insert_lease(&server.db, now()).await;
    let told = async |filename: &str, problem: Option<&str>| {
        let txn = server.db.begin_write().await.unwrap();
        dags::set_import_error(&txn, "dags-folder", filename, problem, now()).await.unwrap();
        commit(txn).await.unwrap();
        let health = server.get_ok("/monitor/health").await;
        assert_eq!(health["scheduler"]["status"], "healthy");
        assert!(!health.to_string().contains("bucket"), "{health}");
        health["dag_processor"]["status"].clone()
    };

    assert_eq!(told("sales.yaml", Some("a mistake in a file")).await, "healthy");
    assert_eq!(told("s3://bucket/dags", Some("it cannot be read")).await, "unhealthy");
    assert_eq!(told("s3://bucket/dags", None).await, "healthy");
}

#[tokio::test]
async fn the_version_is_that_of_the_airflow_whose_api_is_spoken() {
    let server = Server::start(Backend::Sqlite).await;

    assert_eq!(server.get_ok("/version").await["version"], "3.3.2");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_dag_is_deleted_once_its_file_is_gone_and_its_runs_are_over(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    let run = rows::run(&server.db, "a", "running", 1).await;
    rows::run(&server.db, "b", "success", 2).await;
    rows::insert(&server.db, [rows::instance(&run, "extract", 0, Some("running"))]).await;

    let (status, body) = server.delete("/dags/sales").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(body["detail"].as_str().unwrap().contains("take it out of there first"), "{body}");
    server.remove_dag("sales.yaml").await;
    let (status, body) = server.delete("/dags/sales").await;
    assert_eq!(
        (status, &body["detail"]),
        (StatusCode::CONFLICT, &json!("run `a` is running; mark it failed before its DAG is deleted"))
    );
    rows::end(&server.db, &run, "failed").await;

    assert_eq!(server.delete("/dags/sales").await, (StatusCode::OK, Value::Null));

    assert_eq!(server.get("/dags/sales").await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get_ok("/dags/~/dagRuns/~/taskInstances").await["total_entries"], 0);
    assert_eq!(server.delete("/dags/sales").await.0, StatusCode::NOT_FOUND);
    let log = server.get_ok("/eventLogs?event=delete_dag").await;
    assert_eq!((&log["event_logs"][0]["owner"], &log["event_logs"][0]["dag_id"]), (&json!("admin"), &json!("sales")));
}

/// Second names are what people see of DAGs and tasks, in the version that a run is pinned to.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn dags_and_tasks_are_shown_by_their_second_names(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    let file = |name: &str| {
        format!(
            "dag_display_name: {name}\nis_paused_upon_creation: false\ntags: [x]\nowner_links: {{airflow: 'https://example.com/ops'}}\n\
             allowed_run_types: [manual, operator_triggered]\ntasks: [{{task_id: a, operator: bash, bash_command: ls, task_display_name: Alpha, start_date: 2026-01-01}}]\n"
        )
    };
    server.write_dag("named.yaml", &file("Verkäufe")).await;
    let (status, run) = server.post("/dags/named/dagRuns", &json!({ "logical_date": null })).await;
    assert_eq!((status, &run["dag_display_name"]), (StatusCode::OK, &json!("Verkäufe")), "{run}");
    assert_eq!(run["dag_versions"][0]["dag_display_name"], "Verkäufe");
    server.write_dag("named.yaml", &file("Another name")).await;

    let dag = server.get_ok("/dags/named").await;
    assert_eq!(
        (&dag["dag_display_name"], &dag["tags"][0]["dag_display_name"]),
        (&json!("Another name"), &json!("Another name"))
    );
    assert_eq!(dag["allowed_run_types"], json!(["manual", "operator_triggered"]));
    assert_eq!(
        server.get_ok("/dags/named/details").await["owner_links"],
        json!({ "airflow": "https://example.com/ops" })
    );
    let task = server.get_ok("/dags/named/tasks/a").await;
    assert_eq!((&task["task_display_name"], &task["start_date"]), (&json!("Alpha"), &json!("2026-01-01T00:00:00Z")));
    let runs = server.get_ok("/dags/named/dagRuns").await;
    assert_eq!(runs["dag_runs"][0]["dag_display_name"], "Verkäufe", "as it was then");
    let grid = server.get_ok("/updraft/dags/named/grid").await;
    assert_eq!(grid["tasks"][0]["task_display_name"], "Alpha");
    for (query, expected) in [
        ("dag_display_name_pattern=another", &["named"][..]),
        ("dag_display_name_pattern=named", &[]),
        ("dag_display_name_pattern=sal", &["sales"]),
        ("dag_display_name_prefix_pattern=Ano", &["named"]),
        ("order_by=dag_display_name", &["named", "manual", "sales"]),
    ] {
        assert_eq!(ids(&server.get_ok(&format!("/dags?{query}")).await), expected, "{query}");
    }
    for (text, expected) in
        [("another", &["named"][..]), ("NAMED", &["named"]), ("sal|nam", &["named", "sales"]), ("none", &[])]
    {
        let found = server.get_ok(&format!("/updraft/dags?name_pattern={text}")).await;
        assert_eq!(ids(&found), expected, "{text}");
    }
    let periodic = "schedule: '@daily'\nallowed_run_types: [scheduled, manual]\ntasks: [{task_id: a, operator: bash, bash_command: ls}]\n";
    server.write_dag("kinds.yaml", periodic).await;
    let kinds = server.get_ok("/dags/kinds").await;
    assert_eq!((&kinds["timetable_periodic"], &kinds["is_backfillable"]), (&json!(true), &json!(false)), "{kinds}");
    let body = json!({ "dag_id": "named", "from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z" });
    let (status, refused) = server.post("/backfills", &body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused["detail"].as_str().unwrap().contains("allowed_run_types"), "{refused}");

    // Where no version is meant, they are those of the file as it is.
    let told = server.get_ok("/eventLogs?event=trigger_dag_run").await;
    assert_eq!(told["event_logs"][0]["dag_display_name"], "Another name");
    let id = &told["event_logs"][0]["event_log_id"];
    assert_eq!(server.get_ok(&format!("/eventLogs/{id}")).await["dag_display_name"], "Another name");
    let run = rows::run_of(&server.db, "named", "over", "success", 1).await;
    let a = rows::instance(&run, "a", 0, Some("success"));
    rows::insert_xcom(&server.db, &a, "return_value", json!(1)).await;
    rows::insert(&server.db, [a]).await;
    let entries = "/dags/named/dagRuns/over/taskInstances/a/xcomEntries";
    let xcoms = server.get_ok(entries).await;
    for xcom in [&xcoms["xcom_entries"][0], &server.get_ok(&format!("{entries}/return_value")).await] {
        let names = (&xcom["dag_display_name"], &xcom["task_display_name"]);
        assert_eq!(names, (&json!("Another name"), &json!("Alpha")), "{xcom}");
    }
    let body = json!({ "dag_id": "days", "from_date": "2026-02-01T00:00:00Z", "to_date": "2026-02-02T00:00:00Z" });
    let days = "dag_display_name: Days\nschedule: '@daily'\nstart_date: 2026-01-01\ntasks: []\n";
    server.write_dag("days.yaml", days).await;
    let (status, made) = server.post("/backfills", &body).await;
    assert_eq!((status, &made["dag_display_name"]), (StatusCode::OK, &json!("Days")), "{made}");
    assert_eq!(server.get_ok("/backfills?dag_id=days").await["backfills"][0]["dag_display_name"], "Days");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_user_has_favourites(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    let none = json!({});

    assert_eq!(server.post("/dags/none/favorite", &none).await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.post("/dags/sales/unfavorite", &none).await.0, StatusCode::CONFLICT);
    for _ in 0..2 {
        assert_eq!(server.post("/dags/sales/favorite", &none).await.0, StatusCode::NO_CONTENT);
    }

    assert_eq!(ids(&server.get_ok("/dags?is_favorite=true").await), ["sales"]);
    assert_eq!(ids(&server.get_ok("/dags?is_favorite=false").await), ["manual"]);
    assert_eq!(server.get_ok("/dags/sales/details").await["is_favorite"], true);
    let listed = server.get_ok("/updraft/dags").await;
    assert_eq!([&listed["dags"][0]["is_favorite"], &listed["dags"][1]["is_favorite"]], [false, true]);
    assert_eq!(server.get_ok("/eventLogs?event=favorite_dag").await["total_entries"], 1);
    assert_eq!(server.post("/dags/sales/unfavorite", &none).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ids(&server.get_ok("/dags?is_favorite=true").await), [""; 0]);

    server.post("/dags/manual/favorite", &none).await;
    server.remove_dag("manual.yaml").await;
    assert_eq!(server.delete("/dags/manual").await.0, StatusCode::OK);
    server.write_dag("manual.yaml", "tasks: []\n").await;
    assert_eq!(server.get_ok("/dags/manual/details").await["is_favorite"], false, "they go with the DAG");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_file_is_known_by_its_token(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let token = server.get_ok("/dags/sales").await["file_token"].as_str().unwrap().to_owned();
    let reparse = async |token: &str| {
        let request = json_request(Method::PUT, &format!("/api/v2/parseDagFile/{token}"), &json!({}));
        server.send_signed(request).await.status()
    };

    assert_eq!(reparse(&token).await, StatusCode::CREATED);
    // No hexadecimal digits, half a byte, and the path of no file.
    for unknown in ["zz", "6", "646167732d666f6c6465723a6e6f6e65"] {
        assert_eq!(reparse(unknown).await, StatusCode::NOT_FOUND, "{unknown}");
    }
    assert_eq!(server.get_ok("/eventLogs?event=reparse_dag_file").await["total_entries"], 1);
}
