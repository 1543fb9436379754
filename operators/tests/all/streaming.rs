//! `stream`: records of Kinesis and of folders, appended to Delta tables exactly once, whatever happens in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use operators::emulation::Emulation;
use operators::kinesis::Kinesis;
use operators::location::S3;
use operators::notifiers::Environment;
use operators::stream::Stream;
use scheduler::clock::Clock;
use scheduler::operator::Verdict;
use serde_json::{Value, json};

use crate::moto::Moto;
use crate::python;
use crate::support::{Bench, return_value};

const USER: &str = "0a3db223d459";

/// How the notebooks read posts: all columns are text.
fn pin_schema() -> Value {
    json!([
        "index",
        "unique_id",
        "title",
        "description",
        "poster_name",
        "follower_count",
        "tag_list",
        "is_image_or_video",
        "image_src",
        "downloaded",
        "save_location",
        "category"
    ])
}

fn pin_rules() -> Value {
    json!([
        { "nulls": { "values": ["User Info Error"], "columns": ["follower_count", "poster_name"] } },
        { "suffixed_number": { "column": "follower_count" } },
        { "cast": { "column": "index", "to": "int" } },
        { "rename": { "index": "ind" } },
        { "select": ["ind", "unique_id", "follower_count", "category"] }
    ])
}

/// The values of `ind` in the table, in their order, as another reader of Delta sees them.
fn numbers(table: &str) -> Vec<u64> {
    let read = python::read_delta(table, "ind", &[]);
    let column = read["columns"].as_array().unwrap().iter().find(|column| column[0] == "ind").unwrap();
    column[1].as_array().unwrap().iter().map(|value| value.as_u64().unwrap()).collect()
}

async fn post(bench: &Bench, moto: &Moto, rows: u64) {
    let args = json!({ "sink": { "kinesis": { "partition_key": "row" } }, "rows": rows, "batch": 50 });
    return_value(bench.run(&Emulation::new(moto.settings()), args).await);
}

async fn make_streams(bench: &Bench, moto: &Moto) {
    let names: Vec<String> = ["pin", "geo", "user"].map(|table| format!("streaming-{USER}-{table}")).into();
    let args = json!({ "action": "create", "stream": names, "shard_count": 2 });
    return_value(bench.run(&Kinesis::new(moto.settings(), Environment::default()), args).await);
}

fn posts(batch_rows: u64) -> Value {
    json!({
        "source": { "kinesis": { "stream": format!("streaming-{USER}-pin") } },
        "schema": pin_schema(),
        "rules": pin_rules(),
        "output": "lake/stream_pin",
        "batch_rows": batch_rows,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_where_the_table_says() {
    let (moto, bench) = (Moto::start(), Bench::new());
    let stream = Stream::new(moto.settings(), Environment::default());
    make_streams(&bench, &moto).await;
    post(&bench, &moto, 60).await;

    let report = return_value(bench.run(&stream, posts(25)).await);
    assert_eq!((&report["rows_read"], &report["rows_written"], &report["broken"]), (&json!(60), &json!(60), &json!(0)));
    assert!(report["commits"].as_u64().unwrap() >= 3, "{report}");
    assert_eq!(report["positions"].as_object().unwrap().len(), 2);
    let table = bench.home().join("lake/stream_pin");
    assert_eq!(numbers(table.to_str().unwrap()), (0..60).collect::<Vec<u64>>());

    let report = return_value(bench.run(&stream, posts(25)).await);
    assert_eq!((&report["rows_read"], &report["commits"]), (&json!(0), &json!(0)));
    post(&bench, &moto, 5).await;
    let report = return_value(bench.run(&stream, posts(25)).await);
    assert_eq!(report["rows_written"], 5);
    assert_eq!(numbers(table.to_str().unwrap()).len(), 65);
}

/// What comes between two runs is read, and what came before the first one is not.
#[tokio::test(flavor = "multi_thread")]
async fn latest_is_what_it_was_at_the_first_run() {
    let (moto, bench) = (Moto::start(), Bench::new());
    let stream = Stream::new(moto.settings(), Environment::default());
    make_streams(&bench, &moto).await;
    post(&bench, &moto, 10).await;
    let mut args = posts(1000);
    args["source"]["kinesis"]["start"] = "latest".into();

    let report = return_value(bench.run(&stream, args.clone()).await);
    assert_eq!((&report["rows_read"], &report["commits"]), (&json!(0), &json!(1)), "{report}");
    post(&bench, &moto, 6).await;
    for rows in [6, 0] {
        let report = return_value(bench.run(&stream, args.clone()).await);
        assert_eq!(report["rows_written"], rows, "{report}");
    }
    let table = bench.home().join("lake/stream_pin");
    assert_eq!(numbers(table.to_str().unwrap()).len(), 6);
}

/// The clock of this machine is an hour fast: nothing that comes between two runs is older than the first one for that.
#[tokio::test(flavor = "multi_thread")]
async fn latest_is_found_by_the_clock_of_kinesis() {
    let (moto, mut bench) = (Moto::start(), Bench::new());
    bench.ctx.clock = Clock::manual(Clock::System.now() + TimeDelta::hours(1));
    let stream = Stream::new(moto.settings(), Environment::default());
    make_streams(&bench, &moto).await;
    let mut args = posts(1000);
    args["source"]["kinesis"]["start"] = "latest".into();

    let report = return_value(bench.run(&stream, args.clone()).await);
    assert_eq!((&report["rows_read"], &report["commits"]), (&json!(0), &json!(1)), "{report}");
    post(&bench, &moto, 6).await;
    let report = return_value(bench.run(&stream, args).await);
    assert_eq!(report["rows_written"], 6, "{report}");
}

/// What a shard had at its end is not lost when Kinesis does not say at once which shards go on where it ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_was_split_is_read_to_its_end() {
    let bench = Bench::new();
    let stream = Stream::new(split_stream().await, Environment::default());
    let args = json!({ "source": { "kinesis": { "stream": "s" } }, "schema": { "n": "int" }, "output": "out" });
    let report = return_value(bench.run(&stream, args).await);
    assert_eq!((&report["rows_written"], &report["positions"]["old"]), (&json!(2), &json!("ended")), "{report}");
}

/// A Kinesis whose shard `old` was split while it was read. It refuses to list the shards just then.
async fn split_stream() -> S3 {
    let lists = Arc::new(AtomicUsize::new(0));
    let answer = move |headers: HeaderMap, body: Bytes| {
        let lists = Arc::clone(&lists);
        async move {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let records =
                |data: &str, number: &str| json!([{ "Data": STANDARD.encode(data), "SequenceNumber": number }]);
            let answer = match headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap() {
                "ListShards" => match lists.fetch_add(1, Ordering::SeqCst) {
                    0 => json!({ "Shards": [{ "ShardId": "old" }] }),
                    1 => json!({ "__type": "LimitExceededException", "message": "too many" }),
                    _ => json!({ "Shards": [{ "ShardId": "old" }, { "ShardId": "new" }] }),
                },
                "GetShardIterator" => json!({ "ShardIterator": body["ShardId"] }),
                _ => match body["ShardIterator"].as_str().unwrap() {
                    "old" => json!({ "Records": records("{\"n\": 1}", "11"), "MillisBehindLatest": 0 }),
                    "new" => json!({ "Records": records("{\"n\": 2}", "12"), "NextShardIterator": "end" }),
                    _ => json!({ "Records": [], "NextShardIterator": "end", "MillisBehindLatest": 0 }),
                },
            };
            answer.to_string()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    S3::from_variables(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// The work is dropped at whatever point it has reached, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_killed_appends_each_record_once() {
    let (moto, bench) = (Moto::start(), Bench::new());
    let stream = Stream::new(moto.settings(), Environment::default());
    make_streams(&bench, &moto).await;
    post(&bench, &moto, 400).await;
    let table = bench.home().join("lake/stream_pin");

    for kill in 1..8 {
        let log = table.join("_delta_log");
        let before = std::fs::read_dir(&log).map_or(0, Iterator::count);
        // A commit has been made, or not: the file of the log may be there before the stream knows of it.
        let committed = async {
            while std::fs::read_dir(&log).map_or(0, Iterator::count) < before + 1 + kill % 3 {
                tokio::time::sleep(Duration::from_millis(kill as u64)).await;
            }
        };
        tokio::select! {
            _ = bench.run(&stream, posts(20)) => break,
            () = committed => {}
        }
    }
    let report = return_value(bench.run(&stream, posts(20)).await);
    assert!(report["rows_read"].as_u64().unwrap() < 400, "the runs before did nothing: {report}");
    assert_eq!(numbers(table.to_str().unwrap()), (0..400).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_stops_when_it_is_told_and_when_its_time_is_up() {
    let (moto, bench) = (Moto::start(), Bench::new());
    let stream = Stream::new(moto.settings(), Environment::default());
    make_streams(&bench, &moto).await;
    post(&bench, &moto, 10).await;
    let with = |until: &str| {
        let mut args = posts(1000);
        args["until"] = until.into();
        args["batch_every"] = "0.2s".into();
        args
    };

    // Enough for a busy machine to have read them all.
    let report = return_value(bench.run(&stream, with("10s")).await);
    assert_eq!(report["rows_written"], 10);

    let stop = bench.ctx.cancelled.clone();
    let (ended, ()) = tokio::join!(bench.run(&stream, with("forever")), async { stop.cancel() });
    assert_eq!(ended.unwrap_err().verdict, Verdict::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_folder_are_read_once_each() {
    let bench = Bench::new();
    let s3 = crate::context::nowhere();
    let (emulation, stream) = (Emulation::new(s3.clone()), Stream::new(s3, Environment::default()));
    let args = json!({
        "source": format!("lake/topics/{USER}.user"),
        "schema": { "ind": "int", "first_name": "string", "age": "int", "date_joined": "string" },
        "rules": [{ "timestamp": { "column": "date_joined" } }],
        "output": "lake/stream_user",
    });
    return_value(bench.run(&emulation, json!({ "rows": 30, "flush_size": 7 })).await);
    let report = return_value(bench.run(&stream, args.clone()).await);
    assert_eq!((&report["rows_written"], &report["positions"]), (&json!(30), &json!({ "0": "30" })));

    return_value(bench.run(&emulation, json!({ "rows": 5, "flush_size": 7, "offsets": "continue" })).await);
    let report = return_value(bench.run(&stream, args.clone()).await);
    assert_eq!((&report["rows_written"], &report["positions"]), (&json!(5), &json!({ "0": "35" })));
    assert_eq!(return_value(bench.run(&stream, args).await)["rows_read"], 0);
    let table = bench.home().join("lake/stream_user");
    assert_eq!(numbers(table.to_str().unwrap()).len(), 35);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_no_objects_are_kept_as_nulls_or_left_out() {
    let bench = Bench::new();
    let stream = Stream::new(crate::context::nowhere(), Environment::default());
    bench
        .file("topic/partition=0/t+0+0000000000.json", "{\"a\": 1}\n[{\"a\": 2}]\nbroken\n{\"a\": \"x\", \"b\": {}}\n");
    let with = |broken: &str, output: &str| json!({ "source": "topic", "schema": ["a", "b"], "output": output, "broken": broken });

    let report = return_value(bench.run(&stream, with("keep", "kept")).await);
    assert_eq!((&report["rows_written"], &report["broken"]), (&json!(4), &json!(2)));
    let report = return_value(bench.run(&stream, with("drop", "dropped")).await);
    assert_eq!((&report["rows_written"], &report["broken"]), (&json!(2), &json!(2)));
    let read = python::read_delta(bench.home().join("dropped").to_str().unwrap(), "a", &[]);
    assert_eq!(read["columns"], json!([["a", ["1", "x"]], ["b", [null, "{}"]]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_one_name_are_counted_one_by_one() {
    let bench = Bench::new();
    let stream = Stream::new(crate::context::nowhere(), Environment::default());
    bench.file("topic/partition=0/t+0+0000000000.json", "{\"a\": \"x\"}\n{\"a\": \"y\"}\n{\"a\": \"x\"}\n");
    let nulls = |value: &str| json!({ "nulls": { "values": [value], "columns": ["a"] } });
    let args = json!({ "source": "topic", "schema": ["a"], "rules": [nulls("x"), nulls("y")], "output": "out" });
    let report = return_value(bench.run(&stream, args).await);
    assert_eq!(report["changed"], json!({ "nulls a": 2, "nulls a #2": 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_have_the_types_that_the_schema_says() {
    let bench = Bench::new();
    let stream = Stream::new(crate::context::nowhere(), Environment::default());
    let rows = "{\"i\": 7, \"b\": 3000000000}\n{\"i\": 3000000000, \"b\": 1.5}\n{\"i\": 2.0, \"b\": \"x\"}\n";
    bench.file("topic/partition=0/t+0+0000000000.json", rows);
    let args = json!({ "source": "topic", "schema": { "i": "int", "b": "bigint" }, "output": "out" });
    return_value(bench.run(&stream, args).await);
    let read = python::read_delta(bench.home().join("out").to_str().unwrap(), "i", &[]);
    assert_eq!(read["columns"], json!([["i", [7, null, null]], ["b", [3_000_000_000_i64, null, null]]]));
    let kind = "import deltalake, sys; print(deltalake.DeltaTable(sys.argv[1]).schema().fields[0].type)";
    assert!(python::run(&["-c", kind, bench.home().join("out").to_str().unwrap()], &[]).contains("integer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_in_a_sentence() {
    let (moto, bench) = (Moto::start(), Bench::new());
    let stream = Stream::new(moto.settings(), Environment::default());
    let fails = async |args: Value| {
        let error = bench.run(&stream, args).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::Fail);
        error.to_string().replace(bench.home().to_str().unwrap(), "[HOME]")
    };
    let unknown = fails(posts(10)).await;
    assert!(
        unknown.contains("ResourceNotFoundException") && unknown.contains("streaming-0a3db223d459-pin"),
        "{unknown}"
    );

    bench.file("topic/partition=0/t+0+0000000000.json", "{\"a\": 1}\n");
    let args = json!({ "source": "topic", "schema": ["a"], "output": "out" });
    return_value(bench.run(&stream, args.clone()).await);
    let mut other = args.clone();
    other["rules"] = json!([{ "rename": { "a": "b" } }]);
    other["checkpoint"] = "again".into();
    assert_eq!(
        fails(other).await,
        "the table `[HOME]/out` has the columns `a`, and the rules make `b`; write to another table, or make the rules \
         end with a `select` of the table's columns"
    );

    let mut misspelt = args.clone();
    misspelt["rules"] = json!([{ "drop": ["aa"] }]);
    let misspelt = fails(misspelt).await;
    assert!(misspelt.contains("the rule `drop aa` names the column `aa`") && misspelt.contains("`a`"), "{misspelt}");

    bench.file("others/rows.json", "{}");
    let mut named = args;
    named["source"] = "others".into();
    let named = fails(named).await;
    assert!(named.contains("is not named as Kafka Connect names objects"), "{named}");
}
