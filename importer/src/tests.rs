//! The conversion as such, with a vocabulary of a few words. What Updraft makes of the YAML is tested with the real binary.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Imported, Vocabulary, Weight, import};

fn vocabulary() -> Vocabulary {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<String>>();
    let operators = [("BashOperator", "bash"), ("EmptyOperator", "empty"), ("DummyOperator", "empty")];
    Vocabulary {
        operators: operators.map(|(class, short)| (class.to_owned(), short.to_owned())).into(),
        arguments: BTreeMap::from([("bash".to_owned(), words(&["bash_command", "env"]))]),
        dag_keys: words(&[
            "schedule",
            "start_date",
            "end_date",
            "catchup",
            "tags",
            "params",
            "timezone",
            "description",
            "doc_md",
            "max_active_tasks",
            "max_active_runs",
            "dagrun_timeout",
        ]),
        task_keys: words(&[
            "retries",
            "retry_delay",
            "owner",
            "trigger_rule",
            "pool",
            "doc_md",
            "outlets",
            "depends_on_past",
        ]),
    }
}

const HEAD: &str = "\
from datetime import datetime, timedelta
import pendulum
from airflow.sdk import DAG, Asset, AssetAlias, TaskGroup, chain, cross_downstream, dag, task, Variable
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
";

/// Converts what stands in a DAG.
fn body(python: &str) -> Imported {
    let indented: String = python.lines().map(|line| format!("    {line}\n")).collect();
    import("file", &format!("{HEAD}with DAG('d') as dag:\n{indented}    pass\n"), &vocabulary())
}

fn yaml(python: &str) -> String {
    let imported = body(python);
    assert_eq!(imported.remarks, [], "{:?}", imported.yaml);
    imported.yaml.unwrap().strip_prefix("dag_id: d\ntasks:\n").unwrap().to_owned()
}

fn whole(python: &str) -> Imported {
    import("file", &format!("{HEAD}{python}"), &vocabulary())
}

/// The value that an expression comes to, as the command of a task.
fn value(expression: &str) -> String {
    let text = yaml(&format!("BashOperator(task_id='t', bash_command={expression})"));
    text.trim().rsplit_once("bash_command: ").unwrap().1.to_owned()
}

#[test]
fn what_a_comprehension_goes_through_has_its_name_there_alone() {
    let text = yaml(
        "table = 'orders'\n\
         others = [table for table in ['a', 'b']]\n\
         BashOperator(task_id=f'load_{table}_{len(others)}', bash_command='x')",
    );
    assert!(text.contains("load_orders_2"), "{text}");
}

#[test]
fn what_is_named_in_a_comprehension_outlives_it() {
    let text = yaml(
        "last = 'none'\n\
         def longest(names):\n    [[most := n for n in names if (size := len(n)) > 1] for _ in 'x']\n    return most * size\n\
         names = [last := name.upper() for name in ['a', 'b']]\n\
         BashOperator(task_id=f'load_{last}_{longest([\"c\", \"dd\"])}', bash_command='x')",
    );
    assert!(text.contains("load_B_dddd"), "{text}");
    let inside = body("def f():\n    return [n := c for c in 'ab']\nf()\nBashOperator(task_id='t', bash_command=n)");
    let remarks = format!("{:?}", inside.remarks);
    assert!(remarks.contains("`n` is not known here"), "a name of a function is known there alone: {remarks}");
}

#[test]
fn expressions_of_constants_are_computed() {
    for (expression, expected) in [
        ("'a' + 'b'", "ab"),
        ("'a' 'b'", "ab"),
        ("f'{1 + 2:03d}-{{{{ ds }}}}'", "003-{{ ds }}"),
        ("'{} {name}'.format('x', name='y')", "x y"),
        ("'%s-%02d' % ('x', 7)", "x-07"),
        ("'-'.join([str(n) for n in range(3) if n != 1])", "0-2"),
        ("{'a': ['x', 'y']}['a'][-1].upper() + 'es'", "\"Yes\""),
        ("'good' if 2 > 1 and 'a' in ['a'] else 'bad'", "good"),
        ("r'\\d' + '\\x41\\n'.strip()", "\"\\\\dA\""),
        ("'abcdef'[1:3]", "bc"),
        ("timedelta(days=1, hours=12)", "1d12h"),
        ("datetime(2024, 1, 31) + timedelta(days=1)", "2024-02-01"),
        ("datetime(2024, 1, 31).strftime('%d.%m.')", "31.01."),
        ("'true'", "\"true\""),
        ("'12'", "\"12\""),
        ("'a: b'", "\"a: b\""),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
    assert_eq!(value("Variable.get('zone')"), "\"{{ var.value.zone }}\"");
    assert_eq!(value("Variable.get('a b', default_var='x')"), "\"{{ var.value.get('a b', 'x') }}\"");
}

#[test]
fn arrows_become_dependencies() {
    let tasks = "a, b, c, d = [EmptyOperator(task_id=n) for n in 'abcd']\n";
    let dependencies = |arrows: &str| {
        let text = yaml(&format!("{tasks}{arrows}"));
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix("dependencies: "));
        lines.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(dependencies("a >> [b, c] >> d"), "[a] [a] [b, c]");
    assert_eq!(dependencies("d << [b, c] << a"), "[a] [a] [b, c]");
    assert_eq!(dependencies("chain(a, [b, c], d)"), "[a] [a] [b, c]");
    assert_eq!(dependencies("cross_downstream([a, b], [c, d])"), "[a, b] [a, b]");
    assert_eq!(dependencies("a.set_downstream([b, c])\nd.set_upstream(c)"), "[a] [a] [c]");
}

#[test]
fn loops_and_functions_are_written_out() {
    let text = yaml(
        "def make(name, *, day='{{ ds }}'):\n    return BashOperator(task_id=f'load_{name}', bash_command=f'load {name} {day}')\n\
         tasks = []\nfor name in ['eu', 'us']:\n    tasks.append(make(name))\ntasks[0] >> tasks[1]",
    );
    assert_eq!(
        text,
        "  - task_id: load_eu\n    operator: bash\n    bash_command: load eu {{ ds }}\n  - task_id: load_us\n    operator: bash\n    \
         dependencies: [load_eu]\n    bash_command: load us {{ ds }}\n"
    );
}

#[test]
fn groups_keep_their_names() {
    let imported = body(
        "with TaskGroup('outer') as outer:\n    with TaskGroup('inner', tooltip='deep'):\n        a = EmptyOperator(task_id='a')\n\
         b = EmptyOperator(task_id='b')\nouter >> b",
    );
    let text = imported.yaml.unwrap();
    assert!(text.contains("task_group_name: outer.inner\n") && text.contains("dependencies: [outer]\n"), "{text}");
}

#[test]
fn what_only_python_knows_is_told_with_its_place() {
    let imported = body("import os\nBashOperator(task_id='t', bash_command=os.environ['X'], retries=2)");
    let [remark] = imported.remarks.as_slice() else { panic!("{:?}", imported.remarks) };
    assert_eq!(remark.weight, Weight::Lost);
    assert_eq!(remark.message, "`bash_command` of task `t` is left out: the environment is known only when it runs");
    assert!(imported.yaml.unwrap().contains("# Not converted: `bash_command`"));

    let imported = body("@task\ndef load(x):\n    return x\nload(load(1))");
    let text = imported.yaml.unwrap();
    assert!(text.contains("task_id: load__1\n") && text.contains("dependencies: [load]\n"), "{text}");
    assert_eq!(imported.remarks.iter().filter(|remark| remark.weight == Weight::Lost).count(), 2);
    assert!(import("f", "with DAG(:\n", &vocabulary()).remarks[0].message.contains("not Python"));
}

#[test]
fn nothing_that_makes_tasks_is_left_out_without_a_word() {
    for python in [
        "class Own:\n    pass\nt = Own(task_id='t')",
        "tasks = [EmptyOperator(task_id=t) for t in tables()]",
        "t = EmptyOperator(task_id=name())",
        "def make():\n    return [EmptyOperator(task_id=t) for t in tables()]\nx = make()",
        "for t in tables():\n    EmptyOperator(task_id=t)",
        "import os\nd = DAG(os.environ['ID'])\nt = EmptyOperator(task_id='t', dag=d)",
    ] {
        let imported = body(python);
        assert!(
            imported.remarks.iter().any(|remark| remark.weight == Weight::Lost),
            "{python}: {:?}",
            imported.remarks
        );
    }
    let own = body("class Own:\n    pass\nt = Own(task_id='t')\nt >> EmptyOperator(task_id='u')").yaml.unwrap();
    assert!(own.contains("operator: Own") && own.contains("dependencies: [t]"), "{own}");
}

#[test]
fn files_of_templates_stay_names() {
    let tasks = yaml(
        "BashOperator(task_id='t', bash_command='scripts/load.sh')\nBashOperator(task_id='u', bash_command='load.sh ')",
    );
    assert!(
        tasks.contains("bash_command: scripts/load.sh\n") && tasks.contains("bash_command: \"load.sh \""),
        "{tasks}"
    );
}

#[test]
fn what_airflow_2_means_is_kept() {
    let old = |schedule: &str| {
        import("f", &format!("from airflow import DAG\nDAG('d', schedule_interval={schedule})"), &vocabulary())
    };
    let daily = old("'@daily'");
    assert!(daily.yaml.unwrap().contains("schedule:\n  cron: \"@daily\"\n  data_interval: true\ncatchup: true\n"));
    assert_eq!(daily.remarks.len(), 1);
    let never = old("None");
    assert_eq!((never.yaml.as_deref(), never.remarks.len()), (Some("dag_id: d\ntasks: []\n"), 0));
    let once = old("'@once'").yaml.unwrap();
    assert!(once.contains("schedule: \"@once\"") && !once.contains("catchup"), "{once}");
}

#[test]
fn a_template_is_no_constant() {
    let imported = body("if Variable.get('stage') == 'prod':\n    EmptyOperator(task_id='t')");
    assert!(imported.remarks[0].message.starts_with("an `if` is left out"), "{:?}", imported.remarks);
}

#[test]
fn dags_have_several_spellings() {
    let imported = whole(
        "dag1 = DAG(dag_id='one', schedule=timedelta(hours=6), start_date=pendulum.datetime(2024, 1, 1, tz='Europe/Amsterdam'))\n\
         EmptyOperator(task_id='t', dag=dag1)\n\
         @dag(schedule=[Asset('s3://a') , Asset('s3://b')], tags=['x'])\ndef two():\n    '''Says it.'''\n    EmptyOperator(task_id='t')\ntwo()\n",
    );
    assert_eq!(imported.remarks, []);
    assert_eq!(
        imported.yaml.unwrap(),
        "one:\n  schedule: 6h\n  timezone: Europe/Amsterdam\n  start_date: 2024-01-01\n  tasks:\n    - task_id: t\n      operator: empty\n\n\
         two:\n  doc_md: Says it.\n  schedule: [s3://a, s3://b]\n  tags: [x]\n  tasks:\n    - task_id: t\n      operator: empty\n"
    );
}

#[test]
fn records_of_docker_and_kubernetes_are_mappings() {
    let imported = whole(
        "from docker.types import Mount\nfrom kubernetes.client import models as k8s\n\
         with DAG('one', schedule=None):\n    \
         BashOperator(task_id='a', bash_command='x', env=Mount('/in', source='/data', type='bind'))\n    \
         BashOperator(task_id='b', bash_command='x', env=[k8s.V1EnvVar(name='A', value_from=k8s.V1EnvVarSource(\
         secret_key_ref=k8s.V1SecretKeySelector(name='s', key='k', optional=None)))])\n",
    );
    assert_eq!(imported.remarks, []);
    let yaml = imported.yaml.unwrap();
    assert!(yaml.contains("env:\n      target: /in\n      source: /data\n      type: bind\n"), "{yaml}");
    assert!(yaml.contains("valueFrom") && yaml.contains("secretKeyRef"), "{yaml}");
    assert!(!yaml.contains("value_from") && !yaml.contains("optional"), "{yaml}");
}

#[test]
fn files_that_would_never_end_are_given_up() {
    let endless = whole(
        "def f():\n    return f()\nf()\nx = 'a' * 10**15\nfor a in range(9999):\n    for b in range(9999):\n        c = 1\n",
    );
    assert!(endless.remarks.iter().any(|remark| remark.message.contains("too much")), "{:?}", endless.remarks);
    let growing =
        "x = []\nfor a in range(9999):\n    x = [x]\ny = [1]\nfor a in range(99):\n    y = [y, y]\n    z = y + y\n"
            .to_owned();
    let blocks: String = (0..900).map(|depth| format!("{}if 1:\n", " ".repeat(depth))).collect::<String>()
        + &" ".repeat(900)
        + "x = 1\n";
    let groups =
        "g = None\nwith DAG('d'):\n    for a in range(9999):\n        g = TaskGroup('g', parent_group=g)\n".to_owned();
    for python in [
        growing,
        blocks,
        groups,
        "x = 'a'[-9223372036854775807 - 1:]\nfor a in enumerate('ab', 9223372036854775807):\n    pass\n".to_owned(),
    ] {
        whole(&python);
    }
    let deep = format!("x = {}1{}\n", "(".repeat(5_000), ")".repeat(5_000));
    assert!(whole(&deep).yaml.is_none());
}

/// Pieces of Python that go together in ways that nobody would think of.
const PIECES: &[&str] = &[
    "DAG(",
    "dag = ",
    "with ",
    " as x:\n    ",
    ")\n",
    "EmptyOperator(task_id=",
    "'a'",
    "f'{x!r:>5}'",
    "[1, 2][",
    "] ",
    ">> ",
    "\n",
    "for x in ",
    ":\n    ",
    "timedelta(days=",
    "datetime(2024, 13, ",
    "def f(*a, **k):\n    return ",
    "{'a': ",
    "}",
    "% ",
    "'%s%'",
    ".format(",
    "x",
    "range(-9, 9, ",
    "**x",
    "*x",
    " + ",
    " * ",
    "-1",
    "9",
    "Asset(",
    " | ",
    "@dag\n",
    "@task(",
    "lambda: ",
    ".set_upstream(",
    ".output",
    ".partial(",
    ".expand(x=",
    "'{0:{1}}'",
    "'{'",
    "\\",
    "é",
    "𝔘",
    "\t",
    "# c\n",
    "'''",
    "if ",
    "else ",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_text_makes_it_panic(text in ".{0,300}") {
        import("f", &text, &vocabulary());
    }

    #[test]
    fn no_python_makes_it_panic(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        whole(&pieces.concat());
        body(&pieces.concat());
    }

    #[test]
    fn any_text_is_read_back_as_it_was(text in "\\PC{0,40}|[ -~\\n\\t]{0,40}|[a: \\n#-]{0,12}", more in "[ -~]{0,12}") {
        let value = serde_json::json!({ "text": text, "list": [text, more], "within": [{ "a": text, "b": { "c": more } }], text.clone(): more });
        let mut written = String::new();
        for (key, value) in value.as_object().unwrap() {
            super::yaml::entry(&mut written, 0, key, value);
        }
        super::yaml::entry(&mut written, 0, "items", &serde_json::json!([[{ "text": text }], [text, more]]));
        let read: serde_json::Value = serde_yaml::from_str(&written).map_err(|error| TestCaseError::fail(format!("{error}\n{written}")))?;
        for (key, value) in value.as_object().unwrap() {
            prop_assert_eq!(&read[key], value, "{}", written);
        }
        prop_assert_eq!(&read["items"][0][0]["text"], &serde_json::json!(text), "{}", written);
    }
}

#[test]
fn an_alias_stands_among_what_a_task_makes_and_what_a_dag_waits_for() {
    let task = |more: &str| body(&format!("BashOperator(task_id='t', bash_command='x', {more})"));
    let made = task("outlets=[AssetAlias('days'), Asset('s3://a'), AssetAlias(name='nights', group='g')]");
    assert_eq!(made.remarks, []);
    let made = made.yaml.unwrap();
    assert!(made.contains("alias: days") && made.contains("- s3://a") && made.contains("alias: nights"), "{made}");
    let alone = task("outlets=AssetAlias('days')").yaml.unwrap();
    assert!(alone.contains("alias: days"), "{alone}");

    for (schedule, written) in [
        ("[AssetAlias('days')]", "alias: days"),
        ("AssetAlias('days')", "alias: days"),
        ("AssetAlias('days') | Asset('s3://a')", "any:"),
        ("Asset('s3://a') & AssetAlias('days')", "all:"),
    ] {
        let text = format!("with DAG('d', schedule={schedule}) as dag:\n    EmptyOperator(task_id='t')\n");
        let waits = whole(&text);
        assert_eq!(waits.remarks, [], "{schedule}");
        let yaml = waits.yaml.unwrap();
        assert!(yaml.contains("schedule") && yaml.contains(written) && yaml.contains("alias: days"), "{yaml}");
    }
    let reads = task("inlets=[AssetAlias('days')]");
    assert_eq!(reads.remarks.len(), 1, "{:?}", reads.remarks);
    assert!(reads.remarks[0].message.contains("found under the alias `days`"), "{:?}", reads.remarks);
    let unknown = task("outlets=[AssetAlias(open('x').read())]");
    assert_eq!(unknown.remarks.len(), 1, "{:?}", unknown.remarks);
}

/// What tasks have of their own in Airflow, they have here.
#[test]
fn tasks_keep_their_dates_params_and_names() {
    let yaml = yaml(
        "EmptyOperator(task_id='a', start_date=datetime(2026, 2, 1), end_date=pendulum.datetime(2026, 3, 1, tz='UTC'),\n    \
         params={'region': 'eu'}, task_display_name='A: b', do_xcom_push=False)",
    );
    for written in [
        "start_date: 2026-02-01",
        "2026-03-01T00:00:00Z",
        "region: eu",
        "do_xcom_push: false",
        r#"task_display_name: "A: b""#,
    ] {
        assert!(yaml.contains(written), "{written} in {yaml}");
    }
}

/// A date without a zone is one in UTC in Airflow, whatever the zone of the DAG.
#[test]
fn dates_of_tasks_without_a_zone_are_in_utc() {
    let task = "EmptyOperator(task_id='a', start_date=datetime(2026, 2, 1), end_date=datetime(2026, 3, 1, 6, 30))\n";
    let zoned = whole(&format!(
        "with DAG('one', schedule='@daily', start_date=pendulum.datetime(2026, 1, 1, tz='Europe/Amsterdam')):\n    {task}"
    ));
    assert_eq!(zoned.remarks, []);
    let yaml = zoned.yaml.unwrap();
    for written in ["start_date: 2026-01-01\n", "2026-02-01T00:00:00Z", "2026-03-01T06:30Z"] {
        assert!(yaml.contains(written), "{written} in {yaml}");
    }
}

/// The commonest way to tie the tasks of a loop one behind the other.
#[test]
fn the_task_before_is_not_none() {
    for condition in ["before is not None", "before", "not before is None", "before != None"] {
        let tied = yaml(&format!(
            "before = None\nfor name in ['a', 'b', 'c']:\n    now = EmptyOperator(task_id=name)\n    if {condition}:\n        \
             before >> now\n    before = now"
        ));
        let expected = "  - task_id: a\n    operator: empty\n  - task_id: b\n    operator: empty\n    dependencies: [a]\n  \
                        - task_id: c\n    operator: empty\n    dependencies: [b]\n";
        assert_eq!(tied, expected, "{condition}");
    }
}

#[test]
fn what_a_task_leaves_is_pulled_by_its_key_and_in_texts() {
    let pulled = yaml(
        "a = EmptyOperator(task_id='a')\nb = BashOperator(task_id='b', bash_command=a.output['k'])\n\
         c = BashOperator(task_id='c', bash_command=f\"echo {a.output} {b.output['it']}\", env={'A': '%s' % a.output})\n\
         d = BashOperator.partial(task_id='d').expand(bash_command=b.output['list'])",
    );
    for written in [
        "dependencies: [a]\n    bash_command: \"{{ ti.xcom_pull(task_ids='a', key='k') }}\"",
        "bash_command: echo {{ ti.xcom_pull(task_ids='a') }} {{ ti.xcom_pull(task_ids='b', key='it') }}",
        "A: \"{{ ti.xcom_pull(task_ids='a') }}\"",
        "bash_command: b.output['list']",
    ] {
        assert!(pulled.contains(written), "{written} in {pulled}");
    }
}

#[test]
fn functions_that_are_tasks_keep_their_names_settings_and_ties() {
    let flow = body(
        "@task(task_id='first', retries=3, multiple_outputs=True)\ndef a():\n    return {}\n\
         @task\ndef b(x, y=None):\n    return x\n\
         x = a()\nb.override(task_id='second', trigger_rule='all_done')(x['k'])\nb.partial(y=x).expand(x=[1, 2])",
    );
    let yaml = flow.yaml.unwrap();
    for written in [
        "- task_id: first\n    operator: airflow.sdk.task\n    retries: 3\n",
        "- task_id: second\n    operator: airflow.sdk.task\n    dependencies: [first]\n    trigger_rule: all_done\n",
        "- task_id: b\n    operator: airflow.sdk.task\n    dependencies: [first]\n",
    ] {
        assert!(yaml.contains(written), "{written} in {yaml}");
    }
    assert!(
        flow.remarks.iter().all(|remark| remark.message.contains("is Python code by `@task`")),
        "{:?}",
        flow.remarks
    );
}

/// What only Python can make of an output is told where it stands, and whoever takes it still waits for the task.
#[test]
fn what_is_made_of_an_output_is_told_and_keeps_its_ties() {
    let flow = body(
        "@task\ndef a():\n    return []\n@task\ndef b(v):\n    return v\n\
         x = a()\ny = x.map(lambda v: v + 1)\nb.expand(v=y.zip(EmptyOperator(task_id='c').output))\n\
         BashOperator.partial(task_id='d').expand(bash_command=y)\nBashOperator(task_id='e', bash_command=['x', y])\n\
         y >> EmptyOperator(task_id='f')\nBashOperator.partial(task_id='g').expand(bash_command=[x, 'y'])",
    );
    let yaml = flow.yaml.unwrap();
    for (task, dependencies) in [("b", "[a, c]"), ("d", "[a]"), ("e", "[a]"), ("f", "[a]"), ("g", "[a]")] {
        let (_, rest) = yaml.split_once(&format!("task_id: {task}\n")).unwrap();
        let own = rest.split("task_id:").next().unwrap();
        assert!(own.contains(&format!("dependencies: {dependencies}\n")), "{task} in {yaml}");
    }
    for told in [
        "a value is left out: what `map` makes of the output of `a` only Python knows",
        "a value is left out: what `zip` makes of the output of `a`, `c` only Python knows",
        "task `d` is not converted: what `map` makes of the output of `a` only Python knows",
        "`bash_command` of task `e` is left out: what `map` makes of the output of `a` only Python knows",
    ] {
        let is_told = flow.remarks.iter().any(|remark| remark.message == told && remark.weight == Weight::Lost);
        assert!(is_told, "{told} in {:?}", flow.remarks);
    }
    let growing = whole("@task\ndef a():\n    pass\nx = a()\nfor n in range(9999):\n    x = x.zip(x, x)\n");
    assert!(!growing.remarks.is_empty());
}
