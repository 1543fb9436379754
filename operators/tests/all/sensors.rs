//! Sensors: what they see, when they give up their slot, and how their waiting ends.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use operators::location::S3;
use operators::registry_with;
use scheduler::operator::{
    Checkpoint, Outcome, Outline, RunReader, RunStanding, TaskContext, TaskError, TaskKey, Verdict,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::context::{context, log_text, nowhere};
use crate::moto::Moto;
use crate::support::HeldSlot;

/// A context with a slot that can be looked at.
fn slotted(home: &Path) -> (TaskContext, Arc<HeldSlot>) {
    let slot = Arc::new(HeldSlot::default());
    (TaskContext { slot: slot.clone(), ..context(home) }, slot)
}

async fn sense(sensor: &str, args: Value, ctx: &TaskContext, s3: &S3) -> Result<Outcome, TaskError> {
    let registry = registry_with(s3).unwrap();
    let operator = registry.find(sensor).unwrap();
    let args = args.as_object().unwrap().clone();
    assert_eq!(operator.check(&args), []);
    operator.execute(args, ctx).await
}

/// What a DAG file is told about the arguments of a sensor.
fn complaints(sensor: &str, args: &Value) -> Vec<String> {
    let registry = registry_with(&nowhere()).unwrap();
    let problems = registry.find(sensor).unwrap().check(args.as_object().unwrap());
    problems.into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
}

fn skipped(outcome: Result<Outcome, TaskError>) -> String {
    match outcome {
        Ok(Outcome::Skipped { reason }) => reason,
        other => panic!("it is not skipped: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_there_at_once_needs_no_waiting() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("here"), "").unwrap();
    let (ctx, slot) = slotted(home.path());

    let found = sense("file_sensor", json!({ "filepath": "here" }), &ctx, &nowhere()).await;

    assert_eq!(found.unwrap(), Outcome::done());
    assert!(!slot.is_free());
}

#[tokio::test]
async fn a_sensor_gives_up_its_slot_and_sees_what_comes_later() {
    let home = tempfile::tempdir().unwrap();
    let (ctx, slot) = slotted(home.path());
    let args = json!({ "filepath": "in/*.csv", "poke_interval": "0.1s" });

    let nowhere = nowhere();
    let arrives = async {
        let reason = slot.reason().await;
        std::fs::create_dir(home.path().join("in")).unwrap();
        std::fs::write(home.path().join("in/a.csv"), "").unwrap();
        reason
    };
    let (found, reason) = tokio::join!(sense("FileSensor", args, &ctx, &nowhere), arrives);

    assert_eq!(found.unwrap(), Outcome::done());
    let home = home.path().display();
    assert_eq!(reason, format!("waits for file {home}/in/*.csv; looks again every 0.1s"));
    let log = log_text(ctx.home.as_path());
    assert!(log.contains("looks again every 0.1s, for 7d at most") && log.contains("Waits no more for file"), "{log}");
}

#[tokio::test]
async fn time_that_passed_before_counts_and_a_timeout_is_final() {
    let home = tempfile::tempdir().unwrap();
    let (ctx, slot) = slotted(home.path());
    let ctx = TaskContext { started_at: ctx.clock.now() - TimeDelta::hours(2), ..ctx };
    let args = |more: Value| {
        let mut args = json!({ "filepath": "never", "timeout": "1h" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };

    let failed = sense("file_sensor", args(json!({})), &ctx, &nowhere()).await.unwrap_err();
    let softly = skipped(sense("file_sensor", args(json!({ "soft_fail": true })), &ctx, &nowhere()).await);

    assert_eq!(failed.verdict, Verdict::Fail);
    assert!(failed.to_string().ends_with("longer than its timeout of 1h"), "{failed}");
    assert_eq!(softly, failed.to_string());
    assert!(!slot.is_free(), "there is nothing left to wait for");
}

#[tokio::test]
async fn a_sensor_that_is_cancelled_stops_at_once() {
    let home = tempfile::tempdir().unwrap();
    let (ctx, slot) = slotted(home.path());
    let args = json!({ "filepath": "never", "poke_interval": "1h" });

    let nowhere = nowhere();
    let cancel = async {
        slot.reason().await;
        ctx.cancelled.cancel();
    };
    let (stopped, ()) = tokio::join!(sense("file_sensor", args, &ctx, &nowhere), cancel);

    assert_eq!(stopped.unwrap_err().verdict, Verdict::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_it_waits_for_a_sensor_stops_when_it_is_told_to() {
    let moto = Moto::start();
    moto.make_bucket("bee").await;
    // It answers one look, and never again.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (looked_again, is_asked) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let away = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let _request = first.read(&mut [0; 4096]).await.unwrap();
        first.write_all(away.as_bytes()).await.unwrap();
        drop(first);
        let second = listener.accept().await.unwrap();
        looked_again.send(()).unwrap();
        std::future::pending::<()>().await;
        drop(second);
    });
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("in")).unwrap();
    std::fs::write(home.path().join("x.db"), "").unwrap();
    let database = format!("sqlite:{}", home.path().join("x.db").display());
    let sensors = [
        ("time_sensor", json!({ "target_time": "2999-01-01T00:00:00Z" })),
        ("external_task_sensor", json!({ "external_dag_id": "sales" })),
        ("s3_key_sensor", json!({ "keys": "s3://bee/never" })),
        ("sql_sensor", json!({ "url": database, "sql": "SELECT 0" })),
        ("bash_sensor", json!({ "bash_command": "exit 1" })),
        ("file_watcher", json!({ "path": "in" })),
    ];
    for (sensor, args) in sensors {
        let (ctx, slot) = slotted(home.path());
        let settings = moto.settings();
        let cancel = async {
            slot.reason().await;
            ctx.withdrawn.cancel();
            ctx.cancelled.cancel();
        };
        let (stopped, ()) = tokio::join!(sense(sensor, args, &ctx, &settings), cancel);
        assert_eq!(stopped.unwrap_err().verdict, Verdict::Cancelled, "{sensor}");
    }

    let (ctx, _) = slotted(home.path());
    let cancel = async {
        is_asked.await.unwrap();
        ctx.cancelled.cancel();
    };
    let nowhere = nowhere();
    let looks = sense("http_sensor", json!({ "url": url, "poke_interval": 0.05 }), &ctx, &nowhere);
    let (stopped, ()) = tokio::join!(looks, cancel);
    assert_eq!(stopped.unwrap_err().verdict, Verdict::Cancelled, "also in the midst of a look");
    server.abort();
}

#[tokio::test]
async fn a_time_sensor_goes_by_the_clock_on_the_wall_when_that_is_set() {
    let home = tempfile::tempdir().unwrap();
    let (ctx, slot) = slotted(home.path());
    let target = ctx.clock.now() + TimeDelta::milliseconds(200);
    let args = json!({ "target_time": target.to_rfc3339() });

    // The clock stands still: its first sleep ends before the time has come.
    let nowhere = nowhere();
    let set = async {
        let reason = slot.reason().await;
        ctx.clock.set(target + TimeDelta::hours(1));
        reason
    };
    let (come, reason) = tokio::join!(sense("TimeSensorAsync", args, &ctx, &nowhere), set);

    assert_eq!((come.unwrap(), reason.as_str()), (Outcome::done(), "waits for 1970-01-01T00:00:00Z"));
}

#[tokio::test]
async fn a_file_is_seen_in_a_bucket() {
    let moto = Moto::start();
    moto.make_bucket("inbox").await;
    let home = tempfile::tempdir().unwrap();
    let s3 = moto.settings();
    let land = json!({ "sink": "s3://inbox/lake", "rows": 1 });
    crate::context::try_run("emulation", land, &context(home.path()), &s3).await.unwrap();

    for filepath in ["s3://inbox/lake", "s3://inbox/lake/topics/*/partition=0/*.json"] {
        let (ctx, slot) = slotted(home.path());
        sense("file_sensor", json!({ "filepath": filepath }), &ctx, &s3).await.unwrap();
        assert!(!slot.is_free(), "{filepath} is there at the first look");
    }
    for filepath in ["s3://inbox/la", "s3://inbox/lake/*.json", "s3://inbox/lake/topics/none"] {
        let (ctx, _) = slotted(home.path());
        let args = json!({ "filepath": filepath, "timeout": 0, "soft_fail": true });
        skipped(sense("file_sensor", args, &ctx, &s3).await);
    }
    let (ctx, _) = slotted(home.path());
    let missing = sense("file_sensor", json!({ "filepath": "s3://no-such-bucket/x" }), &ctx, &s3).await.unwrap_err();
    assert!(missing.to_string().starts_with("cannot look for s3://no-such-bucket/x: "), "{missing}");
}

/// Runs that cannot be read at first.
#[derive(Default)]
struct Shaky {
    looks: AtomicUsize,
}

#[async_trait]
impl RunReader for Shaky {
    async fn outline(&self, dag_id: &str) -> anyhow::Result<Option<Outline>> {
        let group = ("g".to_owned(), vec!["g.a".to_owned(), "g.b".to_owned()]);
        let known = Outline { tasks: vec!["g.a".to_owned(), "g.b".to_owned()], groups: vec![group] };
        Ok((dag_id == "sales").then_some(known))
    }

    async fn standing(
        &self,
        _dag_id: &str,
        logical_date: DateTime<Utc>,
        task_ids: &[String],
    ) -> anyhow::Result<Option<RunStanding>> {
        assert_eq!(logical_date, DateTime::UNIX_EPOCH - TimeDelta::hours(1));
        let look = self.looks.fetch_add(1, Ordering::SeqCst);
        anyhow::ensure!(look > 0, "the database does not answer");
        let state = if look > 1 { "success" } else { "running" };
        let instances = task_ids.iter().map(|task| (task.clone(), Some(state.to_owned()))).collect();
        Ok(Some(RunStanding { state: "running".to_owned(), instances }))
    }

    async fn state(&self, _dag_id: &str, _run_id: &str) -> anyhow::Result<Option<String>> {
        Ok(None)
    }
}

#[tokio::test]
async fn an_error_while_it_looks_fails_it_is_passed_over_or_skips_it() {
    let home = tempfile::tempdir().unwrap();
    let sense_with = async |more: Value| {
        let (ctx, _) = slotted(home.path());
        let ctx = TaskContext { runs: Arc::new(Shaky::default()), ..ctx };
        let mut args = json!({ "external_dag_id": "sales", "external_task_group_id": "g", "execution_delta": "1h",
                               "check_existence": true, "poke_interval": 0.1 });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sense("ExternalTaskSensor", args, &ctx, &nowhere()).await
    };

    let failed = sense_with(json!({})).await.unwrap_err();
    assert_eq!((failed.verdict, failed.to_string().as_str()), (Verdict::Retry, "the database does not answer"));
    assert_eq!(sense_with(json!({ "silent_fail": true })).await.unwrap(), Outcome::done());
    assert_eq!(skipped(sense_with(json!({ "never_fail": true })).await), "the database does not answer");
    let unknown = sense_with(json!({ "external_dag_id": "nothing" })).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no DAG `nothing`");
}

#[test]
fn mistakes_are_found_while_the_dag_file_is_loaded() {
    let file = json!({ "filepath": "x", "poke_interval": "soon", "soft_fail": true, "never_fail": true });
    assert_eq!(
        complaints("file_sensor", &file),
        [
            "/poke_interval: `soon` is not a duration; write `30s`, `5m`, `1h30m` or a number of seconds",
            "/never_fail: `soft_fail` and `never_fail` exclude each other"
        ]
    );
    assert_eq!(complaints("time_sensor", &json!({})), [": it needs `target_time` or `delta`"]);
    assert_eq!(
        complaints("time_sensor", &json!({ "target_time": "noon" })),
        ["/target_time: `noon` is neither an instant nor a time of day"]
    );
    assert_eq!(
        complaints("time_sensor", &json!({ "target_time": "{{ ts }}", "delta": 5 })),
        ["/delta: `target_time` and `delta` exclude each other"]
    );
    let external = json!({ "external_dag_id": "x", "external_task_id": "a", "external_task_ids": ["b"],
                           "allowed_states": ["done"], "failed_states": ["failed"], "skipped_states": ["failed"] });
    assert_eq!(
        complaints("external_task_sensor", &external),
        [
            "/external_task_ids: `external_task_id` and `external_task_ids` exclude each other",
            "/allowed_states: `done` is no state of task instances",
            "/failed_states: `failed` stands in two of the lists of states"
        ]
    );
    assert_eq!(
        complaints("external_task_sensor", &json!({ "external_dag_id": "x", "allowed_states": ["skipped"] })),
        ["/allowed_states: `skipped` is no state of runs"]
    );
}

/// What a run keeps, and what its task remembers over all runs. All of them count as over.
struct Keeps {
    own: Mutex<Option<Value>>,
    remembered: Arc<Mutex<Option<Value>>>,
}

#[async_trait]
impl Checkpoint for Keeps {
    async fn load(&self) -> anyhow::Result<Option<Value>> {
        Ok(self.own.lock().unwrap().clone())
    }

    async fn save(&self, value: Value) -> anyhow::Result<()> {
        *self.own.lock().unwrap() = Some(value);
        Ok(())
    }

    async fn recall(&self) -> anyhow::Result<Option<Value>> {
        Ok(self.remembered.lock().unwrap().clone())
    }

    async fn remember(&self, value: Value) -> anyhow::Result<()> {
        *self.remembered.lock().unwrap() = Some(value);
        Ok(())
    }

    async fn has_succeeded(&self, _run_id: &str) -> anyhow::Result<bool> {
        Ok(true)
    }
}

/// Asks moto's SQS, which looks at no signature.
async fn ask_sqs(moto: &Moto, action: &str, body: Value) {
    let (address, body) = (moto.endpoint().strip_prefix("http://").unwrap(), body.to_string());
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: AmazonSQS.{action}\r\nContent-Type: application/x-amz-json-1.0\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer.split(' ').nth(1), Some("200"), "{answer}");
}

/// The try of a run dies when it has taken a message, and another run takes one before the next try.
#[tokio::test]
async fn messages_that_a_run_took_are_told_by_it_whatever_other_runs_take() {
    let (moto, home) = (Moto::start(), tempfile::tempdir().unwrap());
    ask_sqs(&moto, "CreateQueue", json!({ "QueueName": "orders" })).await;
    let remembered = Arc::new(Mutex::new(None));
    let run = |run_id: &str| {
        let ctx = context(home.path());
        let key = TaskKey { run_id: run_id.to_owned(), ..ctx.key.clone() };
        let checkpoint = Arc::new(Keeps { own: Mutex::default(), remembered: Arc::clone(&remembered) });
        TaskContext { key, checkpoint, ..ctx }
    };
    let (one, other) = (run("one"), run("other"));
    let take = async |ctx: &TaskContext| {
        let args = json!({ "sqs_queue": "orders", "wait_time_seconds": 0, "poke_interval": 0.1, "timeout": 120 });
        let Ok(Outcome::Success { return_value, .. }) = sense("sqs_sensor", args, ctx, &moto.settings()).await else {
            panic!("it takes a message");
        };
        return_value[0]["body"].as_str().unwrap().to_owned()
    };
    let send = async |body: &str| {
        let queue = format!("{}/123456789012/orders", moto.endpoint());
        ask_sqs(&moto, "SendMessage", json!({ "QueueUrl": queue, "MessageBody": body })).await;
    };

    send("first").await;
    assert_eq!(take(&one).await, "first");
    send("second").await;
    assert_eq!(take(&other).await, "second");

    assert_eq!(take(&one).await, "first", "the next try of the run");
    assert_eq!(take(&other).await, "second");
}
