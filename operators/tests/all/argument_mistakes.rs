//! Mistakes in arguments that their schemas find, as people are told them.

use operators::registry_with;
use scheduler::dag::spec::{self, SourceFile};

use crate::context::nowhere;

/// What the loader says of a task: the message, and the help if there is one.
fn told(task: &str) -> String {
    let source = SourceFile::new("dag.yaml", format!("tasks:\n  - {{task_id: a, {task}}}\n"));
    let problems = spec::load(&source, &registry_with(&nowhere()).unwrap()).problems;
    let lines = problems.iter().map(|problem| match &problem.help {
        None => problem.message.clone(),
        Some(help) => format!("{} ({help})", problem.message),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_none_of_the_choices_is_told_them() {
    let table = [
        (
            "operator: sql, conn_id: c, sql: SELECT 1, result: tables",
            "argument `result` of operator `sql` cannot be \"tables\" (did you mean `table`?)",
        ),
        (
            "operator: http, url: 'http://x', auth: digest",
            "argument `auth` of operator `http` cannot be \"digest\" (the choices are basic, bearer, none)",
        ),
        (
            "operator: docker, image: x, auto_remove: sometimes",
            "argument `auto_remove` of operator `docker` cannot be \"sometimes\" (the choices are never, success, force)",
        ),
        (
            "operator: sql, conn_id: c, sql: SELECT 1, result: 5",
            "argument `result` of operator `sql` must be text, and is a whole number",
        ),
    ];
    for (task, message) in table {
        assert_eq!(told(task), message, "{task}");
    }
}

#[test]
fn states_and_expressions_say_what_may_stand_there() {
    let state = told("operator: trigger_dag, trigger_dag_id: d, allowed_states: [sucess]");
    assert!(
        state.ends_with("`sucess` is no state of runs (the states are queued, running, success, failed)"),
        "{state}"
    );
    let state = told("operator: external_task_sensor, external_dag_id: d, external_task_id: t, failed_states: [gone]");
    assert!(state.contains("(the states are ") && state.contains("upstream_failed"), "{state}");
    let function = told("operator: http, url: 'http://x', response_check: 'lambda r: r.ok'");
    assert!(
        function.ends_with(
            "(there is no Python to call; write an expression, for example `response_check: status == 200`)"
        )
    );
}

#[test]
fn what_is_of_none_of_the_kinds_is_told_them() {
    let said = told("operator: kubernetes_job, image: x, env_vars: 5");
    assert_eq!(
        said,
        "argument `env_vars` of operator `kubernetes_job` must be a mapping or a list, and is a whole number"
    );
}

#[test]
fn one_notifier_is_named_and_no_argument_of_several_is_shown() {
    let none = told("operator: notify");
    assert_eq!(none, "operator `notify` needs one of `command`, `email`, `slack`, `webhook`");
    let two = told("operator: notify, slack: {url: 'http://hush', text: x}, webhook: {url: 'http://hush', body: x}");
    assert_eq!(two, "operator `notify` takes one of `slack` and `webhook`");
}

#[test]
fn objects_of_dag_factory_that_are_plain_data_are_arguments() {
    let args = crate::sql::loaded(
        "
timezone: Europe/Berlin
default_args: {poke_interval: {__type__: datetime.timedelta, minutes: 2}}
tasks:
  delta: {operator: TimeDeltaSensor, delta: {__type__: datetime.timedelta, hours: 1, seconds: 30}}
  other: {operator: ExternalTaskSensor, external_dag_id: d, execution_delta: {__type__: datetime.timedelta, days: -1}}
  date: {operator: DateTimeSensor, target_time: {__type__: datetime.datetime, year: 2026, month: 7, day: 1, hour: 8}}
  entry:
    operator: HITLEntryOperator
    subject: How many?
    params: {n: {__type__: airflow.sdk.Param, default: 1, type: integer}}
",
    );
    assert_eq!(args["delta"]["delta"], 3630);
    assert_eq!(args["delta"]["poke_interval"], 120);
    assert_eq!(args["other"]["execution_delta"], -86_400);
    assert_eq!(args["date"]["target_time"], "2026-07-01T06:00:00Z");
    assert_eq!(args["entry"]["params"]["n"], serde_json::json!({ "default": 1, "type": "integer" }));

    let wrong = told("operator: time_sensor, delta: {__type__: datetime.timedelta, fortnights: 1}");
    assert!(wrong.starts_with("`datetime.timedelta` is not made from `fortnights` here"), "{wrong}");
    let odd = told("operator: time_sensor, target_time: {__type__: my.Clock}");
    assert!(odd.contains("`__type__` in `target_time` is not served"), "{odd}");
}
