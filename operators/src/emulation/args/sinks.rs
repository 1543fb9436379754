//! The sinks as people write them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::kafka::KafkaArgs;
use crate::kinesis::Door;
use crate::shapes::one_key;

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
