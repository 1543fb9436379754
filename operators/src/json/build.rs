//! Fills Arrow arrays from the values of documents.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray as _, BooleanBuilder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder, ListArray,
    NullBufferBuilder, RecordBatch, StringBuilder, StructArray,
};
use datafusion::arrow::buffer::{OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{DataType, FieldRef, Fields};
use datafusion::arrow::error::ArrowError;

use super::anew::written_anew;
use super::names::Names;
use super::scan::{Kind, Member, Value, elements, members};

/// A column, or a part of one, that grows.
pub enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Decimal(Decimal128Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    /// Text of values that are written anew.
    AnewText(StringBuilder),
    List {
        field: FieldRef,
        values: Box<ColumnBuilder>,
        offsets: Vec<i32>,
        length: i32,
        nulls: NullBufferBuilder,
    },
    Struct {
        fields: StructFields,
        nulls: NullBufferBuilder,
    },
}

/// The members of a struct, by name.
pub struct StructFields {
    fields: Fields,
    builders: Vec<ColumnBuilder>,
    names: Names,
    /// For each column, which member of the object at hand it takes; room that is used anew.
    taken: Vec<Option<usize>>,
}

/// How large a batch is.
#[derive(Clone)]
pub struct Sizes {
    rows: usize,
    /// Of columns of text, by name.
    text_bytes: HashMap<String, usize>,
}

impl Sizes {
    pub fn of(batch: &RecordBatch) -> Sizes {
        let columns = batch.schema_ref().fields().iter().zip(batch.columns());
        let texts = columns.filter_map(|(field, column)| Some((field, column.as_string_opt::<i32>()?)));
        let text_bytes = texts.map(|(field, texts)| (field.name().clone(), texts.value_data().len())).collect();
        Sizes { rows: batch.num_rows(), text_bytes }
    }

    /// Of a batch like that with at most so many rows.
    pub fn of_rows(&self, rows_max: usize) -> Sizes {
        let rows = self.rows.min(rows_max);
        let part = |bytes: usize| bytes.saturating_mul(rows).checked_div(self.rows).unwrap_or_default();
        let text_bytes = self.text_bytes.iter().map(|(name, bytes)| (name.clone(), part(*bytes)));
        Sizes { rows, text_bytes: text_bytes.collect() }
    }
}

impl StructFields {
    pub fn new(fields: &Fields) -> StructFields {
        let builders = fields.iter().map(|field| ColumnBuilder::new(field.data_type())).collect();
        let names = fields.iter().map(|field| field.name().as_str()).collect();
        StructFields { fields: fields.clone(), builders, names, taken: vec![None; fields.len()] }
    }

    /// The same, with the values of text columns written anew, as `from_json` has them.
    pub fn anew(fields: &Fields) -> StructFields {
        let mut made = StructFields::new(fields);
        for builder in &mut made.builders {
            if matches!(builder, ColumnBuilder::Text(_)) {
                *builder = ColumnBuilder::AnewText(StringBuilder::new());
            }
        }
        made
    }

    /// Appends one object. The scanner has accepted its text before, so that there is nothing left to fail.
    pub fn append_object(&mut self, object: &str) {
        let mut found = Vec::with_capacity(self.builders.len());
        let _ = members(object, &mut found);
        self.append_members(&found);
    }

    /// Appends the object that has these members. Members without a column are passed over, columns without a member are
    /// NULL, and of members that are given twice the last one counts.
    pub fn append_members(&mut self, members: &[Member<'_>]) {
        self.append_and_tell(members, |_, _| ());
    }

    /// The same; `seen` is told of each member, and the number of its column if it has one.
    pub fn append_and_tell<'a>(&mut self, members: &[Member<'a>], mut seen: impl FnMut(&Member<'a>, Option<usize>)) {
        self.taken.fill(None);
        for (position, member) in members.iter().enumerate() {
            let column = member.number.or_else(|| self.names.find(position, &member.name));
            if let Some(at) = column {
                self.taken[at] = Some(position);
            }
            seen(member, column);
        }
        for (builder, taken) in self.builders.iter_mut().zip(&self.taken) {
            builder.append(taken.map(|position| members[position].value));
        }
    }

    /// The names of the columns.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Appends a row of NULLs, and `text` in the column `name` if there is such a column.
    pub fn append_nulls_but(&mut self, name: &str, text: &str) {
        let at = self.names.get(name);
        for (index, builder) in self.builders.iter_mut().enumerate() {
            let value = (Some(index) == at).then_some(Value { kind: Kind::Text { escaped: false }, text });
            builder.append(value);
        }
    }

    /// Makes room for so much text, so that it need not be moved as it grows.
    pub fn expect(&mut self, sizes: &Sizes) {
        for (field, builder) in self.fields.iter().zip(&mut self.builders) {
            if let (ColumnBuilder::Text(builder), Some(bytes)) = (builder, sizes.text_bytes.get(field.name())) {
                let and_some = |number: usize| number + number / 16;
                *builder = StringBuilder::with_capacity(and_some(sizes.rows), and_some(*bytes));
            }
        }
    }

    /// Appends a row of NULLs.
    pub fn append_nulls(&mut self) {
        self.builders.iter_mut().for_each(|builder| builder.append(None));
    }

    pub fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.builders.iter_mut().map(ColumnBuilder::finish).collect()
    }
}

impl ColumnBuilder {
    fn new(data_type: &DataType) -> ColumnBuilder {
        match data_type {
            DataType::Boolean => ColumnBuilder::Boolean(BooleanBuilder::new()),
            DataType::Int32 => ColumnBuilder::Int(Int32Builder::new()),
            DataType::Int64 => ColumnBuilder::Long(Int64Builder::new()),
            DataType::Decimal128(..) => {
                ColumnBuilder::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()))
            }
            DataType::Float64 => ColumnBuilder::Double(Float64Builder::new()),
            DataType::List(field) => ColumnBuilder::List {
                field: Arc::clone(field),
                values: Box::new(ColumnBuilder::new(field.data_type())),
                offsets: vec![0],
                length: 0,
                nulls: NullBufferBuilder::new(0),
            },
            DataType::Struct(fields) => {
                ColumnBuilder::Struct { fields: StructFields::new(fields), nulls: NullBufferBuilder::new(0) }
            }
            _ => ColumnBuilder::Text(StringBuilder::new()),
        }
    }

    /// Appends a value; one that does not fit the type is NULL (inference has widened the type, so that all fit).
    fn append(&mut self, value: Option<Value<'_>>) {
        let value = value.filter(|value| value.kind != Kind::Null);
        match self {
            ColumnBuilder::Boolean(builder) => builder.append_option(value.and_then(|value| match value.kind {
                Kind::True => Some(true),
                Kind::False => Some(false),
                _ => None,
            })),
            ColumnBuilder::Int(builder) => builder.append_option(value.and_then(integer)),
            ColumnBuilder::Long(builder) => builder.append_option(value.and_then(integer)),
            ColumnBuilder::Decimal(builder) => builder.append_option(value.and_then(integer)),
            ColumnBuilder::Double(builder) => builder.append_option(value.and_then(double)),
            ColumnBuilder::Text(builder) => builder.append_option(value.map(|value| value.as_text())),
            ColumnBuilder::AnewText(builder) => builder.append_option(value.map(|value| written_anew(&value))),
            ColumnBuilder::List { values, offsets, length, nulls, .. } => {
                let array = value.filter(|value| value.kind == Kind::Array);
                nulls.append(array.is_some());
                if let Some(array) = array {
                    let _ = elements(array.text, |element| {
                        values.append(Some(element));
                        *length += 1;
                    });
                }
                offsets.push(*length);
            }
            ColumnBuilder::Struct { fields, nulls } => {
                let object = value.filter(|value| value.kind == Kind::Object);
                nulls.append(object.is_some());
                match object {
                    Some(object) => fields.append_object(object.text),
                    None => fields.append_nulls(),
                }
            }
        }
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            ColumnBuilder::Boolean(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Int(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Long(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Decimal(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Double(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Text(builder) | ColumnBuilder::AnewText(builder) => Arc::new(builder.finish()),
            ColumnBuilder::List { field, values, offsets, length, nulls } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, vec![0])));
                *length = 0;
                Arc::new(ListArray::try_new(Arc::clone(field), offsets, values.finish()?, nulls.finish())?)
            }
            ColumnBuilder::Struct { fields, nulls } => {
                let arrays = fields.finish()?;
                Arc::new(StructArray::try_new(fields.fields.clone(), arrays, nulls.finish())?)
            }
        })
    }
}

/// An integer; a text that holds one is a text.
fn integer<T: FromStr>(value: Value<'_>) -> Option<T> {
    if value.kind == Kind::Integer { value.text.parse().ok() } else { None }
}

/// A number, or what Spark has in a text for those that JSON has not.
fn double(value: Value<'_>) -> Option<f64> {
    match (value.kind, value.text) {
        (Kind::Integer | Kind::Float, text) => text.parse().ok(),
        (Kind::Text { .. }, "NaN") => Some(f64::NAN),
        (Kind::Text { .. }, "Infinity" | "+Infinity" | "+INF") => Some(f64::INFINITY),
        (Kind::Text { .. }, "-Infinity" | "-INF") => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
