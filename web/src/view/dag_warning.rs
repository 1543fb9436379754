//! What is amiss with DAGs.

use std::collections::BTreeSet;

use chrono::Utc;
use scheduler::store::entity::dag;
use serde::Serialize;
use utoipa::ToSchema;

use super::{DagWarningType, display_name};
use crate::timestamp::DateTime;

type Instant = chrono::DateTime<Utc>;

/// Something that is amiss with a DAG.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGWarningResponse)]
pub(crate) struct DagWarningResponse {
    dag_id: String,
    warning_type: DagWarningType,
    message: String,
    /// When the DAG's file was read.
    timestamp: DateTime,
    dag_display_name: String,
}

impl DagWarningResponse {
    /// Tasks of a DAG name pools that there are not (Airflow 3: the same words).
    pub(crate) fn of_missing_pools(dag: &dag::Model, pools: &BTreeSet<&str>, now: Instant) -> DagWarningResponse {
        let names: Vec<String> = pools.iter().map(|pool| format!("'{pool}'")).collect();
        DagWarningResponse {
            dag_id: dag.dag_id.clone(),
            warning_type: DagWarningType::NonExistentPool,
            message: format!("Dag '{}' references non-existent pools: [{}]", dag.dag_id, names.join(", ")),
            timestamp: DateTime(dag.last_parsed_time.unwrap_or(now)),
            dag_display_name: display_name::of_dag(dag),
        }
    }

    /// What it is ordered by under a name.
    pub(crate) fn key(&self, name: &str) -> String {
        match name {
            "message" => self.message.clone(),
            "timestamp" => self.timestamp.0.to_rfc3339(),
            "warning_type" => self.warning_type.word().to_owned(),
            _ => self.dag_id.clone(),
        }
    }
}

/// A page of warnings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGWarningCollectionResponse)]
pub(crate) struct DagWarningCollectionResponse {
    pub(crate) dag_warnings: Vec<DagWarningResponse>,
    pub(crate) total_entries: u64,
}
