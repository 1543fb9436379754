//! Rows of any database, cell by cell.

use std::future::Future;

use sqlx::mysql::{MySql, MySqlRow, MySqlTypeInfo};
use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Decode, Row as _, Type, TypeInfo as _, ValueRef as _};

/// A row as it came.
#[derive(Clone, Copy)]
pub enum AnyRow<'a> {
    /// Of MySQL or MariaDB.
    MySql(&'a MySqlRow),
    /// Of Postgres.
    Postgres(&'a PgRow),
    /// Of SQLite.
    Sqlite(&'a SqliteRow),
}

/// A value as it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// What the server wrote.
    Written(&'a [u8]),
    /// SQLite has numbers.
    Integer(i64),
    /// See [`Cell::Integer`].
    Real(f64),
}

/// Takes rows.
pub trait RowSink: Send {
    /// Takes one; says whether it is time to pass some on.
    fn push(&mut self, row: AnyRow<'_>) -> Result<bool, sqlx::Error>;

    /// Passes on what was taken; says whether anybody wants more.
    fn pass_on(&mut self) -> impl Future<Output = bool> + Send;

    /// The rows to come answer another statement.
    fn start_over(&mut self) {}
}

/// MariaDB says of texts that are compared byte by byte, as its JSON documents are, that they are BLOBs.
pub(super) fn mysql_type(of: &MySqlTypeInfo) -> String {
    if <str as Type<MySql>>::compatible(of) { "TEXT".to_owned() } else { of.name().to_owned() }
}

impl<'a> AnyRow<'a> {
    /// How many columns it has.
    pub fn width(self) -> usize {
        match self {
            AnyRow::MySql(row) => row.len(),
            AnyRow::Postgres(row) => row.len(),
            AnyRow::Sqlite(row) => row.len(),
        }
    }

    /// The name of a column.
    pub fn name(self, index: usize) -> &'a str {
        match self {
            AnyRow::MySql(row) => row.column(index).name(),
            AnyRow::Postgres(row) => row.column(index).name(),
            AnyRow::Sqlite(row) => row.column(index).name(),
        }
    }

    /// The server's name for the type of a column, or, of SQLite, of the value in it.
    pub fn type_name(self, index: usize) -> Result<String, sqlx::Error> {
        Ok(match self {
            AnyRow::MySql(row) => row.try_get_raw(index)?.type_info().name().to_owned(),
            AnyRow::Postgres(row) => row.try_get_raw(index)?.type_info().name().to_owned(),
            AnyRow::Sqlite(row) => row.try_get_raw(index)?.type_info().name().to_owned(),
        })
    }

    /// The type that a column was made for, which in SQLite its values need not have.
    pub fn declared_type(self, index: usize) -> String {
        match self {
            AnyRow::MySql(row) => row.column(index).type_info().name().to_owned(),
            AnyRow::Postgres(row) => row.column(index).type_info().name().to_owned(),
            AnyRow::Sqlite(row) => row.column(index).type_info().name().to_owned(),
        }
    }

    /// What the values of a column are, as far as the server tells. In SQLite it is what the column was made for, and what
    /// this value is where nobody has said.
    pub fn column_type(self, index: usize) -> Result<String, sqlx::Error> {
        Ok(match self {
            AnyRow::MySql(row) => mysql_type(row.column(index).type_info()),
            AnyRow::Postgres(_) => self.declared_type(index),
            AnyRow::Sqlite(_) => match self.declared_type(index) {
                unknown if unknown == "NULL" => self.type_name(index)?,
                declared => declared,
            },
        })
    }

    /// A value.
    pub fn cell(self, index: usize) -> Result<Cell<'a>, sqlx::Error> {
        match self {
            AnyRow::MySql(row) => {
                let raw = row.try_get_raw(index)?;
                if raw.is_null() {
                    return Ok(Cell::Null);
                }
                <&[u8] as Decode<MySql>>::decode(raw).map(Cell::Written).map_err(sqlx::Error::Decode)
            }
            AnyRow::Postgres(row) => {
                let raw = row.try_get_raw(index)?;
                if raw.is_null() {
                    return Ok(Cell::Null);
                }
                let text = <&str as Decode<Postgres>>::decode(raw).map_err(sqlx::Error::Decode)?;
                Ok(Cell::Written(text.as_bytes()))
            }
            AnyRow::Sqlite(row) => {
                let raw = row.try_get_raw(index)?;
                if raw.is_null() {
                    return Ok(Cell::Null);
                }
                match raw.type_info().name() {
                    "INTEGER" => row.try_get_unchecked(index).map(Cell::Integer),
                    "REAL" => row.try_get_unchecked(index).map(Cell::Real),
                    _ => row.try_get_unchecked(index).map(Cell::Written),
                }
            }
        }
    }
}
