//! Queues of messages that are watched, against moto's SQS: what arrives is told once to the DAGs that wait for it.

use rstest::rstest;
use scheduler::store::runs;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::dag_origins::Moto;
use crate::server::{Backend, Installation, Server, eventually, finished, instances};

/// Asks SQS; moto looks at no signature.
async fn sqs(moto: &Moto, action: &str, body: Value) -> Value {
    let body = body.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nX-Amz-Target: AmazonSQS.{action}\r\nContent-Type: application/x-amz-json-1.0\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        moto.address,
        body.len()
    );
    let mut connection = TcpStream::connect(&moto.address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.split(' ').nth(1), Some("200"), "{answer}");
    serde_json::from_str(body).unwrap_or_default()
}

async fn a_queue(moto: &Moto) -> String {
    let made = sqs(moto, "CreateQueue", json!({ "QueueName": "orders" })).await;
    made["QueueUrl"].as_str().unwrap().to_owned()
}

async fn send(moto: &Moto, queue: &str, body: &str) {
    sqs(moto, "SendMessage", json!({ "QueueUrl": queue, "MessageBody": body })).await;
}

/// How many messages are in a queue, those that somebody took and did not delete included.
async fn left(moto: &Moto, queue: &str) -> u64 {
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let told = sqs(moto, "GetQueueAttributes", json!({ "QueueUrl": queue, "AttributeNames": names })).await;
    names.iter().map(|name| told["Attributes"][*name].as_str().unwrap().parse::<u64>().unwrap()).sum()
}

async fn start(installation: &Installation, moto: &Moto) -> Server {
    let mut command = installation.command(&["standalone", "--port", "0"]);
    command.env("UPDRAFT_LOG", "error");
    command.envs(moto.variables());
    Server::start(command).await
}

const WATCH: &str = "schedule: '@continuous'
tasks: [{task_id: watch, operator: sqs_sensor, sqs_queue: orders, wait_time_seconds: 0, poke_interval: 0.1, outlets: ['sqs://orders']}]
";

/// The bodies that a DAG was told which waits for the queue.
struct Told<'a>(&'a Installation);

impl Told<'_> {
    fn write_dag(&self) {
        let file = self.0.path().join("told");
        let text = format!(
            "schedule: ['sqs://orders']\ntasks:\n  - task_id: read\n    operator: bash\n    bash_command: |\n      \
             {{% for event in triggering_asset_events['sqs://orders'] %}}{{% for message in event.extra.messages %}}\n      \
             echo {{{{ message.body | shell_quote }}}} >> {}\n      {{% endfor %}}{{% endfor %}}\n",
            file.display()
        );
        self.0.write_dag("reads.yaml", &text);
    }

    async fn become_lines(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} messages"), || async {
            let text = std::fs::read_to_string(self.0.path().join("told")).unwrap_or_default();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            (lines.len() >= count).then_some(lines)
        })
        .await
    }
}

/// Also when the server is killed while it waits.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn messages_of_a_queue_are_told_to_those_who_wait_and_deleted(#[case] backend: Backend) {
    let moto = Moto::start();
    let queue = a_queue(&moto).await;
    let installation = Installation::new(backend).await;
    installation.write_dag("watch.yaml", WATCH);
    let told = Told(&installation);
    told.write_dag();
    send(&moto, &queue, "it's one").await;
    let server = start(&installation, &moto).await;

    assert_eq!(told.become_lines(1).await, ["it's one"]);
    let db = installation.database().await;
    // A task that is killed with the server after it has written its line writes it again.
    eventually("the end of the run that was told", || async {
        let told = runs::newest(db.read(), Some("reads"), 1).await.unwrap();
        told.first().is_some_and(|run| run.state == "success").then_some(())
    })
    .await;
    server.kill().await;
    send(&moto, &queue, "two").await;
    let server = start(&installation, &moto).await;

    assert_eq!(told.become_lines(2).await, ["it's one", "two"]);
    eventually("an empty queue", || async { (left(&moto, &queue).await == 0).then_some(()) }).await;
    assert!(server.stop().await);
}

/// What comes is the answer of the task, and stays in the queue when that is wanted.
#[tokio::test]
async fn a_sensor_answers_with_the_messages() {
    let moto = Moto::start();
    let queue = a_queue(&moto).await;
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag(
        "takes.yaml",
        &format!(
            "tasks:\n  - task_id: take\n    operator: airflow.providers.amazon.aws.sensors.sqs.SqsSensor\n    \
             sqs_queue: {queue}\n    delete_message_on_reception: false\n    visibility_timeout: 600\n    max_messages: 1\n"
        ),
    );
    send(&moto, &queue, "{\"rows\": 7}").await;
    send(&moto, &queue, "another").await;
    let server = start(&installation, &moto).await;
    installation.json(&["dags", "trigger", "takes", "--run-id", "one", "--wait"]).await;

    let db = installation.database().await;
    let run = finished(&db, "takes", "one").await;
    let found = scheduler::store::runs::pull_xcoms(db.read(), run.id, "take", "return_value").await.unwrap();
    let messages = found[0].1.as_array().unwrap();
    assert_eq!(messages.len(), 1);
    assert!(messages[0]["receipt"].is_string() && messages[0]["id"].is_string(), "{messages:?}");
    assert_eq!(left(&moto, &queue).await, 2, "none was deleted");
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_queue_that_there_is_not_is_named() {
    let moto = Moto::start();
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("watch.yaml", "tasks: [{task_id: watch, operator: sqs_sensor, sqs_queue: nowhere}]\n");
    let server = start(&installation, &moto).await;
    installation.run(&["dags", "trigger", "watch", "--run-id", "one", "--wait"]).await;

    let db = installation.database().await;
    let run = finished(&db, "watch", "one").await;
    let [watch] = instances(&db, &run).await.try_into().unwrap();
    let error = watch.error.unwrap();
    assert!(error.contains("queue `nowhere`") && error.contains("look at the name, the region"), "{error}");
    assert!(server.stop().await);
}
