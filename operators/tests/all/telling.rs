//! `email` and `notify`, against real receivers on this machine.

use std::sync::Arc;
use std::time::Duration;

use operators::email::EmailTask;
use operators::location::S3;
use operators::notifiers::{MailServer, Tls};
use operators::registry_with;
use scheduler::connection::{Connection, Secret};
use scheduler::operator::{Outcome, SecretReader, TaskError, Verdict};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::context::nowhere;
use crate::mailbox::Mailbox;
use crate::receiver::Receiver;
use crate::support::{Bench, Connections};

const PASSWORD: &str = "s3cr3t-pa55";

fn server(mailbox: &Mailbox) -> MailServer {
    MailServer {
        host: "127.0.0.1".to_owned(),
        port: Some(mailbox.port),
        tls: Tls::None,
        login: None,
        password: None,
        from: Some("updraft@example.com".to_owned()),
    }
}

#[tokio::test]
async fn a_mail_goes_to_everybody_with_its_files() {
    let (bench, mailbox) = (Bench::new(), Mailbox::start(&[]));
    bench.file("out/figures.csv", "a,b\n1,2\n");
    let args = json!({ "to": "ann@example.com; bob@example.com", "cc": ["cy@example.com"], "bcc": "dee@example.com",
                       "subject": "The\n figures", "html_content": "<p>ü</p>", "text": "plain",
                       "files": ["out/figures.csv"] });

    bench.run(&EmailTask::new(nowhere(), Some(server(&mailbox))), args).await.unwrap();

    let mail = mailbox.next();
    assert_eq!(mail["from"], "updraft@example.com");
    let all = ["ann@example.com", "bob@example.com", "cy@example.com", "dee@example.com"];
    assert_eq!(mail["to"], json!(all));
    assert_eq!(mail["headers"]["subject"], "The figures");
    assert_eq!(mail["headers"]["to"], "ann@example.com, bob@example.com");
    assert_eq!(mail["headers"]["bcc"], Value::Null);
    assert_eq!(mail["headers"]["message-id"], format!("<{}@updraft>", bench.ctx.try_id));
    let part = |kind: &str| mail["parts"][kind].as_str().unwrap().trim().to_owned();
    assert_eq!((part("text/html").as_str(), part("text/plain").as_str()), ("<p>ü</p>", "plain"));
    assert_eq!(mail["files"], json!({ "figures.csv": "a,b\n1,2\n" }));
    let said = "took the mail to ann@example.com, bob@example.com, cy@example.com, 1 more with one file";
    assert!(bench.log_text().contains(said), "{}", bench.log_text());
}

#[tokio::test]
async fn a_connection_says_which_server_and_its_password_is_masked() {
    let (mut bench, mailbox) = (Bench::new(), Mailbox::start(&["updraft", PASSWORD]));
    let with = |connection| -> Arc<dyn SecretReader> { Arc::new(Connections(vec![connection])) };
    let connection = |password: &str| Connection {
        host: Some("127.0.0.1".to_owned()),
        port: Some(mailbox.port),
        login: Some("updraft".to_owned()),
        password: Some(Secret::new(password)),
        extra: json!({ "disable_ssl": true, "disable_tls": true, "from_email": "me@example.com" })
            .as_object()
            .unwrap()
            .clone(),
        ..Connection::new("smtp_default", "smtp")
    };
    let mail = || json!({ "to": "ann@example.com", "subject": "Hello", "text": PASSWORD });
    let task = EmailTask::new(nowhere(), None);
    let failed = bench.run(&task, mail()).await.unwrap_err();
    assert_eq!(failed.verdict, Verdict::Fail);
    assert!(failed.to_string().starts_with("no mail server is set up: name a connection in `conn_id`"), "{failed}");

    bench.ctx.secrets = with(connection(PASSWORD));
    bench.run(&task, mail()).await.unwrap();
    assert_eq!(mailbox.next()["from"], "me@example.com");
    bench.ctx.log.info(format_args!("it was {PASSWORD}"));
    assert!(bench.log_text().contains("it was ***"), "{}", bench.log_text());

    bench.ctx.secrets = with(connection("wrong"));
    let failed = bench.run(&task, mail()).await.unwrap_err();
    let said = format!("the mail server `127.0.0.1:{}` did not take it", mailbox.port);
    assert!(failed.to_string().contains(&said), "{failed}");
    let mut named = mail();
    named["conn_id"] = json!("other");
    let failed = bench.run(&task, named).await.unwrap_err();
    assert!(failed.to_string().starts_with("there is no connection `other`"), "{failed}");
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_says_why_and_whether_another_try_may_help() {
    let (bench, mailbox) = (Bench::new(), Mailbox::start(&[]));
    let task = EmailTask::new(nowhere(), Some(server(&mailbox)));
    let send = async |to: &str, files: Value| -> Result<Outcome, TaskError> {
        bench.run(&task, json!({ "to": to, "subject": "x", "text": "y", "files": files })).await
    };

    let nobody = send("nobody@example.com", json!([])).await.unwrap_err();
    assert_eq!(nobody.verdict, Verdict::Fail, "{nobody}");
    let later = send("later@example.com", json!([])).await.unwrap_err();
    assert_eq!(later.verdict, Verdict::Retry, "{later}");
    assert!(later.to_string().ends_with("did not take it: transient error (450): the mailbox is busy"), "{later}");
    let wrong = send("ann", json!([])).await.unwrap_err();
    assert!(wrong.verdict == Verdict::Fail && wrong.to_string().starts_with("`ann` is not an address"), "{wrong}");
    let missing = send("ann@example.com", json!(["nothing.csv"])).await.unwrap_err();
    assert!(
        missing.verdict == Verdict::Retry && missing.to_string().contains("nothing.csv` cannot be read"),
        "{missing}"
    );
    let climbing = send("ann@example.com", json!(["../../secret"])).await.unwrap_err();
    assert!(climbing.to_string().contains("climbs above its root"), "{climbing}");
    let large = bench.file("large.bin", "");
    std::fs::File::create(&large).unwrap().set_len(26 * 1024 * 1024).unwrap();
    let large = send("ann@example.com", json!(["large.bin"])).await.unwrap_err();
    assert!(large.verdict == Verdict::Fail && large.to_string().contains("larger than 25 MiB together"), "{large}");
}

#[tokio::test]
async fn a_task_tells_by_any_notifier() {
    let (bench, receiver) = (Bench::new(), Receiver::start("200 OK\r\ncontent-length: 2\r\n\r\nok").await);
    let registry = registry_with(&nowhere()).unwrap();
    let notify = registry.find("notify").unwrap();
    let tell = async |args: Value| {
        let args = args.as_object().unwrap().clone();
        assert_eq!(notify.check(&args), []);
        notify.execute(args, &bench.ctx).await
    };

    tell(json!({ "slack": { "url": receiver.url("/hook"), "text": "3 rows" } })).await.unwrap();
    assert_eq!(receiver.only().json(), json!({ "text": "3 rows" }));

    let marker = bench.home().join("told");
    tell(json!({ "command": { "command": ["touch", marker.to_str().unwrap()] } })).await.unwrap();
    assert!(marker.exists());

    let busy = Receiver::start("503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
    let failed = tell(json!({ "webhook": { "url": busy.url("/"), "body": "x" } })).await.unwrap_err();
    assert_eq!(failed.verdict, Verdict::Retry, "{failed}");
    let gone = Receiver::start("410 Gone\r\ncontent-length: 0\r\n\r\n").await;
    let failed = tell(json!({ "webhook": { "url": gone.url("/"), "body": "x" } })).await.unwrap_err();
    assert_eq!(failed.verdict, Verdict::Fail, "{failed}");
}

/// An address where whoever calls is not answered, and a sign that somebody has.
async fn silence() -> (std::net::SocketAddr, Arc<Notify>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, called) = (listener.local_addr().unwrap(), Arc::new(Notify::new()));
    let callers = Arc::clone(&called);
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            open.push(listener.accept().await.unwrap());
            callers.notify_one();
        }
    });
    (address, called)
}

#[tokio::test]
async fn telling_stops_when_it_is_told_to() {
    let (address, called) = silence().await;
    let silent = || MailServer {
        host: "127.0.0.1".to_owned(),
        port: Some(address.port()),
        tls: Tls::None,
        login: None,
        password: None,
        from: Some("updraft@example.com".to_owned()),
    };
    let bucket = S3::with_endpoint(&format!("http://{address}"), "test", "test");
    let mail = json!({ "to": "ann@example.com", "subject": "x", "text": "y", "body": "y" });
    let mut with_file = mail.clone();
    with_file["files"] = json!(["s3://bee/a.csv"]);
    let args_of = |args: &Value, key: &str| {
        let mut args = args.clone();
        args.as_object_mut().unwrap().remove(key);
        args
    };
    let url = format!("http://{address}/");
    let registry = operators::registry_mailing(Some(silent())).unwrap();
    let notify = registry.find("notify").unwrap();
    for told in [
        json!({ "webhook": { "url": url, "body": "x" } }),
        json!({ "slack": { "url": url, "text": "x" } }),
        json!({ "email": args_of(&mail, "text") }),
    ] {
        let bench = Bench::new();
        let tells = notify.execute(told.as_object().unwrap().clone(), &bench.ctx);
        assert_eq!(stopped(tells, &bench, &called).await, Verdict::Cancelled, "{told}");
    }
    for args in [args_of(&mail, "body"), args_of(&with_file, "body")] {
        let bench = Bench::new();
        let task = EmailTask::new(bucket.clone(), Some(silent()));
        assert_eq!(stopped(bench.run(&task, args.clone()), &bench, &called).await, Verdict::Cancelled, "{args}");
    }
}

/// Stops a try as soon as somebody has called.
async fn stopped(tells: impl Future<Output = Result<Outcome, TaskError>>, bench: &Bench, called: &Notify) -> Verdict {
    let stop = async {
        called.notified().await;
        bench.ctx.cancelled.cancel();
    };
    tokio::join!(tells, stop).0.unwrap_err().verdict
}

#[tokio::test]
async fn a_command_that_tells_ends_with_its_try() {
    let bench = Bench::new();
    let pid = bench.home().join("pid");
    let registry = registry_with(&nowhere()).unwrap();
    let args = json!({ "command": { "command": format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000", pid.display()) } });
    let tells = registry.find("notify").unwrap().execute(args.as_object().unwrap().clone(), &bench.ctx);
    let stop = async {
        while !pid.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bench.ctx.cancelled.cancel();
    };

    let (stopped, ()) = tokio::join!(tells, stop);

    assert_eq!(stopped.unwrap_err().verdict, Verdict::Cancelled);
    let status = format!("/proc/{}/cmdline", std::fs::read_to_string(&pid).unwrap().trim());
    // It is killed, and gone within a moment.
    while std::fs::read_to_string(&status).is_ok_and(|command| command.contains("sleep")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn what_says_nothing_to_nobody_is_a_mistake() {
    let registry = registry_with(&nowhere()).unwrap();
    let complaints = |operator: &str, args: Value| {
        let problems = registry.find(operator).unwrap().check(args.as_object().unwrap());
        problems.into_iter().map(|problem| format!("{} {}", problem.pointer, problem.message)).collect::<Vec<_>>()
    };
    let silent = json!({ "to": "a@example.com", "subject": "x" });
    assert_eq!(complaints("EmailOperator", silent), [" it does not say what to write"]);
    let two = ["/slack it does not say where to write to", "/slack it does not say what to tell"];
    let found = complaints("notify", json!({ "slack": {} }));
    assert_eq!(found.len(), two.len(), "{found:?}");
    assert_eq!(found[1], two[1]);
}
