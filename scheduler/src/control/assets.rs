//! What people ask of assets: say that one was updated, have one made, forget what is queued.

use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value, json};

use super::{Control, ControlError, Trigger};
use crate::dag::asset::Asset;
use crate::dag::partition;
use crate::engine::wake::Wake;
use crate::events::Change;
use crate::run::RunType;
use crate::store::asset_events::{self, AssetEvent, NewAssetEvent};
use crate::store::asset_queue::{self, QueueFilter};
use crate::store::audit::{self, Deed};
use crate::store::entity::dag_run;
use crate::store::{StoreError, assets, commit, partition_queue};

impl Control {
    /// Says that an asset was updated, by whatever is no task, or the part of it with that key. DAGs that wait for it take it
    /// as any other update.
    pub async fn emit_asset_event(
        &self,
        asset_id: i64,
        extra: Map<String, Value>,
        partition_key: Option<&str>,
        user: Option<&str>,
    ) -> Result<AssetEvent, ControlError> {
        if let Some(key) = partition_key {
            partition::check_key(key).map_err(|error| ControlError::Invalid(error.to_string()))?;
        }
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let asset = assets::get(&txn, asset_id).await?;
        let named =
            Asset { name: asset.name.clone(), uri: asset.uri.clone(), group: asset.group.clone(), extra: Map::new() };
        let new = NewAssetEvent {
            asset: named,
            extra: extra.clone(),
            partition_key: partition_key.map(str::to_owned),
            alias: None,
            source: None,
        };
        let kept = asset_events::emit(&txn, &[new], now).await?.pop();
        let deed =
            Some(json!({ "asset_id": asset_id, "uri": asset.uri, "extra": extra, "partition_key": partition_key }));
        self.assets_changed(txn, Deed { event: "create_asset_event", owner: user, extra: deed, ..Deed::default() })
            .await?;
        let event = kept.ok_or_else(|| StoreError::NotFound { what: "asset event", id: asset_id.to_string() })?;
        Ok(AssetEvent { event, asset })
    }

    /// Makes a run of the DAG that makes an asset (Airflow 3: materialize).
    ///
    /// # Errors
    /// [`ControlError::NotFound`] when no DAG makes it, [`ControlError::Conflict`] when several do.
    pub async fn materialize(&self, asset_id: i64, trigger: Trigger) -> Result<dag_run::Model, ControlError> {
        let asset = assets::get(self.db.read(), asset_id).await?;
        match assets::makers(self.db.read(), asset_id).await?.as_slice() {
            [] => Err(ControlError::NotFound { what: "a DAG that makes asset", id: asset.name }),
            [only] => self.make_run(only, trigger, RunType::AssetMaterialization).await,
            several => {
                let names: Vec<String> = several.iter().map(|dag_id| format!("`{dag_id}`")).collect();
                Err(ControlError::Conflict(format!(
                    "more than one DAG makes asset `{}`: {}; trigger the one that you mean",
                    asset.name,
                    names.join(", ")
                )))
            }
        }
    }

    /// Forgets what is queued; answers with how much it was. The events stay, and the next run is given them.
    pub async fn forget_queued_assets(&self, filter: &QueueFilter, user: Option<&str>) -> Result<u64, ControlError> {
        let txn = self.db.begin_write().await?;
        let whole = asset_queue::forget_queued(&txn, filter).await?;
        let forgotten = whole + partition_queue::forget_queued(&txn, filter).await?;
        if forgotten == 0 {
            return Ok(0);
        }
        let dag_id = filter.dag_ids.as_deref().and_then(<[String]>::first);
        let deed = Deed {
            event: "delete_asset_queued_events",
            dag_id: dag_id.map(String::as_str),
            owner: user,
            extra: Some(json!({ "asset_id": filter.asset_id, "before": filter.before, "forgotten": forgotten })),
            ..Deed::default()
        };
        self.assets_changed(txn, deed).await?;
        Ok(forgotten)
    }

    /// Writes down who did it, and lets the engine look.
    async fn assets_changed(&self, txn: DatabaseTransaction, deed: Deed<'_>) -> Result<(), ControlError> {
        audit::record(&txn, deed, self.clock.now()).await?;
        commit(txn).await?;
        self.changes.send(Change::assets());
        self.waker.wake(Wake::Assets);
        Ok(())
    }
}
