//! What `clean` reads, and what it says of input that is not as it should be.

use std::fs;
use std::path::Path;

use operators::location::S3;
use serde_json::{Value, json};

use crate::context::{context, fail, log_text, nowhere, run, try_run};
use crate::moto::Moto;
use crate::python;

fn write(home: &Path, name: &str, text: &str) {
    let path = home.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Cleans, and answers with columns and rows.
async fn read(home: &Path, mut args: Value, order_by: &str) -> (Value, Value) {
    args["output"] = json!("out");
    run("clean", args, home).await;
    let sql = format!("SELECT * FROM t ORDER BY {order_by}");
    let mut answer = run("query", json!({ "tables": { "t": "out" }, "sql": sql }), home).await;
    (answer["columns"].take(), answer["rows"].take())
}

#[tokio::test]
async fn several_inputs_are_one() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "a/1.jsonl", "{\"n\": 1}");
    write(home, "a/2.jsonl", "{\"n\": 2}");
    write(home, "b/3.jsonl", "{\"n\": 3.5}");
    let args = json!({ "input": ["a/*.jsonl", "b", "a/1.jsonl"] });
    assert_eq!(read(home, args, "n").await.1, json!([[1.0], [2.0], [3.5]]));
}

#[tokio::test]
async fn csv_as_it_is_written() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "in.csv", "1;'a;b';NA\n2;c;d\n");
    let csv = json!({ "delimiter": ";", "quote": "'", "header": false, "null": "NA" });
    let (columns, rows) = read(home, json!({ "input": "in.csv", "csv": csv }), "1").await;
    assert_eq!(columns, json!(["_c0", "_c1", "_c2"]));
    assert_eq!(rows, json!([["1", "a;b", null], ["2", "c", "d"]]));
    let schema = json!({ "n": "int", "text": "string", "more": "string" });
    let (columns, rows) = read(home, json!({ "input": "in.csv", "csv": csv, "schema": schema }), "1").await;
    assert_eq!(columns, json!(["n", "text", "more"]));
    assert_eq!(rows, json!([[1, "a;b", null], [2, "c", "d"]]));
    write(home, "in.csv", "a,b\n1,2\n3\n");
    let error = fail("clean", json!({ "input": "in.csv", "output": "out" }), home).await;
    assert!(error.contains("incorrect number of fields"), "{error}");
}

#[tokio::test]
async fn a_schema_says_which_columns_there_are() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(
        home,
        "in.jsonl",
        "{\"a\": \"1\", \"b\": true, \"c\": {\"x\": 1}}\n{\"a\": \"x\", \"b\": false, \"z\": 1}\n{",
    );
    let schema = json!({ "c": "int", "a": "int", "missing": "timestamp", "b": "string" });
    let args = json!({ "input": "in.jsonl", "output": "out", "schema": schema, "max_broken_share": 1 });
    let report = run("clean", args.clone(), home).await;
    assert_eq!((&report["changed"], &report["broken"]), (&json!({ "schema": 2 }), &json!(1)));
    let (columns, rows) = read(home, args.clone(), "b DESC").await;
    assert_eq!(columns, json!(["c", "a", "missing", "b"]));
    assert_eq!(rows, json!([[null, 1, null, "true"], [null, null, null, "false"], [null, null, null, null]]));
    let mut keeping = args;
    keeping["extra_columns"] = json!("keep");
    assert_eq!(read(home, keeping, "b").await.0, json!(["c", "a", "missing", "b", "z"]));
}

#[tokio::test]
async fn folders_are_columns_on_request() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for (folder, n) in [("day=2018-03-04/part=0", 1), ("day=2018-03-05/part=10", 2), ("day=2018-03-05/part=0", 3)] {
        write(home, &format!("json/{folder}/x.json"), &format!("{{\"n\": {n}}}"));
        write(home, &format!("csv/{folder}/x.csv"), &format!("n\n{n}\n"));
    }
    let (columns, rows) = read(home, json!({ "input": "json", "partition_columns": true }), "n").await;
    assert_eq!(columns, json!(["n", "day", "part"]));
    assert_eq!(rows, json!([[1, "2018-03-04", 0], [2, "2018-03-05", 10], [3, "2018-03-05", 0]]));
    let (_, rows) = read(home, json!({ "input": "csv", "partition_columns": true }), "n").await;
    assert_eq!(rows, json!([["1", "2018-03-04", 0], ["2", "2018-03-05", 10], ["3", "2018-03-05", 0]]));
    assert_eq!(read(home, json!({ "input": "json" }), "n").await.0, json!(["n"]));
}

#[tokio::test]
async fn files_whose_columns_differ() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "csv/1.csv", "a,b\n1,x\n");
    write(home, "csv/2.csv", "b,c\ny,true\n");
    let (columns, rows) = read(home, json!({ "input": "csv" }), "b").await;
    assert_eq!(columns, json!(["a", "b", "c"]));
    assert_eq!(rows, json!([["1", "x", null], [null, "y", "true"]]));
    for (file, sql) in [("1", "1 AS n, 1 AS m, 1.5 AS x"), ("2", "'two' AS n, CAST(2 AS INT) AS m, 2 AS x")] {
        let args = json!({ "sql": format!("SELECT {sql}"), "output": format!("parquet/{file}.parquet") });
        run("query", args, home).await;
    }
    let (columns, rows) = read(home, json!({ "input": "parquet" }), "m").await;
    assert_eq!(columns, json!(["n", "m", "x"]));
    assert_eq!(rows, json!([["1", 1, 1.5], ["two", 2, 2.0]]));
    write(home, "json/1.json", "{\"k\": 1}");
    write(home, "json/2.json", "{\"k\": \"one\"}");
    assert_eq!(read(home, json!({ "input": "json" }), "k").await.1, json!([["1"], ["one"]]));
    let log = log_text(home).replace(home.to_str().unwrap(), "[HOME]");
    for line in [
        "the column `a` is NULL for 1 file without it, such as [HOME]/csv/2.csv",
        "the column `n` is bigint in [HOME]/parquet/1.parquet and string in [HOME]/parquet/2.parquet; it is read as string",
        "the column `k` has values of several types, and is read as text",
    ] {
        assert!(log.contains(line), "{line}\n\n{log}");
    }
}

#[tokio::test]
async fn avro_files_of_another_writer() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let code = r#"
import datetime, fastavro, sys
schema = {
    "type": "record", "name": "post", "fields": [
        {"name": "n", "type": "long"},
        {"name": "title", "type": ["null", "string"]},
        {"name": "score", "type": "double"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
    ],
}
at = datetime.datetime(2026, 3, 4, 5, 6, 7, tzinfo=datetime.timezone.utc)
for name, codec, first in [("a", "null", 1), ("b", "deflate", 3)]:
    rows = [
        {"n": n, "title": None if n == 2 else f"title {n}", "score": n / 2, "at": at, "tags": ["x"] * n}
        for n in range(first, first + 2)
    ]
    with open(f"{sys.argv[1]}/{name}.avro", "wb") as file:
        fastavro.writer(file, schema, rows, codec=codec)
"#;
    fs::create_dir(home.join("in")).unwrap();
    python::run(&["-c", code, home.join("in").to_str().unwrap()], &[]);
    let (columns, rows) = read(home, json!({ "input": "in" }), "n").await;
    assert_eq!(columns, json!(["n", "title", "score", "at", "tags"]));
    let at = "2026-03-04 05:06:07";
    assert_eq!(
        rows,
        json!([
            [1, "title 1", 0.5, at, ["x"]],
            [2, null, 1.0, at, ["x", "x"]],
            [3, "title 3", 1.5, at, ["x", "x", "x"]],
            [4, "title 4", 2.0, at, ["x", "x", "x", "x"]]
        ])
    );
}

#[tokio::test]
async fn versions_of_a_table() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for n in 0..2 {
        write(home, "in.jsonl", &format!("{{\"n\": {n}}}"));
        run("clean", json!({ "input": "in.jsonl", "output": "table" }), home).await;
    }
    assert_eq!(read(home, json!({ "input": "table", "version": 0 }), "n").await.1, json!([[0]]));
    assert_eq!(read(home, json!({ "input": "table" }), "n").await.1, json!([[1]]));
    insta::assert_snapshot!(fail("clean", json!({ "input": "table", "version": 9, "output": "out" }), home).await.split(": ").next().unwrap(), @"the Delta table `[HOME]/table` has no version 9 any more, or not yet");
}

#[tokio::test]
async fn nothing_to_read() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let args = |more: Value| {
        let mut args = json!({ "input": "days/*.jsonl", "output": "out" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };
    insta::assert_snapshot!(fail("clean", args(json!({})), home).await, @"`[HOME]/days` cannot be read: No such file or directory (os error 2)");
    write(home, "days/1.jsonl", "\n\n");
    insta::assert_snapshot!(fail("clean", args(json!({})), home).await, @"`[HOME]/days/*.jsonl` holds no rows, so that no columns are known; `schema:` would name them, and `on_empty: skip` would skip the task");
    insta::assert_snapshot!(fail("clean", args(json!({ "on_empty": "write" })), home).await, @"`[HOME]/days/*.jsonl` holds no rows, so that no columns are known; `schema:` would name them, and `on_empty: skip` would skip the task");
    let typed = args(json!({ "on_empty": "write", "schema": { "a": "int" } }));
    assert_eq!(run("clean", typed, home).await["rows_written"], 0);
    write(home, "days/1.jsonl", "{\"a\": 1}");
    run("clean", args(json!({})), home).await;
    fs::remove_file(home.join("days/1.jsonl")).unwrap();
    let registry = operators::registry_with(&nowhere()).unwrap();
    let skipping = args(json!({ "on_empty": "skip" })).as_object().unwrap().clone();
    let outcome = registry.find("clean").unwrap().execute(skipping, &context(home)).await.unwrap();
    assert!(matches!(outcome, scheduler::operator::Outcome::Skipped { .. }), "{outcome:?}");
    assert_eq!(python::read_delta(home.join("out").to_str().unwrap(), "a", &[])["columns"], json!([["a", [1]]]));
    run("clean", args(json!({ "on_empty": "write" })), home).await;
    assert_eq!(python::read_delta(home.join("out").to_str().unwrap(), "a", &[])["columns"], json!([["a", []]]));
}

#[tokio::test]
async fn sql_that_is_wrong_says_where() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "in.jsonl", "{\"Age\": 1, \"b\": [1]}");
    let mistake =
        async |rule: Value| fail("clean", json!({ "input": "in.jsonl", "output": "out", "rules": [rule] }), home).await;
    insta::assert_snapshot!(mistake(json!({ "filter": "agee > 1" })).await, @"the rule `filter agee > 1`: there is no column `agee` (did you mean `Age`?); known are `Age`, `b`");
    insta::assert_snapshot!(mistake(json!({ "derive": { "into": "x", "sql": "nothing(age)" } })).await, @"the rule `derive x`: there is no function `nothing`");
    insta::assert_snapshot!(mistake(json!({ "sql": "SELECT nam FROM input" })).await, @"the rule `sql`: there is no column `nam`; known are `Age`, `b`");
    insta::assert_snapshot!(mistake(json!({ "sql": "SELECT * FROM people" })).await, @"the rule `sql`: there is no table `people`; the rows are in `input`");
    let check = |rule: Value| {
        let args = json!({ "input": "in.jsonl", "output": "out", "rules": [rule] });
        let registry = operators::registry_with(&nowhere()).unwrap();
        let problems = registry.find("clean").unwrap().check(args.as_object().unwrap());
        format!("{}: {}", problems[0].pointer, problems[0].message)
    };
    insta::assert_snapshot!(check(json!({ "filter": "age >" })), @"/rules/0/filter: the SQL does not parse: Expected: an expression, found: EOF");
    insta::assert_snapshot!(check(json!({ "sql": "SELECT *\nFRM input" })), @"/rules/0/sql: the SQL does not parse: Expected: EOF, found: FRM at Line: 2, Column: 1");
    insta::assert_snapshot!(mistake(json!({ "cast": { "column": "b", "to": "int" } })).await, @"the rule `cast b to int` cannot cast `b`, which holds array<bigint>");
    insta::assert_snapshot!(mistake(json!({ "fill": { "columns": "b", "value": "x" } })).await, @"the rule `fill b` has the value x, and `b` holds array<bigint>");
    insta::assert_snapshot!(mistake(json!({ "replace": { "column": "Age", "with": "x" } })).await, @"the rule `replace Age` needs one of `text` and `pattern`");
    insta::assert_snapshot!(mistake(json!({ "explode": { "column": "Age" } })).await, @"the rule `explode Age` needs a column of arrays; `Age` holds bigint");
    insta::assert_snapshot!(mistake(json!({ "deduplicate": { "by": ["Age"], "order_by": "bb desc" } })).await, @"the rule `deduplicate Age` names the column `bb`, which `[HOME]/in.jsonl` does not have at this point; it has `Age`, `b` (did you mean `b`?)");
    assert!(!home.join("out").join("_delta_log").exists());
}

#[tokio::test]
async fn buckets_and_keys_that_are_wrong() {
    let moto = Moto::start();
    moto.make_bucket("real").await;
    let home = tempfile::tempdir().unwrap();
    let error =
        async |args: Value, s3: &S3| try_run("clean", args, &context(home.path()), s3).await.unwrap_err().to_string();
    let args = json!({ "input": "s3://nowhere/in/*.json", "output": "out" });
    insta::assert_snapshot!(error(args, &moto.settings()).await, @"the bucket `nowhere` does not exist");
    let args = json!({ "input": "s3://real/in/*.json", "output": "out" });
    insta::assert_snapshot!(error(args, &moto.settings()).await, @"there are no files at `s3://real/in/*.json`");
    let landed = home.path().join("landed");
    write(home.path(), "landed/1.json", "{\"a\": 1}");
    moto.upload("s3://real/in", &landed).await;
    let args = json!({ "input": "s3://real/in/*.json", "output": "s3://nowhere/out" });
    let message = error(args, &moto.settings()).await;
    assert!(message.contains("s3://nowhere/out"), "{message}");
    // Incremental, in a bucket.
    let args = json!({ "input": "s3://real/in", "output": "s3://real/out", "mode": "append", "incremental": true });
    let ctx = context(home.path());
    let first = try_run("clean", args.clone(), &ctx, &moto.settings()).await.unwrap();
    let again = try_run("clean", args, &ctx, &moto.settings()).await.unwrap();
    assert_eq!(
        (&first["rows_written"], &again["rows_written"], &again["files_skipped"]),
        (&json!(1), &json!(0), &json!(1))
    );
    // From here on moto wants keys that it has given out.
    let reset = post(&format!("{}/moto-api/reset-auth", moto.endpoint()), "0").await;
    assert!(reset.contains("200"), "{reset}");
    let secret = S3::with_endpoint(moto.endpoint(), "AKIAEXPIRED", "very-secret-key");
    let args = json!({ "input": "s3://real/in/*.json", "output": "out" });
    let message = error(args, &secret).await;
    assert!(!message.contains("very-secret-key") && !log_text(home.path()).contains("very-secret-key"), "{message}");
    assert!(message.contains("s3://real/in"), "{message}");
    assert!(!home.path().join("out").exists());
}

/// A request without any client.
async fn post(url: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_large_object_is_read_in_parts() {
    let moto = Moto::start();
    moto.make_bucket("real").await;
    let home = tempfile::tempdir().unwrap();
    let rows = 60_000;
    let lines: String = (0..rows).map(|n| format!("{{\"n\": {n}, \"text\": \"{:0>90}\"}}\n", n % 97)).collect();
    assert!(lines.len() > 6_000_000);
    write(home.path(), "large/in.jsonl", &lines);
    moto.upload("s3://real/in", &home.path().join("large")).await;
    let sql = "SELECT count(*) AS people, sum(n) AS total, count(DISTINCT text) AS texts FROM input";
    let args = json!({ "input": "s3://real/in", "output": "out", "rules": [{ "sql": sql }] });
    let report = try_run("clean", args, &context(home.path()), &moto.settings()).await.unwrap();
    assert_eq!((&report["rows_read"], &report["rows_written"]), (&json!(rows), &json!(1)));
    let table = python::read_delta(home.path().join("out").to_str().unwrap(), "people", &[]);
    let total: u64 = (0..rows).sum();
    assert_eq!(table["columns"], json!([["people", [rows]], ["total", [total]], ["texts", [97]]]));
}

#[tokio::test]
async fn a_file_that_goes_away_half_way_is_named() {
    use datafusion::prelude::SessionContext;
    use operators::json::{JsonTable, Look};
    use operators::listing::list_files;
    use operators::location::Location;

    let home = tempfile::tempdir().unwrap();
    write(home.path(), "in/1.jsonl", "{\"a\": 1}");
    write(home.path(), "in/2.jsonl", "{\"a\": 2}");
    let location = Location::Local(home.path().join("in"));
    let files = list_files(&location, &nowhere()).await.unwrap();
    let table = JsonTable::open(&files, &nowhere(), 1, 0, Look::Whole).await.unwrap();
    fs::remove_file(home.path().join("in/2.jsonl")).unwrap();
    let session = SessionContext::new();
    let frame = session.read_table(std::sync::Arc::new(table.provider(1).unwrap())).unwrap();
    let error = format!("{:#}", anyhow::Error::from(frame.collect().await.unwrap_err()));
    assert!(error.contains("in/2.jsonl` cannot be read: No such file or directory"), "{error}");
}
