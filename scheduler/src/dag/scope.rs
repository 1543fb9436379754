//! What follows from a DAG's graph once for all runs: leaves, the scopes of setups, mapped groups.

use std::collections::{BTreeSet, HashMap};

use petgraph::Direction;
use petgraph::graph::DiGraph;

use super::{MappedValues, Mapping, Task, TaskGroup, TaskIndex, TaskRole};

type Graph = DiGraph<Task, (), u32>;

/// What follows from a graph, by task.
#[derive(Clone, Debug)]
pub(super) struct Scopes {
    /// Whether the end of a run follows from how it ended.
    pub leaves: Vec<bool>,
    /// The setups further up than its direct upstream within whose scope it is.
    pub setups: Vec<Vec<TaskIndex>>,
    /// The reverse of `setups`.
    pub scoped: Vec<Vec<TaskIndex>>,
    /// What lies between a teardown's setups and it, besides what is directly upstream of it.
    pub taken_away_after: Vec<Vec<TaskIndex>>,
    /// The reverse of `taken_away_after`.
    pub teardowns: Vec<Vec<TaskIndex>>,
    /// The mapped group around it.
    pub mapped_groups: Vec<Option<usize>>,
    /// The tasks that are mapped over what a task leaves, and under which key.
    pub readers: Vec<Vec<(TaskIndex, String)>>,
}

impl Scopes {
    pub fn of(graph: &Graph, topological: &[TaskIndex], groups: &[TaskGroup]) -> Scopes {
        let leaves = leaves(graph);
        let has_setups = topological.iter().any(|&index| graph[index].role == TaskRole::Setup);
        let setups: Vec<Vec<TaskIndex>> = graph
            .node_indices()
            .map(|index| if has_setups { indirect_setups(graph, index) } else { Vec::new() })
            .collect();
        let scoped = reverse(&setups);
        let taken_away_after: Vec<Vec<TaskIndex>> = graph
            .node_indices()
            .map(|index| if has_setups { between_setups_and(graph, index) } else { Vec::new() })
            .collect();
        let teardowns = reverse(&taken_away_after);
        let by_id: HashMap<&str, usize> =
            groups.iter().enumerate().map(|(number, group)| (group.group_id.as_str(), number)).collect();
        let mapped_groups: Vec<Option<usize>> =
            graph.node_weights().map(|task| mapped_group(task.group.as_deref(), groups, &by_id)).collect();
        let readers = readers(graph, groups, &mapped_groups);
        Scopes { leaves, setups, scoped, taken_away_after, teardowns, mapped_groups, readers }
    }
}

/// For each task those that name it.
fn reverse(named: &[Vec<TaskIndex>]) -> Vec<Vec<TaskIndex>> {
    let mut by_named = vec![Vec::new(); named.len()];
    for (task, named) in named.iter().enumerate() {
        for other in named {
            by_named[other.index()].push(TaskIndex::new(task));
        }
    }
    by_named
}

fn readers(graph: &Graph, groups: &[TaskGroup], mapped_groups: &[Option<usize>]) -> Vec<Vec<(TaskIndex, String)>> {
    let mut readers = vec![Vec::new(); graph.node_count()];
    let mut by_id: Option<HashMap<&str, TaskIndex>> = None;
    for (task, definition) in graph.node_indices().zip(graph.node_weights()) {
        let group = || mapped_groups[task.index()].and_then(|number| groups[number].mapping.as_ref());
        for values in definition.mapping.as_ref().or_else(group).into_iter().flat_map(Mapping::values) {
            let MappedValues::Output { task_id, key } = values else { continue };
            let by_id = by_id.get_or_insert_with(|| {
                graph.node_indices().map(|index| (graph[index].task_id.as_str(), index)).collect()
            });
            if let Some(source) = by_id.get(task_id.as_str()) {
                readers[source.index()].push((task, key.clone()));
            }
        }
    }
    readers
}

/// Whether the end of a run follows from how a task ended, by task. Where nothing but teardowns are, the last of them count
/// (Airflow 3: `_tis_for_dagrun_state`).
fn leaves(graph: &Graph) -> Vec<bool> {
    let leaves: Vec<bool> = graph.node_indices().map(|index| is_leaf(graph, index)).collect();
    if leaves.contains(&true) {
        return leaves;
    }
    graph.node_indices().map(|index| graph.neighbors(index).next().is_none()).collect()
}

/// Airflow 3: `is_effective_leaf`. A teardown neither counts nor keeps what is before it from counting, unless its failure
/// fails the run.
fn is_leaf(graph: &Graph, index: TaskIndex) -> bool {
    let is_ignored = |index: TaskIndex| graph[index].role == TaskRole::Teardown { fails_run: false };
    !is_ignored(index) && graph.neighbors(index).all(is_ignored)
}

/// The setups upstream of a task in whose scope it is (Airflow 3: `get_upstreams_only_setups`): those without a teardown,
/// and those with a teardown that is still to come.
fn setups_in_scope(graph: &Graph, index: TaskIndex) -> Vec<TaskIndex> {
    let is_teardown = |index: &TaskIndex| matches!(graph[*index].role, TaskRole::Teardown { .. });
    let after = relatives(graph, index, Direction::Outgoing);
    relatives(graph, index, Direction::Incoming)
        .into_iter()
        .filter(|&setup| graph[setup].role == TaskRole::Setup)
        .filter(|&setup| {
            let mut teardowns = graph.neighbors(setup).filter(is_teardown).peekable();
            teardowns.peek().is_none() || teardowns.any(|teardown| after.contains(&teardown))
        })
        .collect()
}

fn indirect_setups(graph: &Graph, index: TaskIndex) -> Vec<TaskIndex> {
    if matches!(graph[index].role, TaskRole::Teardown { .. }) {
        return Vec::new();
    }
    let direct: BTreeSet<TaskIndex> = graph.neighbors_directed(index, Direction::Incoming).collect();
    setups_in_scope(graph, index).into_iter().filter(|setup| !direct.contains(setup)).collect()
}

/// What is upstream of a teardown, though not directly, and downstream of a setup directly before it (Airflow 3:
/// `_evaluate_teardown_scope`).
fn between_setups_and(graph: &Graph, teardown: TaskIndex) -> Vec<TaskIndex> {
    if !matches!(graph[teardown].role, TaskRole::Teardown { .. }) {
        return Vec::new();
    }
    let direct: BTreeSet<TaskIndex> = graph.neighbors_directed(teardown, Direction::Incoming).collect();
    let setups = direct.iter().filter(|before| graph[**before].role == TaskRole::Setup);
    let after: BTreeSet<TaskIndex> = setups.flat_map(|setup| relatives(graph, *setup, Direction::Outgoing)).collect();
    let before = relatives(graph, teardown, Direction::Incoming);
    before.intersection(&after).filter(|within| !direct.contains(within)).copied().collect()
}

/// See [`super::Dag::setups_and_teardowns`].
pub(super) fn setups_and_teardowns(graph: &Graph, index: TaskIndex) -> BTreeSet<TaskIndex> {
    let setups = match graph[index].role {
        TaskRole::Work => setups_in_scope(graph, index),
        TaskRole::Setup => vec![index],
        TaskRole::Teardown { .. } => Vec::new(),
    };
    let mut found = BTreeSet::new();
    for setup in setups {
        found.insert(setup);
        found.extend(graph.neighbors(setup).filter(|&next| matches!(graph[next].role, TaskRole::Teardown { .. })));
    }
    found
}

/// Everything that can be reached from `from` in one direction, itself left out.
pub(super) fn relatives(graph: &Graph, from: TaskIndex, direction: Direction) -> BTreeSet<TaskIndex> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(index) = open.pop() {
        open.extend(graph.neighbors_directed(index, direction).filter(|&next| found.insert(next)));
    }
    found
}

fn mapped_group(innermost: Option<&str>, groups: &[TaskGroup], by_id: &HashMap<&str, usize>) -> Option<usize> {
    let mut next = innermost;
    while let Some(&number) = next.and_then(|id| by_id.get(id)) {
        if groups[number].mapping.is_some() {
            return Some(number);
        }
        next = groups[number].parent.as_deref();
    }
    None
}
