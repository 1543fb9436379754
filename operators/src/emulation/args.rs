//! The arguments, and what must hold for them.

use anyhow::anyhow;
use scheduler::operator::TaskError;
use schemars::JsonSchema;
use serde::Deserialize;

/// The source that is built in.
pub(super) const SAMPLE: &str = "sample";

/// More rows than this are a mistake: the generator keeps some hundred bytes of each poster in memory.
const ROWS_MAX: u64 = 10_000_000;

/// Arguments of the `emulation` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmulationArgs {
    /// Where the rows come from: `sample` makes them up, as dirty as real ones; otherwise a folder or S3 prefix that holds
    /// `pin.jsonl`, `geo.jsonl` and `user.jsonl`, whose lines are landed exactly as they are.
    #[serde(default = "default_source")]
    pub(super) source: String,
    /// Where the folder `topics` goes: a folder (relative ones begin in `UPDRAFT_HOME`) or `s3://bucket/prefix`. What
    /// earlier runs landed there for the same user is replaced.
    #[serde(default = "default_sink")]
    pub(super) sink: String,
    /// Begins the names of the topics; 12 hexadecimal digits.
    #[serde(default = "default_user_id")]
    #[schemars(regex(pattern = r"^[0-9a-f]{12}$"))]
    pub(super) user_id: String,
    /// How many rows `sample` makes for each table. Other sources have as many as they have.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(super) rows: u64,
    /// Decides which rows `sample` makes; the same seed always makes the same rows.
    #[serde(default = "default_seed")]
    pub(super) seed: u64,
    /// How many records an object holds.
    #[serde(default = "default_flush_size")]
    #[schemars(range(min = 1))]
    pub(super) flush_size: u64,
    /// The share of a table's lines that may be something else than JSON, from 0 to 1; with more the task fails before
    /// anything is landed.
    #[serde(default = "default_max_broken_share")]
    #[schemars(range(min = 0, max = 1))]
    pub(super) max_broken_share: f64,
}

fn default_source() -> String {
    SAMPLE.to_owned()
}

fn default_sink() -> String {
    "lake".to_owned()
}

fn default_user_id() -> String {
    "0a3db223d459".to_owned()
}

fn default_rows() -> u64 {
    11_154
}

fn default_seed() -> u64 {
    100
}

fn default_flush_size() -> u64 {
    1
}

fn default_max_broken_share() -> f64 {
    0.05
}

impl EmulationArgs {
    /// What the JSON Schema says of plain values holds for rendered templates, too.
    pub(super) fn validate(&self) -> Result<(), TaskError> {
        let hexadecimal = |sign: u8| sign.is_ascii_digit() || (b'a'..=b'f').contains(&sign);
        let problem = if self.user_id.len() != 12 || !self.user_id.bytes().all(hexadecimal) {
            format!("`user_id` is {:?}; it has 12 hexadecimal digits, in lower case", self.user_id)
        } else if self.rows == 0 || self.rows > ROWS_MAX {
            format!("`rows` is {}; it is between 1 and {ROWS_MAX}", self.rows)
        } else if self.flush_size == 0 {
            "`flush_size` is 0; an object holds at least one record".to_owned()
        } else if !(0.0..=1.0).contains(&self.max_broken_share) {
            format!("`max_broken_share` is {}; it is between 0 and 1", self.max_broken_share)
        } else {
            return Ok(());
        };
        Err(TaskError::fail(anyhow!(problem)))
    }
}
