//! A stream of Kinesis, shard by shard.
//!
//! A shard that was split or merged ends, and others go on where it ended. Those are looked for whenever one has ended, and
//! read from their beginning. Between shards there is no order, and none is needed to append.
//!
//! `latest` is found by the clock of Kinesis: what a shard has had since a moment ago is passed over, and what is remembered is
//! the last record of it, or, where there was none, that moment. An iterator of the kind `LATEST` says nothing that could be
//! remembered; another one, or one for an instant by our own clock, would pass over what came in between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::anyhow;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Looked, Source};
use crate::kinesis::{Action, IteratorAt, Streams};
use crate::requests::Trouble;
use crate::stream::args::{KinesisSource, Start};
use crate::stream::position::{Position, Positions, is_sequence_number};

/// Kinesis gives no more records at a time.
const RECORDS_MAX: usize = 10_000;

/// Kinesis refuses an instant that is to come. It has many hosts, and the clock of the next one may be behind.
const CLOCKS_APART_MILLIS: i64 = 1000;

/// A stream.
pub(super) struct Kinesis {
    streams: Streams,
    stream: String,
    start: Start,
    known: Vec<Listed>,
    /// When those were listed, by the clock of Kinesis.
    listed_at: Option<DateTime<Utc>>,
    /// Shards that are read, the next one first.
    open: VecDeque<Shard>,
}

/// A shard as Kinesis lists it.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    id: String,
    /// Those that it goes on after, one that was split or two that were merged.
    parents: Vec<String>,
}

#[derive(Clone)]
struct Shard {
    id: String,
    at: IteratorAt,
    /// Where to go on, as Kinesis says; it lapses after five minutes.
    iterator: Option<String>,
    is_caught_up: bool,
}

impl Kinesis {
    pub(super) fn new(streams: Streams, source: &KinesisSource) -> Kinesis {
        let (stream, start) = (source.stream.clone(), source.start);
        Kinesis { streams, stream, start, known: Vec::new(), listed_at: None, open: VecDeque::new() }
    }

    /// All shards, those that go on after others after them; and when that was, by the clock of Kinesis.
    async fn list(&self) -> Result<(Vec<Listed>, Option<DateTime<Utc>>), Trouble> {
        let mut shards = Vec::new();
        let mut listed_at = None;
        let mut next: Option<String> = None;
        loop {
            let action = Action::ListShards { stream: &self.stream, next: next.as_deref() };
            let (answer, date) = self.streams.ask_when(action).await.map_err(|failure| failure.trouble)?;
            listed_at = listed_at.or(date);
            shards.extend(answer["Shards"].as_array().into_iter().flatten().filter_map(listed));
            match answer["NextToken"].as_str() {
                Some(token) => next = Some(token.to_owned()),
                None => return Ok((shards, listed_at)),
            }
        }
    }

    async fn iterator(&self, shard: &Shard) -> Result<String, Trouble> {
        let action = Action::GetShardIterator { stream: &self.stream, shard: &shard.id, at: &shard.at };
        let answer = self.streams.ask(action).await.map_err(|failure| failure.trouble)?;
        let iterator = answer["ShardIterator"].as_str().map(str::to_owned);
        iterator.ok_or_else(|| Trouble::passing(anyhow!("GetShardIterator was answered without an iterator")))
    }

    /// Reads some of a shard. Nothing is lost when it fails: the shard stands where it stood.
    async fn read(&self, shard: &mut Shard, room: usize) -> Result<(Vec<Bytes>, Option<Position>), Trouble> {
        let iterator = match shard.iterator.take() {
            Some(iterator) => iterator,
            None => self.iterator(shard).await?,
        };
        let limit = room.clamp(1, RECORDS_MAX);
        let answer = match self.streams.ask(Action::GetRecords { iterator: &iterator, limit }).await {
            Ok(answer) => answer,
            // The next look asks for another one.
            Err(failure) if failure.is("ExpiredIteratorException") => return Ok((Vec::new(), None)),
            Err(failure) => return Err(failure.trouble),
        };
        let (records, last) = decode(&answer)?;
        shard.iterator = answer["NextShardIterator"].as_str().map(str::to_owned);
        shard.is_caught_up = records.is_empty() && answer["MillisBehindLatest"].as_i64().unwrap_or(0) == 0;
        let mut position = None;
        if let Some(last) = last {
            shard.at = IteratorAt::After(last.clone());
            position = Some(Position::After(last));
        }
        if shard.iterator.is_none() {
            position = Some(Position::Ended);
        }
        Ok((records, position))
    }

    /// A moment ago, for Kinesis.
    fn moment_ago(&self) -> Result<i64, Trouble> {
        let listed_at = self.listed_at.ok_or_else(|| {
            Trouble::lasting(anyhow!(
                "ListShards was answered without the header `Date`, by which `start: latest` is found; does a proxy take it \
                 away?"
            ))
        })?;
        Ok(listed_at.timestamp_millis() - CLOCKS_APART_MILLIS)
    }

    /// Passes over what a shard has had since `moment`, and answers with where it goes on.
    async fn pass_over(&self, shard: &mut Shard, moment: i64) -> Result<Position, Trouble> {
        self.read(shard, RECORDS_MAX).await?;
        Ok(match &shard.at {
            IteratorAt::After(number) => Position::After(number.clone()),
            IteratorAt::Since(_) | IteratorAt::TrimHorizon => Position::Since(moment),
        })
    }

    /// Opens the shards that go on where one ended.
    async fn go_on_after_end(&mut self) -> Result<(), Trouble> {
        for shard in self.list().await?.0 {
            if self.known.iter().all(|known| known.id != shard.id) {
                let (id, at) = (shard.id.clone(), IteratorAt::TrimHorizon);
                self.open.push_back(Shard { id, at, iterator: None, is_caught_up: false });
                self.known.push(shard);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Source for Kinesis {
    fn shown(&self) -> String {
        format!("stream `{}` of {}", self.stream, self.streams.shown())
    }

    async fn parts(&mut self) -> Result<Vec<String>, Trouble> {
        (self.known, self.listed_at) = self.list().await?;
        Ok(self.known.iter().map(|shard| shard.id.clone()).collect())
    }

    async fn begin(&mut self, positions: &Positions) -> Result<Positions, Trouble> {
        let going_on = going_on(&self.known, positions);
        let mut starts = Positions::default();
        let mut open = VecDeque::new();
        for Listed { id, .. } in &self.known {
            // The first record of one that goes on is the next one after those that were read before it was there.
            let begins_late = self.start == Start::Latest && !going_on.contains(id.as_str());
            let moment = begins_late.then(|| self.moment_ago()).transpose()?;
            let at = match positions.0.get(id) {
                Some(Position::Ended) => continue,
                Some(Position::After(number)) => IteratorAt::After(number.clone()),
                Some(Position::Since(millis)) => IteratorAt::Since(*millis),
                Some(Position::Offset(_)) | None => moment.map_or(IteratorAt::TrimHorizon, IteratorAt::Since),
            };
            let mut shard = Shard { id: id.clone(), at, iterator: None, is_caught_up: false };
            if let Some(moment) = moment {
                starts.0.insert(id.clone(), self.pass_over(&mut shard, moment).await?);
            }
            open.push_back(shard);
        }
        self.open = open;
        Ok(starts)
    }

    async fn look(&mut self, room: usize) -> Result<Looked, Trouble> {
        let Some(mut shard) = self.open.pop_front() else { return Ok(Looked { is_empty: true, ..Looked::default() }) };
        let before = shard.clone();
        let (records, position) = match self.read(&mut shard, room).await {
            Ok(read) => read,
            Err(trouble) => {
                self.open.push_back(shard);
                return Err(trouble);
            }
        };
        let id = shard.id.clone();
        if position == Some(Position::Ended) {
            if let Err(trouble) = self.go_on_after_end().await {
                // Nobody has got what was read: it is read once more.
                self.open.push_back(before);
                return Err(trouble);
            }
        } else {
            self.open.push_back(shard);
        }
        let positions = Positions(position.map(|position| (id, position)).into_iter().collect::<BTreeMap<_, _>>());
        let is_empty = records.is_empty() && self.open.iter().all(|shard| shard.is_caught_up);
        Ok(Looked { records, positions, is_empty })
    }
}

fn listed(shard: &Value) -> Option<Listed> {
    let parents = ["ParentShardId", "AdjacentParentShardId"].iter().filter_map(|key| shard[*key].as_str());
    Some(Listed { id: shard["ShardId"].as_str()?.to_owned(), parents: parents.map(str::to_owned).collect() })
}

/// The shards with a position, and those that go on after them.
fn going_on<'a>(shards: &'a [Listed], positions: &'a Positions) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> = positions.0.keys().map(String::as_str).collect();
    for shard in shards {
        if shard.parents.iter().any(|parent| found.contains(parent.as_str())) {
            found.insert(&shard.id);
        }
    }
    found
}

/// The records of an answer, and the sequence number of the last one.
fn decode(answer: &Value) -> Result<(Vec<Bytes>, Option<String>), Trouble> {
    let odd = |what: &str| Trouble::lasting(anyhow!("GetRecords was answered with {what}"));
    let mut records = Vec::new();
    let mut last = None;
    for record in answer["Records"].as_array().into_iter().flatten() {
        let data = record["Data"].as_str().ok_or_else(|| odd("a record without data"))?;
        records.push(STANDARD.decode(data).map_err(|_| odd("data that are not base64"))?.into());
        let number = record["SequenceNumber"].as_str().filter(|number| is_sequence_number(number));
        last = Some(number.ok_or_else(|| odd("a record without a sequence number"))?.to_owned());
    }
    Ok((records, last))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shard_goes_on_after_those_that_were_read() {
        let answer = json!([
            { "ShardId": "a" }, { "ShardId": "b" },
            { "ShardId": "c", "ParentShardId": "a" },
            { "ShardId": "d", "ParentShardId": "b", "AdjacentParentShardId": "c" },
            { "ShardId": "e", "ParentShardId": "b" },
        ]);
        let shards: Vec<Listed> = answer.as_array().unwrap().iter().filter_map(listed).collect();
        let positions = Positions(BTreeMap::from([("a".to_owned(), Position::After("11".to_owned()))]));
        assert_eq!(going_on(&shards, &positions), BTreeSet::from(["a", "c", "d"]));
        assert_eq!(going_on(&shards, &Positions::default()), BTreeSet::new());
    }

    #[test]
    fn records_are_taken_out_of_base64_in_their_order() {
        let answer = json!({"Records": [
            {"Data": "eyJhIjoxfQ==", "SequenceNumber": "11", "PartitionKey": "p"},
            {"Data": "e30=", "SequenceNumber": "12", "PartitionKey": "p"},
        ]});
        let (records, last) = decode(&answer).unwrap();
        assert_eq!(records, [Bytes::from_static(b"{\"a\":1}"), Bytes::from_static(b"{}")]);
        assert_eq!(last.as_deref(), Some("12"));
        assert!(decode(&json!({"Records": [{"Data": "e30="}]})).is_err());
    }
}
