//! What a try has to say of the assets that its task makes: an `extra` for their events, and assets that it found only while
//! it ran (Airflow 3: `outlet_events`, AssetAlias).

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dag::asset::{Asset, GROUP};

/// What a try says of an asset, as operators take it from what they run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToldEvent {
    /// Which asset: an outlet of the task, by its name or its URI; or any asset, when `alias` is given.
    pub asset: ToldAsset,
    /// The alias among the outlets of the task that the asset is found under.
    #[serde(default)]
    pub alias: Option<String>,
    /// What there is to know of the update.
    #[serde(default)]
    pub extra: Map<String, Value>,
}

/// An asset as it is told: by a name or a URI, or with all that there is to know.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ToldAsset {
    /// Its name or its URI.
    Word(String),
    /// As DAG files write it.
    #[serde(rename_all = "snake_case")]
    Asset {
        /// What people call it.
        #[serde(default)]
        name: Option<String>,
        /// Where it is.
        #[serde(default)]
        uri: Option<String>,
        /// What it belongs to.
        #[serde(default)]
        group: Option<String>,
        /// Anything more there is to know of it.
        #[serde(default)]
        extra: Map<String, Value>,
    },
}

/// An update that is written with the success of the try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutletEvent {
    /// Of which asset.
    pub asset: Asset,
    /// Under which alias it was found; none for an outlet that the DAG file names.
    pub alias: Option<String>,
    /// What there is to know of the update.
    pub extra: Map<String, Value>,
}

/// The outlets of a task, and what the try says of them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Outlets(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    assets: Vec<Asset>,
    aliases: Vec<String>,
    told: Mutex<Vec<OutletEvent>>,
}

impl Outlets {
    /// The assets that the DAG file names, and the names of aliases.
    pub fn new(assets: &[Asset], aliases: &[String]) -> Outlets {
        if assets.is_empty() && aliases.is_empty() {
            return Outlets(None);
        }
        let (assets, aliases) = (assets.to_vec(), aliases.to_vec());
        Outlets(Some(Arc::new(Inner { assets, aliases, told: Mutex::default() })))
    }

    /// Whether the task makes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The assets that the DAG file names.
    pub fn assets(&self) -> &[Asset] {
        self.0.as_ref().map(|inner| inner.assets.as_slice()).unwrap_or_default()
    }

    /// Says something of an update. Of what is said of one asset, the last word counts; it counts when the try ends well.
    ///
    /// The error says which outlet is meant, but is none.
    pub fn tell(&self, event: ToldEvent) -> Result<(), String> {
        let ToldEvent { asset, alias, extra } = event;
        let asset = match &alias {
            Some(alias) if self.aliases().contains(alias) => found(asset)?,
            Some(alias) => return Err(format!("`{alias}` is no alias among the outlets of the task")),
            None => self.named(&asset)?,
        };
        self.keep(OutletEvent { asset, alias, extra });
        Ok(())
    }

    /// Says the same of every asset that the DAG file names.
    pub fn tell_of_each(&self, extra: &Map<String, Value>) {
        for asset in self.assets() {
            self.keep(OutletEvent { asset: asset.clone(), alias: None, extra: extra.clone() });
        }
    }

    fn keep(&self, event: OutletEvent) {
        if let Some(inner) = &self.0 {
            let mut told = inner.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.retain(|known| !known.asset.is_same(&event.asset));
            told.push(event);
        }
    }

    /// What was said.
    pub fn told(&self) -> Vec<OutletEvent> {
        let told = self.0.as_ref().map(|inner| inner.told.lock().unwrap_or_else(PoisonError::into_inner).clone());
        told.unwrap_or_default()
    }

    fn aliases(&self) -> &[String] {
        self.0.as_ref().map(|inner| inner.aliases.as_slice()).unwrap_or_default()
    }

    /// The outlet that is meant.
    fn named(&self, asset: &ToldAsset) -> Result<Asset, String> {
        let outlets = self.assets();
        let meant = match asset {
            ToldAsset::Word(word) => {
                let is_uri = Asset::new(None, Some(word)).ok().map(|asset| asset.uri);
                let by_uri = || outlets.iter().find(|outlet| is_uri.as_ref() == Some(&outlet.uri));
                outlets.iter().find(|outlet| outlet.name == *word).or_else(by_uri)
            }
            ToldAsset::Asset { .. } => {
                let asset = found(asset.clone())?;
                outlets.iter().find(|outlet| outlet.is_same(&asset))
            }
        };
        meant.cloned().ok_or_else(|| {
            let word = match asset {
                ToldAsset::Word(word) => word,
                ToldAsset::Asset { name, uri, .. } => name.as_ref().or(uri.as_ref()).map_or("", String::as_str),
            };
            let hint = if self.aliases().iter().any(|alias| alias == word) {
                "an alias; say which `asset` was found under it"
            } else {
                "no outlet of the task; list it under `outlets` in the DAG file"
            };
            format!("`{word}` is {hint}")
        })
    }
}

fn found(asset: ToldAsset) -> Result<Asset, String> {
    match asset {
        ToldAsset::Word(uri) => Asset::new(None, Some(&uri)),
        ToldAsset::Asset { name, uri, group, extra } => {
            let group = group.unwrap_or_else(|| GROUP.to_owned());
            Asset::new(name.as_deref(), uri.as_deref()).map(|asset| Asset { group, extra, ..asset })
        }
    }
    .map_err(|why| format!("an asset {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outlets() -> Outlets {
        let orders = Asset::new(Some("orders"), Some("s3://lake/orders")).unwrap();
        Outlets::new(&[orders, Asset::new(None, Some("s3://lake/days")).unwrap()], &["found".to_owned()])
    }

    fn tell(outlets: &Outlets, event: Value) -> Result<(), String> {
        outlets.tell(serde_json::from_value(event).unwrap())
    }

    #[test]
    fn an_outlet_is_meant_by_its_name_or_its_uri_and_the_last_word_counts() {
        let outlets = outlets();
        tell(&outlets, json!({"asset": "orders", "extra": {"rows": 1}})).unwrap();
        tell(&outlets, json!({"asset": "s3://lake/orders/", "extra": {"rows": 2}})).unwrap();
        tell(&outlets, json!({"asset": {"uri": "s3://lake/days"}})).unwrap();

        let told: Vec<_> = outlets.told().into_iter().map(|event| (event.asset.name, event.extra)).collect();

        let rows = json!({"rows": 2}).as_object().unwrap().clone();
        assert_eq!(told, [("orders".to_owned(), rows), ("s3://lake/days".to_owned(), Map::new())]);
    }

    #[test]
    fn what_is_found_under_an_alias_may_be_any_asset() {
        let outlets = outlets();
        tell(&outlets, json!({"alias": "found", "asset": "s3://lake/2026"})).unwrap();
        tell(&outlets, json!({"alias": "found", "asset": {"name": "day", "uri": "S3://lake/day", "group": "g"}}))
            .unwrap();

        let told: Vec<_> = outlets.told().into_iter().map(|event| (event.alias, event.asset.uri)).collect();

        let alias = Some("found".to_owned());
        assert_eq!(told, [(alias.clone(), "s3://lake/2026".to_owned()), (alias, "s3://lake/day".to_owned())]);
    }

    #[test]
    fn what_is_no_outlet_is_refused_with_its_name() {
        for (event, problem) in [
            (json!({"asset": "other"}), "`other` is no outlet of the task; list it under `outlets` in the DAG file"),
            (json!({"asset": "found"}), "`found` is an alias; say which `asset` was found under it"),
            (json!({"asset": "x", "alias": "orders"}), "`orders` is no alias among the outlets of the task"),
            (
                json!({"asset": {"uri": "airflow://x"}, "alias": "found"}),
                "an asset has a URI that begins with \
                `airflow://`, which Airflow keeps for itself",
            ),
        ] {
            assert_eq!(tell(&outlets(), event).unwrap_err(), problem);
        }
        assert!(tell(&Outlets::default(), json!({"asset": "orders"})).is_err(), "a task without outlets has none");
    }
}
