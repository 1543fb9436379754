//! One run of `clean`, from the files to the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{SessionContext, ident};
use scheduler::log::TaskLog;
use scheduler::operator::TaskError;
use serde_json::{Map, Value, json};

use super::CleanArgs;
use super::apply::{Projection, apply_to_plan};
use super::compile::{Step, compile};
use crate::broken::check_share;
use crate::delta;
use crate::engine::parallelism;
use crate::location::{Location, S3};
use crate::spark::session;
use crate::table::{self, CsvTypes};
use crate::vacuum;

/// What one run needs.
pub struct Job {
    pub args: CleanArgs,
    pub input: Location,
    pub output: Location,
    pub s3: S3,
    pub log: TaskLog,
}

/// The counts of one run.
#[derive(Default)]
struct Counts {
    /// Rows that entered each stretch of rules between two de-duplications.
    rows_in: Vec<Arc<AtomicU64>>,
    /// By rule: rows changed, or the stretch whose de-duplication removed rows.
    changed: Vec<(String, Changed)>,
}

enum Changed {
    Rows(Arc<AtomicU64>),
    RemovedAfter(usize),
}

impl Counts {
    fn rows(&self, stretch: usize) -> u64 {
        self.rows_in.get(stretch).map_or(0, |rows| rows.load(Ordering::Relaxed))
    }

    fn changed(&self) -> Map<String, Value> {
        let mut counts = Map::new();
        for (label, changed) in &self.changed {
            let rows = match changed {
                Changed::Rows(rows) => rows.load(Ordering::Relaxed),
                Changed::RemovedAfter(stretch) => self.rows(*stretch).saturating_sub(self.rows(stretch + 1)),
            };
            let taken = counts.keys().filter(|key| key.split(" #").next() == Some(label.as_str())).count();
            let key = if taken == 0 { label.clone() } else { format!("{label} #{}", taken + 1) };
            counts.insert(key, rows.into());
        }
        counts
    }
}

impl Job {
    /// Reads, cleans and writes. Answers with the report.
    pub async fn run(self) -> Result<Value, TaskError> {
        let session = session(self.args.memory_limit.bytes, parallelism()).map_err(retry)?;
        let input = table::open(&self.input, self.args.format, CsvTypes::Text, &session, &self.s3).await?;
        let report = input.report;
        if report.broken > 0 {
            for place in &report.broken_places {
                self.log.warning(format_args!("a malformed document in {place} becomes a row of NULLs"));
            }
        }
        check_share("documents", report.broken, report.rows, self.args.max_broken_share)?;
        let frame = session.read_table(input.provider).map_err(retry)?;
        let mut counts = Counts::default();
        let frame = self.apply_rules(frame, &session, &mut counts).await?;
        if frame.schema().fields().is_empty() {
            return Err(TaskError::fail(anyhow::anyhow!(
                "`{}` holds no rows, so that no columns are known",
                self.input
            )));
        }
        let table = delta::overwrite(&self.output, frame.into_unoptimized_plan(), &session, &self.s3).await?;
        let version = table.version();
        let rows_written = counts.rows(counts.rows_in.len() - 1);
        let rows_read = counts.rows(0);
        let changed = counts.changed();
        self.log.info(format_args!("Read {rows_read} rows from {} files in {}", report.files, self.input));
        for (label, rows) in &changed {
            self.log.info(format_args!("{label}: {rows} rows"));
        }
        if report.broken > 0 {
            self.log.warning(format_args!("{} malformed documents in all", report.broken));
        }
        let named = version.map(|version| format!(" (version {version})")).unwrap_or_default();
        self.log.info(format_args!("Wrote {rows_written} rows to {}{named}", self.output));
        vacuum::after_overwrite(&table, &self.output, self.args.vacuum_retention, &self.log).await;
        Ok(json!({
            "rows_read": rows_read,
            "rows_written": rows_written,
            "rows_rejected": report.broken,
            "changed": changed,
            "files_read": report.files,
            "table": self.output.to_string(),
            "version": version,
        }))
    }

    async fn apply_rules(
        &self,
        mut frame: DataFrame,
        session: &SessionContext,
        counts: &mut Counts,
    ) -> Result<DataFrame, TaskError> {
        let mut projections: Vec<Projection> = Vec::new();
        let mut schema = Arc::clone(frame.schema().inner());
        let input = format!("`{}`", self.input);
        for rule in &self.args.rules {
            match compile(rule, &schema, &input).map_err(TaskError::fail)? {
                None => (),
                Some(Step::Project { label, columns }) => {
                    let changed = Arc::new(AtomicU64::new(0));
                    let counted = columns.iter().any(|column| column.change.is_some());
                    let projection = Projection::plan(&columns, &schema, &session.state(), Arc::clone(&changed))
                        .with_context(|| format!("the rule `{label}` cannot be applied"))
                        .map_err(TaskError::fail)?;
                    if counted {
                        counts.changed.push((label, Changed::Rows(changed)));
                    }
                    schema = Arc::clone(projection.schema());
                    projections.push(projection);
                }
                Some(Step::Deduplicate { label, by }) => {
                    frame = stretch(frame, std::mem::take(&mut projections), session, counts).await?;
                    counts.changed.push((label, Changed::RemovedAfter(counts.rows_in.len() - 1)));
                    frame = deduplicate(frame, by).map_err(retry)?;
                }
            }
        }
        stretch(frame, projections, session, counts).await
    }
}

/// Puts a stretch of rules behind the plan so far.
async fn stretch(
    frame: DataFrame,
    projections: Vec<Projection>,
    session: &SessionContext,
    counts: &mut Counts,
) -> Result<DataFrame, TaskError> {
    let plan = frame.create_physical_plan().await.map_err(retry)?;
    let rows_in = Arc::new(AtomicU64::new(0));
    let table = apply_to_plan(&plan, projections, &rows_in).map_err(retry)?;
    counts.rows_in.push(rows_in);
    session.read_table(Arc::new(table)).map_err(retry)
}

fn deduplicate(frame: DataFrame, by: Option<Vec<String>>) -> datafusion::error::Result<DataFrame> {
    let Some(by) = by else { return frame.distinct() };
    let all: Vec<Expr> = frame.schema().fields().iter().map(|field| ident(field.name())).collect();
    frame.distinct_on(by.iter().map(ident).collect(), all, None)
}

fn retry(error: datafusion::error::DataFusionError) -> TaskError {
    TaskError::retry(error)
}
