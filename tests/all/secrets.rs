//! Connections and variables from the command line to tasks: kept, looked up, rendered, masked.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::server::{Backend, Installation};

/// Keys of secrets.
const OLD: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const NEW: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

async fn ok(installation: &Installation, args: &[&str]) -> String {
    let output = installation.run(args).await;
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn refused(installation: &Installation, args: &[&str], words: &str) {
    let output = installation.run(args).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    assert!(said.contains(words), "{args:?}: {said}");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn connections_are_added_shown_changed_and_deleted(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let uri = "postgres://me:p%40ssw0rd@db:5432/sales?sslmode=require";
    ok(&installation, &["connections", "add", "my_db", "--conn-uri", uri]).await;
    let mut adding = installation
        .command(&[
            "connections",
            "add",
            "databricks_default",
            "--conn-type",
            "databricks",
            "--conn-host",
            "https://dbc",
        ])
        .args(["--conn-extra", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    adding.stdin.take().unwrap().write_all(b"{\"token\": \"dapi-12345\", \"host\": \"h\"}\n").await.unwrap();
    assert!(adding.wait().await.unwrap().success());

    let shown = installation.json(&["connections", "get", "my_db"]).await;
    assert_eq!(
        (&shown["password"], &shown["port"], &shown["kept_in"]),
        (&json!("***"), &json!(5432), &json!("database"))
    );
    let shown = installation.json(&["connections", "get", "databricks_default", "--show-secrets"]).await;
    assert_eq!(shown["extra"], json!({ "token": "dapi-12345", "host": "h" }));
    let listed = ok(&installation, &["connections", "list"]).await;
    assert!(listed.contains("my_db") && listed.contains("databricks") && !listed.contains("p@ssw0rd"), "{listed}");

    refused(&installation, &["connections", "add", "my_db", "--conn-type", "http"], "exists already").await;
    refused(&installation, &["connections", "add", "a b", "--conn-type", "http"], "is no id").await;
    refused(&installation, &["connections", "add", "x"], "no type").await;
    refused(&installation, &["connections", "add", "x", "--conn-uri", "hush"], "no `://`").await;
    refused(&installation, &["connections", "set", "my_db", "--conn-host", "other"], "say so with --yes").await;
    refused(&installation, &["connections", "delete", "my_db"], "say so with --yes").await;
    refused(&installation, &["connections", "get", "nobody"], "there is no connection `nobody`").await;
    refused(&installation, &["connections", "delete", "nobody", "--yes"], "does not exist").await;

    ok(&installation, &["connections", "set", "my_db", "--conn-host", "other", "--yes"]).await;
    let shown = installation.json(&["connections", "get", "my_db", "--show-secrets"]).await;
    assert_eq!((&shown["host"], &shown["password"]), (&json!("other"), &json!("p@ssw0rd")));
    ok(&installation, &["connections", "delete", "my_db", "--yes"]).await;
    assert_eq!(installation.json(&["connections", "list"]).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn files_of_airflow_are_read_and_ours_are_read_back() {
    let installation = Installation::new(Backend::Sqlite).await;
    let write = |name: &str, text: &str| std::fs::write(installation.path().join(name), text).unwrap();
    // What `airflow connections export` and `airflow variables export` write.
    write(
        "connections.json",
        r#"{"my_db": {"conn_type": "mysql", "description": null, "host": "db", "login": "root", "password": "plain-pass",
            "schema": "airflow", "port": 3306, "extra": "{\"a\": [1]}"}}"#,
    );
    write("connections.yaml", "api:\n  conn_type: http\n  host: https://api\n  extra: null\n  port: null\n");
    write("connections.env", "# comment\n\nmy_db=http://other\nmail={\"conn_type\": \"smtp\", \"host\": \"m\"}\n");
    write(
        "variables.json",
        r#"{"region": "eu", "limits": {"rows": 5}, "told": {"value": "x", "description": "About"}}"#,
    );

    ok(&installation, &["connections", "import", "connections.json"]).await;
    ok(&installation, &["import", "connections", "connections.yaml"]).await;
    let imported = installation.json(&["connections", "import", "connections.env"]).await;
    assert_eq!(imported, json!({ "imported": ["mail"], "skipped": ["my_db"] }));
    refused(&installation, &["connections", "import", "connections.env", "--overwrite"], "say so with --yes").await;
    ok(&installation, &["variables", "import", "variables.json"]).await;
    refused(&installation, &["variables", "import", "variables.json", "-a", "fail"], "there are already: region").await;
    refused(&installation, &["import", "variables", "variables.json", "-a", "fail"], "there are already: region").await;

    for format in ["json", "yaml", "env"] {
        let file = format!("export.{format}");
        ok(&installation, &["connections", "export", &file]).await;
        ok(&installation, &["variables", "export", &format!("vars.{format}")]).await;
        let other = Installation::new(Backend::Sqlite).await;
        let path = |file: &str| installation.path().join(file).display().to_string();
        ok(&other, &["connections", "import", &path(&file)]).await;
        ok(&other, &["variables", "import", &path(&format!("vars.{format}"))]).await;
        let secret = ["connections", "get", "my_db", "--show-secrets"];
        assert_eq!(other.json(&secret).await, installation.json(&secret).await, "{format}");
        let json = ["variables", "get", "limits", "--json"];
        assert_eq!(other.json(&json).await, json!({ "rows": 5 }), "{format}");
    }
    let mode = std::fs::metadata(installation.path().join("export.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "what holds secrets is for nobody else");

    // One that was there may have been for others to read.
    let file = installation.path().join("export.json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    ok(&installation, &["connections", "export", "export.json"]).await;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    write("broken.json", "{\"my_db\": \"hush");
    write("broken.yaml", "a: {conn_type: [hush\n");
    write("number.yaml", "my_db: {conn_type: http, password: 0123}\n");
    write("wrong.json", r#"{"my_db": {"conn_type": "http", "pasword": "hush"}}"#);
    for (file, words) in [
        ("broken.json", "line 1"),
        ("broken.yaml", "cannot be read"),
        ("wrong.json", "`my_db` is no connection"),
        ("number.yaml", "its `password` is no text (write it in quotes)"),
        ("none.json", "cannot read"),
        ("file.txt", "must end with"),
    ] {
        refused(&installation, &["connections", "import", file], words).await;
    }
}

#[tokio::test]
async fn variables_come_back_from_a_file_letter_by_letter() {
    let values = [
        ("version", "1.10"),
        ("long", "12345678901234567890123"),
        ("quoted", "\"quoted\""),
        ("null", "null"),
        ("spaced", "{\"a\": [1, \"b  c \\\" d\"]}"),
        ("ambiguous", "{\"value\":1}"),
        ("also", "{\"value\":1,\"description\":\"no\"}"),
        ("lines", "one\n  two\n"),
        ("blanks", "  x "),
        ("empty", ""),
        ("yes", "yes"),
        ("date", "2024-01-01"),
    ];
    let installation = Installation::new(Backend::Sqlite).await;
    for (key, value) in values {
        ok(&installation, &["variables", "set", key, value]).await;
    }
    for file in ["all.json", "all.yaml"] {
        ok(&installation, &["variables", "export", file]).await;
        let other = Installation::new(Backend::Sqlite).await;
        ok(&other, &["variables", "import", installation.path().join(file).to_str().unwrap()]).await;
        for (key, value) in values {
            let read = other.json(&["variables", "get", key]).await;
            // Blanks between the parts of JSON mean nothing.
            let expected = if key == "spaced" { "{\"a\":[1,\"b  c \\\" d\"]}" } else { value };
            assert_eq!(read, json!(expected), "{key} in {file}");
        }
    }
    refused(&installation, &["variables", "export", "all.env"], "which are lost in a .env file").await;
}

#[tokio::test]
async fn variables_are_set_printed_and_deleted() {
    let installation = Installation::new(Backend::Sqlite).await;

    ok(&installation, &["variables", "set", "region", "eu", "--description", "Where"]).await;
    ok(&installation, &["variables", "set", "limits", r#"{"rows": 5}"#, "--json"]).await;
    assert_eq!(ok(&installation, &["variables", "get", "region"]).await, "eu\n");
    assert_eq!(ok(&installation, &["variables", "get", "nobody", "--default", "us"]).await, "us\n");
    assert_eq!(ok(&installation, &["variables", "get", "limits", "-j"]).await, "{\"rows\":5}\n");
    let from_outside = installation.command(&["variables", "get", "zone"]).env("AIRFLOW_VAR_ZONE", "b").output().await;
    assert_eq!(from_outside.unwrap().stdout, b"b\n");
    assert!(ok(&installation, &["variables", "list"]).await.contains("Where"));

    refused(&installation, &["variables", "set", "region", "us"], "say so with --yes").await;
    refused(&installation, &["variables", "set", "x", "{", "--json"], "is no JSON").await;
    refused(&installation, &["variables", "get", "nobody"], "there is no variable `nobody`").await;
    refused(&installation, &["variables", "get", "region", "--json"], "is no JSON").await;
    ok(&installation, &["variables", "set", "region", "us", "--yes"]).await;
    assert_eq!(ok(&installation, &["variables", "get", "region"]).await, "us\n");
    ok(&installation, &["variables", "delete", "region", "--yes"]).await;
    refused(&installation, &["variables", "get", "region"], "there is no variable").await;
}

#[tokio::test]
async fn the_key_is_made_once_rotated_and_missed() {
    let installation = Installation::new(Backend::Sqlite).await;
    ok(&installation, &["variables", "set", "api_token", "s3cret-word"]).await;
    let made = std::fs::read_to_string(installation.home().join("secret-key")).unwrap();
    let with_keys = async |keys: &str, args: &[&str]| {
        let output = installation.command(args).env("UPDRAFT_SECRET_KEY", keys).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr))
    };

    let (code, said) = with_keys(NEW, &["variables", "get", "api_token"]).await;
    assert!(code == Some(3) && said.contains("`api_token`") && said.contains("UPDRAFT_SECRET_KEY"), "{said}");
    let (code, said) = with_keys(NEW, &["variables", "set", "other", "x"]).await;
    assert!(code == Some(3) && said.contains("the same UPDRAFT_SECRET_KEY"), "{said}");
    let (code, said) = with_keys("hush", &["variables", "list"]).await;
    assert!(code == Some(2) && said.contains("openssl rand") && !said.contains("hush"), "{said}");

    let keys = format!("{NEW},{}", made.trim());
    let (code, said) = with_keys(&keys, &["db", "rotate-key"]).await;
    assert!(code == Some(2) && said.contains("say so with --yes"), "{said}");
    let (code, said) = with_keys(&keys, &["db", "rotate-key", "--yes"]).await;
    assert!(code == Some(0) && said.contains("0 connections and 1 variable encrypted"), "{said}");
    assert_eq!(with_keys(NEW, &["variables", "get", "api_token"]).await, (Some(0), "s3cret-word\n".to_owned()));
    let (code, _) = with_keys(OLD, &["variables", "get", "api_token"]).await;
    assert_eq!(code, Some(3));
}

#[tokio::test]
async fn connections_are_tested_from_the_command_line() {
    let installation = Installation::new(Backend::Sqlite).await;
    let file = installation.path().join("some.db");
    std::fs::write(&file, "").unwrap();
    ok(&installation, &["connections", "add", "good", "--conn-type", "sqlite", "--conn-host", file.to_str().unwrap()])
        .await;
    ok(&installation, &["connections", "add", "bad", "--conn-type", "sqlite", "--conn-host", "/nowhere.db"]).await;

    assert!(ok(&installation, &["connections", "test", "good"]).await.contains("works"));
    let bad = installation.run(&["connections", "test", "bad"]).await;
    let said = String::from_utf8_lossy(&bad.stdout).into_owned();
    assert!(bad.status.code() == Some(1) && said.contains("does not work: there is no file `/nowhere.db`"), "{said}");
}

const USES: &str = r#"
tasks:
  - task_id: uses
    operator: bash
    bash_command: |
      echo host {{ conn.my_db.host }} region {{ var.value.region }} rows {{ var.json.limits.rows }}
      echo password "$PASSWORD" uri {{ conn.my_db.get_uri() }} token {{ var.value.api_token }}
      echo mounted {{ conn.mounted.login }} default {{ var.value.get('zone', 'none') }}
    env: {PASSWORD: "{{ conn.my_db.password }}"}
  - task_id: misses
    operator: bash
    bash_command: echo {{ conn.nobody.host }}
    dependencies: [uses]
"#;

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn tasks_use_them_and_nobody_reads_their_secrets(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag("uses.yaml", USES);
    let mounted = installation.path().join("mounted");
    std::fs::create_dir_all(mounted.join("connections")).unwrap();
    std::fs::write(mounted.join("connections/mounted"), "http://mounter@x\n").unwrap();
    ok(&installation, &["connections", "add", "my_db", "--conn-uri", "postgres://me:p%40ss-w0rd@database/sales"]).await;
    ok(&installation, &["variables", "set", "region", "from-the-database"]).await;
    ok(&installation, &["variables", "set", "limits", r#"{"rows": 5}"#]).await;
    ok(&installation, &["variables", "set", "api_token", "tok-12345"]).await;
    let mut command = installation.command(&["standalone", "--port", "0"]);
    command.env("UPDRAFT_SECRETS_BACKENDS", format!("environment,folder:{}", mounted.display()));
    command.env("UPDRAFT_VAR_REGION", "from-outside").env("UPDRAFT_LOG", "warn");
    let server = crate::server::Server::start(command).await;

    let run = installation.run(&["dags", "trigger", "uses", "--run-id", "one", "--wait"]).await;

    assert_eq!(run.status.code(), Some(1));
    let log = async |task: &str| {
        let lines = installation.json(&["tasks", "logs", "uses", "one", task]).await;
        let events = lines.as_array().unwrap().iter().map(|line| line["event"].as_str().unwrap().to_owned());
        events.collect::<Vec<_>>().join("\n")
    };
    let uses = log("uses").await;
    assert!(uses.contains("host database region from-outside rows 5"), "{uses}");
    assert!(uses.contains("password *** uri postgres://me:***@database/sales token ***"), "{uses}");
    assert!(uses.contains("mounted mounter default none"), "{uses}");
    let misses = log("misses").await;
    assert!(misses.contains("there is no connection `nobody`"), "{misses}");
    let db = installation.database().await;
    let run = scheduler::store::runs::get(db.read(), "uses", "one").await.unwrap();
    let instances = scheduler::store::runs::instances(db.read(), run.id).await.unwrap();
    let rendered = instances.iter().map(|instance| format!("{:?}", instance.rendered_fields)).collect::<String>();
    assert!(rendered.contains("from-outside") && rendered.contains("***"), "{rendered}");
    assert!(!["p@ss-w0rd", "p%40ss-w0rd", "tok-12345"].iter().any(|secret| rendered.contains(secret)), "{rendered}");
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_dag_is_tested_with_the_connections_around() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag(
        "one.yaml",
        "tasks:\n  - {task_id: a, operator: bash, bash_command: 'test {{ conn.my_db.host }} = db'}\n",
    );
    let file = ["dags", "test", "dags/one.yaml"];
    let without = installation.run(&file).await;
    assert_eq!(without.status.code(), Some(1));

    ok(&installation, &["connections", "add", "my_db", "--conn-uri", "postgres://db"]).await;
    let with = installation.run(&file).await;
    assert_eq!(with.status.code(), Some(0), "{}", String::from_utf8_lossy(&with.stderr));
}

#[tokio::test]
async fn a_server_with_another_key_starts_and_only_the_task_that_needs_it_fails() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag(
        "two.yaml",
        "tasks:\n  - {task_id: free, operator: bash, bash_command: 'true'}\n  - {task_id: needs, operator: bash, bash_command: 'echo {{ var.value.api_token }}'}\n",
    );
    ok(&installation, &["variables", "set", "api_token", "s3cret-word"]).await;
    let (mut command, log) = installation.logged_command();
    command.env("UPDRAFT_SECRET_KEY", NEW);
    let server = crate::server::Server::start(command).await;

    let run = installation.run(&["dags", "trigger", "two", "--run-id", "one", "--wait"]).await;

    assert_eq!(run.status.code(), Some(1));
    let shown = installation.json(&["runs", "show", "two", "one"]).await;
    let state = |task: &str| -> Value {
        let tasks = shown["task_instances"].as_array().unwrap();
        tasks.iter().find(|instance| instance["task_id"] == task).unwrap()["state"].clone()
    };
    assert_eq!((state("free"), state("needs")), (json!("success"), json!("failed")));
    assert!(server.stop().await);
    let said = log.text();
    assert!(said.contains("the same UPDRAFT_SECRET_KEY"), "{said}");
}
