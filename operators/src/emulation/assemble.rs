//! The source and the sink that the arguments mean.

use anyhow::anyhow;
use object_store::ObjectStoreExt;
use scheduler::operator::{TaskContext, TaskError};

use super::Emulation;
use super::args::{EmulationArgs, FileFormat, FilesArgs, Offsets, SAMPLE, SinkChoice, SourceChoice};
use super::sink::{Bucket, Folder, Kafka, KafkaRest, KinesisStreams, Layout, Posting, Sink, Terms};
use super::source::{JsonLines, Sample, Sheets, Source, Sql};
use super::table::Table;
use crate::kafka::Surroundings;
use crate::kinesis::Streams;
use crate::location::{Location, LocationError, Opened};
use crate::shapes::TextOr;
use crate::table::Format;

impl Emulation {
    pub(super) async fn source(&self, args: &EmulationArgs, ctx: &TaskContext) -> Result<Box<dyn Source>, TaskError> {
        let plain = |location: &str| FilesArgs { location: location.to_owned(), format: None };
        match &args.source {
            TextOr::Text(text) if text == SAMPLE => Ok(sample(args)),
            TextOr::More(SourceChoice::Sample(_)) => Ok(sample(args)),
            TextOr::Text(location) | TextOr::More(SourceChoice::Files(TextOr::Text(location))) => {
                self.files(&plain(location), ctx).await
            }
            TextOr::More(SourceChoice::Files(TextOr::More(files))) => self.files(files, ctx).await,
            TextOr::More(SourceChoice::Sql(sql)) => {
                let is_slow = args.rate.is_some() || args.pause.is_some();
                let sql = Sql::new(sql, &self.environment, &ctx.home, is_slow);
                Ok(Box::new(sql.map_err(|problem| TaskError::fail(anyhow!("`source.sql`: {problem}")))?))
            }
        }
    }

    async fn files(&self, files: &FilesArgs, ctx: &TaskContext) -> Result<Box<dyn Source>, TaskError> {
        let folder = Location::parse(&files.location, &ctx.home).map_err(|error| author("source", &error))?;
        let opened = folder.open(&self.s3).map_err(|error| author("source", &error))?;
        let (format, ending) = kind_of(files.format, &opened).await;
        let sheets = |format| Sheets::new(folder.clone(), ending, format, self.s3.clone(), ctx.clone());
        Ok(match format {
            FileFormat::Json => Box::new(JsonLines::new(folder, opened, ending)),
            FileFormat::Csv => Box::new(sheets(Format::Csv)),
            FileFormat::Parquet => Box::new(sheets(Format::Parquet)),
        })
    }

    pub(super) fn sink(&self, args: &EmulationArgs, ctx: &TaskContext) -> Result<Box<dyn Sink>, TaskError> {
        let user = args.user_id.as_str();
        let wrong = |choice: &str, problem: String| TaskError::fail(anyhow!("`sink.{choice}`: {problem}"));
        let terms = Terms {
            concurrency: count(args.concurrency).unwrap_or(1),
            batch: count(args.batch).unwrap_or(1),
            retry_for: args.retry_for.0,
        };
        let log = ctx.log.clone();
        Ok(match &args.sink {
            TextOr::Text(location) => self.layout(location, args, ctx)?,
            TextOr::More(SinkChoice::KafkaRest(more)) => {
                let proxy = KafkaRest::new(more, user, &self.environment);
                Box::new(Posting::new(proxy.map_err(|problem| wrong("kafka_rest", problem))?, terms, log))
            }
            TextOr::More(SinkChoice::Kinesis(more)) => {
                let streams = Streams::open(&more.door(), &self.s3, &self.environment)?;
                Box::new(Posting::new(KinesisStreams::new(streams, more, user, terms.batch == 1), terms, log))
            }
            TextOr::More(SinkChoice::Kafka(more)) => {
                let around = Surroundings { home: &ctx.home, s3: &self.s3, environment: &self.environment };
                let cluster = Kafka::new(more, user, around);
                Box::new(Posting::new(cluster.map_err(|problem| wrong("kafka", problem))?, terms, log))
            }
        })
    }

    fn layout(&self, location: &str, args: &EmulationArgs, ctx: &TaskContext) -> Result<Box<dyn Sink>, TaskError> {
        let lake = Location::parse(location, &ctx.home).map_err(|error| author("sink", &error))?;
        let topics = lake.join("topics");
        let layout = Layout {
            user_id: args.user_id.clone(),
            flush_size: args.flush_size.unwrap_or(1),
            continues: args.offsets == Offsets::Continue,
        };
        let writers = count(args.concurrency);
        if let Some(path) = topics.local_path() {
            let path = path.to_owned();
            return Ok(Box::new(Folder::new(lake, path, layout, ctx.try_id, writers)));
        }
        let opened = topics.open(&self.s3).map_err(|error| author("sink", &error))?;
        Ok(Box::new(Bucket::new(lake, topics, opened, layout, writers)))
    }
}

/// What the files are, by the name of the first table's file. If there is none, reading says so best.
async fn kind_of(format: Option<FileFormat>, opened: &Opened) -> (FileFormat, &'static str) {
    let all = FileFormat::ALL.into_iter().filter(|known| format.is_none_or(|format| format == *known));
    let mut kinds = Vec::new();
    for format in all {
        for &ending in format.endings() {
            kinds.push((format, ending));
        }
    }
    for &(format, ending) in &kinds {
        let path = opened.prefix.clone().join(format!("{}.{ending}", Table::Pin));
        if opened.store.head(&path).await.is_ok() {
            return (format, ending);
        }
    }
    kinds.first().copied().unwrap_or((FileFormat::Json, "jsonl"))
}

fn sample(args: &EmulationArgs) -> Box<dyn Source> {
    Box::new(Sample::new(args.sample_rows(), args.seed))
}

fn count(number: Option<u64>) -> Option<usize> {
    number.map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn author(argument: &str, error: &LocationError) -> TaskError {
    TaskError::fail(anyhow!("`{argument}`: {error}"))
}
