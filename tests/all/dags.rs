//! The example DAGs load without a mistake, and the committed JSON Schema for editors is the one that the binary prints.

use std::path::{Path, PathBuf};

use scheduler::dag::spec::{self, SourceFile};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder of examples, and the schema that each names in its first line.
fn examples() -> Vec<(PathBuf, &'static str)> {
    let below = |folder: &str, schema| {
        let folder = std::fs::read_dir(root().join(folder)).expect("there are example DAGs");
        let paths = folder.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        paths.map(move |path| (path, schema)).collect::<Vec<_>>()
    };
    let files = [below("dags", "../dag.schema.json"), below("dags/examples", "../../dag.schema.json")].concat();
    assert!(files.len() >= 9, "hello, retries, the pipeline, the limits and the schedules");
    files
}

#[test]
fn every_example_loads_and_satisfies_the_schema_for_editors() {
    let registry = operators::registry().unwrap();
    let schema = spec::schema_for_dag_files(&registry);
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    for (path, schema) in examples() {
        let source = SourceFile::new(path.display().to_string(), std::fs::read_to_string(&path).unwrap());
        let loaded = spec::load(&source, &registry);
        assert!(loaded.problems.is_empty(), "{}", spec::render(&source, &loaded.problems, false));
        let first = format!("# yaml-language-server: $schema={schema}\n");
        assert!(source.text.starts_with(&first), "{}", path.display());
        let value: serde_json::Value = serde_yaml::from_str(&source.text).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

/// Every key of the grammar can be tried out, and a case says what it does.
#[test]
fn every_key_has_an_example_and_a_case() {
    let examples: Vec<PathBuf> = examples().into_iter().map(|(path, _)| path).collect();
    let cases = std::fs::read_dir(root().join("tests/conformance/cases")).unwrap();
    let cases: Vec<PathBuf> = cases.map(|case| case.unwrap().path().join("dag.yaml")).collect();
    let keys = || spec::dag_keys().chain(spec::task_keys()).chain(spec::inner_keys());
    for (what, files) in [("example", examples), ("conformance case", cases)] {
        let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let is_written = |key: &str| {
            let written = format!("{key}:");
            let mut found = text.match_indices(&written).map(|(at, _)| text[..at].chars().next_back());
            found.any(|before| before.is_none_or(|sign| sign.is_whitespace() || "{,".contains(sign)))
        };
        let missing: Vec<&str> = keys().filter(|key| !is_written(key)).collect();
        assert!(missing.is_empty(), "no {what} has {missing:?}");
    }
}

#[test]
fn the_examples_of_the_page_on_graphs_load() {
    let registry = operators::registry().unwrap();
    let text = std::fs::read_to_string(root().join("docs/graph.md")).unwrap();
    let examples: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert!(examples.len() >= 5);
    for example in examples {
        let source = SourceFile::new("docs/example.yaml", example);
        let loaded = spec::load(&source, &registry);
        assert!(loaded.problems.is_empty(), "{}", spec::render(&source, &loaded.problems, false));
    }
}

#[test]
fn the_committed_schema_is_the_one_of_this_binary() {
    let schema = spec::schema_for_dag_files(&operators::registry().unwrap());
    let committed = std::fs::read_to_string(root().join("dag.schema.json")).expect("dag.schema.json is committed");
    let committed: serde_json::Value = serde_json::from_str(&committed).unwrap();
    // Neither fits on a screen.
    assert!(committed == schema, "dag.schema.json is stale: `make regen` writes it anew");
}

#[test]
fn the_first_example_of_the_page_of_a_sensor_and_of_what_people_are_told_and_asked_loads() {
    let registry = operators::registry().unwrap();
    let pages = std::fs::read_dir(root().join("docs/operators")).unwrap().map(|entry| entry.unwrap().path());
    let others =
        ["approval.md", "branch_sql.md", "email.md", "notify.md", "slack.md", "sql_check.md", "trigger_dag.md"];
    let is_meant = |name: &str| name.ends_with("_sensor.md") || others.contains(&name);
    let pages: Vec<PathBuf> = pages.filter(|page| is_meant(page.file_name().unwrap().to_str().unwrap())).collect();
    assert!(pages.len() >= 4 + others.len());
    for page in pages.into_iter().chain([root().join("docs/sensors.md")]) {
        let text = std::fs::read_to_string(&page).unwrap();
        let example = text.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
        let source = SourceFile::new("example.yaml", format!("tasks:\n{example}"));
        let loaded = spec::load(&source, &registry);
        assert!(loaded.problems.is_empty(), "{}: {}", page.display(), spec::render(&source, &loaded.problems, false));
    }
}

/// The folder of examples is where people begin: nothing in it runs before somebody asks for it.
#[test]
fn no_example_of_a_schedule_runs_by_itself() {
    let registry = operators::registry().unwrap();
    for (path, _) in examples().into_iter().filter(|(path, _)| path.parent().unwrap().ends_with("examples")) {
        let source = SourceFile::new(path.display().to_string(), std::fs::read_to_string(&path).unwrap());
        for loaded in spec::load(&source, &registry).dags {
            let is_quiet = loaded.dag.schedule == scheduler::dag::Schedule::Never
                || loaded.dag.runs.is_paused_upon_creation == Some(true);
            assert!(is_quiet, "`{}` of {} would run by itself", loaded.dag.dag_id, path.display());
        }
    }
}

/// Pieces of DAGs, each made whole with what it lacks.
#[test]
fn the_examples_of_the_page_on_callbacks_load() {
    let registry = operators::registry().unwrap();
    let text = std::fs::read_to_string(root().join("docs/callbacks.md")).unwrap();
    let examples: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert!(examples.len() >= 3);
    for example in examples {
        let whole = if example.contains("tasks:") { example.to_owned() } else { format!("{example}tasks: []\n") };
        let source = SourceFile::new("docs/callbacks.yaml", whole);
        let loaded = spec::load(&source, &registry);
        assert!(loaded.problems.is_empty(), "{}", spec::render(&source, &loaded.problems, false));
    }
}

/// Tasks, or pieces of one, each made whole with what it lacks.
#[test]
fn the_examples_of_the_page_on_cleaning_load() {
    let registry = operators::registry().unwrap();
    let text = std::fs::read_to_string(root().join("docs/operators/clean.md")).unwrap();
    for example in text.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0) {
        let indented: String = example.lines().map(|line| format!("    {line}\n")).collect();
        let task = if example.starts_with("- task_id") {
            example.to_owned()
        } else {
            format!("  - task_id: task\n    operator: clean\n    input: in\n    output: out\n{indented}")
        };
        let source = SourceFile::new("docs/example.yaml", format!("dag_id: example\nschedule: null\ntasks:\n{task}"));
        let loaded = spec::load(&source, &registry);
        assert!(loaded.problems.is_empty(), "{}", spec::render(&source, &loaded.problems, false));
    }
}

#[test]
fn the_page_on_cleaning_has_all_rules() {
    let registry = operators::registry().unwrap();
    let schema = registry.find("clean").unwrap().schema.as_value().clone();
    let text = std::fs::read_to_string(root().join("docs/operators/clean.md")).unwrap();
    let section = |title: &str| text.split_once(title).unwrap().1.split("\n## ").next().unwrap().to_owned();
    let rules = section("## Rules");
    for rule in schema["$defs"]["Rule"]["oneOf"].as_array().unwrap() {
        let word = rule["required"][0].as_str().unwrap();
        assert!(rules.contains(&format!("`{word}: ")), "the rule `{word}` is not on the page");
    }
}

/// Tasks, or pieces of one, each made whole with what it lacks.
#[test]
fn the_examples_of_the_pages_on_emulation_streams_and_queries_load() {
    let registry = operators::registry().unwrap();
    for page in ["emulation", "http", "kinesis", "query", "s3", "stream"] {
        let text = std::fs::read_to_string(root().join(format!("docs/operators/{page}.md"))).unwrap();
        for example in text.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0) {
            let indented: String = example.lines().map(|line| format!("    {line}\n")).collect();
            let task = if example.starts_with("- task_id") {
                example.to_owned()
            } else {
                format!("  - task_id: task\n    operator: {page}\n{indented}")
            };
            let whole = format!("dag_id: example\nschedule: null\ntasks:\n{task}");
            let source = SourceFile::new("docs/example.yaml", whole);
            let loaded = spec::load(&source, &registry);
            assert!(loaded.problems.is_empty(), "{}", spec::render(&source, &loaded.problems, false));
        }
    }
}

#[test]
fn the_examples_of_the_page_on_databricks_load() {
    let registry = operators::registry().unwrap();
    let text = std::fs::read_to_string(root().join("docs/operators/databricks.md")).unwrap();
    let examples: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert!(examples.len() >= 7);
    for example in examples {
        let source = SourceFile::new("docs/example.yaml", format!("tasks:\n{example}"));
        let loaded = spec::load(&source, &registry);
        assert!(loaded.problems.is_empty(), "{}", spec::render(&source, &loaded.problems, false));
    }
}

/// What people copy from Airflow: the class path, and the arguments as they are there.
#[test]
fn the_task_of_the_seeds_loads_as_it_stands_there() {
    let text = "tasks:\n  - task_id: submit_run\n    operator: \
                airflow.providers.databricks.operators.databricks.DatabricksSubmitRunOperator\n    databricks_conn_id: \
                databricks_default\n    existing_cluster_id: 1108-162752-8okw8dgg\n    notebook_task: {notebook_path: \
                /Users/me@example.com/clean}\n";
    let source = SourceFile::new("seeds.yaml", text);
    let loaded = spec::load(&source, &operators::registry().unwrap());
    assert!(loaded.problems.is_empty(), "{}", spec::render(&source, &loaded.problems, false));
}
