//! The arguments of `query` as people write them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use scheduler::operator::TaskError;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::chart::Charts;
use super::parameters::Parameters;
use crate::databricks::engine::{Engine, OnDatabricks};
use crate::delta::Version;
use crate::expect::Expectation;
use crate::location::Location;
use crate::memory::MemoryLimit;
use crate::retention::Retention;
use crate::spark::text_to_timestamp;
use crate::table::Format;

/// Rows that go into XCom unless the DAG file says otherwise: a page shows no more, and the database keeps them all.
const XCOM_ROWS: usize = 1000;

/// The arguments of `query`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryArgs {
    /// The tables that the SQL may use, by name. Each is also known as `global_temp.<name>`.
    #[serde(default)]
    pub tables: BTreeMap<String, Table>,
    /// Statements in Spark's SQL, with `;` between them: views, then queries. The last query is the answer.
    pub sql: String,
    /// Values for `:name` in the SQL: text, numbers, booleans, `{date: …}`, `{timestamp: …}`, or a list of them for
    /// `IN (:name)`.
    #[serde(default)]
    pub parameters: Parameters,
    /// Where the whole result is written. Without it, it goes into XCom alone.
    #[serde(default)]
    pub output: Option<Output>,
    /// What must be true of the result before it is written.
    #[serde(default)]
    pub expect: Vec<Expectation>,
    /// How the result is drawn beside its table: one chart, or a list of them.
    #[serde(default)]
    pub chart: Option<Charts>,
    /// Where the `output` is a Delta table: for how long earlier results can still be read, as versions of the table; `7d`
    /// if neither this nor the table says otherwise. Their files are removed after that. `forever` keeps all.
    #[serde(default)]
    pub vacuum_retention: Option<Retention>,
    /// How many rows at most go into XCom.
    #[serde(default = "xcom_rows")]
    pub max_rows: usize,
    /// Memory for sorting, joining and grouping before they spill to disk.
    #[serde(default)]
    pub memory_limit: MemoryLimit,
    /// Where the work is done.
    #[serde(default)]
    pub engine: Engine,
    /// For `engine: databricks`: the connection, the cluster, and how the run is followed.
    #[serde(default)]
    #[schemars(with = "Option<OnDatabricks>")]
    pub databricks: Option<Map<String, Value>>,
}

fn xcom_rows() -> usize {
    XCOM_ROWS
}

/// Where a table is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Table {
    /// A Delta table, a file, a folder or a pattern, whose format its name tells.
    Location(String),
    /// Several files, folders or patterns of one format, as one table.
    Locations(Vec<String>),
    /// The same with its format, or a table of a database.
    Described(Box<DescribedTable>),
}

/// A table with its format, or a table of a database.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DescribedTable {
    /// A file, a folder or a pattern, on this machine or in S3; or a list of them.
    pub path: Option<Locations>,
    /// The format of what is there; what its name tells if it is not given.
    pub format: Option<Format>,
    /// An earlier version of a Delta table, by its number.
    pub version: Option<u64>,
    /// A Delta table as it was at an instant: `2024-03-04T05:06:07Z`.
    pub timestamp: Option<String>,
    /// The connection that leads to a database: of the type `mysql`, `postgres` or `sqlite`.
    pub conn_id: Option<String>,
    /// The address of a database, instead of a connection: `mysql://user@host:3306/database` (MariaDB, too),
    /// `postgres://…`, or `sqlite:path`.
    pub url: Option<String>,
    /// The environment variable that holds the address, when that is a secret.
    pub url_env: Option<String>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
    /// A table of that database, perhaps with its schema: `public.users`.
    pub table: Option<String>,
    /// What is asked of that database, in its own SQL, instead of a whole table.
    pub query: Option<String>,
}

/// Places, their format, and the version of a Delta table.
pub(super) type Files<'a> = (&'a [String], Option<Format>, Option<Version>);

/// One place, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Locations {
    /// One.
    One(String),
    /// Several, as one table.
    Several(Vec<String>),
}

impl Table {
    /// What describes a table of a database.
    pub(super) fn of_database(&self) -> Option<&DescribedTable> {
        match self {
            Table::Described(described) if described.is_of_database() => Some(described),
            _ => None,
        }
    }

    /// The places of a table that is in no database, their format, and the version of a Delta table.
    pub(super) fn files(&self) -> Result<Files<'_>, String> {
        match self {
            Table::Location(path) => Ok((std::slice::from_ref(path), None, None)),
            Table::Locations(paths) => Ok((paths, None, None)),
            Table::Described(described) => {
                let locations = match &described.path {
                    Some(Locations::One(path)) => std::slice::from_ref(path),
                    Some(Locations::Several(paths)) => paths,
                    None => return Err("say where it is: `path`, `conn_id` or `url`".to_owned()),
                };
                Ok((locations, described.format, described.version()?))
            }
        }
    }
}

impl DescribedTable {
    fn is_of_database(&self) -> bool {
        self.conn_id.is_some() || self.url.is_some() || self.url_env.is_some()
    }

    fn version(&self) -> Result<Option<Version>, String> {
        match (self.version, &self.timestamp) {
            (Some(_), Some(_)) => Err("say one of `version` and `timestamp`".to_owned()),
            (Some(number), None) => Ok(Some(Version::Number(number))),
            (None, Some(text)) => instant(text).map(|at| Some(Version::At(at))),
            (None, None) => Ok(None),
        }
    }
}

/// An instant as Spark reads it.
pub(super) fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let instant = text_to_timestamp(text).and_then(DateTime::from_timestamp_micros);
    instant.ok_or_else(|| format!("`{text}` is no instant; write `2024-03-04T05:06:07Z`"))
}

/// Where a result goes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Output {
    /// A file ending in `.csv`, `.jsonl` or `.parquet`, or a folder for a Delta table.
    Location(String),
    /// The same with its format.
    Described(DescribedOutput),
}

/// A place for a result, with its format.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribedOutput {
    /// A file (CSV, JSON, Parquet) or a folder (Delta), on this machine or in S3.
    pub path: String,
    /// Its format.
    pub format: OutputFormat,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Text with commas; NULL is an empty field, an empty text is `""`.
    Csv,
    /// A JSON document a line.
    Json,
    /// One Parquet file.
    Parquet,
    /// A Delta table, replaced in one commit.
    Delta,
}

impl OutputFormat {
    /// The word that people write.
    pub(super) fn name(self) -> &'static str {
        match self {
            OutputFormat::Csv => "csv",
            OutputFormat::Json => "json",
            OutputFormat::Parquet => "parquet",
            OutputFormat::Delta => "delta",
        }
    }

    /// What is written to a file; none for a Delta table.
    pub(crate) fn of_file(self) -> Option<super::output::FileFormat> {
        match self {
            OutputFormat::Csv => Some(super::output::FileFormat::Csv),
            OutputFormat::Json => Some(super::output::FileFormat::Json),
            OutputFormat::Parquet => Some(super::output::FileFormat::Parquet),
            OutputFormat::Delta => None,
        }
    }
}

impl Output {
    /// The place and the format; relative paths begin at `home`.
    pub(crate) fn resolve(&self, home: &Path) -> Result<(Location, OutputFormat), TaskError> {
        let (path, format) = match self {
            Output::Location(path) => (path, None),
            Output::Described(described) => (&described.path, Some(described.format)),
        };
        let location = Location::parse(path, home).map_err(|error| TaskError::fail(anyhow!("`output`: {error}")))?;
        let format = match (format, Format::of_name(location.file_name())) {
            (Some(format), _) => format,
            (None, Some(Format::Csv)) => OutputFormat::Csv,
            (None, Some(Format::Parquet)) => OutputFormat::Parquet,
            (None, Some(Format::Json)) => OutputFormat::Json,
            (None, Some(Format::Delta) | None) => OutputFormat::Delta,
            (None, Some(Format::Avro)) => {
                return Err(TaskError::fail(anyhow!("`output`: `{path}` cannot be written: Avro is only read")));
            }
        };
        Ok((location, format))
    }
}
