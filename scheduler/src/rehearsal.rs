//! What the tasks of a run would be given, for people to look at before there is one.
//!
//! Template files are read; nothing is asked of a database: what other tasks leave, and what connections and variables
//! hold, is named in brackets instead.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::connection::Connection;
use crate::dag::params::{self, ParamProblem};
use crate::dag::template::{
    AssetEvents, LastSuccess, RenderError, SecretRef, SecretValue, TemplateContext, XComs, named_files,
    render_args_with,
};
use crate::dag::timetable::{DataInterval, Timetable};
use crate::dag::{Dag, TaskIndex};
use crate::operator::{ErasedOperator, RunFacts, TaskKey};
use crate::run::RunType;
use crate::run_id;
use crate::template_files::{SearchPath, TemplateFileError};

/// Rounds of naming what templates ask for.
const ROUNDS_MAX: usize = 100;

/// Why it cannot be said what a task would be given.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// Its templates are wrong.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A file that it names cannot be used.
    #[error(transparent)]
    File(#[from] TemplateFileError),
}

/// A run that nobody makes.
pub struct Rehearsal {
    dag: Arc<Dag>,
    files: SearchPath,
    run_id: String,
    facts: Arc<RunFacts>,
    now: DateTime<Utc>,
}

impl Rehearsal {
    /// A manual run, with that `conf`, of a DAG whose template files are there. Fails when the params do not fit.
    pub fn of(
        (dag, files): (Arc<Dag>, SearchPath),
        conf: &Map<String, Value>,
        logical_date: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Rehearsal, Vec<ParamProblem>> {
        let params = params::merge_and_validate(&dag, conf)?;
        let interval = match Timetable::new(&dag.schedule, dag.timezone) {
            Ok(timetable) => timetable.manual_interval(logical_date),
            Err(_) => DataInterval::at(logical_date),
        };
        let facts = RunFacts {
            run_type: RunType::Manual.word().to_owned(),
            logical_date: Some(logical_date),
            data_interval_start: Some(interval.start),
            data_interval_end: Some(interval.end),
            partition_key: None,
            partition_date: None,
            next_interval: None,
            run_after: now,
            start_date: Some(now),
            conf: conf.clone(),
            params,
            owner: dag.owner.clone(),
            timezone: dag.timezone,
        };
        let run_id = run_id::generate(RunType::Manual, now, Some(logical_date));
        Ok(Rehearsal { dag, files, run_id, facts: Arc::new(facts), now })
    }

    /// How the instance of a task would be named.
    pub fn key(&self, task: TaskIndex) -> TaskKey {
        TaskKey {
            dag_id: self.dag.dag_id.clone(),
            run_id: self.run_id.clone(),
            task_id: self.dag.task(task).task_id.clone(),
            map_index: -1,
        }
    }

    /// What a task would be given. Of a mapped one, without what it is mapped over.
    pub fn arguments(&self, task: TaskIndex, operator: &ErasedOperator) -> Result<Map<String, Value>, RehearsalError> {
        let definition = self.dag.task(task);
        let files = self.files.read_all(named_files(operator, &definition.args))?;
        // What does not fit its schema is said when the task runs; here the values are looked at.
        let facts = match params::of_task(&self.dag, definition, &self.facts.conf) {
            Ok(params) if !definition.params.is_empty() => Arc::new(RunFacts { params, ..(*self.facts).clone() }),
            _ => Arc::clone(&self.facts),
        };
        let context = TemplateContext {
            dag: Arc::clone(&self.dag),
            task_id: definition.task_id.clone(),
            run_id: self.run_id.clone(),
            run: facts,
            try_number: 1,
            map_index: -1,
            mapped: Map::new(),
            expanded: None,
            now: self.now,
            callback: None,
        };
        let mut found = XComs::new();
        let mut rounds = 0;
        loop {
            rounds += 1;
            match render_args_with(operator, &definition.args, &files, &context, &found) {
                Err(error) if rounds == ROUNDS_MAX => return Err(error.into()),
                Err(RenderError::NeedsXCom(wanted)) => {
                    for xcom in wanted {
                        let name = format!("<{} of {}>", xcom.key, xcom.task_id);
                        found.insert(xcom, Some(Value::String(name)));
                    }
                }
                Err(RenderError::NeedsAssetEvents) => found.insert_asset_events(AssetEvents::default()),
                Err(RenderError::NeedsLastSuccess) => found.insert_last_success(LastSuccess::default()),
                Err(RenderError::NeedsSecrets(wanted)) => {
                    for secret in wanted {
                        let value = stand_in(&secret);
                        found.insert_secret(secret, Some(value));
                    }
                }
                Err(RenderError::NeedsFiles(wanted)) => {
                    for name in wanted {
                        let text = self.files.find(&name)?;
                        found.insert_file(name, text);
                    }
                }
                rendered => return Ok(rendered?),
            }
        }
    }
}

/// What stands for a connection or a variable.
fn stand_in(secret: &SecretRef) -> SecretValue {
    match secret {
        SecretRef::Connection(conn_id) => {
            let mut connection = Connection::new(conn_id, "generic");
            connection.host = Some(format!("<host of {conn_id}>"));
            SecretValue::Connection(Arc::new(connection))
        }
        SecretRef::Variable(key) => SecretValue::Variable(format!("<variable {key}>")),
    }
}
