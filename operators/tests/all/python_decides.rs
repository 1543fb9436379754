//! `branch_python`, `short_circuit_python` and `python_sensor`: what follows what a function of Python answers.

use std::sync::Arc;

use operators::python::{BranchPython, ShortCircuitPython};
use operators::registry_with;
use operators::sensors::python::PythonSensor;
use scheduler::dag::spec::{self, SourceFile};
use scheduler::operator::{Next, Operator, Outcome, TaskError, Verdict};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::context::nowhere;
use crate::sql::with_dag_file;
use crate::support::Bench;

const CHOICES: &str = "
import os, time, updraft

def answer(value):
    updraft.xcom_push('seen', value)
    return value

def skips():
    raise updraft.Skip('nothing to decide')

def breaks():
    raise ValueError('no')

def second_look(path):
    with open(path, 'a') as file:
        file.write('.')
    return os.path.getsize(path) > 1

def hangs(path):
    open(path, 'w').close()
    time.sleep(600)
";

fn bench() -> Bench {
    let bench = with_dag_file();
    bench.file("dags/choices.py", CHOICES);
    bench
}

#[expect(clippy::needless_pass_by_value, reason = "it is written on the spot")]
fn answering(value: Value) -> Value {
    json!({ "python_callable": "choices:answer", "op_args": [value] })
}

async fn next<O: Operator>(bench: &Bench, operator: &O, args: Value) -> (Value, Vec<(String, Value)>, Next) {
    match bench.run(operator, args).await.unwrap() {
        Outcome::Success { return_value, xcoms, next } => (return_value, xcoms, next),
        Outcome::Skipped { reason } => panic!("skipped: {reason}"),
    }
}

async fn fails<O: Operator>(bench: &Bench, operator: &O, args: Value) -> TaskError {
    bench.run(operator, args).await.unwrap_err()
}

#[tokio::test]
async fn a_function_chooses_what_follows() {
    let bench = bench();
    let only = |ids: &[&str]| Next::Only(ids.iter().map(ToString::to_string).collect());
    for (value, left, expected) in [
        (json!("a"), json!("a"), only(&["a"])),
        (json!(["a", "b"]), json!(["a", "b"]), only(&["a", "b"])),
        (json!([]), Value::Null, Next::NothingDirect),
        (Value::Null, Value::Null, Next::NothingDirect),
    ] {
        let (return_value, xcoms, followed) = next(&bench, &BranchPython, answering(value.clone())).await;
        assert_eq!((return_value, followed), (left, expected), "{value}");
        assert_eq!(xcoms, [("seen".to_owned(), value)]);
    }
    for value in [json!(5), json!({ "a": 1 }), json!(["a", 1])] {
        let error = fails(&bench, &BranchPython, answering(value.clone())).await;
        assert_eq!(error.verdict, Verdict::Fail);
        assert!(error.to_string().contains("neither an id nor a list of ids"), "{error}");
    }
    let skipped = bench.run(&BranchPython, json!({ "python_callable": "choices:skips" })).await.unwrap();
    assert_eq!(skipped, Outcome::Skipped { reason: "nothing to decide".to_owned() });
    let broken = fails(&bench, &BranchPython, json!({ "python_callable": "choices:breaks" })).await;
    assert_eq!((broken.verdict, broken.to_string().as_str()), (Verdict::Retry, "ValueError: no"));
}

#[tokio::test]
async fn a_function_says_whether_to_go_on() {
    let bench = bench();
    for (value, ignores, expected) in [
        (json!("false"), true, Next::Everything),
        (json!([0]), false, Next::Everything),
        (json!(0), true, Next::Nothing),
        (json!(""), false, Next::NothingDirect),
        (Value::Null, true, Next::Nothing),
    ] {
        let mut args = answering(value.clone());
        args["ignore_downstream_trigger_rules"] = ignores.into();
        let (return_value, _, followed) = next(&bench, &ShortCircuitPython, args).await;
        assert_eq!((return_value, followed), (value, expected));
    }
}

#[tokio::test]
async fn a_sensor_looks_until_the_function_answers_with_something_true() {
    let bench = bench();
    let sensor = PythonSensor::new(Arc::new(Semaphore::new(1)));
    let looks = bench.home().join("looks");
    let args = json!({ "python_callable": "choices:second_look", "op_args": [looks], "poke_interval": 0.05 });
    bench.run(&sensor, args).await.unwrap();
    assert_eq!(std::fs::read_to_string(&looks).unwrap(), "..");

    let skipped = bench.run(&sensor, json!({ "python_callable": "choices:skips" })).await.unwrap();
    assert_eq!(skipped, Outcome::Skipped { reason: "nothing to decide".to_owned() });
    let never = json!({ "python_callable": "choices:answer", "op_args": [0], "poke_interval": 0.05, "timeout": 0.1 });
    assert_eq!(fails(&bench, &sensor, never).await.verdict, Verdict::Fail);
}

#[tokio::test]
async fn what_is_not_wanted_any_more_stops_with_its_interpreter() {
    let bench = bench();
    let begun = bench.home().join("begun");
    let args = json!({ "python_callable": "choices:hangs", "op_args": [begun] });
    let sensor = PythonSensor::new(Arc::new(Semaphore::new(1)));
    let stop = async {
        while !begun.exists() {
            tokio::task::yield_now().await;
        }
        bench.ctx.withdrawn.cancel();
        bench.ctx.cancelled.cancel();
    };
    let (ended, ()) = tokio::join!(bench.run(&sensor, args.clone()), stop);
    assert_eq!(ended.unwrap_err().verdict, Verdict::Cancelled);
    assert_eq!(fails(&bench, &BranchPython, args.clone()).await.verdict, Verdict::Cancelled);
    assert_eq!(fails(&bench, &ShortCircuitPython, args).await.verdict, Verdict::Cancelled);
}

#[test]
fn they_answer_to_airflows_classes_and_tell_mistakes() {
    let registry = registry_with(&nowhere()).unwrap();
    let mistakes = |task: &str| {
        let source = SourceFile::new("dags/a.yaml", format!("tasks:\n  t: {{{task}}}\n"));
        let loaded = spec::load(&source, &registry);
        loaded.problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ")
    };
    for class in ["BranchPythonOperator", "ShortCircuitOperator", "BranchExternalPythonOperator"] {
        let task =
            format!("operator: airflow.operators.python.{class}, python_callable_file: a.py, python_callable_name: f");
        assert_eq!(mistakes(&task), "", "{class}");
    }
    let sensor =
        "operator: airflow.sensors.python.PythonSensor, python_callable: a.f, mode: reschedule, poke_interval: 60";
    assert_eq!(mistakes(sensor), "");
    for operator in ["branch_python", "short_circuit_python", "python_sensor"] {
        assert!(mistakes(&format!("operator: {operator}")).contains("what to call"), "{operator}");
        assert!(
            mistakes(&format!("operator: {operator}, python_callable: f")).contains("names no function"),
            "{operator}"
        );
    }
}
