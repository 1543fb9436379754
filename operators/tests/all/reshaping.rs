//! `PIVOT`, `UNPIVOT` and columns that others use: how the answer is spelt, and what is said of mistakes. What the answers
//! are, Spark has said (`spark_answers.rs`).

use std::fs;

use serde_json::{Value, json};

use crate::context::{fail, run};

const ROWS: &str = r#"{"Year": 2018, "Kind": "Art", "posts": 5}
{"Year": 2018, "Kind": "Travel", "posts": 7}
{"Year": 2019, "Kind": "Art", "posts": 1}
"#;

async fn answer(sql: &str) -> (Value, Value) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), ROWS).unwrap();
    let mut answer = run("query", json!({ "tables": { "T": "t.jsonl" }, "sql": sql }), home.path()).await;
    (answer["columns"].take(), answer["rows"].take())
}

async fn mistake(sql: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), ROWS).unwrap();
    fail("query", json!({ "tables": { "t": "t.jsonl" }, "sql": sql }), home.path()).await
}

#[tokio::test]
async fn columns_that_were_values_are_spelt_as_they_were() {
    let pivot = "SELECT * FROM t PIVOT (sum(Posts) FOR kind IN ('Art', 'Travel' AS Trips)) ORDER BY year";
    let expected = (json!(["Year", "Art", "Trips"]), json!([[2018, 5, 7], [2019, 1, null]]));
    assert_eq!(answer(pivot).await, expected);
    let named =
        "SELECT TRIPS, p.art FROM t PIVOT (sum(posts) FOR kind IN ('Art', 'Travel' AS Trips)) p WHERE year = 2018";
    assert_eq!(answer(named).await, (json!(["TRIPS", "art"]), json!([[7, 5]])));
    let several = "SELECT * FROM t PIVOT (Max(posts), count(*) AS N FOR year IN (2018)) ORDER BY kind";
    assert_eq!(answer(several).await.0, json!(["Kind", "2018_max(posts)", "2018_N"]));
}

#[tokio::test]
async fn values_that_were_columns_are_spelt_as_they_were() {
    let sql = "CREATE VIEW wide AS SELECT 1 AS k, 2 AS Q1, 3 AS Q2;
        SELECT * FROM wide UNPIVOT (Posts FOR Quarter IN (Q1, q2)) ORDER BY quarter";
    assert_eq!(answer(sql).await, (json!(["k", "Quarter", "Posts"]), json!([[1, "Q1", 2], [1, "q2", 3]])));
}

#[tokio::test]
async fn a_clean_reshapes_as_well() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("t.jsonl"), ROWS).unwrap();
    let sql = "SELECT year AS y, y + 1 AS Next, art FROM input PIVOT (sum(posts) FOR kind IN ('Art')) ORDER BY y";
    run("clean", json!({ "input": "t.jsonl", "rules": [{ "sql": sql }], "output": "out" }), home.path()).await;
    let read =
        run("query", json!({ "tables": { "o": "out" }, "sql": "SELECT * FROM o ORDER BY y" }), home.path()).await;
    assert_eq!(read["columns"], json!(["y", "Next", "art"]));
    assert_eq!(read["rows"], json!([[2018, 2019, 5], [2019, 2020, 1]]));
}

#[tokio::test]
async fn mistakes_are_told() {
    let any = mistake("SELECT * FROM t PIVOT (sum(posts) FOR kind IN (ANY))").await;
    assert!(any.contains("PIVOT takes a list of values"), "{any}");
    let plain = mistake("SELECT * FROM t PIVOT (upper(kind) FOR year IN (2018))").await;
    assert!(plain.contains("PIVOT takes aggregate functions"), "{plain}");
    let pairs = mistake("SELECT * FROM t PIVOT (sum(posts) FOR (year, kind) IN (2018))").await;
    assert!(pairs.contains("tells rows apart by 2 columns"), "{pairs}");
    let unknown = mistake("SELECT * FROM t UNPIVOT (v FOR k IN (posts, pots))").await;
    assert!(unknown.contains("there is no column `pots` (did you mean `posts`?)"), "{unknown}");
    // What is given later, or changes whenever it is asked, is nothing to go by.
    let later = mistake("SELECT b AS a, posts AS b FROM t").await;
    assert!(later.contains("there is no column `b`"), "{later}");
    let chance = mistake("SELECT rand() AS r, r + 1 FROM t").await;
    assert!(chance.contains("there is no column `r`"), "{chance}");
}

const LEFT: &str = "VALUES (1, 'x'), (2, 'x') AS z(k, kind)";
const RIGHT: &str = "VALUES (1, 5) AS a(K, v)";

#[tokio::test]
async fn the_key_of_a_left_join_is_that_of_the_left_table() {
    let joined = format!("FROM {LEFT} LEFT JOIN {RIGHT} USING (k)");
    let all = json!([[1, "x", 5], [2, "x", null]]);
    let columns = json!(["k", "kind", "v"]);
    assert_eq!(answer(&format!("SELECT * {joined} ORDER BY k")).await, (columns.clone(), all.clone()));
    assert_eq!(answer(&format!("SELECT s.* FROM (SELECT * {joined}) s ORDER BY k")).await, (columns.clone(), all));
    // Also of subqueries without names, and of more tables.
    let unnamed = "SELECT * FROM (SELECT 2 AS k) LEFT JOIN (SELECT 1 AS k, 5 AS v) USING (k)";
    assert_eq!(answer(unnamed).await, (json!(["k", "v"]), json!([[2, null]])));
    let three = format!("SELECT * {joined} LEFT JOIN VALUES (2, 7) AS b(k, w) USING (k) ORDER BY ALL");
    assert_eq!(answer(&three).await.1, json!([[1, "x", 5, null], [2, "x", null, 7]]));
    let keys_alone = "SELECT * FROM VALUES (2) AS z(k) LEFT JOIN VALUES (1) AS a(k) USING (k)";
    assert_eq!(answer(keys_alone).await, (json!(["k"]), json!([[2]])));
    let in_order = "SELECT * EXCEPT (v) FROM VALUES (2) AS a(k) LEFT JOIN VALUES (1, 3) AS b(k, v) USING (k)";
    assert_eq!(answer(in_order).await, (json!(["k"]), json!([[2]])));
}

#[tokio::test]
async fn a_pivot_takes_the_key_of_the_left_table() {
    let joined = format!("FROM {LEFT} LEFT JOIN {RIGHT} USING (k)");
    let grouped = format!("SELECT * {joined} PIVOT (sum(v) FOR kind IN ('x')) ORDER BY k");
    assert_eq!(answer(&grouped).await, (json!(["k", "x"]), json!([[1, 5], [2, null]])));
    let used = format!("SELECT * {joined} PIVOT (sum(v) FOR k IN (1, 2))");
    assert_eq!(answer(&used).await, (json!(["kind", "1", "2"]), json!([["x", 5, null]])));
    let right = format!("SELECT * {joined} PIVOT (count(a.k) FOR kind IN ('x')) ORDER BY k");
    assert_eq!(answer(&right).await, (json!(["k", "v", "x"]), json!([[1, 5, 1], [2, null, 0]])));
    let kept = format!("SELECT * {joined} UNPIVOT INCLUDE NULLS (value FOR name IN (v)) ORDER BY k");
    assert_eq!(answer(&kept).await.1, json!([[1, "x", "v", 5], [2, "x", "v", null]]));
}
