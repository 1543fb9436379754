//! `python_sensor`: waits until a function of Python answers with something true.
//!
//! ```yaml
//! - task_id: feed_is_there
//!   operator: python_sensor
//!   python_callable: lib.feeds:is_there
//!   op_args: ["{{ ds }}"]
//!   poke_interval: 5m
//! ```

use std::sync::Arc;

use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::arguments::Patience;
use super::wait::{Rhythm, Sight, Watch};
use crate::python::{self, PythonArgs};
use crate::shapes::With;
use crate::truth::is_true;

/// The `python_sensor` operator.
pub struct PythonSensor {
    looks: Arc<Semaphore>,
}

impl PythonSensor {
    /// With as many interpreters at a time as `looks` allows.
    pub fn new(looks: Arc<Semaphore>) -> PythonSensor {
        PythonSensor { looks }
    }
}

impl Operator for PythonSensor {
    const NAME: &'static str = "python_sensor";
    const SUMMARY: &'static str = "Waits until a function of Python says so.";
    type Args = With<Patience, PythonArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        vec![python::class("airflow.providers.standard.sensors.python.PythonSensor")]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: patience } = args;
        let watch = Watch {
            patience: &patience,
            ctx,
            awaited: format!("a true answer of {}", own.called()),
            rhythm: Rhythm::Intervals(Arc::clone(&self.looks)),
        };
        watch.until(|| look(&own, ctx)).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Patience::check(args);
        problems.extend(python::check(args));
        problems
    }
}

async fn look(args: &PythonArgs, ctx: &TaskContext) -> Result<Sight, TaskError> {
    Ok(match python::call(args, ctx).await? {
        Outcome::Success { return_value, .. } => Sight::of(is_true(&return_value)),
        Outcome::Skipped { reason } => Sight::Void(reason),
    })
}
