//! A set of files of JSON documents as a table of DataFusion.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::watch;

use super::CORRUPT_RECORD;
use super::build::StructFields;
use super::chunk::{Chunk, ChunkText, plan_chunks};
use super::scan::{Kind, Member, scan_rows};
use super::types::{JsonType, to_arrow_fields};
use crate::listing::InputFile;
use crate::location::S3;

/// Rows of the first pass that are kept for the second.
const KEPT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Rows of a kept batch.
const KEPT_BATCH_ROWS: usize = 8192;
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

/// The columns that are known, by name.
type Types = BTreeMap<String, JsonType>;

struct KeptChunk {
    chunk: Chunk,
    /// Its rows, with the columns that were known when it was read.
    rows: OnceLock<Rows>,
}

impl KeptChunk {
    /// Its rows, if they were kept and have these columns.
    fn rows_with(&self, schema: &SchemaRef) -> Option<&Rows> {
        self.rows.get().filter(|rows| rows.schema == *schema)
    }
}

/// What a chunk will be like, going by those before.
#[derive(Clone, Default)]
struct Guess {
    types: Arc<Types>,
    like: Option<RecordBatch>,
}

impl Guess {
    fn learn(&mut self, types: &Types, rows: &Rows) {
        if *self.types != *types {
            self.types = Arc::new(types.clone());
        }
        if let Some(first) = rows.batches.first() {
            self.like = Some(first.clone());
        }
    }
}

/// Rows of a chunk.
struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Rows {
    fn bytes(&self) -> usize {
        self.batches.iter().map(RecordBatch::get_array_memory_size).sum()
    }
}

impl JsonTable {
    /// Reads all documents once, to learn the schema. `parallelism` chunks are under way at a time.
    pub async fn open(files: &[InputFile], s3: &S3, parallelism: usize) -> anyhow::Result<JsonTable> {
        JsonTable::open_keeping(files, s3, parallelism, KEPT_BYTES_MAX).await
    }

    /// The same, keeping at most so many bytes of rows for the second pass. What is not kept is read again.
    pub async fn open_keeping(
        files: &[InputFile],
        s3: &S3,
        parallelism: usize,
        kept_bytes_max: usize,
    ) -> anyhow::Result<JsonTable> {
        let kept_bytes_max = kept_bytes_max.min(KEPT_BYTES_MAX);
        let chunks: Vec<KeptChunk> =
            plan_chunks(files).into_iter().map(|chunk| KeptChunk { chunk, rows: OnceLock::new() }).collect();
        let chunks = Arc::new(chunks);
        let (known, guess) = watch::channel(Guess::default());
        let mut passes = futures::stream::iter(0..chunks.len())
            .map(|index| tokio::spawn(first_pass(Arc::clone(&chunks), index, s3.clone(), guess.clone())))
            .buffered(parallelism);
        let mut report = ReadReport { files: files.len() as u64, ..ReadReport::default() };
        let mut types = Types::new();
        let mut kept_bytes = 0;
        while let Some(pass) = passes.next().await {
            let (index, rows, found) = pass??;
            report.rows += found.rows;
            report.broken += found.broken;
            report.broken_places.extend(found.broken_places);
            report.broken_places.truncate(BROKEN_PLACES_MAX);
            report.mixed.extend(found.mixed);
            for (name, json_type) in found.types {
                match types.entry(name) {
                    Entry::Vacant(free) => {
                        free.insert(json_type);
                    }
                    Entry::Occupied(mut column) => {
                        if widen(column.get_mut(), json_type) {
                            report.mixed.insert(column.key().clone());
                        }
                    }
                }
            }
            known.send_modify(|guess| guess.learn(&types, &rows));
            let bytes = rows.bytes();
            if kept_bytes + bytes <= kept_bytes_max {
                kept_bytes += bytes;
                let _ = chunks[index].rows.set(rows);
            }
        }
        drop(passes);
        Ok(JsonTable { schema: schema_of(&types), chunks, s3: s3.clone(), report })
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

fn schema_of(types: &Types) -> SchemaRef {
    Arc::new(Schema::new(to_arrow_fields(types)))
}

/// What one chunk adds to the report and to the schema.
struct Found {
    rows: u64,
    broken: u64,
    broken_places: Vec<String>,
    types: Types,
    mixed: BTreeSet<String>,
}

/// Adds a type to those of a column; true if they have nothing but their text in common.
fn widen(known: &mut JsonType, json_type: JsonType) -> bool {
    let was_text = matches!(known, JsonType::Null | JsonType::Text);
    let is_text = matches!(json_type, JsonType::Null | JsonType::Text);
    known.merge(json_type);
    *known == JsonType::Text && !(was_text && is_text)
}

/// Reads a chunk: finds the types of its values and, in the same go, makes rows of it with the columns that were found in
/// the chunks before. Where the chunk has others, they are made once more.
async fn first_pass(
    chunks: Arc<Vec<KeptChunk>>,
    index: usize,
    s3: S3,
    guess: watch::Receiver<Guess>,
) -> anyhow::Result<(usize, Rows, Found)> {
    let chunk = &chunks[index].chunk;
    let ChunkText { text, starts } = chunk.read(&s3).await?;
    let guess = Guess::clone(&guess.borrow());
    let schema = schema_of(&guess.types);
    let mut seen = Seen::of(schema.fields().len());
    let (mut broken, mut broken_places) = (0, Vec::new());
    let mut building = Building::new(&schema, KEPT_BATCH_ROWS, guess.like.as_ref());
    let mut members = Vec::new();
    for line in lines(&text) {
        let scanned = scan_rows(line, &mut members, |members| {
            building.add_and_tell(members, |member, column| seen.add(member, column));
        });
        if scanned.is_err() {
            broken += 1;
            if broken_places.len() < BROKEN_PLACES_MAX {
                let at = line.as_ptr().addr() - text.as_ptr().addr();
                broken_places.push(chunk.file_at(&starts, at).to_string());
            }
            building.add_broken(line);
        }
        building.cut_when_full()?;
    }
    let mut rows = building.finish()?;
    let (mut types, mixed) = seen.into_types(&schema);
    if broken > 0 {
        types.insert(CORRUPT_RECORD.to_owned(), JsonType::Text);
    }
    let mut both = Types::clone(&guess.types);
    for (name, json_type) in &types {
        both.entry(name.clone()).or_insert(JsonType::Null).merge(json_type.clone());
    }
    if both != *guess.types {
        rows = build(&text, &schema_of(&both), KEPT_BATCH_ROWS, None)?;
    }
    let count = rows.batches.iter().map(|batch| batch.num_rows() as u64).sum();
    Ok((index, rows, Found { rows: count, broken, broken_places, types, mixed }))
}

/// The types of the values that were seen.
struct Seen {
    /// By the numbers of their columns; none of those that have not been met.
    columns: Vec<Option<JsonType>>,
    /// Those without a column.
    others: Types,
    mixed: BTreeSet<String>,
}

impl Seen {
    fn of(columns: usize) -> Seen {
        Seen { columns: vec![None; columns], others: Types::new(), mixed: BTreeSet::new() }
    }

    fn add(&mut self, (name, value): &Member<'_>, column: Option<usize>) {
        let known = match column {
            Some(number) => self.columns[number].get_or_insert(JsonType::Null),
            None => self.others.entry(name.to_string()).or_insert(JsonType::Null),
        };
        // The common case, without allocating: the column is wide enough already.
        let is_covered = match known {
            JsonType::Text => matches!(value.kind, Kind::Text { .. } | Kind::Null),
            JsonType::Long => value.kind == Kind::Integer && value.text.len() < 18,
            JsonType::Double => value.kind == Kind::Float,
            _ => value.kind == Kind::Null,
        };
        if !is_covered && widen(known, JsonType::of(value)) {
            self.mixed.insert(name.to_string());
        }
    }

    /// By their names; `schema` is that of the columns.
    fn into_types(self, schema: &Schema) -> (Types, BTreeSet<String>) {
        let mut types = self.others;
        let columns = schema.fields().iter().zip(self.columns);
        types.extend(columns.filter_map(|(field, json_type)| Some((field.name().clone(), json_type?))));
        (types, self.mixed)
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
                async move { second_pass(&chunks, index, &schema, batch_rows, &s3).await }
            })
            .map_ok(|batches| futures::stream::iter(batches.into_iter().map(Ok)))
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }
}

async fn second_pass(
    chunks: &[KeptChunk],
    index: usize,
    schema: &SchemaRef,
    batch_rows: usize,
    s3: &S3,
) -> Result<Vec<RecordBatch>, DataFusionError> {
    let chunk = &chunks[index];
    if let Some(rows) = chunk.rows_with(schema) {
        return Ok(rows.batches.clone());
    }
    let text = chunk.chunk.read(s3).await.map_err(|error| DataFusionError::External(error.into()))?;
    let like = chunks.iter().find_map(|chunk| chunk.rows_with(schema)?.batches.first());
    Ok(build(&text.text, schema, batch_rows, like)?.batches)
}

fn build(text: &str, schema: &SchemaRef, batch_rows: usize, like: Option<&RecordBatch>) -> Result<Rows, ArrowError> {
    let mut building = Building::new(schema, batch_rows, like);
    let mut members = Vec::new();
    for line in lines(text) {
        let scanned = scan_rows(line, &mut members, |members| building.add(members));
        if scanned.is_err() {
            building.add_broken(line);
        }
        building.cut_when_full()?;
    }
    building.finish()
}

/// Rows in the making.
struct Building {
    schema: SchemaRef,
    fields: StructFields,
    batch_rows: usize,
    /// Of the batch that is not full yet.
    rows: usize,
    batches: Vec<RecordBatch>,
}

impl Building {
    /// Batches that are presumably `like` another one.
    fn new(schema: &SchemaRef, batch_rows: usize, like: Option<&RecordBatch>) -> Building {
        let mut fields = StructFields::new(schema.fields());
        if let Some(like) = like.filter(|like| like.schema_ref() == schema) {
            fields.expect_like(like.columns());
        }
        Building { schema: Arc::clone(schema), fields, batch_rows, rows: 0, batches: Vec::new() }
    }

    fn add(&mut self, members: &[Member<'_>]) {
        self.add_and_tell(members, |_, _| ());
    }

    fn add_and_tell<'a>(&mut self, members: &[Member<'a>], seen: impl FnMut(&Member<'a>, Option<usize>)) {
        self.fields.append_and_tell(members, seen);
        self.rows += 1;
    }

    /// Adds a malformed document.
    fn add_broken(&mut self, line: &str) {
        self.fields.append_nulls_but(CORRUPT_RECORD, line);
        self.rows += 1;
    }

    fn cut_when_full(&mut self) -> Result<(), ArrowError> {
        if self.rows >= self.batch_rows {
            self.cut()?;
            if let Some(last) = self.batches.last() {
                self.fields.expect_like(last.columns());
            }
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<(), ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        let columns = self.fields.finish()?;
        self.batches.push(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?);
        Ok(())
    }

    fn finish(mut self) -> Result<Rows, ArrowError> {
        if self.rows > 0 {
            self.cut()?;
        }
        Ok(Rows { schema: self.schema, batches: self.batches })
    }
}
