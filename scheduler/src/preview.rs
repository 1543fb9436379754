//! When a DAG will be due, for people to look at before it happens.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use crate::dag::Dag;
use crate::dag::asset::Asset;
use crate::dag::timetable::{DataInterval, Past, Restriction, Timetable, Upcoming};
use crate::store::asset_queue::{self, QueueFilter};
use crate::store::entity::{asset, dag};
use crate::store::partition_queue::{self, QueuedUpdate};
use crate::store::{Db, StoreError, asset_aliases, assets, read, schedules};

/// The next `count` runs that the schedule makes of a DAG. Of a paused one: those that it would make if it were unpaused
/// at `now`, which may be at once.
pub async fn upcoming(
    db: &Db,
    row: &dag::Model,
    definition: &Dag,
    timetable: &Timetable,
    now: DateTime<Utc>,
    count: usize,
) -> Result<Vec<Upcoming>, StoreError> {
    let standings = schedules::standings(db.read(), Some(std::slice::from_ref(&row.dag_id))).await?;
    let last = standings.get(&row.dag_id).and_then(schedules::Standing::last);
    let past = Past { last: last.map(|(start, end)| DataInterval { start, end }), promised: schedules::promised(row) };
    Ok(timetable.upcoming(past, now, &Restriction::of(definition), count))
}

/// What a DAG waits for beside the clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Awaited {
    /// The expression in words, by the names of the assets.
    pub expression: String,
    /// Whether it holds: a run is made as soon as the DAG may have one.
    pub is_met: bool,
    /// The assets in it, in the order of the text, and then those that were found under its aliases.
    pub assets: Vec<AwaitedAsset>,
    /// The aliases in it under which nothing was found yet.
    pub unresolved: Vec<String>,
}

/// An asset that a DAG waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct AwaitedAsset {
    /// Its key.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub uri: String,
    /// When it was first updated since the DAG last ran for it; none while it was not.
    pub queued_at: Option<DateTime<Utc>>,
    /// When it was last updated at all.
    pub last_event_at: Option<DateTime<Utc>>,
}

/// The assets that a DAG waits for, and which of them were updated; none when it waits for none.
pub async fn awaited(db: &Db, definition: &Dag) -> Result<Option<Awaited>, StoreError> {
    let Some(expression) = definition.schedule.assets() else { return Ok(None) };
    let wanted = expression.assets();
    let known = assets::known(db.read(), &wanted).await?;
    let aliases = expression.aliases();
    let found = asset_aliases::found_under(db.read(), &aliases).await?;
    let named = wanted.iter().filter_map(|asset| known.iter().find(|row| is_row_of(row, asset)));
    let mut rows: Vec<&asset::Model> = Vec::new();
    for row in named.chain(found.values().flatten()) {
        if !rows.iter().any(|known| known.id == row.id) {
            rows.push(row);
        }
    }
    let filter = QueueFilter { dag_ids: Some(vec![definition.dag_id.clone()]), ..QueueFilter::default() };
    let queued = asset_queue::queued(db.read(), &filter).await?;
    let parts = partition_queue::queued(db.read(), Some(std::slice::from_ref(&definition.dag_id))).await?;
    let parts = of_the_fullest(parts);
    let queued_at = |id: i64| {
        let whole = queued.iter().find(|queued| queued.asset_id == id).map(|queued| queued.created_at);
        whole.or_else(|| parts.iter().find(|update| update.asset_id == id).map(|update| update.timestamp))
    };
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let last = read::last_asset_events(db.read(), &ids).await?;
    let is_updated = |asset: &Asset| queued.iter().any(|queued| queued.is_of(asset));
    let is_alias_updated = |alias: &str| queued.iter().any(|queued| queued.is_found_under(alias));
    let assets = rows.iter().map(|row| AwaitedAsset {
        id: row.id,
        name: row.name.clone(),
        uri: row.uri.clone(),
        queued_at: queued_at(row.id),
        last_event_at: last.get(&row.id).map(|event| event.timestamp),
    });
    Ok(Some(Awaited {
        expression: expression.in_words(),
        is_met: expression.is_true(&is_updated, &is_alias_updated),
        assets: assets.collect(),
        unresolved: aliases.into_iter().filter(|alias| !found.contains_key(*alias)).map(str::to_owned).collect(),
    }))
}

/// The updates of the partition that most assets have, the first of several: a run is made for one that all of them have.
fn of_the_fullest(parts: Vec<QueuedUpdate>) -> Vec<QueuedUpdate> {
    let mut assets: HashMap<&str, HashSet<i64>> = HashMap::new();
    for update in &parts {
        assets.entry(&update.partition_key).or_default().insert(update.asset_id);
    }
    let most = assets.values().map(HashSet::len).max().unwrap_or_default();
    let fullest = parts.iter().find(|update| assets[update.partition_key.as_str()].len() == most);
    let Some(key) = fullest.map(|update| update.partition_key.clone()) else { return Vec::new() };
    parts.into_iter().filter(|update| update.partition_key == key).collect()
}

fn is_row_of(row: &asset::Model, asset: &Asset) -> bool {
    row.name == asset.name && row.uri == asset.uri
}
