//! One run of `stream`: read for a while, commit, and again.

use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use scheduler::log::TaskLog;
use scheduler::operator::TaskError;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::args::{StreamArgs, Until};
use super::position::{Position, Positions};
use super::record;
use super::source::Source;
use crate::clean::RowRules;
use crate::compaction;
use crate::delta::{self, Save, Write};
use crate::engine::parallelism;
use crate::location::{Location, S3};
use crate::memory::MemoryLimit;
use crate::requests::{Complaints, Patience};
use crate::spark::session;

/// A source that has nothing is looked at again after so long.
const IDLE: Duration = Duration::from_millis(500);

/// After so many commits it is looked whether there are many small files, as at the end.
const COMPACT_EVERY: u64 = 16;

/// What one run needs.
pub(super) struct Job {
    pub(super) args: StreamArgs,
    pub(super) source: Box<dyn Source>,
    pub(super) output: Location,
    /// Under which the table remembers how far the stream is read.
    pub(super) id: String,
    pub(super) s3: S3,
    pub(super) log: TaskLog,
    pub(super) stop: CancellationToken,
}

/// What there is to say in the end.
#[derive(Default)]
struct Tally {
    read: u64,
    written: u64,
    broken: u64,
    commits: u64,
    /// Commits since it was last looked at small files.
    uncompacted: u64,
}

/// Records that are to be committed together.
#[derive(Default)]
struct Gathered {
    records: Vec<Bytes>,
    moved: Positions,
    /// Whether the source had nothing more.
    is_empty: bool,
}

impl Job {
    /// Reads until there is a reason to end. Answers with the report.
    pub(super) async fn run(mut self) -> Result<Value, TaskError> {
        let session = session(MemoryLimit::default().bytes, parallelism()).map_err(TaskError::retry)?;
        let rules = self.rules(&session)?;
        let complaints = Complaints::new(self.log.clone());
        let stop = self.stop.clone();
        let mut patience = Patience::new(self.args.retry_for.0, &complaints, &stop);
        let mut table = delta::open(&self.output, &self.s3).await?;
        let (mut positions, starts) = self.begin(table.as_ref(), &mut patience).await?;
        let ends_at = match self.args.until {
            Until::After(span) => Some(Instant::now() + span),
            Until::Empty | Until::Forever => None,
        };
        let mut tally = Tally::default();
        if !starts.0.is_empty() {
            // Else the next run would begin with its own `latest`, and what comes in between be read by none.
            let begun = Gathered { moved: starts, ..Gathered::default() };
            table = Some(self.commit(table, begun, &rules, &mut positions, &mut tally, &session).await?);
        }
        loop {
            let gathered = self.gather(ends_at, &mut patience).await?;
            let is_empty = gathered.is_empty;
            if !gathered.moved.0.is_empty() {
                table = Some(self.commit(table, gathered, &rules, &mut positions, &mut tally, &session).await?);
            }
            let is_over = ends_at.is_some_and(|end| Instant::now() >= end);
            let ends = is_over || (is_empty && self.args.until == Until::Empty);
            table = match table {
                Some(table) if tally.uncompacted >= COMPACT_EVERY || (ends && tally.uncompacted > 0) => {
                    tally.uncompacted = 0;
                    Some(Box::pin(compaction::after_append(table, &self.output, None, &session, &self.log)).await)
                }
                table => table,
            };
            if ends {
                return Ok(self.report(&tally, &positions, &rules, table.as_ref()));
            }
        }
    }

    fn rules(&self, session: &SessionContext) -> Result<RowRules, TaskError> {
        let shown = self.source.shown();
        RowRules::plan(&self.args.rules, &self.args.schema.arrow(), &shown, &session.state())
    }

    /// Finds out from where to read: what the table remembers, and what it is to remember from the start.
    async fn begin(
        &mut self,
        table: Option<&DeltaTable>,
        patience: &mut Patience<'_>,
    ) -> Result<(Positions, Positions), TaskError> {
        loop {
            let begun = async {
                let parts = self.source.parts().await?;
                let positions = match table {
                    Some(table) => {
                        Positions::read(table, &self.id, &parts).await.map_err(crate::requests::Trouble::passing)?
                    }
                    None => Positions::default(),
                };
                let starts = self.source.begin(&positions).await?;
                Ok((positions, starts))
            };
            match begun.await {
                Ok((positions, starts)) => {
                    patience.renew();
                    self.say_where(&positions);
                    return Ok((positions, starts));
                }
                Err(trouble) => patience.wait(trouble).await?,
            }
        }
    }

    fn say_where(&self, positions: &Positions) {
        let shown = self.source.shown();
        if positions.0.is_empty() {
            self.log.info(format_args!("Reads {shown} for the first time"));
            return;
        }
        self.log.info(format_args!("Goes on with {shown} after what `{}` has of it", self.output));
        for (part, position) in positions.0.iter().filter(|(_, position)| **position != Position::Ended) {
            self.log.info(format_args!("{part}: {}", position.shown()));
        }
    }

    /// Reads until there is enough for a commit, or nothing more, or time is up.
    async fn gather(&mut self, ends_at: Option<Instant>, patience: &mut Patience<'_>) -> Result<Gathered, TaskError> {
        let commit_at = Instant::now() + self.args.batch_every.0;
        let until = ends_at.map_or(commit_at, |end| end.min(commit_at));
        let mut gathered = Gathered::default();
        loop {
            let room = self.args.batch_rows - gathered.records.len();
            let looked = match self.source.look(room).await {
                Ok(looked) => looked,
                Err(trouble) => {
                    patience.wait(trouble).await?;
                    continue;
                }
            };
            patience.renew();
            let brought_nothing = looked.records.is_empty();
            gathered.records.extend(looked.records);
            gathered.moved.advance(looked.positions);
            gathered.is_empty = looked.is_empty;
            let ends_when_empty = gathered.is_empty && self.args.until == Until::Empty;
            if gathered.records.len() >= self.args.batch_rows || Instant::now() >= until || ends_when_empty {
                return Ok(gathered);
            }
            if brought_nothing {
                tokio::select! {
                    () = tokio::time::sleep_until(until.min(Instant::now() + IDLE)) => {}
                    () = self.stop.cancelled() => return Err(TaskError::cancelled()),
                }
            }
        }
    }

    async fn commit(
        &self,
        table: Option<DeltaTable>,
        gathered: Gathered,
        rules: &RowRules,
        positions: &mut Positions,
        tally: &mut Tally,
        session: &SessionContext,
    ) -> Result<DeltaTable, TaskError> {
        let Gathered { records, moved, .. } = gathered;
        let (batch, broken) =
            record::rows(&records, &self.args.schema.arrow(), self.args.broken).map_err(TaskError::fail)?;
        let batch = rules.apply(batch).map_err(TaskError::fail)?;
        self.check_columns(table.as_ref(), &batch.schema())?;
        let rows = batch.num_rows() as u64;
        let table = self.append(table, batch, &moved, session).await?;
        positions.advance(moved);
        tally.read += records.len() as u64;
        tally.written += rows;
        tally.broken += broken;
        tally.commits += 1;
        tally.uncompacted += 1;
        let version = table.version().map(|version| format!(" (version {version})")).unwrap_or_default();
        self.log.progress(format_args!("{} rows appended in {} commits{version}", tally.written, tally.commits));
        Ok(table)
    }

    /// One commit: rows, and how far the stream is read with them. Another writer of the same stream is found out by the
    /// positions, and one of the two commits is refused.
    async fn append(
        &self,
        table: Option<DeltaTable>,
        batch: RecordBatch,
        moved: &Positions,
        session: &SessionContext,
    ) -> Result<DeltaTable, TaskError> {
        let rows = session.read_batch(batch).map_err(TaskError::retry)?.into_unoptimized_plan();
        let how = Write { save: Save::Append, transactions: moved.transactions(&self.id), ..Write::default() };
        Ok(delta::write(table, &self.output, rows, how, session, &self.s3).await?)
    }

    /// A table with other columns is the author's to look at, and better told in names than in a schema.
    fn check_columns(&self, table: Option<&DeltaTable>, ours: &SchemaRef) -> Result<(), TaskError> {
        let Some(snapshot) = table.map(DeltaTable::snapshot).transpose().map_err(TaskError::retry)? else {
            return Ok(());
        };
        let theirs: Vec<String> = snapshot.schema().fields().map(|field| field.name().clone()).collect();
        let ours: Vec<String> = ours.fields().iter().map(|field| field.name().clone()).collect();
        if theirs == ours {
            return Ok(());
        }
        Err(TaskError::fail(anyhow!(
            "the table `{}` has the columns `{}`, and the rules make `{}`; write to another table, or make the rules end \
             with a `select` of the table's columns",
            self.output,
            theirs.join("`, `"),
            ours.join("`, `")
        )))
    }

    fn report(&self, tally: &Tally, positions: &Positions, rules: &RowRules, table: Option<&DeltaTable>) -> Value {
        let Tally { read, written, broken, commits, .. } = *tally;
        self.log.info(format_args!("Read {read} records from {}", self.source.shown()));
        if broken > 0 {
            self.log.warning(format_args!("{broken} records were no JSON objects"));
        }
        self.log.info(format_args!("Appended {written} rows to {} in {commits} commits", self.output));
        let shown: Map<String, Value> =
            positions.0.iter().map(|(part, position)| (part.clone(), position.shown().into())).collect();
        json!({
            "rows_read": read,
            "rows_written": written,
            "broken": broken,
            "commits": commits,
            "changed": rules.changed(),
            "output": self.output.to_string(),
            "version": table.and_then(DeltaTable::version),
            "positions": shown,
        })
    }
}
