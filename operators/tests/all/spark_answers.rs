//! SQL whose answers Spark gave: `tests/spark/answers.jsonl`, statement by statement.

use std::path::Path;

use serde_json::{Value, json};

use crate::context::{context, nowhere, try_run};

/// The expressions of a `SELECT` without `FROM`.
fn expressions(list: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quote) = (Vec::new(), 0, 0, None);
    let mut is_escaped = false;
    for (at, sign) in list.char_indices() {
        match (quote, sign) {
            _ if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), sign) if sign == open => quote = None,
            (None, '\'' | '"') => quote = Some(sign),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(list[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[from..].trim());
    parts
}

/// Each statement with the rows that Spark answered; a list of expressions is as many statements.
fn statements() -> Vec<(String, Value)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/spark/answers.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let mut statements = Vec::new();
    for line in text.lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        let sql = answer["sql"].as_str().unwrap();
        let list = sql
            .strip_prefix("SELECT ")
            .filter(|list| !["FROM VALUES", "FROM range", "explode"].iter().any(|word| list.contains(word)));
        let parts = list.map(expressions).unwrap_or_default();
        let row = answer["rows"][0].as_array();
        match row.filter(|row| row.len() == parts.len()) {
            Some(row) => {
                let single = |(part, value): (&&str, &Value)| (format!("SELECT {part}"), json!([[value]]));
                statements.extend(parts.iter().zip(row).map(single));
            }
            None => statements.push((sql.to_owned(), answer["rows"].clone())),
        }
    }
    statements
}

/// Whether two values are the same, doubles but for their last digits.
fn is_same(mine: &Value, theirs: &Value) -> bool {
    match (mine, theirs) {
        (Value::Array(mine), Value::Array(theirs)) => {
            mine.len() == theirs.len() && mine.iter().zip(theirs).all(|(mine, theirs)| is_same(mine, theirs))
        }
        (Value::Number(mine), Value::Number(theirs)) => {
            let (mine, theirs) = (mine.as_f64().unwrap(), theirs.as_f64().unwrap());
            (mine - theirs).abs() <= theirs.abs() * 1e-12
        }
        _ => mine == theirs,
    }
}

#[tokio::test]
async fn statements_are_answered_as_by_spark() {
    let home = tempfile::tempdir().unwrap();
    let ctx = context(home.path());
    let mut wrong = Vec::new();
    for (sql, theirs) in statements() {
        match try_run("query", json!({ "sql": sql }), &ctx, &nowhere()).await {
            Ok(answer) if is_same(&answer["rows"], &theirs) => {}
            Ok(answer) => wrong.push(format!("{sql}\n    Spark:   {theirs}\n    Updraft: {}", answer["rows"])),
            Err(error) => wrong.push(format!("{sql}\n    Spark:   {theirs}\n    Updraft: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} statements differ\n{}", wrong.len(), wrong.join("\n"));
}
