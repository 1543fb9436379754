//! What goes wrong before anything runs: one clear message each, and the right exit code.

use std::process::Output;

use rstest::rstest;

use crate::server::{Backend, Installation, finished, instances};

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_dags_folder_that_is_not_there_is_named() {
    let installation = Installation::new(Backend::Sqlite).await;
    let output = installation.run(&["standalone", "--port", "0", "--dags-folder", "nowhere"]).await;

    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nowhere` cannot be read"), "{}", stderr(&output));
    assert!(stderr(&output).contains("hint: make it, or name another with --dags-folder"));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let installation = Installation::new(Backend::Sqlite).await;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = installation.run(&["standalone", "--port", &port]).await;

    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(&format!("port {port} on 127.0.0.1 is in use")), "{}", stderr(&output));
}

#[tokio::test]
async fn a_database_that_is_newer_is_refused() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.json(&["db", "migrate"]).await;
    let db = installation.database().await;
    let txn = db.begin_write().await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(
        &txn,
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_from_the_future', 0)",
    )
    .await
    .unwrap();
    scheduler::store::commit(txn).await.unwrap();

    let output = installation.run(&["standalone", "--port", "0"]).await;

    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("written by a newer version of Updraft"), "{}", stderr(&output));
    assert!(stderr(&output).contains("hint: install the newer version"));
}

#[tokio::test]
async fn a_home_in_which_another_server_works_is_refused() {
    let installation = Installation::new(Backend::Sqlite).await;
    let server = installation.start().await;
    let output = installation.run(&["standalone", "--port", "0"]).await;

    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("another Updraft works in the home folder"), "{}", stderr(&output));
    assert!(server.stop().await, "the first one is not disturbed");
}

#[tokio::test]
async fn a_wrong_password_opens_nothing_and_the_right_one_does() {
    let installation = Installation::new(Backend::Sqlite).await;
    let server = installation.start().await;
    let sign_in = |password: &str| format!(r#"{{"username": "admin", "password": "{password}"}}"#);

    let wrong = server.request("POST", "/auth/token", None, &sign_in("guess")).await;
    let right = server.request("POST", "/auth/token", None, &sign_in("let-me-in")).await;
    let unsigned = server.request("GET", "/api/v2/dags", None, "").await;
    let health = server.request("GET", "/api/v2/monitor/health", None, "").await;

    assert!(wrong.starts_with("HTTP/1.1 401") && wrong.contains("Invalid credentials"), "{wrong}");
    assert!(right.starts_with("HTTP/1.1 201") && right.contains("access_token"), "{right}");
    assert!(unsigned.starts_with("HTTP/1.1 401") && unsigned.contains("Not authenticated"), "{unsigned}");
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("\"healthy\""), "{health}");
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_named_without_its_password() {
    let installation = Installation::new(Backend::Sqlite).await;
    let url = "postgres://me:sesame@127.0.0.1:1/updraft";
    let output = installation.command(&["dags", "list"]).env("UPDRAFT_DATABASE_URL", url).output().await.unwrap();

    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("cannot open the database postgres://me:***@127.0.0.1:1/updraft"));
    assert!(!stderr(&output).contains("sesame"), "{}", stderr(&output));
}

#[tokio::test]
async fn a_database_of_an_unknown_kind_is_refused() {
    let installation = Installation::new(Backend::Sqlite).await;
    let output =
        installation.command(&["dags", "list"]).env("UPDRAFT_DATABASE_URL", "mysql://x/y").output().await.unwrap();

    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the database URL begins with `mysql:`"), "{}", stderr(&output));
}

#[tokio::test]
async fn a_wrong_settings_file_is_named_with_the_place() {
    let installation = Installation::new(Backend::Sqlite).await;
    std::fs::write(installation.path().join("updraft.toml"), "prot = 8080\n").unwrap();
    let output = installation.run(&["version"]).await;

    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("unknown field `prot`"), "{}", stderr(&output));
}

#[tokio::test]
async fn hostile_and_oversized_files_are_import_errors_and_nothing_else_suffers() {
    let installation = Installation::new(Backend::Sqlite).await;
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\ntasks: *g\n";
    installation.write_dag("bomb.yaml", bomb);
    installation.write_dag("large.yaml", &format!("description: {}\n", "x".repeat(10 * 1024 * 1024)));
    installation.write_dag("fine.yaml", "tasks: [{task_id: a, operator: empty}]\n");
    let server = installation.start().await;
    let db = installation.database().await;

    let errors = scheduler::store::dags::list_import_errors(db.read(), "dags-folder").await.unwrap();
    let mut files: Vec<&str> = errors.iter().map(|error| error.filename.as_str()).collect();
    files.sort_unstable();

    assert_eq!(files, ["bomb.yaml", "large.yaml"]);
    assert!(scheduler::store::dags::find(db.read(), "fine").await.unwrap().is_some());
    assert!(server.stop().await);
}

/// Postgres keeps no NUL, and refuses a commit that has one; nothing that a task says may hold up the others.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_a_task_leaves_that_no_database_keeps_holds_nobody_up(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag(
        "odd.yaml",
        "default_args: {retries: 0}\ntasks:\n  - {task_id: nul, operator: bash, bash_command: \"printf 'a\\\\0b\\\\n'\"}\n  \
         - task_id: long\n    operator: bash\n    bash_command: \"printf '{\\\"%0600d\\\": 1}\\\\n' 0\"\n    \
         output_processor: json\n    multiple_outputs: true\n  \
         - {task_id: after, operator: bash, bash_command: 'true', dependencies: [nul]}\n",
    );
    let server = installation.start().await;
    installation.json(&["dags", "trigger", "odd", "--run-id", "one"]).await;

    let db = installation.database().await;
    let run = finished(&db, "odd", "one").await;

    let ended: Vec<(String, Option<String>, Option<String>)> =
        instances(&db, &run).await.into_iter().map(|row| (row.task_id, row.state, row.error)).collect();
    let state = |task: &str| ended.iter().find(|(id, ..)| id == task).and_then(|(_, state, _)| state.clone());
    assert_eq!(state("nul").as_deref(), Some("success"), "{ended:?}");
    assert_eq!(state("after").as_deref(), Some("success"), "{ended:?}");
    assert_eq!(state("long").as_deref(), Some("failed"), "{ended:?}");
    let why = ended.iter().find(|(id, ..)| id == "long").and_then(|(_, _, error)| error.clone()).unwrap_or_default();
    assert!(why.contains("the key of an XCom has at most 512 characters; this has 600"), "{why}");
    assert!(server.stop().await);
}
