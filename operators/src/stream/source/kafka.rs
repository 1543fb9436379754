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

/// A topic.
pub(super) struct Kafka {
    cluster: Cluster,
    topic: String,
    start: Start,
    partitions: VecDeque<Partition>,
}

struct Partition {
    name: String,
    client: PartitionClient,
    next: i64,
    is_caught_up: bool,
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
            self.partitions.push_back(Partition { name, client, next: 0, is_caught_up: false });
        }
        Ok(self.partitions.iter().map(|partition| partition.name.clone()).collect())
    }

    async fn begin(&mut self, positions: &Positions) -> Result<Positions, Trouble> {
        let begins_late = begins_late(self.start, positions);
        let mut starts = Positions::default();
        for partition in &mut self.partitions {
            let earliest = in_time(partition.client.get_offset(OffsetAt::Earliest)).await?;
            partition.next = match positions.0.get(&partition.name) {
                Some(Position::Offset(offset)) if *offset < earliest => {
                    return Err(Trouble::lasting(anyhow!(
                        "records {offset} to {} of partition {} are gone from `{}` before they were read; to go on \
                         without them, give the stream another `checkpoint`",
                        earliest - 1,
                        partition.name,
                        self.topic
                    )));
                }
                Some(Position::Offset(offset)) => *offset,
                _ if begins_late => {
                    let latest = in_time(partition.client.get_offset(OffsetAt::Latest)).await?;
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
        let fetched = in_time(partition.client.fetch_records(partition.next, 1..BYTES_MAX, WAIT_MILLIS)).await;
        let (fetched, high_watermark) = match fetched {
            Ok(fetched) => fetched,
            Err(trouble) => {
                self.partitions.push_back(partition);
                return Err(trouble);
            }
        };
        let before = partition.next;
        let mut records = Vec::new();
        for fetched in fetched.into_iter().take(room.max(1)) {
            partition.next = fetched.offset + 1;
            // A record without a value is what compaction leaves of a key; there is no document in it.
            records.extend(fetched.record.value.map(Bytes::from));
        }
        partition.is_caught_up = partition.next >= high_watermark;
        let mut positions = BTreeMap::new();
        if partition.next > before {
            positions.insert(partition.name.clone(), Position::Offset(partition.next));
        }
        self.partitions.push_back(partition);
        let is_empty = self.partitions.iter().all(|partition| partition.is_caught_up);
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

    #[test]
    fn a_partition_that_was_added_after_the_first_run_is_read_from_its_beginning() {
        let known = Positions(BTreeMap::from([("0".to_owned(), Position::Offset(7))]));
        assert!(begins_late(Start::Latest, &Positions::default()));
        assert!(!begins_late(Start::Latest, &known));
        assert!(!begins_late(Start::Earliest, &Positions::default()));
    }
}
