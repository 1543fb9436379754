//! How much memory a data task may use.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a task may use unless its DAG file says otherwise. Beyond it, sorting, joining and grouping spill to disk.
const DEFAULT_BYTES: usize = 1024 * 1024 * 1024;

/// Of so many parts of the memory of a partition one is for a batch. A join of sorted rows has two sorts in each, every one of them
/// holds some batches, and what it holds counts twice, because what rows are sorted by is held besides.
const BATCHES: usize = 64;
/// Bytes of a row of which nothing is known.
const ROW_BYTES: usize = 256;
/// Of fewer rows batches cost more than they save. Rows that are so long that this is too much hardly fit in any case.
const BATCH_ROWS_MIN: usize = 16;

/// Rows of a batch of those who may use so much memory in so many partitions, and know nothing of their rows: at most as many as
/// are `sensible`.
pub fn batch_rows(memory_bytes: usize, partitions: usize, sensible: usize) -> usize {
    batch_rows_of(memory_bytes, partitions, ROW_BYTES).min(sensible)
}

/// Rows of a batch of those who may use so much memory in so many partitions, where a row has so many bytes.
pub fn batch_rows_of(memory_bytes: usize, partitions: usize, row_bytes: usize) -> usize {
    (memory_bytes / (BATCHES * partitions.max(1)) / row_bytes.max(1)).max(BATCH_ROWS_MIN)
}

/// A size such as `512MB` or `2GiB`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// The size.
    pub bytes: usize,
}

impl Default for MemoryLimit {
    fn default() -> MemoryLimit {
        MemoryLimit { bytes: DEFAULT_BYTES }
    }
}

impl FromStr for MemoryLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<MemoryLimit, String> {
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
        let unit: usize = match text[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1024,
            "m" | "mb" | "mib" => 1024 * 1024,
            "g" | "gb" | "gib" => 1024 * 1024 * 1024,
            _ => return Err(format!("`{text}` is no size; write `512MB` or `2GB`")),
        };
        let bytes = text[..digits].parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
        match bytes {
            Some(bytes) if bytes > 0 => Ok(MemoryLimit { bytes }),
            _ => Err(format!("`{text}` is no size; write `512MB` or `2GB`")),
        }
    }
}

impl<'de> Deserialize<'de> for MemoryLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MemoryLimit, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bytes(u64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Bytes(bytes) => bytes.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// As people write it, for those who read what the default is.
impl Serialize for MemoryLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const UNITS: [(usize, &str); 3] = [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];
        match UNITS.iter().find(|(size, _)| self.bytes.is_multiple_of(*size)) {
            Some((size, unit)) => serializer.collect_str(&format_args!("{}{unit}", self.bytes / size)),
            None => serializer.serialize_u64(self.bytes as u64),
        }
    }
}

impl JsonSchema for MemoryLimit {
    fn schema_name() -> Cow<'static, str> {
        "MemoryLimit".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "size",
            "description": "A size such as `512MB` or `2GB`, or a number of bytes.",
            "type": ["string", "integer"],
            "minimum": 1
        })
    }
}
