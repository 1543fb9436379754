//! The keys of Airflow and dag-factory that Updraft does not serve, each with what to do instead. The reader and the
//! documentation are made from these tables.

/// A key of Airflow or dag-factory that Updraft does not serve.
#[derive(Debug)]
pub(super) struct Refused {
    pub name: &'static str,
    /// The value, as JSON, that says what holds anyway, and is let pass.
    pub harmless: Option<&'static str>,
    /// What to do instead.
    pub help: &'static str,
}

const fn refused(name: &'static str, help: &'static str) -> Refused {
    Refused { name, harmless: None, help }
}

const fn harmless(name: &'static str, value: &'static str, help: &'static str) -> Refused {
    Refused { name, harmless: Some(value), help }
}

const CALLBACK: &str = "a DAG file has no Python to call; write a notifier without `_name` and `_file`, for example \
                        `on_failure_callback: {slack: {url_env: SLACK_WEBHOOK_URL}}`";
const PYTHON: &str = "a DAG file holds no Python; `operator: python` calls functions of modules and files";
const COLOURS: &str = "the graph's colours are those of states";
const MACROS: &str = "templates know Airflow's own macros and filters, and no others";

/// Keys that a DAG may have in Airflow or dag-factory.
pub(super) const REFUSED_IN_DAGS: &[Refused] = &[
    refused("schedule_interval", "write `schedule`"),
    refused("timetable", "put the timetable into `schedule`"),
    refused("concurrency", "write `max_active_tasks`"),
    refused(
        "on_execute_callback",
        "a run has no such callback, in Airflow neither; write it in `default_args` for all tasks",
    ),
    refused("on_success_callback_name", CALLBACK),
    refused("on_success_callback_file", CALLBACK),
    refused("on_failure_callback_name", CALLBACK),
    refused("on_failure_callback_file", CALLBACK),
    refused("dagrun_timeout_sec", "write `dagrun_timeout: 2h`"),
    refused("sla_miss_callback", "Airflow 3 took service levels away; write `deadline`"),
    refused("access_control", "there is one user, who may do everything; run another Updraft for other people's DAGs"),
    harmless(
        "render_template_as_native_obj",
        "false",
        "a string that is one expression becomes a number, list or mapping where the operator takes one",
    ),
    refused("user_defined_macros", MACROS),
    refused("user_defined_filters", MACROS),
    refused("jinja_environment_kwargs", MACROS),
    refused("doc_md_file_path", "a version of a DAG is its file alone; write the text in `doc_md`"),
    refused("doc_md_python_callable_name", "write the text in `doc_md`"),
    refused("doc_md_python_callable_file", "write the text in `doc_md`"),
    refused("doc_md_python_arguments", "write the text in `doc_md`"),
    refused("orientation", "the graph's direction is chosen in the UI"),
    refused("default_view", "the view is chosen in the UI"),
    refused("disable_bundle_versioning", "runs are always pinned to the version that they began with"),
    refused("auto_register", "a DAG in a file is always there"),
];

/// Keys that a task may have in Airflow or dag-factory.
pub(super) const REFUSED_IN_TASKS: &[Refused] = &[
    refused("decorator", PYTHON),
    refused("python_callable", PYTHON),
    refused("python_callable_name", PYTHON),
    refused("python_callable_file", PYTHON),
    refused("pre_execute", PYTHON),
    refused("post_execute", PYTHON),
    refused("on_success_callback_name", CALLBACK),
    refused("on_success_callback_file", CALLBACK),
    refused("on_failure_callback_name", CALLBACK),
    refused("on_failure_callback_file", CALLBACK),
    refused("on_retry_callback_name", CALLBACK),
    refused("on_retry_callback_file", CALLBACK),
    refused("on_execute_callback_name", CALLBACK),
    refused("on_execute_callback_file", CALLBACK),
    refused("on_skipped_callback_name", CALLBACK),
    refused("on_skipped_callback_file", CALLBACK),
    refused("sla", "Airflow 3 took service levels away; `deadline` of the DAG bounds a run, `execution_timeout` a try"),
    refused("executor", "choose workers with `queue`"),
    refused("executor_config", "choose workers with `queue`"),
    refused("run_as_user", "tasks run as the user of the worker"),
    refused("variables_as_arguments", "write `\"{{ var.value.NAME }}\"` for the argument"),
    refused("retry_delay_sec", "write `retry_delay: 30s`"),
    refused("execution_timeout_secs", "write `execution_timeout: 30s`"),
    refused("sla_secs", "Airflow 3 took service levels away; `execution_timeout` bounds a try"),
    refused("execution_delta_secs", "write `execution_delta: 1h`"),
    refused("doc", "write the text in `doc_md`"),
    refused("doc_json", "write the text in `doc_md`"),
    refused("doc_yaml", "write the text in `doc_md`"),
    refused("doc_rst", "write the text in `doc_md`"),
    refused("run_as_owner", "tasks run as the user of the worker"),
    refused("ui_color", COLOURS),
    refused("ui_fgcolor", COLOURS),
    refused("upstream", "write `dependencies`"),
    refused("depends_on", "write `dependencies`"),
];

/// Keys that a group may have in Airflow or dag-factory.
pub(super) const REFUSED_IN_GROUPS: &[Refused] = &[
    refused("ui_color", COLOURS),
    refused("ui_fgcolor", COLOURS),
    harmless("add_suffix_on_collision", "false", "two groups with one id are a mistake; give one of them another name"),
    refused("group_id", "write `group_name`"),
    refused("partial", "write what all tasks have alike into `default_args`"),
];

/// What a word of Airflow's or dag-factory's stands for, if it is one that is refused.
pub(super) fn find_refused(table: &'static [Refused], name: &str) -> Option<&'static Refused> {
    table.iter().find(|refused| refused.name == name)
}
