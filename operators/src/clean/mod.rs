//! The operator `clean`: rules over a set of files, into a table or a file.
//!
//! ```text
//!   input ──> [rules …] ──> whole-table rules ──> [rules …] ──> expect ──> output, in one commit
//!                                                                └──> rejected rows
//! ```
//!
//! Rules that look at one row at a time run on the batches as they come; rules that look at all rows are DataFusion
//! plans between them, which spill to disk when memory runs short.

mod apply;
mod args;
mod compile;
mod elsewhere;
mod key_ranges;
mod ledger;
mod nulls;
mod output;
mod plan;
mod rejected;
mod row_rules;
mod rules;
mod run;
mod source;
mod sql;
mod typed;

use std::path::Path;

use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TaskKey};
use serde_json::{Map, Value};

pub use args::{
    AsciiSign, CleanArgs, ColumnTypes, CsvOptions, ExtraColumns, Mode, OnEmpty, OutputFormat, SchemaChange,
};
pub(crate) use row_rules::RowRules;
pub use rules::Rule;

use crate::databricks::Workspaces;
use crate::databricks::engine::Engine;
use crate::engine;
use crate::location::{Location, S3};
use crate::shapes::AsWritten;

/// Cleans data by rules.
pub struct Clean {
    s3: S3,
    workspaces: Workspaces,
}

impl Clean {
    /// Reaches buckets through `s3`, and asks `workspaces` of Databricks.
    pub fn new(s3: S3, workspaces: Workspaces) -> Clean {
        Clean { s3, workspaces }
    }
}

impl Operator for Clean {
    const NAME: &'static str = "clean";
    const SUMMARY: &'static str =
        "Cleans JSON, CSV, Parquet, Avro or Delta data by rules, into a Delta table or a file";

    type Args = AsWritten<CleanArgs>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        if args.meant.engine == Engine::Databricks {
            let work = elsewhere::work(&args, &ctx.key, attempt(ctx).await?, &ctx.home)?;
            return work.perform(&self.workspaces, ctx).await;
        }
        let args = args.meant;
        let inputs = source::locations(&args.input, &ctx.home).map_err(TaskError::fail)?;
        let output = Location::parse(&args.output, &ctx.home).map_err(TaskError::fail)?;
        if let Some((_, message)) = args.contradiction(output.file_name()) {
            return Err(TaskError::fail(anyhow::anyhow!(message)));
        }
        let format = args.output_format(output.file_name()).map_err(|error| TaskError::fail(anyhow::anyhow!(error)))?;
        let rejected =
            args.rejected.clone().unwrap_or_else(|| format!("{}_rejected", args.output.trim_end_matches('/')));
        let rejected = Location::parse(&rejected, &ctx.home).map_err(TaskError::fail)?;
        let job = run::Job {
            args,
            inputs,
            output,
            format,
            rejected,
            home: ctx.home.clone(),
            key: ctx.key.clone(),
            attempt: attempt(ctx).await?,
            try_id: ctx.try_id,
            now: ctx.clock.now(),
            s3: self.s3.clone(),
            log: ctx.log.clone(),
        };
        engine::run_in_turn(ctx, job.run()).await
    }

    async fn withdraw(&self, args: Self::Args, ctx: &TaskContext) -> Result<(), TaskError> {
        match args.meant.engine {
            Engine::Native => Ok(()),
            Engine::Databricks => {
                let work = elsewhere::work(&args, &ctx.key, attempt(ctx).await?, &ctx.home)?;
                work.withdraw(&self.workspaces, ctx).await
            }
        }
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        args::check(args)
    }

    fn preview(&self, args: Self::Args, key: &TaskKey, home: &Path) -> Result<Option<Value>, TaskError> {
        match args.meant.engine {
            Engine::Native => Ok(None),
            Engine::Databricks => elsewhere::work(&args, key, 1, home).map(|work| Some(work.shown())),
        }
    }
}

/// The number of the first try since the task was last cleared.
async fn attempt(ctx: &TaskContext) -> Result<u32, TaskError> {
    Ok(ctx.checkpoint.tries_before_clear().await.map_err(TaskError::retry)? + 1)
}
