//! `sqs_sensor`: waits until there are messages in a queue of Amazon SQS, takes them, and says what they are.
//!
//! ```yaml
//! arrivals:
//!   schedule: "@continuous"
//!   tasks:
//!     - {task_id: watch, operator: sqs_sensor, sqs_queue: orders, outlets: ["s3://bucket/in"]}
//! ```
//!
//! A DAG that runs continuously, with this one task, watches an asset (Airflow 3: AssetWatcher with a MessageQueueTrigger).
//!
//! A message is kept before it is deleted from the queue: in the checkpoint of the run, whose further tries tell the same even
//! if other runs take messages meanwhile; and in what the task remembers from run to run, together with the run that is to tell
//! it, so that the next run tells what one did not come to tell. One that is kept and could not be deleted comes twice: at
//! least once, as SQS itself has it.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use reqwest::StatusCode;
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::arguments::Patience;
use super::telling::Telling;
use super::wait::{Rhythm, Sight, Watch};
use crate::aws::Service;
use crate::checkpoint;
use crate::location::S3;
use crate::requests::{Reply, Trouble};
use crate::s3::reached;
use crate::shapes::With;

/// Messages in the `extra` of an event take at most so many bytes; the XCom has them all.
const TOLD_BYTES_MAX: usize = 64 * 1024;

/// The `sqs_sensor` operator.
pub struct SqsSensor {
    surroundings: S3,
    looks: Arc<Semaphore>,
}

impl SqsSensor {
    /// Reaching AWS through `surroundings` where no connection says otherwise, with as many looks at a time as `looks`
    /// allows.
    pub fn new(surroundings: S3, looks: Arc<Semaphore>) -> SqsSensor {
        SqsSensor { surroundings, looks }
    }
}

/// Arguments of the `sqs_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqsArgs {
    /// The queue: its address (`https://sqs.eu-central-1.amazonaws.com/123456789012/orders`), or its name.
    #[schemars(length(min = 1))]
    sqs_queue: String,
    /// Messages that are taken at most.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 10))]
    max_messages: u8,
    /// Seconds that SQS itself waits for messages at each look.
    #[serde(default = "one")]
    #[schemars(range(max = 20))]
    wait_time_seconds: u8,
    /// Seconds for which others do not see the messages; without it as the queue says.
    #[serde(default)]
    #[schemars(range(max = 43200))]
    visibility_timeout: Option<u32>,
    /// Whether messages are deleted from the queue. Otherwise they come again after the visibility timeout, unless the tasks
    /// that follow delete them.
    #[serde(default = "yes")]
    delete: bool,
    /// The connection to AWS; without it the `AWS_*` variables say who asks, and where SQS is.
    #[serde(default)]
    conn_id: Option<String>,
}

fn ten() -> u8 {
    10
}

fn one() -> u8 {
    1
}

fn yes() -> bool {
    true
}

/// A message.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
struct Message {
    id: String,
    body: String,
    /// By which it is deleted.
    receipt: String,
}

impl Message {
    /// As tasks see it.
    fn told(&self) -> Value {
        json!({ "id": self.id, "body": self.body, "receipt": self.receipt })
    }
}

impl Operator for SqsSensor {
    const NAME: &'static str = "sqs_sensor";
    const SUMMARY: &'static str = "Waits until there are messages in a queue of Amazon SQS, and takes them.";
    type Args = With<Patience, SqsArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        const FILTER: &str = "decide by the messages in a task after it, for example with `branch`";
        const SETTINGS: &str = "write `region_name` and `endpoint_url` into the `extra` of the connection";
        let class = AirflowClass::named("airflow.providers.amazon.aws.sensors.sqs.SqsSensor")
            .renamed("delete_message_on_reception", "delete")
            .renamed("aws_conn_id", "conn_id")
            .given("conn_id", "aws_default")
            .given("max_messages", 5)
            .refused("num_batches", "each run takes one batch; what is left is for the next one")
            .refused("message_filtering", FILTER)
            .refused("message_filtering_match_values", FILTER)
            .refused("message_filtering_config", FILTER)
            .refused("region", SETTINGS)
            .refused("region_name", SETTINGS)
            .refused("botocore_config", SETTINGS)
            .refused("verify", "the certificate of SQS is always verified; its endpoint stands in the connection");
        vec![class]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: patience } = args;
        let settings = reached(own.conn_id.as_deref(), &self.surroundings, ctx).await?;
        let queue = Queue::open(&own.sqs_queue, &settings).map_err(TaskError::fail)?;
        let taken = Mutex::new(untold(ctx).await?);
        let watch = Watch {
            patience: &patience,
            ctx,
            awaited: format!("messages in queue {}", own.sqs_queue),
            rhythm: Rhythm::Intervals(Arc::clone(&self.looks)),
        };
        let outcome = watch.until(|| look(&queue, &own, &taken, ctx)).await?;
        let messages = taken.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !matches!(outcome, Outcome::Success { .. }) {
            return Ok(outcome);
        }
        ctx.log.info(format_args!("Took {} messages", messages.len()));
        tell(&messages, ctx);
        let told: Vec<Value> = messages.iter().map(Message::told).collect();
        Ok(Outcome::value(json!(told)))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        Patience::check(args)
    }
}

async fn look(
    queue: &Queue,
    args: &SqsArgs,
    taken: &Mutex<Vec<Message>>,
    ctx: &TaskContext,
) -> Result<Sight, TaskError> {
    let mut messages = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if messages.is_empty() {
        messages = queue.receive(args).await.map_err(Trouble::into_error)?;
    }
    if messages.is_empty() {
        return Ok(Sight::NotYet);
    }
    let telling = Telling::of(&ctx.key.run_id, messages.clone());
    checkpoint::save(&telling, ctx).await?;
    checkpoint::remember(&telling, ctx).await?;
    // From here on they are told, whatever becomes of the queue.
    taken.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&messages);
    if args.delete {
        match queue.delete(&messages).await {
            Ok(left) if left.is_empty() => {}
            Ok(left) => ctx.log.warning(format_args!("Not deleted, and will come again: {}", left.join(", "))),
            Err(trouble) => {
                ctx.log.warning(format_args!("Cannot delete the messages, which will come again: {:#}", trouble.error));
            }
        }
    }
    Ok(Sight::There)
}

/// What a run was to tell, and did not: this one, in a try before, or one before that failed.
async fn untold(ctx: &TaskContext) -> Result<Vec<Message>, TaskError> {
    if let Some(ours) = checkpoint::load::<Telling<Message>>(ctx).await? {
        return Ok(ours.news);
    }
    match checkpoint::recall::<Telling<Message>>(ctx).await? {
        Some(telling) => telling.untold(ctx).await,
        None => Ok(Vec::new()),
    }
}

/// Says of each outlet what came.
fn tell(messages: &[Message], ctx: &TaskContext) {
    let mut bytes = 0;
    let fits = |message: &&Message| {
        bytes += message.body.len();
        bytes <= TOLD_BYTES_MAX
    };
    let named: Vec<Value> =
        messages.iter().take_while(fits).map(|message| json!({ "id": message.id, "body": message.body })).collect();
    let extra = json!({ "messages": named, "count": messages.len() });
    let extra = extra.as_object().cloned().unwrap_or_default();
    ctx.outlets.tell_of_each(&extra);
}

/// A queue that can be asked.
struct Queue {
    service: Service,
    /// Its address, or its name.
    queue: String,
}

impl Queue {
    fn open(queue: &str, settings: &S3) -> anyhow::Result<Queue> {
        Ok(Queue { service: Service::open("sqs", settings)?, queue: queue.to_owned() })
    }

    async fn address(&self) -> Result<String, Trouble> {
        if self.queue.contains("://") {
            return Ok(self.queue.clone());
        }
        let answer = self.ask("GetQueueUrl", &json!({ "QueueName": self.queue })).await?;
        let address = answer.get("QueueUrl").and_then(Value::as_str).map(str::to_owned);
        address.ok_or_else(|| Trouble::passing(anyhow!("SQS did not say where queue `{}` is", self.queue)))
    }

    async fn receive(&self, args: &SqsArgs) -> Result<Vec<Message>, Trouble> {
        let mut body = json!({
            "QueueUrl": self.address().await?,
            "MaxNumberOfMessages": args.max_messages,
            "WaitTimeSeconds": args.wait_time_seconds,
        });
        if let Some(seconds) = args.visibility_timeout {
            body["VisibilityTimeout"] = seconds.into();
        }
        let answer = self.ask("ReceiveMessage", &body).await?;
        let text = |message: &Value, key: &str| message.get(key).and_then(Value::as_str).map(str::to_owned);
        let messages = answer.get("Messages").and_then(Value::as_array).into_iter().flatten();
        Ok(messages
            .filter_map(|message| {
                Some(Message {
                    id: text(message, "MessageId")?,
                    body: text(message, "Body").unwrap_or_default(),
                    receipt: text(message, "ReceiptHandle")?,
                })
            })
            .collect())
    }

    /// Deletes messages; answers with those that are still there.
    async fn delete(&self, messages: &[Message]) -> Result<Vec<String>, Trouble> {
        let entries: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(number, message)| json!({ "Id": number.to_string(), "ReceiptHandle": message.receipt }))
            .collect();
        let body = json!({ "QueueUrl": self.address().await?, "Entries": entries });
        let answer = self.ask("DeleteMessageBatch", &body).await?;
        let failed = answer.get("Failed").and_then(Value::as_array).into_iter().flatten();
        let id = |failed: &Value| {
            let number: usize = failed.get("Id")?.as_str()?.parse().ok()?;
            messages.get(number).map(|message| message.id.clone())
        };
        Ok(failed.filter_map(id).collect())
    }

    async fn ask(&self, action: &str, body: &Value) -> Result<Value, Trouble> {
        let reply =
            self.service.ask_json_as("application/x-amz-json-1.0", &format!("AmazonSQS.{action}"), body).await?;
        answer(&reply, action, &self.queue)
    }
}

/// Names of errors that pass.
const PASSING: [&str; 5] =
    ["RequestThrottled", "ThrottlingException", "OverLimit", "KmsThrottled", "ServiceUnavailable"];

/// What an answer says.
fn answer(reply: &Reply, action: &str, queue: &str) -> Result<Value, Trouble> {
    let body = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
    if reply.status.is_success() {
        return Ok(body);
    }
    let Some(written) = body.get("__type").and_then(Value::as_str) else { return Err(reply.refusal()) };
    let name = written.rsplit(['#', '.']).next().unwrap_or(written);
    let said = ["message", "Message"].iter().find_map(|key| body.get(*key)?.as_str()).unwrap_or_default();
    let hint = match name {
        "QueueDoesNotExist" | "NonExistentQueue" => " (look at the name, the region and the account of the queue)",
        "AccessDenied" | "AccessDeniedException" => " (whoever asks needs sqs:ReceiveMessage and sqs:DeleteMessage)",
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidSecurity" => {
            " (look at the connection, or at the AWS_* variables)"
        }
        _ => "",
    };
    let error = anyhow!("{action} of queue `{queue}`: {name}: {said}{hint}");
    let passes =
        PASSING.contains(&name) || reply.status.is_server_error() || reply.status == StatusCode::TOO_MANY_REQUESTS;
    Err(if passes { Trouble::passing(error) } else { Trouble::lasting(error) })
}
