//! One snapshot for each kind of mistake, as people read it.

use scheduler::dag::spec::{Code, SourceFile, load, render};

use crate::fixtures::registry;

/// Who notices a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The loader, and the JSON Schema in the editor.
    InTheEditor,
    /// Only the loader, because a JSON Schema cannot say it.
    WhenLoaded,
}

/// A file with a mistake.
pub struct Mistake {
    pub name: &'static str,
    pub code: Code,
    pub seen: Seen,
    pub text: &'static str,
}

macro_rules! mistakes {
    ($($name:ident: $code:ident, $seen:ident, $text:expr;)*) => {
        /// All of them, for the comparison with the editor's schema.
        pub const ALL: &[Mistake] = &[$(
            Mistake { name: stringify!($name), code: Code::$code, seen: Seen::$seen, text: $text },
        )*];
        $(
            #[test]
            fn $name() {
                let source = SourceFile::new("dags/example.yaml", $text);
                let loaded = load(&source, &registry());
                let codes: Vec<Code> = loaded.problems.iter().map(|problem| problem.code).collect();
                let rendered = render(&source, &loaded.problems, false);
                assert!(codes.contains(&Code::$code), "{codes:?}\n{rendered}");
                assert!(loaded.dags.is_empty(), "a DAG with a mistake was taken");
                insta::assert_snapshot!(stringify!($name), rendered);
            }
        )*
    };
}

mistakes! {
    syntax_tab: Syntax, WhenLoaded, "tasks:\n\t- task_id: a\n\t  operator: empty\n";
    syntax_unclosed: Syntax, WhenLoaded, "tasks: [{task_id: a, operator: empty}\ntags: [x]\n";
    syntax_indentation: Syntax, WhenLoaded, "schedule: '@daily'\n tasks: []\n";
    syntax_template_without_quotes: Syntax, WhenLoaded, "tasks:\n  - task_id: a\n    operator: bash\n    bash_command: {{ ds }}\n";
    syntax_unknown_alias: Syntax, WhenLoaded, "tasks:\n  - task_id: a\n    operator: bash\n    bash_command: *command\n";
    syntax_two_documents: Syntax, WhenLoaded, "tasks: []\n---\ntasks: []\n";
    too_deep: TooLarge, WhenLoaded, concat!(
        "tasks: [{task_id: a, operator: clean, input: x, rules: [], notes: ",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        "1",
        "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}]\n",
    );
    too_many_aliases: TooLarge, WhenLoaded, concat!(
        "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n",
        "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n",
        "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n",
        "g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f, *f]\ntasks: *g\n",
    );
    duplicate_key: DuplicateKey, WhenLoaded, "schedule: '@daily'\ntasks: []\nschedule: '@hourly'\n";
    unknown_key: UnknownKey, InTheEditor, "shedule: '@daily'\ntasks: []\n";
    unknown_key_in_default_args: UnknownKey, InTheEditor, "default_args: {retires: 2}\ntasks: []\n";
    unsupported_callback: Unsupported, InTheEditor, "default_args: {on_failure_callback: lib.notify}\ntasks: []\n";
    unsupported_callback_class: Unsupported, InTheEditor, "on_failure_callback:\n  - {callback: lib.cb.msg, text: hi}\ntasks: []\n";
    unsupported_callback_file: Unsupported, InTheEditor, "on_failure_callback_name: notify\non_failure_callback_file: /opt/cb.py\ntasks: []\n";
    unsupported_callback_argument: Unsupported, InTheEditor, "tasks:\n  - task_id: a\n    operator: empty\n    on_retry_callback:\n      callback: airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier\n      url_env: SLACK\n      slack_webhook_conn_id: slack\n";
    unsupported_decorator: Unsupported, InTheEditor, "tasks:\n  - {task_id: a, decorator: airflow.sdk.task, python_callable: lib.f}\n";
    unsupported_schedule_datasets: Unsupported, InTheEditor, "schedule: {datasets: a & b}\ntasks: []\n";
    unsupported_schedule_class: Unsupported, InTheEditor, "schedule: {__type__: airflow.timetables.simple.PartitionedAtRuntime}\ntasks: []\n";
    unsupported_relativedelta: Unsupported, WhenLoaded, "schedule: {__type__: dateutil.relativedelta.relativedelta, hour: 18}\ntasks: []\n";
    invalid_scheduled_alias: UnknownKey, InTheEditor, "schedule: [{alias: a, uri: b}]\ntasks: []\n";
    unsupported_inlet_alias: Unsupported, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, inlets: [{__type__: airflow.sdk.AssetAlias, name: a}]}\n";
    invalid_alias: UnknownKey, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, outlets: [{alias: a, uri: b}]}\n";
    unsupported_asset_watchers: Unsupported, WhenLoaded, "schedule: [{__type__: airflow.sdk.Asset, name: a, watchers: [x]}]\ntasks: []\n";
    unsupported_outlets_file: Unsupported, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, outlets: {file: assets.yml, datasets: [a]}}\n";
    unsupported_task_executor: Unsupported, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, executor: KubernetesExecutor}\n";
    unsupported_object: Unsupported, WhenLoaded, "tasks:\n  - {task_id: a, operator: clean, input: x, rules: [], notes: {__join__: [a, b]}}\n";
    unsupported_tag: Unsupported, WhenLoaded, "tasks:\n  - {task_id: a, operator: bash, bash_command: !!python/name:os.system x}\n";
    missing_tasks: MissingKey, InTheEditor, "schedule: '@daily'\n";
    missing_task_id: MissingKey, InTheEditor, "tasks:\n  - operator: empty\n";
    missing_operator: MissingKey, InTheEditor, "tasks:\n  - task_id: a\n    retries: 2\n";
    wrong_type_number: WrongType, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, retries: often}\n";
    wrong_type_boolean: WrongType, InTheEditor, "catchup: yes\ntasks: []\n";
    wrong_type_list: WrongType, InTheEditor, "tags: daily\ntasks: []\n";
    wrong_type_text: WrongType, InTheEditor, "description: 12\ntasks: []\n";
    wrong_type_tasks: WrongType, InTheEditor, "tasks: hello\n";
    wrong_type_file: WrongType, InTheEditor, "- task_id: a\n  operator: empty\n";
    invalid_count: InvalidValue, InTheEditor, "max_active_runs: 0\ntasks: []\n";
    invalid_duration: InvalidValue, InTheEditor, "default_args:\n  retry_delay: 5 fortnights\ntasks: []\n";
    invalid_negative_duration: InvalidValue, InTheEditor, "dagrun_timeout: -5\ntasks: []\n";
    invalid_date: InvalidValue, InTheEditor, "start_date: 01.02.2026\ntasks: []\n";
    invalid_relative_date: InvalidValue, InTheEditor, "start_date: 2 days\ntasks: []\n";
    invalid_timezone: InvalidValue, InTheEditor, "timezone: Europe/Amsterdm\ntasks: []\n";
    invalid_bounds: InvalidValue, WhenLoaded, "start_date: 2026-02-01\nend_date: 2026-01-01\ntasks: []\n";
    invalid_bounds_of_task: InvalidValue, WhenLoaded, "tasks:\n  - {task_id: a, operator: empty, start_date: 2026-02-01, end_date: 2026-01-01}\n";
    invalid_display_name: InvalidValue, WhenLoaded, "dag_display_name: ' '\ntasks: []\n";
    invalid_owner_link: InvalidValue, InTheEditor, "owner_links: {data: data@example.com}\ntasks: []\n";
    invalid_run_type: InvalidValue, InTheEditor, "allowed_run_types: [schedueld]\ntasks: []\n";
    invalid_run_types_of_schedule: InvalidValue, WhenLoaded, "schedule: '@daily'\nallowed_run_types: [manual]\ntasks: []\n";
    invalid_trigger_rule: InvalidValue, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, trigger_rule: all_succes}\n";
    invalid_weight_rule: InvalidValue, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, weight_rule: downsteam}\n";
    invalid_second_id: InvalidValue, WhenLoaded, "tasks:\n  a: {task_id: b, operator: empty}\n";
    invalid_second_zone: InvalidValue, WhenLoaded, "timezone: UTC\nschedule: {__type__: airflow.timetables.trigger.CronTriggerTimetable, cron: '0 3 * * *', timezone: Europe/Amsterdam}\ntasks: []\n";
    invalid_dag_id: InvalidId, InTheEditor, "dag_id: sales daily\ntasks: []\n";
    invalid_task_id: InvalidId, InTheEditor, "tasks:\n  - {task_id: a/b, operator: empty}\n";
    invalid_dag_id_among_several: InvalidId, InTheEditor, "a: {dag_id: c b, tasks: []}\n";
    invalid_schedule: InvalidSchedule, InTheEditor, "schedule: '@dialy'\ntasks: []\n";
    invalid_schedule_field: InvalidSchedule, WhenLoaded, "schedule: 0 25 * * *\ntasks: []\n";
    invalid_schedule_never: InvalidSchedule, WhenLoaded, "schedule: 59 23 31 2 *\ntasks: []\n";
    invalid_schedule_reboot: InvalidSchedule, InTheEditor, "schedule: '@reboot'\ntasks: []\n";
    invalid_schedule_number: WrongType, InTheEditor, "schedule: 90\ntasks: []\n";
    invalid_schedule_without_unit: InvalidValue, InTheEditor, "schedule: '90'\ntasks: []\n";
    invalid_schedule_short: InvalidValue, WhenLoaded, "schedule: 0.5s\ntasks: []\n";
    invalid_schedule_list_of_crons: InvalidSchedule, InTheEditor, "schedule: ['@daily', s3://lake/a]\ntasks: []\n";
    invalid_schedule_asset_text: InvalidSchedule, InTheEditor, "schedule: s3://lake/a\ntasks: []\n";
    invalid_schedule_no_assets: InvalidSchedule, InTheEditor, "schedule: []\ntasks: []\n";
    invalid_schedule_form: InvalidSchedule, InTheEditor, "schedule: {daily: true}\ntasks: []\n";
    invalid_schedule_two_forms: InvalidSchedule, InTheEditor, "schedule: {cron: '@daily', every: 6h}\ntasks: []\n";
    invalid_schedule_two_meanings: InvalidSchedule, WhenLoaded, "schedule: {cron: '@daily', data_interval: true, interval: 1d}\ntasks: []\n";
    invalid_key_format: InvalidSchedule, WhenLoaded, "schedule: {cron: '@daily', key_format: '%Y-%Q'}\ntasks: []\n";
    invalid_schedule_any_and_all: InvalidSchedule, InTheEditor, "schedule: {any: [a], all: [b]}\ntasks: []\n";
    invalid_schedule_cron_in_crons: InvalidSchedule, InTheEditor, "schedule: {crons: [0 6 * * *, '@dialy', 0 25 * * *]}\ntasks: []\n";
    invalid_schedule_time_beside_assets: InvalidSchedule, WhenLoaded, "schedule: {assets: [a], time: {__type__: airflow.timetables.simple.NullTimetable}}\ntasks: []\n";
    unknown_schedule_key: UnknownKey, InTheEditor, "schedule: {cron: '@daily', data_intervall: true}\ntasks: []\n";
    unknown_schedule_argument: UnknownKey, WhenLoaded, "schedule: {__type__: airflow.sdk.CronTriggerTimetable, cron: '@daily', time_zone: UTC}\ntasks: []\n";
    missing_schedule_argument: MissingKey, WhenLoaded, "schedule: {__type__: airflow.sdk.DeltaTriggerTimetable}\ntasks: []\n";
    invalid_date_of_schedule: InvalidValue, WhenLoaded, "schedule: {dates: [2026-12-24, someday]}\ntasks: []\n";
    invalid_asset: InvalidValue, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, outlets: [{extra: {a: 1}}]}\n";
    invalid_asset_password: InvalidValue, WhenLoaded, "schedule: ['postgres://me:secret@db/sales']\ntasks: []\n";
    wrong_type_outlets: WrongType, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, outlets: s3://lake/a}\n";
    invalid_catchup_mode: InvalidValue, InTheEditor, "catchup: {mode: latets}\ntasks: []\n";
    invalid_catchup_word: WrongType, InTheEditor, "catchup: nono\ntasks: []\n";
    unknown_operator: UnknownOperator, InTheEditor, "tasks:\n  - {task_id: a, operator: bahs, bash_command: ls}\n";
    unknown_airflow_operator: UnknownOperator, InTheEditor, "tasks:\n  - {task_id: a, operator: airflow.operators.python.PythonOperator}\n";
    duplicate_task: DuplicateTask, WhenLoaded, "tasks:\n  - {task_id: a, operator: empty}\n  - {task_id: b, operator: empty}\n  - {task_id: a, operator: empty}\n";
    unknown_dependency: UnknownDependency, WhenLoaded, "tasks:\n  - {task_id: extract, operator: empty}\n  - task_id: load\n    operator: empty\n    dependencies: [extrac]\n";
    cycle: Cycle, WhenLoaded, "tasks:\n  - task_id: a\n    operator: empty\n    dependencies: [c]\n  - task_id: b\n    operator: empty\n    dependencies:\n      - a\n  - task_id: c\n    operator: empty\n    dependencies: [b]\n";
    cycle_of_one: Cycle, WhenLoaded, "tasks:\n  - {task_id: a, operator: empty, dependencies: [a]}\n";
    missing_argument: MissingArgument, InTheEditor, "tasks:\n  - {task_id: a, operator: bash}\n";
    missing_nested_argument: MissingArgument, InTheEditor, "tasks:\n  - task_id: a\n    operator: clean\n    input: rows\n    rules:\n      - cast: int\n";
    unknown_argument: UnknownArgument, InTheEditor, "tasks:\n  - {task_id: a, operator: bash, bash_command: ls, environ: {A: b}, append_envs: true}\n";
    unknown_argument_of_airflow: UnknownArgument, InTheEditor, "tasks:\n  - {task_id: a, operator: bash, bash_command: ls, environment: {A: b}}\n";
    unknown_nested_argument: UnknownArgument, InTheEditor, "tasks:\n  - task_id: a\n    operator: clean\n    input: rows\n    rules:\n      - {column: a, casts: int}\n";
    invalid_argument_type: InvalidArgument, InTheEditor, "tasks:\n  - {task_id: a, operator: bash, bash_command: [ls], env: PATH}\n";
    invalid_argument_choice: InvalidArgument, InTheEditor, "tasks:\n  - {task_id: a, operator: clean, input: x, rules: [{column: a, cast: integer}], format: cvs}\n";
    invalid_argument_bounds: InvalidArgument, InTheEditor, "tasks:\n  - {task_id: a, operator: bash, bash_command: ls, skip_on_exit_code: [99, 300]}\n";
    invalid_argument_checked: InvalidArgument, WhenLoaded, "tasks:\n  - task_id: a\n    operator: clean\n    input: x\n    rules:\n      - {column: a}\n      - {column: b, cast: int, drop: true}\n";
    template_file_away: InvalidArgument, WhenLoaded, "tasks:\n  - {task_id: a, operator: scripted, script: [a.sh, ../b.sh]}\n";
    template_searchpath: WrongType, InTheEditor, "template_searchpath: {sql: true}\ntasks: []\n";
    template_syntax: Template, WhenLoaded, "tasks:\n  - task_id: a\n    operator: bash\n    bash_command: |\n      echo one\n      echo {{ ds + }}\n";
    template_removed_name: Template, WhenLoaded, "tasks:\n  - task_id: a\n    operator: bash\n    bash_command: \"echo {{ ds }} {{ execution_date }}\"\n";
    template_not_yet: Template, WhenLoaded, "tasks:\n  - task_id: a\n    operator: bash\n    bash_command: echo {{ templates_dict.bucket }}\n";
    template_unknown_name: Template, WhenLoaded, "tasks:\n  - task_id: a\n    operator: bash\n    bash_command: ls\n    env:\n      DAY: \"{{ logical_dat }}\"\n";
    invalid_param_default: InvalidParam, WhenLoaded, "params:\n  rows: {type: integer, minimum: 1, default: many}\ntasks: []\n";
    invalid_param_schema: InvalidParam, WhenLoaded, "params:\n  rows: {type: integer, minimum: low}\ntasks: []\n";
    invalid_param_required: InvalidParam, WhenLoaded, "schedule: '@daily'\nparams:\n  rows: {type: integer}\ntasks: []\n";
    callback_of_two: InvalidValue, InTheEditor, "on_success_callback: {webhook: {url: x}, email: {to: y}}\ntasks: []\n";
    callback_unknown_notifier: InvalidValue, InTheEditor, "on_success_callback: {slak: {url_env: S}}\ntasks: []\n";
    callback_without_arguments: WrongType, InTheEditor, "on_success_callback: slack\ntasks: []\n";
    callback_missing_argument: MissingArgument, InTheEditor, "on_success_callback: {webhook: {body: x}}\ntasks: []\n";
    callback_unknown_argument: UnknownArgument, InTheEditor, "tasks:\n  - task_id: a\n    operator: empty\n    on_failure_callback:\n      - email: {to: a@example.com, subjct: hi}\n";
    callback_checked: InvalidArgument, WhenLoaded, "on_success_callback: {slack: {text: done}}\ntasks: []\n";
    callback_template: Template, WhenLoaded, "tasks:\n  - task_id: a\n    operator: empty\n    on_failure_callback: {slack: {url_env: S, text: \"{{ exeption }}\"}}\n";
    template_of_callbacks: Template, WhenLoaded, "tasks:\n  - {task_id: a, operator: bash, bash_command: \"echo {{ exception }}\"}\n";
    deadline_incomplete: MissingKey, InTheEditor, "deadline: {reference: DAGRUN_QUEUED_AT}\ntasks: []\n";
    deadline_unknown_reference: InvalidValue, InTheEditor, "deadline: {reference: DAGRUN_QUEUE_AT, interval: 1h, callback: {webhook: x}}\ntasks: []\n";
    deadline_strange_key: UnknownKey, WhenLoaded, "deadline: {reference: DAGRUN_QUEUED_AT, interval: 1h, max_runs: 3, callback: {webhook: x}}\ntasks: []\n";
    deadline_average: InvalidValue, WhenLoaded, "deadline: {reference: AVERAGE_RUNTIME, max_runs: 3, min_runs: 5, interval: 1h, callback: {webhook: x}}\ntasks: []\n";
    unknown_param_key: UnknownKey, WhenLoaded, "params:\n  rows: {type: integer, defualt: 3}\ntasks: []\n";
    // The graph.
    invalid_renamed_rule: InvalidValue, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, trigger_rule: none_failed_or_skipped}\n";
    invalid_rule_of_teardown: InvalidValue, WhenLoaded, "tasks:\n  - {task_id: a, operator: empty, is_teardown: true, trigger_rule: all_done}\n";
    invalid_teardown_rule: InvalidValue, WhenLoaded, "tasks:\n  - {task_id: a, operator: empty, trigger_rule: all_done_setup_success}\n";
    invalid_setup_and_teardown: InvalidValue, WhenLoaded, "tasks:\n  - {task_id: a, operator: empty, is_setup: true, is_teardown: true}\n";
    invalid_setups: InvalidValue, WhenLoaded, "tasks:\n  - {task_id: a, operator: empty}\n  - {task_id: b, operator: empty, setups: [a]}\n";
    invalid_fail_fast: InvalidValue, WhenLoaded, "fail_fast: true\ntasks:\n  - {task_id: a, operator: empty}\n  - {task_id: b, operator: empty, dependencies: [a], trigger_rule: all_done}\n";
    unknown_group: UnknownDependency, WhenLoaded, "task_groups: [{group_name: load}]\ntasks:\n  - {task_id: a, operator: empty, task_group_name: laod}\n";
    unknown_parent_group: UnknownDependency, WhenLoaded, "task_groups: [{group_name: load, parent_group_name: publish}]\ntasks: []\n";
    unknown_group_key: UnknownKey, InTheEditor, "task_groups: {load: {tooltop: x}}\ntasks: []\n";
    unsupported_group_colour: Unsupported, InTheEditor, "task_groups: [{group_name: load, ui_color: red}]\ntasks: []\n";
    missing_group_name: MissingKey, InTheEditor, "task_groups: [{tooltip: x}]\ntasks: []\n";
    duplicate_group: DuplicateTask, WhenLoaded, "task_groups: [{group_name: load}]\ntasks:\n  - {task_id: load, operator: empty}\n";
    cycle_of_groups: Cycle, WhenLoaded, "task_groups:\n  - {group_name: a, parent_group_name: b}\n  - {group_name: b, parent_group_name: a}\ntasks: []\n";
    cycle_with_own_group: Cycle, WhenLoaded, "task_groups: [{group_name: g}]\ntasks:\n  - {task_id: a, operator: empty, task_group_name: g, dependencies: [g]}\n";
    cycle_through_groups: Cycle, WhenLoaded, "task_groups:\n  - {group_name: g, dependencies: [h]}\n  - {group_name: h, dependencies: [g]}\ntasks:\n  - {task_id: a, operator: empty, task_group_name: g}\n  - {task_id: b, operator: empty, task_group_name: h}\n";
    ambiguous_dependency: UnknownDependency, WhenLoaded, "task_groups: [{group_name: g}, {group_name: h}]\ntasks:\n  - {task_id: load, operator: empty, task_group_name: g}\n  - {task_id: load, operator: empty, task_group_name: h}\n  - {task_id: end, operator: empty, dependencies: [load]}\n";
    empty_group: UnknownDependency, WhenLoaded, "task_groups: [{group_name: g}]\ntasks:\n  - {task_id: end, operator: empty, dependencies: [g]}\n";
    unknown_group_dependency: UnknownDependency, WhenLoaded, "task_groups: [{group_name: g, dependencies: [extrac]}]\ntasks:\n  - {task_id: extract, operator: empty}\n  - {task_id: a, operator: empty, task_group_name: g}\n";
    invalid_mapped_values: WrongType, InTheEditor, "tasks:\n  - {task_id: a, operator: bash, expand: {bash_command: ls}}\n";
    unknown_mapped_argument: UnknownArgument, WhenLoaded, "tasks:\n  - {task_id: a, operator: bash, bash_command: ls, expand: {comand: [a]}}\n";
    invalid_mapped_element: InvalidArgument, WhenLoaded, "tasks:\n  - {task_id: a, operator: bash, bash_command: ls, expand: {append_env: [true, sometimes]}}\n";
    missing_mapped_argument: MissingArgument, WhenLoaded, "tasks:\n  - {task_id: a, operator: bash, expand_kwargs: [{bash_command: ls}, {cwd: /}]}\n";
    unknown_mapped_source: UnknownDependency, WhenLoaded, "tasks:\n  - {task_id: files, operator: empty}\n  - {task_id: a, operator: bash, expand: {bash_command: file.output}}\n";
    mapped_over_itself: UnknownDependency, WhenLoaded, "tasks:\n  - {task_id: a, operator: bash, expand: {bash_command: a.output}}\n";
    given_twice: DuplicateKey, WhenLoaded, "tasks:\n  - {task_id: a, operator: bash, bash_command: ls, expand: {bash_command: [a, b]}}\n";
    partial_alone: InvalidValue, WhenLoaded, "tasks:\n  - {task_id: a, operator: bash, bash_command: ls, partial: {append_env: true}}\n";
    mapped_in_mapped: InvalidValue, WhenLoaded, "task_groups: [{group_name: g, expand: {n: [1, 2]}}]\ntasks:\n  - {task_id: a, operator: bash, task_group_name: g, expand: {bash_command: [a, b]}}\n";
    always_in_mapped: InvalidValue, WhenLoaded, "task_groups: [{group_name: g, expand: {n: [1, 2]}}]\ntasks:\n  - {task_id: a, operator: empty, task_group_name: g, trigger_rule: always}\n";
    template_mapped: Template, WhenLoaded, "tasks:\n  - {task_id: a, operator: bash, bash_command: 'echo {{ mapped.n }}'}\n";
    invalid_retry_action: InvalidValue, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, retry_policy: [{exit_code: 2, action: retyr}]}\n";
    invalid_retry_pattern: InvalidValue, WhenLoaded, "tasks:\n  - {task_id: a, operator: empty, retry_policy: [{error: '/(/', action: fail}]}\n";
    missing_retry_condition: MissingKey, InTheEditor, "tasks:\n  - {task_id: a, operator: empty, retry_policy: [{action: fail}]}\n";
    no_dag_empty: NoDag, InTheEditor, "# nothing yet\n";
    no_dag_default_only: NoDag, WhenLoaded, "default:\n  tags: [x]\n";
    not_a_dag: WrongType, InTheEditor, "start: 2026-01-01\n";
}

#[test]
fn every_kind_of_mistake_has_a_snapshot() {
    let seen: std::collections::BTreeSet<Code> = ALL.iter().map(|mistake| mistake.code).collect();
    assert_eq!(seen.len(), 20, "{seen:?}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "schedule: '@daly'\nretires: 1\ntasks:\n  - {task_id: a, operator: bahs}\n  - {task_id: b, operator: bash, dependencies: [c]}\n";
    let source = SourceFile::new("dags/example.yaml", text);
    let loaded = load(&source, &registry());
    let told: Vec<(Code, usize, usize)> =
        loaded.problems.iter().map(|problem| (problem.code, problem.line, problem.column)).collect();
    assert_eq!(
        told,
        [
            (Code::InvalidSchedule, 1, 11),
            (Code::UnknownKey, 2, 1),
            (Code::UnknownOperator, 4, 28),
            (Code::MissingArgument, 5, 28),
            (Code::UnknownDependency, 5, 49),
        ]
    );
}

#[test]
fn a_large_file_is_one_clear_mistake() {
    let text = "# x\n".repeat(2_600_000);
    let source = SourceFile::new("dags/large.yaml", text);
    let loaded = load(&source, &registry());
    assert_eq!(loaded.problems.len(), 1);
    assert_eq!(loaded.problems[0].code, Code::TooLarge);
    assert_eq!(loaded.problems[0].message, "the file has 10400000 bytes; a DAG file has at most 4 MiB");
}

#[test]
fn problems_are_coloured_only_when_asked() {
    let source = SourceFile::new("dags/example.yaml", "tsks: []\ntasks: []\n");
    let loaded = load(&source, &registry());
    assert!(!render(&source, &loaded.problems, false).contains('\u{1b}'));
    assert!(render(&source, &loaded.problems, true).contains('\u{1b}'));
}
