//! What DAG files mean.

use std::time::Duration;

use chrono_tz::Tz;
use rstest::rstest;
use scheduler::dag::callback::DeadlineReference;
use scheduler::dag::schedule::CronTrigger;
use scheduler::dag::spec::{Code, SourceFile, load};
use scheduler::dag::timetable::Catchup;
use scheduler::dag::{
    Dag, MappedValues, Mapping, PastDependency, RetryAction, Schedule, TaskRole, TriggerRule, WeightRule, version,
};
use scheduler::operator::CallbackKind;
use serde_json::json;

use crate::fixtures::{at, dag, load_text, registry};

const EVERYTHING: &str = r#"
dag_id: sales_daily
description: Loads yesterday's sales
doc_md: |
  # Sales
schedule: "0 3 * * mon-fri"
timezone: Europe/Amsterdam
start_date: 2026-01-01
end_date: 2026-12-31T23:59:59
catchup: true
max_active_runs: 1
max_active_tasks: 4
dagrun_timeout: 2h
is_paused_upon_creation: false
tags: [sales, daily]
owner: data-team
params:
  region: {type: string, enum: [eu, us], default: eu, description: Where}
  limit: 10
  options: {a: 1}
default_args:
  retries: 2
  retry_delay: 30s
  depends_on_past: false
  append_env: true
tasks:
  - task_id: extract
    operator: airflow.providers.standard.operators.bash.BashOperator
    bash_command: "extract --date {{ ds }} --region {{ params.region | quote }}"
    env: {LIMIT: "{{ params.limit }}"}
    execution_timeout: PT15M
  - task_id: clean
    operator: clean
    dependencies: [extract]
    input: "{{ ti.xcom_pull('extract') }}"
    rules: "{{ params.rules }}"
    limit: "{{ params.limit }}"
    retry_exponential_backoff: true
    max_retry_delay: 1h
  - {task_id: done, operator: empty, dependencies: [clean], trigger_rule: all_done, retries: 0, priority_weight: -1,
     weight_rule: absolute, pool: small, pool_slots: 2, max_active_tis_per_dag: 3, max_active_tis_per_dagrun: 1, queue: gpu, owner: me, doc_md: The end}
"#;

const DAG_FACTORY: &str = r#"
default:
  default_args: {owner: data, start_date: 2025-01-01, retries: 2, retry_delay: {__type__: datetime.timedelta, minutes: 5}}
  catchup: false
sales_daily:
  schedule: "0 3 * * *"
  timezone: Europe/Amsterdam
  max_active_runs: 1
  default_args: {retries: 3}
  tags: [sales]
  params: {region: {__type__: airflow.sdk.definitions.param.Param, default: eu, type: string, enum: [eu, us]}}
  tasks:
    - task_id: extract
      operator: airflow.providers.standard.operators.bash.BashOperator
      bash_command: "extract --date {{ ds }} --region {{ params.region }}"
    - task_id: report
      operator: airflow.providers.standard.operators.bash.BashOperator
      bash_command: "report {{ data_interval_end }}"
      dependencies: [extract]
      trigger_rule: all_done
sales_consumer:
  schedule: None
  tasks:
    use: {operator: airflow.providers.standard.operators.empty.EmptyOperator}
"#;

const CALLBACKS: &str = r#"
on_success_callback: {webhook: "https://example.com/{{ run_id }}"}
on_failure_callback:
  - slack: {url_env: SLACK, text: "{{ dag.dag_id }} {{ reason }} {{ ti.log_url }} {{ dag_run.state }}"}
  - email: {to: [a@example.com, "{{ params.who }}"], subject: "{{ exception }}"}
default_args:
  on_failure_callback: {slack: {url_env: SLACK}}
  on_retry_callback: [{command: [logger, "{{ ti.try_number }}"]}, {command: echo again}]
tasks:
  - {task_id: a, operator: empty}
  - task_id: b
    operator: empty
    on_execute_callback: {webhook: {url: x, method: PUT, body: {day: "{{ ds }}", n: [1, 2]}}}
    on_failure_callback: []
    on_retry_callback: null
    on_skipped_callback: {webhook: {url: x}}
"#;

/// dag-factory.md §7: callbacks also stand in the `default_args` of groups.
const CALLBACKS_OF_GROUPS: &str = "
default_args: {on_failure_callback: {webhook: all}, email: a@example.com, email_on_retry: false}
task_groups:
  - {group_name: load, default_args: {on_failure_callback: {webhook: load}}}
  - {group_name: inner, parent_group_name: load, default_args: {email_on_failure: false}}
tasks:
  - {task_id: a, operator: empty}
  - {task_id: b, operator: empty, task_group_name: load}
  - {task_id: c, operator: empty, task_group_name: inner}
  - {task_id: d, operator: empty, task_group_name: inner, on_failure_callback: {webhook: own}}
";

const CALLBACKS_OF_DAG_FACTORY: &str = r"
default:
  default_args:
    on_failure_callback: {callback: airflow.providers.smtp.notifications.smtp.SmtpNotifier, to: [x@example.com]}
one:
  on_failure_callback:
    - {callback: SlackWebhookNotifier, url_env: SLACK, text: hi}
  tasks: {a: {operator: empty}}
two:
  default_args: {on_failure_callback: {webhook: x}}
  tasks: {a: {operator: empty}}
";

const DEADLINES: &str = r#"
timezone: Europe/Amsterdam
deadline:
  - {reference: DAGRUN_QUEUED_AT, interval: 15m, callback: {slack: {url_env: S, text: "{{ deadline.deadline_time }}"}}}
  - {name: early, reference: DAGRUN_LOGICAL_DATE, interval: 1h, callback: {webhook: x}}
  - {reference: FIXED_DATETIME, datetime: 2026-12-24T18:00, interval: -30m, callback: {webhook: x}}
  - {reference: AVERAGE_RUNTIME, max_runs: 20, min_runs: 5, interval: -90, callback: {email: {to: ops@example.com}}}
  - {reference: AVERAGE_RUNTIME, interval: {__type__: datetime.timedelta, minutes: 5}, callback: {email: ops@example.com}}
tasks: []
"#;

/// Trigger rules, groups, mapping, setups and teardowns, the run before, retries by failure.
const GRAPH: &str = r#"
task_groups:
  - {group_name: load, tooltip: Into the warehouse, dependencies: [extract], default_args: {retries: 2, append_env: true}}
  - {group_name: inner, parent_group_name: load, default_args: {retries: 4}}
  - {group_name: each, expand: {region: [eu, us], day: dates.output}}
default_args: {trigger_rule: none_failed}
tasks:
  - {task_id: extract, operator: empty}
  - {task_id: dates, operator: bash, bash_command: "echo"}
  - {task_id: orders, operator: bash, bash_command: "load", task_group_name: load, retries: 3}
  - {task_id: check, operator: empty, task_group_name: inner, dependencies: [orders]}
  - {task_id: check, operator: empty, task_group_name: each, trigger_rule: all_success}
  - {task_id: say, operator: bash, bash_command: "echo {{ mapped.region }}", task_group_name: each, dependencies: [check]}
  - task_id: files
    operator: bash
    dependencies: [load]
    bash_command: "cat"
    expand: {cwd: [/a, /b], skip_on_exit_code: [[1], [2]]}
    map_index_template: "{{ mapped.cwd }}"
    depends_on_past: true
  - {task_id: up, operator: empty, is_setup: true}
  - {task_id: work, operator: empty, dependencies: [up], wait_for_downstream: true}
  - {task_id: down, operator: empty, is_teardown: true, setups: [up], dependencies: [work], on_failure_fail_dagrun: true}
  - task_id: end
    operator: bash
    bash_command: "true"
    dependencies: [each, files]
    trigger_rule: all_done
    retries: 2
    retry_policy:
      - {exit_code: [2, 3], action: fail}
      - {error: "/HTTP 5../", action: retry, retry_delay: 10s}
"#;

/// Files without mistakes, for the comparison with the editor's schema.
pub const GOOD: &[(&str, &str)] = &[
    ("everything", EVERYTHING),
    ("dag_factory", DAG_FACTORY),
    ("smallest", "tasks: []\n"),
    (
        "template_files",
        "template_searchpath: [../sql, scripts]\ntasks:\n  - {task_id: a, operator: scripted, script: [a.sh, 'b.sh '], request: r.json-tpl}\n  \
         - {task_id: b, operator: scripted, expand: {script: [a.sh, ls]}}\n",
    ),
    ("one_folder", "template_searchpath: sql\ntasks: []\n"),
    (
        "airflow_class",
        "tasks:\n- {task_id: a, operator: x.y.SSHOperator, command: ls, get_pty: true, ssh_hook: null}\n",
    ),
    ("mapping", "tasks:\n  a: {operator: empty}\n  b: {operator: empty, dependencies: [a]}\n"),
    ("task_called_tasks", "tasks:\n  tasks: {operator: empty}\n"),
    ("dag_called_owner", "owner: {tasks: []}\n"),
    ("nulls", "schedule: null\ndescription: ~\ntags:\nparams:\ndefault_args:\ntasks:\n"),
    ("anchors", "x-a: &a {operator: empty}\none:\n  tasks:\n    t: *a\n    u: {<<: *a, retries: 1}\n"),
    (
        "default_tasks",
        "default:\n  tasks:\n    t: {operator: bash, bash_command: ls}\none: {}\ntwo:\n  tasks:\n    t: {bash_command: pwd}\n",
    ),
    ("default_args_of_operators", "default_args: {bash_command: ls}\ntasks: [{task_id: a, operator: bash}]\n"),
    (
        "templates_for_anything",
        "tasks:\n  - task_id: a\n    operator: clean\n    input: x\n    rules: [{column: '{{ params.c }}', cast: '{{ params.t }}', drop: '{{ params.d }}'}]\n    tolerance: '{{ params.x }}'\n    format: '{% if params.csv %}csv{% else %}delta{% endif %}'\n",
    ),
    (
        "durations",
        "dagrun_timeout: 90\ntasks:\n  - {task_id: a, operator: empty, retry_delay: 1h30m, execution_timeout: P1DT2H, max_retry_delay: '45'}\n",
    ),
    (
        "harmless",
        "fail_fast: false\ntasks:\n  - {task_id: a, operator: empty, email_on_failure: false, do_xcom_push: true}\n",
    ),
    ("callbacks", CALLBACKS),
    ("callbacks_of_dag_factory", CALLBACKS_OF_DAG_FACTORY),
    ("callbacks_of_groups", CALLBACKS_OF_GROUPS),
    ("deadlines", DEADLINES),
    (
        "email",
        "default_args: {email: [a@example.com, b@example.com], email_on_retry: false}\ntasks:\n  - {task_id: a, operator: empty}\n  - {task_id: b, operator: empty, email: c@example.com, email_on_retry: true, on_failure_callback: {webhook: x}}\n  - {task_id: c, operator: empty, email: null}\n",
    ),
    (
        "first_past",
        "default_args: {depends_on_past: true, ignore_first_depends_on_past: true}\ntasks:\n  - {task_id: a, operator: empty}\n  - {task_id: b, operator: empty, ignore_first_depends_on_past: false}\n  - {task_id: c, operator: empty, wait_for_downstream: true, depends_on_past: null}\n",
    ),
    (
        "no_callbacks",
        "on_failure_callback: null\ndeadline:\ntasks: [{task_id: a, operator: empty, email: null, on_retry_callback: []}]\n",
    ),
    (
        "timetable_object",
        "schedule: {__type__: airflow.timetables.trigger.CronTriggerTimetable, cron: '0 3 * * *', timezone: Europe/Amsterdam}\ntasks: []\n",
    ),
    ("date_object", "start_date: {__type__: datetime.datetime, year: 2026, month: 1, day: 2}\ntasks: []\n"),
    (
        "undefined_on_purpose",
        "tasks:\n  - {task_id: a, operator: bash, bash_command: \"{{ x | default('y') }} {% set z = 1 %}{{ z }} {% if q is defined %}{{ q }}{% endif %}\"}\n",
    ),
    ("graph", GRAPH),
    (
        "mapping_of_groups",
        "task_groups:\n  outer:\n  inner: {parent_group_name: outer, prefix_group_id: false, add_suffix_on_collision: false}\ntasks:\n  a: {operator: empty, task_group_name: outer.inner}\n  b: {operator: empty, task_group_name: outer, dependencies: [a]}\n",
    ),
    (
        "mapped_over_outputs",
        "tasks:\n  - {task_id: files, operator: bash, bash_command: ls}\n  - {task_id: a, operator: bash, expand_kwargs: files.output}\n  - {task_id: b, operator: bash, expand: {bash_command: +files, cwd: \"files.output['where']\"}}\n  - {task_id: c, operator: bash, partial: {append_env: true}, expand: {bash_command: XcomArg(files)}}\n  - {task_id: d, operator: clean, input: x, rules: [], expand: {notes: {A: b, C: 3}}}\n",
    ),
    ("required_param", "params: {rows: {type: integer}}\ntasks: []\n"),
    ("length", "schedule: 6h\ntasks: []\n"),
    ("length_iso", "schedule: P1MT12H\ntasks: []\n"),
    ("length_object", "schedule: {__type__: datetime.timedelta, seconds: 30}\ntasks: []\n"),
    (
        "length_forms",
        "a: {schedule: {every: 1h30m, keep_phase: true, interval: 1d}, tasks: []}\nb: {schedule: {every: 90, data_interval: true}, tasks: []}\nc: {schedule: {every: {__type__: dateutil.relativedelta.relativedelta, months: 1}}, tasks: []}\n",
    ),
    (
        "cron_forms",
        "a: {schedule: {cron: '@daily', data_interval: true}, tasks: []}\nb: {schedule: {cron: 0 3 * * *, interval: 1d, run_immediately: 2h}, tasks: []}\nc: {schedule: {crons: ['0 6 * * *', '@weekly'], run_immediately: true}, tasks: []}\n",
    ),
    (
        "dates",
        "schedule: {dates: [2026-12-24T18:00:00, 2026-12-31], restrict_to_events: true, description: Feasts}\ntimezone: Europe/Amsterdam\ntasks: []\n",
    ),
    (
        "timetables_of_airflow",
        "default: {tasks: []}\n\
a: {schedule: {__type__: airflow.timetables.trigger.MultipleCronTriggerTimetable, __args__: [0 1 * * *, 0 2 * * 1], timezone: Asia/Tokyo}}\n\
b: {schedule: {__type__: airflow.sdk.DeltaTriggerTimetable, __args__: [{__type__: datetime.timedelta, __args__: [1]}]}}\n\
c: {schedule: {__type__: airflow.timetables.events.EventsTimetable, event_dates: [{__type__: datetime.datetime, year: 2026, month: 1, day: 2}], presorted: true}}\n\
d: {schedule: {__type__: airflow.timetables.assets.AssetOrTimeSchedule, timetable: {__type__: airflow.timetables.trigger.CronTriggerTimetable, cron: 0 3 * * *, timezone: UTC}, assets: [{__type__: airflow.sdk.Asset, uri: s3://a}]}}\n\
e: {schedule: {__type__: airflow.timetables.simple.OnceTimetable}}\n\
f: {schedule: {__type__: airflow.timetables.simple.NullTimetable}}\n",
    ),
    (
        "partitions",
        "default: {tasks: []}\n\
a: {schedule: {cron: '@daily', key_format: '%Y-%m-%d', run_offset: -1, run_immediately: true}}\n\
b: {schedule: {cron: 0 6 * * mon-fri, key_format: week %G-W%V}}\n\
c: {schedule: {__type__: airflow.sdk.CronPartitionTimetable, __args__: [0 0 * * *], timezone: Asia/Taipei, run_offset: 1}}\n\
d: {schedule: {assets: {any: [a, [b, s3://c]]}, partitioned: true}}\n\
e: {schedule: {__type__: airflow.sdk.PartitionedAssetTimetable, assets: [a], default_partition_mapper: {__type__: airflow.sdk.IdentityMapper}}}\n",
    ),
    (
        "assets",
        "default: {tasks: []}\n\
a: {schedule: [s3://lake/a, {name: b, uri: s3://lake/b, group: lake, extra: {team: x}}]}\n\
b: {schedule: {any: [s3://lake/a, {all: [b, c]}]}}\n\
c: {schedule: {__or__: [{__and__: [a, {__type__: airflow.sdk.Asset, name: b}]}, {__type__: airflow.datasets.Dataset, uri: c}]}}\n\
d: {schedule: {uri: s3://lake/a}}\n\
e: {schedule: {assets: {any: [a, b]}, time: {cron: '@daily', data_interval: true}}}\n\
f: {schedule: {__type__: builtins.list, items: [{__type__: airflow.sdk.Asset, uri: s3://a}]}}\n\
g: {schedule: {assets: a, time: 6h}}\n",
    ),
    (
        "outlets",
        "tasks:\n  - task_id: a\n    operator: empty\n    outlets: [S3://lake/a/, {alias: days}, {name: b, extra: {rows: 1}}, {__type__: airflow.sdk.AssetAlias, name: c}]\n    inlets: [{__type__: airflow.sdk.Asset, uri: s3://lake/c}]\n  - {task_id: b, operator: empty, outlets: {__type__: builtins.list, items: [x]}}\n",
    ),
    (
        "catchup",
        "default: {tasks: []}\na: {catchup: none}\nb: {catchup: {mode: none}}\nc: {catchup: {mode: all, window: 2d}}\nd: {catchup: {window: 3600}}\ne: {catchup: ~}\nf: {catchup: all}\n",
    ),
    (
        "answers",
        "default_args: {do_xcom_push: false}\ntasks:\n  - {task_id: a, operator: empty}\n  - {task_id: b, operator: empty, do_xcom_push: true, multiple_outputs: true}\n",
    ),
    ("failures", "max_consecutive_failed_dag_runs: 3\ntasks: []\n"),
    (
        "what_people_see",
        "dag_display_name: Sales, daily\nowner_links: {data: 'mailto:data@example.com', ops: 'https://example.com/ops'}\ntask_groups: {load: {group_display_name: Into the lake}}\ntasks:\n  - {task_id: a, operator: empty, task_display_name: 'Größe: 1', task_group_name: load}\n",
    ),
    (
        "dates_of_tasks",
        "timezone: Europe/Amsterdam\ndefault_args: {start_date: 2026-01-01}\ntasks:\n  - {task_id: a, operator: empty, start_date: 2026-02-01, end_date: 2026-03-01T06:00:00}\n  - {task_id: b, operator: empty}\n",
    ),
    (
        "kinds_of_runs",
        "schedule: {assets: a, time: 6h}\nallowed_run_types: [scheduled, asset_triggered, backfill]\nrerun_with_latest_version: false\ntasks: []\n",
    ),
];

#[test]
fn a_file_says_everything() {
    let dag = dag(EVERYTHING);
    assert_eq!(dag.dag_id, "sales_daily");
    assert_eq!(dag.description.as_deref(), Some("Loads yesterday's sales"));
    assert_eq!(dag.doc_md.as_deref(), Some("# Sales\n"));
    assert_eq!(dag.schedule, CronTrigger::new("0 3 * * mon-fri").into());
    assert_eq!(dag.timezone, Tz::Europe__Amsterdam);
    assert_eq!(dag.start_date, Some(at("2025-12-31T23:00:00Z")), "midnight in Amsterdam");
    assert_eq!(dag.end_date, Some(at("2026-12-31T22:59:59Z")));
    assert!(dag.runs.catchup.is_on());
    assert_eq!((dag.runs.max_active_runs, dag.runs.max_active_tasks), (1, 4));
    assert_eq!(dag.runs.dagrun_timeout, Some(Duration::from_secs(7200)));
    assert_eq!(dag.runs.is_paused_upon_creation, Some(false));
    assert_eq!(dag.tags.iter().collect::<Vec<_>>(), ["daily", "sales"]);
    assert_eq!(dag.owner, "data-team");
    assert_eq!(dag.params["region"].default, Some(json!("eu")));
    assert_eq!(dag.params["region"].description.as_deref(), Some("Where"));
    assert_eq!(json!(dag.params["region"].schema), json!({"type": "string", "enum": ["eu", "us"]}));
    assert_eq!(dag.params["limit"].default, Some(json!(10)));
    assert_eq!(dag.params["options"].default, Some(json!({"a": 1})), "a mapping that is no schema is a value");

    let extract = dag.task(dag.find("extract").unwrap());
    assert_eq!(extract.operator, "bash");
    assert_eq!((extract.retries, extract.retry_delay), (2, Duration::from_secs(30)));
    assert_eq!(extract.execution_timeout, Some(Duration::from_secs(900)));
    assert_eq!(extract.owner, "data-team");
    assert_eq!(extract.args["append_env"], json!(true), "the argument comes from default_args");
    let clean = dag.task(dag.find("clean").unwrap());
    assert_eq!(clean.retry_exponential_backoff, 2.0);
    assert_eq!(clean.max_retry_delay, Some(Duration::from_secs(3600)));
    assert_eq!(clean.args.get("append_env"), None, "`clean` has no such argument");
    let done = dag.task(dag.find("done").unwrap());
    assert_eq!(done.trigger_rule, TriggerRule::AllDone);
    assert_eq!((done.retries, done.priority_weight, done.pool_slots), (0, -1, 2));
    assert_eq!(done.weight_rule, WeightRule::Absolute);
    assert_eq!((done.max_active_tis_per_dag, done.max_active_tis_per_dagrun), (Some(3), Some(1)));
    assert_eq!((done.pool.as_str(), done.queue.as_str(), done.owner.as_str()), ("small", "gpu", "me"));
    let upstream: Vec<_> = dag.upstream(dag.find("done").unwrap()).map(|index| &dag.task(index).task_id).collect();
    assert_eq!(upstream, ["clean"]);
}

/// What is told on an occasion, as it is written.
fn told(dag: &Dag, task_id: &str, kind: CallbackKind) -> Vec<serde_json::Value> {
    let callbacks = dag.task(dag.find(task_id).unwrap()).callbacks.of(kind);
    callbacks.iter().map(|callback| json!({ callback.notifier.as_str(): callback.args })).collect()
}

#[test]
fn a_tasks_own_callbacks_replace_those_of_default_args() {
    let dag = dag(CALLBACKS);
    let slack = json!({"slack": {"url_env": "SLACK"}});
    let commands = [
        json!({"command": {"command": ["logger", "{{ ti.try_number }}"]}}),
        json!({"command": {"command": "echo again"}}),
    ];
    assert_eq!(told(&dag, "a", CallbackKind::OnFailure), [slack]);
    assert_eq!(told(&dag, "a", CallbackKind::OnRetry), commands);
    assert_eq!(told(&dag, "a", CallbackKind::OnExecute), [] as [serde_json::Value; 0]);
    let webhook = json!({"webhook": {"url": "x", "method": "PUT", "body": {"day": "{{ ds }}", "n": [1, 2]}}});
    assert_eq!(told(&dag, "b", CallbackKind::OnExecute), [webhook]);
    assert_eq!(told(&dag, "b", CallbackKind::OnFailure), [] as [serde_json::Value; 0]);
    assert_eq!(
        told(&dag, "b", CallbackKind::OnRetry),
        [] as [serde_json::Value; 0],
        "null is as if absent, and no default"
    );
    assert_eq!(
        dag.callbacks.on_success[0].args,
        *json!({"url": "https://example.com/{{ run_id }}"}).as_object().unwrap()
    );
    assert_eq!(dag.callbacks.on_failure.len(), 2, "in order");
}

/// dag-factory.md §7; a callback in the `default` block is replaced, not merged with another one.
#[test]
fn airflows_notifiers_go_by_their_class() {
    let loaded = load_text(CALLBACKS_OF_DAG_FACTORY);
    let [one, two] = loaded.dags.as_slice() else { panic!("two DAGs") };
    assert_eq!(told(&one.dag, "a", CallbackKind::OnFailure), [json!({"email": {"to": ["x@example.com"]}})]);
    assert_eq!(one.dag.callbacks.on_failure[0].notifier, "slack");
    assert_eq!(told(&two.dag, "a", CallbackKind::OnFailure), [json!({"webhook": {"url": "x"}})]);
}

#[test]
fn the_callbacks_of_a_group_are_for_the_tasks_in_it() {
    let dag = dag(CALLBACKS_OF_GROUPS);
    let webhook = |url: &str| json!({"webhook": {"url": url}});
    let mail = json!({"email": {"to": ["a@example.com"]}});
    assert_eq!(told(&dag, "a", CallbackKind::OnFailure), [webhook("all"), mail.clone()]);
    assert_eq!(told(&dag, "load.b", CallbackKind::OnFailure), [webhook("load"), mail]);
    assert_eq!(told(&dag, "load.inner.c", CallbackKind::OnFailure), [webhook("load")]);
    assert_eq!(told(&dag, "load.inner.d", CallbackKind::OnFailure), [webhook("own")]);
}

/// Airflow 3: `email`, `email_on_failure` and `email_on_retry`, both true by default.
#[test]
fn email_keys_are_short_for_callbacks() {
    let dag = dag(GOOD.iter().find(|(name, _)| *name == "email").unwrap().1);
    let both = json!({"email": {"to": ["a@example.com", "b@example.com"]}});
    let own = json!({"email": {"to": ["c@example.com"]}});
    assert_eq!(told(&dag, "a", CallbackKind::OnFailure), [both]);
    assert_eq!(told(&dag, "a", CallbackKind::OnRetry), [] as [serde_json::Value; 0]);
    assert_eq!(told(&dag, "b", CallbackKind::OnFailure), [json!({"webhook": {"url": "x"}}), own.clone()]);
    assert_eq!(told(&dag, "b", CallbackKind::OnRetry), [own]);
    assert_eq!(told(&dag, "c", CallbackKind::OnFailure), [] as [serde_json::Value; 0]);
    let addresses = |id: &str| dag.task(dag.find(id).unwrap()).email.join(" ");
    assert_eq!([addresses("a"), addresses("b"), addresses("c")], ["a@example.com b@example.com", "c@example.com", ""]);
}

/// Airflow 3: `ignore_first_depends_on_past`, false by default.
#[test]
fn a_task_may_do_without_a_run_before_that_does_not_have_it() {
    let may = |dag: &Dag, id: &str| dag.task(dag.find(id).unwrap()).ignores_first_past;
    let written = dag(GOOD.iter().find(|(name, _)| *name == "first_past").unwrap().1);
    assert_eq!([may(&written, "a"), may(&written, "b"), may(&written, "c")], [true, false, true]);
    assert!(!may(&dag("tasks: [{task_id: a, operator: empty, depends_on_past: true}]\n"), "a"));
}

#[test]
fn deadlines_have_a_reference_and_an_interval() {
    let dag = dag(DEADLINES);
    let told: Vec<_> = dag
        .callbacks
        .deadlines
        .iter()
        .map(|deadline| (deadline.name.as_deref(), deadline.reference.clone(), deadline.interval.num_minutes()))
        .collect();
    assert_eq!(
        told,
        [
            (None, DeadlineReference::QueuedAt, 15),
            (Some("early"), DeadlineReference::LogicalDate, 60),
            (None, DeadlineReference::Fixed(at("2026-12-24T17:00:00Z")), -30),
            (None, DeadlineReference::AverageRuntime { max_runs: 20, min_runs: 5 }, -1),
            (None, DeadlineReference::AverageRuntime { max_runs: 10, min_runs: 10 }, 5),
        ]
    );
}

#[test]
fn what_is_left_out_has_airflows_default() {
    let dag = dag("tasks: [{task_id: a, operator: empty}]\n");
    assert_eq!(dag.dag_id, "example", "the file's name");
    assert_eq!((&dag.schedule, dag.timezone), (&Schedule::Never, Tz::UTC));
    assert_eq!(dag.runs.catchup, Catchup::default());
    assert_eq!(dag.runs.max_consecutive_failed_dag_runs, 0);
    assert_eq!((dag.runs.max_active_runs, dag.runs.max_active_tasks), (16, 16));
    assert_eq!(dag.owner, "airflow");
    let task = dag.task(dag.find("a").unwrap());
    assert_eq!((task.retries, task.retry_delay), (0, Duration::from_secs(300)));
    assert_eq!((task.pool.as_str(), task.queue.as_str()), ("default_pool", "default"));
    assert_eq!((task.priority_weight, task.weight_rule), (1, WeightRule::Downstream));
    assert_eq!((task.max_active_tis_per_dag, task.max_active_tis_per_dagrun), (None, None));
}

#[test]
fn files_of_dag_factory_load_unchanged() {
    let loaded = load_text(DAG_FACTORY);
    assert_eq!(loaded.problems, []);
    let [daily, consumer] = loaded.dags.as_slice() else { panic!("two DAGs") };
    assert_eq!((daily.dag.dag_id.as_str(), consumer.dag.dag_id.as_str()), ("sales_daily", "sales_consumer"));
    assert_eq!(daily.dag.start_date, Some(at("2024-12-31T23:00:00Z")), "from default_args, in the DAG's zone");
    assert_eq!(consumer.dag.start_date, Some(at("2025-01-01T00:00:00Z")));
    let extract = daily.dag.task(daily.dag.find("extract").unwrap());
    assert_eq!((extract.retries, extract.retry_delay), (3, Duration::from_secs(300)), "merged key by key");
    assert_eq!(consumer.dag.schedule, Schedule::Never);
    assert_eq!(consumer.dag.task(consumer.dag.find("use").unwrap()).retries, 2);
}

#[test]
fn a_broken_dag_leaves_its_neighbours_alone() {
    let loaded =
        load_text("good: {tasks: []}\nbad: {tasks: [{task_id: a, operator: nope}]}\nodd: 3\nalso_good: {tasks: []}\n");
    let ids: Vec<_> = loaded.dags.iter().map(|dag| dag.dag.dag_id.as_str()).collect();
    assert_eq!(ids, ["good", "also_good"]);
    let told: Vec<_> = loaded.problems.iter().map(|problem| (problem.code, problem.dag_id.as_deref())).collect();
    assert_eq!(told, [(Code::UnknownOperator, Some("bad")), (Code::WrongType, Some("odd"))]);
}

#[test]
fn two_dags_of_a_file_cannot_share_an_id() {
    let loaded = load_text("a: {dag_id: same, tasks: []}\nb: {dag_id: same, tasks: []}\n");
    assert_eq!(loaded.dags.len(), 1, "the first one stays");
    assert_eq!(loaded.problems.len(), 1);
    assert_eq!(loaded.problems[0].message, "two DAGs of this file are called `same`");
    assert_eq!((loaded.problems[0].line, loaded.problems[0].dag_id.as_deref()), (2, Some("same")));
}

#[test]
fn a_mistake_in_the_default_block_is_told_once() {
    let loaded = load_text("default: {catchup: often}\na: {tasks: []}\nb: {tasks: []}\n");
    let told: Vec<_> = loaded.problems.iter().map(|problem| (problem.code, problem.dag_id.as_deref())).collect();
    assert_eq!(told, [(Code::WrongType, None)]);
    assert!(loaded.dags.is_empty());
}

#[rstest]
#[case("2026-03-01", "2026-03-01T00:00:00Z")]
#[case("2026-03-01T06:30", "2026-03-01T06:30:00Z")]
#[case("2026-03-01 06:30:15.5", "2026-03-01T06:30:15.500Z")]
#[case("2026-03-01T06:30:00Z", "2026-03-01T06:30:00Z")]
#[case("2026-03-01T06:30:00+01:00", "2026-03-01T05:30:00Z")]
#[case("2026-03-01 06:30:00 +0100", "2026-03-01T05:30:00Z")]
#[case("{__type__: datetime.datetime, year: 2026, month: 3, day: 1}", "2026-03-01T00:00:00Z")]
fn dates(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(dag(&format!("start_date: {text}\ntasks: []\n")).start_date, Some(at(expected)));
}

#[test]
fn dates_that_the_clock_skips_or_repeats_are_as_airflow_reads_them() {
    let start = |text: &str| dag(&format!("timezone: Europe/Amsterdam\nstart_date: {text}\ntasks: []\n")).start_date;
    assert_eq!(start("2026-03-29T02:30:00"), Some(at("2026-03-29T01:30:00Z")), "moved forward by the gap");
    assert_eq!(start("2026-10-25T02:30:00"), Some(at("2026-10-25T01:30:00Z")), "the second one");
}

#[rstest]
#[case("30s", 30_000)]
#[case("5m", 300_000)]
#[case("1h30m", 5_400_000)]
#[case("1h 30 min", 5_400_000)]
#[case("2 days", 172_800_000)]
#[case("1.5h", 5_400_000)]
#[case("250ms", 250)]
#[case("PT5M", 300_000)]
#[case("P1DT1H", 90_000_000)]
#[case("P2W", 1_209_600_000)]
#[case("90", 90_000)]
#[case("0.5", 500)]
#[case("{__type__: datetime.timedelta, minutes: 5, seconds: 1}", 301_000)]
fn durations(#[case] text: &str, #[case] milliseconds: u64) {
    let dag = dag(&format!("dagrun_timeout: {text}\ntasks: []\n"));
    assert_eq!(dag.runs.dagrun_timeout, Some(Duration::from_millis(milliseconds)));
}

#[rstest]
#[case("5 fortnights")]
#[case("P1Y")]
#[case("P1M")]
#[case("PT")]
#[case("P")]
#[case("5")]
#[case("h")]
#[case("-5m")]
#[case("1e400")]
#[case("10000000 days")]
fn what_is_no_duration(#[case] text: &str) {
    let result = scheduler::dag::duration::parse(text);
    assert_eq!(result.is_ok(), text == "5", "{text}: {result:?}");
}

#[test]
fn anchors_and_merge_keys_are_written_out() {
    let loaded = load_text(
        "x-base: &base {operator: bash, bash_command: ls, retries: 1}\none:\n  tasks:\n    a: *base\n    b:\n      <<: *base\n      retries: 2\n",
    );
    assert_eq!(loaded.problems, []);
    let dag = &loaded.dags[0].dag;
    assert_eq!(dag.task(dag.find("a").unwrap()).retries, 1);
    let b = dag.task(dag.find("b").unwrap());
    assert_eq!((b.retries, &b.args["bash_command"]), (2, &json!("ls")));
}

/// The upstream tasks of a task, in order.
fn before(dag: &scheduler::dag::Dag, task_id: &str) -> Vec<String> {
    let mut ids: Vec<_> = dag.upstream(dag.find(task_id).unwrap()).map(|task| dag.task(task).task_id.clone()).collect();
    ids.sort();
    ids
}

#[test]
fn a_file_says_everything_of_its_graph() {
    let dag = dag(GRAPH);
    let task = |id: &str| dag.task(dag.find(id).unwrap());
    let groups: Vec<_> = dag.groups.iter().map(|group| (group.group_id.as_str(), group.parent.as_deref())).collect();
    assert_eq!(groups, [("load", None), ("each", None), ("load.inner", Some("load"))], "outer ones first");
    assert_eq!(task("load.inner.check").group.as_deref(), Some("load.inner"));
    assert_eq!((task("load.orders").retries, task("load.inner.check").retries), (3, 4));
    assert_eq!(task("load.orders").args["append_env"], json!(true), "from the group's default_args");
    assert_eq!(before(&dag, "load.orders"), ["extract"], "what the group waits for");
    assert_eq!(before(&dag, "load.inner.check"), ["load.orders"], "not the first task of its group");
    assert_eq!(before(&dag, "files"), ["load.inner.check"], "a group is its last tasks");
    assert_eq!(before(&dag, "each.check"), ["dates"], "what the group is mapped over");
    assert_eq!(before(&dag, "each.say"), ["each.check"], "the sibling");
    assert_eq!(before(&dag, "end"), ["each.say", "files"]);
    let output = MappedValues::Output { task_id: "dates".to_owned(), key: "return_value".to_owned() };
    let regions = MappedValues::Literal(vec![json!("eu"), json!("us")]);
    let expected = Mapping::Product(vec![("region".to_owned(), regions), ("day".to_owned(), output)]);
    assert_eq!(dag.mapping(dag.find("each.say").unwrap()), Some(&expected));
    assert_eq!(task("files").map_index_template.as_deref(), Some("{{ mapped.cwd }}"));
    assert_eq!((task("files").past, task("work").past), (PastDependency::Itself, PastDependency::ItselfAndDownstream));
    assert_eq!((task("up").role, task("down").role), (TaskRole::Setup, TaskRole::Teardown { fails_run: true }));
    assert_eq!(task("down").trigger_rule, TriggerRule::AllDoneSetupSuccess, "whatever default_args say");
    assert_eq!(before(&dag, "down"), ["up", "work"]);
    assert_eq!(
        (task("extract").trigger_rule, task("end").trigger_rule),
        (TriggerRule::NoneFailed, TriggerRule::AllDone)
    );
    assert_eq!(task("end").retry_policy[0].exit_codes, [2, 3]);
    assert_eq!(task("end").retry_policy[1].action, RetryAction::Retry { delay: Some(Duration::from_secs(10)) });
}

/// Airflow 3's semantics, section 8: short names, and what a group stands for.
#[rstest]
#[case::a_sibling_comes_before_a_namesake("[{group_name: g}, {group_name: h}]", "g.a h.a h.b<a", "h.b", "h.a")]
#[case::an_id_comes_before_a_sibling("[{group_name: g}]", "a g.a g.b<a", "g.b", "a")]
#[case::an_outer_sibling("[{group_name: g}, {group_name: h, parent_group_name: g}]", "g.a g.h.b<a", "g.h.b", "g.a")]
#[case::the_only_one("[{group_name: g}]", "g.a b<a", "b", "g.a")]
#[case::a_group_within_a_group("[{group_name: g}, {group_name: h, parent_group_name: g}]", "g.h.a b<h", "b", "g.h.a")]
#[case::last_tasks("[{group_name: g}]", "g.a g.b<a g.c<a d<g", "d", "g.b g.c")]
#[case::first_tasks("[{group_name: g, dependencies: [d]}]", "d g.a g.b<a", "g.a", "d")]
#[case::not_inner_tasks("[{group_name: g, dependencies: [d]}]", "d g.a g.b<a", "g.b", "g.a")]
#[case::groups_after_groups(
    "[{group_name: g}, {group_name: h, dependencies: [g]}]",
    "g.a g.b h.c h.d",
    "h.c",
    "g.a g.b"
)]
#[case::an_inner_group_is_last(
    "[{group_name: g}, {group_name: h, parent_group_name: g, dependencies: [a]}]",
    "g.a g.h.b c<g",
    "c",
    "g.h.b"
)]
#[case::no_prefix("[{group_name: g, prefix_group_id: false}]", "g/a g/b<a", "b", "a")]
fn names_and_groups(#[case] groups: &str, #[case] tasks: &str, #[case] of: &str, #[case] expected: &str) {
    let task = |text: &str| {
        let (id, upstream) = text.split_once('<').unwrap_or((text, ""));
        let (group, name) = id
            .rsplit_once(['.', '/'])
            .map_or((String::new(), id), |(group, name)| (format!(", task_group_name: {group}"), name));
        format!("  - {{task_id: {name}, operator: empty, dependencies: [{upstream}]{group}}}\n")
    };
    let tasks: String = tasks.split(' ').map(task).collect();
    let dag = dag(&format!("task_groups: {groups}\ntasks:\n{tasks}"));
    assert_eq!(before(&dag, of).join(" "), expected);
}

/// Airflow 3's semantics, section 7: what comes after a group does not wait for its teardowns.
#[test]
fn a_teardown_is_never_the_last_of_its_group() {
    let dag = dag(
        "task_groups: [{group_name: g}]\ntasks:\n  - {task_id: up, operator: empty, task_group_name: g}\n  - {task_id: work, operator: empty, task_group_name: g, dependencies: [up]}\n  - {task_id: down, operator: empty, task_group_name: g, is_teardown: true, setups: [up], dependencies: [work]}\n  - {task_id: end, operator: empty, dependencies: [g]}\n",
    );
    assert_eq!(before(&dag, "end"), ["g.work"]);
}

#[test]
fn a_document_loads_as_the_same_dag() {
    for (name, text) in GOOD {
        for loaded in load_text(text).dags {
            let source = SourceFile::new("document", loaded.document.to_string());
            let again = load(&source, &registry());
            assert_eq!(again.problems, [], "{name}");
            assert_eq!(again.dags[0].document, loaded.document, "{name}");
            assert_eq!(again.dags[0].hash, loaded.hash, "{name}");
        }
    }
}

#[test]
fn the_hash_is_of_the_meaning() {
    let hash = |text: &str| load_text(text).dags[0].hash.clone();
    let one = "schedule: '@daily'\ntasks:\n  - {task_id: a, operator: empty}\n  - {task_id: b, operator: empty, dependencies: [a]}\n";
    let same = "# a comment\ntasks:\n  b: {dependencies: [a], operator: EmptyOperator, retries: 0, retry_delay: 5m}\n  a: {operator: empty}\nschedule: \"@daily\"\ncatchup: false\n";
    let other = "schedule: '@daily'\ntasks:\n  - {task_id: a, operator: empty, retries: 1}\n  - {task_id: b, operator: empty, dependencies: [a]}\n";
    assert_eq!(hash(one), hash(same));
    assert_ne!(hash(one), hash(other));
    assert_eq!(hash(one).len(), 64);
    assert_eq!(version::hash(&json!({"a": 1, "b": 2})), version::hash(&json!({"b": 2, "a": 1})));
}

#[test]
fn assets_by_uri_and_by_name() {
    let outlets = |text: &str| {
        let dag = dag(&format!("tasks: [{{task_id: a, operator: empty, outlets: {text}}}]\n"));
        dag.task(dag.find("a").unwrap()).outlets.clone()
    };
    let [plain, named, only_named, object] = outlets(
        "['S3://Lake/a/', {name: b, uri: 's3://lake/b#part', extra: {rows: 1}}, {name: c}, {__type__: airflow.sdk.Asset, __args__: [d]}]",
    )
    .try_into()
    .unwrap();
    assert_eq!(
        (plain.name.as_str(), plain.uri.as_str(), plain.group.as_str()),
        ("S3://Lake/a/", "s3://Lake/a", "asset")
    );
    assert_eq!((named.name.as_str(), named.uri.as_str()), ("b", "s3://lake/b"));
    assert_eq!(json!(named.extra), json!({"rows": 1}));
    assert_eq!((only_named.name.as_str(), only_named.uri.as_str()), ("c", "c"));
    assert_eq!(object.name, "d");
}

/// §13: a list means all of its assets; dag-factory's `__and__` and `__or__` are reduced with `&` and `|`.
#[rstest]
#[case("[a, b]", &["a"], false)]
#[case("[a, b]", &["a", "b"], true)]
#[case("{any: [a, b]}", &["b"], true)]
#[case("{any: [a, b]}", &[], false)]
#[case("{all: [a, {any: [b, c]}]}", &["a", "c"], true)]
#[case("{all: [a, {any: [b, c]}]}", &["b", "c"], false)]
#[case("{__or__: [{__and__: [a, b]}, c]}", &["c"], true)]
#[case("{__or__: [{__and__: [a, b]}, c]}", &["a"], false)]
#[case("{uri: a}", &["a"], true)]
#[case("{alias: a}", &["a"], true)]
#[case("{alias: a}", &[], false)]
#[case("[{alias: a}, b]", &["a"], false)]
#[case("{any: [{alias: a}, {all: [b, c]}]}", &["a"], true)]
#[case("{__type__: airflow.sdk.AssetAlias, name: a}", &["a"], true)]
#[case("[{__type__: airflow.datasets.DatasetAlias, __args__: [a]}, b]", &["a", "b"], true)]
#[case("{__type__: airflow.sdk.AssetAny, __args__: [a, {__type__: airflow.sdk.AssetAll, __args__: [b, c]}]}", &["b", "c"], true)]
fn expressions_over_assets(#[case] schedule: &str, #[case] updated: &[&str], #[case] expected: bool) {
    let dag = dag(&format!("schedule: {schedule}\ntasks: []\n"));
    let Schedule::Assets(expression) = &dag.schedule else { panic!("{:?}", dag.schedule) };
    let is_updated = |name: &str| updated.contains(&name);
    assert_eq!(expression.is_true(&|asset| is_updated(&asset.name), &is_updated), expected);
    assert!(expression.is_true(&|_| true, &|_| true) && !expression.is_true(&|_| false, &|_| false));
}

#[test]
fn every_asset_of_an_expression_is_told_once() {
    let dag = dag("schedule: {any: [a, {all: [b, a, {name: b, extra: {x: 1}}]}, c]}\ntasks: []\n");
    let Schedule::Assets(expression) = &dag.schedule else { panic!("{:?}", dag.schedule) };
    let names: Vec<&str> = expression.assets().into_iter().map(|asset| asset.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(expression.in_words(), "a or (b and a and b) or c");
}

/// The zone that a timetable of Airflow's names is the DAG's.
#[test]
fn a_timetable_can_bring_its_zone() {
    let schedule = "{__type__: airflow.sdk.AssetOrTimeSchedule, assets: [a], timetable: {__type__: airflow.sdk.CronTriggerTimetable, cron: 0 3 * * *, timezone: Asia/Tokyo}}";
    assert_eq!(dag(&format!("schedule: {schedule}\ntasks: []\n")).timezone, Tz::Asia__Tokyo);
}

#[test]
fn ids_may_have_letters_of_any_language() {
    let dag = dag("dag_id: Verkäufe_日次.v2\ntasks: [{task_id: größe-1, operator: empty}]\n");
    assert_eq!(dag.dag_id, "Verkäufe_日次.v2");
}

/// Dates of tasks are meant in the DAG's zone, and those of `default_args` are the DAG's.
#[test]
fn tasks_may_have_dates_of_their_own() {
    let dag = dag(
        "timezone: Europe/Amsterdam\ndefault_args: {start_date: 2026-01-01}\ntasks:\n  - {task_id: a, operator: empty, start_date: 2026-02-01, end_date: 2026-03-01T06:00:00Z}\n  - {task_id: b, operator: empty}\n",
    );
    let dates = |id: &str| {
        let task = dag.task(dag.find(id).unwrap());
        (task.start_date, task.end_date)
    };
    assert_eq!(dates("a"), (Some(at("2026-01-31T23:00:00Z")), Some(at("2026-03-01T06:00:00Z"))));
    assert_eq!(dates("b"), (None, None));
    assert_eq!(dag.start_date, Some(at("2025-12-31T23:00:00Z")));
}

/// §11: which files a DAG names, each where it is written; they are looked at by whoever can.
#[test]
fn what_is_wrong_with_template_files_is_told_where_they_are_named() {
    let text = "template_searchpath: sql\ntasks:\n  - task_id: a\n    operator: scripted\n    script: [one.sh, ls]\n    \
                request: two.json-tpl\n  - {task_id: b, operator: scripted, expand: {script: [three.sh, 'ls ']}}\n";
    let source = SourceFile::new("example.yaml", text);
    let loaded = load(&source, &registry());
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.dags[0].dag.template_searchpath, ["sql"]);

    let problems = loaded.dags[0].file_problems(&source, |file| vec![format!("`{}` is odd", file.name)]);

    let told: Vec<(String, usize, usize)> =
        problems.iter().map(|problem| (problem.message.clone(), problem.line, problem.column)).collect();
    let said = |argument: &str, name: &str| format!("argument `{argument}` of operator `scripted`: `{name}` is odd");
    assert_eq!(
        told,
        [
            (said("script.0", "one.sh"), 5, 14),
            (said("request", "two.json-tpl"), 6, 14),
            (said("script", "three.sh"), 7, 56),
        ]
    );
}

/// What people see is part of the version, and nothing goes by it.
#[test]
fn second_names_are_for_people() {
    let with =
        |keys: &str| load_text(&format!("{keys}\ntasks: [{{task_id: a, operator: empty}}]\n")).dags[0].hash.clone();
    assert_ne!(with("dag_display_name: Sales"), with("dag_display_name: null"));
    let dag = dag("dag_display_name: Sales\ntasks: [{task_id: a, operator: empty, task_display_name: Load}]\n");
    assert_eq!((dag.dag_id.as_str(), dag.display_name.as_deref()), ("example", Some("Sales")));
    assert_eq!(dag.task(dag.find("a").unwrap()).display_name.as_deref(), Some("Load"));
}
