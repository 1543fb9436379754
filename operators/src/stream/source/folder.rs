//! Objects of one topic, as Kafka Connect's S3 sink lays them out: `partition=0/<topic>+0+0000000042.json`.
//!
//! The name of an object tells the offset of its first record, and its lines how many there are. What is new is what begins
//! at the next offset or after it; so nothing has to be remembered but one offset for each partition.
//!
//! An object is complete when it is seen, as Kafka Connect puts it there. Only of one that gzip packed can it be told that it
//! is not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::ErrorKind;

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::ObjectStoreExt as _;

use super::{Looked, Source};
use crate::listing::list_files;
use crate::location::{Location, Opened, S3};
use crate::packed;
use crate::requests::Trouble;
use crate::stream::position::{Position, Positions};

/// A folder of a topic.
pub(super) struct Folder {
    location: Location,
    s3: S3,
    /// The next offset, by partition.
    next: BTreeMap<String, i64>,
    /// Objects that were found and not read yet, in the order of their offsets.
    found: VecDeque<Object>,
}

struct Object {
    partition: String,
    offset: i64,
    location: Location,
}

impl Folder {
    pub(super) fn new(location: Location, s3: S3) -> Folder {
        Folder { location, s3, next: BTreeMap::new(), found: VecDeque::new() }
    }

    async fn list(&self) -> Result<Vec<Object>, Trouble> {
        let files = list_files(&self.location, &self.s3).await.map_err(Trouble::passing)?;
        let object = |location: Location| match read_name(location.file_name()) {
            Some((partition, offset)) => Ok(Object { partition, offset, location }),
            None => Err(Trouble::lasting(anyhow!(
                "`{location}` is not named as Kafka Connect names objects (`<topic>+<partition>+<offset>.json`); read \
                 other files with `clean` and `incremental: true`"
            ))),
        };
        files.into_iter().map(|file| object(file.location)).collect()
    }

    async fn read(&self, object: &Object) -> Result<Vec<Bytes>, Trouble> {
        let reading = || format!("`{}` cannot be read", object.location);
        let opened = object.location.open(&self.s3).with_context(reading).map_err(Trouble::lasting)?;
        let Opened { store, prefix } = opened;
        let got = store.get(&prefix).await.with_context(reading).map_err(Trouble::passing)?;
        let mut bytes = got.bytes().await.with_context(reading).map_err(Trouble::passing)?;
        if packed::is_packed(object.location.file_name()) {
            bytes = packed::unpacked(&bytes).map_err(|error| not_unpacked(&object.location, error))?;
        }
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        Ok(lines.map(|line| bytes.slice_ref(line)).collect())
    }
}

#[async_trait]
impl Source for Folder {
    fn shown(&self) -> String {
        format!("the objects in {}", self.location)
    }

    async fn parts(&mut self) -> Result<Vec<String>, Trouble> {
        let partitions: BTreeSet<String> = self.list().await?.into_iter().map(|object| object.partition).collect();
        Ok(partitions.into_iter().collect())
    }

    async fn begin(&mut self, positions: &Positions) -> Result<Positions, Trouble> {
        let offset = |(part, position): (&String, &Position)| match position {
            Position::Offset(offset) => Some((part.clone(), *offset)),
            Position::After(_) | Position::Since(_) | Position::Ended => None,
        };
        self.next = positions.0.iter().filter_map(offset).collect();
        Ok(Positions::default())
    }

    async fn look(&mut self, room: usize) -> Result<Looked, Trouble> {
        if self.found.is_empty() {
            let mut objects = self.list().await?;
            objects.retain(|object| object.offset >= self.next.get(&object.partition).copied().unwrap_or(0));
            objects.sort_by(|a, b| (&a.partition, a.offset).cmp(&(&b.partition, b.offset)));
            self.found = objects.into();
        }
        let mut looked = Looked { is_empty: self.found.is_empty(), ..Looked::default() };
        while let Some(object) = self.found.front() {
            let records = match self.read(object).await {
                Ok(records) => records,
                // What was read before it would be lost with it; the next look meets the trouble again.
                Err(_) if !looked.positions.0.is_empty() => break,
                Err(trouble) => return Err(trouble),
            };
            let Some(object) = self.found.pop_front() else { break };
            let next = object.offset + i64::try_from(records.len()).unwrap_or(i64::MAX).max(1);
            looked.records.extend(records);
            looked.positions.0.insert(object.partition.clone(), Position::Offset(next));
            self.next.insert(object.partition, next);
            if looked.records.len() >= room {
                break;
            }
        }
        Ok(looked)
    }
}

/// What is cut off may be whole a little later; what gzip has not packed will not.
fn not_unpacked(object: &Location, error: std::io::Error) -> Trouble {
    if error.kind() == ErrorKind::UnexpectedEof {
        return Trouble::passing(anyhow!(error).context(format!(
            "`{object}` is not complete (write objects under names that begin with a dot, and rename them)"
        )));
    }
    Trouble::lasting(anyhow!(error).context(format!("`{object}` cannot be unpacked")))
}

/// The partition and the first offset that a name tells.
fn read_name(name: &str) -> Option<(String, i64)> {
    let mut parts = packed::plain_name(name).strip_suffix(".json")?.rsplitn(3, '+');
    let offset = parts.next()?.parse().ok()?;
    let partition = parts.next()?.parse::<u32>().ok()?.to_string();
    parts.next().filter(|topic| !topic.is_empty())?;
    Some((partition, offset))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn what_is_not_whole_yet_is_waited_for_and_what_came_before_it_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| std::fs::write(home.path().join(name), content).unwrap();
        let whole = packed("{\"n\": 2}\n{\"n\": 3}\n");
        write("t+0+0.json", b"{\"n\": 1}\n");
        write("t+0+1.json.gz", &whole[..whole.len() / 2]);
        let mut folder = Folder::new(Location::Local(home.path().to_owned()), S3::from_variables([]));

        let looked = folder.look(100).await.unwrap();
        assert_eq!(looked.records, ["{\"n\": 1}"]);
        assert_eq!(looked.positions.0["0"], Position::Offset(1));
        let trouble = folder.look(100).await.unwrap_err();
        let said = format!("{:#}", trouble.error);
        assert!(trouble.may_retry && said.contains("t+0+1.json.gz` is not complete"), "{said}");

        write("t+0+1.json.gz", &whole);
        let looked = folder.look(100).await.unwrap();
        assert_eq!(looked.records, ["{\"n\": 2}", "{\"n\": 3}"]);
        assert_eq!(looked.positions.0["0"], Position::Offset(3));

        write("t+0+3.json.gz", b"not packed at all");
        assert!(!folder.look(100).await.unwrap_err().may_retry);
    }

    #[test]
    fn names_tell_partition_and_offset() {
        assert_eq!(read_name("0a3db223d459.pin+0+0000000042.json"), Some(("0".to_owned(), 42)));
        assert_eq!(read_name("a+b+12+7.json"), Some(("12".to_owned(), 7)));
        assert_eq!(read_name("t+0+7.json.gz"), Some(("0".to_owned(), 7)));
        for other in ["rows.json", "t+0.json", "+0+1.json", "t+0+x.json", "t+0+1.avro"] {
            assert_eq!(read_name(other), None, "{other}");
        }
    }
}
