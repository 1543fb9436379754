//! What templates see of assets: those of the task, and what became of them.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};

use super::instant::Instant;
use super::objects::{or_none, text_or_none};
use super::session::from_json;
use crate::dag::asset::Asset;

/// What became of the assets that a try has to do with. It is fetched when a template asks for any of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssetEvents {
    /// What the run was made for (Airflow 3: `triggering_asset_events`).
    pub triggering: Vec<EventsOfAsset>,
    /// What is known of the inlets of the task (Airflow 3: `inlet_events`).
    pub of_inlets: Vec<EventsOfAsset>,
}

/// An asset and events of it, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct EventsOfAsset {
    /// The asset.
    pub asset: Asset,
    /// The events.
    pub events: Vec<EventFacts>,
}

/// An update of an asset.
#[derive(Clone, Debug, PartialEq)]
pub struct EventFacts {
    /// What there is to know of it.
    pub extra: serde_json::Value,
    /// Which part of the asset it is about, if that is said.
    pub partition_key: Option<String>,
    /// When.
    pub timestamp: DateTime<Utc>,
    /// Which task instance did it; none when somebody said so.
    pub source: Option<SourceFacts>,
}

/// The task instance that updated an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFacts {
    /// Its DAG.
    pub dag_id: String,
    /// Its run, as people name it.
    pub run_id: String,
    /// Its task.
    pub task_id: String,
    /// -1 when not mapped.
    pub map_index: i32,
    /// The logical date of its run, as far as that is still there.
    pub logical_date: Option<DateTime<Utc>>,
    /// The data interval of its run.
    pub data_interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Assets as templates see them.
pub(super) fn assets(assets: &[Asset]) -> Value {
    Value::from(assets.iter().map(|asset| Value::from_object(AssetValue(asset.clone()))).collect::<Vec<Value>>())
}

/// Events by asset as templates see them.
pub(super) fn by_asset(events: &[EventsOfAsset]) -> Value {
    Value::from_object(ByAsset(events.to_vec()))
}

/// An asset. As text it is its URI.
struct AssetValue(Asset);

impl fmt::Debug for AssetValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.uri)
    }
}

impl Object for AssetValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "name" => Value::from(self.0.name.as_str()),
            "uri" => Value::from(self.0.uri.as_str()),
            "group" => Value::from(self.0.group.as_str()),
            "extra" => from_json(&serde_json::Value::Object(self.0.extra.clone())),
            _ => return None,
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A mapping from assets to their events, which takes a name or a URI for the asset, too.
#[derive(Debug)]
struct ByAsset(Vec<EventsOfAsset>);

impl ByAsset {
    fn find(&self, key: &Value) -> Option<&EventsOfAsset> {
        if let Some(asset) = key.downcast_object_ref::<AssetValue>() {
            return self.0.iter().find(|of| of.asset.is_same(&asset.0));
        }
        let word = key.as_str()?;
        self.0.iter().find(|of| of.asset.name == word).or_else(|| self.0.iter().find(|of| of.asset.uri == word))
    }
}

impl Object for ByAsset {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let of = self.find(key)?;
        Some(Value::from(of.events.iter().map(|event| event_value(&of.asset, event)).collect::<Vec<Value>>()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|of| Value::from_object(AssetValue(of.asset.clone()))).collect())
    }
}

fn event_value(asset: &Asset, event: &EventFacts) -> Value {
    let source = event.source.as_ref();
    Value::from_pairs([
        ("asset", Value::from_object(AssetValue(asset.clone()))),
        ("name", Value::from(asset.name.as_str())),
        ("uri", Value::from(asset.uri.as_str())),
        ("extra", from_json(&event.extra)),
        ("partition_key", text_or_none(event.partition_key.as_deref())),
        ("timestamp", Value::from_object(Instant::utc(event.timestamp))),
        ("source_dag_id", text_or_none(source.map(|source| source.dag_id.as_str()))),
        ("source_run_id", text_or_none(source.map(|source| source.run_id.as_str()))),
        ("source_task_id", text_or_none(source.map(|source| source.task_id.as_str()))),
        ("source_map_index", Value::from(source.map_or(-1, |source| source.map_index))),
        ("source_dag_run", source.map_or_else(|| Value::from(()), source_run)),
    ])
}

fn source_run(source: &SourceFacts) -> Value {
    Value::from_pairs([
        ("dag_id", Value::from(source.dag_id.as_str())),
        ("run_id", Value::from(source.run_id.as_str())),
        ("logical_date", or_none(source.logical_date)),
        ("data_interval_start", or_none(source.data_interval.map(|interval| interval.0))),
        ("data_interval_end", or_none(source.data_interval.map(|interval| interval.1))),
    ])
}
