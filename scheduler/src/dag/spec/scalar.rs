//! What a scalar means without quotes: the core schema of YAML 1.2.

use serde_json::Number;

use super::node::Yaml;

/// Reads a scalar that has neither quotes nor a tag.
pub(super) fn resolve(text: &str) -> Yaml {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Yaml::Null,
        "true" | "True" | "TRUE" => Yaml::Bool(true),
        "false" | "False" | "FALSE" => Yaml::Bool(false),
        _ => number(text).map_or_else(|| Yaml::Text(text.to_owned()), Yaml::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok().filter(|value| *value >= 0).map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i64::from_str_radix(digits, 8).ok().filter(|value| *value >= 0).map(Number::from);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = text.strip_prefix('+').unwrap_or(text);
        return match (digits.parse::<i64>(), digits.parse::<u64>()) {
            (Ok(value), _) => Some(Number::from(value)),
            (_, Ok(value)) => Some(Number::from(value)),
            _ => digits.parse().ok().and_then(Number::from_f64),
        };
    }
    // Rust also reads `inf`, `nan` and `1_000` or refuses them; only what YAML's pattern allows gets that far.
    let looks_like_float = unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
        && unsigned.bytes().any(|byte| byte.is_ascii_digit());
    if looks_like_float { text.parse::<f64>().ok().and_then(Number::from_f64) } else { None }
}
