//! Puts the rows where they belong: into a Delta table, by one of three modes, or into a file.
//!
//! Whatever the mode, it is one commit, and a try that dies before it leaves the output as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, anyhow};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, NullEquality};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder, cast};
use datafusion::prelude::{SessionContext, ident};
use deltalake::DeltaTable;
use futures::StreamExt as _;
use scheduler::operator::TaskError;
use uuid::Uuid;

use super::args::SchemaChange;
use super::key_ranges;
use super::nulls::Nulls;
use super::plan::{columns, keep_one, stretch};
use super::typed::fit;
use crate::columns::{self as names, hidden};
use crate::delta::{self, Save, Write};
use crate::location::{Location, S3};
use crate::passage;
use crate::query::output::{FileFormat, FileOutput};
use crate::reason::reason;
use crate::room;
use crate::spool::SpoolWriter;

/// Where rows are written.
pub struct Output<'a> {
    pub location: &'a Location,
    pub session: &'a SessionContext,
    pub s3: &'a S3,
    /// The table as it was when the task began to read; none if there is none, or if the output is a file.
    pub table: Option<DeltaTable>,
    pub schema_change: SchemaChange,
    pub partition_by: Vec<String>,
    /// What is committed with the rows.
    pub transactions: Vec<(String, i64)>,
    /// Whether nobody may have written to the table meanwhile.
    pub is_exclusive: bool,
}

/// What was written.
pub struct Wrote {
    /// The table after it.
    pub table: Option<DeltaTable>,
    /// Rows that the task brought.
    pub rows: u64,
    /// Rows of a merge whose keys came more than once.
    pub duplicates: u64,
    /// Rows of the table that a merge replaced.
    pub replaced: u64,
}

/// A frame whose rows are counted.
async fn counted(frame: DataFrame, session: &SessionContext) -> Result<(DataFrame, Arc<AtomicU64>), TaskError> {
    let rows = Arc::new(AtomicU64::new(0));
    let plan = frame.create_physical_plan().await.map_err(TaskError::retry)?;
    Ok((stretch(&plan, Vec::new(), &rows, session)?, rows))
}

fn schema_of(frame: &DataFrame) -> Schema {
    Schema::new(frame.schema().fields().iter().cloned().collect::<Vec<_>>())
}

impl Output<'_> {
    fn write(&self, save: Save, is_exclusive: bool) -> Write {
        Write {
            save,
            partition_by: self.partition_by.clone(),
            transactions: self.transactions.clone(),
            is_exclusive: is_exclusive || self.is_exclusive,
        }
    }

    async fn commit(&self, frame: DataFrame, how: Write) -> Result<DeltaTable, TaskError> {
        let plan = frame.into_unoptimized_plan();
        let written = delta::write(self.table.clone(), self.location, plan, how, self.session, self.s3).await;
        written.map_err(|error| match error.downcast_ref::<delta::SameName>() {
            Some(_) => TaskError::fail(error),
            None => TaskError::retry(error),
        })
    }

    async fn existing(&self, table: &DeltaTable) -> anyhow::Result<DataFrame> {
        Ok(self.session.read_table(delta::provider(table, self.session).await?)?)
    }

    /// Rows and schema of the table are replaced.
    pub async fn overwrite(self, frame: DataFrame) -> Result<Wrote, TaskError> {
        match self.schema_change {
            SchemaChange::Replace => self.put(frame, None, Save::Overwrite).await,
            SchemaChange::Add | SchemaChange::Refuse => self.put_fitted(frame, Save::Overwrite).await,
        }
    }

    /// The rows are added to those of the table.
    pub async fn append(self, frame: DataFrame) -> Result<Wrote, TaskError> {
        self.put_fitted(frame, Save::Append).await
    }

    /// Puts rows into a table that keeps the columns that it has, if it is there.
    async fn put_fitted(&self, frame: DataFrame, save: Save) -> Result<Wrote, TaskError> {
        let Some(table) = &self.table else { return self.put(frame, None, save).await };
        let existing = schema_of(&self.existing(table).await?);
        let (frame, nulls) = self.with_types_of(frame, &existing).await?;
        let fit = fit(&schema_of(&frame), &existing, self.schema_change).map_err(TaskError::fail)?;
        let frame = frame.select(fit.into_iter().map(|(_, ours, _)| ours).collect::<Vec<_>>());
        self.put(frame.map_err(TaskError::retry)?, nulls, save).await
    }

    async fn put(&self, frame: DataFrame, nulls: Option<Arc<Nulls>>, save: Save) -> Result<Wrote, TaskError> {
        let (frame, rows) = counted(frame, self.session).await?;
        let written = self.commit(frame, self.write(save, false)).await;
        let table = written.map_err(|error| explain(nulls.as_ref(), error))?;
        Ok(Wrote { table: Some(table), rows: rows.load(Ordering::Relaxed), duplicates: 0, replaced: 0 })
    }

    /// The rows with the types that a table has for columns which may hold nothing but NULLs.
    async fn with_types_of(
        &self,
        frame: DataFrame,
        existing: &Schema,
    ) -> Result<(DataFrame, Option<Arc<Nulls>>), TaskError> {
        let Some(nulls) = Nulls::between(&schema_of(&frame), existing) else { return Ok((frame, None)) };
        let plan = frame.create_physical_plan().await.map_err(TaskError::retry)?;
        let table = passage::table(&nulls, &plan, nulls.schema()).map_err(TaskError::retry)?;
        Ok((self.session.read_table(Arc::new(table)).map_err(TaskError::retry)?, Some(nulls)))
    }

    /// The rows take the place of those with the same keys. The last one by `order_by` counts.
    ///
    /// The rows are set aside on disk first, because they are needed several times: to tell which files have to do with
    /// them, to find what they replace, and to be written. Both sides are sorted for that, which spills to disk. Other files
    /// stay as they are.
    pub async fn merge(
        self,
        frame: DataFrame,
        keys: &[String],
        order_by: &[(String, bool)],
    ) -> Result<Wrote, TaskError> {
        let visible: Vec<Expr> = columns(&frame)
            .into_iter()
            .filter(|expr| !matches!(expr, Expr::Column(c) if names::is_hidden(&c.name)))
            .collect();
        check_keys(&frame, keys, "the rows")?;
        let partitions = match &self.table {
            Some(table) if self.partition_by.is_empty() => {
                table.snapshot().map_err(TaskError::retry)?.metadata().partition_columns().to_vec()
            }
            _ => self.partition_by.clone(),
        };
        // Keys are compared as the table has them.
        let (state, rows) = frame.into_parts();
        let rows = delta::without_empty(rows, &partitions).map_err(TaskError::retry)?;
        let (frame, rows_in) = counted(DataFrame::new(state, rows), self.session).await?;
        let last = keep_one(frame, keys, order_by, true).and_then(|last| last.select(visible));
        let (last, rows) = counted(last.map_err(TaskError::fail)?, self.session).await?;
        let wrote = |table, replaced| {
            let rows = rows.load(Ordering::Relaxed);
            Wrote { table: Some(table), rows, duplicates: rows_in.load(Ordering::Relaxed) - rows, replaced }
        };
        let Some(table) = &self.table else {
            let table = self.commit(last, self.write(Save::Overwrite, true)).await?;
            return Ok(wrote(table, 0));
        };
        // Both sides are sorted, and only the rows that come have been looked at.
        let provider = delta::provider(table, self.session).await?;
        if let Some(row_bytes) = room::delta_row_bytes(&provider, table, self.session).await {
            room::make(self.session, row_bytes);
        }
        let existing = self.session.read_table(provider).map_err(TaskError::retry)?;
        check_keys(&existing, keys, &format!("the rows of `{}`", self.location))?;
        let (last, nulls) = self.with_types_of(last, &schema_of(&existing)).await?;
        let fit = fit(&schema_of(&last), &schema_of(&existing), self.schema_change).map_err(TaskError::fail)?;
        let new = self.set_aside(last).await.map_err(|error| explain(nulls.as_ref(), error))?;
        let from_ours: Vec<Expr> = fit.iter().map(|(_, ours, _)| ours.clone()).collect();
        let new = new.select(from_ours).map_err(TaskError::retry)?;
        let keeps_partitions = self.keeps_partitions(table)?;
        // Of no keys no condition can be made, and all files would be written anew for nothing.
        if keeps_partitions && rows.load(Ordering::Relaxed) == 0 {
            let table = self.commit(new, self.write(Save::Append, true)).await?;
            return Ok(wrote(table, 0));
        }
        let concerned = if keeps_partitions { key_ranges::condition(new.clone(), keys).await? } else { None };
        let existing = match &concerned {
            Some(concerned) => existing.filter(concerned.clone()).map_err(TaskError::retry)?,
            None => existing,
        };
        let (existing, rows_before) = counted(existing, self.session).await?;
        let alias = |key: &String| hidden(&format!("key_{key}"));
        let their_keys: Vec<Expr> = keys.iter().map(|key| comparable(&new, key).alias(alias(key))).collect();
        let their_keys = new.clone().select(their_keys).map_err(TaskError::retry)?.into_unoptimized_plan();
        let (existing, ours) = with_comparable(existing, keys).map_err(TaskError::retry)?;
        let theirs: Vec<Column> = keys.iter().map(|key| Column::new_unqualified(alias(key))).collect();
        let state = self.session.state();
        let kept = LogicalPlanBuilder::from(existing.into_unoptimized_plan())
            .join_detailed(their_keys, JoinType::LeftAnti, (ours, theirs), None, NullEquality::NullEqualsNull)
            .and_then(LogicalPlanBuilder::build)
            .map_err(TaskError::retry)?;
        let (kept, rows_kept) = counted(DataFrame::new(state, kept), self.session).await?;
        let from_theirs: Vec<Expr> = fit.iter().map(|(_, _, theirs)| theirs.clone()).collect();
        let all = kept.select(from_theirs).and_then(|kept| kept.union(new)).map_err(TaskError::retry)?;
        let save = concerned.map_or(Save::Overwrite, Save::OverwriteWhere);
        let table = self.commit(all, self.write(save, true)).await?;
        let replaced = rows_before.load(Ordering::Relaxed) - rows_kept.load(Ordering::Relaxed);
        Ok(wrote(table, replaced))
    }

    /// Whether the files stay in the folders that they are in.
    fn keeps_partitions(&self, table: &DeltaTable) -> Result<bool, TaskError> {
        let snapshot = table.snapshot().map_err(TaskError::retry)?;
        Ok(self.partition_by.is_empty() || self.partition_by == *snapshot.metadata().partition_columns())
    }

    async fn set_aside(&self, frame: DataFrame) -> Result<DataFrame, TaskError> {
        let mut stream = frame.execute_stream().await.map_err(stopped)?;
        let mut spool = SpoolWriter::begin(&stream.schema()).map_err(TaskError::retry)?;
        while let Some(batch) = stream.next().await {
            spool.write(&batch.map_err(stopped)?).map_err(TaskError::retry)?;
        }
        let table = spool.finish().and_then(|spool| spool.table()).map_err(TaskError::retry)?;
        self.session.read_table(Arc::new(table)).map_err(TaskError::retry)
    }

    /// One file, which is there as a whole or not at all.
    pub async fn file(self, frame: DataFrame, format: FileFormat, try_id: Uuid) -> Result<Wrote, TaskError> {
        let (frame, rows) = counted(frame, self.session).await?;
        let mut stream = frame.execute_stream().await.map_err(stopped)?;
        let mut file = FileOutput::begin(self.location, format, &stream.schema(), try_id)?;
        while let Some(batch) = stream.next().await {
            file.write(&batch.map_err(stopped)?)?;
        }
        file.publish(self.s3).await?;
        Ok(Wrote { table: None, rows: rows.load(Ordering::Relaxed), duplicates: 0, replaced: 0 })
    }
}

/// The rows do not come any more.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it on")]
fn stopped(error: DataFusionError) -> TaskError {
    TaskError::retry(anyhow!(reason(&error)))
}

/// A key as it is compared: joins that sort do not know instants of a time zone.
fn comparable(frame: &DataFrame, key: &str) -> Expr {
    match frame.schema().field_with_unqualified_name(key).map(|field| field.data_type()) {
        Ok(DataType::Timestamp(unit, Some(_))) => cast(ident(key), DataType::Timestamp(*unit, None)),
        _ => ident(key),
    }
}

/// A frame with more columns where its keys cannot be compared as they are, and the columns to compare.
fn with_comparable(frame: DataFrame, keys: &[String]) -> datafusion::error::Result<(DataFrame, Vec<Column>)> {
    let mut all = columns(&frame);
    let mut compared = Vec::with_capacity(keys.len());
    for key in keys {
        let expr = comparable(&frame, key);
        let is_as_it_is = matches!(expr, Expr::Column(_));
        let name = if is_as_it_is { key.clone() } else { hidden(&format!("own_key_{key}")) };
        if !is_as_it_is {
            all.push(expr.alias(&name));
        }
        compared.push(Column::new_unqualified(name));
    }
    Ok((frame.select(all)?, compared))
}

/// Why rows could not be written.
fn explain(nulls: Option<&Arc<Nulls>>, error: TaskError) -> TaskError {
    match nulls {
        Some(nulls) => nulls.explain(error),
        None => error,
    }
}

fn check_keys(frame: &DataFrame, keys: &[String], who: &str) -> Result<(), TaskError> {
    let known: Vec<&str> = frame.schema().fields().iter().map(|field| field.name().as_str()).collect();
    let known = || known.iter().copied().filter(|name| !names::is_hidden(name));
    match keys.iter().find(|key| !known().any(|name| name == *key)) {
        None => Ok(()),
        Some(key) => {
            let hint = names::hint(key, known());
            let known = names::list(known());
            Err(TaskError::fail(anyhow!("{who} have no column `{key}` to merge by{hint}; known are {known}")))
        }
    }
}

/// The file format of an output that is no table.
pub fn file_format(format: super::args::OutputFormat) -> anyhow::Result<FileFormat> {
    use super::args::OutputFormat;
    match format {
        OutputFormat::Csv => Ok(FileFormat::Csv),
        OutputFormat::Parquet => Ok(FileFormat::Parquet),
        OutputFormat::Json => Ok(FileFormat::Json),
        OutputFormat::Delta => Err(anyhow!("a Delta table is no file")).context("Updraft itself failed"),
    }
}
