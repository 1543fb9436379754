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

/// A DAG of which a run fails, and how many in a row pause it.
pub(super) struct Failing {
    dag_id: String,
    most: u64,
}

/// Pauses those DAGs of which, with the batch that the transaction has written, as many runs have failed in a row as they
/// allow. Answers with those that were paused.
pub(super) async fn pause_after_failures(
    txn: &impl ConnectionTrait,
    failing: &[Failing],
    now: DateTime<Utc>,
) -> Result<Vec<String>, StoreError> {
    let mut paused = Vec::new();
    for Failing { dag_id, most } in failing {
        let states = schedules::last_states(txn, dag_id, *most).await?;
        if (states.len() as u64) < *most || states.iter().any(|state| state != RunState::Failed.word()) {
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
        paused.push(dag_id.clone());
    }
    Ok(paused)
}

impl Coordinator {
    /// The DAGs of which a run fails with this batch, and which may have to be paused then.
    pub(super) fn failing(&self, batch: &Batch) -> Vec<Failing> {
        let failed = batch.runs.iter().filter(|run| run.state == RunState::Failed.word());
        let dag_ids: BTreeSet<&str> = failed.map(|run| run.dag_id.as_str()).collect();
        let active = dag_ids.into_iter().filter_map(|dag_id| self.dags.get(dag_id)).filter(|dag| !dag.row.is_paused);
        let failing = active.map(|dag| Failing {
            dag_id: dag.row.dag_id.clone(),
            most: u64::from(dag.definition.runs.max_consecutive_failed_dag_runs),
        });
        failing.filter(|failing| failing.most > 0).collect()
    }

    /// What [`pause_after_failures`] did is durable.
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
