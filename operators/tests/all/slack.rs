//! `slack`: messages by the connection of a webhook or of a bot, to a receiver on this machine.

use std::sync::Arc;

use operators::registry_with;
use operators::slack::SlackTask;
use scheduler::connection::{Connection, Secret};
use scheduler::dag::spec::{self, SourceFile};
use scheduler::operator::{TaskError, Verdict};
use serde_json::{Value, json};

use crate::context::nowhere;
use crate::receiver::Receiver;
use crate::support::{Bench, Connections};

const TOKEN: &str = "T000/B000/s3cr3t-t0ken";
const OK: &str = "200 OK\r\ncontent-length: 2\r\n\r\nok";

fn connection(conn_type: &str, host: &str, token: &str) -> Connection {
    let mut connection = Connection::new("team", conn_type);
    connection.host = Some(host.to_owned());
    connection.password = Some(Secret::new(token));
    connection
}

fn bench(connection: Connection) -> Bench {
    let mut bench = Bench::new();
    bench.ctx.secrets = Arc::new(Connections(vec![connection]));
    bench
}

#[expect(clippy::needless_pass_by_value, reason = "it is written on the spot")]
fn args(more: Value) -> Value {
    let mut args = json!({ "conn_id": "team" });
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    args
}

async fn fails(connection: Connection, more: Value) -> TaskError {
    bench(connection).run(&SlackTask, args(more)).await.unwrap_err()
}

#[tokio::test]
async fn a_webhook_is_its_address_and_its_token() {
    let receiver = Receiver::start(OK).await;
    let bench = bench(connection("slackwebhook", &receiver.url("/services"), TOKEN));
    let message = json!({ "text": "hello", "username": "updraft", "blocks": [{ "type": "divider" }] });
    bench.run(&SlackTask, args(message.clone())).await.unwrap();
    let request = receiver.only();
    assert_eq!((request.line.as_str(), request.json()), (&*format!("POST /services/{TOKEN}"), message));
    assert!(!bench.log_text().contains("s3cr3t"), "{}", bench.log_text());

    let receiver = Receiver::start(OK).await;
    let whole = connection("slackwebhook", "", &receiver.url("/services/whole"));
    self::bench(whole).run(&SlackTask, args(json!({ "text": "hello" }))).await.unwrap();
    assert_eq!(receiver.only().line, "POST /services/whole");
}

#[tokio::test]
async fn a_bot_writes_to_a_channel() {
    let receiver = Receiver::start("200 OK\r\ncontent-length: 11\r\n\r\n{\"ok\":true}").await;
    let bench = bench(connection("slack", &receiver.url(""), "xoxb-1"));
    bench.run(&SlackTask, args(json!({ "text": "hello", "channel": "#data" }))).await.unwrap();
    let request = receiver.only();
    assert_eq!(request.line, "POST /api/chat.postMessage");
    assert_eq!(request.headers["authorization"], "Bearer xoxb-1");
    assert_eq!(request.json(), json!({ "text": "hello", "channel": "#data" }));
}

#[tokio::test]
async fn what_is_not_taken_fails_for_good_and_what_is_away_does_not() {
    let message = json!({ "text": "hello", "channel": "#data" });
    for (conn_type, answer, verdict, words) in [
        (
            "slack",
            "200 OK\r\ncontent-length: 40\r\n\r\n{\"ok\":false,\"error\":\"channel_not_found\"}",
            Verdict::Fail,
            "channel_not_found",
        ),
        (
            "slack",
            "200 OK\r\ncontent-length: 34\r\n\r\n{\"ok\":false,\"error\":\"ratelimited\"}",
            Verdict::Retry,
            "ratelimited",
        ),
        ("slackwebhook", "404 Not Found\r\ncontent-length: 10\r\n\r\nno_service", Verdict::Fail, "404"),
        ("slackwebhook", "503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", Verdict::Retry, "503"),
    ] {
        let receiver = Receiver::start(answer).await;
        let error = fails(connection(conn_type, &receiver.url(""), TOKEN), message.clone()).await;
        assert_eq!(error.verdict, verdict, "{answer}: {error}");
        assert!(error.to_string().contains(words) && !error.to_string().contains("s3cr3t"), "{error}");
    }
    let nobody = fails(connection("slackwebhook", "http://127.0.0.1:9", TOKEN), message.clone()).await;
    assert_eq!(nobody.verdict, Verdict::Retry);
    let other = fails(connection("http", "http://127.0.0.1:9", TOKEN), message).await;
    assert!(other.to_string().contains("must be `slackwebhook` or `slack`"), "{other}");
    let nowhere = fails(connection("slack", "http://127.0.0.1:9", TOKEN), json!({ "text": "hello" })).await;
    assert!(nowhere.to_string().contains("in which `channel`"), "{nowhere}");
}

#[tokio::test]
async fn one_that_is_cancelled_stops() {
    // It is listened to, and never answered.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let bench = bench(connection("slackwebhook", &host, TOKEN));
    let stop = async {
        let _stream = listener.accept().await.unwrap();
        bench.ctx.cancelled.cancel();
    };
    let (ended, ()) = tokio::join!(bench.run(&SlackTask, args(json!({ "text": "hello" }))), stop);
    assert_eq!(ended.unwrap_err().verdict, Verdict::Cancelled);
}

#[test]
fn it_answers_to_airflows_classes_and_says_what_is_missing() {
    let registry = registry_with(&nowhere()).unwrap();
    let mistakes = |task: &str| {
        let source = SourceFile::new("dags/a.yaml", format!("tasks:\n  t: {{{task}}}\n"));
        let loaded = spec::load(&source, &registry);
        loaded.problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ")
    };
    let slack = "airflow.providers.slack.operators";
    let webhook =
        format!("operator: {slack}.slack_webhook.SlackWebhookOperator, slack_webhook_conn_id: s, message: hello");
    assert_eq!(mistakes(&webhook), "");
    assert_eq!(mistakes(&format!("operator: {slack}.slack.SlackAPIPostOperator, channel: '#a', text: hello")), "");
    assert!(mistakes("operator: slack, conn_id: s").contains("what to tell"));
    assert!(mistakes("operator: slack, text: hello").contains("conn_id"));
    assert!(mistakes("operator: SlackWebhookOperator, message: a, proxy: b").contains("not served"));
}
