//! Listing task instances with filters in a body, for filters that are too long for a URL.

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use scheduler::store::read::{self, Paging, Range, TaskInstanceFilter};
use utoipa::ToSchema;

use super::dag_runs_batch::{BATCH_PAGE, must_be_all};
use super::task_instances::{delete_task_instance, get_task_instance, task_instance_order};
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Fields, FromFields, JsonBody, Query, UrlPath};
use crate::state::AppState;
use crate::view::{TaskInstanceCollectionResponse, TaskInstanceResponse, TaskInstanceState};

/// Filters on task instances.
#[derive(Debug, ToSchema)]
pub(crate) struct TaskInstancesBatchBody {
    order_by: Option<String>,
    #[schema(default = 0, required = false)]
    page_offset: u64,
    #[schema(default = 100, required = false)]
    page_limit: u64,
    #[schema(required = false)]
    dag_ids: Vec<String>,
    #[schema(required = false)]
    dag_run_ids: Vec<String>,
    #[schema(required = false)]
    task_ids: Vec<String>,
    #[schema(value_type = Option<Vec<Option<TaskInstanceState>>>)]
    state: Vec<Option<String>>,
    #[schema(required = false)]
    pool: Vec<String>,
    #[schema(required = false)]
    queue: Vec<String>,
    #[schema(required = false)]
    executor: Vec<String>,
    #[schema(ignore)]
    times: [Range<chrono::DateTime<Utc>>; 4],
    #[schema(ignore)]
    duration: Range<f64>,
}

impl FromFields for TaskInstancesBatchBody {
    fn from_fields(fields: &mut Fields) -> TaskInstancesBatchBody {
        TaskInstancesBatchBody {
            order_by: fields.text("order_by"),
            page_offset: fields.count("page_offset").unwrap_or(0),
            page_limit: fields.count("page_limit").unwrap_or(BATCH_PAGE).min(BATCH_PAGE),
            dag_ids: fields.texts("dag_ids"),
            dag_run_ids: fields.texts("dag_run_ids"),
            task_ids: fields.texts("task_ids"),
            state: fields.words("state", TaskInstanceState::WORDS),
            pool: fields.texts("pool"),
            queue: fields.texts("queue"),
            executor: fields.texts("executor"),
            times: ["run_after", "logical_date", "start_date", "end_date"].map(|name| fields.instants(name)),
            duration: fields.decimals("duration"),
        }
    }
}

/// List task instances by filters in the body.
///
/// Beside the fields shown, the body takes `_gte`, `_gt`, `_lte` and `_lt` of `run_after`, `logical_date`, `start_date`,
/// `end_date` and `duration`.
#[utoipa::path(
    post,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list",
    operation_id = "get_task_instances_batch",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path, description = "Always `~`"),
        ("dag_run_id" = String, Path, description = "Always `~`"),
    ),
    request_body = TaskInstancesBatchBody,
    responses(
        (status = 200, description = "A page of task instances", body = TaskInstanceCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "The path names something, or the body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_task_instances_batch(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
    JsonBody(body): JsonBody<TaskInstancesBatchBody>,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    must_be_all("dag_id", &dag_id)?;
    must_be_all("dag_run_id", &run_id)?;
    let order_by: Vec<String> = body.order_by.into_iter().collect();
    let sorting = task_instance_order(&app, &order_by)?;
    let [run_after, logical_date, start_date, end_date] = body.times;
    let filter = TaskInstanceFilter {
        dag_ids: body.dag_ids,
        run_ids: body.dag_run_ids,
        task_ids: body.task_ids,
        states: body.state,
        pools: body.pool,
        queues: body.queue,
        // No task instance names an executor.
        is_of_none: !body.executor.is_empty(),
        run_after,
        logical_date,
        start_date,
        end_date,
        duration: body.duration,
        now: app.clock.now(),
        ..TaskInstanceFilter::default()
    };
    let paging = Paging::Offset { limit: body.page_limit, offset: body.page_offset };
    let listing = read::list_task_instances(app.db.read(), &filter, &sorting, &paging).await?;
    TaskInstanceCollectionResponse::new(listing, &paging).map(Json)
}

/// A task may be called `list`; the path of the batch would hide it.
pub(crate) async fn get_task_instance_called_list(
    app: State<AppState>,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
) -> Result<Json<TaskInstanceResponse>, ApiError> {
    get_task_instance(app, UrlPath((dag_id, run_id, "list".to_owned()))).await
}

/// The same, to delete it.
pub(crate) async fn delete_task_instance_called_list(
    app: State<AppState>,
    user: User,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
    query: Query,
) -> Result<Json<()>, ApiError> {
    delete_task_instance(app, user, UrlPath((dag_id, run_id, "list".to_owned())), query).await
}
