//! A stand-in for the API Gateway in front of Kinesis: its routes and mapping templates, with moto's Kinesis behind it.
//!
//! | route | action | template |
//! |---|---|---|
//! | `GET /streams` | ListStreams | `{}` |
//! | `POST /streams/{stream}` | CreateStream | `ShardCount` of the body, 5 if there is none |
//! | `GET`, `DELETE /streams/{stream}` | DescribeStream, DeleteStream | the name |
//! | `PUT /streams/{stream}/record` | PutRecord | `Data`: base64 of the JSON text of `$.Data` |
//! | `PUT /streams/{stream}/records` | PutRecords | `Data`: base64 of each `data` |
//!
//! As a gateway without mapped status codes does, it answers 200 whatever Kinesis answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::{get, put};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A running gateway; it ends with the runtime of its test.
pub struct Gateway {
    address: SocketAddr,
    world: Arc<World>,
}

struct World {
    kinesis: String,
    paths: Mutex<Vec<String>>,
    /// So many of the last records of the next PutRecords are refused.
    refused: Mutex<usize>,
}

impl Gateway {
    /// In front of the Kinesis at that address.
    pub async fn start(kinesis: &str) -> Gateway {
        let world = World { kinesis: kinesis.to_owned(), paths: Mutex::default(), refused: Mutex::default() };
        let world = Arc::new(world);
        let app = Router::new()
            .route("/dev/streams", get(list))
            .route("/dev/streams/{stream}", get(describe).post(create).delete(delete))
            .route("/dev/streams/{stream}/record", put(record))
            .route("/dev/streams/{stream}/records", put(records))
            .with_state(Arc::clone(&world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Gateway { address, world }
    }

    pub fn url(&self) -> String {
        format!("http://{}/dev", self.address)
    }

    /// The routes that were asked for, with the names of streams left out.
    pub fn paths(&self) -> Vec<String> {
        self.world.paths.lock().unwrap().clone()
    }

    /// Refuses so many records of the next request with several, the last ones.
    pub fn refuse(&self, records: usize) {
        *self.world.refused.lock().unwrap() = records;
    }
}

impl World {
    async fn ask(&self, action: &str, body: Value) -> String {
        ask(&self.kinesis, action, &body).await
    }

    fn note(&self, path: &str) {
        self.paths.lock().unwrap().push(path.to_owned());
    }
}

/// Asks moto's Kinesis, which looks at no signature.
pub async fn ask(kinesis: &str, action: &str, body: &Value) -> String {
    let request = reqwest::Client::new()
        .post(kinesis)
        .header("x-amz-target", format!("Kinesis_20131202.{action}"))
        .header("content-type", "application/x-amz-json-1.1")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0",
        )
        .body(body.to_string());
    request.send().await.unwrap().text().await.unwrap()
}

async fn list(State(world): State<Arc<World>>) -> String {
    world.note("list");
    world.ask("ListStreams", json!({})).await
}

async fn describe(State(world): State<Arc<World>>, Path(stream): Path<String>) -> String {
    world.note("describe");
    world.ask("DescribeStream", json!({ "StreamName": stream })).await
}

async fn create(State(world): State<Arc<World>>, Path(stream): Path<String>, body: Bytes) -> String {
    world.note("create");
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let shards = body.get("ShardCount").cloned().unwrap_or(json!(5));
    world.ask("CreateStream", json!({ "StreamName": stream, "ShardCount": shards })).await
}

async fn delete(State(world): State<Arc<World>>, Path(stream): Path<String>) -> String {
    world.note("delete");
    world.ask("DeleteStream", json!({ "StreamName": stream })).await
}

async fn record(State(world): State<Arc<World>>, Path(stream): Path<String>, body: Bytes) -> String {
    world.note("record");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let data = STANDARD.encode(body["Data"].to_string());
    world.ask("PutRecord", json!({ "StreamName": stream, "Data": data, "PartitionKey": body["PartitionKey"] })).await
}

async fn records(State(world): State<Arc<World>>, Path(stream): Path<String>, body: Bytes) -> String {
    world.note("records");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let all = body["records"].as_array().unwrap();
    let refused = std::mem::take(&mut *world.refused.lock().unwrap()).min(all.len());
    let entry = |record: &Value| {
        let data = record["data"].as_str().expect("an object would become Java's notation of it");
        json!({ "Data": STANDARD.encode(data), "PartitionKey": record["partition-key"] })
    };
    let entries: Vec<Value> = all[..all.len() - refused].iter().map(entry).collect();
    let mut answers = Vec::new();
    if !entries.is_empty() {
        let answer = world.ask("PutRecords", json!({ "StreamName": stream, "Records": entries })).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let Some(records) = answer["Records"].as_array() else { return answer.to_string() };
        answers.extend(records.iter().cloned());
    }
    let refusal =
        json!({ "ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard" });
    answers.extend(vec![refusal; refused]);
    json!({ "FailedRecordCount": refused, "Records": answers }).to_string()
}
