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
