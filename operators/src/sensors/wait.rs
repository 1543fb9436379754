//! How a sensor waits: it looks, sleeps without a slot, and looks again, until it has seen what it waits for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use scheduler::operator::{Outcome, TaskContext, TaskError, Verdict};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::arguments::Patience;
use crate::span::spoken;

/// However far away an instant is: the clock on the wall may be set, and must be asked again.
const SLEEP_MAX: Duration = Duration::from_mins(1);

/// A look may take this long even when the time of the sensor is up; one that hangs is broken off then.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// A look that has something going on elsewhere ends it within this when it is broken off, or gives up.
const END_MAX: Duration = Duration::from_secs(15);

/// What a sensor saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// What it waits for.
    There,
    /// Not yet what it waits for.
    NotYet,
    /// That it will not come, and need not.
    Void(String),
    /// That it went wrong.
    Failed(String),
}

impl Sight {
    pub(crate) fn of(is_there: bool) -> Sight {
        if is_there { Sight::There } else { Sight::NotYet }
    }
}

/// When it looks again.
#[derive(Clone, Debug)]
pub(crate) enum Rhythm {
    /// As its `poke_interval` says; not more than so many sensors look at the same time.
    Intervals(Arc<Semaphore>),
    /// When the clock on the wall shows that instant.
    At(DateTime<Utc>),
}

/// A sensor that waits.
pub(crate) struct Watch<'a> {
    pub(crate) patience: &'a Patience,
    pub(crate) ctx: &'a TaskContext,
    /// What it waits for, to be read after "waits for".
    pub(crate) awaited: String,
    pub(crate) rhythm: Rhythm,
}

impl Watch<'_> {
    /// Looks until it has seen what it waits for. Looks once before it gives up its slot. A look is broken off where it is.
    pub(crate) async fn until<F, L>(self, look: F) -> Result<Outcome, TaskError>
    where
        F: Fn() -> L,
        L: Future<Output = Result<Sight, TaskError>> + Send,
    {
        self.look(|_| look(), Duration::ZERO).await
    }

    /// The same with looks that have something going on elsewhere: a look that is broken off is told by its token, and ends that.
    pub(crate) async fn until_minding<F, L>(self, look: F) -> Result<Outcome, TaskError>
    where
        F: Fn(CancellationToken) -> L,
        L: Future<Output = Result<Sight, TaskError>> + Send,
    {
        self.look(look, END_MAX).await
    }

    async fn look<F, L>(self, look: F, grace: Duration) -> Result<Outcome, TaskError>
    where
        F: Fn(CancellationToken) -> L,
        L: Future<Output = Result<Sight, TaskError>> + Send,
    {
        // What passed before counts by the clock on the wall, and what passes now by one that nobody sets.
        let before = (self.ctx.clock.now() - self.ctx.started_at).to_std().unwrap_or_default();
        let began = Instant::now();
        let left = || self.patience.timeout().saturating_sub(before + began.elapsed());
        let mut looks = 0u64;
        loop {
            looks += 1;
            // Boxed, so that a sensor that sleeps does not keep the room that looking takes.
            match Box::pin(self.see(&look, left().max(LOOK_MAX), grace)).await? {
                Sight::There => {
                    let times = if looks == 1 { "once".to_owned() } else { format!("{looks} times") };
                    self.ctx.log.info(format_args!("Waits no more for {}: looked {times}", self.awaited));
                    return Ok(Outcome::done());
                }
                Sight::NotYet => {}
                Sight::Void(reason) => return Ok(Outcome::Skipped { reason }),
                Sight::Failed(problem) => return self.fails(TaskError::retry(anyhow!(problem))),
            }
            if left().is_zero() {
                let limit = spoken(self.patience.timeout());
                let problem = anyhow!("waited for {} longer than its timeout of {limit}", self.awaited);
                return self.fails(TaskError::fail(problem));
            }
            if looks == 1 {
                self.defer();
            }
            let pause = self.pause(before + began.elapsed()).min(left());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
            }
        }
    }

    fn defer(&self) {
        let rhythm = match &self.rhythm {
            Rhythm::Intervals(_) => format!("; {}", self.patience.rhythm()),
            Rhythm::At(_) => String::new(),
        };
        let limit = match self.patience.limit() {
            Some(limit) => format!(", for {} at most", spoken(limit)),
            None => String::new(),
        };
        self.ctx.log.info(format_args!("Waits for {}{rhythm}{limit}", self.awaited));
        self.ctx.defer(format!("waits for {}{rhythm}", self.awaited));
    }

    fn pause(&self, waited: Duration) -> Duration {
        match &self.rhythm {
            Rhythm::Intervals(_) => self.patience.pause(waited, self.ctx.try_id.as_u128()),
            Rhythm::At(at) => (*at - self.ctx.clock.now()).to_std().unwrap_or_default().min(SLEEP_MAX),
        }
    }

    /// Looks once, when it is its turn, for so long at most; a look that is broken off is awaited for as long as `grace`.
    async fn see<L>(
        &self,
        look: &impl Fn(CancellationToken) -> L,
        limit: Duration,
        grace: Duration,
    ) -> Result<Sight, TaskError>
    where
        L: Future<Output = Result<Sight, TaskError>> + Send,
    {
        let stop = CancellationToken::new();
        let seen = async {
            let _turn = match &self.rhythm {
                Rhythm::Intervals(looks) => tokio::select! {
                    turn = looks.acquire() => Some(turn),
                    () = stop.cancelled() => return Err(TaskError::cancelled()),
                },
                Rhythm::At(_) => None,
            };
            look(stop.clone()).await
        };
        tokio::pin!(seen);
        let seen = tokio::select! {
            seen = &mut seen => seen,
            () = tokio::time::sleep(limit) => {
                stop.cancel();
                // Its words do not matter any more.
                let _ = tokio::time::timeout(grace, seen).await;
                Ok(Sight::NotYet)
            }
            () = self.ctx.cancelled.cancelled() => {
                stop.cancel();
                let _ = tokio::time::timeout(grace, seen).await;
                return Err(TaskError::cancelled());
            }
        };
        match seen {
            Err(error) if error.verdict == Verdict::Retry && self.patience.ignores_errors() => {
                self.ctx.log.warning(format_args!("Cannot look, and goes on waiting: {error}"));
                Ok(Sight::NotYet)
            }
            Err(error) if error.verdict == Verdict::Retry && self.patience.skips_errors() => {
                Ok(Sight::Void(error.to_string()))
            }
            Err(error) if error.verdict == Verdict::Fail && self.patience.skips_failures() => {
                Ok(Sight::Void(error.to_string()))
            }
            seen => seen,
        }
    }

    fn fails(&self, error: TaskError) -> Result<Outcome, TaskError> {
        if self.patience.skips_failures() { Ok(Outcome::Skipped { reason: error.to_string() }) } else { Err(error) }
    }
}
