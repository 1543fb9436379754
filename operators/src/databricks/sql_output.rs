//! Files for the rows of a statement, whole or not at all.

use std::fs::File as StdFile;
use std::io::{BufWriter, Write as _};

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::location::{Location, S3};
use crate::whole_file::WholeFile;

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// With a line of names.
    #[default]
    Csv,
    /// One array of objects.
    Json,
    /// An object a line.
    Jsonl,
}

/// How CSV is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvParams {
    /// Whether the first line has the names of the columns.
    #[serde(default = "super::arguments::yes")]
    header: bool,
    /// What stands between two values.
    #[serde(default = "comma")]
    #[schemars(length(min = 1, max = 1))]
    delimiter: String,
}

fn comma() -> String {
    ",".to_owned()
}

impl Default for CsvParams {
    fn default() -> CsvParams {
        CsvParams { header: true, delimiter: comma() }
    }
}

/// A file that grows. Dropped before [`File::publish`], it leaves nothing behind.
pub(super) struct File {
    location: Location,
    whole: WholeFile,
    writer: BufWriter<StdFile>,
    format: Format,
    delimiter: String,
    names: Vec<String>,
    rows: u64,
}

impl File {
    /// Begins a file that will be at `location`.
    pub(super) fn begin(
        location: Location,
        format: Format,
        csv: &CsvParams,
        names: Vec<String>,
        try_id: Uuid,
    ) -> anyhow::Result<File> {
        let whole = WholeFile::begin(&location, try_id)?;
        let writer = BufWriter::new(whole.file()?);
        let delimiter = csv.delimiter.clone();
        let mut file = File { location, whole, writer, format, delimiter, names, rows: 0 };
        if format == Format::Csv && csv.header {
            let names: Vec<Value> = file.names.iter().map(|name| name.as_str().into()).collect();
            let line = file.csv(&names);
            file.put(&line)?;
        }
        Ok(file)
    }

    /// Appends a row.
    pub(super) fn write(&mut self, row: &[Value]) -> anyhow::Result<()> {
        let line = match self.format {
            Format::Csv => self.csv(row),
            Format::Json | Format::Jsonl => {
                let object: Map<String, Value> = self.names.iter().cloned().zip(row.iter().cloned()).collect();
                let text = Value::Object(object).to_string();
                match (self.format, self.rows) {
                    (Format::Jsonl, _) => format!("{text}\n"),
                    (_, 0) => format!("[{text}"),
                    _ => format!(",\n{text}"),
                }
            }
        };
        self.rows += 1;
        self.put(&line)
    }

    /// Completes the file and puts it in its place.
    pub(super) async fn publish(mut self, s3: &S3) -> anyhow::Result<Location> {
        if self.format == Format::Json {
            let end = if self.rows == 0 { "[]\n" } else { "]\n" };
            self.put(end)?;
        }
        let File { location, whole, mut writer, .. } = self;
        writer.flush().with_context(|| format!("`{location}` cannot be written"))?;
        whole.publish(s3, &CancellationToken::new()).await?;
        Ok(location)
    }

    fn put(&mut self, text: &str) -> anyhow::Result<()> {
        self.writer.write_all(text.as_bytes()).with_context(|| format!("`{}` cannot be written", self.location))
    }

    fn csv(&self, row: &[Value]) -> String {
        let cells: Vec<String> = row.iter().map(|value| self.cell(value)).collect();
        cells.join(&self.delimiter) + "\n"
    }

    /// A cell of CSV, in quotes where it needs them.
    fn cell(&self, value: &Value) -> String {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let is_plain = !text.contains(['"', '\n', '\r']) && !text.contains(&self.delimiter);
        if is_plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
    }
}
