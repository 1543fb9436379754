//! What tries leave, as both databases can keep it.
//!
//! Postgres keeps no NUL in texts, nor in JSON, and no key that does not fit into a page of an index. A commit that it refuses
//! for such a reason would be refused for ever, and the engine with it; so what comes from outside is looked at here.

use serde_json::{Map, Value};

use crate::operator::{Outcome, OutletEvent, TaskError};
use crate::store::xcoms;

/// What stands in the place of a NUL, as for other bytes that are no text.
const REPLACEMENT: &str = "\u{fffd}";

/// The text without NULs.
pub(crate) fn text(text: String) -> String {
    if text.contains('\0') { text.replace('\0', REPLACEMENT) } else { text }
}

/// The value without NULs, in keys as well.
pub(crate) fn value(value: Value) -> Value {
    match value {
        Value::String(string) => Value::String(text(string)),
        Value::Array(values) => values.into_iter().map(self::value).collect(),
        Value::Object(entries) => Value::Object(object(entries)),
        other => other,
    }
}

fn object(entries: Map<String, Value>) -> Map<String, Value> {
    entries.into_iter().map(|(key, entry)| (text(key), value(entry))).collect()
}

/// What a try left.
///
/// # Errors
/// The key of an XCom is none; whoever made it has to make another.
pub(crate) fn outcome(outcome: Outcome) -> Result<Outcome, TaskError> {
    Ok(match outcome {
        Outcome::Success { return_value, xcoms, next } => {
            let xcoms: anyhow::Result<_> =
                xcoms.into_iter().map(|(key, left)| Ok((xcom_key(key)?, value(left)))).collect();
            Outcome::Success { return_value: value(return_value), xcoms: xcoms.map_err(TaskError::fail)?, next }
        }
        Outcome::Skipped { reason } => Outcome::Skipped { reason: text(reason) },
    })
}

/// The key of an XCom, without NULs.
///
/// # Errors
/// It is none; see [`xcoms::check_key`].
pub(crate) fn xcom_key(key: String) -> anyhow::Result<String> {
    let key = text(key);
    xcoms::check_key(&key).map_err(anyhow::Error::msg)?;
    Ok(key)
}

/// What a try says of the assets that it made.
pub(crate) fn outlet_event(mut event: OutletEvent) -> OutletEvent {
    let asset = &mut event.asset;
    for part in [&mut asset.name, &mut asset.uri, &mut asset.group] {
        *part = text(std::mem::take(part));
    }
    asset.extra = object(std::mem::take(&mut asset.extra));
    event.extra = object(event.extra);
    event
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operator::Next;

    #[test]
    fn what_no_database_keeps_is_replaced_at_any_depth() {
        let left = json!({ "a\0b": ["\0", { "c": "plain" }], "d": 1 });

        let Ok(Outcome::Success { return_value, xcoms, .. }) = outcome(Outcome::Success {
            return_value: left,
            xcoms: vec![("k\0".to_owned(), json!("\0x"))],
            next: Next::Everything,
        }) else {
            panic!("it is kept")
        };

        assert_eq!(return_value, json!({ "a\u{fffd}b": ["\u{fffd}", { "c": "plain" }], "d": 1 }));
        assert_eq!(xcoms, [("k\u{fffd}".to_owned(), json!("\u{fffd}x"))]);
    }

    #[test]
    fn a_key_that_is_too_long_fails_the_try() {
        let left = vec![("k".repeat(xcoms::KEY_CHARS_MAX + 1), json!(1))];
        let ended = outcome(Outcome::Success { return_value: Value::Null, xcoms: left, next: Next::Everything });
        let error = ended.expect_err("no index holds it").to_string();
        assert_eq!(error, "the key of an XCom has at most 512 characters; this has 513");
    }
}
