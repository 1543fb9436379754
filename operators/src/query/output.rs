//! Writes a result to a file, whole or not at all.
//!
//! The file grows beside its place (or in the folder for temporary files, when its place is in S3) and is moved there
//! when it is complete: a reader sees the old file or the new one.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::Arc;

use anyhow::Context as _;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ArrowWriter;
use object_store::buffered::BufWriter as ObjectWriter;
use object_store::path::Path as ObjectPath;
use serde_json::{Map, Value};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use super::answer::{push_csv, rows};
use crate::location::{Location, S3};

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
    temporary: NamedTempFile,
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
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{}.{try_id}.", location.file_name());
        let temporary = match location {
            Location::Local(path) => {
                let folder = path.parent().with_context(writing)?;
                std::fs::create_dir_all(folder).with_context(writing)?;
                remove_leftovers(folder, location.file_name());
                builder.prefix(&prefix).tempfile_in(folder)
            }
            Location::S3 { .. } => builder.tempfile(),
        };
        let temporary = temporary.with_context(writing)?;
        let file = temporary.reopen().with_context(writing)?;
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
        Ok(FileOutput { location: location.clone(), temporary, writer })
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
        let file = match self.writer {
            Writer::Csv(file) | Writer::Json(file, _) => {
                file.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(writing)?
            }
            Writer::Parquet(writer) => writer.into_inner().with_context(writing)?,
        };
        file.sync_all().with_context(writing)?;
        match &location {
            Location::Local(path) => {
                let kept = self.temporary.persist(path).map_err(|error| error.error).with_context(writing)?;
                make_readable(&kept).with_context(writing)?;
            }
            Location::S3 { bucket, key } => {
                let store = s3.bucket(bucket)?;
                let mut from = tokio::fs::File::open(self.temporary.path()).await.with_context(writing)?;
                let mut to = ObjectWriter::new(store, ObjectPath::from(key.as_str()));
                tokio::io::copy(&mut from, &mut to).await.with_context(writing)?;
                to.shutdown().await.with_context(writing)?;
            }
        }
        Ok(())
    }
}

/// Temporary files are for their owner alone; a result is for whoever may read the folder.
#[cfg(unix)]
fn make_readable(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_file: &File) -> std::io::Result<()> {
    Ok(())
}

/// Removes what a killed try began for the same file.
fn remove_leftovers(folder: &std::path::Path, name: &str) {
    let prefix = format!(".{name}.");
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|entry| entry.starts_with(&prefix)) {
            // Whoever cannot remove it finds it hidden, and no reader takes it for data.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A row as a line of CSV.
pub fn csv_line(row: &[Value]) -> String {
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
