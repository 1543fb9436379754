//! The Pinterest pipeline: its tasks as `dags/pinterest_batch.yaml` states them, without the engine.

use std::collections::BTreeMap;
use std::path::Path;

use operators::location::S3;
use scheduler::operator::TaskContext;
use serde_json::{Map, Value};

use crate::context::try_run;

/// What the params of the DAG are set to.
pub struct Params<'a> {
    pub source: &'a str,
    pub lake: &'a str,
    pub user_id: &'a str,
    pub rows: u64,
    pub duplicates: &'a str,
    pub follower_rule: &'a str,
}

impl Default for Params<'_> {
    fn default() -> Self {
        Params {
            source: "sample",
            lake: "lake",
            user_id: "0a3db223d459",
            rows: 11_154,
            duplicates: "keep",
            follower_rule: "letter_off",
        }
    }
}

impl Params<'_> {
    /// Fills in the templates of an argument, as the engine does.
    fn render(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.render_text(text),
            Value::Array(values) => values.iter().map(|value| self.render(value)).collect(),
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), self.render(value))).collect(),
            other => other.clone(),
        }
    }

    fn render_text(&self, text: &str) -> Value {
        let names = [
            ("{{ params.source }}", self.source.to_owned()),
            ("{{ params.lake }}", self.lake.to_owned()),
            ("{{ params.user_id }}", self.user_id.to_owned()),
            ("{{ params.follower_rule }}", self.follower_rule.to_owned()),
            ("{{ params.duplicates == 'drop' }}", (self.duplicates == "drop").to_string()),
        ];
        match text {
            "{{ params.rows }}" => return self.rows.into(),
            "{{ params.duplicates == 'drop' }}" => return (self.duplicates == "drop").into(),
            _ => (),
        }
        let rendered = names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        assert!(!rendered.contains("{{"), "unknown template in {rendered}");
        rendered.into()
    }
}

/// The tasks of the DAG file, in its order: task id, operator, arguments.
pub fn tasks() -> Vec<(String, String, Map<String, Value>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dags/pinterest_batch.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let dag: Value = serde_yaml::from_str(&text).unwrap();
    let tasks = dag["tasks"].as_array().unwrap().iter().map(|task| {
        let mut args = task.as_object().unwrap().clone();
        let id = args.remove("task_id").unwrap().as_str().unwrap().to_owned();
        let operator = args.remove("operator").unwrap().as_str().unwrap().to_owned();
        args.remove("dependencies");
        (id, operator, args)
    });
    tasks.collect()
}

/// Runs the data tasks of the DAG one after another. Answers with their return values.
pub async fn run_pipeline(params: &Params<'_>, ctx: &TaskContext, s3: &S3) -> BTreeMap<String, Value> {
    run_operators(&["emulation", "clean", "query"], params, ctx, s3).await
}

/// The same for the tasks of some operators.
pub async fn run_operators(
    operators: &[&str],
    params: &Params<'_>,
    ctx: &TaskContext,
    s3: &S3,
) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for (task_id, operator, args) in tasks() {
        if !operators.contains(&operator.as_str()) {
            continue;
        }
        let args = params.render(&Value::Object(args));
        match try_run(&operator, args, ctx, s3).await {
            Ok(value) => values.insert(task_id, value),
            Err(error) => panic!("{task_id}: {error}"),
        };
    }
    values
}
