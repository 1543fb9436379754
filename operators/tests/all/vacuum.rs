//! Tables that are replaced again and again do not grow for ever, and readers of what was replaced are not disturbed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use deltalake::DeltaTableError;
use serde_json::{Value, json};
use url::Url;

use crate::context::{context, fail, log_text, nowhere, run, try_run};
use crate::moto::Moto;

const DAY: Duration = Duration::from_hours(24);

/// Replaces the table with one row that holds `number`.
async fn replace(home: &Path, number: i64, retention: Value) {
    fs::write(home.join("in.jsonl"), format!("{{\"n\":{number}}}")).unwrap();
    let mut args = json!({ "input": "in.jsonl", "output": "table" });
    if !retention.is_null() {
        args["vacuum_retention"] = retention;
    }
    run("clean", args, home).await;
}

fn data_files(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.join("table")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

/// What somebody reads who began with that version of the table, and reads its files now.
async fn read_version(home: &Path, version: u64) -> Result<i64, DeltaTableError> {
    let url = Url::from_directory_path(home.join("table")).unwrap();
    let table = deltalake::open_table_with_version(url, version).await?;
    let session = operators::spark::session(1 << 28, 2)?;
    let provider = operators::delta::provider(&table, &session).await.unwrap();
    let rows = session.read_table(provider)?.collect().await?;
    let number = datafusion::common::cast::as_int64_array(rows[0].column(0))?.value(0);
    Ok(number)
}

/// Makes the log say that `version` was committed some days earlier than it was.
fn backdate(home: &Path, version: u64, days: i64) {
    let path = home.join(format!("table/_delta_log/{version:020}.json"));
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| {
        let mut action: Value = serde_json::from_str(line).unwrap();
        if let Some(at) = action.pointer_mut("/remove/deletionTimestamp") {
            *at = (at.as_i64().unwrap() - days * 24 * 3600 * 1000).into();
        }
        action.to_string() + "\n"
    });
    fs::write(&path, lines.collect::<String>()).unwrap();
}

#[tokio::test]
async fn a_week_of_replaced_versions_can_be_read_by_default() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for number in 0..3 {
        replace(home, number, Value::Null).await;
    }
    // Version 1 replaced version 0 eight days ago, and version 2 replaced version 1 six days ago.
    backdate(home, 1, 8);
    backdate(home, 2, 6);

    replace(home, 3, Value::Null).await;

    assert!(read_version(home, 0).await.is_err(), "its files are gone");
    assert_eq!(read_version(home, 1).await.unwrap(), 1);
    assert_eq!(read_version(home, 2).await.unwrap(), 2);
    assert_eq!(read_version(home, 3).await.unwrap(), 3);
    assert_eq!(data_files(home).len(), 3);
    assert!(log_text(home).contains("Removed 1 file of replaced versions"), "{}", log_text(home));
}

#[tokio::test]
async fn a_table_that_is_replaced_every_night_is_bounded() {
    for (retention, files) in [(json!(0), 1), (json!("0s"), 1), (json!("forever"), 12)] {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        for number in 0..12 {
            replace(home, number, retention.clone()).await;
        }

        assert_eq!(data_files(home).len(), files, "{retention}");
        assert_eq!(read_version(home, 11).await.unwrap(), 11);
        let commits = fs::read_dir(home.join("table/_delta_log")).unwrap().count();
        assert_eq!(commits, 12, "removing files makes no commits of its own");
    }
}

#[tokio::test]
async fn the_tables_own_retention_holds_without_ours() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    replace(home, 0, Value::Null).await;
    let path = home.join("table/_delta_log/00000000000000000000.json");
    let text = fs::read_to_string(&path).unwrap();
    let with_property = text.replace(
        r#""configuration":{}"#,
        r#""configuration":{"delta.deletedFileRetentionDuration":"interval 30 days"}"#,
    );
    assert_ne!(text, with_property);
    fs::write(&path, with_property).unwrap();
    replace(home, 1, Value::Null).await;
    backdate(home, 1, 8);

    replace(home, 2, Value::Null).await;

    assert_eq!(read_version(home, 0).await.unwrap(), 0);
}

#[tokio::test]
async fn results_of_queries_are_bounded_as_well() {
    let home = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let sql = format!("SELECT {number} AS n");
        run("query", json!({ "sql": sql, "output": "table", "vacuum_retention": "0s" }), home.path()).await;
    }

    assert_eq!(data_files(home.path()).len(), 1);
}

#[tokio::test]
async fn tables_in_buckets_are_bounded_as_well() {
    let moto = Moto::start();
    moto.make_bucket("lake").await;
    let home = tempfile::tempdir().unwrap();
    let ctx = context(home.path());
    for number in 0..3 {
        let sql = format!("SELECT {number} AS n");
        let args = json!({ "sql": sql, "output": "s3://lake/some/table", "vacuum_retention": 0 });
        try_run("query", args, &ctx, &moto.settings()).await.unwrap();
    }

    let keys = moto.keys("s3://lake/some/table").await;
    let of_data = keys.iter().filter(|key| key.ends_with(".parquet")).count();
    assert_eq!(of_data, 1, "{keys:?}");
    let args = json!({ "tables": { "t": "s3://lake/some/table" }, "sql": "SELECT n FROM t" });
    assert_eq!(try_run("query", args, &ctx, &moto.settings()).await.unwrap()["rows"], json!([[2]]));
}

#[tokio::test]
async fn leftovers_of_killed_tries_go_after_a_day_and_strange_files_stay() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    replace(home, 0, json!("0s")).await;
    let leave = |name: &str, age: Duration| {
        let file = File::create(home.join("table").join(name)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    leave("part-00000-aaaa-c000.snappy.parquet", 2 * DAY);
    leave("part-00000-bbbb-c000.snappy.parquet", DAY / 2);
    leave("part-00000-cccc-c000.snappy.parquet#1", 2 * DAY);
    leave("notes.txt", 30 * DAY);
    leave("old.parquet", 30 * DAY);

    replace(home, 1, json!("0s")).await;

    let mut left: Vec<String> = data_files(home)
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| {
            !name.starts_with("part-") || name.contains("aaaa") || name.contains("bbbb") || name.contains('#')
        })
        .collect();
    left.sort();
    assert_eq!(left, ["notes.txt", "old.parquet", "part-00000-bbbb-c000.snappy.parquet"]);
    assert_eq!(read_version(home, 1).await.unwrap(), 1);
}

#[tokio::test]
async fn a_retention_that_is_none_is_told_when_the_file_is_loaded() {
    let registry = operators::registry_with(&nowhere()).unwrap();
    let args = json!({ "input": "a", "output": "b", "sql": "SELECT 1", "vacuum_retention": "a week" });
    for operator in ["clean", "query"] {
        let problems = registry.find(operator).unwrap().check(args.as_object().unwrap());
        let told: Vec<String> =
            problems.into_iter().map(|told| format!("{}: {}", told.pointer, told.message)).collect();
        assert_eq!(
            told,
            ["/vacuum_retention: `a week` is not a duration; write `7d`, `12h`, a number of seconds, or `forever`"]
        );
    }
    let home = tempfile::tempdir().unwrap();
    let args = json!({ "sql": "SELECT 1", "vacuum_retention": -1 });
    assert!(fail("query", args, home.path()).await.contains("`-1` is negative"));
}
