//! The corners of Python that Airflow's templates lean on: how values are written, and the methods of text and mappings.

use minijinja::value::{Rest, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};

use super::instant::invalid;

/// Levels of lists and mappings that are written out.
const DEPTH_MAX: usize = 32;

/// A value as `str()` writes it: `True`, `None`, `['a', 'b']`.
pub(super) fn to_text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => repr(value, 0),
    }
}

fn repr(value: &Value, depth: usize) -> String {
    if depth > DEPTH_MAX {
        return "...".to_owned();
    }
    match value.kind() {
        ValueKind::None => "None".to_owned(),
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.to_owned(),
        ValueKind::String => quoted(value.as_str().unwrap_or_default()),
        ValueKind::Seq => {
            let items: Vec<String> =
                value.try_iter().into_iter().flatten().map(|item| repr(&item, depth + 1)).collect();
            format!("[{}]", items.join(", "))
        }
        ValueKind::Map => {
            let pair = |key: Value| {
                let item = value.get_item(&key).unwrap_or_default();
                format!("{}: {}", repr(&key, depth + 1), repr(&item, depth + 1))
            };
            let items: Vec<String> = value.try_iter().into_iter().flatten().map(pair).collect();
            format!("{{{}}}", items.join(", "))
        }
        _ => value.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// The methods of Python's text, mappings and lists that people use in templates.
pub(super) fn call_method(_: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => text_method(value.as_str().unwrap_or_default(), method, args),
        ValueKind::Map => map_method(value, method, args),
        ValueKind::Seq => list_method(value, method, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn text_method(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let set = |args: &[Value]| from_args::<(Option<String>,)>(args).map(|(set,)| set);
    let within = |set: Option<String>| move |c: char| set.as_ref().map_or(c.is_whitespace(), |set| set.contains(c));
    Ok(match method {
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "strip" => Value::from(text.trim_matches(within(set(args)?))),
        "lstrip" => Value::from(text.trim_start_matches(within(set(args)?))),
        "rstrip" => Value::from(text.trim_end_matches(within(set(args)?))),
        "title" => Value::from(title(text)),
        "capitalize" => {
            let mut letters = text.chars();
            let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
            Value::from(first + &letters.as_str().to_lowercase())
        }
        "startswith" => Value::from(text.starts_with(from_args::<(&str,)>(args)?.0)),
        "endswith" => Value::from(text.ends_with(from_args::<(&str,)>(args)?.0)),
        "replace" => {
            let (from, to): (&str, &str) = from_args(args)?;
            let grown = text.len().saturating_mul(to.len().max(1));
            if grown > 16 * 1024 * 1024 {
                return Err(invalid("the text is too long".to_owned()));
            }
            Value::from(text.replace(from, to))
        }
        "split" => match set(args)? {
            Some(separator) if separator.is_empty() => return Err(invalid("an empty separator".to_owned())),
            Some(separator) => Value::from(text.split(&separator).map(Value::from).collect::<Vec<_>>()),
            None => Value::from(text.split_whitespace().map(Value::from).collect::<Vec<_>>()),
        },
        "splitlines" => Value::from(text.lines().map(Value::from).collect::<Vec<_>>()),
        "join" => {
            let (items,): (Value,) = from_args(args)?;
            let words: Vec<String> = items.try_iter()?.map(|item| to_text(&item)).collect();
            Value::from(words.join(text))
        }
        "count" => Value::from(text.matches(from_args::<(&str,)>(args)?.0).count()),
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let missing = width.min(1024).saturating_sub(text.chars().count());
            Value::from("0".repeat(missing) + text)
        }
        "isdigit" => Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

fn title(text: &str) -> String {
    let mut after_letter = false;
    text.chars()
        .flat_map(|c| {
            let cased: Vec<char> = if after_letter { c.to_lowercase().collect() } else { c.to_uppercase().collect() };
            after_letter = c.is_alphabetic();
            cased
        })
        .collect()
}

fn map_method(map: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let keys = || map.try_iter().map(Iterator::collect::<Vec<Value>>);
    Ok(match method {
        "get" => {
            let (key, default): (Value, Option<Value>) = from_args(args)?;
            let found = map.get_item(&key)?;
            if found.is_undefined() { default.unwrap_or_else(|| Value::from(())) } else { found }
        }
        "keys" => Value::from(keys()?),
        "values" => Value::from(keys()?.iter().map(|key| map.get_item(key)).collect::<Result<Vec<_>, _>>()?),
        "items" => {
            let pair = |key: Value| map.get_item(&key).map(|value| Value::from(vec![key, value]));
            Value::from(keys()?.into_iter().map(pair).collect::<Result<Vec<_>, _>>()?)
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

fn list_method(list: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (wanted,): (Rest<Value>,) = from_args(args)?;
    let mut items = list.try_iter()?;
    match (method, wanted.first()) {
        ("index", Some(wanted)) => items
            .position(|item| item == *wanted)
            .map(Value::from)
            .ok_or_else(|| invalid(format!("`{wanted}` is not in the list"))),
        ("count", Some(wanted)) => Ok(Value::from(items.filter(|item| item == wanted).count())),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}
