//! Where answers go: to XCom, or line by line into a file.

use std::io::{BufWriter, Write as _};

use anyhow::{Context as _, anyhow};
use scheduler::operator::{TaskContext, TaskError};
use serde_json::{Value, json};

use crate::location::{Location, S3};
use crate::upload::judged;
use crate::whole_file::WholeFile;

/// Keeps what becomes of pages.
pub(super) enum Keep {
    /// For XCom, which takes only so much.
    XCom { values: Vec<Value>, bytes: u64, bytes_max: u64 },
    /// A line of JSON for each value; what is a list counts as several.
    Lines(Box<Lines>),
}

/// A file of lines that grows.
pub(super) struct Lines {
    location: Location,
    whole: WholeFile,
    writer: BufWriter<std::fs::File>,
    count: u64,
}

impl Keep {
    pub(super) fn for_xcom(bytes_max: u64) -> Keep {
        Keep::XCom { values: Vec::new(), bytes: 0, bytes_max }
    }

    pub(super) fn in_file(location: Location, ctx: &TaskContext) -> anyhow::Result<Keep> {
        let whole = WholeFile::begin(&location, ctx.try_id)?;
        let writer = BufWriter::new(whole.file()?);
        Ok(Keep::Lines(Box::new(Lines { location, whole, writer, count: 0 })))
    }

    /// Takes what became of one page.
    pub(super) fn take(&mut self, value: Value) -> Result<(), TaskError> {
        match self {
            Keep::XCom { values, bytes, bytes_max } => {
                *bytes += value.to_string().len() as u64;
                if *bytes > *bytes_max {
                    return Err(TaskError::fail(anyhow!(
                        "what would go to XCom is longer than {bytes_max} bytes; take less of it with `response_filter`, \
                         put it into a file with `save_to`, or let `xcom_bytes_max` be greater"
                    )));
                }
                values.push(value);
            }
            Keep::Lines(lines) => {
                let items = match value {
                    Value::Array(items) => items,
                    one => vec![one],
                };
                for item in items {
                    let location = &lines.location;
                    writeln!(lines.writer, "{item}").with_context(|| format!("`{location}` cannot be written"))?;
                    lines.count += 1;
                }
            }
        }
        Ok(())
    }

    /// What the task answers with: the value of a single page, or of each of several.
    pub(super) async fn finish(self, is_paged: bool, s3: &S3, ctx: &TaskContext) -> Result<Value, TaskError> {
        match self {
            Keep::XCom { values, .. } if is_paged => Ok(values.into()),
            Keep::XCom { mut values, .. } => Ok(values.pop().unwrap_or_default()),
            Keep::Lines(lines) => {
                let Lines { location, whole, mut writer, count } = *lines;
                writer.flush().with_context(|| format!("`{location}` cannot be written"))?;
                publish(whole, s3, ctx).await?;
                ctx.log.info(format!("Wrote {count} lines to {location}"));
                Ok(json!({ "file": location.to_string(), "lines": count }))
            }
        }
    }
}

/// Puts a file in its place.
pub(super) async fn publish(file: WholeFile, s3: &S3, ctx: &TaskContext) -> Result<(), TaskError> {
    let published = file.publish(s3, &ctx.cancelled).await;
    match published {
        Err(_) if ctx.cancelled.is_cancelled() => Err(TaskError::cancelled()),
        published => published.map_err(judged),
    }
}
