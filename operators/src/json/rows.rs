//! Rows of one chunk in the making, and the types of the values that went into them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use super::CORRUPT_RECORD;
use super::build::{Sizes, StructFields};
use super::scan::{Document, Kind, Malformed, Member, elements, members, scan_line};
use super::types::{JsonType, to_arrow_fields};

/// The columns that are known, by name.
pub type Types = BTreeMap<String, JsonType>;

/// Adds what was found elsewhere.
pub fn merge(types: &mut Types, others: &Types) {
    for (name, json_type) in others {
        types.entry(name.clone()).or_insert(JsonType::Null).merge(json_type.clone());
    }
}

/// The columns of rows in which values of these types are found.
pub fn schema_of(types: &Types) -> SchemaRef {
    Arc::new(Schema::new(to_arrow_fields(types)))
}

/// Rows of a chunk.
pub struct Rows {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

impl Rows {
    /// The memory that they take.
    pub fn bytes(&self) -> usize {
        self.batches.iter().map(RecordBatch::get_array_memory_size).sum()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }
}

/// The types of the values that were seen.
pub struct Seen {
    /// By the numbers of their columns; none of those that have not been met.
    columns: Vec<Option<JsonType>>,
    /// Those without a column.
    others: Types,
    mixed: BTreeSet<String>,
}

impl Seen {
    /// Nothing yet, of so many columns.
    pub fn of(columns: usize) -> Seen {
        Seen { columns: vec![None; columns], others: Types::new(), mixed: BTreeSet::new() }
    }

    /// Adds a value, and the number of its column if it has one.
    pub fn add(&mut self, Member { name, value, .. }: &Member<'_>, column: Option<usize>) {
        let known = match column {
            Some(number) => self.columns[number].get_or_insert_default(),
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

    /// By their names, and which of them are mixed; `schema` is that of the columns.
    pub fn into_types(self, schema: &Schema) -> (Types, BTreeSet<String>) {
        let mut types = self.others;
        let columns = schema.fields().iter().zip(self.columns);
        types.extend(columns.filter_map(|(field, json_type)| Some((field.name().clone(), json_type?))));
        (types, self.mixed)
    }
}

/// Adds a type to those of a column; true if they have nothing but their text in common.
pub fn widen(known: &mut JsonType, json_type: JsonType) -> bool {
    let was_text = matches!(known, JsonType::Null | JsonType::Text);
    let is_text = matches!(json_type, JsonType::Null | JsonType::Text);
    known.merge(json_type);
    *known == JsonType::Text && !(was_text && is_text)
}

/// Rows in the making.
pub struct Building {
    schema: SchemaRef,
    fields: StructFields,
    batch_rows: usize,
    /// Of the batch that is not full yet.
    rows: usize,
    batches: Vec<RecordBatch>,
}

impl Building {
    /// Batches that are presumably of these sizes.
    pub fn new(schema: &SchemaRef, batch_rows: usize, sizes: Option<&Sizes>) -> Building {
        let mut fields = StructFields::new(schema.fields());
        if let Some(sizes) = sizes {
            fields.expect(&sizes.of_rows(batch_rows));
        }
        Building { schema: Arc::clone(schema), fields, batch_rows, rows: 0, batches: Vec::new() }
    }

    /// Adds the rows of all lines of `text`, tells of their values, and calls `broken` with each malformed document, which
    /// is a row of NULLs.
    pub fn add_lines<'a>(
        &mut self,
        text: &'a str,
        mut seen: impl FnMut(&Member<'a>, Option<usize>),
        mut broken: impl FnMut(&'a str),
    ) -> Result<(), ArrowError> {
        let mut members = Vec::new();
        for line in lines(text) {
            if self.add_line(line, &mut members, &mut seen).is_err() {
                broken(line);
                self.fields.append_nulls_but(CORRUPT_RECORD, line);
                self.rows += 1;
            }
            self.cut_when_full()?;
        }
        Ok(())
    }

    /// Adds the rows of a line: nothing of it, if it is malformed. `room` is used anew.
    fn add_line<'a>(
        &mut self,
        line: &'a str,
        room: &mut Vec<Member<'a>>,
        seen: &mut impl FnMut(&Member<'a>, Option<usize>),
    ) -> Result<(), Malformed> {
        match scan_line(line, self.fields.names(), room)? {
            None => self.add(room, seen),
            Some(Document::Blank) => (),
            Some(Document::Object(object)) => {
                room.clear();
                members(object, room)?;
                self.add(room, seen);
            }
            Some(Document::Array(array)) => {
                let mut objects = Vec::new();
                elements(array, |object| objects.push(object.text))?;
                for object in objects {
                    room.clear();
                    members(object, room)?;
                    self.add(room, seen);
                }
            }
        }
        Ok(())
    }

    fn add<'a>(&mut self, members: &[Member<'a>], seen: &mut impl FnMut(&Member<'a>, Option<usize>)) {
        self.fields.append_and_tell(members, seen);
        self.rows += 1;
    }

    fn cut_when_full(&mut self) -> Result<(), ArrowError> {
        if self.rows >= self.batch_rows {
            self.cut()?;
            if let Some(last) = self.batches.last() {
                self.fields.expect(&Sizes::of(last));
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

    /// All rows.
    pub fn finish(mut self) -> Result<Rows, ArrowError> {
        if self.rows > 0 {
            self.cut()?;
        }
        Ok(Rows { schema: self.schema, batches: self.batches })
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
