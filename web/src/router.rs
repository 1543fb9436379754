//! Every route, in one list.

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::document::{self, Head};
use crate::error::ApiError;
use crate::routes::{
    asset_events, asset_queue, assets, backfills, bulk, clear, configuration, connections, connections_bulk,
    dag_parsing, dag_run_wait, dag_runs, dag_runs_batch, dag_sources, dag_stats, dag_tags, dag_versions, dag_warnings,
    dags, dependencies, event_logs, extra_links, favorites, hitl_details, import_errors, jobs, logs, marks, monitor,
    pools, pools_bulk, task_instances, task_instances_batch, tasks, tries, trigger, updraft, variables, variables_bulk,
    xcoms,
};
use crate::state::AppState;
use crate::{auth, hygiene, ui_files};

/// No body of this API is larger than what a person types.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The whole server: the API, sign-in, and the UI for every other address.
pub fn build_router(app: AppState) -> Router {
    let api = protected().route_layer(middleware::from_fn_with_state(app.clone(), auth::require_user));
    let (router, document) = head().merge(open()).merge(api).split_for_parts();
    // Made once: it does not change while the server runs.
    let document = document::finish(&document).to_string();
    let serve_document = move || {
        let document = document.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], document) }
    };
    router
        .route("/openapi.json", get(serve_document))
        .fallback(fallback)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(hygiene::name_requests))
        .layer(middleware::from_fn(hygiene::careful_headers))
        .with_state(app)
}

/// The description of every route.
pub(crate) fn described() -> utoipa::openapi::OpenApi {
    head().merge(open()).merge(protected()).into_openapi()
}

fn head() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Head::openapi())
}

/// What anybody may ask for.
fn open() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(auth::create_token, auth::create_token_all_admins))
        .routes(routes!(auth::create_token_cli))
        .routes(routes!(auth::login, auth::sign_in))
        .routes(routes!(auth::logout, auth::sign_out))
        .routes(routes!(monitor::get_version))
        .routes(routes!(monitor::get_health))
}

/// What needs a user.
fn protected() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(of_dags())
        .merge(of_runs())
        .merge(of_task_instances())
        .merge(of_backfills())
        .merge(of_assets())
        .merge(of_secrets())
        .routes(routes!(import_errors::get_import_errors))
        .routes(routes!(import_errors::get_import_error))
        .routes(routes!(event_logs::get_event_logs))
        .routes(routes!(event_logs::get_event_log))
        .routes(routes!(dag_warnings::list_dag_warnings))
        .routes(routes!(jobs::get_jobs))
        .routes(routes!(configuration::get_config))
        .routes(routes!(configuration::get_config_value))
        .routes(routes!(configuration::get_plugins))
        .routes(routes!(configuration::import_errors))
        .routes(routes!(configuration::get_providers))
        .routes(routes!(pools::get_pools, pools::post_pool, pools_bulk::bulk_pools))
        .routes(routes!(pools::get_pool, pools::patch_pool, pools::delete_pool))
        .routes(routes!(updraft::me::get_me))
        .routes(routes!(updraft::dags::list_updraft_dags))
        .routes(routes!(updraft::dag_assets::get_dag_assets))
        .routes(routes!(updraft::backfills::list_updraft_backfills))
        .routes(routes!(updraft::callbacks::list_callbacks))
        .routes(routes!(updraft::callbacks::retry_callback))
        .routes(routes!(updraft::grid::get_grid))
        .routes(routes!(updraft::next_runs::list_next_runs))
        .routes(routes!(updraft::events::watch_events))
        .routes(routes!(updraft::log_stream::stream_log))
}

fn of_dags() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(dags::get_dags, dags::patch_dags))
        .routes(routes!(dags::get_dag, dags::patch_dag, dags::delete_dag))
        .routes(routes!(dags::get_dag_details))
        .routes(routes!(favorites::favorite_dag))
        .routes(routes!(favorites::unfavorite_dag))
        .routes(routes!(dag_sources::get_dag_source))
        .routes(routes!(dag_parsing::reparse_dag_file))
        .routes(routes!(dag_tags::get_dag_tags))
        .routes(routes!(dag_stats::get_dag_stats))
        .routes(routes!(dag_versions::get_dag_versions))
        .routes(routes!(dag_versions::get_dag_version))
        .routes(routes!(tasks::get_tasks))
        .routes(routes!(tasks::get_task))
}

fn of_runs() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(dag_runs::get_dag_runs, trigger::trigger_dag_run, bulk::bulk_dag_runs))
        .routes(routes!(dag_runs::get_dag_run, dag_runs::patch_dag_run, dag_runs::delete_dag_run))
        .routes(routes!(dag_runs_batch::get_list_dag_runs_batch))
        .routes(routes!(dag_run_wait::wait_dag_run_until_finished))
        .routes(routes!(clear::clear_dag_run))
        .routes(routes!(clear::clear_dag_runs))
        .route(
            "/api/v2/dags/{dag_id}/dagRuns/list",
            get(dag_runs_batch::get_dag_run_called_list)
                .patch(dag_runs_batch::patch_dag_run_called_list)
                .delete(dag_runs_batch::delete_dag_run_called_list),
        )
}

fn of_assets() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(assets::get_assets))
        .routes(routes!(assets::get_asset))
        .routes(routes!(assets::materialize_asset))
        .routes(routes!(assets::get_asset_aliases))
        .routes(routes!(assets::get_asset_alias))
        .routes(routes!(asset_events::get_asset_events, asset_events::create_asset_event))
        .routes(routes!(asset_events::get_upstream_asset_events))
        .routes(routes!(asset_queue::get_asset_queued_events, asset_queue::delete_asset_queued_events))
        .routes(routes!(asset_queue::get_dag_asset_queued_events, asset_queue::delete_dag_asset_queued_events))
        .routes(routes!(asset_queue::get_dag_asset_queued_event, asset_queue::delete_dag_asset_queued_event))
}

fn of_secrets() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(connections::get_connections, connections::post_connection, connections_bulk::bulk_connections))
        .routes(routes!(connections::test_connection))
        .routes(routes!(connections::create_default_connections))
        .routes(routes!(connections::get_connection, connections::patch_connection, connections::delete_connection))
        .routes(routes!(variables::get_variables, variables::post_variable, variables_bulk::bulk_variables))
        .routes(routes!(variables::get_variable, variables::patch_variable, variables::delete_variable))
        .routes(routes!(updraft::connection_types::list_connection_types))
}

fn of_backfills() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(backfills::list_backfills, backfills::create_backfill))
        .routes(routes!(backfills::create_backfill_dry_run))
        .routes(routes!(backfills::get_backfill))
        .routes(routes!(backfills::pause_backfill))
        .routes(routes!(backfills::unpause_backfill))
        .routes(routes!(backfills::cancel_backfill))
}

fn of_task_instances() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(task_instances::get_task_instances, bulk::bulk_task_instances))
        .routes(routes!(task_instances_batch::get_task_instances_batch))
        .route(
            "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list",
            get(task_instances_batch::get_task_instance_called_list)
                .patch(marks::patch_task_instance_called_list)
                .delete(task_instances_batch::delete_task_instance_called_list),
        )
        .routes(routes!(
            task_instances::get_task_instance,
            marks::patch_task_instance,
            task_instances::delete_task_instance
        ))
        .routes(routes!(task_instances::get_mapped_task_instances))
        .routes(routes!(dependencies::get_task_instance_dependencies))
        .routes(routes!(dependencies::get_task_instance_dependencies_by_map_index))
        .routes(routes!(task_instances::get_mapped_task_instance, marks::patch_task_instance_by_map_index))
        .routes(routes!(extra_links::get_extra_links))
        .routes(routes!(hitl_details::get_hitl_details))
        .routes(routes!(hitl_details::get_hitl_detail, hitl_details::update_hitl_detail))
        .routes(routes!(hitl_details::get_hitl_detail_try_detail))
        .routes(routes!(marks::patch_task_instance_dry_run))
        .routes(routes!(marks::patch_task_instance_dry_run_by_map_index))
        .routes(routes!(marks::patch_task_group_instances))
        .routes(routes!(marks::patch_task_group_instances_dry_run))
        .routes(routes!(clear::post_clear_task_instances))
        .routes(routes!(tries::get_task_instance_tries))
        .routes(routes!(tries::get_task_instance_try_details))
        .routes(routes!(tries::get_mapped_task_instance_tries))
        .routes(routes!(tries::get_mapped_task_instance_try_details))
        .routes(routes!(logs::get_log))
        .routes(routes!(logs::get_external_log_url))
        .routes(routes!(xcoms::get_xcom_entries, xcoms::create_xcom_entry))
        .routes(routes!(xcoms::get_xcom_entry, xcoms::update_xcom_entry, xcoms::delete_xcom_entry))
}

/// Every other path: of the API there is none, and everything else is the UI's.
async fn fallback(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api/v1" || path.starts_with("/api/v1/") {
        let error = "/api/v1 has been removed in Airflow 3, please use its upgraded version /api/v2 instead.";
        return (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response();
    }
    if path == "/api" || path.starts_with("/api/") {
        return ApiError::NoRoute.into_response();
    }
    if path.starts_with("/auth/") {
        return ApiError::not_found("Not Found").into_response();
    }
    match *request.method() {
        Method::GET | Method::HEAD => ui_files::serve(path, request.headers()),
        _ => method_not_allowed().await,
    }
}

async fn method_not_allowed() -> Response {
    ApiError::refused(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed").into_response()
}
