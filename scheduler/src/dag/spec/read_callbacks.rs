//! Callbacks: `on_failure_callback: {slack: {…}}`, lists of them, Airflow's notifiers by their class, and Airflow's e-mail
//! keys, which are short for callbacks.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::arguments::{self, OperatorSchemas};
use super::collect::{Problems, Subject, wrong_type};
use super::node::{Entry, Mapping, Node, Yaml};
use super::problem::{Code, Problem};
use super::source::Place;
use super::suggest::did_you_mean;
use super::values;
use crate::dag::Task;
use crate::dag::callback::{Callback, TaskCallbacks};
use crate::operator::{ErasedNotifier, Registry};

/// The key with which dag-factory names the Python code to call; the other keys are its arguments.
const CLASS_KEY: &str = "callback";

/// The notifier behind Airflow's e-mail keys.
const MAILER: &str = "email";

/// Reads callbacks.
pub(super) struct CallbackReader<'a> {
    pub registry: &'a Registry,
    pub schemas: &'a mut OperatorSchemas,
    pub source: &'a str,
}

impl CallbackReader<'_> {
    /// One callback, or a list of them.
    pub fn several(&mut self, subject: Subject<'_>, node: &Node, problems: &mut Problems) -> Vec<Callback> {
        match &node.value {
            Yaml::Null => Vec::new(),
            Yaml::List(items) => items.iter().filter_map(|item| self.one(subject, item, problems)).collect(),
            _ => self.one(subject, node, problems).into_iter().collect(),
        }
    }

    /// One callback.
    pub fn one(&mut self, subject: Subject<'_>, node: &Node, problems: &mut Problems) -> Option<Callback> {
        match &node.value {
            Yaml::Text(path) => {
                problems.push(self.python(subject, path, node.place));
                None
            }
            Yaml::Map(mapping) => match mapping.get(CLASS_KEY) {
                Some(class) => self.by_class(subject, class, mapping, problems),
                None => self.by_name(subject, mapping, node, problems),
            },
            _ => {
                let wanted = "a callback, such as `{slack: {url_env: SLACK_WEBHOOK_URL}}`";
                problems.push(wrong_type(subject, node, wanted).help(self.help()));
                None
            }
        }
    }

    /// `{slack: {…}}`.
    fn by_name(
        &mut self,
        subject: Subject<'_>,
        mapping: &Mapping,
        node: &Node,
        problems: &mut Problems,
    ) -> Option<Callback> {
        let [entry] = mapping.entries.as_slice() else {
            let message = format!("{subject} must have one notifier, and has {}", mapping.entries.len());
            let problem = Problem::new(Code::InvalidValue, message, node.place, "not one notifier");
            problems.push(problem.help("write a list of callbacks, each with one notifier"));
            return None;
        };
        let Some(notifier) = self.registry.notifier(&entry.key) else {
            let message = format!("there is no notifier `{}`", entry.key);
            let known = self.registry.notifiers().map(|notifier| notifier.name);
            let near = did_you_mean(&entry.key, known);
            let problem = Problem::new(Code::InvalidValue, message, entry.key_place, "unknown notifier");
            problems.push(problem.help(self.help()).maybe_help(near));
            return None;
        };
        let arguments = match (&entry.value.value, notifier.plain) {
            (Yaml::Map(arguments), _) => arguments.clone(),
            (Yaml::Null, _) => Mapping::default(),
            (_, Some(plain)) => Mapping { entries: vec![Entry { key: plain.to_owned(), ..entry.clone() }] },
            (_, None) => {
                let subject = Subject { key: &entry.key, within: "a callback" };
                problems.push(wrong_type(subject, &entry.value, "a mapping with its arguments"));
                return None;
            }
        };
        Some(self.checked(&notifier.clone(), entry.key_place, &arguments, problems))
    }

    /// `{callback: airflow.providers.smtp.notifications.smtp.SmtpNotifier, to: …}`.
    fn by_class(
        &mut self,
        subject: Subject<'_>,
        class: &Entry,
        mapping: &Mapping,
        problems: &mut Problems,
    ) -> Option<Callback> {
        let path = problems.keep(values::text(Subject { key: CLASS_KEY, ..subject }, &class.value))?;
        let Some(notifier) = self.registry.notifier_of_class(&path).cloned() else {
            problems.push(self.python(subject, &path, class.value.place));
            return None;
        };
        let mut arguments = Mapping::default();
        for entry in mapping.entries.iter().filter(|entry| entry.key != CLASS_KEY) {
            match notifier.not_served.iter().find(|(name, _)| *name == entry.key) {
                Some(_) if matches!(entry.value.value, Yaml::Null) => (),
                Some((name, instead)) => {
                    let message = format!("`{name}` of `{path}` is not served by Updraft");
                    let problem = Problem::new(Code::Unsupported, message, entry.key_place, "not served");
                    problems.push(problem.help(*instead));
                }
                None => arguments.entries.push(entry.clone()),
            }
        }
        Some(self.checked(&notifier, class.value.place, &arguments, problems))
    }

    fn checked(
        &mut self,
        notifier: &ErasedNotifier,
        place: Place,
        arguments: &Mapping,
        problems: &mut Problems,
    ) -> Callback {
        arguments::check_notifier(self.schemas, self.source, notifier, place, arguments, problems);
        Callback { notifier: notifier.name.to_owned(), args: arguments.to_json() }
    }

    /// An import path, which only Python could follow.
    fn python(&self, subject: Subject<'_>, path: &str, place: Place) -> Problem {
        if let Some(notifier) = self.registry.notifier(path) {
            let message = format!("{subject} names the notifier `{path}` without its arguments");
            return Problem::new(Code::WrongType, message, place, "a word alone")
                .help(format!("write `{{{}: {{…}}}}`", notifier.name));
        }
        let message = format!("{subject} is the Python code `{path}`, which Updraft cannot call");
        Problem::new(Code::Unsupported, message, place, "not served").help(self.help())
    }

    fn help(&self) -> String {
        let names: Vec<String> = self.registry.notifiers().map(|notifier| format!("`{}`", notifier.name)).collect();
        match names.as_slice() {
            [] => "this Updraft has no notifiers".to_owned(),
            names => format!("the notifiers are {}; write for example `{{webhook: {{url: …}}}}`", names.join(", ")),
        }
    }
}

/// Whom a task tells, and what its e-mail keys say, before they have become callbacks.
#[derive(Clone, Debug)]
pub(super) struct Told {
    callbacks: TaskCallbacks,
    email: Vec<String>,
    email_on_failure: bool,
    email_on_retry: bool,
}

impl Default for Told {
    fn default() -> Told {
        Told { callbacks: TaskCallbacks::default(), email: Vec::new(), email_on_failure: true, email_on_retry: true }
    }
}

impl Told {
    /// The same with the keys of `mapping` over it; none when it has no such key.
    pub fn overlaid(
        &self,
        mapping: &Mapping,
        within: &str,
        reader: &mut CallbackReader<'_>,
        problems: &mut Problems,
    ) -> Option<Told> {
        let mut told = self.clone();
        let mut says_something = false;
        for entry in &mapping.entries {
            let subject = Subject { key: &entry.key, within };
            says_something |= told.set(subject, entry, reader, problems);
        }
        says_something.then_some(told)
    }

    /// Takes over one key; false when it is none of these.
    fn set(
        &mut self,
        subject: Subject<'_>,
        entry: &Entry,
        reader: &mut CallbackReader<'_>,
        problems: &mut Problems,
    ) -> bool {
        let node = &entry.value;
        let slot = match entry.key.as_str() {
            "on_execute_callback" => &mut self.callbacks.on_execute,
            "on_success_callback" => &mut self.callbacks.on_success,
            "on_failure_callback" => &mut self.callbacks.on_failure,
            "on_retry_callback" => &mut self.callbacks.on_retry,
            "on_skipped_callback" => &mut self.callbacks.on_skipped,
            "email" => {
                self.email = addresses(subject, node, reader, problems);
                return true;
            }
            "email_on_failure" => {
                self.email_on_failure = flag(subject, node, problems);
                return true;
            }
            "email_on_retry" => {
                self.email_on_retry = flag(subject, node, problems);
                return true;
            }
            _ => return false,
        };
        *slot = reader.several(subject, node, problems).into();
        true
    }

    /// Gives a task its callbacks, and the addresses that it names.
    pub fn tell_of(&self, task: &mut Task) {
        task.callbacks = self.callbacks();
        task.email.clone_from(&self.email);
    }

    /// The callbacks, with those that the e-mail keys stand for.
    fn callbacks(&self) -> TaskCallbacks {
        let mut callbacks = self.callbacks.clone();
        if !self.email.is_empty() {
            let args = Map::from_iter([("to".to_owned(), json!(self.email))]);
            let mail = Callback { notifier: MAILER.to_owned(), args };
            if self.email_on_failure {
                callbacks.on_failure = with(&callbacks.on_failure, &mail);
            }
            if self.email_on_retry {
                callbacks.on_retry = with(&callbacks.on_retry, &mail);
            }
        }
        callbacks
    }
}

fn with(callbacks: &[Callback], another: &Callback) -> Arc<[Callback]> {
    callbacks.iter().chain([another]).cloned().collect()
}

/// A null is Airflow's way to say "as if absent".
fn flag(subject: Subject<'_>, node: &Node, problems: &mut Problems) -> bool {
    matches!(node.value, Yaml::Null) || problems.keep(values::boolean(subject, node)).unwrap_or(true)
}

/// An address, or a list of them.
fn addresses(subject: Subject<'_>, node: &Node, reader: &CallbackReader<'_>, problems: &mut Problems) -> Vec<String> {
    let addresses = match &node.value {
        Yaml::Null => Vec::new(),
        Yaml::Text(address) => vec![address.clone()],
        _ => match values::texts(subject, node, "an address, or a list of them") {
            Ok(addresses) => addresses.into_iter().map(|(address, _)| address).collect(),
            Err(list) => {
                problems.list.extend(list);
                Vec::new()
            }
        },
    };
    if !addresses.is_empty() && reader.registry.notifier(MAILER).is_none() {
        let message = format!("{subject} needs the notifier `{MAILER}`, which this Updraft does not have");
        problems.push(Problem::new(Code::Unsupported, message, node.place, "not served"));
    }
    addresses
}

/// Callbacks as they are written in a DAG file.
pub(in crate::dag) fn list_document(callbacks: &[Callback]) -> Value {
    callbacks.iter().map(callback_document).collect()
}

/// A callback as it is written in a DAG file.
pub(in crate::dag) fn callback_document(callback: &Callback) -> Value {
    json!({ callback.notifier.as_str(): callback.args })
}
