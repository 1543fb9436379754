//! `expect:` of `clean`: what each check takes for a failed row, and what becomes of it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::context::{fail, log_text, run};
use crate::python;

const PEOPLE: &str = r#"{"id": 1, "age": 20, "mail": "a@b.c", "country": "Chad", "at": "2018-03-04T05:06:07"}
{"id": 2, "age": 300, "mail": "nobody", "country": "Oz", "at": "1999-01-01T00:00:00"}
{"id": 2, "age": null, "mail": null, "country": null, "at": null}
{"id": null, "age": 40, "mail": "d@e.f", "country": "Peru", "at": "2018-01-01T00:00:00"}
{"id": null, "age": 41, "mail": "g@h.i", "country": "Peru", "at": "2018-01-01T00:00:00"}
"#;

fn people(home: &Path) {
    fs::write(home.join("people.jsonl"), PEOPLE).unwrap();
    fs::write(home.join("countries.csv"), "name,code\nChad,td\nPeru,pe\nPeru,xx\n").unwrap();
}

fn args(expect: &Value) -> Value {
    let rules = json!([{ "timestamp": { "column": "at" } }, { "cast": { "column": "age", "to": "int" } }]);
    json!({ "input": "people.jsonl", "output": "out", "rules": rules, "expect": expect })
}

/// How many rows fail a check.
async fn failed_rows(check: Value) -> u64 {
    let home = tempfile::tempdir().unwrap();
    people(home.path());
    let mut expectation = check;
    expectation["action"] = json!("warn");
    let report = run("clean", args(&json!([expectation])), home.path()).await;
    assert_eq!(report["rows_written"], 5);
    report["expectations"][0]["failed_rows"].as_u64().unwrap()
}

#[tokio::test]
async fn each_check_knows_its_failed_rows() {
    let table = [
        (json!({ "not_null": "id" }), 2),
        (json!({ "not_null": ["id", "mail"] }), 3),
        (json!({ "unique": "id" }), 1),
        (json!({ "unique": ["country", "id"] }), 0),
        (json!({ "unique": ["country"] }), 1),
        (json!({ "range": { "column": "age", "min": 0, "max": 130 } }), 1),
        (json!({ "range": { "column": "age", "min": 20.5 } }), 1),
        (json!({ "range": { "column": "age", "max": "40" } }), 2),
        (json!({ "range": { "column": "at", "min": "2018-01-01" } }), 1),
        (json!({ "range": { "column": "country", "min": "D" } }), 1),
        (json!({ "regex": { "column": "mail", "pattern": "^[^@]+@" } }), 1),
        (json!({ "row_count": { "min": 7 } }), 2),
        (json!({ "row_count": { "min": 1, "max": 5 } }), 0),
        (json!({ "row_count": { "max": 1 } }), 4),
        (json!({ "foreign_key": { "column": "country", "references": "countries.csv", "to": "name" } }), 1),
        (json!({ "sql": "AGE < 100 AND mail LIKE '%@%'" }), 1),
    ];
    for (check, expected) in table {
        assert_eq!(failed_rows(check.clone()).await, expected, "{check}");
    }
}

#[tokio::test]
async fn a_failed_expectation_fails_the_task_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    people(home.path());
    let expect = json!([
        { "unique": "id", "name": "one row a person" },
        { "row_count": { "min": 6 } },
        { "range": { "column": "age", "max": 130 }, "action": "drop" },
        { "not_null": "country", "action": "warn" }
    ]);
    let error = fail("clean", args(&expect), home.path()).await;
    insta::assert_snapshot!(error, @"nothing was written, because 2 expectations do not hold: `one row a person`: 1 of 5 rows, for example {\"age\":null,\"at\":null,\"country\":null,\"id\":2,\"mail\":null}; `row_count`: there are 4 rows, at least 6 are expected");
    assert!(!home.path().join("out").join("_delta_log").exists());
    assert!(!home.path().join("out_rejected").exists());
}

#[tokio::test]
async fn dropped_rows_are_kept_in_a_table_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    people(home.path());
    let expect = json!([
        { "not_null": "id", "action": "drop" },
        { "range": { "column": "age", "min": 0, "max": 130 }, "action": "drop", "name": "sane age" },
        { "regex": { "column": "mail", "pattern": "@" }, "action": "drop" },
        { "row_count": { "min": 2 } }
    ]);
    for version in 0..3 {
        let report = run("clean", args(&expect), home.path()).await;
        assert_eq!((&report["rows_read"], &report["rows_written"]), (&json!(5), &json!(2)));
        assert_eq!(report["rows_rejected"], 3);
        let outcomes = json!([
            { "name": "not_null id", "action": "drop", "failed_rows": 2 },
            { "name": "sane age", "action": "drop", "failed_rows": 1 },
            { "name": "regex mail", "action": "drop", "failed_rows": 1 },
            { "name": "row_count", "action": "fail", "failed_rows": 0 }
        ]);
        assert_eq!(report["expectations"], outcomes);
        let table = python::read_delta(home.path().join("out_rejected").to_str().unwrap(), "age", &[]);
        assert_eq!(table["version"], version);
        let column = |name: &str| {
            let columns = table["columns"].as_array().unwrap();
            columns.iter().find(|column| column[0] == name).map(|column| column[1].clone())
        };
        assert_eq!(column("age"), Some(json!([40, 41, 300])));
        let why = json!(["not_null id", "not_null id", "sane age; regex mail"]);
        assert_eq!(column("_expectation"), Some(why));
        assert_eq!(column("_task_id"), Some(json!(["task", "task", "task"])));
        assert_eq!(column("_run_id"), Some(json!(["manual", "manual", "manual"])));
    }
    let log = log_text(home.path());
    assert!(log.contains("Dropped what does not meet `sane age`: 1 of 5 rows, for example {\"age\":300,"), "{log}");
    // A run of which nothing is rejected leaves nothing there.
    fs::write(home.path().join("people.jsonl"), PEOPLE.lines().next().unwrap()).unwrap();
    let mut lenient = args(&expect);
    lenient["expect"][3] = json!({ "row_count": { "min": 1 } });
    run("clean", lenient, home.path()).await;
    let count = json!({ "tables": { "t": "out_rejected" }, "sql": "SELECT COUNT(*) FROM t" });
    assert_eq!(run("query", count, home.path()).await["rows"], json!([[0]]));
}

#[tokio::test]
async fn mistakes_in_expectations_are_told() {
    let home = tempfile::tempdir().unwrap();
    people(home.path());
    let mistake = async |expectation: Value| fail("clean", args(&json!([expectation])), home.path()).await;
    insta::assert_snapshot!(mistake(json!({ "not_null": "idd" })).await, @"the expectation `not_null idd` cannot be checked: there is no column `idd` (did you mean `id`?); known are `age`, `at`, `country`, `id`, `mail`");
    insta::assert_snapshot!(mistake(json!({ "sql": "agee > 3" })).await, @"the expectation `agee > 3` cannot be checked: there is no column `agee` (did you mean `age`?); known are `age`, `at`, `country`, `id`, `mail`");
    insta::assert_snapshot!(mistake(json!({ "range": { "column": "age", "min": "x" } })).await, @"the expectation `range age` cannot be checked: `age`: it holds int, to which the bound `x` cannot be compared");
    insta::assert_snapshot!(mistake(json!({ "foreign_key": { "column": "country", "references": "countries.csv" } })).await, @"the expectation `foreign_key country` cannot be checked: `countries.csv` has no column `country`; known are `name`, `code`");
    insta::assert_snapshot!(mistake(json!({ "foreign_key": { "column": "country", "references": "nowhere" } })).await, @"the expectation `foreign_key country` cannot be checked: the table `nowhere` cannot be read: `[HOME]/nowhere` cannot be read: No such file or directory (os error 2)");
    let checked = |expectation: Value| {
        let args = args(&json!([expectation]));
        let registry = operators::registry_with(&crate::context::nowhere()).unwrap();
        let problems = registry.find("clean").unwrap().check(args.as_object().unwrap());
        let problem = problems.first().expect("a mistake");
        format!("{}: {}", problem.pointer, problem.message)
    };
    insta::assert_snapshot!(checked(json!({ "action": "warn" })), @"/expect/0: the expectation says nothing; write one of `not_null`, `unique`, `range`, `regex`, `row_count`, `foreign_key` and `sql`");
    insta::assert_snapshot!(checked(json!({ "not_null": "id", "unique": "id" })), @"/expect/0: `not_null` and `unique` are two expectations; write each as an item of its own");
    insta::assert_snapshot!(checked(json!({ "row_count": { "min": 1 }, "action": "drop" })), @"/expect/0: `row_count` cannot have `action: drop`: there is no row to drop; use `fail` or `warn`");
    insta::assert_snapshot!(checked(json!({ "range": { "column": "age" } })), @"/expect/0: `range` has neither `min` nor `max`");
    insta::assert_snapshot!(checked(json!({ "regex": { "column": "mail", "pattern": "(" } })), @"/expect/0: the pattern `(` is not a regular expression: unclosed group");
    insta::assert_snapshot!(checked(json!({ "sql": "age >" })), @"/expect/0: the SQL does not parse: Expected: an expression, found: EOF");
}
