//! Every key of dag-factory's grammar, as its source has it: it works, or is refused with the reason.
//!
//! Sections are those of dag-factory 1.x as it documents itself: DAG keys, forms of schedules, tasks, groups and mapping,
//! callbacks.

use operators::registry_with;
use scheduler::dag::spec::{Problem, SourceFile, load};

use crate::context::nowhere;

fn problems(text: &str) -> Vec<Problem> {
    load(&SourceFile::new("factory.yaml", text), &registry_with(&nowhere()).unwrap()).problems
}

fn works(text: &str) {
    assert_eq!(problems(text), [], "{text}");
}

/// It is one mistake, which says what to do instead.
fn is_refused(text: &str, words: &str) {
    let problems = problems(text);
    let [problem] = problems.as_slice() else { panic!("{text}: {problems:#?}") };
    let told = format!("{problem} ({})", problem.help.as_deref().expect("what to do instead"));
    assert!(told.contains(words), "{text}: {told}");
}

/// A DAG of dag-factory with these keys.
fn dag(keys: &str) -> String {
    format!("a_dag:\n  {}\n  tasks:\n    - {{task_id: a, operator: EmptyOperator}}\n", keys.replace('\n', "\n  "))
}

/// A task of dag-factory, behind one that leaves a list.
fn task(keys: &str) -> String {
    format!(
        "a_dag:\n  tasks:\n    - task_id: items\n      operator: airflow.providers.standard.operators.bash.BashOperator\n      \
         bash_command: echo\n    - task_id: a\n      {}\n",
        keys.replace('\n', "\n      ")
    )
}

#[test]
fn keys_of_dags_work() {
    for keys in [
        "default_args: {owner: a, start_date: 2025-01-01, end_date: '2030-01-01', retries: 1, pool: p, depends_on_past: true}",
        "default_args: {email: [a@example.com], email_on_failure: true, email_on_retry: false, trigger_rule: all_done}",
        "start_date: 2025-01-01\ntimezone: Europe/Amsterdam\nend_date: 2030-01-01T12:00:00",
        "start_date: {__type__: datetime.datetime, year: 2025, month: 1, day: 1}",
        "catchup: false\nmax_active_runs: 1\nmax_active_tasks: 4",
        "dagrun_timeout: {__type__: datetime.timedelta, hours: 1}",
        "description: d\ndag_display_name: A DAG\nis_paused_upon_creation: true\ndoc_md: '# A'\ntags: [a]",
        "params: {plain: 1, region: {__type__: airflow.sdk.definitions.param.Param, default: eu, type: string, enum: [eu]}}",
        "render_template_as_native_obj: false",
        "template_searchpath: [sql, scripts]",
        "template_searchpath: /srv/dags/sql",
        // What dag-factory drops without a word, and Airflow has.
        "fail_fast: true\nmax_consecutive_failed_dag_runs: 3\nowner_links: {a: 'mailto:a@example.com'}\nallowed_run_types: [manual]",
        "deadline: {reference: DAGRUN_QUEUED_AT, interval: 1h, callback: {webhook: {url: 'http://x'}}}",
        // §4
        "schedule: '@daily'",
        "schedule: null",
        "schedule: ' none '",
        "schedule: {__type__: datetime.timedelta, seconds: 30}",
        "schedule: {__type__: airflow.timetables.trigger.CronTriggerTimetable, cron: '* * * * *', timezone: UTC}",
        "schedule: ['s3://bucket/a', {__type__: airflow.sdk.Asset, uri: 's3://bucket/b'}]",
        "schedule: {__type__: airflow.datasets.Dataset, uri: 's3://bucket/b'}",
        "schedule: {__type__: builtins.list, items: [{__type__: airflow.sdk.Asset, uri: 's3://a/b'}]}",
        "schedule: {__or__: [{__and__: ['s3://a/a', 's3://a/b']}, 's3://a/c']}",
        // §7
        "on_success_callback: {callback: airflow.providers.smtp.notifications.smtp.SmtpNotifier, to: [x@example.com]}",
    ] {
        works(&dag(keys));
    }
}

#[test]
fn keys_of_dags_are_refused() {
    for (keys, words) in [
        ("start_date: 2 days", "write a fixed date"),
        ("schedule_interval: '@daily'", "write `schedule`"),
        ("timetable: {__type__: x}", "put the timetable into `schedule`"),
        ("concurrency: 4", "write `max_active_tasks`"),
        ("access_control: {a: [can_read]}", "there is one user"),
        ("render_template_as_native_obj: true", "where the operator takes one"),
        ("user_defined_macros: {f: lib.f}", "Airflow's own macros"),
        ("user_defined_filters: {f: lib.f}", "Airflow's own macros"),
        ("jinja_environment_kwargs: {a: 1}", "Airflow's own macros"),
        ("doc_md_file_path: /a.md", "write the text in `doc_md`"),
        ("doc_md_python_callable_name: f", "write the text in `doc_md`"),
        ("doc_md_python_callable_file: /a.py", "write the text in `doc_md`"),
        ("doc_md_python_arguments: {a: 1}", "write the text in `doc_md`"),
        ("on_execute_callback: lib.f", "in `default_args`"),
        ("on_success_callback_name: f", "write a notifier"),
        ("on_failure_callback_file: /a.py", "write a notifier"),
        ("on_failure_callback: lib.f", "notifier"),
        ("sla_miss_callback: lib.f", "write `deadline`"),
        ("orientation: LR", "in the UI"),
        ("default_view: grid", "in the UI"),
        ("disable_bundle_versioning: true", "pinned"),
        ("auto_register: true", "always there"),
        ("description: {__join__: [a, b]}", ""),
        ("schedule: {__type__: dateutil.relativedelta.relativedelta, hour: 18}", "cron expression"),
        ("schedule: {datasets: a & b}", "list of assets"),
        ("schedule: {datasets: [a], file: x.yml}", "list of assets"),
        ("schedule: {__type__: lib.MyTimetable}", ""),
        ("whatever: 3", ""),
    ] {
        is_refused_or_unknown(&dag(keys), words);
    }
}

/// A word that nobody knows has no advice, unless one is like it.
fn is_refused_or_unknown(text: &str, words: &str) {
    if words.is_empty() {
        assert_eq!(problems(text).len(), 1, "{text}: {:#?}", problems(text));
    } else {
        is_refused(text, words);
    }
}

#[test]
fn keys_of_tasks_work() {
    for keys in [
        "operator: BashOperator\nbash_command: ls\ndependencies: [items]\nretries: 2\nretry_delay: 30\ntrigger_rule: all_done",
        "operator: BashOperator\nbash_command: ls\nexecution_timeout: {__type__: datetime.timedelta, minutes: 5}\npriority_weight: 2",
        "operator: PythonOperator\npython_callable: lib.f\nop_kwargs: {a: 1}",
        "operator: PythonOperator\npython_callable_name: f\npython_callable_file: /opt/lib.py",
        "operator: BranchPythonOperator\npython_callable: lib.f",
        "operator: ShortCircuitOperator\npython_callable: lib.f",
        "operator: PythonSensor\npython_callable: lib.f",
        "operator: airflow.providers.standard.sensors.external_task.ExternalTaskSensor\nexternal_dag_id: b\nexecution_delta: 1 hour",
        "operator: HttpOperator\nendpoint: x\nmethod: POST\ndata: {a: 1}\nheaders: {Content-Type: application/json}\nhttp_conn_id: api",
        "operator: BashOperator\nbash_command: ls\ninlets: ['s3://a/b']\noutlets: [{__type__: airflow.sdk.Asset, uri: 's3://a/c'}]",
        "operator: BashOperator\nbash_command: ls\nparams: {a: 1}\ndoc_md: text",
        // §6
        "operator: BashOperator\npartial: {env: {MODE: x}}\nexpand: {bash_command: items.output}\ndependencies: [items]",
        "operator: BashOperator\nexpand: {bash_command: XcomArg(items)}\nmap_index_template: '{{ map_index }}'",
        "operator: BashOperator\nexpand: {bash_command: +items}",
        "operator: BashOperator\nexpand: {bash_command: [ls, pwd], env: [{A: a}, {A: b}]}",
        // §7
        "operator: BashOperator\nbash_command: ls\non_retry_callback: {callback: SlackWebhookNotifier, url_env: S, text: hi}",
    ] {
        works(&task(keys));
    }
}

#[test]
fn keys_of_tasks_are_refused() {
    for (keys, words) in [
        ("decorator: airflow.sdk.task\npython_callable: lib.f", "calls functions of modules and files"),
        (
            "operator: BashOperator\nbash_command: ls\nvariables_as_arguments: [{variable: V, attribute: a}]",
            "var.value.NAME",
        ),
        ("operator: BashOperator\nbash_command: ls\nretry_delay_sec: 5", "write `retry_delay"),
        ("operator: BashOperator\nbash_command: ls\nexecution_timeout_secs: 5", "write `execution_timeout"),
        ("operator: BashOperator\nbash_command: ls\nsla_secs: 5", "took service levels away"),
        (
            "operator: BashOperator\nbash_command: ls\noutlets: {file: a.yml, datasets: [a]}",
            "list the assets themselves",
        ),
        ("operator: BashOperator\nbash_command: {__join__: [a, b]}", "plain values"),
        (
            "operator: BashOperator\nbash_command: ls\ncwd: {__type__: airflow.io.path.ObjectStoragePath, __args__: ['file:///d']}",
            "plain values",
        ),
        ("operator: BashOperator\nbash_command: ls\npartial: {append_env: true}", "say with `expand`"),
        ("operator: BashOperator\nbash_command: ls\non_failure_callback_name: f", "write a notifier"),
        ("operator: BashOperator\nbash_command: ls\non_failure_callback: lib.f", "notifier"),
        ("operator: ExternalTaskSensor\nexternal_dag_id: b\nexecution_date_fn: lib.f", "write `execution_delta`"),
        ("operator: ExternalTaskSensor\nexternal_dag_id: b\nexecution_date_fn_name: f", "write `execution_delta`"),
        ("operator: SqlSensor\nconn_id: w\nsql: SELECT 1\nsuccess_check_name: f", "write the condition into the query"),
        (
            "operator: SqlSensor\nconn_id: w\nsql: SELECT 1\nfailure_check_lambda: 'lambda x: x'",
            "write the condition into the query",
        ),
        ("operator: HttpSensor\nendpoint: x\nresponse_check_lambda: 'lambda x: x'", "write an expression"),
        ("operator: HttpSensor\nendpoint: x\nresponse_check_name: f", "write an expression"),
        ("operator: x.y.MyOperator\na: 1", "there is no operator `x.y.MyOperator`"),
    ] {
        let problems = problems(&task(keys));
        let told: Vec<String> = problems
            .iter()
            .map(|problem| format!("{problem} ({})", problem.help.as_deref().unwrap_or_default()))
            .collect();
        assert!(told.iter().any(|told| told.contains(words)), "{keys}: {told:#?}");
    }
}

#[test]
fn keys_of_groups_work() {
    for group in [
        "{group_name: load, tooltip: t, dependencies: [a], default_args: {retries: 2}, prefix_group_id: true}",
        "{group_name: load}\n    - {group_name: inner, parent_group_name: load}",
        "{group_name: load, add_suffix_on_collision: false}",
    ] {
        let member = "{task_id: b, operator: EmptyOperator, task_group_name: load}";
        works(&format!(
            "a_dag:\n  task_groups:\n    - {group}\n  tasks: [{{task_id: a, operator: EmptyOperator}}, {member}]\n"
        ));
    }
}

#[test]
fn keys_of_groups_are_refused() {
    for (group, words) in [
        ("{group_name: load, ui_color: red}", "colours are those of states"),
        ("{group_name: load, ui_fgcolor: red}", "colours are those of states"),
        ("{group_name: load, add_suffix_on_collision: true}", "give one of them another name"),
        ("{group_id: load, group_name: load}", "write `group_name`"),
    ] {
        is_refused(
            &format!("a_dag:\n  task_groups: [{group}]\n  tasks: [{{task_id: a, operator: EmptyOperator}}]\n"),
            words,
        );
    }
}
