//! Answering what tasks ask of people (Airflow 3: human in the loop).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Control, ControlError};
use crate::dag::params;
use crate::engine::wake::Wake;
use crate::events::Change;
use crate::operator::{Answer, Question, TaskKey};
use crate::store::audit::{self, Deed, DeedTask};
use crate::store::entity::{hitl_detail, task_instance};
use crate::store::{commit, hitl_details, runs};

/// An answer, as somebody gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The options.
    pub chosen_options: Vec<String>,
    /// What else was asked for, by name; what is left out is as it is by default.
    pub params_input: Map<String, Value>,
}

impl Control {
    /// Answers what a task instance asks; the first answer counts. The task goes on when it hears of it.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when it was answered before, or the task does not wait for it any more;
    /// [`ControlError::Forbidden`] when somebody else is to answer.
    pub async fn respond(&self, to: &TaskKey, response: Response, user: &str) -> Result<Answer, ControlError> {
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let instance = runs::lock_instance(&txn, to).await?;
        let detail = hitl_details::latest(&txn, &instance).await?;
        let detail =
            detail.ok_or_else(|| ControlError::NotFound { what: "question of task", id: to.task_id.clone() })?;
        if detail.responded_at.is_some() {
            let who = detail.responded_by.as_deref().unwrap_or("somebody");
            return Err(ControlError::Conflict(format!("task `{}` was answered already, by {who}", to.task_id)));
        }
        if !is_waiting(&instance, &detail) {
            return Err(ControlError::Conflict(format!("task `{}` does not wait for an answer any more", to.task_id)));
        }
        let question = detail.question()?;
        if !question.is_for(user) {
            return Err(ControlError::Forbidden(format!("{user} is not among those who may answer `{}`", to.task_id)));
        }
        if let Some(complaint) = question.complaint(&response.chosen_options) {
            return Err(ControlError::Invalid(complaint));
        }
        let answer = Answer {
            params_input: filled_in(&question, &response.params_input)?,
            chosen_options: response.chosen_options,
            responded_at: now,
            responded_by: user.to_owned(),
        };
        if !hitl_details::respond(&txn, &detail.asker(), &answer).await? {
            return Err(ControlError::Conflict(format!("task `{}` was answered already", to.task_id)));
        }
        let deed = Deed {
            event: "update_hitl_detail",
            dag_id: Some(&to.dag_id),
            run_id: Some(&to.run_id),
            task: Some(DeedTask { task_id: &to.task_id, map_index: to.map_index, try_number: detail.try_number }),
            owner: Some(user),
            extra: Some(json!({ "chosen_options": answer.chosen_options, "params_input": answer.params_input })),
        };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.changes.send(Change::hitl_detail(&to.dag_id, &to.run_id, &to.task_id).of_instance(to.map_index));
        // A command has no watchers of its own: the engine passes it on.
        self.waker.wake(Wake::Answers);
        Ok(answer)
    }
}

/// Whether the try that asked waits for the answer: also while its process is gone, and while it goes on in another.
fn is_waiting(instance: &task_instance::Model, detail: &hitl_detail::Model) -> bool {
    let goes_on = instance.deferred_at.is_some();
    match instance.state.as_deref() {
        // A question is only there while its task asks. Before there was `awaiting_input`, tasks that asked were `deferred`.
        Some("awaiting_input" | "deferred") => true,
        Some("running" | "queued") => goes_on || instance.try_number == detail.try_number,
        Some("scheduled") => goes_on,
        _ => false,
    }
}

/// What was given, with defaults for the rest.
fn filled_in(question: &Question, given: &Map<String, Value>) -> Result<Map<String, Value>, ControlError> {
    let known: BTreeSet<&String> = question.params.keys().collect();
    if let Some(stranger) = given.keys().find(|name| !known.contains(name)) {
        return Err(ControlError::Invalid(format!("nobody asked for the param `{stranger}`")));
    }
    params::fill_in(&question.params, given).map_err(|problems| {
        ControlError::Invalid(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })
}
