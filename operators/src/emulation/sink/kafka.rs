//! Topics of Kafka itself.
//!
//! Values are rows; there are no keys, as in the scripts. Parcels go round the partitions of a topic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::Bytes;
use rskafka::BackoffConfig;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;
use rustls_platform_verifier::BuilderVerifierExt;
use scheduler::clock::Clock;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::posting::{Post, Refused};
use crate::emulation::args::{KafkaArgs, Mechanism};
use crate::emulation::table::{PerTable, Table};
use crate::notifiers::Environment;
use crate::requests::Trouble;

/// Brokers refuse batches of more than 1 MiB unless they are told otherwise.
const BYTES_MAX: usize = 900 * 1024;

/// A broker that takes longer to answer is asked again.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// The client itself repeats a request for no longer than this; what it says then is ours to judge.
const REPEATED_FOR: Duration = Duration::from_secs(3);

/// A cluster.
pub(in crate::emulation) struct Kafka {
    brokers: Vec<String>,
    tls: bool,
    sasl: Option<SaslConfig>,
    user_id: String,
    clock: Clock,
    partitions: OnceCell<PerTable<Vec<PartitionClient>>>,
}

impl Kafka {
    pub(in crate::emulation) fn new(
        args: &KafkaArgs,
        user_id: &str,
        environment: &Environment,
    ) -> Result<Kafka, String> {
        let sasl = args.sasl.as_ref().map(|sasl| {
            let credentials = Credentials::new(sasl.username.clone(), environment.look_up(&sasl.password_env)?);
            Ok::<_, String>(match sasl.mechanism {
                Mechanism::Plain => SaslConfig::Plain(credentials),
                Mechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
                Mechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
            })
        });
        Ok(Kafka {
            brokers: args.brokers.clone(),
            tls: args.tls,
            sasl: sasl.transpose()?,
            user_id: user_id.to_owned(),
            clock: Clock::System,
            partitions: OnceCell::new(),
        })
    }

    async fn connect(&self) -> Result<Client, Trouble> {
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
            deadline: Some(REPEATED_FOR),
        };
        let mut builder = ClientBuilder::new(self.brokers.clone()).client_id("updraft").backoff_config(backoff);
        if self.tls {
            builder = builder.tls_config(Arc::new(tls()?));
        }
        if let Some(sasl) = &self.sasl {
            builder = builder.sasl_config(sasl.clone());
        }
        in_time(builder.build()).await.map_err(|trouble| not_done(trouble, &self.brokers))
    }

    async fn open(&self) -> Result<PerTable<Vec<PartitionClient>>, Trouble> {
        let client = self.connect().await?;
        let topics = in_time(client.list_topics()).await.map_err(|trouble| not_done(trouble, &self.brokers))?;
        let mut partitions = PerTable::<Vec<PartitionClient>>::default();
        for table in Table::ALL {
            let name = table.topic(&self.user_id);
            let Some(topic) = topics.iter().find(|topic| topic.name == name) else {
                return Err(Trouble::lasting(anyhow!("the topic `{name}` does not exist; make it first")));
            };
            for &partition in &topic.partitions {
                let opened = client.partition_client(name.clone(), partition, UnknownTopicHandling::Retry);
                partitions[table].push(in_time(opened).await.map_err(|trouble| not_done(trouble, &self.brokers))?);
            }
        }
        Ok(partitions)
    }
}

#[async_trait]
impl Post for Kafka {
    fn shown(&self) -> String {
        format!("kafka://{}", self.brokers.join(","))
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

    async fn post(&self, table: Table, start: u64, rows: &[Bytes]) -> Result<Vec<Refused>, Trouble> {
        let partitions = &self.partitions.get_or_try_init(|| self.open()).await?[table];
        let round = usize::try_from(start / rows.len().max(1) as u64).unwrap_or_default();
        let Some(partition) = partitions.get(round % partitions.len().max(1)) else {
            return Err(Trouble::passing(anyhow!("the topic `{}` has no partitions", table.topic(&self.user_id))));
        };
        let timestamp = self.clock.now();
        let record = |row: &Bytes| Record { key: None, value: Some(row.to_vec()), headers: BTreeMap::new(), timestamp };
        let records = rows.iter().map(record).collect();
        in_time(partition.produce(records, Compression::NoCompression)).await?;
        Ok(Vec::new())
    }
}

/// Certificates are judged as the machine judges them.
fn tls() -> Result<rustls::ClientConfig, Trouble> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let broken = |error: rustls::Error| Trouble::lasting(anyhow!("cannot set up TLS: {error}"));
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(broken)?.with_platform_verifier().map_err(broken)?;
    Ok(builder.with_no_client_auth())
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
    match timeout(ANSWER_TIME_MAX, asked).await {
        Ok(answer) => answer.map_err(explain),
        Err(_) => Err(unsure(anyhow!("no answer within {} s", ANSWER_TIME_MAX.as_secs()))),
    }
}

/// What a request that only asks cannot have done.
fn not_done(trouble: Trouble, brokers: &[String]) -> Trouble {
    let error = trouble.error.context(format!("cannot reach Kafka at {}", brokers.join(",")));
    Trouble { error, may_be_done: false, ..trouble }
}

fn unsure(error: anyhow::Error) -> Trouble {
    Trouble { error, may_retry: true, may_be_done: true, not_before: None }
}

fn explain(error: Error) -> Trouble {
    let Error::ServerError { protocol_error, error_message, .. } = &error else { return unsure(anyhow!(error)) };
    let said = error_message.as_deref().map(|said| format!(": {said}")).unwrap_or_default();
    let words = anyhow!("Kafka answered `{protocol_error}`{said}");
    let lasts = matches!(
        protocol_error,
        ProtocolError::MessageTooLarge
            | ProtocolError::InvalidTopicException
            | ProtocolError::TopicAuthorizationFailed
            | ProtocolError::ClusterAuthorizationFailed
            | ProtocolError::UnsupportedVersion
            | ProtocolError::InvalidRecord
    );
    if lasts { Trouble::lasting(words) } else { unsure(words) }
}
