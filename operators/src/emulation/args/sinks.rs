//! The sinks as people write them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::shapes::one_key;
use crate::kinesis::Door;

/// Where rows go, when it is neither a folder nor a bucket.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = one_key)]
pub(in crate::emulation) enum SinkChoice {
    /// Topics behind a Kafka REST proxy (v2), perhaps itself behind an API Gateway.
    KafkaRest(KafkaRestArgs),
    /// Streams of Kinesis, through an API Gateway or as they are.
    Kinesis(KinesisSinkArgs),
    /// Topics of Kafka itself.
    Kafka(KafkaArgs),
}

/// See [`SinkChoice::KafkaRest`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::emulation) struct KafkaRestArgs {
    /// What `/topics/{user_id}.pin` is appended to: `https://<id>.execute-api.us-east-1.amazonaws.com/dev`.
    pub(in crate::emulation) url: Option<String>,
    /// The environment variable that holds the address, when that is a secret.
    pub(in crate::emulation) url_env: Option<String>,
    /// More headers of each request.
    #[serde(default)]
    pub(in crate::emulation) headers: BTreeMap<String, String>,
    /// Headers whose values are in environment variables, by the names of those.
    #[serde(default)]
    pub(in crate::emulation) headers_env: BTreeMap<String, String>,
}

/// See [`SinkChoice::Kinesis`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::emulation) struct KinesisSinkArgs {
    /// The address of an API Gateway whose routes begin with `/streams`; without it Kinesis itself is asked, with the
    /// `AWS_*` variables.
    pub(in crate::emulation) url: Option<String>,
    /// The environment variable that holds the address, when that is a secret.
    pub(in crate::emulation) url_env: Option<String>,
    /// More headers of each request to the gateway.
    #[serde(default)]
    pub(in crate::emulation) headers: BTreeMap<String, String>,
    /// Headers whose values are in environment variables, by the names of those.
    #[serde(default)]
    pub(in crate::emulation) headers_env: BTreeMap<String, String>,
    /// What `-pin`, `-geo` and `-user` are appended to; `streaming-{user_id}` unless said.
    pub(in crate::emulation) streams: Option<String>,
    /// What decides the shard: `partition-1` for posts, `-2` for places, `-3` for users, unless said; `row` spreads rows over
    /// all shards; anything else is the key itself.
    pub(in crate::emulation) partition_key: Option<String>,
}

impl KinesisSinkArgs {
    /// How Kinesis is reached.
    pub(in crate::emulation) fn door(&self) -> Door {
        Door {
            url: self.url.clone(),
            url_env: self.url_env.clone(),
            headers: self.headers.clone(),
            headers_env: self.headers_env.clone(),
        }
    }
}

/// See [`SinkChoice::Kafka`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::emulation) struct KafkaArgs {
    /// Some of the brokers, as `host:port`; they name the others.
    #[schemars(length(min = 1))]
    pub(in crate::emulation) brokers: Vec<String>,
    /// Whether to speak TLS.
    #[serde(default)]
    pub(in crate::emulation) tls: bool,
    /// How to sign in, if one has to.
    pub(in crate::emulation) sasl: Option<SaslArgs>,
}

/// How to sign in to Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::emulation) struct SaslArgs {
    /// The mechanism.
    #[serde(default)]
    pub(in crate::emulation) mechanism: Mechanism,
    /// The name.
    pub(in crate::emulation) username: String,
    /// The environment variable that holds the password.
    pub(in crate::emulation) password_env: String,
}

/// The mechanisms by which one can sign in to Kafka. With `plain` the password is a secret only with TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::emulation) enum Mechanism {
    #[default]
    #[serde(rename = "plain")]
    Plain,
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}
