//! The JSON Schema for editors takes what the loader takes, and sees the mistakes that a schema can see.

use jsonschema::Validator;
use scheduler::dag::spec::{SourceFile, load, schema_for_dag_files};
use serde_json::Value;

use super::grammar::GOOD;
use super::mistakes::{ALL, Seen};
use crate::fixtures::registry;

fn validator() -> Validator {
    let schema = schema_for_dag_files(&registry());
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// As editors do: YAML 1.2 first, the schema then.
fn parse(text: &str) -> Option<Value> {
    serde_yaml::from_str_with_options(text, serde_yaml::options! { strict_booleans: true }).ok()
}

#[test]
fn what_the_loader_takes_the_schema_takes() {
    let validator = validator();
    for (name, text) in GOOD {
        let loaded = load(&SourceFile::new("dags/example.yaml", *text), &registry());
        assert!(loaded.problems.is_empty(), "{name}: {:#?}", loaded.problems);
        let errors: Vec<String> = validator
            .iter_errors(&parse(text).unwrap())
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn the_schema_sees_what_it_can() {
    let validator = validator();
    for mistake in ALL {
        let Some(value) = parse(mistake.text) else {
            assert_eq!(mistake.seen, Seen::WhenLoaded, "{} is not YAML", mistake.name);
            continue;
        };
        let refused = !validator.is_valid(&value);
        assert_eq!(refused, mistake.seen == Seen::InTheEditor, "{}", mistake.name);
    }
}

#[test]
fn every_key_is_described() {
    let schema = schema_for_dag_files(&registry());
    let keys = schema["$defs"]["dag"]["properties"].as_object().unwrap();
    assert!(keys.len() >= 17);
    for (name, key) in keys {
        assert!(key["description"].as_str().is_some_and(|text| text.len() > 10), "{name}");
    }
    let bash = &schema["$defs"]["task.bash"]["properties"];
    assert_eq!(bash["bash_command"]["description"], "The command, for `bash -c`.");
    assert_eq!(schema["$defs"]["key.retries"]["default"], 0);
}
