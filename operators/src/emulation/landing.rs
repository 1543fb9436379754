//! Packs records into objects, counts them, and hands them to the sink.

use std::collections::VecDeque;

use scheduler::log::TaskLog;
use scheduler::operator::TaskError;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::EmulationArgs;
use super::bucket::BucketLanding;
use super::folder::FolderLanding;
use super::source::{Lines, Source, SourceTable};
use crate::broken::check_share;
use crate::json::is_well_formed;
use crate::location::{Location, S3};

/// Objects that are made before they are written: enough for all threads, little memory.
const BLOCK_OBJECTS: usize = 4096;
/// Blocks are not larger than this, however large the records.
const BLOCK_BYTES: usize = 32 * 1024 * 1024;

/// Every topic has one partition, as the REST proxy without keys makes it in effect.
pub const PARTITION_FOLDER: &str = "partition=0";

/// What one run needs.
pub struct Job {
    pub args: EmulationArgs,
    pub source: Source,
    pub sink: Location,
    pub s3: S3,
    pub log: TaskLog,
    pub try_id: Uuid,
    pub cancelled: CancellationToken,
}

/// A file of the sink.
pub struct Object {
    /// Its name within the partition's folder.
    pub name: String,
    /// One JSON document a line.
    pub bytes: Vec<u8>,
}

/// The counts of one topic.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    records: u64,
    broken: u64,
    objects: u64,
    bytes: u64,
}

/// Makes objects of lines.
struct Packer {
    lines: Lines,
    topic: String,
    flush_size: u64,
    counts: Counts,
}

impl Packer {
    /// The next objects; none at the end.
    fn next_block(&mut self) -> anyhow::Result<Vec<Object>> {
        let mut block = Vec::new();
        let mut block_bytes = 0;
        while block.len() < BLOCK_OBJECTS && block_bytes < BLOCK_BYTES {
            let name = format!("{}+0+{:010}.json", self.topic, self.counts.records);
            let mut bytes = Vec::new();
            for _ in 0..self.flush_size {
                let Some(line) = self.lines.next().transpose()? else { break };
                self.counts.records += 1;
                self.counts.broken += u64::from(!is_record(&line));
                bytes.extend_from_slice(&line);
                bytes.push(b'\n');
            }
            if bytes.is_empty() {
                break;
            }
            self.counts.objects += 1;
            self.counts.bytes += bytes.len() as u64;
            block_bytes += bytes.len();
            block.push(Object { name, bytes });
        }
        Ok(block)
    }
}

fn is_record(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(is_well_formed)
}

/// The sink of one topic, which becomes visible as a whole as far as its storage allows.
enum Landing {
    Folder(FolderLanding),
    Bucket(BucketLanding),
}

impl Job {
    /// Lands the three topics. Answers with the report.
    pub async fn run(self) -> Result<Value, TaskError> {
        let mut staged = VecDeque::new();
        let mut total = Counts::default();
        for table in SourceTable::ALL {
            let (landing, topic, counts) = self.stage(table).await?;
            total.records += counts.records;
            total.broken += counts.broken;
            staged.push_back((table, landing, topic, counts));
        }
        if total.broken > 0 {
            self.log.warning(format_args!("{} of {} records are malformed", total.broken, total.records));
        }
        check_share("records", total.broken, total.records, self.args.max_broken_share)?;
        let mut topics = Map::new();
        while let Some((table, landing, topic, counts)) = staged.pop_front() {
            let path = self.partition(&topic);
            match landing {
                Landing::Folder(landing) => landing.publish()?,
                Landing::Bucket(landing) => landing.publish().await?,
            }
            self.log.info(format_args!(
                "Landed {} records of `{topic}` in {} objects, {} malformed",
                counts.records, counts.objects, counts.broken
            ));
            let report = json!({
                "topic": topic,
                "records": counts.records,
                "broken": counts.broken,
                "objects": counts.objects,
                "bytes": counts.bytes,
                "path": path.to_string(),
            });
            topics.insert(table.name().to_owned(), report);
        }
        Ok(json!({
            "user_id": self.args.user_id,
            "sink": self.sink.to_string(),
            "records": total.records,
            "broken": total.broken,
            "topics": topics,
        }))
    }

    fn partition(&self, topic: &str) -> Location {
        self.sink.join("topics").join(topic).join(PARTITION_FOLDER)
    }

    /// Writes a topic where readers do not look yet. In S3, where objects cannot be moved, the whole topic is checked
    /// first and written by [`BucketLanding::publish`].
    async fn stage(&self, table: SourceTable) -> Result<(Landing, String, Counts), TaskError> {
        let topic = format!("{}.{}", self.args.user_id, table.name());
        let mut packer = self.packer(table, &topic).await?;
        match self.partition(&topic) {
            Location::Local(path) => {
                let landing = FolderLanding::begin(&path, self.try_id)?;
                loop {
                    if self.cancelled.is_cancelled() {
                        return Err(TaskError::cancelled());
                    }
                    let block = packer.next_block()?;
                    if block.is_empty() {
                        break;
                    }
                    landing.write(&block, &self.cancelled)?;
                }
                Ok((Landing::Folder(landing), topic, packer.counts))
            }
            Location::S3 { bucket, key } => {
                let landing = BucketLanding::begin(&self.s3, &bucket, &key)?;
                let mut counted = self.packer(table, &topic).await?;
                while !counted.next_block()?.is_empty() {
                    tokio::task::yield_now().await;
                }
                let counts = counted.counts;
                check_share("records", counts.broken, counts.records, self.args.max_broken_share)?;
                let blocks = std::iter::from_fn(move || match packer.next_block() {
                    Ok(block) if block.is_empty() => None,
                    block => Some(block),
                });
                Ok((Landing::Bucket(landing.with_blocks(Box::new(blocks))), topic, counts))
            }
        }
    }

    async fn packer(&self, table: SourceTable, topic: &str) -> anyhow::Result<Packer> {
        let lines = self.source.open(table, &self.s3).await?;
        Ok(Packer { lines, topic: topic.to_owned(), flush_size: self.args.flush_size, counts: Counts::default() })
    }
}
