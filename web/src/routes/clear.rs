//! Clearing: letting task instances, or whole runs, run again.

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use scheduler::control::{Affected, ClearRun, ClearTasks, ClearedRun, Relatives, Runs, StatesMeant, TaskRef};
use scheduler::store::read::{self, Paging};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ArrayItems, Object, OneOfBuilder, Schema, SchemaType, Type};

use super::bulk::{BulkRun, existing_run};
use super::dag_runs::{NOTE_CHARS_MAX, get_dag_run};
use super::get_dag_row;
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Entity, Fields, FromFields, JsonBody, UrlPath};
use crate::state::AppState;
use crate::view::{
    ClearDagRunResponse, ClearDagRunsResponse, ClearTaskInstanceCollectionResponse, DagRunCollectionResponse,
    TaskInstanceCollectionResponse,
};

/// Which task instances are to run again.
#[derive(Debug, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "Airflow's body has them")]
pub(crate) struct ClearTaskInstancesBody {
    /// Only say what would be cleared.
    #[schema(default = true, required = false)]
    dry_run: bool,
    /// In the runs from this logical date on, instead of one run.
    start_date: Option<chrono::DateTime<Utc>>,
    /// In the runs until this logical date.
    end_date: Option<chrono::DateTime<Utc>>,
    /// Only what failed, itself or because of what was before it.
    #[schema(default = true, required = false)]
    only_failed: bool,
    /// Only what runs.
    #[schema(default = false, required = false)]
    only_running: bool,
    /// Whether runs that are over begin again.
    #[schema(default = true, required = false)]
    reset_dag_runs: bool,
    #[schema(schema_with = task_refs)]
    task_ids: Option<Vec<TaskRef>>,
    dag_run_id: Option<String>,
    #[schema(default = false, required = false)]
    include_upstream: bool,
    #[schema(default = false, required = false)]
    include_downstream: bool,
    /// The same tasks in all later runs.
    #[schema(default = false, required = false)]
    include_future: bool,
    /// The same tasks in all earlier runs.
    #[schema(default = false, required = false)]
    include_past: bool,
    /// On the newest version of the DAG rather than on that of the run.
    run_on_latest_version: Option<bool>,
    /// Refuse when one of them runs, instead of stopping it.
    #[schema(default = false, required = false)]
    prevent_running_task: bool,
    #[schema(max_length = 1000)]
    note: Option<String>,
}

impl FromFields for ClearTaskInstancesBody {
    fn from_fields(fields: &mut Fields) -> ClearTaskInstancesBody {
        let only_failed = fields.flag("only_failed");
        let only_running = fields.flag("only_running").unwrap_or(false);
        let body = ClearTaskInstancesBody {
            dry_run: fields.flag("dry_run").unwrap_or(true),
            start_date: fields.instant("start_date"),
            end_date: fields.instant("end_date"),
            // Who asks for what runs does not also ask for what failed.
            only_failed: only_failed.unwrap_or(!only_running),
            only_running,
            reset_dag_runs: fields.flag("reset_dag_runs").unwrap_or(true),
            task_ids: fields.list_of(
                "task_ids",
                "a list of task ids, or of pairs of a task id and a map index",
                task_ref,
            ),
            dag_run_id: fields.text("dag_run_id"),
            include_upstream: fields.flag("include_upstream").unwrap_or(false),
            include_downstream: fields.flag("include_downstream").unwrap_or(false),
            include_future: fields.flag("include_future").unwrap_or(false),
            include_past: fields.flag("include_past").unwrap_or(false),
            run_on_latest_version: fields.flag("run_on_latest_version"),
            prevent_running_task: fields.flag("prevent_running_task").unwrap_or(false),
            note: fields.short_text("note", NOTE_CHARS_MAX),
        };
        body.check(fields);
        body
    }
}

impl ClearTaskInstancesBody {
    fn check(&self, fields: &mut Fields) {
        if self.only_failed && self.only_running {
            fields.fault(None, "only_failed and only_running both are set to True");
        }
        if self.task_ids.as_ref().is_some_and(Vec::is_empty) {
            fields.fault(Some("task_ids"), "task_ids list should have at least 1 element");
        }
        let has_dates = self.start_date.is_some() || self.end_date.is_some();
        if self.dag_run_id.is_some() == has_dates {
            fields.fault(None, "Exactly one of dag_run_id or (start_date and end_date) must be provided");
        }
        if self.start_date.zip(self.end_date).is_some_and(|(start, end)| end < start) {
            fields.fault(Some("end_date"), "end_date is sooner than start_date");
        }
        if has_dates && (self.include_past || self.include_future) {
            fields.fault(None, "include_past and include_future need a dag_run_id");
        }
    }
}

/// The description of `task_ids`: texts, and pairs of a text and a number.
fn task_refs() -> Schema {
    let scalar = |kind: Type| Schema::Object(Object::with_type(kind));
    let pair = ArrayBuilder::new()
        .prefix_items([scalar(Type::String), scalar(Type::Integer)])
        .items(ArrayItems::False)
        .min_items(Some(2))
        .max_items(Some(2));
    let task = OneOfBuilder::new().item(scalar(Type::String)).item(pair);
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(RefOr::T(Schema::from(task.build())))
        .description(Some("Tasks and groups, or pairs of a task and a map index; all tasks when absent."))
        .build()
        .into()
}

/// A task by its id, or one of its instances as a pair.
fn task_ref(value: &Value) -> Option<TaskRef> {
    match value {
        Value::String(task_id) => Some(TaskRef { task_id: task_id.clone(), map_index: None }),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(task_id)] => Some(TaskRef { task_id: task_id.clone(), map_index: None }),
            [Value::String(task_id), index] => {
                let map_index = i32::try_from(index.as_i64()?).ok()?;
                Some(TaskRef { task_id: task_id.clone(), map_index: Some(map_index) })
            }
            _ => None,
        },
        _ => None,
    }
}

/// Let task instances run again.
#[utoipa::path(
    post,
    path = "/api/v2/dags/{dag_id}/clearTaskInstances",
    operation_id = "post_clear_task_instances",
    tag = "Task Instance",
    params(("dag_id" = String, Path)),
    request_body = ClearTaskInstancesBody,
    responses(
        (status = 200, description = "What is, or would be, cleared", body = TaskInstanceCollectionResponse),
        (status = 400, description = "The run has no logical date to look before or after", body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG, run or task", body = HttpExceptionResponse),
        (status = 409, description = "One of them runs, and was not to be stopped", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn post_clear_task_instances(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
    JsonBody(body): JsonBody<ClearTaskInstancesBody>,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    get_dag_row(&app, &dag_id).await?;
    let states = match (body.only_failed, body.only_running) {
        (_, true) => StatesMeant::Running,
        (true, false) => StatesMeant::Failed,
        (false, false) => StatesMeant::Any,
    };
    let clear = ClearTasks {
        runs: body.dag_run_id.map_or(Runs::Between(body.start_date, body.end_date), Runs::One),
        tasks: body.task_ids.unwrap_or_default(),
        relatives: Relatives {
            upstream: body.include_upstream,
            downstream: body.include_downstream,
            past: body.include_past,
            future: body.include_future,
        },
        states,
        run_on_latest_version: body.run_on_latest_version,
        prevent_running_task: body.prevent_running_task,
        reset_runs: body.reset_dag_runs,
        note: body.note,
        dry_run: body.dry_run,
    };
    let cleared = app.control.clear_tasks(&dag_id, clear, Some(&user.name)).await?;
    collection(&app, &cleared).await
}

/// Task instances as they are now.
pub(super) async fn collection(
    app: &AppState,
    affected: &[Affected],
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    let rows = read::find_task_instances(app.db.read(), affected).await?;
    TaskInstanceCollectionResponse::whole(rows).map(Json)
}

/// How a run is to run again.
#[derive(Debug, ToSchema)]
#[schema(as = DAGRunClearBody)]
pub(crate) struct DagRunClearBody {
    /// Only say what would be cleared.
    #[schema(default = true, required = false)]
    dry_run: bool,
    /// Only what failed, itself or because of what was before it.
    #[schema(default = false, required = false)]
    only_failed: bool,
    /// Only tasks that the newest version of the DAG has and the run does not.
    #[schema(default = false, required = false)]
    only_new: bool,
    /// On the newest version of the DAG rather than on that of the run.
    run_on_latest_version: Option<bool>,
    #[schema(max_length = 1000)]
    note: Option<String>,
}

impl FromFields for DagRunClearBody {
    fn from_fields(fields: &mut Fields) -> DagRunClearBody {
        let body = DagRunClearBody {
            dry_run: fields.flag("dry_run").unwrap_or(true),
            only_failed: fields.flag("only_failed").unwrap_or(false),
            only_new: fields.flag("only_new").unwrap_or(false),
            run_on_latest_version: fields.flag("run_on_latest_version"),
            note: fields.short_text("note", NOTE_CHARS_MAX),
        };
        if body.only_failed && body.only_new {
            fields.fault(None, "only_failed and only_new both are set to True");
        }
        body
    }
}

impl DagRunClearBody {
    fn clear(&self) -> ClearRun {
        ClearRun {
            only_failed: self.only_failed,
            only_new: self.only_new,
            run_on_latest_version: self.run_on_latest_version,
            note: self.note.clone(),
            dry_run: self.dry_run,
        }
    }
}

/// Let a run run again.
#[utoipa::path(
    post,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/clear",
    operation_id = "clear_dag_run",
    tag = "DagRun",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path)),
    request_body = DagRunClearBody,
    responses(
        (status = 200, description = "The run; in a dry run what would be cleared", body = ClearDagRunResponse),
        (status = 404, description = "There is no such DAG or run", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn clear_dag_run(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
    JsonBody(body): JsonBody<DagRunClearBody>,
) -> Result<Json<ClearDagRunResponse>, ApiError> {
    if read::find_run(app.db.read(), &dag_id, &run_id).await?.is_none() {
        return Err(ApiError::no_run(&dag_id, &run_id));
    }
    let cleared = app.control.clear_run(&dag_id, &run_id, body.clear(), Some(&user.name)).await?;
    if body.dry_run {
        return Ok(Json(ClearDagRunResponse::Preview(preview(&app, cleared).await?)));
    }
    let Json(run) = get_dag_run(State(app), UrlPath((dag_id, run_id))).await?;
    Ok(Json(ClearDagRunResponse::Cleared(Box::new(run))))
}

async fn preview(app: &AppState, cleared: ClearedRun) -> Result<ClearTaskInstanceCollectionResponse, ApiError> {
    let rows = read::find_task_instances(app.db.read(), &cleared.instances).await?;
    ClearTaskInstanceCollectionResponse::new(rows, cleared.new_tasks)
}

/// Which runs are to run again, and how.
#[derive(Debug, ToSchema)]
#[schema(as = BulkDAGRunClearBody)]
pub(crate) struct DagRunsClearBody {
    dag_runs: Vec<BulkRun>,
    /// Only say what would be cleared.
    #[schema(default = true, required = false)]
    dry_run: bool,
    /// Only what failed, itself or because of what was before it.
    #[schema(default = false, required = false)]
    only_failed: bool,
    /// Only tasks that the newest version of the DAG has and the run does not.
    #[schema(default = false, required = false)]
    only_new: bool,
    /// On the newest version of the DAG rather than on that of the run.
    run_on_latest_version: Option<bool>,
    #[schema(max_length = 1000)]
    note: Option<String>,
}

impl FromFields for DagRunsClearBody {
    fn from_fields(fields: &mut Fields) -> DagRunsClearBody {
        fields.require("dag_runs");
        let dag_runs = fields.objects("dag_runs");
        for partition in ["partition_key", "partition_date_start", "partition_date_end"] {
            if fields.text(partition).is_some() {
                fields.fault(Some(partition), "runs are not chosen by their partitions here; name them in `dag_runs`");
            }
        }
        let DagRunClearBody { dry_run, only_failed, only_new, run_on_latest_version, note } =
            DagRunClearBody::from_fields(fields);
        DagRunsClearBody { dag_runs, dry_run, only_failed, only_new, run_on_latest_version, note }
    }
}

impl DagRunsClearBody {
    fn clear(&self) -> ClearRun {
        ClearRun {
            only_failed: self.only_failed,
            only_new: self.only_new,
            run_on_latest_version: self.run_on_latest_version,
            note: self.note.clone(),
            dry_run: self.dry_run,
        }
    }
}

/// Let several runs run again.
///
/// The DAG of the path may be `~`; each run then names its own.
#[utoipa::path(
    post,
    path = "/api/v2/dags/{dag_id}/clearDagRuns",
    operation_id = "clear_dag_runs",
    tag = "DagRun",
    params(("dag_id" = String, Path)),
    request_body = DagRunsClearBody,
    responses(
        (status = 200, description = "The runs; in a dry run what would be cleared", body = ClearDagRunsResponse),
        (status = 400, description = "A run does not say of which DAG it is", body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG or run", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn clear_dag_runs(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
    JsonBody(body): JsonBody<DagRunsClearBody>,
) -> Result<Json<ClearDagRunsResponse>, ApiError> {
    let mut meant = Vec::with_capacity(body.dag_runs.len());
    // All are looked for before the first is cleared.
    for run in &body.dag_runs {
        meant.push(existing_run(&app, run.key(), &dag_id).await?);
    }
    let mut all = ClearedRun::default();
    for (dag_id, run_id) in &meant {
        let cleared = app.control.clear_run(dag_id, run_id, body.clear(), Some(&user.name)).await?;
        all.instances.extend(cleared.instances);
        all.new_tasks.extend(cleared.new_tasks);
    }
    if body.dry_run {
        return Ok(Json(ClearDagRunsResponse::Preview(preview(&app, all).await?)));
    }
    let mut rows = Vec::with_capacity(meant.len());
    for (dag_id, run_id) in &meant {
        rows.extend(read::find_run(app.db.read(), dag_id, run_id).await?);
    }
    let listing = read::Listing { total: rows.len() as u64, rows, next: None, previous: None };
    let paging = Paging::Offset { limit: listing.total, offset: 0 };
    Ok(Json(ClearDagRunsResponse::Cleared(DagRunCollectionResponse::new(listing, &paging)?)))
}
