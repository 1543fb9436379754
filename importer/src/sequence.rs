//! Arithmetic, comparisons, and the parts of lists, mappings and texts.

use chrono::{Datelike, Timelike};

use crate::expression::SIZE_MAX;
use crate::value::{Date, Length, Value, WEIGHT_MAX};

/// What a calculation comes to; none when it cannot be told.
pub(crate) fn compute<'t>(operator: &str, left: Value<'t>, right: Value<'t>) -> Option<Value<'t>> {
    match (operator, left, right) {
        ("+", Value::Text(left), Value::Text(right)) => {
            bounded(left.len() + right.len()).then(|| Value::Text(left + &right))
        }
        ("+", Value::Text(left) | Value::Template(left), Value::Text(right) | Value::Template(right)) => {
            bounded(left.len() + right.len()).then(|| Value::Template(left + &right))
        }
        ("+", Value::List(left), Value::List(right)) => {
            bounded(left.len() + right.len()).then(|| Value::List([left, right].concat()))
        }
        ("+", Value::Tuple(left), Value::Tuple(right)) => {
            bounded(left.len() + right.len()).then(|| Value::Tuple([left, right].concat()))
        }
        ("*", Value::Text(text), Value::Int(count)) | ("*", Value::Int(count), Value::Text(text)) => {
            let count = usize::try_from(count.max(0)).ok()?;
            bounded(text.len().checked_mul(count)?).then(|| Value::Text(text.repeat(count)))
        }
        ("*", Value::List(items), Value::Int(count)) => {
            let count = usize::try_from(count.max(0)).ok()?;
            let weight: usize = items.iter().map(Value::weight).sum();
            (weight.checked_mul(count)? <= WEIGHT_MAX).then(|| Value::List(vec![items; count].concat()))
        }
        ("|", Value::Dict(left), Value::Dict(right)) => Some(Value::Dict(merged(left, right))),
        ("+", Value::Length(left), Value::Length(right)) => left.plus(right).map(Value::Length),
        ("-", Value::Length(left), Value::Length(right)) => left.plus(right.negated()).map(Value::Length),
        ("*", Value::Length(length), Value::Int(count)) | ("*", Value::Int(count), Value::Length(length)) => {
            length.times(count).map(Value::Length)
        }
        ("+", Value::Date(date), Value::Length(length)) => date.moved(length).map(Value::Date),
        ("-", Value::Date(date), Value::Length(length)) => date.moved(length.negated()).map(Value::Date),
        ("-", Value::Date(left), Value::Date(right)) if left.zone == right.zone => {
            Some(Value::Length(Length { months: 0, exact: left.local - right.local }))
        }
        (operator, Value::Int(left), Value::Int(right)) => integers(operator, left, right),
        (operator, left, right) => floats(operator, left.number()?, right.number()?),
    }
}

/// A mapping with another laid over it.
pub(crate) fn merged<'t>(
    mut under: Vec<(Value<'t>, Value<'t>)>,
    over: Vec<(Value<'t>, Value<'t>)>,
) -> Vec<(Value<'t>, Value<'t>)> {
    for (key, value) in over {
        match under.iter_mut().find(|(known, _)| known.equals(&key) == Some(true)) {
            Some((_, known)) => *known = value,
            None => under.push((key, value)),
        }
    }
    under
}

fn bounded(size: usize) -> bool {
    size <= SIZE_MAX
}

fn integers<'t>(operator: &str, left: i64, right: i64) -> Option<Value<'t>> {
    let result = match operator {
        "+" => left.checked_add(right)?,
        "-" => left.checked_sub(right)?,
        "*" => left.checked_mul(right)?,
        // Python rounds down, and the rest has the sign of the divisor.
        "//" => left.checked_div_euclid(right).filter(|_| right > 0)?,
        "%" => left.checked_rem_euclid(right).filter(|_| right > 0)?,
        "**" => left.checked_pow(u32::try_from(right).ok()?)?,
        #[expect(clippy::cast_precision_loss, reason = "as in Python")]
        "/" => return (right != 0).then(|| Value::Float(left as f64 / right as f64)),
        _ => return None,
    };
    Some(Value::Int(result))
}

fn floats<'t>(operator: &str, left: f64, right: f64) -> Option<Value<'t>> {
    let result = match operator {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" if right != 0.0 => left / right,
        _ => return None,
    };
    Some(Value::Float(result))
}

/// Whether a comparison holds; none when it cannot be told.
pub(crate) fn compare(operator: &str, left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    let within = || match right {
        Value::Text(text) => left.as_text().map(|part| text.contains(part)),
        _ => right.items()?.iter().try_fold(false, |found, item| Some(found || left.equals(item)?)),
    };
    let ordered = || match (left, right) {
        (Value::Text(left), Value::Text(right)) => left.partial_cmp(right),
        (Value::Date(left), Value::Date(right)) if left.zone == right.zone => left.local.partial_cmp(&right.local),
        _ => left.number()?.partial_cmp(&right.number()?),
    };
    match operator {
        "==" | "is" => left.equals(right),
        "!=" | "is not" => left.equals(right).map(|equal| !equal),
        "in" => within(),
        "not in" => within().map(|found| !found),
        "<" => ordered().map(std::cmp::Ordering::is_lt),
        "<=" => ordered().map(std::cmp::Ordering::is_le),
        ">" => ordered().map(std::cmp::Ordering::is_gt),
        ">=" => ordered().map(std::cmp::Ordering::is_ge),
        _ => None,
    }
}

/// What stands at an index or under a key.
pub(crate) fn item<'t>(value: &Value<'t>, key: &Value<'t>) -> Option<Value<'t>> {
    match (value, key) {
        (Value::Dict(entries), key) => {
            entries.iter().find(|(known, _)| known.equals(key) == Some(true)).map(|(_, value)| value.clone())
        }
        (value, Value::Int(index)) => {
            let items = value.items()?;
            items.get(position(*index, items.len())?).cloned()
        }
        _ => None,
    }
}

/// What stands between two indices.
pub(crate) fn slice<'t>(value: &Value<'t>, from: Option<i64>, to: Option<i64>) -> Option<Value<'t>> {
    let cut = |length: usize| {
        let bound = |index: Option<i64>, default: usize| match index {
            None => default,
            Some(index) if index < 0 => {
                length.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
            }
            Some(index) => usize::try_from(index).unwrap_or(usize::MAX).min(length),
        };
        let (from, to) = (bound(from, 0), bound(to, length));
        from..to.max(from)
    };
    Some(match value {
        Value::List(items) => Value::List(items[cut(items.len())].to_vec()),
        Value::Tuple(items) => Value::Tuple(items[cut(items.len())].to_vec()),
        Value::Text(text) => {
            let signs: Vec<char> = text.chars().collect();
            Value::Text(signs[cut(signs.len())].iter().collect())
        }
        _ => return None,
    })
}

fn position(index: i64, length: usize) -> Option<usize> {
    if index < 0 {
        length.checked_sub(usize::try_from(index.checked_neg()?).ok()?)
    } else {
        usize::try_from(index).ok()
    }
}

/// A part of a date, as a number.
pub(crate) fn part_of_date(date: &Date, name: &str) -> Option<i64> {
    Some(match name {
        "year" => i64::from(date.local.year()),
        "month" => i64::from(date.local.month()),
        "day" => i64::from(date.local.day()),
        "hour" => i64::from(date.local.hour()),
        "minute" => i64::from(date.local.minute()),
        _ => return None,
    })
}
