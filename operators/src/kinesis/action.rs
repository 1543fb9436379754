//! What can be asked of Kinesis, in the words of the gateway and in those of AWS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};

/// A record to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// A JSON document.
    pub(crate) data: Bytes,
    /// Decides the shard.
    pub(crate) key: String,
}

/// From where a shard is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IteratorAt {
    /// The oldest record that there is.
    TrimHorizon,
    /// What has come since an instant, in milliseconds since the epoch.
    Since(i64),
    /// What comes after the record with this sequence number.
    After(String),
}

/// What can be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action<'a> {
    /// The names of the streams, after one of them.
    List { after: Option<&'a str> },
    /// A new stream.
    Create { stream: &'a str, shards: u32 },
    /// What there is to know of a stream.
    Describe { stream: &'a str },
    /// A stream away.
    Delete { stream: &'a str },
    /// A record into a stream.
    Put { stream: &'a str, record: &'a Record },
    /// Several.
    PutMany { stream: &'a str, records: &'a [Record] },
    /// The shards of a stream; `next` goes on with a list.
    ListShards { stream: &'a str, next: Option<&'a str> },
    /// A way into a shard.
    GetShardIterator { stream: &'a str, shard: &'a str, at: &'a IteratorAt },
    /// Records of a shard.
    GetRecords { iterator: &'a str, limit: usize },
}

impl Action<'_> {
    /// The name that AWS has for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Action::List { .. } => "ListStreams",
            Action::Create { .. } => "CreateStream",
            Action::Describe { .. } => "DescribeStream",
            Action::Delete { .. } => "DeleteStream",
            Action::Put { .. } => "PutRecord",
            Action::PutMany { .. } => "PutRecords",
            Action::ListShards { .. } => "ListShards",
            Action::GetShardIterator { .. } => "GetShardIterator",
            Action::GetRecords { .. } => "GetRecords",
        }
    }

    /// The route of the gateway: method and path; none for what gateways do not offer.
    pub(super) fn route(&self) -> Option<(Method, Vec<&str>)> {
        Some(match self {
            Action::List { .. } => (Method::GET, vec!["streams"]),
            Action::Create { stream, .. } => (Method::POST, vec!["streams", stream]),
            Action::Describe { stream } => (Method::GET, vec!["streams", stream]),
            Action::Delete { stream } => (Method::DELETE, vec!["streams", stream]),
            Action::Put { stream, .. } => (Method::PUT, vec!["streams", stream, "record"]),
            Action::PutMany { stream, .. } => (Method::PUT, vec!["streams", stream, "records"]),
            Action::ListShards { .. } | Action::GetShardIterator { .. } | Action::GetRecords { .. } => return None,
        })
    }

    /// Which stream it is about.
    pub(super) fn stream(&self) -> Option<&str> {
        match self {
            Action::List { .. } | Action::GetRecords { .. } => None,
            Action::Create { stream, .. }
            | Action::ListShards { stream, .. }
            | Action::GetShardIterator { stream, .. }
            | Action::Describe { stream }
            | Action::Delete { stream }
            | Action::Put { stream, .. }
            | Action::PutMany { stream, .. } => Some(stream),
        }
    }

    /// The body that the gateway's mapping templates read.
    pub(super) fn body_for_gateway(self) -> Option<Vec<u8>> {
        match self {
            Action::List { .. }
            | Action::Describe { .. }
            | Action::Delete { .. }
            | Action::ListShards { .. }
            | Action::GetShardIterator { .. }
            | Action::GetRecords { .. } => None,
            Action::Create { shards, .. } => Some(json!({ "ShardCount": shards }).to_string().into_bytes()),
            // The template encodes the JSON text of `Data`, so the document stands in the body as it is.
            Action::Put { stream, record } => {
                let mut body = format!("{{\"StreamName\": {}, \"Data\": ", Value::from(stream)).into_bytes();
                body.extend_from_slice(&record.data);
                body.extend_from_slice(format!(", \"PartitionKey\": {}}}", Value::from(&*record.key)).as_bytes());
                Some(body)
            }
            // Here it encodes `data` itself, which must be text: an object would become Java's notation of it.
            Action::PutMany { records, .. } => {
                let records: Vec<Value> = records
                    .iter()
                    .map(|record| json!({ "data": String::from_utf8_lossy(&record.data), "partition-key": record.key }))
                    .collect();
                Some(json!({ "records": records }).to_string().into_bytes())
            }
        }
    }

    /// The body of a request to Kinesis itself.
    pub(super) fn body_for_aws(self) -> Value {
        let entry = |record: &Record| json!({ "Data": STANDARD.encode(&record.data), "PartitionKey": record.key });
        match self {
            Action::List { after: None } => json!({}),
            Action::List { after: Some(name) } => json!({ "ExclusiveStartStreamName": name }),
            Action::Create { stream, shards } => json!({ "StreamName": stream, "ShardCount": shards }),
            Action::Describe { stream } | Action::Delete { stream } | Action::ListShards { stream, next: None } => {
                json!({ "StreamName": stream })
            }
            Action::Put { stream, record } => {
                let mut body = entry(record);
                body["StreamName"] = stream.into();
                body
            }
            Action::PutMany { stream, records } => {
                json!({ "StreamName": stream, "Records": records.iter().map(entry).collect::<Vec<_>>() })
            }
            // A token stands for the stream.
            Action::ListShards { next: Some(token), .. } => json!({ "NextToken": token }),
            Action::GetShardIterator { stream, shard, at } => {
                let mut body = json!({ "StreamName": stream, "ShardId": shard });
                match at {
                    IteratorAt::TrimHorizon => body["ShardIteratorType"] = "TRIM_HORIZON".into(),
                    IteratorAt::Since(millis) => {
                        body["ShardIteratorType"] = "AT_TIMESTAMP".into();
                        body["Timestamp"] = seconds(*millis);
                    }
                    IteratorAt::After(number) => {
                        body["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
                        body["StartingSequenceNumber"] = number.as_str().into();
                    }
                }
                body
            }
            Action::GetRecords { iterator, limit } => json!({ "ShardIterator": iterator, "Limit": limit }),
        }
    }
}

/// An instant as AWS writes it in JSON.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of our time need 41 bits of 52")]
fn seconds(millis: i64) -> Value {
    Value::from(millis as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_seconds() {
        let at = IteratorAt::Since(1_790_000_000_250);
        let body = Action::GetShardIterator { stream: "s", shard: "shardId-0", at: &at }.body_for_aws();
        assert_eq!(body["ShardIteratorType"], "AT_TIMESTAMP");
        assert_eq!(body["Timestamp"], 1_790_000_000.25);
    }

    #[test]
    fn the_gateway_gets_documents_as_they_are_and_several_as_text() {
        let record = Record { data: Bytes::from_static(b"{\"b\" :1.50}"), key: "partition-1".to_owned() };
        let body = Action::Put { stream: "s", record: &record }.body_for_gateway().unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"StreamName": "s", "Data": {"b" :1.50}, "PartitionKey": "partition-1"}"#
        );
        let records = [record];
        let body = Action::PutMany { stream: "s", records: &records }.body_for_gateway().unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({ "records": [{ "data": "{\"b\" :1.50}", "partition-key": "partition-1" }] }));
        let aws = Action::PutMany { stream: "s", records: &records }.body_for_aws();
        assert_eq!(aws["Records"][0]["Data"], "eyJiIiA6MS41MH0=");
    }
}
