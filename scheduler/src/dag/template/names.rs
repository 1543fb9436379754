//! The names that templates know, and those that people bring along from elsewhere.

/// Names that every task instance has.
pub(super) const ALWAYS: &[&str] = &[
    "run_id",
    "dag",
    "dag_run",
    "task",
    "ti",
    "task_instance",
    "params",
    "macros",
    "conn",
    "var",
    "map_index",
    "try_number",
    "test_mode",
    "expanded_ti_count",
    "task_reschedule_count",
    "map_index_template",
    "partition_key",
    "partition_date",
    "inlets",
    "outlets",
    "inlet_events",
    "triggering_asset_events",
    "prev_data_interval_start_success",
    "prev_data_interval_end_success",
    "prev_start_date_success",
    "prev_end_date_success",
];

/// Names that are there only when the run has a logical date (Airflow 3).
pub(super) const WITH_LOGICAL_DATE: &[&str] = &[
    "logical_date",
    "ds",
    "ds_nodash",
    "ts",
    "ts_nodash",
    "ts_nodash_with_tz",
    "data_interval_start",
    "data_interval_end",
    "task_instance_key_str",
];

/// Names that only the templates of mapped tasks know.
pub(super) const IN_MAPPED: &[&str] = &["mapped"];

/// Names that only the templates of callbacks know (Airflow 3).
pub(super) const IN_CALLBACKS: &[&str] = &["exception", "reason", "deadline"];

/// Names that Airflow 3 took away, and what to write instead.
const REMOVED: &[(&str, &str)] = &[
    ("execution_date", "write `logical_date`"),
    ("next_ds", "write `{{ data_interval_end | ds }}`"),
    ("next_ds_nodash", "write `{{ data_interval_end | ds_nodash }}`"),
    ("prev_ds", "write `{{ macros.ds_add(ds, -1) }}`"),
    ("prev_ds_nodash", "write `{{ macros.ds_add(ds, -1) | replace('-', '') }}`"),
    ("yesterday_ds", "write `{{ macros.ds_add(ds, -1) }}`"),
    ("yesterday_ds_nodash", "write `{{ macros.ds_add(ds, -1) | replace('-', '') }}`"),
    ("tomorrow_ds", "write `{{ macros.ds_add(ds, 1) }}`"),
    ("tomorrow_ds_nodash", "write `{{ macros.ds_add(ds, 1) | replace('-', '') }}`"),
    ("next_execution_date", "write `data_interval_end`"),
    ("prev_execution_date", "write `logical_date.subtract(days=1)`, or what the schedule's period is"),
    ("prev_execution_date_success", "write `logical_date.subtract(days=1)`, or what the schedule's period is"),
    ("conf", "the settings of the installation are not for templates; `dag_run.conf` is what the run was given"),
    ("triggering_dataset_events", "write `triggering_asset_events`"),
];

/// Names of Airflow 3 that Updraft does not have yet.
const NOT_YET: &[(&str, &str)] = &[
    (
        "outlet_events",
        "a template cannot add to an event; `updraft assets emit` and the REST API can make one with an `extra`",
    ),
    ("templates_dict", "write the template where its value is used"),
    ("task_state_store", "what a task remembers is its operator's business"),
    ("asset_state_store", "what a task remembers is its operator's business"),
];

/// What to say of a name that people know from Airflow, if it is one: what is wrong, and what to do.
pub(super) fn foreign(name: &str) -> Option<(String, &'static str)> {
    let find = |table: &'static [(&str, &'static str)]| table.iter().find(|(known, _)| *known == name);
    if IN_MAPPED.contains(&name) {
        return Some((
            format!("`{name}` is there in mapped tasks only"),
            "say with `expand` what the task is mapped over",
        ));
    }
    if let Some((_, help)) = find(REMOVED) {
        return Some((format!("`{name}` was removed in Airflow 3"), help));
    }
    if IN_CALLBACKS.contains(&name) {
        return Some((
            format!("`{name}` is there in callbacks only"),
            "write it in an `on_…_callback` or a `deadline`",
        ));
    }
    find(NOT_YET).map(|(_, help)| (format!("`{name}` is not available yet"), *help))
}

/// All names that may be there.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    ALWAYS.iter().chain(WITH_LOGICAL_DATE).copied()
}
