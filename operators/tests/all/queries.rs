//! `query` from outside: Spark's SQL, the answer, the output, and what a mistake looks like.

use std::fs;
use std::path::Path;

use operators::registry_with;
use serde_json::{Value, json};

use crate::context::{fail, log_text, nowhere, run};

async fn rows(sql: &str) -> Value {
    answered(json!({ "sql": sql })).await["rows"].take()
}

/// The XCom of a query over [`ROWS`].
async fn answered(mut args: Value) -> Value {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), ROWS.join("\n")).unwrap();
    args["tables"] = json!({ "t": "t.jsonl" });
    run("query", args, home.path()).await
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
    let decimals = "SELECT CAST(n AS DECIMAL(4, 2)) / CAST(n - 3 AS DECIMAL(4, 2)), 5.5 % (n - 3)";
    let answered = rows(&format!("{decimals} FROM t WHERE n IN (3, 4) ORDER BY n")).await;
    assert_eq!(answered, json!([[null, null], [4, 0.5]]));
    assert_eq!(rows("SELECT `name` FROM t WHERE name = 'a'").await, json!([["a"]]));
    let letters = r"SELECT v RLIKE '^\\w+$', regexp_like(v, '\\W'), regexp_replace(v, '\\W', '')";
    let letters = format!("{letters} FROM VALUES ('caf\u{e9}') AS t(v)");
    assert_eq!(rows(&letters).await, json!([[false, true, "caf"]]));
    let cut = "SELECT trunc('2018-03-14', 'mon'), trunc('2018-03-14', 'minute'), trunc('2018-03-14', 'week')";
    assert_eq!(rows(cut).await, json!([["2018-03-01", null, "2018-03-12"]]));
    let within = "SELECT v FROM VALUES ('5'), ('30'), ('no number') AS t(v) WHERE v BETWEEN 3 AND 25";
    assert_eq!(rows(within).await, json!([["5"]]));
    let outside = "SELECT v FROM VALUES ('5'), ('30'), ('no number') AS t(v) WHERE v NOT BETWEEN 3 AND 25";
    assert_eq!(rows(outside).await, json!([["30"]]));
    let compared =
        "SELECT CASE v WHEN 0 THEN 'none' ELSE v END, nullif(v, 0) FROM VALUES ('0'), ('x') AS t(v) ORDER BY v";
    assert_eq!(rows(compared).await, json!([["none", null], ["x", "x"]]));
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
    failed(json!({ "sql": sql })).await
}

/// Why a query over [`ROWS`] fails.
async fn failed(mut args: Value) -> String {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), ROWS.join("\n")).unwrap();
    args["tables"] = json!({ "t": "t.jsonl" });
    fail("query", args, home.path()).await
}

#[tokio::test]
async fn mistakes_name_what_there_is() {
    insta::assert_snapshot!(mistake("SELECT nam FROM t").await, @"
    there is no column `nam` (did you mean `name`?); known are `t.at`, `t.n`, `t.name`
     --> line 1, column 8 of the SQL
    1 | SELECT nam FROM t
      |        ^^^
    ");
    insta::assert_snapshot!(mistake("-- who\nSELECT n,\n\tx.name\nFROM t").await, @"
    there is no column `x.name` (did you mean `name`?); known are `t.at`, `t.n`, `t.name`
     --> line 3, column 2 of the SQL
    3 | 	x.name
      | 	^^^^^^
    ");
    insta::assert_snapshot!(mistake("SELECT * FROM global_temp.tt").await, @"
    there is no table `global_temp.tt` (did you mean `t`?); known are `t`
     --> line 1, column 15 of the SQL
    1 | SELECT * FROM global_temp.tt
      |               ^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(mistake("SELECT n\nFROM t\nWHERE yaer(at) = 2018").await, @"
    there is no function `yaer` (did you mean `year`?)
     --> line 3, column 7 of the SQL
    3 | WHERE yaer(at) = 2018
      |       ^^^^
    ");
    let starred = mistake("SELECT get_json_object('{\"a\": [1]}', '$.a[*]')").await;
    assert!(starred.contains("`get_json_object` follows no `*`"), "{starred}");
    let counted = mistake("SELECT percentile(n, 0.5, n) FROM t").await;
    assert!(counted.contains("`percentile` takes a column and a percentage between 0 and 1"), "{counted}");
    insta::assert_snapshot!(mistake("SELECT percentile_approx(split(name, ','), 0.5) FROM t").await, @"
    `percentile_approx` needs a column of numbers or times, not of array<string>; cast it first
     --> line 1, column 8 of the SQL
    1 | SELECT percentile_approx(split(name, ','), 0.5) FROM t
      |        ^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(mistake("SELECT name, COUNT(*) FROM t").await, @"
    `t.name` is neither in GROUP BY nor within an aggregate function
     --> line 1, column 8 of the SQL
    1 | SELECT name, COUNT(*) FROM t
      |        ^^^^
    ");
    insta::assert_snapshot!(mistake("SELECT name FROM t JOIN t AS u ON t.n = u.n").await, @"
    the column `name` is in more than one table; write `table.name`
     --> line 1, column 8 of the SQL
    1 | SELECT name FROM t JOIN t AS u ON t.n = u.n
      |        ^^^^
    ");
    insta::assert_snapshot!(mistake("SELECT date_trunc('month') FROM t").await, @"
    `date_trunc` takes 2 arguments, not 1
     --> line 1, column 8 of the SQL
    1 | SELECT date_trunc('month') FROM t
      |        ^^^^^^^^^^
    ");
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
    insta::assert_snapshot!(problem("SELECT a,\nFROM t WHERE ("), @"/sql: the SQL does not parse: expected an expression, found: FROM (line 2, column 6 of the SQL)");
    insta::assert_snapshot!(problem("SELECT 1;\nDROP TABLE t"), @"/sql: `DROP TABLE` is no query; here SELECT reads, CREATE VIEW names a step, and results go to `output` (line 2, column 1 of the SQL)");
    insta::assert_snapshot!(problem("-- nothing"), @"/sql: the SQL is empty");
    insta::assert_snapshot!(problem("CREATE VIEW v AS SELECT 1"), @"/sql: the SQL makes views and asks nothing; end it with SELECT");
    insta::assert_snapshot!(problem("SELECT 'open"), @"/sql: the SQL cannot be read: unterminated string literal (line 1, column 8 of the SQL)");
    insta::assert_snapshot!(problem("SELECT * FROM t\nWHERE n > :least"), @"/sql: `:least` has no value in `parameters:` (line 2, column 11 of the SQL)");
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
    fs::write(home.path().join("t.jsonl"), "{\"id\": 1, \"ID\": 2}\n").unwrap();
    let args = json!({ "tables": { "t": "t.jsonl" }, "sql": "SELECT id FROM t" });
    insta::assert_snapshot!(fail("query", args, home.path()).await, @"the table `t` has the columns `ID` and `id`, which SQL takes for one");
}

#[tokio::test]
async fn mistakes_spell_columns_as_their_tables_do() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), MIXED.join("\n")).unwrap();
    let args = json!({ "tables": { "t": "t.jsonl" }, "sql": "SELECT userAges FROM t" });
    insta::assert_snapshot!(fail("query", args, home.path()).await, @"
    there is no column `userAges` (did you mean `userAge`?); known are `t.Name`, `t.Work`, `t.place`, `t.userAge`
     --> line 1, column 8 of the SQL
    1 | SELECT userAges FROM t
      |        ^^^^^^^^
    ");
}

#[tokio::test]
async fn views_and_several_queries_are_answered_in_their_order() {
    let sql = "-- a view; with a semicolon in its comment
        CREATE OR REPLACE TEMP VIEW Known AS SELECT name AS Who, n FROM t WHERE name IS NOT NULL;
        SELECT COUNT(*) AS n FROM global_temp.known;
        CREATE OR REPLACE GLOBAL TEMPORARY VIEW large(w) AS SELECT who FROM known WHERE n > 1 /* ; */;
        SELECT w, ';' AS s FROM large;";
    let answer = answered(json!({ "sql": sql })).await;
    assert_eq!(answer["columns"], json!(["w", "s"]));
    assert_eq!(answer["rows"], json!([["c", ";"]]));
    assert_eq!(answer["results"], json!([{ "line": 3, "columns": ["n"], "rows": [[3]], "row_count": 1 }]));
    let again = "CREATE VIEW t AS SELECT 1; SELECT 1";
    insta::assert_snapshot!(mistake(again).await, @"
    there is a table or view `t` already; write CREATE OR REPLACE VIEW
     --> line 1, column 13 of the SQL
    1 | CREATE VIEW t AS SELECT 1; SELECT 1
      |             ^
    ");
    insta::assert_snapshot!(mistake("CREATE VIEW v AS\nSELECT m FROM t;\nSELECT 1").await, @"
    there is no column `m`; known are `t.at`, `t.n`, `t.name`
     --> line 2, column 8 of the SQL
    2 | SELECT m FROM t;
      |        ^
    ");
}

#[tokio::test]
async fn a_view_that_is_dropped_is_no_more() {
    assert_eq!(
        rows("CREATE VIEW v AS SELECT 1 AS n; DROP VIEW V; DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 2 AS n; SELECT n FROM global_temp.v").await,
        json!([[2]])
    );
    for (sql, said) in [
        ("CREATE VIEW v AS SELECT 1 AS n; DROP VIEW v; SELECT n FROM v", "`v`"),
        ("DROP VIEW w; SELECT 1", "there is no view `w` of an earlier statement"),
        ("DROP VIEW t; SELECT 1", "there is no view `t` of an earlier statement"),
    ] {
        let message = mistake(sql).await;
        assert!(message.contains(said), "{message}");
    }
    assert!(problems("DROP TABLE t; SELECT 1")[0].contains("`DROP TABLE` is no query"));
}

#[tokio::test]
async fn columns_without_a_name_are_called_as_spark_calls_them() {
    let answer =
        answered(json!({ "sql": "SELECT COUNT(*), MAX(n), n + 1, YEAR(at) FROM t GROUP BY n, at LIMIT 1" })).await;
    assert_eq!(answer["columns"], json!(["count(1)", "max(n)", "n + 1", "year(at)"]));
}

#[tokio::test]
async fn parameters_are_values_and_never_sql() {
    let sql = "SELECT name FROM t WHERE name = :who OR n IN (:numbers) OR at >= :since ORDER BY name LIMIT :most";
    let parameters = json!({
        "who": "a' OR '1' = '1", "numbers": [3, -4], "since": { "timestamp": "2018-12-31 00:00:00" }, "most": 2
    });
    let answer = answered(json!({ "sql": sql, "parameters": parameters })).await;
    assert_eq!(answer["rows"], json!([[null], ["b"]]));
    let types = "SELECT :a, :b, :c, :d, ':e', n::int FROM t WHERE n = 1";
    let parameters = json!({ "a": true, "b": null, "c": 1.5, "d": { "date": "2018-03-04" } });
    let answer = answered(json!({ "sql": types, "parameters": parameters })).await;
    assert_eq!(answer["rows"], json!([[true, null, 1.5, "2018-03-04", ":e", 1]]));
    let none = json!({ "sql": "SELECT COUNT(*) FROM t WHERE n NOT IN (:none)", "parameters": { "none": [] } });
    assert_eq!(answered(none).await["rows"], json!([[4]]));
}

#[test]
fn parameters_and_markers_belong_together() {
    let registry = registry_with(&nowhere()).unwrap();
    let check = |sql: &str, parameters: Value| {
        let args = json!({ "sql": sql, "parameters": parameters });
        let problems = registry.find("query").unwrap().check(args.as_object().unwrap());
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(check("SELECT :a", json!({ "a": "{{ ds }}" })), "");
    insta::assert_snapshot!(check("SELECT 1,\n  :sinse", json!({ "since": 1 })), @"`:sinse` has no value in `parameters:` (did you mean `:since`?) (line 2, column 3 of the SQL)");
    insta::assert_snapshot!(check("SELECT ':a'", json!({ "a": 1 })), @"the SQL has no `:a`, which `parameters:` gives a value");
}

#[tokio::test]
async fn tables_are_lists_of_files_and_earlier_versions() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("a")).unwrap();
    fs::write(home.path().join("a/1.csv"), "x\n1\n").unwrap();
    fs::write(home.path().join("2.csv"), "x\n2\n").unwrap();
    let count = |table: Value| json!({ "tables": { "t": table }, "sql": "SELECT SUM(x) AS s, COUNT(*) AS n FROM t" });
    assert_eq!(run("query", count(json!(["a", "2.csv"])), home.path()).await["rows"], json!([[3, 2]]));
    assert_eq!(run("query", count(json!({ "path": ["a/*.csv"] })), home.path()).await["rows"], json!([[1, 1]]));
    for n in 1..=3 {
        let args = json!({ "sql": format!("SELECT {n} AS x"), "output": "delta" });
        run("query", args, home.path()).await;
    }
    assert_eq!(run("query", count(json!("delta")), home.path()).await["rows"], json!([[3, 1]]));
    let first = json!({ "path": "delta", "version": 0 });
    assert_eq!(run("query", count(first), home.path()).await["rows"], json!([[1, 1]]));
    let later = json!({ "path": "delta", "timestamp": "2999-01-01T00:00:00Z" });
    assert_eq!(run("query", count(later), home.path()).await["rows"], json!([[3, 1]]));
    let error = fail("query", count(json!({ "path": "delta", "version": 7 })), home.path()).await;
    assert!(error.contains("`[HOME]/delta` has no version 7 any more, or not yet"), "{error}");
}

#[tokio::test]
async fn tables_are_named_by_their_paths() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("Posts.jsonl"), ROWS.join("\n")).unwrap();
    run("query", json!({ "sql": "SELECT n FROM json.`Posts.jsonl`", "output": "lake" }), home.path()).await;
    let sql = "SELECT p.name, l.n FROM json.`Posts.jsonl` AS p JOIN delta.`lake` AS l ON l.n = p.n ORDER BY l.n";
    let answer = run("query", json!({ "sql": sql }), home.path()).await;
    assert_eq!(answer["rows"], json!([["a", 1], ["c", 3], [null, 4]]));
    insta::assert_snapshot!(fail("query", json!({ "sql": "SELECT *\nFROM delta.`nowhere`" }), home.path()).await, @"
    there is no Delta table at `[HOME]/nowhere`
     --> line 2, column 6 of the SQL
    2 | FROM delta.`nowhere`
      |      ^^^^^^^^^^^^^^^
    ");
}

#[tokio::test]
async fn charts_name_columns_of_the_answer() {
    let chart = json!({ "kind": "bar", "x": "NAME", "y": "n", "title": "Posts" });
    let answer = answered(json!({ "sql": "SELECT name, n FROM t", "chart": chart })).await;
    let whole = json!([{ "kind": "bar", "x": "name", "y": ["n"], "series": null, "title": "Posts", "stacked": false }]);
    assert_eq!(answer["chart"], whole);
    let chart = json!([{ "kind": "line", "x": "name", "y": ["n", "nam"] }]);
    let told = failed(json!({ "sql": "SELECT name, n FROM t", "chart": chart })).await;
    assert_eq!(
        told,
        "/chart: the chart's `y` is no column of the result: `nam` (did you mean `name`?); there are `name`, `n`"
    );
    insta::assert_snapshot!(failed(json!({ "sql": "SELECT * EXCEPT (at) FROM t", "chart": chart })).await, @"the chart's `y` is no column of the result: `nam` (did you mean `name`?); there are `n`, `name`");
}

#[tokio::test]
async fn expectations_hold_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), ROWS.join("\n")).unwrap();
    let args = |expect: Value| {
        json!({
            "tables": { "t": "t.jsonl" }, "sql": "SELECT name AS Who, n FROM t ORDER BY n DESC", "output": "a.csv", "expect": expect
        })
    };
    let error = fail("query", args(json!([{ "not_null": "Who" }])), home.path()).await;
    assert!(error.contains("nothing was written, because an expectation does not hold"), "{error}");
    assert!(!home.path().join("a.csv").exists());
    let expect = json!([{ "not_null": "n", "action": "drop" }, { "not_null": "Who", "action": "warn" }]);
    let answer = run("query", args(expect), home.path()).await;
    assert_eq!(answer["rows"], json!([[null, 4], ["c", 3], ["a", 1]]));
    assert_eq!(answer["rows_rejected"], 1);
    assert_eq!(answer["expectations"][1]["failed_rows"], 1);
    assert_eq!(fs::read_to_string(home.path().join("a.csv")).unwrap(), "Who,n\n,4\nc,3\na,1\n");
}

#[tokio::test]
async fn results_are_json_documents_too() {
    let home = tempfile::tempdir().unwrap();
    let args = json!({ "sql": "SELECT 1 AS a, 'x' AS b, CAST(1.50 AS DECIMAL(10,2)) AS c, array(1, 2) AS d", "output": "a.jsonl" });
    run("query", args, home.path()).await;
    let text = fs::read_to_string(home.path().join("a.jsonl")).unwrap();
    assert_eq!(text, "{\"a\":1,\"b\":\"x\",\"c\":1.5,\"d\":[1,2]}\n");
}
