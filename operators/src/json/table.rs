//! A set of files of JSON documents as a table of DataFusion.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt as _, TryStreamExt as _};

use super::CORRUPT_RECORD;
use super::build::StructFields;
use super::chunk::{Chunk, ChunkText, plan_chunks};
use super::names::Names;
use super::scan::{Kind, Malformed, Member, Value, scan_rows};
use super::types::{JsonType, to_arrow_fields};
use crate::listing::InputFile;
use crate::location::S3;

/// Text of the first pass that is kept for the second.
const KEPT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Places of malformed documents that are told; the rest is counted.
const BROKEN_PLACES_MAX: usize = 5;

/// What the first pass found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// Files that were read.
    pub files: u64,
    /// Rows, those of malformed documents included.
    pub rows: u64,
    /// Malformed documents: rows of NULLs.
    pub broken: u64,
    /// Where the first malformed documents are, for the log.
    pub broken_places: Vec<String>,
    /// Columns that are text because their values are of several types.
    pub mixed: BTreeSet<String>,
}

/// Files of JSON documents whose schema is known.
pub struct JsonTable {
    schema: SchemaRef,
    chunks: Arc<Vec<KeptChunk>>,
    s3: S3,
    /// What the first pass found.
    pub report: ReadReport,
}

struct KeptChunk {
    chunk: Chunk,
    text: OnceLock<ChunkText>,
}

impl JsonTable {
    /// Reads all documents once, to learn the schema. `parallelism` chunks are under way at a time.
    pub async fn open(files: &[InputFile], s3: &S3, parallelism: usize) -> anyhow::Result<JsonTable> {
        JsonTable::open_keeping(files, s3, parallelism, KEPT_BYTES_MAX).await
    }

    /// The same, keeping at most so many bytes of text for the second pass. What is not kept is read again.
    pub async fn open_keeping(
        files: &[InputFile],
        s3: &S3,
        parallelism: usize,
        kept_bytes_max: usize,
    ) -> anyhow::Result<JsonTable> {
        let kept_bytes_max = kept_bytes_max.min(KEPT_BYTES_MAX);
        let chunks: Vec<KeptChunk> =
            plan_chunks(files).into_iter().map(|chunk| KeptChunk { chunk, text: OnceLock::new() }).collect();
        let chunks = Arc::new(chunks);
        let mut passes = futures::stream::iter(0..chunks.len())
            .map(|index| tokio::spawn(first_pass(Arc::clone(&chunks), index, s3.clone())))
            .buffered(parallelism);
        let mut report = ReadReport { files: files.len() as u64, ..ReadReport::default() };
        let mut types = BTreeMap::new();
        let mut kept_bytes = 0;
        while let Some(pass) = passes.next().await {
            let (index, text, found) = pass??;
            report.rows += found.rows;
            report.broken += found.broken;
            report.broken_places.extend(found.broken_places);
            report.broken_places.truncate(BROKEN_PLACES_MAX);
            report.mixed.extend(found.mixed);
            for (name, json_type) in found.names.into_names().into_iter().zip(found.types) {
                match types.entry(name) {
                    Entry::Vacant(free) => {
                        free.insert(json_type);
                    }
                    Entry::Occupied(mut known) => {
                        if widen(known.get_mut(), json_type) {
                            report.mixed.insert(known.key().clone());
                        }
                    }
                }
            }
            if kept_bytes + text.text.len() <= kept_bytes_max {
                kept_bytes += text.text.len();
                let _ = chunks[index].text.set(text);
            }
        }
        drop(passes);
        if report.broken > 0 {
            types.insert(CORRUPT_RECORD.to_owned(), JsonType::Text);
        }
        let schema = Arc::new(Schema::new(to_arrow_fields(&types)));
        Ok(JsonTable { schema, chunks, s3: s3.clone(), report })
    }

    /// The columns, in alphabetical order.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows, in at most `parallelism` partitions.
    pub fn provider(&self, parallelism: usize) -> Result<StreamingTable, DataFusionError> {
        let partitions = parallelism.min(self.chunks.len()).max(1);
        let streams = (0..partitions).map(|partition| {
            let chunks = (partition..self.chunks.len()).step_by(partitions).collect();
            Arc::new(JsonPartition {
                schema: Arc::clone(&self.schema),
                chunks: Arc::clone(&self.chunks),
                indices: chunks,
                s3: self.s3.clone(),
            }) as Arc<dyn PartitionStream>
        });
        StreamingTable::try_new(Arc::clone(&self.schema), streams.collect())
    }
}

/// What one chunk adds to the report and to the schema.
#[derive(Default)]
struct Found {
    rows: u64,
    broken: u64,
    broken_places: Vec<String>,
    names: Names,
    /// By the numbers of their names.
    types: Vec<JsonType>,
    mixed: BTreeSet<String>,
}

/// Adds a type to those of a column; true if they have nothing but their text in common.
fn widen(known: &mut JsonType, json_type: JsonType) -> bool {
    let was_text = matches!(known, JsonType::Null | JsonType::Text);
    let is_text = matches!(json_type, JsonType::Null | JsonType::Text);
    known.merge(json_type);
    *known == JsonType::Text && !(was_text && is_text)
}

async fn first_pass(chunks: Arc<Vec<KeptChunk>>, index: usize, s3: S3) -> anyhow::Result<(usize, ChunkText, Found)> {
    let chunk = &chunks[index].chunk;
    let text = chunk.read(&s3).await?;
    let mut found = Found::default();
    let mut members = Vec::new();
    for line in lines(&text.text) {
        if found.add(line, &mut members).is_err() {
            found.rows += 1;
            found.broken += 1;
            if found.broken_places.len() < BROKEN_PLACES_MAX {
                let at = line.as_ptr().addr() - text.text.as_ptr().addr();
                found.broken_places.push(chunk.file_at(&text.starts, at).to_string());
            }
        }
    }
    Ok((index, text, found))
}

impl Found {
    fn add<'a>(&mut self, line: &'a str, members: &mut Vec<Member<'a>>) -> Result<(), Malformed> {
        let (mut rows, mut outcome) = (0, Ok(()));
        scan_rows(line, members, |members| {
            rows += 1;
            for (position, (name, value)) in members.iter().enumerate() {
                outcome = outcome.and(self.add_value(position, name, value));
            }
        })?;
        outcome?;
        self.rows += rows;
        Ok(())
    }

    fn add_value(&mut self, position: usize, name: &str, value: &Value<'_>) -> Result<(), Malformed> {
        let Some(number) = self.names.find(position, name) else {
            let json_type = JsonType::of(value)?;
            self.names.add(name.to_owned());
            self.types.push(json_type);
            return Ok(());
        };
        let known = &mut self.types[number];
        // The common case, without allocating: the column is wide enough already.
        let is_covered = match known {
            JsonType::Text => matches!(value.kind, Kind::Text { .. } | Kind::Null),
            JsonType::Long => value.kind == Kind::Integer && value.text.len() < 18,
            JsonType::Double => value.kind == Kind::Float,
            _ => value.kind == Kind::Null,
        };
        if !is_covered && widen(known, JsonType::of(value)?) {
            self.mixed.insert(name.to_owned());
        }
        Ok(())
    }
}

/// Lines end as Hadoop ends them: `\n`, `\r\n`, `\r`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = memchr::memchr2_iter(b'\n', b'\r', text.as_bytes()).chain(std::iter::once(text.len()));
    let mut start = 0;
    ends.filter_map(move |end| {
        let line = &text[start..end];
        start = end + 1;
        (!line.is_empty()).then_some(line)
    })
}

struct JsonPartition {
    schema: SchemaRef,
    chunks: Arc<Vec<KeptChunk>>,
    indices: Vec<usize>,
    s3: S3,
}

impl fmt::Debug for JsonPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonPartition of {} chunks", self.indices.len())
    }
}

impl PartitionStream for JsonPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch_rows = ctx.session_config().batch_size();
        let (chunks, schema, s3) = (Arc::clone(&self.chunks), Arc::clone(&self.schema), self.s3.clone());
        let stream = futures::stream::iter(self.indices.clone())
            .then(move |index| {
                let (chunks, schema, s3) = (Arc::clone(&chunks), Arc::clone(&schema), s3.clone());
                async move { second_pass(&chunks[index], &schema, batch_rows, &s3).await }
            })
            .map_ok(|batches| futures::stream::iter(batches.into_iter().map(Ok)))
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }
}

async fn second_pass(
    kept: &KeptChunk,
    schema: &SchemaRef,
    batch_rows: usize,
    s3: &S3,
) -> Result<Vec<RecordBatch>, DataFusionError> {
    if let Some(text) = kept.text.get() {
        return build_batches(&text.text, schema, batch_rows);
    }
    let text = kept.chunk.read(s3).await.map_err(|error| DataFusionError::External(error.into()))?;
    build_batches(&text.text, schema, batch_rows)
}

fn build_batches(text: &str, schema: &SchemaRef, batch_rows: usize) -> Result<Vec<RecordBatch>, DataFusionError> {
    let mut builder = StructFields::new(schema.fields());
    let mut batches = Vec::new();
    let mut rows = 0;
    let mut members = Vec::new();
    for line in lines(text) {
        let scanned = scan_rows(line, &mut members, |members| {
            builder.append_members(members);
            rows += 1;
        });
        if scanned.is_err() {
            builder.append_nulls_but(CORRUPT_RECORD, line);
            rows += 1;
        }
        if rows >= batch_rows {
            batches.push(finish_batch(&mut builder, schema, std::mem::take(&mut rows))?);
        }
    }
    if rows > 0 {
        batches.push(finish_batch(&mut builder, schema, rows)?);
    }
    Ok(batches)
}

fn finish_batch(builder: &mut StructFields, schema: &SchemaRef, rows: usize) -> Result<RecordBatch, DataFusionError> {
    let arrays = builder.finish()?;
    let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
}
