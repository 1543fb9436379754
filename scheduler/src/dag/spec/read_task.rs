//! One task: the keys that every task has, and the arguments of its operator.

use std::time::Duration;

use serde_json::Map;

use super::arguments::{self, OperatorSchemas};
use super::collect::{Problems, Subject, names};
use super::keys::{REFUSED_IN_TASKS, TASK_KEYS, find_refused};
use super::node::{Entry, Mapping};
use super::problem::{Code, Problem};
use super::source::Place;
use super::suggest::did_you_mean;
use super::{schedule, values};
use crate::dag::{PastDependency, Task, TaskRole, TriggerRule, WeightRule};
use crate::operator::{ErasedOperator, Registry};

/// A task as it was read, with what the graph needs to know of the text.
pub(super) struct ReadTask {
    pub task: Task,
    pub id_place: Place,
    pub dependencies: Vec<(String, Place)>,
}

/// A task that says nothing, with Airflow's defaults.
pub(super) fn blank_task() -> Task {
    Task {
        task_id: String::new(),
        operator: String::new(),
        args: Map::new(),
        trigger_rule: TriggerRule::AllSuccess,
        role: TaskRole::Work,
        past: PastDependency::None,
        group: None,
        mapping: None,
        map_index_template: None,
        retries: 0,
        retry_delay: Duration::from_mins(5),
        retry_exponential_backoff: 0.0,
        max_retry_delay: None,
        execution_timeout: None,
        priority_weight: 1,
        weight_rule: WeightRule::Downstream,
        pool: "default_pool".to_owned(),
        pool_slots: 1,
        max_active_tis_per_dag: None,
        max_active_tis_per_dagrun: None,
        queue: "default".to_owned(),
        owner: "airflow".to_owned(),
        doc_md: None,
        outlets: Vec::new(),
        inlets: Vec::new(),
    }
}

/// The keys that every task has, `base` with those of `mapping` over it; a null is Airflow's way to say "as if absent".
pub(super) fn overlaid(base: &Task, mapping: &Mapping, within: &str, problems: &mut Problems) -> Task {
    let mut task = base.clone();
    for entry in &mapping.entries {
        let node = &entry.value;
        if matches!(node.value, super::node::Yaml::Null) {
            match entry.key.as_str() {
                "max_retry_delay" => task.max_retry_delay = None,
                "execution_timeout" => task.execution_timeout = None,
                "max_active_tis_per_dag" => task.max_active_tis_per_dag = None,
                "max_active_tis_per_dagrun" => task.max_active_tis_per_dagrun = None,
                "doc_md" => task.doc_md = None,
                _ => (),
            }
            continue;
        }
        let subject = Subject { key: &entry.key, within };
        set(&mut task, subject, entry, problems);
    }
    task
}

fn set(task: &mut Task, subject: Subject<'_>, entry: &Entry, problems: &mut Problems) {
    fn into<T>(slot: &mut T, result: Result<T, Problem>, problems: &mut Problems) {
        if let Some(value) = problems.keep(result) {
            *slot = value;
        }
    }
    let node = &entry.value;
    match entry.key.as_str() {
        "trigger_rule" => into(&mut task.trigger_rule, values::trigger_rule(subject, node), problems),
        "retries" => into(&mut task.retries, values::count(subject, node, 0), problems),
        "retry_delay" => into(&mut task.retry_delay, values::duration(subject, node), problems),
        "retry_exponential_backoff" => {
            into(&mut task.retry_exponential_backoff, values::factor(subject, node), problems);
        }
        "max_retry_delay" => {
            into(&mut task.max_retry_delay, values::duration(subject, node).map(Some), problems);
        }
        "execution_timeout" => {
            into(&mut task.execution_timeout, values::duration(subject, node).map(Some), problems);
        }
        "priority_weight" => into(&mut task.priority_weight, values::integer(subject, node), problems),
        "weight_rule" => into(&mut task.weight_rule, values::weight_rule(subject, node), problems),
        "pool" => into(&mut task.pool, values::text(subject, node), problems),
        "pool_slots" => into(&mut task.pool_slots, values::count(subject, node, 1), problems),
        "max_active_tis_per_dag" => {
            into(&mut task.max_active_tis_per_dag, values::count(subject, node, 1).map(Some), problems);
        }
        "max_active_tis_per_dagrun" => {
            into(&mut task.max_active_tis_per_dagrun, values::count(subject, node, 1).map(Some), problems);
        }
        "queue" => into(&mut task.queue, values::text(subject, node), problems),
        "owner" => into(&mut task.owner, values::text(subject, node), problems),
        "doc_md" => into(&mut task.doc_md, values::text(subject, node).map(Some), problems),
        "outlets" => {
            if let Some(assets) = schedule::assets(subject, node, problems) {
                task.outlets = assets;
            }
        }
        "inlets" => {
            if let Some(assets) = schedule::assets(subject, node, problems) {
                task.inlets = assets;
            }
        }
        _ => (),
    }
}

/// What tasks of one DAG share.
pub(super) struct TaskReader<'a> {
    pub registry: &'a Registry,
    pub schemas: &'a mut OperatorSchemas,
    pub source: &'a str,
    /// What a task has unless it says otherwise; its id, operator and arguments are blank.
    pub defaults: Task,
    /// Arguments of operators in `default_args`.
    pub default_arguments: Mapping,
}

impl TaskReader<'_> {
    /// Reads a task. Mistakes are noted, and defaults stand in for what is wrong, so that the graph can still be checked.
    pub fn read(&mut self, id: &str, id_place: Place, mapping: &Mapping, problems: &mut Problems) -> ReadTask {
        problems.keep(values::check_id("task", id, id_place));
        let within = format!("task `{id}`");
        let common = overlaid(&self.defaults, mapping, &within, problems);
        let dependencies = dependencies(mapping, &within, problems);
        let operator = self.operator(mapping, &within, id_place, problems);
        let own = self.own_arguments(mapping, operator.as_ref(), &within, problems);
        let (name, args) = match operator {
            None => {
                arguments::check_templates(self.source, &own, problems);
                (String::new(), own.to_json())
            }
            Some(operator) => {
                let complete = self.with_defaults(own, &operator);
                let operator_place = mapping.get("operator").map_or(id_place, |entry| entry.value.place);
                arguments::check(self, &operator, operator_place, &complete, problems);
                (operator.name.to_owned(), complete.to_json())
            }
        };
        ReadTask { task: Task { task_id: id.to_owned(), operator: name, args, ..common }, id_place, dependencies }
    }

    fn operator(
        &self,
        mapping: &Mapping,
        within: &str,
        id_place: Place,
        problems: &mut Problems,
    ) -> Option<ErasedOperator> {
        let Some(entry) = mapping.get("operator") else {
            // Where a decorator stands, its refusal says enough.
            if !mapping.has("decorator") {
                let message = format!("{within} has no `operator`");
                problems.push(
                    Problem::new(Code::MissingKey, message, id_place, "this task")
                        .help("`operator` says what the task does, for example `operator: bash`"),
                );
            }
            return None;
        };
        let name = problems.keep(values::text(Subject { key: "operator", within }, &entry.value))?;
        let found = self.registry.find(&name).cloned();
        if found.is_none() {
            let short = name.rsplit('.').next().unwrap_or(&name);
            let known: Vec<&str> = self
                .registry
                .iter()
                .flat_map(|operator| std::iter::once(operator.name).chain(operator.airflow_classes.iter().copied()))
                .collect();
            let help = did_you_mean(short, known.iter().copied()).unwrap_or_else(|| {
                let names: Vec<&str> = self.registry.iter().map(|operator| operator.name).collect();
                format!("the operators are {}", names.join(", "))
            });
            let message = format!("there is no operator `{name}`");
            problems
                .push(Problem::new(Code::UnknownOperator, message, entry.value.place, "unknown operator").help(help));
        }
        found
    }

    /// The keys that are neither every task's nor refused.
    fn own_arguments(
        &mut self,
        mapping: &Mapping,
        operator: Option<&ErasedOperator>,
        within: &str,
        problems: &mut Problems,
    ) -> Mapping {
        let known = operator.map(|operator| self.schemas.of(operator));
        let mut own = Mapping::default();
        for entry in &mapping.entries {
            let name = entry.key.as_str();
            if names(TASK_KEYS).any(|key| key == name) {
                continue;
            }
            let is_argument = known.as_ref().is_some_and(|schema| schema.has(name));
            match find_refused(REFUSED_IN_TASKS, name) {
                Some(refused) if !is_argument => problems.refuse(entry, refused),
                _ if is_argument || known.is_none() => own.entries.push(entry.clone()),
                _ => self.unknown_argument(entry, operator, within, problems),
            }
        }
        own
    }

    fn unknown_argument(
        &mut self,
        entry: &Entry,
        operator: Option<&ErasedOperator>,
        within: &str,
        problems: &mut Problems,
    ) {
        let Some(operator) = operator.filter(|_| !problems.is_full()) else { return };
        let schema = self.schemas.of(operator);
        let message = format!("operator `{}` has no argument `{}`, and {within} no such key", operator.name, entry.key);
        let known = schema.names().chain(names(TASK_KEYS));
        let problem = Problem::new(Code::UnknownArgument, message, entry.key_place, "unknown key");
        let arguments = schema.names().collect::<Vec<_>>().join(", ");
        let listed = (!arguments.is_empty()).then(|| format!("the arguments of `{}` are {arguments}", operator.name));
        problems.push(problem.maybe_help(listed).maybe_help(did_you_mean(&entry.key, known)));
    }

    fn with_defaults(&mut self, mut own: Mapping, operator: &ErasedOperator) -> Mapping {
        let schema = self.schemas.of(operator);
        for entry in &self.default_arguments.entries {
            if schema.has(&entry.key) && !own.has(&entry.key) {
                own.entries.push(entry.clone());
            }
        }
        own
    }
}

fn dependencies(mapping: &Mapping, within: &str, problems: &mut Problems) -> Vec<(String, Place)> {
    let Some(entry) = mapping.get("dependencies") else { return Vec::new() };
    if matches!(entry.value.value, super::node::Yaml::Null) {
        return Vec::new();
    }
    match values::texts(Subject { key: "dependencies", within }, &entry.value, "a list of task ids") {
        Ok(dependencies) => dependencies,
        Err(list) => {
            problems.list.extend(list);
            Vec::new()
        }
    }
}
