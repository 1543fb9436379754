//! What Spark is sent of a query: its statements as they were written, with the values of parameters in their places.
//!
//! Spark knows its own SQL better than anybody else. So no more of it is read here than has to be known: where a statement
//! ends, where a value comes, and whether a statement answers.

use std::collections::BTreeSet;

use super::parameters::{Parameters, in_spark};
use super::place::{Mistake, Place};
use super::script::nothing_asked;
use crate::statements::{Dialect, Misplaced, Values, beginning, first_words, split, written};

/// First words of statements that answer with rows.
const ANSWERING: [&str; 11] =
    ["SELECT", "WITH", "FROM", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "LIST", "MAP"];

/// A statement.
pub struct Sent {
    /// The line that it begins in.
    pub line: u64,
    /// The statement, ready to be sent.
    pub sql: String,
    /// Whether it answers with rows.
    pub answers: bool,
}

/// The statements of a text, at least one of which answers.
pub fn statements(sql: &str, parameters: &Parameters) -> Result<Vec<Sent>, Mistake> {
    let values = Values::ByName(parameters.clone());
    let (mut statements, mut used) = (Vec::new(), BTreeSet::new());
    for statement in split(sql, Dialect::Databricks) {
        let begins = statement.start + beginning(&statement.text, Dialect::Databricks);
        let (filled, places) =
            written(&statement.text, &values, Dialect::Databricks, in_spark).map_err(|misplaced| {
                let Misplaced { message, range } = misplaced;
                let range = statement.start + range.start..statement.start + range.end;
                Mistake::at(Some(Place::of_bytes(range, sql)), message)
            })?;
        used.extend(places.into_iter().map(|place| place.trim_start_matches(':').to_owned()));
        let words = first_words(&statement.text, Dialect::Databricks, 1);
        statements.push(Sent {
            line: Place::of_bytes(begins..begins, sql).line,
            answers: words.first().is_some_and(|word| ANSWERING.contains(&word.as_str())),
            sql: filled,
        });
    }
    if let Some(unused) = parameters.keys().find(|name| !used.contains(*name)) {
        return Err(Mistake::at(None, format!("the SQL has no `:{unused}`, which `parameters:` gives a value")));
    }
    if !statements.iter().any(|statement| statement.answers) {
        return Err(nothing_asked(statements.is_empty()));
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(sql: &str, parameters: serde_json::Value) -> Result<Vec<(u64, String, bool)>, String> {
        let statements =
            statements(sql, &serde_json::from_value(parameters).unwrap()).map_err(|mistake| mistake.to_string());
        Ok(statements?.into_iter().map(|found| (found.line, found.sql, found.answers)).collect())
    }

    #[test]
    fn statements_are_sent_as_they_were_written_whatever_they_say() {
        let sql = "-- first\nCREATE OR REPLACE TEMP VIEW v AS SELECT 1;\n\n(SELECT * FROM v |> WHERE `a;b` = :c);\nOPTIMIZE t;";
        assert_eq!(
            sent(sql, json!({ "c": "it's \\" })).unwrap(),
            [
                (2, "-- first\nCREATE OR REPLACE TEMP VIEW v AS SELECT 1".to_owned(), false),
                (4, "(SELECT * FROM v |> WHERE `a;b` = 'it\\'s \\\\')".to_owned(), true),
                (5, "OPTIMIZE t".to_owned(), false),
            ]
        );
    }

    #[test]
    fn what_must_be_known_is_asked_for() {
        assert_eq!(sent(" ; -- x", json!({})), Err("the SQL is empty".to_owned()));
        let nothing = sent("CREATE VIEW v AS SELECT 1", json!({})).unwrap_err();
        assert_eq!(nothing, "the SQL makes views and asks nothing; end it with SELECT");
        let unknown = sent("SELECT\n :daay", json!({ "day": 1 })).unwrap_err();
        assert_eq!(unknown, "`parameters` has no `daay` (did you mean `day`?) (line 2, column 2 of the SQL)");
        let unused = sent("SELECT a::int", json!({ "int": 1 })).unwrap_err();
        assert_eq!(unused, "the SQL has no `:int`, which `parameters:` gives a value");
    }
}
