//! DAGs, their versions and their numbers.

use std::collections::BTreeMap;

use scheduler::dag::timetable::{OF_PARTITIONS, PARTITIONED};
use scheduler::dag::{Dag, Param};
use scheduler::store::entity::{dag, dag_version};
use scheduler::store::read::DagRow;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::asset::asset_expression;
use super::{DagRunState, DagRunType, display_name};
use crate::hex::{hex, unhex};
use crate::timestamp::DateTime;

/// The bundle that DAGs come from when the database does not say (Airflow 3: `dags-folder`).
const BUNDLE: &str = "dags-folder";

/// A DAG.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGResponse)]
pub(crate) struct DagResponse {
    pub(crate) dag_id: String,
    dag_display_name: String,
    is_paused: bool,
    /// Whether its file is gone.
    is_stale: bool,
    last_parsed_time: Option<DateTime>,
    /// In seconds.
    last_parse_duration: Option<f64>,
    last_expired: Option<DateTime>,
    bundle_name: Option<String>,
    bundle_version: Option<String>,
    relative_fileloc: Option<String>,
    fileloc: String,
    description: Option<String>,
    /// The schedule as written; null for none.
    timetable_summary: Option<String>,
    /// The schedule in words.
    timetable_description: Option<String>,
    timetable_partitioned: bool,
    /// Whether runs are due again and again.
    timetable_periodic: bool,
    tags: Vec<DagTagResponse>,
    max_active_tasks: i32,
    max_active_runs: Option<i32>,
    max_consecutive_failed_dag_runs: i32,
    has_task_concurrency_limits: bool,
    has_import_errors: bool,
    next_dagrun_logical_date: Option<DateTime>,
    next_dagrun_data_interval_start: Option<DateTime>,
    next_dagrun_data_interval_end: Option<DateTime>,
    /// When the next scheduled run is due.
    next_dagrun_run_after: Option<DateTime>,
    /// Null means all of them.
    allowed_run_types: Option<Vec<DagRunType>>,
    owners: Vec<String>,
    is_backfillable: bool,
    file_token: String,
}

impl From<DagRow> for DagResponse {
    fn from(DagRow { dag, tags }: DagRow) -> DagResponse {
        let summary = dag.timetable_summary.as_deref();
        let summary = summary.map(|summary| summary.strip_prefix("Asset or ").unwrap_or(summary));
        // The summary of a schedule of dates is a text of its author's.
        let is_in_words = dag.timetable_description.as_deref().is_some_and(|words| words.ends_with(OF_PARTITIONS));
        let is_partitioned = is_in_words && summary.is_some_and(|summary| summary.starts_with(PARTITIONED));
        let is_periodic = !matches!(summary, None | Some("@once" | "@continuous" | "Asset" | "Partitioned Asset"));
        let allowed_run_types = dag.allowed_run_types.as_ref().map(run_types);
        let allows_backfills = allowed_run_types.as_ref().is_none_or(|types| types.contains(&DagRunType::Backfill));
        DagResponse {
            dag_display_name: display_name::of_dag(&dag),
            is_paused: dag.is_paused,
            is_stale: dag.is_stale,
            last_parsed_time: dag.last_parsed_time.map(DateTime),
            last_parse_duration: dag.last_parse_duration_ms.map(|ms| f64::from(ms) / 1000.0),
            last_expired: None,
            bundle_version: None,
            timetable_partitioned: is_partitioned,
            timetable_periodic: is_periodic,
            tags: tags.into_iter().map(|name| DagTagResponse::new(&dag, name)).collect(),
            max_active_tasks: dag.max_active_tasks,
            max_active_runs: Some(dag.max_active_runs),
            max_consecutive_failed_dag_runs: 0,
            has_task_concurrency_limits: false,
            has_import_errors: dag.has_import_errors,
            next_dagrun_logical_date: dag.next_dagrun_logical_date.map(DateTime),
            next_dagrun_data_interval_start: dag.next_dagrun_data_interval_start.map(DateTime),
            next_dagrun_data_interval_end: dag.next_dagrun_data_interval_end.map(DateTime),
            next_dagrun_run_after: dag.next_dagrun_run_after.map(DateTime),
            allowed_run_types,
            owners: owners(&dag.owners),
            is_backfillable: is_periodic && !is_partitioned && allows_backfills,
            file_token: file_token(&dag),
            dag_id: dag.dag_id,
            bundle_name: Some(dag.bundle_name),
            relative_fileloc: Some(dag.relative_fileloc),
            fileloc: dag.fileloc,
            description: dag.description,
            timetable_summary: timetable_summary(dag.timetable_summary, is_partitioned),
            timetable_description: dag.timetable_description,
        }
    }
}

/// Airflow's: of an expression it tells beside it that runs are about partitions.
fn timetable_summary(stored: Option<String>, is_partitioned: bool) -> Option<String> {
    let of_partitions = stored.as_deref().filter(|_| is_partitioned);
    let expression = of_partitions.and_then(|summary| summary.strip_prefix(PARTITIONED));
    expression.filter(|rest| *rest != "Asset").map(str::to_owned).or(stored)
}

/// The kinds of runs in a list of words; others were not written by us.
fn run_types(words: &Value) -> Vec<DagRunType> {
    let words = words.as_array().into_iter().flatten().filter_map(Value::as_str);
    words.filter_map(|word| DagRunType::read(word).ok()).collect()
}

fn owners(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|owner| !owner.is_empty()).map(str::to_owned).collect()
}

/// Names the file of a DAG. Clients hand it back as it is.
fn file_token(dag: &dag::Model) -> String {
    hex(format!("{}:{}", dag.bundle_name, dag.relative_fileloc).as_bytes())
}

/// The bundle and the path that a token of a file stands for.
pub(crate) fn read_file_token(token: &str) -> Option<(String, String)> {
    let text = String::from_utf8(unhex(token)?).ok()?;
    let (bundle, file) = text.split_once(':')?;
    Some((bundle.to_owned(), file.to_owned()))
}

/// A tag of a DAG.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DagTagResponse {
    name: String,
    dag_id: String,
    dag_display_name: String,
}

impl DagTagResponse {
    fn new(dag: &dag::Model, name: String) -> DagTagResponse {
        DagTagResponse { name, dag_id: dag.dag_id.clone(), dag_display_name: display_name::of_dag(dag) }
    }
}

/// A page of DAGs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGCollectionResponse)]
pub(crate) struct DagCollectionResponse {
    pub(crate) dags: Vec<DagResponse>,
    pub(crate) total_entries: u64,
}

/// A DAG with what its file says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGDetailsResponse)]
pub(crate) struct DagDetailsResponse {
    #[serde(flatten)]
    dag: DagResponse,
    catchup: bool,
    /// ISO 8601.
    dag_run_timeout: Option<String>,
    #[schema(value_type = Option<Object>)]
    asset_expression: Option<Value>,
    doc_md: Option<String>,
    start_date: Option<DateTime>,
    end_date: Option<DateTime>,
    is_paused_upon_creation: Option<bool>,
    /// By name: `value` (the default), `description` and `schema` (JSON Schema).
    #[schema(value_type = Option<Object>)]
    params: Option<Value>,
    render_template_as_native_obj: bool,
    template_search_path: Option<Vec<String>>,
    timezone: Option<String>,
    last_parsed: Option<DateTime>,
    #[schema(value_type = Option<Object>)]
    default_args: Option<Value>,
    rerun_with_latest_version: Option<bool>,
    #[schema(value_type = Option<Object>)]
    owner_links: Option<Value>,
    is_favorite: bool,
    active_runs_count: i64,
    concurrency: i32,
    latest_dag_version: Option<DagVersionResponse>,
}

impl DagDetailsResponse {
    /// The details of a DAG, as its last good definition has them.
    pub(crate) fn new(
        row: DagRow,
        definition: &Dag,
        latest: Option<&dag_version::Model>,
        active_runs_count: i64,
        is_favorite: bool,
    ) -> DagDetailsResponse {
        DagDetailsResponse {
            catchup: definition.runs.catchup.is_on(),
            dag_run_timeout: definition.runs.dagrun_timeout.map(iso_duration),
            asset_expression: definition.schedule.assets().map(asset_expression),
            doc_md: definition.doc_md.clone(),
            start_date: definition.start_date.map(DateTime),
            end_date: definition.end_date.map(DateTime),
            is_paused_upon_creation: definition.runs.is_paused_upon_creation,
            params: Some(params("dag", &definition.params).into()),
            render_template_as_native_obj: false,
            template_search_path: (!definition.template_searchpath.is_empty())
                .then(|| definition.template_searchpath.clone()),
            timezone: Some(definition.timezone.name().to_owned()),
            last_parsed: row.dag.last_parsed_time.map(DateTime),
            default_args: Some(Value::Object(definition.default_args.clone())),
            rerun_with_latest_version: definition.runs.rerun_with_latest_version,
            owner_links: (!definition.owner_links.is_empty()).then(|| json!(definition.owner_links)),
            is_favorite,
            active_runs_count,
            concurrency: row.dag.max_active_tasks,
            latest_dag_version: latest.map(DagVersionResponse::from),
            dag: DagResponse {
                max_consecutive_failed_dag_runs: i32::try_from(definition.runs.max_consecutive_failed_dag_runs)
                    .unwrap_or(i32::MAX),
                ..row.into()
            },
        }
    }
}

/// Params as Airflow shows them, with who has them: `dag` or `task`.
pub(super) fn params(source: &str, params: &BTreeMap<String, Param>) -> Map<String, Value> {
    params
        .iter()
        .map(|(name, param)| {
            let shown = json!({
                "value": param.default,
                "description": param.description,
                "schema": param.schema,
                "source": source,
            });
            (name.clone(), shown)
        })
        .collect()
}

/// A duration in ISO 8601, such as `P1DT2H5M`.
fn iso_duration(duration: std::time::Duration) -> String {
    let (secs, micros) = (duration.as_secs(), duration.subsec_micros());
    let (days, hours, minutes, seconds) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60, secs % 60);
    let part = |count: u64, unit: &str| if count > 0 { format!("{count}{unit}") } else { String::new() };
    let seconds = if micros > 0 { format!("{seconds}.{micros:06}S") } else { part(seconds, "S") };
    let time = part(hours, "H") + &part(minutes, "M") + &seconds;
    match (part(days, "D"), time.as_str()) {
        (date, "") if date.is_empty() => "PT0S".to_owned(),
        (date, "") => format!("P{date}"),
        (date, time) => format!("P{date}T{time}"),
    }
}

/// A definition of a DAG that runs are pinned to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DagVersionResponse {
    id: Uuid,
    version_number: i32,
    dag_id: String,
    bundle_name: Option<String>,
    bundle_version: Option<String>,
    created_at: DateTime,
    dag_display_name: String,
    bundle_url: Option<String>,
}

impl From<&dag_version::Model> for DagVersionResponse {
    fn from(version: &dag_version::Model) -> DagVersionResponse {
        DagVersionResponse {
            id: version.id,
            version_number: version.version_number,
            dag_id: version.dag_id.clone(),
            bundle_name: Some(BUNDLE.to_owned()),
            bundle_version: None,
            created_at: DateTime(version.created_at),
            dag_display_name: display_name::of_dag_then(Some(version), &version.dag_id),
            bundle_url: None,
        }
    }
}

/// A page of versions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGVersionCollectionResponse)]
pub(crate) struct DagVersionCollectionResponse {
    pub(crate) dag_versions: Vec<DagVersionResponse>,
    pub(crate) total_entries: u64,
}

/// The text of a DAG's file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGSourceResponse)]
pub(crate) struct DagSourceResponse {
    pub(crate) content: Option<String>,
    pub(crate) dag_id: String,
    pub(crate) version_number: Option<i32>,
    pub(crate) dag_display_name: String,
}

/// A page of tags.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGTagCollectionResponse)]
pub(crate) struct DagTagCollectionResponse {
    pub(crate) tags: Vec<String>,
    pub(crate) total_entries: u64,
}

/// How many runs a DAG has in a state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DagStatsStateResponse {
    pub(crate) state: DagRunState,
    pub(crate) count: i64,
}

/// How many runs a DAG has in each state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DagStatsResponse {
    pub(crate) dag_id: String,
    pub(crate) dag_display_name: String,
    pub(crate) stats: Vec<DagStatsStateResponse>,
}

/// The numbers of several DAGs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DagStatsCollectionResponse {
    pub(crate) dags: Vec<DagStatsResponse>,
    pub(crate) total_entries: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn durations_are_iso_8601() {
        for (seconds, expected) in [(0, "PT0S"), (5, "PT5S"), (3900, "PT1H5M"), (86_400, "P1D"), (90_061, "P1DT1H1M1S")]
        {
            assert_eq!(iso_duration(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(iso_duration(Duration::from_millis(1500)), "PT1.500000S");
    }
}
