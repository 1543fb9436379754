//! Data of any format as a table of a DataFusion session.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::avro::AvroFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use futures::{StreamExt as _, TryStreamExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comma_separated;
use crate::delta::{self, Version};
use crate::engine::parallelism;
use crate::json::{JsonTable, Look, ReadReport};
use crate::listing::{self, InputFile, is_pattern, list_files};
use crate::location::{Location, S3};
use crate::packed;
use crate::reason::reason;
use crate::room;

/// Of so many files the headers are read at a time.
const HEADERS_AT_A_TIME: usize = 16;
/// So many rows of a file of CSV say what the types of its columns are.
const ROWS_FOR_TYPES: usize = 1000;

/// How data is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A Delta table: a folder with `_delta_log`.
    Delta,
    /// Parquet files.
    Parquet,
    /// Text with commas, and the names of the columns in the first line.
    Csv,
    /// JSON documents, each on a line of its own.
    Json,
    /// Avro files.
    Avro,
}

impl Format {
    /// The format that the end of a name tells.
    pub fn of_name(name: &str) -> Option<Format> {
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Some(Format::Parquet),
            "csv" => Some(Format::Csv),
            "json" | "jsonl" | "ndjson" => Some(Format::Json),
            "delta" => Some(Format::Delta),
            "avro" => Some(Format::Avro),
            _ => None,
        }
    }

    /// The format of a file that is read, by its name, which may say besides that it is packed.
    pub fn of_input(name: &str) -> Option<Format> {
        Format::of_name(packed::plain_name(name))
    }

    /// Whether such a file can be read although it was packed as a whole. The others pack what is in them.
    fn may_be_packed(self) -> bool {
        matches!(self, Format::Csv | Format::Json)
    }

    /// The format that a word means.
    pub fn of_word(word: &str) -> Option<Format> {
        [Format::Delta, Format::Parquet, Format::Csv, Format::Json].into_iter().find(|format| format.name() == word)
    }

    /// The word that people write.
    pub fn name(self) -> &'static str {
        match self {
            Format::Delta => "delta",
            Format::Parquet => "parquet",
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Avro => "avro",
        }
    }
}

/// How names of files end that are compressed as a whole, and not by gzip.
const COMPRESSED: [&str; 7] = ["bz2", "lz4", "snappy", "xz", "zip", "zst", "zstd"];

/// The format of files that are read as one table, given or told by all their names; none if there are no files.
pub fn format_of(files: &[InputFile], given: Option<Format>) -> anyhow::Result<Option<Format>> {
    let mut told: Option<(Format, &Location)> = None;
    for InputFile { location, .. } in files {
        let name = location.file_name();
        if name.rsplit_once('.').is_some_and(|(_, end)| COMPRESSED.contains(&end)) {
            bail!("`{location}` is compressed, by its name, and not by gzip; unpack it first");
        }
        let of_file = given.or_else(|| Format::of_input(name));
        if let Some(format) = of_file.filter(|format| packed::is_packed(name) && !format.may_be_packed()) {
            bail!("`{location}` is compressed, by its name, which {} is not; unpack it first", format.name());
        }
        match (of_file, told) {
            (None, _) => bail!("the format of `{location}` cannot be told from its name; say `format:`"),
            (Some(format), None) => told = Some((format, location)),
            (Some(format), Some((other, first))) if format != other => bail!(
                "`{first}` is {} and `{location}` is {}, by their names; files that are read together have one format: narrow \
                 the pattern, or say `format:`",
                other.name(),
                format.name()
            ),
            _ => {}
        }
    }
    Ok(told.map(|(format, _)| format))
}

/// How the columns of text files are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvTypes {
    /// All text, as Spark reads them: rules say what is a number.
    Text,
    /// Inferred from the first rows.
    Inferred,
}

/// A table that was found.
pub struct Input {
    /// To be registered with a session.
    pub provider: Arc<dyn TableProvider>,
    /// What was read so far; of formats other than JSON only the number of files is known in advance.
    pub report: ReadReport,
    /// The format, given or inferred.
    pub format: Format,
}

/// Opens the data at `location`; `format` is inferred if it is not given.
pub async fn open(
    location: &Location,
    format: Option<Format>,
    csv_types: CsvTypes,
    session: &SessionContext,
    s3: &S3,
) -> anyhow::Result<Input> {
    open_all(std::slice::from_ref(location), format, None, csv_types, session, s3).await
}

/// Opens the data at all `locations` as one table; of a Delta table perhaps an earlier version. What the session plans then has
/// batches that are as small as its rows ask for.
pub async fn open_all(
    locations: &[Location],
    format: Option<Format>,
    version: Option<&Version>,
    csv_types: CsvTypes,
    session: &SessionContext,
    s3: &S3,
) -> anyhow::Result<Input> {
    if let [location] = locations
        && let Some(table) = open_delta(location, format, version, s3).await?
    {
        let provider = delta::provider(&table, session).await?;
        let files = table.snapshot().map_or(0, |snapshot| snapshot.log_data().num_files()) as u64;
        let report = ReadReport { files, ..ReadReport::default() };
        if let Some(row_bytes) = room::delta_row_bytes(&provider, &table, session).await {
            room::make(session, row_bytes);
        }
        return Ok(Input { provider, report, format: Format::Delta });
    }
    if format == Some(Format::Delta) {
        match locations {
            [location] => bail!("there is no Delta table at `{location}`"),
            _ => bail!("a list of places holds files; a Delta table stands alone"),
        }
    }
    let mut files = Vec::new();
    for location in locations {
        let found = list_files(location, s3).await?;
        if found.is_empty() {
            bail!("there are no files at `{location}`");
        }
        files.extend(found);
    }
    let Some(format) = format_of(&files, format)? else { bail!("a list of places must name one") };
    if format == Format::Json {
        let kept_bytes = room::memory_bytes(session).map_or(usize::MAX, |bytes| bytes / 4);
        let table = JsonTable::open(&files, s3, parallelism(), kept_bytes, Look::Whole).await?;
        let provider = Arc::new(table.provider(parallelism())?);
        if let Some(row_bytes) = table.row_bytes().filter(|_| !room::is_small(listing::bytes(&files), session)) {
            room::make(session, row_bytes);
        }
        return Ok(Input { provider, report: table.report(), format });
    }
    let provider = open_listing(&files, format, csv_types, session, s3).await?;
    let report = ReadReport { files: files.len() as u64, ..ReadReport::default() };
    Ok(Input { provider, report, format })
}

/// The Delta table at a place, if there is one and it may be meant.
async fn open_delta(
    location: &Location,
    format: Option<Format>,
    version: Option<&Version>,
    s3: &S3,
) -> anyhow::Result<Option<DeltaTable>> {
    if let Some(version) = version {
        return delta::open_version(location, version, s3).await.map(Some);
    }
    let may_be_delta = format.is_none_or(|format| format == Format::Delta) && !is_pattern(location.file_name());
    if may_be_delta { delta::open(location, s3).await } else { Ok(None) }
}

async fn open_listing(
    files: &[InputFile],
    format: Format,
    csv_types: CsvTypes,
    session: &SessionContext,
    s3: &S3,
) -> anyhow::Result<Arc<dyn TableProvider>> {
    let file_format: Arc<dyn FileFormat> = match format {
        Format::Csv => Arc::new(csv_format()),
        Format::Avro => Arc::new(AvroFormat),
        _ => Arc::new(ParquetFormat::default()),
    };
    let urls = urls(files, session, s3).await?;
    let options = ListingOptions::new(file_format).with_file_extension("");
    let first = if format == Format::Csv { common_header(files, &urls, session).await? } else { 0 };
    let location = &files[first].location;
    let reading = || format!("`{location}` cannot be read as {}", format.name());
    let wrong = |error: DataFusionError| match format {
        Format::Csv => anyhow!(comma_separated::complaint(&location.to_string(), &reason(&error))),
        _ => anyhow!("{}: {}", reading(), reason(&error)),
    };
    let mut schema = options.infer_schema(&session.state(), &urls[first]).await.map_err(wrong)?;
    if format == Format::Csv {
        schema = Arc::new(comma_separated::all_text(&comma_separated::named(&schema)));
        if csv_types == CsvTypes::Inferred {
            let texts = listed(vec![urls[first].clone()], &options, &schema)?;
            let rows = session.read_table(texts).map_err(wrong)?.limit(0, Some(ROWS_FOR_TYPES)).map_err(wrong)?;
            schema = Arc::new(comma_separated::typed(&schema, &rows.collect().await.map_err(wrong)?)?);
        }
    }
    if let Some(largest) = files.iter().enumerate().max_by_key(|(_, file)| file.size_bytes).map(|(at, _)| at) {
        let sample = listed(vec![urls[largest].clone()], &options, &schema)?;
        if let Some(row_bytes) = room::row_bytes(&sample, files[largest].size_bytes, session).await {
            room::make(session, row_bytes);
        }
    }
    listed(urls, &options, &schema).with_context(reading)
}

fn listed(
    urls: Vec<ListingTableUrl>,
    options: &ListingOptions,
    schema: &SchemaRef,
) -> anyhow::Result<Arc<dyn TableProvider>> {
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options.clone());
    Ok(Arc::new(ListingTable::try_new(config.with_schema(Arc::clone(schema)))?))
}

/// Where a session reads files.
pub async fn urls(files: &[InputFile], session: &SessionContext, s3: &S3) -> anyhow::Result<Vec<ListingTableUrl>> {
    let texts = packed::plain(files, s3).await?;
    packed::keep(&texts, session);
    let mut urls = Vec::with_capacity(texts.len());
    for text in texts {
        let place = text.place();
        let url = place.file_url()?;
        if let Location::S3 { bucket, .. } = &place {
            session.register_object_store(&url, s3.bucket(bucket)?);
        }
        urls.push(ListingTableUrl::parse(url.as_str())?);
    }
    Ok(urls)
}

/// More than one record must not be looked at by DataFusion itself: it takes files apart at line ends, also within texts.
fn csv_format() -> CsvFormat {
    CsvFormat::default().with_has_header(true).with_newlines_in_values(true).with_schema_infer_max_rec(1)
}

/// Which of the files of CSV says first what the columns are. Fields are told apart by their position alone, so that all files
/// must have the same columns in the same order; those that are empty have no say.
async fn common_header(
    files: &[InputFile],
    urls: &[ListingTableUrl],
    session: &SessionContext,
) -> anyhow::Result<usize> {
    if urls.len() < 2 {
        return Ok(0);
    }
    let options = ListingOptions::new(Arc::new(csv_format())).with_file_extension("");
    let requests: Vec<_> = urls
        .iter()
        .zip(files)
        .map(|(url, file)| header(options.clone(), session.state(), url.clone(), file.location.to_string()))
        .collect();
    let headers: Vec<Vec<String>> = futures::stream::iter(requests).buffered(HEADERS_AT_A_TIME).try_collect().await?;
    let Some(first) = headers.iter().position(|names| !names.is_empty()) else { return Ok(0) };
    let differs = |names: &Vec<String>| !names.is_empty() && *names != headers[first];
    if let Some(other) = headers.iter().position(differs) {
        bail!(
            "`{}` has the columns {} and `{}` has {}; files of CSV that are read as one table have the same columns in the same \
             order (`clean` puts them together by name)",
            files[first].location,
            quoted(&headers[first]),
            files[other].location,
            quoted(&headers[other])
        );
    }
    Ok(first)
}

/// The names in the first line of a file of CSV; none if it is empty.
async fn header(
    options: ListingOptions,
    state: SessionState,
    url: ListingTableUrl,
    file: String,
) -> anyhow::Result<Vec<String>> {
    let schema = options.infer_schema(&state, &url).await;
    let schema = schema.map_err(|error| anyhow!(comma_separated::complaint(&file, &reason(&error))))?;
    Ok(schema.fields().iter().map(|field| field.name().clone()).collect())
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
