//! What is Airflow's: DAGs, groups, operators, assets, and the ways to tie them together.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use serde_json::{Map, Value as Json, json};
use tree_sitter::Node;

use crate::arguments::{Argument, Arguments};
use crate::draft::{Dag, End, Entry, Group, TASKS_MAX, Task};
use crate::interpreter::{Around, Interpreter, first_line, unknown};
use crate::keys::{CALLBACK_HELP, CALLBACKS, DAG_POSITIONS, IMPORTABLE, callable_of, dropped};
use crate::python::{children, field};
use crate::remark::Remark;
use crate::timetable;
use crate::value::{Date, Evaluated, NotStatic, TaskFunction, Value};

/// What is written behind `operator:` for a function that is a task.
const TASK_DECORATOR: &str = "airflow.sdk.task";

/// What to do about a task that is a function of the DAG file.
const IN_A_MODULE: &str = "put the function into a module beside the YAML file, and name it: `operator: python`, `python_callable: \
                           module:function`";

/// Groups in each other are followed so far.
const GROUPS_DEPTH_MAX: usize = 50;

impl<'t> Interpreter<'t> {
    /// A call of something of Airflow's, or of an operator from elsewhere.
    pub(crate) fn call_airflow(&mut self, path: &str, mut arguments: Arguments<'t>) -> Evaluated<'t> {
        let place = arguments.place.clone();
        let class = path.rsplit('.').next().unwrap_or(path);
        if path.starts_with("airflow.") {
            match class {
                "DAG" => {
                    let dag = self.dag(arguments, None, None);
                    return dag.inspect_err(|why| self.lose("a DAG is left out", why));
                }
                "TaskGroup" => {
                    let group = self.group(arguments, None);
                    return group.inspect_err(|why| self.lose("a group is left out", why));
                }
                "Label" => return Ok(Value::Label),
                "Param" | "ParamsDict" => return param(arguments),
                "Asset" | "Dataset" => return timetable::asset(class, arguments),
                "AssetAll" | "DatasetAll" => return Ok(Value::Assets(json!({ "all": all_assets(arguments)? }))),
                "AssetAny" | "DatasetAny" => return Ok(Value::Assets(json!({ "any": all_assets(arguments)? }))),
                "AssetAlias" | "DatasetAlias" => return timetable::alias(class, arguments),
                "chain" => return self.chain(arguments, false),
                "chain_linear" => return self.chain(arguments, true),
                "cross_downstream" => return self.cross(arguments),
                "get" if path.ends_with(".Variable.get") => return variable(arguments),
                "get_connection" => {
                    return Err(Rc::new(NotStatic {
                        reason: "a connection is known only when it runs".to_owned(),
                        place,
                        help: Some("write `{{ conn.ID.host }}`, or let the operator look it up by its conn_id"),
                    }));
                }
                _ => {}
            }
            if let Some(timetable) = timetable::timetable(class, arguments.clone()) {
                return timetable;
            }
        }
        let is_operator = self.vocabulary.operators.contains_key(class)
            || class.ends_with("Operator")
            || class.ends_with("Sensor")
            || arguments.named.iter().any(|(name, _)| name == "task_id");
        if is_operator {
            return self.operator(path, &mut arguments, Vec::new());
        }
        Err(unknown(format!("`{path}()` is known only when it runs"), place))
    }

    // DAGs.

    fn dag(&mut self, arguments: Arguments<'t>, name: Option<&str>, doc: Option<String>) -> Evaluated<'t> {
        let place = arguments.place.clone();
        let mut arguments = arguments.name(&DAG_POSITIONS)?;
        let given = arguments.iter().position(|(key, _)| key == "dag_id").map(|at| arguments.remove(at).1.value);
        let dag_id = match (given.transpose()?, name) {
            (Some(Value::Text(id)), _) => id,
            (None, Some(name)) => name.to_owned(),
            _ => return Err(unknown("the id of this DAG is known only when it runs", place)),
        };
        let dag = self.draft.dags.len();
        let line = first_line(self.source, place);
        self.draft.dags.push(Dag { dag_id, place: line.clone(), ..Dag::default() });
        if let Some(doc) = doc.filter(|_| !arguments.iter().any(|(key, _)| key == "doc_md")) {
            self.dag_key(dag, "doc_md", Ok(Value::Text(doc)), line.clone());
        }
        // A zone that the DAG's own start date names goes before that of default_args.
        let (defaults, own): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|(key, _)| key == "default_args");
        let has = |key: &str| own.iter().any(|(known, _)| known == key);
        let (has_schedule, has_catchup) =
            (has("schedule") || has("schedule_interval") || has("timetable"), has("catchup"));
        let is_old = self.is_written_for_airflow_2() || has("schedule_interval");
        if is_old && !has_schedule {
            let value = json!({ "every": "1d", "data_interval": true });
            self.put_dag(dag, "schedule", value, line.clone());
        }
        for (key, argument) in own {
            if matches!(key.as_str(), "schedule" | "schedule_interval" | "timetable") {
                self.schedule(dag, argument, is_old);
            } else {
                self.dag_key(dag, &key, argument.value, argument.place);
            }
        }
        for (_, argument) in defaults {
            self.default_args(dag, argument);
        }
        if is_old {
            self.keep_the_meaning_of_airflow_2(dag, has_catchup, line);
        }
        Ok(Value::Dag(dag))
    }

    /// Whether the file imports what only Airflow 2 has, or what Airflow 3 calls otherwise.
    fn is_written_for_airflow_2(&self) -> bool {
        let any =
            |starts: &[&str]| self.imports.iter().any(|import| starts.iter().any(|start| import.starts_with(start)));
        let new = any(&["airflow.sdk", "airflow.providers.standard"]);
        !new && any(&[
            "airflow.operators.",
            "airflow.sensors.",
            "airflow.contrib.",
            "airflow.datasets",
            "airflow.utils.dates",
        ])
    }

    /// What Airflow 2 means by a schedule, and does where nothing is said of missed runs.
    fn keep_the_meaning_of_airflow_2(&mut self, dag: usize, has_catchup: bool, place: Range<usize>) {
        let schedule = self.draft.dags[dag].entries.iter().find(|entry| entry.key == "schedule");
        if schedule.is_none_or(|schedule| schedule.value.get("data_interval").is_none()) {
            return;
        }
        let mut message =
            "written for Airflow 2: each run is about the time before it (`data_interval: true`)".to_owned();
        if !has_catchup {
            message += ", and missed runs are made up for (`catchup: true`)";
            self.put_dag(dag, "catchup", Json::from(true), place.clone());
        }
        self.remark(Remark::noted(message, place).help("take that away if it is not what you want"));
    }

    fn schedule(&mut self, dag: usize, argument: Argument<'t>, with_interval: bool) {
        let place = argument.place;
        let schedule = argument.value.and_then(|value| timetable::schedule(&value, with_interval, &place));
        match schedule {
            Ok((Json::Null, _)) => {}
            Ok((value, zone)) => {
                self.timezone(dag, zone, &place);
                self.put_dag(dag, "schedule", value, place);
            }
            Err(why) => self.lose("the schedule is left out", &why),
        }
    }

    fn put_dag(&mut self, dag: usize, key: &str, value: Json, place: Range<usize>) {
        let entries = &mut self.draft.dags[dag].entries;
        entries.retain(|entry| entry.key != key);
        entries.push(Entry { key: key.to_owned(), value, place });
    }

    /// The zone in which a DAG's schedule is meant. UTC is what holds anyway.
    fn timezone(&mut self, dag: usize, zone: Option<String>, place: &Range<usize>) {
        let known = self.draft.dags[dag].entries.iter().any(|entry| entry.key == "timezone");
        if let Some(zone) = zone.filter(|zone| !known && !zone.eq_ignore_ascii_case("utc")) {
            self.put_dag(dag, "timezone", Json::from(zone), place.clone());
        }
    }

    fn dag_key(&mut self, dag: usize, key: &str, value: Evaluated<'t>, place: Range<usize>) {
        let key = match key {
            "concurrency" => "max_active_tasks",
            other => other,
        };
        let what = format!("`{key}` of the DAG is left out");
        if self.is_refused(key, &what, &value, &place) {
            return;
        }
        let value = match value {
            Ok(Value::None) => return,
            Ok(value) => value,
            Err(why) => return self.lose(&what, &why),
        };
        match (key, &value) {
            ("start_date" | "end_date", Value::Date(date)) => {
                self.timezone(dag, date.zone.clone(), &place);
                return self.put_dag(dag, key, Json::from(date.written()), place);
            }
            ("tags", Value::List(items)) if items.is_empty() => return,
            _ => {}
        }
        if !self.vocabulary.dag_keys.contains(key) {
            let remark = Remark::lost(format!("{what}: Updraft's DAGs have no such key"), place);
            return self.remark(remark);
        }
        match value.to_json() {
            Ok(json) => self.put_dag(dag, key, json, place),
            Err(reason) => self.lose(&what, &unknown(reason, place)),
        }
    }

    /// Callbacks, and keys that change nothing; says so.
    fn is_refused(&mut self, key: &str, what: &str, value: &Evaluated<'t>, place: &Range<usize>) -> bool {
        let is_callback = CALLBACKS.contains(&key);
        let dropped = dropped(key);
        if matches!(value, Ok(Value::None)) {
            return is_callback || dropped.is_some();
        }
        if is_callback {
            let remark = Remark::lost(format!("{what}: it calls Python code"), place.clone());
            self.remark(remark.help(CALLBACK_HELP));
        } else if let Some(why) = dropped {
            let is_off = value.as_ref().is_ok_and(|value| value.truth() == Some(false));
            if !is_off {
                self.remark(Remark::noted(format!("{what}: {why}"), place.clone()));
            }
        }
        is_callback || dropped.is_some()
    }

    fn default_args(&mut self, dag: usize, argument: Argument<'t>) {
        let place = argument.place;
        let entries = match argument.value {
            Ok(Value::Dict(entries)) => entries,
            Ok(Value::None) => return,
            Ok(_) => {
                return self.lose("default_args are left out", &unknown("they are known only when it runs", place));
            }
            Err(why) => return self.lose("default_args are left out", &why),
        };
        for (key, value) in entries {
            let Value::Text(key) = key else { continue };
            let what = format!("`{key}` of default_args is left out");
            if self.is_refused(&key, &what, &Ok(value.clone()), &place) {
                continue;
            }
            match value {
                Value::None => {}
                Value::Unknown(why) => self.lose(&what, &why),
                value if matches!(key.as_str(), "start_date" | "end_date") => {
                    if !self.draft.dags[dag].entries.iter().any(|entry| entry.key == key) {
                        self.dag_key(dag, &key, Ok(value), place.clone());
                    }
                }
                value => match value.to_json() {
                    Ok(value) => self.draft.dags[dag].default_args.push(Entry { key, value, place: place.clone() }),
                    Err(reason) => self.lose(&what, &unknown(reason, place.clone())),
                },
            }
        }
    }

    /// A function that is a DAG by `@dag`.
    pub(crate) fn call_dag(&mut self, function: Node<'t>, decorator: Node<'t>, call: Node<'t>) -> Evaluated<'t> {
        let name = field(function, "name").map_or("", |name| self.text(name));
        let body = field(function, "body");
        let doc = body.and_then(|body| self.doc_string(body));
        let options = self.decorator_arguments(decorator)?;
        let arguments = self.arguments(call)?;
        let Value::Dag(dag) = self.dag(options, Some(name), doc)? else { return Ok(Value::None) };
        self.around.push(Around::Dag(dag));
        let called = self.call_function(function, arguments);
        self.around.pop();
        called.map(|_| Value::Dag(dag))
    }

    fn decorator_arguments(&mut self, decorator: Node<'t>) -> Result<Arguments<'t>, Rc<NotStatic>> {
        match children(decorator).first() {
            Some(call) if call.kind() == "call" => self.arguments(*call),
            _ => Ok(Arguments::none(decorator.byte_range())),
        }
    }

    // Groups.

    fn group(&mut self, mut arguments: Arguments<'t>, name: Option<&str>) -> Evaluated<'t> {
        let place = first_line(self.source, arguments.place.clone());
        let given = arguments.take("group_id", Some(0)).map(|given| given.value).transpose()?;
        let name = match (given, name) {
            (Some(Value::Text(id)), _) => id,
            (None | Some(Value::None), Some(name)) => name.to_owned(),
            _ => return Err(unknown("the name of this group is known only when it runs", place)),
        };
        let around = match arguments.take("parent_group", None).map(|given| given.value).transpose()? {
            Some(Value::Group(parent)) => Some(parent),
            _ => self.group_around(),
        };
        let dag = match arguments.take("dag", None).map(|given| given.value).transpose()? {
            Some(Value::Dag(dag)) => Some(dag),
            _ => around.and_then(|group| self.draft.groups[group].dag).or_else(|| self.dag_around()),
        };
        let prefixes = arguments.take("prefix_group_id", Some(0)).map(|given| given.value).transpose()?;
        let prefixes = prefixes.is_none_or(|value| value.truth() != Some(false));
        let group = self.draft.groups.len();
        let outwards = std::iter::successors(around, |group| self.draft.groups[*group].parent);
        if group > TASKS_MAX || outwards.take(GROUPS_DEPTH_MAX + 1).count() > GROUPS_DEPTH_MAX {
            return Err(unknown("there are too many groups, or too many in each other", place));
        }
        self.draft.groups.push(Group { name, dag, parent: around, prefixes, place, entries: Vec::new() });
        for (key, argument) in arguments.named {
            let what = format!("`{key}` of the group is left out");
            if self.is_refused(&key, &what, &argument.value, &argument.place) {
                continue;
            }
            match argument.value {
                Ok(Value::None) => {}
                Ok(value) => match value.to_json() {
                    Ok(value) => self.draft.groups[group].entries.push(Entry { key, value, place: argument.place }),
                    Err(reason) => self.lose(&what, &unknown(reason, argument.place)),
                },
                Err(why) => self.lose(&what, &why),
            }
        }
        Ok(Value::Group(group))
    }

    /// A function that is a group by `@task_group`.
    pub(crate) fn call_group(&mut self, function: Node<'t>, decorator: Node<'t>, call: Node<'t>) -> Evaluated<'t> {
        let name = field(function, "name").map_or("", |name| self.text(name));
        let mut options = self.decorator_arguments(decorator)?;
        options.place = call.byte_range();
        let arguments = self.arguments(call)?;
        let Value::Group(group) = self.group(options, Some(name))? else { return Ok(Value::None) };
        self.around.push(Around::Group(group));
        let called = self.call_function(function, arguments);
        self.around.pop();
        Ok(match called? {
            Value::None => Value::Group(group),
            other => other,
        })
    }

    fn dag_around(&self) -> Option<usize> {
        self.around.iter().rev().find_map(|around| match around {
            Around::Dag(dag) => Some(*dag),
            Around::Group(group) => self.draft.groups[*group].dag,
        })
    }

    fn group_around(&self) -> Option<usize> {
        match self.around.last() {
            Some(Around::Group(group)) => Some(*group),
            _ => None,
        }
    }

    // Tasks.

    /// A task: an operator with its arguments, and what it is mapped over.
    pub(crate) fn operator(
        &mut self,
        path: &str,
        arguments: &mut Arguments<'t>,
        mapped: Vec<(String, Argument<'t>)>,
    ) -> Evaluated<'t> {
        let place = arguments.place.clone();
        let class = path.rsplit('.').next().unwrap_or(path);
        let given = arguments.take("task_id", Some(0)).map(|given| given.value).transpose()?;
        let Some(Value::Text(name)) = given else {
            let why = unknown("the task_id is known only when it runs", first_line(self.source, place));
            self.lose(&format!("a task of `{class}` is left out"), &why);
            return Err(why);
        };
        let task = self.new_task(&name, arguments)?;
        let short = self.vocabulary.operators.get(class).cloned();
        self.draft.tasks[task].operator = short.clone().unwrap_or_else(|| path.to_owned());
        let callable = callable_of(class);
        for (key, argument) in std::mem::take(&mut arguments.named) {
            if Some(key.as_str()) == callable {
                self.callable(task, class, short.is_some(), argument);
            } else {
                self.task_key(task, &key, argument.value, argument.place);
            }
        }
        if short.is_none() && callable.is_none() {
            let line = first_line(self.source, place);
            self.lose_task(task, &unknown(format!("Updraft has no operator for `{path}`"), line));
        }
        if !mapped.is_empty() {
            self.mapped(task, mapped);
        }
        Ok(Value::Task(task))
    }

    /// Adds a task without anything but its name and its place among others.
    fn new_task(&mut self, name: &str, arguments: &mut Arguments<'t>) -> Result<usize, Rc<NotStatic>> {
        let place = arguments.place.clone();
        let group = match arguments.take("task_group", None).map(|given| given.value) {
            Some(Ok(Value::Group(group))) => Some(group),
            _ => self.group_around(),
        };
        let dag = match arguments.take("dag", None).map(|given| given.value) {
            Some(Ok(Value::Dag(dag))) => Some(dag),
            _ => group.and_then(|group| self.draft.groups[group].dag).or_else(|| self.dag_around()),
        };
        let task = self.draft.tasks.len();
        if task > TASKS_MAX {
            return Err(unknown(format!("there are more than {TASKS_MAX} tasks"), place));
        }
        self.draft.tasks.push(Task { name: name.to_owned(), dag, group, place, ..Task::default() });
        Ok(task)
    }

    /// A task that a person has to write.
    fn lose_task(&mut self, task: usize, why: &NotStatic) {
        let name = self.draft.tasks[task].name.clone();
        self.lose(&format!("task `{name}` is not converted"), why);
        self.draft.tasks[task].lost.get_or_insert_with(|| why.reason.clone());
    }

    /// The function that a task calls, where it can be named by its import path.
    fn callable(&mut self, task: usize, class: &str, is_known: bool, argument: Argument<'t>) {
        let place = argument.place;
        let reason = match argument.value {
            Ok(Value::Name(path)) if is_known && IMPORTABLE.contains(&class) && !path.starts_with("builtins.") => {
                let value = Json::from(path);
                self.draft.tasks[task].entries.push(Entry { key: "python_callable".to_owned(), value, place });
                return;
            }
            Ok(Value::Function(function)) => {
                let name = field(function, "name").map_or("", |name| self.text(name));
                format!("it calls `{name}`, a Python function of this file")
            }
            Ok(Value::Name(path)) => format!("it calls the Python function `{path}`"),
            Ok(_) => "it calls Python code".to_owned(),
            Err(why) => format!("it calls Python code: {}", why.reason),
        };
        let help = match class {
            "BranchPythonOperator" | "ShortCircuitOperator" => {
                "`branch` and `short_circuit` decide by templates, `branch_python` and `short_circuit_python` by a function of a module"
            }
            _ => IN_A_MODULE,
        };
        self.lose_task(task, &NotStatic { reason, place, help: Some(help) });
    }

    fn task_key(&mut self, task: usize, key: &str, value: Evaluated<'t>, place: Range<usize>) {
        let key = match key {
            "doc" => "doc_md",
            "task_concurrency" => "max_active_tis_per_dag",
            other => other,
        };
        let what = format!("`{key}` of task `{}` is left out", self.draft.tasks[task].name);
        if self.is_refused(key, &what, &value, &place) {
            return;
        }
        let value = match value {
            Ok(Value::None) => return,
            Ok(value) => value,
            Err(why) => {
                self.draft.tasks[task].lost.get_or_insert_with(|| format!("`{key}`: {}", why.reason));
                return self.lose(&what, &why);
            }
        };
        if matches!(key, "start_date" | "end_date") && !is_in_utc(&value) {
            let reason = "a task's date is written without a zone, or in UTC";
            return self.remark(Remark::lost(format!("{what}: {reason}"), place));
        }
        let value = self.with_outputs(task, value);
        let json = if matches!(key, "inlets" | "outlets") {
            let assets = if key == "outlets" { timetable::assets } else { timetable::inlets };
            assets(&value, &place).map(|assets| if assets.is_array() { assets } else { json!([assets]) })
        } else {
            // An instant in an argument needs its zone; only that of UTC can be written behind it.
            match &value {
                Value::Date(Date { local, zone: Some(zone) }) if zone.eq_ignore_ascii_case("utc") => {
                    Ok(Json::from(local.format("%Y-%m-%dT%H:%M:%SZ").to_string()))
                }
                value => value.to_json().map_err(|reason| unknown(reason, place.clone())),
            }
        };
        match json {
            Ok(value) => {
                let entries = &mut self.draft.tasks[task].entries;
                entries.retain(|entry| entry.key != key);
                entries.push(Entry { key: key.to_owned(), value, place });
            }
            Err(why) => {
                self.draft.tasks[task].lost.get_or_insert_with(|| format!("`{key}`: {}", why.reason));
                self.lose(&what, &why);
            }
        }
    }

    /// A value in which what other tasks leave is fetched by templates; the task waits for them.
    fn with_outputs(&mut self, task: usize, value: Value<'t>) -> Value<'t> {
        match value {
            Value::Output(..) | Value::Derived(..) => {
                // An arrow between two tasks can always be drawn, unless there are too many of them.
                let _ = self.draft.arrow(&value, &Value::Task(task));
                self.in_text(value)
            }
            Value::List(items) => Value::List(items.into_iter().map(|item| self.with_outputs(task, item)).collect()),
            Value::Tuple(items) => Value::Tuple(items.into_iter().map(|item| self.with_outputs(task, item)).collect()),
            Value::Dict(entries) => {
                Value::Dict(entries.into_iter().map(|(key, value)| (key, self.with_outputs(task, value))).collect())
            }
            other => other,
        }
    }

    /// What a task leaves, as Python writes it into a text: a template. Airflow draws no arrow for it there.
    pub(crate) fn in_text(&self, value: Value<'t>) -> Value<'t> {
        let Value::Output(task, key) = value else { return value };
        let id = self.draft.id(End::Task(task));
        let key = key.map(|key| format!(", key={}", quoted(&key))).unwrap_or_default();
        Value::Template(format!("{{{{ ti.xcom_pull(task_ids='{id}'{key}) }}}}"))
    }

    /// `Operator.partial(…).expand(…)`.
    pub(crate) fn expand(&mut self, path: &str, partial: Node<'t>, method: &str, node: Node<'t>) -> Evaluated<'t> {
        let place = node.byte_range();
        let mut arguments = self.arguments(partial)?;
        arguments.place = place.clone();
        let mut over = self.arguments(node)?;
        let mapped = match method {
            "expand" => over.named,
            "expand_kwargs" => match over.take("kwargs", Some(0)) {
                Some(list) => vec![(String::new(), list)],
                None => Vec::new(),
            },
            _ => return Err(unknown(format!("`{method}` is known only when it runs"), place)),
        };
        self.operator(path, &mut arguments, mapped)
    }

    fn mapped(&mut self, task: usize, over: Vec<(String, Argument<'t>)>) {
        let mut map = Map::new();
        for (key, argument) in over {
            let place = argument.place;
            let json = match argument.value {
                Ok(Value::Output(other, part)) => {
                    let _ = self.draft.arrow(&Value::Task(other), &Value::Task(task));
                    let part = part.map(|part| format!("[{}]", quoted(&part))).unwrap_or_default();
                    Ok(Json::from(format!("{}.output{part}", self.draft.id(End::Task(other)))))
                }
                Ok(value) => {
                    let json = value.to_json().map_err(|reason| unknown(reason, place.clone()));
                    self.with_outputs(task, value);
                    json
                }
                Err(why) => Err(why),
            };
            match json {
                Ok(value) if key.is_empty() => {
                    let entry = Entry { key: "expand_kwargs".to_owned(), value, place };
                    return self.draft.tasks[task].entries.push(entry);
                }
                Ok(value) => {
                    map.insert(key, value);
                }
                Err(why) => self.lose_task(task, &why),
            }
        }
        let place = self.draft.tasks[task].place.clone();
        self.draft.tasks[task].entries.push(Entry { key: "expand".to_owned(), value: Json::Object(map), place });
    }

    /// A function that is a task by `@task`: its place among the others and what is said of every task are kept, what it does
    /// is Python.
    pub(crate) fn call_task(&mut self, called: &TaskFunction<'t>, call: Node<'t>) -> Evaluated<'t> {
        let function = called.function;
        let name = field(function, "name").map_or("", |name| self.text(name));
        let mut settings = Vec::new();
        for node in &called.settings {
            settings.extend(self.arguments(*node)?.named);
        }
        let task_id = settings.iter().rev().find_map(|(key, argument)| match &argument.value {
            Ok(Value::Text(id)) if key == "task_id" => Some(id.clone()),
            _ => None,
        });
        let task_id = task_id.unwrap_or_else(|| name.to_owned());
        // Tasks that are made among the arguments are there before this one.
        let mut given = Vec::new();
        for node in called.partial.iter().chain([&call]) {
            let Arguments { positional, named, .. } = self.arguments(*node)?;
            let arguments = positional.into_iter().chain(named.into_iter().map(|(_, argument)| argument));
            given.extend(arguments.filter_map(|argument| argument.value.ok()));
        }
        let task = self.new_task(&task_id, &mut Arguments::none(call.byte_range()))?;
        self.draft.tasks[task].name = self.free_name(task, &task_id);
        TASK_DECORATOR.clone_into(&mut self.draft.tasks[task].operator);
        for value in given {
            self.with_outputs(task, value);
        }
        let reason = format!("`{name}` is Python code by `@task`");
        let place = first_line(self.source, function.byte_range());
        let help = Some(IN_A_MODULE);
        self.lose_task(task, &NotStatic { reason, place, help });
        for (key, argument) in settings {
            if key != "task_id" && self.vocabulary.task_keys.contains(&key) {
                self.task_key(task, &key, argument.value, argument.place);
            }
        }
        Ok(Value::Output(task, None))
    }

    /// The name of a task that is called again: `load`, `load__1`, …
    fn free_name(&self, task: usize, name: &str) -> String {
        let (dag, group) = (self.draft.tasks[task].dag, self.draft.tasks[task].group);
        let before = &self.draft.tasks[..task];
        let alike = before.iter().filter(|other| other.dag == dag && other.group == group);
        let is_again = |other: &Task| {
            other.name == name || other.name.strip_prefix(name).is_some_and(|rest| rest.starts_with("__"))
        };
        match alike.filter(|other| is_again(other)).count() {
            0 => name.to_owned(),
            count => format!("{name}__{count}"),
        }
    }

    // Ties.

    /// `dag.key = …` and `task.key = …`.
    pub(crate) fn say(&mut self, object: &Value<'t>, key: &str, value: Value<'t>, place: Range<usize>) {
        match object {
            Value::Dag(dag) => self.dag_key(*dag, key, Ok(value), place),
            Value::Task(task) => self.task_key(*task, key, Ok(value), place),
            _ => {}
        }
    }

    /// A method of a DAG, a task or a group.
    pub(crate) fn airflow_method(
        &mut self,
        value: Value<'t>,
        name: &str,
        mut arguments: Arguments<'t>,
    ) -> Evaluated<'t> {
        let place = arguments.place.clone();
        let drawn = |drawn: Result<(), String>| drawn.map_err(|reason| unknown(reason, place.clone()));
        match (&value, name) {
            (Value::Dag(_), "cli" | "test" | "set_default_view") => Ok(Value::None),
            (Value::Output(..) | Value::Derived(..), "map" | "zip" | "concat") => {
                let others = arguments.positional.iter().filter_map(|argument| argument.value.as_ref().ok());
                let tasks: BTreeSet<usize> =
                    std::iter::once(&value).chain(others).flat_map(Value::sources).copied().collect();
                let ids: Vec<String> = tasks.iter().map(|task| self.draft.id(End::Task(*task))).collect();
                let reason = format!("what `{name}` makes of the output of `{}` only Python knows", ids.join("`, `"));
                let help = Some("do it in the task that leaves it, or in that which takes it");
                let why = NotStatic { reason, place, help };
                self.lose("a value is left out", &why);
                Ok(Value::Derived(tasks.into_iter().collect(), Rc::new(why)))
            }
            (
                Value::Task(_) | Value::Group(_) | Value::Output(..) | Value::Derived(..),
                "set_downstream" | "set_upstream",
            ) => {
                let others = arguments.take("task_or_task_list", Some(0));
                let others = others.ok_or_else(|| unknown("it names no task", place.clone()))?.value?;
                if name == "set_downstream" {
                    drawn(self.draft.arrow(&value, &others))?;
                } else {
                    drawn(self.draft.arrow(&others, &value))?;
                }
                Ok(Value::None)
            }
            (Value::Task(task), "as_setup") => {
                self.task_key(*task, "is_setup", Ok(Value::Bool(true)), place);
                Ok(value)
            }
            (Value::Task(task), "as_teardown") => {
                let task = *task;
                self.task_key(task, "is_teardown", Ok(Value::Bool(true)), place.clone());
                let failing = arguments.take("on_failure_fail_dagrun", None);
                if let Some(argument) = failing {
                    self.task_key(task, "on_failure_fail_dagrun", argument.value, argument.place);
                }
                if let Some(setups) = arguments.take("setups", Some(0)) {
                    let setups = setups.value?;
                    let items = setups.items().unwrap_or_else(|| vec![setups]);
                    let ids = items.iter().filter_map(|item| match item {
                        Value::Task(setup) => Some(Value::Text(self.draft.id(End::Task(*setup)))),
                        _ => None,
                    });
                    let ids = Value::List(ids.collect());
                    self.task_key(task, "setups", Ok(ids), place);
                }
                Ok(value)
            }
            _ => Err(unknown(format!("`{name}` is known only when it runs"), place)),
        }
    }

    /// `chain(a, [b, c], [d, e], f)`: lists of the same length are tied one by one, unless `all_to_all`.
    fn chain(&mut self, arguments: Arguments<'t>, all_to_all: bool) -> Evaluated<'t> {
        let place = arguments.place.clone();
        let items = arguments.items()?;
        for pair in items.windows(2) {
            let drawn = match (&pair[0], &pair[1]) {
                (Value::List(left) | Value::Tuple(left), Value::List(right) | Value::Tuple(right)) if !all_to_all => {
                    if left.len() != right.len() {
                        return Err(unknown("the lists of this chain are not of one length", place));
                    }
                    left.iter().zip(right).try_for_each(|(left, right)| self.draft.arrow(left, right))
                }
                (left, right) => self.draft.arrow(left, right),
            };
            drawn.map_err(|reason| unknown(reason, place.clone()))?;
        }
        Ok(Value::None)
    }

    fn cross(&mut self, arguments: Arguments<'t>) -> Evaluated<'t> {
        let place = arguments.place.clone();
        let values = arguments.values(&["from_tasks", "to_tasks"])?;
        match values.as_slice() {
            [(_, from), (_, to)] => {
                self.draft.arrow(from, to).map_err(|reason| unknown(reason, place))?;
                Ok(Value::None)
            }
            _ => Err(unknown("it ties two lists of tasks", place)),
        }
    }
}

/// Whether it is a date whose zone needs not be written, or can be.
fn is_in_utc(value: &Value<'_>) -> bool {
    let zone = |date: &Date| date.zone.as_deref().is_none_or(|zone| zone.eq_ignore_ascii_case("utc"));
    matches!(value, Value::Date(date) if zone(date))
}

/// A text as templates write it.
fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\'', "\\'").replace('"', "'")
}

/// `Variable.get(…)`: a template that is filled in when the task runs.
fn variable(mut arguments: Arguments<'_>) -> Evaluated<'_> {
    let place = arguments.place.clone();
    let is_json =
        arguments.take("deserialize_json", None).is_some_and(|given| matches!(given.value, Ok(Value::Bool(true))));
    let default = arguments.take("default_var", Some(1)).or_else(|| arguments.take("default", None));
    let key = arguments.take("key", Some(0)).map(|given| given.value).transpose()?;
    let Some(Value::Text(key)) = key else {
        return Err(unknown("which variable it is is known only when it runs", place));
    };
    let kind = if is_json { "json" } else { "value" };
    let default = match default.map(|given| given.value).transpose()? {
        Some(Value::Text(text)) => Some(Json::from(text)),
        Some(value @ (Value::Int(_) | Value::Float(_) | Value::Bool(_))) => value.to_json().ok(),
        None | Some(Value::None) => None,
        Some(_) => return Err(unknown("the default of this variable is known only when it runs", place)),
    };
    let is_word = key.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
        && !key.starts_with(|sign: char| sign.is_ascii_digit());
    let template = match default {
        None if is_word => format!("{{{{ var.{kind}.{key} }}}}"),
        None => format!("{{{{ var.{kind}.get({}) }}}}", quoted(&key)),
        Some(Json::String(text)) => format!("{{{{ var.{kind}.get({}, {}) }}}}", quoted(&key), quoted(&text)),
        Some(other) => format!("{{{{ var.{kind}.get({}, {other}) }}}}", quoted(&key)),
    };
    Ok(Value::Template(template))
}

/// A param, as the JSON Schema that it is.
fn param(arguments: Arguments<'_>) -> Evaluated<'_> {
    let place = arguments.place.clone();
    let mut map = Map::new();
    for (name, value) in arguments.values(&["default", "description"])? {
        let json = value.to_json().map_err(|reason| unknown(reason, place.clone()))?;
        match (name.as_str(), json) {
            ("schema", Json::Object(schema)) => map.extend(schema),
            // A param without a default must be given, and Airflow says so by null where null does not fit.
            (_, Json::Null) => {}
            (_, json) => {
                map.insert(name, json);
            }
        }
    }
    if map.keys().all(|key| key == "default") {
        return Ok(Value::Written(map.remove("default").unwrap_or(Json::Null)));
    }
    Ok(Value::Written(Json::Object(map)))
}

fn all_assets(arguments: Arguments<'_>) -> Result<Vec<Json>, Rc<NotStatic>> {
    let place = arguments.place.clone();
    arguments.items()?.iter().map(|item| timetable::assets(item, &place)).collect()
}
