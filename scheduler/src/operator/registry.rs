//! The operators and the notifiers that this process knows, by name.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use schemars::Schema;
use serde_json::{Map, Value};

use crate::connection::ConnectionType;

use super::airflow_class::Reading;
use super::{
    AirflowClass, ArgumentProblem, ErasedNotifier, Notifier, Operator, Outcome, TaskContext, TaskError, TaskKey,
    TemplateFiles,
};

/// An operator whose argument type has been forgotten.
#[derive(Clone)]
pub struct ErasedOperator {
    /// The word after `operator:`.
    pub name: &'static str,
    /// Airflow's classes for it.
    pub airflow_classes: Arc<[AirflowClass]>,
    /// One sentence on what it does.
    pub summary: &'static str,
    /// See [`Operator::IS_INSTANT`].
    pub is_instant: bool,
    /// See [`Operator::ASKS_PEOPLE`].
    pub asks_people: bool,
    /// See [`Operator::TEMPLATE_FILES`].
    pub template_files: TemplateFiles,
    /// The JSON Schema of its arguments, made when somebody first asks: most processes use few of the operators.
    pub schema: Arc<LazyLock<Schema>>,
    inner: Arc<dyn Erased>,
}

impl ErasedOperator {
    /// Runs one try with rendered arguments. Arguments that do not fit the schema are the author's fault.
    pub async fn execute(&self, args: Map<String, Value>, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        self.inner.execute(args, ctx).await
    }

    /// The argument that one of Airflow's classes for it calls `theirs`, behind the name of that class.
    pub(crate) fn argument_of_airflow(&self, theirs: &str) -> Option<(&'static str, &'static str)> {
        self.airflow_classes.iter().find_map(|class| match class.reading(theirs)? {
            Reading::As(ours) => Some((class.name(), ours)),
            Reading::Unneeded | Reading::Refused(_) => None,
        })
    }

    /// See [`Operator::withdraw`].
    pub async fn withdraw(&self, args: Map<String, Value>, ctx: &TaskContext) -> Result<(), TaskError> {
        self.inner.withdraw(args, ctx).await
    }

    /// See [`Operator::preview`].
    pub fn preview(&self, args: Map<String, Value>, key: &TaskKey, home: &Path) -> Result<Option<Value>, TaskError> {
        self.inner.preview(args, key, home)
    }

    /// See [`Operator::check`].
    pub fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        self.inner.check(args)
    }
}

type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, TaskError>> + Send + 'a>>;

trait Erased: Send + Sync {
    fn execute<'a>(&'a self, args: Map<String, Value>, ctx: &'a TaskContext) -> Pending<'a, Outcome>;

    fn withdraw<'a>(&'a self, args: Map<String, Value>, ctx: &'a TaskContext) -> Pending<'a, ()>;

    fn preview(&self, args: Map<String, Value>, key: &TaskKey, home: &Path) -> Result<Option<Value>, TaskError>;

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem>;
}

impl<O: Operator> Erased for O {
    fn execute<'a>(&'a self, args: Map<String, Value>, ctx: &'a TaskContext) -> Pending<'a, Outcome> {
        Box::pin(async move {
            let args = read::<O>(args)?;
            Operator::execute(self, args, ctx).await
        })
    }

    fn withdraw<'a>(&'a self, args: Map<String, Value>, ctx: &'a TaskContext) -> Pending<'a, ()> {
        Box::pin(async move {
            let args = read::<O>(args)?;
            Operator::withdraw(self, args, ctx).await
        })
    }

    fn preview(&self, args: Map<String, Value>, key: &TaskKey, home: &Path) -> Result<Option<Value>, TaskError> {
        Operator::preview(self, read::<O>(args)?, key, home)
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        Operator::check(self, args)
    }
}

fn read<O: Operator>(args: Map<String, Value>) -> Result<O::Args, TaskError> {
    serde_json::from_value(Value::Object(args)).map_err(|error| {
        TaskError::fail(anyhow::anyhow!("the arguments of operator `{}` do not fit: {error}", O::NAME))
    })
}

/// Two operators, notifiers or types of connections answer to one name.
#[derive(Debug, thiserror::Error)]
#[error("two operators, notifiers or types of connections are called `{0}`")]
pub struct RegistryError(String);

/// The operators and the notifiers that this process knows.
#[derive(Clone, Default)]
pub struct Registry {
    operators: BTreeMap<&'static str, ErasedOperator>,
    /// By their names without the module: the operator, and which of its classes.
    airflow: BTreeMap<&'static str, (&'static str, usize)>,
    notifiers: BTreeMap<&'static str, ErasedNotifier>,
    connection_types: BTreeMap<&'static str, ConnectionType>,
}

impl Registry {
    /// Adds an operator; its name and its Airflow classes must be new.
    pub fn register<O: Operator>(&mut self, operator: O) -> Result<(), RegistryError> {
        let classes: Arc<[AirflowClass]> =
            O::AIRFLOW_CLASSES.iter().map(|path| AirflowClass::named(path)).chain(O::airflow_classes()).collect();
        let erased = ErasedOperator {
            name: O::NAME,
            airflow_classes: Arc::clone(&classes),
            summary: O::SUMMARY,
            is_instant: O::IS_INSTANT,
            asks_people: O::ASKS_PEOPLE,
            template_files: O::TEMPLATE_FILES,
            schema: Arc::new(LazyLock::new(|| schemars::schema_for!(O::Args))),
            inner: Arc::new(operator),
        };
        if self.operators.insert(O::NAME, erased).is_some() {
            return Err(RegistryError(O::NAME.to_owned()));
        }
        for (index, class) in classes.iter().enumerate() {
            if self.airflow.insert(class.name(), (O::NAME, index)).is_some() {
                return Err(RegistryError(class.name().to_owned()));
            }
        }
        Ok(())
    }

    /// The operator that a DAG file means by `name`: a short name, or an Airflow class with or without its module path.
    pub fn find(&self, name: &str) -> Option<&ErasedOperator> {
        self.operators.get(name).or_else(|| self.find_class(name).map(|(operator, _)| operator))
    }

    /// The Airflow class that a DAG file means by `name`, with or without its module path.
    pub fn airflow_class(&self, name: &str) -> Option<&AirflowClass> {
        if self.operators.contains_key(name) {
            return None;
        }
        self.find_class(name).and_then(|(operator, index)| operator.airflow_classes.get(index))
    }

    fn find_class(&self, name: &str) -> Option<(&ErasedOperator, usize)> {
        let class = name.rsplit('.').next().unwrap_or(name);
        let (operator, index) = self.airflow.get(class)?;
        Some((self.operators.get(operator)?, *index))
    }

    /// All operators, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ErasedOperator> {
        self.operators.values()
    }

    /// Adds a notifier; its name must be new.
    pub fn register_notifier<N: Notifier>(&mut self, notifier: N) -> Result<(), RegistryError> {
        match self.notifiers.insert(N::NAME, ErasedNotifier::of(notifier)) {
            None => Ok(()),
            Some(_) => Err(RegistryError(N::NAME.to_owned())),
        }
    }

    /// Adds a type of connections; its name must be new.
    pub fn register_connection_type(&mut self, kind: ConnectionType) -> Result<(), RegistryError> {
        let name = kind.name;
        match self.connection_types.insert(name, kind) {
            None => Ok(()),
            Some(_) => Err(RegistryError(name.to_owned())),
        }
    }

    /// The type of connections of that name.
    pub fn connection_type(&self, name: &str) -> Option<&ConnectionType> {
        self.connection_types.get(name)
    }

    /// All types of connections, by name.
    pub fn connection_types(&self) -> impl Iterator<Item = &ConnectionType> {
        self.connection_types.values()
    }

    /// The notifier with that short name.
    pub fn notifier(&self, name: &str) -> Option<&ErasedNotifier> {
        self.notifiers.get(name)
    }

    /// The notifier that an Airflow class means, with or without its module path.
    pub fn notifier_of_class(&self, class: &str) -> Option<&ErasedNotifier> {
        let class = class.rsplit('.').next().unwrap_or(class);
        self.notifiers.values().find(|notifier| notifier.airflow_classes.contains(&class))
    }

    /// All notifiers, by name.
    pub fn notifiers(&self) -> impl Iterator<Item = &ErasedNotifier> {
        self.notifiers.values()
    }
}
