//! What a run is given (airflow-semantics.md §10).

use rstest::rstest;
use scheduler::dag::params::{self, merge_and_validate};
use serde_json::{Map, Value, json};

use crate::fixtures::dag;

const DAG: &str = "
params:
  region: {type: string, enum: [eu, us], default: eu}
  rows: {type: integer, minimum: 1}
  day: {type: string, format: date, default: '2026-01-31'}
  plain: 10
tasks: []
";

fn merge(conf: Value) -> Result<Value, Vec<String>> {
    let Value::Object(conf) = conf else { panic!("conf is a mapping") };
    let conf: Map<String, Value> = conf;
    merge_and_validate(&dag(DAG), &conf)
        .map(Value::Object)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn conf_is_laid_over_the_defaults_and_may_bring_more() {
    let merged = merge(json!({"rows": 5, "region": "us", "ticket": [1, 2]})).unwrap();
    assert_eq!(merged, json!({"region": "us", "rows": 5, "day": "2026-01-31", "plain": 10, "ticket": [1, 2]}));
    assert_eq!(merge(json!({"rows": 1, "plain": "anything"})).unwrap()["plain"], "anything");
}

#[rstest]
#[case::missing(json!({}), "param `rows` has no default, so it must be given")]
#[case::wrong_type(json!({"rows": "many"}), "param `rows` does not fit: \"many\" is not of type \"integer\"")]
#[case::out_of_bounds(json!({"rows": 0}), "param `rows` does not fit: 0 is less than the minimum of 1")]
#[case::null_is_a_value(json!({"rows": null}), "param `rows` does not fit: null is not of type \"integer\"")]
#[case::no_choice(json!({"rows": 1, "region": "asia"}), "param `region` does not fit: \"asia\" is not one of \"eu\" or \"us\"")]
#[case::formats_are_checked(json!({"rows": 1, "day": "yesterday"}), "param `day` does not fit: \"yesterday\" is not a \"date\"")]
fn what_does_not_fit_is_told(#[case] conf: Value, #[case] message: &str) {
    assert_eq!(merge(conf).unwrap_err(), [message]);
}

#[test]
fn every_problem_is_told() {
    assert_eq!(merge(json!({"region": 1, "day": 2})).unwrap_err().len(), 4);
}

/// Of a task: the DAG's, those of `default_args`, of its group and its own over them, and what the run was given over all.
#[test]
fn params_of_tasks_lie_between_those_of_the_dag_and_what_a_run_is_given() {
    let dag = dag("
params: {region: eu, rows: 1, day: monday}
default_args: {params: {rows: 2, by_default: 2}}
task_groups: [{group_name: g, default_args: {params: {rows: {type: integer, default: 3}}}}]
tasks:
  - {task_id: plain, operator: empty}
  - {task_id: own, operator: empty, task_group_name: g, params: {region: us, own: {type: string}}}
  - {task_id: nothing, operator: empty, params: null}
");
    let given = |task_id: &str, conf: Value| {
        let task = dag.task(dag.find(task_id).unwrap());
        let Value::Object(conf) = conf else { panic!("conf is a mapping") };
        params::of_task(&dag, task, &conf).map(Value::Object).map_err(|problems| problems[0].to_string())
    };
    let plain = json!({"region": "eu", "rows": 2, "day": "monday", "by_default": 2});
    assert_eq!(given("plain", json!({})), Ok(plain.clone()));
    assert_eq!(given("nothing", json!({})), Ok(plain));
    assert_eq!(
        given("g.own", json!({"day": "friday", "own": "x"})),
        Ok(json!({"region": "us", "rows": 3, "day": "friday", "by_default": 2, "own": "x"}))
    );
    assert_eq!(given("g.own", json!({})), Err("param `own` has no default, so it must be given".to_owned()));
    assert!(given("g.own", json!({"own": "x", "rows": "many"})).unwrap_err().contains("is not of type"));
}
