//! Files of dag-factory: each of its keys works, or is refused with the reason.

use rstest::rstest;
use scheduler::dag::spec::Code;
use serde_json::json;

use crate::fixtures::load_text;

const SALES: &str = r#"
default:
  default_args:
    owner: data
    start_date: 2025-01-01
    retries: 2
    retry_delay: {__type__: datetime.timedelta, minutes: 5}
    depends_on_past: false
sales_daily:
  schedule: "0 3 * * *"
  timezone: Europe/Amsterdam
  catchup: false
  max_active_runs: 1
  tags: [sales]
  params: {region: {__type__: airflow.sdk.definitions.param.Param, default: eu, type: string, enum: [eu, us]}}
  task_groups:
    - {group_name: publish, tooltip: For people, dependencies: [extract]}
    - {group_name: mail, parent_group_name: publish, default_args: {retries: 4}}
  tasks:
    - task_id: extract
      operator: airflow.providers.standard.operators.bash.BashOperator
      bash_command: "extract --date {{ ds }} --region {{ params.region }}"
    - task_id: report
      operator: airflow.providers.standard.operators.bash.BashOperator
      bash_command: "report {{ data_interval_end }}"
      task_group_name: publish
      trigger_rule: all_done
    - task_id: send
      operator: airflow.providers.standard.operators.bash.BashOperator
      bash_command: send
      task_group_name: mail
      dependencies: [report]
    - task_id: copy
      operator: airflow.providers.standard.operators.bash.BashOperator
      partial: {append_env: true}
      expand: {bash_command: XcomArg(extract)}
      dependencies: [extract]
    - task_id: wait
      operator: airflow.providers.standard.operators.empty.EmptyOperator
      dependencies: [publish, copy]
sales_consumer:
  schedule: None
  task_groups:
    first: {tooltip: One}
  tasks:
    use: {operator: airflow.providers.standard.operators.empty.EmptyOperator, task_group_name: first}
"#;

#[test]
fn a_file_with_groups_and_mapping_loads() {
    let loaded = load_text(SALES);
    assert_eq!(loaded.problems, []);
    let dag = &loaded.dags[0].dag;
    let ids: Vec<&str> = dag.tasks().map(|(_, task)| task.task_id.as_str()).collect();
    assert_eq!(ids, ["extract", "publish.report", "publish.mail.send", "copy", "wait"]);
    let before = |id: &str| {
        let mut ids: Vec<_> = dag.upstream(dag.find(id).unwrap()).map(|task| dag.task(task).task_id.as_str()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(before("publish.report"), ["extract"]);
    assert_eq!(before("publish.mail.send"), ["publish.report"]);
    assert_eq!(before("wait"), ["copy", "publish.mail.send"]);
    assert_eq!(dag.task(dag.find("publish.mail.send").unwrap()).retries, 4);
    assert!(loaded.dags[1].dag.find("first.use").is_some());
}

/// Keys of dag-factory that would need Python, or that ask for what Updraft does not have.
#[rstest]
#[case::decorator("decorator: airflow.sdk.task")]
#[case::callable("python_callable: lib.f")]
#[case::callable_by_name("python_callable_name: f")]
#[case::callable_by_file("python_callable_file: /opt/f.py")]
#[case::variables("variables_as_arguments: [{variable: V, attribute: bash_command}]")]
#[case::old_sla("sla_secs: 5")]
#[case::old_delta("execution_delta_secs: 5")]
#[case::executor("executor: KubernetesExecutor")]
#[case::colour("ui_color: red")]
#[case::old_delay("retry_delay_sec: 5")]
#[case::old_timeout("execution_timeout_secs: 5")]
fn keys_of_tasks_are_refused_with_the_reason(#[case] key: &str) {
    refused(&format!("tasks:\n  - {{task_id: a, operator: bash, bash_command: ls, {key}}}\n"));
}

#[rstest]
#[case::old_schedule("schedule_interval: '@daily'")]
#[case::old_run_timeout("dagrun_timeout_sec: 60")]
#[case::timetable("timetable: x")]
#[case::macros("user_defined_macros: {f: lib.f}")]
#[case::doc_file("doc_md_file_path: /opt/a.md")]
#[case::doc_callable("doc_md_python_callable_name: f")]
#[case::native("render_template_as_native_obj: true")]
#[case::access("access_control: {team: [can_read]}")]
#[case::orientation("orientation: LR")]
fn keys_of_dags_are_refused_with_the_reason(#[case] key: &str) {
    refused(&format!("{key}\ntasks: []\n"));
}

#[rstest]
#[case::colour("ui_color: red")]
#[case::suffix("add_suffix_on_collision: true")]
fn keys_of_groups_are_refused_with_the_reason(#[case] key: &str) {
    refused(&format!("task_groups: [{{group_name: g, {key}}}]\ntasks: []\n"));
}

fn refused(text: &str) {
    let problems = load_text(text).problems;
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].code, Code::Unsupported);
    assert!(problems[0].help.as_ref().is_some_and(|help| help.len() > 10), "{:?} says what to do", problems[0]);
}

/// Airflow's names for arguments become the operator's, wherever they stand.
#[test]
fn a_class_is_read_by_the_names_of_its_own_arguments() {
    let loaded = load_text(
        "default_args: {environment: {A: b}, ssh_hook: x}\n\
         tasks:\n\
         - {task_id: a, operator: airflow.providers.ssh.operators.ssh.SSHOperator, command: ls, get_pty: true, ssh_hook: null}\n\
         - {task_id: b, operator: SSHOperator, expand: {command: [ls, df]}, append_env: false}\n\
         - {task_id: c, operator: SSHOperator, expand_kwargs: [{command: ls, environment: {C: d}}]}\n\
         - {task_id: d, operator: bash, bash_command: ls}\n",
    );
    assert_eq!(loaded.problems, []);
    let dag = &loaded.dags[0].dag;
    let task = |id: &str| dag.task(dag.find(id).unwrap());
    let args = |id: &str| serde_json::Value::Object(task(id).args.clone());
    assert_eq!(task("a").operator, "bash");
    assert_eq!(args("a"), json!({ "bash_command": "ls", "env": { "A": "b" }, "append_env": true }));
    assert_eq!(args("b"), json!({ "append_env": false, "env": { "A": "b" } }));
    let mapping = serde_json::to_value(&loaded.dags[0].document["tasks"]).unwrap().to_string();
    assert!(mapping.contains(r#""expand":[{"bash_command":["ls","df"]}]"#), "{mapping}");
    assert!(mapping.contains(r#"{"bash_command":"ls","env":{"C":"d"}}"#), "{mapping}");
    assert_eq!(args("d"), json!({ "bash_command": "ls" }), "other operators know nothing of the names");
}

#[rstest]
#[case::refused("command: ls, ssh_hook: h", Code::Unsupported, "`ssh_hook` of SSHOperator is not served by Updraft")]
#[case::twice("command: ls, bash_command: ls", Code::DuplicateKey, "has both `bash_command` and `command`")]
#[case::missing("get_pty: true", Code::MissingArgument, "operator `bash` needs `bash_command`")]
#[case::of_no_use("command: ls, timeout: 5", Code::UnknownArgument, "operator `bash` has no argument `timeout`")]
fn mistakes_in_the_arguments_of_a_class_are_told(#[case] keys: &str, #[case] code: Code, #[case] words: &str) {
    let problems = load_text(&format!("tasks:\n- {{task_id: a, operator: SSHOperator, {keys}}}\n")).problems;
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].code, code);
    assert!(problems[0].message.contains(words), "{}", problems[0].message);
}
