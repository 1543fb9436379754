//! Where records come from.

mod folder;
mod kafka;
mod kinesis;

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::Bytes;
use scheduler::operator::{TaskContext, TaskError};

use super::args::SourceChoice;
use super::position::Positions;
use crate::kafka::Surroundings;
use crate::kinesis::{Door, Streams};
use crate::location::{Location, S3};
use crate::notifiers::Environment;
use crate::requests::Trouble;
use crate::shapes::TextOr;

/// What a look at a source brought.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Records, each a JSON document.
    pub(super) records: Vec<Bytes>,
    /// How far they go, by part; parts that have not moved are not named.
    pub(super) positions: Positions,
    /// Whether there is nothing more just now.
    pub(super) is_empty: bool,
}

/// A stream that can be read from any position.
#[async_trait]
pub(super) trait Source: Send + Sync {
    /// For people.
    fn shown(&self) -> String;

    /// Its partitions or shards, as they are now.
    async fn parts(&mut self) -> Result<Vec<String>, Trouble>;

    /// Reads from `positions` on; parts that are not named from where the source's `start` says. Answers with what the table
    /// has to remember before anything is read: where `latest` is now, as it will be elsewhere when there is a record.
    async fn begin(&mut self, positions: &Positions) -> Result<Positions, Trouble>;

    /// Reads some records, about `room` at most; none when there are none just now.
    async fn look(&mut self, room: usize) -> Result<Looked, Trouble>;
}

/// The source that is written.
pub(super) fn open(
    written: &TextOr<SourceChoice>,
    s3: &S3,
    environment: &Environment,
    ctx: &TaskContext,
) -> Result<Box<dyn Source>, TaskError> {
    let home = ctx.home.as_path();
    let folder = |path: &str| -> Result<Box<dyn Source>, TaskError> {
        let location = Location::parse(path, home).map_err(TaskError::fail)?;
        Ok(Box::new(folder::Folder::new(location, s3.clone())))
    };
    match written {
        TextOr::Text(path) => folder(path),
        TextOr::More(SourceChoice::Folder(source)) => folder(&source.path),
        TextOr::More(SourceChoice::Kinesis(source)) => {
            let streams = Streams::open(&Door::default(), s3, environment)?;
            Ok(Box::new(kinesis::Kinesis::new(streams, source)))
        }
        TextOr::More(SourceChoice::Kafka(source)) => {
            let kafka = kafka::Kafka::new(source, Surroundings { home, s3, environment });
            Ok(Box::new(kafka.map_err(|problem| TaskError::fail(anyhow!(problem)))?))
        }
    }
}
