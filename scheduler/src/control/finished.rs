//! Changing runs that are over: nobody owns them, so the step is made here.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::affected::{Affected, Meant};
use super::{Control, ControlError};
use crate::engine::active_run::{ActiveRun, Place};
use crate::run::{Event, RunState};
use crate::store::entity::dag_run;
use crate::store::requests::{self, Request};
use crate::store::{StoreError, runs, versions};

impl Control {
    /// Lets an event happen to a run: here when it is over, else by its owner. Answers with the number of the request that
    /// its owner will carry out.
    pub(super) async fn tell(
        &self,
        txn: &DatabaseTransaction,
        meant: Meant,
        request: Request,
        user: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<i64>, ControlError> {
        let is_over = meant.row.state.parse().is_ok_and(RunState::is_finished);
        if !is_over {
            return Ok(Some(requests::insert(txn, meant.row.id, &request, user, now).await?));
        }
        self.step_finished(txn, meant, &request, now).await?;
        Ok(None)
    }

    async fn step_finished(
        &self,
        txn: &DatabaseTransaction,
        meant: Meant,
        request: &Request,
        now: DateTime<Utc>,
    ) -> Result<(), ControlError> {
        let Meant { mut row, dag: dag_before, instances } = meant;
        let mut dag = Arc::clone(&dag_before);
        if let Some(version) = request.version() {
            row.dag_version_id = version;
            dag = self.definition_of(txn, version).await?;
        }
        let mut active = ActiveRun::restore(row, dag, instances)?;
        let before = active.run.state;
        let back = active.run.bring_back(&dag_before, now);
        let Some(event) = active.event_of(request) else { return Ok(()) };
        // Nobody holds a try of a run that is over.
        let step = active.run.step(event, now).map_err(|error| ControlError::Invalid(error.to_string()))?;
        let place = Place::nowhere();
        let superseded = back.superseded.iter().chain(&step.superseded);
        let mut batch = runs::Batch {
            history: superseded.map(|(at, ended)| active.history_row(*at, ended, &place, now)).collect(),
            withdrawn: step.withdrawn.iter().map(|at| active.key(*at)).collect(),
            ..runs::Batch::default()
        };
        let all_if_new = active.take_all_if_new();
        let changed = all_if_new.unwrap_or_else(|| back.changed.into_iter().chain(step.changed).collect());
        batch.instances = changed.into_iter().map(|at| active.instance_row(at, &place, now)).collect();
        if before != active.run.state && !active.run.state.is_finished() {
            active.row.queued_at = Some(now);
            active.row.clear_number += 1;
        }
        batch.runs = vec![active.run_row(now)];
        if request.version().is_some() {
            batch.vanished = vec![active.vanished()];
        }
        Ok(runs::write_unowned(txn, &batch, now).await?)
    }

    pub(super) async fn definition_of(
        &self,
        txn: &DatabaseTransaction,
        version: Uuid,
    ) -> Result<Arc<crate::dag::Dag>, ControlError> {
        let version = versions::find(txn, version)
            .await?
            .ok_or_else(|| StoreError::NotFound { what: "DAG version", id: version.to_string() })?;
        self.catalog
            .definition(&version.dag_id, &version.hash, &version.relative_fileloc, &version.source)
            .map_err(|error| ControlError::Invalid(error.to_string()))
    }

    /// Waits until the owners of runs have done what was asked of them.
    pub(super) async fn all_carried_out(&self, requests: Vec<i64>) -> Result<(), ControlError> {
        for request in requests {
            self.carried_out(request).await?;
        }
        Ok(())
    }

    /// A run that is over has no owner to ask: its state is set here. `queued` gives it to whoever adopts it.
    pub(super) async fn set_state_of_finished(
        &self,
        txn: &DatabaseTransaction,
        run: &mut dag_run::Model,
        state: RunState,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        run.state = state.word().to_owned();
        run.updated_at = now;
        if !state.is_finished() {
            run.queued_at = Some(now);
            run.start_date = None;
            run.end_date = None;
        }
        runs::update_unowned(txn, run).await
    }
}

/// What a request asks for, as the step function takes it.
impl ActiveRun {
    pub(crate) fn event_of(&self, request: &Request) -> Option<Event> {
        Some(match request {
            Request::Mark { state } => Event::Marked { state: state.parse().ok()? },
            Request::Clear { instances, keeps_run_state, .. } => {
                Event::Cleared { instances: self.indices_of(instances), reopens: !keeps_run_state }
            }
            Request::MarkTasks { instances, state } => Event::InstancesMarked {
                instances: self.indices_of(instances),
                state: crate::run::TaskState::from_word(Some(state)).ok()?,
            },
        })
    }
}

/// How a request names task instances.
pub(super) fn named(affected: &[Affected]) -> Vec<(String, i32)> {
    affected.iter().map(|affected| (affected.task_id.clone(), affected.map_index)).collect()
}
