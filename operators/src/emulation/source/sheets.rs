//! A source of CSV or Parquet files: one for each table in a folder or below a prefix.
//!
//! CSV knows no types. A column is one of numbers if each of its values that is not empty is written as JSON writes numbers,
//! which the look through the file finds out; an empty field is `null`.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::json::WriterBuilder;
use datafusion::arrow::json::writer::LineDelimited;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use futures::StreamExt;
use scheduler::operator::{TaskContext, TaskError};
use tokio_util::sync::CancellationToken;

use super::{Inspection, RowStream, Sender, Source, channel};
use crate::emulation::table::{PerTable, Table};
use crate::engine;
use crate::location::{Location, S3};
use crate::packed;
use crate::table::{self, CsvTypes, Format};

/// The three files. Cheap to clone.
#[derive(Clone)]
pub(in crate::emulation) struct Sheets(Arc<Inner>);

struct Inner {
    folder: Location,
    ending: &'static str,
    format: Format,
    s3: S3,
    ctx: TaskContext,
    /// The types of the columns, by table, once the file was looked through.
    kinds: Mutex<PerTable<Option<Vec<Kind>>>>,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// As the file says.
    Given,
    /// Text that is a whole number.
    Whole,
    /// Text that is a number.
    Number,
}

impl Sheets {
    /// The files' names end with `ending`.
    pub(in crate::emulation) fn new(
        folder: Location,
        ending: &'static str,
        format: Format,
        s3: S3,
        ctx: TaskContext,
    ) -> Sheets {
        Sheets(Arc::new(Inner { folder, ending, format, s3, ctx, kinds: Mutex::default() }))
    }

    /// Runs `work` on the threads for data work; its rows come out of the stream.
    fn run<F>(&self, sender: Sender, work: impl FnOnce(Arc<Inner>, Sender) -> F)
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.0), sender.clone());
        let ctx = self.0.ctx.clone();
        tokio::spawn(async move {
            if let Err(error) = engine::run(&ctx, work).await {
                let _ = sender.send(Err(error)).await;
            }
        });
    }
}

impl Inner {
    fn file(&self, table: Table) -> String {
        format!("{table}.{}", self.ending)
    }

    /// The rows, and the session that keeps their file for as long as it is there. Those that are taken `at_leisure` come from
    /// this machine if they would be one answer of a server, which waits no minutes until somebody takes the rest of it; what
    /// is packed does anyway, and Parquet is asked for in parts.
    async fn frame(&self, table: Table, at_leisure: bool) -> Result<(SessionContext, DataFrame), TaskError> {
        let mut file = self.folder.join(&self.file(table));
        let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        let opening = || format!("cannot read {} of the source {}", self.file(table), self.folder);
        let is_one_answer =
            self.format == Format::Csv && file.local_path().is_none() && !packed::is_packed(file.file_name());
        if at_leisure && is_one_answer {
            let copy = packed::copied(&file, &self.s3).await.with_context(opening)?;
            file = copy.place();
            packed::keep(&[copy], &session);
        }
        let input = table::open(&file, Some(self.format), CsvTypes::Text, &session, &self.s3).await;
        let input = input.with_context(opening)?;
        let frame = session.read_table(input.provider).with_context(opening)?;
        Ok((session, frame))
    }

    async fn look_through(&self, table: Table) -> Result<Inspection, TaskError> {
        let (_session, frame) = self.frame(table, false).await?;
        let broken = |error| self.broken(table, error);
        if self.format == Format::Parquet {
            let rows = frame.count().await.map_err(broken)? as u64;
            return Ok(Inspection { rows, ..Inspection::default() });
        }
        let mut kinds = vec![Kind::Whole; frame.schema().fields().len()];
        let mut seen = vec![false; kinds.len()];
        let mut rows = 0;
        let mut batches = frame.execute_stream().await.map_err(broken)?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(broken)?;
            rows += batch.num_rows() as u64;
            for (index, column) in batch.columns().iter().enumerate() {
                let Some(values) = column.as_any().downcast_ref::<StringArray>() else { continue };
                for value in values.iter().flatten() {
                    seen[index] = true;
                    kinds[index] = kinds[index].and(value);
                }
            }
        }
        for (kind, seen) in kinds.iter_mut().zip(seen) {
            if !seen {
                *kind = Kind::Given;
            }
        }
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)[table] = Some(kinds);
        Ok(Inspection { rows, ..Inspection::default() })
    }

    async fn give(&self, table: Table, from: u64, limit: u64, sender: &Sender) -> Result<(), TaskError> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner)[table].clone();
        let broken = |error| self.broken(table, error);
        let [from, limit] = [from, limit].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let (_session, frame) = self.frame(table, true).await?;
        let frame = frame.limit(from, Some(limit.min(isize::MAX.unsigned_abs()))).map_err(broken)?;
        let mut batches = frame.execute_stream().await.map_err(broken)?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(broken)?;
            let rows = typed(&batch, kinds.as_deref()).and_then(|batch| documents(&batch));
            let rows = rows.with_context(|| format!("cannot write rows of {} as JSON", self.file(table)))?;
            // A receiver that is gone has a better reason than we could give.
            if sender.send(Ok(rows)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn broken(&self, table: Table, error: datafusion::error::DataFusionError) -> TaskError {
        TaskError::retry(anyhow!(error).context(format!(
            "cannot read {} of the source {}",
            self.file(table),
            self.folder
        )))
    }
}

#[async_trait]
impl Source for Sheets {
    fn shown(&self) -> String {
        self.0.folder.to_string()
    }

    async fn inspect(&self, table: Table, _stop: &CancellationToken) -> Result<Inspection, TaskError> {
        let inner = Arc::clone(&self.0);
        engine::run(&self.0.ctx, async move { inner.look_through(table).await }).await
    }

    async fn rows(
        &self,
        table: Table,
        from: u64,
        limit: u64,
        _stop: &CancellationToken,
    ) -> Result<RowStream, TaskError> {
        let (sender, rows) = channel();
        self.run(sender, |inner, sender| async move { inner.give(table, from, limit, &sender).await });
        Ok(rows)
    }
}

impl Kind {
    /// What a column is that has `value`, too.
    fn and(self, value: &str) -> Kind {
        match self {
            Kind::Whole if is_whole(value) => Kind::Whole,
            Kind::Whole | Kind::Number if is_number(value) => Kind::Number,
            Kind::Given | Kind::Whole | Kind::Number => Kind::Given,
        }
    }
}

/// Whether a text is a whole number, in the one way of writing it.
fn is_whole(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

/// Whether a text is a number as JSON writes it, so that nothing like `007` or `+1` is taken for one.
fn is_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok()
}

fn typed(batch: &RecordBatch, kinds: Option<&[Kind]>) -> anyhow::Result<RecordBatch> {
    let Some(kinds) = kinds else { return Ok(batch.clone()) };
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for ((field, column), kind) in batch.schema().fields().iter().zip(batch.columns()).zip(kinds) {
        let to = match kind {
            Kind::Given => column.data_type().clone(),
            Kind::Whole => DataType::Int64,
            Kind::Number => DataType::Float64,
        };
        // What is no number any more has changed since the file was looked through: an error, not a null.
        let options = CastOptions { safe: false, ..CastOptions::default() };
        columns.push(cast_with_options(column, &to, &options)?);
        fields.push(Field::new(field.name(), to, true));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// A JSON document for each row.
fn documents(batch: &RecordBatch) -> anyhow::Result<Vec<Bytes>> {
    let mut text = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut text);
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    let text = Bytes::from(text);
    let mut rows = Vec::with_capacity(batch.num_rows());
    let mut start = 0;
    // Newlines within values are escaped.
    for end in memchr::memchr_iter(b'\n', &text) {
        rows.push(text.slice(start..end));
        start = end + 1;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_of_numbers_if_all_of_it_is() {
        for (values, kind) in [
            (&["1", "-20"][..], Kind::Whole),
            (&["1", "2.5"], Kind::Number),
            (&["1", "136k"], Kind::Given),
            (&["007"], Kind::Given),
            (&["1.5", "+1"], Kind::Given),
            (&["12345678901234567890"], Kind::Number),
        ] {
            let found = values.iter().fold(Kind::Whole, |kind, value| kind.and(value));
            assert_eq!(found, kind, "{values:?}");
        }
    }
}
