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
    assert!(files.len() >= 4, "hello, retries, the pipeline and the limits");
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

#[test]
fn the_committed_schema_is_the_one_of_this_binary() {
    let schema = spec::schema_for_dag_files(&operators::registry().unwrap());
    let committed = std::fs::read_to_string(root().join("dag.schema.json")).expect("dag.schema.json is committed");
    let committed: serde_json::Value = serde_json::from_str(&committed).unwrap();
    assert_eq!(committed, schema, "`make regen` writes it anew");
}
