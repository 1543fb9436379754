//! The own schema of an operator or of a notifier, fitted into the schema of DAG files: definitions renamed, templates let in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::dag::shape;
use crate::operator::{AirflowClass, ErasedOperator};

/// What the schema of DAG files takes from one operator.
pub(super) struct OperatorParts {
    pub name: &'static str,
    pub summary: &'static str,
    /// How tasks with it are written: with its own arguments, and as Airflow's classes whose arguments have other names.
    pub forms: Vec<Form>,
    /// The definitions that the arguments refer to, under names of their own.
    pub defs: Map<String, Value>,
    /// Whether the operator has no other arguments.
    pub is_closed: bool,
    airflow_classes: Vec<&'static str>,
}

/// One way to write a task with an operator.
pub(super) struct Form {
    /// The operator's name, or the class's.
    pub title: &'static str,
    pub arguments: Map<String, Value>,
    /// What must be there: of each, one of several names.
    pub required: Vec<Vec<String>>,
    /// The operator's name, when it may stand there.
    name: Option<&'static str>,
    classes: Vec<&'static str>,
}

impl OperatorParts {
    /// All of Airflow's classes for it, with or without their module.
    pub fn airflow_pattern(&self) -> Option<String> {
        airflow_pattern(&self.airflow_classes)
    }

    /// All arguments in any of its forms.
    pub fn argument_names(&self) -> impl Iterator<Item = &String> {
        self.forms.iter().flat_map(|form| form.arguments.keys())
    }
}

impl Form {
    /// The condition under which a task is written so.
    pub fn is_meant(&self) -> Value {
        let mut spellings: Vec<Value> = self.name.iter().map(|name| json!({ "const": name })).collect();
        spellings.extend(airflow_pattern(&self.classes).map(|pattern| json!({ "type": "string", "pattern": pattern })));
        json!({ "type": "object", "required": ["operator"], "properties": { "operator": { "anyOf": spellings } } })
    }

    /// The form of a class whose arguments have other names than those of `own`.
    fn of_class(class: &AirflowClass, own: &Form) -> Form {
        let as_own = |name: &str| json!({ "$ref": format!("#/$defs/task.{}/properties/{name}", own.title) });
        let mut arguments: Map<String, Value> = own.arguments.keys().map(|name| (name.clone(), as_own(name))).collect();
        for (theirs, ours) in class.renamed.iter().filter(|(_, ours)| own.arguments.contains_key(*ours)) {
            arguments.insert((*theirs).to_owned(), as_own(ours));
        }
        for theirs in &class.unneeded {
            let description = "Airflow's; what it asks for is so anyway.";
            arguments.insert((*theirs).to_owned(), json!({ "description": description }));
        }
        for (theirs, help) in &class.refused {
            let description = format!("Airflow's, and not served: {help}.");
            arguments
                .insert((*theirs).to_owned(), json!({ "enum": [null, false, "", [], {}], "description": description }));
        }
        let is_given = |name: &str| class.given.iter().any(|(given, _)| *given == name);
        let required = own.required.iter().flatten().filter(|name| !is_given(name)).map(|name| {
            let others = class.renamed.iter().filter(|(_, ours)| ours == name).map(|(theirs, _)| (*theirs).to_owned());
            std::iter::once(name.clone()).chain(others).collect()
        });
        Form { title: class.name(), arguments, required: required.collect(), name: None, classes: vec![class.path] }
    }
}

/// A string with a template in it.
pub(super) fn template() -> Value {
    json!({ "type": "string", "pattern": r"\{\{|\{%|\{#", "description": "A Jinja template." })
}

/// The name of a template file.
fn template_file(endings: &[&str]) -> Value {
    let endings: Vec<String> = endings.iter().map(|ending| ending.replace('.', r"\.")).collect();
    json!({ "type": "string", "pattern": format!("({})$", endings.join("|")), "description": "A template file." })
}

/// The names of the definitions that several schemas have, and all of them alike, down to what they refer to: one of each
/// is enough.
pub(super) fn alike<'s>(schemas: impl Iterator<Item = &'s Value>) -> BTreeSet<String> {
    let mut by_name: BTreeMap<&String, Vec<&Value>> = BTreeMap::new();
    for (name, definition) in schemas.filter_map(|schema| schema.get("$defs")?.as_object()).flatten() {
        by_name.entry(name).or_default().push(definition);
    }
    by_name.retain(|_, found| found.len() > 1 && found.iter().all(|one| one == &found[0]));
    loop {
        let is_alike = |name: &str| by_name.keys().any(|one| *one == name);
        let differing: Vec<&String> = by_name
            .iter()
            .filter(|(_, found)| references(found[0]).into_iter().any(|name| !is_alike(name)))
            .map(|(name, _)| *name)
            .collect();
        if differing.is_empty() {
            return by_name.into_keys().cloned().collect();
        }
        by_name.retain(|name, _| !differing.contains(name));
    }
}

/// The definitions that a schema refers to.
fn references(schema: &Value) -> Vec<&str> {
    match schema {
        Value::Object(entries) => {
            let own =
                entries.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix("#/$defs/"));
            own.into_iter().chain(entries.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Takes an operator's schema apart; `shared` are the definitions that need no names of its own.
pub(super) fn parts(operator: &ErasedOperator, shared: &BTreeSet<String>) -> OperatorParts {
    let Arguments { mut arguments, required, defs, is_closed } =
        arguments(operator.name, operator.schema.as_value(), shared);
    for (key, endings) in operator.template_files {
        let place = shape::at(operator.schema.as_value(), &[*key]);
        // What is only said not to be something else takes text, too.
        let takes_text =
            shape::types(&place).contains("string") || place.iter().any(|schema| schema.get("not").is_some());
        let alternatives = arguments.get_mut(*key).and_then(|argument| argument.get_mut("anyOf")?.as_array_mut());
        if let Some(alternatives) = alternatives.filter(|_| !takes_text) {
            alternatives.push(template_file(endings));
        }
    }
    let (plain, others): (Vec<&AirflowClass>, Vec<_>) =
        operator.airflow_classes.iter().partition(|class| class.is_plain());
    let own = Form {
        title: operator.name,
        arguments,
        required: required.into_iter().map(|name| vec![name]).collect(),
        name: Some(operator.name),
        classes: plain.into_iter().map(|class| class.path).collect(),
    };
    let of_classes: Vec<Form> = others.into_iter().map(|class| Form::of_class(class, &own)).collect();
    OperatorParts {
        name: operator.name,
        summary: operator.summary,
        forms: std::iter::once(own).chain(of_classes).collect(),
        defs,
        is_closed,
        airflow_classes: operator.airflow_classes.iter().map(|class| class.path).collect(),
    }
}

/// What a schema of arguments says, fitted into the schema of DAG files.
pub(super) struct Arguments {
    pub arguments: Map<String, Value>,
    pub required: Vec<String>,
    pub defs: Map<String, Value>,
    pub is_closed: bool,
}

/// Takes a schema of arguments apart; its definitions get names that begin with `prefix`, save for `shared` ones.
pub(super) fn arguments(prefix: &str, schema: &Value, shared: &BTreeSet<String>) -> Arguments {
    let fit = Fit { prefix: format!("{prefix}."), shared };
    let is_closed = shape::properties(schema).is_some();
    let mut arguments = Map::new();
    for place in shape::at(schema, &[]) {
        for (name, argument) in place.get("properties").and_then(Value::as_object).into_iter().flatten() {
            arguments.entry(name.clone()).or_insert_with(|| fit.value(argument));
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let definitions = schema.get("$defs").and_then(Value::as_object).into_iter().flatten();
    Arguments {
        arguments,
        required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
        defs: definitions.map(|(name, definition)| (fit.name(name), fit.inside(definition))).collect(),
        is_closed,
    }
}

/// Airflow's classes, with or without their module.
pub(super) fn airflow_pattern(classes: &[&str]) -> Option<String> {
    let classes: Vec<String> =
        classes.iter().map(|class| class.rsplit('.').next().unwrap_or(class).replace('.', r"\.")).collect();
    (!classes.is_empty()).then(|| format!(r"^([A-Za-z0-9_]+\.)*({})$", classes.join("|")))
}

struct Fit<'a> {
    prefix: String,
    shared: &'a BTreeSet<String>,
}

impl Fit<'_> {
    fn name(&self, definition: &str) -> String {
        if self.shared.contains(definition) { definition.to_owned() } else { format!("{}{definition}", self.prefix) }
    }

    /// The schema of a value, for which a template may stand.
    fn value(&self, schema: &Value) -> Value {
        let mut inner = self.inside(schema);
        if is_any_text(&inner) {
            return inner;
        }
        let mut outer = Map::new();
        if let Some(entries) = inner.as_object_mut() {
            for key in ["description", "default", "title"] {
                if let Some(value) = entries.shift_remove(key) {
                    outer.insert(key.to_owned(), value);
                }
            }
        }
        outer.insert("anyOf".to_owned(), json!([inner, { "$ref": "#/$defs/template" }]));
        Value::Object(outer)
    }

    /// The same schema with its references renamed and templates let in below it.
    fn inside(&self, schema: &Value) -> Value {
        let Some(entries) = schema.as_object() else { return schema.clone() };
        let fitted = entries.iter().map(|(key, value)| {
            let value = match (key.as_str(), value) {
                ("$ref", Value::String(reference)) => match reference.strip_prefix("#/$defs/") {
                    Some(name) => json!(format!("#/$defs/{}", self.name(name))),
                    None => value.clone(),
                },
                ("properties" | "patternProperties", Value::Object(inner)) => {
                    Value::Object(inner.iter().map(|(name, schema)| (name.clone(), self.value(schema))).collect())
                }
                ("items" | "additionalProperties", Value::Object(_)) => self.value(value),
                ("prefixItems", Value::Array(items)) => items.iter().map(|item| self.value(item)).collect(),
                ("anyOf" | "oneOf" | "allOf", Value::Array(items)) => {
                    items.iter().map(|item| self.inside(item)).collect()
                }
                _ => value.clone(),
            };
            (key.clone(), value)
        });
        Value::Object(fitted.collect())
    }
}

/// Whether every text fits already.
fn is_any_text(schema: &Value) -> bool {
    let Some(entries) = schema.as_object() else { return schema.as_bool() == Some(true) };
    let restrictions =
        ["enum", "const", "pattern", "format", "minLength", "maxLength", "$ref", "anyOf", "oneOf", "allOf", "not"];
    if restrictions.iter().any(|word| entries.contains_key(*word)) {
        return false;
    }
    match entries.get("type") {
        None => true,
        Some(Value::String(name)) => name == "string",
        Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
        Some(_) => false,
    }
}
