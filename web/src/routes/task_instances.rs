//! Task instances: list, look at, delete.

use axum::Json;
use axum::extract::State;
use scheduler::operator::TaskKey;
use scheduler::store::read::{self, Sorting, TaskInstanceFilter, TaskInstanceRow};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::{ALL, assert_dag, assert_run, definition, get_dag_row, unless_all};
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, MapIndexParam, Order, Query, UrlPath, order};
use crate::state::AppState;
use crate::view::{TaskInstanceCollectionResponse, TaskInstanceResponse, TaskInstanceState};

/// What lists of task instances can be ordered by (Airflow 3).
const ORDER: [&str; 13] = [
    "id",
    "state",
    "duration",
    "start_date",
    "end_date",
    "map_index",
    "try_number",
    "logical_date",
    "run_after",
    "data_interval_start",
    "data_interval_end",
    "rendered_map_index",
    "operator",
];

/// The filters of lists of task instances, described.
pub(crate) struct TaskInstanceParams;

impl IntoParams for TaskInstanceParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .cursor()
            .ordered()
            .text("task_id", "Only the instances of this task.")
            .instants(&["run_after", "logical_date", "start_date", "end_date", "updated_at"])
            .decimals("duration")
            .texts(&["state", "pool", "queue", "executor", "operator"])
            .numbers(&["version_number", "try_number", "map_index"])
            .text(
                "task_group_id",
                "Only the tasks of this group, of the newest version of the DAG; needs a DAG in the path.",
            )
            .patterns(&["task_display_name", "dag_id", "run_id", "pool_name", "queue_name", "operator_name"])
            .patterns(&["rendered_map_index"])
            .done()
    }
}

/// Reads an order of task instances. Ties are broken by run, then by the place in the DAG's file.
pub(crate) fn task_instance_order(app: &AppState, words: &[String]) -> Result<Sorting<TaskInstanceRow>, ApiError> {
    let key = |word: &str| read::task_instance_sort_key(word, &app.db);
    let tie_break = ["run", "place", "task_id", "map_index"];
    order(words, &Order { default: &["map_index"], allowed: &ORDER, tie_break: &tie_break, key: &key })
}

/// State words of a filter; `none` and `no_status` mean the absence of a state.
pub(super) fn states(query: &Query) -> Result<Vec<Option<String>>, ApiError> {
    let known: Vec<&str> = TaskInstanceState::WORDS.iter().copied().chain(["none", "no_status"]).collect();
    let words = query.words("state", &known)?;
    Ok(words.into_iter().map(|word| Some(word).filter(|word| word != "none" && word != "no_status")).collect())
}

fn filter(app: &AppState, query: &mut Query) -> Result<TaskInstanceFilter, ApiError> {
    Ok(TaskInstanceFilter {
        task_ids: query.text("task_id").into_iter().collect(),
        states: states(query)?,
        pools: query.texts("pool"),
        queues: query.texts("queue"),
        operators: query.texts("operator"),
        try_numbers: query.numbers("try_number"),
        map_indices: query.numbers("map_index"),
        version_numbers: query.numbers("version_number"),
        // No task instance names an executor.
        is_of_none: query.text("executor").is_some(),
        dag_id: query.patterns("dag_id"),
        run_id: query.patterns("run_id"),
        task_id: query.patterns("task_display_name"),
        pool: query.patterns("pool_name"),
        queue: query.patterns("queue_name"),
        operator: query.patterns("operator_name"),
        rendered_map_index: query.patterns("rendered_map_index"),
        run_after: query.instants("run_after"),
        logical_date: query.instants("logical_date"),
        start_date: query.instants("start_date"),
        end_date: query.instants("end_date"),
        updated_at: query.instants("updated_at"),
        duration: query.decimals("duration"),
        now: app.clock.now(),
        ..TaskInstanceFilter::default()
    })
}

/// List the task instances of a run; `~` stands for all DAGs or all runs.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances",
    operation_id = "get_task_instances",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), TaskInstanceParams),
    responses(
        (status = 200, description = "A page of task instances", body = TaskInstanceCollectionResponse),
        (status = 400, description = "The order or the cursor is not allowed", body = HttpExceptionResponse),
        (status = 404, description = "There is no such run", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_task_instances(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
    mut query: Query,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    let sorting = task_instance_order(&app, &query.texts("order_by"))?;
    let mut filter = filter(&app, &mut query)?;
    filter.dag_ids.extend(unless_all(&dag_id));
    filter.run_ids.extend(unless_all(&run_id));
    let (group, paging) = (query.text("task_group_id"), query.paging_by_cursor(&sorting)?);
    query.finish()?;
    assert_dag(&app, &dag_id).await?;
    assert_run(&app, &dag_id, &run_id).await?;
    if let Some(group) = group {
        filter.task_ids = within(&app, &dag_id, &group, &filter.task_ids).await?;
    }
    let listing = read::list_task_instances(app.db.read(), &filter, &sorting, &paging).await?;
    TaskInstanceCollectionResponse::new(listing, &paging).map(Json)
}

/// The tasks of a group of a DAG, or the task of that id; only those in `asked`, unless it is empty.
async fn within(app: &AppState, dag_id: &str, group: &str, asked: &[String]) -> Result<Vec<String>, ApiError> {
    if dag_id == ALL {
        return Err(ApiError::bad_request("`task_group_id` needs a DAG in the path"));
    }
    let dag = definition(app, &get_dag_row(app, dag_id).await?.dag)?;
    let mut members: Vec<String> =
        dag.tasks_in(group).chain(dag.find(group)).map(|task| dag.task(task).task_id.clone()).collect();
    if members.is_empty() {
        return Err(ApiError::not_found(format!("The task group with id: `{group}` was not found in DAG `{dag_id}`")));
    }
    members.retain(|task_id| asked.is_empty() || asked.contains(task_id));
    if members.is_empty() {
        // No task is called so: nothing matches.
        members.push(String::new());
    }
    Ok(members)
}

/// List the instances of a mapped task.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/listMapped",
    operation_id = "get_mapped_task_instances",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), TaskInstanceParams),
    responses(
        (status = 200, description = "A page of task instances", body = TaskInstanceCollectionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_mapped_task_instances(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id)): UrlPath<(String, String, String)>,
    mut query: Query,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    let sorting = task_instance_order(&app, &query.texts("order_by"))?;
    let mut filter = filter(&app, &mut query)?;
    filter.dag_ids = vec![dag_id.clone()];
    filter.run_ids = vec![run_id.clone()];
    filter.task_ids = vec![task_id.clone()];
    let paging = query.paging_by_cursor(&sorting)?;
    query.finish()?;
    assert_run(&app, &dag_id, &run_id).await?;
    let unfiltered = TaskInstanceFilter {
        dag_ids: vec![dag_id.clone()],
        run_ids: vec![run_id.clone()],
        task_ids: vec![task_id.clone()],
        now: app.clock.now(),
        ..TaskInstanceFilter::default()
    };
    let any = read::Paging::Offset { limit: 0, offset: 0 };
    let exists = read::list_task_instances(app.db.read(), &unfiltered, &sorting, &any).await?.total > 0;
    if !exists {
        return Err(no_task_instance(&dag_id, &run_id, &task_id, None));
    }
    let listing = read::list_task_instances(app.db.read(), &filter, &sorting, &paging).await?;
    TaskInstanceCollectionResponse::new(listing, &paging).map(Json)
}

/// Look at a task instance.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}",
    operation_id = "get_task_instance",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path)),
    responses(
        (status = 200, description = "The task instance", body = TaskInstanceResponse),
        (status = 404, description = "There is no such task instance, or it is mapped", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_task_instance(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id)): UrlPath<(String, String, String)>,
) -> Result<Json<TaskInstanceResponse>, ApiError> {
    find(&app, &dag_id, &run_id, &task_id, -1).await?.try_into().map(Json)
}

/// Look at one instance of a mapped task.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}",
    operation_id = "get_mapped_task_instance",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("map_index" = i32, Path),
    ),
    responses(
        (status = 200, description = "The task instance", body = TaskInstanceResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_mapped_task_instance(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, map_index)): UrlPath<(String, String, String, String)>,
) -> Result<Json<TaskInstanceResponse>, ApiError> {
    // A word in this place is a resource of Airflow's that is not served.
    let map_index = map_index.parse().map_err(|_| ApiError::NoRoute)?;
    find(&app, &dag_id, &run_id, &task_id, map_index).await?.try_into().map(Json)
}

/// Delete a task instance of a run that is over, with its tries and XComs. Log files go with the run.
#[utoipa::path(
    delete,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}",
    operation_id = "delete_task_instance",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        MapIndexParam,
    ),
    responses(
        (status = 200, description = "It is gone"),
        (status = 404, description = "There is no such task instance, or it is mapped", body = HttpExceptionResponse),
        (status = 409, description = "The run is not over", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn delete_task_instance(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, task_id)): UrlPath<(String, String, String)>,
    mut query: Query,
) -> Result<Json<()>, ApiError> {
    let map_index = query.number("map_index").unwrap_or(-1);
    query.finish()?;
    find(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let of = TaskKey { dag_id, run_id, task_id, map_index };
    app.control.delete_task_instance(&of, Some(&user.name)).await?;
    Ok(Json(()))
}

/// The task instance of a path.
pub(crate) async fn find(
    app: &AppState,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    map_index: i32,
) -> Result<TaskInstanceRow, ApiError> {
    if let Some(row) = read::find_task_instance(app.db.read(), dag_id, run_id, task_id, map_index).await? {
        return Ok(row);
    }
    if map_index < 0 && read::find_task_instance(app.db.read(), dag_id, run_id, task_id, 0).await?.is_some() {
        return Err(ApiError::not_found("Task instance is mapped, add the map_index value to the URL"));
    }
    Err(no_task_instance(dag_id, run_id, task_id, Some(map_index).filter(|index| *index >= 0)))
}

/// Refuses a task of which the run has no instance, mapped or not.
pub(super) async fn assert_task_instance(
    app: &AppState,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
) -> Result<(), ApiError> {
    if read::map_indices(app.db.read(), dag_id, run_id, task_id).await?.is_empty() {
        return Err(no_task_instance(dag_id, run_id, task_id, None));
    }
    Ok(())
}

fn no_task_instance(dag_id: &str, run_id: &str, task_id: &str, map_index: Option<i32>) -> ApiError {
    let mapped = map_index.map(|index| format!(", map_index: `{index}`")).unwrap_or_default();
    ApiError::not_found(format!(
        "The Task Instance with dag_id: `{dag_id}`, run_id: `{run_id}`{mapped} and task_id: `{task_id}` was not found"
    ))
}
