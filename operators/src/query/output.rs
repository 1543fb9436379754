//! Writes a result to a file, whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::Arc;

use anyhow::Context as _;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ArrowWriter;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::answer::{push_csv, rows};
use crate::location::{Location, S3};
use crate::whole_file::WholeFile;

/// A file format that takes batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    Csv,
    Parquet,
    /// A JSON document a line.
    Json,
}

/// A file that grows. Dropped before [`FileOutput::publish`], it leaves nothing behind.
pub struct FileOutput {
    location: Location,
    whole: WholeFile,
    writer: Writer,
}

enum Writer {
    Csv(BufWriter<File>),
    Json(BufWriter<File>, Vec<String>),
    Parquet(Box<ArrowWriter<File>>),
}

impl FileOutput {
    /// Begins a file that will be at `location`.
    pub fn begin(
        location: &Location,
        format: FileFormat,
        schema: &SchemaRef,
        try_id: Uuid,
    ) -> anyhow::Result<FileOutput> {
        let writing = || format!("`{location}` cannot be written");
        let whole = WholeFile::begin(location, try_id)?;
        let file = whole.file()?;
        let writer = match format {
            FileFormat::Csv => {
                let mut file = BufWriter::new(file);
                let names = schema.fields().iter().map(|field| Value::from(field.name().as_str())).collect::<Vec<_>>();
                file.write_all(csv_line(&names).as_bytes()).with_context(writing)?;
                Writer::Csv(file)
            }
            FileFormat::Json => {
                let names = schema.fields().iter().map(|field| field.name().clone()).collect();
                Writer::Json(BufWriter::new(file), names)
            }
            FileFormat::Parquet => {
                Writer::Parquet(Box::new(ArrowWriter::try_new(file, Arc::clone(schema), None).with_context(writing)?))
            }
        };
        Ok(FileOutput { location: location.clone(), whole, writer })
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        let writing = || format!("`{}` cannot be written", self.location);
        match &mut self.writer {
            Writer::Csv(file) => {
                for row in rows(batch, usize::MAX)? {
                    file.write_all(csv_line(&row).as_bytes()).with_context(writing)?;
                }
            }
            Writer::Json(file, names) => {
                for row in rows(batch, usize::MAX)? {
                    let document: Map<String, Value> = names.iter().cloned().zip(row).collect();
                    serde_json::to_writer(&mut *file, &document).with_context(writing)?;
                    file.write_all(b"\n").with_context(writing)?;
                }
            }
            Writer::Parquet(writer) => writer.write(batch).with_context(writing)?,
        }
        Ok(())
    }

    /// Completes the file and puts it in its place.
    pub async fn publish(self, s3: &S3) -> anyhow::Result<()> {
        let location = self.location;
        let writing = || format!("`{location}` cannot be written");
        match self.writer {
            Writer::Csv(mut file) | Writer::Json(mut file, _) => file.flush().with_context(writing)?,
            Writer::Parquet(writer) => drop(writer.into_inner().with_context(writing)?),
        }
        self.whole.publish(s3, &CancellationToken::new()).await
    }
}

/// A row as a line of CSV. One that is nothing but a NULL is no empty line, which readers pass over, but an empty text.
pub fn csv_line(row: &[Value]) -> String {
    if let [Value::Null] = row {
        return "\"\"\n".to_owned();
    }
    let mut line = String::new();
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        push_csv(&mut line, value);
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_an_empty_line() {
        assert_eq!(csv_line(&[Value::Null]), "\"\"\n");
        assert_eq!(csv_line(&[Value::Null, Value::Null]), ",\n");
        assert_eq!(csv_line(&[Value::from("")]), "\"\"\n");
        assert_eq!(csv_line(&[Value::from(1), Value::from("a,b")]), "1,\"a,b\"\n");
    }
}
