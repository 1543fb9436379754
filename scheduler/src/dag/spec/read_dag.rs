//! One DAG: its keys, its defaults, its tasks, its graph.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;

use super::arguments::OperatorSchemas;
use super::collect::{PROBLEMS_MAX, Problems, Subject, names, wrong_type};
use super::graph::GraphPlaces;
use super::keys::{DAG_KEYS, DAG_KEYS_IN_DEFAULT_ARGS, NOT_IN_DEFAULT_ARGS, TASK_KEYS};
use super::node::{Entry, Mapping, Node, Yaml};
use super::problem::{Code, Problem};
use super::read_callbacks::{CallbackReader, Told};
use super::read_groups::{self, Groups};
use super::read_task::{Defaults, ReadTask, TaskReader, blank_task, overlaid, with_params};
use super::refused::{REFUSED_IN_DAGS, REFUSED_IN_TASKS, find_refused};
use super::source::Place;
use super::template_files::FileMention;
use super::{links, read_dates, read_deadlines, read_params, rules, schedule, values};
use crate::dag::callback::DagCallbacks;
use crate::dag::{Dag, DagHead, DagRunPolicy, RunType, Schedule, Task};
use crate::operator::Registry;

/// One DAG of a file, with the `default:` block already under it.
pub(super) struct DagText {
    /// The id that it has unless it says another one.
    pub id: String,
    /// Where that id stands; the beginning of the file when it is the file's name.
    pub id_place: Place,
    pub mapping: Mapping,
}

/// Reads a DAG, with the template files that its tasks name, or notes every mistake in it.
pub(super) fn read(
    dag: &DagText,
    source: &str,
    registry: &Registry,
    schemas: &mut OperatorSchemas,
    problems: &mut Problems,
) -> Option<(Dag, Vec<FileMention>)> {
    let before = problems.list.len();
    let mut reader = DagReader { mapping: &dag.mapping, default_args: Mapping::default(), problems };
    reader.unknown_keys();
    let dag_id = reader.id(dag);
    reader.default_args = reader.read_default_args(registry);
    let timezone = reader.timezone();
    let (schedule, timezone) = reader.schedule(timezone);
    // Where Airflow looks, too.
    let places = [(&dag.mapping, ""), (&reader.default_args, "`default_args`")];
    let (start_date, end_date) = read_dates::read(&places, timezone, reader.problems);
    let params = reader.params(&schedule);
    let runs = reader.run_policy(&schedule);
    let (owner, mut common) = reader.owner_and_common();
    let mut groups = reader.groups(registry);
    let mut callback_reader = CallbackReader { registry, schemas, source };
    let callbacks = reader.callbacks(timezone, &mut callback_reader);
    let told = reader.default_told(&mut callback_reader);
    told.tell_of(&mut common);
    let mut head = DagHead {
        dag_id,
        display_name: reader.optional("dag_display_name", values::display_name),
        description: reader.optional("description", values::text),
        doc_md: reader.optional("doc_md", values::text),
        schedule,
        timezone,
        start_date,
        end_date,
        runs,
        tags: reader.tags(),
        owner,
        owner_links: reader.owner_links(),
        params,
        default_args: reader.default_args.to_json(),
        template_searchpath: reader.optional("template_searchpath", values::folders).unwrap_or_default(),
        callbacks,
        groups: Vec::new(),
    };
    let defaults = Defaults { task: common, arguments: reader.default_arguments(), told };
    let group_defaults = defaults_by_group(&groups, &defaults, &mut callback_reader, problems);
    let template_check = crate::dag::template::check;
    let files = Vec::new();
    let mut tasks = TaskReader {
        registry,
        schemas,
        source,
        template_check,
        timezone,
        groups: &groups,
        files,
        defaults,
        group_defaults,
    };
    let mut read = read_tasks(&dag.mapping, dag.id_place, &mut tasks, problems);
    let files = tasks.files;
    links::resolve(&mut read, &mut groups, problems);
    rules::check(&read, &groups, head.runs.fail_fast, problems);
    let places = GraphPlaces::of(&read);
    head.groups = groups.into_model();
    let tasks = read.into_iter().map(ReadTask::into_model);
    match Dag::new(head, tasks.collect()) {
        Ok(dag) if problems.list.len() == before => Some((dag, files)),
        Ok(_) => None,
        Err(faults) => {
            problems.list.extend(faults.iter().take(PROBLEMS_MAX + 1).map(|fault| places.problem(fault)));
            None
        }
    }
}

struct DagReader<'a> {
    mapping: &'a Mapping,
    default_args: Mapping,
    problems: &'a mut Problems,
}

impl DagReader<'_> {
    fn unknown_keys(&mut self) {
        for entry in &self.mapping.entries {
            if names(DAG_KEYS).any(|known| known == entry.key) {
                continue;
            }
            match find_refused(REFUSED_IN_DAGS, &entry.key) {
                Some(refused) => self.problems.refuse(entry, refused),
                None => {
                    let message = format!("a DAG has no key `{}`", entry.key);
                    self.problems.unknown_key(entry, message, names(DAG_KEYS));
                }
            }
        }
    }

    /// The value of a key, `None` when it is absent, null, or wrong (which is then noted).
    fn optional<T>(&mut self, key: &str, read: impl FnOnce(Subject<'_>, &Node) -> Result<T, Problem>) -> Option<T> {
        let entry = self.mapping.get(key)?;
        if matches!(entry.value.value, Yaml::Null) {
            return None;
        }
        self.problems.keep(read(Subject { key, within: "" }, &entry.value))
    }

    fn id(&mut self, dag: &DagText) -> String {
        let (id, place) = match self.mapping.get("dag_id") {
            Some(entry) => match self.optional("dag_id", values::text) {
                Some(id) => (id, entry.value.place),
                None => return dag.id.clone(),
            },
            None => (dag.id.clone(), dag.id_place),
        };
        self.problems.keep(values::check_id("DAG", &id, place));
        id
    }

    fn timezone(&mut self) -> Option<Tz> {
        if let Some(zone) = self.optional("timezone", values::timezone) {
            return Some(zone);
        }
        let entry = self.default_args.get("timezone")?;
        let subject = Subject { key: "timezone", within: "`default_args`" };
        self.problems.keep(values::timezone(subject, &entry.value))
    }

    fn schedule(&mut self, timezone: Option<Tz>) -> (Schedule, Tz) {
        let fallback = timezone.unwrap_or(Tz::UTC);
        let Some(entry) = self.mapping.get("schedule") else { return (Schedule::Never, fallback) };
        match schedule::read(entry, fallback, self.problems) {
            None => (Schedule::Never, fallback),
            Some((schedule, None)) => (schedule, fallback),
            Some((schedule, Some(own))) => {
                if timezone.is_some_and(|zone| zone != own) {
                    let message = format!("the schedule is in `{own}`, the DAG in `{fallback}`");
                    self.problems.push(
                        Problem::new(Code::InvalidValue, message, entry.value.place, "another time zone")
                            .help("say the time zone once, in `timezone`"),
                    );
                }
                (schedule, own)
            }
        }
    }

    fn params(&mut self, schedule: &Schedule) -> BTreeMap<String, crate::dag::Param> {
        match self.mapping.get("params") {
            Some(entry) if !matches!(entry.value.value, Yaml::Null) => {
                read_params::read(entry, *schedule != Schedule::Never, self.problems)
            }
            _ => BTreeMap::new(),
        }
    }

    fn run_policy(&mut self, schedule: &Schedule) -> DagRunPolicy {
        let policy = DagRunPolicy::default();
        let one_up = |subject: Subject<'_>, node: &Node| values::count(subject, node, 1);
        let from_zero = |subject: Subject<'_>, node: &Node| values::count(subject, node, 0);
        let catchup = self.mapping.get("catchup");
        DagRunPolicy {
            catchup: catchup.and_then(|entry| schedule::catchup(&entry.value, self.problems)).unwrap_or(policy.catchup),
            max_active_runs: self.optional("max_active_runs", one_up).unwrap_or(policy.max_active_runs),
            max_active_tasks: self.optional("max_active_tasks", one_up).unwrap_or(policy.max_active_tasks),
            is_paused_upon_creation: self.optional("is_paused_upon_creation", values::boolean),
            dagrun_timeout: self.optional("dagrun_timeout", values::duration),
            max_consecutive_failed_dag_runs: self
                .optional("max_consecutive_failed_dag_runs", from_zero)
                .unwrap_or(policy.max_consecutive_failed_dag_runs),
            fail_fast: self.optional("fail_fast", values::boolean).unwrap_or(policy.fail_fast),
            allowed_run_types: self.allowed_run_types(schedule),
            rerun_with_latest_version: self.optional("rerun_with_latest_version", values::boolean),
        }
    }

    /// The kinds of runs that are made. A schedule whose runs are none of them contradicts it.
    fn allowed_run_types(&mut self, schedule: &Schedule) -> Option<BTreeSet<RunType>> {
        let entry = self.mapping.get("allowed_run_types").filter(|entry| !matches!(entry.value.value, Yaml::Null))?;
        let subject = Subject { key: "allowed_run_types", within: "" };
        let allowed = values::run_types(subject, &entry.value, self.problems)?;
        let asked =
            [(schedule.time().is_some(), RunType::Scheduled), (schedule.assets().is_some(), RunType::AssetTriggered)];
        for (_, kind) in asked.into_iter().filter(|(is_asked, kind)| *is_asked && !allowed.contains(kind)) {
            let message = format!("`schedule` asks for runs of the kind `{}`, which are not allowed", kind.word());
            let schedule_place = self.mapping.get("schedule").map(|entry| entry.key_place);
            let problem = Problem::new(Code::InvalidValue, message, entry.value.place, "not among these");
            let problem = problem.help(format!("add `{}`, or take `schedule` away", kind.word()));
            self.problems.push(match schedule_place {
                Some(place) => problem.also(place, "asks for them"),
                None => problem,
            });
        }
        Some(allowed)
    }

    fn owner_links(&mut self) -> BTreeMap<String, String> {
        match self.mapping.get("owner_links").filter(|entry| !matches!(entry.value.value, Yaml::Null)) {
            Some(entry) => {
                let subject = Subject { key: "owner_links", within: "" };
                values::owner_links(subject, &entry.value, self.problems)
            }
            None => BTreeMap::new(),
        }
    }

    fn tags(&mut self) -> BTreeSet<String> {
        let Some(entry) = self.mapping.get("tags") else { return BTreeSet::new() };
        if matches!(entry.value.value, Yaml::Null) {
            return BTreeSet::new();
        }
        match values::tags(Subject { key: "tags", within: "" }, &entry.value) {
            Ok(tags) => tags,
            Err(list) => {
                self.problems.list.extend(list);
                BTreeSet::new()
            }
        }
    }

    /// The DAG's owner, and what tasks have unless they say otherwise.
    fn owner_and_common(&mut self) -> (String, Task) {
        let mut base = blank_task();
        let own = self.optional("owner", values::text);
        if let Some(owner) = &own {
            base.owner.clone_from(owner);
        }
        let mut common = overlaid(&base, &self.default_args, "`default_args`", self.problems);
        with_params(&mut common, &self.default_args, self.problems);
        (own.unwrap_or_else(|| common.owner.clone()), common)
    }

    /// Whom runs tell what became of them.
    fn callbacks(&mut self, timezone: Tz, callbacks: &mut CallbackReader<'_>) -> DagCallbacks {
        let mut told = DagCallbacks::default();
        for entry in &self.mapping.entries {
            let subject = Subject { key: &entry.key, within: "" };
            match entry.key.as_str() {
                "on_success_callback" => told.on_success = callbacks.several(subject, &entry.value, self.problems),
                "on_failure_callback" => told.on_failure = callbacks.several(subject, &entry.value, self.problems),
                "deadline" => {
                    told.deadlines = read_deadlines::read(subject, &entry.value, timezone, callbacks, self.problems);
                }
                _ => (),
            }
        }
        told
    }

    /// Whom tasks tell unless they say otherwise.
    fn default_told(&mut self, callbacks: &mut CallbackReader<'_>) -> Told {
        let told = Told::default();
        told.overlaid(&self.default_args, "`default_args`", callbacks, self.problems).unwrap_or(told)
    }

    fn read_default_args(&mut self, registry: &Registry) -> Mapping {
        let Some(entry) = self.mapping.get("default_args") else { return Mapping::default() };
        let mapping = match &entry.value.value {
            Yaml::Null => return Mapping::default(),
            Yaml::Map(mapping) => mapping,
            _ => {
                let subject = Subject { key: "default_args", within: "" };
                self.problems.push(wrong_type(subject, &entry.value, "a mapping"));
                return Mapping::default();
            }
        };
        for entry in &mapping.entries {
            self.check_default_arg(entry, DAG_KEYS_IN_DEFAULT_ARGS, registry);
        }
        mapping.clone()
    }

    /// The groups, with their `default_args` checked.
    fn groups(&mut self, registry: &Registry) -> Groups {
        let groups = read_groups::read(self.mapping, self.problems);
        for entry in groups.list.iter().flat_map(|group| &group.default_args.entries) {
            self.check_default_arg(entry, &[], registry);
        }
        groups
    }

    /// `more` are keys that may stand there besides.
    fn check_default_arg(&mut self, entry: &Entry, more: &[&str], registry: &Registry) {
        let name = entry.key.as_str();
        let for_all_tasks = || names(TASK_KEYS).filter(|key| !NOT_IN_DEFAULT_ARGS.contains(key));
        if for_all_tasks().chain(more.iter().copied()).any(|known| known == name) {
            return;
        }
        let arguments: Vec<Option<BTreeSet<&str>>> =
            registry.iter().map(|operator| crate::dag::shape::properties(operator.schema.as_value())).collect();
        if arguments.iter().any(|names| names.as_ref().is_none_or(|names| names.contains(name))) {
            return;
        }
        let mut classes = registry.iter().flat_map(|operator| operator.airflow_classes.iter());
        if classes.any(|class| class.reading(name).is_some()) {
            return;
        }
        if let Some(refused) = find_refused(REFUSED_IN_TASKS, name) {
            return self.problems.refuse(entry, refused);
        }
        if NOT_IN_DEFAULT_ARGS.contains(&name) {
            let message = format!("`{name}` cannot have a default for all tasks");
            return self.problems.push(Problem::new(Code::UnknownKey, message, entry.key_place, "not here"));
        }
        let known = for_all_tasks().chain(arguments.iter().flatten().flatten().copied());
        let message = format!("no task and no operator has a key `{name}`");
        self.problems.unknown_key(entry, message, known);
    }

    /// What `default_args` holds for operators.
    fn default_arguments(&self) -> Mapping {
        let common =
            |name: &str| names(TASK_KEYS).chain(DAG_KEYS_IN_DEFAULT_ARGS.iter().copied()).any(|key| key == name);
        let entries = self.default_args.entries.iter().filter(|entry| !common(&entry.key)).cloned().collect();
        Mapping { entries }
    }
}

/// What tasks have by the group that they are in, outer groups first.
fn defaults_by_group(
    groups: &Groups,
    defaults: &Defaults,
    callbacks: &mut CallbackReader<'_>,
    problems: &mut Problems,
) -> Vec<Defaults> {
    let mut by_group: Vec<Defaults> = Vec::with_capacity(groups.list.len());
    for group in &groups.list {
        let around = group.parent.map_or(defaults, |parent| &by_group[parent]);
        let within = format!("`default_args` of group `{}`", group.id);
        by_group.push(around.within(&group.default_args, &within, callbacks, problems));
    }
    by_group
}

/// The tasks in either spelling: a list with `task_id`, or a mapping by id.
fn read_tasks(dag: &Mapping, id_place: Place, reader: &mut TaskReader<'_>, problems: &mut Problems) -> Vec<ReadTask> {
    let Some(entry) = dag.get("tasks") else {
        problems.push(
            Problem::new(Code::MissingKey, "the DAG has no `tasks`", id_place, "this DAG")
                .help("a DAG without anything to do says so: `tasks: []`"),
        );
        return Vec::new();
    };
    match &entry.value.value {
        Yaml::Null => Vec::new(),
        Yaml::List(items) => items.iter().filter_map(|item| listed_task(item, reader, problems)).collect(),
        Yaml::Map(mapping) => mapping.entries.iter().filter_map(|entry| named_task(entry, reader, problems)).collect(),
        _ => {
            let subject = Subject { key: "tasks", within: "" };
            problems.push(wrong_type(subject, &entry.value, "a list of tasks, or a mapping from ids to tasks"));
            Vec::new()
        }
    }
}

fn listed_task(item: &Node, reader: &mut TaskReader<'_>, problems: &mut Problems) -> Option<ReadTask> {
    let Some(mapping) = item.as_map() else {
        let subject = Subject { key: "tasks", within: "" };
        problems.push(wrong_type(
            Subject { key: "a task", ..subject },
            item,
            "a mapping with `task_id` and `operator`",
        ));
        return None;
    };
    let Some(id) = mapping.get("task_id") else {
        let place = mapping.entries.first().map_or(item.place, |entry| entry.key_place);
        problems.push(
            Problem::new(Code::MissingKey, "a task has no `task_id`", place, "this task")
                .help("in a list every task names itself: `task_id: load`"),
        );
        return None;
    };
    let text = problems.keep(values::text(Subject { key: "task_id", within: "" }, &id.value))?;
    Some(reader.read(&text, id.value.place, mapping, problems))
}

fn named_task(entry: &Entry, reader: &mut TaskReader<'_>, problems: &mut Problems) -> Option<ReadTask> {
    let Some(mapping) = entry.value.as_map() else {
        let within = "`tasks`";
        problems.push(wrong_type(Subject { key: &entry.key, within }, &entry.value, "a mapping with `operator`"));
        return None;
    };
    if let Some(id) = mapping.get("task_id")
        && id.value.as_text() != Some(&entry.key)
    {
        let message = format!("task `{}` names itself otherwise", entry.key);
        problems.push(
            Problem::new(Code::InvalidValue, message, id.value.place, "another id")
                .also(entry.key_place, "the id is this key")
                .help("take `task_id` away"),
        );
    }
    Some(reader.read(&entry.key, entry.key_place, mapping, problems))
}
