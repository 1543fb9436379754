//! Triggering a run.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use chrono::Utc;
use scheduler::control::{ControlError, Trigger, TriggeredBy};
use scheduler::store::read;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Fields, FromFields, JsonBody, UrlPath};
use crate::state::AppState;
use crate::view::DagRunResponse;

/// A run to be made.
#[derive(Debug, ToSchema)]
#[schema(as = TriggerDAGRunPostBody)]
pub(crate) struct TriggerBody {
    /// Made up from the instant when absent.
    dag_run_id: Option<String>,
    /// Both ends or none, and only with a logical date.
    data_interval_start: Option<chrono::DateTime<Utc>>,
    data_interval_end: Option<chrono::DateTime<Utc>>,
    /// The key must be there; null makes a run without a logical date.
    #[schema(required)]
    logical_date: Option<chrono::DateTime<Utc>>,
    /// The earliest start; now when absent.
    run_after: Option<chrono::DateTime<Utc>>,
    /// Values for the DAG's params, and anything else that tasks may read.
    #[schema(value_type = Option<Object>)]
    conf: Option<Map<String, Value>>,
    note: Option<String>,
    /// Which partition the run is about; only partitioned DAGs take one.
    partition_key: Option<String>,
}

impl FromFields for TriggerBody {
    fn from_fields(fields: &mut Fields) -> TriggerBody {
        fields.require("logical_date");
        let body = TriggerBody {
            dag_run_id: fields.text("dag_run_id"),
            data_interval_start: fields.instant("data_interval_start"),
            data_interval_end: fields.instant("data_interval_end"),
            logical_date: fields.instant("logical_date"),
            run_after: fields.instant("run_after"),
            conf: fields.object("conf"),
            note: fields.text("note"),
            partition_key: fields.text("partition_key"),
        };
        check_interval(fields, body.data_interval_start, body.data_interval_end, body.logical_date);
        body
    }
}

/// A data interval has two ends in their order, and belongs to a logical date.
pub(super) fn check_interval(
    fields: &mut Fields,
    start: Option<chrono::DateTime<Utc>>,
    end: Option<chrono::DateTime<Utc>>,
    logical_date: Option<chrono::DateTime<Utc>>,
) {
    match (start, end) {
        (Some(start), Some(end)) if start > end => {
            fields.fault(Some("data_interval_end"), "the data interval ends before it starts");
        }
        (Some(_), None) | (None, Some(_)) => {
            fields.fault(None, "Either both data_interval_start and data_interval_end must be provided or none");
        }
        (Some(_), Some(_)) if logical_date.is_none() => {
            fields.fault(None, "a run without a logical date has no data interval");
        }
        _ => {}
    }
}

/// Trigger a run.
///
/// A paused DAG takes it too; the run then stays queued.
#[utoipa::path(
    post,
    path = "/api/v2/dags/{dag_id}/dagRuns",
    operation_id = "trigger_dag_run",
    tag = "DagRun",
    params(("dag_id" = String, Path)),
    request_body = TriggerBody,
    responses(
        (status = 200, description = "The run", body = DagRunResponse),
        (status = 400, description = "The DAG's file is broken, or `conf`, the id or the key does not fit",
            body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG, or its file is gone", body = HttpExceptionResponse),
        (status = 409, description = "There is a run with that id or logical date", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn trigger_dag_run(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<TriggerBody>,
) -> Result<Json<DagRunResponse>, ApiError> {
    // A page says where it is; a program does not (Airflow 3).
    let triggered_by = if headers.contains_key(header::REFERER) { TriggeredBy::Ui } else { TriggeredBy::RestApi };
    let trigger = Trigger {
        run_id: body.dag_run_id,
        logical_date: body.logical_date,
        data_interval: body.data_interval_start.zip(body.data_interval_end),
        partition_key: body.partition_key,
        run_after: body.run_after,
        conf: body.conf.unwrap_or_default(),
        note: body.note,
        triggered_by,
        user: Some(user.name),
    };
    let run = app.control.trigger(&dag_id, trigger).await.map_err(|error| match error {
        ControlError::NotFound { .. } => ApiError::not_found(format!("DAG with dag_id: '{dag_id}' not found")),
        ControlError::Conflict(message) => ApiError::not_unique(&message),
        other => other.into(),
    })?;
    let row = read::with_versions(app.db.read(), vec![run]).await?.pop();
    row.ok_or_else(|| ApiError::no_dag(&dag_id))?.try_into().map(Json)
}
