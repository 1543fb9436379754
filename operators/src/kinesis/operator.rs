//! `kinesis`: makes, lists, describes and deletes streams.
//!
//! ```yaml
//! - task_id: make_streams
//!   operator: kinesis
//!   action: create
//!   stream: [streaming-0a3db223d459-pin, streaming-0a3db223d459-geo, streaming-0a3db223d459-user]
//!   url: https://<id>.execute-api.us-east-1.amazonaws.com/dev
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::action::Action;
use super::client::{Door, Streams};
use super::failure::Failure;
use crate::location::S3;
use crate::notifiers::Environment;
use crate::requests::{Base, Complaints, Patience};

/// A request that cannot be served just now is repeated for so long.
const RETRY_FOR: Duration = Duration::from_mins(2);

/// So often a stream is looked at that is being made or deleted.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A stream that is not there, or not gone, after this long is given up.
const SETTLED_AFTER_MAX: Duration = Duration::from_mins(10);

/// More names than this in a list are not one list any more.
const LISTED_MAX: usize = 100_000;

/// The `kinesis` operator.
#[derive(Clone, Debug)]
pub struct Kinesis {
    s3: S3,
    environment: Environment,
}

impl Kinesis {
    /// Signs as `s3` says, and finds secrets in `environment`.
    pub fn new(s3: S3, environment: Environment) -> Kinesis {
        Kinesis { s3, environment }
    }
}

/// Arguments of the `kinesis` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KinesisArgs {
    /// What to do.
    action: Deed,
    /// Which streams, one or several; all but `list` need them.
    #[serde(default)]
    stream: Names,
    /// How many shards a new stream has.
    #[serde(default = "default_shard_count")]
    #[schemars(range(min = 1, max = 500))]
    shard_count: u32,
    /// Whether `create` and `delete` wait until the streams can be written to, or are gone; ten minutes at most.
    #[serde(default = "default_wait")]
    wait: bool,
    /// The address of an API Gateway whose routes begin with `/streams`; without it Kinesis itself is asked, with the
    /// `AWS_*` variables.
    url: Option<String>,
    /// The environment variable that holds the address, when that is a secret.
    url_env: Option<String>,
    /// More headers of each request to the gateway.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Headers whose values are in environment variables, by the names of those.
    #[serde(default)]
    headers_env: BTreeMap<String, String>,
}

fn default_shard_count() -> u32 {
    5
}

fn default_wait() -> bool {
    true
}

/// What to do: `list` says which streams there are, `create` makes those that are not there yet, `describe` says what there is
/// to know of them, `delete` deletes those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Deed {
    List,
    Create,
    Describe,
    Delete,
}

/// A name, or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Names {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Default for Names {
    fn default() -> Names {
        Names::Many(Vec::new())
    }
}

impl Names {
    fn all(&self) -> &[String] {
        match self {
            Names::One(name) => std::slice::from_ref(name),
            Names::Many(names) => names,
        }
    }
}

impl Operator for Kinesis {
    const NAME: &'static str = "kinesis";
    const SUMMARY: &'static str = "Makes, lists, describes and deletes streams of Kinesis.";
    type Args = KinesisArgs;

    async fn execute(&self, args: KinesisArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let names = args.stream.all();
        if let Some(problem) = problem_of(args.action, names) {
            return Err(TaskError::fail(anyhow!(problem)));
        }
        let door = Door { url: args.url, url_env: args.url_env, headers: args.headers, headers_env: args.headers_env };
        let streams = Streams::open(&door, &self.s3, &self.environment)?;
        let office = Office { streams, complaints: Complaints::new(ctx.log.clone()), ctx };
        let value = match args.action {
            Deed::List => office.list().await?,
            Deed::Create => office.create(names, args.shard_count, args.wait).await?,
            Deed::Describe => office.describe(names).await?,
            Deed::Delete => office.delete(names, args.wait).await?,
        };
        Ok(Outcome::value(value))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Vec::new();
        let deed = args.get("action").cloned().and_then(|action| serde_json::from_value(action).ok());
        let names = match args.get("stream") {
            None => Some(Names::default()),
            Some(names) if names.to_string().contains("{{") => None,
            Some(names) => serde_json::from_value(names.clone()).ok(),
        };
        if let (Some(deed), Some(names)) = (deed, names)
            && let Some(message) = problem_of(deed, names.all())
        {
            let pointer = if args.contains_key("stream") { "/stream" } else { "" };
            problems.push(ArgumentProblem { pointer: pointer.to_owned(), message, help: None });
        }
        let url = args.get("url").and_then(Value::as_str).filter(|url| !url.contains("{{"));
        if let Some(message) = url.and_then(|url| Base::parse(url).err()) {
            problems.push(ArgumentProblem { pointer: "/url".to_owned(), message, help: None });
        }
        problems
    }
}

/// What is wrong with the names of streams.
fn problem_of(deed: Deed, names: &[String]) -> Option<String> {
    if deed == Deed::List {
        return (!names.is_empty()).then(|| "`list` names all streams; leave `stream` out".to_owned());
    }
    if names.is_empty() {
        return Some("it does not say which `stream`".to_owned());
    }
    let is_name = |name: &&String| {
        let fits = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '-');
        (1..=128).contains(&name.len()) && name.chars().all(fits)
    };
    let wrong = names.iter().find(|name| !is_name(name))?;
    Some(format!("{wrong:?} is no name of a stream; it has 1 to 128 letters, digits, `_`, `.` and `-`"))
}

/// Does it, for one try.
struct Office<'a> {
    streams: Streams,
    complaints: Complaints,
    ctx: &'a TaskContext,
}

impl Office<'_> {
    async fn list(&self) -> Result<Value, TaskError> {
        let mut names: Vec<String> = Vec::new();
        loop {
            let action = Action::List { after: names.last().map(String::as_str) };
            let answer = self.ask(action).await?.map_err(into_error)?;
            let listed = answer["StreamNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let before = names.len();
            names.extend(listed.map(str::to_owned));
            let has_more = answer["HasMoreStreams"] == true;
            if has_more && self.streams.is_gateway() {
                self.ctx.log.warning("There are more streams than the route of the gateway lists");
            }
            if !has_more || self.streams.is_gateway() || names.len() == before || names.len() > LISTED_MAX {
                break;
            }
        }
        self.ctx.log.info(format!("{} has {} streams", self.streams.shown(), names.len()));
        Ok(json!({ "streams": names }))
    }

    async fn create(&self, names: &[String], shards: u32, wait: bool) -> Result<Value, TaskError> {
        let (mut made, mut there) = (Vec::new(), Vec::new());
        for stream in names {
            match self.ask(Action::Create { stream, shards }).await? {
                Ok(_) => made.push(stream),
                Err(failure) if failure.is("ResourceInUseException") => there.push(stream),
                Err(failure) => return Err(into_error(failure)),
            }
        }
        for (what, streams) in [("Made", &made), ("Already there:", &there)] {
            for stream in streams {
                self.ctx.log.info(format!("{what} {stream}"));
            }
        }
        if wait {
            self.settle(names, "ACTIVE").await?;
        }
        Ok(json!({ "created": made, "existing": there }))
    }

    async fn describe(&self, names: &[String]) -> Result<Value, TaskError> {
        let mut all = Map::new();
        for stream in names {
            let answer = self.ask(Action::Describe { stream }).await?.map_err(into_error)?;
            let description = answer["StreamDescription"].clone();
            self.ctx.log.info(format!("{stream}: {}", description["StreamStatus"].as_str().unwrap_or("?")));
            all.insert(stream.clone(), description);
        }
        Ok(Value::Object(all))
    }

    async fn delete(&self, names: &[String], wait: bool) -> Result<Value, TaskError> {
        let (mut gone, mut absent) = (Vec::new(), Vec::new());
        for stream in names {
            match self.ask(Action::Delete { stream }).await? {
                Ok(_) => gone.push(stream),
                Err(failure) if failure.is("ResourceNotFoundException") => absent.push(stream),
                Err(failure) => return Err(into_error(failure)),
            }
        }
        for (what, streams) in [("Deleted", &gone), ("Not there:", &absent)] {
            for stream in streams {
                self.ctx.log.info(format!("{what} {stream}"));
            }
        }
        if wait {
            self.settle(names, "").await?;
        }
        Ok(json!({ "deleted": gone, "absent": absent }))
    }

    /// Waits until each stream has that status; the empty one is that of a stream that is not there.
    async fn settle(&self, names: &[String], wanted: &str) -> Result<(), TaskError> {
        let began = Instant::now();
        for stream in names {
            loop {
                let status = match self.ask(Action::Describe { stream }).await? {
                    Ok(answer) => answer["StreamDescription"]["StreamStatus"].as_str().unwrap_or("?").to_owned(),
                    Err(failure) if failure.is("ResourceNotFoundException") => String::new(),
                    Err(failure) => return Err(into_error(failure)),
                };
                if status == wanted {
                    break;
                }
                if began.elapsed() > SETTLED_AFTER_MAX {
                    let minutes = SETTLED_AFTER_MAX.as_secs() / 60;
                    return Err(TaskError::retry(anyhow!("{stream} is still `{status}` after {minutes} minutes")));
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => (),
                    () = self.ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
                }
            }
        }
        Ok(())
    }

    /// Asks until there is an answer, or a refusal that will not change.
    async fn ask(&self, action: Action<'_>) -> Result<Result<Value, Failure>, TaskError> {
        let mut patience = Patience::new(RETRY_FOR, &self.complaints, &self.ctx.cancelled);
        loop {
            match self.streams.ask(action).await {
                Ok(value) => return Ok(Ok(value)),
                Err(failure) if !failure.trouble.may_retry => return Ok(Err(failure)),
                Err(failure) => patience.wait(failure.trouble).await?,
            }
        }
    }
}

fn into_error(failure: Failure) -> TaskError {
    failure.trouble.into_error()
}
