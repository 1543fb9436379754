//! Input that is not as it should be, for `query` and `stream`: files whose columns differ, that hold nothing, or that go away
//! while they are read. `clean_input.rs` has the same for `clean`, `bad_buckets.rs` for what is in S3.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::context::{fail, log_text, run};

fn write(home: &Path, name: &str, text: &str) {
    let path = home.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn ask(table: &str, sql: &str) -> Value {
    json!({ "tables": { "t": table }, "sql": sql })
}

#[tokio::test]
async fn a_query_reads_files_whose_columns_differ() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "json/1.jsonl", "{\"a\": 1, \"b\": \"x\"}\n");
    write(home, "json/2.jsonl", "{\"a\": \"two\", \"c\": true}\n");
    let answer = run("query", ask("json/*.jsonl", "SELECT * FROM t ORDER BY c"), home).await;
    assert_eq!(answer["columns"], json!(["a", "b", "c"]));
    assert_eq!(answer["rows"], json!([["1", "x", null], ["two", null, true]]));
}

/// Whoever looks for the types takes a file in pieces, which may end within a text.
#[tokio::test]
async fn texts_in_csv_may_hold_line_ends_wherever_they_stand() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let row =
        |n: usize| format!("{n},\"first line {n}\nsecond \"\"line\"\"\nthird, and last\",{}.5,2018-03-04,\n", n % 7);
    let rows = (0..2000).map(row).collect::<String>();
    write(home, "in.csv", &format!("n,text,x,day,late\n{rows}2000,end,0,2018-03-05,only here\n"));
    let sql = "SELECT count(*), sum(n + 1), count(DISTINCT text), max(x), max(year(day)), max(late) FROM t";
    let answer = run("query", ask("in.csv", sql), home).await;
    assert_eq!(answer["rows"], json!([[2001, 2_003_001, 2001, 6.5, 2018, "only here"]]));
    write(home, "empty.csv", "a,b\n");
    let answer = run("query", ask("empty.csv", "SELECT * FROM t"), home).await;
    assert_eq!((&answer["columns"], &answer["rows"]), (&json!(["a", "b"]), &json!([])));
}

#[tokio::test]
async fn a_query_reads_several_files_of_csv_if_their_columns_are_the_same() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "same/0.csv", "");
    write(home, "same/1.csv", "a,b\n1,x\n");
    write(home, "same/2.csv", "a,b\n");
    write(home, "same/3.csv", "a,b\n2,y\n");
    let sql = "SELECT * FROM t ORDER BY a";
    assert_eq!(run("query", ask("same/*.csv", sql), home).await["rows"], json!([[1, "x"], [2, "y"]]));

    write(home, "swapped/0.csv", "");
    write(home, "swapped/1.csv", "a,b\n1,x\n");
    write(home, "swapped/2.csv", "b,a\ny,2\n");
    let said = fail("query", ask("swapped/*.csv", sql), home).await;
    let expected = "`[HOME]/swapped/1.csv` has the columns `a`, `b` and `[HOME]/swapped/2.csv` has `b`, `a`; files of CSV that are \
                    read as one table have the same columns in the same order (`clean` puts them together by name)";
    assert!(said.contains(expected), "{said}");

    write(home, "more/1.csv", "a\n1\n");
    write(home, "more/2.csv", "a,b\n2,y\n");
    let said = fail("query", ask("more/*.csv", sql), home).await;
    assert!(said.contains("`[HOME]/more/1.csv` has the columns `a` and `[HOME]/more/2.csv` has `a`, `b`;"), "{said}");
}

#[tokio::test]
async fn a_query_of_nothing_answers_nothing_or_says_why() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "empty.csv", "a,b\n");
    assert_eq!(run("query", ask("empty.csv", "SELECT count(*) AS n FROM t"), home).await["rows"], json!([[0]]));
    write(home, "empty.jsonl", "\n");
    let said = fail("query", ask("empty.jsonl", "SELECT a FROM t"), home).await;
    assert!(said.contains("`t`") || said.contains("column `a`"), "{said}");
    fs::create_dir(home.join("folder")).unwrap();
    let said = fail("query", ask("folder", "SELECT a FROM t"), home).await;
    assert!(said.contains("[HOME]/folder"), "{said}");
}

#[tokio::test]
async fn a_stream_of_nothing_makes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let args = json!({ "source": "topic", "schema": ["a"], "output": "out", "retry_for": 0 });
    let said = fail("stream", args.clone(), home).await;
    assert!(said.contains("[HOME]/topic"), "{said}");
    fs::create_dir_all(home.join("topic/partition=0")).unwrap();
    let report = run("stream", args.clone(), home).await;
    assert_eq!((&report["rows_read"], &report["commits"], &report["version"]), (&json!(0), &json!(0), &Value::Null));
    assert!(!home.join("out").exists());
    write(home, "topic/partition=0/t+0+0000000000.json", "");
    let report = run("stream", args, home).await;
    assert_eq!((&report["rows_read"], &report["positions"]), (&json!(0), &json!({ "0": "1" })));
}

#[tokio::test]
async fn values_of_other_types_and_members_that_are_missing_are_null_in_a_stream() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let lines = "{\"n\": 1, \"b\": true}\n{\"n\": \"x\"}\n{\"n\": 1.5, \"b\": \"yes\", \"more\": 1}\n";
    write(home, "topic/partition=0/t+0+0000000000.json", lines);
    let args = json!({ "source": "topic", "schema": { "n": "int", "b": "boolean" }, "output": "out" });
    let report = run("stream", args, home).await;
    assert_eq!((&report["rows_written"], &report["broken"]), (&json!(3), &json!(0)));
    let rows = run("query", ask("out", "SELECT n, b FROM t ORDER BY n DESC, b"), home).await["rows"].take();
    assert_eq!(rows, json!([[1, true], [null, null], [null, null]]));
    // Another file has nothing of what it should have: its columns are not the table's business.
    write(home, "topic/partition=0/t+0+0000000003.json", "{\"other\": 1}\n");
    let args = json!({ "source": "topic", "schema": { "n": "int", "b": "boolean" }, "output": "out" });
    assert_eq!(run("stream", args, home).await["rows_written"], 1);
}

#[tokio::test]
async fn a_table_of_a_query_that_loses_a_file_half_way_is_named() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for n in 0..3 {
        write(home, &format!("in/{n}.jsonl"), &format!("{{\"n\": {n}}}\n"));
    }
    run("clean", json!({ "input": "in/*.jsonl", "output": "table" }), home).await;
    let file = fs::read_dir(home.join("table")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.extension().is_some_and(|ending| ending == "parquet").then_some(path)
    });
    let file = file.expect("the table has a file");
    fs::remove_file(&file).unwrap();
    let said = fail("query", ask("table", "SELECT sum(n) FROM t"), home).await;
    assert!(said.contains(file.file_name().unwrap().to_str().unwrap()), "{said}");
    assert!(!log_text(home).contains("panicked"));
}
