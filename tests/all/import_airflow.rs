//! `updraft import airflow`: Python in, YAML and a report out, with the real binary and its operators.
//!
//! The Python files are in `tests/airflow`; what becomes of each is a snapshot, to be read by people.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::server::{Backend, Installation};

/// Files that convert whole, so that Updraft runs what comes out.
const WHOLE: [&str; 6] = ["notebook", "exercise", "notebooks", "many", "deciding", "assets"];

fn python(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/airflow").join(name).with_extension("py")
}

/// What is printed and told of a file.
async fn converted(name: &str) -> (Option<i32>, String) {
    let installation = Installation::new(Backend::Sqlite).await;
    let file = format!("{name}.py");
    std::fs::copy(python(name), installation.path().join(&file)).unwrap();
    let output = installation.run(&["import", "airflow", &file]).await;
    let (yaml, report) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    (output.status.code(), format!("{yaml}\n======== report\n{report}"))
}

#[tokio::test]
async fn a_notebook_of_airflow_2_converts_whole() {
    let (code, converted) = converted("notebook").await;
    insta::assert_snapshot!("notebook", converted);
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn what_is_imported_and_not_used_is_no_obstacle() {
    let (code, converted) = converted("exercise").await;
    insta::assert_snapshot!("exercise", converted);
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn assets_and_aliases_of_them_convert_whole() {
    let (code, converted) = converted("assets").await;
    insta::assert_snapshot!("assets", converted);
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn loops_groups_and_functions_convert_whole() {
    let (code, converted) = converted("notebooks").await;
    insta::assert_snapshot!("notebooks", converted);
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn several_dags_of_a_file_convert_whole() {
    let (code, converted) = converted("many").await;
    insta::assert_snapshot!("many", converted);
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn decisions_checks_and_messages_convert_whole() {
    let (code, converted) = converted("deciding").await;
    insta::assert_snapshot!("deciding", converted);
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn what_only_python_can_tell_is_reported() {
    let (code, converted) = converted("classic").await;
    insta::assert_snapshot!("classic", converted);
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn taskflow_keeps_its_place_in_the_graph() {
    let (code, converted) = converted("taskflow").await;
    insta::assert_snapshot!("taskflow", converted);
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn a_folder_is_written_whole_and_nothing_is_replaced() {
    let installation = Installation::new(Backend::Sqlite).await;
    let folder = installation.path().join("airflow/team");
    std::fs::create_dir_all(&folder).unwrap();
    for name in WHOLE {
        std::fs::copy(python(name), folder.join(name).with_extension("py")).unwrap();
    }
    std::fs::write(folder.join("helpers.py"), "def f():\n    return 1\n").unwrap();

    let report: Value = installation.json(&["import", "airflow", "airflow", "--to", "dags"]).await;
    assert_eq!(report.as_array().unwrap().len(), WHOLE.len() + 1);
    let written = installation.path().join("dags/team/notebook.yaml");
    let output = installation.run(&["dags", "validate", "dags"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!installation.path().join("dags/team/helpers.yaml").exists());

    std::fs::write(&written, "mine").unwrap();
    std::fs::remove_file(installation.path().join("dags/team/many.yaml")).unwrap();
    let refused = installation.run(&["import", "airflow", "airflow", "--to", "dags"]).await;
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("assets.yaml` is there already") && said.contains("--force"), "{said}");
    assert_eq!(std::fs::read_to_string(&written).unwrap(), "mine");
    assert!(!installation.path().join("dags/team/many.yaml").exists(), "all files are written, or none");

    installation.json(&["import", "airflow", "airflow", "--to", "dags", "--force"]).await;
    assert!(std::fs::read_to_string(&written).unwrap().contains("0a3db223d459_dag"));
}

#[tokio::test]
async fn what_is_no_python_is_told_with_its_line() {
    let installation = Installation::new(Backend::Sqlite).await;
    std::fs::write(installation.path().join("broken.py"), "from airflow import DAG\nwith DAG(:\n").unwrap();
    let output = installation.run(&["import", "airflow", "broken.py", "--output", "json"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(report[0]["remarks"][0]["line"], 2, "{report}");
    let missing = installation.run(&["import", "airflow", "nowhere"]).await;
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("`nowhere` is no file and no folder"));
}

#[tokio::test]
async fn a_file_that_is_no_text_keeps_no_other_from_being_converted() {
    let installation = Installation::new(Backend::Sqlite).await;
    let folder = installation.path().join("airflow");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(python("notebook"), folder.join("notebook.py")).unwrap();
    let head = "from airflow.sdk import DAG\nfrom airflow.providers.standard.operators.bash import BashOperator\n";
    let dag =
        |id: &str| format!("{head}with DAG('{id}'):\n    BashOperator(task_id='a', bash_command='echo caf\u{e9}')\n");
    let latin_1 = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    std::fs::write(folder.join("named.py"), latin_1(&format!("# -*- coding: latin-1 -*-\n{}", dag("named")))).unwrap();
    std::fs::write(folder.join("broken.py"), latin_1(&dag("broken"))).unwrap();
    std::fs::write(folder.join("windows.py"), dag("windows").replace("echo", "\\\necho").replace('\n', "\r\n"))
        .unwrap();

    let output = installation.run(&["import", "airflow", "airflow", "--to", "dags"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();

    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in ["this is not UTF-8 text", "broken.py:4:", "save the file as UTF-8"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    let written = |name: &str| std::fs::read_to_string(installation.path().join("dags").join(name)).unwrap();
    assert!(written("named.yaml").contains("echo caf\u{e9}"));
    assert!(!written("windows.yaml").contains("\\r"), "{}", written("windows.yaml"));
    assert!(written("notebook.yaml").contains("0a3db223d459_dag"));
    assert!(!installation.path().join("dags/broken.yaml").exists());
}
