//! Files of dag-factory: each of its keys works, or is refused with the reason.

use rstest::rstest;
use scheduler::dag::spec::Code;

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
#[case::old_delay("retry_delay_sec: 5")]
#[case::old_timeout("execution_timeout_secs: 5")]
fn keys_of_tasks_are_refused_with_the_reason(#[case] key: &str) {
    refused(&format!("tasks:\n  - {{task_id: a, operator: bash, bash_command: ls, {key}}}\n"));
}

#[rstest]
#[case::old_schedule("schedule_interval: '@daily'")]
#[case::timetable("timetable: x")]
#[case::macros("user_defined_macros: {f: lib.f}")]
#[case::search_path("template_searchpath: /opt")]
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
