//! Assets: the data that tasks make and DAGs wait for, and what of them a DAG waits for (Airflow 3: assets).
//!
//! Pure: which assets were updated, and which were found under an alias, is somebody else's to know.
//! [`AssetExpression::is_true`] is asked with that knowledge.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The longest name or URI (Airflow 3: 1,500 characters).
const CHARACTERS_MAX: usize = 1_500;

/// What Airflow calls the group of an asset that names none.
pub const GROUP: &str = "asset";

/// A piece of data that has a name and a place. The two together say which one it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asset {
    /// What people call it; the URI when nothing else was given.
    pub name: String,
    /// Where it is; the name when nothing else was given.
    pub uri: String,
    /// What it belongs to; `asset` unless said otherwise.
    pub group: String,
    /// Anything more there is to know of it.
    pub extra: Map<String, Value>,
}

impl Asset {
    /// An asset by its name, its URI, or both. The error is to be read after "an asset".
    pub fn new(name: Option<&str>, uri: Option<&str>) -> Result<Asset, String> {
        let (name, uri) = match (name, uri) {
            (None, None) => return Err("needs a `uri` or a `name`".to_owned()),
            (Some(name), uri) => (name, uri.unwrap_or(name)),
            (None, Some(uri)) => (uri, uri),
        };
        check("name", name)?;
        check("URI", uri)?;
        Ok(Asset { name: name.to_owned(), uri: normalised(uri)?, group: GROUP.to_owned(), extra: Map::new() })
    }

    /// Whether both are the same asset; what else is known of it does not count (Airflow 3: name and URI do).
    pub fn is_same(&self, other: &Asset) -> bool {
        self.name == other.name && self.uri == other.uri
    }

    /// As DAG files write it: the bare URI where that says everything.
    pub fn document(&self) -> Value {
        let is_plain = self.name == self.uri && self.group == GROUP && self.extra.is_empty();
        if is_plain { json!(self.uri) } else { self.mapping() }
    }

    /// As DAG files write it where a bare text would mean something else.
    pub fn mapping(&self) -> Value {
        let mut entries = Map::new();
        if self.name != self.uri {
            entries.insert("name".to_owned(), json!(self.name));
        }
        entries.insert("uri".to_owned(), json!(self.uri));
        if self.group != GROUP {
            entries.insert("group".to_owned(), json!(self.group));
        }
        if !self.extra.is_empty() {
            entries.insert("extra".to_owned(), Value::Object(self.extra.clone()));
        }
        Value::Object(entries)
    }
}

fn check(what: &str, text: &str) -> Result<(), String> {
    let characters = text.chars().count();
    if text.trim().is_empty() {
        Err(format!("has an empty {what}"))
    } else if characters > CHARACTERS_MAX {
        Err(format!("has a {what} of {characters} characters, and at most {CHARACTERS_MAX} fit"))
    } else if !text.is_ascii() {
        Err(format!("has a {what} with characters that are not ASCII"))
    } else {
        Ok(())
    }
}

/// URIs that mean the same are written alike: the scheme in lower case, no slash at the end, no fragment. What is no URI
/// stays as it is.
fn normalised(uri: &str) -> Result<String, String> {
    let Some((scheme, rest)) = uri.split_once("://") else { return Ok(uri.to_owned()) };
    let scheme = scheme.to_ascii_lowercase();
    if scheme.starts_with("x-") {
        return Ok(uri.to_owned());
    }
    if scheme == "airflow" {
        return Err("has a URI that begins with `airflow://`, which Airflow keeps for itself".to_owned());
    }
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let host = place.split('/').next().unwrap_or_default();
    if host.split_once('@').is_some_and(|(user, _)| user.contains(':')) {
        return Err("has a URI with a password in it".to_owned());
    }
    let place = place.trim_end_matches('/');
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{scheme}://{place}{query}"))
}

/// Which assets must have been updated for a DAG to run.
#[derive(Clone, Debug, PartialEq)]
pub enum AssetExpression {
    /// This one.
    Asset(Asset),
    /// One of those that tasks found under this alias.
    Alias(String),
    /// All of these.
    All(Vec<AssetExpression>),
    /// One of these at least.
    Any(Vec<AssetExpression>),
}

impl AssetExpression {
    /// Whether it holds, when `is_updated` says of each asset whether it was updated since the DAG last ran for it, and
    /// `is_alias_updated` of each alias whether one of those was that were found under it.
    pub fn is_true(&self, is_updated: &impl Fn(&Asset) -> bool, is_alias_updated: &impl Fn(&str) -> bool) -> bool {
        match self {
            AssetExpression::Asset(asset) => is_updated(asset),
            AssetExpression::Alias(alias) => is_alias_updated(alias),
            AssetExpression::All(parts) => parts.iter().all(|part| part.is_true(is_updated, is_alias_updated)),
            AssetExpression::Any(parts) => parts.iter().any(|part| part.is_true(is_updated, is_alias_updated)),
        }
    }

    /// The assets in it, each once, in the order of the text.
    pub fn assets(&self) -> Vec<&Asset> {
        let mut found: Vec<&Asset> = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Asset>) {
        match self {
            AssetExpression::Asset(asset) if found.iter().any(|known| known.is_same(asset)) => (),
            AssetExpression::Asset(asset) => found.push(asset),
            AssetExpression::Alias(_) => (),
            AssetExpression::All(parts) | AssetExpression::Any(parts) => {
                for part in parts {
                    part.collect(found);
                }
            }
        }
    }

    /// The aliases in it, each once, in the order of their names.
    pub fn aliases(&self) -> BTreeSet<&str> {
        match self {
            AssetExpression::Asset(_) => BTreeSet::new(),
            AssetExpression::Alias(alias) => BTreeSet::from([alias.as_str()]),
            AssetExpression::All(parts) | AssetExpression::Any(parts) => {
                parts.iter().flat_map(AssetExpression::aliases).collect()
            }
        }
    }

    /// The expression in words: `a and (b or c)`, by the names of the assets.
    pub fn in_words(&self) -> String {
        match self {
            AssetExpression::Asset(asset) => asset.name.clone(),
            AssetExpression::Alias(alias) => format!("alias {alias}"),
            AssetExpression::All(parts) => joined(parts, " and "),
            AssetExpression::Any(parts) => joined(parts, " or "),
        }
    }

    /// As DAG files write it.
    pub fn document(&self) -> Value {
        let list = |parts: &[AssetExpression]| Value::Array(parts.iter().map(AssetExpression::document).collect());
        match self {
            AssetExpression::Asset(asset) => asset.document(),
            AssetExpression::Alias(alias) => json!({ "alias": alias }),
            AssetExpression::All(parts) => json!({ "all": list(parts) }),
            AssetExpression::Any(parts) => json!({ "any": list(parts) }),
        }
    }
}

fn joined(parts: &[AssetExpression], word: &str) -> String {
    let words: Vec<String> = parts
        .iter()
        .map(|part| match part {
            AssetExpression::All(inner) | AssetExpression::Any(inner) if inner.len() > 1 && parts.len() > 1 => {
                format!("({})", part.in_words())
            }
            _ => part.in_words(),
        })
        .collect();
    words.join(word)
}
