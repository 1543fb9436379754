//! Mistakes in DAG files that can be told before anything runs, and Airflow's class paths.

use operators::registry_with;
use serde_json::{Value, json};

use crate::context::nowhere;

#[test]
fn airflows_class_paths_mean_these_operators() {
    let registry = registry_with(&nowhere()).unwrap();
    for (path, name) in [
        ("airflow.providers.databricks.operators.databricks.DatabricksSubmitRunOperator", "databricks_submit_run"),
        ("airflow.providers.databricks.operators.databricks.DatabricksRunNowOperator", "databricks_run_now"),
        ("airflow.providers.databricks.operators.databricks.DatabricksNotebookOperator", "databricks_notebook"),
        ("airflow.providers.databricks.operators.databricks.DatabricksSQLStatementsOperator", "databricks_sql"),
        ("airflow.providers.databricks.operators.databricks_sql.DatabricksSqlOperator", "databricks_sql"),
        ("airflow.providers.databricks.sensors.databricks_sql.DatabricksSqlSensor", "databricks_sql_sensor"),
        ("DatabricksPartitionSensor", "databricks_partition_sensor"),
    ] {
        assert_eq!(registry.find(path).unwrap().name, name);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn mistakes_are_found_when_the_file_is_loaded() {
    let registry = registry_with(&nowhere()).unwrap();
    let table: Vec<(&str, Value, &str, &str)> = vec![
        ("databricks_submit_run", json!({}), "", "does not say what to run"),
        (
            "databricks_submit_run",
            json!({ "notebook_task": { "notebook_path": "/a" }, "spark_jar_task": { "main_class_name": "a" } }),
            "/spark_jar_task",
            "exclude each other",
        ),
        (
            "databricks_submit_run",
            json!({ "json": { "notebook_task": {} }, "tasks": [{ "task_key": "a" }] }),
            "/json/notebook_task",
            "write it into `tasks`",
        ),
        (
            "databricks_submit_run",
            json!({ "spark_python_task": { "python_file": "f" } }),
            "/spark_python_task",
            "needs a cluster",
        ),
        (
            "databricks_submit_run",
            json!({ "notebook_task": {}, "existing_cluster_id": "c", "new_cluster": {} }),
            "/existing_cluster_id",
            "exclude each other",
        ),
        (
            "databricks_submit_run",
            json!({ "dbt_task": { "commands": [] }, "existing_cluster_id": "c" }),
            "/dbt_task",
            "`git_source`",
        ),
        (
            "databricks_submit_run",
            json!({ "pipeline_task": { "pipeline_id": "a", "pipeline_name": "b" } }),
            "/pipeline_task",
            "exclude",
        ),
        (
            "databricks_submit_run",
            json!({ "tasks": [{ "task_key": "a", "depends_on": [{ "task_key": "b" }] }] }),
            "/tasks",
            "depends on `b`, which is none of the tasks",
        ),
        (
            "databricks_submit_run",
            json!({ "tasks": [{ "task_key": "a" }, { "task_key": "a" }] }),
            "/tasks",
            "two tasks have the key",
        ),
        (
            "databricks_submit_run",
            json!({ "tasks": [{ "task_key": "a" }], "existing_cluster_id": "c" }),
            "/existing_cluster_id",
            "each task says its own cluster",
        ),
        (
            "databricks_submit_run",
            json!({ "notebook_task": {}, "databricks_retry_args": { "stop": 1 } }),
            "/databricks_retry_args",
            "Python library",
        ),
        ("databricks_run_now", json!({}), "", "needs a `job_id` or a `job_name`"),
        ("databricks_run_now", json!({ "job_id": 1, "job_name": "a" }), "/job_name", "exclude each other"),
        (
            "databricks_run_now",
            json!({ "job_id": 1, "job_parameters": {}, "jar_params": [] }),
            "/jar_params",
            "exclude each other",
        ),
        ("databricks_notebook", json!({ "notebook_path": "/a" }), "", "does not say where to run"),
        (
            "databricks_notebook",
            json!({ "notebook_path": "/a", "job_cluster_key": "k" }),
            "/job_cluster_key",
            "there are none",
        ),
        (
            "databricks_notebook",
            json!({ "notebook_path": "/a", "existing_cluster_id": "c", "source": "GIT" }),
            "/source",
            "`git_source`",
        ),
        ("databricks_repair_run", json!({ "run_id": 1 }), "", "what runs again"),
        ("databricks_sql", json!({ "warehouse_id": "w" }), "", "has no `sql`"),
        ("databricks_sql", json!({ "sql": " -- nothing", "warehouse_id": "w" }), "/sql", "no statement in it"),
        (
            "databricks_sql",
            json!({ "sql": "SELECT 1", "http_path": "sql/protocolv1/o/1/c" }),
            "/http_path",
            "leads to a cluster",
        ),
        (
            "databricks_sql",
            json!({ "sql": "SELECT 1", "session_configuration": { "a": "b" } }),
            "/session_configuration",
            "no session",
        ),
        ("databricks_sql", json!({ "sql": "SELECT 1", "handler": "fetch_all" }), "/handler", "function of Python"),
        ("databricks_sql", json!({ "sql": "SELECT 1", "http_headers": true }), "/http_headers", "not used here"),
        (
            "databricks_run_now",
            json!({ "job_id": 1, "openlineage_inject_parent_job_info": true }),
            "/openlineage_inject_parent_job_info",
            "not served",
        ),
        (
            "databricks_repair_run",
            json!({ "run_id": 1, "rerun_all_failed_tasks": true, "on_retry": "adopt" }),
            "/on_retry",
            "always repairs the run again",
        ),
        ("databricks_run_sensor", json!({ "run_id": 1, "poke_interval": "soon" }), "/poke_interval", "`soon`"),
        (
            "databricks_sql_statement_sensor",
            json!({ "statement_id": "01ef", "databricks_retry_delay": "soon" }),
            "/databricks_retry_delay",
            "`soon`",
        ),
        ("databricks_sql_sensor", json!({ "sql": "SELECT 1; SELECT 2" }), "/sql", "asks one query"),
        (
            "databricks_partition_sensor",
            json!({ "table_name": "t", "partition_operator": "~" }),
            "/partition_operator",
            "none of",
        ),
    ];
    for (operator, args, pointer, words) in table {
        let problems = registry.find(operator).unwrap().check(args.as_object().unwrap());
        let found = problems.iter().any(|problem| problem.pointer == pointer && problem.message.contains(words));
        assert!(found, "{operator} {args}: {problems:?}");
    }
}

#[test]
fn what_is_right_or_still_a_template_is_let_pass() {
    let registry = registry_with(&nowhere()).unwrap();
    for (operator, args) in [
        ("databricks_submit_run", json!({ "notebook_task": { "notebook_path": "/a" } })),
        ("databricks_submit_run", json!({ "json": "{{ params.request }}" })),
        ("databricks_submit_run", json!({ "sql_task": "{{ params.task }}" })),
        ("databricks_run_now", json!({ "json": { "job_id": 5 }, "notebook_params": { "day": "{{ ds }}" } })),
        ("databricks_sql", json!({ "sql": "{{ params.sql }}", "http_path": "{{ params.path }}" })),
        ("databricks_sql", json!({ "sql": "SELECT 1", "include_airflow_query_tags": true, "http_headers": [] })),
    ] {
        assert_eq!(registry.find(operator).unwrap().check(args.as_object().unwrap()), [], "{operator} {args}");
    }
}
