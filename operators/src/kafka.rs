//! Clusters of Kafka: how people write them, how they are reached, and what their answers mean.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use rskafka::BackoffConfig;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rustls_platform_verifier::BuilderVerifierExt;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::timeout;

use crate::notifiers::Environment;
use crate::requests::Trouble;

/// A broker that takes longer to answer is asked again.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// The client itself repeats a request for no longer than this; what it says then is ours to judge.
const REPEATED_FOR: Duration = Duration::from_secs(3);

/// A cluster, as people write it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaArgs {
    /// Some of the brokers, as `host:port`; they name the others.
    #[schemars(length(min = 1))]
    pub(crate) brokers: Vec<String>,
    /// Whether to speak TLS.
    #[serde(default)]
    pub(crate) tls: bool,
    /// How to sign in, if one has to.
    pub(crate) sasl: Option<SaslArgs>,
}

/// How to sign in to Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaslArgs {
    /// The mechanism.
    #[serde(default)]
    pub(crate) mechanism: Mechanism,
    /// The name.
    pub(crate) username: String,
    /// The environment variable that holds the password.
    pub(crate) password_env: String,
}

/// The mechanisms by which one can sign in to Kafka. With `plain` the password is a secret only with TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum Mechanism {
    #[default]
    #[serde(rename = "plain")]
    Plain,
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

/// A cluster that can be reached.
pub(crate) struct Cluster {
    brokers: Vec<String>,
    tls: bool,
    sasl: Option<SaslConfig>,
}

impl Cluster {
    /// Finds the password in `environment`.
    pub(crate) fn new(args: &KafkaArgs, environment: &Environment) -> Result<Cluster, String> {
        let sasl = args.sasl.as_ref().map(|sasl| {
            let credentials = Credentials::new(sasl.username.clone(), environment.look_up(&sasl.password_env)?);
            Ok::<_, String>(match sasl.mechanism {
                Mechanism::Plain => SaslConfig::Plain(credentials),
                Mechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
                Mechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
            })
        });
        Ok(Cluster { brokers: args.brokers.clone(), tls: args.tls, sasl: sasl.transpose()? })
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        format!("kafka://{}", self.brokers.join(","))
    }

    /// A client.
    pub(crate) async fn connect(&self) -> Result<Client, Trouble> {
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
        in_time(builder.build()).await.map_err(|trouble| not_done(trouble, self))
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

/// Awaits an answer, for no longer than a broker may take.
pub(crate) async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
    match timeout(ANSWER_TIME_MAX, asked).await {
        Ok(answer) => answer.map_err(explain),
        Err(_) => Err(unsure(anyhow!("no answer within {} s", ANSWER_TIME_MAX.as_secs()))),
    }
}

/// What a request that only asks cannot have done.
pub(crate) fn not_done(trouble: Trouble, cluster: &Cluster) -> Trouble {
    let error = trouble.error.context(format!("cannot reach Kafka at {}", cluster.brokers.join(",")));
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
