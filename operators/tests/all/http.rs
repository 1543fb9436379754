//! The `http` operator and its sensor against a server of this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use futures::{StreamExt, stream};
use scheduler::connection::{Connection, Secret};
use scheduler::operator::{Outcome, TaskContext, TaskError, Verdict};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::context::{context, log_text, nowhere, try_run};
use crate::moto::Moto;
use crate::receiver::Receiver;
use crate::support::{Connections, HeldSlot};

#[derive(Default)]
struct World {
    asked: AtomicUsize,
    reached: Notify,
    /// What `/elsewhere` leads to.
    elsewhere: String,
}

/// A server that ends with the runtime of its test.
struct Server {
    url: String,
    world: Arc<World>,
}

impl Server {
    async fn start() -> Server {
        Server::leading_to(String::new()).await
    }

    async fn leading_to(elsewhere: String) -> Server {
        let world = Arc::new(World { elsewhere, ..World::default() });
        let app = Router::new()
            .route("/echo", any(echo))
            .route("/items", get(items))
            .route("/linked", get(linked))
            .route("/flaky", any(flaky))
            .route("/big", get(|| async { "x".repeat(3_000_000) }))
            .route("/moved", any(|| async { (StatusCode::SEE_OTHER, [("location", "/echo?moved=1")]) }))
            .route("/elsewhere", any(elsewhere_to))
            .route("/never", get(never))
            .route("/begun", get(begun))
            .route("/slow", get(slow))
            .with_state(Arc::clone(&world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Server { url, world }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

async fn echo(request: Request) -> Json<Value> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1_000_000).await.unwrap();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    Json(json!({
        "asked": format!("{} {}", head.method, head.uri),
        "body": String::from_utf8(body.to_vec()).unwrap(),
        "authorization": header("authorization"),
        "key": header("x-key"),
    }))
}

#[derive(serde::Deserialize)]
struct Page {
    #[serde(default)]
    page: usize,
    #[serde(default)]
    cursor: Option<usize>,
}

/// Three pages of two items each, whichever way they are asked for.
async fn items(State(world): State<Arc<World>>, Query(page): Query<Page>) -> Json<Value> {
    world.asked.fetch_add(1, Ordering::SeqCst);
    let page = page.cursor.unwrap_or(page.page);
    let items: Vec<usize> = if page < 3 { vec![page * 2, page * 2 + 1] } else { Vec::new() };
    let next = (page < 2).then(|| page + 1);
    let url = next.map(|next| format!("/items?page={next}"));
    Json(json!({ "items": items, "next": url, "cursor": next }))
}

async fn linked(Query(page): Query<Page>) -> Response {
    let link = format!(r#"</linked?page={}>; rel="next""#, page.page + 1);
    let headers = (page.page < 2).then_some([("link", link)]);
    (
        headers.map_or_else(HeaderMap::new, |[(name, value)]| {
            [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect()
        }),
        page.page.to_string(),
    )
        .into_response()
}

async fn flaky(State(world): State<Arc<World>>) -> Response {
    match world.asked.fetch_add(1, Ordering::SeqCst) {
        0 => (StatusCode::SERVICE_UNAVAILABLE, "come back").into_response(),
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")], "slower").into_response(),
        _ => "done".into_response(),
    }
}

async fn elsewhere_to(State(world): State<Arc<World>>) -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [("location", world.elsewhere.clone())]).into_response()
}

/// Answers part by part, half a second each.
async fn slow() -> Response {
    let part = |left: u32| async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        (left > 0).then(|| (Ok::<_, std::io::Error>("part "), left - 1))
    };
    Body::from_stream(stream::unfold(5, part)).into_response()
}

/// Begins an answer, and does not end it.
async fn begun(State(world): State<Arc<World>>) -> Response {
    let first = stream::once(async { Ok::<_, std::convert::Infallible>("x".repeat(100_000)) });
    let rest = stream::once(async move {
        world.reached.notify_one();
        std::future::pending().await
    });
    Body::from_stream(first.chain(rest)).into_response()
}

async fn never(State(world): State<Arc<World>>) -> &'static str {
    world.reached.notify_one();
    std::future::pending().await
}

async fn ask(args: Value) -> Result<Value, TaskError> {
    let home = tempfile::tempdir().unwrap();
    try_run("http", args, &context(home.path()), &nowhere()).await
}

fn connected(ctx: TaskContext, url: &str) -> TaskContext {
    let mut connection = Connection::new("shop", "http");
    connection.host = Some(url.to_owned());
    connection.login = Some("me".to_owned());
    connection.password = Some(Secret::new("hush-hush"));
    connection.extra = json!({ "x-key": "k1" }).as_object().unwrap().clone();
    TaskContext { secrets: Arc::new(Connections(vec![connection])), ..ctx }
}

#[tokio::test]
async fn a_connection_says_where_and_who_and_its_secrets_are_not_in_the_log() {
    let server = Server::start().await;
    let home = tempfile::tempdir().unwrap();
    let ctx = connected(context(home.path()), &server.url);
    let args = json!({ "conn_id": "shop", "endpoint": "echo", "method": "PUT", "query": { "token": "q1" },
                       "json": { "a": 1 }, "log_response": true });
    let answer = try_run("http", args, &ctx, &nowhere()).await.unwrap();
    let basic = "Basic bWU6aHVzaC1odXNo";
    let expected = json!({ "asked": "PUT /echo?token=q1", "body": "{\"a\":1}", "authorization": basic, "key": "k1" });
    assert_eq!(answer, expected);
    let log = log_text(home.path());
    assert!(log.contains(&format!("PUT {} answered 200 OK", server.at("/echo"))), "{log}");
    assert!(!log.contains("bWU6aHVzaC1odXNo"), "{log}");
}

#[tokio::test]
async fn what_passes_is_repeated_and_what_may_have_been_done_is_not() {
    let server = Server::start().await;
    assert_eq!(ask(json!({ "url": server.at("/flaky") })).await.unwrap(), "done");
    assert_eq!(server.world.asked.load(Ordering::SeqCst), 3);

    let other = Server::start().await;
    let refused = ask(json!({ "url": other.at("/flaky"), "method": "POST" })).await.unwrap_err();
    assert_eq!(refused.verdict, Verdict::Retry, "{refused}");
    assert_eq!(other.world.asked.load(Ordering::SeqCst), 1, "a 503 may have done it");
    // A 429 has done nothing.
    assert_eq!(ask(json!({ "url": other.at("/flaky"), "method": "POST" })).await.unwrap(), "done");

    let missing = ask(json!({ "url": other.at("/nowhere?key=hush") })).await.unwrap_err();
    assert_eq!(missing.verdict, Verdict::Fail);
    let host = other.url.trim_start_matches("http://");
    let said = format!("GET {}: `{host}` answered 404 Not Found", other.at("/nowhere"));
    assert_eq!(missing.to_string(), said, "the request is named, without what may be a key");
    let taken = ask(json!({ "url": other.at("/nowhere"), "expected_status": ["2xx", 404], "returns": "status" }));
    assert_eq!(taken.await.unwrap(), 404);
    let away = ask(json!({ "url": "http://127.0.0.1:1/", "retry_for": 0 })).await.unwrap_err();
    assert_eq!(away.verdict, Verdict::Retry, "{away}");
    assert!(away.to_string().contains("GET http://127.0.0.1:1/: cannot reach `127.0.0.1:1`"), "{away}");
}

#[tokio::test]
async fn pages_are_followed_each_way_and_bounded() {
    let server = Server::start().await;
    let pages = async |pagination: Value| {
        ask(json!({ "url": server.at("/items?x=1"), "response_filter": "json['items']", "pagination": pagination }))
            .await
    };
    let all = json!([[0, 1], [2, 3], [4, 5]]);
    assert_eq!(pages(json!({ "next_url": "json.next" })).await.unwrap(), all);
    assert_eq!(pages(json!({ "parameter": "cursor", "cursor": "json.cursor" })).await.unwrap(), all);
    let numbered = json!({ "parameter": "page", "start": 0, "until": "json['items'] | length == 0" });
    assert_eq!(pages(numbered).await.unwrap(), json!([[0, 1], [2, 3], [4, 5], []]));
    let linked = ask(json!({ "url": server.at("/linked"), "pagination": { "link_header": true } })).await.unwrap();
    assert_eq!(linked, json!(["0", "1", "2"]));

    let many = pages(json!({ "next_url": "json.next", "pages_max": 2 })).await.unwrap_err();
    assert!(many.to_string().starts_with("there are more than 2 pages"), "{many}");
    let circle = pages(json!({ "next_url": "'/items?x=1'" })).await.unwrap_err();
    assert!(circle.to_string().contains("leads to itself"), "{circle}");
    let abroad = pages(json!({ "next_url": "'http://other.example/'" })).await.unwrap_err();
    assert!(abroad.to_string().contains("on another server"), "{abroad}");
    let absent = pages(json!({ "next_url": "json.nothing" })).await.unwrap_err();
    assert!(absent.to_string().contains("`json.nothing` is not there"), "{absent}");
}

#[tokio::test]
async fn pages_go_into_a_file_line_by_line() {
    let server = Server::start().await;
    let home = tempfile::tempdir().unwrap();
    let args = json!({ "url": server.at("/items"), "response_filter": "json['items']", "save_to": "out/items.jsonl",
                       "pagination": { "next_url": "json.next" } });
    let answer = try_run("http", args, &context(home.path()), &nowhere()).await.unwrap();
    assert_eq!(answer["lines"], 6);
    assert_eq!(std::fs::read_to_string(home.path().join("out/items.jsonl")).unwrap(), "0\n1\n2\n3\n4\n5\n");
}

#[tokio::test]
async fn a_large_answer_goes_to_a_file_or_a_bucket_and_not_to_xcom() {
    let server = Server::start().await;
    let refused = ask(json!({ "url": server.at("/big") })).await.unwrap_err();
    assert!(refused.to_string().contains("`save_to`"), "{refused}");

    let home = tempfile::tempdir().unwrap();
    let moto = Moto::start();
    moto.make_bucket("lake").await;
    for place in ["big.txt", "s3://lake/in/big.txt"] {
        let args = json!({ "url": server.at("/big"), "save_to": place });
        let answer = try_run("http", args, &context(home.path()), &moto.settings()).await.unwrap();
        assert_eq!((&answer["bytes"], &answer["status"]), (&json!(3_000_000), &json!(200)));
    }
    assert_eq!(std::fs::metadata(home.path().join("big.txt")).unwrap().len(), 3_000_000);
    assert_eq!(moto.objects("s3://lake/in").await[0].1.len(), 3_000_000);
}

#[tokio::test]
async fn half_an_answer_is_no_file_and_leaves_the_old_one() {
    let half = Receiver::start("200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a.txt"), "old").unwrap();
    let args = json!({ "url": half.url("/"), "save_to": "a.txt", "retry_for": 0 });
    let broken = try_run("http", args, &context(home.path()), &nowhere()).await.unwrap_err();
    assert_eq!(broken.verdict, Verdict::Retry);
    assert!(broken.to_string().contains("broke off"), "{broken}");
    assert_eq!(std::fs::read_to_string(home.path().join("a.txt")).unwrap(), "old");
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().starts_with('.')), "{left:?}");
}

#[tokio::test]
async fn redirects_are_followed_and_keys_stay_with_their_server() {
    let other = Server::start().await;
    let server = Server::leading_to(other.at("/echo")).await;
    let home = tempfile::tempdir().unwrap();
    let ctx = connected(context(home.path()), &server.url);
    let led = |path: &str, more: Value| {
        let mut args = json!({ "conn_id": "shop", "endpoint": path, "method": "POST", "body": "b" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };
    let moved = try_run("http", led("/moved", json!({})), &ctx, &nowhere()).await.unwrap();
    assert_eq!((&moved["asked"], &moved["body"]), (&json!("GET /echo?moved=1"), &json!("")));
    assert_eq!(moved["key"], "k1");
    let abroad = try_run("http", led("/elsewhere", json!({})), &ctx, &nowhere()).await.unwrap();
    assert_eq!((&abroad["asked"], &abroad["body"]), (&json!("POST /echo"), &json!("b")));
    assert_eq!((&abroad["key"], &abroad["authorization"]), (&Value::Null, &Value::Null));
    let stays = led("/moved", json!({ "follow_redirects": false, "expected_status": [303], "returns": "headers" }));
    assert_eq!(try_run("http", stays, &ctx, &nowhere()).await.unwrap()["location"], "/echo?moved=1");
}

#[tokio::test]
async fn an_answer_must_pass_its_check() {
    let server = Server::start().await;
    let checked = async |check: &str| ask(json!({ "url": server.at("/items"), "response_check": check })).await;
    let passes = checked("status == 200 and json['items'][0] == 0 and headers['content-type'] == 'application/json'");
    assert!(passes.await.is_ok());
    let fails = checked("json['items'] | length > 2").await.unwrap_err();
    assert_eq!(fails.verdict, Verdict::Retry);
    assert!(fails.to_string().contains("does not pass `response_check`"), "{fails}");
    assert!(fails.to_string().contains("`log_response: true` shows the answer"), "JSON may hold tokens: {fails}");
}

#[tokio::test]
async fn a_request_that_is_cancelled_ends_at_once() {
    let server = Server::start().await;
    let home = tempfile::tempdir().unwrap();
    let nowhere = nowhere();
    for path in ["/never", "/begun"] {
        let ctx = context(home.path());
        let asked = try_run("http", json!({ "url": server.at(path), "save_to": "kept/a" }), &ctx, &nowhere);
        let cancel = async {
            server.world.reached.notified().await;
            ctx.cancelled.cancel();
        };
        let (stopped, ()) = tokio::join!(asked, cancel);
        assert_eq!(stopped.unwrap_err().verdict, Verdict::Cancelled, "{path}");
        let left = std::fs::read_dir(home.path().join("kept")).into_iter().flatten().count();
        assert_eq!(left, 0, "{path}: nothing of a file stays behind");
    }

    let silent = ask(json!({ "url": server.at("/never"), "request_timeout": 0.1, "retry_for": 0 })).await.unwrap_err();
    assert!(silent.to_string().contains("was silent for 0.1s"), "{silent}");
}

#[tokio::test]
async fn an_answer_may_take_longer_than_the_server_may_be_silent() {
    let server = Server::start().await;
    let answered = ask(json!({ "url": server.at("/slow"), "request_timeout": 2, "retry_for": 10 })).await.unwrap();
    assert_eq!(answered, "part ".repeat(5));
}

#[tokio::test]
async fn a_sensor_waits_until_a_server_answers_as_wanted() {
    let server = Server::start().await;
    let home = tempfile::tempdir().unwrap();
    let sense = async |path: &str, more: Value| {
        let slot = Arc::new(HeldSlot::default());
        let ctx = TaskContext { slot: slot.clone(), ..context(home.path()) };
        let mut args = json!({ "url": server.at(path), "poke_interval": 0.1 });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let registry = operators::registry_with(&nowhere()).unwrap();
        let operator = registry.find("http_sensor").unwrap();
        let args = args.as_object().unwrap().clone();
        assert_eq!(operator.check(&args), []);
        (operator.execute(args, &ctx).await, slot.is_free())
    };
    let (comes, waited) = sense("/flaky", json!({ "response_error_codes_allowlist": ["503", "429"] })).await;
    assert_eq!((comes.unwrap(), waited), (Outcome::done(), true));
    let (never, _) = sense("/nowhere", json!({ "timeout": 0, "soft_fail": true })).await;
    assert!(matches!(never.unwrap(), Outcome::Skipped { .. }));
    let (wrong, _) = sense("/nowhere", json!({ "response_error_codes_allowlist": [] })).await;
    assert_eq!(wrong.unwrap_err().verdict, Verdict::Fail);
    let (checked, waited) = sense("/items", json!({ "response_check": "json.cursor == 1" })).await;
    assert_eq!((checked.unwrap(), waited), (Outcome::done(), false));
}

fn complaints(operator: &str, args: &Value) -> Vec<String> {
    let registry = operators::registry_with(&nowhere()).unwrap();
    let problems = registry.find(operator).unwrap().check(args.as_object().unwrap());
    problems.into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
}

#[test]
fn mistakes_are_found_while_the_dag_file_is_loaded() {
    let args = json!({ "json": 1, "data": "x", "response_check": "lib.check", "request_timeout": "soon",
                       "pagination": { "start": 1 } });
    assert_eq!(
        complaints("http", &args),
        [
            "/request_timeout: `soon` is not a duration; write `30s`, `5m`, `1h30m` or a number of seconds",
            ": it needs `conn_id` or `url`",
            "/data: `json` and `data` exclude each other",
            "/response_check: nothing is called `lib`",
            "/pagination/start: `start` needs a `parameter` to put it into",
            "/pagination/start: numbers have no end; say with `until` which page is the last",
        ]
    );
    let raw = json!({ "url": "ftp://x", "save_to": "a", "response_check": "json.ok" });
    assert_eq!(
        complaints("http", &raw),
        [
            "/url: the address begins with `ftp:`; it must be http:// or https://",
            "/response_check: nothing is called `json`"
        ]
    );
    assert_eq!(
        complaints("http_sensor", &json!({ "url": "http://h/", "retry_for": 5 })),
        ["/retry_for: a sensor asks again by itself"]
    );
}
