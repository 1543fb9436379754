//! The three tables of the pipeline, and the names that their rows have on the way.

use std::fmt;

/// One of the tables whose rows are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Posts.
    Pin,
    /// Where and when each was posted.
    Geo,
    /// Who posted it.
    User,
}

impl Table {
    /// In the order in which they are posted.
    pub(super) const ALL: [Table; 3] = [Table::Pin, Table::Geo, Table::User];

    /// Its short name, which ends the topic's.
    pub(super) fn name(self) -> &'static str {
        match self {
            Table::Pin => "pin",
            Table::Geo => "geo",
            Table::User => "user",
        }
    }

    /// The file that a source folder holds its rows in.
    pub(super) fn file(self) -> String {
        format!("{self}.jsonl")
    }

    /// The Kafka topic that its rows are posted to.
    pub(super) fn topic(self, user_id: &str) -> String {
        format!("{user_id}.{self}")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The folder of a topic's one partition.
pub(super) const PARTITION: &str = "partition=0";

/// The name of the object that begins with the record at `offset`, as Kafka Connect's S3 sink forms it.
pub(super) fn object_name(topic: &str, offset: u64) -> String {
    format!("{topic}+0+{offset:010}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_sink() {
        let topic = Table::Pin.topic("0a3db223d459");
        assert_eq!(topic, "0a3db223d459.pin");
        assert_eq!(object_name(&topic, 42), "0a3db223d459.pin+0+0000000042.json");
        assert_eq!(Table::User.file(), "user.jsonl");
    }
}
