//! The notifiers, against real receivers on this machine.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use operators::notifiers::{Environment, MailServer, Tls, register};
use scheduler::clock::Clock;
use scheduler::log::TaskLog;
use scheduler::operator::{CallbackKind, DeliveryError, Notice, NoticedTry, Registry, RunFacts, TaskFacts, TaskKey};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::mailbox::Mailbox;
use crate::receiver::Receiver;

const SECRET: &str = "s3cr3t-t0ken";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Task `load` of `sales` failed at its second try, with an error that HTML must escape.
fn failure() -> Notice {
    let key = TaskKey {
        dag_id: "sales".to_owned(),
        run_id: "manual__1".to_owned(),
        task_id: "load".to_owned(),
        map_index: -1,
    };
    Notice {
        id: Uuid::nil(),
        kind: CallbackKind::OnFailure,
        is_of_run: false,
        dag_id: key.dag_id.clone(),
        run_id: key.run_id.clone(),
        run: Arc::new(RunFacts {
            run_type: "manual".to_owned(),
            logical_date: Some(at("2026-11-21T00:00:00Z")),
            data_interval_start: None,
            data_interval_end: None,
            partition_key: None,
            partition_date: None,
            next_interval: None,
            run_after: at("2026-11-21T00:00:00Z"),
            start_date: None,
            conf: Map::new(),
            params: Map::new(),
            owner: "data".to_owned(),
            timezone: chrono_tz::UTC,
        }),
        run_state: "running".to_owned(),
        instance: Some(NoticedTry {
            key,
            try_number: 2,
            state: "failed".to_owned(),
            task: TaskFacts { owner: "etl".to_owned(), email: vec!["a@x".to_owned(), "b@x".to_owned()] },
        }),
        reason: None,
        exception: Some("a < b".to_owned()),
        deadline: None,
        url: Some("http://localhost:8080/dags/sales".to_owned()),
        log: TaskLog::discard(Clock::System),
    }
}

fn registry(mail: Option<MailServer>) -> Registry {
    let variables = [("HOOK_TOKEN", SECRET), ("MAIL_PASSWORD", SECRET), ("MAIL_LOGIN", "updraft")];
    let environment = Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut registry = Registry::default();
    register(&mut registry, &environment, mail).unwrap();
    registry
}

async fn deliver_as(registry: &Registry, name: &str, args: Value, notice: &Notice) -> Result<(), DeliveryError> {
    let args = args.as_object().unwrap().clone();
    let notifier = registry.notifier(name).unwrap();
    assert_eq!(notifier.check(&args), []);
    notifier.deliver(args, notice).await
}

async fn deliver(name: &str, args: Value) -> Result<(), DeliveryError> {
    deliver_as(&registry(None), name, args, &failure()).await
}

#[tokio::test]
async fn a_webhook_says_what_happened() {
    let receiver = Receiver::start("204 No Content\r\n\r\n").await;

    deliver("webhook", json!({ "url": receiver.url("/hook?x=1") })).await.unwrap();

    let received = receiver.only();
    assert_eq!(received.line, "POST /hook?x=1");
    assert_eq!(received.headers["content-type"], "application/json");
    assert_eq!(received.headers["idempotency-key"], Uuid::nil().to_string());
    assert!(received.headers["user-agent"].starts_with("updraft/"));
    insta::assert_json_snapshot!(received.json(), @r#"
    {
      "id": "00000000-0000-0000-0000-000000000000",
      "callback": "on_failure_callback",
      "title": "Task `load` of `sales` failed",
      "dag_id": "sales",
      "run_id": "manual__1",
      "run_state": "running",
      "logical_date": "2026-11-21T00:00:00Z",
      "task_id": "load",
      "map_index": -1,
      "try_number": 2,
      "state": "failed",
      "reason": null,
      "exception": "a < b",
      "deadline": null,
      "url": "http://localhost:8080/dags/sales"
    }
    "#);
}

#[tokio::test]
async fn a_webhook_sends_what_it_is_told_to() {
    let receiver = Receiver::start("200 OK\r\ncontent-length: 2\r\n\r\nok").await;

    let args = json!({
        "url": receiver.url("/"),
        "method": "PUT",
        "headers": { "X-Team": "data", "Content-Type": "text/csv" },
        "headers_env": { "Authorization": "HOOK_TOKEN" },
        "body": "a,b",
    });
    deliver("webhook", args).await.unwrap();

    let received = receiver.only();
    assert_eq!((received.line.as_str(), received.body.as_str()), ("PUT /", "a,b"));
    assert_eq!(received.headers["content-type"], "text/csv");
    assert_eq!(received.headers["x-team"], "data");
    assert_eq!(received.headers["authorization"], SECRET);
}

#[tokio::test]
async fn answers_say_whether_to_come_back() {
    let table = [
        ("404 Not Found\r\n\r\nno such\n\n  hook", false, None, "`127.0.0.1` answered 404 Not Found: no such hook"),
        ("400 Bad Request\r\n\r\ntoken s3cr3t-t0ken?", false, None, "`127.0.0.1` answered 400 Bad Request: token ***?"),
        (
            "302 Found\r\nlocation: /login\r\n\r\n",
            false,
            None,
            "`127.0.0.1` answered 302 Found (write the address that it leads to)",
        ),
        ("503 Service Unavailable\r\n\r\n", true, None, "`127.0.0.1` answered 503 Service Unavailable"),
        (
            "429 Too Many Requests\r\nretry-after: 30\r\n\r\n",
            true,
            Some(30),
            "`127.0.0.1` answered 429 Too Many Requests",
        ),
        (
            "503 Service Unavailable\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             retry-after: Sun, 06 Nov 1994 08:50:07 GMT\r\n\r\n",
            true,
            Some(30),
            "`127.0.0.1` answered 503 Service Unavailable",
        ),
    ];
    for (answer, may_retry, wait, message) in table {
        let receiver = Receiver::start(answer).await;
        let args = json!({ "url": receiver.url("/"), "headers_env": { "Authorization": "HOOK_TOKEN" } });
        let error = deliver("webhook", args).await.unwrap_err();
        let said = (error.to_string(), error.may_retry, error.not_before.map(|wait| wait.as_secs()));
        assert_eq!(said, (message.to_owned(), may_retry, wait));
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_tried_again_and_its_address_not_told() {
    let error = deliver("slack", json!({ "url": "http://127.0.0.1:9/services/T0/B0/x7secret" })).await.unwrap_err();
    assert!(error.may_retry);
    let text = error.to_string();
    assert!(text.starts_with("cannot reach `127.0.0.1`: "), "{text}");
    assert!(!text.contains("x7secret"), "{text}");
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let error = deliver("webhook", json!({ "url_env": "NO_SUCH" })).await.unwrap_err();
    assert_eq!(error.to_string(), "the environment variable `NO_SUCH` is not set where Updraft runs");
    assert!(!error.may_retry);
}

#[tokio::test]
async fn slack_gets_a_message() {
    let receiver = Receiver::start("200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    deliver("slack", json!({ "webhook_url": receiver.url("/services/x") })).await.unwrap();
    let received = receiver.only();
    assert_eq!(received.line, "POST /services/x");
    insta::assert_snapshot!(received.json()["text"].as_str().unwrap(), @r"
    Task `load` of `sales` failed

    Run: manual__1
    Task: load
    Try: 2
    Logical date: 2026-11-21 00:00:00 UTC
    Error: a < b
    Log: http://localhost:8080/dags/sales
    ");
}

#[tokio::test]
async fn slack_gets_what_it_is_told_to() {
    let receiver = Receiver::start("200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let block = json!({ "type": "divider" });
    let args = json!({ "url": receiver.url("/"), "channel": "#ops", "username": "updraft", "blocks": [block] });
    deliver("slack", args).await.unwrap();
    let expected = json!({
        "text": "Task `load` of `sales` failed", "channel": "#ops", "username": "updraft", "blocks": [block],
    });
    assert_eq!(receiver.only().json(), expected);
}

fn open_server(port: u16) -> MailServer {
    MailServer {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        tls: Tls::None,
        login: None,
        password: None,
        from: Some("Updraft <updraft@example.com>".to_owned()),
    }
}

#[tokio::test]
async fn an_e_mail_says_what_happened() {
    let mailbox = Mailbox::start(&[]);
    let registry = registry(Some(open_server(mailbox.port)));

    let args = json!({ "to": "ann@example.com; bob@example.com", "bcc": ["eve@example.com"] });
    deliver_as(&registry, "email", args, &failure()).await.unwrap();

    let mail = mailbox.next();
    assert_eq!(mail["from"], "updraft@example.com");
    assert_eq!(mail["to"], json!(["ann@example.com", "bob@example.com", "eve@example.com"]));
    assert_eq!(mail["headers"]["subject"], "Task `load` of `sales` failed");
    assert_eq!(mail["headers"]["message-id"], format!("<{}@updraft>", Uuid::nil()));
    assert_eq!(mail["headers"]["bcc"], Value::Null, "the others do not learn of it");
    assert!(mail["parts"]["text/plain"].as_str().unwrap().contains("Error: a < b"));
    let html = mail["parts"]["text/html"].as_str().unwrap();
    assert!(html.contains("a &lt; b"), "{html}");
    assert!(html.contains(r#"<a href="http://localhost:8080/dags/sales">"#), "{html}");
}

#[tokio::test]
async fn an_e_mail_says_what_it_is_told_to_and_signs_in() {
    let mailbox = Mailbox::start(&["updraft", SECRET]);
    let smtp = json!({
        "host": "127.0.0.1", "port": mailbox.port, "tls": "none", "login_env": "MAIL_LOGIN", "password_env": "MAIL_PASSWORD",
    });
    let args = json!({
        "to": ["ann@example.com"], "from_email": "me@example.com", "subject": "größer\nX-Evil: 1", "html_content": "<b>ü</b>",
        "smtp": smtp,
    });

    deliver("email", args).await.unwrap();

    let mail = mailbox.next();
    assert_eq!(mail["from"], "me@example.com");
    assert_eq!(mail["headers"]["subject"], "größer X-Evil: 1");
    assert_eq!(mail["headers"]["x-evil"], Value::Null);
    assert_eq!(mail["parts"]["text/html"].as_str().unwrap().trim(), "<b>ü</b>");
}

#[tokio::test]
async fn a_mail_server_says_whether_to_come_back() {
    let mailbox = Mailbox::start(&[]);
    let registry = registry(Some(open_server(mailbox.port)));
    for (to, may_retry, said) in [("nobody@example.com", false, "550"), ("later@example.com", true, "450")] {
        let error = deliver_as(&registry, "email", json!({ "to": to }), &failure()).await.unwrap_err();
        assert_eq!(error.may_retry, may_retry, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    let gone = Some(open_server(9));
    let error =
        deliver_as(&self::registry(gone), "email", json!({ "to": "a@example.com" }), &failure()).await.unwrap_err();
    assert!(error.may_retry, "{error}");
    let error = deliver_as(&registry, "email", json!({ "to": "nonsense" }), &failure()).await.unwrap_err();
    assert!(!error.may_retry && error.to_string().starts_with("`nonsense` is not an address"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_final_and_not_told() {
    let mailbox = Mailbox::start(&["updraft", "another"]);
    let server = MailServer {
        login: Some("updraft".to_owned()),
        password: Some(SECRET.to_owned()),
        ..open_server(mailbox.port)
    };
    let error =
        deliver_as(&registry(Some(server)), "email", json!({ "to": "a@example.com" }), &failure()).await.unwrap_err();
    assert!(!error.may_retry, "{error}");
    assert!(error.to_string().contains("535") && !error.to_string().contains(SECRET), "{error}");
}

#[tokio::test]
async fn starttls_sends_nothing_to_a_server_that_cannot_do_it() {
    let mailbox = Mailbox::start(&[]);
    let server = MailServer { tls: Tls::StartTls, ..open_server(mailbox.port) };
    let error =
        deliver_as(&registry(Some(server)), "email", json!({ "to": "a@example.com" }), &failure()).await.unwrap_err();
    let said = format!("the mail server `127.0.0.1:{}` did not take it", mailbox.port);
    assert!(error.to_string().contains(&said) && error.to_string().contains("`tls: none`"), "{error}");
}

#[tokio::test]
async fn without_a_mail_server_that_is_said_when_the_file_is_loaded_and_when_it_is_needed() {
    let args = json!({ "to": "a@example.com" });
    let email = registry(None).notifier("email").unwrap().clone();
    let obstacle = email.obstacle(args.as_object().unwrap()).unwrap();
    let error = deliver("email", args).await.unwrap_err();
    assert_eq!(error.to_string(), obstacle);
    assert!(obstacle.contains("UPDRAFT_SMTP_HOST"), "{obstacle}");
    let own = json!({ "to": "a@example.com", "smtp": { "host": "mail" } });
    assert_eq!(email.obstacle(own.as_object().unwrap()), None);
}

#[tokio::test]
async fn commands_run_with_their_arguments_as_they_are() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("told");
    let path = file.to_str().unwrap();

    deliver("command", json!({ "command": ["cp", "/dev/null", path] })).await.unwrap();
    let text = format!("echo \"$AIRFLOW_CTX_TASK_ID $AIRFLOW_CTX_TRY_NUMBER $MORE\" >> {path}");
    deliver("command", json!({ "command": text, "env": { "MORE": "a b" } })).await.unwrap();

    assert_eq!(std::fs::read_to_string(&file).unwrap(), "load 2 a b\n");
}

/// Airflow 3: `AIRFLOW_CTX_…`, as a task in bash knows them.
#[tokio::test]
async fn commands_know_what_they_are_run_for() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("told");
    let text = format!("env | grep ^AIRFLOW_CTX | sort > {}", file.display());
    deliver("command", json!({ "command": text })).await.unwrap();

    let expected = [
        "AIRFLOW_CTX_DAG_EMAIL=a@x,b@x",
        "AIRFLOW_CTX_DAG_ID=sales",
        "AIRFLOW_CTX_DAG_OWNER=etl",
        "AIRFLOW_CTX_DAG_RUN_ID=manual__1",
        "AIRFLOW_CTX_LOGICAL_DATE=2026-11-21T00:00:00+00:00",
        "AIRFLOW_CTX_TASK_ID=load",
        "AIRFLOW_CTX_TRY_NUMBER=2",
    ];
    let told = std::fs::read_to_string(&file).unwrap();
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);

    let of_run = Notice { instance: None, ..failure() };
    deliver_as(&registry(None), "command", json!({ "command": text }), &of_run).await.unwrap();
    let told = std::fs::read_to_string(&file).unwrap();
    assert!(told.contains("AIRFLOW_CTX_DAG_OWNER=data\n") && !told.contains("TASK_ID"), "{told}");
}

#[tokio::test]
async fn a_command_that_fails_is_run_again() {
    let error = deliver("command", json!({ "command": "echo the pager is off >&2; exit 3" })).await.unwrap_err();
    assert!(error.may_retry);
    assert_eq!(error.to_string(), "the command ended with exit code 3: the pager is off");
}

#[test]
fn mistakes_are_found_when_the_file_is_loaded() {
    let registry = registry(None);
    let table = [
        ("webhook", json!({}), "it does not say where to send to"),
        ("webhook", json!({ "url": "https://x", "url_env": "X" }), "it says twice where to send to"),
        ("webhook", json!({ "url": "ftp://x" }), "the address begins with `ftp:`; it must be http:// or https://"),
        ("webhook", json!({ "url": "example.com/x" }), "the address is not one: relative URL without a base"),
        ("slack", json!({ "text": "hi" }), "it does not say where to write to"),
        (
            "email",
            json!({ "to": "a@b", "smtp": { "host": "x", "login": "me" } }),
            "a login needs a password, and a password a login",
        ),
        ("command", json!({ "command": " " }), "there is nothing to run"),
        ("command", json!({ "command": [] }), "there is nothing to run"),
    ];
    for (name, args, message) in table {
        let problems = registry.notifier(name).unwrap().check(args.as_object().unwrap());
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, [message], "{name} {args}");
    }
    let template = json!({ "url": "{{ params.url }}" });
    assert_eq!(registry.notifier("webhook").unwrap().check(template.as_object().unwrap()), []);
}
