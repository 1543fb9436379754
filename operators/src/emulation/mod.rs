//! The operator `emulation`: rows of the source tables, landed as Kafka Connect's S3 sink lands them.
//!
//! ```text
//!   sample | folder of JSON Lines ──> topics/<user>.pin/partition=0/<user>.pin+0+0000000000.json
//!                                     topics/<user>.geo/…   topics/<user>.user/…
//! ```
//!
//! A run replaces what an earlier run landed for the same topics.

mod bucket;
mod folder;
mod landing;
pub mod sample;
mod source;

use schemars::JsonSchema;
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::clean::default_broken_share;
use crate::engine;
use crate::location::{Location, S3};

/// Rows of each table in the database that the pipelines of this kind read from.
const ROWS: u64 = 11_154;

/// The source that is generated.
const SAMPLE: &str = "sample";

/// Lands rows of the source tables.
pub struct Emulation {
    s3: S3,
}

impl Emulation {
    /// Reaches buckets through `s3`.
    pub fn new(s3: S3) -> Emulation {
        Emulation { s3 }
    }
}

/// The arguments of `emulation`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmulationArgs {
    /// `sample` for generated rows, or a folder (local or in S3) with `pin.jsonl`, `geo.jsonl` and `user.jsonl`, whose
    /// lines are landed as they are.
    #[serde(default = "sample_word")]
    pub source: String,
    /// Where to land: a folder, or `s3://bucket/prefix`. The objects go below its `topics/`.
    pub sink: String,
    /// The prefix of the three topics.
    #[serde(default = "default_user_id")]
    pub user_id: String,
    /// Rows of each table that `sample` makes.
    #[serde(default = "default_rows")]
    pub rows: u64,
    /// What `sample` begins with: the same number makes the same rows.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Records in an object.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub flush_size: u64,
    /// The share of malformed lines (0 to 1) above which the task fails and lands nothing. Below it they are landed.
    #[serde(default = "default_broken_share")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_broken_share: f64,
}

fn sample_word() -> String {
    SAMPLE.to_owned()
}

fn default_user_id() -> String {
    "0a3db223d459".to_owned()
}

fn default_rows() -> u64 {
    ROWS
}

/// The seed of the scripts that this operator stands for.
fn default_seed() -> u64 {
    100
}

fn one() -> u64 {
    1
}

/// Topics become parts of paths and object names.
fn is_topic_prefix(text: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !text.is_empty() && text.bytes().all(is_safe) && !text.starts_with('.')
}

impl Operator for Emulation {
    const NAME: &'static str = "emulation";
    const SUMMARY: &'static str = "Lands rows of the source tables as Kafka Connect's S3 sink does";

    type Args = EmulationArgs;

    async fn execute(&self, args: EmulationArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        if args.flush_size == 0 {
            return Err(TaskError::fail(anyhow::anyhow!("`flush_size` is 0; an object holds at least one record")));
        }
        if !is_topic_prefix(&args.user_id) {
            return Err(TaskError::fail(anyhow::anyhow!(
                "`user_id` is `{}`; it may have letters, digits, `.`, `_` and `-`",
                args.user_id
            )));
        }
        let source = match args.source.trim() {
            SAMPLE => source::Source::Sample { rows: args.rows, seed: args.seed },
            folder => source::Source::Folder(Location::parse(folder, &ctx.home).map_err(TaskError::fail)?),
        };
        let job = landing::Job {
            source,
            sink: Location::parse(&args.sink, &ctx.home).map_err(TaskError::fail)?,
            args,
            s3: self.s3.clone(),
            log: ctx.log.clone(),
            try_id: ctx.try_id,
            cancelled: ctx.cancelled.clone(),
        };
        Ok(Outcome::value(engine::run(ctx, job.run()).await?))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let user_id = args.get("user_id").and_then(Value::as_str).filter(|text| !text.contains("{{"));
        match user_id {
            Some(user_id) if !is_topic_prefix(user_id) => vec![ArgumentProblem {
                pointer: "/user_id".to_owned(),
                message: format!("`{user_id}` cannot be part of a topic's name"),
                help: Some("use letters, digits, `.`, `_` and `-`".to_owned()),
            }],
            _ => Vec::new(),
        }
    }
}
