//! What one rendering shares: the context, the XComs at hand, and those that turn out to be missing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Error;
use minijinja::value::{Object, Value};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{AssetEvents, LastSuccess, SecretRef, SecretValue, TemplateContext, XComRef, XComs};

/// Shared by all objects of one rendering.
#[derive(Debug)]
pub(super) struct Session {
    pub context: TemplateContext,
    xcoms: XComs,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    needed: BTreeSet<XComRef>,
    needs_asset_events: bool,
    needs_last_success: bool,
    needed_secrets: BTreeSet<SecretRef>,
    needed_files: BTreeSet<String>,
    drawn: u64,
}

/// What came of looking for a connection or a variable.
pub(super) enum Looked<'a> {
    /// It is there.
    Found(&'a SecretValue),
    /// There is none.
    Absent,
    /// It has to be fetched first; this stands in for it.
    Pending(Value),
}

impl Session {
    pub fn new(context: &TemplateContext, xcoms: &XComs) -> Arc<Session> {
        Arc::new(Session { context: context.clone(), xcoms: xcoms.clone(), state: Mutex::default() })
    }

    /// The XCom, or the default when there is none.
    ///
    /// One that has to be fetched first is noted, and something stands in for it that lets the template go on, so that
    /// all that is missing shows in one rendering.
    pub fn pull(&self, xcom: XComRef, default: &Value) -> Value {
        match self.xcoms.get(&xcom) {
            Some(Some(found)) => from_json(found),
            Some(None) => default.clone(),
            None => {
                self.lock().needed.insert(xcom);
                Value::from_object(Pending)
            }
        }
    }

    /// Whether an XCom of another run is the list of what several instances left.
    pub fn is_of_several(&self, xcom: &XComRef) -> bool {
        self.xcoms.is_of_several(xcom)
    }

    /// The connection or variable. One that has to be fetched first is noted.
    pub fn secret(&self, secret: &SecretRef) -> Looked<'_> {
        match self.xcoms.secret(secret) {
            Some(Some(found)) => Looked::Found(found),
            Some(None) => Looked::Absent,
            None => {
                self.lock().needed_secrets.insert(secret.clone());
                Looked::Pending(Value::from_object(Pending))
            }
        }
    }

    /// The connections and variables that were asked for and not at hand.
    pub fn needed_secrets(&self) -> Vec<SecretRef> {
        self.lock().needed_secrets.iter().cloned().collect()
    }

    /// The text of a file that was read.
    pub fn read_file(&self, name: &str) -> Option<&str> {
        self.xcoms.files().get(name)?.as_deref()
    }

    /// The text of a file that a template names. One that was not looked for yet is noted, and has to be read first.
    pub fn file(&self, name: &str) -> Option<&str> {
        match self.xcoms.files().get(name) {
            Some(text) => text.as_deref(),
            None => {
                self.lock().needed_files.insert(name.to_owned());
                None
            }
        }
    }

    /// The files that were asked for and not at hand.
    pub fn needed_files(&self) -> Vec<String> {
        self.lock().needed_files.iter().cloned().collect()
    }

    /// What `read` finds in what became of assets; something stands in for it while that is not at hand.
    pub fn asset_events(&self, read: impl Fn(&AssetEvents) -> Value) -> Value {
        match self.xcoms.asset_events() {
            Some(events) => read(events),
            None => {
                self.lock().needs_asset_events = true;
                Value::from_object(Pending)
            }
        }
    }

    /// Whether that was asked for and not at hand.
    pub fn needs_asset_events(&self) -> bool {
        self.lock().needs_asset_events
    }

    /// What `read` finds in the last success before the run; something stands in for it while that is not at hand.
    pub fn last_success(&self, read: impl Fn(&LastSuccess) -> Value) -> Value {
        match self.xcoms.last_success() {
            Some(success) => read(success),
            None => {
                self.lock().needs_last_success = true;
                Value::from_object(Pending)
            }
        }
    }

    /// Whether that was asked for and not at hand.
    pub fn needs_last_success(&self) -> bool {
        self.lock().needs_last_success
    }

    /// The XComs that were asked for and not at hand.
    pub fn needed(&self) -> Vec<XComRef> {
        self.lock().needed.iter().cloned().collect()
    }

    /// Sixteen bytes that look random and are not: the same try draws the same ones again, however often it is rendered.
    pub fn draw(&self) -> [u8; 16] {
        let drawn = {
            let mut state = self.lock();
            state.drawn += 1;
            state.drawn
        };
        let context = &self.context;
        let seed = format!(
            "{}\n{}\n{}\n{}\n{}\n{drawn}",
            context.dag.dag_id, context.run_id, context.task_id, context.map_index, context.try_number
        );
        let digest = Sha256::digest(seed.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands in for a value that is still to be fetched: whatever is asked of it, it answers with itself.
#[derive(Debug)]
struct Pending;

impl Object for Pending {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from_object(Pending))
    }

    fn call(self: &Arc<Self>, _: &mut minijinja::State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Ok(Value::from_object(Pending))
    }

    fn call_method(self: &Arc<Self>, _: &mut minijinja::State<'_, '_>, _: &str, _: &[Value]) -> Result<Value, Error> {
        Ok(Value::from_object(Pending))
    }
}

/// A JSON value as templates see it.
pub(super) fn from_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::from(value),
            (_, Some(value)) => Value::from(value),
            _ => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(from_json).collect::<Vec<_>>()),
        Json::Object(entries) => Value::from_pairs(entries.iter().map(|(key, value)| (key.as_str(), from_json(value)))),
    }
}
