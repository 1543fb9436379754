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

/// What reads a bucket or writes to it, by the operator; each succeeds when the bucket does as it is told.
fn jobs() -> Vec<(&'static str, Value)> {
    vec![
        ("clean", args()),
        ("query", json!({ "tables": { "t": "s3://real/in/*.json" }, "sql": "SELECT count(*) AS n FROM t" })),
        ("query", json!({ "sql": "SELECT 1 AS a", "output": "s3://real/answer.csv" })),
        ("query", json!({ "sql": "SELECT 1 AS a", "output": "s3://real/answer" })),
        (
            "stream",
            json!({ "source": "s3://real/topic", "schema": ["n"], "output": "s3://real/streamed", "retry_for": 0 }),
        ),
        ("emulation", json!({ "sink": "s3://real/lake", "rows": 2, "retry_for": 0 })),
        ("emulation", json!({ "source": "s3://real/rows", "sink": "lake", "retry_for": 0 })),
    ]
}

/// Puts what the jobs read besides.
async fn prepare(moto: &Moto, home: &std::path::Path) {
    let (topic, rows) = (home.join("topic/partition=0"), home.join("rows"));
    fs::create_dir_all(&topic).unwrap();
    fs::create_dir_all(&rows).unwrap();
    for n in 0..3 {
        fs::write(topic.join(format!("t+0+{n:010}.json")), format!("{{\"n\": {n}}}\n")).unwrap();
    }
    for table in ["pin", "geo", "user"] {
        fs::write(rows.join(format!("{table}.jsonl")), "{\"ind\": 0}\n").unwrap();
    }
    moto.upload("s3://real/topic/partition=0", &topic).await;
    moto.upload("s3://real/rows", &rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_s3_refuses_is_said_with_its_code_its_place_and_a_cure() {
    let (moto, gate, home) = world().await;
    prepare(&moto, home.path()).await;
    let refusals = [
        (400, "ExpiredToken", "the credentials have expired"),
        (403, "AccessDenied", "look at the policies of the bucket and of the user"),
        (403, "SignatureDoesNotMatch", "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
    ];
    let before = moto.keys("s3://real").await;
    for (status, code, cure) in refusals {
        gate.answers(move |_, _, _| Some((status, code)));
        for (operator, args) in jobs() {
            let error = try_run(operator, args.clone(), &context(home.path()), &gate.settings()).await.unwrap_err();
            let error = error.to_string();
            let said = format!("S3 answers `{code}` for s3://real/");
            assert_eq!(error.matches("S3 answers").count(), 1, "{operator} {args}\n{error}");
            for words in [said.as_str(), "As S3 says it", cure] {
                assert!(error.contains(words), "{operator} {args}\n{error}");
            }
            for noise in ["very-secret-key", "<Error>", "Generic S3 error", "non-2xx"] {
                assert!(!error.contains(noise), "{operator} {args}\n{error}");
            }
        }
    }
    assert_eq!(moto.keys("s3://real").await, before, "nothing is half-written");
    assert!(!log_text(home.path()).contains("very-secret-key"));

    gate.answers(|_, _, _| None);
    for (operator, args) in jobs() {
        try_run(operator, args, &context(home.path()), &gate.settings()).await.unwrap();
    }
    assert_eq!(numbers(&moto), json!([["n", (0..FILES).collect::<Vec<_>>()]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_throttles_is_asked_again() {
    let (moto, gate, home) = world().await;
    prepare(&moto, home.path()).await;
    gate.answers(|at, _, _| at.is_multiple_of(3).then_some((503, "SlowDown")));
    for (operator, args) in jobs() {
        let report = try_run(operator, args, &context(home.path()), &gate.settings()).await.unwrap();
        if operator == "clean" {
            assert_eq!((&report["rows_written"], &report["files_read"]), (&json!(FILES), &json!(FILES)));
        }
    }
    assert_eq!(numbers(&moto), json!([["n", (0..FILES).collect::<Vec<_>>()]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_named() {
    let (_moto, gate, home) = world().await;
    for (operator, args) in jobs() {
        let elsewhere = args.to_string().replace("s3://real", "s3://nobody");
        let args: Value = serde_json::from_str(&elsewhere).unwrap();
        let error = try_run(operator, args, &context(home.path()), &gate.settings()).await.unwrap_err().to_string();
        assert!(error.contains("nobody"), "{operator} {elsewhere}\n{error}");
        let says = ["does not exist", "there is no such bucket"];
        assert!(says.iter().any(|words| error.contains(words)), "{operator} {elsewhere}\n{error}");
        assert!(!error.contains("<Error>"), "{operator} {elsewhere}\n{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_goes_away_half_way_is_named() {
    let (moto, gate, home) = world().await;
    prepare(&moto, home.path()).await;
    gate.answers(|_, method, path| {
        let gone = [
            "/in/7.json",
            "/topic/partition%3D0/t%2B0%2B0000000001.json",
            "/topic/partition=0/t+0+0000000001.json",
            "/rows/geo.jsonl",
        ];
        (method == Method::GET && gone.iter().any(|gone| path.contains(gone))).then_some((404, "NoSuchKey"))
    });
    let names = [
        ("clean", "s3://real/in/7.json"),
        ("query", "s3://real/in/7.json"),
        ("stream", "s3://real/topic/partition=0/t+0+0000000001.json"),
        ("emulation", "s3://real/rows"),
    ];
    for (operator, name) in names {
        let reads = |(job, args): &(&str, Value)| {
            *job == operator && !args.to_string().contains("SELECT 1") && args["rows"].is_null()
        };
        let (_, args) = jobs().into_iter().find(reads).unwrap();
        let error = try_run(operator, args, &context(home.path()), &gate.settings()).await.unwrap_err().to_string();
        assert!(error.contains(name), "{operator}\n{error}");
        assert!(!error.contains("<Error>"), "{operator}\n{error}");
    }
    let keys = moto.keys("s3://real").await;
    assert!(keys.iter().all(|key| !key.contains("_delta_log")), "nothing is half-committed: {keys:?}");
}
