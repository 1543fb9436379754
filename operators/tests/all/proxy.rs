//! A stand-in for a Kafka REST proxy (v2) behind the stage of an API Gateway, strict where the real ones are.
//!
//! Written after the public description of the API: content types, the shape of bodies and of answers, error codes of
//! requests and of records. Beside that it can be told to be busy, to throttle, to break off and to refuse records.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What the proxy does with a request instead of taking all of it.
#[derive(Clone, Debug)]
pub enum Mood {
    /// Answers 429 with `Retry-After`.
    Throttle(u64),
    /// Answers with a status.
    Status(u16),
    /// Takes the records, and breaks off in the middle of the answer.
    BreakOff,
    /// Refuses the records at these positions, with this code.
    Refuse(Vec<usize>, i64),
    /// Takes them, and then hears of nothing until it is told to go on.
    Hang,
}

/// A running proxy; it ends with the runtime of its test.
pub struct Proxy {
    address: SocketAddr,
    world: Arc<World>,
}

#[derive(Default)]
pub struct World {
    topics: Mutex<BTreeMap<String, Vec<Value>>>,
    requests: Mutex<Vec<Request>>,
    moods: Mutex<VecDeque<Option<Mood>>>,
    hanging: tokio::sync::Notify,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub topic: String,
    pub values: Vec<Value>,
    pub headers: HeaderMap,
    pub at: Instant,
}

impl Proxy {
    /// Has the three topics of a user.
    pub async fn start(user_id: &str) -> Proxy {
        let world = Arc::new(World::default());
        for table in ["pin", "geo", "user"] {
            world.topics.lock().unwrap().insert(format!("{user_id}.{table}"), Vec::new());
        }
        let app = Router::new().route("/dev/topics/{topic}", post(produce)).with_state(Arc::clone(&world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Proxy { address, world }
    }

    pub fn url(&self) -> String {
        format!("http://{}/dev", self.address)
    }

    /// What it does with the next requests, one after the other; `None` is taking them.
    pub fn moods(&self, moods: impl IntoIterator<Item = Option<Mood>>) {
        self.world.moods.lock().unwrap().extend(moods);
    }

    /// The records of a topic.
    pub fn records(&self, topic: &str) -> Vec<Value> {
        self.world.topics.lock().unwrap()[topic].clone()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.world.requests.lock().unwrap().clone()
    }

    /// Returns when a request hangs.
    pub async fn hanging(&self) {
        self.world.hanging.notified().await;
    }
}

async fn produce(
    State(world): State<Arc<World>>,
    Path(topic): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if headers.get("content-type").is_none_or(|kind| kind != "application/vnd.kafka.json.v2+json") {
        return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, 415, "HTTP 415 Unsupported Media Type");
    }
    let Some(values) = values(&body) else {
        return error(StatusCode::UNPROCESSABLE_ENTITY, 42_206, "Payload error");
    };
    let request = Request { topic: topic.clone(), values: values.clone(), headers, at: Instant::now() };
    world.requests.lock().unwrap().push(request);
    let mood = world.moods.lock().unwrap().pop_front().flatten();
    if let Some(Mood::Throttle(seconds)) = mood {
        let answer = (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", seconds.to_string())],
            "{\"message\":\"Too Many Requests\"}",
        );
        return answer.into_response();
    }
    if let Some(Mood::Status(status)) = mood {
        return error(StatusCode::from_u16(status).unwrap(), i64::from(status) * 100 + 1, "told to");
    }
    let (refused, code) = match &mood {
        Some(Mood::Refuse(refused, code)) => (refused.clone(), *code),
        _ => (Vec::new(), 0),
    };
    let answer = {
        let mut topics = world.topics.lock().unwrap();
        let Some(records) = topics.get_mut(&topic) else {
            return error(StatusCode::NOT_FOUND, 40_401, "Topic not found.");
        };
        let mut offsets = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            if refused.contains(&index) {
                let refusal = json!({ "partition": null, "offset": null, "error_code": code, "error": "told to" });
                offsets.push(refusal);
                continue;
            }
            offsets.push(json!({ "partition": 0, "offset": records.len(), "error_code": null, "error": null }));
            records.push(value);
        }
        json!({ "offsets": offsets, "key_schema_id": null, "value_schema_id": null }).to_string()
    };
    let kind = [("content-type", "application/vnd.kafka.v2+json")];
    match mood {
        Some(Mood::BreakOff) => {
            let pieces = [Ok(Bytes::from(answer[..5].to_owned())), Err(std::io::Error::other("broken off"))];
            (kind, Body::from_stream(futures::stream::iter(pieces))).into_response()
        }
        Some(Mood::Hang) => {
            world.hanging.notify_one();
            std::future::pending().await
        }
        _ => (kind, answer).into_response(),
    }
}

/// The values of the records, if the body is what the API describes.
fn values(body: &[u8]) -> Option<Vec<Value>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let fields = body.as_object()?;
    let records = fields.get("records")?.as_array()?;
    if fields.len() != 1 || records.is_empty() {
        return None;
    }
    let value = |record: &Value| {
        let fields = record.as_object()?;
        (fields.len() == 1).then(|| fields.get("value").cloned())?
    };
    records.iter().map(value).collect()
}

fn error(status: StatusCode, code: i64, message: &str) -> Response {
    let body = json!({ "error_code": code, "message": message }).to_string();
    (status, [("content-type", "application/vnd.kafka.v2+json")], body).into_response()
}
