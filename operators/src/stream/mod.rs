//! The operator `stream`: records of Kinesis, Kafka or a folder, cleaned by rules, appended to a Delta table exactly once.
//!
//! ```text
//!   source ──records──> rows of text ──[rules …]──> append ┐
//!      └──────────────positions───────────────────────────┴─> one commit
//! ```
//!
//! How far a stream has been read is written in the commit that appends what was read, as application transactions of the
//! Delta protocol (`position.rs`); where `start: latest` began is written in a commit without rows, before anything is read, so
//! that what comes between two runs is not passed over. A process that dies between two commits leaves nothing behind; whoever
//! goes on reads from where the table says. The many small files that come of it are put together now and then
//! (`compaction.rs`).

mod args;
mod position;
mod record;
mod run;
mod source;

use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use serde_json::{Map, Value};

pub use args::StreamArgs;

use crate::engine;
use crate::location::{Location, S3};
use crate::notifiers::Environment;

/// Appends streams to tables.
pub struct Stream {
    s3: S3,
    environment: Environment,
}

impl Stream {
    /// Reaches buckets and Kinesis as `s3` says, and finds secrets in `environment`.
    pub fn new(s3: S3, environment: Environment) -> Stream {
        Stream { s3, environment }
    }
}

impl Operator for Stream {
    const NAME: &'static str = "stream";
    const SUMMARY: &'static str =
        "Appends records of Kinesis, Kafka or a folder to a Delta table, cleaned by rules, each exactly once";

    type Args = StreamArgs;

    async fn execute(&self, args: StreamArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let output = Location::parse(&args.output, &ctx.home).map_err(TaskError::fail)?;
        let source = source::open(&args.source, &self.s3, &self.environment, ctx)?;
        let id = match &args.checkpoint {
            Some(name) => name.clone(),
            None => format!("{}.{}", ctx.key.dag_id, ctx.key.task_id),
        };
        let job = run::Job {
            args,
            source,
            output,
            id,
            s3: self.s3.clone(),
            log: ctx.log.clone(),
            stop: ctx.cancelled.clone(),
        };
        let report = engine::run(ctx, job.run()).await?;
        Ok(Outcome::value(report))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        args::check(args)
    }
}
