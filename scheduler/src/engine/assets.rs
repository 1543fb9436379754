//! Assets as the engine knows them: what tries update, and which DAGs are asked for by what is queued.

use std::collections::HashMap;

use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::active_run::ActiveRun;
use super::coordinator::Coordinator;
use super::schedules::ScheduledDag;
use crate::dag::asset::Asset;
use crate::dag::template::{AssetEvents, EventFacts, EventsOfAsset, SourceFacts};
use crate::events::Change;
use crate::operator::OutletEvent;
use crate::run::{InstanceIndex, TaskState};
use crate::store::asset_events::{self, AssetEvent, EventSource, NewAssetEvent};
use crate::store::asset_queue::{self, QueueFilter, QueuedAsset};
use crate::store::entity::dag_run;
use crate::store::partition_queue::{self, QueuedUpdate};
use crate::store::{Db, StoreError, runs};

/// What is queued for each DAG that waits for assets.
pub(super) type AssetQueue = HashMap<String, Vec<QueuedAsset>>;

/// What is queued for each DAG that waits for parts of assets.
pub(super) type PartitionQueue = HashMap<String, Vec<QueuedUpdate>>;

impl Coordinator {
    /// Reads what is queued, if any DAG waits for assets.
    pub(super) async fn load_asset_queue(&mut self) -> Result<(), StoreError> {
        let is_needed = self.dags.values().any(|dag| dag.definition.schedule.assets().is_some());
        self.asset_queue.clear();
        self.partition_queue.clear();
        if is_needed {
            for queued in asset_queue::queued(self.settings.db.read(), &QueueFilter::default()).await? {
                self.asset_queue.entry(queued.dag_id.clone()).or_default().push(queued);
            }
            if self.dags.values().any(ScheduledDag::waits_for_parts) {
                self.partition_queue = by_dag(partition_queue::queued(self.settings.db.read(), None).await?);
            }
            self.todo.due = true;
        }
        self.todo.assets = false;
        Ok(())
    }

    /// What is queued for those of the DAGs that wait for assets; nobody adds to it until the transaction ends.
    pub(super) async fn lock_asset_queue(
        &self,
        txn: &DatabaseTransaction,
        dag_ids: &[String],
    ) -> Result<AssetQueue, StoreError> {
        let waits =
            |dag_id: &&String| self.dags.get(*dag_id).is_some_and(|dag| dag.definition.schedule.assets().is_some());
        let waiting: Vec<String> = dag_ids.iter().filter(waits).cloned().collect();
        let mut queue = AssetQueue::new();
        if !waiting.is_empty() {
            for queued in asset_queue::lock_queued(txn, &waiting).await? {
                queue.entry(queued.dag_id.clone()).or_default().push(queued);
            }
        }
        Ok(queue)
    }

    /// What is left of the queue of these DAGs.
    pub(super) fn refresh_asset_queue(&mut self, dag_ids: &[String], left: AssetQueue) {
        let before = self.asset_queue.len();
        for dag_id in dag_ids {
            self.asset_queue.remove(dag_id);
        }
        self.asset_queue.extend(left);
        if self.asset_queue.len() < before {
            self.settings.changes.send(Change::assets());
        }
    }

    /// What is queued of parts for these DAGs, which are held.
    pub(super) async fn held_partition_queue(
        &self,
        txn: &DatabaseTransaction,
        dag_ids: &[String],
    ) -> Result<PartitionQueue, StoreError> {
        let waits = |dag_id: &&String| self.dags.get(*dag_id).is_some_and(ScheduledDag::waits_for_parts);
        let waiting: Vec<String> = dag_ids.iter().filter(waits).cloned().collect();
        if waiting.is_empty() {
            return Ok(PartitionQueue::new());
        }
        Ok(by_dag(partition_queue::queued(txn, Some(&waiting)).await?))
    }

    /// What is left of the queue of these DAGs.
    pub(super) fn refresh_partition_queue(&mut self, dag_ids: &[String], left: PartitionQueue) {
        for dag_id in dag_ids {
            self.partition_queue.remove(dag_id);
        }
        self.partition_queue.extend(left);
    }

    /// Whether assets ask for a run of the DAG, as far as was read.
    pub(super) fn is_asked_for(&self, dag: &ScheduledDag) -> bool {
        let queued = self.asset_queue.get(&dag.row.dag_id);
        let parts = self.partition_queue.get(&dag.row.dag_id);
        dag.is_active()
            && (queued.is_some_and(|queued| dag.is_asked_for(queued))
                || parts.is_some_and(|parts| dag.asked_partition(parts).is_some()))
    }
}

fn by_dag(updates: Vec<QueuedUpdate>) -> PartitionQueue {
    let mut queue = PartitionQueue::new();
    for update in updates {
        queue.entry(update.dag_id.clone()).or_default().push(update);
    }
    queue
}

/// What a try that has ended makes of the outlets of its task: a success updates them, nothing else does (Airflow 3:
/// assets). What counts is what became of the task, because a try that ended well may leave what cannot be followed.
///
/// `told` is what the try says of them, and of assets that it found under an alias.
pub(super) fn updates(active: &ActiveRun, at: InstanceIndex, told: Vec<OutletEvent>) -> Vec<NewAssetEvent> {
    let instance = active.run.instance(at);
    if instance.state != TaskState::Success {
        return Vec::new();
    }
    let try_id = instance.try_id;
    let task = active.run.dag.task(at.task);
    let silent = |asset: &&Asset| !told.iter().any(|event| event.asset.is_same(asset));
    let silent = task.outlets.iter().filter(silent).cloned();
    let silent = silent.map(|asset| OutletEvent { asset, alias: None, extra: serde_json::Map::new() });
    let update = |OutletEvent { asset, alias, extra }| NewAssetEvent {
        asset,
        alias,
        extra,
        partition_key: active.row.partition_key.clone(),
        source: Some(EventSource {
            dag_id: active.row.dag_id.clone(),
            run_id: active.row.run_id.clone(),
            task_id: task.task_id.clone(),
            map_index: at.map_index,
            try_id,
            partition_date: active.row.partition_date,
        }),
    };
    silent.collect::<Vec<_>>().into_iter().chain(told).map(update).collect()
}

/// Events of an inlet that a task is told of: the newest.
const INLET_EVENTS_MAX: u64 = 100;

/// What became of the assets that a run was made for, and of these inlets, as templates see it.
pub(super) async fn events_for(db: &Db, run: Uuid, inlets: &[Asset]) -> Result<AssetEvents, StoreError> {
    let mut sources = Sources::default();
    let triggering = asset_events::of_run(db.read(), run).await?;
    let newest = asset_events::newest(db.read(), inlets, INLET_EVENTS_MAX).await?;
    let triggering = by_asset(db, Vec::new(), triggering, &mut sources).await?;
    // An inlet that was never updated is there, too.
    let of_inlets = inlets.iter().map(|asset| EventsOfAsset { asset: asset.clone(), events: Vec::new() }).collect();
    let of_inlets = by_asset(db, of_inlets, newest, &mut sources).await?;
    Ok(AssetEvents { triggering, of_inlets })
}

/// The runs whose tasks updated assets, by their names, as far as they were looked for.
type Sources = HashMap<(String, String), Option<dag_run::Model>>;

async fn by_asset(
    db: &Db,
    mut groups: Vec<EventsOfAsset>,
    events: Vec<AssetEvent>,
    sources: &mut Sources,
) -> Result<Vec<EventsOfAsset>, StoreError> {
    for AssetEvent { event, asset } in events {
        let asset = Asset {
            name: asset.name,
            uri: asset.uri,
            group: asset.group,
            extra: asset.extra.as_object().cloned().unwrap_or_default(),
        };
        let source = match (event.source_dag_id, event.source_run_id) {
            (Some(dag_id), Some(run_id)) => {
                let run = source_run(db, &dag_id, &run_id, sources).await?;
                let interval = run.and_then(|run| run.data_interval_start.zip(run.data_interval_end));
                Some(SourceFacts {
                    logical_date: run.and_then(|run| run.logical_date),
                    data_interval: interval,
                    task_id: event.source_task_id.unwrap_or_default(),
                    map_index: event.source_map_index,
                    dag_id,
                    run_id,
                })
            }
            _ => None,
        };
        let facts =
            EventFacts { extra: event.extra, partition_key: event.partition_key, timestamp: event.timestamp, source };
        match groups.iter_mut().find(|of| of.asset.is_same(&asset)) {
            Some(of) => of.events.push(facts),
            None => groups.push(EventsOfAsset { asset, events: vec![facts] }),
        }
    }
    Ok(groups)
}

async fn source_run<'s>(
    db: &Db,
    dag_id: &str,
    run_id: &str,
    sources: &'s mut Sources,
) -> Result<Option<&'s dag_run::Model>, StoreError> {
    let key = (dag_id.to_owned(), run_id.to_owned());
    if !sources.contains_key(&key) {
        let found = runs::find(db.read(), dag_id, run_id).await?;
        sources.insert(key.clone(), found);
    }
    Ok(sources.get(&key).and_then(Option::as_ref))
}
