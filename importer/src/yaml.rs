//! Values as YAML that people like to read.

use std::fmt::Write;

use serde_json::{Map, Value as Json};

/// Lists that fit into so many letters stand on one line.
const LINE_WIDTH: usize = 100;

/// Adds `key: value` at a depth of so many blanks.
pub(crate) fn entry(out: &mut String, indent: usize, key: &str, value: &Json) {
    blanks(out, indent);
    keyed(out, indent, key, value);
}

/// Adds an entry of a mapping that is an item of a list: `- key: value` for the first one, the others below it.
pub(crate) fn item_entry(out: &mut String, indent: usize, is_first: bool, key: &str, value: &Json) {
    blanks(out, indent);
    out.push_str(if is_first { "- " } else { "  " });
    keyed(out, indent + 2, key, value);
}

fn keyed(out: &mut String, indent: usize, key: &str, value: &Json) {
    out.push_str(&scalar(key, false));
    out.push(':');
    below(out, indent, value);
}

/// What comes behind the colon of a key, with the end of the line.
fn below(out: &mut String, indent: usize, value: &Json) {
    match value {
        Json::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(out, indent + 2, map);
        }
        Json::Array(items) if !items.is_empty() => match on_one_line(value) {
            Some(line) => {
                out.push(' ');
                out.push_str(&line);
                out.push('\n');
            }
            None => {
                out.push('\n');
                for item in items {
                    listed(out, indent + 2, item);
                }
            }
        },
        Json::String(text) => match literal(text, indent + 2) {
            Some(literal) => out.push_str(&literal),
            None => {
                out.push(' ');
                out.push_str(&scalar(text, false));
                out.push('\n');
            }
        },
        other => {
            out.push(' ');
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
}

fn block(out: &mut String, indent: usize, map: &Map<String, Json>) {
    for (key, value) in map {
        entry(out, indent, key, value);
    }
}

fn listed(out: &mut String, indent: usize, value: &Json) {
    match value {
        Json::Object(map) if !map.is_empty() => {
            for (position, (key, value)) in map.iter().enumerate() {
                item_entry(out, indent, position == 0, key, value);
            }
        }
        Json::Array(items) if !items.is_empty() && on_one_line(value).is_none() => {
            blanks(out, indent);
            out.push_str("-\n");
            for item in items {
                listed(out, indent + 2, item);
            }
        }
        other => {
            blanks(out, indent);
            out.push_str("- ");
            out.push_str(&on_one_line(other).unwrap_or_else(|| other.to_string()));
            out.push('\n');
        }
    }
}

/// A value without line breaks, if it is short and simple enough.
fn on_one_line(value: &Json) -> Option<String> {
    let line = match value {
        Json::String(text) => return Some(scalar(text, true)),
        Json::Array(items) => {
            let simple = items.iter().all(|item| !item.is_array() && !item.is_object());
            let items: Vec<String> = items.iter().filter_map(on_one_line).collect();
            if !simple {
                return None;
            }
            format!("[{}]", items.join(", "))
        }
        Json::Object(map) if !map.is_empty() => return None,
        other => return Some(other.to_string()),
    };
    (line.len() <= LINE_WIDTH).then_some(line)
}

/// Text of several lines, as it is.
fn literal(text: &str, indent: usize) -> Option<String> {
    let is_clean = text.chars().all(|sign| sign == '\n' || sign == '\t' || is_printable(sign));
    let is_blank = |line: &str| line.trim_matches([' ', '\t']).is_empty();
    if !text.contains('\n') || !is_clean || text.split('\n').all(is_blank) {
        return None;
    }
    // Where the first words are indented, or a blank line stands before them, it must be said where lines begin.
    let first = text.split('\n').next().unwrap_or_default();
    let indicator = if first.starts_with([' ', '\t']) || is_blank(first) { "2" } else { "" };
    let body = text.trim_end_matches('\n');
    let chomping = match text.len() - body.len() {
        0 => "-",
        1 => "",
        _ => return None,
    };
    let mut out = format!(" |{indicator}{chomping}\n");
    for line in body.split('\n') {
        if !line.is_empty() {
            blanks(&mut out, indent);
            out.push_str(line);
        }
        out.push('\n');
    }
    Some(out)
}

/// Text on one line: bare where nothing can be mistaken, else in quotes. `in_flow` is within brackets.
pub(crate) fn scalar(text: &str, in_flow: bool) -> String {
    if is_plain(text, in_flow) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for sign in text.chars() {
        match sign {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            sign if is_printable(sign) => out.push(sign),
            sign => {
                // Writing into a string cannot fail.
                let _ = write!(out, "\\U{:08x}", u32::from(sign));
            }
        }
    }
    out.push('"');
    out
}

fn is_printable(sign: char) -> bool {
    !sign.is_control() && !matches!(sign, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

fn is_plain(text: &str, in_flow: bool) -> bool {
    let begins_well = text
        .chars()
        .next()
        .is_some_and(|sign| sign.is_alphanumeric() || matches!(sign, '/' | '_' | '.' | '$' | '(' | '<'));
    let special: &[char] = if in_flow { &[',', '[', ']', '{', '}'] } else { &[] };
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "none"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    let is_number = text.replace('_', "").parse::<f64>().is_ok()
        || text.starts_with("0x")
        || text.starts_with("0o")
        || text.starts_with('.') && text.len() <= 5;
    begins_well
        && text != "<<"
        && !is_word
        && !is_number
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains(special)
        && text.chars().all(|sign| sign == ' ' || is_printable(sign) && !sign.is_whitespace())
}

fn blanks(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}
