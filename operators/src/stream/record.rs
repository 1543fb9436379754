//! Records as rows: what Spark's `from_json` makes of a document with a schema (PERMISSIVE, ANSI off).
//!
//! A member that is not named is passed over, one that is missing is NULL, and one of another type, too; a text column takes
//! numbers, objects and arrays, which are written anew. What is no object at all is a row of NULLs: also an array of objects, which
//! Spark's reader of files takes for several rows.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;

use super::args::Broken;
use crate::json::{Document, StructFields, scan_document};

/// It may begin a file, where it is passed over, but not a record: Spark's `from_json` reads none behind it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The rows of some records, and how many of them were no objects.
pub(super) fn rows(records: &[Bytes], schema: &SchemaRef, broken: Broken) -> Result<(RecordBatch, u64), ArrowError> {
    let mut fields = StructFields::anew(schema.fields());
    let (mut rows, mut broken_records) = (0, 0);
    for record in records {
        let text = std::str::from_utf8(record).ok().filter(|text| !text.starts_with(BYTE_ORDER_MARK));
        match text.map(|text| scan_document(text.trim())) {
            Some(Ok(Document::Object(object))) => fields.append_object(object),
            _ => {
                broken_records += 1;
                if broken == Broken::Drop {
                    continue;
                }
                fields.append_nulls();
            }
        }
        rows += 1;
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok((RecordBatch::try_new_with_options(Arc::clone(schema), fields.finish()?, &options)?, broken_records))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::arrow::util::pretty::pretty_format_batches;

    use super::*;

    #[test]
    fn records_become_what_from_json_makes_of_them() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("age", DataType::Int64, true),
        ]));
        let records = [
            r#"{"age": 20, "name": "Ada", "more": 1}"#,
            r#"{"name": 20.5}"#,
            r#"{"name": {"a": [1]}, "age": "20"}"#,
            r#"[{"name": "in an array"}]"#,
            "\u{feff}{\"name\": \"behind a mark\"}",
            r#"{"name": "#,
            "",
        ]
        .map(|text| Bytes::copy_from_slice(text.as_bytes()));

        let (batch, broken) = rows(&records, &schema, Broken::Keep).unwrap();

        let table = pretty_format_batches(&[batch]).unwrap().to_string();
        let lines: Vec<&str> = table.lines().skip(3).collect();
        assert_eq!(
            lines,
            [
                "| Ada       | 20  |",
                "| 20.5      |     |",
                "| {\"a\":[1]} |     |",
                "|           |     |",
                "|           |     |",
                "|           |     |",
                "|           |     |",
                "+-----------+-----+",
            ]
        );
        assert_eq!(broken, 4);
        let (batch, broken) = rows(&records, &schema, Broken::Drop).unwrap();
        assert_eq!((batch.num_rows(), broken), (3, 4));
    }
}
