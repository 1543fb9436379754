//! Each variant of cleaning that pipelines are known to use, as it is written in YAML, with what it makes of values.

use std::fs;

use serde_json::{Value, json};

use crate::context::run;
use crate::reference::{data, read_csv};

const NULL: Value = Value::Null;

/// One variant: what it is, its rules in YAML, the rows, and the column that is looked at with its values.
struct Variant {
    name: &'static str,
    rules: &'static str,
    rows: Value,
    column: &'static str,
    values: Value,
}

/// Rows with one column.
fn column(name: &str, values: &[Value]) -> Value {
    values.iter().map(|value| json!({ name: value })).collect()
}

async fn cleaned(rules: Value, rows: &Value) -> Value {
    let home = tempfile::tempdir().unwrap();
    let numbered = rows.as_array().unwrap().iter().enumerate().map(|(at, row)| {
        let mut row = row.clone();
        row["nr"] = json!(at);
        row.to_string() + "\n"
    });
    fs::write(home.path().join("in.jsonl"), numbered.collect::<String>()).unwrap();
    run("clean", json!({ "input": "in.jsonl", "output": "out", "rules": rules }), home.path()).await;
    let sql = "SELECT * FROM t ORDER BY nr";
    run("query", json!({ "tables": { "t": "out" }, "sql": sql, "max_rows": 10_000 }), home.path()).await
}

fn values_of(answer: &Value, column: &str) -> Value {
    let columns = answer["columns"].as_array().unwrap();
    let at = columns.iter().position(|name| name == column).unwrap_or_else(|| panic!("no {column} in {columns:?}"));
    answer["rows"].as_array().unwrap().iter().map(|row| row[at].clone()).collect()
}

async fn check(variants: Vec<Variant>) {
    for variant in variants {
        let rules: Value = serde_yaml::from_str(variant.rules).unwrap();
        let answer = cleaned(rules, &variant.rows).await;
        assert_eq!(values_of(&answer, variant.column), variant.values, "{}", variant.name);
    }
}

#[tokio::test]
async fn duplicates() {
    let posts = || {
        json!([
            { "ind": 1, "unique_id": "a", "user_name": "Ann", "age": 20, "seen": 3 },
            { "ind": 1, "unique_id": "b", "user_name": "Ann", "age": 20, "seen": 1 },
            { "ind": 2, "unique_id": "b", "user_name": "Ann", "age": 21, "seen": 2 }
        ])
    };
    let variant = |name, rules, values| Variant { name, rules, rows: posts(), column: "seen", values };
    check(vec![
        variant("kept", "[]", json!([3, 1, 2])),
        variant("by the whole row, whose numbers differ here", "- deduplicate: { by: row }", json!([3, 1, 2])),
        variant("the first by ind", "- deduplicate: { by: [ind], keep: first }", json!([3, 2])),
        variant("the last by ind", "- deduplicate: { by: [ind], keep: last }", json!([1, 2])),
        variant("the first by unique_id", "- deduplicate: { by: [unique_id], keep: first }", json!([3, 1])),
        variant(
            "users by name and age, the newest",
            "- deduplicate: { by: [user_name, age], keep: last, order_by: seen }",
            json!([3, 2]),
        ),
        variant(
            "users by name, the newest",
            "- deduplicate: { by: [user_name], keep: first, order_by: [seen desc, ind] }",
            json!([3]),
        ),
        variant("switched off", "- deduplicate: { by: [ind], when: 'False' }", json!([3, 1, 2])),
    ])
    .await;
}

#[tokio::test]
async fn markers() {
    let texts = || {
        let texts = ["No description available", "No description available Story format", "", "N/A", "a text", "NULL"];
        column("description", &texts.map(Value::from))
    };
    let variant = |name, rules, values| Variant { name, rules, rows: texts(), column: "description", values };
    check(vec![
        variant(
            "whole values in all columns",
            "- nulls: { values: ['', No description available] }",
            json!([NULL, "No description available Story format", NULL, "N/A", "a text", "NULL"]),
        ),
        variant(
            "by prefix",
            "- nulls: { values: [No description available], match: prefix, columns: [description] }",
            json!([NULL, NULL, "", "N/A", "a text", "NULL"]),
        ),
        variant(
            "that contain it, whatever the case",
            "- nulls: { values: [story], match: contains, ignore_case: true, columns: description }",
            json!(["No description available", NULL, "", "N/A", "a text", "NULL"]),
        ),
        variant(
            "lists of words",
            "- nulls: { values: [n/a, 'null', none, nan], ignore_case: true }",
            json!(["No description available", "No description available Story format", "", NULL, "a text", NULL]),
        ),
        variant(
            "another value in its place",
            "- replace: { column: description, text: N/A, with: '0', at: whole }",
            json!(["No description available", "No description available Story format", "", "0", "a text", "NULL"]),
        ),
        variant(
            "NULL as a text again",
            "- nulls: { values: [''] }\n- fill: { value: None }",
            json!([
                "No description available",
                "No description available Story format",
                "None",
                "N/A",
                "a text",
                "NULL"
            ]),
        ),
        variant(
            "rows without a value dropped",
            "- nulls: { values: ['', N/A] }\n- drop_nulls: description",
            json!(["No description available", "No description available Story format", "a text", "NULL"]),
        ),
        variant(
            "everything in lower case",
            "- lower: all",
            json!(["no description available", "no description available story format", "", "n/a", "a text", "null"]),
        ),
    ])
    .await;
    let numbers = json!([{ "n": 1, "t": "a" }, { "n": null, "t": null }]);
    let variant = |name, rules, column, values| Variant { name, rules, rows: numbers.clone(), column, values };
    check(vec![
        variant("a number fills numbers", "- fill: { value: 0 }", "n", json!([1, 0])),
        variant("and no texts", "- fill: { value: 0 }", "t", json!(["a", NULL])),
        variant("a text fills texts", "- fill: { columns: [t], value: '-' }", "t", json!(["a", "-"])),
    ])
    .await;
}

#[tokio::test]
async fn follower_counts() {
    let counts = || column("count", &["136k", "1.5k", "3M", "2B", "7K", "4m", "12"].map(Value::from));
    let variant = |name, rules, values| Variant { name, rules, rows: counts(), column: "count", values };
    check(vec![
        variant(
            "the letter off",
            "- suffixed_number: { column: count }",
            json!([136_000, 1_000, 3_000_000, NULL, NULL, NULL, 12]),
        ),
        variant(
            "zeros",
            "- suffixed_number: { column: count, rule: zeros }",
            json!([136_000, 1, 3_000_000, NULL, NULL, NULL, 12]),
        ),
        variant(
            "decimals kept",
            "- suffixed_number: { column: count, rule: double }",
            json!([136_000, 1_500, 3_000_000, NULL, NULL, NULL, 12]),
        ),
        variant(
            "digits only",
            "- suffixed_number: { column: count, rule: digits_only }",
            json!([136, 15, 3, 2, 7, 4, 12]),
        ),
        variant(
            "all letters, 64 bits wide",
            "- suffixed_number: { column: count, letters: [k, M, B, K, m], to: bigint }",
            json!([136_000, 1_000, 3_000_000, 2_000_000_000_i64, 7_000, 4_000_000, 12]),
        ),
        variant(
            "k only, M lost",
            "- suffixed_number: { column: count, letters: [k], rule: zeros }",
            json!([136_000, 1, NULL, NULL, NULL, NULL, 12]),
        ),
        variant("left as text", "- trim: {}", json!(["136k", "1.5k", "3M", "2B", "7K", "4m", "12"])),
    ])
    .await;
}

#[tokio::test]
async fn paths_names_and_places() {
    let path = || column("p", &["Local save in /data/art", "/data/x/y"].map(Value::from));
    let variant = |name, rules, values| Variant { name, rules, rows: path(), column: "p", values };
    check(vec![
        variant("removed", "- remove_text: { column: p, text: 'Local save in ' }", json!(["/data/art", "/data/x/y"])),
        variant(
            "at the start",
            "- remove_text: { column: p, text: 'Local save in ', at: start }",
            json!(["/data/art", "/data/x/y"]),
        ),
        variant(
            "from the first slash",
            "- extract: { column: p, pattern: '(/.*)' }",
            json!(["/data/art", "/data/x/y"]),
        ),
        variant("the category only", "- substring_index: { column: p, delimiter: /, count: -1 }", json!(["art", "y"])),
        variant(
            "without the blank",
            "- replace: { column: p, text: Local save in, with: '' }",
            json!([" /data/art", "/data/x/y"]),
        ),
        variant(
            "by a pattern",
            "- replace: { column: p, pattern: '^Local (\\w+) in ', with: '$1:' }",
            json!(["save:/data/art", "/data/x/y"]),
        ),
        variant(
            "in parts",
            "- split: { column: p, separator: / }",
            json!([["Local save in ", "data", "art"], ["", "data", "x", "y"]]),
        ),
        variant(
            "a row for each part",
            "- split: { column: p, separator: / }\n- explode: { column: p }\n- filter: p like '%a%'",
            json!(["Local save in ", "data", "art", "data"]),
        ),
        variant("upper case", "- upper: p", json!(["LOCAL SAVE IN /DATA/ART", "/DATA/X/Y"])),
        variant(
            "an expression",
            "- derive: { into: p, sql: \"concat('<', P, '>')\" }",
            json!(["<Local save in /data/art>", "</data/x/y>"]),
        ),
    ])
    .await;
    let people = || json!([{ "first": " Ann  May ", "last": "Lee", "lat": 1.5, "lon": -2 }, { "first": null, "last": "Lee", "lat": 1, "lon": 2 }]);
    let variant = |name, rules, column, values| Variant { name, rules, rows: people(), column, values };
    check(vec![
        variant("with a blank", "- concat: { into: name, of: [first, last], separator: ' ' }", "name", json!([" Ann  May  Lee", NULL])),
        variant("NULLs passed over", "- concat: { into: name, of: [first, last], separator: ' ', nulls: skip }", "name", json!([" Ann  May  Lee", "Lee"])),
        variant("without a blank", "- concat: { into: name, of: [first, last] }", "name", json!([" Ann  May Lee", NULL])),
        variant(
            "trimmed and squeezed",
            "- trim: { columns: [first, last], squeeze: true }\n- concat: { into: name, of: [first, last], separator: ' ' }",
            "name",
            json!(["Ann May Lee", NULL]),
        ),
        variant("an array", "- array: { into: c, of: [lat, lon] }", "c", json!([[1.5, -2.0], [1.0, 2.0]])),
        variant("the other way round", "- array: { into: c, of: [lon, lat] }", "c", json!([[-2.0, 1.5], [2.0, 1.0]])),
        variant("a struct", "- struct: { into: c, of: [lat, lon] }", "c", json!([{ "lat": 1.5, "lon": -2 }, { "lat": 1.0, "lon": 2 }])),
        variant("a text", "- concat: { into: c, of: [lat, lon], separator: ', ' }", "c", json!(["1.5, -2", "1.0, 2"])),
        variant("rows out", "- drop_rows: First IS NULL", "last", json!(["Lee"])),
        variant("rows in", "- filter: lon > 0 AND first IS NULL", "lon", json!([2])),
        variant(
            "a query over all",
            "- sql: SELECT max(nr) AS nr, Last AS Family, count(*) AS people FROM input GROUP BY last",
            "people",
            json!([2]),
        ),
        variant("whose columns are called as it says", "- sql: SELECT nr, Last AS Family FROM input", "Family", json!(["Lee", "Lee"])),
    ])
    .await;
}

#[tokio::test]
async fn times_and_types() {
    let times = || {
        column(
            "at",
            &["2018-03-04T05:06:07", "2018-03-04 05:06:07", "2018:03:04 05:06:07", "04/03/2018"].map(Value::from),
        )
    };
    let variant = |name, rules, values| Variant { name, rules, rows: times(), column: "at", values };
    let day = "2018-03-04 05:06:07";
    check(vec![
        variant("any ISO form", "- timestamp: { column: at }", json!([day, day, NULL, NULL])),
        variant("a cast", "- cast: { column: at, to: timestamp }", json!([day, day, NULL, NULL])),
        variant(
            "with a T",
            "- timestamp: { column: at, format: \"yyyy-MM-dd'T'HH:mm:ss\" }",
            json!([day, NULL, NULL, NULL]),
        ),
        variant(
            "with a blank",
            "- timestamp: { column: at, format: 'yyyy-MM-dd HH:mm:ss' }",
            json!([NULL, day, NULL, NULL]),
        ),
        variant(
            "with colons",
            "- timestamp: { column: at, format: 'yyyy:MM:dd HH:mm:ss' }",
            json!([NULL, NULL, day, NULL]),
        ),
        variant("a day", "- cast: { column: at, to: date }", json!(["2018-03-04", "2018-03-04", NULL, NULL])),
        variant(
            "a day by a pattern",
            "- cast: { column: at, to: date, format: dd/MM/yyyy }",
            json!([NULL, NULL, NULL, "2018-03-04"]),
        ),
    ])
    .await;
    let rows = || json!([{ "index": "1", "x": 1 }, { "index": "b", "x": 2 }]);
    let variant = |name, rules, column, values| Variant { name, rules, rows: rows(), column, values };
    check(vec![
        variant(
            "renamed and cast",
            "- rename: { index: ind }\n- cast: { column: ind, to: int }",
            "ind",
            json!([1, NULL]),
        ),
        variant("left as it is", "[]", "index", json!(["1", "b"])),
        variant("a column order", "- order: [x, index]", "x", json!([1, 2])),
    ])
    .await;
}

/// Spark's answers to one rule over the values of a golden table.
#[tokio::test]
async fn rules_equal_spark() {
    let Some(golden) = data().map(|data| data.join("golden/cases")) else { return };
    let table = [
        ("follower_count", "digits_only_cast_int (ansi off)", "- suffixed_number: { column: v, rule: digits_only }"),
        ("save_location", "from_first_slash (ansi off)", "- extract: { column: v, pattern: '(/.*)' }"),
        ("save_location", "replace (ansi off)", "- replace: { column: v, pattern: 'Local save in ', with: '' }"),
        ("save_location", "anchored (ansi off)", "- replace: { column: v, pattern: '^Local save in ', with: '' }"),
        (
            "name",
            "concat_blank (ansi off)",
            "- struct: { into: x, of: [v] }\n- derive: { into: v, sql: \"v || ' X'\" }\n- drop: x",
        ),
    ];
    for (file, expected, rules) in table {
        let (header, rows) = read_csv(&golden.join(format!("{file}.csv")));
        let at = header.iter().position(|name| name == expected).unwrap();
        let values: Vec<Value> = rows.iter().map(|row| if row[0] == "\\N" { NULL } else { json!(row[0]) }).collect();
        let answer = cleaned(serde_yaml::from_str(rules).unwrap(), &column("v", &values)).await;
        let mine = values_of(&answer, "v");
        for (mine, row) in mine.as_array().unwrap().iter().zip(&rows) {
            let mine = match mine {
                Value::Null => "\\N".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(mine, row[at], "{file}, {expected} of `{}`", row[0]);
        }
    }
}
