//! What people ask of runs that a scheduler owns.
//!
//! A request is written by whoever takes it (an API server, the command line) and carried out by the run's owner, which
//! deletes it in the transaction of its effect. So it is neither lost nor carried out twice, whoever is killed.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::entity::{dag_run, run_request};
use super::error::{StoreError, doing};

/// What is asked of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Say how the run ended, or let it begin again (Airflow 3: mark run).
    Mark {
        /// `success`, `failed` or `queued`.
        state: String,
    },
    /// Let task instances run anew (Airflow 3: clear).
    Clear {
        /// Which, by task and map index.
        instances: Vec<(String, i32)>,
        /// The version of the DAG to go on with; the run's own when absent.
        version: Option<Uuid>,
        /// Whether a run that is over stays so.
        #[serde(default)]
        keeps_run_state: bool,
    },
    /// Say how task instances ended (Airflow 3: mark task instance).
    MarkTasks {
        /// Which, by task and map index.
        instances: Vec<(String, i32)>,
        /// `success`, `failed` or `skipped`.
        state: String,
    },
}

impl Request {
    /// The version of the DAG that the run is to go on with, when that is asked for.
    pub fn version(&self) -> Option<Uuid> {
        match self {
            Request::Clear { version, .. } => *version,
            Request::Mark { .. } | Request::MarkTasks { .. } => None,
        }
    }
}

/// Leaves a request for the owner of a run; answers with its number.
pub async fn insert(
    db: &impl ConnectionTrait,
    run: Uuid,
    request: &Request,
    requested_by: Option<&str>,
    now: DateTime<Utc>,
) -> Result<i64, StoreError> {
    let payload = serde_json::to_value(request).map_err(|error| StoreError::Corrupt {
        table: "run_request",
        column: "payload",
        value: error.to_string(),
    })?;
    let row = run_request::ActiveModel {
        dag_run_id: Set(run),
        kind: Set(payload["kind"].as_str().unwrap_or_default().to_owned()),
        payload: Set(payload),
        requested_by: Set(requested_by.map(str::to_owned)),
        created_at: Set(now),
        ..Default::default()
    };
    let inserted = run_request::Entity::insert(row).exec(db).await.map_err(doing("leaving a request"))?;
    Ok(inserted.last_insert_id)
}

/// The requests for runs that `lease` owns, oldest first.
pub async fn pending(db: &impl ConnectionTrait, lease: Uuid) -> Result<Vec<(i64, Uuid, Request)>, StoreError> {
    let own = sea_orm::sea_query::Query::select()
        .column(dag_run::Column::Id)
        .from(dag_run::Entity)
        .and_where(dag_run::Column::Owner.eq(lease))
        .to_owned();
    let rows = run_request::Entity::find()
        .filter(run_request::Column::DagRunId.in_subquery(own))
        .order_by_asc(run_request::Column::Id)
        .all(db)
        .await
        .map_err(doing("reading requests"))?;
    rows.into_iter()
        .map(|row| {
            let request = serde_json::from_value(row.payload.clone()).map_err(|_| StoreError::Corrupt {
                table: "run_request",
                column: "payload",
                value: row.payload.to_string(),
            })?;
            Ok((row.id, row.dag_run_id, request))
        })
        .collect()
}

/// Whether a request still waits.
pub async fn is_pending(db: &impl ConnectionTrait, id: i64) -> Result<bool, StoreError> {
    let row = run_request::Entity::find_by_id(id).one(db).await.map_err(doing("looking for a request"))?;
    Ok(row.is_some())
}

/// Forgets requests that were carried out.
pub async fn delete(db: &impl ConnectionTrait, ids: &[i64]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    run_request::Entity::delete_many()
        .filter(run_request::Column::Id.is_in(ids.iter().copied()))
        .exec(db)
        .await
        .map_err(doing("forgetting requests"))?;
    Ok(())
}
