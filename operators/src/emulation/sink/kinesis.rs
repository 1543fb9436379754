//! Streams of Kinesis, through an API Gateway or as they are.

use async_trait::async_trait;
use serde_json::Value;

use super::posting::{Post, Refused};
use crate::emulation::args::KinesisSinkArgs;
use crate::emulation::parcel::Row;
use crate::emulation::table::{PerTable, Table};
use crate::kinesis::{Action, Record, Streams, is_passing};
use crate::requests::Trouble;

/// Limits of PutRecords, less some room for keys: 500 records, 5 MiB.
const RECORDS_MAX: usize = 500;
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The word that asks for a key of its own for each row.
const ROW: &str = "row";

/// Three streams.
pub(in crate::emulation) struct KinesisStreams {
    streams: Streams,
    names: PerTable<String>,
    key: Option<String>,
    /// Whether each record has a request of its own, as the scripts send them.
    one_by_one: bool,
}

impl KinesisStreams {
    pub(in crate::emulation) fn new(
        streams: Streams,
        args: &KinesisSinkArgs,
        user_id: &str,
        one_by_one: bool,
    ) -> KinesisStreams {
        let prefix = args.streams.clone().unwrap_or_else(|| format!("streaming-{user_id}"));
        let names = PerTable::from_fn(|table| format!("{prefix}-{table}"));
        KinesisStreams { streams, names, key: args.partition_key.clone(), one_by_one }
    }

    /// The key of a row is the same however often it is sent, and with whichever others.
    fn key(&self, table: Table, row: u64) -> String {
        match self.key.as_deref() {
            None => format!("partition-{}", table as usize + 1),
            Some(ROW) => row.to_string(),
            Some(key) => key.to_owned(),
        }
    }
}

#[async_trait]
impl Post for KinesisStreams {
    fn shown(&self) -> String {
        self.streams.shown()
    }

    fn limits(&self) -> (usize, usize) {
        (RECORDS_MAX, BYTES_MAX)
    }

    /// The mapping templates of the gateway read JSON.
    fn json_only(&self) -> bool {
        self.streams.is_gateway()
    }

    async fn post(&self, table: Table, rows: &[Row]) -> Result<Vec<Refused>, Trouble> {
        let stream = self.names[table].as_str();
        let record = |row: &Row| Record { data: row.document.clone(), key: self.key(table, row.number) };
        let records: Vec<Record> = rows.iter().map(record).collect();
        let action = match records.as_slice() {
            [record] if self.one_by_one => Action::Put { stream, record },
            records => Action::PutMany { stream, records },
        };
        let answer = self.streams.ask(action).await.map_err(|failure| failure.trouble)?;
        Ok(refused(&answer))
    }
}

/// The records that PutRecords could not put.
fn refused(answer: &Value) -> Vec<Refused> {
    let records = answer["Records"].as_array().into_iter().flatten().enumerate();
    let refused = records.filter_map(|(index, record)| {
        let code = record["ErrorCode"].as_str()?;
        let said = record["ErrorMessage"].as_str().unwrap_or_default();
        Some(Refused { index, why: format!("{code}: {said}"), may_retry: is_passing(code) })
    });
    refused.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_fail_one_by_one() {
        let answer = serde_json::json!({ "FailedRecordCount": 1, "Records": [
            { "SequenceNumber": "1", "ShardId": "shardId-000000000000" },
            { "ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded" }
        ]});
        let why = "ProvisionedThroughputExceededException: Rate exceeded".to_owned();
        assert_eq!(refused(&answer), [Refused { index: 1, why, may_retry: true }]);
        assert_eq!(refused(&serde_json::json!({ "SequenceNumber": "1" })), []);
    }
}
