//! `clean` from outside: Spark's reading of JSON, each rule, the report, and what a mistake looks like.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::context::{context, fail, log_text, nowhere, run, try_run};

async fn clean(home: &Path, lines: &[&str], rules: Value) -> Value {
    fs::write(home.join("in.jsonl"), lines.join("\n")).unwrap();
    let args = json!({ "input": "in.jsonl", "output": "out", "rules": rules, "max_broken_share": 1 });
    run("clean", args, home).await
}

async fn table(home: &Path, sql: &str) -> Value {
    run("query", json!({ "tables": { "t": "out" }, "sql": sql }), home).await
}

/// Cleans lines, and answers with columns and rows of the table.
async fn cleaned(lines: &[&str], rules: Value) -> (Value, Value) {
    let home = tempfile::tempdir().unwrap();
    clean(home.path(), lines, rules).await;
    let mut answer = table(home.path(), "SELECT * FROM t ORDER BY 1, 2").await;
    (answer["columns"].take(), answer["rows"].take())
}

#[tokio::test]
async fn json_is_read_as_spark_reads_it() {
    let lines = [
        r#"{"z": 1, "a": 1, "m": 20.50}"#,
        r#"[{"z": 2, "a": 2.5, "m": true}, {"z": 3, "m": {"x":  1}}]"#,
        "",
        "{}",
        r#"{"z": 4, "a": NaN, 'm': "\u00e9\ud83c\udf84\n", "n": null} trailing"#,
        "\u{feff}{\"z\": 5}",
        r#"{"z": 6, "a""#,
        "7",
    ];
    let (columns, rows) = cleaned(&lines, json!([{ "order": ["z"] }])).await;
    assert_eq!(columns, json!(["z", "_corrupt_record", "a", "m", "n"]));
    let expected = json!([
        [null, null, null, null, null],
        [null, "7", null, null, null],
        [null, "{\"z\": 6, \"a\"", null, null, null],
        [1, null, 1.0, "20.50", null],
        [2, null, 2.5, "true", null],
        [3, null, null, "{\"x\":  1}", null],
        [4, null, "NaN", "é🎄\n", null],
        [5, null, null, null, null]
    ]);
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn nested_values_keep_their_shape() {
    let lines = [r#"{"a": [1, 2], "b": {"x": 1, "y": ["p"]}}"#, r#"{"a": [], "b": {"x": 2.5}}"#, r#"{"a": null}"#];
    let (_, rows) = cleaned(&lines, json!([])).await;
    let rows = rows.as_array().unwrap();
    assert!(rows.contains(&json!([[1, 2], { "x": 1.0, "y": ["p"] }])), "{rows:?}");
    assert!(rows.contains(&json!([[], { "x": 2.5, "y": null }])), "{rows:?}");
    assert!(rows.contains(&json!([null, null])), "{rows:?}");
}

#[tokio::test]
async fn rules_follow_one_another() {
    let lines = [
        r#"{"i": "1", "first": "Ann", "last": "Lee", "x": 1.5, "y": -2, "at": "2018-03-04T05:06:07", "n": "none"}"#,
        r#"{"i": "2", "first": null, "last": "Lee", "x": 1, "y": null, "at": "04/03/2018", "n": "12k"}"#,
    ];
    let rules = json!([
        { "nulls": { "values": ["none"], "columns": ["n"] } },
        { "suffixed_number": { "column": "n" } },
        { "cast": { "column": "i", "to": "int" } },
        { "rename": { "i": "ind" } },
        { "concat": { "into": "name", "of": ["first", "last"], "separator": " " } },
        { "concat": { "into": "tolerant", "of": ["first", "last"], "separator": " ", "nulls": "skip" } },
        { "array": { "into": "place", "of": ["x", "y"] } },
        { "timestamp": { "column": "at" } },
        { "drop": ["first", "last", "x", "y"] },
        { "order": ["ind"] }
    ]);
    let (columns, rows) = cleaned(&lines, rules).await;
    assert_eq!(columns, json!(["ind", "at", "n", "name", "tolerant", "place"]));
    let expected = json!([
        [1, "2018-03-04 05:06:07", null, "Ann Lee", "Ann Lee", [1.5, -2.0]],
        [2, null, 12_000, null, "Lee", [1.0, null]]
    ]);
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn the_report_counts_what_each_rule_changed() {
    let home = tempfile::tempdir().unwrap();
    let lines = [r#"{"a": "1", "b": "x"}"#, r#"{"a": "1", "b": "x"}"#, r#"{"a": "z", "b": "none"}"#, "{"];
    let rules = json!([
        { "nulls": { "values": ["none"] } },
        { "cast": { "column": "a", "to": "int" } },
        { "select": ["a", "b"] },
        { "deduplicate": { "by": "row" } },
        { "deduplicate": { "by": ["a"], "when": "False" } }
    ]);
    let report = clean(home.path(), &lines, rules).await;
    let expected = json!({
        "rows_read": 4,
        "rows_written": 2,
        "rows_rejected": 1,
        "rows_replaced": null,
        "duplicates": 2,
        "changed": { "nulls": 1, "cast a to int": 1, "deduplicate row": 2 },
        "expectations": [],
        "broken": 1,
        "files_read": 1,
        "files_skipped": 0,
        "table": home.path().join("out"),
        "output": home.path().join("out"),
        "rejected": null,
        "version": 0
    });
    assert_eq!(report, expected);
    let log = log_text(home.path()).replace(home.path().to_str().unwrap(), "[HOME]");
    insta::assert_snapshot!(log, @"
    a malformed document in [HOME]/in.jsonl becomes a row of NULLs
    Read 4 rows from 1 files in [HOME]/in.jsonl
    nulls: 1 rows
    cast a to int: 1 rows
    deduplicate row: 2 rows
    1 malformed documents in all
    Wrote 2 rows to [HOME]/out (version 0)
    ");
}

#[tokio::test]
async fn what_a_filter_removes_is_no_duplicate() {
    let home = tempfile::tempdir().unwrap();
    let lines = [r#"{"a": 1}"#, r#"{"a": 2}"#, r#"{"a": 2}"#, r#"{"a": 3}"#, r#"{"a": null}"#];
    let rules = json!([
        { "filter": "a > 1 OR a IS NULL" },
        { "drop_nulls": "a" },
        { "deduplicate": { "by": "row" } },
        { "drop_rows": "a = 3" },
        { "deduplicate": { "by": ["a"] } },
        { "sql": "SELECT count(*) AS n FROM input" }
    ]);
    let report = clean(home.path(), &lines, rules).await;
    assert_eq!(
        report["changed"],
        json!({
            "filter a > 1 OR a IS NULL": 1,
            "drop_nulls a": 1,
            "deduplicate row": 1,
            "drop_rows a = 3": 1,
            "deduplicate a": 0
        })
    );
    assert_eq!(report["duplicates"], 1);
}

#[tokio::test]
async fn duplicates_by_columns() {
    let lines = [r#"{"a": 1, "b": 1}"#, r#"{"a": 1, "b": 2}"#, r#"{"a": 2, "b": 3}"#, r#"{"b": 4}"#, r#"{"b": 5}"#];
    let (_, rows) = cleaned(&lines, json!([{ "deduplicate": { "by": ["a"] } }])).await;
    let kept: Vec<&Value> = rows.as_array().unwrap().iter().map(|row| &row[0]).collect();
    assert_eq!(kept, [&json!(null), &json!(1), &json!(2)]);
}

#[tokio::test]
async fn a_second_run_replaces_rows_and_columns() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(clean(home.path(), &[r#"{"a": 1}"#, r#"{"a": 2}"#], json!([])).await["version"], 0);
    assert_eq!(clean(home.path(), &[r#"{"b": "x"}"#], json!([])).await["version"], 1);
    let answer = table(home.path(), "SELECT * FROM t").await;
    assert_eq!((&answer["columns"], &answer["rows"]), (&json!(["b"]), &json!([["x"]])));
}

#[tokio::test]
async fn other_formats_are_read_too() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("in.csv"), "a,b\n 1 ,x\n2,\"y,\"\n").unwrap();
    let rules = json!([{ "cast": { "column": "a", "to": "bigint" } }]);
    run("clean", json!({ "input": "in.csv", "output": "out", "rules": rules }), home.path()).await;
    let copy = json!({ "tables": { "t": "out" }, "sql": "SELECT * FROM t", "output": "copy/part.parquet" });
    run("query", copy, home.path()).await;
    run("clean", json!({ "input": "copy", "output": "out2", "rules": rules }), home.path()).await;
    run("clean", json!({ "input": "out2", "output": "out3" }), home.path()).await;
    let sql = json!({ "tables": { "t": "out3" }, "sql": "SELECT * FROM t ORDER BY a" });
    assert_eq!(run("query", sql, home.path()).await["rows"], json!([[1, "x"], [2, "y,"]]));
}

async fn mistake(lines: &[&str], rules: Value) -> String {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("in.jsonl"), lines.join("\n")).unwrap();
    fail("clean", json!({ "input": "in.jsonl", "output": "out", "rules": rules }), home.path()).await
}

#[tokio::test]
async fn mistakes_are_told_in_a_sentence() {
    let good = [r#"{"latitude": 1, "b": 2}"#];
    let rules = json!([{ "cast": { "column": "lattitude", "to": "int" } }]);
    insta::assert_snapshot!(mistake(&good, rules).await, @"the rule `cast lattitude to int` names the column `lattitude`, which `[HOME]/in.jsonl` does not have at this point; it has `b`, `latitude` (did you mean `latitude`?)");
    insta::assert_snapshot!(mistake(&good, json!([{ "rename": { "b": "latitude" } }])).await, @"after the rule `rename` there would be two columns called `latitude`; `drop` one of them first");
    insta::assert_snapshot!(mistake(&good, json!([{ "drop": ["b", "latitude"] }])).await, @"after the rule `drop b, latitude` there would be no column left");
    insta::assert_snapshot!(mistake(&[""], json!([])).await, @"`[HOME]/in.jsonl` holds no rows, so that no columns are known; `schema:` would name them, and `on_empty: skip` would skip the task");
    insta::assert_snapshot!(mistake(&["{", "{}", "{}"], json!([])).await, @"1 of 3 documents are malformed (33.3 %), more than `max_broken_share` (5.0 %) allows");
    insta::assert_snapshot!(mistake(&good, json!([{ "uppercase": "b" }])).await, @"the arguments of operator `clean` do not fit: unknown variant `uppercase`, expected one of `nulls`, `fill`, `cast`, `suffixed_number`, `timestamp`, `rename`, `drop`, `select`, `order`, `remove_text`, `replace`, `extract`, `substring_index`, `split`, `trim`, `lower`, `upper`, `concat`, `array`, `struct`, `derive`, `filter`, `drop_rows`, `drop_nulls`, `explode`, `deduplicate`, `sql`");
}

#[tokio::test]
async fn missing_input_is_named() {
    let home = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(fail("clean", json!({ "input": "nothing", "output": "out" }), home.path()).await, @"`[HOME]/nothing` cannot be read: No such file or directory (os error 2)");
    fs::create_dir(home.path().join("empty")).unwrap();
    insta::assert_snapshot!(fail("clean", json!({ "input": "empty/*.json", "output": "out" }), home.path()).await, @"there are no files at `[HOME]/empty/*.json`");
}

#[tokio::test]
async fn a_failed_run_leaves_the_table_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    clean(home.path(), &[r#"{"a": 1}"#], json!([])).await;
    fs::write(home.path().join("in.jsonl"), "{\"a\":2}\n{").unwrap();
    fail("clean", json!({ "input": "in.jsonl", "output": "out" }), home.path()).await;
    let ctx = context(home.path());
    ctx.cancelled.cancel();
    let args = json!({ "input": "in.jsonl", "output": "out", "max_broken_share": 1 });
    try_run("clean", args, &ctx, &nowhere()).await.unwrap_err();
    assert_eq!(table(home.path(), "SELECT * FROM t").await["rows"], json!([[1]]));
}
