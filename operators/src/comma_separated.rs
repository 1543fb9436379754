//! CSV: its columns, as Spark calls them, and what is wrong with a file that cannot be read.

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::arrow::error::ArrowError;

/// The same columns, called as Spark calls them: one without a name by its position (`_c1`), and those whose names differ in
/// case at most by their names with their positions (`age0`, `Age3`).
pub fn named(schema: &Schema) -> Schema {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for field in schema.fields() {
        *times.entry(field.name().to_lowercase()).or_default() += 1;
    }
    let name = |at: usize, name: &str| match name {
        "" => format!("_c{at}"),
        name if times[&name.to_lowercase()] > 1 => format!("{name}{at}"),
        name => name.to_owned(),
    };
    let fields = schema.fields().iter().enumerate();
    let fields = fields.map(|(at, field)| field.as_ref().clone().with_name(name(at, field.name())));
    Schema::new(fields.collect::<Vec<_>>())
}

/// The same columns, all of text: rules say what is a number.
pub fn all_text(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true)).collect::<Vec<_>>())
}

/// The same columns of the types that the texts in these rows have; of text, where there is none.
pub fn typed(schema: &Schema, rows: &[RecordBatch]) -> Result<Schema, ArrowError> {
    let mut text = Vec::new();
    let mut writer = WriterBuilder::new().with_header(false).build(&mut text);
    rows.iter().try_for_each(|batch| writer.write(batch))?;
    drop(writer);
    let (found, _) = Format::default().infer_schema(text.as_slice(), None)?;
    let typed = |(field, found): (&FieldRef, Option<&FieldRef>)| {
        let found = found.map_or(&DataType::Null, |found| found.data_type());
        Field::new(field.name(), if found.is_null() { DataType::Utf8 } else { found.clone() }, true)
    };
    let found = found.fields().iter().map(Some).chain(std::iter::repeat(None));
    Ok(Schema::new(schema.fields().iter().zip(found).map(typed).collect::<Vec<_>>()))
}

/// Whether it is the text of a file of CSV that stopped its reading.
pub fn is_about_text(reason: &str) -> bool {
    reason.contains("incorrect number of fields") || is_about_letters(reason)
}

fn is_about_letters(reason: &str) -> bool {
    ["UTF-8 error while reading CSV", "invalid UTF-8 data for line"].iter().any(|words| reason.contains(words))
}

/// What to say of such a file.
pub fn complaint(file: &str, reason: &str) -> String {
    let cure = if is_about_letters(reason) {
        "; CSV is read as UTF-8 alone: write it anew, for example with `iconv -f latin1 -t utf-8`"
    } else {
        ""
    };
    format!("`{file}` cannot be read as csv: {reason}{cure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_without_a_name_of_their_own_are_told_apart_by_their_positions() {
        let field = |name: &&str| Field::new(*name, DataType::Int64, true);
        let schema = Schema::new(["age", "", "name", "AGE"].iter().map(field).collect::<Vec<_>>());

        let named = all_text(&named(&schema));

        let names: Vec<&str> = named.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["age0", "_c1", "name", "AGE3"]);
        assert!(named.fields().iter().all(|field| *field.data_type() == DataType::Utf8));
    }
}
