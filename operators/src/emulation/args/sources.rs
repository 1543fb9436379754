//! The sources as people write them.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::shapes::{TextOr, one_key};

/// Where rows come from, when a word does not say enough.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = one_key)]
pub(in crate::emulation) enum SourceChoice {
    /// Rows that are made up.
    Sample(SampleArgs),
    /// A folder or S3 prefix with a file for each table.
    Files(TextOr<FilesArgs>),
    /// Tables of a database.
    Sql(SqlArgs),
}

/// See [`SourceChoice::Sample`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::emulation) struct SampleArgs {
    /// How many rows each table has; as many as are posted unless said, and 11154 for `order: random`.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(in crate::emulation) rows: Option<u64>,
}

/// See [`SourceChoice::Files`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::emulation) struct FilesArgs {
    /// A folder (relative ones begin in `UPDRAFT_HOME`) or `s3://bucket/prefix`.
    pub(in crate::emulation) location: String,
    /// What the files are; by default what the name of the first table's file says.
    pub(in crate::emulation) format: Option<FileFormat>,
}

/// How the rows of a file are written down: `json` is a JSON document a line, `csv` has the names of the columns in its first
/// line.
// Comments on the variants would turn the choices into schemas of their own, and mistakes into riddles; so below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::emulation) enum FileFormat {
    Json,
    Csv,
    Parquet,
}

impl FileFormat {
    /// All of them, in the order in which they are looked for.
    pub(in crate::emulation) const ALL: [FileFormat; 3] = [FileFormat::Json, FileFormat::Csv, FileFormat::Parquet];

    /// How names of such files end.
    pub(in crate::emulation) fn endings(self) -> &'static [&'static str] {
        match self {
            FileFormat::Json => &["jsonl", "ndjson", "json", "jsonl.gz", "ndjson.gz", "json.gz"],
            FileFormat::Csv => &["csv", "csv.gz"],
            FileFormat::Parquet => &["parquet", "pq"],
        }
    }
}

/// See [`SourceChoice::Sql`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::emulation) struct SqlArgs {
    /// The database: `mysql://user@host:3306/database` (MariaDB, too), `postgres://…`, or `sqlite:path`.
    pub(in crate::emulation) url: Option<String>,
    /// The environment variable that holds the address, when that is a secret.
    pub(in crate::emulation) url_env: Option<String>,
    /// The environment variable that holds the password.
    pub(in crate::emulation) password_env: Option<String>,
    /// The table of the posts.
    #[serde(default = "default_pin")]
    pub(in crate::emulation) pin: TextOr<SqlTable>,
    /// The table of the places.
    #[serde(default = "default_geo")]
    pub(in crate::emulation) geo: TextOr<SqlTable>,
    /// The table of the users.
    #[serde(default = "default_user")]
    pub(in crate::emulation) user: TextOr<SqlTable>,
    /// How dates with a time are written.
    #[serde(default)]
    pub(in crate::emulation) datetimes: TimeStyle,
}

fn default_pin() -> TextOr<SqlTable> {
    TextOr::Text("pinterest_data".to_owned())
}

fn default_geo() -> TextOr<SqlTable> {
    TextOr::Text("geolocation_data".to_owned())
}

fn default_user() -> TextOr<SqlTable> {
    TextOr::Text("user_data".to_owned())
}

/// A table of a database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::emulation) struct SqlTable {
    /// Its name, perhaps with that of its schema before it: `pinterest.user_data`.
    pub(in crate::emulation) table: String,
    /// The column whose order the rows have. Without one they come as the server likes, which may differ from time to time.
    pub(in crate::emulation) order_by: Option<String>,
}

/// How dates with a time are written: `iso` is `2018-03-04T05:06:07`, as Python's `isoformat()` writes them; `blank` is
/// `2018-03-04 05:06:07`, as its `str()` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::emulation) enum TimeStyle {
    #[default]
    Iso,
    Blank,
}
