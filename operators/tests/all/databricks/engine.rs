//! `engine: databricks`: what `clean` and `query` send instead of doing their work here, and what they make of the answer.
//!
//! That the notebooks answer as this machine does is shown by Spark itself: `make test-spark`.

use operators::clean::Clean;
use operators::databricks::Workspaces;
use operators::location::S3;
use operators::notifiers::Environment;
use operators::query::Query;
use scheduler::operator::{Operator as _, Outcome, Verdict};
use serde_json::{Value, json};

use super::fake::{Fake, SUCCESS};
use super::once::{at_each_moment, started};
use super::{bench, object, xcoms};

fn clean() -> Clean {
    Clean::new(S3::from_variables([]), Workspaces::default())
}

fn query() -> Query {
    Query::new(S3::from_variables([]), Environment::of([]), Workspaces::default())
}

fn cleaning(more: Value) -> Value {
    let mut args = json!({
        "input": "s3://lake/topics/0a.pin/partition=*/*.json",
        "output": "s3://lake/clean_pin",
        "rules": [{ "nulls": { "values": ["", "it's \\ \"none\"\n"] } }, { "cast": { "column": "index", "to": "int" } }],
        "expect": [{ "not_null": "ind" }, { "unique": ["ind"], "action": "drop" }],
        "engine": "databricks",
        "databricks": {
            "existing_cluster_id": "1108-162752-8okw8dgg",
            "polling_period_seconds": 0.1,
            "databricks_retry_delay": 0.01,
        },
    });
    args.as_object_mut().unwrap().extend(object(more));
    args
}

fn answers(fake: &Fake, report: &Value) {
    let output = json!({ "notebook_output": { "result": report.to_string(), "truncated": false } });
    fake.inside().outputs.insert("task".to_owned(), output);
}

/// What the notebook of a run is told.
fn job(fake: &Fake) -> Value {
    let state = fake.inside();
    let source = state.notebooks.values().next().expect("there is a notebook");
    let line = source.lines().find_map(|line| line.strip_prefix("job = json.loads(")).expect("it is told a job");
    let text: String = serde_json::from_str(line.strip_suffix(')').unwrap()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_cleaning_is_a_notebook_with_the_rules_and_its_report_is_the_answer() {
    let fake = Fake::start().await;
    let report = json!({ "rows_read": 5, "rows_written": 4, "changed": { "cast index to int": 1 } });
    answers(&fake, &report);
    let bench = bench(&fake);

    let left = xcoms(bench.run(&clean(), cleaning(json!({}))).await);

    assert_eq!(left["return_value"], report);
    assert!(left["run_page_url"].as_str().unwrap().starts_with(&fake.url()), "{left:?}");
    let request = &fake.runs()[0].request;
    assert_eq!(request["run_name"], "pipeline.task");
    assert_eq!(request["tasks"][0]["existing_cluster_id"], "1108-162752-8okw8dgg");
    let path = request["tasks"][0]["notebook_task"]["notebook_path"].as_str().unwrap().to_owned();
    assert!(path.starts_with("/Shared/updraft/pipeline/task-"), "{path}");
    assert!(fake.inside().notebooks.contains_key(&path), "it was put there before");
    let job = job(&fake);
    assert_eq!(job["inputs"], json!(["s3://lake/topics/0a.pin/partition=*/*.json"]));
    assert_eq!(job["format"], "json");
    assert_eq!(job["rules"], cleaning(json!({}))["rules"], "word for word, quotes and all");
    assert_eq!(job["labels"], json!(["nulls", "cast index to int"]));
    assert_eq!(job["expect"][0], json!({ "not_null": "ind", "label": "not_null ind", "action": "fail" }));
    assert_eq!(job["expect"][1]["action"], "drop");
    assert_eq!(job["rejected"], "s3://lake/clean_pin_rejected");
    assert_eq!(job["schema_change"], "replace");
}

#[tokio::test]
async fn a_notebook_may_skip_the_task_or_refuse_it() {
    let fake = Fake::start().await;
    answers(&fake, &json!({ "skipped": "there is nothing to read" }));
    let outcome = bench(&fake).run(&clean(), cleaning(json!({}))).await.unwrap();
    assert_eq!(outcome, Outcome::Skipped { reason: "there is nothing to read".to_owned() });

    answers(&fake, &json!({ "refused": "3 of 9 rows do not meet `not_null ind`" }));
    let error = bench(&fake).run(&clean(), cleaning(json!({}))).await.unwrap_err();
    assert_eq!(
        (error.verdict, error.to_string()),
        (Verdict::Fail, "3 of 9 rows do not meet `not_null ind`".to_owned())
    );

    fake.inside().outputs.insert("task".to_owned(), json!({ "notebook_output": { "result": "{", "truncated": true } }));
    let error = bench(&fake).run(&clean(), cleaning(json!({}))).await.unwrap_err();
    assert!(error.to_string().contains("does not answer as it should"), "{error}");
}

#[tokio::test]
async fn a_query_is_answered_with_its_charts() {
    let fake = Fake::start().await;
    answers(&fake, &json!({ "columns": ["category", "posts"], "rows": [["art", 5]], "row_count": 1, "output": null }));
    let args = json!({
        "tables": {
            "pins": "s3://lake/clean_pin",
            "days": { "path": "s3://lake/days.csv" },
            "hours": ["s3://lake/1.csv", "s3://lake/2.csv"],
        },
        "sql": "CREATE VIEW v AS SELECT * FROM pins; -- the ones\nSELECT category, count(*) AS posts FROM v WHERE c = :c AND d IN (:d) GROUP BY 1;",
        "parameters": { "c": "it's", "d": [1, 2] },
        "chart": { "kind": "bar", "x": "category", "y": "posts" },
        "engine": "databricks",
        "databricks": { "polling_period_seconds": 0.1 },
    });

    let left = xcoms(bench(&fake).run(&query(), args).await);

    assert_eq!(left["return_value"]["row_count"], 1);
    assert!(left["return_value"]["chart"].is_array(), "{left:?}");
    let job = job(&fake);
    assert_eq!(job["tables"]["pins"]["format"], "delta");
    assert_eq!(job["tables"]["days"]["format"], "csv");
    assert_eq!(job["tables"]["days"]["options"]["enforceSchema"], Value::Null);
    assert_eq!(job["tables"]["hours"]["options"]["enforceSchema"], "false", "its files may differ");
    assert_eq!(job["statements"][0]["view"], true);
    assert_eq!(job["statements"][0]["sql"], "CREATE VIEW v AS SELECT * FROM pins");
    let sql = job["statements"][1]["sql"].as_str().unwrap();
    assert!(sql.contains("c = 'it\\'s' AND d IN (1 , 2)"), "{sql}");
    assert_eq!(job["answer"], 1);
    assert!(!fake.runs()[0].request["tasks"][0].as_object().unwrap().contains_key("existing_cluster_id"), "serverless");
}

#[tokio::test]
async fn sql_that_only_spark_understands_is_sent_as_it_is_with_a_warning() {
    let fake = Fake::start().await;
    answers(&fake, &json!({ "columns": ["a"], "rows": [], "row_count": 0, "output": null }));
    let args = json!({
        "tables": { "pins": "s3://lake/clean_pin" },
        "sql": "DECLARE VARIABLE least INT DEFAULT 5;\n-- the ones\nSELECT TRANSFORM (a) USING 'cat' AS b FROM pins WHERE a > :a",
        "parameters": { "a": 1 },
        "engine": "databricks",
        "databricks": { "polling_period_seconds": 0.1 },
    });
    assert_eq!(query().check(args.as_object().unwrap()), []);
    let bench = bench(&fake);

    let meant = serde_json::from_value(args.clone()).unwrap();
    let shown = query().preview(meant, &bench.ctx.key, bench.home()).unwrap().unwrap();
    xcoms(bench.run(&query(), args.clone()).await);

    let warning = shown["warning"].as_str().unwrap();
    assert!(warning.starts_with("the SQL is sent as it is, and Updraft itself could not answer it: "), "{warning}");
    assert!(warning.contains("of the SQL)"), "it says where: {warning}");
    assert!(bench.log_text().contains(warning), "{}", bench.log_text());
    let job = job(&fake);
    assert_eq!(job["statements"][0]["sql"], "DECLARE VARIABLE least INT DEFAULT 5");
    assert_eq!(
        job["statements"][1],
        json!({
            "line": 3,
            "view": false,
            "sql": "-- the ones\nSELECT TRANSFORM (a) USING 'cat' AS b FROM pins WHERE a > 1",
        })
    );
    let mut here = args;
    here["engine"] = "native".into();
    here.as_object_mut().unwrap().remove("databricks");
    assert_eq!(query().check(here.as_object().unwrap())[0].pointer, "/sql");
}

#[tokio::test]
async fn a_run_is_started_once_whenever_the_process_dies() {
    let prepare = |fake: &Fake| {
        fake.script(&[SUCCESS]);
        answers(fake, &json!({ "rows_read": 1 }));
    };
    let check = |fake: &Fake, moment: usize| {
        started(fake, 1, moment);
        assert_eq!(fake.inside().notebooks.len(), 1, "killed at moment {moment}");
    };
    Box::pin(at_each_moment(clean, &cleaning(json!({})), prepare, check)).await;
}

#[tokio::test]
async fn what_databricks_cannot_do_is_refused_before_anything_is_sent() {
    let fake = Fake::start().await;
    let table = [
        (json!({ "input": "topics/*.json" }), "is on this machine"),
        (json!({ "output": "lake/clean_pin" }), "is on this machine"),
        (json!({ "input": "s3://lake/topics" }), "say it by `format`"),
        (json!({ "output": "s3://lake/pins.csv" }), "the output is a Delta table"),
        (json!({ "incremental": true, "mode": "append" }), "remembered by this engine alone"),
        (json!({ "mode": "merge", "keys": "ind" }), "rows have no order of their own"),
        (json!({ "databricks": { "existing_cluster": "c" } }), "unknown field `existing_cluster`"),
    ];
    for (more, words) in table {
        let error = bench(&fake).run(&clean(), cleaning(more.clone())).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::Fail, "{more}");
        assert!(format!("{:#}", error.error).contains(words), "{more}: {:#}", error.error);
    }
    let of_database = json!({
        "tables": { "users": { "conn_id": "shop", "table": "users" } },
        "sql": "SELECT * FROM users",
        "engine": "databricks",
    });
    let error = bench(&fake).run(&query(), of_database).await.unwrap_err();
    assert!(format!("{:#}", error.error).contains("bring it to S3 first"), "{:#}", error.error);
    assert!(fake.inside().requests.is_empty());
}

#[test]
fn mistakes_are_told_when_the_file_is_loaded() {
    let table = [
        (json!({ "engine": "native" }), "/databricks"),
        (json!({ "databricks": { "existing_cluster_id": "c", "new_cluster": {} } }), "/databricks/new_cluster"),
        (json!({ "databricks": { "wait_for_termination": false } }), "/databricks/wait_for_termination"),
        (json!({ "rules": [{ "deduplicate": { "by": ["ind"], "keep": "first" } }] }), "/rules/0/deduplicate/keep"),
        (json!({ "vacuum_retention": "7d" }), "/vacuum_retention"),
    ];
    for (more, pointer) in table {
        let problems = clean().check(&object(cleaning(more.clone())));
        assert!(problems.iter().any(|problem| problem.pointer == pointer), "{more}: {problems:?}");
    }
    assert_eq!(clean().check(&object(cleaning(json!({})))), []);
}

/// The notebooks with a Spark that says yes to everything: what they do when there is nothing to do, or too much to say.
const WITHOUT_SPARK: &str = r#"
import json, sys
from unittest import mock

for name in ["pyspark", "pyspark.sql", "pyspark.sql.functions", "pyspark.sql.types", "delta", "delta.tables"]:
    sys.modules[name] = mock.MagicMock()
table = sys.modules["delta.tables"].DeltaTable
for path in sys.argv[1:]:
    exec(open(path).read())

report = answer_of({"rows": [["ä" * 1000]] * 4000, "row_count": 4000, "results": [{"rows": [["b"]]}]})
cut = json.loads(report)
assert len(report.encode()) <= ANSWER_BYTES_MAX
assert 0 < len(cut["rows"]) < 4000 and cut["row_count"] == 4000
assert answer_of({"rows_read": 1}) == '{"rows_read": 1}'

job = {"mode": "append", "output": "s3://lake/out", "rejected": "s3://lake/bad", "expect": []}
job.update(dag_id="d", run_id="r", task_id="t", app_id="updraft.d.t.r", attempt=1, partition_by=None, schema_change="fail")
table.isDeltaTable.return_value = True
frame = mock.MagicMock()
writer = frame.write.format.return_value
writer.option.return_value = writer
write(mock.MagicMock(), {**job, "mark": "mine"}, frame)
assert mock.call("userMetadata", "mine") in writer.option.call_args_list

commits = [{"version": 7, "userMetadata": None}]
def committed(mark):
    commits.insert(0, {"version": commits[0]["version"] + 1, "userMetadata": mark})
def history(limit):
    newest = mock.MagicMock()
    newest.first.return_value = commits[0]
    newest.select.return_value.collect.return_value = commits[:limit]
    return newest
table.forPath.return_value.history = history
work = mock.MagicMock()
cleaned = lambda spark, job: (work, mock.MagicMock(), [], 0)
counted = lambda frame, label: (frame, mock.MagicMock(get={"rows": 5}))
for marks, rows in [
    (lambda mark: [], 0),
    (lambda mark: ["others", None], 0),
    (lambda mark: [mark], 5),
    (lambda mark: ["others", mark, "others", None, "others"], 5),
]:
    write = lambda spark, job, frame: [committed(mark) for mark in marks(job["mark"])]
    assert clean(mock.MagicMock(), job)["rows_written"] == rows, commits

keep_rejected(mock.MagicMock(), job, mock.MagicMock(), 0)
(condition,) = table.forPath.return_value.delete.call_args.args
assert condition == "_dag_id = 'd' AND _run_id = 'r' AND _task_id = 't'", condition
"#;

#[test]
fn a_notebook_cuts_its_answer_and_appends_once_and_forgets_what_was_rejected() {
    let folder = crate::support::repository().join("operators/src/databricks/engine");
    let (common, clean) = (folder.join("common.py"), folder.join("clean.py"));
    crate::python::run(&["-c", WITHOUT_SPARK, common.to_str().unwrap(), clean.to_str().unwrap()], &[]);
}
