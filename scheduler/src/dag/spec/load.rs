//! A whole file: which spelling it has, which DAGs are in it, and whose mistakes are whose.

use std::collections::HashSet;
use std::sync::Arc;

use super::arguments::OperatorSchemas;
use super::collect::{PROBLEMS_MAX, Problems, Subject, names, wrong_type};
use super::compose::{NODES_MAX, compose};
use super::defaults;
use super::keys::DAG_KEYS;
use super::node::{Mapping, Yaml};
use super::problem::{Code, Problem};
use super::read_dag::{self, DagText};
use super::refused::{REFUSED_IN_DAGS, find_refused};
use super::source::{Place, SourceFile};
use super::suggest::closest;
use super::{Loaded, LoadedDag};
use crate::dag::version;
use crate::operator::Registry;

/// The key of the block that is laid under every DAG of a file.
const DEFAULT_KEY: &str = "default";

/// A file with more DAGs was made by a program, which can as well make several files.
const DAGS_MAX: usize = 10_000;

/// Reads DAG files. The schemas of operators are compiled once for all of them, which takes longer than reading a file.
pub struct Loader<'a> {
    registry: &'a Registry,
    schemas: OperatorSchemas,
}

impl Loader<'_> {
    /// A loader of files that use these operators and notifiers.
    pub fn new(registry: &Registry) -> Loader<'_> {
        Loader { registry, schemas: OperatorSchemas::default() }
    }

    /// Reads a DAG file.
    ///
    /// The DAGs without mistakes are given even when others have some. Nothing that `source` holds makes it panic.
    pub fn load(&mut self, source: &SourceFile) -> Loaded {
        read_file(source, self.registry, &mut self.schemas)
    }
}

/// Reads one DAG file; see [`Loader::load`].
pub fn load(source: &SourceFile, registry: &Registry) -> Loaded {
    Loader::new(registry).load(source)
}

fn read_file(source: &SourceFile, registry: &Registry, schemas: &mut OperatorSchemas) -> Loaded {
    let (root, problems) = compose(&source.text, source.own());
    let mut file = Problems { list: problems };
    if root.is_none() && file.list.is_empty() {
        file.push(no_dag(Place::default(), "the file is empty"));
    }
    let defaults = defaults::read(source, &mut file);
    let texts = root.and_then(|root| dags_in(&root, source, &defaults, &mut file)).unwrap_or_default();
    // What is wrong with the text itself cannot be laid at one DAG's door.
    let file_is_sound = file.list.iter().all(|problem| problem.dag_id.is_some());
    let mut dags: Vec<LoadedDag> = Vec::new();
    let mut taken = HashSet::new();
    let mut problems = file.list;
    let unreadable: Vec<Place> =
        problems.iter().filter(|problem| problem.code == Code::Syntax).filter_map(Problem::place).collect();
    let mut of_dags = Vec::new();
    for text in &texts {
        let mut own = Problems::default();
        let dag = read_dag::read(text, &source.text, registry, schemas, &mut own);
        if let Some((dag, files)) = dag.filter(|_| file_is_sound) {
            if taken.insert(dag.dag_id.clone()) {
                let document = version::document(&dag);
                let search_path = text.mapping.get("template_searchpath").map(|entry| entry.value.place);
                let (hash, dag) = (version::hash(&document), Arc::new(dag));
                dags.push(LoadedDag { dag, hash, document, files, search_path });
            } else {
                let message = format!("two DAGs of this file are called `{}`", dag.dag_id);
                let place = text.mapping.get("dag_id").map_or(text.id_place, |entry| entry.value.place);
                own.push(Problem::new(Code::InvalidId, message, place, "taken already"));
            }
        }
        let dag_id = text.mapping.get("dag_id").and_then(|entry| entry.value.as_text()).unwrap_or(&text.id);
        of_dags.extend(own.list.into_iter().map(|problem| Problem { dag_id: Some(dag_id.to_owned()), ..problem }));
    }
    // What follows from unreadable text is only its echo.
    of_dags.retain(|problem: &Problem| {
        problem.place().is_none_or(|place| !unreadable.iter().any(|inner| place.contains(*inner)))
    });
    problems.extend(shared_once(of_dags, texts.len()));
    problems.sort_by_key(|problem| problem.place().map_or(0, |place| place.start));
    if problems.len() > PROBLEMS_MAX {
        problems.truncate(PROBLEMS_MAX);
        let last = problems.last().and_then(Problem::place).unwrap_or_default();
        let message = format!("the file has more than {PROBLEMS_MAX} mistakes; the rest is not shown");
        problems.push(Problem::new(Code::TooLarge, message, last, ""));
    }
    let problems = problems.into_iter().map(|problem| problem.located(source)).collect();
    Loaded { dags, problems }
}

/// A mistake in the `default:` block shows in every DAG; it is told once, and then belongs to the file.
fn shared_once(problems: Vec<Problem>, dags: usize) -> Vec<Problem> {
    let mut told: Vec<(Problem, usize)> = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for problem in problems {
        let key = (problem.code, problem.message.clone(), problem.labels.first().map(|label| label.place));
        match seen.get(&key) {
            Some(&position) => {
                let (first, count): &mut (Problem, usize) = &mut told[position];
                if first.dag_id != problem.dag_id {
                    *count += 1;
                }
            }
            None => {
                seen.insert(key, told.len());
                told.push((problem, 1));
            }
        }
    }
    let belongs = |(problem, count): (Problem, usize)| {
        if count > 1 && count >= dags { Problem { dag_id: None, ..problem } } else { problem }
    };
    told.into_iter().map(belongs).collect()
}

/// The DAGs of a file, with their defaults under them; `outer` is what the files of defaults say.
fn dags_in(
    root: &super::node::Node,
    source: &SourceFile,
    outer: &Mapping,
    problems: &mut Problems,
) -> Option<Vec<DagText>> {
    let mapping = match &root.value {
        Yaml::Map(mapping) => mapping,
        Yaml::Null => {
            problems.push(no_dag(root.place, "the file is empty"));
            return None;
        }
        _ => {
            let message = format!("a DAG file is a mapping, and this is {}", root.kind());
            problems.push(Problem::new(Code::WrongType, message, root.place, root.kind()));
            return None;
        }
    };
    if is_single(mapping) {
        let id_place = mapping.entries.first().map_or(root.place, |entry| entry.key_place);
        return Some(vec![DagText { id: source.stem().to_owned(), id_place, mapping: mapping.over(outer) }]);
    }
    let default = match mapping.get(DEFAULT_KEY) {
        None => None,
        Some(entry) => match &entry.value.value {
            Yaml::Null => None,
            Yaml::Map(default) => Some(default),
            _ => {
                let subject = Subject { key: DEFAULT_KEY, within: "" };
                problems.push(wrong_type(subject, &entry.value, "a mapping with keys of a DAG"));
                None
            }
        },
    };
    let default = default.map_or_else(|| outer.clone(), |default| default.over(outer));
    let texts = keyed(mapping, &default, problems);
    if texts.is_empty() && problems.list.is_empty() {
        problems.push(no_dag(root.place, "the file holds no DAG"));
    }
    Some(texts)
}

fn no_dag(place: Place, message: &str) -> Problem {
    Problem::new(Code::NoDag, message, place, "")
        .help("a DAG file has `tasks:` at the top, or mappings with `tasks:` under the ids of DAGs")
}

/// A file is one DAG when any key at its top is a word that only DAGs have.
fn is_single(mapping: &Mapping) -> bool {
    mapping.entries.iter().any(|entry| {
        let is_dag_word =
            names(DAG_KEYS).any(|known| known == entry.key) || find_refused(REFUSED_IN_DAGS, &entry.key).is_some();
        // A DAG may be called `owner`, but then it is a mapping with tasks; `tasks` itself is always what it says.
        let is_dag = entry.key != "tasks" && entry.value.as_map().is_some_and(|inner| inner.has("tasks"));
        is_dag_word && !is_dag
    })
}

fn keyed(mapping: &Mapping, default: &Mapping, problems: &mut Problems) -> Vec<DagText> {
    let mut texts = Vec::new();
    let default_weight = default.entries.iter().map(|entry| entry.value.weight).sum::<usize>();
    let mut weight: usize = 0;
    for entry in mapping.entries.iter().filter(|entry| entry.key != DEFAULT_KEY && !entry.key.starts_with("x-")) {
        let own = match &entry.value.value {
            Yaml::Map(own) => own,
            _ => {
                let message = format!("`{}` must be a DAG, and is {}", entry.key, entry.value.kind());
                let problem = Problem::new(Code::WrongType, message, entry.key_place, "not a DAG");
                let meant = closest(&entry.key, names(DAG_KEYS))
                    .map(|key| format!("did you mean `{key}`, as the key of a DAG at the top of the file?"));
                let problem = problem
                    .help("in a file with several DAGs each key is the id of one, and its value a mapping with `tasks`")
                    .maybe_help(meant);
                problems.push(Problem { dag_id: Some(entry.key.clone()), ..problem });
                continue;
            }
        };
        let mapping = own.over(default);
        weight = weight.saturating_add(entry.value.weight).saturating_add(default_weight);
        if texts.len() == DAGS_MAX || weight > NODES_MAX {
            let message = format!("the file holds more than {DAGS_MAX} DAGs, or {NODES_MAX} values in them");
            problems.push(
                Problem::new(Code::TooLarge, message, entry.key_place, "the limit is passed here")
                    .help("split the file, or make the `default` block smaller"),
            );
            break;
        }
        texts.push(DagText { id: entry.key.clone(), id_place: entry.key_place, mapping });
    }
    texts
}
