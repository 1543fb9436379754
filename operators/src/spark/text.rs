//! Functions of text.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray as _, Int32Array, ListBuilder, StringArray, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::exec_err;
use datafusion::error::Result;
use regex::Regex;

use super::array::{Target, cast_array};
use super::known_patterns::known;
use super::scalar::{Scalar, int_type, text, text_type, whole, whole_or};

/// All of them.
pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("split", 2..=3, texts_type, split),
        Scalar::new("regexp_extract", 2..=3, text_type, regexp_extract),
        Scalar::new("regexp_extract_all", 2..=3, texts_type, regexp_extract_all),
        Scalar::new("regexp_replace", 3..=4, text_type, regexp_replace),
        Scalar::new("initcap", 1..=1, text_type, initcap),
        Scalar::new("locate", 2..=3, int_type, locate).also(&["position"]),
        Scalar::new("format_number", 2..=2, text_type, format_number),
        Scalar::new("get_json_object", 2..=2, text_type, get_json_object),
    ]
}

fn texts_type(_: &[DataType]) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// Regular expressions that were met. Most columns have one.
#[derive(Default)]
struct Patterns(HashMap<String, Rc<Regex>>);

impl Patterns {
    fn get(&mut self, pattern: &str) -> Result<&Regex> {
        if !self.0.contains_key(pattern) {
            match known(pattern) {
                Ok(regex) => self.0.insert(pattern.to_owned(), regex),
                Err(error) => return exec_err!("`{pattern}` is no pattern that Updraft understands: {error}"),
            };
        }
        Ok(&self.0[pattern])
    }
}

/// `split(text, pattern[, limit])`: the parts between the matches, at most `limit` if that is positive.
fn split(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (texts, patterns, limits) = (text(args, 0)?, text(args, 1)?, whole_or(args, 2, -1)?);
    let mut known = Patterns::default();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for ((text, pattern), limit) in texts.iter().zip(&patterns).zip(&limits) {
        let (Some(text), Some(pattern), Some(limit)) = (text, pattern, limit) else {
            lists.append_null();
            continue;
        };
        let parts_max = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        for part in parts(text, pattern, parts_max, &mut known)? {
            lists.values().append_value(part);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn parts<'a>(text: &'a str, pattern: &str, parts_max: usize, known: &mut Patterns) -> Result<Vec<&'a str>> {
    let regex = known.get(pattern)?;
    let (mut parts, mut from) = (Vec::new(), 0);
    // An empty match at either end would only split off nothing.
    let matches =
        regex.find_iter(text).filter(|found| !found.is_empty() || (0 < found.start() && found.end() < text.len()));
    for found in matches {
        if parts.len() + 1 >= parts_max {
            break;
        }
        parts.push(&text[from..found.start()]);
        from = found.end();
    }
    parts.push(&text[from..]);
    Ok(parts)
}

/// `regexp_extract(text, pattern[, group])`: what a group of the first match holds; empty without one.
fn regexp_extract(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (texts, patterns, groups) = (text(args, 0)?, text(args, 1)?, whole_or(args, 2, 1)?);
    let mut known = Patterns::default();
    let rows = texts.iter().zip(&patterns).zip(&groups);
    let found = rows.map(|((text, pattern), group)| {
        let (Some(text), Some(pattern), Some(group)) = (text, pattern, group) else { return Ok(None) };
        let regex = known.get(pattern)?;
        let group = checked_group(regex, pattern, group)?;
        let found = regex.captures(text).and_then(|captures| captures.get(group)).map_or("", |found| found.as_str());
        Ok(Some(found))
    });
    Ok(Arc::new(found.collect::<Result<StringArray>>()?))
}

/// `regexp_extract_all(text, pattern[, group])`: what a group of each match holds.
fn regexp_extract_all(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (texts, patterns, groups) = (text(args, 0)?, text(args, 1)?, whole_or(args, 2, 1)?);
    let mut known = Patterns::default();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for ((text, pattern), group) in texts.iter().zip(&patterns).zip(&groups) {
        let (Some(text), Some(pattern), Some(group)) = (text, pattern, group) else {
            lists.append_null();
            continue;
        };
        let regex = known.get(pattern)?;
        let group = checked_group(regex, pattern, group)?;
        for captures in regex.captures_iter(text) {
            lists.values().append_value(captures.get(group).map_or("", |found| found.as_str()));
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn checked_group(regex: &Regex, pattern: &str, group: i64) -> Result<usize> {
    match usize::try_from(group) {
        Ok(group) if group < regex.captures_len() => Ok(group),
        _ => exec_err!("`{pattern}` has no group {group}, only {}", regex.captures_len() - 1),
    }
}

/// `regexp_replace(text, pattern, replacement[, position])`: all matches, with `$1` for what a group holds.
fn regexp_replace(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (texts, patterns, replacements) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
    let positions = whole_or(args, 3, 1)?;
    let mut known = Patterns::default();
    let rows = texts.iter().zip(&patterns).zip(replacements.iter().zip(&positions));
    let replaced = rows.map(|((text, pattern), (replacement, position))| {
        let (Some(text), Some(pattern), Some(replacement)) = (text, pattern, replacement) else { return Ok(None) };
        let Some(position) = position else { return Ok(None) };
        let skipped = usize::try_from(position - 1).unwrap_or_default();
        let start = text.char_indices().nth(skipped).map_or(text.len(), |(at, _)| at);
        let replaced = known.get(pattern)?.replace_all(&text[start..], in_our_words(replacement).as_str());
        Ok(Some(format!("{}{replaced}", &text[..start])))
    });
    Ok(Arc::new(replaced.collect::<Result<StringArray>>()?))
}

/// Java's `$1` and `\$` as the regex crate writes them: `${1}` and `$$`.
fn in_our_words(replacement: &str) -> String {
    let mut ours = String::with_capacity(replacement.len());
    let mut signs = replacement.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => match signs.next() {
                Some('$') => ours.push_str("$$"),
                Some(other) => ours.push(other),
                None => {}
            },
            '$' => {
                let mut group = String::new();
                while let Some(digit) = signs.next_if(char::is_ascii_digit) {
                    group.push(digit);
                }
                ours.extend(if group.is_empty() { ["$", "", ""] } else { ["${", &group, "}"] });
            }
            other => ours.push(other),
        }
    }
    ours
}

/// `initcap(text)`: the first letter of each word is large, the others small. Only blanks are between words.
fn initcap(args: &[ArrayRef]) -> Result<ArrayRef> {
    let capitalized = |text: &str| {
        let mut before = ' ';
        text.chars().fold(String::with_capacity(text.len()), |mut written, sign| {
            match before {
                ' ' => written.extend(sign.to_uppercase()),
                _ => written.extend(sign.to_lowercase()),
            }
            before = sign;
            written
        })
    };
    Ok(Arc::new(text(args, 0)?.iter().map(|value| value.map(capitalized)).collect::<StringArray>()))
}

/// `locate(part, text[, position])`: where a text begins within another, counted from 1; 0 if it does not.
fn locate(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (parts, texts, positions) = (text(args, 0)?, text(args, 1)?, whole_or(args, 2, 1)?);
    let rows = parts.iter().zip(&texts).zip(&positions);
    let found = rows.map(|((part, text), position)| {
        let skipped = usize::try_from(position? - 1);
        let (part, text) = (part?, text?);
        let Ok(skipped) = skipped else { return Some(0) };
        let Some(start) = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(skipped) else {
            return Some(0);
        };
        let at = text[start..].find(part).map(|at| skipped + text[start..start + at].chars().count() + 1);
        Some(at.and_then(|at| i32::try_from(at).ok()).unwrap_or(0))
    });
    Ok(Arc::new(found.collect::<Int32Array>()))
}

/// `format_number(number, digits)`: with commas between thousands.
fn format_number(args: &[ArrayRef]) -> Result<ArrayRef> {
    if matches!(args[1].data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        return exec_err!("`format_number` takes a number of digits, no pattern");
    }
    let (numbers, digits) = (cast_array(&args[0], Target::Double)?, whole(args, 1)?);
    let rows = numbers.as_primitive::<Float64Type>().iter().zip(&digits);
    let written = rows.map(|(number, digits)| Some(with_commas(number?, usize::try_from(digits?).ok()?)));
    Ok(Arc::new(written.collect::<StringArray>()))
}

fn with_commas(number: f64, digits: usize) -> String {
    let plain = format!("{:.digits$}", number.abs());
    let (whole, fraction) = plain.split_once('.').map_or((plain.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut written = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    let sign = if number < 0.0 { "-" } else { "" };
    fraction.map_or_else(|| format!("{sign}{written}"), |fraction| format!("{sign}{written}.{fraction}"))
}

/// `get_json_object(text, '$.a.b[0]')`: a part of a JSON document, texts without quotes.
fn get_json_object(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (texts, paths) = (text(args, 0)?, text(args, 1)?);
    if let Some(path) = paths.iter().flatten().find(|path| path.contains("[*]") || path.contains(".*")) {
        return exec_err!("`get_json_object` follows no `*`, and `{path}` has one; name what is wanted by its place");
    }
    let found = texts.iter().zip(&paths).map(|(text, path)| {
        let document: serde_json::Value = serde_json::from_str(text?).ok()?;
        match part_of(&document, path?.strip_prefix('$')?)? {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    });
    Ok(Arc::new(found.collect::<StringArray>()))
}

fn part_of<'a>(value: &'a serde_json::Value, path: &str) -> Option<&'a serde_json::Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(rest) = path.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        return part_of(value.get(&rest[..end])?, &rest[end..]);
    }
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    let name = index.strip_prefix('\'').and_then(|name| name.strip_suffix('\''));
    match name {
        Some(name) => part_of(value.get(name)?, rest),
        None => part_of(value.get(index.parse::<usize>().ok()?)?, rest),
    }
}
