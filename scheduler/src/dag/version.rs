//! Which DAG files mean the same: a DAG written out in full, and the hash of that.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The SHA-256 of a document in lower-case hexadecimal; the order of keys does not matter.
pub fn hash(document: &Value) -> String {
    let digest = Sha256::digest(canonical(document).to_string().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same value with the keys of every mapping in order.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Object(entries) => {
            let mut keys: Vec<&String> = entries.keys().collect();
            keys.sort();
            let sorted: Map<String, Value> =
                keys.into_iter().map(|key| (key.clone(), canonical(&entries[key.as_str()]))).collect();
            Value::Object(sorted)
        }
        other => other.clone(),
    }
}
