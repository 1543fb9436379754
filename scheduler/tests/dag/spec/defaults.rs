//! Files of defaults under a DAG file (dag-factory.md, section 2): which value wins, and where mistakes are.

use rstest::rstest;
use scheduler::dag::Schedule;
use scheduler::dag::spec::{Loaded, SourceFile, load, render};

use crate::fixtures::registry;

const NEAR: &str = "schedule: '@daily'\ntags: [near, both]\ndefault_args: {owner: near, retries: 1}\n";
const FAR: &str = "tags: [both, far]\nmax_active_runs: 7\ndefault_args: {owner: far, retries: 2, pool: far}\n";

fn source(text: &str) -> SourceFile {
    SourceFile::with_defaults("team/sales.yaml", text, [("team/defaults.yml", NEAR), ("defaults.yaml", FAR)])
}

fn loaded(source: &SourceFile) -> Loaded {
    let loaded = load(source, &registry());
    assert!(loaded.problems.is_empty(), "{}", render(source, &loaded.problems, false));
    loaded
}

#[rstest]
#[case::a_single_dag("tasks: [{task_id: a, operator: empty}]\n", ("near", 1, 7))]
#[case::its_own_values_win("max_active_runs: 3\ndefault_args: {retries: 9}\ntasks: [{task_id: a, operator: empty}]\n", ("near", 9, 3))]
#[case::several_dags("sales: {tasks: [{task_id: a, operator: empty}]}\n", ("near", 1, 7))]
#[case::the_default_block_wins(
    "default: {max_active_runs: 5, default_args: {owner: block}}\nsales: {tasks: [{task_id: a, operator: empty}]}\n",
    ("block", 1, 5)
)]
#[case::a_task_wins("tasks: [{task_id: a, operator: empty, retries: 4, owner: me}]\n", ("me", 4, 7))]
fn the_nearest_value_wins(#[case] text: &str, #[case] expected: (&str, u32, u32)) {
    let loaded = loaded(&source(text));

    let dag = &loaded.dags[0].dag;
    let (_, task) = dag.tasks().next().unwrap();
    let values = (task.owner.as_str(), task.retries, dag.runs.max_active_runs);
    assert_eq!(values, expected);
    assert_eq!(task.pool, "far", "what only the farthest says holds, too");
    assert_eq!(dag.dag_id, "sales");
}

#[test]
fn tags_of_several_files_are_united_and_those_of_the_dag_replace_them() {
    let tags = |text: &str| {
        let loaded = loaded(&source(text));
        loaded.dags[0].dag.tags.iter().cloned().collect::<Vec<_>>()
    };

    assert_eq!(tags("tasks: []\n"), ["both", "far", "near"]);
    assert_eq!(tags("tags: [mine]\ntasks: []\n"), ["mine"]);
}

#[test]
fn tasks_may_be_templates_for_all_dags() {
    let defaults = "tasks: {notify: {operator: bash, bash_command: echo done, retries: 3}}\n";
    let text = "sales: {tasks: {load: {operator: empty}, notify: {dependencies: [load]}}}\n";
    let source = SourceFile::with_defaults("sales.yaml", text, [("defaults.yml", defaults)]);

    let loaded = loaded(&source);

    let dag = &loaded.dags[0].dag;
    let retries: Vec<(&str, u32)> = dag.tasks().map(|(_, task)| (task.task_id.as_str(), task.retries)).collect();
    assert_eq!(retries, [("load", 0), ("notify", 3)]);
}

#[test]
fn what_is_stored_means_the_same() {
    for text in ["tasks: []\n", "tasks: []", "# with a mark\n--- \ntasks: []\n"] {
        let source = source(text);
        let stored = SourceFile::stored("team/sales.yaml", source.text.clone());

        assert_eq!(stored, source);
        let (before, after) = (loaded(&source), loaded(&stored));
        assert_eq!(before.dags[0].hash, after.dags[0].hash);
        assert_ne!(before.dags[0].dag.schedule, Schedule::Never, "the defaults are in it");
    }
}

#[rstest]
#[case::unknown("retires: 3\n", "unknown_key", (1, 1))]
#[case::wrong("# how often\ndefault_args:\n  depends_on_past: often\n", "wrong_type", (3, 20))]
#[case::not_yaml("a: [\n", "syntax", (1, 4))]
#[case::not_a_mapping("- a\n", "wrong_type", (1, 1))]
#[case::an_id("dag_id: sales\n", "unknown_key", (1, 1))]
fn a_mistake_is_shown_in_the_file_that_has_it(#[case] defaults: &str, #[case] code: &str, #[case] at: (usize, usize)) {
    let text = "# a file of some length\none: {tasks: []}\ntwo: {tasks: []}\n";
    let source =
        SourceFile::with_defaults("team/sales.yaml", text, [("team/defaults.yml", NEAR), ("defaults.yml", defaults)]);

    let loaded = load(&source, &registry());

    assert!(loaded.dags.is_empty());
    let [problem] = &loaded.problems[..] else { panic!("{:#?}", loaded.problems) };
    assert_eq!((source.file_of(problem).as_str(), problem.code.as_str()), ("defaults.yml", code));
    assert_eq!((problem.line, problem.column), at);
    let shown = render(&source, &loaded.problems, false);
    assert!(shown.contains(&format!("defaults.yml:{}:{}", at.0, at.1)), "{shown}");
    assert!(!shown.contains("sales.yaml"), "{shown}");
}
