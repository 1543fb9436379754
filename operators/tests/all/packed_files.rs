//! Files that gzip packed as a whole are read as those that it did not.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use operators::emulation::Emulation;
use operators::location::S3;
use operators::notifiers::Environment;
use operators::stream::Stream;
use serde_json::{Value, json};

use crate::context::{context, fail, log_text, run, try_run};
use crate::moto::Moto;
use crate::support::{Bench, return_value};

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn write(home: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = home.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

async fn rows(home: &Path, table: &Value, sql: &str) -> Value {
    run("query", json!({ "tables": { "t": table }, "sql": sql }), home).await["rows"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_read_packed_or_not() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let two = [packed("{\"n\": 1}\n"), packed("{\"n\": 2}\n{broken\n")].concat();
    write(home, "in/1.json.gz", two);
    write(home, "in/2.json", "{\"n\": 3, \"m\": \"x\"}");
    write(home, "in/3.json.gz", "");
    let args = json!({ "input": "in", "output": "out", "max_broken_share": 0.5 });
    let report = run("clean", args, home).await;
    assert_eq!((&report["rows_read"], &report["broken"], &report["files_read"]), (&json!(4), &json!(1), &json!(3)));
    let found = rows(home, &json!("out"), "SELECT n, m FROM t ORDER BY n").await;
    assert_eq!(found, json!([[null, null], [1, null], [2, null], [3, "x"]]));
    let log = log_text(home);
    assert!(log.contains("in/1.json.gz"), "it says where the malformed one is: {log}");
    assert_eq!(rows(home, &json!("in/*.json.gz"), "SELECT sum(n) FROM t").await, json!([[3]]));

    // Larger than what is read at once.
    let lines: String = (0..60_000).map(|n| format!("{{\"n\": {n}, \"text\": \"{:0>90}\"}}\n", n % 97)).collect();
    write(home, "large.jsonl.gz", packed(&lines));
    let sql = "SELECT count(*), count(DISTINCT text), sum(n) FROM t";
    assert_eq!(rows(home, &json!("large.jsonl.gz"), sql).await, json!([[60_000, 97, 1_799_970_000_u64]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_read_packed_or_not() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(home, "in/1.csv.gz", packed("a,b\n1,\"x\ny\"\n"));
    write(home, "in/2.csv", "b,c\nz,3\n");
    run("clean", json!({ "input": "in", "output": "out" }), home).await;
    let found = rows(home, &json!("out"), "SELECT a, b, c FROM t ORDER BY a").await;
    assert_eq!(found, json!([[null, "z", "3"], ["1", "x\ny", null]]));
    // Side by side, and by where it is.
    let sql = "SELECT t.a + 1, o.b FROM t JOIN csv.`in/1.csv.gz` AS o ON o.a = t.a";
    assert_eq!(rows(home, &json!("in/1.csv.gz"), sql).await, json!([[2, "x\ny"]]));
    write(home, "bad.csv.gz", packed("a,b\n1,2\n3\n"));
    let said = fail("clean", json!({ "input": "bad.csv.gz", "output": "other" }), home).await;
    insta::assert_snapshot!(said, @"`[HOME]/bad.csv.gz` cannot be read as csv: incorrect number of fields for line 3, expected 2 got 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_objects_are_read_once() {
    let moto = Moto::start();
    moto.make_bucket("real").await;
    let bench = Bench::new();
    let home = bench.home();
    write(home, "landed/1.json.gz", packed("{\"n\": 1}"));
    write(home, "landed/2.json", "{\"n\": 2}");
    moto.upload("s3://real/in", &home.join("landed")).await;
    write(home, "here/3.json", "{\"n\": 4}");
    let args = json!({ "input": ["here", "s3://real/in"], "output": "out", "mode": "append", "incremental": true });
    for written in [3, 0] {
        let report = try_run("clean", args.clone(), &context(home), &moto.settings()).await.unwrap();
        assert_eq!(report["rows_written"], written);
    }
    assert_eq!(rows(home, &json!("out"), "SELECT sum(n) FROM t").await, json!([[7]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_whole_or_otherwise_packed_is_named() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let whole = packed(&"{\"n\": 1}\n".repeat(1000));
    write(home, "cut.json.gz", &whole[..whole.len() / 2]);
    write(home, "plain.json.gz", "{\"n\": 1, \"text\": \"as it is\"}");
    for (input, said) in [
        (
            "cut.json.gz",
            "`[HOME]/cut.json.gz` cannot be unpacked: it is cut off, or damaged: the sum that gzip puts at the end is missing \
             or another one",
        ),
        ("plain.json.gz", "`[HOME]/plain.json.gz` cannot be unpacked: invalid gzip header"),
    ] {
        assert_eq!(fail("clean", json!({ "input": input, "output": "out" }), home).await, said);
    }
    write(home, "a.parquet.gz", packed(""));
    write(home, "a.json.zst", "");
    let said = fail("clean", json!({ "input": "a.parquet.gz", "output": "out" }), home).await;
    insta::assert_snapshot!(said, @"`[HOME]/a.parquet.gz` is compressed, by its name, which parquet is not; unpack it first");
    let said = fail("clean", json!({ "input": "a.json.zst", "output": "out" }), home).await;
    insta::assert_snapshot!(said, @"`[HOME]/a.json.zst` is compressed, by its name, and not by gzip; unpack it first");
    write(home, "a.gz", packed("{\"n\": 1}"));
    let said = fail("clean", json!({ "input": "a.gz", "output": "out" }), home).await;
    insta::assert_snapshot!(said, @"the format of `[HOME]/a.gz` cannot be told from its name; say `format:`");
    assert_eq!(rows(home, &json!({ "path": "a.gz", "format": "json" }), "SELECT n FROM t").await, json!([[1]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_rows_are_posted_and_streamed() {
    let bench = Bench::new();
    for (table, key) in [("pin", "index"), ("geo", "ind"), ("user", "ind")] {
        let lines: String = (0..2000).map(|n| format!("{{\"{key}\": {n}}}\n")).collect();
        bench.file(&format!("rows/{table}.jsonl.gz"), packed(&lines));
        bench.file(&format!("sheets/{table}.csv.gz"), packed(&format!("{key}\n7\n")));
    }
    let emulation = Emulation::new(S3::from_variables([]));
    for (source, count) in [("sheets", 1), ("rows", 2000)] {
        let args = json!({ "source": source, "sink": "lake", "flush_size": 500 });
        assert_eq!(return_value(bench.run(&emulation, args).await)["pin"]["rows"], count);
    }
    let landed = std::fs::read_dir(bench.home().join("lake/topics/0a3db223d459.user/partition=0")).unwrap();
    for object in landed.map(|entry| entry.unwrap().path()) {
        let name = object.file_name().unwrap().to_str().unwrap();
        bench.file(&format!("topic/{name}.gz"), packed(&std::fs::read_to_string(&object).unwrap()));
    }
    let read = json!({ "source": "topic", "schema": { "ind": "int" }, "output": "table" });
    let stream = Stream::new(S3::from_variables([]), Environment::default());
    for written in [2000, 0] {
        assert_eq!(return_value(bench.run(&stream, read.clone()).await)["rows_written"], written);
    }
    let sum = rows(bench.home(), &json!("table"), "SELECT sum(ind) FROM t").await;
    assert_eq!(sum, json!([[1_999_000]]));
}
