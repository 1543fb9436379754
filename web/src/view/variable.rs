//! Variables.

use scheduler::connection::{MASK, masked};
use scheduler::keyring::Keyring;
use scheduler::store::entity::variable;
use scheduler::store::variables;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A variable.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VariableResponse {
    key: String,
    /// The text; `***` when its name says that it is secret, or when it is encrypted with a key that the server does not have.
    /// In JSON, what is secret by its name is `***`.
    value: Option<String>,
    description: Option<String>,
    /// Always true.
    is_encrypted: bool,
    team_name: Option<String>,
}

impl VariableResponse {
    pub(crate) fn new(row: variable::Model, keyring: &Keyring) -> VariableResponse {
        let value = match variables::open(&row, keyring) {
            Ok(text) => shown(&row.key, text),
            Err(problem) => {
                tracing::warn!("{problem}");
                MASK.to_owned()
            }
        };
        VariableResponse {
            key: row.key,
            value: Some(value),
            description: row.description,
            is_encrypted: true,
            team_name: None,
        }
    }
}

/// A text that is no JSON, or JSON in which nothing is secret, stays as it was written.
fn shown(key: &str, text: String) -> String {
    let value = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text.as_str()));
    match masked(key, &value) {
        Value::String(masked) if masked == MASK => masked,
        unchanged if unchanged == value => text,
        masked => masked.to_string(),
    }
}

/// A page of variables.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VariableCollectionResponse {
    pub(crate) variables: Vec<VariableResponse>,
    pub(crate) total_entries: u64,
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_is_secret_by_its_name_is_not_shown() {
        let cases = [
            ("region", "eu", "eu"),
            ("region", "{ \"a\": 1 }", "{ \"a\": 1 }"),
            ("api_token", "hush", "***"),
            ("api_token", "5", "***"),
            ("settings", r#"{"host": "h", "password": "hush"}"#, r#"{"host":"h","password":"***"}"#),
            ("region", "\"quoted\"", "\"quoted\""),
        ];
        for (key, text, expected) in cases {
            assert_eq!(shown(key, text.to_owned()), expected, "{key} {text}");
        }
    }
}
