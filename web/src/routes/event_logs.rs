//! The audit log.

use axum::Json;
use axum::extract::State;
use scheduler::store::read::{self, EventLogFilter};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::display_name::Names;
use crate::view::{EventLogCollectionResponse, EventLogResponse};

pub(crate) struct EventLogParams;

impl IntoParams for EventLogParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .ordered()
            .text("dag_id", "")
            .text("task_id", "")
            .text("run_id", "")
            .number("map_index", "")
            .number("try_number", "")
            .text("owner", "")
            .text("event", "")
            .texts(&["excluded_events", "included_events"])
            .instant("before")
            .instant("after")
            .patterns(&["dag_id", "task_id", "run_id", "owner", "event"])
            .done()
    }
}

/// List who did what and when.
#[utoipa::path(
    get,
    path = "/api/v2/eventLogs",
    operation_id = "get_event_logs",
    tag = "Event Log",
    params(EventLogParams),
    responses(
        (status = 200, description = "A page of the audit log", body = EventLogCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_event_logs(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<EventLogCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["id"],
        allowed: &[
            "id",
            "dttm",
            "dag_id",
            "task_id",
            "run_id",
            "event",
            "logical_date",
            "owner",
            "extra",
            "when",
            "event_log_id",
        ],
        tie_break: &["id"],
        key: &read::event_log_sort_key,
    })?;
    let filter = EventLogFilter {
        dag_id: query.text("dag_id"),
        task_id: query.text("task_id"),
        run_id: query.text("run_id"),
        map_index: query.number("map_index"),
        try_number: query.number("try_number"),
        owner: query.text("owner"),
        event: query.text("event"),
        excluded_events: query.texts("excluded_events"),
        included_events: query.texts("included_events"),
        before: query.instant("before"),
        after: query.instant("after"),
        dag_id_patterns: query.patterns("dag_id"),
        task_id_patterns: query.patterns("task_id"),
        run_id_patterns: query.patterns("run_id"),
        owner_patterns: query.patterns("owner"),
        event_patterns: query.patterns("event"),
    };
    let paging = query.paging();
    query.finish()?;
    let listing = read::list_event_logs(app.db.read(), &filter, &sorting, &paging).await?;
    let names = Names::of(&app, listing.rows.iter().filter_map(|entry| entry.dag_id.clone())).await?;
    let event_logs = listing.rows.into_iter().map(|entry| EventLogResponse::new(entry, &names)).collect();
    Ok(Json(EventLogCollectionResponse { event_logs, total_entries: listing.total }))
}

/// Look at one entry.
#[utoipa::path(
    get,
    path = "/api/v2/eventLogs/{event_log_id}",
    operation_id = "get_event_log",
    tag = "Event Log",
    params(("event_log_id" = i64, Path)),
    responses(
        (status = 200, description = "The entry", body = EventLogResponse),
        (status = 404, description = "There is no such entry", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_event_log(
    State(app): State<AppState>,
    UrlPath(id): UrlPath<i64>,
) -> Result<Json<EventLogResponse>, ApiError> {
    match read::find_event_log(app.db.read(), id).await? {
        Some(entry) => {
            let names = Names::of(&app, entry.dag_id.clone()).await?;
            Ok(Json(EventLogResponse::new(entry, &names)))
        }
        None => Err(ApiError::not_found(format!("The Event Log with id: `{id}` not found"))),
    }
}
