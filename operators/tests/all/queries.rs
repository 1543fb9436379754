//! `query` from outside: Spark's SQL, the answer, the output, and what a mistake looks like.

use std::fs;
use std::path::Path;

use operators::registry_with;
use serde_json::{Value, json};

use crate::context::{fail, log_text, nowhere, run};

async fn rows(sql: &str) -> Value {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), ROWS.join("\n")).unwrap();
    run("query", json!({ "tables": { "t": "t.jsonl" }, "sql": sql }), home.path()).await["rows"].take()
}

const ROWS: &[&str] = &[
    r#"{"name":"a","n":1,"at":"2018-03-04T05:06:07"}"#,
    r#"{"name":"b","n":null,"at":"2019-01-01T00:00:00"}"#,
    r#"{"name":"c","n":3,"at":null}"#,
    r#"{"name":null,"n":4,"at":"2018-12-31 23:59:59"}"#,
];

#[tokio::test]
async fn nulls_sort_as_in_spark() {
    assert_eq!(rows("SELECT n FROM t ORDER BY n").await, json!([[null], [1], [3], [4]]));
    assert_eq!(rows("SELECT n FROM t ORDER BY n DESC").await, json!([[4], [3], [1], [null]]));
    let ranked = "SELECT n FROM t QUALIFY RANK() OVER (ORDER BY n DESC) = 1";
    assert_eq!(rows(ranked).await, json!([[4]]));
    let first = "SELECT name FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY name) = 1";
    assert_eq!(rows(first).await, json!([[null]]));
}

#[tokio::test]
async fn sparks_functions_and_names() {
    assert_eq!(rows("SELECT COUNT(*) FROM global_temp.t").await, json!([[4]]));
    let years = "SELECT YEAR(at) AS y, COUNT(*) FROM t GROUP BY 1 ORDER BY 1 DESC";
    assert_eq!(rows(years).await, json!([[2019, 1], [2018, 2], [null, 1]]));
    assert_eq!(rows("SELECT percentile_approx(n, 0.5) FROM t").await, json!([[3]]));
    assert_eq!(rows("SELECT percentile_approx(n, 0.5) FROM t WHERE n IS NULL").await, json!([[null]]));
    assert_eq!(rows("SELECT n / 2 FROM t WHERE n = 3").await, json!([[1.5]]));
    assert_eq!(rows("SELECT n / 0 FROM t WHERE n = 3").await, json!([[null]]));
    assert_eq!(rows("SELECT `name` FROM t WHERE name = 'a'").await, json!([["a"]]));
    assert_eq!(rows("SELECT CAST('2018-03-04 05:06:07' AS TIMESTAMP)").await, json!([["2018-03-04 05:06:07"]]));
}

#[tokio::test]
async fn the_answer_is_cut_and_the_output_is_whole() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), ROWS.join("\n")).unwrap();
    let args = |output: &str| json!({ "tables": { "t": "t.jsonl" }, "sql": "SELECT name, n FROM t ORDER BY n", "output": output, "max_rows": 2 });
    let answer = run("query", args("answers/a.csv"), home.path()).await;
    let output = home.path().join("answers/a.csv");
    let expected =
        json!({ "columns": ["name", "n"], "rows": [["b", null], ["a", 1]], "row_count": 4, "output": output });
    assert_eq!(answer, expected);
    insta::assert_snapshot!(fs::read_to_string(&output).unwrap(), @"
    name,n
    b,
    a,1
    c,3
    ,4
    ");
    for output in ["answers/a.parquet", "answers/a"] {
        run("query", args(output), home.path()).await;
        let again = json!({ "tables": { "t": output }, "sql": "SELECT * FROM t ORDER BY n" });
        let again = run("query", again, home.path()).await;
        assert_eq!(again["rows"], json!([["b", null], ["a", 1], ["c", 3], [null, 4]]), "{output}");
    }
    let left: Vec<_> = fs::read_dir(home.path().join("answers")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[tokio::test]
async fn empty_text_and_null_differ_in_csv() {
    let home = tempfile::tempdir().unwrap();
    let args = json!({ "sql": "SELECT '' AS a, NULL AS b, 'x,\"y' AS c", "output": "a.csv" });
    run("query", args, home.path()).await;
    insta::assert_snapshot!(fs::read_to_string(home.path().join("a.csv")).unwrap(), @r#"
    a,b,c
    "",,"x,""y"
    "#);
}

async fn mistake(sql: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), ROWS.join("\n")).unwrap();
    fail("query", json!({ "tables": { "t": "t.jsonl" }, "sql": sql }), home.path()).await
}

#[tokio::test]
async fn mistakes_name_what_there_is() {
    insta::assert_snapshot!(mistake("SELECT nam FROM t").await, @"there is no column `nam` (did you mean `name`?); known are `t.at`, `t.n`, `t.name`");
    insta::assert_snapshot!(mistake("SELECT * FROM global_temp.tt").await, @"there is no table `global_temp.tt` (did you mean `t`?); `tables:` has `t`");
    insta::assert_snapshot!(mistake("SELECT percentile_approx(name, 0.5) FROM t").await, @"`percentile_approx` needs a column of numbers or times, not of Utf8; cast it first");
}

#[tokio::test]
async fn a_missing_table_is_named() {
    let home = tempfile::tempdir().unwrap();
    let args = json!({ "tables": { "pins": "lake/clean_pin" }, "sql": "SELECT 1" });
    insta::assert_snapshot!(fail("query", args, home.path()).await, @"the table `pins` cannot be read: `[HOME]/lake/clean_pin` cannot be read: No such file or directory (os error 2)");
}

fn problems(sql: &str) -> Vec<String> {
    let registry = registry_with(&nowhere()).unwrap();
    let args = json!({ "sql": sql });
    let problems = registry.find("query").unwrap().check(args.as_object().unwrap());
    problems.into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
}

#[test]
fn sql_is_checked_when_the_file_is_loaded() {
    assert_eq!(problems("SELECT 1"), [""; 0]);
    assert_eq!(problems("SELECT {{ params.column }} FROM WHERE"), [""; 0]);
    let problem = |sql| problems(sql).join("\n");
    insta::assert_snapshot!(problem("SELECT a,\nFROM t WHERE ("), @"/sql: the SQL does not parse: Expected an expression, found: FROM at Line: 2, Column: 6");
    insta::assert_snapshot!(problem("SELECT 1; SELECT 2"), @"/sql: there are 2 statements; a `query` task answers one, so make a task of each");
    insta::assert_snapshot!(problem("DROP TABLE t"), @"/sql: `DROP TABLE` is no query; a `query` task reads with SELECT, and writes to its `output`");
    insta::assert_snapshot!(problem("-- nothing"), @"/sql: the SQL is empty");
}

#[tokio::test]
async fn malformed_rows_of_a_table_are_told() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), "{\"a\":1}\n{\"a\":").unwrap();
    let args = json!({ "tables": { "t": "t.jsonl" }, "sql": "SELECT a FROM t ORDER BY a" });
    assert_eq!(run("query", args, home.path()).await["rows"], json!([[null], [1]]));
    assert!(log_text(home.path()).contains("1 malformed documents in `t` are rows of NULLs"));
    assert!(Path::new(home.path()).exists());
}

/// A table with names in both cases, one of them in a struct.
const MIXED: &[&str] = &[
    r#"{"Name":"a","userAge":30,"place":{"City":"Oslo","zip":1},"Work":{"Days":5}}"#,
    r#"{"Name":"b","userAge":20,"place":{"City":"Bergen","zip":2},"Work":{"Days":3}}"#,
];

/// Columns and rows of an answer over [`MIXED`].
async fn answer(sql: &str) -> (Vec<String>, Value) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), MIXED.join("\n")).unwrap();
    let args = json!({ "tables": { "T": "t.jsonl" }, "sql": sql });
    let mut answer = run("query", args, home.path()).await;
    let columns = serde_json::from_value(answer["columns"].take()).unwrap();
    (columns, answer["rows"].take())
}

#[tokio::test]
async fn names_are_found_whatever_their_case_and_answers_are_spelt_as_the_query_spells_them() {
    // Spark: an attribute is resolved without regard to case, and takes the name by which it was asked for.
    let table: [(&str, &[&str], Value); 16] = [
        ("SELECT work.DAYS AS d FROM t WHERE WORK.days > 3", &["d"], json!([[5]])),
        ("SELECT t.work.days + place.zip AS s FROM t ORDER BY t.`work`.`DAYS`", &["s"], json!([[5], [6]])),
        ("SELECT name, USERAGE FROM t ORDER BY NAME", &["name", "USERAGE"], json!([["a", 30], ["b", 20]])),
        ("SELECT `NAME` FROM T WHERE `userage` = 20", &["NAME"], json!([["b"]])),
        (
            "SELECT * FROM t WHERE name = 'a' AND place.zip = 1",
            &["Name", "Work", "place", "userAge"],
            json!([["a", {"Days": 5}, {"City": "Oslo", "zip": 1}, 30]]),
        ),
        (
            "SELECT X.* FROM T AS x ORDER BY userage LIMIT 1",
            &["Name", "Work", "place", "userAge"],
            json!([["b", {"Days": 3}, {"City": "Bergen", "zip": 2}, 20]]),
        ),
        ("SELECT MAX(userage) AS maxAge FROM Global_Temp.T", &["maxAge"], json!([[30]])),
        ("SELECT name AS Who FROM t GROUP BY WHO ORDER BY who", &["Who"], json!([["a"], ["b"]])),
        ("SELECT PLACE.city AS c FROM t ORDER BY place.`CITY`", &["c"], json!([["Bergen"], ["Oslo"]])),
        ("SELECT place['CITY'] AS c FROM t WHERE t.place.Zip = 1", &["c"], json!([["Oslo"]])),
        (
            "WITH Old AS (SELECT name AS fullName FROM t WHERE USERAGE > 25) SELECT * FROM old",
            &["fullName"],
            json!([["a"]]),
        ),
        (
            "WITH o(Who) AS (SELECT name FROM t) SELECT o.*, 1 AS One FROM o WHERE who = 'b'",
            &["Who", "One"],
            json!([["b", 1]]),
        ),
        ("SELECT * FROM (SELECT userAge AS uA FROM t) AS s WHERE s.UA = 30", &["uA"], json!([[30]])),
        (
            "SELECT a.Name, B.userage FROM t a JOIN t b ON A.NAME = b.name ORDER BY 1 LIMIT 1",
            &["Name", "userage"],
            json!([["a", 30]]),
        ),
        (
            "SELECT Name AS N FROM t WHERE name = 'a' UNION ALL SELECT NAME FROM t WHERE name = 'b' ORDER BY n",
            &["N"],
            json!([["a"], ["b"]]),
        ),
        (
            "SELECT name FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY 1 ORDER BY UserAge) = 1",
            &["name"],
            json!([["b"]]),
        ),
    ];
    for (sql, columns, rows) in table {
        assert_eq!(answer(sql).await, (columns.iter().map(ToString::to_string).collect(), rows), "{sql}");
    }
}

#[tokio::test]
async fn outputs_keep_the_spelling() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), MIXED.join("\n")).unwrap();
    let sql = "SELECT Name, userage AS `User Age` FROM t ORDER BY name";
    for output in ["a.csv", "a.parquet", "a"] {
        let args = json!({ "tables": { "t": "t.jsonl" }, "sql": sql, "output": output });
        run("query", args, home.path()).await;
        let again = json!({ "tables": { "t": output }, "sql": "SELECT * FROM t WHERE `user age` > 0 ORDER BY NAME" });
        let again = run("query", again, home.path()).await;
        assert_eq!(again["columns"], json!(["Name", "User Age"]), "{output}");
        assert_eq!(again["rows"], json!([["a", 30], ["b", 20]]), "{output}");
    }
}

#[tokio::test]
async fn columns_that_differ_in_case_alone_are_refused() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.csv"), "id,ID\n1,2\n").unwrap();
    let args = json!({ "tables": { "t": "t.csv" }, "sql": "SELECT id FROM t" });
    insta::assert_snapshot!(fail("query", args, home.path()).await, @"the table `t` has the columns `id` and `ID`, which SQL takes for one");
}

#[tokio::test]
async fn mistakes_spell_columns_as_their_tables_do() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), MIXED.join("\n")).unwrap();
    let args = json!({ "tables": { "t": "t.jsonl" }, "sql": "SELECT userAges FROM t" });
    insta::assert_snapshot!(fail("query", args, home.path()).await, @"there is no column `userages` (did you mean `userAge`?); known are `t.Name`, `t.Work`, `t.place`, `t.userAge`");
}
