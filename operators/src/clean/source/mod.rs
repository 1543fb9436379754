//! The rows that a task begins with: files of one format, or Delta tables, as one table.
//!
//! ```text
//!   locations ──find──> files, Delta tables ──open──> parts, each of one schema ──union──> rows
//! ```
//!
//! Files whose columns differ are parts of their own: columns go by their names, what a file does not have is NULL, and a
//! column that has several types is text, as Spark reads JSON.

mod chain;
mod end;
mod partitions;
mod union;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::avro::AvroFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::SessionState;
use datafusion::logical_expr::cast;
use datafusion::prelude::{SessionContext, ident};
use futures::{StreamExt as _, TryStreamExt as _};
use scheduler::log::TaskLog;
use scheduler::operator::TaskError;

use super::args::{CleanArgs, CsvOptions};
use crate::comma_separated;
use crate::delta::{self, Version};
use crate::engine::parallelism;
use crate::json::{JsonTable, Look, ReadReport};
use crate::listing::{self, InputFile, is_pattern, list_files};
use crate::location::{Location, S3};
use crate::reason::reason;
use crate::room;
use crate::shapes::OneOrMany;
use crate::table::{self, Format, format_of};
use union::{Part, Sample};

pub use end::End;

/// Files whose columns are looked at at a time.
const SCHEMAS_AT_A_TIME: usize = 32;

/// So many files or tables, the largest ones, are looked at for how long their rows are.
const SAMPLES: usize = 4;

/// Where the rows are.
pub struct Found {
    /// Files, in the order in which they are read.
    pub files: Vec<InputFile>,
    tables: Vec<Location>,
    /// The locations, for people.
    pub name: String,
}

/// Rows that can be read.
pub struct Source {
    /// The rows.
    pub frame: DataFrame,
    /// Documents, whose columns may be a guess.
    documents: Vec<JsonTable>,
    /// Files that hold no documents.
    other_files: u64,
    /// Those of them that hold CSV.
    texts: Vec<TextFile>,
}

/// Files with the same columns.
struct Group {
    schema: SchemaRef,
    urls: Vec<ListingTableUrl>,
    /// The number of the first one among all files.
    first: usize,
    /// The number of the largest one within the group, and among all files.
    largest: (usize, usize),
}

impl Group {
    fn add(&mut self, at: usize, url: ListingTableUrl, files: &[InputFile]) {
        if files[at].size_bytes > files[self.largest.1].size_bytes {
            self.largest = (self.urls.len(), at);
        }
        self.urls.push(url);
    }
}

/// A file of CSV.
struct TextFile {
    name: String,
    url: ListingTableUrl,
    schema: SchemaRef,
    options: ListingOptions,
}

impl TextFile {
    /// Reads all of it, and keeps nothing.
    async fn read(&self, session: &SessionContext) -> datafusion::error::Result<usize> {
        let config = ListingTableConfig::new(self.url.clone())
            .with_listing_options(self.options.clone())
            .with_schema(Arc::clone(&self.schema));
        session.read_table(Arc::new(ListingTable::try_new(config)?))?.count().await
    }
}

impl Source {
    /// The error of whoever consumed the rows. If it is about the text of a file, which one is found out by reading them anew.
    pub async fn blame(&self, error: TaskError, session: &SessionContext) -> TaskError {
        if !comma_separated::is_about_text(&error.to_string()) {
            return error;
        }
        for file in &self.texts {
            if let Err(found) = file.read(session).await {
                return TaskError::fail(anyhow!(comma_separated::complaint(&file.name, &reason(&found))));
            }
        }
        error
    }

    /// Whether all columns are known for certain, and all that is to be told of the input.
    pub fn is_known(&self) -> bool {
        self.documents.iter().all(JsonTable::is_known)
    }

    /// Whether documents turned out to have columns that the rows have not.
    pub fn is_misjudged(&self) -> bool {
        self.documents.iter().any(JsonTable::is_misjudged)
    }

    /// What was found in what has been looked at.
    pub fn report(&self) -> ReadReport {
        let mut report = ReadReport { files: self.other_files, ..ReadReport::default() };
        for documents in &self.documents {
            report.join(documents.report());
        }
        report
    }

    /// Looks at documents that none of the rules asked for.
    async fn conclude(&self) -> anyhow::Result<()> {
        for documents in &self.documents {
            documents.conclude().await?;
        }
        Ok(())
    }
}

impl Found {
    /// Looks for files and tables at `locations`. What is not there is an error, unless it `may_miss`.
    pub async fn at(locations: &[Location], format: Option<Format>, may_miss: bool, s3: &S3) -> anyhow::Result<Found> {
        let names: Vec<String> = locations.iter().map(Location::to_string).collect();
        let mut found = Found { files: Vec::new(), tables: Vec::new(), name: names.join(", ") };
        let mut known = HashSet::new();
        for location in locations {
            let may_be_delta = format.is_none_or(|format| format == Format::Delta) && !is_pattern(location.file_name());
            if may_be_delta && delta::open(location, s3).await?.is_some() {
                found.tables.push(location.clone());
                continue;
            }
            if format == Some(Format::Delta) {
                bail!("there is no Delta table at `{location}`");
            }
            let files = match list_files(location, s3).await {
                Err(error) if may_miss && is_missing(&error) => Vec::new(),
                files => files?,
            };
            if files.is_empty() && !may_miss {
                bail!("there are no files at `{location}`");
            }
            // Patterns may overlap, and a row counts once.
            found.files.extend(files.into_iter().filter(|file| known.insert(file.location.to_string())));
        }
        Ok(found)
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.tables.is_empty()
    }

    /// A Delta table among them.
    pub fn table(&self) -> Option<&Location> {
        self.tables.first()
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    })
}

/// How the rows are read.
pub struct Reader<'a> {
    pub args: &'a CleanArgs,
    pub session: &'a SessionContext,
    pub s3: &'a S3,
    pub log: &'a TaskLog,
    /// Whether the rows must come in the order of the files and their lines.
    pub in_order: bool,
    /// How much of the documents is looked at before the columns are told.
    pub look: Look,
}

impl Reader<'_> {
    /// The rows of what was found.
    pub async fn open(&self, found: &Found) -> anyhow::Result<Source> {
        let session = self.reading();
        let (mut documents, mut other_files, mut texts) = (Vec::new(), 0, Vec::new());
        let mut parts = Vec::new();
        for location in &found.tables {
            parts.push(self.delta(location, &session, &mut other_files).await?);
        }
        if let Some(format) = format_of(&found.files, self.args.format)? {
            for (values, files) in self.by_partition(&found.files) {
                match format {
                    Format::Json => {
                        let table = self.json(&files).await?;
                        parts.push(self.part(&table, &files, values)?);
                        documents.push(table);
                    }
                    _ => {
                        other_files += files.len() as u64;
                        parts.extend(self.listed(&files, &values, format, &session, &mut texts).await?);
                    }
                }
            }
        }
        if let Some(row_bytes) = self.row_bytes(&documents, &found.files, &parts).await {
            room::make(self.session, row_bytes);
        }
        let session = self.reading();
        let frame = union::rows(parts, &session, self.in_order, self.log).await?;
        Ok(Source { frame: in_utc(frame)?, documents, other_files, texts })
    }

    /// How rows are read: perhaps in their order.
    fn reading(&self) -> SessionContext {
        if self.in_order { room::one_by_one(self.session) } else { self.session.clone() }
    }

    /// Bytes of a row in memory, going by some; none if they do not matter.
    async fn row_bytes(&self, documents: &[JsonTable], files: &[InputFile], parts: &[Part]) -> Option<usize> {
        let documents = if room::is_small(listing::bytes(files), self.session) { &[] } else { documents };
        let mut longest = documents.iter().filter_map(JsonTable::row_bytes).max();
        let mut samples: Vec<&Sample> = parts.iter().filter_map(|part| part.sample.as_ref()).collect();
        samples.sort_by_key(|sample| Reverse(sample.disk_bytes));
        for sample in samples.into_iter().take(SAMPLES) {
            longest = longest.max(room::row_bytes(&sample.provider, sample.disk_bytes, self.session).await);
        }
        longest
    }

    async fn delta(&self, location: &Location, session: &SessionContext, files: &mut u64) -> anyhow::Result<Part> {
        let table = match self.args.version {
            Some(version) => delta::open_version(location, &Version::Number(version), self.s3).await?,
            None => delta::open(location, self.s3).await?.with_context(|| format!("`{location}` is gone"))?,
        };
        *files += table.snapshot().map_or(0, |snapshot| snapshot.log_data().num_files()) as u64;
        let provider = delta::provider(&table, session).await?;
        let sample = Some(Sample { provider: Arc::clone(&provider), disk_bytes: delta::disk_bytes(&table) });
        Ok(Part { name: location.to_string(), files: 1, provider, names: None, null: None, values: Vec::new(), sample })
    }

    /// The files with the same values in the names of their folders, together.
    fn by_partition(&self, files: &[InputFile]) -> Vec<(partitions::Values, Vec<InputFile>)> {
        if self.args.partition_columns { partitions::groups(files) } else { vec![(Vec::new(), files.to_vec())] }
    }

    async fn json(&self, files: &[InputFile]) -> anyhow::Result<JsonTable> {
        let keep_bytes = self.args.memory_limit.bytes / 4;
        JsonTable::open(files, self.s3, self.width(), keep_bytes, self.look).await
    }

    fn part(&self, table: &JsonTable, files: &[InputFile], values: Vec<(String, ScalarValue)>) -> anyhow::Result<Part> {
        let provider = Arc::new(table.provider(self.width())?);
        let name = files[0].location.to_string();
        Ok(Part { name, files: files.len(), provider, names: None, null: None, values, sample: None })
    }

    /// How many files, or parts of one, are read at a time.
    fn width(&self) -> usize {
        if self.in_order { 1 } else { parallelism().max(1) }
    }

    /// Files of CSV, Parquet or Avro: a part for each schema.
    async fn listed(
        &self,
        files: &[InputFile],
        values: &[(String, ScalarValue)],
        format: Format,
        session: &SessionContext,
        texts: &mut Vec<TextFile>,
    ) -> anyhow::Result<Vec<Part>> {
        let options = ListingOptions::new(file_format(format, &self.args.csv)?).with_file_extension("");
        let urls = table::urls(files, session, self.s3).await?;
        let requests = urls.iter().zip(files);
        let requests: Vec<_> = requests
            .map(|(url, file)| infer(options.clone(), session.state(), url.clone(), file.location.to_string(), format))
            .collect();
        let schemas: Vec<SchemaRef> = futures::stream::iter(requests).buffered(SCHEMAS_AT_A_TIME).try_collect().await?;
        let mut groups: Vec<Group> = Vec::new();
        for (at, (schema, url)) in schemas.into_iter().zip(urls).enumerate() {
            let schema = match format {
                Format::Csv if self.args.csv.header => {
                    Arc::new(comma_separated::all_text(&comma_separated::named(&schema)))
                }
                Format::Csv => Arc::new(comma_separated::all_text(&schema)),
                _ => schema,
            };
            if format == Format::Csv {
                let (name, schema) = (files[at].location.to_string(), Arc::clone(&schema));
                texts.push(TextFile { name, url: url.clone(), schema, options: options.clone() });
            }
            let is_same = |group: &Group| group.schema.fields() == schema.fields();
            let same = if self.in_order {
                groups.last().is_some_and(is_same).then(|| groups.len() - 1)
            } else {
                groups.iter().position(is_same)
            };
            match same {
                Some(group) => groups[group].add(at, url, files),
                None => groups.push(Group { schema, urls: vec![url], first: at, largest: (0, at) }),
            }
        }
        let null = if format == Format::Csv { self.args.csv.null.clone() } else { None };
        let table = |urls: Vec<ListingTableUrl>, schema: &SchemaRef| -> anyhow::Result<Arc<dyn TableProvider>> {
            let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options.clone());
            Ok(Arc::new(ListingTable::try_new(config.with_schema(Arc::clone(schema)))?))
        };
        let parts = groups.into_iter().map(|Group { schema, urls, first, largest: (nth, largest) }| {
            let sample = table(vec![urls[nth].clone()], &schema)?;
            Ok(Part {
                name: files[first].location.to_string(),
                files: urls.len(),
                provider: table(urls, &schema)?,
                names: self.names_without_header(format, &schema),
                null: null.clone(),
                values: values.to_vec(),
                sample: Some(Sample { provider: sample, disk_bytes: files[largest].size_bytes }),
            })
        });
        parts.collect()
    }

    /// What the columns of CSV without names are called.
    fn names_without_header(&self, format: Format, schema: &Schema) -> Option<Vec<String>> {
        if format != Format::Csv || self.args.csv.header {
            return None;
        }
        let given = self.args.schema.as_ref().map(|schema| schema.0.as_slice()).unwrap_or_default();
        let name = |at: usize| given.get(at).map_or_else(|| format!("_c{at}"), |(name, _)| name.clone());
        Some((0..schema.fields().len()).map(name).collect())
    }
}

/// Instants as tables have them: in microseconds, and in the zone that Delta alone calls by its name. Avro says `+00:00`.
fn in_utc(frame: DataFrame) -> anyhow::Result<DataFrame> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let is_elsewhere = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, Some(_))) && *data_type != utc;
    if !frame.schema().fields().iter().any(|field| is_elsewhere(field.data_type())) {
        return Ok(frame);
    }
    let columns = frame.schema().fields().iter().map(|field| {
        let column = ident(field.name());
        if is_elsewhere(field.data_type()) { cast(column, utc.clone()).alias(field.name()) } else { column }
    });
    let columns: Vec<_> = columns.collect();
    Ok(frame.select(columns)?)
}

/// The columns of a file.
async fn infer(
    options: ListingOptions,
    state: SessionState,
    url: ListingTableUrl,
    file: String,
    format: Format,
) -> anyhow::Result<SchemaRef> {
    options.infer_schema(&state, &url).await.map_err(|error| match format {
        Format::Csv => anyhow!(comma_separated::complaint(&file, &reason(&error))),
        _ => anyhow!("`{file}` cannot be read as {}: {}", format.name(), reason(&error)),
    })
}

fn file_format(format: Format, csv: &CsvOptions) -> anyhow::Result<Arc<dyn FileFormat>> {
    Ok(match format {
        Format::Csv => Arc::new(
            CsvFormat::default()
                .with_has_header(csv.header)
                .with_newlines_in_values(true)
                .with_schema_infer_max_rec(1)
                .with_delimiter(csv.delimiter.0)
                .with_quote(csv.quote.0)
                .with_escape(csv.escape.map(|sign| sign.0)),
        ),
        Format::Avro => Arc::new(AvroFormat),
        Format::Parquet => Arc::new(ParquetFormat::default()),
        Format::Json | Format::Delta => bail!("{} is not read file by file", format.name()),
    })
}

/// The locations that an argument names.
pub fn locations(input: &OneOrMany, home: &std::path::Path) -> anyhow::Result<Vec<Location>> {
    if input.names().is_empty() {
        bail!("`input` names nothing to read");
    }
    input.names().iter().map(|text| Ok(Location::parse(text, home)?)).collect()
}
