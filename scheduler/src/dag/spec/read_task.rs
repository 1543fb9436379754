//! One task: the keys that every task has, and the arguments of its operator.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;
use serde_json::Map;

use super::airflow_arguments;
use super::arguments::{self, OperatorSchemas, TemplateCheck};
use super::collect::{Problems, Subject, names};
use super::keys::TASK_KEYS;
use super::node::{Entry, Mapping, Yaml};
use super::problem::{Code, Problem};
use super::read_callbacks::{CallbackReader, Told};
use super::read_groups::Groups;
use super::read_mapping::{self, ReadMapping};
use super::refused::{REFUSED_IN_TASKS, find_refused};
use super::source::Place;
use super::suggest::did_you_mean;
use super::template_files::FileMention;
use super::{objects, read_dates, read_params, read_retry, schedule, values};
use crate::dag::callback::TaskCallbacks;
use crate::dag::{AnswerPolicy, PastDependency, Task, TaskRole, TriggerRule, WeightRule, template};
use crate::operator::{AirflowClass, ErasedOperator, Registry};

/// A key of tasks that an operator may have for itself: what it asks people for.
const PARAMS: &str = "params";

/// Another, when a mapping stands there, which addresses never are: a mail that it writes.
pub(super) const EMAIL: &str = "email";

/// A task as it was read, with what the graph needs to know of the text.
pub(super) struct ReadTask {
    pub task: Task,
    /// As it is written, without the ids of the groups around it.
    pub name: String,
    pub id_place: Place,
    /// The group that it is in.
    pub group: Option<usize>,
    pub dependencies: Vec<(String, Place)>,
    /// The setups that it names as a teardown.
    pub setups: Vec<(String, Place)>,
    /// What it is mapped over; it comes into the task when it is known which tasks are meant.
    pub mapping: Option<ReadMapping>,
    /// Where its trigger rule stands, if it says one itself.
    pub rule_place: Option<Place>,
}

impl ReadTask {
    /// "task `load`".
    pub fn subject(&self) -> String {
        format!("task `{}`", self.task.task_id)
    }

    /// The task as the DAG has it, with the ids of what it waits for.
    pub fn into_model(self) -> (Task, Vec<String>) {
        let task = Task { mapping: self.mapping.map(|read| read.mapping), ..self.task };
        (task, self.dependencies.into_iter().map(|(id, _)| id).collect())
    }
}

/// What tasks have unless they say otherwise.
#[derive(Clone)]
pub(super) struct Defaults {
    /// Its id, operator and arguments are blank.
    pub task: Task,
    /// Arguments of operators.
    pub arguments: Mapping,
    /// Whom it tells; the task holds the callbacks that follow from it.
    pub told: Told,
}

impl Defaults {
    /// These, with the `default_args` of a group laid over them.
    pub fn within(
        &self,
        default_args: &Mapping,
        within: &str,
        callbacks: &mut CallbackReader<'_>,
        problems: &mut Problems,
    ) -> Defaults {
        let arguments = default_args.entries.iter().filter(|entry| !names(TASK_KEYS).any(|key| key == entry.key));
        let own = Mapping { entries: arguments.cloned().collect() };
        let mut task = overlaid(&self.task, default_args, within, problems);
        with_params(&mut task, default_args, problems);
        let told = self.told.overlaid(default_args, within, callbacks, problems).unwrap_or_else(|| self.told.clone());
        told.tell_of(&mut task);
        Defaults { task, arguments: own.laid_over(&self.arguments), told }
    }
}

fn is_mapping(entry: &Entry) -> bool {
    matches!(entry.value.value, Yaml::Map(_))
}

/// A task that says nothing, with Airflow's defaults.
pub(super) fn blank_task() -> Task {
    Task {
        task_id: String::new(),
        display_name: None,
        operator: String::new(),
        args: Map::new(),
        trigger_rule: TriggerRule::AllSuccess,
        role: TaskRole::Work,
        start_date: None,
        end_date: None,
        past: PastDependency::None,
        past_before_skipping: false,
        ignores_first_past: false,
        params: BTreeMap::new(),
        group: None,
        mapping: None,
        map_index_template: None,
        retries: 0,
        retry_delay: Duration::from_mins(5),
        retry_exponential_backoff: 0.0,
        max_retry_delay: None,
        retry_policy: Vec::new(),
        execution_timeout: None,
        priority_weight: 1,
        weight_rule: WeightRule::Downstream,
        pool: "default_pool".to_owned(),
        pool_slots: 1,
        max_active_tis_per_dag: None,
        max_active_tis_per_dagrun: None,
        queue: "default".to_owned(),
        owner: "airflow".to_owned(),
        email: Vec::new(),
        doc_md: None,
        callbacks: TaskCallbacks::default(),
        outlets: Vec::new(),
        outlet_aliases: Vec::new(),
        inlets: Vec::new(),
        answer: AnswerPolicy::default(),
    }
}

/// The keys that every task has, `base` with those of `mapping` over it; a null is Airflow's way to say "as if absent".
pub(super) fn overlaid(base: &Task, mapping: &Mapping, within: &str, problems: &mut Problems) -> Task {
    let mut task = base.clone();
    for entry in &mapping.entries {
        let node = &entry.value;
        if matches!(node.value, Yaml::Null) {
            match entry.key.as_str() {
                "max_retry_delay" => task.max_retry_delay = None,
                "execution_timeout" => task.execution_timeout = None,
                "max_active_tis_per_dag" => task.max_active_tis_per_dag = None,
                "max_active_tis_per_dagrun" => task.max_active_tis_per_dagrun = None,
                "doc_md" => task.doc_md = None,
                "map_index_template" => task.map_index_template = None,
                "retry_policy" => task.retry_policy.clear(),
                _ => (),
            }
            continue;
        }
        let subject = Subject { key: &entry.key, within };
        set(&mut task, subject, entry, problems);
    }
    task
}

/// The params of `default_args`. Those that a task does not give itself stay (Airflow 3); a task's own are read where its
/// operator is known, which may call an argument so.
pub(super) fn with_params(task: &mut Task, default_args: &Mapping, problems: &mut Problems) {
    if let Some(entry) = default_args.get(PARAMS).filter(|entry| !matches!(entry.value.value, Yaml::Null)) {
        task.params.extend(read_params::read(entry, false, problems));
    }
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
        "task_display_name" => {
            into(&mut task.display_name, values::display_name(subject, node).map(Some), problems);
        }
        "do_xcom_push" => into(&mut task.answer.is_kept, values::boolean(subject, node), problems),
        "multiple_outputs" => into(&mut task.answer.is_split, values::boolean(subject, node), problems),
        "outlets" => {
            if let Some(outlets) = schedule::outlets(subject, node, problems) {
                (task.outlets, task.outlet_aliases) = outlets;
            }
        }
        "inlets" => {
            if let Some(assets) = schedule::assets(subject, node, problems) {
                task.inlets = assets;
            }
        }
        // The graph.
        "depends_on_past" => {
            if let Some(waits) = problems.keep(values::boolean(subject, node)) {
                task.past = past(waits, task.past == PastDependency::ItselfAndDownstream);
            }
        }
        "wait_for_downstream" => {
            if let Some(waits) = problems.keep(values::boolean(subject, node)) {
                task.past = past(task.past != PastDependency::None, waits);
            }
        }
        "wait_for_past_depends_before_skipping" => {
            into(&mut task.past_before_skipping, values::boolean(subject, node), problems);
        }
        "ignore_first_depends_on_past" => {
            into(&mut task.ignores_first_past, values::boolean(subject, node), problems);
        }
        "map_index_template" => into(&mut task.map_index_template, values::text(subject, node).map(Some), problems),
        "retry_policy" => task.retry_policy = read_retry::read(subject, node, problems),
        _ => (),
    }
}

/// Airflow 3: `wait_for_downstream` brings `depends_on_past` with it.
fn past(itself: bool, downstream: bool) -> PastDependency {
    match (itself, downstream) {
        (_, true) => PastDependency::ItselfAndDownstream,
        (true, false) => PastDependency::Itself,
        (false, false) => PastDependency::None,
    }
}

/// What tasks of one DAG share.
pub(super) struct TaskReader<'a> {
    pub registry: &'a Registry,
    pub schemas: &'a mut OperatorSchemas,
    pub source: &'a str,
    /// The DAG's, in which dates without an offset are meant.
    pub timezone: Tz,
    /// What is checked of the templates of the task at hand.
    pub template_check: TemplateCheck,
    pub groups: &'a Groups,
    /// The template files that were named so far.
    pub files: Vec<FileMention>,
    /// What tasks have that are in no group.
    pub defaults: Defaults,
    /// What tasks have by the group that they are in.
    pub group_defaults: Vec<Defaults>,
}

impl TaskReader<'_> {
    /// Reads a task. Mistakes are noted, and defaults stand in for what is wrong, so that the graph can still be checked.
    pub fn read(&mut self, name: &str, id_place: Place, mapping: &Mapping, problems: &mut Problems) -> ReadTask {
        let group = self.group(name, mapping, problems);
        let id = self.groups.id_within(group, name);
        problems.keep(values::check_id("task", &id, id_place));
        let within = format!("task `{id}`");
        let written = mapping;
        let mut whole = read_mapping::with_partial(written, &within, problems);
        if let Some(class) = self.airflow_class(&whole) {
            whole = airflow_arguments::of_task(class, &whole, &within, problems);
        }
        let mapping = &whole;
        let mut task = overlaid(&self.defaults_in(group).task, mapping, &within, problems);
        if let Some(params) = self.own_params(mapping) {
            task.params.extend(read_params::read(params, false, problems));
        }
        let telling = self.without_own_email(mapping);
        let defaults = group.map_or(&self.defaults, |group| &self.group_defaults[group]);
        let mut callbacks = CallbackReader { registry: self.registry, schemas: self.schemas, source: self.source };
        if let Some(told) = defaults.told.overlaid(&telling, &within, &mut callbacks, problems) {
            told.tell_of(&mut task);
        }
        (task.start_date, task.end_date) = read_dates::read(&[(mapping, &within)], self.timezone, problems);
        task.group = group.map(|group| self.groups.list[group].id.clone());
        let rule = written.get("trigger_rule").filter(|entry| !matches!(entry.value.value, Yaml::Null));
        let rule_place = rule.map(|entry| entry.value.place);
        let setups = role(&mut task, mapping, &within, rule_place, problems);
        let dependencies = values::ids("dependencies", mapping, &within, problems);
        let mapped_over = read_mapping::read(mapping, &within, problems);
        let (operator, args) = self.arguments(mapping, group, id_place, &within, problems);
        let task = Task { task_id: id, operator, args, ..task };
        ReadTask {
            task,
            name: name.to_owned(),
            id_place,
            group,
            dependencies,
            setups,
            mapping: mapped_over,
            rule_place,
        }
    }

    /// The group that a task says it is in.
    fn group(&self, name: &str, mapping: &Mapping, problems: &mut Problems) -> Option<usize> {
        let entry = mapping.get("task_group_name").filter(|entry| !matches!(entry.value.value, Yaml::Null))?;
        let within = format!("task `{name}`");
        let subject = Subject { key: "task_group_name", within: &within };
        let group = problems.keep(values::text(subject, &entry.value))?;
        problems.keep(self.groups.find(&group, subject, entry.value.place))
    }

    fn defaults_in(&self, group: Option<usize>) -> &Defaults {
        group.map_or(&self.defaults, |group| &self.group_defaults[group])
    }

    /// The operator's name and its arguments, checked.
    fn arguments(
        &mut self,
        mapping: &Mapping,
        group: Option<usize>,
        id_place: Place,
        within: &str,
        problems: &mut Problems,
    ) -> (String, Map<String, serde_json::Value>) {
        let is_mapped = read_mapping::is_mapped(mapping);
        let in_mapped = is_mapped || self.groups.around(group).any(|group| self.groups.list[group].mapping.is_some());
        self.template_check = if in_mapped { template::check_in_mapped } else { template::check };
        arguments::check_template_of("map_index_template", mapping, self.source, problems);
        let operator = self.operator(mapping, within, id_place, problems);
        let own = self.own_arguments(mapping, operator.as_ref(), within, problems);
        let Some(operator) = operator else {
            arguments::check_templates(self, &own, problems);
            return (String::new(), own.to_json());
        };
        let operator_place = mapping.get("operator").map_or(id_place, |entry| entry.value.place);
        let complete = self.with_defaults(own, group, mapping, &operator);
        let complete = objects::plain(&complete, self.timezone, within, problems);
        if is_mapped {
            read_mapping::check(self, &operator, operator_place, &complete, mapping, within, problems);
        } else {
            arguments::check(self, &operator, operator_place, &complete, problems);
        }
        (operator.name.to_owned(), complete.to_json())
    }

    /// The Airflow class that a task says it is of.
    fn airflow_class(&self, mapping: &Mapping) -> Option<&AirflowClass> {
        self.registry.airflow_class(mapping.get("operator")?.value.as_text()?)
    }

    /// The params of a task, unless its operator calls an argument so.
    fn own_params<'m>(&mut self, mapping: &'m Mapping) -> Option<&'m Entry> {
        let entry = mapping.get(PARAMS).filter(|entry| !matches!(entry.value.value, Yaml::Null))?;
        (!self.takes(mapping, PARAMS)).then_some(entry)
    }

    /// A task without an `email` that is an argument of its operator.
    fn without_own_email<'m>(&mut self, mapping: &'m Mapping) -> Cow<'m, Mapping> {
        let is_own = mapping.get(EMAIL).is_some_and(is_mapping) && self.takes(mapping, EMAIL);
        if !is_own {
            return Cow::Borrowed(mapping);
        }
        let others = mapping.entries.iter().filter(|entry| entry.key != EMAIL);
        Cow::Owned(Mapping { entries: others.cloned().collect() })
    }

    /// Whether the operator of a task has an argument of that name.
    fn takes(&mut self, mapping: &Mapping, name: &str) -> bool {
        let registry = self.registry;
        let operator = mapping.get("operator").and_then(|entry| registry.find(entry.value.as_text()?));
        operator.is_some_and(|operator| self.schemas.of(operator).has(name))
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
                .flat_map(|operator| {
                    std::iter::once(operator.name).chain(operator.airflow_classes.iter().map(AirflowClass::name))
                })
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
            let is_argument = known.as_ref().is_some_and(|schema| schema.has(name));
            let is_own = is_argument && (name == PARAMS || (name == EMAIL && is_mapping(entry)));
            if names(TASK_KEYS).any(|key| key == name) && !is_own {
                continue;
            }
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
        let renamed = operator
            .argument_of_airflow(&entry.key)
            .map(|(class, ours)| format!("Airflow's {class} calls it so; here it is `{ours}`"));
        problems.push(problem.maybe_help(listed).maybe_help(did_you_mean(&entry.key, known)).maybe_help(renamed));
    }

    /// The arguments of a task, with those that it has by default. What it is mapped over has none.
    fn with_defaults(
        &mut self,
        mut own: Mapping,
        group: Option<usize>,
        mapping: &Mapping,
        operator: &ErasedOperator,
    ) -> Mapping {
        let schema = self.schemas.of(operator);
        let expanded = mapping.get("expand").map(|entry| read_mapping::names_of(&entry.value)).unwrap_or_default();
        let class = self.airflow_class(mapping);
        let defaults = &self.defaults_in(group).arguments;
        let mut defaults =
            class.map_or_else(|| defaults.clone(), |class| airflow_arguments::of_defaults(class, defaults));
        if let (Some(class), Some(entry)) = (class, mapping.get("operator")) {
            defaults = defaults.laid_over(&airflow_arguments::given(class, entry.value.place));
        }
        for entry in &defaults.entries {
            let is_given = own.has(&entry.key) || expanded.contains(&entry.key.as_str());
            if schema.has(&entry.key) && !is_given {
                own.entries.push(entry.clone());
            }
        }
        own
    }
}

/// Whether a task is a setup or a teardown; the setups that it names.
fn role(
    task: &mut Task,
    mapping: &Mapping,
    within: &str,
    rule_place: Option<Place>,
    problems: &mut Problems,
) -> Vec<(String, Place)> {
    let mut flag = |key: &str| {
        let entry = mapping.get(key).filter(|entry| !matches!(entry.value.value, Yaml::Null))?;
        let value = problems.keep(values::boolean(Subject { key, within }, &entry.value))?;
        value.then_some(entry.key_place)
    };
    let (setup, teardown, fails_run) = (flag("is_setup"), flag("is_teardown"), flag("on_failure_fail_dagrun"));
    let setups = values::ids("setups", mapping, within, problems);
    match (setup, teardown) {
        (Some(setup), Some(teardown)) => {
            let message = format!("{within} is both a setup and a teardown");
            let problem = Problem::new(Code::InvalidValue, message, teardown, "either this");
            problems.push(problem.also(setup, "or this"));
        }
        (Some(_), None) => task.role = TaskRole::Setup,
        (None, Some(_)) => {
            task.role = TaskRole::Teardown { fails_run: fails_run.is_some() };
            // A rule that comes from `default_args` is for the other tasks.
            if rule_place.is_none() {
                task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
            }
        }
        (None, None) => (),
    }
    let for_teardowns = [("on_failure_fail_dagrun", fails_run), ("setups", setups.first().map(|(_, place)| *place))];
    for (key, place) in for_teardowns.into_iter().filter(|_| teardown.is_none()) {
        if let Some(place) = place {
            let message = format!("{within} has `{key}`, and is no teardown");
            problems.push(
                Problem::new(Code::InvalidValue, message, place, "only for teardowns")
                    .help("write `is_teardown: true`"),
            );
        }
    }
    setups
}
