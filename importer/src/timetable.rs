//! Schedules and assets, as Updraft writes them.

use std::ops::Range;
use std::rc::Rc;

use serde_json::{Value as Json, json};

use crate::arguments::Arguments;
use crate::date::zone_of;
use crate::interpreter::unknown;
use crate::value::{Evaluated, NotStatic, Value};

/// An expression over assets: both, or either.
pub(crate) fn join(word: &str, left: Json, right: Json) -> Json {
    let mut parts = Vec::new();
    for side in [left, right] {
        match side {
            Json::Object(mut map) if map.len() == 1 && map.contains_key(word) => {
                if let Some(Json::Array(inner)) = map.remove(word) {
                    parts.extend(inner);
                }
            }
            other => parts.push(other),
        }
    }
    json!({ word: parts })
}

/// An asset, from the arguments of `Asset` or `Dataset`.
pub(crate) fn asset<'t>(class: &str, arguments: Arguments<'t>) -> Evaluated<'t> {
    let place = arguments.place.clone();
    let order: &[&str] = match (class, arguments.positional.len()) {
        ("Dataset", _) => &["uri", "extra"],
        // One text alone is the name, which serves as the URI, too.
        (_, 1) if !arguments.named.iter().any(|(name, _)| name == "uri" || name == "name") => &["uri"],
        _ => &["name", "uri"],
    };
    let mut map = serde_json::Map::new();
    for (name, value) in arguments.values(order)? {
        let known = ["name", "uri", "group", "extra"].contains(&name.as_str());
        if !known {
            return Err(unknown(format!("an asset with `{name}` is not served"), place));
        }
        if !matches!(value, Value::None) {
            map.insert(name, value.to_json().map_err(|reason| unknown(reason, place.clone()))?);
        }
    }
    let alone = (map.len() == 1).then(|| map.get("uri").cloned()).flatten();
    Ok(Value::Assets(alone.unwrap_or(Json::Object(map))))
}

/// An alias of assets, from the arguments of `AssetAlias` or `DatasetAlias`.
pub(crate) fn alias<'t>(class: &str, arguments: Arguments<'t>) -> Evaluated<'t> {
    let place = arguments.place.clone();
    // Its group serves lists alone.
    match arguments.values(&["name", "group"])?.into_iter().find(|(name, _)| name == "name") {
        Some((_, Value::Text(name))) => Ok(Value::Alias(name)),
        _ => Err(unknown(format!("the name of this `{class}` is known only when it runs"), place)),
    }
}

/// The assets that a task reads.
pub(crate) fn inlets(value: &Value<'_>, place: &Range<usize>) -> Result<Json, Rc<NotStatic>> {
    match value {
        Value::Alias(name) => Err(Rc::new(NotStatic {
            reason: format!("tasks read the assets that are found under the alias `{name}`, not the alias"),
            place: place.clone(),
            help: Some("name those assets"),
        })),
        Value::List(items) | Value::Tuple(items) => {
            Ok(Json::Array(items.iter().map(|item| inlets(item, place)).collect::<Result<_, _>>()?))
        }
        value => assets(value, place),
    }
}

/// A list of assets and aliases, for a schedule or `outlets`.
pub(crate) fn assets(value: &Value<'_>, place: &Range<usize>) -> Result<Json, Rc<NotStatic>> {
    match value {
        Value::Assets(json) => Ok(json.clone()),
        Value::Alias(name) => Ok(alias_json(name)),
        Value::Text(text) => Ok(Json::from(text.as_str())),
        Value::List(items) | Value::Tuple(items) => {
            Ok(Json::Array(items.iter().map(|item| assets(item, place)).collect::<Result<_, _>>()?))
        }
        Value::Unknown(why) => Err(Rc::clone(why)),
        _ => Err(unknown("only assets can stand here", place.clone())),
    }
}

fn alias_json(name: &str) -> Json {
    json!({ "alias": name })
}

/// What of two values are assets or aliases of them, to be put together by `&` or `|`.
pub(crate) fn pair(left: &Value<'_>, right: &Value<'_>) -> Option<(Json, Json)> {
    let one = |value: &Value<'_>| match value {
        Value::Assets(json) => Some(json.clone()),
        Value::Alias(name) => Some(alias_json(name)),
        _ => None,
    };
    Some((one(left)?, one(right)?))
}

/// One of Airflow's timetables, from the arguments of its class; none when the class is no timetable.
pub(crate) fn timetable<'t>(class: &str, arguments: Arguments<'t>) -> Option<Evaluated<'t>> {
    let order: &[&str] = match class {
        "CronTriggerTimetable" => &["cron"],
        "CronDataIntervalTimetable" => &["cron", "timezone"],
        "DeltaTriggerTimetable" | "DeltaDataIntervalTimetable" => &["delta"],
        "EventsTimetable" => &["event_dates"],
        "MultipleCronTriggerTimetable" | "AssetOrTimeSchedule" | "DatasetOrTimeSchedule" => &[],
        _ => return None,
    };
    Some(made(class, order, arguments))
}

fn made<'t>(class: &str, order: &[&str], mut arguments: Arguments<'t>) -> Evaluated<'t> {
    let place = arguments.place.clone();
    let crons =
        if class == "MultipleCronTriggerTimetable" { std::mem::take(&mut arguments.positional) } else { Vec::new() };
    let values = arguments.values(order)?;
    let get = |name: &str| values.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let written = |name: &str| match get(name) {
        None | Some(Value::None) => Ok(None),
        Some(value) => value.to_json().map(Some).map_err(|reason| unknown(reason, place.clone())),
    };
    let needed = |name: &str| written(name)?.ok_or_else(|| unknown(format!("`{class}` needs `{name}`"), place.clone()));
    let zone = match get("timezone") {
        None | Some(Value::None) => None,
        Some(value) => Some(zone_of(value).ok_or_else(|| unknown("the time zone is not known", place.clone()))?),
    };
    let interval = written("interval")?;
    let with_interval = |mut map: Json| {
        if let Some(interval) = &interval
            && interval != "0s"
        {
            map["interval"] = interval.clone();
        }
        map
    };
    let schedule = match class {
        "CronTriggerTimetable" if interval.is_none() => needed("cron")?,
        "CronTriggerTimetable" => with_interval(json!({ "cron": needed("cron")? })),
        "CronDataIntervalTimetable" => json!({ "cron": needed("cron")?, "data_interval": true }),
        "DeltaTriggerTimetable" => needed("delta")?,
        "DeltaDataIntervalTimetable" => json!({ "every": needed("delta")?, "data_interval": true }),
        "EventsTimetable" => json!({ "dates": needed("event_dates")? }),
        "MultipleCronTriggerTimetable" => {
            let crons =
                crons.into_iter().map(|cron| cron.value?.to_json().map_err(|reason| unknown(reason, place.clone())));
            with_interval(json!({ "crons": crons.collect::<Result<Vec<_>, _>>()? }))
        }
        _ => {
            let waited = get("assets").or_else(|| get("datasets")).unwrap_or(&Value::None);
            json!({ "assets": assets(waited, &place)?, "time": needed("timetable")? })
        }
    };
    Ok(Value::Schedule(schedule, zone))
}

/// What stands behind `schedule`, and the zone that it names. `with_interval` is Airflow 2's meaning of cron expressions
/// and lengths of time: a run is about the time before it.
pub(crate) fn schedule(
    value: &Value<'_>,
    with_interval: bool,
    place: &Range<usize>,
) -> Result<(Json, Option<String>), Rc<NotStatic>> {
    let json = match value {
        Value::Schedule(json, zone) => return Ok((json.clone(), zone.clone())),
        Value::Text(text) if with_interval && !matches!(text.as_str(), "@once" | "@continuous") => {
            json!({ "cron": text, "data_interval": true })
        }
        Value::Length(length) if with_interval => json!({ "every": length.written(), "data_interval": true }),
        Value::Assets(Json::String(uri)) => json!([uri]),
        Value::List(_) | Value::Tuple(_) | Value::Assets(_) | Value::Alias(_) => assets(value, place)?,
        Value::Text(_) | Value::Length(_) | Value::None => {
            value.to_json().map_err(|reason| unknown(reason, place.clone()))?
        }
        Value::Unknown(why) => return Err(Rc::clone(why)),
        _ => return Err(unknown("this schedule is known only when it runs", place.clone())),
    };
    Ok((json, None))
}
