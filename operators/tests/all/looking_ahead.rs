//! Large documents are read in one go: their columns are told from a part of them, and nobody must see that it was a part.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::context::{fail, log_text, run};

/// Lines of 64 kB, so that there are many chunks of few rows.
const LINES: usize = 1_200;
/// In none of the chunks that are looked at first.
const ODD: usize = 250;
/// What the log says when the first look was not enough.
const ONCE_MORE: &str = "all is read once more";

/// Writes lines with a number and padding, all but one of which are alike.
fn write(home: &Path, odd: &str) {
    let mut file = BufWriter::new(File::create(home.join("in.jsonl")).unwrap());
    let padding = " ".repeat(64 * 1024);
    for line in 0..LINES {
        if line == ODD {
            writeln!(file, "{odd}{padding}").unwrap();
        } else {
            writeln!(file, "{{\"n\": {line}}}{padding}").unwrap();
        }
    }
    file.flush().unwrap();
}

async fn clean(home: &Path, more: Value) -> Value {
    let mut args = json!({ "input": "in.jsonl", "output": "out" });
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    run("clean", args, home).await
}

async fn ask(home: &Path, sql: &str) -> (Value, Value) {
    let mut answer = run("query", json!({ "tables": { "t": "out" }, "sql": sql }), home).await;
    (answer["columns"].take(), answer["rows"].take())
}

#[tokio::test]
async fn what_is_alike_is_read_once() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, &format!("{{\"n\": {ODD}}}"));
    let report = clean(home, json!({})).await;
    assert_eq!((&report["rows_read"], &report["rows_written"]), (&json!(LINES), &json!(LINES)));
    assert!(!log_text(home).contains(ONCE_MORE), "{}", log_text(home));
    let sum: usize = (0..LINES).sum();
    let (_, rows) = ask(home, "SELECT COUNT(*), COUNT(DISTINCT n), SUM(n) FROM t").await;
    assert_eq!(rows, json!([[LINES, LINES, sum]]));
}

#[tokio::test]
async fn a_column_and_a_type_that_come_late_are_not_lost() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "{\"n\": \"late\", \"more\": 2.5}");
    let report = clean(home, json!({})).await;
    assert_eq!((&report["rows_read"], &report["rows_written"]), (&json!(LINES), &json!(LINES)));
    let log = log_text(home);
    assert!(log.contains(ONCE_MORE) && log.contains("the column `n` has values of several types"), "{log}");
    let (columns, rows) = ask(home, "SELECT * FROM t WHERE n IN ('late', '7') ORDER BY n").await;
    assert_eq!((columns, rows), (json!(["more", "n"]), json!([[null, "7"], [2.5, "late"]])));
    let (_, rows) = ask(home, "SELECT COUNT(*), COUNT(DISTINCT n) FROM t").await;
    assert_eq!(rows, json!([[LINES, LINES]]));
}

#[tokio::test]
async fn a_malformed_document_that_comes_late_is_kept_and_counted() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "{\"n\": ");
    let report = clean(home, json!({ "rules": [{ "trim": { "columns": ["_corrupt_record"] } }] })).await;
    assert_eq!((&report["rows_written"], &report["broken"]), (&json!(LINES), &json!(1)));
    let log = log_text(home);
    assert!(log.contains(ONCE_MORE) && log.contains("a malformed document in "), "{log}");
    let (_, rows) = ask(home, "SELECT _corrupt_record FROM t WHERE n IS NULL").await;
    assert_eq!(rows, json!([["{\"n\":"]]));
    let args = json!({ "input": "in.jsonl", "output": "none", "max_broken_share": 0 });
    let error = fail("clean", args, home).await;
    assert!(error.contains("1 of 1200 documents are malformed"), "{error}");
    assert!(!home.join("none/_delta_log").exists());
}

#[tokio::test]
async fn rows_that_no_rule_asks_for_have_a_say_in_the_columns() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "{\"n\": 1.5}");
    let report = clean(home, json!({ "rules": [{ "sql": "SELECT n FROM input LIMIT 3" }] })).await;
    assert_eq!(report["rows_written"], json!(3));
    assert!(log_text(home).contains(ONCE_MORE), "{}", log_text(home));
    let (_, rows) = ask(home, "SELECT n FROM t").await;
    assert!(rows[0][0].is_f64(), "{rows}");
}

#[tokio::test]
async fn a_column_that_is_missed_is_looked_for_in_all_documents() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "{\"n\": 250, \"more\": \"here\"}");
    let report = clean(home, json!({ "rules": [{ "drop_nulls": ["more"] }] })).await;
    assert_eq!(report["rows_written"], json!(1));
    assert!(log_text(home).contains(ONCE_MORE), "{}", log_text(home));
    let merge = json!({ "mode": "merge", "keys": "n" });
    let report = clean(home, merge).await;
    assert_eq!((&report["rows_written"], &report["rows_replaced"]), (&json!(LINES), &json!(1)));
    let args = json!({ "input": "in.jsonl", "output": "out", "rules": [{ "drop": ["nowhere"] }] });
    let error = fail("clean", args, home).await;
    assert!(error.contains("it has `more`, `n`"), "{error}");
}
