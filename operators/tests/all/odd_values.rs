//! Values that tables seldom hold, on their way through `clean`: nothing but NULLs, texts without letters in partitions, names
//! that differ in case alone, documents deep in documents, more than there is memory for.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::context::{fail, log_text, run};
use crate::python;

fn write(home: &Path, name: &str, text: &str) {
    let path = home.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The columns of the table `out`, as another reader of Delta sees them.
fn table(home: &Path, order_by: &str) -> Value {
    python::read_delta(home.join("out").to_str().unwrap(), order_by, &[])["columns"].take()
}

#[tokio::test]
async fn a_column_of_nothing_but_nulls_fits_the_table_whatever_it_holds() {
    for mode in [json!({ "mode": "merge", "keys": "id" }), json!({ "mode": "append", "incremental": true })] {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let args = |day: &str| {
            let mut args = json!({ "input": day, "output": "out" });
            args.as_object_mut().unwrap().extend(mode.as_object().unwrap().clone());
            args
        };
        let days = [
            r#"{"id": 1, "n": 2.5, "place": {"city": "Oz", "at": [1, 2]}, "tags": [{"a": 1}]}"#,
            r#"{"id": 2, "n": null, "place": {"city": null, "at": null}, "tags": [{"a": null}]}"#,
            r#"{"id": 3, "n": null, "place": {"city": "Ur"}, "tags": []}"#,
        ];
        for (day, text) in days.iter().enumerate() {
            let name = format!("days/{day}.jsonl");
            write(home, &name, text);
            run("clean", args(&name), home).await;
        }
        let expected = json!([
            ["id", [1, 2, 3]],
            ["n", [2.5, null, null]],
            ["place", [{ "at": [1, 2], "city": "Oz" }, { "at": null, "city": null }, { "at": null, "city": "Ur" }]],
            ["tags", [[{ "a": 1 }], [{ "a": null }], []]],
        ]);
        assert_eq!(table(home, "id"), expected, "{mode}");

        write(home, "days/3.jsonl", "{\"id\": 4, \"n\": null}\n{\"id\": 5, \"n\": \"many\"}");
        let said = fail("clean", args("days/3.jsonl"), home).await;
        let misfit = "the column `n` holds string in the rows and double in the table; add a rule that casts it, or write the \
                      table anew with `mode: overwrite`";
        assert_eq!(said, misfit, "{mode}");
        assert_eq!(table(home, "id"), expected, "{mode}");
    }
}

/// The protocol writes a text without letters and NULL alike there.
#[tokio::test]
async fn a_text_without_letters_is_null_where_it_makes_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let rows = "{\"part\": \"\", \"id\": 1}\n{\"part\": null, \"id\": 2}\n{\"part\": \"x\", \"id\": 3}";
    write(home, "in.jsonl", rows);
    let args = json!({ "input": "in.jsonl", "output": "out", "partition_by": "part", "mode": "merge", "keys": ["part", "id"] });
    for _ in 0..3 {
        run("clean", args.clone(), home).await;
        assert_eq!(table(home, "id"), json!([["id", [1, 2, 3]], ["part", [null, null, "x"]]]));
        let answer =
            run("query", json!({ "tables": { "t": "out" }, "sql": "SELECT part FROM t ORDER BY id" }), home).await;
        assert_eq!(answer["rows"], json!([[null], [null], ["x"]]));
    }
    // Also where the table alone knows of its folders.
    run("clean", json!({ "input": "in.jsonl", "output": "out", "mode": "append" }), home).await;
    let answer =
        run("query", json!({ "tables": { "t": "out" }, "sql": "SELECT count(*) FROM t WHERE part = ''" }), home).await;
    assert_eq!(answer["rows"], json!([[0]]));
}

#[tokio::test]
async fn columns_that_differ_in_case_alone_are_told_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "in.jsonl", r#"{"Name": 1, "name": 2}"#);
    let said = fail("clean", json!({ "input": "in.jsonl", "output": "out" }), home).await;
    insta::assert_snapshot!(said, @"the Delta table `[HOME]/out` cannot be written: the columns `Name` and `name` differ in case alone, and a Delta table cannot have both; rename one, or leave it out");
    assert!(!home.join("out").exists());
    run("clean", json!({ "input": "in.jsonl", "output": "out", "rules": [{ "drop": ["Name"] }] }), home).await;
    assert_eq!(table(home, "name"), json!([["name", [2]]]));
}

#[tokio::test]
async fn what_stands_very_deep_in_a_document_is_text() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for (open, close, depth) in [("{\"a\": ", "}", 200), ("[", "]", 400)] {
        let document = format!("{{\"id\": 1, \"deep\": {}7{}}}", open.repeat(depth), close.repeat(depth));
        write(home, "in.jsonl", &document);
        run("clean", json!({ "input": "in.jsonl", "output": "out" }), home).await;
        let sql = "SELECT deep FROM t";
        let answer = run("query", json!({ "tables": { "t": "in.jsonl" }, "sql": sql }), home).await;
        let text = answer["rows"].to_string();
        assert_eq!(text.matches('7').count(), 1, "{text}");
        assert_eq!(table(home, "id")[1], json!(["id", [1]]));
    }
}

#[tokio::test]
async fn too_little_memory_is_told_with_the_argument_that_gives_more() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "in.jsonl", &format!("{{\"id\": 1, \"long\": \"{}\"}}\n{{\"id\": 2}}", "x".repeat(40_000_000)));
    let args = json!({ "input": "in.jsonl", "output": "out", "mode": "merge", "keys": "id", "memory_limit": "32MB" });
    let said = fail("clean", args, home).await;
    assert!(said.contains("`memory_limit` is too small, give more: Failed to allocate"), "{said}");
    assert!(!said.contains("Generic") && !said.contains("caused by"), "{said}");
}

#[tokio::test]
async fn rules_and_expectations_know_the_functions_of_queries() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(
        home,
        "in.jsonl",
        "{\"id\": 1, \"n\": 5, \"s\": \"x\"}\n{\"id\": 2, \"n\": null, \"s\": null}\n{\"id\": 3, \"n\": -1}",
    );
    let rules = json!([
        { "derive": { "into": "a", "sql": "coalesce(n, 0)" } },
        { "derive": { "into": "b", "sql": "coalesce(n, 'none')" } },
        { "derive": { "into": "c", "sql": "if(n > 0, 'yes', s)" } },
        { "derive": { "into": "d", "sql": "nvl(s, 'y') || nvl2(n, 1, 2) || nullif(id, 3)" } },
        { "filter": "coalesce(n, 1) > 0" }
    ]);
    let expect = json!([
        { "sql": "ifnull(n, 1) >= 1" },
        { "sql": "id IN (1, 2) AND b IN (5, 'none')" },
        { "sql": "if(id = 1, c IS NOT NULL, c IS NULL)", "action": "warn" }
    ]);
    let report =
        run("clean", json!({ "input": "in.jsonl", "output": "out", "rules": rules, "expect": expect }), home).await;
    assert_eq!(report["expectations"][2]["failed_rows"], 0);
    let expected = json!([["a", [5, 0]], ["b", ["5", "none"]], ["c", ["yes", null]], ["d", ["x11", "y22"]],]);
    let columns: Vec<Value> = table(home, "id").as_array().unwrap().clone();
    let derived: Vec<&Value> =
        columns.iter().filter(|column| ["a", "b", "c", "d"].contains(&column[0].as_str().unwrap())).collect();
    assert_eq!(json!(derived), expected);
}

#[tokio::test]
async fn files_of_two_formats_are_not_read_as_one() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "mixed/1.csv", "a\n1\n");
    write(home, "mixed/2.jsonl", "{\"a\": 2}");
    let said = fail("clean", json!({ "input": "mixed", "output": "out" }), home).await;
    insta::assert_snapshot!(said, @"`[HOME]/mixed/1.csv` is csv and `[HOME]/mixed/2.jsonl` is json, by their names; files that are read together have one format: narrow the pattern, or say `format:`");
    let said = fail("query", json!({ "tables": { "t": "mixed/*" }, "sql": "SELECT 1" }), home).await;
    assert!(said.contains("files that are read together have one format"), "{said}");
    write(home, "with/1.jsonl", "{}");
    write(home, "with/README", "about");
    let said = fail("clean", json!({ "input": "with", "output": "out" }), home).await;
    insta::assert_snapshot!(said, @"the format of `[HOME]/with/README` cannot be told from its name; say `format:`");
}

#[tokio::test]
async fn csv_says_which_file_is_not_as_it_should_be() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "in/1.csv", "a,b\n1,2\n");
    write(home, "in/2.csv", "a,b\n1,2\n3\n");
    write(home, "in/3.csv", "a,b\n4,5\n");
    let args = json!({ "input": "in", "output": "out" });
    let said = fail("clean", args.clone(), home).await;
    insta::assert_snapshot!(said, @"`[HOME]/in/2.csv` cannot be read as csv: incorrect number of fields for line 3, expected 2 got 1");
    fs::write(home.join("in/2.csv"), b"a,b\n1,2\ncaf\xe9,3\n").unwrap();
    let said = fail("clean", args.clone(), home).await;
    assert!(said.starts_with("`[HOME]/in/2.csv` cannot be read as csv: "), "{said}");
    assert!(
        said.ends_with("CSV is read as UTF-8 alone: write it anew, for example with `iconv -f latin1 -t utf-8`"),
        "{said}"
    );
    assert!(!home.join("out/_delta_log").exists());

    // Without names of their own, columns are called as Spark calls them.
    write(home, "twice.csv", "id,,ID,name\n1,2,3,4\n");
    run("clean", json!({ "input": "twice.csv", "output": "out" }), home).await;
    let answer = run("query", json!({ "tables": { "t": "twice.csv" }, "sql": "SELECT * FROM t" }), home).await;
    assert_eq!(answer["columns"], json!(["id0", "_c1", "ID2", "name"]));
    assert_eq!(table(home, "name"), json!([["id0", ["1"]], ["_c1", ["2"]], ["ID2", ["3"]], ["name", ["4"]]]));
}

#[tokio::test]
async fn malformed_documents_of_one_file_are_told_once() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "in.json", "{\n \"a\": 1\n}\n");
    let said = fail("clean", json!({ "input": "in.json", "output": "out" }), home).await;
    insta::assert_snapshot!(said, @"3 of 3 documents are malformed (100.0 %), more than `max_broken_share` (5.0 %) allows; a document stands on one line");
    let log = log_text(home);
    assert_eq!(log.matches("in.json become rows of NULLs").count(), 1, "{log}");
}

#[tokio::test]
async fn decimals_and_dates_of_several_files_are_put_together() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let make = async |name: &str, sql: &str| {
        let args = json!({ "sql": sql, "output": format!("in/{name}.parquet") });
        run("query", args, home).await;
    };
    make("1", "SELECT CAST(1.25 AS DECIMAL(5, 2)) AS d, DATE '2018-03-04' AS at, CAST(1.5 AS DECIMAL(3, 1)) AS f")
        .await;
    make("2", "SELECT CAST(7 AS DECIMAL(10, 0)) AS d, TIMESTAMP '2018-03-04 05:06:07' AS at, 2.25D AS f").await;
    make("3", "SELECT 12 AS d, DATE '2018-03-05' AS at, 3.0D AS f").await;
    run("clean", json!({ "input": "in", "output": "out" }), home).await;
    let sql = "SELECT CAST(d AS STRING), at, f FROM t ORDER BY at";
    let answer = run("query", json!({ "tables": { "t": "out" }, "sql": sql }), home).await;
    let expected = json!([
        ["1.25", "2018-03-04 00:00:00", 1.5],
        ["7.00", "2018-03-04 05:06:07", 2.25],
        ["12.00", "2018-03-05 00:00:00", 3.0],
    ]);
    assert_eq!(answer["rows"], expected);
}

#[tokio::test]
async fn decimals_without_room_in_one_type_become_text() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for (name, sql) in [
        ("1", "SELECT CAST('12345678901234567890123456789012345678' AS DECIMAL(38, 0)) AS d"),
        ("2", "SELECT CAST(1.25 AS DECIMAL(5, 2)) AS d"),
    ] {
        run("query", json!({ "sql": sql, "output": format!("in/{name}.parquet") }), home).await;
    }
    run("clean", json!({ "input": "in", "output": "out" }), home).await;
    let answer = run("query", json!({ "tables": { "t": "out" }, "sql": "SELECT d FROM t ORDER BY d" }), home).await;
    assert_eq!(answer["rows"], json!([["1.25"], ["12345678901234567890123456789012345678"]]));
}

#[tokio::test]
async fn types_are_those_of_spark_where_functions_meet_values() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let sql = "SELECT array_position(array('a', 'b'), 'b') AS p, array_position(array('a'), 'b') AS none,
        nvl(1, 'x') AS n, ifnull(CAST(NULL AS INT), 'x') AS i";
    run("query", json!({ "sql": sql, "output": "out" }), home).await;
    let log = fs::read_to_string(home.join("out/_delta_log/00000000000000000000.json")).unwrap().replace('\\', "");
    for name in ["p", "none"] {
        assert!(log.contains(&format!(r#""name":"{name}","type":"long""#)), "{log}");
    }
    let read = run("query", json!({ "tables": { "t": "out" }, "sql": "SELECT * FROM t" }), home).await;
    assert_eq!(read["rows"], json!([[2, 0, "1", "x"]]));
    // `VALUES` without names do not get into each other's way.
    let sql = "SELECT count(*) FROM VALUES (1), (2) CROSS JOIN VALUES (3)";
    assert_eq!(run("query", json!({ "sql": sql }), home).await["rows"], json!([[2]]));
}
