//! Every key of a DAG file: its meaning, its type, its default. The reader, the JSON Schema for editors and the
//! documentation are all made from these tables.

/// What kind of value a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Text,
    Boolean,
    /// A whole number of at least that much.
    Count(u32),
    /// A whole number of either sign.
    Integer,
    /// A number of at least 0, or true for 2.
    Factor,
    Duration,
    Instant,
    Timezone,
    Schedule,
    Catchup,
    Assets,
    /// Assets and aliases of them.
    Outlets,
    Tags,
    Params,
    DefaultArgs,
    Tasks,
    Operator,
    Dependencies,
    TriggerRule,
    WeightRule,
    Groups,
    GroupName,
    Expand,
    ExpandKwargs,
    Partial,
    RetryPolicy,
    ExitCodes,
    RetryAction,
    /// One callback, or a list of them.
    Callbacks,
    /// One deadline, or a list of them.
    Deadlines,
    /// One address, or a list of them.
    Emails,
    /// One text, or a list of them.
    Texts,
    /// URLs by owner.
    OwnerLinks,
    /// Kinds of runs.
    RunTypes,
}

/// A key of a DAG or of a task.
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// What it is for, for editors and for the documentation.
    pub summary: &'static str,
    /// The default as JSON; empty when there is none, or when a sentence in the summary tells it.
    pub default: &'static str,
    /// How it is written.
    pub example: &'static str,
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    example: &'static str,
    summary: &'static str,
) -> Key {
    Key { name, kind, summary, default, example }
}

/// The keys of a DAG.
pub(super) const DAG_KEYS: &[Key] = &[
    key(
        "dag_id",
        Kind::Id,
        "",
        "sales_daily",
        "The DAG's id, unique within the installation. Letters, digits, `_`, `-` and `.`, at most 250. By default the file's name without its extension, or the key above the DAG.",
    ),
    key(
        "dag_display_name",
        Kind::Text,
        "null",
        "Sales, daily",
        "What people see in place of the id, in any letters. Everything else keeps to the id: addresses, commands, logs.",
    ),
    key("description", Kind::Text, "null", "Loads yesterday's sales", "One line for lists."),
    key("doc_md", Kind::Text, "null", "\"# Sales\\nAsk the data team.\"", "Markdown for the DAG's page."),
    key(
        "schedule",
        Kind::Schedule,
        "null",
        "\"0 3 * * mon-fri\"",
        "When runs are due: a cron expression, a preset such as `@daily`, `@once`, `@continuous`, a length of time (`6h`), a list of assets, one of the longer forms, or nothing for runs that somebody triggers.",
    ),
    key(
        "timezone",
        Kind::Timezone,
        "\"UTC\"",
        "Europe/Amsterdam",
        "The zone in which the schedule and dates without an offset are meant. Daylight saving is taken care of.",
    ),
    key(
        "start_date",
        Kind::Instant,
        "null",
        "2026-01-01",
        "No run is due before it. A date, or a date and time; without an offset in the DAG's time zone.",
    ),
    key(
        "end_date",
        Kind::Instant,
        "null",
        "2026-12-31T23:59:59",
        "No run is due after it. Written as `start_date` is.",
    ),
    key(
        "catchup",
        Kind::Catchup,
        "false",
        "{mode: all, window: 2d}",
        "Which missed runs are made up for: `true` is all since `start_date`, one by one; `false` the latest; the mode `none` none. A `window` bounds how far back.",
    ),
    key("max_active_runs", Kind::Count(1), "16", "1", "Most runs of the DAG at the same time."),
    key("max_active_tasks", Kind::Count(1), "16", "4", "Most task instances of one run at the same time."),
    key(
        "dagrun_timeout",
        Kind::Duration,
        "null",
        "2h",
        "A run that takes longer fails, and its unfinished tasks are skipped.",
    ),
    key(
        "max_consecutive_failed_dag_runs",
        Kind::Count(0),
        "0",
        "3",
        "After so many failed runs in a row the DAG is paused; 0 is never.",
    ),
    key(
        "is_paused_upon_creation",
        Kind::Boolean,
        "null",
        "false",
        "Whether the DAG is paused when it first appears. By default the installation decides.",
    ),
    key(
        "on_success_callback",
        Kind::Callbacks,
        "[]",
        "{webhook: {url: \"https://example.com/updraft\"}}",
        "Whom to tell when a run succeeded: one callback, or a list of them.",
    ),
    key(
        "on_failure_callback",
        Kind::Callbacks,
        "[]",
        "{slack: {url_env: SLACK_WEBHOOK_URL, text: \"{{ dag.dag_id }} failed: {{ reason }}\"}}",
        "Whom to tell when a run failed: one callback, or a list of them.",
    ),
    key(
        "deadline",
        Kind::Deadlines,
        "[]",
        "{reference: DAGRUN_QUEUED_AT, interval: 1h, callback: {email: {to: ops@example.com}}}",
        "By when a run should be done, and whom to tell when it is not: one deadline, or a list of them.",
    ),
    key("tags", Kind::Tags, "[]", "[sales, daily]", "Words to filter lists by."),
    key("owner", Kind::Text, "", "data-team", "Whom to ask. By default the `owner` in `default_args`, else `airflow`."),
    key(
        "owner_links",
        Kind::OwnerLinks,
        "{}",
        "{data-team: \"mailto:data@example.com\"}",
        "Where owners are reached, by owner: an `http(s)://` or `mailto:` address. The DAG's page links to it.",
    ),
    key(
        "allowed_run_types",
        Kind::RunTypes,
        "null",
        "[scheduled, backfill]",
        "The kinds of runs that are made: of `scheduled`, `manual`, `backfill`, `asset_triggered`, `operator_triggered` and `asset_materialization`. By default all.",
    ),
    key(
        "params",
        Kind::Params,
        "{}",
        "{region: {type: string, enum: [eu, us], default: eu}}",
        "What a run can be given. Each param is a plain value, which is its default, or a JSON Schema with an optional `default`; a param without a default must be given. Templates read them as `{{ params.region }}`.",
    ),
    key(
        "default_args",
        Kind::DefaultArgs,
        "{}",
        "{retries: 2, retry_delay: 5m}",
        "Keys for all tasks: keys that every task has, and arguments of operators, which go to the tasks whose operator has them. A task's own key wins.",
    ),
    key(
        "tasks",
        Kind::Tasks,
        "",
        "[{task_id: hello, operator: bash, bash_command: \"echo hello\"}]",
        "The tasks: a list of mappings with `task_id`, or a mapping from ids to tasks.",
    ),
    key(
        "rerun_with_latest_version",
        Kind::Boolean,
        "null",
        "true",
        "Whether what runs again, cleared or in a backfill, does so on the file as it is now rather than on the version that its run began with. By default only a backfill does; who asks may say otherwise.",
    ),
    key(
        "template_searchpath",
        Kind::Texts,
        "[]",
        "[\"../sql\"]",
        "Where [template files](#template-files) are looked for, after the folder of the DAG file: one folder or a list of them, from that folder on. All are within the folder of DAG files.",
    ),
    // The graph.
    key(
        "task_groups",
        Kind::Groups,
        "[]",
        "[{group_name: load, tooltip: Into the warehouse}]",
        "The groups of tasks: a list of mappings with `group_name`, or a mapping from names to groups. Tasks are put into one with `task_group_name`.",
    ),
    key(
        "fail_fast",
        Kind::Boolean,
        "false",
        "true",
        "Whether the first task that fails for good ends the run: what runs fails, what waits is skipped, and only teardowns still run. Every other task must have the trigger rule `all_success`.",
    ),
];

/// The keys of every task, whatever its operator.
pub(super) const TASK_KEYS: &[Key] = &[
    key(
        "task_id",
        Kind::Id,
        "",
        "load",
        "The task's id, unique within the DAG. Needed in a list of tasks; in a mapping the key is the id.",
    ),
    key(
        "operator",
        Kind::Operator,
        "",
        "bash",
        "What the task does: the short name of an operator, or the Airflow class that it stands for. The operator's arguments stand beside it.",
    ),
    key(
        "dependencies",
        Kind::Dependencies,
        "[]",
        "[extract, check]",
        "What must end before the task starts: ids of tasks and groups. See [graph](graph.md#dependencies) for short names.",
    ),
    key(
        "start_date",
        Kind::Instant,
        "null",
        "2026-02-01",
        "The task is skipped in runs with an earlier logical date; not in a backfill. Written as the DAG's is.",
    ),
    key(
        "end_date",
        Kind::Instant,
        "null",
        "2026-06-30",
        "The task is skipped in runs with a later logical date; not in a backfill.",
    ),
    key(
        "trigger_rule",
        Kind::TriggerRule,
        "\"all_success\"",
        "all_done",
        "How the tasks in `dependencies` must have ended: one of the [trigger rules](graph.md#trigger-rules).",
    ),
    key("retries", Kind::Count(0), "0", "3", "Further tries after the first one failed."),
    key("retry_delay", Kind::Duration, "\"5m\"", "30s", "The wait before another try."),
    key(
        "retry_exponential_backoff",
        Kind::Factor,
        "0",
        "2",
        "The factor by which the wait grows from try to try; 0 is off, true is 2.",
    ),
    key("max_retry_delay", Kind::Duration, "null", "1h", "The wait never grows beyond it."),
    key(
        "execution_timeout",
        Kind::Duration,
        "null",
        "15m",
        "A try that takes longer is cancelled and counts as failed; retries apply.",
    ),
    key(
        "priority_weight",
        Kind::Integer,
        "1",
        "10",
        "The task's own weight. When slots are short, heavier goes first.",
    ),
    key(
        "weight_rule",
        Kind::WeightRule,
        "\"downstream\"",
        "absolute",
        "Whose weights make the task heavy: its own and those of all tasks after it (`downstream`) or before it (`upstream`), or its own alone (`absolute`).",
    ),
    key("pool", Kind::Text, "\"default_pool\"", "warehouse", "The pool from which the task takes slots while it runs."),
    key("pool_slots", Kind::Count(1), "1", "2", "How many slots it takes."),
    key(
        "max_active_tis_per_dag",
        Kind::Count(1),
        "null",
        "1",
        "Most instances of the task at the same time, over all runs of the DAG.",
    ),
    key(
        "max_active_tis_per_dagrun",
        Kind::Count(1),
        "null",
        "4",
        "Most instances of the task at the same time within one run, when it is mapped.",
    ),
    key("queue", Kind::Text, "\"default\"", "gpu", "Which workers may run it."),
    key("owner", Kind::Text, "", "data-team", "Whom to ask. By default the DAG's owner."),
    key(
        "task_display_name",
        Kind::Text,
        "null",
        "Load the sales",
        "What people see in place of the id, in any letters.",
    ),
    key("doc_md", Kind::Text, "null", "Counts the rows.", "Markdown for the task's page."),
    key(
        "on_execute_callback",
        Kind::Callbacks,
        "[]",
        "{command: [logger, \"{{ ti.task_id }} begins\"]}",
        "Whom to tell when a try begins: one callback, or a list of them.",
    ),
    key(
        "on_success_callback",
        Kind::Callbacks,
        "[]",
        "{webhook: {url: \"https://example.com/done\", body: {day: \"{{ ds }}\"}}}",
        "Whom to tell when the task succeeded.",
    ),
    key(
        "on_failure_callback",
        Kind::Callbacks,
        "[]",
        "[{slack: {url_env: SLACK_WEBHOOK_URL}}, {email: {to: ops@example.com}}]",
        "Whom to tell when the task failed and no try is left.",
    ),
    key(
        "on_retry_callback",
        Kind::Callbacks,
        "[]",
        "{slack: {url_env: SLACK_WEBHOOK_URL, text: \"{{ ti.task_id }}: {{ exception }}\"}}",
        "Whom to tell when a try failed and another follows.",
    ),
    key(
        "on_skipped_callback",
        Kind::Callbacks,
        "[]",
        "{webhook: \"https://example.com/skipped\"}",
        "Whom to tell when the task chose not to run; not when a trigger rule or a branch skips it.",
    ),
    key(
        "email",
        Kind::Emails,
        "[]",
        "[ops@example.com]",
        "Who gets an e-mail when the task fails, as Airflow has it: short for `email` callbacks.",
    ),
    key("email_on_failure", Kind::Boolean, "true", "false", "Whether `email` is told when the task failed."),
    key("email_on_retry", Kind::Boolean, "true", "false", "Whether `email` is told when another try follows."),
    key(
        "do_xcom_push",
        Kind::Boolean,
        "true",
        "false",
        "Whether what the operator answers is kept for other tasks, as the XCom `return_value`.",
    ),
    key(
        "multiple_outputs",
        Kind::Boolean,
        "false",
        "true",
        "Whether each entry of what the operator answers is an XCom of its own, besides; the answer must be a mapping.",
    ),
    key(
        "params",
        Kind::Params,
        "{}",
        "{region: eu}",
        "Params of the task, over those of the DAG; what a run is given goes over both. Written as the DAG's are.",
    ),
    key(
        "outlets",
        Kind::Outlets,
        "[]",
        "[\"s3://lake/sales\"]",
        "The assets that the task makes, as URIs or as `{name: …, uri: …, extra: {…}}`. DAGs may wait for them. `{alias: …}` stands for assets that the task finds while it runs.",
    ),
    key(
        "inlets",
        Kind::Assets,
        "[]",
        "[\"s3://lake/orders\"]",
        "The assets that the task reads: for people to see, and for its templates (`inlet_events`).",
    ),
    // The graph.
    key(
        "task_group_name",
        Kind::GroupName,
        "null",
        "load",
        "The group that the task is in, by its name or its id. The task's id becomes `load.task`.",
    ),
    key(
        "depends_on_past",
        Kind::Boolean,
        "false",
        "true",
        "Whether the task waits until it has succeeded, or was skipped, in the run before.",
    ),
    key(
        "wait_for_downstream",
        Kind::Boolean,
        "false",
        "true",
        "Whether it waits for the tasks directly after it in the run before as well; `depends_on_past` comes with it.",
    ),
    key(
        "wait_for_past_depends_before_skipping",
        Kind::Boolean,
        "false",
        "true",
        "Whether a task that waits for the run before waits also when it is about to be skipped.",
    ),
    key(
        "ignore_first_depends_on_past",
        Kind::Boolean,
        "false",
        "true",
        "Whether a task that waits for the run before does not wait in the first run that has the task.",
    ),
    key("is_setup", Kind::Boolean, "false", "true", "Whether the task makes something that others work with."),
    key(
        "is_teardown",
        Kind::Boolean,
        "false",
        "true",
        "Whether the task takes away what its setups made, however the work went. Its trigger rule is `all_done_setup_success`.",
    ),
    key(
        "setups",
        Kind::Dependencies,
        "[]",
        "[extract]",
        "The setups of a teardown. It depends on them, and they become setups.",
    ),
    key("on_failure_fail_dagrun", Kind::Boolean, "false", "true", "Whether the run fails when this teardown does."),
    key(
        "expand",
        Kind::Expand,
        "null",
        "{bash_command: [\"load eu\", \"load us\"]}",
        "Makes one instance of the task for each value of an argument, or for each combination of values of several: lists, mappings, or what a task leaves (`files.output`).",
    ),
    key(
        "expand_kwargs",
        Kind::ExpandKwargs,
        "null",
        "[{bash_command: load eu}, {bash_command: load us, cwd: /srv}]",
        "Makes one instance for each mapping of arguments in a list, or in what a task leaves.",
    ),
    key(
        "partial",
        Kind::Partial,
        "{}",
        "{append_env: true}",
        "Beside `expand` or `expand_kwargs`: what all instances have alike. It may as well stand beside `operator`.",
    ),
    key(
        "map_index_template",
        Kind::Text,
        "null",
        "\"{{ mapped.bash_command }}\"",
        "A template that names each instance of a mapped task.",
    ),
    key(
        "retry_policy",
        Kind::RetryPolicy,
        "[]",
        "[{exit_code: 2, action: fail}, {error: timed out, action: retry, retry_delay: 10s}]",
        "What is done about certain failures. See [retries](graph.md#retries).",
    ),
];

/// The keys of a group of tasks.
pub(super) const GROUP_KEYS: &[Key] = &[
    key(
        "group_name",
        Kind::Id,
        "",
        "load",
        "The group's name, unique within the group around it. Needed in a list of groups; in a mapping the key is the name.",
    ),
    key("group_display_name", Kind::Text, "null", "Load", "What people see in place of the name, in any letters."),
    key("tooltip", Kind::Text, "null", "Into the warehouse", "One line for the graph."),
    key(
        "parent_group_name",
        Kind::GroupName,
        "null",
        "publish",
        "The group around it, by its name or its id. The group's id becomes `publish.load`.",
    ),
    key(
        "prefix_group_id",
        Kind::Boolean,
        "true",
        "false",
        "Whether the ids of tasks and groups in it begin with its own.",
    ),
    key(
        "dependencies",
        Kind::Dependencies,
        "[]",
        "[extract]",
        "What must end before the first tasks of the group start: ids of tasks and groups.",
    ),
    key(
        "default_args",
        Kind::DefaultArgs,
        "{}",
        "{retries: 2, pool: warehouse}",
        "Keys for all tasks in the group, laid over the `default_args` of what is around it.",
    ),
    key(
        "expand",
        Kind::Expand,
        "null",
        "{region: [eu, us]}",
        "Makes the whole group once for each value, or for each combination of values. Its tasks read them as `{{ mapped.region }}`.",
    ),
    key(
        "expand_kwargs",
        Kind::ExpandKwargs,
        "null",
        "[{region: eu, rows: 10}, {region: us, rows: 20}]",
        "Makes the whole group once for each mapping of values in a list, or in what a task leaves.",
    ),
];

/// The keys of a rule of `retry_policy`.
pub(super) const RETRY_KEYS: &[Key] = &[
    key("exit_code", Kind::ExitCodes, "null", "[2, 3]", "The exit code, or codes, that it is about."),
    key(
        "error",
        Kind::Text,
        "null",
        "timed out",
        "A text that is in the error; between slashes a regular expression: `/HTTP 5\\d\\d/`.",
    ),
    key("action", Kind::RetryAction, "", "retry", "`retry`, as far as `retries` go, or `fail`, at once."),
    key("retry_delay", Kind::Duration, "null", "30s", "The wait before that try, instead of the task's own."),
];

/// Keys of a task that cannot have a default for all tasks.
pub(super) const NOT_IN_DEFAULT_ARGS: &[&str] = &[
    "task_id",
    "operator",
    "dependencies",
    "task_display_name",
    // Those of a DAG are the DAG's; see below.
    "start_date",
    "end_date",
    "doc_md",
    "task_group_name",
    "is_setup",
    "is_teardown",
    "setups",
    "on_failure_fail_dagrun",
    "expand",
    "expand_kwargs",
    "partial",
];

/// Keys of `default_args` that belong to the DAG (Airflow reads them there, too).
pub(super) const DAG_KEYS_IN_DEFAULT_ARGS: &[&str] = &["start_date", "end_date", "timezone"];
