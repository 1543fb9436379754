//! `defaults.yml` beside and around DAG files, with the real binary.

use serde_json::json;

use crate::server::{Backend, Installation, eventually};

const DAG: &str = "tasks:\n  - {task_id: say, operator: bash, bash_command: 'echo {{ params.word }}'}\n";

fn write(installation: &Installation, name: &str, text: &str) {
    let path = installation.path().join("dags").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_change_of_defaults_reaches_all_dags_over_them() {
    let installation = Installation::new(Backend::Sqlite).await;
    write(&installation, "defaults.yml", "params: {word: far}\n");
    write(&installation, "team/defaults.yaml", "params: {word: near}\n");
    write(&installation, "outside.yaml", DAG);
    write(&installation, "team/one.yaml", DAG);
    write(&installation, "team/two.yaml", DAG);
    let server = installation.start().await;
    let said = async |dag_id: &str, run_id: &str| {
        installation.json(&["dags", "trigger", dag_id, "--run-id", run_id, "--wait"]).await;
        let logs = installation.json(&["tasks", "logs", dag_id, run_id, "say"]).await;
        let lines = logs.as_array().unwrap().iter();
        lines.filter(|line| line["logger"] == "stdout").map(|line| line["event"].clone()).collect::<Vec<_>>()
    };

    let listed = installation.json(&["dags", "list"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 3, "the defaults are no DAGs: {listed}");
    assert_eq!(said("outside", "first").await, [json!("far")]);
    assert_eq!(said("one", "first").await, [json!("near")]);
    assert_eq!(said("two", "first").await, [json!("near")]);

    write(&installation, "team/defaults.yaml", "params: {word: other}\ntags: [mine]\n");
    eventually("both DAGs", || async {
        let (one, two) =
            (installation.json(&["dags", "show", "one"]).await, installation.json(&["dags", "show", "two"]).await);
        [one, two].iter().all(|dag| dag.to_string().contains("other")).then_some(())
    })
    .await;
    assert_eq!(said("two", "second").await, [json!("other")]);
    // A run is pinned to what it began with, defaults included; after a restart it is read from the database.
    assert!(server.stop().await);
    let server = installation.start().await;
    installation.json(&["runs", "clear", "two", "first"]).await;
    let first = ["tasks", "logs", "two", "first", "say"];
    eventually("the second try", || async {
        (installation.json(&["runs", "show", "two", "first"]).await["state"] == "success").then_some(())
    })
    .await;
    let again = installation.json(&first).await.to_string();
    assert!(again.contains("near") && !again.contains("other"), "{again}");
    std::fs::remove_file(installation.path().join("dags/team/defaults.yaml")).unwrap();
    eventually("both DAGs", || async {
        installation.json(&["dags", "show", "one"]).await.to_string().contains("far").then_some(())
    })
    .await;
    assert!(server.stop().await);
}

#[tokio::test]
async fn commands_read_defaults_and_show_their_mistakes() {
    let installation = Installation::new(Backend::Sqlite).await;
    write(&installation, "defaults.yml", "params: {word: far}\ndefault_args: {retires: 3}\n");
    write(&installation, "team/one.yaml", DAG);
    let run = async |args: &[&str]| {
        let output = installation.run(args).await;
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };

    let (code, said) = run(&["dags", "validate"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("dags/defaults.yml:2:16") && said.contains("retries"), "{said}");
    let (code, said) = run(&["dags", "validate", "dags/defaults.yml"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("holds defaults"), "{said}");
    write(&installation, "defaults.yml", "params: {word: far}\n");
    let (code, said) = run(&["dags", "validate", "dags/team/one.yaml"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&["dags", "test", "dags/team/one.yaml"]).await;
    assert_eq!(code, Some(0), "{said}");
}
