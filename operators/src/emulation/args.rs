//! The arguments, and what must hold for them.

mod check;
mod pause;
mod sinks;
mod sources;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shapes::TextOr;
use crate::span::Span;
pub(super) use check::{check, validate};
pub(super) use pause::Pause;
pub(super) use sinks::{KafkaRestArgs, KinesisSinkArgs, SinkChoice};
pub(super) use sources::{FileFormat, FilesArgs, SourceChoice, SqlArgs, TimeStyle};

/// The source that is built in.
pub(super) const SAMPLE: &str = "sample";

/// The folder that rows land in unless said.
const LAKE: &str = "lake";

/// As many rows as the real tables have.
pub(super) const ROWS_REAL: u64 = 11_154;

/// The scripts draw from as many rows, from the first on.
pub(super) const DRAWN_FROM: u64 = 11_001;

/// Arguments of the `emulation` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmulationArgs {
    /// Where the rows come from: `sample` makes them up, as dirty as real ones; a folder or S3 prefix holds a file for each
    /// table (`pin.jsonl`, `geo.csv`, `user.parquet`, …); or a mapping with one of `sample`, `files`, `sql`.
    #[serde(default = "default_source")]
    #[schemars(extend("default" = SAMPLE))]
    pub(super) source: TextOr<SourceChoice>,
    /// Where they go: a folder (relative ones begin in `UPDRAFT_HOME`) or `s3://bucket/prefix`, in which `topics/` is laid
    /// out as by Kafka Connect's S3 sink; or a mapping with one of `kafka_rest`, `kinesis`, `kafka`.
    #[serde(default = "default_sink")]
    #[schemars(extend("default" = LAKE))]
    pub(super) sink: TextOr<SinkChoice>,
    /// Begins the names of the topics; 12 hexadecimal digits.
    #[serde(default = "default_user_id")]
    #[schemars(regex(pattern = r"^[0-9a-f]{12}$"))]
    pub(super) user_id: String,
    /// How many rows of each table are posted; without it as many as the source has (`sample`: 11154). A source that is
    /// written as a folder, in plain text, is always read to its end: `source: {files: …}` takes so many rows of it.
    #[schemars(range(min = 1))]
    pub(super) rows: Option<u64>,
    /// Ends the emulation after that long (`90s`, `10m`), if the rows have not ended before.
    pub(super) duration: Option<Span>,
    /// Decides which rows `sample` makes, which rows `order: random` picks, and how long `pause: random` pauses; the same
    /// seed always does the same.
    #[serde(default = "default_seed")]
    pub(super) seed: u64,
    /// Which rows come next.
    #[serde(default)]
    pub(super) order: Order,
    /// From how many of each table's rows `order: random` picks, counted from the first. At most as many as the smallest
    /// table has.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) draw_from: Option<u64>,
    /// How many rows of each table are posted a second; without it, and without `pause`, as fast as they go.
    #[schemars(range(min = 0.001, max = 1_000_000))]
    pub(super) rate: Option<f64>,
    /// How long to wait before each round of three rows: `random` for none or one second, as the original scripts do, or a
    /// duration.
    pub(super) pause: Option<Pause>,
    /// How many requests are under way at a time. With 1 each table's rows arrive in their order. Folders and buckets: as
    /// many writers as are good for them.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) concurrency: Option<u64>,
    /// How many rows of a table a request holds, at most.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) batch: Option<u64>,
    /// How many records an object of a folder or bucket holds; 1 unless said.
    #[schemars(range(min = 1))]
    pub(super) flush_size: Option<u64>,
    /// What becomes of the objects that earlier runs landed for the same user in a folder or bucket.
    #[serde(default)]
    pub(super) offsets: Offsets,
    /// For how long a request that the other side cannot take just now is repeated before the try fails.
    #[serde(default = "default_retry_for")]
    pub(super) retry_for: Span,
    /// The share of a table's lines that may be something else than JSON, from 0 to 1; with more the task fails before
    /// anything is landed.
    #[serde(default = "default_max_broken_share")]
    #[schemars(range(min = 0, max = 1))]
    pub(super) max_broken_share: f64,
}

fn default_source() -> TextOr<SourceChoice> {
    TextOr::Text(SAMPLE.to_owned())
}

fn default_sink() -> TextOr<SinkChoice> {
    TextOr::Text(LAKE.to_owned())
}

fn default_user_id() -> String {
    "0a3db223d459".to_owned()
}

fn default_seed() -> u64 {
    100
}

fn default_retry_for() -> Span {
    Span(Duration::from_mins(2))
}

fn default_max_broken_share() -> f64 {
    0.05
}

/// Which rows come next: `scan` takes one after the other, from the first on; `random` any, again and again, as the original
/// scripts pick them, the same number in each table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    #[default]
    Scan,
    Random,
}

/// What becomes of the objects that earlier runs landed: with `replace` they go, and offsets begin at 0; with `continue` they
/// stay, and offsets go on after the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Offsets {
    #[default]
    Replace,
    Continue,
}

impl EmulationArgs {
    /// What of the sink decides where rows go, beside its address; without secrets.
    pub(super) fn target(&self) -> String {
        match &self.sink {
            TextOr::More(SinkChoice::Kinesis(more)) => format!("{:?} {:?}", more.streams, more.partition_key),
            _ => String::new(),
        }
    }

    /// How many rows of each table there are to post, as far as the arguments say.
    pub(super) fn rows_asked(&self) -> Option<u64> {
        let is_folder = matches!(&self.source, TextOr::Text(text) if text != SAMPLE);
        if is_folder && self.order == Order::Scan { None } else { self.rows }
    }
}
