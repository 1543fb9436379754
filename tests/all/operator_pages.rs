//! Each operator has a page in docs/operators, and its table of arguments there is that of the schema by which tasks are
//! checked: a table is made anew between `<!-- arguments: NAME -->` and `<!-- end -->`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scheduler::dag::spec;
use scheduler::operator::Registry;

const BEGIN: &str = "<!-- arguments: ";
const END: &str = "<!-- end -->";

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operators");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

/// A page with its tables made anew, and the operators that they are of.
fn regenerated(text: &str, registry: &Registry) -> (String, Vec<String>) {
    let (mut out, mut names, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->\n").expect("a marker ends its line");
        let (_, after) = after.split_once(END).expect("a table ends");
        let operator = registry.find(name).unwrap_or_else(|| panic!("there is no operator `{name}`"));
        out += &format!("{before}{BEGIN}{name} -->\n{}{END}", spec::argument_table(operator));
        names.push(name.to_owned());
        rest = after;
    }
    (out + rest, names)
}

#[test]
fn the_tables_of_arguments_are_those_of_the_schema() {
    let registry = operators::registry().unwrap();
    let is_to_be_written = std::env::var_os("UPDRAFT_REGENERATE").is_some();
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let (wanted, names) = regenerated(&text, &registry);
        for name in names {
            let other = found.insert(name.clone(), page.clone());
            assert!(other.is_none(), "`{name}` has two tables, in {} and {}", other.unwrap().display(), page.display());
        }
        if is_to_be_written {
            std::fs::write(&page, &wanted).unwrap();
        } else {
            assert!(text == wanted, "{} is out of date: `make regen` makes its tables anew", page.display());
        }
    }
    let without: Vec<&str> =
        registry.iter().map(|operator| operator.name).filter(|name| !found.contains_key(*name)).collect();
    assert!(without.is_empty(), "operators without a table in docs/operators: {without:?}");
}

/// Whoever reads only the table knows what to write.
#[test]
fn every_argument_is_described() {
    for operator in operators::registry().unwrap().iter() {
        let schema = operator.schema.as_value();
        for (name, argument) in schema.get("properties").and_then(serde_json::Value::as_object).into_iter().flatten() {
            let said = argument.get("description").and_then(serde_json::Value::as_str).unwrap_or_default();
            assert!(said.len() > 5, "`{name}` of `{}` is not described", operator.name);
        }
    }
}

/// What any task has under a name does not come to an operator that calls an argument the same, except that the `params` of
/// `approval` do, and an `email` of `notify` that is a mapping.
#[test]
fn no_argument_is_called_like_a_key_of_every_task() {
    let registry = operators::registry().unwrap();
    let schema = spec::schema_for_dag_files(&registry);
    let keys = schema["$defs"].as_object().unwrap();
    let mut clashes = Vec::new();
    for operator in registry.iter() {
        let arguments = operator.schema.as_value().get("properties").and_then(serde_json::Value::as_object);
        for (name, _) in arguments.into_iter().flatten().filter(|(name, _)| keys.contains_key(&format!("key.{name}"))) {
            clashes.push(format!("{} {name}", operator.name));
        }
    }
    clashes.sort();
    assert_eq!(clashes, ["approval params", "notify email"]);
}

/// Addresses under `email` are told of failures, also by a task that tells something itself; a mapping there is what it tells.
#[test]
fn an_email_that_is_a_mapping_is_told_by_notify() {
    let registry = operators::registry().unwrap();
    let schema = jsonschema::validator_for(&spec::schema_for_dag_files(&registry)).unwrap();
    let load = |task: &str| {
        let text = format!("schedule: null\ndefault_args: {{retries: 0}}\ntasks:\n- {{task_id: tell, {task}}}\n");
        let in_the_editor = schema.is_valid(&serde_yaml::from_str(&text).unwrap());
        let loaded = spec::load(&spec::SourceFile::new("dags/tell.yaml", text.as_str()), &registry);
        let problems: Vec<String> = loaded.problems.iter().map(|problem| format!("{problem:?}")).collect();
        let dag = loaded.dags.into_iter().next().map(|loaded| loaded.dag);
        let task = dag.and_then(|dag| Some(dag.task(dag.find("tell")?).clone()));
        (task.filter(|_| problems.is_empty()), problems, in_the_editor)
    };

    let (told, problems, in_the_editor) =
        load("operator: notify, email: {to: ann@example.com, subject: Rows, body: 'loaded {{ ds }}'}");
    let told = told.unwrap_or_else(|| panic!("{problems:?}"));
    assert_eq!(told.args["email"]["subject"], "Rows");
    assert!(told.callbacks.on_failure.is_empty() && in_the_editor);

    let (both, problems, in_the_editor) =
        load("operator: notify, email: [ops@example.com], slack: {url_env: HOOK, text: loaded}");
    let both = both.unwrap_or_else(|| panic!("{problems:?}"));
    assert!(!both.args.contains_key("email") && in_the_editor);
    assert_eq!(both.callbacks.on_failure[0].args["to"], serde_json::json!(["ops@example.com"]));

    for (task, words) in [
        ("operator: notify, email: {to: ann@example.com}", "does not say what to tell"),
        ("operator: notify, email: {to: ann@example.com, subject: a, colour: red}", "colour"),
        ("operator: notify, email: ops@example.com", ""),
        ("operator: empty, email: {to: ann@example.com}", "an address, or a list of them"),
    ] {
        let (wrong, problems, _) = load(task);
        assert!(wrong.is_none() && problems.iter().any(|problem| problem.contains(words)), "{task}: {problems:?}");
    }
    assert!(!load("operator: empty, email: {to: ann@example.com}").2, "an editor sees it, too");
}
