//! One run of `clean`, from the files to the commit.

use std::path::PathBuf;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use scheduler::log::TaskLog;
use scheduler::operator::{self, Outcome, TaskError, TaskKey};
use serde_json::{Value, json};
use uuid::Uuid;

use super::args::{CleanArgs, Mode, OnEmpty, OutputFormat, SchemaChange};
use super::ledger::{Ledger, Written};
use super::output::{Output, Wrote, file_format};
use super::plan::{Counts, Planner};
use super::rejected::Rejected;
use super::rules::{Keep, Rule, SameBy, order};
use super::source::{End, Found, Reader};
use super::typed::of_schema;
use crate::columns::hidden;
use crate::compaction;
use crate::delta;
use crate::engine::parallelism;
use crate::expect::{self, Verdict, World};
use crate::json::{Look, ReadReport};
use crate::location::{Location, S3};
use crate::spark::session;
use crate::vacuum;

/// Larger batches are more than the caches of a core hold.
const BATCH_ROWS_MAX: usize = 8 * 1024;

/// What one run needs.
pub struct Job {
    pub args: CleanArgs,
    pub inputs: Vec<Location>,
    pub output: Location,
    pub format: OutputFormat,
    pub rejected: Location,
    pub home: PathBuf,
    pub key: TaskKey,
    /// The number of the first try since the task was last cleared: it and its retries append once.
    pub attempt: u32,
    pub try_id: Uuid,
    pub now: DateTime<Utc>,
    pub s3: S3,
    pub log: TaskLog,
}

/// What is read, and what is remembered of it.
struct Input {
    found: Found,
    /// Files that earlier runs have read.
    skipped: u64,
    /// The list of files that goes with the rows.
    list: Option<Written>,
}

/// What became of an attempt.
enum Cleaned {
    /// The rows are committed.
    Done(Outcome),
    /// The input has other columns than it seemed to have. Nothing is committed.
    Misjudged,
}

impl Job {
    /// Reads, cleans and writes. Answers with the report.
    pub async fn run(self) -> Result<Outcome, TaskError> {
        let session = self.session()?;
        let table = match self.format {
            OutputFormat::Delta => delta::open(&self.output, &self.s3).await?,
            _ => None,
        };
        if let Some(table) = &table
            && self.args.mode == Mode::Append
            && !self.args.incremental
            && self.has_appended(table).await?
        {
            self.log.warning(format_args!(
                "The rows of this task are in {} already: a try was interrupted after that",
                self.output
            ));
            return Ok(Outcome::value(self.report_of_nothing(table.version(), 0)));
        }
        let input = self.find(table.as_ref()).await?;
        if input.found.is_empty() {
            if input.skipped > 0 {
                self.log.info(format_args!("Nothing new: {} files are known from earlier runs", input.skipped));
                let version = table.as_ref().and_then(DeltaTable::version);
                return Ok(Outcome::value(self.report_of_nothing(version, input.skipped)));
            }
            if self.args.on_empty == OnEmpty::Skip {
                return Ok(Outcome::Skipped { reason: format!("there is nothing to read at `{}`", input.found.name) });
            }
        }
        self.clean(input, table, &session).await
    }

    /// A session whose joins sort, because sorting spills to disk.
    fn session(&self) -> Result<SessionContext, TaskError> {
        let session = session(self.args.memory_limit.bytes, parallelism()).map_err(TaskError::retry)?;
        let config = session.copied_config();
        let batch_rows = config.batch_size().min(BATCH_ROWS_MAX);
        let mut config = config.with_batch_size(batch_rows);
        config.options_mut().optimizer.prefer_hash_join = false;
        let state = datafusion::execution::SessionStateBuilder::new_from_existing(session.state()).with_config(config);
        Ok(SessionContext::new_with_state(state.build()))
    }

    /// Whether a try has committed the rows before it was interrupted, so that its end is not known.
    async fn has_appended(&self, table: &DeltaTable) -> Result<bool, TaskError> {
        let snapshot = table.snapshot().map_err(TaskError::retry)?;
        let number = snapshot.transaction_version(table.log_store().as_ref(), app_id_of_run(&self.key)).await;
        Ok(number.map_err(TaskError::retry)? == Some(i64::from(self.attempt)))
    }

    async fn find(&self, table: Option<&DeltaTable>) -> Result<Input, TaskError> {
        let may_miss = self.args.on_empty != OnEmpty::Fail;
        let mut found = Found::at(&self.inputs, self.args.format, may_miss, &self.s3).await?;
        if !self.args.incremental {
            // A task that was incremental, and reads all for once, begins a new list.
            let keeps_list = match table {
                Some(table) if self.args.mode == Mode::Overwrite => Ledger::exists(&app_id(&self.key), table).await?,
                _ => false,
            };
            let list = if keeps_list {
                let ledger = Ledger::anew(app_id(&self.key), &self.output);
                Some(ledger.write(&found.files, self.now, &self.s3).await?)
            } else {
                None
            };
            return Ok(Input { found, skipped: 0, list });
        }
        if let Some(delta) = found.table() {
            let message = format!("`incremental` reads files, and `{delta}` is a Delta table");
            return Err(TaskError::fail(anyhow!(message)));
        }
        let ledger = Ledger::load(app_id(&self.key), &self.output, table, &self.s3).await?;
        let mut sorted = ledger.sort(std::mem::take(&mut found.files));
        let mut skipped = sorted.known.len();
        found.files = sorted.new;
        if let Some(first) = sorted.changed.first() {
            let (count, first) = (sorted.changed.len(), &first.location);
            let files = if count == 1 { "1 file has".to_owned() } else { format!("{count} files have") };
            if self.args.mode == Mode::Merge {
                self.log
                    .info(format_args!("{files} changed since earlier runs read them, such as {first}; read again"));
                found.files.append(&mut sorted.changed);
                found.files.sort_by_cached_key(|file| file.location.to_string());
            } else {
                self.log.warning(format_args!(
                    "{files} changed since earlier runs read them, such as {first}; not read again, because `append` would \
                     double their rows (`merge` would not)"
                ));
                skipped += count;
            }
        }
        let list =
            if found.files.is_empty() { None } else { Some(ledger.write(&found.files, self.now, &self.s3).await?) };
        Ok(Input { found, skipped: skipped as u64, list })
    }

    async fn clean(
        self,
        mut input: Input,
        table: Option<DeltaTable>,
        session: &SessionContext,
    ) -> Result<Outcome, TaskError> {
        let outcome = match self.clean_once(&input, table.clone(), session, Look::Ahead).await? {
            Cleaned::Done(outcome) => outcome,
            Cleaned::Misjudged => {
                self.log.info("There are columns that are not where the first look was; all is read once more");
                match self.clean_once(&input, table, session, Look::Whole).await? {
                    Cleaned::Done(outcome) => outcome,
                    Cleaned::Misjudged => return Err(TaskError::retry(anyhow!("the input changes while it is read"))),
                }
            }
        };
        if let Some(list) = input.list.take() {
            list.tidy(&self.s3).await;
        }
        Ok(outcome)
    }

    /// Reads, cleans and writes. Large documents are read in one go: what columns they have is told from a part of them, and
    /// where that turns out to be wrong, nothing is written.
    async fn clean_once(
        &self,
        input: &Input,
        table: Option<DeltaTable>,
        session: &SessionContext,
        look: Look,
    ) -> Result<Cleaned, TaskError> {
        let merges_in_order = self.args.mode == Mode::Merge && self.args.order_by.is_none();
        let in_order = merges_in_order || self.args.rules.iter().any(needs_order);
        let (args, s3, log) = (&self.args, &self.s3, &self.log);
        let source = Reader { args, session, s3, log, in_order, look }.open(&input.found).await?;
        let frame = source.frame.clone();
        let end = End::new(source, args.max_broken_share, log);
        let source = end.source();
        let is_known = source.is_known();
        if is_known {
            end.tell(&source.report())?;
        }
        let planned = self.plan(frame, &input.found.name, in_order, merges_in_order, session).await;
        let (frame, counts) = match planned {
            Ok(Some(planned)) => planned,
            // What the rules miss may be in what has not been looked at.
            Ok(None) | Err(_) if !is_known => return Ok(Cleaned::Misjudged),
            Ok(None) => return self.without_columns(&input.found, table, session).await.map(Cleaned::Done),
            Err(error) => return Err(error),
        };
        let frame = if is_known { frame } else { end.behind(frame, session).await.map_err(TaskError::retry)? };
        let world = World { session, home: &self.home, s3 };
        let checked = match expect::apply(frame, &args.expect, &world).await {
            Err(_) if !is_known => return Ok(Cleaned::Misjudged),
            checked => checked?,
        };
        if checked.may_drop() {
            let rejected = self.rejected_rows(session);
            checked.before_end(move |rows| rejected.commit(rows));
        }
        let verdict = checked.verdict;
        let wrote = match self.write(checked.frame, table, input.list.as_ref(), session).await {
            Err(error) if source.is_misjudged() || (!source.is_known() && error.verdict == operator::Verdict::Fail) => {
                return Ok(Cleaned::Misjudged);
            }
            Err(error) => return Err(source.blame(end.explain(verdict.explain(error)), session).await),
            Ok(wrote) => wrote,
        };
        verdict.tell(log);
        let version = wrote.table.as_ref().and_then(DeltaTable::version);
        let report = source.report();
        self.tell(input, &report, &counts, &wrote);
        if let Some(table) = &wrote.table {
            if args.mode != Mode::Append {
                vacuum::after_overwrite(table, &self.output, args.vacuum_retention, log).await;
            }
            if args.mode != Mode::Overwrite {
                let (table, retention) = (table.clone(), args.vacuum_retention);
                Box::pin(compaction::after_append(table, &self.output, retention, session, log)).await;
            }
        }
        Ok(Cleaned::Done(Outcome::value(self.report(input, &report, &counts, &wrote, &verdict, version))))
    }

    /// Puts the rules behind the input; nothing if there are no columns.
    async fn plan(
        &self,
        frame: DataFrame,
        name: &str,
        in_order: bool,
        merges_in_order: bool,
        session: &SessionContext,
    ) -> Result<Option<(DataFrame, Counts)>, TaskError> {
        let args = &self.args;
        let mut planner = Planner::new(frame, name, in_order, session);
        if let Some(types) = &args.schema {
            let columns = of_schema(types, args.extra_columns, planner.schema());
            planner.project("schema".to_owned(), &columns)?;
        }
        if planner.schema().fields().is_empty() {
            return Ok(None);
        }
        for rule in &args.rules {
            planner.rule(rule).await?;
        }
        if merges_in_order {
            planner.number(&hidden("order"))?;
        }
        planner.finish().await.map(Some)
    }

    async fn write(
        &self,
        frame: DataFrame,
        table: Option<DeltaTable>,
        list: Option<&Written>,
        session: &SessionContext,
    ) -> Result<Wrote, TaskError> {
        let args = &self.args;
        let by_default = if args.mode == Mode::Overwrite { SchemaChange::Replace } else { SchemaChange::Add };
        let mut transactions: Vec<(String, i64)> = list.iter().map(|list| (list.app_id.clone(), list.number)).collect();
        if args.mode == Mode::Append && !args.incremental {
            transactions.push((app_id_of_run(&self.key), i64::from(self.attempt)));
        }
        let output = Output {
            location: &self.output,
            session,
            s3: &self.s3,
            table,
            schema_change: args.schema_change.unwrap_or(by_default),
            partition_by: args.partition_by.as_ref().map(|names| names.names().to_vec()).unwrap_or_default(),
            transactions,
            is_exclusive: args.incremental,
        };
        match (self.format, args.mode) {
            (OutputFormat::Delta, Mode::Overwrite) => output.overwrite(frame).await,
            (OutputFormat::Delta, Mode::Append) => output.append(frame).await,
            (OutputFormat::Delta, Mode::Merge) => {
                let keys = args.keys.as_ref().map(|keys| keys.names().to_vec()).unwrap_or_default();
                let order_by = match &args.order_by {
                    Some(names) => names.names().iter().map(|written| order(written)).collect(),
                    None => vec![(hidden("order"), false)],
                };
                output.merge(frame, &keys, &order_by).await
            }
            (format, _) => output.file(frame, file_format(format)?, self.try_id).await,
        }
    }

    /// Nothing says what columns there are.
    async fn without_columns(
        &self,
        found: &Found,
        table: Option<DeltaTable>,
        session: &SessionContext,
    ) -> Result<Outcome, TaskError> {
        let name = &found.name;
        match (self.args.on_empty, table) {
            (OnEmpty::Skip, _) => Ok(Outcome::Skipped { reason: format!("`{name}` holds no rows") }),
            (OnEmpty::Write, Some(table)) => {
                if self.args.mode != Mode::Overwrite {
                    return Ok(Outcome::value(self.report_of_nothing(table.version(), 0)));
                }
                let provider = delta::provider(&table, session).await?;
                let nothing = session.read_table(provider).and_then(|frame| frame.limit(0, Some(0)));
                let wrote = self.write(nothing.map_err(TaskError::retry)?, Some(table), None, session).await?;
                self.log.info(format_args!("`{name}` holds no rows: {} has none either now", self.output));
                Ok(Outcome::value(self.report_of_nothing(wrote.table.as_ref().and_then(DeltaTable::version), 0)))
            }
            _ => Err(TaskError::fail(anyhow!(
                "`{name}` holds no rows, so that no columns are known; `schema:` would name them, and `on_empty: skip` would \
                 skip the task"
            ))),
        }
    }

    fn rejected_rows(&self, session: &SessionContext) -> Rejected {
        Rejected {
            location: self.rejected.clone(),
            replaces_all: self.args.mode == Mode::Overwrite,
            key: self.key.clone(),
            now: self.now,
            session: session.clone(),
            s3: self.s3.clone(),
        }
    }

    fn tell(&self, input: &Input, report: &ReadReport, counts: &Counts, wrote: &Wrote) {
        let log = &self.log;
        log.info(format_args!("Read {} rows from {} files in {}", counts.rows_in(), report.files, input.found.name));
        if input.skipped > 0 {
            log.info(format_args!("Passed over {} files that earlier runs have read", input.skipped));
        }
        for (label, rows) in &counts.changed() {
            log.info(format_args!("{label}: {rows} rows"));
        }
        if report.broken > 0 {
            log.warning(format_args!("{} malformed documents in all", report.broken));
        }
        let version = wrote.table.as_ref().and_then(DeltaTable::version);
        let named = version.map(|version| format!(" (version {version})")).unwrap_or_default();
        log.info(format_args!("Wrote {} rows to {}{named}", wrote.rows, self.output));
        if wrote.replaced > 0 {
            log.info(format_args!("They took the place of {} rows with the same keys", wrote.replaced));
        }
    }

    fn report(
        &self,
        input: &Input,
        report: &ReadReport,
        counts: &Counts,
        wrote: &Wrote,
        verdict: &Verdict,
        version: Option<u64>,
    ) -> Value {
        let output = self.output.to_string();
        let dropped = verdict.dropped();
        json!({
            "rows_read": counts.rows_in(),
            "rows_written": wrote.rows,
            "rows_rejected": report.broken + dropped,
            "rows_replaced": (self.args.mode == Mode::Merge).then_some(wrote.replaced),
            "duplicates": counts.duplicates() + wrote.duplicates,
            "changed": counts.changed(),
            "expectations": verdict.outcomes(),
            "broken": report.broken,
            "files_read": report.files,
            "files_skipped": input.skipped,
            "table": output,
            "output": output,
            "rejected": (dropped > 0).then(|| self.rejected.to_string()),
            "version": version,
        })
    }

    fn report_of_nothing(&self, version: Option<u64>, skipped: u64) -> Value {
        let output = self.output.to_string();
        json!({
            "rows_read": 0,
            "rows_written": 0,
            "rows_rejected": 0,
            "rows_replaced": (self.args.mode == Mode::Merge).then_some(0),
            "duplicates": 0,
            "changed": {},
            "expectations": [],
            "broken": 0,
            "files_read": 0,
            "files_skipped": skipped,
            "table": output,
            "output": output,
            "rejected": null,
            "version": version,
        })
    }
}

/// Who numbers the commits of a task.
fn app_id(key: &TaskKey) -> String {
    let TaskKey { dag_id, task_id, map_index, .. } = key;
    match map_index {
        ..0 => format!("updraft.{dag_id}.{task_id}"),
        index => format!("updraft.{dag_id}.{task_id}.{index}"),
    }
}

/// Who numbers the appends of a run.
pub fn app_id_of_run(key: &TaskKey) -> String {
    format!("{}.{}", app_id(key), key.run_id)
}

/// Whether a rule asks which row is the first.
fn needs_order(rule: &Rule) -> bool {
    match rule {
        Rule::Deduplicate(rule) => {
            rule.when && rule.keep != Keep::Any && rule.order_by.is_none() && rule.by != SameBy::Row
        }
        _ => false,
    }
}
