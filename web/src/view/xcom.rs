//! XComs.

use scheduler::store::read::XComRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::display_name::Names;
use crate::timestamp::DateTime;

/// An XCom without its value.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct XComResponse {
    /// `return_value` for the result of a task.
    key: String,
    timestamp: DateTime,
    logical_date: Option<DateTime>,
    map_index: i32,
    task_id: String,
    dag_id: String,
    run_id: String,
    dag_display_name: String,
    task_display_name: String,
    run_after: DateTime,
}

impl XComResponse {
    /// An XCom, with the names of its DAG and its task.
    pub(crate) fn new(row: &XComRow, names: &Names) -> XComResponse {
        XComResponse {
            key: row.xcom.key.clone(),
            timestamp: DateTime(row.xcom.timestamp),
            logical_date: row.logical_date.map(DateTime),
            map_index: row.xcom.map_index,
            task_id: row.xcom.task_id.clone(),
            dag_id: row.xcom.dag_id.clone(),
            run_id: row.xcom.run_id.clone(),
            dag_display_name: names.dag(&row.xcom.dag_id),
            task_display_name: names.task(&row.xcom.dag_id, &row.xcom.task_id),
            run_after: DateTime(row.run_after),
        }
    }
}

/// An XCom with its value as it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct XComResponseNative {
    #[serde(flatten)]
    pub(crate) xcom: XComResponse,
    pub(crate) value: Value,
}

/// An XCom with its value as text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct XComResponseString {
    #[serde(flatten)]
    pub(crate) xcom: XComResponse,
    pub(crate) value: Option<String>,
}

/// A page of XComs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct XComCollectionResponse {
    pub(crate) xcom_entries: Vec<XComResponse>,
    pub(crate) total_entries: u64,
}
