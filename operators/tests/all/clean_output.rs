//! Where `clean` puts rows: the modes of Delta tables, files, what is remembered of files that were read, and what is left
//! when something goes wrong in between. Tables are read back by the `deltalake` of Python.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use scheduler::operator::{Checkpoint, TaskContext};
use serde_json::{Value, json};

use crate::context::{context, fail, log_text, nowhere, run, try_run};
use crate::python;

fn write(home: &Path, name: &str, lines: &[&str]) {
    let path = home.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, lines.join("\n")).unwrap();
}

/// The columns of a table, ordered by the first of them.
fn table(home: &Path, name: &str, order_by: &str) -> Value {
    python::read_delta(home.join(name).to_str().unwrap(), order_by, &[])["columns"].take()
}

/// Another try of the task in `home`.
fn another_try(home: &Path, try_number: u32) -> TaskContext {
    TaskContext { try_number, ..context(home) }
}

/// What is kept of a task that was cleared after so many tries.
struct ClearedAfter(u32);

#[async_trait]
impl Checkpoint for ClearedAfter {
    async fn load(&self) -> anyhow::Result<Option<Value>> {
        Ok(None)
    }

    async fn save(&self, _: Value) -> anyhow::Result<()> {
        Ok(())
    }

    async fn tries_before_clear(&self) -> anyhow::Result<u32> {
        Ok(self.0)
    }
}

/// The same of a task that was cleared after so many tries.
fn cleared(home: &Path, try_number: u32, after: u32) -> TaskContext {
    TaskContext { checkpoint: Arc::new(ClearedAfter(after)), ..another_try(home, try_number) }
}

#[tokio::test]
async fn append_adds_rows_and_columns() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let args = json!({ "input": "in.jsonl", "output": "out", "mode": "append" });
    write(home, "in.jsonl", &[r#"{"a": 1}"#, r#"{"a": 2}"#]);
    try_run("clean", args.clone(), &another_try(home, 1), &nowhere()).await.unwrap();
    write(home, "in.jsonl", &[r#"{"a": 3, "b": "x"}"#]);
    // Its retry: the first try has appended, and was interrupted after that.
    let report = try_run("clean", args.clone(), &another_try(home, 2), &nowhere()).await.unwrap();
    assert_eq!((&report["rows_written"], &report["version"]), (&json!(0), &json!(0)));
    let report = try_run("clean", args.clone(), &cleared(home, 3, 2), &nowhere()).await.unwrap();
    assert_eq!((&report["rows_written"], &report["version"]), (&json!(1), &json!(1)));
    assert_eq!(table(home, "out", "a"), json!([["a", [1, 2, 3]], ["b", [null, null, "x"]]]));

    // The same try again: it was interrupted after its commit.
    let report = try_run("clean", args.clone(), &cleared(home, 3, 2), &nowhere()).await.unwrap();
    assert_eq!((&report["rows_written"], &report["version"]), (&json!(0), &json!(1)));

    write(home, "in.jsonl", &[r#"{"a": "text"}"#]);
    let error = try_run("clean", args, &cleared(home, 4, 3), &nowhere()).await.unwrap_err().to_string();
    insta::assert_snapshot!(error, @"the column `a` holds string in the rows and bigint in the table; add a rule that casts it, or write the table anew with `mode: overwrite`");
    write(home, "in.jsonl", &[r#"{"a": 4, "c": 1}"#]);
    let args = json!({ "input": "in.jsonl", "output": "out", "mode": "append", "schema_change": "refuse" });
    insta::assert_snapshot!(fail("clean", args, home).await, @"the rows have the columns `a`, `c` and the table `a`, `b`; `schema_change: refuse` keeps it as it is");
}

#[tokio::test]
async fn merge_replaces_rows_with_the_same_keys_and_doubles_nothing() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let args = json!({ "input": "days/*.jsonl", "output": "out", "mode": "merge", "keys": ["id"] });
    write(home, "days/1.jsonl", &[r#"{"id": 1, "v": "a"}"#, r#"{"id": 2, "v": "b"}"#, r#"{"id": null, "v": "n"}"#]);
    for _ in 0..2 {
        let report = run("clean", args.clone(), home).await;
        assert_eq!((&report["rows_written"], &report["duplicates"]), (&json!(3), &json!(0)));
    }
    assert_eq!(table(home, "out", "v"), json!([["id", [1, 2, null]], ["v", ["a", "b", "n"]]]));
    write(
        home,
        "days/2.jsonl",
        &[r#"{"id": 2, "v": "c", "w": 1}"#, r#"{"id": 3, "v": "d"}"#, r#"{"id": 2, "v": "e"}"#],
    );
    let report = run("clean", args.clone(), home).await;
    let counts = ["rows_read", "rows_written", "duplicates", "rows_replaced"].map(|key| report[key].clone());
    assert_eq!(counts, [json!(6), json!(4), json!(2), json!(3)]);
    let expected = json!([["id", [1, 3, 2, null]], ["v", ["a", "d", "e", "n"]], ["w", [null, null, null, null]]]);
    assert_eq!(table(home, "out", "v"), expected);
    // The one with the smallest text instead of the last one.
    let mut by_text = args.clone();
    by_text["order_by"] = json!("v desc");
    run("clean", by_text, home).await;
    assert_eq!(table(home, "out", "v")[1], json!(["v", ["a", "b", "d", "n"]]));
    let mut wrong = args;
    wrong["keys"] = json!("idd");
    insta::assert_snapshot!(fail("clean", wrong, home).await, @"the rows have no column `idd` to merge by (did you mean `id`?); known are `id`, `v`, `w`");
}

/// How many files the newest commit removed and added.
fn files_of_newest_commit(home: &Path, name: &str) -> (usize, usize) {
    let log = fs::read_dir(home.join(name).join("_delta_log")).unwrap().map(|entry| entry.unwrap().path());
    let newest = log.filter(|path| path.extension().is_some_and(|kind| kind == "json")).max().unwrap();
    let text = fs::read_to_string(newest).unwrap();
    let of = |action: &str| text.lines().filter(|line| line.starts_with(action)).count();
    (of("{\"remove\""), of("{\"add\""))
}

/// A table of three files, one for each hundred of keys.
async fn three_files(home: &Path, line: impl Fn(usize) -> String) {
    let args = json!({ "input": "in.jsonl", "output": "out", "mode": "append" });
    for (nth, begin) in [0, 100, 200].into_iter().enumerate() {
        fs::write(home.join("in.jsonl"), (begin..begin + 100).map(&line).collect::<String>()).unwrap();
        let attempt = u32::try_from(nth).unwrap();
        try_run("clean", args.clone(), &cleared(home, attempt + 1, attempt), &nowhere()).await.unwrap();
    }
    let log = fs::read_dir(home.join("out/_delta_log")).unwrap().count();
    assert_eq!((log, files_of_newest_commit(home, "out")), (3, (0, 1)));
}

#[tokio::test]
async fn merge_leaves_files_alone_that_have_none_of_the_keys() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    three_files(home, |n| format!("{{\"id\": {n}, \"v\": \"old\"}}\n")).await;
    write(home, "day.jsonl", &[r#"{"id": 150, "v": "new"}"#, r#"{"id": 1000, "v": "new"}"#]);
    let args = json!({ "input": "day.jsonl", "output": "out", "mode": "merge", "keys": "id" });
    // A day that is run again doubles nothing, and finds its keys in the file that it has written, and nowhere else.
    for replaced in [1, 2] {
        let report = run("clean", args.clone(), home).await;
        assert_eq!((&report["rows_written"], &report["rows_replaced"]), (&json!(2), &json!(replaced)));
        let (removed, _) = files_of_newest_commit(home, "out");
        assert!((1..=2).contains(&removed), "the two files without the keys stay: {removed}");
        let read = table(home, "out", "id");
        assert_eq!(read[0][1].as_array().unwrap().len(), 301);
        assert_eq!(read[1][1].as_array().unwrap().iter().filter(|v| *v == "new").count(), 2);
    }
    let code = "import deltalake, sys; print(len(deltalake.DeltaTable(sys.argv[1]).file_uris()))";
    let live = python::run(&["-c", code, home.join("out").to_str().unwrap()], &[]);
    assert!(live.parse::<usize>().unwrap() <= 5, "{live}");

    // New keys alone touch no file.
    write(home, "day.jsonl", &[r#"{"id": 5000, "v": "new"}"#]);
    run("clean", args.clone(), home).await;
    assert_eq!(files_of_newest_commit(home, "out").0, 0);
    // Neither do columns that come with them.
    write(home, "day.jsonl", &[r#"{"id": 50, "v": "new", "w": 1}"#, r#"{"id": null, "v": "none", "w": 2}"#]);
    for replaced in [1, 2] {
        assert_eq!(run("clean", args.clone(), home).await["rows_replaced"], replaced);
    }
    let read = table(home, "out", "id");
    assert_eq!(read[0][1].as_array().unwrap().len(), 303);
    assert_eq!(read[2][1].as_array().unwrap().iter().filter(|w| !w.is_null()).count(), 2);
    // Nor does a day without rows.
    let mut nothing = args;
    nothing["rules"] = json!([{ "filter": "id < 0" }]);
    assert_eq!(run("clean", nothing, home).await["rows_written"], 0);
    assert_eq!(files_of_newest_commit(home, "out").0, 0);
    assert_eq!(table(home, "out", "id")[0][1].as_array().unwrap().len(), 303);
}

/// Whatever keys are made of, and where nothing can be said of them: the same rows come out.
#[tokio::test]
async fn merge_goes_by_keys_of_any_type() {
    let line = |n: usize| {
        let at = format!("2024-03-{:02}T05:06:{:02}", 1 + n / 100, n % 60);
        format!("{{\"id\": {n}, \"t\": \"k{n:03}\", \"at\": \"{at}\", \"f\": {n}.5, \"v\": \"old\"}}\n")
    };
    let rules = json!([{ "timestamp": { "column": "at" } }, { "derive": { "into": "day", "sql": "to_date(at)" } }]);
    for (keys, removed_at_most) in [
        (json!(["t"]), 1),
        (json!(["at", "id"]), 1),
        (json!(["day", "id"]), 1),
        (json!(["id", "t"]), 1),
        (json!(["f"]), 3),
        (json!(["f", "id"]), 1),
    ] {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let args = |mode: &str| json!({ "input": "in.jsonl", "output": "out", "mode": mode, "rules": rules, "keys": (mode == "merge").then_some(&keys) });
        for (nth, begin) in [0, 100, 200].into_iter().enumerate() {
            fs::write(home.join("in.jsonl"), (begin..begin + 100).map(line).collect::<String>()).unwrap();
            let attempt = u32::try_from(nth).unwrap();
            try_run("clean", args("append"), &cleared(home, attempt + 1, attempt), &nowhere()).await.unwrap();
        }
        fs::write(home.join("in.jsonl"), (120..130).map(line).collect::<String>().replace("old", "new")).unwrap();
        for _ in 0..2 {
            assert_eq!(run("clean", args("merge"), home).await["rows_replaced"], 10, "{keys}");
            let (removed, _) = files_of_newest_commit(home, "out");
            assert!(removed <= removed_at_most + 1, "{keys}: {removed} files");
            let read = table(home, "out", "id");
            let column = |name: &str| {
                let found = read.as_array().unwrap().iter().find(|column| column[0] == name).unwrap();
                found[1].as_array().unwrap().clone()
            };
            assert_eq!(column("id"), (0..300).map(Value::from).collect::<Vec<_>>(), "{keys}");
            assert_eq!(column("v").iter().filter(|v| *v == "new").count(), 10, "{keys}");
        }
    }
}

#[tokio::test]
async fn incremental_reads_each_file_once() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let args = json!({ "input": "in/*.jsonl", "output": "out", "mode": "append", "incremental": true });
    write(home, "in/1.jsonl", &[r#"{"a": 1}"#]);
    write(home, "in/2.jsonl", &[r#"{"a": 2}"#]);
    let report = run("clean", args.clone(), home).await;
    assert_eq!((&report["files_read"], &report["files_skipped"]), (&json!(2), &json!(0)));
    let report = run("clean", args.clone(), home).await;
    let counts = ["files_read", "files_skipped", "rows_written", "version"].map(|key| report[key].clone());
    assert_eq!(counts, [json!(0), json!(2), json!(0), json!(0)]);
    write(home, "in/0.jsonl", &[r#"{"a": 0}"#]);
    write(home, "in/1.jsonl", &[r#"{"a": 10}"#, r#"{"a": 11}"#]);
    let report = run("clean", args.clone(), home).await;
    assert_eq!((&report["files_read"], &report["files_skipped"]), (&json!(1), &json!(2)));
    assert_eq!(table(home, "out", "a"), json!([["a", [0, 1, 2]]]));
    assert!(log_text(home).contains("1 file has changed since earlier runs read them, such as "), "{}", log_text(home));

    // A failed run remembers nothing, whatever it has left behind.
    write(home, "in/3.jsonl", &[r#"{"a": 3}"#]);
    let mut failing = args.clone();
    failing["expect"] = json!([{ "row_count": { "min": 2 } }]);
    fail("clean", failing, home).await;
    let report = run("clean", args.clone(), home).await;
    assert_eq!((&report["files_read"], &report["rows_written"]), (&json!(1), &json!(1)));
    assert_eq!(table(home, "out", "a"), json!([["a", [0, 1, 2, 3]]]));

    // Written anew, the list begins anew.
    let anew = json!({ "input": "in/*.jsonl", "output": "out" });
    assert_eq!(run("clean", anew, home).await["rows_written"], 5);
    let report = run("clean", args, home).await;
    assert_eq!((&report["files_read"], &report["files_skipped"]), (&json!(0), &json!(4)));
    assert_eq!(table(home, "out", "a"), json!([["a", [0, 2, 3, 10, 11]]]));
}

#[tokio::test]
async fn incremental_merge_reads_changed_files_again() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let args = json!({ "input": "in", "output": "out", "mode": "merge", "keys": "id", "incremental": true });
    write(home, "in/1.jsonl", &[r#"{"id": 1, "v": "a"}"#]);
    run("clean", args.clone(), home).await;
    write(home, "in/1.jsonl", &[r#"{"id": 1, "v": "changed"}"#, r#"{"id": 2, "v": "b"}"#]);
    let report = run("clean", args.clone(), home).await;
    assert_eq!((&report["files_read"], &report["rows_replaced"]), (&json!(1), &json!(1)));
    assert_eq!(table(home, "out", "id"), json!([["id", [1, 2]], ["v", ["changed", "b"]]]));
    for entry in fs::read_dir(home.join("out/_updraft/updraft.test.task")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    insta::assert_snapshot!(fail("clean", args, home).await.split(": Object").next().unwrap(), @"the list of the files that earlier runs read is gone (`[HOME]/out/_updraft`); a run with `mode: overwrite` and without `incremental` reads all and begins a new list");
}

#[tokio::test]
async fn partitions_are_written_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "in.jsonl", &[r#"{"c": "x", "n": 1}"#, r#"{"c": "y", "n": 2}"#, r#"{"c": "x", "n": 3}"#]);
    let args = json!({ "input": "in.jsonl", "output": "out", "partition_by": "c" });
    run("clean", args.clone(), home).await;
    assert!(home.join("out/c=x").is_dir() && home.join("out/c=y").is_dir());
    let args = json!({ "input": "in.jsonl", "output": "out", "mode": "merge", "keys": "n" });
    run("clean", args, home).await;
    let expected = json!([["c", ["x", "y", "x"]], ["n", [1, 2, 3]]]);
    assert_eq!(table(home, "out", "n"), expected);
}

#[tokio::test]
async fn files_are_written_whole() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "in.jsonl", &[r#"{"a": 1, "b": "x,y", "c": [1.5]}"#, r#"{"a": null, "b": "", "c": null}"#]);
    for (output, expected) in [
        ("out.csv", Some("a,b,c\n1,\"x,y\",[1.5]\n,\"\",\n")),
        ("out.jsonl", Some("{\"a\":1,\"b\":\"x,y\",\"c\":[1.5]}\n{\"a\":null,\"b\":\"\",\"c\":null}\n")),
        ("out.parquet", None),
    ] {
        let report = run("clean", json!({ "input": "in.jsonl", "output": output }), home).await;
        assert_eq!((&report["rows_written"], &report["version"]), (&json!(2), &json!(null)));
        if let Some(expected) = expected {
            assert_eq!(fs::read_to_string(home.join(output)).unwrap(), expected);
        }
    }
    let sql = json!({ "tables": { "t": "out.parquet" }, "sql": "SELECT * FROM t ORDER BY a" });
    assert_eq!(run("query", sql, home).await["rows"], json!([[null, "", null], [1, "x,y", [1.5]]]));
    let failing = json!({ "input": "in.jsonl", "output": "out.csv", "expect": [{ "not_null": "a" }] });
    fail("clean", failing, home).await;
    assert!(fs::read_to_string(home.join("out.csv")).unwrap().starts_with("a,b,c\n1,"));
}

#[tokio::test]
async fn contradictions_are_found_before_anything_is_read() {
    let registry = operators::registry_with(&nowhere()).unwrap();
    let check = |more: Value| {
        let mut args = json!({ "input": "in", "output": "out" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problems = registry.find("clean").unwrap().check(args.as_object().unwrap());
        problems
            .iter()
            .map(|problem| format!("{}: {}", problem.pointer, problem.message))
            .collect::<Vec<_>>()
            .join(" | ")
    };
    insta::assert_snapshot!(check(json!({ "mode": "merge" })), @"/mode: `merge` needs `keys`, the columns that tell which row is which");
    insta::assert_snapshot!(check(json!({ "keys": "a" })), @"/keys: `keys` are for `mode: merge`");
    insta::assert_snapshot!(check(json!({ "incremental": true })), @"/incremental: `incremental` reads the new files alone, so `mode: overwrite` would lose the rows of the others; use `append` or `merge`");
    insta::assert_snapshot!(check(json!({ "incremental": true, "mode": "append", "output": "out.csv" })), @"/incremental: `incremental` needs a Delta table as output, and `out.csv` is csv: only its commits can hold the rows and the names of the files that were read, as one");
    insta::assert_snapshot!(check(json!({ "mode": "append", "output": "out.parquet" })), @"/mode: `append` or `merge` needs a Delta table as output, and `out.parquet` is parquet");
    insta::assert_snapshot!(check(json!({ "output": "out.avro" })), @"/output: `out.avro` cannot be written: Avro is only read");
    insta::assert_snapshot!(check(json!({ "rules": [{ "filter": "a >" }, { "replace": { "column": "a", "pattern": "(", "with": "" } }, { "sql": "DELETE FROM input" }] })), @"/rules/0/filter: the SQL does not parse: Expected: an expression, found: EOF | /rules/1/replace/pattern: the pattern `(` is not a regular expression: unclosed group | /rules/2/sql: it is no query; write `SELECT … FROM input`");
    assert_eq!(check(json!({ "mode": "{{ params.mode }}", "output": "{{ params.output }}" })), "");
}

#[tokio::test]
async fn little_memory_is_enough() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let rows = 100_000;
    let line = |n: usize| format!("{{\"id\":{},\"text\":\"{:0>220}\"}}\n", n * 7919 % rows, n * 104_729 % rows);
    fs::write(home.join("in.jsonl"), (0..rows).map(line).collect::<String>()).unwrap();
    assert!(fs::metadata(home.join("in.jsonl")).unwrap().len() > 20_000_000);
    let args = |more: Value| {
        let mut args = json!({ "input": "in.jsonl", "output": "out", "memory_limit": "32MB" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };
    for more in [
        json!({ "rules": [{ "deduplicate": { "by": ["id"], "keep": "last" } }] }),
        json!({ "expect": [{ "unique": ["text"] }] }),
        json!({ "expect": [{ "foreign_key": { "column": "id", "references": "in.jsonl" } }] }),
        json!({ "mode": "merge", "keys": "id", "output": "merged" }),
        json!({ "mode": "merge", "keys": "id", "output": "merged", "memory_limit": "128MB" }),
    ] {
        let report = run("clean", args(more.clone()), home).await;
        assert_eq!((&report["rows_written"], &report["duplicates"]), (&json!(rows), &json!(0)), "{more}");
    }
    let count = json!({ "tables": { "t": "out" }, "sql": "SELECT COUNT(*), COUNT(DISTINCT id) FROM t" });
    assert_eq!(run("query", count, home).await["rows"], json!([[rows, rows]]));
}

#[tokio::test]
async fn merge_knows_many_instants_as_keys() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    // More than one batch of each partition.
    let rows = 3_000;
    let line =
        |n: usize| format!("{{\"at\":\"2020-01-01 {:02}:{:02}:{:02}\",\"n\":{n}}}\n", n / 3600, n / 60 % 60, n % 60);
    fs::write(home.join("in.jsonl"), (0..rows).map(line).collect::<String>()).unwrap();
    let args = json!({
        "input": "in.jsonl", "output": "out", "mode": "merge", "keys": "at", "memory_limit": "16MB",
        "rules": [{ "timestamp": { "column": "at" } }],
    });
    run("clean", args.clone(), home).await;
    let report = run("clean", args, home).await;
    assert_eq!((&report["rows_written"], &report["rows_replaced"]), (&json!(rows), &json!(rows)));
    let count = json!({ "tables": { "t": "out" }, "sql": "SELECT COUNT(*), COUNT(DISTINCT at) FROM t" });
    assert_eq!(run("query", count, home).await["rows"], json!([[rows, rows]]));
}

#[tokio::test]
async fn little_memory_is_enough_for_long_rows() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let rows = 5_000;
    let line = |n: usize| format!("{{\"id\":{},\"text\":\"{:0>4000}\"}}\n", n * 7919 % rows, n * 104_729 % rows);
    fs::write(home.join("in.jsonl"), (0..rows).map(line).collect::<String>()).unwrap();
    assert!(fs::metadata(home.join("in.jsonl")).unwrap().len() > 20_000_000);
    let with = |input: &str, more: Value| {
        let mut args = json!({ "input": input, "output": "out", "memory_limit": "16MB" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };
    for (input, more) in [
        ("in.jsonl", json!({ "mode": "merge", "keys": "text", "output": "table" })),
        ("in.jsonl", json!({ "mode": "merge", "keys": "text", "output": "table" })),
        ("table", json!({ "rules": [{ "deduplicate": { "by": ["text"], "keep": "last" } }] })),
        ("table", json!({ "expect": [{ "unique": ["text"] }] })),
        ("table", json!({ "expect": [{ "foreign_key": { "column": "text", "references": "in.jsonl" } }] })),
        ("in.jsonl", json!({ "output": "out.csv" })),
        ("out.csv", json!({ "mode": "merge", "keys": "text", "output": "from_csv" })),
    ] {
        let report = run("clean", with(input, more.clone()), home).await;
        assert_eq!((&report["rows_written"], &report["duplicates"]), (&json!(rows), &json!(0)), "{more}");
    }
    for (sql, expected) in [
        ("SELECT text, id FROM t ORDER BY text DESC", rows),
        ("SELECT text, id FROM j ORDER BY text", rows),
        ("SELECT j.text, t.id FROM j JOIN t ON t.text = j.text", rows),
        ("SELECT text, COUNT(*) AS n FROM t GROUP BY text", rows),
        ("SELECT DISTINCT text FROM j", rows),
    ] {
        let tables = json!({ "t": "table", "j": "in.jsonl" });
        let args = json!({ "tables": tables, "sql": sql, "output": "answer", "memory_limit": "16MB", "max_rows": 1 });
        assert_eq!(run("query", args, home).await["row_count"], json!(expected), "{sql}");
    }
}

#[tokio::test]
async fn two_runs_at_once_double_nothing() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for n in 0..20 {
        write(home, &format!("in/{n}.jsonl"), &[&format!("{{\"a\": {n}}}")]);
    }
    let args = json!({ "input": "in", "output": "out", "mode": "append", "incremental": true });
    let (one, other) = (context(home), context(home));
    let s3 = nowhere();
    let runs = tokio::join!(try_run("clean", args.clone(), &one, &s3), try_run("clean", args.clone(), &other, &s3));
    assert!(runs.0.is_ok() || runs.1.is_ok(), "{runs:?}");
    // Whichever was refused finds nothing new when it is tried again.
    let report = run("clean", args, home).await;
    assert_eq!(report["files_skipped"], 20);
    assert_eq!(table(home, "out", "a"), json!([["a", (0..20).collect::<Vec<_>>()]]));
}
