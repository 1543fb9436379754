//! JSON in which the keys of objects keep their order.

use std::fmt;
use std::str::FromStr;

use sea_orm::entity::prelude::*;

/// A JSON document, kept as text: `jsonb` of Postgres would sort the keys of its objects, in whose order people see them, and
/// tasks are mapped over them.
#[derive(Clone, Debug, PartialEq, DeriveValueType)]
#[sea_orm(value_type = "String", column_type = "Text")]
pub struct JsonText(pub Json);

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JsonText {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<JsonText, serde_json::Error> {
        serde_json::from_str(text).map(JsonText)
    }
}
