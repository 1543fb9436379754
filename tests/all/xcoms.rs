//! What tasks leave for later runs, and for other DAGs (airflow-semantics.md §9).

use rstest::rstest;
use scheduler::store::{runs, xcoms};

use crate::server::{Backend, Installation, eventually};

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_task_goes_on_from_what_it_left_in_the_run_before(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag(
        "counter.yaml",
        "schedule: '@monthly'\nstart_date: 2025-01-01\nend_date: 2025-04-01\ncatchup: true\nmax_active_runs: 1\n\
         is_paused_upon_creation: false\ntasks:\n  \
         - {task_id: count, operator: bash, bash_command: 'echo $(({{ ti.xcom_pull(include_prior_dates=True, default=0) }} + 1))'}\n",
    );
    installation.write_dag(
        "reader.yaml",
        "tasks:\n  - task_id: read\n    operator: bash\n    bash_command: >-\n      \
         echo {{ ti.xcom_pull('count', 'counter', run_id='scheduled__2025-02-01T00:00:00+00:00') }}\n      \
         {{ ti.xcom_pull('count', 'counter', include_prior_dates=True) }}\n",
    );
    let server = installation.start().await;
    let db = installation.database().await;

    let counted = eventually("all four runs", || async {
        let mut made = runs::newest(db.read(), Some("counter"), 20).await.unwrap();
        made.retain(|run| run.state == "success");
        made.sort_by_key(|run| run.logical_date);
        (made.len() == 4).then_some(made)
    })
    .await;
    let mut left = Vec::new();
    for run in &counted {
        let value = xcoms::value(db.read(), run.id, "count", -1, "return_value").await.unwrap().unwrap();
        left.push(value.as_str().unwrap().to_owned());
    }
    assert_eq!(left, ["1", "2", "3", "4"]);

    installation.json(&["dags", "unpause", "reader"]).await;
    let read =
        installation.json(&["dags", "trigger", "reader", "--logical-date", "2025-03-15T00:00:00Z", "--wait"]).await;
    assert_eq!(read["state"], "success");
    let run = runs::get(db.read(), "reader", read["dag_run_id"].as_str().unwrap()).await.unwrap();
    let value = xcoms::value(db.read(), run.id, "read", -1, "return_value").await.unwrap().unwrap();
    assert_eq!(value, "2 3", "by name, and the newest up to its date");
    assert!(server.stop().await);
}

/// All XComs of a task instance go when another try begins, and nothing is left where a try says nothing.
#[tokio::test]
async fn another_try_begins_without_the_xcoms_of_the_one_before() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag(
        "speaks.yaml",
        "tasks:\n  - task_id: once\n    operator: bash\n    output_processor: json\n    multiple_outputs: true\n    \
         bash_command: '[ \"$AIRFLOW_CTX_TRY_NUMBER\" -gt 1 ] || echo ''{\"a\": 1, \"b\": null}'''\n",
    );
    let server = installation.start().await;
    let db = installation.database().await;
    installation.json(&["dags", "unpause", "speaks"]).await;
    let left = async || {
        let run = runs::get(db.read(), "speaks", "one").await.unwrap();
        let mut keys = Vec::new();
        for key in ["return_value", "a", "b"] {
            if xcoms::value(db.read(), run.id, "once", -1, key).await.unwrap().is_some() {
                keys.push(key);
            }
        }
        keys
    };

    installation.json(&["dags", "trigger", "speaks", "--run-id", "one", "--wait"]).await;
    assert_eq!(left().await, ["return_value", "a"], "null is not stored");
    installation.json(&["tasks", "clear", "speaks", "one", "once", "--yes"]).await;
    eventually("the end of the second try", || async {
        let run = runs::get(db.read(), "speaks", "one").await.unwrap();
        let once = runs::find_instance(db.read(), run.id, "once", -1).await.unwrap().unwrap();
        (once.try_number == 2 && once.state.as_deref() == Some("success")).then_some(())
    })
    .await;

    assert_eq!(left().await, [] as [&str; 0]);
    assert!(server.stop().await);
}
