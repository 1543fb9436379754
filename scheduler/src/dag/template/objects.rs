//! The objects that templates find: the DAG, its run, the task, the task instance.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Kwargs, Object, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};
use serde_json::Map;

use super::instant::{Instant, invalid};
use super::macros::Macros;
use super::session::{Session, from_json};
use super::{XComRef, XComRun, asset_events, secrets};
use crate::dag::Task;
use crate::dag::spec::suggest::did_you_mean;

/// What a run's XCom of an operator's answer is called.
const RETURN_VALUE: &str = "return_value";

/// The names at the top of every template.
#[derive(Debug)]
pub(super) struct Root(pub Arc<Session>);

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let session = &self.0;
        let context = &session.context;
        let run = &context.run;
        let logical = run.logical_date.map(Instant::utc);
        let formatted = |format: &str| logical?.strftime(format).ok().map(Value::from);
        let instant = |instant: Option<chrono::DateTime<chrono::Utc>>| Some(Value::from_object(Instant::utc(instant?)));
        match key.as_str()? {
            "logical_date" => instant(run.logical_date),
            "data_interval_start" => instant(run.logical_date.and(run.data_interval_start)),
            "data_interval_end" => instant(run.logical_date.and(run.data_interval_end)),
            "ds" => formatted("%Y-%m-%d"),
            "ds_nodash" => formatted("%Y%m%d"),
            "ts" => Some(Value::from(logical?.isoformat("T"))),
            "ts_nodash" => formatted("%Y%m%dT%H%M%S"),
            "ts_nodash_with_tz" => formatted("%Y%m%dT%H%M%S%z"),
            "task_instance_key_str" => {
                let day = logical?.strftime("%Y%m%d").ok()?;
                Some(Value::from(format!("{}__{}__{day}", context.dag.dag_id, context.task_id)))
            }
            "run_id" => Some(Value::from(context.run_id.as_str())),
            "map_index" => Some(Value::from(context.map_index)),
            "mapped" if context.map_index >= 0 => Some(from_map(&context.mapped)),
            "try_number" => Some(Value::from(context.try_number)),
            "test_mode" => Some(Value::from(false)),
            "expanded_ti_count" => Some(context.expanded.map_or_else(|| Value::from(()), Value::from)),
            // Sensors wait where they are, and are never started anew.
            "task_reschedule_count" => Some(Value::from(0)),
            "partition_key" => Some(text_or_none(run.partition_key.as_deref())),
            "partition_date" => Some(or_none(run.partition_date)),
            "params" => Some(from_map(&run.params)),
            "dag" => Some(dag(session)),
            "dag_run" => Some(dag_run(session)),
            // A callback of a DAG may be about no task at all.
            "task" | "ti" | "task_instance" | "inlet_events" if context.task_id.is_empty() => None,
            "task" => Some(task(session)),
            "map_index_template" => {
                let template = own_task(session)?.map_index_template.as_deref();
                Some(template.map_or_else(|| Value::from(()), Value::from))
            }
            "inlets" => Some(asset_events::assets(&own_task(session)?.inlets)),
            "outlets" => Some(asset_events::assets(&own_task(session)?.outlets)),
            "inlet_events" => Some(session.asset_events(|events| asset_events::by_asset(&events.of_inlets))),
            "triggering_asset_events" => {
                Some(session.asset_events(|events| asset_events::by_asset(&events.triggering)))
            }
            "prev_data_interval_start_success" => {
                Some(session.last_success(|success| or_none(success.data_interval_start)))
            }
            "prev_data_interval_end_success" => {
                Some(session.last_success(|success| or_none(success.data_interval_end)))
            }
            "prev_start_date_success" => Some(session.last_success(|success| or_none(success.start_date))),
            "prev_end_date_success" => Some(session.last_success(|success| or_none(success.end_date))),
            "ti" | "task_instance" => Some(Value::from_object(TaskInstance(Arc::clone(session)))),
            "conn" => Some(Value::from_object(secrets::Connections(Arc::clone(session)))),
            "var" => Some(Value::from_object(secrets::Variables(Arc::clone(session)))),
            "macros" => Some(Value::from_object(Macros(Arc::clone(session)))),
            name => context.callback.as_ref()?.name(name),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }
}

pub(super) fn from_map(map: &Map<String, serde_json::Value>) -> Value {
    Value::from_pairs(map.iter().map(|(key, value)| (key.as_str(), from_json(value))))
}

pub(super) fn text_or_none(text: Option<&str>) -> Value {
    text.map_or_else(|| Value::from(()), Value::from)
}

pub(super) fn or_none(instant: Option<chrono::DateTime<chrono::Utc>>) -> Value {
    instant.map_or_else(|| Value::from(()), |instant| Value::from_object(Instant::utc(instant)))
}

fn dag(session: &Session) -> Value {
    let dag = &session.context.dag;
    let tags: Vec<Value> = dag.tags.iter().map(|tag| Value::from(tag.as_str())).collect();
    let task_ids: Vec<Value> = dag.tasks().map(|(_, task)| Value::from(task.task_id.as_str())).collect();
    Value::from_pairs([
        ("dag_id", Value::from(dag.dag_id.as_str())),
        ("description", text_or_none(dag.description.as_deref())),
        ("owner", Value::from(dag.owner.as_str())),
        ("tags", Value::from(tags)),
        ("task_ids", Value::from(task_ids)),
        ("timezone", Value::from(dag.timezone.name())),
        ("start_date", or_none(dag.start_date)),
        ("end_date", or_none(dag.end_date)),
        ("catchup", Value::from(dag.runs.catchup.is_on())),
    ])
}

fn dag_run(session: &Session) -> Value {
    let context = &session.context;
    let run = &context.run;
    let then = context.callback.iter().flat_map(|callback| callback.of_run());
    let always = [
        ("dag_id", Value::from(context.dag.dag_id.as_str())),
        ("run_id", Value::from(context.run_id.as_str())),
        ("run_type", Value::from(run.run_type.as_str())),
        ("conf", from_map(&run.conf)),
        ("logical_date", or_none(run.logical_date)),
        ("data_interval_start", or_none(run.data_interval_start)),
        ("data_interval_end", or_none(run.data_interval_end)),
        ("run_after", or_none(Some(run.run_after))),
        ("start_date", or_none(run.start_date)),
        ("partition_key", text_or_none(run.partition_key.as_deref())),
        ("partition_date", or_none(run.partition_date)),
    ];
    Value::from_pairs(always.into_iter().chain(then))
}

fn own_task(session: &Session) -> Option<&Task> {
    let context = &session.context;
    context.dag.find(&context.task_id).map(|index| context.dag.task(index))
}

fn task(session: &Session) -> Value {
    let context = &session.context;
    let Some(task) = own_task(session) else {
        return Value::from_pairs([("task_id", Value::from(context.task_id.as_str()))]);
    };
    let upstream = |index| context.dag.task(index).task_id.as_str();
    let index = context.dag.find(&context.task_id);
    let mut upstream: Vec<&str> =
        index.into_iter().flat_map(|index| context.dag.upstream(index)).map(upstream).collect();
    upstream.sort_unstable();
    Value::from_pairs([
        ("task_id", Value::from(task.task_id.as_str())),
        ("operator", Value::from(task.operator.as_str())),
        ("operator_name", Value::from(task.operator.as_str())),
        ("owner", Value::from(task.owner.as_str())),
        ("retries", Value::from(task.retries)),
        ("pool", Value::from(task.pool.as_str())),
        ("queue", Value::from(task.queue.as_str())),
        ("upstream_task_ids", Value::from(upstream.into_iter().map(Value::from).collect::<Vec<_>>())),
    ])
}

/// The task instance, which alone can look at what others left behind.
struct TaskInstance(Arc<Session>);

impl fmt::Debug for TaskInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = &self.0.context;
        write!(f, "<TaskInstance: {}.{} {}>", context.dag.dag_id, context.task_id, context.run_id)
    }
}

impl Object for TaskInstance {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let context = &self.0.context;
        Some(match key.as_str()? {
            "task_id" => Value::from(context.task_id.as_str()),
            "dag_id" => Value::from(context.dag.dag_id.as_str()),
            "run_id" => Value::from(context.run_id.as_str()),
            "try_number" => Value::from(context.try_number),
            "map_index" => Value::from(context.map_index),
            "task" => task(&self.0),
            "max_tries" => {
                let index = context.dag.find(&context.task_id)?;
                Value::from(context.dag.task(index).retries)
            }
            name => return context.callback.as_ref()?.of_try(name),
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "xcom_pull" => self.xcom_pull(args),
            "xcom_push" => Err(invalid("a template cannot push an XCom; what the operator answers is one".to_owned())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl TaskInstance {
    /// `xcom_pull(task_ids, dag_id, key, include_prior_dates, …)`, each positional or by name (Airflow 3).
    fn xcom_pull(&self, args: &[Value]) -> Result<Value, Error> {
        type Positional = (Option<Value>, Option<Value>, Option<Value>, Option<Value>, Kwargs);
        let (task_ids, dag_id, key, include_prior_dates, kwargs): Positional = from_args(args)?;
        let named = |name: &str, positional: Option<Value>| match positional {
            Some(value) => Ok(Some(value)),
            None => kwargs.get::<Option<Value>>(name),
        };
        let task_ids = named("task_ids", task_ids)?;
        let dag_id = named("dag_id", dag_id)?;
        let key = named("key", key)?;
        let default = kwargs.get::<Option<Value>>("default")?.unwrap_or_else(|| Value::from(()));
        let map_indexes = kwargs.get::<Option<Value>>("map_indexes")?;
        let run_id = kwargs.get::<Option<Value>>("run_id")?;
        let include_prior_dates = named("include_prior_dates", include_prior_dates)?;
        kwargs.assert_all_used()?;
        let context = &self.0.context;
        let other = |name: &str, value: Option<Value>, own: &str| -> Result<Option<String>, Error> {
            let Some(value) = value.filter(|value| !value.is_none()) else { return Ok(None) };
            let id = value.as_str().ok_or_else(|| invalid(format!("`{name}` is a text")))?;
            Ok((id != own).then(|| id.to_owned()))
        };
        let run = XComRun {
            dag_id: other("dag_id", dag_id, &context.dag.dag_id)?,
            run_id: other("run_id", run_id, &context.run_id)?,
            or_before: include_prior_dates.is_some_and(|is_wanted| is_wanted.is_true()),
        };
        let indexes = map_indexes.filter(|indexes| !indexes.is_none()).map(|indexes| MapIndexes::read(&indexes));
        let indexes = indexes.transpose()?;
        let key = match &key {
            Some(key) if !key.is_none() => {
                key.as_str().ok_or_else(|| invalid("the key of an XCom is text".to_owned()))?.to_owned()
            }
            _ => RETURN_VALUE.to_owned(),
        };
        let pull = Pull { run, key, indexes, default };
        match task_ids {
            None => self.of_task(&context.task_id, &pull),
            Some(ids) if ids.is_none() => self.of_task(&context.task_id, &pull),
            Some(ids) => match ids.as_str() {
                Some(id) => self.of_task(id, &pull),
                None => self.of_tasks(&ids, &pull),
            },
        }
    }

    /// What a task left: all of it, or what these instances left.
    fn of_task(&self, task_id: &str, pull: &Pull) -> Result<Value, Error> {
        match &pull.indexes {
            None => self.one(task_id, None, pull),
            Some(MapIndexes::One(index)) => self.one(task_id, Some(*index), pull),
            Some(MapIndexes::Several(indexes)) => {
                let values = indexes.iter().map(|index| self.one(task_id, Some(*index), pull));
                Ok(Value::from(values.collect::<Result<Vec<Value>, Error>>()?))
            }
        }
    }

    /// What several tasks left, in one list: what the instances of one left are items of it, too (Airflow 3).
    fn of_tasks(&self, task_ids: &Value, pull: &Pull) -> Result<Value, Error> {
        let mut values = Vec::new();
        for task_id in task_ids.try_iter()? {
            let Some(task_id) = task_id.as_str() else {
                return Err(invalid("`task_ids` is a task id or a list of them".to_owned()));
            };
            let left = self.of_task(task_id, pull)?;
            let is_of_several = match &pull.indexes {
                None if pull.run.is_own() => self.is_of_several(task_id),
                None => self.0.is_of_several(&pull.xcom(task_id, None)),
                Some(MapIndexes::One(_)) => false,
                Some(MapIndexes::Several(_)) => true,
            };
            // One that is still to be fetched is no list yet.
            if is_of_several && left.kind() == ValueKind::Seq {
                values.extend(left.try_iter()?);
            } else {
                values.push(left);
            }
        }
        Ok(Value::from(values))
    }

    /// Whether a task has several instances, of which this task instance sees more than the one beside it.
    fn is_of_several(&self, task_id: &str) -> bool {
        let context = &self.0.context;
        context.dag.find(task_id).is_some_and(|task| {
            let own = context.dag.find(&context.task_id);
            let is_beside = own.is_some_and(|own| context.dag.are_mapped_together(task, own));
            context.dag.mapping(task).is_some() && !is_beside
        })
    }

    fn one(&self, task_id: &str, map_index: Option<i32>, pull: &Pull) -> Result<Value, Error> {
        let dag = &self.0.context.dag;
        // What tasks other DAGs have, and had, is seen when it is looked for.
        if pull.run.dag_id.is_none() && pull.run.run_id.is_none() && dag.find(task_id).is_none() {
            let hint = did_you_mean(task_id, dag.tasks().map(|(_, task)| task.task_id.as_str()));
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(invalid(format!("there is no task `{task_id}` to pull an XCom from{hint}")));
        }
        Ok(self.0.pull(pull.xcom(task_id, map_index), &pull.default))
    }
}

/// What a template pulls, of whichever tasks.
struct Pull {
    run: XComRun,
    key: String,
    indexes: Option<MapIndexes>,
    default: Value,
}

impl Pull {
    fn xcom(&self, task_id: &str, map_index: Option<i32>) -> XComRef {
        XComRef { run: self.run.clone(), task_id: task_id.to_owned(), key: self.key.clone(), map_index }
    }
}

/// Of which instances an XCom is pulled (Airflow 3: `map_indexes`).
enum MapIndexes {
    /// Of one: its value.
    One(i32),
    /// Of several: a list of their values.
    Several(Vec<i32>),
}

impl MapIndexes {
    fn read(value: &Value) -> Result<MapIndexes, Error> {
        let wrong = || invalid("`map_indexes` is an index, or a list of them".to_owned());
        let index = |value: &Value| value.as_i64().and_then(|index| i32::try_from(index).ok()).ok_or_else(wrong);
        if value.as_i64().is_some() {
            return Ok(MapIndexes::One(index(value)?));
        }
        let several = value.try_iter().map_err(|_| wrong())?.map(|value| index(&value));
        Ok(MapIndexes::Several(several.collect::<Result<Vec<i32>, Error>>()?))
    }
}
