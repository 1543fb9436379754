//! What an expression of the file stands for, as far as it can be told without running it.

use std::ops::Range;
use std::rc::Rc;

use chrono::{NaiveDateTime, TimeDelta};
use serde_json::{Map, Value as Json};
use tree_sitter::Node;

/// A value does not grow beyond this weight.
pub(crate) const WEIGHT_MAX: usize = 100_000;

/// Lists within lists are followed so far.
const NESTING_MAX: usize = 50;

/// Why something cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotStatic {
    pub(crate) reason: String,
    pub(crate) place: Range<usize>,
    pub(crate) help: Option<&'static str>,
}

/// A value, or why there is none.
pub(crate) type Evaluated<'t> = Result<Value<'t>, Rc<NotStatic>>;

/// A length of time, which may have months.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Length {
    pub(crate) months: i64,
    pub(crate) exact: TimeDelta,
}

/// A date and time on the clocks of a zone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Date {
    pub(crate) local: NaiveDateTime,
    pub(crate) zone: Option<String>,
}

/// A function that is a task by `@task`.
#[derive(Clone, Debug)]
pub(crate) struct TaskFunction<'t> {
    pub(crate) function: Node<'t>,
    /// The calls that say more of the task, the last one counts: its decorator, and `override`.
    pub(crate) settings: Vec<Node<'t>>,
    /// The calls of `partial`.
    pub(crate) partial: Vec<Node<'t>>,
}

/// A value of Python's, or of Airflow's.
#[derive(Clone, Debug)]
pub(crate) enum Value<'t> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A text with a template in it that stands for what Python would look up now: a variable.
    Template(String),
    List(Vec<Value<'t>>),
    Tuple(Vec<Value<'t>>),
    Dict(Vec<(Value<'t>, Value<'t>)>),
    Length(Length),
    Date(Date),
    Zone(String),
    /// An asset, or an expression over assets, as Updraft writes it.
    Assets(Json),
    /// A name under which a task finds assets while it runs.
    Alias(String),
    /// A schedule, with the zone that it names.
    Schedule(Json, Option<String>),
    /// Something else that Updraft writes so.
    Written(Json),
    /// What was imported, or a name of Python's own, in full.
    Name(String),
    Function(Node<'t>),
    /// A function that is a task by `@task`.
    TaskFunction(TaskFunction<'t>),
    /// A function that is a group by `@task_group`, or a DAG by `@dag`, with its decorator.
    GroupFunction(Node<'t>, Node<'t>),
    DagFunction(Node<'t>, Node<'t>),
    Dag(usize),
    Task(usize),
    Group(usize),
    /// `task.output`, or what a task leaves under a key: `task.output["key"]`.
    Output(usize, Option<String>),
    /// What Python makes of outputs (`task.output.map(…)`): whose they are, and why it cannot be told.
    Derived(Vec<usize>, Rc<NotStatic>),
    /// An operator with some of its arguments: `Operator.partial(…)`.
    Partial(String, Node<'t>),
    /// What `task >> Label("…")` waits for.
    Labelled(Vec<Value<'t>>),
    Label,
    Unknown(Rc<NotStatic>),
}

impl<'t> Value<'t> {
    /// How much there is of it: an item is 1, and so are 64 letters. More than `WEIGHT_MAX` when it is nested too deeply.
    pub(crate) fn weight(&self) -> usize {
        self.weight_at(0)
    }

    fn weight_at(&self, depth: usize) -> usize {
        if depth > NESTING_MAX {
            return WEIGHT_MAX + 1;
        }
        let parts = |items: &[Value<'t>]| -> usize { items.iter().map(|item| item.weight_at(depth + 1)).sum() };
        1 + match self {
            Value::Text(text) | Value::Template(text) => text.len() / 64,
            Value::List(items) | Value::Tuple(items) | Value::Labelled(items) => parts(items),
            Value::Dict(entries) => {
                entries.iter().map(|(key, value)| key.weight_at(depth + 1) + value.weight_at(depth + 1)).sum()
            }
            Value::Assets(json) | Value::Written(json) | Value::Schedule(json, _) => json_weight(json, depth + 1),
            Value::Derived(tasks, _) => tasks.len(),
            _ => 0,
        }
    }

    /// What Python takes it for in a condition; none when that cannot be told.
    pub(crate) fn truth(&self) -> Option<bool> {
        Some(match self {
            Value::None => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(items) | Value::Tuple(items) => !items.is_empty(),
            Value::Dict(entries) => !entries.is_empty(),
            Value::Length(_) | Value::Date(_) => true,
            value if value.is_of_airflow() => true,
            _ => return None,
        })
    }

    /// Whether it is something of Airflow's, which is neither nothing nor a value of Python's own.
    fn is_of_airflow(&self) -> bool {
        matches!(
            self,
            Value::Dag(_)
                | Value::Task(_)
                | Value::Group(_)
                | Value::Output(..)
                | Value::Derived(..)
                | Value::Assets(_)
                | Value::Alias(_)
        )
    }

    /// The tasks whose outputs it is, or is made of.
    pub(crate) fn sources(&self) -> &[usize] {
        match self {
            Value::Output(task, _) => std::slice::from_ref(task),
            Value::Derived(tasks, _) => tasks,
            _ => &[],
        }
    }

    /// Whether two values are equal; none when that cannot be told.
    pub(crate) fn equals(&self, other: &Value<'t>) -> Option<bool> {
        let all = |left: &[Value<'t>], right: &[Value<'t>]| {
            if left.len() != right.len() {
                return Some(false);
            }
            left.iter().zip(right).try_fold(true, |so_far, (left, right)| Some(so_far && left.equals(right)?))
        };
        Some(match (self, other) {
            (Value::Text(left), Value::Text(right)) => left == right,
            (Value::List(left), Value::List(right)) | (Value::Tuple(left), Value::Tuple(right)) => {
                return all(left, right);
            }
            (Value::Length(left), Value::Length(right)) => left == right,
            (Value::Date(left), Value::Date(right)) => left == right,
            (Value::Task(left), Value::Task(right)) | (Value::Group(left), Value::Group(right)) => left == right,
            (Value::None, Value::None) => true,
            (Value::None, other) | (other, Value::None) if other.is_of_airflow() => false,
            (left, right) => match (left.number(), right.number()) {
                #[expect(clippy::float_cmp, reason = "Python compares so, too")]
                (Some(left), Some(right)) => left == right,
                _ if left.is_plain() && right.is_plain() => false,
                _ => return None,
            },
        })
    }

    /// As a number; true is one, as in Python.
    #[expect(clippy::cast_precision_loss, reason = "only compared, and DAG files hold no such numbers")]
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            Value::Int(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether all of it is written in the file.
    fn is_plain(&self) -> bool {
        matches!(
            self,
            Value::None
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::Text(_)
                | Value::List(_)
                | Value::Tuple(_)
                | Value::Dict(_)
                | Value::Length(_)
                | Value::Date(_)
        )
    }

    /// The text, also one with a template in it.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Template(text) => Some(text),
            _ => None,
        }
    }

    /// What can be counted through: lists, and the keys of mappings.
    pub(crate) fn items(&self) -> Option<Vec<Value<'t>>> {
        match self {
            Value::List(items) | Value::Tuple(items) => Some(items.clone()),
            Value::Dict(entries) => Some(entries.iter().map(|(key, _)| key.clone()).collect()),
            Value::Text(text) => Some(text.chars().map(|sign| Value::Text(sign.to_string())).collect()),
            _ => None,
        }
    }

    /// As `str()` writes it.
    pub(crate) fn display(&self) -> Option<String> {
        match self {
            Value::Text(text) | Value::Template(text) => Some(text.clone()),
            other => other.repr(),
        }
    }

    /// As `repr()` writes it.
    pub(crate) fn repr(&self) -> Option<String> {
        let joined = |items: &[Value<'t>]| {
            let items: Option<Vec<String>> = items.iter().map(Value::repr).collect();
            Some(items?.join(", "))
        };
        Some(match self {
            Value::None => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::Text(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
            Value::Text(text) => {
                format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"))
            }
            Value::List(items) => format!("[{}]", joined(items)?),
            Value::Tuple(items) if items.len() == 1 => format!("({},)", joined(items)?),
            Value::Tuple(items) => format!("({})", joined(items)?),
            Value::Dict(entries) => {
                let entries: Option<Vec<String>> =
                    entries.iter().map(|(key, value)| Some(format!("{}: {}", key.repr()?, value.repr()?))).collect();
                format!("{{{}}}", entries?.join(", "))
            }
            Value::Date(date) => date.local.format("%Y-%m-%d %H:%M:%S").to_string(),
            _ => return None,
        })
    }

    /// As JSON, and so as YAML; or why that cannot be.
    pub(crate) fn to_json(&self) -> Result<Json, String> {
        Ok(match self {
            Value::None => Json::Null,
            Value::Bool(value) => Json::from(*value),
            Value::Int(value) => Json::from(*value),
            Value::Float(value) => serde_json::Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Value::Text(text) | Value::Template(text) | Value::Zone(text) => Json::from(text.as_str()),
            Value::List(items) | Value::Tuple(items) => {
                Json::Array(items.iter().map(Value::to_json).collect::<Result<_, _>>()?)
            }
            Value::Dict(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let key = key.display().ok_or("a key of this mapping is no text")?;
                    map.insert(key, value.to_json()?);
                }
                Json::Object(map)
            }
            Value::Length(length) => Json::from(length.written()),
            Value::Date(date) => Json::from(date.written()),
            Value::Assets(json) | Value::Written(json) | Value::Schedule(json, _) => json.clone(),
            Value::Name(name) => return member(name).ok_or_else(|| format!("`{name}` is Python code")),
            Value::Function(_) | Value::TaskFunction(_) | Value::GroupFunction(..) | Value::DagFunction(..) => {
                return Err("a function is Python code".to_owned());
            }
            Value::Dag(_) | Value::Task(_) | Value::Group(_) | Value::Output(..) => {
                return Err("a DAG, a task or a group cannot stand here".to_owned());
            }
            Value::Partial(..) | Value::Labelled(_) | Value::Label | Value::Alias(_) => {
                return Err("it cannot stand here".to_owned());
            }
            Value::Derived(_, why) | Value::Unknown(why) => return Err(why.reason.clone()),
        })
    }
}

fn json_weight(json: &Json, depth: usize) -> usize {
    if depth > NESTING_MAX {
        return WEIGHT_MAX + 1;
    }
    1 + match json {
        Json::String(text) => text.len() / 64,
        Json::Array(items) => items.iter().map(|item| json_weight(item, depth + 1)).sum(),
        Json::Object(map) => map.values().map(|value| json_weight(value, depth + 1)).sum(),
        _ => 0,
    }
}

/// A member of one of Airflow's enumerations, in the word that Airflow and Updraft write.
fn member(name: &str) -> Option<Json> {
    const ENUMERATIONS: [&str; 6] =
        ["TriggerRule", "WeightRule", "State", "TaskInstanceState", "DagRunState", "DatabricksRunLifeCycleState"];
    let mut parts = name.rsplit('.');
    let word = parts.next()?;
    ENUMERATIONS.contains(&parts.next()?).then(|| Json::from(word.to_ascii_lowercase()))
}
