//! `emulation`: lands rows of the pipeline's three tables where its users' posts would land.
//!
//! ```yaml
//! - task_id: emulate
//!   operator: emulation
//!   source: sample
//!   sink: s3://user-0a3db223d459-bucket
//!   rows: 11154
//! ```
//!
//! A [`source::Source`] sends the rows of each table, packed into objects, to a [`sink::Sink`]; neither knows which the
//! other is.

mod args;
mod batch;
mod bucket;
mod folder;
mod jsonl;
mod progress;
mod sample;
mod sink;
mod source;
mod table;

use anyhow::anyhow;
use futures::{StreamExt, stream};
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::location::{Location, LocationError, S3};
pub use args::EmulationArgs;
use args::SAMPLE;
use batch::Packer;
use bucket::Bucket;
use folder::Folder;
use jsonl::JsonLines;
use progress::Progress;
use sample::Sample;
use sink::{Landed, Sink};
use source::{Inspection, Source};
use table::Table;

/// So many batches wait between source and sink: both are busy, and a stop is soon felt.
const BATCHES_WAITING: usize = 8;

/// The `emulation` operator.
#[derive(Clone, Debug)]
pub struct Emulation {
    s3: S3,
}

impl Emulation {
    /// Reaches S3 as `s3` says.
    pub fn new(s3: S3) -> Emulation {
        Emulation { s3 }
    }
}

impl Operator for Emulation {
    const NAME: &'static str = "emulation";
    const SUMMARY: &'static str = "Lands rows of users, posts and places as Kafka Connect's S3 sink does.";
    type Args = EmulationArgs;

    async fn execute(&self, args: EmulationArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        args.validate()?;
        let lake = Location::parse(&args.sink, &ctx.home).map_err(|error| author("sink", &error))?;
        let source = self.source(&args, ctx)?;
        let sink = self.sink(&args, &lake, ctx)?;
        // Fires when the try is cancelled, when a part of it fails, and when it is dropped half-way.
        let stop = ctx.cancelled.child_token();
        let _guard = stop.clone().drop_guard();

        ctx.log.info(format!("Landing pin, geo and user of user {} from {} in {lake}", args.user_id, args.source));
        let found = inspect(&source, &args, ctx, &stop).await?;
        let done = land(&source, &sink, &args, &found, ctx, &stop).await;
        let landed = match done {
            Ok(landed) => landed,
            Err(error) => {
                if let Some(left) = sink.abandon().await {
                    ctx.log.warning(left);
                }
                return Err(if ctx.cancelled.is_cancelled() { TaskError::cancelled() } else { error });
            }
        };
        Ok(Outcome::value(report(&landed, &found, &lake)))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let written = |key: &str| args.get(key).and_then(Value::as_str).filter(|text| !text.contains("{{"));
        let mut problems = Vec::new();
        for key in ["sink", "source"] {
            let Some(text) = written(key) else { continue };
            if let Err(error) = Location::parse(text, std::path::Path::new("/")) {
                problems.push(ArgumentProblem { pointer: format!("/{key}"), message: error.to_string(), help: None });
            }
        }
        problems
    }
}

impl Emulation {
    fn source(&self, args: &EmulationArgs, ctx: &TaskContext) -> Result<Source, TaskError> {
        if args.source == SAMPLE {
            return Ok(Source::Sample(Sample::new(args.rows, args.seed)));
        }
        let folder = Location::parse(&args.source, &ctx.home).map_err(|error| author("source", &error))?;
        let opened = folder.open(&self.s3).map_err(|error| author("source", &error))?;
        Ok(Source::Lines(JsonLines::new(folder, opened)))
    }

    fn sink(&self, args: &EmulationArgs, lake: &Location, ctx: &TaskContext) -> Result<Sink, TaskError> {
        let topics = lake.join("topics");
        if let Some(path) = topics.local_path() {
            return Ok(Sink::Folder(Folder::new(path.to_owned(), args.user_id.clone(), ctx.try_id)));
        }
        let opened = topics.open(&self.s3).map_err(|error| author("sink", &error))?;
        let bucket = Bucket::new(topics, opened, args.user_id.clone(), args.flush_size);
        Ok(Sink::Bucket(Box::new(bucket)))
    }
}

fn author(argument: &str, error: &LocationError) -> TaskError {
    TaskError::fail(anyhow!("`{argument}`: {error}"))
}

/// Looks through the whole source before anything is landed.
async fn inspect(
    source: &Source,
    args: &EmulationArgs,
    ctx: &TaskContext,
    stop: &CancellationToken,
) -> Result<Vec<(Table, Inspection)>, TaskError> {
    let mut all = Vec::new();
    let mut refused = Vec::new();
    for table in Table::ALL {
        let found = source.inspect(table, stop).await?;
        if found.broken > 0 {
            let said = broken_in_words(table, &found);
            ctx.log.warning(&said);
            if share(&found) > args.max_broken_share {
                refused.push(said);
            }
        }
        all.push((table, found));
    }
    if refused.is_empty() {
        return Ok(all);
    }
    Err(TaskError::fail(anyhow!(
        "{}; `max_broken_share` allows {} %, so nothing was landed",
        refused.join("; "),
        args.max_broken_share * 100.0
    )))
}

#[expect(clippy::cast_precision_loss, reason = "no file has 2^52 lines")]
fn share(found: &Inspection) -> f64 {
    found.broken as f64 / found.rows.max(1) as f64
}

fn broken_in_words(table: Table, found: &Inspection) -> String {
    let mut lines: Vec<String> = found.broken_lines.iter().map(u64::to_string).collect();
    if found.broken > found.broken_lines.len() as u64 {
        lines.push("…".to_owned());
    }
    let percent = share(found) * 100.0;
    let (file, broken, rows) = (table.file(), found.broken, found.rows);
    format!("{broken} of {rows} lines of {file} ({percent:.1} %) are not JSON: lines {}", lines.join(", "))
}

async fn land(
    source: &Source,
    sink: &Sink,
    args: &EmulationArgs,
    found: &[(Table, Inspection)],
    ctx: &TaskContext,
    stop: &CancellationToken,
) -> Result<Vec<(Table, Landed)>, TaskError> {
    let rows_total = found.iter().map(|(_, found)| found.rows).sum();
    let mut progress = Progress::new(ctx.log.clone(), rows_total);
    sink.start(stop).await?;
    let mut all = Vec::new();
    for table in Table::ALL {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let batches = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        let sending = source.send(table, Packer::new(args.flush_size), sender, stop);
        let (sent, landed) = futures::join!(sending, sink.land(table, batches.boxed(), &mut progress, stop));
        // When both failed, the sink did so first: it stops the source, which cannot stop the sink.
        let landed = landed?;
        sent?;
        all.push((table, landed));
    }
    if stop.is_cancelled() {
        return Err(TaskError::cancelled());
    }
    let rows_landed: u64 = all.iter().map(|(_, landed)| landed.rows).sum();
    if rows_landed != rows_total {
        return Err(TaskError::retry(anyhow!(
            "{rows_landed} rows came, not {rows_total}: the source changed while it was read"
        )));
    }
    sink.commit(&all, stop).await?;
    let objects: u64 = all.iter().map(|(_, landed)| landed.objects).sum();
    ctx.log.info(format!("Landed {rows_total} rows in {objects} objects"));
    Ok(all)
}

/// The XCom `return_value`.
fn report(landed: &[(Table, Landed)], found: &[(Table, Inspection)], lake: &Location) -> Value {
    let mut report = Map::new();
    for ((table, landed), (_, found)) in landed.iter().zip(found) {
        let mut entry = json!({ "rows": landed.rows, "objects": landed.objects, "broken": found.broken });
        if !found.broken_lines.is_empty() {
            entry["broken_lines"] = json!(found.broken_lines);
        }
        report.insert(table.name().to_owned(), entry);
    }
    report.insert("location".to_owned(), Value::String(lake.to_string()));
    Value::Object(report)
}
