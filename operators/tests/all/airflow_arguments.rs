//! Arguments of Airflow's classes, against a list of them that was read off its providers: each is one of the operator's, is
//! passed by because it makes no difference, or is refused with what to write instead.
//!
//! The list names what each class and those that it stands on take, without what all operators take.

use std::collections::{BTreeMap, BTreeSet};

use operators::registry_with;
use serde::Deserialize;

use crate::context::nowhere;

#[derive(Deserialize)]
struct Providers {
    classes: BTreeMap<String, Vec<String>>,
}

#[test]
fn every_argument_of_airflows_classes_is_known() {
    let registry = registry_with(&nowhere()).unwrap();
    let providers: Providers = serde_json::from_str(include_str!("airflow_arguments.json")).unwrap();
    let of_all: BTreeSet<&str> = scheduler::dag::spec::task_keys().collect();
    let mut unknown = Vec::new();
    for (path, arguments) in &providers.classes {
        let operator = registry.find(path).unwrap_or_else(|| panic!("{path} means no operator"));
        let class = registry.airflow_class(path).unwrap();
        let schema = operator.schema.as_value();
        let own = |name: &str| schema.pointer(&format!("/properties/{name}")).is_some();
        let is_known = |name: &&String| own(name) || of_all.contains(name.as_str()) || class.has_word_on(name);
        unknown.extend(arguments.iter().filter(|name| !is_known(name)).map(|name| format!("{path}: {name}")));
    }
    assert_eq!(unknown, Vec::<String>::new());
    assert!(providers.classes.len() > 50, "{}", providers.classes.len());
}
