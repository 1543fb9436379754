//! Each operator that starts runs: what it sends, what it leaves, and what it says.

use operators::databricks::{Notebook, RepairRun, RunNow, SubmitRun, Workspaces};
use scheduler::operator::Verdict;
use serde_json::{Value, json};

use super::fake::{FAILED, Fake, PENDING, RUNNING, Run, SUCCESS};
use super::{bench, notebook, submit_run, xcoms};

const RUN: i64 = 1_000_000_000_001;

#[tokio::test]
async fn the_seeds_run_is_one_notebook_on_their_cluster() {
    let fake = Fake::start().await;
    fake.inside()
        .outputs
        .insert("main".to_owned(), json!({ "notebook_output": { "result": "11154 rows", "truncated": false } }));
    let bench = bench(&fake);

    let left = xcoms(bench.run(&submit_run(), notebook(json!({}))).await);

    let url = format!("{}/?o=1#job/0/run/{RUN}", fake.url());
    assert_eq!(Value::Object(left), json!({ "run_id": RUN, "run_page_url": url, "return_value": "11154 rows" }));
    let mut request = fake.runs()[0].request.clone();
    request.as_object_mut().unwrap().shift_remove("idempotency_token");
    assert_eq!(
        request,
        json!({
            "notebook_task": { "notebook_path": "/Users/me@example.com/clean" },
            "existing_cluster_id": "1108-162752-8okw8dgg",
            "run_name": "task",
        })
    );
    let log = bench.log_text();
    for words in [&*format!("Page of run {RUN}: {url}"), "PENDING", "RUNNING", "TERMINATED SUCCESS", "11154 rows"] {
        assert!(log.contains(words), "{words}: {log}");
    }
}

#[tokio::test]
async fn every_kind_of_task_is_sent_as_the_api_takes_it() {
    let fake = Fake::start().await;
    let cluster = json!({ "spark_version": "15.4.x-scala2.12", "num_workers": 2 });
    let table = [
        json!({ "spark_python_task": { "python_file": "dbfs:/a.py", "parameters": ["--n", 5] }, "new_cluster": cluster }),
        json!({ "spark_jar_task": { "main_class_name": "a.B", "parameters": ["x"] }, "existing_cluster_id": "c",
            "libraries": [{ "jar": "dbfs:/a.jar" }] }),
        json!({ "spark_submit_task": { "parameters": ["--class", "a.B"] }, "new_cluster": cluster }),
        json!({ "pipeline_task": { "pipeline_id": "p", "full_refresh": true } }),
        json!({ "pipeline_task": { "pipeline_name": "lake" } }),
        json!({ "dbt_task": { "commands": ["dbt run"] }, "git_source": { "git_url": "u", "git_provider": "gitHub" },
            "existing_cluster_id": "c" }),
        json!({ "sql_task": { "warehouse_id": "w", "query": { "query_id": "q" }, "parameters": { "n": 5 } } }),
        json!({ "run_job_task": { "job_id": 5, "job_parameters": { "day": "d", "n": 5 } } }),
        json!({ "notebook_task": { "notebook_path": "/a", "base_parameters": { "Variable": 5 }, "source": "WORKSPACE" } }),
        json!({ "json": { "notebook_task": { "notebook_path": "/a" }, "run_name": "raw" }, "run_name": "named",
            "timeout_seconds": 60, "access_control_list": [{ "user_name": "me", "permission_level": "CAN_VIEW" }],
            "performance_target": "PERFORMANCE_OPTIMIZED" }),
    ];
    for mut args in table {
        args["wait_for_termination"] = json!(false);
        let outcome = bench(&fake).run(&submit_run(), args.clone()).await;
        assert!(outcome.is_ok(), "{args}: {outcome:?}");
    }
    let runs = fake.runs();
    assert_eq!(runs[4].request["pipeline_task"], json!({ "pipeline_id": "p-1" }));
    assert_eq!(runs[8].request["notebook_task"]["base_parameters"], json!({ "Variable": "5" }));
    assert_eq!(runs[9].request["run_name"], "named");
}

#[tokio::test]
async fn of_several_tasks_each_is_told_and_their_answers_are_kept() {
    let fake = Fake::start().await;
    fake.inside().outputs.insert("b".to_owned(), json!({ "notebook_output": { "result": "bee" } }));
    let task =
        |key: &str| json!({ "task_key": key, "notebook_task": { "notebook_path": "/x" }, "existing_cluster_id": "c" });
    let mut tasks: Vec<Value> = ["a", "b", "c", "d", "e"].map(task).to_vec();
    tasks[1]["depends_on"] = json!([{ "task_key": "a" }]);
    let bench = bench(&fake);
    let args = json!({ "tasks": tasks, "polling_period_seconds": 0.1 });

    let left = xcoms(bench.run(&submit_run(), args).await);

    assert_eq!(left["return_value"], json!({ "b": "bee" }));
    let log = bench.log_text();
    for key in ["a", "b", "c", "d", "e"] {
        assert!(
            log.contains(&format!("Task {key}: RUNNING")) && log.contains(&format!("Task {key}: TERMINATED SUCCESS")),
            "{log}"
        );
    }
}

#[tokio::test]
async fn a_run_that_fails_shows_the_errors_of_its_tasks() {
    let fake = Fake::start().await;
    fake.script(&[PENDING, FAILED]);
    let output = json!({ "error": "AnalysisException: no table pins", "error_trace": "\u{1b}[0;31mTraceback\u{1b}[0m\n  line 2" });
    fake.inside().outputs.insert("main".to_owned(), output);
    let bench = bench(&fake);

    let error = bench.run(&submit_run(), notebook(json!({}))).await.unwrap_err();

    assert_eq!(error.verdict, Verdict::Retry);
    let text = error.to_string();
    assert!(
        text.contains("TERMINATED FAILED: Workload failed")
            && text.contains("task main: AnalysisException: no table pins"),
        "{text}"
    );
    assert!(text.contains(&format!("{}/?o=1#job/0/run/{RUN}", fake.url())), "{text}");
    let lines: Vec<String> = bench.log().into_iter().map(|line| line.event).collect();
    assert!(lines.contains(&"Traceback".to_owned()) && lines.contains(&"  line 2".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn only_a_success_is_one() {
    for step in [
        ("SKIPPED", "", "previous run"),
        ("INTERNAL_ERROR", "", "cluster"),
        ("TERMINATED", "CANCELED", ""),
        ("TERMINATED", "TIMEDOUT", ""),
    ] {
        let fake = Fake::start().await;
        fake.script(&[step]);
        let error = bench(&fake).run(&submit_run(), notebook(json!({}))).await.unwrap_err();
        assert!(error.to_string().contains(step.0) && error.to_string().contains(step.1), "{error}");
    }
}

#[tokio::test]
async fn a_job_is_found_by_its_name_if_there_is_one() {
    let fake = Fake::start().await;
    fake.inside().jobs.extend([(5, "Nightly"), (7, "nightly"), (8, "twice"), (9, "twice")]);
    let operator = RunNow::new(Workspaces::default());
    let args = |more: Value| {
        let mut args = json!({ "polling_period_seconds": 0.1 });
        args.as_object_mut().unwrap().extend(super::object(more));
        args
    };
    let left =
        xcoms(bench(&fake).run(&operator, args(json!({ "job_name": "nightly", "notebook_params": { "n": 5 } }))).await);
    assert_eq!(left["job_id"], 7);
    assert_eq!(fake.runs()[0].request["notebook_params"], json!({ "n": "5" }));
    for (name, words) in [("never", "there is no job `never`"), ("twice", "there are 2 jobs `twice`")] {
        let error = bench(&fake).run(&operator, args(json!({ "job_name": name }))).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = bench(&fake).run(&operator, args(json!({ "job_id": 404 }))).await.unwrap_err();
    assert!(error.to_string().contains("Job 404 does not exist"), "{error}");
}

#[tokio::test]
async fn params_of_the_run_are_those_of_the_job_if_that_is_wanted() {
    let fake = Fake::start().await;
    fake.inside().jobs.insert(7, "nightly");
    let mut bench = bench(&fake);
    let params = super::object(json!({ "day": "d", "rows": 5, "tables": ["a", "b"], "unsaid": null }));
    bench.ctx.run = std::sync::Arc::new(scheduler::operator::RunFacts { params, ..(*bench.ctx.run).clone() });
    let operator = RunNow::new(Workspaces::default());
    for more in [
        json!({ "forward_dag_params": true, "performance_target": "STANDARD" }),
        json!({}),
        json!({ "forward_dag_params": true, "job_parameters": { "day": "e" } }),
        json!({ "forward_dag_params": true, "notebook_params": { "day": "f" } }),
    ] {
        let mut args = json!({ "job_id": 7, "polling_period_seconds": 0.1 });
        args.as_object_mut().unwrap().extend(super::object(more));
        super::next_try(&mut bench);
        xcoms(bench.run(&operator, args).await);
    }
    let sent: Vec<Value> = fake.runs().iter().map(|run| run.request["job_parameters"].clone()).collect();
    let forwarded = json!({ "day": "d", "rows": "5", "tables": "[\"a\",\"b\"]" });
    assert_eq!(sent, [forwarded, Value::Null, json!({ "day": "e" }), Value::Null]);
    assert_eq!(fake.runs()[0].request["performance_target"], "STANDARD");
}

#[tokio::test]
async fn other_runs_of_the_job_are_cancelled_before_if_that_is_wanted() {
    let fake = Fake::start().await;
    fake.inside().jobs.insert(7, "nightly");
    fake.inside().runs.insert(1, Run { job_id: Some(7), script: [RUNNING].into(), ..Run::default() });
    let args = json!({ "job_id": 7, "cancel_previous_runs": true, "job_parameters": { "day": "d" }, "polling_period_seconds": 0.1 });
    xcoms(bench(&fake).run(&RunNow::new(Workspaces::default()), args).await);
    assert_eq!(fake.runs().iter().map(|run| run.cancels).collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test]
async fn a_run_that_fails_is_repaired_once_within_the_try() {
    let fake = Fake::start().await;
    fake.inside().jobs.insert(7, "nightly");
    let operator = RunNow::new(Workspaces::default());
    let run = async |more: Value, scripts: [&[super::fake::Step]; 2]| {
        for script in scripts {
            fake.script(script);
        }
        let mut args = json!({ "job_id": 7, "repair_run": true, "polling_period_seconds": 0.1 });
        args.as_object_mut().unwrap().extend(super::object(more));
        bench(&fake).run(&operator, args).await
    };
    assert!(run(json!({}), [&[FAILED], &[RUNNING, SUCCESS]]).await.is_ok());
    assert!(run(json!({}), [&[FAILED], &[RUNNING, FAILED]]).await.is_err());
    let reasons =
        json!({ "databricks_repair_reason_new_settings": { "Workload failed": { "max_concurrent_runs": 2 } } });
    assert!(run(reasons, [&[FAILED], &[SUCCESS]]).await.is_ok());
    assert_eq!(fake.inside().job_settings, [json!({ "job_id": 7, "new_settings": { "max_concurrent_runs": 2 } })]);
    let other = json!({ "databricks_repair_reason_new_settings": { "Spot instance lost": {} } });
    assert!(run(other, [&[FAILED], &[SUCCESS]]).await.is_err());
    assert_eq!(fake.runs().iter().map(|run| run.repairs.len()).collect::<Vec<_>>(), [1, 1, 1, 0]);
}

#[tokio::test]
async fn a_notebook_is_a_run_of_one_task() {
    let fake = Fake::start().await;
    fake.inside().outputs.insert("task".to_owned(), json!({ "notebook_output": { "result": "done" } }));
    let args = json!({
        "notebook_path": "/clean", "source": "WORKSPACE", "notebook_params": { "n": 5 }, "polling_period_seconds": 0.1,
        "notebook_packages": [{ "pypi": { "package": "simplejson" } }],
        "max_retries": 2, "min_retry_interval_millis": 500, "retry_on_timeout": true,
        "job_cluster_key": "shared", "job_clusters": [{ "job_cluster_key": "shared", "new_cluster": { "num_workers": 1 } }],
    });
    let left = xcoms(bench(&fake).run(&Notebook::new(Workspaces::default()), args).await);
    assert_eq!(left["return_value"], "done");
    let request = fake.runs()[0].request.clone();
    assert_eq!(
        request["tasks"],
        json!([{
            "task_key": "task",
            "notebook_task": { "notebook_path": "/clean", "source": "WORKSPACE", "base_parameters": { "n": "5" } },
            "job_cluster_key": "shared",
            "max_retries": 2,
            "min_retry_interval_millis": 500,
            "retry_on_timeout": true,
            "libraries": [{ "pypi": { "package": "simplejson" } }],
        }])
    );
}

#[tokio::test]
async fn a_named_run_is_repaired() {
    let fake = Fake::start().await;
    fake.inside()
        .runs
        .insert(55, Run { request: json!({}), script: [FAILED].into(), repairs: vec![700], ..Run::default() });
    let args = json!({ "run_id": 55, "rerun_tasks": ["a"], "polling_period_seconds": 0.1 });
    let operator = RepairRun::new(Workspaces::default());
    let left = xcoms(bench(&fake).run(&operator, args).await);
    assert_eq!(left["run_id"], 55);
    assert_eq!(fake.requests("runs/repair"), [json!({ "run_id": 55, "rerun_tasks": ["a"], "latest_repair_id": 700 })]);

    fake.inside().runs.insert(56, Run { script: [RUNNING].into(), ..Run::default() });
    let args = json!({ "run_id": 56, "rerun_all_failed_tasks": true });
    let error = bench(&fake).run(&operator, args).await.unwrap_err();
    assert!(error.to_string().contains("only a run that is over can be repaired"), "{error}");
}

#[tokio::test]
async fn a_run_that_is_not_waited_for_is_left_to_itself() {
    let fake = Fake::start().await;
    fake.script(&[RUNNING]);
    let mut bench = bench(&fake);
    let args = notebook(json!({ "wait_for_termination": false }));
    let left = xcoms(bench.run(&SubmitRun::new(Workspaces::default()), args.clone()).await);
    assert_eq!(left["run_id"], RUN);
    super::next_try(&mut bench);
    xcoms(bench.run(&submit_run(), args).await);
    assert_eq!(fake.runs().iter().map(|run| run.cancels).collect::<Vec<_>>(), [0, 0]);
}
