//! Repairs of a run: tasks that failed run again in it. One has no token; that it was made is told by the repairs that the run
//! has had.

use std::time::Duration;

use anyhow::anyhow;
use scheduler::operator::{Outcome, TaskError};
use serde_json::{Map, Value};

use super::{Begun, Course, Known};
use crate::databricks::failure::Failure;
use crate::databricks::jobs::{self, Run, RunId};
use crate::databricks::journal::{self, Entry, Kept, Repairing, Stage};
use crate::databricks::session::Session;

/// How a run that failed is repaired.
#[derive(Clone, Debug, Default)]
pub(in crate::databricks) struct RepairPlan {
    /// By a part of the message of the run: settings of the job that are changed before. When there are any, only such runs
    /// are repaired.
    pub(in crate::databricks) settings_by_reason: Map<String, Value>,
}

/// Follows a run that somebody else started, after a repair was asked for with `body`.
pub(in crate::databricks) async fn perform_repair(
    session: &Session,
    run_id: RunId,
    body: Map<String, Value>,
    polling_period: Duration,
    waits: bool,
) -> Result<Outcome, TaskError> {
    // The run is one of the workspace that the task names, unless this very try has begun with it elsewhere.
    let entry = Entry::load(&session.ctx).await?.filter(|entry| entry.try_number == session.ctx.try_number);
    let kept = Box::pin(Kept::find(entry, session)).await?;
    let course = Course::at(kept.there.as_deref().unwrap_or(session));
    let begun = Box::pin(course.repair_given(kept.entry, run_id, body)).await;
    let ended = match begun {
        Ok(begun) if waits => course.follow(begun, polling_period, None).await,
        Ok(begun) => Box::pin(course.leave(begun)).await,
        Err(error) => Err(error),
    };
    course.unless_stopped(ended).await
}

impl Course<'_> {
    /// Has the failed tasks of the run of an earlier try run again. None when the workspace does not want to.
    pub(super) async fn repair_earlier(&self, entry: Entry, run: &Run) -> Result<Option<Begun>, TaskError> {
        let run_id = run.run_id;
        self.learn(Known::Run(run_id));
        match self.repair(entry, run, repair_failed(run_id)).await {
            Ok(begun) => Ok(Some(begun)),
            Err(failure) if failure.is_refusal() && !failure.trouble.may_retry => {
                let error = &failure.trouble.error;
                self.ctx.log.warning(format_args!(
                    "Run {run_id} of the try before cannot be repaired, so another is started: {error:#}"
                ));
                self.learn(Known::Nothing);
                Ok(None)
            }
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Asks for a repair, unless this try has already, and it was made.
    async fn repair(&self, mut entry: Entry, run: &Run, mut body: Map<String, Value>) -> Result<Begun, Failure> {
        let (run_id, latest) = (run.run_id, run.latest_repair());
        if let Some(Repairing { after }) = entry.repair {
            if latest != after {
                self.ctx.log.info(format_args!("Goes on with the repair of run {run_id}, which this try asked for"));
                return Ok(Begun { entry, run_id });
            }
        } else {
            entry.repair = Some(Repairing { after: latest });
            entry.save(self.ctx).await.map_err(|error| crate::requests::Trouble::passing(error.error))?;
        }
        if let (Some(latest), false) = (latest, body.contains_key("latest_repair_id")) {
            body.insert("latest_repair_id".to_owned(), latest.into());
        }
        match jobs::repair(self.session, body).await {
            Ok(repair_id) => self.ctx.log.info(format_args!("Repair {repair_id} of run {run_id} was started")),
            // It may have arrived twice: then the second was refused because of the first. Or the answer was lost.
            Err(failure) if failure.is_lasting_refusal() || failure.trouble.may_be_done => {
                let now = jobs::get(self.session, run_id, false).await?;
                if now.latest_repair() == latest {
                    return Err(failure);
                }
                self.ctx.log.info(format_args!("A repair of run {run_id} was started already; goes on with it"));
            }
            Err(failure) => return Err(failure),
        }
        Ok(Begun { entry, run_id })
    }

    /// Asks for a repair of a run that the author names.
    async fn repair_given(
        &self,
        kept: Option<Entry>,
        run_id: RunId,
        body: Map<String, Value>,
    ) -> Result<Begun, TaskError> {
        let request = journal::name_of(&Value::Object(body.clone()).to_string());
        let run = jobs::get(self.session, run_id, false).await.map_err(Failure::into_error)?;
        let entry = kept.unwrap_or(Entry { stage: Stage::Started(run_id), ..Entry::new(self.session, &request, None) });
        if !run.standing().is_over() && entry.repair.is_none() {
            let standing = run.standing().shown();
            return Err(TaskError::retry(anyhow!(
                "run {run_id} is {standing}; only a run that is over can be repaired"
            )));
        }
        let begun = self.repair(entry, &run, body).await.map_err(Failure::into_error)?;
        self.learn(Known::Run(run_id));
        Ok(begun)
    }

    /// The repair of a run that failed, once.
    pub(super) async fn second_chance(
        &self,
        begun: Begun,
        run: &Run,
        plan: Option<&RepairPlan>,
    ) -> Result<Option<Begun>, TaskError> {
        let Some(plan) = plan else { return Ok(None) };
        if begun.entry.repair.is_some_and(|repair| repair.after != run.latest_repair()) {
            return Ok(None);
        }
        if !plan.settings_by_reason.is_empty() {
            let message = run.standing().message;
            let Some((_, settings)) = plan.settings_by_reason.iter().find(|(reason, _)| message.contains(&**reason))
            else {
                return Ok(None);
            };
            let job_id = run.job_id.ok_or_else(|| TaskError::fail(anyhow!("run {} is of no job", run.run_id)))?;
            jobs::update(self.session, job_id, settings).await.map_err(Failure::into_error)?;
        }
        let body = repair_failed(run.run_id);
        self.repair(begun.entry, run, body).await.map(Some).map_err(Failure::into_error)
    }
}

fn repair_failed(run_id: RunId) -> Map<String, Value> {
    Map::from_iter([
        ("run_id".to_owned(), Value::from(run_id)),
        ("rerun_all_failed_tasks".to_owned(), Value::Bool(true)),
    ])
}
