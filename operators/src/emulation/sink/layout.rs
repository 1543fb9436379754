//! The layout of Kafka Connect's S3 sink: `{topic}/partition=0/{topic}+0+{offset}.json`.

use bytes::Bytes;

use crate::emulation::parcel::Parcel;
use crate::emulation::table::{PerTable, Table};

/// The folder of a topic's one partition.
pub(super) const PARTITION: &str = "partition=0";

/// The topics of a user, and the offsets of their first rows.
#[derive(Clone, Debug)]
pub(in crate::emulation) struct Layout {
    /// Begins the topics' names.
    pub user_id: String,
    /// Records an object.
    pub flush_size: u64,
    /// Whether the objects of earlier runs stay.
    pub continues: bool,
}

impl Layout {
    pub(super) fn topic(&self, table: Table) -> String {
        table.topic(&self.user_id)
    }

    /// The name of the object that begins with the record at `offset`.
    pub(super) fn object_name(&self, table: Table, offset: u64) -> String {
        format!("{}+0+{offset:010}.json", self.topic(table))
    }

    /// The offset that the name of an object says.
    pub(super) fn offset_of(&self, table: Table, name: &str) -> Option<u64> {
        let topic = self.topic(table);
        let digits = name.strip_prefix(topic.as_str())?.strip_prefix("+0+")?.strip_suffix(".json")?;
        let offset = digits.parse().ok()?;
        (name == self.object_name(table, offset)).then_some(offset)
    }
}

/// The offsets of the first rows, once they are known.
pub(super) type Bases = std::sync::OnceLock<PerTable<u64>>;

/// What an object holds: a JSON document and a newline for each row.
pub(super) fn content(parcel: &Parcel) -> impl Iterator<Item = Bytes> + '_ {
    parcel.rows.iter().flat_map(|row| [row.document.clone(), Bytes::from_static(b"\n")])
}

/// How many records an object holds.
pub(super) fn records_of(content: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', content).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_sink() {
        let layout = Layout { user_id: "0a3db223d459".to_owned(), flush_size: 1, continues: false };
        assert_eq!(layout.object_name(Table::Pin, 42), "0a3db223d459.pin+0+0000000042.json");
        for (name, offset) in [
            ("0a3db223d459.pin+0+0000000042.json", Some(42)),
            ("0a3db223d459.pin+0+42.json", None),
            ("0a3db223d459.pin+1+0000000042.json", None),
            ("0a3db223d459.geo+0+0000000042.json", None),
            ("_SUCCESS", None),
        ] {
            assert_eq!(layout.offset_of(Table::Pin, name), offset, "{name}");
        }
    }
}
