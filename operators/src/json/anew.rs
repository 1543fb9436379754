//! Values written anew: what Spark's `from_json` hands to columns of text.
//!
//! Its reader of files keeps a value as it stands in the document. `from_json` has read it before, so that `1e-07` becomes
//! `1.0E-7`, and the blanks between members go.

use std::borrow::Cow;

use super::scan::{Kind, Member, Value, elements, members};
use crate::spark::double_to_text;

/// The text of a value.
pub fn written_anew<'a>(value: &Value<'a>) -> Cow<'a, str> {
    match value.kind {
        Kind::Array | Kind::Object | Kind::Integer | Kind::Float => {
            let mut text = String::with_capacity(value.text.len());
            write(value, &mut text);
            Cow::Owned(text)
        }
        Kind::Null | Kind::True | Kind::False | Kind::Text { .. } => value.as_text(),
    }
}

/// The grammar has been checked, so that there is nothing left to fail.
fn write(value: &Value<'_>, text: &mut String) {
    match value.kind {
        Kind::Null | Kind::True | Kind::False => text.push_str(value.text),
        Kind::Integer => text.push_str(if value.text == "-0" { "0" } else { value.text }),
        Kind::Float => match value.text.parse() {
            Ok(number) => text.push_str(&double_to_text(number)),
            Err(_) => text.push_str(value.text),
        },
        Kind::Text { .. } => push_quoted(&value.as_text(), text),
        Kind::Array => {
            text.push('[');
            let mut is_first = true;
            let _ = elements(value.text, |element| {
                separate(&mut is_first, text);
                write(&element, text);
            });
            text.push(']');
        }
        Kind::Object => {
            text.push('{');
            let (mut found, mut is_first) = (Vec::new(), true);
            let _ = members(value.text, &mut found);
            for Member { name, value, .. } in found {
                separate(&mut is_first, text);
                push_quoted(&name, text);
                text.push(':');
                write(&value, text);
            }
            text.push('}');
        }
    }
}

fn separate(is_first: &mut bool, text: &mut String) {
    if !std::mem::take(is_first) {
        text.push(',');
    }
}

fn push_quoted(value: &str, text: &mut String) {
    text.push_str(&serde_json::Value::from(value).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nested_values_are_written_as_java_has_them() {
        let mut found = Vec::new();
        let document = r#"{"a": 1e-07, "b": 20.50, "c": -0, "d": {"x":  [1, 2.50, "q\"" ]}, "e": "as\tis", "f": true}"#;
        members(document, &mut found).unwrap();
        let texts: Vec<String> = found.iter().map(|member| written_anew(&member.value).into_owned()).collect();
        assert_eq!(texts, ["1.0E-7", "20.5", "0", r#"{"x":[1,2.5,"q\""]}"#, "as\tis", "true"]);
    }
}
