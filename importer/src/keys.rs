//! Words of Airflow that are treated by a rule of their own.

/// The order in which the keys of a DAG are written; all others follow.
pub(crate) const DAG_ORDER: [&str; 10] = [
    "dag_id",
    "description",
    "doc_md",
    "schedule",
    "timezone",
    "start_date",
    "end_date",
    "catchup",
    "max_active_runs",
    "tags",
];

/// The order of the arguments of a DAG without names, as far as Airflow's versions agree.
pub(crate) const DAG_POSITIONS: [&str; 4] = ["dag_id", "description", "schedule", "start_date"];

/// Keys that call Python when something happens.
pub(crate) const CALLBACKS: [&str; 7] = [
    "on_success_callback",
    "on_failure_callback",
    "on_retry_callback",
    "on_execute_callback",
    "on_skipped_callback",
    "sla_miss_callback",
    "pre_execute",
];

/// What to write in the place of a callback.
pub(crate) const CALLBACK_HELP: &str =
    "write a notifier, for example `on_failure_callback: {slack: {url_env: SLACK_WEBHOOK_URL}}`";

/// Keys that can be left out without a change in what is done, and the reason that is given.
pub(crate) const DROPPED: &[(&str, &str)] = &[
    ("ui_color", "the graph's colours are those of states"),
    ("ui_fgcolor", "the graph's colours are those of states"),
    ("default_view", "the view is chosen in the UI"),
    ("orientation", "the graph's direction is chosen in the UI"),
    ("access_control", "there is one user, who may do everything"),
    ("auto_register", "a DAG in a file is always there"),
    ("disable_bundle_versioning", "runs are always pinned to the version that they began with"),
    ("provide_context", "Airflow ignores it since version 2"),
    ("sla", "Airflow 3 took service levels away; `deadline` bounds a run, `execution_timeout` a try"),
    ("executor", "choose workers with `queue`"),
    ("executor_config", "choose workers with `queue`"),
    ("resources", "choose workers with `queue`"),
    ("run_as_user", "tasks run as the user of the worker"),
    ("deferrable", "whatever waits gives its slot back by itself"),
    ("render_template_as_native_obj", "a string that is one expression becomes a value where the operator takes one"),
    ("add_suffix_on_collision", "two groups with one id are a mistake"),
];

/// Why a key can be left out, if it can.
pub(crate) fn dropped(key: &str) -> Option<&'static str> {
    DROPPED.iter().find(|(name, _)| *name == key).map(|(_, why)| *why)
}

/// Classes whose work is a function of Python, and the argument that names it. Where Updraft has an operator for the class,
/// the function is handed over by its import path.
pub(crate) const CALLABLES: &[(&str, &str)] = &[
    ("PythonOperator", "python_callable"),
    ("PythonVirtualenvOperator", "python_callable"),
    ("ExternalPythonOperator", "python_callable"),
    ("BranchPythonOperator", "python_callable"),
    ("BranchPythonVirtualenvOperator", "python_callable"),
    ("BranchExternalPythonOperator", "python_callable"),
    ("ShortCircuitOperator", "python_callable"),
    ("PythonSensor", "python_callable"),
];

/// The argument of a class that names a function of Python, if it has one.
pub(crate) fn callable_of(class: &str) -> Option<&'static str> {
    CALLABLES.iter().find(|(name, _)| *name == class).map(|(_, argument)| *argument)
}

/// The classes of operators whose function can be handed over by its import path.
pub(crate) const IMPORTABLE: [&str; 8] = [
    "PythonOperator",
    "PythonVirtualenvOperator",
    "ExternalPythonOperator",
    "BranchPythonOperator",
    "BranchPythonVirtualenvOperator",
    "BranchExternalPythonOperator",
    "ShortCircuitOperator",
    "PythonSensor",
];
