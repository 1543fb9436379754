//! Spark's expressions, value by value: a table of our own, and Spark's own answers where the reference data is.

use std::path::PathBuf;

use operators::spark::{
    SuffixLetter, SuffixRule, TimestampFormat, format_timestamp, suffixed_number, text_to_bool, text_to_date,
    text_to_double, text_to_int, text_to_long, text_to_timestamp,
};
use serde_json::json;

use crate::context::run;
use crate::reference::{data, read_csv};

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "\\N".to_owned(), |value| value.to_string())
}

fn timestamp(micros: Option<i64>) -> String {
    text(micros.map(format_timestamp))
}

#[test]
fn counts_with_a_letter() {
    // text, letter taken off, letter as zeros, decimals kept
    let table = [
        ("136k", Some(136_000), Some(136_000), Some(136_000)),
        ("3M", Some(3_000_000), Some(3_000_000), Some(3_000_000)),
        ("17", Some(17), Some(17), Some(17)),
        ("1.5k", Some(1_000), Some(1), Some(1_500)),
        ("0.5k", Some(0), Some(0), Some(500)),
        (" 12k ", Some(12_000), Some(12_000), Some(12_000)),
        ("12 k", Some(12_000), None, Some(12_000)),
        ("k", None, Some(0), None),
        ("-5k", Some(-5_000), Some(-5_000), Some(-5_000)),
        ("1e3", None, None, Some(1_000)),
        ("3kk", Some(3_000), Some(3_000_000), Some(3_000)),
        ("5kM", None, None, None),
        ("NaN", None, None, Some(0)),
        ("3000M", Some(-1_294_967_296), None, Some(i32::MAX)),
        ("2147484k", Some(-2_147_483_296), None, Some(i32::MAX)),
        ("2147483648", None, None, Some(i32::MAX)),
        ("User Info Error", None, None, None),
        ("", None, None, None),
    ];
    for (value, letter_off, zeros, double) in table {
        assert_eq!(
            suffixed_number(value, SuffixRule::LetterOff, &SuffixLetter::USUAL),
            letter_off,
            "letter_off of `{value}`"
        );
        assert_eq!(suffixed_number(value, SuffixRule::Zeros, &SuffixLetter::USUAL), zeros, "zeros of `{value}`");
        assert_eq!(suffixed_number(value, SuffixRule::Double, &SuffixLetter::USUAL), double, "double of `{value}`");
    }
}

#[test]
fn casts_of_text() {
    for (value, expected) in [
        ("20", Some(20)),
        (" 20\t", Some(20)),
        ("20.9", Some(20)),
        ("20.", Some(20)),
        (".5", Some(0)),
        ("+7", Some(7)),
        ("-7", Some(-7)),
        ("-2147483648", Some(i32::MIN)),
        ("-2147483649", None),
        ("1e3", None),
        ("1,234", None),
        ("１２", None),
        ("+", None),
        ("", None),
        ("20.5x", None),
    ] {
        assert_eq!(text_to_int(value), expected, "int of `{value}`");
    }
    assert_eq!(text_to_long("-9223372036854775808"), Some(i64::MIN));
    assert_eq!(text_to_long("9223372036854775808"), None);
    assert_eq!(text_to_double(" 1e3 "), Some(1000.0));
    assert_eq!(text_to_double("-Infinity"), Some(f64::NEG_INFINITY));
    assert_eq!(text_to_double("1.5d"), Some(1.5));
    assert_eq!(text_to_double("0x10"), None);
    assert_eq!(text_to_bool(" Yes "), Some(true));
    assert_eq!(text_to_bool("2"), None);
    assert_eq!(text_to_date("1970-01-02 and more"), Some(1));
}

#[test]
fn timestamps_in_text() {
    let table = [
        ("2020-08-28T03:52:47", "2020-08-28 03:52:47"),
        ("2018-03-04T05:06:07Z", "2018-03-04 05:06:07"),
        ("2018-03-04T05:06:07+02:00", "2018-03-04 03:06:07"),
        ("2018-03-04 05:06:07 Europe/Paris", "2018-03-04 04:06:07"),
        ("2018-03-04 05:06:07.1234567", "2018-03-04 05:06:07.123456"),
        ("2018-3-4 5:6", "2018-03-04 05:06:00"),
        ("2018-03-04 05", "2018-03-04 05:00:00"),
        ("2018-03", "2018-03-01 00:00:00"),
        ("2018", "2018-01-01 00:00:00"),
        ("20180304", "\\N"),
        ("1520139967", "\\N"),
        ("2018-02-29 12:00:00", "\\N"),
        ("2018-03-04 24:00:00", "\\N"),
        ("2018-12-31 23:59:60", "\\N"),
        ("2018-03-04 05Z", "\\N"),
        ("05:06:07", "\\N"),
        ("", "\\N"),
    ];
    for (value, expected) in table {
        assert_eq!(timestamp(text_to_timestamp(value)), expected, "timestamp of `{value}`");
    }
}

#[test]
fn timestamps_by_a_pattern() {
    let format = TimestampFormat::parse("yyyy-MM-dd'T'HH:mm:ss").unwrap();
    assert_eq!(timestamp(format.read("2018-01-31T05:06:07")), "2018-01-31 05:06:07");
    assert_eq!(timestamp(format.read("2018-02-31T05:06:07")), "\\N");
    assert_eq!(timestamp(format.read(" 2018-01-31T05:06:07")), "\\N");
    let error = TimestampFormat::parse("yyyy-MM-dd hh:mm a").unwrap_err();
    insta::assert_snapshot!(error, @"`yyyy-MM-dd hh:mm a` has `hh`; a pattern has `yyyy`, `MM`, `dd`, `HH`, `mm`, `ss`, `SSS` and text in '…'");
}

/// Compares a column of a golden table with what `answer` says of its first column.
fn compare(table: &str, column: &str, answer: impl Fn(&str) -> String) {
    let Some(path) = data().map(|data| data.join("golden/cases").join(format!("{table}.csv"))) else { return };
    let (header, rows) = read_csv(&path);
    let at = header.iter().position(|name| name == column).unwrap_or_else(|| panic!("no column {column}"));
    for row in rows.iter().filter(|row| row[0] != "\\N") {
        assert_eq!(answer(&row[0]), row[at], "{table}, {column} of `{}`", row[0]);
    }
}

#[test]
fn follower_counts_equal_sparks() {
    let by = |rule| move |value: &str| text(suffixed_number(value, rule, &SuffixLetter::USUAL));
    compare("follower_count", "seed_letter_off_cast_int_times (ansi off)", by(SuffixRule::LetterOff));
    compare("follower_count", "letter_to_zeros_cast_int (ansi off)", by(SuffixRule::Zeros));
    compare("follower_count", "cast_double_times_cast_int (ansi off)", by(SuffixRule::Double));
    compare("follower_count", "digits_only_cast_int (ansi off)", by(SuffixRule::DigitsOnly));
    compare("follower_count", "plain_cast_int (ansi off)", |value| text(text_to_int(value)));
}

#[test]
fn timestamps_and_ages_equal_sparks() {
    compare("timestamp", "to_timestamp (ansi off)", |value| timestamp(text_to_timestamp(value)));
    for pattern in ["yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd HH:mm:ss", "yyyy:MM:dd HH:mm:ss"] {
        let format = TimestampFormat::parse(pattern).unwrap();
        compare("timestamp", &format!("fmt {pattern} (ansi off)"), |value| timestamp(format.read(value)));
    }
    compare("age", "cast_int (ansi off)", |value| text(text_to_int(value)));
}

fn golden_case(table: &str) -> Option<PathBuf> {
    data().map(|data| data.join("golden/cases").join(format!("{table}.csv")))
}

/// Runs one rule over the values of a golden table, and compares the result with one of its columns.
async fn rule_equals_spark(table: &str, column: &str, rule: serde_json::Value, result: &str) {
    let Some(path) = golden_case(table) else { return };
    let (header, rows) = read_csv(&path);
    let at = header.iter().position(|name| name == column).unwrap();
    let home = tempfile::tempdir().unwrap();
    let lines: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(number, row)| {
            let value = if row[0] == "\\N" { json!(null) } else { json!(row[0]) };
            json!({ "number": number, "v": value, "x": "X" }).to_string()
        })
        .collect();
    std::fs::write(home.path().join("in.jsonl"), lines.join("\n")).unwrap();
    run("clean", json!({ "input": "in.jsonl", "output": "out", "rules": [rule] }), home.path()).await;
    let sql = format!("SELECT {result} FROM t ORDER BY number");
    let answer = run("query", json!({ "tables": { "t": "out" }, "sql": sql }), home.path()).await;
    for (mine, row) in answer["rows"].as_array().unwrap().iter().zip(&rows) {
        assert_eq!(mine[0].as_str().unwrap_or("\\N"), row[at], "{table}, {column} of `{}`", row[0]);
    }
}

#[tokio::test]
async fn paths_equal_sparks() {
    let rule = json!({ "remove_text": { "column": "v", "text": "Local save in " } });
    rule_equals_spark("save_location", "replace (ansi off)", rule, "v").await;
    let rule = json!({ "remove_text": { "column": "v", "text": "Local save in ", "at": "start" } });
    rule_equals_spark("save_location", "anchored (ansi off)", rule, "v").await;
}

#[tokio::test]
async fn names_equal_sparks() {
    let concat = |separator: &str, nulls: &str| json!({ "concat": { "into": "name", "of": ["v", "x"], "separator": separator, "nulls": nulls } });
    rule_equals_spark("name", "concat_blank (ansi off)", concat(" ", "any"), "name").await;
    rule_equals_spark("name", "concat_ws_blank (ansi off)", concat(" ", "skip"), "name").await;
    rule_equals_spark("name", "concat_no_blank (ansi off)", concat("", "any"), "name").await;
}

#[tokio::test]
async fn medians_equal_sparks() {
    let Some(path) = golden_case("percentile_approx") else { return };
    let home = tempfile::tempdir().unwrap();
    for row in read_csv(&path).1.iter().filter(|row| row[0].starts_with('[')) {
        let values = row[0].trim_matches(['[', ']']).replace("None", "NULL");
        let rows: Vec<String> = values.split(',').filter(|v| !v.is_empty()).map(|v| format!("({v})")).collect();
        let from = if rows.is_empty() {
            "(SELECT 1 AS v WHERE false)".to_owned()
        } else {
            format!("(VALUES {}) AS t(v)", rows.join(", "))
        };
        let sql = format!("SELECT percentile_approx(CAST(v AS INT), 0.5) FROM {from}");
        let answer = run("query", json!({ "sql": sql }), home.path()).await;
        let median = answer["rows"][0][0].as_i64();
        assert_eq!(text(median), row[1], "median of {}", row[0]);
    }
}
