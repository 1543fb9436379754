//! What `emulation` leaves in a folder, also when it is stopped.

use std::fs;
use std::path::{Path, PathBuf};

use scheduler::operator::Verdict;
use serde_json::{Value, json};

use crate::context::{context, fail, log_text, nowhere, run, try_run};

fn partition(home: &Path, table: &str) -> PathBuf {
    home.join(format!("lake/topics/u1.{table}/partition=0"))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn write_source(home: &Path, pins: &str) {
    fs::create_dir_all(home.join("source")).unwrap();
    fs::write(home.join("source/pin.jsonl"), pins).unwrap();
    fs::write(home.join("source/geo.jsonl"), "{\"ind\":1}\n").unwrap();
    fs::write(home.join("source/user.jsonl"), "{\"ind\":1}\n").unwrap();
}

fn args() -> Value {
    json!({ "source": "source", "sink": "lake", "user_id": "u1" })
}

#[tokio::test]
async fn lines_are_landed_as_they_are() {
    let home = tempfile::tempdir().unwrap();
    write_source(home.path(), "{\"b\": 1,  \"a\":2}\n\nnot json\n{\"c\":3}");
    let mut args = args();
    args["max_broken_share"] = json!(0.5);
    let report = run("emulation", args, home.path()).await;
    assert_eq!(report["topics"]["pin"]["records"], 3);
    assert_eq!(report["broken"], 1);
    let folder = partition(home.path(), "pin");
    let expected = ["u1.pin+0+0000000000.json", "u1.pin+0+0000000001.json", "u1.pin+0+0000000002.json"];
    assert_eq!(names(&folder), expected);
    assert_eq!(fs::read_to_string(folder.join(expected[0])).unwrap(), "{\"b\": 1,  \"a\":2}\n");
    assert_eq!(fs::read_to_string(folder.join(expected[1])).unwrap(), "not json\n");
    insta::assert_snapshot!(log_text(home.path()), @"
    1 of 5 records are malformed
    Landed 3 records of `u1.pin` in 3 objects, 1 malformed
    Landed 1 records of `u1.geo` in 1 objects, 0 malformed
    Landed 1 records of `u1.user` in 1 objects, 0 malformed
    ");
}

#[tokio::test]
async fn objects_are_named_by_their_first_offset() {
    let home = tempfile::tempdir().unwrap();
    let args = json!({ "sink": "lake", "user_id": "u1", "rows": 5, "flush_size": 2 });
    run("emulation", args, home.path()).await;
    let expected = ["u1.geo+0+0000000000.json", "u1.geo+0+0000000002.json", "u1.geo+0+0000000004.json"];
    assert_eq!(names(&partition(home.path(), "geo")), expected);
}

#[tokio::test]
async fn a_second_run_leaves_nothing_of_the_first() {
    let home = tempfile::tempdir().unwrap();
    run("emulation", json!({ "sink": "lake", "user_id": "u1", "rows": 50 }), home.path()).await;
    run("emulation", json!({ "sink": "lake", "user_id": "u1", "rows": 3 }), home.path()).await;
    for table in ["pin", "geo", "user"] {
        assert_eq!(names(&partition(home.path(), table)).len(), 3);
        assert_eq!(names(partition(home.path(), table).parent().unwrap()), ["partition=0"]);
    }
}

#[tokio::test]
async fn too_many_broken_lines_land_nothing() {
    let home = tempfile::tempdir().unwrap();
    run("emulation", json!({ "sink": "lake", "user_id": "u1", "rows": 4 }), home.path()).await;
    write_source(home.path(), "{\"a\":1}\nnot json\n");
    insta::assert_snapshot!(fail("emulation", args(), home.path()).await, @"1 of 4 records are malformed (25.0 %), more than `max_broken_share` (5.0 %) allows");
    assert_eq!(names(&partition(home.path(), "pin")).len(), 4);
    assert_eq!(names(partition(home.path(), "pin").parent().unwrap()), ["partition=0"]);
}

#[tokio::test]
async fn what_a_killed_try_left_is_cleared_away() {
    let home = tempfile::tempdir().unwrap();
    let leftover = home.path().join("lake/topics/u1.pin/.partition=0.01234567");
    fs::create_dir_all(&leftover).unwrap();
    fs::write(leftover.join("u1.pin+0+0000000000.json"), "{\"half\":").unwrap();
    run("emulation", json!({ "sink": "lake", "user_id": "u1", "rows": 2 }), home.path()).await;
    assert_eq!(names(&home.path().join("lake/topics/u1.pin")), ["partition=0"]);
}

#[tokio::test]
async fn a_cancelled_try_lands_nothing() {
    let home = tempfile::tempdir().unwrap();
    run("emulation", json!({ "sink": "lake", "user_id": "u1", "rows": 3 }), home.path()).await;
    let ctx = context(home.path());
    let cancelled = ctx.cancelled.clone();
    let topic = home.path().join("lake/topics/u1.pin");
    let watch = {
        let topic = topic.clone();
        std::thread::spawn(move || {
            // As soon as the staging folder is there, the try is in the middle of its work.
            while names(&topic).len() < 2 {
                std::thread::yield_now();
            }
            cancelled.cancel();
        })
    };
    let args = json!({ "sink": "lake", "user_id": "u1", "rows": 10_000_000 });
    let error = try_run("emulation", args, &ctx, &nowhere()).await.unwrap_err();
    watch.join().unwrap();
    assert_eq!(error.verdict, Verdict::Cancelled);
    assert_eq!(names(&topic), ["partition=0"]);
    assert_eq!(names(&topic.join("partition=0")).len(), 3);
}

#[tokio::test]
async fn a_missing_source_is_named() {
    let home = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(fail("emulation", args(), home.path()).await, @"`[HOME]/source/pin.jsonl` cannot be read; the source needs `pin.jsonl`, `geo.jsonl` and `user.jsonl`: No such file or directory (os error 2)");
    let mut bad = args();
    bad["source"] = json!("https://example.com/rows");
    insta::assert_snapshot!(fail("emulation", bad, home.path()).await, @"`https://example.com/rows` begins with `https://`, which Updraft does not read; use a local path or `s3://bucket/prefix`");
}
