//! A value of a database as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::emulation::args::TimeStyle;

/// What a column holds, as far as JSON makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
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
    pub(super) fn of(name: &str) -> Kind {
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
pub(super) fn write(out: &mut Vec<u8>, kind: Kind, value: Option<&[u8]>, times: TimeStyle) {
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
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
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
