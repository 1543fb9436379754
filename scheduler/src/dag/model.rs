//! The DAG that the engine works with: checked, normalised, in petgraph.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::asset::Asset;
use super::callback::{DagCallbacks, TaskCallbacks};
use super::run_policy::DagRunPolicy;
use super::schedule::Schedule;
use super::scope::{self, Scopes};
use super::weight::{self, WeightRule};

/// A task's place in its DAG's graph. Means nothing outside the [`Dag`] that gave it.
pub type TaskIndex = NodeIndex<u32>;

/// A DAG definition: what it says of itself, and its tasks in a graph. The head is read as if its fields were the DAG's.
#[derive(Clone, Debug)]
pub struct Dag {
    head: DagHead,
    graph: DiGraph<Task, (), u32>,
    by_id: HashMap<String, TaskIndex>,
    topological: Vec<TaskIndex>,
    /// What each task weighs by its weight rule.
    weights: Vec<i32>,
    /// What follows from the graph.
    scopes: Scopes,
}

impl std::ops::Deref for Dag {
    type Target = DagHead;

    fn deref(&self) -> &DagHead {
        &self.head
    }
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
    /// What people see in its place, where it has a second name (Airflow 3: `task_display_name`).
    pub display_name: Option<String>,
    /// The operator's short name, whatever alias was written.
    pub operator: String,
    /// The keys that belong to the operator, with their templates.
    pub args: Map<String, Value>,
    /// When it may start, given how its direct upstream tasks ended.
    pub trigger_rule: TriggerRule,
    /// Whether it makes or takes away what others work with.
    pub role: TaskRole,
    /// It does not run in runs with an earlier logical date.
    pub start_date: Option<DateTime<Utc>>,
    /// It does not run in runs with a later logical date.
    pub end_date: Option<DateTime<Utc>>,
    /// Whether it waits for the run before.
    pub past: PastDependency,
    /// Whether it waits so, too, before it is skipped (Airflow 3: `wait_for_past_depends_before_skipping`).
    pub past_before_skipping: bool,
    /// Whether it does not wait so in the first run that has it (Airflow 3: `ignore_first_depends_on_past`, default false).
    pub ignores_first_past: bool,
    /// Params of its own, over those of the DAG.
    pub params: BTreeMap<String, Param>,
    /// The innermost group around it, by id.
    pub group: Option<String>,
    /// What it is made of several times, once for each; tasks of a mapped group are mapped with it.
    pub mapping: Option<Mapping>,
    /// A template that names each of its instances when it is mapped (Airflow 3: `map_index_template`).
    pub map_index_template: Option<String>,
    /// Further tries after the first (Airflow 3: `retries`, default 0).
    pub retries: u32,
    /// The wait before another try (Airflow 3: 300 s).
    pub retry_delay: Duration,
    /// The factor by which the wait grows from try to try; 0 is off (Airflow 3: `retry_exponential_backoff`).
    pub retry_exponential_backoff: f64,
    /// The wait never grows beyond it.
    pub max_retry_delay: Option<Duration>,
    /// What is done about certain failures; the first rule that fits counts, and without one `retries` apply.
    pub retry_policy: Vec<RetryRule>,
    /// A try that takes longer is cancelled and counts as failed, retries apply.
    pub execution_timeout: Option<Duration>,
    /// Its own weight, of which [`Dag::weight`] is made (Airflow 3: default 1).
    pub priority_weight: i32,
    /// Whose weights count besides its own.
    pub weight_rule: WeightRule,
    /// The pool from which it takes slots.
    pub pool: String,
    /// How many.
    pub pool_slots: u32,
    /// Most instances of it at the same time, over all runs (Airflow 3: `max_active_tis_per_dag`).
    pub max_active_tis_per_dag: Option<u32>,
    /// Most instances of it at the same time within a run, when it is mapped (Airflow 3: `max_active_tis_per_dagrun`).
    pub max_active_tis_per_dagrun: Option<u32>,
    /// Which workers may run it.
    pub queue: String,
    /// Who to ask.
    pub owner: String,
    /// The addresses that its `email` names, for its processes to know. Who gets mail says [`Task::callbacks`].
    pub email: Vec<String>,
    /// Markdown for the task's page.
    pub doc_md: Option<String>,
    /// Whom it tells what becomes of it.
    pub callbacks: TaskCallbacks,
    /// The assets that it makes, which DAGs may wait for (Airflow 3: outlets).
    pub outlets: Vec<Asset>,
    /// The names under which it finds further assets while it runs (Airflow 3: AssetAlias among the outlets).
    pub outlet_aliases: Vec<String>,
    /// The assets that it reads, for people to see (Airflow 3: inlets).
    pub inlets: Vec<Asset>,
    /// What becomes of what its operator answers.
    pub answer: AnswerPolicy,
}

impl Task {
    /// Why a run of that logical date is none of its business; nothing when it is (Airflow 3 gives such a run no instance of
    /// the task).
    pub fn out_of_date(&self, logical_date: DateTime<Utc>) -> Option<String> {
        let iso = |date: DateTime<Utc>| date.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let (bound, how, key) = match (self.start_date, self.end_date) {
            (Some(start), _) if logical_date < start => (start, "before", "start_date"),
            (_, Some(end)) if logical_date > end => (end, "after", "end_date"),
            _ => return None,
        };
        Some(format!("the logical date {} is {how} the task's {key} {}", iso(logical_date), iso(bound)))
    }
}

/// What becomes of what the operator of a task answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerPolicy {
    /// Whether it is the XCom `return_value` (Airflow 3: `do_xcom_push`).
    pub is_kept: bool,
    /// Whether each of its entries is an XCom, too, if it is kept (Airflow 3: `multiple_outputs`).
    pub is_split: bool,
}

impl Default for AnswerPolicy {
    fn default() -> AnswerPolicy {
        AnswerPolicy { is_kept: true, is_split: false }
    }
}

/// When a task may start, given its direct upstream tasks (Airflow 3: trigger rules).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerRule {
    /// All succeeded.
    #[default]
    AllSuccess,
    /// All failed, or could not run because something before them failed.
    AllFailed,
    /// All ended, however.
    AllDone,
    /// All ended, none was skipped, and at least one succeeded.
    AllDoneMinOneSuccess,
    /// All were skipped.
    AllSkipped,
    /// One succeeded; the others are not waited for.
    OneSuccess,
    /// One failed; the others are not waited for.
    OneFailed,
    /// One succeeded or failed; the others are not waited for.
    OneDone,
    /// None failed: each succeeded or was skipped.
    NoneFailed,
    /// None failed, and at least one succeeded (the rest skipped).
    NoneFailedMinOneSuccess,
    /// All ended, and none was skipped.
    NoneSkipped,
    /// At once, whatever the others do.
    Always,
    /// All ended, and a setup among them succeeded: the rule of teardowns, and only theirs.
    AllDoneSetupSuccess,
}

/// Whether a task makes or takes away what others work with (Airflow 3: setup and teardown).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskRole {
    /// Neither.
    #[default]
    Work,
    /// It makes something; the tasks between it and its teardowns need it to have succeeded.
    Setup,
    /// It takes away what its setups made, however the work went.
    Teardown {
        /// Whether its failure fails the run (Airflow 3: `on_failure_fail_dagrun`).
        fails_run: bool,
    },
}

/// Whether a task waits for the run before (Airflow 3: `depends_on_past`, `wait_for_downstream`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PastDependency {
    /// It does not.
    #[default]
    None,
    /// Until it has succeeded or was skipped there.
    Itself,
    /// Until it and its direct downstream tasks have.
    ItselfAndDownstream,
}

/// What is done about a certain kind of failure (Airflow 3: retry policy).
#[derive(Clone, Debug, PartialEq)]
pub struct RetryRule {
    /// The exit codes that it is about; empty when it asks for none.
    pub exit_codes: Vec<i32>,
    /// What the error says: a text that is in it, or a regular expression between slashes.
    pub error: Option<String>,
    /// What is done.
    pub action: RetryAction,
}

/// What is done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAction {
    /// Another try, as far as `retries` go.
    Retry {
        /// After this time, instead of the task's own.
        delay: Option<Duration>,
    },
    /// No other try.
    Fail,
}

/// What is mapped over has at most so many items (Airflow 3: `max_map_length`).
pub const MAP_LENGTH_MAX: u32 = 1024;

/// A group of tasks (Airflow 3: TaskGroup).
#[derive(Clone, Debug, PartialEq)]
pub struct TaskGroup {
    /// Unique within the DAG, and different from every task's id.
    pub group_id: String,
    /// What people see in its place, where it has a second name (Airflow 3: `group_display_name`).
    pub display_name: Option<String>,
    /// The group around it.
    pub parent: Option<String>,
    /// One line for the graph.
    pub tooltip: Option<String>,
    /// What the group is made of several times, once for each.
    pub mapping: Option<Mapping>,
}

/// What makes several instances of a task, or of a group (Airflow 3: dynamic task mapping).
#[derive(Clone, Debug, PartialEq)]
pub enum Mapping {
    /// One instance for each combination of the values of these arguments; the last argument changes fastest.
    Product(Vec<(String, MappedValues)>),
    /// One instance for each mapping of arguments.
    Kwargs(MappedValues),
}

/// The values over which is mapped.
#[derive(Clone, Debug, PartialEq)]
pub enum MappedValues {
    /// As written. A mapping stands for its pairs of key and value.
    Literal(Vec<Value>),
    /// The list or mapping that a task leaves.
    Output {
        /// Which task.
        task_id: String,
        /// Under which key.
        key: String,
    },
}

impl Mapping {
    /// All values over which is mapped, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut MappedValues> {
        let (product, kwargs) = match self {
            Mapping::Product(arguments) => (Some(arguments), None),
            Mapping::Kwargs(values) => (None, Some(values)),
        };
        product.into_iter().flatten().map(|(_, values)| values).chain(kwargs)
    }

    /// All values over which is mapped.
    pub fn values(&self) -> impl Iterator<Item = &MappedValues> {
        let (product, kwargs) = match self {
            Mapping::Product(arguments) => (Some(arguments), None),
            Mapping::Kwargs(values) => (None, Some(values)),
        };
        product.into_iter().flatten().map(|(_, values)| values).chain(kwargs)
    }
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

/// What a [`Dag`] says of itself, besides its tasks.
#[derive(Clone, Debug)]
pub struct DagHead {
    /// Unique within an installation.
    pub dag_id: String,
    /// What people see in its place, where it has a second name (Airflow 3: `dag_display_name`).
    pub display_name: Option<String>,
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
    /// Where owners are reached: URLs by owner (Airflow 3: `owner_links`).
    pub owner_links: BTreeMap<String, String>,
    /// What a run may be given, by name: each a JSON Schema whose `default` is the value used when nothing is given.
    pub params: BTreeMap<String, Param>,
    /// `default_args` as written, for people to read; tasks already hold what follows from it.
    pub default_args: Map<String, Value>,
    /// Folders in which template files are looked for after that of the DAG file (Airflow 3: `template_searchpath`).
    pub template_searchpath: Vec<String>,
    /// Whom its runs tell what became of them.
    pub callbacks: DagCallbacks,
    /// The groups of tasks, outer ones before inner ones.
    pub groups: Vec<TaskGroup>,
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
        let scopes = Scopes::of(&graph, &topological, &head.groups);
        let weights = weight::effective(&graph, &topological);
        Ok(Dag { head, graph, by_id, topological, weights, scopes })
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

    /// How heavy the task at `index` is when slots are short: what its weight rule makes of the weights around it.
    pub fn weight(&self, index: TaskIndex) -> i32 {
        self.weights[index.index()]
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

    /// Everything upstream (`Incoming`) or downstream (`Outgoing`) of `from`, itself left out.
    pub fn relatives(&self, from: TaskIndex, direction: Direction) -> BTreeSet<TaskIndex> {
        scope::relatives(&self.graph, from, direction)
    }

    /// Whether how a run ends follows from how this task ended (Airflow 3: leaves; teardowns count only when they say so).
    pub fn is_leaf(&self, index: TaskIndex) -> bool {
        self.scopes.leaves[index.index()]
    }

    /// The setups that must have succeeded before this task may start, besides those directly upstream.
    pub fn indirect_setups(&self, index: TaskIndex) -> &[TaskIndex] {
        &self.scopes.setups[index.index()]
    }

    /// What is cleared with a task: the setups in whose scope it is, with their teardowns; of a setup, its own teardowns
    /// (Airflow 3: `partial_subset`).
    pub fn setups_and_teardowns(&self, index: TaskIndex) -> BTreeSet<TaskIndex> {
        scope::setups_and_teardowns(&self.graph, index)
    }

    /// What a teardown waits for, besides what is directly upstream of it: everything between its setups and it.
    pub fn scope_of_teardown(&self, teardown: TaskIndex) -> &[TaskIndex] {
        &self.scopes.taken_away_after[teardown.index()]
    }

    /// The tasks whose start may hang on how this one ended: those directly downstream, those that are mapped over it, those
    /// in whose scope it is a setup, and the teardowns of the scope that it is in.
    pub fn waiting_for(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> {
        let scoped = self.scopes.scoped[index.index()].iter().copied();
        let teardowns = self.scopes.teardowns[index.index()].iter().copied();
        self.downstream(index).chain(self.readers(index)).chain(scoped).chain(teardowns)
    }

    /// The tasks that are mapped over something that this one leaves.
    pub fn readers(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> {
        self.scopes.readers[index.index()].iter().map(|(reader, _)| *reader)
    }

    /// A task that is mapped over what this one answers, if there is one.
    pub fn mapped_over(&self, index: TaskIndex) -> Option<TaskIndex> {
        self.scopes.readers[index.index()].iter().find(|(_, key)| key == "return_value").map(|(reader, _)| *reader)
    }

    /// What makes several instances of a task: its own mapping, or that of a group around it.
    pub fn mapping(&self, index: TaskIndex) -> Option<&Mapping> {
        let own = self.task(index).mapping.as_ref();
        own.or_else(|| self.groups[self.scopes.mapped_groups[index.index()]?].mapping.as_ref())
    }

    /// Whether the instances of two tasks go in pairs, because one mapped group is around both.
    pub fn are_mapped_together(&self, one: TaskIndex, other: TaskIndex) -> bool {
        let group = self.scopes.mapped_groups[one.index()];
        group.is_some() && group == self.scopes.mapped_groups[other.index()]
    }

    /// Whether any task waits for the run before.
    pub fn depends_on_past(&self) -> bool {
        self.graph.node_weights().any(|task| task.past != PastDependency::None)
    }

    /// The tasks within a group and the groups inside it.
    pub fn tasks_in(&self, group_id: &str) -> impl Iterator<Item = TaskIndex> {
        self.tasks().filter(|(_, task)| self.is_within(task.group.as_deref(), group_id)).map(|(index, _)| index)
    }

    fn is_within(&self, group: Option<&str>, outer: &str) -> bool {
        let mut group = group;
        while let Some(id) = group {
            if id == outer {
                return true;
            }
            group = self.groups.iter().find(|known| known.group_id == id).and_then(|known| known.parent.as_deref());
        }
        false
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
