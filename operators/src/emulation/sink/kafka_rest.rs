//! Topics behind a Kafka REST proxy (v2), perhaps itself behind an API Gateway.
//!
//! ```text
//!   POST {url}/topics/{user_id}.pin
//!   Content-Type: application/vnd.kafka.json.v2+json
//!
//!   {"records": [{"value": {…row…}}]}
//! ```
//!
//! The answer says of each record whether it was taken.

use anyhow::anyhow;
use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use serde::Deserialize;
use serde_json::Value;

use super::posting::{Post, Refused};
use crate::emulation::args::KafkaRestArgs;
use crate::emulation::parcel::Row;
use crate::emulation::table::Table;
use crate::notifiers::Environment;
use crate::requests::{Base, Reply, Trouble, client, exchange, resolve};

/// What is sent.
const RECORDS: &str = "application/vnd.kafka.json.v2+json";

/// What is answered.
const ANSWER: &str = "application/vnd.kafka.v2+json, application/json";

/// An API Gateway takes bodies of up to 10 MB; brokers take less of one batch by default, but it is compressed there.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Of the codes that a record can have, this one says that the record may be sent again.
const RETRIABLE: i64 = 2;

/// The code of a topic that is not there.
const NO_SUCH_TOPIC: i64 = 40_401;

/// A proxy.
pub(in crate::emulation) struct KafkaRest {
    base: Base,
    headers: HeaderMap,
    user_id: String,
}

#[derive(Deserialize)]
struct Answer {
    offsets: Vec<Offset>,
}

#[derive(Deserialize)]
struct Offset {
    error_code: Option<i64>,
    error: Option<String>,
}

impl KafkaRest {
    pub(in crate::emulation) fn new(
        args: &KafkaRestArgs,
        user_id: &str,
        environment: &Environment,
    ) -> Result<KafkaRest, String> {
        let (url, url_env) = (args.url.as_deref(), args.url_env.as_deref());
        let (base, headers) = resolve(environment, url, url_env, &args.headers, &args.headers_env)?;
        Ok(KafkaRest { base, headers, user_id: user_id.to_owned() })
    }
}

#[async_trait]
impl Post for KafkaRest {
    fn shown(&self) -> String {
        self.base.shown()
    }

    fn limits(&self) -> (usize, usize) {
        (usize::MAX, BODY_BYTES_MAX)
    }

    fn json_only(&self) -> bool {
        true
    }

    async fn post(&self, table: Table, rows: &[Row]) -> Result<Vec<Refused>, Trouble> {
        let topic = table.topic(&self.user_id);
        let client = client().map_err(Trouble::lasting)?;
        let request = client
            .post(self.base.join(&["topics", &topic]))
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, RECORDS)
            .header(ACCEPT, ANSWER)
            .body(body(rows));
        let reply = exchange(request, &self.base.host).await?;
        if !reply.status.is_success() {
            return Err(refusal(&reply, &topic));
        }
        judge(&reply.body, rows.len())
    }
}

fn body(rows: &[Row]) -> Vec<u8> {
    let length: usize = rows.iter().map(|row| row.document.len() + 12).sum();
    let mut body = Vec::with_capacity(length + 16);
    body.extend_from_slice(b"{\"records\":[");
    for (index, row) in rows.iter().enumerate() {
        body.extend_from_slice(if index == 0 { b"{\"value\":" } else { b",{\"value\":" });
        body.extend_from_slice(&row.document);
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    body
}

/// What an answer that is no success means, with what to do about it.
fn refusal(reply: &Reply, topic: &str) -> Trouble {
    let mut trouble = reply.refusal();
    let code = serde_json::from_slice::<Value>(&reply.body).ok().and_then(|body| body.get("error_code")?.as_i64());
    let cure = match (reply.status, code) {
        (_, Some(NO_SUCH_TOPIC)) => "make the topic first",
        (StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, None) => {
            "the gateway has no such route, or wants a key: `url` ends with the stage, and `headers_env` holds keys"
        }
        (StatusCode::PAYLOAD_TOO_LARGE, _) => "lower `batch`",
        _ => return trouble,
    };
    trouble.error = trouble.error.context(format!("cannot post to topic `{topic}` ({cure})"));
    trouble
}

/// The records that were not taken.
fn judge(body: &[u8], sent: usize) -> Result<Vec<Refused>, Trouble> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        Trouble::lasting(anyhow!("the answer is none of a Kafka REST proxy ({error}); does `url` lead to one?"))
    })?;
    if answer.offsets.len() != sent {
        let got = answer.offsets.len();
        return Err(Trouble::lasting(anyhow!(
            "the proxy answered for {got} records, not for the {sent} that were sent"
        )));
    }
    let refused = answer.offsets.into_iter().enumerate().filter_map(|(index, offset)| {
        let code = offset.error_code?;
        let said = offset.error.unwrap_or_default();
        Some(Refused { index, why: format!("error {code}: {said}"), may_retry: code == RETRIABLE || code >= 50_000 })
    });
    Ok(refused.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_body_as_they_are() {
        let row = |(number, document): (u64, &'static str)| Row { number, document: document.into() };
        let rows = [(0, r#"{"a" :1.50}"#), (1, "[]")].map(row);
        assert_eq!(body(&rows[..1]), b"{\"records\":[{\"value\":{\"a\" :1.50}}]}");
        assert_eq!(body(&rows), b"{\"records\":[{\"value\":{\"a\" :1.50}},{\"value\":[]}]}");
    }

    #[test]
    fn each_record_has_an_answer_of_its_own() {
        let answer = br#"{"offsets":[{"partition":0,"offset":7,"error_code":null,"error":null},
            {"partition":null,"offset":null,"error_code":2,"error":"not enough replicas"}],"key_schema_id":null}"#;
        let refused = judge(answer, 2).unwrap();
        let why = "error 2: not enough replicas".to_owned();
        assert_eq!(refused, [Refused { index: 1, why, may_retry: true }]);
        assert!(judge(answer, 3).is_err());
        assert!(judge(b"<html>", 1).is_err());
    }
}
