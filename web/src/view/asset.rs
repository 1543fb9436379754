//! Assets, their events, and what is queued of them.

use scheduler::dag::asset::{Asset, AssetExpression, GROUP};
use scheduler::preview::{Awaited, AwaitedAsset};
use scheduler::store::asset_queue::QueuedAsset;
use scheduler::store::assets::AssetUse;
use scheduler::store::entity::{asset_alias, asset_event, asset_reference, dag_run};
use scheduler::store::read::{AssetEventRow, AssetRow};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::display_name::Names;
use crate::timestamp::DateTime;

/// An asset, who names it, and when it was last updated.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetResponse {
    id: i64,
    name: String,
    uri: String,
    group: String,
    #[schema(value_type = Option<Object>)]
    extra: Option<Value>,
    created_at: DateTime,
    updated_at: DateTime,
    scheduled_dags: Vec<DagScheduleAssetReference>,
    producing_tasks: Vec<TaskOutletAssetReference>,
    consuming_tasks: Vec<TaskInletAssetReference>,
    aliases: Vec<AssetAliasResponse>,
    watchers: Vec<AssetWatcherResponse>,
    last_asset_event: Option<LastAssetEventResponse>,
}

/// A DAG that waits for the asset.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DagScheduleAssetReference {
    dag_id: String,
    created_at: DateTime,
    updated_at: DateTime,
}

/// A task that makes the asset.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskOutletAssetReference {
    dag_id: String,
    task_id: String,
    created_at: DateTime,
    updated_at: DateTime,
}

/// A task that reads the asset.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskInletAssetReference {
    dag_id: String,
    task_id: String,
    created_at: DateTime,
    updated_at: DateTime,
}

/// A name under which tasks find assets while they run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetAliasResponse {
    id: i64,
    name: String,
    group: String,
}

impl From<asset_alias::Model> for AssetAliasResponse {
    fn from(row: asset_alias::Model) -> AssetAliasResponse {
        AssetAliasResponse { id: row.id, name: row.name, group: row.group }
    }
}

/// Python code that watches for updates; there is none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetWatcherResponse {
    name: String,
    trigger_id: i64,
    created_date: DateTime,
}

/// The newest event of an asset; both are null when there is none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LastAssetEventResponse {
    id: Option<i64>,
    timestamp: Option<DateTime>,
}

impl LastAssetEventResponse {
    fn new(event: Option<&asset_event::Model>) -> LastAssetEventResponse {
        LastAssetEventResponse {
            id: event.map(|event| event.id),
            timestamp: event.map(|event| DateTime(event.timestamp)),
        }
    }
}

impl From<AssetRow> for AssetResponse {
    fn from(row: AssetRow) -> AssetResponse {
        let schedule = |reference: &asset_reference::Model| DagScheduleAssetReference {
            dag_id: reference.dag_id.clone(),
            created_at: DateTime(reference.created_at),
            updated_at: DateTime(reference.updated_at),
        };
        let outlet = |reference: &asset_reference::Model| TaskOutletAssetReference {
            dag_id: reference.dag_id.clone(),
            task_id: reference.task_id.clone(),
            created_at: DateTime(reference.created_at),
            updated_at: DateTime(reference.updated_at),
        };
        let inlet = |reference: &asset_reference::Model| TaskInletAssetReference {
            dag_id: reference.dag_id.clone(),
            task_id: reference.task_id.clone(),
            created_at: DateTime(reference.created_at),
            updated_at: DateTime(reference.updated_at),
        };
        AssetResponse {
            scheduled_dags: row.named_in(AssetUse::Schedule).map(schedule).collect(),
            producing_tasks: row.named_in(AssetUse::Outlet).map(outlet).collect(),
            consuming_tasks: row.named_in(AssetUse::Inlet).map(inlet).collect(),
            aliases: row.aliases.into_iter().map(AssetAliasResponse::from).collect(),
            watchers: Vec::new(),
            last_asset_event: Some(LastAssetEventResponse::new(row.last_event.as_ref())),
            id: row.asset.id,
            name: row.asset.name,
            uri: row.asset.uri,
            group: row.asset.group,
            extra: Some(row.asset.extra),
            created_at: DateTime(row.asset.created_at),
            updated_at: DateTime(row.asset.updated_at),
        }
    }
}

/// A page of assets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetCollectionResponse {
    pub(crate) assets: Vec<AssetResponse>,
    pub(crate) total_entries: u64,
}

/// A page of aliases.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetAliasCollectionResponse {
    pub(crate) asset_aliases: Vec<AssetAliasResponse>,
    pub(crate) total_entries: u64,
}

/// An update of an asset, and the runs that were made for it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetEventResponse {
    id: i64,
    asset_id: i64,
    uri: Option<String>,
    name: Option<String>,
    group: Option<String>,
    #[schema(value_type = Option<Object>)]
    extra: Option<Value>,
    /// Null when it was no task.
    source_task_id: Option<String>,
    source_dag_id: Option<String>,
    source_run_id: Option<String>,
    /// -1 when not mapped.
    source_map_index: i32,
    created_dagruns: Vec<DagRunAssetReference>,
    timestamp: DateTime,
    partition_key: Option<String>,
}

impl From<AssetEventRow> for AssetEventResponse {
    fn from(AssetEventRow { update, runs }: AssetEventRow) -> AssetEventResponse {
        let (event, asset) = (update.event, update.asset);
        AssetEventResponse {
            id: event.id,
            asset_id: event.asset_id,
            uri: Some(asset.uri),
            name: Some(asset.name),
            group: Some(asset.group),
            extra: Some(event.extra),
            source_task_id: event.source_task_id,
            source_dag_id: event.source_dag_id,
            source_run_id: event.source_run_id,
            source_map_index: event.source_map_index,
            created_dagruns: runs.into_iter().map(DagRunAssetReference::from).collect(),
            timestamp: DateTime(event.timestamp),
            partition_key: event.partition_key,
        }
    }
}

/// A run that was made for an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DagRunAssetReference {
    run_id: String,
    dag_id: String,
    logical_date: Option<DateTime>,
    /// When it began; until then, when it may.
    start_date: DateTime,
    end_date: Option<DateTime>,
    state: String,
    data_interval_start: Option<DateTime>,
    data_interval_end: Option<DateTime>,
    partition_key: Option<String>,
    /// Whether the event is the last of those that the run was made for.
    triggering: bool,
}

impl From<(dag_run::Model, bool)> for DagRunAssetReference {
    fn from((run, triggering): (dag_run::Model, bool)) -> DagRunAssetReference {
        DagRunAssetReference {
            logical_date: run.logical_date.map(DateTime),
            start_date: DateTime(run.start_date.unwrap_or(run.run_after)),
            end_date: run.end_date.map(DateTime),
            data_interval_start: run.data_interval_start.map(DateTime),
            data_interval_end: run.data_interval_end.map(DateTime),
            partition_key: run.partition_key,
            triggering,
            run_id: run.run_id,
            dag_id: run.dag_id,
            state: run.state,
        }
    }
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetEventCollectionResponse {
    pub(crate) asset_events: Vec<AssetEventResponse>,
    pub(crate) total_entries: u64,
}

/// That an asset was updated since a DAG that waits for it last ran for it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueuedEventResponse {
    dag_id: String,
    asset_id: i64,
    /// When it was first updated since then.
    created_at: DateTime,
    dag_display_name: String,
}

impl QueuedEventResponse {
    /// What is queued, with the name of the DAG that waits.
    pub(crate) fn new(queued: QueuedAsset, names: &Names) -> QueuedEventResponse {
        QueuedEventResponse {
            dag_display_name: names.dag(&queued.dag_id),
            dag_id: queued.dag_id,
            asset_id: queued.asset_id,
            created_at: DateTime(queued.created_at),
        }
    }
}

/// What is queued.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueuedEventCollectionResponse {
    pub(crate) queued_events: Vec<QueuedEventResponse>,
    pub(crate) total_entries: u64,
}

/// What a DAG waits for beside the clock (Updraft's own).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DagAssetsResponse {
    /// In words, by the names of the assets; null when it waits for none.
    expression: Option<String>,
    /// Whether it holds: a run is made as soon as the DAG may have one.
    is_met: bool,
    /// The assets in it, and those that were found under its aliases.
    assets: Vec<DagAssetResponse>,
    /// The aliases in it under which nothing was found yet.
    unresolved_aliases: Vec<String>,
}

/// An asset that a DAG waits for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DagAssetResponse {
    asset_id: i64,
    name: String,
    uri: String,
    /// When it was first updated since the DAG last ran for it; null while it was not.
    queued_at: Option<DateTime>,
    last_event_at: Option<DateTime>,
}

impl From<Option<Awaited>> for DagAssetsResponse {
    fn from(awaited: Option<Awaited>) -> DagAssetsResponse {
        let Some(awaited) = awaited else {
            return DagAssetsResponse {
                expression: None,
                is_met: false,
                assets: Vec::new(),
                unresolved_aliases: Vec::new(),
            };
        };
        DagAssetsResponse {
            expression: Some(awaited.expression),
            is_met: awaited.is_met,
            assets: awaited.assets.into_iter().map(DagAssetResponse::from).collect(),
            unresolved_aliases: awaited.unresolved,
        }
    }
}

impl From<AwaitedAsset> for DagAssetResponse {
    fn from(asset: AwaitedAsset) -> DagAssetResponse {
        DagAssetResponse {
            asset_id: asset.id,
            name: asset.name,
            uri: asset.uri,
            queued_at: asset.queued_at.map(DateTime),
            last_event_at: asset.last_event_at.map(DateTime),
        }
    }
}

/// An expression over assets, as Airflow's details of a DAG have it.
pub(super) fn asset_expression(expression: &AssetExpression) -> Value {
    let all = |parts: &[AssetExpression]| Value::Array(parts.iter().map(asset_expression).collect());
    match expression {
        AssetExpression::Asset(Asset { name, uri, group, .. }) => {
            json!({ "asset": { "uri": uri, "name": name, "group": group } })
        }
        AssetExpression::Alias(alias) => json!({ "alias": { "name": alias, "group": GROUP } }),
        AssetExpression::All(parts) => json!({ "all": all(parts) }),
        AssetExpression::Any(parts) => json!({ "any": all(parts) }),
    }
}
