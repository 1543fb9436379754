//! The arrows drawn in ARCHITECTURE.md, checked against manifests, `use` lines and paths.
//!
//! When this fails, either the new dependency points the wrong way, or the drawing is out of date. Both are worth a
//! conversation; neither is worth an exception list.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which of our crates may depend on which, directly.
const CRATES: &[(&str, &[&str])] = &[
    ("migrations", &[]),
    ("scheduler", &["migrations"]),
    ("operators", &["scheduler"]),
    ("web", &["scheduler"]),
    ("importer", &[]),
    (".", &["importer", "operators", "scheduler", "web"]),
];

/// Words that must not occur in the code of a place.
const ARROWS: &[(&str, &str)] = &[
    ("scheduler/src/dag", "tokio:: sea_orm crate::store crate::engine Utc::now .await std::fs"),
    ("scheduler/src/run", "tokio:: sea_orm crate::store crate::engine crate::operator Utc::now .await std::fs"),
    ("scheduler/src/store", "crate::engine crate::control crate::sources"),
    ("scheduler/src/engine", "crate::control crate::sources"),
    ("scheduler/src", "axum reqwest datafusion deltalake"),
    ("web/src", "sea_orm:: operators:: datafusion"),
    ("operators/src", "sea_orm scheduler::store scheduler::engine scheduler::control axum"),
    ("migrations/src", "scheduler::"),
    ("importer/src", "scheduler:: operators:: std::fs std::env .await Utc::now"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(place: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(place)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "{place} holds no sources; the drawing is out of date");
    files
}

/// Lines of code without comments, up to the tests of the file, which may know more, also where they have a file of their own.
fn code(path: &Path) -> Vec<(usize, String)> {
    if path.ends_with("tests.rs") {
        return Vec::new();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn modules_only_know_what_the_drawing_allows() {
    let mut trespasses = Vec::new();
    for (place, forbidden) in ARROWS {
        for path in sources(place) {
            for (number, line) in code(&path) {
                for word in forbidden.split(' ').filter(|word| line.contains(word)) {
                    trespasses.push(format!("{}:{number} mentions `{word}`", path.display()));
                }
            }
        }
    }
    assert!(trespasses.is_empty(), "{}", trespasses.join("\n"));
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    for (name, allowed) in CRATES {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let manifest: BTreeMap<String, toml::Value> = toml::from_str(&manifest).unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        let ours: Vec<&str> = ["migrations", "scheduler", "operators", "web", "importer"]
            .into_iter()
            .filter(|ours| dependencies.contains_key(*ours))
            .collect();
        assert_eq!(&ours.iter().filter(|ours| !allowed.contains(ours)).count(), &0, "{name} depends on {ours:?}");
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    let places = ["src", "scheduler/src", "operators/src", "web/src", "migrations/src", "importer/src", "tests/all"];
    let silent: Vec<String> = places
        .iter()
        .flat_map(|place| sources(place))
        .filter(|path| !std::fs::read_to_string(path).unwrap().starts_with("//!"))
        .map(|path| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "these begin without //!: {silent:?}");
}
