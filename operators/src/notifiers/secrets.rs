//! Secrets by the names of environment variables, and how they are kept out of what people read.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::anyhow;
use scheduler::operator::{ArgumentProblem, DeliveryError};
use serde_json::{Map, Value};

use crate::process::is_private;

/// The environment variables that DAG files may name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Environment(Arc<HashMap<String, String>>);

impl Environment {
    /// Those of this process, except Updraft's own settings: a DAG file has no business with them.
    pub fn of_process() -> Environment {
        let readable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Environment::of(std::env::vars_os().filter_map(readable))
    }

    /// These.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Environment {
        Environment(Arc::new(variables.into_iter().filter(|(name, _)| !is_private(name)).collect()))
    }

    /// The value of a variable, or why there is none.
    pub(crate) fn look_up(&self, name: &str) -> Result<String, String> {
        if is_private(name) {
            return Err(format!(
                "`{name}` is a setting of Updraft, which a DAG file cannot read; put the secret into a variable of \
                 another name"
            ));
        }
        let value = self.0.get(name).cloned();
        value.ok_or_else(|| format!("the environment variable `{name}` is not set where Updraft runs"))
    }
}

/// The secrets of one attempt to deliver.
pub(super) struct Secrets<'a> {
    environment: &'a Environment,
    used: Vec<String>,
}

impl<'a> Secrets<'a> {
    pub(super) fn new(environment: &'a Environment) -> Secrets<'a> {
        Secrets { environment, used: Vec::new() }
    }

    /// The value of a variable.
    pub(super) fn get(&mut self, variable: &str) -> Result<String, DeliveryError> {
        let value = self.environment.look_up(variable).map_err(|problem| DeliveryError::fail(anyhow!(problem)))?;
        self.hide(&value);
        Ok(value)
    }

    /// From now on `value` is a secret, too.
    pub(super) fn hide(&mut self, value: &str) {
        if !value.is_empty() {
            self.used.push(value.to_owned());
        }
    }

    /// The text without any secret that was used.
    pub(super) fn mask(&self, text: &str) -> String {
        self.used.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// The error without any secret that was used.
    pub(super) fn masked(&self, mut error: DeliveryError) -> DeliveryError {
        error.error = anyhow!(self.mask(&error.to_string()));
        error
    }
}

/// The complaint when not exactly one of `names` is given.
pub(crate) fn exactly_one(args: &Map<String, Value>, names: &[&str], what: &str) -> Option<ArgumentProblem> {
    let given: Vec<&&str> =
        names.iter().filter(|name| args.get(**name).is_some_and(|value| !value.is_null())).collect();
    let help = format!("write one of {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
    match given.as_slice() {
        [_] => None,
        [] => Some(ArgumentProblem {
            pointer: String::new(),
            message: format!("it does not say {what}"),
            help: Some(help),
        }),
        [_, second, ..] => Some(ArgumentProblem {
            pointer: format!("/{second}"),
            message: format!("it says twice {what}"),
            help: Some(help),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_updraft_are_not_for_dag_files() {
        let variables = [("UPDRAFT_DATABASE_URL", "postgres://me:pw@db/x"), ("TOKEN", "t0k")];
        let environment = Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut secrets = Secrets::new(&environment);
        assert_eq!(secrets.get("TOKEN").unwrap(), "t0k");
        let refused = secrets.get("UPDRAFT_DATABASE_URL").unwrap_err();
        assert!(refused.to_string().contains("a setting of Updraft"), "{refused}");
        assert!(!refused.may_retry);
        let absent = secrets.get("TOKN").unwrap_err();
        assert_eq!(absent.to_string(), "the environment variable `TOKN` is not set where Updraft runs");
    }

    #[test]
    fn what_was_used_is_masked() {
        let environment = Environment::of([("TOKEN".to_owned(), "t0k".to_owned())]);
        let mut secrets = Secrets::new(&environment);
        secrets.get("TOKEN").unwrap();
        let masked = secrets.masked(DeliveryError::retry(anyhow!("no t0k here, t0ken")));
        assert_eq!(masked.to_string(), "no *** here, ***en");
        assert!(masked.may_retry);
    }
}
