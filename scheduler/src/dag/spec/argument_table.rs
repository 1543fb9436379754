//! The table of an operator's arguments in the documentation, made from the JSON Schema that the loader checks them by.

use std::fmt::Write;

use serde_json::Value;

use crate::dag::shape;
use crate::operator::ErasedOperator;

/// The arguments of an operator as a table in Markdown: in their order, what they hold, their defaults, and what they mean.
pub fn argument_table(operator: &ErasedOperator) -> String {
    let schema = operator.schema.as_value();
    let is_required = |name: &str| {
        let required = schema.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|one| one == name))
    };
    if shape::properties(schema).is_some_and(|names| names.is_empty()) {
        return "It takes no arguments of its own.\n".to_owned();
    }
    let mut out = String::from("| key | holds | default | meaning |\n|---|---|---|---|\n");
    for place in shape::at(schema, &[]) {
        for (name, argument) in place.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let default = match argument.get("default") {
                _ if is_required(name) => "required".to_owned(),
                None | Some(Value::Null) => "–".to_owned(),
                Some(Value::Array(items)) if items.is_empty() => "–".to_owned(),
                Some(Value::Object(entries)) if entries.is_empty() => "–".to_owned(),
                Some(Value::String(text)) => format!("`{text}`"),
                Some(other) => format!("`{other}`"),
            };
            // Writing into a string cannot fail.
            let _ = writeln!(
                out,
                "| `{name}` | {} | {} | {} |",
                cell(&holds(schema, argument)),
                cell(&default),
                cell(&meaning(schema, argument))
            );
        }
    }
    out
}

/// What stands in one cell: in one line, its bars no ends of it.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// What an argument means, and what each of the words means that it may be.
fn meaning(root: &Value, argument: &Value) -> String {
    let said = argument.get("description").and_then(Value::as_str).unwrap_or_default();
    let words = places(root, argument)
        .into_iter()
        .filter_map(|place| Some((place.get("const")?.as_str()?, place.get("description")?.as_str()?)))
        .map(|(word, meaning)| format!(" `{word}`: {}", uncapitalised(meaning)));
    words.fold(said.to_owned(), |all, word| all + &word)
}

/// `They stay.` after `append:`.
fn uncapitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    let Some(first) = characters.next() else { return String::new() };
    // `UTF-8`, `NULL` and `JSON` stay as they are.
    if characters.clone().next().is_some_and(char::is_uppercase) {
        return sentence.to_owned();
    }
    first.to_lowercase().chain(characters).collect()
}

/// What an argument holds, in words: `text or a list`.
fn holds(root: &Value, argument: &Value) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for place in places(root, argument) {
        for kind in kinds_of(place) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    match kinds.as_slice() {
        [] => "anything".to_owned(),
        [kind] => kind.clone(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// The alternatives of a schema, each resolved; where one has a name for people, that stands for all below it.
fn places<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    if schema.get("title").is_some() {
        return vec![schema];
    }
    let referred = schema.get("$ref").and_then(Value::as_str).and_then(|reference| {
        let definition = root.pointer(reference.strip_prefix('#')?)?;
        Some(places(root, definition))
    });
    let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|word| schema.get(word)?.as_array()).flatten();
    let below = referred.into_iter().flatten().chain(alternatives.flat_map(|schema| places(root, schema)));
    let below: Vec<&Value> = below.collect();
    if below.is_empty() { vec![schema] } else { below }
}

fn kinds_of(schema: &Value) -> Vec<String> {
    if let Some(title) = schema.get("title").and_then(Value::as_str) {
        return vec![title.to_owned()];
    }
    let constant = schema.get("const").into_iter();
    let words: Vec<&str> = constant
        .chain(schema.get("enum").and_then(Value::as_array).into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    if !words.is_empty() {
        return words.into_iter().map(|word| format!("`{word}`")).collect();
    }
    shape::types(&[schema])
        .into_iter()
        .filter_map(|name| {
            Some(match name {
                "string" => "text",
                "integer" => "whole number",
                "number" => "number",
                "boolean" => "true or false",
                "array" => "list",
                "object" => "mapping",
                _ => return None,
            })
        })
        .map(str::to_owned)
        .collect()
}
