//! Saying how task instances ended (Airflow 3: mark task instance).

use serde_json::json;

use super::affected::{Affected, Relatives, TaskRef, assert_known};
use super::clear::find_run;
use super::finished::named;
use super::{Control, ControlError, check_note};
use crate::run::TaskState;
use crate::store::audit::{self, Deed};
use crate::store::commit;
use crate::store::requests::Request;

/// How task instances ended, as a person says, or what is to be remarked of them.
#[derive(Clone, Debug)]
pub struct MarkTasks {
    /// The run.
    pub run_id: String,
    /// Which tasks.
    pub tasks: Vec<TaskRef>,
    /// What goes with them.
    pub relatives: Relatives,
    /// `success`, `failed` or `skipped`; absent when there is only a remark.
    pub state: Option<TaskState>,
    /// A remark; an empty one deletes it.
    pub note: Option<String>,
    /// Only say what would be changed.
    pub dry_run: bool,
}

impl Control {
    /// Says how task instances ended. Answers with those that are, or would be, changed.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when nothing changes (Airflow 3; a dry run answers with nothing).
    pub async fn mark_tasks(
        &self,
        dag_id: &str,
        mark: MarkTasks,
        user: Option<&str>,
    ) -> Result<Vec<Affected>, ControlError> {
        check_note(mark.note.as_deref())?;
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let run = find_run(&txn, dag_id, &mark.run_id).await?;
        let meant_runs = self.with_past_and_future(&txn, run, mark.relatives).await?;
        let meant_runs = self.all_meant(&txn, meant_runs).await?;
        assert_known(&mark.tasks, &meant_runs)?;
        let mut all = Vec::new();
        let mut waiting = Vec::new();
        for meant in meant_runs {
            let tasks = meant.tasks(&mark.tasks, mark.relatives.reach());
            if let (Some(note), false) = (&mark.note, mark.dry_run) {
                meant.remark(&txn, &meant.affected(&tasks, &mark.tasks, |_| true), note, now).await?;
            }
            let Some(state) = mark.state else {
                all.extend(meant.affected(&tasks, &mark.tasks, |_| true));
                continue;
            };
            let affected = meant.affected(&tasks, &mark.tasks, |row| row.state.as_deref() != state.word());
            if !mark.dry_run && !affected.is_empty() {
                let state = state.word().unwrap_or_default().to_owned();
                let request = Request::MarkTasks { instances: named(&affected), state };
                waiting.extend(self.tell(&txn, meant, request, user, now).await?);
            }
            all.extend(affected);
        }
        if let (Some(state), true, false) = (mark.state, all.is_empty(), mark.dry_run) {
            let names: Vec<&str> = mark.tasks.iter().map(|named| named.task_id.as_str()).collect();
            return Err(ControlError::Conflict(format!("Task id {} is already in {state} state", names.join(", "))));
        }
        if mark.dry_run {
            return Ok(all);
        }
        let deed = Deed {
            event: "patch_task_instance",
            dag_id: Some(dag_id),
            run_id: Some(&mark.run_id),
            owner: user,
            extra: Some(json!({ "new_state": mark.state.and_then(TaskState::word), "task_instances": all.len() })),
            ..Deed::default()
        };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.announce(&all);
        self.all_carried_out(waiting).await?;
        Ok(all)
    }
}
