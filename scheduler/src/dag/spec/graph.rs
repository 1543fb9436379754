//! What is wrong with the graph, told with places in the text.

use std::collections::HashMap;

use super::problem::{Code, Problem};
use super::read_task::ReadTask;
use super::source::Place;
use super::suggest::did_you_mean;
use crate::dag::InvalidGraph;

/// A longer cycle is told by its first steps; the message names more of its tasks.
const EDGES_SHOWN_MAX: usize = 12;

/// Among more ids than that nearly every word is close to some other, and looking takes long.
const COMPARED_IDS_MAX: usize = 2_000;

/// Where ids and dependencies stand in the text, kept while the tasks themselves go into the graph.
pub(super) struct GraphPlaces {
    ids: HashMap<String, Vec<Place>>,
    dependencies: HashMap<(String, String), Place>,
}

impl GraphPlaces {
    pub fn of(tasks: &[ReadTask]) -> GraphPlaces {
        let mut places = GraphPlaces { ids: HashMap::new(), dependencies: HashMap::new() };
        for read in tasks {
            places.ids.entry(read.task.task_id.clone()).or_default().push(read.id_place);
            for (upstream, place) in &read.dependencies {
                places.dependencies.entry((read.task.task_id.clone(), upstream.clone())).or_insert(*place);
            }
        }
        places
    }

    /// Words one fault of the graph.
    pub fn problem(&self, fault: &InvalidGraph) -> Problem {
        match fault {
            InvalidGraph::DuplicateTask(id) => self.duplicate(id, fault),
            InvalidGraph::UnknownDependency { task, missing } => self.unknown(task, missing, fault),
            InvalidGraph::Cycle(path) => self.cycle(path, fault),
        }
    }

    fn duplicate(&self, id: &str, fault: &InvalidGraph) -> Problem {
        let places = self.ids.get(id).map(Vec::as_slice).unwrap_or_default();
        let again = places.last().copied().unwrap_or_default();
        let problem = Problem::new(Code::DuplicateTask, fault.to_string(), again, "again here");
        match places.first() {
            Some(first) if *first != again => problem.also(*first, "first here"),
            _ => problem,
        }
    }

    fn unknown(&self, task: &str, missing: &str, fault: &InvalidGraph) -> Problem {
        let place = self.dependency(task, missing);
        let mut known: Vec<&str> = Vec::new();
        if self.ids.len() <= COMPARED_IDS_MAX {
            known.extend(self.ids.keys().map(String::as_str).filter(|id| *id != task));
            known.sort_unstable();
        }
        Problem::new(Code::UnknownDependency, fault.to_string(), place, "no such task")
            .maybe_help(did_you_mean(missing, known))
    }

    fn cycle(&self, path: &[String], fault: &InvalidGraph) -> Problem {
        let mut edges = path.windows(2).take(EDGES_SHOWN_MAX).map(|pair| {
            let label = format!("`{}` waits for `{}`", pair[1], pair[0]);
            (self.dependency(&pair[1], &pair[0]), label)
        });
        let (place, label) = edges.next().unwrap_or_default();
        let problem =
            Problem::new(Code::Cycle, fault.to_string(), place, label).help("take one of these dependencies away");
        edges.fold(problem, |problem, (place, label)| problem.also(place, label))
    }

    fn dependency(&self, task: &str, upstream: &str) -> Place {
        self.dependencies.get(&(task.to_owned(), upstream.to_owned())).copied().unwrap_or_default()
    }
}
