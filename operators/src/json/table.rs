//! A set of files of JSON documents as a table of DataFusion.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::future::ready;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::watch;

use super::build::Sizes;
use super::chunk::{Chunk, plan_chunks};
use super::pass::{Found, Guess, LaterPass, ReadReport, first_pass};
use super::rows::{Rows, Types, merge, schema_of, widen};
use super::types::JsonType;
use crate::listing::InputFile;
use crate::location::S3;
use crate::packed;
use crate::room;

/// Rows of the first pass that are kept for the second.
const KEPT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Chunks from which the columns of a large input are told: as many as some megabytes of text, from all over it.
const CHUNKS_AHEAD: usize = 8;

/// How much is looked at before the columns are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// All documents. Rows are kept for those who ask for them, again and again, up to a limit.
    Whole,
    /// A part of them, if there are many. Whether the others have no other columns is found out when they are read, and
    /// [`JsonTable::conclude`] tells. Rows are kept for those who ask first.
    Ahead,
}

/// Files of JSON documents whose schema is known, or [guessed](Look::Ahead).
pub struct JsonTable {
    chunks: Arc<Chunks>,
    files: u64,
    /// Bytes of a row, going by those that were looked at; none if there was none.
    row_bytes: Option<usize>,
}

/// What the partitions of a table share.
struct Chunks {
    all: Arc<Vec<KeptChunk>>,
    types: Types,
    schema: SchemaRef,
    /// Of the rows that were met last.
    sizes: Option<Sizes>,
    look: Look,
    s3: S3,
    /// Whether a chunk has columns that are not those of the schema.
    is_misjudged: AtomicBool,
}

struct KeptChunk {
    chunk: Chunk,
    /// What it adds to the report and to the schema, once it was read.
    found: OnceLock<Found>,
    /// Its rows, with the columns that were known when it was read.
    rows: Mutex<Option<Arc<Rows>>>,
}

impl KeptChunk {
    fn new(chunk: Chunk) -> KeptChunk {
        KeptChunk { chunk, found: OnceLock::new(), rows: Mutex::default() }
    }

    fn keep(&self, rows: Rows) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(rows));
    }

    /// Its rows, if they were kept and have these columns. They are still kept afterwards, if they are not to be taken.
    fn rows_with(&self, schema: &SchemaRef, take: bool) -> Option<Arc<Rows>> {
        let mut kept = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = if take { kept.take() } else { kept.clone() };
        rows.filter(|rows| rows.schema == *schema)
    }
}

impl JsonTable {
    /// Reads as much as `look` says, to learn the columns. `parallelism` chunks are under way at a time, and at most so many
    /// bytes of rows are kept. What is not kept is read again.
    pub async fn open(
        files: &[InputFile],
        s3: &S3,
        parallelism: usize,
        kept_bytes_max: usize,
        look: Look,
    ) -> anyhow::Result<JsonTable> {
        let kept_bytes_max = kept_bytes_max.min(KEPT_BYTES_MAX);
        let texts = packed::plain(files, s3).await?;
        let chunks: Vec<KeptChunk> = plan_chunks(&texts).into_iter().map(KeptChunk::new).collect();
        let looked_at = match look {
            Look::Whole => (0..chunks.len()).collect(),
            Look::Ahead => spread(chunks.len()),
        };
        let chunks = Arc::new(chunks);
        let (known, guess) = watch::channel(Guess::default());
        let mut passes = futures::stream::iter(looked_at)
            .map(|index| {
                let (chunks, s3, guess) = (Arc::clone(&chunks), s3.clone(), guess.clone());
                tokio::spawn(async move { anyhow::Ok((index, first_pass(&chunks[index].chunk, &s3, &guess).await?)) })
            })
            .buffered(parallelism);
        let mut types = Types::new();
        let mut kept_bytes = 0;
        let (mut seen_bytes, mut seen_rows) = (0, 0);
        while let Some(pass) = passes.next().await {
            let (index, (rows, found)) = pass??;
            merge(&mut types, &found.types);
            known.send_modify(|guess| guess.learn(&types, &rows));
            let _ = chunks[index].found.set(found);
            let bytes = rows.bytes();
            seen_bytes += rows.batches.iter().map(room::bytes).sum::<usize>();
            seen_rows += rows.count();
            if kept_bytes + bytes <= kept_bytes_max {
                kept_bytes += bytes;
                chunks[index].keep(rows);
            }
        }
        drop(passes);
        let (schema, sizes) = (schema_of(&types), known.borrow().sizes.clone());
        let is_misjudged = AtomicBool::new(false);
        let chunks = Chunks { all: chunks, types, schema, sizes, look, s3: s3.clone(), is_misjudged };
        let row_bytes = (seen_bytes as u64).checked_div(seen_rows).and_then(|bytes| usize::try_from(bytes).ok());
        Ok(JsonTable { chunks: Arc::new(chunks), files: files.len() as u64, row_bytes })
    }

    /// The columns, in alphabetical order.
    pub fn schema(&self) -> &SchemaRef {
        &self.chunks.schema
    }

    /// Bytes of a row in memory, going by those that were looked at; none if there was none.
    pub fn row_bytes(&self) -> Option<usize> {
        self.row_bytes
    }

    /// Whether all documents have been looked at.
    pub fn is_known(&self) -> bool {
        self.chunks.all.iter().all(|chunk| chunk.found.get().is_some())
    }

    /// Whether documents were met with columns that are not those of the schema.
    pub fn is_misjudged(&self) -> bool {
        self.chunks.is_misjudged.load(Ordering::SeqCst)
    }

    /// Looks at the documents that nobody has read yet. Fails if the columns were misjudged.
    pub async fn conclude(&self) -> anyhow::Result<()> {
        let unknown = self.chunks.all.iter().enumerate().filter(|(_, chunk)| chunk.found.get().is_none());
        let mut room = Vec::new();
        for (index, _) in unknown {
            self.chunks.read(index, usize::MAX, &mut room).await?;
        }
        Ok(())
    }

    /// What was found in the documents that have been looked at.
    pub fn report(&self) -> ReadReport {
        let mut report = ReadReport { files: self.files, ..ReadReport::default() };
        let mut types = Types::new();
        for found in self.chunks.all.iter().filter_map(|chunk| chunk.found.get()) {
            report.add(found);
            for (name, json_type) in &found.types {
                if widen(types.entry(name.clone()).or_insert(JsonType::Null), json_type.clone()) {
                    report.mixed.insert(name.clone());
                }
            }
        }
        report
    }

    /// The rows, in at most `parallelism` partitions.
    pub fn provider(&self, parallelism: usize) -> Result<StreamingTable, DataFusionError> {
        let count = self.chunks.all.len();
        let partitions = parallelism.min(count).max(1);
        let streams = (0..partitions).map(|partition| {
            let indices = (partition..count).step_by(partitions).collect();
            Arc::new(JsonPartition { chunks: Arc::clone(&self.chunks), indices }) as Arc<dyn PartitionStream>
        });
        StreamingTable::try_new(Arc::clone(self.schema()), streams.collect())
    }
}

/// The numbers of some of so many chunks: the first, the last, and some between.
fn spread(count: usize) -> Vec<usize> {
    if count <= 2 * CHUNKS_AHEAD {
        return (0..count).collect();
    }
    (0..CHUNKS_AHEAD).map(|nth| nth * (count - 1) / (CHUNKS_AHEAD - 1)).collect()
}

impl Chunks {
    /// The rows of a chunk: those that were kept, or it is read. `room` is used anew.
    async fn read(
        &self,
        index: usize,
        batch_rows: usize,
        room: &mut Vec<u8>,
    ) -> Result<Vec<RecordBatch>, DataFusionError> {
        let kept = &self.all[index];
        if let Some(rows) = kept.rows_with(&self.schema, self.look == Look::Ahead) {
            return Ok(Arc::try_unwrap(rows).map_or_else(|rows| rows.batches.clone(), |rows| rows.batches));
        }
        let pass = LaterPass { s3: &self.s3, schema: &self.schema, batch_rows, sizes: self.sizes.as_ref() };
        let (rows, found) = pass.read(&kept.chunk, kept.found.get().is_none(), room).await?;
        if let Some(found) = found {
            if !self.covers(&found) {
                self.is_misjudged.store(true, Ordering::SeqCst);
                let message = "there are columns, or types of values, that the documents looked at before do not have";
                return Err(DataFusionError::Execution(message.to_owned()));
            }
            let _ = kept.found.set(found);
        }
        Ok(rows.batches)
    }

    /// Whether the columns are the same with what was found.
    fn covers(&self, found: &Found) -> bool {
        let mut both = self.types.clone();
        merge(&mut both, &found.types);
        both == self.types || schema_of(&both) == self.schema
    }
}

struct JsonPartition {
    chunks: Arc<Chunks>,
    indices: Vec<usize>,
}

impl fmt::Debug for JsonPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonPartition of {} chunks", self.indices.len())
    }
}

impl PartitionStream for JsonPartition {
    fn schema(&self) -> &SchemaRef {
        &self.chunks.schema
    }

    fn execute(&self, ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch_rows = ctx.session_config().batch_size();
        let chunks = Arc::clone(&self.chunks);
        let beginning = (self.indices.clone().into_iter(), Vec::new());
        let stream = futures::stream::try_unfold(beginning, move |(mut indices, mut room)| {
            let chunks = Arc::clone(&chunks);
            async move {
                let Some(index) = indices.next() else { return Ok::<_, DataFusionError>(None) };
                let batches = chunks.read(index, batch_rows, &mut room).await?;
                Ok(Some((futures::stream::iter(batches.into_iter().map(Ok)), (indices, room))))
            }
        });
        // What was kept came in batches of another size.
        let stream = stream.try_flatten().and_then(move |batch| ready(room::parts(&batch, batch_rows)));
        let stream = stream.map_ok(|parts| futures::stream::iter(parts.into_iter().map(Ok))).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.chunks.schema), stream))
    }
}
