//! Reads one chunk: makes rows of it, and finds the types of its values.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use tokio::sync::watch;

use super::CORRUPT_RECORD;
use super::build::Sizes;
use super::chunk::{Chunk, ChunkText};
use super::rows::{Building, Rows, Seen, Types, merge, schema_of};
use super::types::JsonType;
use crate::location::S3;

/// Rows of a kept batch.
const KEPT_BATCH_ROWS: usize = 8192;
/// Places of malformed documents that are told; the rest is counted.
const BROKEN_PLACES_MAX: usize = 5;

/// What was found in files of JSON documents.
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

impl ReadReport {
    /// Adds what was found in the next chunk.
    pub(super) fn add(&mut self, found: &Found) {
        self.rows += found.rows;
        self.broken += found.broken;
        self.broken_places.extend_from_slice(&found.broken_places);
        self.broken_places.truncate(BROKEN_PLACES_MAX);
        self.mixed.extend(found.mixed.iter().cloned());
    }

    /// Adds what was found in other files.
    pub fn join(&mut self, other: ReadReport) {
        self.files += other.files;
        self.rows += other.rows;
        self.broken += other.broken;
        self.broken_places.extend(other.broken_places);
        self.broken_places.truncate(BROKEN_PLACES_MAX);
        self.mixed.extend(other.mixed);
    }
}

/// What one chunk adds to the report and to the schema.
#[derive(Debug)]
pub struct Found {
    rows: u64,
    broken: u64,
    broken_places: Vec<String>,
    pub types: Types,
    mixed: BTreeSet<String>,
}

/// What a chunk will be like, going by those before.
#[derive(Clone, Default)]
pub struct Guess {
    types: Arc<Types>,
    pub sizes: Option<Sizes>,
}

impl Guess {
    /// Takes in the columns that are known now, and the rows of a chunk.
    pub fn learn(&mut self, types: &Types, rows: &Rows) {
        if *self.types != *types {
            self.types = Arc::new(types.clone());
        }
        if let Some(first) = rows.batches.first() {
            self.sizes = Some(Sizes::of(first));
        }
    }
}

/// Reads a chunk: finds the types of its values and, in the same go, makes rows of it with the columns that were found in
/// the chunks before. Where the chunk has others, they are made once more.
pub async fn first_pass(chunk: &Chunk, s3: &S3, guess: &watch::Receiver<Guess>) -> anyhow::Result<(Rows, Found)> {
    let text = chunk.read(s3, Vec::new()).await?;
    let guess = Guess::clone(&guess.borrow());
    let schema = schema_of(&guess.types);
    let (mut rows, found) = build_and_find(chunk, &text, &schema, KEPT_BATCH_ROWS, guess.sizes.as_ref())?;
    let mut both = Types::clone(&guess.types);
    merge(&mut both, &found.types);
    if both != *guess.types {
        rows = build(&text.text, &schema_of(&both), KEPT_BATCH_ROWS, None)?;
    }
    Ok((rows, found))
}

/// How chunks are read whose columns are known, or presumably so.
pub struct LaterPass<'a> {
    pub s3: &'a S3,
    pub schema: &'a SchemaRef,
    pub batch_rows: usize,
    pub sizes: Option<&'a Sizes>,
}

impl LaterPass<'_> {
    /// Reads a chunk, and `finds` out what its columns really are. `room` is used anew.
    pub async fn read(
        &self,
        chunk: &Chunk,
        finds: bool,
        room: &mut Vec<u8>,
    ) -> Result<(Rows, Option<Found>), DataFusionError> {
        let text = chunk.read(self.s3, std::mem::take(room)).await;
        let text = text.map_err(|error| DataFusionError::External(error.into()))?;
        let read = if finds {
            let (rows, found) = build_and_find(chunk, &text, self.schema, self.batch_rows, self.sizes)?;
            (rows, Some(found))
        } else {
            (build(&text.text, self.schema, self.batch_rows, self.sizes)?, None)
        };
        *room = text.text.into_bytes();
        Ok(read)
    }
}

/// Rows with these columns, and what would be the right ones.
fn build_and_find(
    chunk: &Chunk,
    ChunkText { text, starts }: &ChunkText,
    schema: &SchemaRef,
    batch_rows: usize,
    sizes: Option<&Sizes>,
) -> Result<(Rows, Found), DataFusionError> {
    let mut seen = Seen::of(schema.fields().len());
    let (mut broken, mut broken_places) = (0, Vec::new());
    let mut building = Building::new(schema, batch_rows, sizes);
    let is_broken = |line: &str| {
        broken += 1;
        if broken_places.len() < BROKEN_PLACES_MAX {
            let at = line.as_ptr().addr() - text.as_ptr().addr();
            broken_places.push(chunk.file_at(starts, at).to_string());
        }
    };
    building.add_lines(text, |member, column| seen.add(member, column), is_broken)?;
    let rows = building.finish()?;
    let (mut types, mixed) = seen.into_types(schema);
    if broken > 0 {
        types.insert(CORRUPT_RECORD.to_owned(), JsonType::Text);
    }
    let found = Found { rows: rows.count(), broken, broken_places, types, mixed };
    Ok((rows, found))
}

fn build(text: &str, schema: &SchemaRef, batch_rows: usize, sizes: Option<&Sizes>) -> Result<Rows, DataFusionError> {
    let mut building = Building::new(schema, batch_rows, sizes);
    building.add_lines(text, |_, _| (), |_| ())?;
    Ok(building.finish()?)
}
