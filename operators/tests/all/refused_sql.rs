//! SQL that is refused rather than answered otherwise than it asks, and calls that are told with what to do.

use serde_json::json;

use crate::context::{fail, run};

async fn said(sql: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("t.jsonl"), "{\"a\": 1, \"b\": \"x\", \"s\": {\"c\": 2}}\n").unwrap();
    fail("query", json!({ "tables": { "t": "t.jsonl" }, "sql": sql }), home.path()).await
}

#[tokio::test]
async fn what_would_be_passed_over_is_refused() {
    insta::assert_snapshot!(said("SELECT *\nFROM t TABLESAMPLE (10 PERCENT)").await, @"/sql: TABLESAMPLE is not obeyed here; `WHERE rand() < 0.1` takes some of the rows (line 2, column 8 of the SQL)");
    insta::assert_snapshot!(said("SELECT * FROM t VERSION AS OF 3").await, @"/sql: versions of a table are not told in the SQL, but in `tables`: `{path: lake/t, version: 3}` (line 1, column 17 of the SQL)");
    let since = said("SELECT * FROM t TIMESTAMP AS OF '2024-01-01'").await;
    assert!(since.contains("versions of a table are not told in the SQL"), "{since}");
    insta::assert_snapshot!(said("SELECT a FROM t EXCEPT ALL SELECT 1").await, @"/sql: `EXCEPT ALL` is not obeyed here, only `EXCEPT`, of whose rows no two are the same (line 1, column 17 of the SQL)");
    let both = said("SELECT a FROM t intersect all SELECT 1").await;
    assert!(both.contains("`intersect ALL` is not obeyed here"), "{both}");
    let lost = said("SELECT *\nFROM t FULL OUTER JOIN t AS u USING (a)").await;
    assert_eq!(
        lost,
        "/sql: `FULL JOIN … USING` loses keys here; write `ON a.k = b.k`, and `coalesce(a.k, b.k)` for the key (line 2, column 8 of the SQL)"
    );
    let lost = said("SELECT * FROM t NATURAL RIGHT JOIN t AS u").await;
    assert!(lost.contains("`RIGHT JOIN … USING` loses keys here"), "{lost}");

    let lost = said("SELECT * FROM t NATURAL LEFT JOIN t AS u").await;
    assert!(lost.contains("`NATURAL LEFT JOIN` loses keys here; name them"), "{lost}");
    let lost = said("SELECT * EXCEPT (b) FROM t AS z LEFT JOIN t AS a USING (a)").await;
    assert!(lost.contains("behind `LEFT JOIN … USING`; name the columns (line 1, column 8 of the SQL)"), "{lost}");

    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("in.jsonl"), "{\"a\": 1}\n").unwrap();
    let rules = json!([{ "sql": "SELECT * FROM input TABLESAMPLE (1 ROWS)" }]);
    let args = json!({ "input": "in.jsonl", "output": "out", "rules": rules });
    let of_rule = fail("clean", args, home.path()).await;
    assert!(of_rule.contains("TABLESAMPLE is not obeyed here"), "{of_rule}");
    // Columns may be called like that.
    let sql = "SELECT version AS v, timestamp AS t FROM VALUES (1, 2) AS x(version, timestamp)";
    assert_eq!(run("query", json!({ "sql": sql }), home.path()).await["rows"], json!([[1, 2]]));
    let sql = "SELECT right('abc', 1), u.a FROM VALUES (1) AS t(a) RIGHT JOIN VALUES (2) AS u(a) ON t.a = u.a JOIN VALUES (2) AS v(b) ON b = u.a";
    assert_eq!(run("query", json!({ "sql": sql }), home.path()).await["rows"], json!([["c", 2]]));
}

#[tokio::test]
async fn calls_that_cannot_be_answered_are_told_with_what_to_do() {
    insta::assert_snapshot!(said("SELECT row_number() FROM t").await, @"
    `row_number` looks at a window: write `row_number() OVER (ORDER BY …)`
     --> line 1, column 8 of the SQL
    1 | SELECT row_number() FROM t
      |        ^^^^^^^^^^
    ");
    insta::assert_snapshot!(said("SELECT * FROM t JOIN t ON a = a").await, @"
    `t` is read twice; give each a name of its own, as in `t AS a JOIN t AS b`
     --> line 1, column 15 of the SQL
    1 | SELECT * FROM t JOIN t ON a = a
      |               ^
    ");
    insta::assert_snapshot!(said("SELECT posexplode(array(1))").await, @"
    the function `posexplode` does not stand there, or takes other arguments
     --> line 1, column 8 of the SQL
    1 | SELECT posexplode(array(1))
      |        ^^^^^^^^^^
    ");
    let misused = said("SELECT sum(s) FROM t").await;
    assert!(misused.starts_with("`sum` does not take what it is given there: "), "{misused}");
    assert!(!misused.contains("signature"), "{misused}");
    let limit = said("SELECT * FROM t LIMIT 'x'").await;
    assert_eq!(limit, "the query failed: Expected LIMIT to be an integer or null, but got Utf8");
    let behind = said("SELECT * FROM t LATERAL VIEW explode(array(1)) AS e PIVOT (sum(a) FOR b IN ('x'))").await;
    assert!(behind.contains("put what stands before it into a subquery: `FROM (SELECT …) PIVOT (…)`"), "{behind}");
}

#[tokio::test]
async fn a_span_of_time_has_no_hour() {
    let times = "(SELECT TIMESTAMP '2018-03-04 05:00:00' AS a, TIMESTAMP '2018-03-04 08:00:00' AS b)";
    for part in ["hour(b - a)", "extract(HOUR FROM b - a)", "day(b - a)"] {
        let told = said(&format!("SELECT {part} FROM {times}")).await;
        assert!(told.contains("write `timestampdiff(HOUR, a, b)`"), "{part}: {told}");
    }
    let home = tempfile::tempdir().unwrap();
    let sql = format!("SELECT timestampdiff(HOUR, a, b) FROM {times}");
    assert_eq!(run("query", json!({ "sql": sql }), home.path()).await["rows"], json!([[3]]));
}
