//! Kinesis: the operator that makes and deletes streams, and `emulation` into them, through a gateway and as they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use operators::emulation::Emulation;
use operators::kinesis::Kinesis;
use operators::notifiers::Environment;
use scheduler::operator::Verdict;
use serde_json::{Value, json};

use crate::gateway::{Gateway, ask};
use crate::moto::Moto;
use crate::support::{Bench, return_value};

const USER: &str = "0a3db223d459";
const TABLES: [&str; 3] = ["pin", "geo", "user"];

fn names() -> [String; 3] {
    TABLES.map(|table| format!("streaming-{USER}-{table}"))
}

fn kinesis(moto: &Moto) -> Kinesis {
    Kinesis::new(moto.settings(), Environment::default())
}

/// All records of a stream: partition key and document.
async fn records(moto: &Moto, stream: &str) -> Vec<(String, Value)> {
    let query = async |action: &str, body: Value| -> Value {
        serde_json::from_str(&ask(moto.endpoint(), action, &body).await).unwrap()
    };
    let described = query("DescribeStream", json!({ "StreamName": stream })).await;
    let mut all = Vec::new();
    for shard in described["StreamDescription"]["Shards"].as_array().unwrap() {
        let asked = json!({ "StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON" });
        let mut iterator = query("GetShardIterator", asked).await["ShardIterator"].clone();
        loop {
            let page = query("GetRecords", json!({ "ShardIterator": iterator })).await;
            let records = page["Records"].as_array().unwrap();
            for record in records {
                let data = STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
                let key = record["PartitionKey"].as_str().unwrap().to_owned();
                all.push((key, serde_json::from_slice(&data).unwrap()));
            }
            if records.is_empty() {
                break;
            }
            iterator = page["NextShardIterator"].clone();
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_made_described_listed_and_deleted() {
    let moto = Moto::start();
    let gateway = Gateway::start(moto.endpoint()).await;
    for url in [None, Some(gateway.url())] {
        let (bench, kinesis) = (Bench::new(), kinesis(&moto));
        let run = async |mut args: Value| {
            if let Some(url) = &url {
                args["url"] = json!(url);
            }
            return_value(bench.run(&kinesis, args).await)
        };
        let made = run(json!({ "action": "create", "stream": names(), "shard_count": 2 })).await;
        assert_eq!(made, json!({ "created": names(), "existing": [] }));
        let made = run(json!({ "action": "create", "stream": names()[0] })).await;
        assert_eq!(made, json!({ "created": [], "existing": [names()[0]] }));
        let mut listed = run(json!({ "action": "list" })).await["streams"].as_array().unwrap().clone();
        listed.sort_by_key(ToString::to_string);
        let mut expected = names().map(Value::from);
        expected.sort_by_key(ToString::to_string);
        assert_eq!(listed, expected);
        let described = run(json!({ "action": "describe", "stream": names()[1] })).await;
        assert_eq!(described[&names()[1]]["StreamStatus"], "ACTIVE");
        assert_eq!(described[&names()[1]]["Shards"].as_array().unwrap().len(), 2);
        let gone =
            run(json!({ "action": "delete", "stream": [names()[0], names()[1], names()[2], "never-there"] })).await;
        assert_eq!(gone, json!({ "deleted": names(), "absent": ["never-there"] }));
        assert_eq!(run(json!({ "action": "list" })).await, json!({ "streams": [] }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_out_of_the_streams_as_they_went_in() {
    let moto = Moto::start();
    let gateway = Gateway::start(moto.endpoint()).await;
    let emulation = Emulation::new(moto.settings());
    for (sink, batch) in [
        (json!({ "kinesis": {} }), 1),
        (json!({ "kinesis": {} }), 50),
        (json!({ "kinesis": { "url": gateway.url() } }), 1),
        (json!({ "kinesis": { "url": gateway.url() } }), 50),
    ] {
        let bench = Bench::new();
        let stream = json!({ "action": "create", "stream": names(), "shard_count": 1 });
        return_value(bench.run(&kinesis(&moto), stream).await);
        let args = json!({ "sink": sink, "rows": 60, "batch": batch });
        let report = return_value(bench.run(&emulation, args).await);
        assert_eq!(report["user"]["rows"], 60);
        return_value(bench.run(&emulation, json!({ "rows": 60, "flush_size": 60 })).await);
        for (index, table) in TABLES.into_iter().enumerate() {
            let topic = format!("{USER}.{table}");
            let file = bench.home().join(format!("lake/topics/{topic}/partition=0/{topic}+0+0000000000.json"));
            let text = std::fs::read_to_string(file).unwrap();
            let expected: Vec<(String, Value)> = text
                .lines()
                .map(|line| (format!("partition-{}", index + 1), serde_json::from_str(line).unwrap()))
                .collect();
            assert_eq!(records(&moto, &names()[index]).await, expected, "{table}, {batch} rows a request");
        }
        return_value(bench.run(&kinesis(&moto), json!({ "action": "delete", "stream": names() })).await);
    }
    let paths = gateway.paths();
    assert_eq!(paths.iter().filter(|path| *path == "record").count(), 180);
    assert_eq!(paths.iter().filter(|path| *path == "records").count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_not_put_are_put_again_alone_with_their_keys() {
    let moto = Moto::start();
    let gateway = Gateway::start(moto.endpoint()).await;
    let bench = Bench::new();
    return_value(bench.run(&kinesis(&moto), json!({ "action": "create", "stream": names(), "shard_count": 3 })).await);
    gateway.refuse(7);
    let sink = json!({ "kinesis": { "url": gateway.url(), "partition_key": "row" } });
    let args = json!({ "sink": sink, "rows": 20, "batch": 20 });
    let report = return_value(bench.run(&Emulation::new(moto.settings()), args).await);
    assert_eq!(report["pin"], json!({ "rows": 20, "requests": 1, "broken": 0, "sent_again": 7 }));
    let mut came: Vec<(u64, String)> =
        records(&moto, &names()[0]).await.into_iter().map(|(key, row)| (row["index"].as_u64().unwrap(), key)).collect();
    came.sort_unstable();
    assert!(came.into_iter().eq((0..20).map(|row| (row, row.to_string()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_there_is_one_clear_error() {
    let moto = Moto::start();
    let gateway = Gateway::start(moto.endpoint()).await;
    for sink in [json!({ "kinesis": {} }), json!({ "kinesis": { "url": gateway.url() } })] {
        let bench = Bench::new();
        let args = json!({ "sink": sink, "rows": 2 });
        let error = bench.run(&Emulation::new(moto.settings()), args).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::Fail);
        assert!(error.to_string().contains("ResourceNotFoundException"), "{error}");
        assert!(error.to_string().contains("`operator: kinesis`"), "{error}");
    }
}

#[tokio::test]
async fn names_and_deeds_must_fit() {
    let kinesis = Kinesis::new(operators::location::S3::from_variables([]), Environment::default());
    for (args, words) in [
        (json!({ "action": "create" }), "does not say which `stream`"),
        (json!({ "action": "delete", "stream": "a b" }), "no name of a stream"),
        (json!({ "action": "list", "stream": "x" }), "leave `stream` out"),
        (json!({ "action": "describe", "stream": "x", "url": "nowhere" }), "address"),
    ] {
        let error = Bench::new().run(&kinesis, args).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::Fail);
        assert!(error.to_string().contains(words), "{error}");
    }
}
