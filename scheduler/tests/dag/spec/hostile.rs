//! Files that are made to cost more than they are worth.

use scheduler::dag::spec::{Code, Loaded, SourceFile, load, render};

use crate::fixtures::registry;

fn read(text: String) -> (SourceFile, Loaded) {
    let source = SourceFile::new("dags/hostile.yaml", text);
    let loaded = load(&source, &registry());
    (source, loaded)
}

#[test]
fn a_file_of_mistakes_says_a_hundred_of_them() {
    let (source, loaded) =
        read((0..50_000).map(|number| format!("key{number}: 1\n")).collect::<String>() + "tasks: []\n");
    assert_eq!(loaded.problems.len(), 101);
    let last = loaded.problems.last().unwrap();
    assert_eq!(
        (last.code, last.message.as_str()),
        (Code::TooLarge, "the file has more than 100 mistakes; the rest is not shown")
    );
    assert!(render(&source, &loaded.problems, false).len() < 100_000);
}

#[test]
fn a_file_of_one_line_is_not_printed_for_each_mistake() {
    let keys: Vec<String> = (0..50_000).map(|number| format!("key{number}: 1")).collect();
    let (source, loaded) = read(format!("{{tasks: [], {}}}", keys.join(", ")));
    let rendered = render(&source, &loaded.problems, false);
    assert!(rendered.starts_with("dags/hostile.yaml:1:13: a DAG has no key `key0`\n"), "{}", &rendered[..200]);
    assert!(rendered.len() < 20_000);
}

#[test]
fn long_words_are_neither_compared_nor_repeated() {
    let (source, loaded) =
        read(format!("? {}\n: 1\ntasks: []\nstart_date: {}\n", "k".repeat(1_000_000), "d".repeat(1_000_000)));
    assert_eq!(loaded.problems.len(), 2);
    assert!(loaded.problems.iter().all(|problem| problem.message.chars().count() <= 1_001));
    assert!(render(&source, &loaded.problems, false).len() < 10_000);
}

#[test]
fn merges_are_counted_like_values() {
    let keys: Vec<String> = (0..2_000).map(|number| format!("k{number}: 1")).collect();
    let merges: String = (0..2_000).map(|number| format!("x-{number}: {{<<: *base}}\n")).collect();
    let (_, loaded) = read(format!("x-base: &base {{{}}}\n{merges}tasks: []\n", keys.join(", ")));
    assert_eq!(loaded.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [Code::TooLarge]);
}

#[test]
fn a_default_block_is_counted_under_every_dag() {
    let tags = "x, ".repeat(50_000);
    let dags: String = (0..30).map(|number| format!("d{number}: {{tasks: []}}\n")).collect();
    let (_, loaded) = read(format!("default: {{tags: [{tags}]}}\n{dags}"));
    assert!(loaded.dags.is_empty());
    assert!(loaded.problems.iter().any(|problem| problem.code == Code::TooLarge && problem.dag_id.is_none()));
}

#[test]
fn many_broken_tasks_cost_no_more_than_they_are_worth() {
    let tasks: String = (0..20_000)
        .map(|number| format!("  t{number}: {{operator: empty, dependencies: [u{number}], x{number}: 1}}\n"))
        .collect();
    let (_, loaded) = read(format!("tasks:\n{tasks}"));
    assert_eq!(loaded.problems.len(), 101);
}

#[test]
fn ten_thousand_tasks_are_read() {
    let tasks: String = (0..10_000)
        .map(|number| {
            let upstream = if number == 0 { String::new() } else { format!("t{}", number - 1) };
            format!("  - task_id: t{number}\n    operator: bash\n    bash_command: \"echo {{{{ ds }}}} {number}\"\n    dependencies: [{upstream}]\n")
        })
        .collect();
    let (_, loaded) = read(format!("schedule: '@daily'\ntasks:\n{tasks}"));
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.dags[0].dag.len(), 10_000);
}
