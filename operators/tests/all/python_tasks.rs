//! `python`: functions and scripts, what they are given and what they leave, and environments with packages.

use operators::python::Python;
use operators::registry_with;
use scheduler::dag::asset::Asset;
use scheduler::operator::{Outcome, Outlets, TaskError, Verdict};
use serde_json::{Value, json};

use crate::context::nowhere;
use crate::python;
use crate::sql::with_dag_file;
use crate::support::{Bench, return_value};

async fn try_run(bench: &Bench, args: Value) -> Result<Outcome, TaskError> {
    bench.run(&Python, args).await
}

async fn run(bench: &Bench, args: Value) -> Value {
    return_value(try_run(bench, args).await)
}

async fn fail(bench: &Bench, args: Value) -> TaskError {
    try_run(bench, args).await.unwrap_err()
}

const JOBS: &str = "
import datetime, decimal, sys, updraft

def add(a, b=0):
    print('adds', a, b)
    return a + b

def about(ds, ti, params, templates_dict, logical_date, more='x'):
    ti.xcom_push(key='extra', value=[1, 2])
    return [ds, ti.task_id, ti.try_number, params, templates_dict, logical_date, more]

def whole(first, **context):
    return [first, context['run_id'], context['dag_run'].run_type, 'first' in context]

def plain():
    return (datetime.date(2018, 3, 4), {3, 1}, None, {'a': 1.5})

def strange():
    return decimal.Decimal(1)

def breaks(word):
    print('before it breaks')
    raise ValueError('no ' + word)

def gives_up():
    raise updraft.Fail('for good')

def skips():
    raise updraft.Skip('nothing to do')

class AirflowSkipException(Exception):
    pass

def skips_as_airflow():
    raise AirflowSkipException('nothing there')

def leaves(code):
    sys.exit(code)

def pulls(ti):
    return ti.xcom_pull('other')

def makes(outlet_events, name='orders'):
    outlet_events[name].extra = {'rows': 7}
    outlet_events[updraft.AssetAlias('days')].add(updraft.Asset(uri='s3://lake/day', group='lake'), extra={'rows': 2})

def waits():
    import subprocess, time
    subprocess.Popen(['sleep', '1000'])
    print('waits', flush=True)
    time.sleep(1000)
";

fn bench() -> Bench {
    let bench = with_dag_file();
    bench.file("dags/jobs.py", JOBS);
    bench.file("dags/lib/__init__.py", "");
    bench.file(
        "dags/lib/inner.py",
        "from jobs import add\n\nclass Jobs:\n    @staticmethod\n    def twice(n):\n        return add(n, n)\n",
    );
    bench
}

#[tokio::test]
async fn a_function_is_called_with_arguments_and_its_answer_is_an_xcom() {
    let bench = bench();
    let add = json!({ "python_callable": "jobs:add", "op_args": [1], "op_kwargs": { "b": 2 } });
    assert_eq!(run(&bench, add).await, 3);
    assert!(bench.log_text().contains("adds 1 2\n"));
    assert_eq!(run(&bench, json!({ "python_callable": "lib.inner:Jobs.twice", "op_args": ["ab"] })).await, "abab");
    let by_file = json!({
        "python_callable_file": bench.home().join("dags/jobs.py"), "python_callable_name": "add", "op_args": [4],
    });
    assert_eq!(run(&bench, by_file).await, 4);
}

#[tokio::test]
async fn a_function_is_given_what_it_names_of_airflows_context() {
    let bench = bench();
    let about = json!({ "python_callable": "jobs:about", "templates_dict": { "day": "monday" } });
    let Ok(Outcome::Success { return_value, xcoms, .. }) = try_run(&bench, about).await else { panic!("it fails") };
    let expected = json!(["2026-11-21", "task", 1, {}, { "day": "monday" }, "2026-11-21T00:00:00+00:00", "x"]);
    assert_eq!(return_value, expected);
    assert_eq!(xcoms, [("extra".to_owned(), json!([1, 2]))]);
    let whole = json!({ "python_callable": "jobs:whole", "op_args": ["f"] });
    assert_eq!(run(&bench, whole).await, json!(["f", "manual__1", "manual", false]));
}

#[tokio::test]
async fn a_function_says_what_there_is_to_know_of_the_assets_that_it_makes() {
    let mut bench = bench();
    let orders = Asset::new(Some("orders"), Some("s3://lake/orders")).unwrap();
    bench.ctx.outlets = Outlets::new(&[orders], &["days".to_owned()]);

    run(&bench, json!({ "python_callable": "jobs:makes" })).await;

    let told: Vec<Value> = bench
        .ctx
        .outlets
        .told()
        .into_iter()
        .map(|event| json!([event.asset.uri, event.asset.group, event.alias, event.extra]))
        .collect();
    let orders = json!(["s3://lake/orders", "asset", null, { "rows": 7 }]);
    assert_eq!(told, [orders, json!(["s3://lake/day", "lake", "days", { "rows": 2 }])]);
    let other = fail(&bench, json!({ "python_callable": "jobs:makes", "op_kwargs": { "name": "other" } })).await;
    assert!(other.to_string().contains("`other` is no outlet of the task"), "{other}");
    assert_eq!(other.verdict, Verdict::Fail);
}

#[tokio::test]
async fn answers_are_json() {
    let bench = bench();
    let plain = run(&bench, json!({ "python_callable": "jobs:plain" })).await;
    assert_eq!(plain, json!(["2018-03-04", [1, 3], null, { "a": 1.5 }]));
    let strange = fail(&bench, json!({ "python_callable": "jobs:strange" })).await;
    assert!(strange.to_string().contains("a value of the type `Decimal` cannot be left"), "{strange}");
    assert_eq!(strange.verdict, Verdict::Fail);
    let pulls = fail(&bench, json!({ "python_callable": "jobs:pulls" })).await;
    assert!(pulls.to_string().contains("under `op_kwargs`"), "{pulls}");
}

#[tokio::test]
async fn an_exception_is_in_the_log_and_its_last_line_is_the_error() {
    let bench = bench();
    let broken = fail(&bench, json!({ "python_callable": "jobs:breaks", "op_kwargs": { "word": "way" } })).await;
    assert_eq!((broken.to_string().as_str(), broken.verdict), ("ValueError: no way", Verdict::Retry));
    assert_eq!(broken.exit_code, Some(1));
    let log = bench.log_text();
    assert!(
        log.contains(
            "before it breaks
Traceback (most recent call last):\n"
        ) || log.contains("Traceback"),
        "{log}"
    );
    assert!(log.contains("jobs.py\", line") || log.contains("jobs.py\"") || log.contains("jobs.py"), "{log}");
    assert!(!log.contains("runner.py\", line"), "{log}");
    let gives_up = fail(&bench, json!({ "python_callable": "jobs:gives_up" })).await;
    assert_eq!((gives_up.to_string().ends_with("Fail: for good"), gives_up.verdict), (true, Verdict::Fail));
    for (callable, words) in [
        ("jobs:nothing", "AttributeError: module 'jobs' has no attribute 'nothing'"),
        ("nowhere:nothing", "ModuleNotFoundError: No module named 'nowhere'"),
        ("jobs:sys", "`sys` is no function"),
    ] {
        let missing = fail(&bench, json!({ "python_callable": callable })).await;
        assert!(missing.to_string().contains(words), "{missing}");
        assert_eq!(missing.verdict, Verdict::Fail);
    }
}

#[tokio::test]
async fn a_task_may_be_skipped_and_exit_codes_are_those_of_bash() {
    let bench = bench();
    for (callable, reason) in [("jobs:skips", "nothing to do"), ("jobs:skips_as_airflow", "nothing there")] {
        let skipped = try_run(&bench, json!({ "python_callable": callable })).await.unwrap();
        assert_eq!(skipped, Outcome::Skipped { reason: reason.to_owned() });
    }
    let leaves =
        |code: Value| json!({ "python_callable": "jobs:leaves", "op_args": [code], "skip_on_exit_code": [99, 7] });
    let skipped = try_run(&bench, leaves(json!(7))).await.unwrap();
    assert_eq!(skipped, Outcome::Skipped { reason: "Python ended with exit code 7".to_owned() });
    assert_eq!(try_run(&bench, leaves(json!(0))).await.unwrap(), Outcome::done());
    let failed = fail(&bench, leaves(json!(3))).await;
    assert_eq!((failed.exit_code, failed.verdict), (Some(3), Verdict::Retry));
    let said = fail(&bench, leaves(json!("too late"))).await;
    assert_eq!(said.to_string(), "Python ended with exit code 1: too late");
}

#[tokio::test]
async fn scripts_run_as_they_do_elsewhere() {
    let bench = bench();
    let script = "import os, sys, updraft\nfrom jobs import add\nassert __name__ == '__main__'\n\
                  updraft.xcom_push('return_value', [sys.argv[1:], os.environ['WORD'], updraft.context['ds']])\n";
    bench.file("dags/scripts/say.py", script);
    let args = json!({ "script": "scripts/say.py", "op_args": ["a", 2], "env": { "WORD": "yes" } });
    assert_eq!(run(&bench, args).await, json!([["a", "2"], "yes", "2026-11-21"]));
    assert_eq!(run(&bench, json!({ "code": "print('hello')" })).await, Value::Null);
    assert!(bench.log_text().contains("hello\n"));
    let wrong = fail(&bench, json!({ "code": "print('hello'\n" })).await;
    assert!(wrong.to_string().contains("SyntaxError"), "{wrong}");
    assert_eq!(wrong.verdict, Verdict::Fail);
    let bare = json!({ "code": "import os, updraft; updraft.xcom_push('return_value', sorted(os.environ))",
        "env": { "PATH": std::env::var_os("PATH").unwrap().to_str().unwrap(), "A": "1" }, "inherit_env": false });
    let names = run(&bench, bare).await;
    let names: Vec<&str> = names.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(names.contains(&"A") && names.contains(&"AIRFLOW_CTX_DAG_ID") && !names.contains(&"HOME"), "{names:?}");
}

#[tokio::test]
async fn a_script_that_ends_itself_leaves_what_it_pushed() {
    let bench = bench();
    for end in ["sys.exit()", "sys.exit(0)"] {
        let code = format!("import sys, updraft\nupdraft.xcom_push('return_value', 7)\n{end}");
        assert_eq!(run(&bench, json!({ "code": code })).await, 7, "{end}");
    }
}

#[tokio::test]
async fn what_was_pushed_before_a_failure_is_left() {
    let bench = bench();
    let code = "import updraft\nupdraft.xcom_push('page', 'https://x/1')\nupdraft.xcom_push('odd', object())\nraise ";
    for end in ["ValueError('no')", "updraft.Skip('enough')"] {
        let _ = try_run(&bench, json!({ "code": format!("{code}{end}") })).await;
        assert_eq!(Value::Object(bench.pushed.all()), json!({ "page": "https://x/1" }), "{end}");
    }
}

#[tokio::test]
async fn a_cancelled_function_ends_with_all_that_it_started() {
    let bench = bench();
    let works = try_run(&bench, json!({ "python_callable": "jobs:waits" }));
    let cancels = async {
        while !bench.has_said("waits\n") {
            tokio::task::yield_now().await;
        }
        bench.ctx.cancelled.cancel();
    };
    let (stopped, ()) = tokio::join!(works, cancels);
    assert_eq!(stopped.unwrap_err().verdict, Verdict::Cancelled);
}

#[tokio::test]
async fn what_has_a_session_of_its_own_ends_with_a_cancelled_task_too() {
    let bench = bench();
    let code = "import subprocess, time\n\
                child = subprocess.Popen(['sleep', '10000'], start_new_session=True)\n\
                print('started', child.pid, flush=True)\n\
                time.sleep(10000)";
    let works = try_run(&bench, json!({ "code": code }));
    let cancels = async {
        while !bench.has_said("started ") {
            tokio::task::yield_now().await;
        }
        bench.ctx.cancelled.cancel();
    };
    let (stopped, ()) = tokio::join!(works, cancels);
    assert_eq!(stopped.unwrap_err().verdict, Verdict::Cancelled);
    let log = bench.log_text();
    let pid = log.lines().find_map(|line| line.strip_prefix("started ")).unwrap();
    let left = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(left.is_empty(), "it goes on: {}", String::from_utf8_lossy(&left));
}

/// A package with one module, as a wheel: nothing has to be fetched to install it.
fn make_wheel(path: &str) {
    let code = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('answers.py', 'def deep(): return 42\\n')
    info = 'answers-1.0.dist-info/'
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: answers\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
";
    python::run(&["-c", code, path], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_with_requirements_is_made_once_and_never_used_half_made() {
    let bench = bench();
    let package = bench.home().join("answers-1.0-py3-none-any.whl").display().to_string();
    bench.file("dags/requirements.txt", format!("# what it takes\n{package}\n"));
    let args = json!({
        "python_callable": "answers:deep", "requirements": "requirements.txt", "pip_install_options": ["--no-index"],
        "python": python::tool("python"),
    });

    let half_made = fail(&bench, args.clone()).await;
    assert!(half_made.to_string().contains("installing the requirements ended with exit code 1"), "{half_made}");
    assert_eq!(half_made.verdict, Verdict::Retry);
    make_wheel(&package);
    let (one, other) = tokio::join!(run(&bench, args.clone()), run(&bench, args.clone()));

    assert_eq!((one, other), (json!(42), json!(42)));
    let log = bench.log_text();
    assert_eq!(log.matches("Makes an environment with 1 requirements").count(), 2, "{log}");
    assert!(log.contains("Waits for another try that makes this environment"), "{log}");
    assert_eq!(run(&bench, args).await, 42);
    assert!(bench.log_text().contains("Uses the environment"));
    let made = std::fs::read_dir(bench.home().join("python")).unwrap().flatten().map(|entry| entry.path());
    let folder = made.filter(|path| path.is_dir()).collect::<Vec<_>>().pop().unwrap();
    let venv = json!({ "python_callable": "answers:deep", "venv": folder });
    assert_eq!(run(&bench, venv).await, 42);
}

#[test]
fn mistakes_are_found_when_the_file_is_loaded() {
    let registry = registry_with(&nowhere()).unwrap();
    let table = [
        (json!({}), "", "does not say what to call"),
        (json!({ "python_callable": "a:b", "code": "1" }), "/code", "exclude each other"),
        (json!({ "python_callable": "b" }), "/python_callable", "names no function"),
        (json!({ "python_callable_file": "a.py" }), "/python_callable_file", "goes with `python_callable_name`"),
        (json!({ "script": "../a.py" }), "/script", "leads away from the DAG file"),
        (json!({ "code": "1", "op_kwargs": { "a": 1 } }), "/op_kwargs", "takes no arguments by name"),
        (json!({ "code": "1", "venv": "v", "requirements": ["a"] }), "/requirements", "exclude each other"),
        (json!({ "code": "1", "index_urls": "https://x" }), "/index_urls", "goes with `requirements`"),
    ];
    for (args, pointer, words) in table {
        let problems = registry.find("python").unwrap().check(args.as_object().unwrap());
        let found = problems.iter().any(|problem| problem.pointer == pointer && problem.message.contains(words));
        assert!(found, "{args}: {problems:?}");
    }
    for args in [
        json!({ "python_callable": "{{ params.callable }}" }),
        json!({ "python_callable_file": "/opt/a.py", "python_callable_name": "f" }),
    ] {
        assert_eq!(registry.find("python").unwrap().check(args.as_object().unwrap()), [], "{args}");
    }
}

#[test]
fn airflows_classes_mean_this_operator() {
    let text = "
tasks:
  by_name:
    operator: airflow.operators.python.PythonOperator
    python_callable_name: f
    python_callable_file: /opt/f.py
    op_kwargs: {a: 1}
  apart:
    operator: airflow.providers.standard.operators.python.PythonVirtualenvOperator
    python_callable: lib.f
    requirements: [pandas]
    env_vars: {A: b}
    use_dill: false
  elsewhere: {operator: ExternalPythonOperator, python: /opt/venv/bin/python, python_callable: lib.f}
";
    let tasks = crate::sql::loaded(text);
    assert_eq!(tasks["by_name"]["python_callable_name"], "f");
    let apart = json!({
        "python_callable": "lib.f", "requirements": ["pandas"], "env": { "A": "b" }, "system_site_packages": true
    });
    assert_eq!(tasks["apart"], apart);
    assert_eq!(tasks["elsewhere"]["python"], "/opt/venv/bin/python");
}
