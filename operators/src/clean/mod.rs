//! The operator `clean`: rules over a set of files, into a Delta table.
//!
//! ```text
//!   input ──> [rules …] ──> deduplicate ──> [rules …] ──> Delta, in one commit
//! ```
//!
//! Rules that look at one row at a time run on the batches as they come; rules that look at all rows are DataFusion
//! plans between them, which spill to disk when memory runs short.

mod apply;
mod compile;
mod rules;
mod run;

use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub use rules::Rule;

use crate::engine;
use crate::location::{Location, S3};
use crate::memory::MemoryLimit;
use crate::retention::{self, Retention};
use crate::spark::TimestampFormat;
use crate::table::Format;

/// Cleans data by rules.
pub struct Clean {
    s3: S3,
}

impl Clean {
    /// Reaches buckets through `s3`.
    pub fn new(s3: S3) -> Clean {
        Clean { s3 }
    }
}

/// The arguments of `clean`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanArgs {
    /// What to read: a file, a folder, a pattern (`topics/*.pin/partition=*/*.json`) or a Delta table, on this machine or
    /// in S3 (`s3://bucket/…`). Relative paths begin at `UPDRAFT_HOME`.
    pub input: String,
    /// The format of the input; told from the names of the files if it is not given.
    #[serde(default)]
    pub format: Option<Format>,
    /// The Delta table to write: a folder, or `s3://bucket/prefix`. Its rows are replaced in one commit.
    pub output: String,
    /// For how long rows that were replaced can still be read, as earlier versions of the table; `7d` if neither this nor
    /// the table says otherwise. Their files are removed after that. `forever` keeps all.
    #[serde(default)]
    pub vacuum_retention: Option<Retention>,
    /// What to do to the rows, step by step.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// The share of malformed documents (0 to 1) above which the task fails. Below it they become rows of NULLs.
    #[serde(default = "default_broken_share")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_broken_share: f64,
    /// Memory for sorting and grouping before they spill to disk; 1GB if it is not given.
    #[serde(default)]
    pub memory_limit: MemoryLimit,
}

/// One in twenty: real topics have a few broken records; a wrong file has nothing else.
pub(crate) fn default_broken_share() -> f64 {
    0.05
}

impl Operator for Clean {
    const NAME: &'static str = "clean";
    const SUMMARY: &'static str = "Cleans JSON, CSV, Parquet or Delta data by rules, into a Delta table";

    type Args = CleanArgs;

    async fn execute(&self, args: CleanArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let input = Location::parse(&args.input, &ctx.home).map_err(TaskError::fail)?;
        let output = Location::parse(&args.output, &ctx.home).map_err(TaskError::fail)?;
        let job = run::Job { args, input, output, s3: self.s3.clone(), log: ctx.log.clone() };
        let report = engine::run(ctx, job.run()).await?;
        Ok(Outcome::value(report))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let rules = args.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let formats = rules.iter().enumerate().filter_map(|(at, rule)| {
            let format = rule.get("timestamp")?.get("format")?.as_str()?;
            (!format.contains("{{")).then_some((at, format))
        });
        formats
            .filter_map(|(at, format)| {
                let error = TimestampFormat::parse(format).err()?;
                let pointer = format!("/rules/{at}/timestamp/format");
                Some(ArgumentProblem { pointer, message: error.to_string(), help: None })
            })
            .chain(retention::check(args))
            .collect()
    }
}
