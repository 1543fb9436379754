//! What tasks ask of people, and answering it (Airflow 3: human in the loop).

use axum::Json;
use axum::extract::State;
use scheduler::control::Response;
use scheduler::operator::TaskKey;
use scheduler::store::read::{self, HitlDetailFilter};
use serde_json::{Map, Value};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::task_instances::{find, states};
use super::{assert_dag, assert_run, unless_all};
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Fields, FromFields, JsonBody, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::{HitlDetail, HitlDetailCollection, HitlDetailHistory, HitlDetailResponse};

/// What lists of questions can be ordered by (Airflow 3).
const ORDER: [&str; 13] = [
    "ti_id",
    "subject",
    "responded_at",
    "created_at",
    "responded_by_user_id",
    "responded_by_user_name",
    "dag_id",
    "run_id",
    "task_display_name",
    "run_after",
    "rendered_map_index",
    "task_instance_operator",
    "task_instance_state",
];

/// The filters of lists of questions, described.
pub(crate) struct HitlDetailParams;

impl IntoParams for HitlDetailParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .ordered()
            .patterns(&["dag_id", "task_id"])
            .text("task_id", "Only what this task asks.")
            .numbers(&["map_index"])
            .texts(&["state"])
            .flag("response_received", "Only what was answered, or was not.")
            .texts(&["responded_by_user_id", "responded_by_user_name"])
            .text("subject_search", "Text that occurs in the question, in any case.")
            .text("body_search", "Text that occurs in what there is to know, in any case.")
            .instants(&["created_at"])
            .done()
    }
}

/// An answer.
#[derive(Clone, Debug, ToSchema)]
#[schema(as = UpdateHITLDetailBody)]
pub(crate) struct UpdateHitlDetailBody {
    /// The options, at least one.
    #[schema(min_items = 1)]
    chosen_options: Vec<String>,
    /// What else was asked for, by name.
    #[schema(value_type = Object, required = false)]
    params_input: Map<String, Value>,
}

impl FromFields for UpdateHitlDetailBody {
    fn from_fields(fields: &mut Fields) -> UpdateHitlDetailBody {
        fields.require("chosen_options");
        UpdateHitlDetailBody {
            chosen_options: fields.texts("chosen_options"),
            params_input: fields.object("params_input").unwrap_or_default(),
        }
    }
}

/// List what tasks ask of people; `~` stands for all DAGs or all runs.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/hitlDetails",
    operation_id = "get_hitl_details",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), HitlDetailParams),
    responses(
        (status = 200, description = "A page of questions", body = HitlDetailCollection),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 404, description = "There is no such run", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_hitl_details(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
    mut query: Query,
) -> Result<Json<HitlDetailCollection>, ApiError> {
    let sorting = query.order(&Order {
        default: &["created_at"],
        allowed: &ORDER,
        tie_break: &["run_id", "task_id", "map_index"],
        key: &read::hitl_detail_sort_key,
    })?;
    let search = |name: &str| -> Vec<read::Pattern> {
        query.text(name).and_then(|term| read::Pattern::contains(&term)).into_iter().collect()
    };
    let filter = HitlDetailFilter {
        subject_patterns: search("subject_search"),
        body_patterns: search("body_search"),
        dag_id: unless_all(&dag_id),
        run_id: unless_all(&run_id),
        task_id: query.text("task_id"),
        map_indices: query.numbers("map_index"),
        states: states(&query)?,
        response_received: query.flag("response_received"),
        responded_by: [query.texts("responded_by_user_id"), query.texts("responded_by_user_name")].concat(),
        dag_id_patterns: query.patterns("dag_id"),
        task_id_patterns: query.patterns("task_id"),
        created_at: query.instants("created_at"),
    };
    let paging = query.paging();
    query.finish()?;
    assert_dag(&app, &dag_id).await?;
    assert_run(&app, &dag_id, &run_id).await?;
    let listing = read::list_hitl_details(app.db.read(), &filter, &sorting, &paging).await?;
    let hitl_details = listing.rows.into_iter().map(HitlDetail::try_from).collect::<Result<_, _>>()?;
    Ok(Json(HitlDetailCollection { hitl_details, total_entries: listing.total }))
}

/// Look at what a task instance asks.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/hitlDetails",
    operation_id = "get_hitl_detail",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("map_index" = i32, Path),
    ),
    responses(
        (status = 200, description = "The question, and its answer", body = HitlDetail),
        (status = 404, description = "There is no such task instance, or it asks nothing", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_hitl_detail(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, map_index)): UrlPath<(String, String, String, i32)>,
) -> Result<Json<HitlDetail>, ApiError> {
    let instance = find(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let detail = read::find_hitl_detail(app.db.read(), &instance, None).await?;
    let detail = detail.ok_or_else(|| asks_nothing(&task_id))?;
    HitlDetail::try_from(read::HitlDetailRow { detail, instance }).map(Json)
}

/// Answer what a task instance asks. The first answer counts, and the task goes on at once.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/hitlDetails",
    operation_id = "update_hitl_detail",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("map_index" = i32, Path),
    ),
    request_body = UpdateHitlDetailBody,
    responses(
        (status = 200, description = "The answer", body = HitlDetailResponse),
        (status = 400, description = "It is no answer to the question", body = HttpExceptionResponse),
        (status = 403, description = "Somebody else is to answer", body = HttpExceptionResponse),
        (status = 404, description = "There is no such task instance, or it asks nothing", body = HttpExceptionResponse),
        (status = 409, description = "It was answered before, or is not asked any more", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn update_hitl_detail(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, task_id, map_index)): UrlPath<(String, String, String, i32)>,
    JsonBody(body): JsonBody<UpdateHitlDetailBody>,
) -> Result<Json<HitlDetailResponse>, ApiError> {
    find(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let to = TaskKey { dag_id, run_id, task_id, map_index };
    let response = Response { chosen_options: body.chosen_options, params_input: body.params_input };
    let answer = app.control.respond(&to, response, &user.name).await?;
    Ok(Json(answer.into()))
}

/// Look at what one try of a task instance asked.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/hitlDetails/tries/{try_number}",
    operation_id = "get_hitl_detail_try_detail",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("map_index" = i32, Path),
        ("try_number" = i32, Path),
    ),
    responses(
        (status = 200, description = "The question, and its answer", body = HitlDetailHistory),
        (status = 404, description = "There is no such try, or it asked nothing", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_hitl_detail_try_detail(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, map_index, try_number)): UrlPath<(String, String, String, i32, i32)>,
) -> Result<Json<HitlDetailHistory>, ApiError> {
    let instance = find(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let detail = read::find_hitl_detail(app.db.read(), &instance, Some(try_number)).await?;
    let detail = detail.ok_or_else(|| asks_nothing(&task_id))?;
    let tries = read::tries(app.db.read(), &dag_id, &run_id, &task_id, map_index).await?;
    let tries = tries.ok_or_else(|| asks_nothing(&task_id))?;
    HitlDetailHistory::new(detail, &tries, try_number)?.ok_or_else(|| asks_nothing(&task_id)).map(Json)
}

fn asks_nothing(task_id: &str) -> ApiError {
    ApiError::not_found(format!("Human-in-the-loop detail does not exist for Task Instance with task_id: `{task_id}`"))
}
