//! Pauses a DAG whose runs keep failing (Airflow 3: `max_consecutive_failed_dag_runs`).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use serde_json::json;
use tracing::warn;

use super::coordinator::Coordinator;
use crate::run::RunState;
use crate::store::audit::{self, Deed};
use crate::store::runs::Batch;
use crate::store::{StoreError, dags, schedules};

/// Whom the audit log names when no person did it (Airflow 3).
const OWNER: &str = "scheduler";

impl Coordinator {
    /// Pauses the DAGs of which a run fails with this batch and, with it, as many in a row as they allow. Belongs into the
    /// transaction that has written the batch. Answers with those that were paused.
    pub(super) async fn pause_after_failures(
        &self,
        txn: &impl ConnectionTrait,
        batch: &Batch,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, StoreError> {
        let failed = batch.runs.iter().filter(|run| run.state == RunState::Failed.word());
        let dag_ids: BTreeSet<&str> = failed.map(|run| run.dag_id.as_str()).collect();
        let mut paused = Vec::new();
        for dag_id in dag_ids {
            let Some(dag) = self.dags.get(dag_id).filter(|dag| !dag.row.is_paused) else { continue };
            let most = u64::from(dag.definition.runs.max_consecutive_failed_dag_runs);
            if most == 0 {
                continue;
            }
            let states = schedules::last_states(txn, dag_id, most).await?;
            if (states.len() as u64) < most || states.iter().any(|state| state != RunState::Failed.word()) {
                continue;
            }
            dags::set_paused(txn, dag_id, true, now).await?;
            let deed = Deed {
                event: "paused",
                dag_id: Some(dag_id),
                owner: Some(OWNER),
                extra: Some(json!({ "is_paused": true, "max_consecutive_failed_dag_runs": most })),
                ..Deed::default()
            };
            audit::record(txn, deed, now).await?;
            paused.push(dag_id.to_owned());
        }
        Ok(paused)
    }

    /// What [`Self::pause_after_failures`] did is durable.
    pub(super) fn paused(&mut self, dag_ids: Vec<String>) {
        for dag_id in dag_ids {
            if let Some(dag) = self.dags.get_mut(&dag_id) {
                dag.row.is_paused = true;
                self.admission.hold_back(&dag_id, dag.held_back_by());
                self.todo.explain = true;
                let most = dag.definition.runs.max_consecutive_failed_dag_runs;
                warn!(dag = %dag_id, "paused the DAG, because its last {most} runs failed");
            }
            self.announce_dag(&dag_id);
        }
    }
}
