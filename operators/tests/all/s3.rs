//! The whole pipeline in a bucket of moto's server, and Delta tables read back by the `deltalake` of Python.

use serde_json::json;

use crate::context::{context, run, try_run};
use crate::lake::{Params, run_pipeline};
use crate::moto::Moto;
use crate::python;

#[tokio::test]
async fn the_pipeline_in_a_bucket() {
    let moto = Moto::start();
    moto.make_bucket("lake-bucket").await;
    let home = tempfile::tempdir().unwrap();
    let s3 = moto.settings();
    let params = |rows, lake| Params { lake, rows, ..Params::default() };
    let ctx = context(home.path());
    let first = run_pipeline(&params(60, "s3://lake-bucket/some/lake"), &ctx, &s3).await;
    assert_eq!(first["clean_pin"]["files_read"], 60);
    let again = run_pipeline(&params(40, "s3://lake-bucket/some/lake"), &ctx, &s3).await;
    assert_eq!(again["clean_pin"]["rows_written"], 40, "objects of the first run are gone");
    assert_eq!(again["clean_pin"]["version"], 1);
    let local = run_pipeline(&params(40, "lake"), &ctx, &s3).await;
    for task in ["task4", "task5", "task7", "task9", "task11"] {
        assert_eq!(again[task]["rows"], local[task]["rows"], "{task}");
    }
    let variables = moto.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let users = python::read_delta("s3://lake-bucket/some/lake/clean_user", "ind", &variables);
    assert_eq!(users["version"], 1);
    assert_eq!(users["columns"][0], json!(["ind", (0..40).collect::<Vec<_>>()]));
    let answers = moto.objects("s3://lake-bucket/some/lake/answers").await;
    let (key, csv) = &answers[8];
    assert_eq!(key, "some/lake/answers/task9.csv");
    assert_eq!(csv.lines().next(), Some("post_year,number_users_joined"));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let moto = Moto::start();
    let home = tempfile::tempdir().unwrap();
    let args = json!({ "sink": "s3://no-such-bucket/lake", "rows": 2 });
    let error = try_run("emulation", args, &context(home.path()), &moto.settings()).await.unwrap_err().to_string();
    assert_eq!(error, "the bucket of s3://no-such-bucket/lake/topics does not exist");
}

#[tokio::test]
async fn python_reads_what_clean_writes() {
    let home = tempfile::tempdir().unwrap();
    let lines = r#"{"i": 1, "at": "2018-03-04T05:06:07", "x": 1.5, "y": 2.5}
{"i": 2, "at": "x", "x": null, "y": 2.5}"#;
    std::fs::write(home.path().join("in.jsonl"), lines).unwrap();
    let rules = json!([
        { "cast": { "column": "i", "to": "int" } },
        { "timestamp": { "column": "at" } },
        { "array": { "into": "place", "of": ["x", "y"] } }
    ]);
    run("clean", json!({ "input": "in.jsonl", "output": "out", "rules": rules }), home.path()).await;
    let table = python::read_delta(home.path().join("out").to_str().unwrap(), "i", &[]);
    let expected = json!([
        ["at", ["2018-03-04T05:06:07+00:00", null]],
        ["i", [1, 2]],
        ["x", [1.5, null]],
        ["y", [2.5, 2.5]],
        ["place", [[1.5, 2.5], [null, 2.5]]]
    ]);
    assert_eq!(table["columns"], expected);
}
