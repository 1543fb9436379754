//! What the errors of databases mean: whether they last, what they say, and where.

use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::sqlite::SqliteError;

/// Classes of SQLSTATE that another try would meet again: what is not supported, wrong values, broken constraints, what no
/// transaction may hold, failed routines, wrong passwords, names and statements, exceeded limits.
const LASTING_CLASSES: [&str; 14] =
    ["0A", "21", "22", "23", "25001", "26", "28", "2F", "38", "39", "3D", "42", "44", "54"];

/// What MySQL files under such classes, or under none, although it passes: too many connections of a user.
const PASSING_NUMBERS: [u16; 2] = [1203, 1226];

/// What MySQL files under no class although it lasts: columns without a default, values that no column takes, and the like.
const LASTING_NUMBERS: [u16; 8] = [1193, 1265, 1290, 1336, 1364, 1366, 1419, 4025];

/// SQLite: a wrong statement, a file that may not be written, a broken constraint, a value of the wrong type, a wrong number
/// of values, a file that is no database.
const LASTING_CODES: [i32; 6] = [1, 8, 19, 20, 25, 26];

/// Postgres: what no transaction may hold.
const IN_TRANSACTION: &str = "25001";

/// What a database says of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its words, and the number or the state by which its manual knows the error.
    pub(crate) message: String,
    /// Which letter of the statement it is about, from 0.
    pub(crate) letter: Option<usize>,
    /// Whatever else it says, a line each.
    pub(crate) more: Vec<String>,
}

impl Said {
    /// All of it, for errors that are about no place in a statement.
    pub(crate) fn whole(&self) -> String {
        std::iter::once(&self.message).chain(&self.more).map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Whether another try would meet the same error.
pub(super) fn lasts(error: &sqlx::Error) -> bool {
    let error = match error {
        sqlx::Error::Database(error) => error,
        sqlx::Error::Configuration(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Encode(_) => return true,
        _ => return false,
    };
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqliteError>().is_some() {
        return code.parse::<i32>().is_ok_and(|code| LASTING_CODES.contains(&(code & 0xff)));
    }
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        if PASSING_NUMBERS.contains(&error.number()) {
            return false;
        }
        if LASTING_NUMBERS.contains(&error.number()) {
            return true;
        }
    }
    LASTING_CLASSES.iter().any(|class| code.starts_with(class))
}

/// What an error says.
pub(crate) fn said(error: &sqlx::Error) -> Said {
    let sqlx::Error::Database(database) = error else {
        return Said { message: error.to_string(), ..Said::default() };
    };
    if let Some(error) = database.try_downcast_ref::<PgDatabaseError>() {
        let letter = match error.position() {
            Some(PgErrorPosition::Original(position)) => position.checked_sub(1),
            _ => None,
        };
        let more = [("detail", error.detail()), ("hint", error.hint()), ("where", error.r#where())];
        let mut more: Vec<String> =
            more.into_iter().filter_map(|(word, text)| text.map(|text| format!("{word}: {text}"))).collect();
        if error.code() == IN_TRANSACTION {
            more.push("hint: `autocommit: true` makes each statement one by itself".to_owned());
        }
        return Said { message: format!("{} (SQLSTATE {})", error.message(), error.code()), letter, more };
    }
    if let Some(error) = database.try_downcast_ref::<MySqlDatabaseError>() {
        let state = error.code().map(|state| format!(", SQLSTATE {state}")).unwrap_or_default();
        let message = format!("{} (error {}{state})", error.message(), error.number());
        return Said { message, ..Said::default() };
    }
    let code = database.code().unwrap_or_default();
    Said { message: format!("{} (SQLite error {code})", database.message()), ..Said::default() }
}
