//! The pages on DAG files say what the loader does: tables are made from the loader's own, and examples load.

use std::path::{Path, PathBuf};

use rstest::rstest;
use scheduler::dag::spec::{SourceFile, Table, load, reference_table, render};

use crate::fixtures::registry;

fn page() -> PathBuf {
    docs("dag-files.md")
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// The page with its tables made anew.
fn regenerated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- table: ") {
        let (name, after) = after.split_once(" -->\n").unwrap();
        let (_, after) = after.split_once("<!-- end -->").unwrap();
        let table = match name {
            "DagKeys" => Table::DagKeys,
            "TaskKeys" => Table::TaskKeys,
            "GroupKeys" => Table::GroupKeys,
            "RetryKeys" => Table::RetryKeys,
            "Refused" => Table::Refused,
            other => panic!("there is no table `{other}`"),
        };
        out += &format!("{before}<!-- table: {name} -->\n{}<!-- end -->", reference_table(table));
        rest = after;
    }
    out + rest
}

#[test]
fn the_tables_are_those_of_the_loader() {
    let text = std::fs::read_to_string(page()).unwrap();
    let wanted = regenerated(&text);
    if std::env::var_os("UPDRAFT_REGENERATE").is_some() {
        std::fs::write(page(), &wanted).unwrap();
        return;
    }
    assert!(text == wanted, "docs/dag-files.md is out of date: run this test with UPDRAFT_REGENERATE=1");
}

#[rstest]
#[case("assets.md")]
#[case("backfill.md")]
#[case("dag-files.md")]
#[case("limits.md")]
#[case("schedules.md")]
fn the_examples_load(#[case] page: &str) {
    let text = std::fs::read_to_string(docs(page)).unwrap();
    let examples: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert!(!examples.is_empty());
    for example in examples {
        // A piece of a DAG becomes one with the key that it lacks.
        let whole = if example.contains("tasks:") { example.to_owned() } else { format!("{example}tasks: []\n") };
        let source = SourceFile::new("docs/example.yaml", whole);
        let loaded = load(&source, &registry());
        assert!(loaded.problems.is_empty(), "{}", render(&source, &loaded.problems, false));
    }
}

/// Every schedule in the tables of its page is one.
#[test]
fn the_schedules_of_the_tables_load() {
    let text = std::fs::read_to_string(docs("schedules.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `") || line.starts_with("| nothing"));
    let cells = rows.filter_map(|line| line.split(" | ").next()).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let mut read = 0;
    for written in cells {
        let key = if written.contains("mode:") || ["false", "true", "none"].contains(&written) {
            "catchup"
        } else {
            "schedule"
        };
        let written =
            if written.starts_with(['@', '*', '3', '0']) { format!("'{written}'") } else { written.to_owned() };
        let loaded = load(&SourceFile::new("docs/example.yaml", format!("{key}: {written}\ntasks: []\n")), &registry());
        assert!(loaded.problems.is_empty(), "{written}: {:#?}", loaded.problems);
        read += 1;
    }
    assert!(read >= 30, "{read}");
}

/// The examples of a table, each as one line of YAML.
fn examples(table: Table) -> Vec<String> {
    let rows = reference_table(table);
    let cells = rows.lines().skip(2).filter_map(|row| row.rsplit(" | ").next());
    cells.map(|cell| cell.trim_matches(['`', ' ', '|']).to_owned()).collect()
}

/// What some keys cannot be without.
fn company(key: &str) -> Option<&'static str> {
    match key {
        "setups" | "on_failure_fail_dagrun" => Some("is_teardown: true"),
        "partial" | "map_index_template" => Some("expand: {cwd: [/a, /b]}"),
        _ => None,
    }
}

#[test]
fn the_examples_of_groups_load() {
    for line in examples(Table::GroupKeys) {
        let name = if line.starts_with("group_name") { "" } else { "group_name: load, " };
        let file = format!(
            "task_groups: [{{group_name: publish}}, {{{name}{line}}}]\ntasks:\n  - {{task_id: extract, operator: empty}}\n  - {{task_id: a, operator: empty, task_group_name: load}}\n"
        );
        let source = SourceFile::new("docs/example.yaml", file.clone());
        let loaded = load(&source, &registry());
        assert!(loaded.problems.is_empty(), "{file}\n{}", render(&source, &loaded.problems, false));
    }
}

#[test]
fn the_examples_of_the_keys_load() {
    let mut files: Vec<String> = examples(Table::DagKeys);
    for file in &mut files {
        if !file.starts_with("tasks") {
            file.push_str("\ntasks: []");
        }
    }
    files.extend(examples(Table::TaskKeys).into_iter().map(|line| {
        let own = line.split(':').next().unwrap();
        let rest = ["task_id: t", "operator: bash", "bash_command: ls"].map(str::to_owned);
        let gives_command = line.contains("{bash_command");
        let is_needed =
            |other: &String| !(other.starts_with(own) || gives_command && other.starts_with("bash_command"));
        let rest: Vec<String> = rest.into_iter().filter(is_needed).chain(company(own).map(str::to_owned)).collect();
        let others = "  - {task_id: extract, operator: empty}\n  - {task_id: check, operator: empty}";
        let groups = if own == "task_group_name" { "[{group_name: load}]" } else { "[]" };
        format!("task_groups: {groups}\ntasks:\n{others}\n  - {line}\n    {}", rest.join("\n    "))
    }));
    assert!(files.len() >= 32);
    for file in files {
        let source = SourceFile::new("docs/example.yaml", file.clone());
        let loaded = load(&source, &registry());
        assert!(loaded.problems.is_empty(), "{file}\n{}", render(&source, &loaded.problems, false));
    }
}
