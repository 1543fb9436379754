//! `emulation`: what lands, where, and what is left when it does not.

use std::path::Path;
use std::time::Duration;

use operators::emulation::Emulation;
use operators::location::S3;
use scheduler::operator::Verdict;
use serde_json::{Value, json};

use crate::support::{Bench, return_value, shared};

const USER: &str = "0a3db223d459";
const TABLES: [&str; 3] = ["pin", "geo", "user"];

fn emulation() -> Emulation {
    Emulation::new(S3::from_variables([]))
}

/// The names below a folder, sorted; empty when there is none.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn topics(bench: &Bench) -> Vec<String> {
    names(&bench.home().join("lake/topics"))
}

fn landed(bench: &Bench, table: &str) -> Vec<String> {
    names(&bench.home().join(format!("lake/topics/{USER}.{table}/partition=0")))
}

/// What a topic holds, in the order of the offsets.
fn content(bench: &Bench, table: &str) -> Vec<u8> {
    let folder = bench.home().join(format!("lake/topics/{USER}.{table}/partition=0"));
    landed(bench, table).iter().flat_map(|name| std::fs::read(folder.join(name)).unwrap()).collect()
}

fn three_files(bench: &Bench, pin: &[u8]) {
    bench.file("source/pin.jsonl", pin);
    bench.file("source/geo.jsonl", "{\"ind\": 0}\n");
    bench.file("source/user.jsonl", "{\"ind\": 0}");
}

#[tokio::test]
async fn lands_one_document_an_object_in_the_layout_of_the_sink() {
    let bench = Bench::new();
    let report = return_value(bench.run(&emulation(), json!({ "rows": 12 })).await);
    assert_eq!(topics(&bench), ["geo", "pin", "user"].map(|table| format!("{USER}.{table}")));
    for table in TABLES {
        let expected: Vec<_> = (0..12).map(|offset| format!("{USER}.{table}+0+{offset:010}.json")).collect();
        assert_eq!(landed(&bench, table), expected);
        assert_eq!(report[table], json!({ "rows": 12, "objects": 12, "broken": 0 }));
    }
    assert_eq!(report["location"], json!(bench.home().join("lake").to_str().unwrap()));
    let last = bench.home().join(format!("lake/topics/{USER}.geo/partition=0/{USER}.geo+0+0000000011.json"));
    let text = std::fs::read_to_string(last).unwrap();
    assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["ind"], json!(11));
}

#[tokio::test]
async fn several_records_share_an_object_when_flush_size_says_so() {
    let bench = Bench::new();
    let report = return_value(bench.run(&emulation(), json!({ "rows": 25, "flush_size": 10 })).await);
    assert_eq!(report["pin"], json!({ "rows": 25, "objects": 3, "broken": 0 }));
    let expected = [0, 10, 20].map(|offset| format!("{USER}.pin+0+{offset:010}.json"));
    assert_eq!(landed(&bench, "pin"), expected);
    assert_eq!(content(&bench, "pin").split_inclusive(|&byte| byte == b'\n').count(), 25);
}

#[tokio::test]
async fn lines_land_exactly_as_they_are() {
    let bench = Bench::new();
    let lines = b"{\"b\" :1,  \"a\":\"\\u00e9\"}\n\n  \t\nnot json at all\n\xef\xbb\xbf{\"index\": 2}\n[{}]\n{\"cut\": \"of\xff\r\n{\"last\":1}";
    three_files(&bench, lines);
    let args = json!({ "source": "source", "max_broken_share": 0.5 });
    let report = return_value(bench.run(&emulation(), args).await);
    let expected =
        b"{\"b\" :1,  \"a\":\"\\u00e9\"}\nnot json at all\n\xef\xbb\xbf{\"index\": 2}\n[{}]\n{\"cut\": \"of\xff\r\n{\"last\":1}\n";
    assert_eq!(content(&bench, "pin").escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!(report["pin"], json!({ "rows": 6, "objects": 6, "broken": 3, "broken_lines": [4, 5, 7] }));
    assert_eq!(report["user"], json!({ "rows": 1, "objects": 1, "broken": 0 }));
    assert!(bench.log_text().contains("3 of 6 lines of pin.jsonl (50.0 %) are not JSON: lines 4, 5, 7"));
}

#[tokio::test]
async fn too_many_broken_lines_fail_and_touch_nothing() {
    let bench = Bench::new();
    return_value(bench.run(&emulation(), json!({ "rows": 3 })).await);
    three_files(&bench, b"{}\nbroken\n");
    let error = bench.run(&emulation(), json!({ "source": "source" })).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Fail);
    assert!(error.to_string().contains("1 of 2 lines of pin.jsonl (50.0 %) are not JSON: lines 2"), "{error}");
    assert!(error.to_string().contains("allows 5 %"), "{error}");
    assert_eq!(landed(&bench, "pin").len(), 3);
}

#[tokio::test]
async fn a_run_replaces_what_earlier_runs_landed_and_nothing_else() {
    let bench = Bench::new();
    let other = bench.file("lake/topics/ffffffffffff.pin/partition=0/x.json", "{}");
    return_value(bench.run(&emulation(), json!({ "rows": 40, "seed": 1 })).await);
    let before = content(&bench, "pin");
    return_value(bench.run(&emulation(), json!({ "rows": 15, "seed": 2 })).await);
    for table in TABLES {
        assert_eq!(landed(&bench, table).len(), 15);
    }
    assert!(!before.starts_with(&content(&bench, "pin")));
    assert!(other.exists());
    assert_eq!(topics(&bench).len(), 4);
}

#[tokio::test]
async fn what_a_killed_try_left_is_removed() {
    let bench = Bench::new();
    let left = "00000000-0000-0000-0000-000000000000";
    bench.file(&format!("lake/topics/.{USER}.pin.landing-{left}/partition=0/half.json"), "{");
    bench.file(&format!("lake/topics/.{USER}.geo.aside/partition=0/{USER}.geo+0+0000000000.json"), "{\"old\":1}\n");
    let foreign = bench.file("lake/topics/.ffffffffffff.pin.landing-1/partition=0/x.json", "{");
    return_value(bench.run(&emulation(), json!({ "rows": 2 })).await);
    let hidden: Vec<_> = topics(&bench).into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(hidden, [".ffffffffffff.pin.landing-1"]);
    assert!(foreign.exists());
    assert_eq!(landed(&bench, "geo").len(), 2);
}

#[tokio::test]
async fn what_a_killed_try_had_put_aside_is_put_back() {
    let bench = Bench::new();
    bench.file(&format!("lake/topics/.{USER}.geo.aside/partition=0/{USER}.geo+0+0000000000.json"), "{\"old\":1}\n");
    bench.ctx.cancelled.cancel();
    let error = bench.run(&emulation(), json!({ "rows": 1000 })).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Cancelled);
    assert_eq!(topics(&bench), [format!("{USER}.geo")]);
    assert_eq!(content(&bench, "geo"), b"{\"old\":1}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_landing_leaves_what_was_there() {
    let bench = Bench::new();
    return_value(bench.run(&emulation(), json!({ "rows": 5 })).await);
    let before = content(&bench, "pin");
    let stopper = {
        let (cancelled, topics) = (bench.ctx.cancelled.clone(), bench.home().join("lake/topics"));
        tokio::spawn(async move {
            // As soon as something of the second landing is there.
            let written = |name: &String| !names(&topics.join(name).join("partition=0")).is_empty();
            while !names(&topics).iter().any(|name| name.contains(".landing-") && written(name)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            cancelled.cancel();
        })
    };
    let error = bench.run(&emulation(), json!({ "rows": 600_000 })).await.unwrap_err();
    stopper.await.unwrap();
    assert_eq!(error.verdict, Verdict::Cancelled);
    assert_eq!(content(&bench, "pin"), before);
    assert_eq!(topics(&bench).len(), 3);
}

#[tokio::test]
async fn a_bad_source_is_one_clear_error() {
    let bench = Bench::new();
    bench.file("partly/pin.jsonl", "{}\n");
    bench.file("partly/user.jsonl", "{}\n");
    let unreadable = bench.file("odd/pin.jsonl/x", "");
    for (source, words) in [
        ("nowhere", vec!["the source folder", "nowhere does not exist"]),
        ("partly", vec!["has no geo.jsonl"]),
        ("odd", vec!["has no pin.jsonl"]),
        ("", vec!["`source`: the location is empty"]),
        ("ftp://x/y", vec!["`source`: the location has the unknown scheme \"ftp\""]),
    ] {
        let error = bench.run(&emulation(), json!({ "source": source })).await.unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{source}: {error}");
    }
    assert!(unreadable.exists());
    assert_eq!(topics(&bench), Vec::<String>::new());
}

#[tokio::test]
async fn arguments_out_of_range_are_refused() {
    let bench = Bench::new();
    for (args, words) in [
        (json!({ "user_id": "0A3DB223D459" }), "12 hexadecimal digits"),
        (json!({ "user_id": "../../../etc" }), "12 hexadecimal digits"),
        (json!({ "rows": 0 }), "`rows` is 0"),
        (json!({ "flush_size": 0 }), "`flush_size` is 0"),
        (json!({ "max_broken_share": 1.5 }), "between 0 and 1"),
        (json!({ "sink": "../x" }), "`sink`: the location \"../x\" climbs"),
    ] {
        let error = bench.run(&emulation(), args).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::Fail);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn the_dirty_reference_rows_pass_with_the_defaults() {
    let Some(shared) = shared() else {
        eprintln!("reference data not present");
        return;
    };
    let source = shared.join("data/dirty11k/jsonl");
    let bench = Bench::new();
    let report = return_value(bench.run(&emulation(), json!({ "source": source })).await);
    for (table, rows, broken) in [("pin", 11_227, 54), ("geo", 11_236, 58), ("user", 11_217, 50)] {
        assert_eq!(report[table]["rows"], json!(rows));
        assert_eq!(report[table]["broken"], json!(broken));
        assert!(content(&bench, table) == std::fs::read(source.join(format!("{table}.jsonl"))).unwrap());
    }
}
