//! The DAG that the engine works with: checked, normalised, in petgraph.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::callback::{DagCallbacks, TaskCallbacks};

/// A task's place in its DAG's graph. Means nothing outside the [`Dag`] that gave it.
pub type TaskIndex = NodeIndex<u32>;

/// A DAG definition.
#[derive(Clone, Debug)]
pub struct Dag {
    /// Unique within an installation.
    pub dag_id: String,
    /// One line for lists.
    pub description: Option<String>,
    /// Markdown for the DAG's page.
    pub doc_md: Option<String>,
    /// When runs are due.
    pub schedule: Schedule,
    /// The zone in which the schedule is meant, and in which people read its times.
    pub timezone: Tz,
    /// No run is due before it.
    pub start_date: Option<DateTime<Utc>>,
    /// No run is due after it (inclusive).
    pub end_date: Option<DateTime<Utc>>,
    /// How runs are made and bounded.
    pub runs: DagRunPolicy,
    /// For filters in lists.
    pub tags: BTreeSet<String>,
    /// Who to ask; several are separated by commas, as in Airflow.
    pub owner: String,
    /// What a run may be given, by name: each a JSON Schema whose `default` is the value used when nothing is given.
    pub params: BTreeMap<String, Param>,
    /// `default_args` as written, for people to read; tasks already hold what follows from it.
    pub default_args: Map<String, Value>,
    /// Whom its runs tell what became of them.
    pub callbacks: DagCallbacks,
    graph: DiGraph<Task, (), u32>,
    by_id: HashMap<String, TaskIndex>,
    topological: Vec<TaskIndex>,
}

/// How runs of a DAG are made and bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagRunPolicy {
    /// Whether runs missed in the past are made up for, one by one (Airflow 3: catchup; default false).
    pub catchup: bool,
    /// Most runs at the same time (Airflow 3: `max_active_runs`, default 16).
    pub max_active_runs: u32,
    /// Most task instances of one run at the same time (Airflow 3: `max_active_tasks`, default 16).
    pub max_active_tasks: u32,
    /// Whether a new DAG starts paused; the installation decides when absent (Airflow 3: paused).
    pub is_paused_upon_creation: Option<bool>,
    /// A run that takes longer fails (Airflow 3: `dagrun_timeout`).
    pub dagrun_timeout: Option<Duration>,
}

impl Default for DagRunPolicy {
    fn default() -> DagRunPolicy {
        DagRunPolicy {
            catchup: false,
            max_active_runs: 16,
            max_active_tasks: 16,
            is_paused_upon_creation: None,
            dagrun_timeout: None,
        }
    }
}

/// When runs of a DAG are due, as written. `crate::dag::timetable` computes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Only when somebody triggers it.
    Never,
    /// Once, at the start date.
    Once,
    /// Again as soon as the run before has ended.
    Continuous,
    /// At the ticks of a cron expression (5, 6 or 7 fields, or a preset such as `@daily`).
    Cron(String),
}

/// A param: its JSON Schema, and its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The value when nothing is given; absent means that one must be given.
    pub default: Option<Value>,
    /// For the form.
    pub description: Option<String>,
    /// JSON Schema 2020-12, without `default` and `description`; empty when anything goes.
    pub schema: Map<String, Value>,
}

/// A step of a DAG.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Unique within the DAG.
    pub task_id: String,
    /// The operator's short name, whatever alias was written.
    pub operator: String,
    /// The keys that belong to the operator, with their templates.
    pub args: Map<String, Value>,
    /// When it may start, given how its direct upstream tasks ended.
    pub trigger_rule: TriggerRule,
    /// Further tries after the first (Airflow 3: `retries`, default 0).
    pub retries: u32,
    /// The wait before another try (Airflow 3: 300 s).
    pub retry_delay: Duration,
    /// The factor by which the wait grows from try to try; 0 is off (Airflow 3: `retry_exponential_backoff`).
    pub retry_exponential_backoff: f64,
    /// The wait never grows beyond it.
    pub max_retry_delay: Option<Duration>,
    /// A try that takes longer is cancelled and counts as failed, retries apply.
    pub execution_timeout: Option<Duration>,
    /// Larger goes first when slots are short (Airflow 3: default 1).
    pub priority_weight: i32,
    /// The pool from which it takes slots.
    pub pool: String,
    /// How many.
    pub pool_slots: u32,
    /// Which workers may run it.
    pub queue: String,
    /// Who to ask.
    pub owner: String,
    /// Markdown for the task's page.
    pub doc_md: Option<String>,
    /// Whom it tells what becomes of it.
    pub callbacks: TaskCallbacks,
}

/// When a task may start, given its direct upstream tasks (Airflow 3: trigger rules).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerRule {
    /// All succeeded.
    #[default]
    AllSuccess,
    /// All ended, however.
    AllDone,
    /// None failed, and at least one succeeded (the rest skipped).
    NoneFailedMinOneSuccess,
}

/// Why tasks and dependencies do not make a DAG.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGraph {
    /// Two tasks have one id.
    #[error("task `{0}` is defined twice")]
    DuplicateTask(String),
    /// A dependency names no task.
    #[error("task `{task}` depends on `{missing}`, which is not a task of this DAG")]
    UnknownDependency {
        /// The task that depends.
        task: String,
        /// The name that is no task.
        missing: String,
    },
    /// Tasks that wait for each other, in order; the first follows the last.
    #[error("tasks wait for each other: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
}

/// The parts of a [`Dag`] besides its graph.
#[derive(Clone, Debug)]
pub struct DagHead {
    /// See [`Dag::dag_id`].
    pub dag_id: String,
    /// See [`Dag::description`].
    pub description: Option<String>,
    /// See [`Dag::doc_md`].
    pub doc_md: Option<String>,
    /// See [`Dag::schedule`].
    pub schedule: Schedule,
    /// See [`Dag::timezone`].
    pub timezone: Tz,
    /// See [`Dag::start_date`].
    pub start_date: Option<DateTime<Utc>>,
    /// See [`Dag::end_date`].
    pub end_date: Option<DateTime<Utc>>,
    /// See [`Dag::runs`].
    pub runs: DagRunPolicy,
    /// See [`Dag::tags`].
    pub tags: BTreeSet<String>,
    /// See [`Dag::owner`].
    pub owner: String,
    /// See [`Dag::params`].
    pub params: BTreeMap<String, Param>,
    /// See [`Dag::default_args`].
    pub default_args: Map<String, Value>,
    /// See [`Dag::callbacks`].
    pub callbacks: DagCallbacks,
}

impl Dag {
    /// Builds the graph from tasks and, for each, the ids of the tasks directly upstream of it.
    ///
    /// Returns every problem, not the first one.
    pub fn new(head: DagHead, tasks: Vec<(Task, Vec<String>)>) -> Result<Dag, Vec<InvalidGraph>> {
        let mut problems = Vec::new();
        let mut graph = DiGraph::with_capacity(tasks.len(), tasks.len());
        let mut by_id = HashMap::with_capacity(tasks.len());
        let mut wanted = Vec::with_capacity(tasks.len());
        for (task, upstream) in tasks {
            let task_id = task.task_id.clone();
            let index = graph.add_node(task);
            if by_id.insert(task_id.clone(), index).is_some() {
                problems.push(InvalidGraph::DuplicateTask(task_id));
            }
            wanted.push((index, upstream));
        }
        for (index, upstream) in wanted {
            let mut linked = HashSet::with_capacity(upstream.len());
            for missing_or_known in upstream {
                match by_id.get(&missing_or_known) {
                    // The same dependency written twice is one edge.
                    Some(&from) => {
                        if linked.insert(from) {
                            graph.add_edge(from, index, ());
                        }
                    }
                    None => problems.push(InvalidGraph::UnknownDependency {
                        task: graph[index].task_id.clone(),
                        missing: missing_or_known,
                    }),
                }
            }
        }
        problems.extend(cycles(&graph));
        if !problems.is_empty() {
            return Err(problems);
        }
        let topological = petgraph::algo::toposort(&graph, None)
            .map_err(|cycle| vec![InvalidGraph::Cycle(vec![graph[cycle.node_id()].task_id.clone()])])?;
        let DagHead {
            dag_id,
            description,
            doc_md,
            schedule,
            timezone,
            start_date,
            end_date,
            runs,
            tags,
            owner,
            params,
            default_args,
            callbacks,
        } = head;
        Ok(Dag {
            dag_id,
            description,
            doc_md,
            schedule,
            timezone,
            start_date,
            end_date,
            runs,
            tags,
            owner,
            params,
            default_args,
            callbacks,
            graph,
            by_id,
            topological,
        })
    }

    /// The number of tasks.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there is no task at all.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// The task at `index`.
    pub fn task(&self, index: TaskIndex) -> &Task {
        &self.graph[index]
    }

    /// The index of the task with that id.
    pub fn find(&self, task_id: &str) -> Option<TaskIndex> {
        self.by_id.get(task_id).copied()
    }

    /// All tasks in the order of the file; the n-th has the index n.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = (TaskIndex, &Task)> {
        self.graph.node_indices().map(|index| (index, &self.graph[index]))
    }

    /// All tasks, each after its upstream tasks.
    pub fn topological(&self) -> &[TaskIndex] {
        &self.topological
    }

    /// The tasks that `index` waits for.
    pub fn upstream(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> {
        self.graph.neighbors_directed(index, Direction::Incoming)
    }

    /// The tasks that wait for `index`.
    pub fn downstream(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> {
        self.graph.neighbors_directed(index, Direction::Outgoing)
    }
}

/// Every knot of tasks that wait for each other, one representative path through each.
fn cycles(graph: &DiGraph<Task, (), u32>) -> Vec<InvalidGraph> {
    // Kosaraju's way keeps its own stack; Tarjan's, in petgraph, recurses, and a chain of ten thousand tasks is long.
    petgraph::algo::kosaraju_scc(graph)
        .into_iter()
        .filter(|knot| knot.len() > 1 || graph.contains_edge(knot[0], knot[0]))
        .map(|knot| InvalidGraph::Cycle(path_through(graph, &knot)))
        .collect()
}

/// A closed walk within a strongly connected knot, found breadth first so that it is a short one.
fn path_through(graph: &DiGraph<Task, (), u32>, knot: &[TaskIndex]) -> Vec<String> {
    let members: BTreeSet<TaskIndex> = knot.iter().copied().collect();
    let start = *members.iter().next().expect("a knot has at least one member");
    let mut came_from: HashMap<TaskIndex, TaskIndex> = HashMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(here) = queue.pop_front() {
        for next in graph.neighbors(here).filter(|next| members.contains(next)) {
            if next == start {
                let mut path = vec![graph[start].task_id.clone()];
                let mut at = here;
                while at != start {
                    path.push(graph[at].task_id.clone());
                    at = came_from[&at];
                }
                path.push(graph[start].task_id.clone());
                path.reverse();
                return path;
            }
            if next != start && !came_from.contains_key(&next) {
                came_from.insert(next, here);
                queue.push_back(next);
            }
        }
    }
    vec![graph[start].task_id.clone()]
}
