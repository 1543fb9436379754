//! Queries that only read, for lists and pages: filters, orders and paging as Airflow's REST API has them.
//!
//! Every list takes a filter, a [`Sorting`] and a [`Paging`], and answers with a [`Listing`]: rows, the number of rows
//! that match, and in cursor mode the tokens of the pages around. Rows are entities; related rows that an answer shows are
//! read with one statement for the page, never one for each row.

mod assets;
mod callbacks;
mod connections;
mod dag_versions;
mod dags;
mod event_logs;
mod filter;
mod grid;
mod hitl_details;
mod import_errors;
mod jobs;
mod keyset;
mod pools;
mod runs;
mod task_instances;
mod variables;
mod xcoms;

pub use assets::{
    AssetEventFilter, AssetEventRow, AssetFilter, AssetRow, asset_alias_sort_key, asset_event_sort_key, asset_sort_key,
    event_rows, find_asset, find_asset_alias, last_asset_events, list_asset_aliases, list_asset_events, list_assets,
};
pub use callbacks::{CallbackFilter, callback_sort_key, list_callbacks};
pub use connections::{connection_sort_key, list_connections};
pub use dag_versions::{VersionFilter, find_dag_version, list_dag_versions, version_sort_key};
pub use dags::{DagFilter, DagRow, dag_sort_key, find_dag, list_dags, list_tags, recent_runs, run_counts};
pub use event_logs::{EventLogFilter, event_log_sort_key, find_event_log, list_event_logs};
pub use filter::{Pattern, Range, TagMatch};
pub use grid::{GridCell, grid};
pub use hitl_details::{HitlDetailFilter, HitlDetailRow, find_hitl_detail, hitl_detail_sort_key, list_hitl_details};
pub use import_errors::{ImportErrorFilter, find_import_error, import_error_sort_key, list_import_errors};
pub use jobs::{JobFilter, job_sort_key, list_jobs};
pub use keyset::{CURSOR_TOTAL_MAX, Cursor, Direction, InvalidCursor, Listing, Paging, SortKey, Sorting};
pub use pools::{list_pools, pool_sort_key};
pub use runs::{RunFilter, RunRow, active_run_counts, find_run, list_runs, run_sort_key, with_versions};
pub use task_instances::{
    InstanceName, TaskInstanceFilter, TaskInstanceRow, Tries, find_task_instance, find_task_instances,
    list_task_instances, map_indices, task_instance_sort_key, tries,
};
pub use variables::{list_variables, variable_sort_key};
pub use xcoms::{XComFilter, XComRow, find_xcom, list_xcoms, xcom_sort_key};
