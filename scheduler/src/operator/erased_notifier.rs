//! Notifiers whose argument types have been forgotten, so that the engine can use any by its name.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use schemars::Schema;
use serde_json::{Map, Value};

use super::{ArgumentProblem, DeliveryError, Notice, Notifier};

/// A notifier whose argument type has been forgotten.
#[derive(Clone)]
pub struct ErasedNotifier {
    /// See [`Notifier::NAME`].
    pub name: &'static str,
    /// See [`Notifier::AIRFLOW_CLASSES`].
    pub airflow_classes: &'static [&'static str],
    /// See [`Notifier::SUMMARY`].
    pub summary: &'static str,
    /// See [`Notifier::PLAIN`].
    pub plain: Option<&'static str>,
    /// See [`Notifier::NOT_SERVED`].
    pub not_served: &'static [(&'static str, &'static str)],
    /// The JSON Schema of its arguments.
    pub schema: Schema,
    inner: Arc<dyn Erased>,
}

impl ErasedNotifier {
    pub(super) fn of<N: Notifier>(notifier: N) -> ErasedNotifier {
        ErasedNotifier {
            name: N::NAME,
            airflow_classes: N::AIRFLOW_CLASSES,
            summary: N::SUMMARY,
            plain: N::PLAIN,
            not_served: N::NOT_SERVED,
            schema: schemars::schema_for!(N::Args),
            inner: Arc::new(notifier),
        }
    }

    /// Makes one attempt with rendered arguments. Arguments that do not fit the schema are the author's fault.
    pub async fn deliver(&self, args: Map<String, Value>, notice: &Notice) -> Result<(), DeliveryError> {
        self.inner.deliver(args, notice).await
    }

    /// See [`Notifier::check`].
    pub fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        self.inner.check(args)
    }

    /// See [`Notifier::receiver`].
    pub fn receiver(&self, args: &Map<String, Value>) -> Option<String> {
        self.inner.receiver(args)
    }

    /// See [`Notifier::obstacle`].
    pub fn obstacle(&self, args: &Map<String, Value>) -> Option<String> {
        self.inner.obstacle(args)
    }
}

trait Erased: Send + Sync {
    fn deliver<'a>(
        &'a self,
        args: Map<String, Value>,
        notice: &'a Notice,
    ) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>>;

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem>;

    fn receiver(&self, args: &Map<String, Value>) -> Option<String>;

    fn obstacle(&self, args: &Map<String, Value>) -> Option<String>;
}

impl<N: Notifier> Erased for N {
    fn deliver<'a>(
        &'a self,
        args: Map<String, Value>,
        notice: &'a Notice,
    ) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>> {
        Box::pin(async move {
            let args = serde_json::from_value(Value::Object(args)).map_err(|error| {
                DeliveryError::fail(anyhow::anyhow!("the arguments of `{}` do not fit: {error}", N::NAME))
            })?;
            Notifier::deliver(self, args, notice).await
        })
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        Notifier::check(self, args)
    }

    fn receiver(&self, args: &Map<String, Value>) -> Option<String> {
        Notifier::receiver(self, args)
    }

    fn obstacle(&self, args: &Map<String, Value>) -> Option<String> {
        Notifier::obstacle(self, args)
    }
}
