//! Template files: arguments that are the name of a file, whose text stands for them (Airflow 3: `template_ext`).
//!
//! A text that ends as such names do names a file, whatever else is in it; one space behind it says that it is meant as it
//! stands, as in Airflow. Where the text holds a template, or has several lines, it is no name either.

use serde_json::{Map, Value};

use super::check::{check_in_mapped, holds_template};
use super::environment::environment;
use super::{Mistake, TemplateProblem, fault};
use crate::operator::ErasedOperator;

/// An argument that names a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The argument, as a JSON pointer below the task (`/sql`, `/sql/1`).
    pub pointer: String,
    /// The name, as it is written.
    pub name: String,
    /// How it ends.
    pub ending: &'static str,
}

/// A file that was read for an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileText {
    /// Whose argument it is, and what it is called.
    pub file: NamedFile,
    /// What is in it.
    pub text: String,
}

/// The arguments of an operator that name files.
pub fn named_files(operator: &ErasedOperator, args: &Map<String, Value>) -> Vec<NamedFile> {
    let mut files = Vec::new();
    for (key, endings) in operator.template_files {
        let mut look = |pointer: String, value: &Value| {
            let Some(name) = value.as_str().filter(|text| !holds_template(text) && !text.contains('\n')) else {
                return;
            };
            if let Some(ending) = endings.iter().copied().find(|ending| name.ends_with(*ending)) {
                files.push(NamedFile { pointer, name: name.to_owned(), ending });
            }
        };
        match args.get(*key) {
            Some(Value::Array(items)) => {
                items.iter().enumerate().for_each(|(at, item)| look(format!("/{key}/{at}"), item));
            }
            Some(value) => look(format!("/{key}"), value),
            None => (),
        }
    }
    files
}

/// Why no file of that name can be there: it would be outside of the folders in which it is looked for.
pub fn leads_away(name: &str) -> Option<String> {
    name.split(['/', '\\'])
        .any(|part| part == "..")
        .then(|| format!("`{name}` leads away from the DAG file; files of a DAG are beside it, or in a folder there"))
}

/// What is wrong with the templates of a file, as far as that can be told before there is a run.
pub fn check_file(file: &FileText) -> Vec<TemplateProblem> {
    if !is_template(&file.text) {
        return Vec::new();
    }
    let told = |mistake: Mistake| {
        let (line, column) = fault::position(&file.text, mistake.range.start);
        TemplateProblem {
            pointer: file.file.pointer.clone(),
            file: Some(file.file.name.clone()),
            message: mistake.message,
            line,
            column,
            help: mistake.help,
        }
    };
    // Tasks of either kind may use it.
    check_in_mapped(&file.text).into_iter().map(told).collect()
}

/// Whether the text of a file holds anything to fill in. Arrays of Postgres (`'{{1,2},{3,4}}'`) are nothing of the kind:
/// what only begins like a template uses no name, or cannot be read.
pub(super) fn is_template(text: &str) -> bool {
    if !holds_template(text) {
        return false;
    }
    let begins_name = |rest: &str| rest.trim_start_matches(['-', '+', ' ']).starts_with(char::is_alphabetic);
    if text.contains("{%") || text.contains("{#") || text.split("{{").skip(1).any(begins_name) {
        return true;
    }
    let template = environment().template_from_str(text);
    template.is_ok_and(|template| !template.undeclared_variables(false).is_empty())
}

/// The text as Jinja has it: the line break at its end is not part of it.
pub(super) fn without_last_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
