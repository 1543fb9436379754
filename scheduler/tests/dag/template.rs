//! Templates (airflow-semantics.md §11).

use std::sync::Arc;

use rstest::rstest;
use scheduler::connection::Connection;
use scheduler::dag::asset::Asset;
use scheduler::dag::template::{
    AssetEvents, CallbackFacts, DeadlineFacts, EventFacts, EventsOfAsset, FileText, LastSuccess, Left, NamedFile,
    RenderError, SecretRef, SecretValue, SourceFacts, TemplateContext, TryFacts, XComRef, XComRun, XComs, check,
    check_in_callback, named_files, render_args, render_args_with,
};
use scheduler::operator::RunFacts;
use serde_json::{Map, Value, json};

use crate::fixtures::{at, dag, registry};

const DAG: &str = "
timezone: Europe/Amsterdam
owner: data
tags: [a]
tasks:
  - {task_id: extract, operator: empty}
  - {task_id: load, operator: empty, dependencies: [extract], retries: 3}
";

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is not a mapping"),
    }
}

fn context() -> TemplateContext {
    let logical_date = at("2018-01-01T00:00:00Z");
    TemplateContext {
        dag: dag(DAG),
        task_id: "load".to_owned(),
        run_id: "scheduled__2018-01-01T00:00:00+00:00".to_owned(),
        run: Arc::new(RunFacts {
            run_type: "scheduled".to_owned(),
            logical_date: Some(logical_date),
            data_interval_start: Some(logical_date),
            data_interval_end: Some(at("2018-01-02T00:00:00Z")),
            partition_key: None,
            partition_date: None,
            next_interval: None,
            run_after: logical_date,
            start_date: Some(at("2018-01-02T00:00:01.5Z")),
            conf: object(json!({"ticket": 7, "nested": {"a b": [1, 2]}})),
            params: object(
                json!({"region": "eu", "rows": 5, "flag": true, "none": null, "names": ["a", "it's"], "text": "a b"}),
            ),
            owner: "data".to_owned(),
            timezone: chrono_tz::UTC,
        }),
        try_number: 2,
        map_index: -1,
        mapped: Map::new(),
        expanded: None,
        now: at("2018-01-02T03:04:05.678Z"),
        callback: None,
    }
}

/// A template by itself.
fn render_text(template: &str, context: &TemplateContext, xcoms: &XComs) -> Result<String, RenderError> {
    scheduler::dag::template::render_text("map_index_template", template, context, xcoms)
}

fn render(template: &str) -> String {
    render_text(template, &context(), &XComs::new()).unwrap_or_else(|error| panic!("{template}: {error}"))
}

fn mistake(template: &str) -> String {
    match render_text(template, &context(), &XComs::new()) {
        Err(RenderError::Failed(problems)) => {
            let problem = &problems[0];
            let help = problem.help.as_ref().map(|help| format!(" [{help}]")).unwrap_or_default();
            format!("{}:{} {}{help}", problem.line, problem.column, problem.message)
        }
        other => panic!("{template}: {other:?}"),
    }
}

/// §11: variables.
#[rstest]
#[case("{{ ds }}", "2018-01-01")]
#[case("{{ ds_nodash }}", "20180101")]
#[case("{{ ts }}", "2018-01-01T00:00:00+00:00")]
#[case("{{ ts_nodash }}", "20180101T000000")]
#[case("{{ ts_nodash_with_tz }}", "20180101T000000+0000")]
#[case("{{ logical_date }}", "2018-01-01 00:00:00+00:00")]
#[case("{{ data_interval_start }} {{ data_interval_end | ds }}", "2018-01-01 00:00:00+00:00 2018-01-02")]
#[case("{{ run_id }}", "scheduled__2018-01-01T00:00:00+00:00")]
#[case("{{ task_instance_key_str }}", "example__load__20180101")]
#[case("{{ dag.dag_id }} {{ dag.owner }} {{ dag.timezone }} {{ dag.tags }}", "example data Europe/Amsterdam ['a']")]
#[case("{{ dag_run.run_type }} {{ dag_run.conf.ticket }} {{ dag_run.conf['nested']['a b'][1] }}", "scheduled 7 2")]
#[case("{{ dag_run.start_date }}", "2018-01-02 00:00:01.500000+00:00")]
#[case("{{ dag_run.conf.get('missing', 'else') }} {{ dag_run.conf.get('missing') }}", "else None")]
#[case(
    "{{ task.task_id }} {{ task.operator }} {{ task.retries }} {{ task.upstream_task_ids }}",
    "load empty 3 ['extract']"
)]
#[case("{{ ti.task_id }} {{ ti.try_number }} {{ task_instance.map_index }} {{ ti.dag_id }}", "load 2 -1 example")]
#[case("{{ params.region }} {{ params['rows'] + 1 }}", "eu 6")]
#[case("{{ expanded_ti_count }} {{ map_index_template }} {{ task_reschedule_count }}", "None None 0")]
#[case("{{ partition_key }} {{ partition_date }} {{ test_mode }}", "None None False")]
fn variables(#[case] template: &str, #[case] expected: &str) {
    assert_eq!(render(template), expected);
}

/// §11: filters, and the one that quotes for a shell.
#[rstest]
#[case("{{ logical_date | ds }}", "2018-01-01")]
#[case("{{ logical_date | ds_nodash }}", "20180101")]
#[case("{{ logical_date | ts }}", "2018-01-01T00:00:00+00:00")]
#[case("{{ data_interval_end | ts_nodash }}", "20180102T000000")]
#[case("{{ data_interval_end | ts_nodash_with_tz }}", "20180102T000000+0000")]
#[case("{{ params.region | quote }}", "eu")]
#[case("{{ params.text | quote }}", "'a b'")]
#[case("{{ params.names[1] | shell_quote }}", r#"'it'"'"'s'"#)]
#[case("{{ '' | quote }}", "''")]
#[case("{{ '$(reboot); `x`' | quote }}", "'$(reboot); `x`'")]
#[case("{{ params.missing | default('x') }}", "x")]
#[case("{{ params.names | tojson }}", r#"["a", "it\u0027s"]"#)]
#[case("{{ 'a b+c/\u{e9}' | urlencode }}", "a%20b%2Bc/%C3%A9")]
#[case("{{ params.names | join('-') }}", "a-it's")]
fn filters(#[case] template: &str, #[case] expected: &str) {
    assert_eq!(render(template), expected);
}

/// §11: `logical_date` is a pendulum DateTime.
#[rstest]
#[case("{{ logical_date.strftime('%d/%m/%Y %H:%M:%S.%f') }}", "01/01/2018 00:00:00.000000")]
#[case("{{ logical_date.format('YYYY-MM-DD[T]HH:mm:ss.SSS Do dddd Z') }}", "2018-01-01T00:00:00.000 1st Monday +00:00")]
#[case("{{ logical_date.add(days=1, hours=2) }}", "2018-01-02 02:00:00+00:00")]
#[case("{{ logical_date.subtract(months=2).to_date_string() }}", "2017-11-01")]
#[case("{{ logical_date.add(months=1, days=30) | ds }}", "2018-03-03")]
#[case("{{ logical_date.in_timezone('Europe/Amsterdam') }}", "2018-01-01 01:00:00+01:00")]
#[case("{{ logical_date.in_timezone('Europe/Amsterdam').isoformat() }}", "2018-01-01T01:00:00+01:00")]
#[case(
    "{{ logical_date.year }}-{{ logical_date.month }}-{{ logical_date.day_of_week }}-{{ logical_date.quarter }}",
    "2018-1-0-1"
)]
#[case("{{ logical_date.int_timestamp }} {{ logical_date.timestamp() }}", "1514764800 1514764800.0")]
#[case(
    "{{ logical_date.start_of('month') | ds }} {{ logical_date.end_of('month').isoformat() }}",
    "2018-01-01 2018-01-31T23:59:59.999999+00:00"
)]
#[case("{{ logical_date.replace(day=15, hour=6) }}", "2018-01-15 06:00:00+00:00")]
#[case("{{ logical_date.diff(data_interval_end).in_hours() }}", "24")]
#[case("{{ logical_date < data_interval_end }} {{ logical_date == data_interval_start }}", "True True")]
fn dates(#[case] template: &str, #[case] expected: &str) {
    assert_eq!(render(template), expected);
}

/// §11: macros.
#[rstest]
#[case("{{ macros.ds_add(ds, 5) }} {{ macros.ds_add('2018-03-01', -1) }}", "2018-01-06 2018-02-28")]
#[case("{{ macros.ds_format(ds, '%Y-%m-%d', '%d-%m-%y') }}", "01-01-18")]
#[case("{{ macros.datetime(2018, 2, 3, 4).isoformat() }}", "2018-02-03T04:00:00+00:00")]
#[case("{{ macros.datetime.strptime('2018/02/03', '%Y/%m/%d') | ds }}", "2018-02-03")]
#[case("{{ macros.datetime.fromtimestamp(1514764800.5).isoformat() }}", "2018-01-01T00:00:00.500000+00:00")]
#[case("{{ macros.datetime_diff_for_humans(data_interval_end, data_interval_start) }}", "1 day after")]
#[case("{{ macros.datetime_diff_for_humans(data_interval_end, since=data_interval_start) }}", "1 day after")]
#[case("{{ macros.datetime.strptime('2018-02', '%Y-%m') }}", "2018-02-01 00:00:00+00:00")]
#[case("{{ macros.datetime.strptime('2018-02-03T07', '%Y-%m-%dT%H') }}", "2018-02-03 07:00:00+00:00")]
#[case("{{ macros.datetime.strptime('3/2/18 07 PM', '%d/%m/%y %I %p') }}", "2018-02-03 19:00:00+00:00")]
#[case("{{ macros.datetime.strptime('07:30', '%H:%M') }}", "1900-01-01 07:30:00+00:00")]
#[case(
    "{{ macros.datetime.strptime('2018-02-03 07:30:01.5', '%Y-%m-%d %H:%M:%S.%f') }}",
    "2018-02-03 07:30:01.500000+00:00"
)]
#[case("{{ macros.datetime.strptime('2018-02-03 00:30 +0200', '%Y-%m-%d %H:%M %z') }}", "2018-02-02 22:30:00+00:00")]
#[case("{{ macros.datetime.strptime('2018-02-03T00:30Z', '%Y-%m-%dT%H:%M%z') }}", "2018-02-03 00:30:00+00:00")]
#[case("{{ macros.ds_format('2018-02-03T00:30+02:00', '%Y-%m-%dT%H:%M%z', '%d.%m. %H:%M') }}", "03.02. 00:30")]
#[case(
    "{{ macros.datetime_diff_for_humans(logical_date) }} {{ macros.datetime_diff_for_humans('2018-01-05') }}",
    "1 day ago in 2 days"
)]
#[case("{{ macros.dateutil.parser.parse('2018-02-03 04:05:06').isoformat() }}", "2018-02-03T04:05:06+00:00")]
#[case("{{ macros.time.strftime('%H:%M') }} {{ macros.timedelta(milliseconds=1500).total_seconds() }}", "03:04 1.5")]
#[case("{{ macros.yaml.safe_load('{rows: [1, 2], text: x}').rows }}", "[1, 2]")]
#[case("{{ macros.datetime.now().isoformat() }}", "2018-01-02T03:04:05.678000+00:00")]
#[case(
    "{{ macros.timedelta(days=1, hours=2) }} {{ macros.timedelta(hours=1).total_seconds() }}",
    "1 day, 2:00:00 3600.0"
)]
#[case("{{ macros.json.dumps(params.names) }} {{ macros.json.loads('{\"a\": 1}').a }}", r#"["a","it's"] 1"#)]
fn macros(#[case] template: &str, #[case] expected: &str) {
    assert_eq!(render(template), expected);
}

#[test]
fn what_looks_random_is_the_same_when_rendered_again() {
    let template = "{{ macros.uuid.uuid4() }} {{ macros.uuid.uuid4() }} {{ macros.random() }}";
    let first = render(template);
    assert_eq!(first, render(template));
    let parts: Vec<&str> = first.split(' ').collect();
    assert_ne!(parts[0], parts[1]);
    assert_eq!((parts[0].len(), &parts[0][14..15]), (36, "4"));
    assert!((0.0..1.0).contains(&parts[2].parse::<f64>().unwrap()));
    let other = TemplateContext { try_number: 3, ..context() };
    assert_ne!(first, render_text(template, &other, &XComs::new()).unwrap(), "another try draws others");
}

/// Values are written as Python writes them, and text has Python's methods.
#[rstest]
#[case("{{ params.flag }} {{ params.none }} {{ 1.5 }} {{ params.names }}", r#"True None 1.5 ['a', "it's"]"#)]
#[case("{{ dag_run.conf.nested }}", "{'a b': [1, 2]}")]
#[case("{{ params.region.upper() }} {{ 'a,b'.split(',') }} {{ ' x '.strip() }}", "EU ['a', 'b'] x")]
#[case("{{ ds.replace('-', '/') }} {{ '-'.join(['a', 'b']) }} {{ ds.startswith('2018') }}", "2018/01/01 a-b True")]
#[case("{% for key, value in dag_run.conf.nested.items() %}{{ key }}{% endfor %}", "a b")]
#[case("{% if params.flag %}yes{% endif %}{% set x = 3 %}{{ x }}", "yes3")]
fn as_python_does(#[case] template: &str, #[case] expected: &str) {
    assert_eq!(render(template), expected);
}

/// §11: StrictUndefined; an error names what is missing.
#[rstest]
#[case("{{ params.regoin }}", "1:4 `params.regoin` is not there [did you mean `region`?]")]
#[case("a\n b {{ dag_run.conf.tickt }}", "2:7 `dag_run.conf.tickt` is not there [did you mean `ticket`?]")]
#[case("{{ execution_date }}", "1:4 `execution_date` was removed in Airflow 3 [write `logical_date`]")]
#[case(
    "{{ templates_dict }}",
    "1:4 `templates_dict` is not available yet [write the template where its value is used]"
)]
#[case("{{ logical_dat }}", "1:4 `logical_dat` is not there [did you mean `logical_date`?]")]
#[case("{{ ds | upperr }}", "1:9 unknown filter: filter upperr is unknown [did you mean `upper`?]")]
#[case("{{ ds + }}", "1:9 unexpected end of variable block")]
#[case(
    "{{ macros.ds_format_locale(ds, '%Y-%m-%d', 'dd MMMM', 'nl') }}",
    "1:4 `ds_format_locale` is not served, because days and months have English names here; write `ds_format`"
)]
#[case("{{ macros.yaml.dump(params) }}", "1:4 `yaml.dump` is not served; what `| tojson` writes is YAML as well")]
#[case(
    "{{ outlet_events }}",
    "1:4 `outlet_events` is not available yet [a template cannot add to an event; `updraft assets emit` and the REST API can make one with an `extra`]"
)]
#[case(
    "{{ logical_date - macros.timedelta(days=1) }}",
    "1:4 tried to use - operator on unsupported types plain object and plain object [dates move with `.add(days=1)` and `.subtract(days=1)`]"
)]
#[case("{{ logical_date.strftime('%Q') }}", "1:4 `%Q` is not a format of dates")]
#[case("{{ macros.ds_add('x', 1) }}", "1:4 `x` is not a day such as 2026-01-31, or too far away")]
fn mistakes_say_what_is_missing(#[case] template: &str, #[case] expected: &str) {
    assert_eq!(mistake(template), expected);
}

#[rstest]
#[case::fuel(
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "it takes too many steps"
)]
#[case::recursion("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion limit exceeded")]
#[case::output("{% for a in range(300) %}{{ 'x' * 100000 }}{% endfor %}", "the text that it makes is too long")]
fn hostile_templates_are_stopped(#[case] template: &str, #[case] expected: &str) {
    let message = mistake(template);
    assert!(message.contains(expected), "{message}");
}

/// §1: without a logical date its names are absent.
#[test]
fn without_a_logical_date_its_names_are_not_there() {
    let mut context = context();
    let run =
        RunFacts { logical_date: None, data_interval_start: None, data_interval_end: None, ..(*context.run).clone() };
    context.run = Arc::new(run);
    for name in ["ds", "ts", "logical_date", "data_interval_start"] {
        let template = format!("{{{{ {name} }}}}");
        let error = render_text(&template, &context, &XComs::new()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}` is not there, because the run has no logical date")), "{error}");
    }
    assert_eq!(render_text("{{ dag_run.logical_date }}", &context, &XComs::new()).unwrap(), "None");
    assert_eq!(render_text("{{ dag_run.run_after | ds }}", &context, &XComs::new()).unwrap(), "2018-01-01");
}

/// §11: what a run of a partition knows of it.
#[rstest]
#[case("{{ partition_key }} {{ dag_run.partition_key }}", "2017-12-31 2017-12-31")]
#[case("{{ partition_date | ds }} {{ dag_run.partition_date }}", "2017-12-31 2017-12-31 00:00:00+00:00")]
fn of_a_partition(#[case] template: &str, #[case] expected: &str) {
    let mut context = context();
    context.run = Arc::new(RunFacts {
        partition_key: Some("2017-12-31".to_owned()),
        partition_date: Some(at("2017-12-31T00:00:00Z")),
        ..(*context.run).clone()
    });
    assert_eq!(render_text(template, &context, &XComs::new()).unwrap(), expected);
}

/// What a run was made for, and what is known of the inlets of its task.
fn asset_events() -> XComs {
    let mut orders = Asset::new(Some("orders"), Some("s3://lake/orders")).unwrap();
    orders.extra = object(json!({"owner": "ann"}));
    let source = SourceFacts {
        dag_id: "maker".to_owned(),
        run_id: "one".to_owned(),
        task_id: "make".to_owned(),
        map_index: -1,
        logical_date: Some(at("2026-01-01T00:00:00Z")),
        data_interval: Some((at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"))),
    };
    let by_task = EventFacts {
        extra: json!({"rows": 3}),
        partition_key: Some("2026-01-01".to_owned()),
        timestamp: at("2026-01-02T00:00:05Z"),
        source: Some(source),
    };
    let timestamp = at("2026-01-03T00:00:00Z");
    let by_hand = EventFacts { extra: json!({}), partition_key: None, timestamp, source: None };
    let mut fetched = XComs::new();
    let never = EventsOfAsset { asset: Asset::new(None, Some("s3://lake/never")).unwrap(), events: Vec::new() };
    fetched.insert_asset_events(AssetEvents {
        triggering: vec![EventsOfAsset { asset: orders.clone(), events: vec![by_task.clone(), by_hand.clone()] }],
        of_inlets: vec![EventsOfAsset { asset: orders, events: vec![by_hand] }, never],
    });
    fetched
}

/// §11: `triggering_asset_events`, `inlet_events`, `inlets`, `outlets`.
#[rstest]
#[case(
    "{% for asset, events in triggering_asset_events.items() %}{{ asset }} {{ asset.name }} {{ asset.extra.owner }} {{ events | length }}{% endfor %}",
    "s3://lake/orders orders ann 2"
)]
#[case("{{ triggering_asset_events['orders'][0].extra.rows }}", "3")]
#[case("{{ triggering_asset_events['s3://lake/orders'][0].source_run_id }}", "one")]
#[case(
    "{{ (triggering_asset_events.values() | first | first).source_dag_run.data_interval_start | ds }}",
    "2026-01-01"
)]
#[case("{{ triggering_asset_events['orders'][0].partition_key }}", "2026-01-01")]
#[case("{{ triggering_asset_events['orders'][1].timestamp | ds }}", "2026-01-03")]
#[case("{{ triggering_asset_events['orders'][1].source_task_id }}", "None")]
#[case("{{ triggering_asset_events.keys() | join(',') }}", "s3://lake/orders")]
#[case("{{ inlet_events[inlets[0]][-1].timestamp | ds }}", "2026-01-03")]
#[case("{{ inlet_events['s3://lake/never'] | length }}", "0")]
#[case("{{ inlets[0].uri }} {{ outlets[0] }}", "s3://lake/orders s3://lake/report")]
fn what_became_of_assets(#[case] template: &str, #[case] expected: &str) {
    let file = "tasks: [{task_id: load, operator: empty, inlets: [{name: orders, uri: 's3://lake/orders'}], outlets: ['s3://lake/report']}]";
    let context = TemplateContext { dag: dag(file), ..context() };
    if template.contains("events") {
        assert_eq!(render_text(template, &context, &XComs::new()), Err(RenderError::NeedsAssetEvents));
    }
    assert_eq!(render_text(template, &context, &asset_events()).unwrap(), expected);
}

/// §11: what the last success before the run was; all of it is none when there is no such run.
#[rstest]
#[case(
    "{{ prev_data_interval_start_success | ds }}/{{ prev_data_interval_end_success | ds }}",
    "2026-01-01/2026-01-02"
)]
#[case("{{ prev_start_date_success.isoformat() }}", "2026-01-02T00:00:05+00:00")]
#[case("{{ prev_end_date_success.strftime('%H:%M:%S') }}", "00:00:30")]
#[case("{{ prev_data_interval_end_success or 'the beginning' }}", "2026-01-02 00:00:00+00:00")]
fn what_the_last_success_was(#[case] template: &str, #[case] expected: &str) {
    let mut fetched = XComs::new();
    fetched.insert_last_success(LastSuccess {
        data_interval_start: Some(at("2026-01-01T00:00:00Z")),
        data_interval_end: Some(at("2026-01-02T00:00:00Z")),
        start_date: Some(at("2026-01-02T00:00:05Z")),
        end_date: Some(at("2026-01-02T00:00:30Z")),
    });
    assert_eq!(render_text(template, &context(), &XComs::new()), Err(RenderError::NeedsLastSuccess));
    assert_eq!(render_text(template, &context(), &fetched).unwrap(), expected);
}

#[test]
fn without_a_success_before_there_is_none() {
    let mut fetched = XComs::new();
    fetched.insert_last_success(LastSuccess::default());
    let template = "{{ prev_data_interval_end_success or 'the beginning' }} {{ prev_start_date_success is none }}";
    assert_eq!(render_text(template, &context(), &fetched).unwrap(), "the beginning True");
}

/// A connection, a variable of text, one of JSON, and one of neither.
fn fetched_secrets(needed: Vec<SecretRef>) -> XComs {
    let mut fetched = XComs::new();
    for secret in needed {
        let value = match &secret {
            SecretRef::Connection(id) if id == "my_db" => {
                let mut connection = Connection::parse("my_db", "postgres://me:p%40ss@db:5432/sales").unwrap();
                connection.extra = object(json!({"sslmode": "require", "list": [1]}));
                Some(SecretValue::Connection(Arc::new(connection)))
            }
            SecretRef::Variable(key) if key == "region" => Some(SecretValue::Variable("eu".to_owned())),
            SecretRef::Variable(key) if key == "limits" => {
                Some(SecretValue::Variable(r#"{"rows": {"max": 5}, "a b": true}"#.to_owned()))
            }
            _ => None,
        };
        fetched.insert_secret(secret, value);
    }
    fetched
}

fn render_with_secrets(template: &str) -> Result<String, RenderError> {
    match render_text(template, &context(), &XComs::new()) {
        Err(RenderError::NeedsSecrets(needed)) => render_text(template, &context(), &fetched_secrets(needed)),
        other => panic!("{template}: {other:?}"),
    }
}

/// Airflow 3, templates reference: `conn`, `var.value`, `var.json`.
#[rstest]
#[case(
    "{{ conn.my_db.host }}:{{ conn.my_db.port }}/{{ conn.my_db.schema }} {{ conn.my_db.login }}",
    "db:5432/sales me"
)]
#[case("{{ conn.my_db.password }} {{ conn['my_db'].description }} {{ conn.my_db }}", "p@ss None my_db")]
#[case("{{ conn.my_db.extra_dejson.sslmode }} {{ conn.my_db.extra_dejson.list[0] }}", "require 1")]
#[case(
    "{{ conn.get('my_db').get_uri() }}",
    "postgres://me:p%40ss@db:5432/sales?__extra__=%7B%22sslmode%22%3A%22require%22%2C%22list%22%3A%5B1%5D%7D"
)]
#[case("{{ conn.get('other') }} {{ conn.get('other', 'else') }}", "None else")]
#[case("{{ var.value.region }} {{ var.value.get('region', 'us') }}", "eu eu")]
#[case("{{ var.value.get('other', 'us') }} {{ var.value.get('other') }}", "us None")]
#[case("{{ var.json.limits.rows.max + 1 }} {{ var.json.limits['a b'] }}", "6 True")]
#[case("{{ var.json.get('other', {'rows': 1}).rows }}", "1")]
fn connections_and_variables(#[case] template: &str, #[case] expected: &str) {
    assert_eq!(render_with_secrets(template).unwrap(), expected);
}

#[rstest]
#[case("{{ conn.other.host }}", "there is no connection `other`")]
#[case("{{ conn.my_db.hots }}", "`conn.my_db.hots` is not there")]
#[case("{{ var.value.other }}", "there is no variable `other`")]
#[case("{{ var.json.region }}", "the variable `region` holds no JSON: line 1, column 1")]
#[case("{{ var.json.limits.columns }}", "`var.json.limits.columns` is not there")]
fn what_is_not_among_connections_and_variables_is_named(#[case] template: &str, #[case] words: &str) {
    let problem = render_with_secrets(template).unwrap_err().to_string();
    assert!(problem.contains(words), "{template}: {problem}");
}

/// A run that no asset asked for has none; what is not there says so.
#[test]
fn without_events_there_is_nothing_to_see() {
    let mut fetched = XComs::new();
    fetched.insert_asset_events(AssetEvents::default());
    let render = |template| render_text(template, &context(), &fetched);
    assert_eq!(render("{{ triggering_asset_events | length }}").unwrap(), "0");
    assert!(render("{{ triggering_asset_events['orders'] }}").is_err());
    assert!(mistake("{{ outlet_events }}").contains("`outlet_events` is not available yet"));
}

fn xcom(task_id: &str, key: &str) -> XComRef {
    XComRef { run: XComRun::default(), task_id: task_id.to_owned(), key: key.to_owned(), map_index: None }
}

#[test]
fn xcoms_are_asked_for_all_at_once_and_rendered_when_they_are_there() {
    let registry = registry();
    let bash = registry.find("bash").unwrap();
    let args = object(json!({
        "bash_command": "{{ ti.xcom_pull('extract').rows[0] }} {{ ti.xcom_pull(task_ids=['extract', 'load'], key='count') }}",
        "env": {"OWN": "{{ ti.xcom_pull(key='mine', default='none yet') }}", "PLAIN": "x"},
    }));
    let needed = match render_args(bash, &args, &context(), &XComs::new()) {
        Err(RenderError::NeedsXCom(needed)) => needed,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        needed,
        [xcom("extract", "count"), xcom("extract", "return_value"), xcom("load", "count"), xcom("load", "mine")]
    );
    let mut xcoms = XComs::new();
    xcoms.insert(xcom("extract", "return_value"), Some(json!({"rows": [3, 4]})));
    xcoms.insert(xcom("extract", "count"), Some(json!(2)));
    xcoms.insert(xcom("load", "count"), None);
    xcoms.insert(xcom("load", "mine"), None);
    let rendered = render_args(bash, &args, &context(), &xcoms).unwrap();
    assert_eq!(
        Value::Object(rendered),
        json!({"bash_command": "3 [2, None]", "env": {"OWN": "none yet", "PLAIN": "x"}})
    );
}

/// §8, §9: `map_indexes` says which instances of a mapped task are meant.
#[test]
fn xcoms_of_single_instances_are_pulled_by_their_index() {
    let of = |index| XComRef { map_index: Some(index), ..xcom("extract", "return_value") };
    let mut xcoms = XComs::new();
    xcoms.insert(of(0), Some(json!("a")));
    xcoms.insert(of(2), None);
    let render = |template| render_text(template, &context(), &xcoms);
    assert_eq!(render("{{ ti.xcom_pull('extract', map_indexes=0) }}").unwrap(), "a");
    assert_eq!(render("{{ ti.xcom_pull('extract', map_indexes=[2, 0], default='-') }}").unwrap(), "['-', 'a']");
    assert_eq!(render("{{ ti.xcom_pull('extract', map_indexes=1) }}"), Err(RenderError::NeedsXCom(vec![of(1)])));
    assert_eq!(
        mistake("{{ ti.xcom_pull('extract', map_indexes=['x']) }}"),
        "1:4 `map_indexes` is an index, or a list of them"
    );
}

/// Airflow 3: one flat list, in the order of the tasks, and of the indices within each.
#[test]
fn what_several_tasks_left_is_one_list() {
    let context = TemplateContext {
        dag: dag("tasks:\n  - {task_id: one, operator: empty}\n  \
             - {task_id: many, operator: bash, expand: {bash_command: [x, y]}}\n  \
             - {task_id: load, operator: empty, dependencies: [one, many]}\n"),
        ..context()
    };
    let mut xcoms = XComs::new();
    xcoms.insert(xcom("one", "return_value"), Some(json!(["o"])));
    xcoms.insert(xcom("many", "return_value"), Some(json!(["a", "b"])));
    for (task_id, index, value) in
        [("one", 0, None), ("one", 1, Some("c")), ("many", 0, Some("a")), ("many", 1, Some("b"))]
    {
        xcoms.insert(
            XComRef { map_index: Some(index), ..xcom(task_id, "return_value") },
            value.map(|value| json!([value])),
        );
    }
    let render = |template| render_text(template, &context, &xcoms).unwrap();
    assert_eq!(render("{{ ti.xcom_pull(task_ids=['one', 'many']) }}"), "[['o'], 'a', 'b']");
    assert_eq!(
        render("{{ ti.xcom_pull(task_ids=['many', 'one'], map_indexes=[1, 0]) }}"),
        "[['b'], ['a'], ['c'], None]"
    );
    assert_eq!(render("{{ ti.xcom_pull(task_ids=['many', 'one'], map_indexes=1) }}"), "[['b'], ['c']]");
}

/// So is what they left elsewhere, where it is known only of what was found whether the task was mapped.
#[test]
fn what_several_tasks_left_elsewhere_is_one_list() {
    let run = XComRun { dag_id: Some("other".to_owned()), ..XComRun::default() };
    let elsewhere = |task_id| XComRef { run: run.clone(), ..xcom(task_id, "return_value") };
    let template = "{{ ti.xcom_pull(task_ids=['one', 'many', 'none'], dag_id='other') }}";
    let mut xcoms = XComs::new();
    let wanted = vec![elsewhere("many"), elsewhere("none"), elsewhere("one")];
    assert_eq!(render_text(template, &context(), &xcoms), Err(RenderError::NeedsXCom(wanted)));
    xcoms.insert_left(elsewhere("one"), Some(Left::One(json!(["o"]))));
    xcoms.insert_left(elsewhere("many"), Some(Left::Several(vec![json!(["a"]), json!("b")])));
    xcoms.insert_left(elsewhere("none"), None);
    assert_eq!(render_text(template, &context(), &xcoms).unwrap(), "[['o'], ['a'], 'b', None]");
}

#[test]
fn a_pull_from_a_task_that_is_not_there_says_so() {
    assert_eq!(
        mistake("{{ ti.xcom_pull('extrac') }}"),
        "1:4 there is no task `extrac` to pull an XCom from; did you mean `extract`?"
    );
    assert_eq!(mistake("{{ ti.xcom_pull('extract', 7) }}"), "1:4 `dag_id` is a text");
}

/// §9: the same run unless something else is asked for.
#[rstest]
#[case("ti.xcom_pull('extract')", XComRun::default())]
#[case("ti.xcom_pull('extract', 'example')", XComRun::default())]
#[case("ti.xcom_pull('extract', dag_id='example', run_id=run_id, include_prior_dates=False)", XComRun::default())]
#[case("ti.xcom_pull('extract', include_prior_dates=True)", XComRun { or_before: true, ..XComRun::default() })]
#[case("ti.xcom_pull('extract', None, None, True)", XComRun { or_before: true, ..XComRun::default() })]
#[case("ti.xcom_pull('extract', run_id='manual__1')", XComRun { run_id: Some("manual__1".into()), ..XComRun::default() })]
#[case("ti.xcom_pull('gone', 'other')", XComRun { dag_id: Some("other".into()), ..XComRun::default() })]
#[case(
    "ti.xcom_pull(task_ids='gone', dag_id='other', run_id='r', include_prior_dates=True)",
    XComRun { dag_id: Some("other".into()), run_id: Some("r".into()), or_before: true }
)]
fn the_run_of_an_xcom_is_as_it_is_said(#[case] pull: &str, #[case] run: XComRun) {
    let template = format!("{{{{ {pull} }}}}");
    let needed = match render_text(&template, &context(), &XComs::new()) {
        Err(RenderError::NeedsXCom(needed)) => needed,
        other => panic!("{pull}: {other:?}"),
    };
    let task_id = if pull.contains("gone") { "gone" } else { "extract" };
    assert_eq!(needed, [XComRef { run, ..xcom(task_id, "return_value") }], "{pull}");
}

/// An operator whose arguments may be files.
fn with_files(args: Value, texts: &[(&str, &str)], xcoms: &XComs) -> Result<Value, RenderError> {
    let registry = registry();
    let operator = registry.find("scripted").unwrap();
    let args = object(args);
    let text = |name: &str| texts.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned());
    let read = |file: NamedFile| FileText { text: text(&file.name).unwrap_or_default(), file };
    let files: Vec<FileText> = named_files(operator, &args).into_iter().map(read).collect();
    render_args_with(operator, &args, &files, &context(), xcoms).map(Value::Object)
}

/// §11: fields ending in `template_ext` are loaded as files.
#[rstest]
#[case::name(json!({"script": "run.sh"}), json!({"script": "echo 2018-01-01"}))]
#[case::in_a_list(json!({"script": ["ls", "run.sh"]}), json!({"script": ["ls", "echo 2018-01-01"]}))]
#[case::space_behind(json!({"script": "run.sh "}), json!({"script": "run.sh "}))]
#[case::template(json!({"script": "{{ ds }}/run.sh"}), json!({"script": "2018-01-01/run.sh"}))]
#[case::lines(json!({"script": "set -e\nrun.sh"}), json!({"script": "set -e\nrun.sh"}))]
#[case::another_ending(json!({"script": "run.py"}), json!({"script": "run.py"}))]
#[case::another_key(json!({"script": "x", "where": "run.sh"}), json!({"script": "x", "where": "run.sh"}))]
#[case::no_text(json!({"script": "x", "request": "all.json-tpl"}), json!({"script": "x", "request": {"day": "2018-01-01", "n": 1}}))]
#[case::nothing_to_fill_in(json!({"script": "x", "request": "plain.json-tpl"}), json!({"script": "x", "request": {"n": 1}}))]
#[case::arrays_of_postgres(json!({"script": "array.sh"}), json!({"script": "SELECT '{{1,2},{3,4}}'"}))]
#[case::expression(json!({"script": "sum.sh"}), json!({"script": "8"}))]
fn the_text_of_a_file_stands_for_its_name(#[case] args: Value, #[case] expected: Value) {
    let texts = [
        ("run.sh", "echo {{ ds }}\n"),
        ("all.json-tpl", "{\"day\": \"{{ ds }}\", \"n\": 1}\n"),
        ("plain.json-tpl", "{\"n\": 1}\n"),
        ("array.sh", "SELECT '{{1,2},{3,4}}'\n"),
        ("sum.sh", "{{ 3 + params.rows }}"),
    ];
    assert_eq!(with_files(args, &texts, &XComs::new()).unwrap(), expected);
}

#[test]
fn a_mistake_in_a_file_is_told_with_its_place_there() {
    let problem = with_files(json!({"script": "run.sh"}), &[("run.sh", "ls\necho {{ nope }}")], &XComs::new());
    assert_eq!(problem.unwrap_err().to_string(), "the template in `run.sh`, line 2, column 9: `nope` is not there");
}

/// §11: templates may include others, which are looked for where files are.
#[test]
fn templates_include_files() {
    let mut xcoms = XComs::new();
    let template = "{% from 'lib/macros.j2' import twice %}{% include 'head.sql' %} {{ twice(3) }}";
    let wanted = match render_text(template, &context(), &xcoms) {
        Err(RenderError::NeedsFiles(wanted)) => wanted,
        other => panic!("{other:?}"),
    };
    assert_eq!(wanted, ["lib/macros.j2"]);
    xcoms.insert_file("lib/macros.j2".to_owned(), Some("{% macro twice(n) %}{{ n * 2 }}{% endmacro %}".to_owned()));
    let next = render_text(template, &context(), &xcoms);
    assert_eq!(next, Err(RenderError::NeedsFiles(vec!["head.sql".to_owned()])));
    xcoms.insert_file("head.sql".to_owned(), Some("-- {{ ds }}".to_owned()));
    assert_eq!(render_text(template, &context(), &xcoms).unwrap(), "-- 2018-01-01 6");

    xcoms.insert_file("head.sql".to_owned(), Some("--\n{{ nope }}".to_owned()));
    let wrong = render_text(template, &context(), &xcoms).unwrap_err().to_string();
    assert!(wrong.contains("`head.sql`, line 2, column 4: `nope` is not there"), "{wrong}");
    xcoms.insert_file("head.sql".to_owned(), None);
    let missing = render_text(template, &context(), &xcoms).unwrap_err().to_string();
    assert!(missing.contains("head.sql") && missing.contains("beside the DAG file"), "{missing}");
    let optional = "{% include 'head.sql' ignore missing %}nothing";
    assert_eq!(render_text(optional, &context(), &xcoms).unwrap(), "nothing");
}

#[test]
fn what_the_schema_wants_as_no_text_becomes_what_it_wants() {
    let registry = registry();
    let clean = registry.find("clean").unwrap();
    let mut xcoms = XComs::new();
    xcoms.insert(xcom("extract", "return_value"), Some(json!([{"column": "a"}])));
    let args = object(json!({
        "input": "{{ params.rows }}",
        "rules": "{{ ti.xcom_pull('extract') }}",
        "limit": "{{ params.rows }}",
        "tolerance": "0.{{ params.rows }}",
        "notes": {"deep": ["{{ params.flag }}", "{{ params.names }}"], "{{ ds }}": "{{ ds }}"},
    }));
    let rendered = render_args(clean, &args, &context(), &xcoms).unwrap();
    assert_eq!(
        Value::Object(rendered),
        json!({
            "input": "5",
            "rules": [{"column": "a"}],
            "limit": 5,
            "tolerance": 0.5,
            "notes": {"deep": ["True", r#"['a', "it's"]"#], "{{ ds }}": "2018-01-01"},
        })
    );
    let nested = object(json!({"input": "x", "rules": [{"column": "{{ ds }}", "drop": "{{ params.rows > 3 }}"}]}));
    let rendered = render_args(clean, &nested, &context(), &XComs::new()).unwrap();
    assert_eq!(rendered["rules"], json!([{"column": "2018-01-01", "drop": true}]), "through references and lists");
    let odd = object(json!({"input": "x", "rules": [], "limit": "{{ params.region }}"}));
    let rendered = render_args(clean, &odd, &context(), &XComs::new()).unwrap();
    assert_eq!(rendered["limit"], "eu", "what cannot be a number stays, for the operator to complain");
}

#[test]
fn every_mistake_in_the_arguments_is_told_with_its_place() {
    let registry = registry();
    let bash = registry.find("bash").unwrap();
    let args = object(json!({"bash_command": "echo\n{{ nope }}", "env": {"A/B": "{{ params.x }}"}}));
    let Err(RenderError::Failed(problems)) = render_args(bash, &args, &context(), &XComs::new()) else { panic!() };
    let places: Vec<_> =
        problems.iter().map(|problem| (problem.pointer.as_str(), problem.line, problem.column)).collect();
    assert_eq!(places, [("/bash_command", 2, 4), ("/env/A~1B", 1, 4)]);
    assert_eq!(problems[0].to_string(), "the template in `bash_command`, line 2, column 4: `nope` is not there");
}

#[test]
fn strings_without_templates_are_left_as_they_are() {
    let registry = registry();
    let bash = registry.find("bash").unwrap();
    let args = object(json!({"bash_command": "echo ${HOME} {not} a % template\n", "append_env": true}));
    assert_eq!(render_args(bash, &args, &context(), &XComs::new()).unwrap(), args);
}

#[test]
fn names_are_checked_before_there_is_a_run() {
    let told = |text: &str| check(text).into_iter().map(|mistake| (mistake.range, mistake.message)).collect::<Vec<_>>();
    assert_eq!(told("{{ ds }} {{ macros.ds_add(ds, 1) }} {{ range(3) }} {{ x | default(1) }}"), []);
    assert_eq!(told("x {{ next_ds }}"), [(5..12, "`next_ds` was removed in Airflow 3".to_owned())]);
    assert_eq!(told("{% for x in rows %}{{ x }}{% endfor %}"), [(12..16, "nothing is called `rows`".to_owned())]);
}

fn in_callback(facts: CallbackFacts) -> TemplateContext {
    TemplateContext { callback: Some(Arc::new(facts)), ..context() }
}

fn a_failure() -> CallbackFacts {
    CallbackFacts {
        exception: Some("exit code 1".to_owned()),
        reason: Some("task_failure".to_owned()),
        run_state: "failed".to_owned(),
        run_start: Some(at("2018-01-02T00:00:00Z")),
        run_end: Some(at("2018-01-02T00:01:00Z")),
        instance: Some(TryFacts {
            task_id: "load".to_owned(),
            map_index: -1,
            try_number: 2,
            state: "failed".to_owned(),
            start_date: Some(at("2018-01-02T00:00:10Z")),
            end_date: Some(at("2018-01-02T00:00:12.5Z")),
            hostname: Some("here".to_owned()),
        }),
        deadline: None,
        url: Some("http://localhost:8080/dags/example".to_owned()),
    }
}

/// §12: what callbacks can see besides.
#[rstest]
#[case("{{ exception }} {{ reason }}", "exit code 1 task_failure")]
#[case("{{ ti.state }} {{ ti.duration }} {{ ti.hostname }} {{ ti.try_number }}", "failed 2.5 here 2")]
#[case("{{ ti.start_date }} {{ ti.end_date | ts }}", "2018-01-02 00:00:10+00:00 2018-01-02T00:00:12.500000+00:00")]
#[case("{{ ti.log_url }}", "http://localhost:8080/dags/example")]
#[case("{{ dag_run.state }} {{ dag_run.end_date | ds }} {{ task.task_id }}", "failed 2018-01-02 load")]
#[case("{{ deadline }} {{ ds }}", "None 2018-01-01")]
fn in_callbacks(#[case] template: &str, #[case] expected: &str) {
    assert_eq!(check_in_callback(template), []);
    assert_eq!(render_text(template, &in_callback(a_failure()), &XComs::new()).unwrap(), expected);
}

#[test]
fn a_callback_that_is_about_no_task_has_none() {
    let deadline = DeadlineFacts { name: Some("early".to_owned()), deadline_time: at("2018-01-02T06:00:00Z") };
    let facts = CallbackFacts { run_state: "running".to_owned(), deadline: Some(deadline), ..CallbackFacts::default() };
    let context = TemplateContext { task_id: String::new(), ..in_callback(facts) };
    let render = |template: &str| render_text(template, &context, &XComs::new());
    assert_eq!(render("{{ deadline.name }} {{ deadline.deadline_time }}").unwrap(), "early 2018-01-02 06:00:00+00:00");
    assert_eq!(render("{{ exception }} {{ reason }}").unwrap(), "None None");
    assert!(render("{{ ti.task_id }}").unwrap_err().to_string().contains("`ti.task_id` is not there"));
}

#[test]
fn facts_are_read_as_they_were_written() {
    let written = serde_json::to_value(a_failure()).unwrap();
    let read: CallbackFacts = serde_json::from_value(written).unwrap();
    assert_eq!(read, CallbackFacts { url: None, ..a_failure() });
}

/// What is wrong with a template names the key that it is the value of.
#[test]
fn a_mistake_names_the_key() {
    let error = render_text("{{ ti.state_of_mind }}", &context(), &XComs::new()).unwrap_err().to_string();
    assert!(error.starts_with("the template in `map_index_template`, line 1, column 4: "), "{error}");
}
