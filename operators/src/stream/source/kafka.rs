//! A topic of Kafka, partition by partition.

use std::collections::{BTreeMap, VecDeque};

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::Bytes;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};

use super::{Looked, Source};
use crate::kafka::{Cluster, Surroundings, in_time, not_done};
use crate::requests::Trouble;
use crate::stream::args::{KafkaSource, Start};
use crate::stream::position::{Position, Positions};

/// So much is asked for at a time; a single record that is larger comes all the same.
const BYTES_MAX: i32 = 4 * 1024 * 1024;

/// A broker answers after so long that there is nothing.
const WAIT_MILLIS: i32 = 200;

/// So many answers without a record, one after the other, are the end of a partition, also where the broker counts more: the
/// marks at the end of transactions, which the client keeps to itself, and what a transaction holds that has not ended.
const SILENCES: u32 = 3;

/// A topic.
///
/// The client asks for what is committed, so it is given nothing of a transaction that has not ended. The broker also says which
/// transactions were aborted, and their records are among the others, to be passed over by the reader; but the client hands out
/// neither that list nor the producers of records. So records of aborted transactions are read, too, as docs/operators/stream.md
/// says.
pub(super) struct Kafka {
    cluster: Cluster,
    topic: String,
    start: Start,
    partitions: VecDeque<Partition>,
}

struct Partition {
    name: String,
    client: PartitionClient,
    progress: Progress,
}

/// How far a partition has been read.
#[derive(Default)]
struct Progress {
    next: i64,
    /// Answers without a record since the last one.
    silences: u32,
    is_caught_up: bool,
}

impl Progress {
    /// Takes note of the offset after what an answer brought, and of that after all that the broker has. Whether it is a new
    /// one.
    fn advance(&mut self, next: i64, high_watermark: i64) -> bool {
        let has_moved = next > self.next;
        let is_at_the_end = next >= high_watermark;
        self.silences = if has_moved || is_at_the_end { 0 } else { self.silences.saturating_add(1) };
        self.next = next;
        self.is_caught_up = is_at_the_end || self.silences >= SILENCES;
        has_moved
    }

    /// Bytes to ask for. A batch is not cut short for being larger, but it is if a mark comes before it in the same answer.
    fn bytes_max(&self) -> i32 {
        BYTES_MAX << self.silences.min(SILENCES)
    }
}

impl Kafka {
    pub(super) fn new(source: &KafkaSource, around: Surroundings<'_>) -> Result<Kafka, String> {
        let cluster = Cluster::new(&source.cluster(), around)?;
        Ok(Kafka { cluster, topic: source.topic.clone(), start: source.start, partitions: VecDeque::new() })
    }
}

#[async_trait]
impl Source for Kafka {
    fn shown(&self) -> String {
        format!("topic `{}` of {}", self.topic, self.cluster.shown())
    }

    async fn parts(&mut self) -> Result<Vec<String>, Trouble> {
        let client = self.cluster.connect().await?;
        let topics = in_time(client.list_topics()).await.map_err(|trouble| not_done(trouble, &self.cluster))?;
        let Some(topic) = topics.into_iter().find(|topic| topic.name == self.topic) else {
            return Err(Trouble::lasting(anyhow!("the topic `{}` does not exist", self.topic)));
        };
        self.partitions.clear();
        for partition in topic.partitions {
            let opened = client.partition_client(self.topic.clone(), partition, UnknownTopicHandling::Retry);
            let client = in_time(opened).await.map_err(|trouble| not_done(trouble, &self.cluster))?;
            let name = partition.to_string();
            self.partitions.push_back(Partition { name, client, progress: Progress::default() });
        }
        Ok(self.partitions.iter().map(|partition| partition.name.clone()).collect())
    }

    async fn begin(&mut self, positions: &Positions) -> Result<Positions, Trouble> {
        let begins_late = begins_late(self.start, positions);
        let mut starts = Positions::default();
        for partition in &mut self.partitions {
            let earliest = in_time(partition.client.get_offset(OffsetAt::Earliest)).await?;
            let latest = in_time(partition.client.get_offset(OffsetAt::Latest)).await?;
            partition.progress.next = match positions.0.get(&partition.name) {
                Some(Position::Offset(offset)) if *offset < earliest => {
                    return Err(Trouble::lasting(anyhow!(
                        "records {offset} to {} of partition {} are gone from `{}` before they were read; to go on \
                         without them, give the stream another `checkpoint`",
                        earliest - 1,
                        partition.name,
                        self.topic
                    )));
                }
                Some(Position::Offset(offset)) if *offset > latest => {
                    return Err(Trouble::lasting(anyhow!(
                        "partition {} of `{}` was read up to {offset}, and has no more than {latest} records: the topic \
                         is not the one that was read; to begin it anew, give the stream another `checkpoint`",
                        partition.name,
                        self.topic
                    )));
                }
                Some(Position::Offset(offset)) => *offset,
                _ if begins_late => {
                    starts.0.insert(partition.name.clone(), Position::Offset(latest));
                    latest
                }
                _ => earliest,
            };
        }
        Ok(starts)
    }

    async fn look(&mut self, room: usize) -> Result<Looked, Trouble> {
        let Some(mut partition) = self.partitions.pop_front() else {
            return Ok(Looked { is_empty: true, ..Looked::default() });
        };
        let (from, bytes_max) = (partition.progress.next, partition.progress.bytes_max());
        let fetched = in_time(partition.client.fetch_records(from, 1..bytes_max, WAIT_MILLIS)).await;
        let (fetched, high_watermark) = match fetched {
            Ok(fetched) => fetched,
            Err(trouble) => {
                self.partitions.push_back(partition);
                return Err(trouble);
            }
        };
        let mut next = from;
        let mut records = Vec::new();
        for fetched in fetched.into_iter().take(room.max(1)) {
            next = fetched.offset + 1;
            // A record without a value is what compaction leaves of a key; there is no document in it.
            records.extend(fetched.record.value.map(Bytes::from));
        }
        let mut positions = BTreeMap::new();
        if partition.progress.advance(next, high_watermark) {
            positions.insert(partition.name.clone(), Position::Offset(next));
        }
        self.partitions.push_back(partition);
        let is_empty = self.partitions.iter().all(|partition| partition.progress.is_caught_up);
        Ok(Looked { records, positions: Positions(positions), is_empty })
    }
}

/// Whether partitions of which the table remembers nothing are read from their end. Those that were added after the first run
/// are not: whatever they hold is younger than it.
fn begins_late(start: Start, positions: &Positions) -> bool {
    start == Start::Latest && positions.0.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last offset of a topic with transactions is a mark, of which the client says nothing.
    #[test]
    fn a_partition_ends_where_the_broker_counts_what_is_no_record() {
        let mut progress = Progress::default();
        assert!(progress.advance(7, 8) && !progress.is_caught_up);
        for _ in 0..SILENCES {
            assert!(!progress.is_caught_up);
            assert!(!progress.advance(7, 8));
        }
        assert!(progress.is_caught_up);
        assert!(progress.advance(9, 10) && !progress.is_caught_up);
        assert!(progress.advance(10, 10) && progress.is_caught_up);
    }

    /// A large batch after a mark comes whole once more is asked for; who waits at the end asks for no more than else.
    #[test]
    fn silence_before_the_end_asks_for_more() {
        let mut progress = Progress::default();
        let asked: Vec<i32> = (0..5)
            .map(|_| {
                progress.advance(0, 8);
                progress.bytes_max() / BYTES_MAX
            })
            .collect();
        assert_eq!(asked, [2, 4, 8, 8, 8]);
        progress.advance(8, 8);
        progress.advance(8, 8);
        assert_eq!(progress.bytes_max(), BYTES_MAX);
    }

    #[test]
    fn a_partition_that_was_added_after_the_first_run_is_read_from_its_beginning() {
        let known = Positions(BTreeMap::from([("0".to_owned(), Position::Offset(7))]));
        assert!(begins_late(Start::Latest, &Positions::default()));
        assert!(!begins_late(Start::Latest, &known));
        assert!(!begins_late(Start::Earliest, &Positions::default()));
    }
}
