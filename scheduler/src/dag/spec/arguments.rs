//! The arguments of an operator or of a notifier against it: the JSON Schema, its own check, and the templates in them.

use std::collections::HashMap;
use std::sync::Arc;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use super::collect::{PROBLEMS_MAX, Problems};
use super::node::{Mapping, Node, Yaml, place_at};
use super::problem::{Code, Problem};
use super::read_task::TaskReader;
use super::source::Place;
use super::suggest::did_you_mean;
use super::template_files::FileMention;
use crate::dag::template::Mistake;
use crate::dag::{shape, template};
use crate::operator::{ArgumentProblem, ErasedNotifier, ErasedOperator};

/// The compiled schemas of the operators and notifiers that a file uses.
#[derive(Default)]
pub(super) struct OperatorSchemas {
    operators: HashMap<&'static str, Arc<OperatorSchema>>,
    notifiers: HashMap<&'static str, Arc<OperatorSchema>>,
}

/// The compiled schema of one operator or notifier.
pub(super) struct OperatorSchema {
    /// `None` when the schema cannot be compiled; then the operator's own reading of its arguments must do.
    validator: Option<Validator>,
    /// The names of the arguments; `None` when any goes.
    names: Option<Vec<String>>,
}

impl OperatorSchemas {
    pub fn of(&mut self, operator: &ErasedOperator) -> Arc<OperatorSchema> {
        let compile = || OperatorSchema::compile(operator.schema.as_value());
        Arc::clone(self.operators.entry(operator.name).or_insert_with(compile))
    }

    pub fn of_notifier(&mut self, notifier: &ErasedNotifier) -> Arc<OperatorSchema> {
        let compile = || OperatorSchema::compile(notifier.schema.as_value());
        Arc::clone(self.notifiers.entry(notifier.name).or_insert_with(compile))
    }
}

impl OperatorSchema {
    fn compile(schema: &Value) -> Arc<OperatorSchema> {
        let names = shape::properties(schema).map(|names| names.into_iter().map(str::to_owned).collect());
        Arc::new(OperatorSchema { validator: jsonschema::draft202012::new(schema).ok(), names })
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|known| known == name))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().flatten().map(String::as_str)
    }
}

/// Checks the arguments of one task, those that come from `default_args` included.
pub(super) fn check(
    reader: &mut TaskReader<'_>,
    operator: &ErasedOperator,
    operator_place: Place,
    arguments: &Mapping,
    problems: &mut Problems,
) {
    let owner = format!("operator `{}`", operator.name);
    let schema = operator.schema.as_value();
    let at = Arguments { owner, schema, owner_place: operator_place, arguments };
    let compiled = reader.schemas.of(operator);
    let mut args = arguments.to_json();
    let files = template::named_files(operator, &args);
    for file in files {
        if let Some(message) = template::leads_away(&file.name) {
            let message = format!("{}: {message}", at.subject(&file.pointer));
            let problem = Problem::new(Code::InvalidArgument, message, at.place(&file.pointer), "here");
            let help =
                format!("a text that ends in `{}` is the name of a file, unless a space is behind it", file.ending);
            problems.push(problem.help(help));
        }
        // What is in the file is as little known yet as what a template makes.
        if let Some(argument) = value_at(&mut args, &file.pointer) {
            *argument = UNKNOWN.into();
        }
        let mention = FileMention { place: at.place(&file.pointer), subject: at.subject(&file.pointer), file };
        if !reader.files.iter().any(|known| known.place == mention.place) {
            reader.files.push(mention);
        }
    }
    at.check(reader.source, reader.template_check, &compiled, args, |args| operator.check(args), problems);
}

/// Stands for what is not known before a task runs: a template, which every check lets pass.
pub(super) const UNKNOWN: &str = "{{ mapped }}";

/// The value at a JSON pointer into arguments.
fn value_at<'v>(args: &'v mut Map<String, Value>, pointer: &str) -> Option<&'v mut Value> {
    let mut parts = pointer.split('/').skip(1);
    let value = args.get_mut(parts.next()?)?;
    match parts.next() {
        None => Some(value),
        Some(at) => value.get_mut(at.parse::<usize>().ok()?),
    }
}

/// Checks the arguments of a notifier in a callback.
pub(super) fn check_notifier(
    schemas: &mut OperatorSchemas,
    source: &str,
    notifier: &ErasedNotifier,
    notifier_place: Place,
    arguments: &Mapping,
    problems: &mut Problems,
) {
    let owner = format!("notifier `{}`", notifier.name);
    let schema = notifier.schema.as_value();
    let at = Arguments { owner, schema, owner_place: notifier_place, arguments };
    let compiled = schemas.of_notifier(notifier);
    let args = arguments.to_json();
    at.check(source, template::check_in_callback, &compiled, args, |args| notifier.check(args), problems);
}

/// Checks what can be checked of arguments whatever their operator is.
pub(super) fn check_templates(reader: &TaskReader<'_>, arguments: &Mapping, problems: &mut Problems) {
    for entry in &arguments.entries {
        check_strings(reader.source, reader.template_check, &entry.key, &entry.value, problems);
    }
}

/// Checks the template under one key of a task, if there is one; it may use the names of mapped tasks.
pub(super) fn check_template_of(key: &str, task: &Mapping, source: &str, problems: &mut Problems) {
    if let Some(entry) = task.get(key) {
        check_strings(source, template::check_in_mapped, key, &entry.value, problems);
    }
}

/// Finds what is wrong with a template, given the names that it may use.
pub(super) type TemplateCheck = fn(&str) -> Vec<Mistake>;

struct Arguments<'a> {
    /// Whose arguments they are: "operator `bash`".
    owner: String,
    schema: &'a Value,
    owner_place: Place,
    arguments: &'a Mapping,
}

impl Arguments<'_> {
    fn check(
        &self,
        source: &str,
        template: TemplateCheck,
        compiled: &OperatorSchema,
        args: Map<String, Value>,
        own_check: impl Fn(&Map<String, Value>) -> Vec<ArgumentProblem>,
        problems: &mut Problems,
    ) {
        let before = problems.list.len();
        for entry in &self.arguments.entries {
            check_strings(source, template, &entry.key, &entry.value, problems);
        }
        let instance = Value::Object(args);
        if let Some(validator) = &compiled.validator {
            for error in validator.iter_errors(&instance) {
                self.report(&error, problems);
            }
        }
        // The owner may take for granted what its schema promises.
        if problems.list.len() > before {
            return;
        }
        let Value::Object(args) = &instance else { return };
        for complaint in own_check(args) {
            let subject = self.subject(&complaint.pointer);
            let message = format!("{subject}: {}", complaint.message);
            let problem = Problem::new(Code::InvalidArgument, message, self.place(&complaint.pointer), "here");
            problems.push(problem.maybe_help(complaint.help));
        }
    }

    fn subject(&self, pointer: &str) -> String {
        match pointer.trim_start_matches('/').replace('/', ".").as_str() {
            "" => self.owner.clone(),
            path => format!("argument `{path}` of {}", self.owner),
        }
    }

    fn place(&self, pointer: &str) -> Place {
        place_at(self.arguments, pointer, false).unwrap_or(self.owner_place)
    }

    /// Words one complaint of the schema, unless a template stands where the value will be.
    fn report(&self, error: &ValidationError<'_>, problems: &mut Problems) {
        if will_be_rendered(error) {
            return;
        }
        let pointer = error.instance_path().as_str();
        match error.kind() {
            ValidationErrorKind::Required { property } => self.missing(pointer, property, problems),
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                for name in unexpected.iter().take(PROBLEMS_MAX + 1) {
                    self.stranger(pointer, name, problems);
                }
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                match closest_branch(context, error.instance()) {
                    Some(branch) => branch.iter().for_each(|error| self.report(error, problems)),
                    None => match Alternatives::of(context, error.instance()) {
                        Alternatives { choices, .. } if !choices.is_empty() => {
                            self.not_chosen(error, &choices, problems);
                        }
                        Alternatives { kinds, .. } if !kinds.is_empty() => {
                            self.of_wrong_kind(error, &kinds.join(" or "), problems);
                        }
                        Alternatives { .. } => self.other(error, problems),
                    },
                }
            }
            ValidationErrorKind::Type { kind } => self.of_wrong_kind(error, &wanted(kind), problems),
            ValidationErrorKind::Enum { options } => {
                let known: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                self.not_chosen(error, &known, problems);
            }
            ValidationErrorKind::MinProperties { .. } => {
                let message = format!("{} needs one of {}", self.subject(pointer), self.keys_in_words(pointer));
                problems.push(Problem::new(Code::MissingArgument, message, self.place(pointer), "here"));
            }
            ValidationErrorKind::MaxProperties { limit: 1 } => {
                // Its values are not shown: there may be a secret among them.
                let written: Vec<String> = error.instance().as_object().into_iter().flatten().map(in_quotes).collect();
                let message = format!("{} takes one of {}", self.subject(pointer), written.join(" and "));
                problems.push(Problem::new(Code::InvalidArgument, message, self.place(pointer), "one too many"));
            }
            _ => self.other(error, problems),
        }
    }

    fn of_wrong_kind(&self, error: &ValidationError<'_>, wanted: &str, problems: &mut Problems) {
        let (pointer, got) = (error.instance_path().as_str(), said(error.instance()));
        let message = format!("{} must be {wanted}, and is {got}", self.subject(pointer));
        problems.push(Problem::new(Code::InvalidArgument, message, self.place(pointer), got));
    }

    fn not_chosen(&self, error: &ValidationError<'_>, known: &[&str], problems: &mut Problems) {
        let pointer = error.instance_path().as_str();
        let message = format!("{} cannot be {}", self.subject(pointer), error.instance());
        let problem = Problem::new(Code::InvalidArgument, message, self.place(pointer), "not one of the choices");
        let choices = (!known.is_empty()).then(|| format!("the choices are {}", known.join(", ")));
        let near = error.instance().as_str().and_then(|word| did_you_mean(word, known.iter().copied()));
        problems.push(problem.maybe_help(choices).maybe_help(near));
    }

    fn keys_in_words(&self, pointer: &str) -> String {
        self.known_keys(pointer).into_iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
    }

    fn missing(&self, pointer: &str, property: &Value, problems: &mut Problems) {
        let name = property.as_str().unwrap_or_default();
        let message = format!("{} needs `{name}`", self.subject(pointer));
        let label = format!("`{name}` is missing");
        problems.push(Problem::new(Code::MissingArgument, message, self.place(pointer), label));
    }

    fn stranger(&self, pointer: &str, name: &str, problems: &mut Problems) {
        let inner = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        let place = place_at(self.arguments, &inner, true).unwrap_or(self.owner_place);
        let message = format!("{} has no key `{name}`", self.subject(pointer));
        let known = self.known_keys(pointer);
        let problem = Problem::new(Code::UnknownArgument, message, place, "unknown key");
        problems.push(problem.maybe_help(did_you_mean(name, known.iter().copied())));
    }

    /// The keys that the schema knows at a place.
    fn known_keys(&self, pointer: &str) -> Vec<&str> {
        let path: Vec<&str> = pointer.split('/').skip(1).collect();
        shape::at(self.schema, &path)
            .into_iter()
            .filter_map(|schema| schema.get("properties").and_then(Value::as_object))
            .flat_map(|properties| properties.keys().map(String::as_str))
            .collect()
    }

    fn other(&self, error: &ValidationError<'_>, problems: &mut Problems) {
        let pointer = error.instance_path().as_str();
        let message = format!("{} does not fit: {error}", self.subject(pointer));
        problems.push(Problem::new(Code::InvalidArgument, message, self.place(pointer), "does not fit"));
    }
}

/// Whether the complaint is about a string that a template will replace by something else.
fn will_be_rendered(error: &ValidationError<'_>) -> bool {
    if error.instance().as_str().is_some_and(template::holds_template) {
        return true;
    }
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context.iter().any(|branch| branch.iter().all(will_be_rendered))
        }
        _ => false,
    }
}

fn in_quotes((key, _): (&String, &Value)) -> String {
    format!("`{key}`")
}

/// What a value could have been where none of the alternatives is meant more than the others.
#[derive(Default)]
struct Alternatives<'a> {
    /// Words, when it is a text.
    choices: Vec<&'a str>,
    /// Kinds of values, when it is of none of them.
    kinds: Vec<String>,
}

impl<'a> Alternatives<'a> {
    fn of(context: &'a [Vec<ValidationError<'static>>], instance: &Value) -> Alternatives<'a> {
        let mut all = Alternatives::default();
        for error in context.iter().flatten().filter(|error| error.instance().as_ref() == instance) {
            match error.kind() {
                ValidationErrorKind::Constant { expected_value } => all.choices.extend(expected_value.as_str()),
                ValidationErrorKind::Enum { options } => {
                    all.choices.extend(options.as_array().into_iter().flatten().filter_map(Value::as_str));
                }
                ValidationErrorKind::Type { kind } => {
                    let wanted = wanted(kind);
                    if wanted != NOTHING && !all.kinds.contains(&wanted) {
                        all.kinds.push(wanted);
                    }
                }
                ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                    let inner = Alternatives::of(context, instance);
                    all.choices.extend(inner.choices);
                    all.kinds.extend(inner.kinds);
                }
                _ => {}
            }
        }
        if !instance.is_string() {
            all.choices.clear();
        }
        all
    }
}

/// Of several alternatives, the one that was most likely meant: it gets furthest into the value, with the fewest faults.
fn closest_branch<'a>(
    context: &'a [Vec<ValidationError<'static>>],
    instance: &Value,
) -> Option<&'a [ValidationError<'static>]> {
    let right_type = |branch: &&Vec<ValidationError<'static>>| {
        !branch.iter().any(|error| {
            matches!(error.kind(), ValidationErrorKind::Type { .. } | ValidationErrorKind::Constant { .. })
                && error.instance().as_ref() == instance
        })
    };
    let depth = |branch: &Vec<ValidationError<'static>>| {
        branch.iter().map(|error| error.instance_path().as_str().matches('/').count()).max().unwrap_or_default()
    };
    context
        .iter()
        .filter(|branch| !branch.is_empty())
        .filter(right_type)
        .max_by_key(|branch| (depth(branch), std::cmp::Reverse(branch.len())))
        .map(Vec::as_slice)
}

/// What `null` is called.
const NOTHING: &str = "nothing";

fn wanted(kind: &TypeKind) -> String {
    let word = |name: &str| match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        _ => NOTHING,
    };
    match kind {
        TypeKind::Single(name) => word(name.as_str()).to_owned(),
        TypeKind::Multiple(names) => {
            let words: Vec<&str> =
                names.iter().map(|name| word(name.as_str())).filter(|word| *word != NOTHING).collect();
            words.join(" or ")
        }
    }
}

fn said(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// Templates that do not parse, and notations of dag-factory that would make Python objects.
fn check_strings(source: &str, check: TemplateCheck, argument: &str, node: &Node, problems: &mut Problems) {
    match &node.value {
        Yaml::Text(text) if template::holds_template(text) => {
            for mistake in check(text) {
                let place = within_scalar(source, node.place, text, mistake.range.clone());
                let message = format!("the template in `{argument}` cannot be used: {}", mistake.message);
                problems.push(Problem::new(Code::Template, message, place, "here").maybe_help(mistake.help));
            }
        }
        Yaml::List(items) => items.iter().for_each(|item| check_strings(source, check, argument, item, problems)),
        Yaml::Map(mapping) => {
            for entry in &mapping.entries {
                if matches!(entry.key.as_str(), "__type__" | "__args__" | "__join__" | "__and__" | "__or__") {
                    let message = format!("`{}` in `{argument}` is not served", entry.key);
                    problems.push(
                        Problem::new(Code::Unsupported, message, entry.key_place, "not served")
                            .help("arguments are plain values; there are no Python objects behind them"),
                    );
                }
                check_strings(source, check, argument, &entry.value, problems);
            }
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => (),
    }
}

/// Where a stretch of a scalar's value stands in the file, through quotes, escapes and indentation.
///
/// The words themselves are looked for; where escapes keep them from being found, the whole scalar is the answer.
fn within_scalar(source: &str, scalar: Place, value: &str, range: std::ops::Range<usize>) -> Place {
    let raw = source.get(scalar.start..scalar.end).unwrap_or_default();
    let start = range.start.min(value.len());
    let rest = value.get(start..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let wanted = rest.get(..range.end.saturating_sub(start)).filter(|text| !text.contains('\n')).unwrap_or(line);
    let wanted = if wanted.trim().is_empty() { line } else { wanted };
    if wanted.trim().is_empty() {
        return scalar;
    }
    let skipped = value.get(..start).unwrap_or_default().matches(wanted).count();
    match raw.match_indices(wanted).nth(skipped) {
        Some((offset, found)) => Place { start: scalar.start + offset, end: scalar.start + offset + found.len() },
        None => scalar,
    }
}
