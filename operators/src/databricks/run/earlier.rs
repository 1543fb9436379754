//! What becomes of the run of an earlier try, or of one that may have been started in another workspace: a try goes on with it,
//! repairs it, or ends it before another is started.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use scheduler::operator::TaskError;

use super::{Begun, CANCEL_LOOK, Course, Known, Plan, Sending};
use crate::databricks::arguments::OnRetry;
use crate::databricks::failure::Failure;
use crate::databricks::jobs::{self, RunId};
use crate::databricks::journal::{Entry, Stage};
use crate::span::spoken;

/// The run of an earlier try, once cancelled, must be over within this before another is started.
const EARLIER_RUN_ENDS: Duration = Duration::from_mins(10);

impl Course<'_> {
    /// Decides what becomes of the run of an earlier try. None when another is to be started.
    pub(super) async fn succeed(&self, kept: Entry, request: &str, plan: &Plan) -> Result<Option<Begun>, TaskError> {
        // Who clears a task wants it made anew, not gone on with.
        let cleared = self.ctx.checkpoint.tries_before_clear().await.context("cannot read the checkpoint")?;
        let is_cleared = kept.try_number <= cleared;
        let is_same_request = kept.request == request;
        let (earlier, was_unsure) = match kept.stage {
            Stage::Refused | Stage::Done(_) => return Ok(None),
            Stage::Started(run_id) => (run_id, false),
            Stage::Meant => {
                self.ctx.log.info(
                    "It is not known whether the try before started a run; asks again, with its token, so that there is one",
                );
                self.learn(Known::Unsure(kept.clone()));
                let begun =
                    self.start(Entry { try_number: self.ctx.try_number, ..kept.clone() }, plan, Sending::Again).await?;
                (begun.run_id, true)
            }
        };
        let entry = Entry {
            try_number: self.ctx.try_number,
            stage: Stage::Started(earlier),
            request: request.to_owned(),
            is_over: false,
            repair: None,
            ..kept
        };
        let run = match jobs::get(self.session, earlier, false).await {
            Ok(run) => run,
            Err(failure) if failure.is_lasting_refusal() => {
                self.ctx.log.info(format_args!("The run of the try before, {earlier}, is not known any more"));
                return Ok(None);
            }
            Err(failure) => return Err(failure.into_error()),
        };
        let standing = run.standing();
        let adopts = plan.on_retry != OnRetry::New || (was_unsure && is_same_request);
        if adopts && !is_cleared && (standing.is_success() || !standing.is_ending()) {
            self.ctx.log.info(format_args!("Goes on with run {earlier} of the try before: {}", standing.shown()));
            entry.save(self.ctx).await?;
            self.learn(Known::Run(earlier));
            return Ok(Some(Begun { entry, run_id: earlier }));
        }
        if plan.on_retry == OnRetry::Repair && !is_cleared && standing.is_over() {
            return self.repair_earlier(entry, &run).await;
        }
        if !standing.is_over() {
            self.ctx.log.info(format_args!("Cancels run {earlier} of the try before, which is {}", standing.shown()));
            self.end_earlier(earlier).await?;
        }
        Ok(None)
    }

    /// Waits for the end of a run of an earlier try, having cancelled it: two at a time would cost twice.
    async fn end_earlier(&self, run_id: RunId) -> Result<(), TaskError> {
        jobs::cancel(self.session, run_id).await.map_err(Failure::into_error)?;
        let wait = async {
            loop {
                let run = jobs::get(self.session, run_id, true).await.map_err(Failure::into_error)?;
                if run.standing().is_over() {
                    return Ok(());
                }
                tokio::select! {
                    () = tokio::time::sleep(CANCEL_LOOK) => {}
                    () = self.ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
                }
            }
        };
        tokio::time::timeout(EARLIER_RUN_ENDS, wait).await.unwrap_or_else(|_| {
            let limit = spoken(EARLIER_RUN_ENDS);
            Err(TaskError::retry(anyhow!("run {run_id} of the try before does not end {limit} after it was cancelled")))
        })
    }

    /// Ends what may have been started in another workspace than the task names now. The token brings to light whether there is
    /// a run; if there was none, there is one now, of a request that is not meant for that workspace. So nothing of it is kept
    /// as the run of this try: whoever comes after a process that dies here asks again.
    pub(super) async fn end_unsure(&self, kept: &Entry, plan: &Plan) -> Result<(), TaskError> {
        let log = &self.ctx.log;
        let address = self.session.address();
        log.info(format_args!(
            "It is not known whether a run was started at {address}; asks there again, with the same token, to cancel it"
        ));
        self.learn(Known::Unsure(kept.clone()));
        let run_id = match jobs::start(self.session, plan.door, plan.request(&kept.token)).await {
            Ok(run_id) => run_id,
            Err(failure) if failure.is_lasting_refusal() => {
                log.info(format_args!("There is no run at {address}: {:#}", failure.trouble.error));
                return Ok(());
            }
            Err(failure) => return Err(failure.into_passing_error()),
        };
        self.learn(Known::Run(run_id));
        let standing = jobs::get(self.session, run_id, false).await.map_err(Failure::into_passing_error)?.standing();
        if !standing.is_over() {
            log.info(format_args!("Cancels run {run_id} at {address}, which is {}", standing.shown()));
            self.end_earlier(run_id).await?;
        }
        Ok(())
    }
}
