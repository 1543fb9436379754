//! S3 that changes its mind: credentials that have expired, throttling, objects that go away half-way. The message says what it
//! is, and nothing is half-committed.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use operators::location::S3;
use serde_json::{Value, json};

use crate::context::{context, log_text, try_run};
use crate::moto::Moto;
use crate::python;

/// What becomes of requests, by their number and path.
type Whim = Box<dyn Fn(usize, &Method, &str) -> Option<(u16, &'static str)> + Send>;

/// Stands before moto, and answers some requests itself.
struct Gate {
    address: SocketAddr,
    world: Arc<World>,
}

struct World {
    endpoint: String,
    client: reqwest::Client,
    asked: Mutex<(usize, Whim)>,
}

impl Gate {
    async fn start(moto: &Moto) -> Gate {
        let world = World {
            endpoint: moto.endpoint().to_owned(),
            client: reqwest::Client::new(),
            asked: Mutex::new((0, Box::new(|_, _, _| None))),
        };
        let world = Arc::new(world);
        let app = Router::new().fallback(pass).with_state(Arc::clone(&world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Gate { address, world }
    }

    fn settings(&self) -> S3 {
        S3::with_endpoint(&format!("http://{}", self.address), "AKIATEST", "very-secret-key")
    }

    /// From now on; requests are counted from 0.
    fn answers(&self, whim: impl Fn(usize, &Method, &str) -> Option<(u16, &'static str)> + Send + 'static) {
        *self.world.asked.lock().unwrap() = (0, Box::new(whim));
    }
}

async fn pass(
    State(world): State<Arc<World>>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let refused = {
        let mut asked = world.asked.lock().unwrap();
        asked.0 += 1;
        (asked.1)(asked.0 - 1, &method, &path)
    };
    if let Some((status, code)) = refused {
        let message = format!("<Error><Code>{code}</Code><Message>As S3 says it.</Message></Error>");
        return (StatusCode::from_u16(status).unwrap(), message).into_response();
    }
    headers.remove("host");
    let request = world.client.request(method, format!("{}{path}", world.endpoint)).headers(headers).body(body);
    let answer = request.send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove("transfer-encoding");
    (status, headers, answer.bytes().await.unwrap()).into_response()
}

const FILES: usize = 12;

async fn world() -> (Moto, Gate, tempfile::TempDir) {
    let moto = Moto::start();
    moto.make_bucket("real").await;
    let home = tempfile::tempdir().unwrap();
    let landed = home.path().join("landed");
    fs::create_dir_all(&landed).unwrap();
    for n in 0..FILES {
        fs::write(landed.join(format!("{n}.json")), format!("{{\"n\": {n}}}\n")).unwrap();
    }
    moto.upload("s3://real/in", &landed).await;
    let gate = Gate::start(&moto).await;
    (moto, gate, home)
}

fn args() -> Value {
    json!({ "input": "s3://real/in/*.json", "output": "s3://real/out", "mode": "append", "incremental": true })
}

/// The numbers in the table, read by the package `deltalake`.
fn numbers(moto: &Moto) -> Value {
    python::read_delta("s3://real/out", "n", &moto.variables().each_ref().map(|(name, value)| (*name, value.as_str())))
        ["columns"]
        .take()
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_have_expired_are_named() {
    let (moto, gate, home) = world().await;
    gate.answers(|_, _, _| Some((400, "ExpiredToken")));
    let error = try_run("clean", args(), &context(home.path()), &gate.settings()).await.unwrap_err().to_string();
    assert!(error.contains("ExpiredToken") && error.contains("s3://real/"), "{error}");
    assert!(!error.contains("very-secret-key"), "{error}");
    gate.answers(|_, _, _| None);
    try_run("clean", args(), &context(home.path()), &gate.settings()).await.unwrap();
    assert_eq!(numbers(&moto), json!([["n", (0..FILES).collect::<Vec<_>>()]]));
    assert!(!log_text(home.path()).contains("very-secret-key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_throttles_is_asked_again() {
    let (moto, gate, home) = world().await;
    gate.answers(|at, _, _| at.is_multiple_of(3).then_some((503, "SlowDown")));
    let report = try_run("clean", args(), &context(home.path()), &gate.settings()).await.unwrap();
    assert_eq!((&report["rows_written"], &report["files_read"]), (&json!(FILES), &json!(FILES)));
    assert_eq!(numbers(&moto), json!([["n", (0..FILES).collect::<Vec<_>>()]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_goes_away_half_way_is_named() {
    let (moto, gate, home) = world().await;
    gate.answers(|_, method, path| {
        (method == Method::GET && path.contains("/in/7.json")).then_some((404, "NoSuchKey"))
    });
    let error = try_run("clean", args(), &context(home.path()), &gate.settings()).await.unwrap_err().to_string();
    assert!(error.contains("s3://real/in/7.json"), "{error}");
    let keys = moto.keys("s3://real/out").await;
    assert!(keys.iter().all(|key| !key.contains("_delta_log")), "nothing is half-committed: {keys:?}");
}
