//! Assets in DAG files: URIs, objects, and the expressions that DAGs wait for.

use serde_json::Map;

use super::super::collect::{Problems, Subject, wrong_type};
use super::super::node::{Entry, Mapping, Node, Yaml};
use super::super::problem::{Code, Problem};
use super::super::values;
use super::object::Object;
use super::{FORMS, known_keys, unsupported};
use crate::dag::Schedule;
use crate::dag::asset::{Asset, AssetExpression};
use crate::dag::schedule::CronTrigger;
use crate::dag::timetable::Timetable;

/// The keys of an asset.
const KEYS: [&str; 4] = ["name", "uri", "group", "extra"];

/// The keys that make an expression of a mapping; the last two are dag-factory's.
const ALL: [&str; 2] = ["all", "__and__"];
const ANY: [&str; 2] = ["any", "__or__"];

/// The key that makes a mapping an alias.
const ALIAS: &str = "alias";

/// Classes of Airflow's that are assets or made of them, by the last part of their names.
pub(super) const CLASSES: [&str; 6] = ["Asset", "Dataset", "AssetAll", "AssetAny", "AssetAlias", "DatasetAlias"];

const LIST_CLASS: &str = "builtins.list";

/// Whether an object is an asset or made of assets, or claims to be.
pub(super) fn is_class(object: &Object<'_>) -> bool {
    object.class == LIST_CLASS
        || object.airflow_class().is_some_and(|class| CLASSES.contains(&class) || refusal(class).is_some())
}

/// Whether a mapping is an expression over assets, or an asset.
pub(super) fn is_expression(mapping: &Mapping) -> bool {
    [&ALL[..], &ANY[..], &["uri", "name", ALIAS]].concat().iter().any(|key| mapping.has(key))
}

/// What a DAG waits for. A list means all of its items (Airflow 3).
pub(super) fn expression(node: &Node, problems: &mut Problems) -> Option<AssetExpression> {
    match &node.value {
        Yaml::Text(_) => asset(node, problems).map(AssetExpression::Asset),
        Yaml::List(_) => parts(node, problems).map(AssetExpression::All),
        Yaml::Map(mapping) if mapping.has(values::OBJECT_KEY) => object(node, problems),
        Yaml::Map(mapping) if mapping.has(ALIAS) => alias(node, problems)?.map(AssetExpression::Alias),
        Yaml::Map(mapping) => {
            let key = |names: [&str; 2]| names.iter().find_map(|name| mapping.get(name));
            match (key(ALL), key(ANY)) {
                (Some(all), None) => only(mapping, all, problems).map(AssetExpression::All),
                (None, Some(any)) => only(mapping, any, problems).map(AssetExpression::Any),
                (Some(all), Some(any)) => {
                    let message = format!("an expression has either `{}` or `{}`", all.key, any.key);
                    problems.push(
                        Problem::new(Code::InvalidSchedule, message, any.key_place, "one too many")
                            .help("put one into the other: `{all: [a, {any: [b, c]}]}`"),
                    );
                    None
                }
                (None, None) => asset(node, problems).map(AssetExpression::Asset),
            }
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) => {
            problems.push(wrong_type(super::SUBJECT, node, "a URI, an asset, or an expression over assets"));
            None
        }
    }
}

/// The parts under the only key of a mapping.
fn only(mapping: &Mapping, entry: &Entry, problems: &mut Problems) -> Option<Vec<AssetExpression>> {
    known_keys(mapping, &[&entry.key], "an expression over assets", problems);
    parts(&entry.value, problems)
}

fn parts(node: &Node, problems: &mut Problems) -> Option<Vec<AssetExpression>> {
    let Some(items) = items(node) else {
        problems.push(wrong_type(super::SUBJECT, node, "a list of assets"));
        return None;
    };
    if items.is_empty() {
        let message = "a schedule by assets names none";
        problems.push(Problem::new(Code::InvalidSchedule, message, node.place, "empty").help(FORMS));
        return None;
    }
    let read: Vec<Option<AssetExpression>> = items.iter().map(|item| expression(item, problems)).collect();
    read.into_iter().collect()
}

/// The items of a list in either spelling.
fn items(node: &Node) -> Option<&[std::sync::Arc<Node>]> {
    match &node.value {
        Yaml::List(items) => Some(items),
        Yaml::Map(mapping) if mapping.get(values::OBJECT_KEY)?.value.as_text() == Some(LIST_CLASS) => {
            mapping.get("items").and_then(|entry| items(&entry.value))
        }
        _ => None,
    }
}

fn object(node: &Node, problems: &mut Problems) -> Option<AssetExpression> {
    let object = problems.keep(Object::read(super::SUBJECT, node))?;
    if object.class == LIST_CLASS {
        return parts(node, problems).map(AssetExpression::All);
    }
    match object.airflow_class() {
        Some("AssetAll") => members(&object, problems).map(AssetExpression::All),
        Some("AssetAny") => members(&object, problems).map(AssetExpression::Any),
        Some("AssetAlias" | "DatasetAlias") => alias(node, problems)?.map(AssetExpression::Alias),
        _ => asset(node, problems).map(AssetExpression::Asset),
    }
}

fn members(object: &Object<'_>, problems: &mut Problems) -> Option<Vec<AssetExpression>> {
    let read: Vec<_> = object.positional().iter().map(|item| expression(item, problems)).collect();
    read.into_iter().collect::<Option<Vec<_>>>().filter(|members| !members.is_empty())
}

/// The value of `outlets`: assets, and the names of aliases. Mistakes are noted.
pub(in crate::dag::spec) fn outlets(
    subject: Subject<'_>,
    node: &Node,
    problems: &mut Problems,
) -> Option<(Vec<Asset>, Vec<String>)> {
    let (mut assets, mut aliases) = (Vec::new(), Vec::new());
    let mut is_whole = true;
    for item in listed(subject, node, problems)? {
        match alias(item, problems) {
            Some(Some(name)) => aliases.push(name),
            Some(None) => is_whole = false,
            None => match asset(item, problems) {
                Some(asset) => assets.push(asset),
                None => is_whole = false,
            },
        }
    }
    is_whole.then_some((assets, aliases))
}

/// `{alias: name}`, or dag-factory's `{__type__: airflow.sdk.AssetAlias, name: name}`; none when it is something else. The
/// name is none when there is a mistake in it.
fn alias(node: &Node, problems: &mut Problems) -> Option<Option<String>> {
    let mapping = node.as_map()?;
    let subject = Subject { key: ALIAS, within: "an alias" };
    let name = |entries: &[Entry], key: &str, problems: &mut Problems| {
        let Some(entry) = entries.iter().find(|entry| entry.key == key) else {
            problems.push(Problem::new(Code::InvalidValue, "an alias needs a `name`", node.place, "this alias"));
            return None;
        };
        let name = problems.keep(values::text(subject, &entry.value))?;
        // Airflow takes the same names for aliases as for assets.
        let is_name = Asset::new(Some(&name), None).map(|_| name);
        problems.keep(
            is_name
                .map_err(|why| Problem::new(Code::InvalidValue, format!("an alias {why}"), node.place, "this alias")),
        )
    };
    if !mapping.has(values::OBJECT_KEY) {
        mapping.get(ALIAS)?;
        known_keys(mapping, &[ALIAS], "an alias", problems);
        return Some(name(&mapping.entries, ALIAS, problems));
    }
    let object = Object::read(Subject { key: "an asset", within: "" }, node).ok()?;
    if !matches!(object.airflow_class(), Some("AssetAlias" | "DatasetAlias")) {
        return None;
    }
    let arguments = object.arguments(&["name", "group"], &["name", "group"], problems);
    Some(name(&arguments, "name", problems))
}

/// The value of `inlets`: a list of assets. Mistakes are noted.
pub(in crate::dag::spec) fn list(subject: Subject<'_>, node: &Node, problems: &mut Problems) -> Option<Vec<Asset>> {
    let read: Vec<Option<Asset>> = listed(subject, node, problems)?.iter().map(|item| asset(item, problems)).collect();
    read.into_iter().collect()
}

fn listed<'n>(subject: Subject<'_>, node: &'n Node, problems: &mut Problems) -> Option<&'n [std::sync::Arc<Node>]> {
    let Some(items) = items(node) else {
        let problem = match node.as_map().and_then(|mapping| mapping.get("file").or_else(|| mapping.get("datasets"))) {
            Some(entry) => unsupported(
                format!("{subject} names assets of another file"),
                entry.key_place,
                "list the assets themselves: `[s3://bucket/report]`",
            ),
            None => wrong_type(subject, node, "a list of assets").help("write `[s3://bucket/report]`"),
        };
        problems.push(problem);
        return None;
    };
    Some(items)
}

/// A URI, `{name: …, uri: …, extra: {…}}`, or dag-factory's `{__type__: airflow.sdk.Asset, uri: …}`.
fn asset(node: &Node, problems: &mut Problems) -> Option<Asset> {
    match &node.value {
        Yaml::Text(text) => {
            if is_cron(text) {
                problems.push(
                    Problem::new(Code::InvalidSchedule, format!("`{text}` is no asset"), node.place, "a schedule")
                        .help("a list holds assets; several cron expressions are written `{crons: [\"0 6 * * *\", \"0 18 * * *\"]}`"),
                );
                return None;
            }
            named(None, Some(text), node, problems)
        }
        Yaml::Map(mapping) if mapping.has(values::OBJECT_KEY) => {
            let object = problems.keep(Object::read(Subject { key: "an asset", within: "" }, node))?;
            let class = object.airflow_class().unwrap_or_default();
            if !matches!(class, "Asset" | "Dataset") {
                let help = refusal(class).unwrap_or("an asset is a URI, or a mapping with `name` and `uri`");
                problems.push(unsupported(
                    format!("an object of `{}` is no asset", object.class),
                    object.class_place,
                    help,
                ));
                return None;
            }
            let known = ["name", "uri", "group", "extra", "watchers"];
            let order: &[&str] = if class == "Dataset" { &["uri", "extra"] } else { &["name", "uri"] };
            let arguments = object.arguments(order, &known, problems);
            if let Some(watchers) = arguments.iter().find(|entry| entry.key == "watchers") {
                problems.push(watched(watchers));
            }
            from_entries(&arguments, node, problems)
        }
        Yaml::Map(mapping) => {
            if let Some(watchers) = mapping.get("watchers") {
                problems.push(watched(watchers));
                return None;
            }
            known_keys(mapping, &KEYS, "an asset", problems);
            from_entries(&mapping.entries, node, problems)
        }
        _ => {
            let subject = Subject { key: "an asset", within: "" };
            problems.push(wrong_type(subject, node, "a URI, or a mapping with `name` and `uri`"));
            None
        }
    }
}

fn from_entries(entries: &[Entry], node: &Node, problems: &mut Problems) -> Option<Asset> {
    let mut text = |key: &str| {
        let entry = entries.iter().find(|entry| entry.key == key && !matches!(entry.value.value, Yaml::Null));
        match entry {
            Some(entry) => problems.keep(values::text(Subject { key, within: "an asset" }, &entry.value)).map(Some),
            None => Some(None),
        }
    };
    let (name, uri, group) = (text("name"), text("uri"), text("group"));
    let extra = match entries.iter().find(|entry| entry.key == "extra").map(|entry| &entry.value) {
        Some(node) => match &node.value {
            Yaml::Null => Map::default(),
            Yaml::Map(mapping) => mapping.to_json(),
            _ => {
                problems.push(wrong_type(Subject { key: "extra", within: "an asset" }, node, "a mapping"));
                return None;
            }
        },
        None => Map::default(),
    };
    let asset = named(name?.as_deref(), uri?.as_deref(), node, problems)?;
    let group = group?.unwrap_or_else(|| asset.group.clone());
    Some(Asset { group, extra, ..asset })
}

fn named(name: Option<&str>, uri: Option<&str>, node: &Node, problems: &mut Problems) -> Option<Asset> {
    let made = Asset::new(name, uri);
    problems
        .keep(made.map_err(|why| Problem::new(Code::InvalidValue, format!("an asset {why}"), node.place, "this asset")))
}

/// Whether somebody wanted a schedule by the clock.
fn is_cron(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('@') || Timetable::new(&Schedule::from(CronTrigger::new(text)), chrono_tz::Tz::UTC).is_ok()
}

/// Why a class that has to do with assets is not served.
fn refusal(class: &str) -> Option<&'static str> {
    Some(match class {
        "AssetAlias" | "DatasetAlias" => {
            "an alias stands among `outlets` and in a `schedule`; what is found under it is an asset, which tasks read by its URI"
        }
        "AssetWatcher" => WATCHERS,
        "AssetNameRef" | "AssetUriRef" | "AssetRef" => "name the asset itself, by its `name` or its `uri`",
        _ => return None,
    })
}

const WATCHERS: &str = "a DAG with `schedule: \"@continuous\"` and a `file_watcher`, an `sqs_sensor` or another sensor with `outlets` watches an \
                        asset, and so does a call of the REST API";

fn watched(entry: &Entry) -> Problem {
    unsupported("`watchers` of an asset are not served".to_owned(), entry.key_place, WATCHERS)
}
