//! A run from its start to its end, started once whatever dies in between.
//!
//! ```text
//!   checkpoint: token ──> start ──> checkpoint: run ──> defer ──look──sleep──look── … ──> end
//!        │                  │             │                 │
//!   killed in between: the token is sent again, or the run is taken up
//! ```
//!
//! A try whose work is not wanted any more cancels the run and awaits the acknowledgement. A process that only lets go of
//! its tries leaves the run alone. What a try left that could not see to that is ended by [`withdraw`].

mod earlier;
mod repair;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use scheduler::operator::{Next, Outcome, TaskContext, TaskError, Verdict};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::arguments::OnRetry;
use super::failure::Failure;
use super::jobs::{self, Door, Run, RunId};
use super::journal::{self, Entry, Kept, Stage};
use super::report;
use super::session::{LAST_ANSWER, Session, varied};
use crate::span::spoken;
use crate::time_limit::{self, TimeUp};

pub(super) use repair::{RepairPlan, perform_repair};

/// The first look at a run that has just begun is repeated after this; each further pause is half as long again, up to
/// `polling_period_seconds`.
const LOOK_FIRST: Duration = Duration::from_secs(1);

/// Between two looks there is so many times the time that a look took, up to `polling_period_seconds`.
const TIMES_AS_LONG_AS_A_LOOK: u32 = 10;

/// The cancellation of a run is acknowledged within this, or the task gives up waiting for it: the engine itself gives a try
/// half a minute.
const CANCEL_PATIENCE: Duration = Duration::from_secs(18);

/// A run that is being cancelled is looked at so often.
const CANCEL_LOOK: Duration = Duration::from_millis(500);

/// What is to be run, and how it is followed.
pub(super) struct Plan {
    pub(super) door: Door,
    /// The request, without its token.
    pub(super) body: Map<String, Value>,
    /// The author's own token.
    pub(super) token: Option<String>,
    pub(super) on_retry: OnRetry,
    pub(super) polling_period: Duration,
    pub(super) waits: bool,
    /// Whether a run that fails is repaired once, and how.
    pub(super) repair: Option<RepairPlan>,
    /// The job whose other runs are cancelled before this one starts.
    pub(super) cancels_runs_of: Option<i64>,
}

impl Plan {
    /// The request with a token.
    fn request(&self, token: &str) -> Map<String, Value> {
        let mut body = self.body.clone();
        body.insert("idempotency_token".to_owned(), Value::from(token));
        body
    }
}

/// Whether a token may have been sent by an earlier process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// It was not.
    First,
    /// It may have been, and may have started a run.
    Again,
}

/// What this process knows of the run of its try.
#[derive(Clone, Debug)]
enum Known {
    /// There is none.
    Nothing,
    /// There may be one with that token.
    Unsure(Entry),
    Run(RunId),
}

/// Starts a run, and follows it to its end.
pub(super) async fn perform(session: &Session, plan: Plan) -> Result<Outcome, TaskError> {
    let kept = Box::pin(Kept::find(Entry::load(&session.ctx).await?, session)).await?;
    let mut course = Course::at(kept.there.as_deref().unwrap_or(session));
    let polling_period = plan.polling_period;
    let waits = plan.waits;
    let repair = plan.repair.clone();
    // Boxed, so that a try that sleeps does not keep the room that starting takes; and the request is gone by then.
    let ended = match Box::pin(course.obtain(kept.entry, session, plan)).await {
        Ok(begun) if waits => course.follow(begun, polling_period, repair).await,
        Ok(begun) => Box::pin(course.leave(begun)).await,
        Err(error) => Err(error),
    };
    course.unless_stopped(ended).await
}

/// Ends the run of a try that nobody wants any more, if it goes on. `plan` is asked for only when it is not known whether
/// there is a run: its token brings that to light.
pub(super) async fn withdraw(
    session: &Session,
    plan: impl Future<Output = Result<Plan, TaskError>> + Send,
) -> Result<(), TaskError> {
    let log = &session.ctx.log;
    let Some(kept) = Entry::load(&session.ctx).await? else { return Ok(()) };
    let run_id = match kept.stage {
        Stage::Refused | Stage::Done(_) => return Ok(()),
        Stage::Started(_) if kept.is_over => return Ok(()),
        Stage::Started(run_id) => Some(run_id),
        Stage::Meant => None,
    };
    let there = kept.started_elsewhere(session).await?;
    let session = there.as_deref().unwrap_or(session);
    let run_id = match run_id {
        Some(run_id) => run_id,
        None => {
            log.info("It is not known whether the run was started; asks again, with the same token, to cancel it");
            let plan = plan.await?;
            match jobs::start(session, plan.door, plan.request(&kept.token)).await {
                Ok(run_id) => run_id,
                Err(failure) if failure.is_lasting_refusal() => return Ok(()),
                Err(failure) => return Err(failure.into_error()),
            }
        }
    };
    let standing = match jobs::get(session, run_id, false).await {
        Ok(run) => run.standing(),
        // It is not known there any more.
        Err(failure) if failure.is_lasting_refusal() => return Ok(()),
        Err(failure) => return Err(failure.into_error()),
    };
    if !standing.is_ending() {
        log.info(format_args!("Run {run_id} is not wanted any more, and is {}", standing.shown()));
        let standing = cancel(session, run_id).await.map_err(Failure::into_error)?;
        log.info(format_args!("Run {run_id} was cancelled: it is {standing}"));
    }
    Ok(())
}

/// A run that has begun, with what is kept of it.
struct Begun {
    entry: Entry,
    run_id: RunId,
}

/// The course of one try.
struct Course<'a> {
    /// Who is asked about the run.
    session: &'a Session,
    ctx: &'a TaskContext,
    known: Mutex<Known>,
}

impl<'a> Course<'a> {
    fn at(session: &'a Session) -> Course<'a> {
        Course { session, ctx: &session.ctx, known: Mutex::new(Known::Nothing) }
    }

    fn learn(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// The run of this try, which is started by `here` if there is none.
    async fn obtain(&mut self, kept: Option<Entry>, here: &'a Session, plan: Plan) -> Result<Begun, TaskError> {
        let request = journal::name_of(&Value::Object(plan.body.clone()).to_string());
        if let Some(kept) = kept {
            let is_same_try = kept.try_number == self.ctx.try_number;
            let is_elsewhere = !std::ptr::eq(self.session, here);
            let found = if is_elsewhere && kept.stage == Stage::Meant {
                self.end_unsure(&kept, &plan).await?;
                None
            } else if is_same_try {
                self.take_up(kept, &request, &plan).await?
            } else {
                self.succeed(kept, &request, &plan).await?
            };
            if let Some(begun) = found {
                return Ok(begun);
            }
        }
        // Nothing goes on any more of what was begun before.
        self.learn(Known::Nothing);
        self.session = here;
        if let Some(job_id) = plan.cancels_runs_of {
            self.ctx.log.info(format_args!("Cancels the runs of job {job_id} that go on"));
            jobs::cancel_all(self.session, job_id).await.map_err(Failure::into_error)?;
        }
        let entry = Entry::new(self.session, &request, plan.token.as_deref());
        entry.save(self.ctx).await?;
        self.start(entry, &plan, Sending::First).await
    }

    /// Goes on with what this very try has begun in another process.
    async fn take_up(&self, kept: Entry, request: &str, plan: &Plan) -> Result<Option<Begun>, TaskError> {
        if kept.request != request {
            self.ctx
                .log
                .warning("The request reads otherwise now than when the try sent it; the run that it started counts");
        }
        match kept.stage {
            Stage::Refused => Ok(None),
            Stage::Meant => {
                self.ctx.log.info("It is not known whether the run was started; asks again, with the same token");
                self.learn(Known::Unsure(kept.clone()));
                self.start(kept, plan, Sending::Again).await.map(Some)
            }
            Stage::Started(run_id) | Stage::Done(run_id) => {
                self.ctx.log.info(format_args!("Goes on with run {run_id}, which this try started"));
                self.learn(Known::Run(run_id));
                Ok(Some(Begun { entry: kept, run_id }))
            }
        }
    }

    /// Sends the request with its token, and keeps what comes of it.
    async fn start(&self, mut entry: Entry, plan: &Plan, sending: Sending) -> Result<Begun, TaskError> {
        if self.ctx.cancelled.is_cancelled() {
            return Err(TaskError::cancelled());
        }
        self.learn(Known::Unsure(entry.clone()));
        match jobs::start(self.session, plan.door, plan.request(&entry.token)).await {
            Ok(run_id) => {
                self.started(&mut entry, run_id).await?;
                self.ctx.log.info(format_args!("Run {run_id} was started at {}", self.session.address()));
                Ok(Begun { entry, run_id })
            }
            Err(failure) => {
                // Who is refused because of who asks hears nothing of a run that was started before.
                let is_refused = match sending {
                    Sending::First => failure.is_refusal() && !failure.trouble.may_retry,
                    Sending::Again => failure.is_lasting_refusal(),
                };
                if is_refused {
                    self.learn(Known::Nothing);
                    entry.stage = Stage::Refused;
                    entry.save(self.ctx).await?;
                    return Err(failure.into_error());
                }
                if self.ctx.withdrawn.is_cancelled() {
                    // What may have been started can be cancelled only by its number, which the token brings to light.
                    let session = self.session.until(CancellationToken::new());
                    let asked = jobs::start(&session, plan.door, plan.request(&entry.token));
                    if let Ok(Ok(run_id)) = tokio::time::timeout(LAST_ANSWER, asked).await {
                        self.started(&mut entry, run_id).await?;
                    }
                }
                let may_go_on = sending == Sending::Again || failure.is_about_identity();
                Err(if may_go_on { failure.into_passing_error() } else { failure.into_error() })
            }
        }
    }

    async fn started(&self, entry: &mut Entry, run_id: RunId) -> Result<(), TaskError> {
        self.learn(Known::Run(run_id));
        entry.stage = Stage::Started(run_id);
        entry.save(self.ctx).await
    }

    /// Does not wait for the end of the run.
    async fn leave(&self, mut begun: Begun) -> Result<Outcome, TaskError> {
        let run = jobs::get(self.session, begun.run_id, false).await.map_err(Failure::into_error)?;
        // It is nobody's business any more, also not that of a further try.
        begun.entry.stage = Stage::Done(begun.run_id);
        begun.entry.save(self.ctx).await?;
        self.ctx.log.info(format_args!("Does not wait for the end of run {}: {}", begun.run_id, page(&run)));
        Ok(outcome(&run, Value::Null))
    }

    /// Watches a run until its end, and repairs it once if that is wanted.
    async fn follow(
        &self,
        mut begun: Begun,
        polling_period: Duration,
        repair: Option<RepairPlan>,
    ) -> Result<Outcome, TaskError> {
        let mut watched = report::Watched::default();
        loop {
            let run = self.watch(begun.run_id, polling_period, &mut watched).await?;
            if run.standing().is_success() {
                return Box::pin(self.succeeded(begun, &run)).await;
            }
            let error = Box::pin(report::failure(self.session, &run)).await;
            let entry = Entry { is_over: true, ..begun.entry.clone() };
            begun = match Box::pin(self.second_chance(begun, &run, repair.as_ref())).await? {
                Some(begun) => begun,
                None => {
                    // The error of the run matters more.
                    if let Err(problem) = entry.save(self.ctx).await {
                        self.ctx.log.warning(format_args!("That it has ended could not be kept: {:#}", problem.error));
                    }
                    return Err(TaskError::retry(error));
                }
            };
            self.ctx.log.warning(format!("{error:#}; it is repaired"));
        }
    }

    async fn succeeded(&self, mut begun: Begun, run: &Run) -> Result<Outcome, TaskError> {
        let value = report::result(self.session, run).await;
        begun.entry.stage = Stage::Done(begun.run_id);
        begun.entry.save(self.ctx).await?;
        Ok(outcome(run, value))
    }

    /// Looks, sleeps without a slot, and looks again, until the run is over.
    async fn watch(
        &self,
        run_id: RunId,
        polling_period: Duration,
        watched: &mut report::Watched,
    ) -> Result<Run, TaskError> {
        let mut pause = LOOK_FIRST.min(polling_period);
        let mut has_left = false;
        loop {
            let asked = Instant::now();
            let run = Box::pin(self.look(run_id)).await?;
            let took = asked.elapsed();
            if !std::mem::replace(&mut has_left, true) {
                // The page is wanted most while it runs, and when it has failed.
                self.ctx.push_xcoms(xcoms(&run)).await;
            }
            watched.tell(&run, &self.ctx.log);
            if run.standing().is_over() {
                return Ok(run);
            }
            self.ctx.defer(format!("waits for run {run_id} of Databricks, {}", page(&run)));
            drop(run);
            // A workspace that is slow, or has many to answer, is asked less often.
            let calm = pause.max(took.saturating_mul(TIMES_AS_LONG_AS_A_LOOK)).min(polling_period);
            tokio::select! {
                () = tokio::time::sleep(varied(calm)) => {}
                () = self.ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
                error = self.time_up() => return Err(error),
            }
            pause = pause.mul_f64(1.5).min(polling_period);
        }
    }

    async fn look(&self, run_id: RunId) -> Result<Run, TaskError> {
        let looked = tokio::select! {
            looked = jobs::get(self.session, run_id, true) => looked,
            error = self.time_up() => return Err(error),
        };
        looked.map_err(|failure| {
            // The run goes on; another try may find the connection mended.
            if failure.is_about_identity() { failure.into_passing_error() } else { failure.into_error() }
        })
    }

    /// The end of the task's `execution_timeout`, which the engine does not mind while the try is deferred.
    async fn time_up(&self) -> TaskError {
        time_limit::reached(self.ctx.time_limit, self.ctx).await
    }

    /// Cancels the run if nobody wants its result any more.
    async fn unless_stopped(&self, ended: Result<Outcome, TaskError>) -> Result<Outcome, TaskError> {
        let Err(error) = &ended else { return ended };
        let is_withdrawn = self.ctx.withdrawn.is_cancelled();
        let is_time_up = error.error.downcast_ref::<TimeUp>().is_some();
        if is_withdrawn || is_time_up {
            Box::pin(self.abandon()).await;
        } else if error.verdict == Verdict::Cancelled
            && let Known::Run(run_id) = &*self.known.lock().unwrap_or_else(PoisonError::into_inner)
        {
            self.ctx.log.info(format_args!("Run {run_id} goes on; whoever takes up this task goes on watching it"));
        }
        ended
    }

    /// Cancels the run of this try, and awaits that it is acknowledged.
    async fn abandon(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let session = self.session.until(CancellationToken::new());
        let run_id = match known {
            Known::Nothing => return,
            Known::Run(run_id) => run_id,
            Known::Unsure(entry) => {
                self.ctx.log.error(format_args!(
                    "The task was stopped while it was not known whether a run was started with the token {}; a further try \
                     finds out, or look at {}",
                    entry.token,
                    session.address()
                ));
                return;
            }
        };
        match tokio::time::timeout(CANCEL_PATIENCE, cancel(&session, run_id)).await {
            Ok(Ok(standing)) => {
                self.ctx.log.info(format_args!("Run {run_id} was cancelled: it is {standing}"));
                if let Err(problem) = Entry::ends(self.ctx, run_id).await {
                    self.ctx.log.warning(format_args!("That it ends could not be kept: {:#}", problem.error));
                }
            }
            Ok(Err(failure)) => {
                let error = &failure.trouble.error;
                self.ctx.log.error(format_args!("Run {run_id} could not be cancelled, and may go on: {error:#}"));
            }
            Err(_) => self.ctx.log.error(format_args!(
                "Run {run_id} was to be cancelled, but that was not acknowledged within {}; it may go on",
                spoken(CANCEL_PATIENCE)
            )),
        }
    }
}

/// Cancels a run, and waits until it ends; answers with how it stands.
async fn cancel(session: &Session, run_id: RunId) -> Result<String, Failure> {
    session.ctx.log.info(format_args!("Cancels run {run_id}"));
    jobs::cancel(session, run_id).await?;
    loop {
        let standing = jobs::get(session, run_id, true).await?.standing();
        if standing.is_ending() {
            return Ok(standing.shown());
        }
        tokio::time::sleep(CANCEL_LOOK).await;
    }
}

/// The page of a run.
fn page(run: &Run) -> &str {
    run.run_page_url.as_deref().unwrap_or("which has no page")
}

fn outcome(run: &Run, return_value: Value) -> Outcome {
    Outcome::Success { return_value, xcoms: xcoms(run), next: Next::Everything }
}

/// The XComs are those of Airflow's operators.
fn xcoms(run: &Run) -> Vec<(String, Value)> {
    let mut xcoms = vec![("run_id".to_owned(), json!(run.run_id))];
    xcoms.extend(run.job_id.map(|job_id| ("job_id".to_owned(), json!(job_id))));
    xcoms.extend(run.run_page_url.clone().map(|url| ("run_page_url".to_owned(), Value::String(url))));
    xcoms
}
