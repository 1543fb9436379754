//! `emulation`: posts rows of the pipeline's three tables where its users' posts would go.
//!
//! ```yaml
//! - task_id: emulate
//!   operator: emulation
//!   source: sample
//!   sink: s3://user-0a3db223d459-bucket
//!   rows: 11154
//! ```
//!
//! ```text
//!   source ──rows──> feed ──parcels──> sink
//!                     │ pacing           │
//!                     │ chance           └── ledger: what is taken, what may be (the checkpoint)
//! ```
//!
//! A [`source::Source`] gives the rows of each table; [`feed`] takes them round by round, at their pace, and packs them; a
//! [`sink::Sink`] takes the parcels. Neither knows which the other is.

mod args;
mod assemble;
mod feed;
mod ledger;
mod pacing;
mod parcel;
mod progress;
mod report;
mod sink;
mod source;
mod table;
mod twister;

use anyhow::anyhow;
use futures::{StreamExt, stream};
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::location::S3;
use crate::notifiers::Environment;
pub use args::EmulationArgs;
use args::{DRAWN_FROM, Order};
use feed::{Fed, Plan, feed};
use ledger::{Ledger, Start};
use pacing::Pace;
use parcel::Packer;
use progress::Progress;
use report::{Report, broken_in_words, share};
use sink::{Sink, Tally, land_all};
use source::{Inspection, Source};
use table::{PerTable, Table};

/// So many batches wait between source and sink: both are busy, and a stop is soon felt.
const BATCHES_WAITING: usize = 8;

/// The `emulation` operator.
#[derive(Clone, Debug)]
pub struct Emulation {
    s3: S3,
    environment: Environment,
}

impl Emulation {
    /// Reaches S3 as `s3` says.
    pub fn new(s3: S3) -> Emulation {
        Emulation { s3, environment: Environment::default() }
    }

    /// The same, finding secrets in `environment`.
    pub fn with_environment(self, environment: Environment) -> Emulation {
        Emulation { environment, ..self }
    }
}

impl Operator for Emulation {
    const NAME: &'static str = "emulation";
    const SUMMARY: &'static str = "Posts rows of users, posts and places to Kafka, Kinesis, a folder or a bucket.";
    type Args = EmulationArgs;

    async fn execute(&self, args: EmulationArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        args::validate(&args)?;
        let sink = self.sink(&args, ctx)?;
        let source = self.source(&args, ctx).await?;
        // Fires when the try is cancelled, when a part of it fails, and when it is dropped half-way.
        let stop = ctx.cancelled.child_token();
        let _guard = stop.clone().drop_guard();
        let emulated = Run { args: &args, source: &*source, sink: &*sink, ctx, stop: &stop }.run().await;
        match emulated {
            Ok(report) => Ok(Outcome::value(report.into_value())),
            Err(_) if ctx.cancelled.is_cancelled() => Err(TaskError::cancelled()),
            Err(error) => Err(error),
        }
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        args::check(args)
    }
}

/// One try.
struct Run<'a> {
    args: &'a EmulationArgs,
    source: &'a dyn Source,
    sink: &'a dyn Sink,
    ctx: &'a TaskContext,
    stop: &'a CancellationToken,
}

impl Run<'_> {
    async fn run(&self) -> Result<Report, TaskError> {
        let (user, source, sink) = (&self.args.user_id, self.source.shown(), self.sink.shown());
        self.ctx.log.info(format!("Landing pin, geo and user of user {user} from {source} in {sink}"));
        let found = self.inspect().await?;
        let (ledger, start) = Ledger::open(self.ctx.checkpoint.clone(), self.what()).await?;
        let start = self.begin(&ledger, start, &found).await?;
        match self.land(&ledger, &start, &found).await {
            Ok((fed, tallies)) => {
                ledger.end().await?;
                Ok(Report { found, fed, tallies, start, parcels: self.sink.manner().parcels, location: sink })
            }
            Err(error) => {
                if let Some(left) = self.sink.abandon().await {
                    self.ctx.log.warning(left);
                }
                // What is said of this failure would be lost with another error.
                if let Err(unsaved) = ledger.pause().await {
                    self.ctx.log.warning(format!("{unsaved}; the next try may send more rows twice than it needs to"));
                }
                Err(error)
            }
        }
    }

    /// What is done, so that a try of something else does not go on with it.
    fn what(&self) -> String {
        let EmulationArgs { user_id, rows, seed, order, draw_from, flush_size, batch, offsets, .. } = self.args;
        let (source, sink) = (self.source.shown(), self.sink.shown());
        format!(
            "{source} > {sink}: {user_id} {rows:?} {seed} {order:?} {draw_from:?} {flush_size:?} {batch:?} {offsets:?} \
             {:?} {}",
            self.args.pause,
            self.args.target()
        )
    }

    /// Looks through the whole source before anything is landed.
    async fn inspect(&self) -> Result<PerTable<Inspection>, TaskError> {
        let mut all = PerTable::<Inspection>::default();
        let mut refused = Vec::new();
        for table in Table::ALL {
            let found = self.source.inspect(table, self.stop).await?;
            if found.broken > 0 {
                let said = broken_in_words(table, &found);
                self.ctx.log.warning(&said);
                if share(&found) > self.args.max_broken_share {
                    refused.push(said);
                }
            }
            all[table] = found;
        }
        if refused.is_empty() {
            return Ok(all);
        }
        Err(TaskError::fail(anyhow!(
            "{}; `max_broken_share` allows {} %, so nothing was landed",
            refused.join("; "),
            self.args.max_broken_share * 100.0
        )))
    }

    /// Makes the sink ready, and says what of an earlier try stays.
    async fn begin(&self, ledger: &Ledger, mut start: Start, found: &PerTable<Inspection>) -> Result<Start, TaskError> {
        let manner = self.sink.manner();
        // A run that is made once more lands the same rows under the same offsets, unless they are not the same any more.
        if start.is_again && self.expected(found) != PerTable(start.was.0.map(Some)) {
            start.bases = None;
        }
        let bases = self.sink.start(start.bases, self.stop).await?;
        if bases != [0; 3] || start.bases.is_some() {
            ledger.set_bases(bases).await?;
        }
        start.bases = Some(bases);
        if !manner.keeps {
            ledger.begin_anew();
            return Ok(Start { bases: start.bases, ..Start::default() });
        }
        if manner.rewrites {
            start.unsure = PerTable::default();
        } else if start.is_again {
            self.ctx.log.warning("An earlier try posted all rows; this one posts them once more");
        }
        let before: Vec<String> = start.from.iter().map(|(table, rows)| format!("{rows} of {table}")).collect();
        if start.from.0 != [0; 3] || start.unsure.0 != [0; 3] {
            self.ctx.log.info(format!("An earlier try landed {} rows; this one goes on after them", before.join(", ")));
        }
        for (table, &unsure) in start.unsure.iter().filter(|(_, unsure)| **unsure > 0) {
            let from = start.from[table];
            self.ctx.log.warning(format!(
                "The rows {from} to {} of {table} may have been posted by it, too; they may be there twice",
                from + unsure - 1
            ));
        }
        Ok(start)
    }

    /// How many rows each table has to land, as far as that is known.
    fn expected(&self, found: &PerTable<Inspection>) -> PerTable<Option<u64>> {
        let asked = self.args.rows_asked();
        PerTable::from_fn(|table| match self.args.order {
            Order::Scan => Some(found[table].rows.min(asked.unwrap_or(u64::MAX))),
            Order::Random => asked,
        })
    }

    async fn land(
        &self,
        ledger: &Ledger,
        start: &Start,
        found: &PerTable<Inspection>,
    ) -> Result<(Fed, PerTable<Tally>), TaskError> {
        let expected = self.expected(found);
        let total = expected.0.into_iter().sum::<Option<u64>>().filter(|_| self.args.duration.is_none());
        let mut progress = Progress::new(self.ctx.log.clone(), total, start.from.0.iter().sum());
        let plan = self.plan(start, found);
        let packer = Packer::new(self.sink.manner().sizes, start.from);
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let batches = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        let feeding = async {
            let fed = feed(self.source, &plan, packer, sender, self.stop).await;
            if fed.is_err() {
                self.stop.cancel();
            }
            fed
        };
        let landing = land_all(self.sink, batches.boxed(), ledger, &mut progress, self.stop);
        let (fed, landed) = futures::join!(feeding, landing);
        let (fed, tallies) = first_cause(fed, landed)?;
        if self.stop.is_cancelled() {
            return Err(TaskError::cancelled());
        }
        for (table, expected) in expected.iter() {
            let (came, wanted) = (fed.until[table], expected.unwrap_or(fed.until[table]));
            if came != wanted && !fed.is_timed_out {
                return Err(TaskError::retry(anyhow!(
                    "{came} rows of {table} came, not {wanted}: the source changed while it was read"
                )));
            }
        }
        self.sink.commit(fed.until, self.stop).await?;
        let rows: u64 = tallies.iter().map(|(_, tally)| tally.rows).sum();
        let parcels: u64 = tallies.iter().map(|(_, tally)| tally.parcels).sum();
        let (word, speed) = (self.sink.manner().parcels, progress.rows_a_second());
        self.ctx.log.info(format!("Landed {rows} rows in {parcels} {word}, {speed} rows/s"));
        Ok((fed, tallies))
    }

    fn plan(&self, start: &Start, found: &PerTable<Inspection>) -> Plan {
        let draw_from = (self.args.order == Order::Random).then(|| {
            let least = found.iter().map(|(_, found)| found.rows).min().unwrap_or_default();
            self.args.draw_from.unwrap_or(DRAWN_FROM).min(least)
        });
        Plan {
            draw_from,
            rounds: self.args.rows_asked(),
            duration: self.args.duration.map(|duration| duration.0.saturating_sub(start.spent)),
            pace: Pace::of(self.args.rate, self.args.pause),
            seed: self.args.seed,
            from: start.from,
            json_only: self.sink.manner().json_only,
        }
    }
}

/// When both sides failed, one did so because the other stopped it.
fn first_cause<A, B>(fed: Result<A, TaskError>, landed: Result<B, TaskError>) -> Result<(A, B), TaskError> {
    use scheduler::operator::Verdict::Cancelled;
    match (fed, landed) {
        (Ok(fed), Ok(landed)) => Ok((fed, landed)),
        (Err(fed), Err(landed)) if landed.verdict == Cancelled => Err(fed),
        (_, Err(error)) | (Err(error), Ok(_)) => Err(error),
    }
}
