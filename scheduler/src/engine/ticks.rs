//! Cron ticks: wakes the engine when the next run is due.
//!
//! The tick says nothing but "look now": which runs are due follows from the timetables and from what is stored, so a
//! late, lost or doubled tick neither loses nor doubles a run.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::warn;
use uuid::Uuid;

use super::wake::{Wake, Waker};

/// The alarm clock of the engine.
pub(super) struct Ticks {
    scheduler: JobScheduler,
    waker: Waker,
    armed: Option<(DateTime<Utc>, Uuid)>,
}

impl Ticks {
    /// Starts the clock; it wakes through `waker`.
    pub(super) async fn start(waker: Waker) -> Result<Ticks, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        scheduler.start().await?;
        Ok(Ticks { scheduler, waker, armed: None })
    }

    /// Sets the alarm to `due`, instead of whatever it was set to.
    pub(super) async fn arm(&mut self, due: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        if self.armed.map(|(at, _)| at) == due {
            return;
        }
        if let Some((_, job)) = self.armed.take() {
            // It may have rung and be gone.
            let _ = self.scheduler.remove(&job).await;
        }
        let Some(at) = due else { return };
        match self.alarm(at, now).await {
            Ok(job) => self.armed = Some((at, job)),
            Err(error) => warn!(%error, "cannot set the alarm for the next run; the regular look will find it"),
        }
    }

    /// The alarm has rung, or the engine woke up otherwise at the time it was set to.
    pub(super) fn rang(&mut self) {
        self.armed = None;
    }

    async fn alarm(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> Result<Uuid, JobSchedulerError> {
        // The clock counts whole seconds; ringing early would only mean looking twice.
        let wait = (at - now).to_std().unwrap_or(Duration::ZERO) + Duration::from_millis(20);
        let waker = self.waker.clone();
        let job = Job::new_one_shot_async(wait, move |_, _| {
            let waker = waker.clone();
            Box::pin(async move { waker.wake(Wake::Due) })
        })?;
        self.scheduler.add(job).await
    }

    /// Stops the clock.
    pub(super) async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            warn!(%error, "the cron clock did not stop cleanly");
        }
    }
}
