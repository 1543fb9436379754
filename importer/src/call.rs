//! What calls come to: those of Python's own, of its standard library, of pendulum, and of the file.

use std::ops::Range;
use std::rc::Rc;

use tree_sitter::Node;

use crate::arguments::Arguments;
use crate::date::{DATETIME_ORDER, TIMEDELTA_ORDER, zone_of};
use crate::expression::{SIZE_MAX, environment};
use crate::interpreter::{Interpreter, unknown};
use crate::python::field;
use crate::records::record_of;
use crate::sequence::merged;
use crate::text;
use crate::value::{Date, Evaluated, Length, NotStatic, Value};

/// Calls that answer otherwise each day.
const PRESENT: [&str; 9] = [
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "datetime.date.today",
    "pendulum.now",
    "pendulum.today",
    "pendulum.yesterday",
    "airflow.utils.dates.days_ago",
    "airflow.utils.timezone.utcnow",
];

/// Ranges longer than this are a mistake.
const RANGE_MAX: usize = 20_000;

impl<'t> Interpreter<'t> {
    pub(crate) fn call(&mut self, node: Node<'t>) -> Evaluated<'t> {
        let place = node.byte_range();
        let Some(function) = field(node, "function") else { return Err(unknown("it cannot be followed", place)) };
        if function.kind() == "attribute"
            && let (Some(object), Some(name)) = (field(function, "object"), field(function, "attribute"))
        {
            let value = self.eval(object)?;
            let name = self.text(name);
            return match value {
                Value::Name(path) if name == "partial" => Ok(Value::Partial(path, node)),
                Value::Name(path) => self.call_name(&format!("{path}.{name}"), node),
                Value::Partial(path, partial) => self.expand(&path, partial, name, node),
                Value::TaskFunction(mut task) if matches!(name, "override" | "partial") => {
                    let calls = if name == "override" { &mut task.settings } else { &mut task.partial };
                    calls.push(node);
                    Ok(Value::TaskFunction(task))
                }
                Value::TaskFunction(task) if matches!(name, "expand" | "expand_kwargs") => self.call_task(&task, node),
                value => self.method(value, object, name, node),
            };
        }
        let called = match self.eval(function) {
            // A class of the file, or one that is not known, whose work only Python can do.
            Err(_) if names_a_task(self.text(node)) => {
                let mut arguments = self.arguments(node)?;
                return self.operator(self.text(function), &mut arguments, Vec::new());
            }
            called => called?,
        };
        match called {
            Value::Name(path) => self.call_name(&path, node),
            Value::Function(function) => {
                let arguments = self.arguments(node)?;
                self.call_function(function, arguments)
            }
            Value::DagFunction(function, decorator) => self.call_dag(function, decorator, node),
            Value::GroupFunction(function, decorator) => self.call_group(function, decorator, node),
            Value::TaskFunction(task) => self.call_task(&task, node),
            _ => Err(unknown(format!("`{}` is known only when it runs", self.text(function)), place)),
        }
    }

    /// A call of something that has a name of its own: imported, or Python's.
    fn call_name(&mut self, path: &str, node: Node<'t>) -> Evaluated<'t> {
        let place = node.byte_range();
        if PRESENT.contains(&path) {
            return Err(Rc::new(NotStatic {
                reason: format!("`{path}` is another date every day"),
                place,
                help: Some("write a fixed date"),
            }));
        }
        if matches!(path, "os.environ.get" | "os.getenv") {
            return Err(environment(place));
        }
        let arguments = self.arguments(node)?;
        if let Some(name) = path.strip_prefix("builtins.") {
            return builtin(name, arguments);
        }
        let known = match path {
            "datetime.timedelta" | "pendulum.duration" => {
                let values = arguments.values(&TIMEDELTA_ORDER)?;
                Length::of(&values).map(Value::Length)
            }
            "dateutil.relativedelta.relativedelta" => Length::of(&arguments.values(&[])?).map(Value::Length),
            "datetime.datetime"
            | "datetime.date"
            | "pendulum.datetime"
            | "pendulum.DateTime"
            | "airflow.utils.timezone.datetime"
            | "airflow.sdk.timezone.datetime" => {
                let values = arguments.values(&DATETIME_ORDER)?;
                Date::of(&values).map(Value::Date)
            }
            "datetime.datetime.strptime" => {
                let items = arguments.items()?;
                match items.as_slice() {
                    [Value::Text(text), Value::Text(format)] => Date::parse(text, Some(format)).map(Value::Date),
                    _ => None,
                }
            }
            "datetime.datetime.fromisoformat"
            | "datetime.date.fromisoformat"
            | "pendulum.parse"
            | "dateutil.parser.parse"
            | "airflow.utils.timezone.parse" => {
                let mut values = arguments.values(&["text"])?.into_iter();
                let text = values.next().map(|(_, value)| value);
                let zone = values.find(|(name, _)| name == "tz").and_then(|(_, zone)| zone_of(&zone));
                let date = text.as_ref().and_then(Value::as_text).and_then(|text| Date::parse(text, None));
                date.map(|date| Value::Date(Date { zone: zone.or(date.zone), ..date }))
            }
            "pendulum.timezone"
            | "pendulum.tz.timezone"
            | "zoneinfo.ZoneInfo"
            | "pytz.timezone"
            | "dateutil.tz.gettz"
            | "pendulum.Timezone"
            | "airflow.utils.timezone.parse_timezone" => {
                let items = arguments.items()?;
                items.first().and_then(zone_of).map(Value::Zone)
            }
            "os.path.join" => {
                let items = arguments.items()?;
                let parts: Option<Vec<String>> = items.iter().map(Value::display).collect();
                let is_template = items.iter().any(|item| matches!(item, Value::Template(_)));
                parts
                    .map(|parts| joined_path(&parts))
                    .map(|path| if is_template { Value::Template(path) } else { Value::Text(path) })
            }
            "textwrap.dedent" => match arguments.items()?.as_slice() {
                [Value::Text(text)] => Some(Value::Text(text::dedent(text))),
                _ => None,
            },
            "json.dumps" => match arguments.items()?.as_slice() {
                [value] => value.to_json().ok().map(|json| Value::Text(json.to_string())),
                _ => None,
            },
            _ => {
                return match record_of(path) {
                    Some(record) => record.with(arguments),
                    None => self.call_airflow(path, arguments),
                };
            }
        };
        known.ok_or_else(|| unknown(format!("`{path}` with these arguments is not followed"), place))
    }

    /// A method of a value. Methods that change a list or a mapping change what the name stands for.
    fn method(&mut self, value: Value<'t>, object: Node<'t>, name: &str, node: Node<'t>) -> Evaluated<'t> {
        let place = node.byte_range();
        let mut arguments = self.arguments(node)?;
        if matches!(value, Value::Task(_) | Value::Group(_) | Value::Dag(_) | Value::Output(..) | Value::Derived(..)) {
            return self.airflow_method(value, name, arguments);
        }
        let not_followed =
            |inside: &Self| unknown(format!("`{}` is known only when it runs", inside.text(node)), place.clone());
        if let (Value::Text(pattern), "format") = (&value, name) {
            let named: Vec<(String, Value<'t>)> = std::mem::take(&mut arguments.named)
                .into_iter()
                .map(|(name, argument)| Ok((name, argument.value?)))
                .collect::<Result<_, Rc<NotStatic>>>()?;
            let named: Vec<_> = named.into_iter().map(|(name, value)| (name, self.in_text(value))).collect();
            let items: Vec<_> = arguments.items()?.into_iter().map(|item| self.in_text(item)).collect();
            let written = text::format_method(pattern, &items, &named);
            return written.ok_or_else(|| not_followed(self));
        }
        let named: Vec<(String, Value<'t>)> = arguments
            .named
            .iter()
            .map(|(name, argument)| Ok((name.clone(), argument.value.clone()?)))
            .collect::<Result<_, Rc<NotStatic>>>()?;
        let items = arguments.items()?;
        let is_name = object.kind() == "identifier";
        let answered = match (&value, name, items.as_slice()) {
            (Value::Text(text), _, _) => text::method(text, name, &items),
            (Value::Dict(entries), "items", []) => {
                let pairs = entries.iter().map(|(key, value)| Value::Tuple(vec![key.clone(), value.clone()]));
                Some(Value::List(pairs.collect()))
            }
            (Value::Dict(entries), "keys", []) => {
                Some(Value::List(entries.iter().map(|(key, _)| key.clone()).collect()))
            }
            (Value::Dict(entries), "values", []) => {
                Some(Value::List(entries.iter().map(|(_, value)| value.clone()).collect()))
            }
            (Value::Dict(_), "get", [key, ..]) => {
                let default = items.get(1).cloned().unwrap_or(Value::None);
                Some(crate::sequence::item(&value, key).unwrap_or(default))
            }
            (Value::Dict(_) | Value::List(_), "copy", []) => Some(value.clone()),
            (Value::Date(date), "strftime", [Value::Text(format)]) => {
                text::format(&Value::Date(date.clone()), format).map(Value::Text)
            }
            (Value::Date(date), "add" | "subtract", []) => {
                let length = Length::of(&named).map(|length| if name == "add" { length } else { length.negated() });
                length.and_then(|length| date.moved(length)).map(Value::Date)
            }
            (Value::Date(date), "replace", []) => replaced(date, &named).map(Value::Date),
            (Value::Date(date), "isoformat", []) => {
                Some(Value::Text(date.local.format("%Y-%m-%dT%H:%M:%S").to_string()))
            }
            (Value::List(list), "append" | "extend" | "insert", _) if is_name => {
                let added = match (name, items.as_slice()) {
                    ("append", [item]) => Some([list.clone(), vec![item.clone()]].concat()),
                    ("extend", [more]) => more.items().map(|more| [list.clone(), more].concat()),
                    _ => None,
                };
                self.change(object, added.filter(|list| list.len() <= SIZE_MAX).map(Value::List), &place)
            }
            (Value::Dict(entries), "update", _) if is_name => {
                let more = match items.as_slice() {
                    [] => Some(with_texts(named)),
                    [Value::Dict(more)] => Some(merged(more.clone(), with_texts(named))),
                    _ => None,
                };
                let changed = more.map(|more| Value::Dict(merged(entries.clone(), more)));
                self.change(object, changed, &place)
            }
            _ => None,
        };
        answered.ok_or_else(|| not_followed(self))
    }

    /// Gives a name another value; one that is not known when it cannot be told.
    fn change(&mut self, object: Node<'t>, value: Option<Value<'t>>, place: &Range<usize>) -> Option<Value<'t>> {
        let name = self.text(object);
        let why = || unknown(format!("what `{name}` holds is changed on the way"), place.clone());
        let value = value.unwrap_or_else(|| Value::Unknown(why()));
        *self.get_mut(name)? = value;
        Some(Value::None)
    }
}

/// Whether a call names a task, as those of operators do.
fn names_a_task(call: &str) -> bool {
    call.contains("task_id=") || call.contains("task_id =")
}

/// A call of a function of Python's own.
fn builtin<'t>(name: &str, arguments: Arguments<'t>) -> Evaluated<'t> {
    let place = arguments.place.clone();
    if name == "print" {
        return Ok(Value::None);
    }
    let named: Vec<(String, Value<'t>)> = arguments
        .named
        .iter()
        .map(|(key, argument)| match &argument.value {
            // One value that is not known does not take the others of the mapping with it.
            Err(why) if name == "dict" => Ok((key.clone(), Value::Unknown(Rc::clone(why)))),
            value => Ok((key.clone(), value.clone()?)),
        })
        .collect::<Result<_, Rc<NotStatic>>>()?;
    let items = arguments.items()?;
    let first = || items.first().and_then(Value::items);
    let known = match (name, items.as_slice()) {
        ("len", [value]) => value.items().and_then(|items| i64::try_from(items.len()).ok()).map(Value::Int),
        ("str", [value]) => value.display().map(|text| match value {
            Value::Template(_) => Value::Template(text),
            _ => Value::Text(text),
        }),
        ("int", [Value::Text(text)]) => text.trim().parse().ok().map(Value::Int),
        #[expect(clippy::cast_possible_truncation, reason = "as in Python, and the number is small")]
        ("int", [value]) => value.number().filter(|number| number.abs() < 9e15).map(|number| Value::Int(number as i64)),
        ("float", [Value::Text(text)]) => text.trim().parse().ok().map(Value::Float),
        ("float", [value]) => value.number().map(Value::Float),
        ("bool", [value]) => value.truth().map(Value::Bool),
        ("range", [Value::Int(to)]) => range(0, *to, 1),
        ("range", [Value::Int(from), Value::Int(to)]) => range(*from, *to, 1),
        ("range", [Value::Int(from), Value::Int(to), Value::Int(step)]) => range(*from, *to, *step),
        ("list" | "tuple" | "set" | "frozenset", []) => Some(Value::List(Vec::new())),
        ("list" | "set" | "frozenset", [_]) => first().map(Value::List),
        ("tuple", [_]) => first().map(Value::Tuple),
        ("dict", []) => Some(Value::Dict(with_texts(named))),
        ("dict", [Value::Dict(entries)]) => Some(Value::Dict(merged(entries.clone(), with_texts(named)))),
        ("reversed", [_]) => first().map(|mut items| {
            items.reverse();
            Value::List(items)
        }),
        ("sorted", [_]) if named.is_empty() => first().and_then(sorted).map(Value::List),
        ("enumerate", [_, ..]) => {
            let start =
                items.get(1).or_else(|| named.first().map(|(_, value)| value)).cloned().unwrap_or(Value::Int(0));
            match (start, first()) {
                (Value::Int(start), Some(items)) => {
                    let number = |index: usize| start.checked_add(i64::try_from(index).ok()?).map(Value::Int);
                    let pairs = items.into_iter().enumerate();
                    let pairs = pairs.map(|(index, item)| Some(Value::Tuple(vec![number(index)?, item])));
                    pairs.collect::<Option<Vec<_>>>().map(Value::List)
                }
                _ => None,
            }
        }
        ("zip", lists) => {
            let lists: Option<Vec<Vec<Value<'t>>>> = lists.iter().map(Value::items).collect();
            lists.map(|lists| {
                let length = lists.iter().map(Vec::len).min().unwrap_or(0);
                let row = |index: usize| Value::Tuple(lists.iter().map(|list| list[index].clone()).collect());
                Value::List((0..length).map(row).collect())
            })
        }
        ("sum", [_]) => first().and_then(|items| {
            items.into_iter().try_fold(Value::Int(0), |sum, item| crate::sequence::compute("+", sum, item))
        }),
        ("min" | "max", _) => {
            let all = if items.len() == 1 { first() } else { Some(items.clone()) };
            all.and_then(sorted).and_then(|all| if name == "min" { all.first().cloned() } else { all.last().cloned() })
        }
        _ => None,
    };
    known.ok_or_else(|| unknown(format!("`{name}` with these arguments is not followed"), place))
}

fn with_texts(named: Vec<(String, Value<'_>)>) -> Vec<(Value<'_>, Value<'_>)> {
    named.into_iter().map(|(name, value)| (Value::Text(name), value)).collect()
}

fn range<'t>(from: i64, to: i64, step: i64) -> Option<Value<'t>> {
    if step == 0 {
        return None;
    }
    let mut items = Vec::new();
    let mut at = from;
    while (step > 0 && at < to) || (step < 0 && at > to) {
        items.push(Value::Int(at));
        if items.len() > RANGE_MAX {
            return None;
        }
        at = at.checked_add(step)?;
    }
    Some(Value::List(items))
}

/// Numbers or texts in their order; none when one of them has no place in it.
fn sorted(mut items: Vec<Value<'_>>) -> Option<Vec<Value<'_>>> {
    let all_texts = items.iter().all(|item| matches!(item, Value::Text(_)));
    if !all_texts && items.iter().any(|item| item.number().is_none_or(f64::is_nan)) {
        return None;
    }
    items.sort_by(|left, right| match (left, right) {
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (left, right) => {
            let numbers = left.number().unwrap_or_default().partial_cmp(&right.number().unwrap_or_default());
            numbers.unwrap_or(std::cmp::Ordering::Equal)
        }
    });
    Some(items)
}

/// Paths one below the other; one that begins with a slash begins anew.
fn joined_path(parts: &[String]) -> String {
    let mut path = String::new();
    for part in parts {
        if part.starts_with('/') {
            path.clear();
        } else if !path.is_empty() && !path.ends_with('/') {
            path.push('/');
        }
        path.push_str(part);
    }
    path
}

fn replaced(date: &Date, parts: &[(String, Value<'_>)]) -> Option<Date> {
    use chrono::{Datelike, Timelike};
    let mut date = date.clone();
    for (name, value) in parts {
        if name == "tzinfo" || name == "tz" {
            date.zone = Some(zone_of(value)?);
            continue;
        }
        let Value::Int(number) = value else { return None };
        let part = u32::try_from(*number).ok()?;
        date.local = match name.as_str() {
            "year" => date.local.with_year(i32::try_from(*number).ok()?)?,
            "month" => date.local.with_month(part)?,
            "day" => date.local.with_day(part)?,
            "hour" => date.local.with_hour(part)?,
            "minute" => date.local.with_minute(part)?,
            "second" => date.local.with_second(part)?,
            "microsecond" => date.local.with_nanosecond(part.checked_mul(1_000)?)?,
            _ => return None,
        };
    }
    Some(date)
}
