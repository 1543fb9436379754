//! Topics of Kafka itself.
//!
//! Values are rows; there are no keys, as in the scripts. Parcels go round the partitions of a topic.

use std::collections::BTreeMap;

use anyhow::anyhow;
use async_trait::async_trait;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use scheduler::clock::Clock;
use tokio::sync::OnceCell;

use super::posting::{Post, Refused};
use crate::emulation::parcel::Row;
use crate::emulation::table::{PerTable, Table};
use crate::kafka::{Cluster, KafkaArgs, Surroundings, in_time, not_done};
use crate::requests::Trouble;

/// Brokers refuse batches of more than 1 MiB unless they are told otherwise.
const BYTES_MAX: usize = 900 * 1024;

/// A cluster.
pub(in crate::emulation) struct Kafka {
    cluster: Cluster,
    user_id: String,
    clock: Clock,
    partitions: OnceCell<PerTable<Vec<PartitionClient>>>,
}

impl Kafka {
    pub(in crate::emulation) fn new(
        args: &KafkaArgs,
        user_id: &str,
        around: Surroundings<'_>,
    ) -> Result<Kafka, String> {
        Ok(Kafka {
            cluster: Cluster::new(args, around)?,
            user_id: user_id.to_owned(),
            clock: Clock::System,
            partitions: OnceCell::new(),
        })
    }

    async fn open(&self) -> Result<PerTable<Vec<PartitionClient>>, Trouble> {
        let client = self.cluster.connect().await?;
        let topics = in_time(client.list_topics()).await.map_err(|trouble| not_done(trouble, &self.cluster))?;
        let mut partitions = PerTable::<Vec<PartitionClient>>::default();
        for table in Table::ALL {
            let name = table.topic(&self.user_id);
            let Some(topic) = topics.iter().find(|topic| topic.name == name) else {
                return Err(Trouble::lasting(anyhow!("the topic `{name}` does not exist; make it first")));
            };
            for &partition in &topic.partitions {
                let opened = client.partition_client(name.clone(), partition, UnknownTopicHandling::Retry);
                partitions[table].push(in_time(opened).await.map_err(|trouble| not_done(trouble, &self.cluster))?);
            }
        }
        Ok(partitions)
    }
}

#[async_trait]
impl Post for Kafka {
    fn shown(&self) -> String {
        self.cluster.shown()
    }

    fn limits(&self) -> (usize, usize) {
        (usize::MAX, BYTES_MAX)
    }

    fn json_only(&self) -> bool {
        false
    }

    async fn start(&self) -> Result<(), Trouble> {
        self.partitions.get_or_try_init(|| self.open()).await.map(drop)
    }

    async fn post(&self, table: Table, rows: &[Row]) -> Result<Vec<Refused>, Trouble> {
        let partitions = &self.partitions.get_or_try_init(|| self.open()).await?[table];
        let start = rows.first().map_or(0, |row| row.number);
        let round = usize::try_from(start / rows.len().max(1) as u64).unwrap_or_default();
        let Some(partition) = partitions.get(round % partitions.len().max(1)) else {
            return Err(Trouble::passing(anyhow!("the topic `{}` has no partitions", table.topic(&self.user_id))));
        };
        let timestamp = self.clock.now();
        let record =
            |row: &Row| Record { key: None, value: Some(row.document.to_vec()), headers: BTreeMap::new(), timestamp };
        let records = rows.iter().map(record).collect();
        in_time(partition.produce(records, Compression::NoCompression)).await?;
        Ok(Vec::new())
    }
}
