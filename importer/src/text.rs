//! What Python does with texts: formats and methods.

use crate::expression::SIZE_MAX;
use crate::value::Value;

/// A value as an f-string or `format` writes it by a format of the simpler kinds.
pub(crate) fn format(value: &Value<'_>, spec: &str) -> Option<String> {
    if spec.is_empty() {
        return value.display();
    }
    if let Value::Date(date) = value {
        let mut text = String::new();
        // A format that is not one of chrono's must not end in a panic.
        return std::fmt::Write::write_fmt(&mut text, format_args!("{}", date.local.format(spec)))
            .is_ok()
            .then_some(text);
    }
    let (digits, kind) = match spec.char_indices().last()? {
        (at, kind @ ('d' | 's' | 'f')) => (&spec[..at], kind),
        _ => (spec, 's'),
    };
    let width = |digits: &str| {
        if digits.is_empty() { Some(0) } else { digits.parse::<usize>().ok() }.filter(|width| *width < 1_000)
    };
    match (value, kind) {
        (Value::Int(number), 'd' | 's') if digits.starts_with('0') => {
            Some(format!("{number:0width$}", width = width(digits)?))
        }
        (Value::Int(number), 'd' | 's') => Some(format!("{number:>width$}", width = width(digits)?)),
        (Value::Text(text), 's') => Some(format!("{text:<width$}", width = width(digits)?)),
        (value, 'f') => {
            let places = digits.strip_prefix('.').and_then(width)?;
            Some(format!("{:.places$}", value.number()?))
        }
        _ => None,
    }
}

/// `"…%s…" % value`.
pub(crate) fn percent<'t>(pattern: &str, value: Value<'t>) -> Option<Value<'t>> {
    let mut values = match value {
        Value::Tuple(items) => items,
        single => vec![single],
    }
    .into_iter();
    let mut out = String::new();
    let mut is_template = false;
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let length = after.find(|sign: char| sign.is_ascii_alphabetic() || sign == '%')?;
        let kind = after[length..].chars().next()?;
        if kind == '%' {
            out.push('%');
        } else {
            let value = values.next()?;
            is_template |= matches!(value, Value::Template(_));
            match kind {
                's' if length == 0 => out.push_str(&value.display()?),
                'r' if length == 0 => out.push_str(&value.repr()?),
                'd' | 'f' => out.push_str(&format(&value, &after[..=length])?),
                _ => return None,
            }
        }
        rest = &after[length + 1..];
    }
    out.push_str(rest);
    if values.next().is_some() || out.len() > SIZE_MAX {
        return None;
    }
    Some(if is_template { Value::Template(out) } else { Value::Text(out) })
}

/// `"…{}…".format(…)`.
pub(crate) fn format_method<'t>(
    pattern: &str,
    positional: &[Value<'t>],
    named: &[(String, Value<'t>)],
) -> Option<Value<'t>> {
    let mut out = String::new();
    let mut is_template = false;
    let mut next = 0;
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        if tail.starts_with("{{") || tail.starts_with("}}") {
            out.push_str(&tail[..1]);
            rest = &tail[2..];
            continue;
        }
        let end = tail.find('}').filter(|_| tail.starts_with('{'))?;
        let (name, spec) = tail[1..end].split_once(':').unwrap_or((&tail[1..end], ""));
        let value = if name.is_empty() {
            next += 1;
            positional.get(next - 1)
        } else if let Ok(index) = name.parse::<usize>() {
            positional.get(index)
        } else {
            named.iter().find(|(known, _)| known == name).map(|(_, value)| value)
        }?;
        is_template |= matches!(value, Value::Template(_));
        out.push_str(&format(value, spec)?);
        if out.len() > SIZE_MAX {
            return None;
        }
        rest = &tail[end + 1..];
    }
    out.push_str(rest);
    Some(if is_template { Value::Template(out) } else { Value::Text(out) })
}

/// A method of a text without named arguments; none when it is not followed.
pub(crate) fn method<'t>(text: &str, name: &str, arguments: &[Value<'t>]) -> Option<Value<'t>> {
    let words: Vec<&str> = arguments.iter().filter_map(Value::as_text).collect();
    let texts = |parts: Vec<&str>| Value::List(parts.into_iter().map(|part| Value::Text(part.to_owned())).collect());
    let strip = |sign: char| words.first().map_or_else(|| sign.is_whitespace(), |signs| signs.contains(sign));
    Some(match (name, words.as_slice()) {
        ("upper", []) => Value::Text(text.to_uppercase()),
        ("lower", []) => Value::Text(text.to_lowercase()),
        ("title", []) => Value::Text(capitalized(text, true)),
        ("capitalize", []) => Value::Text(capitalized(text, false)),
        ("strip", _) => Value::Text(text.trim_matches(strip).to_owned()),
        ("lstrip", _) => Value::Text(text.trim_start_matches(strip).to_owned()),
        ("rstrip", _) => Value::Text(text.trim_end_matches(strip).to_owned()),
        ("split", []) => texts(text.split_whitespace().collect()),
        ("split", [separator]) if !separator.is_empty() && arguments.len() == 1 => {
            texts(text.split(separator).collect())
        }
        ("splitlines", []) => texts(text.lines().collect()),
        ("replace", [from, to]) if !from.is_empty() && text.len().saturating_mul(to.len().max(1)) <= SIZE_MAX => {
            Value::Text(text.replace(from, to))
        }
        ("startswith", [start]) => Value::Bool(text.starts_with(start)),
        ("endswith", [end]) => Value::Bool(text.ends_with(end)),
        ("removeprefix", [start]) => Value::Text(text.strip_prefix(start).unwrap_or(text).to_owned()),
        ("removesuffix", [end]) => Value::Text(text.strip_suffix(end).unwrap_or(text).to_owned()),
        ("zfill", []) => match arguments {
            [Value::Int(width @ 0..1_000)] => {
                let width = usize::try_from(*width).ok()?;
                Value::Text(format!("{text:0>width$}"))
            }
            _ => return None,
        },
        ("join", []) => {
            let items = arguments.first()?.items()?;
            let is_template = items.iter().any(|item| matches!(item, Value::Template(_)));
            let parts: Option<Vec<&str>> = items.iter().map(Value::as_text).collect();
            let parts = parts?;
            if parts.iter().map(|part| part.len() + text.len()).sum::<usize>() > SIZE_MAX {
                return None;
            }
            let joined = parts.join(text);
            if is_template { Value::Template(joined) } else { Value::Text(joined) }
        }
        _ => return None,
    })
}

fn capitalized(text: &str, every_word: bool) -> String {
    let mut at_start = true;
    let mut out = String::new();
    for sign in text.chars() {
        if at_start {
            out.extend(sign.to_uppercase());
        } else {
            out.extend(sign.to_lowercase());
        }
        at_start = every_word && !sign.is_alphabetic();
    }
    out
}

/// A text without the blanks that all its lines begin with (Python: `textwrap.dedent`).
pub(crate) fn dedent(text: &str) -> String {
    let depth = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let common = text.lines().filter(|line| !line.trim().is_empty()).map(depth).min().unwrap_or(0);
    let lines =
        text.split('\n').map(|line| if line.trim().is_empty() { "" } else { line.get(common..).unwrap_or(line) });
    lines.collect::<Vec<_>>().join("\n")
}
