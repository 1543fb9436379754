//! Rows of a database as JSON documents.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use bytes::Bytes;

use super::super::Sender;
use super::CHUNK_ROWS;
use crate::database::{AnyRow, Cell, RowSink};
use crate::emulation::args::TimeStyle;

/// Writes rows as documents, and sends those on in chunks.
pub(super) struct Documents<'a> {
    times: TimeStyle,
    chunk: Vec<Bytes>,
    sender: &'a Sender,
}

impl<'a> Documents<'a> {
    pub(super) fn new(times: TimeStyle, sender: &'a Sender) -> Documents<'a> {
        Documents { times, chunk: Vec::with_capacity(CHUNK_ROWS), sender }
    }
}

impl RowSink for Documents<'_> {
    fn push(&mut self, row: AnyRow<'_>) -> Result<bool, sqlx::Error> {
        self.chunk.push(Bytes::from(document(row, self.times)?));
        Ok(self.chunk.len() == CHUNK_ROWS)
    }

    async fn pass_on(&mut self) -> bool {
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_ROWS));
        self.sender.send(Ok(full)).await.is_ok()
    }
}

fn document(row: AnyRow<'_>, times: TimeStyle) -> Result<Vec<u8>, sqlx::Error> {
    let mut out = vec![b'{'];
    for index in 0..row.width() {
        if index > 0 {
            out.push(b',');
        }
        write_text(&mut out, row.name(index));
        out.push(b':');
        match row.cell(index)? {
            Cell::Null => write(&mut out, Kind::Text, None, times),
            Cell::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Cell::Real(number) => out.extend_from_slice(serde_json::Value::from(number).to_string().as_bytes()),
            Cell::Written(value) => write(&mut out, kind_of(row, index)?, Some(value), times),
        }
    }
    out.push(b'}');
    Ok(out)
}

fn kind_of(row: AnyRow<'_>, index: usize) -> Result<Kind, sqlx::Error> {
    if let AnyRow::Sqlite(_) = row {
        // Text of a column that was made for dates with a time is one.
        return Ok(match Kind::of(&row.declared_type(index)) {
            Kind::Time => Kind::Time,
            _ => Kind::Text,
        });
    }
    Ok(Kind::of(&row.type_name(index)?))
}

/// What a column holds, as far as JSON makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Numbers, written as the server writes them.
    Number,
    /// `t` and `f`.
    Truth,
    /// Dates with a time.
    Time,
    /// Documents, which stand as they are.
    Json,
    /// Anything else.
    Text,
}

impl Kind {
    /// By the name that the server has for a type.
    fn of(name: &str) -> Kind {
        let name = name.trim_end_matches(" UNSIGNED");
        match name {
            "TINYINT" | "SMALLINT" | "INT" | "MEDIUMINT" | "BIGINT" | "FLOAT" | "DOUBLE" | "DECIMAL" | "BOOLEAN"
            | "YEAR" | "INT2" | "INT4" | "INT8" | "FLOAT4" | "FLOAT8" | "NUMERIC" | "OID" => Kind::Number,
            "BOOL" => Kind::Truth,
            "DATETIME" | "TIMESTAMP" | "TIMESTAMPTZ" => Kind::Time,
            "JSON" | "JSONB" => Kind::Json,
            _ => Kind::Text,
        }
    }
}

/// Appends a value that the server wrote as text.
fn write(out: &mut Vec<u8>, kind: Kind, value: Option<&[u8]>, times: TimeStyle) {
    let Some(value) = value else { return out.extend_from_slice(b"null") };
    let Ok(text) = std::str::from_utf8(value) else { return write_text(out, &STANDARD.encode(value)) };
    match kind {
        // `NaN` and `Infinity` are no numbers of JSON.
        Kind::Number if serde_json::from_str::<serde_json::Number>(text).is_ok() => out.extend_from_slice(value),
        Kind::Truth if matches!(text, "t" | "f") => {
            out.extend_from_slice(if text == "t" { b"true" } else { b"false" });
        }
        Kind::Time => {
            let style = match times {
                TimeStyle::Iso => text.replacen(' ', "T", 1),
                TimeStyle::Blank => text.to_owned(),
            };
            write_text(out, &style);
        }
        // Newlines are only between tokens: within texts they are escaped.
        Kind::Json if !text.trim().is_empty() => out.extend(value.iter().filter(|byte| **byte != b'\n')),
        _ => write_text(out, text),
    }
}

/// Appends a text as JSON writes it.
fn write_text(out: &mut Vec<u8>, text: &str) {
    // A `Vec` takes everything.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: &str, value: &[u8], times: TimeStyle) -> String {
        let mut out = Vec::new();
        write(&mut out, Kind::of(kind), Some(value), times);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_stand_as_the_server_writes_them() {
        for (kind, value, json) in [
            ("BIGINT", "7528", "7528"),
            ("INT UNSIGNED", "7", "7"),
            ("FLOAT", "-89.9787", "-89.9787"),
            ("NUMERIC", "NaN", "\"NaN\""),
            ("TEXT", "say \"hi\"", "\"say \\\"hi\\\"\""),
            ("BOOL", "t", "true"),
            ("DATETIME", "2018-03-04 05:06:07", "\"2018-03-04T05:06:07\""),
            ("JSON", "{\"a\": [1]}", "{\"a\": [1]}"),
            ("DATE", "2018-03-04", "\"2018-03-04\""),
        ] {
            assert_eq!(written(kind, value.as_bytes(), TimeStyle::Iso), json, "{kind}");
        }
        assert_eq!(written("TIMESTAMP", b"2018-03-04 05:06:07", TimeStyle::Blank), "\"2018-03-04 05:06:07\"");
        assert_eq!(written("BLOB", b"\xff\x00", TimeStyle::Iso), "\"/wA=\"");
    }
}
