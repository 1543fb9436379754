//! Rows of files into a table: all of them, in the transaction around, or none.
//!
//! | database | how |
//! | --- | --- |
//! | Postgres | COPY; with `upsert` into a table of this transaction, and from there |
//! | MySQL, SQLite | INSERT of many rows at a time |

use std::path::Path;

use anyhow::anyhow;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt as _;
use scheduler::operator::{TaskContext, TaskError};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::args::{Load, Mode};
use super::run::judged;
use crate::columns::{self, hint};
use crate::database::{Database, Datum, Fault, Session};
use crate::engine::parallelism;
use crate::location::{Location, S3};
use crate::memory::MemoryLimit;
use crate::query::answer::rows;
use crate::shapes::OneOrMany;
use crate::spark::session;
use crate::statements::{Bound, Dialect};
use crate::table::{self, CsvTypes, Format};

/// Rows of one INSERT at most; more make it no faster.
const INSERT_ROWS: usize = 500;

/// Values of one INSERT at most: MySQL counts them in 16 bits, SQLite allows half as many.
const INSERT_VALUES: usize = 32_000;

/// Text of one INSERT at most: the smallest limit of servers in use is 4 MB.
const INSERT_BYTES: usize = 1024 * 1024;

/// What Postgres and SQLite call a table without the index that an upsert needs.
const NO_INDEX: [&str; 2] = ["(SQLSTATE 42P10)", "ON CONFLICT clause does not match"];

/// The table that rows are copied to before Postgres finds out which of them are new.
const STAGE: &str = "updraft_load";

/// A load that is ready to run.
pub(super) struct Loading {
    locations: Vec<Location>,
    format: Option<Format>,
    table: String,
    mode: Mode,
    key: Vec<String>,
}

/// Where rows go.
struct Destination<'a> {
    table: String,
    /// As the table spells them, in the order of the files.
    columns: Vec<String>,
    /// Which of them hold what is true or false.
    are_truths: Vec<bool>,
    key: Vec<String>,
    database: &'a Database,
}

impl Loading {
    /// Relative paths begin at `home`.
    pub(super) fn new(load: &Load, home: &Path) -> Result<Loading, TaskError> {
        let wrong = |problem: String| TaskError::fail(anyhow!("`load`: {problem}"));
        let paths = match &load.path {
            crate::query::Locations::One(path) => std::slice::from_ref(path),
            crate::query::Locations::Several(paths) => paths,
        };
        let locations = paths.iter().map(|path| Location::parse(path, home).map_err(|error| wrong(error.to_string())));
        let key = load.key.as_ref().map(OneOrMany::names).unwrap_or_default().to_vec();
        if load.mode == Mode::Upsert && key.is_empty() {
            return Err(wrong("`mode: upsert` needs a `key`".to_owned()));
        }
        let locations = locations.collect::<Result<_, _>>()?;
        Ok(Loading { locations, format: load.format, table: load.table.clone(), mode: load.mode, key })
    }

    /// Loads all rows; says how many they were. What is around commits.
    pub(super) async fn run(&self, to: &mut Session, s3: &S3, ctx: &TaskContext) -> Result<u64, TaskError> {
        let stop = &ctx.cancelled;
        let opened = tokio::select! {
            opened = self.open(s3) => opened?,
            () = stop.cancelled() => return Err(TaskError::cancelled()),
        };
        let database = to.database().clone();
        let into = self.destination(to, &opened.schema(), &database).await?;
        ctx.log.info(format_args!(
            "Loads {} into {}",
            columns::list(into.columns.iter().map(String::as_str)),
            self.table
        ));
        if self.mode == Mode::Replace {
            let delete = format!("DELETE FROM {}", into.table);
            tell(to, &delete, "the rows that are there cannot be deleted", stop).await?;
        }
        let loaded = match database.dialect() {
            Dialect::Postgres => self.copy(to, &into, opened, stop).await,
            _ => self.insert(to, &into, opened, stop).await,
        };
        let loaded = loaded.map_err(|error| self.named(error))?;
        ctx.log.info(format_args!("{loaded} rows loaded into {}", self.table));
        Ok(loaded)
    }

    async fn open(&self, s3: &S3) -> Result<SendableRecordBatchStream, TaskError> {
        let unreadable = |error: anyhow::Error| TaskError::retry(error.context("the files to load cannot be read"));
        let session = session(MemoryLimit::default().bytes, parallelism()).map_err(TaskError::retry)?;
        let input = table::open_all(&self.locations, self.format, None, CsvTypes::Text, &session, s3).await;
        let input = input.map_err(unreadable)?;
        if input.report.broken > 0 {
            let broken = input.report.broken;
            return Err(TaskError::fail(anyhow!("{broken} documents in the files to load are malformed")));
        }
        let read = async { session.read_table(input.provider)?.execute_stream().await };
        read.await.map_err(|error| unreadable(error.into()))
    }

    /// Looks for the columns of the files in the table.
    async fn destination<'a>(
        &self,
        to: &mut Session,
        files: &Schema,
        database: &'a Database,
    ) -> Result<Destination<'a>, TaskError> {
        let table = database.quoted_table(&self.table);
        let elsewhere = |error: sqlx::Error| {
            judged(
                database,
                Fault::Database { error, ahead: None },
                &format!("the table `{}` cannot be used", self.table),
            )
        };
        let known = to.columns(&format!("SELECT * FROM {table}")).await.map_err(elsewhere)?;
        let is_truth = |kind: &str| kind.eq_ignore_ascii_case("boolean") || kind.eq_ignore_ascii_case("bool");
        let truths: Vec<String> =
            known.iter().filter(|(_, kind)| is_truth(kind)).map(|(name, _)| name.clone()).collect();
        let known: Vec<String> = known.into_iter().map(|(name, _)| name).collect();
        let of_table = |name: &String| {
            let exact = known.iter().find(|known| *known == name);
            let found = exact.or_else(|| known.iter().find(|known| known.eq_ignore_ascii_case(name)));
            found.cloned().ok_or_else(|| {
                let hint = hint(name, known.iter().map(String::as_str));
                TaskError::fail(anyhow!("the table `{}` has no column `{name}`{hint}", self.table))
            })
        };
        let columns: Vec<String> =
            files.fields().iter().map(|field| of_table(field.name())).collect::<Result<_, _>>()?;
        let key: Vec<String> = self.key.iter().map(of_table).collect::<Result<_, _>>()?;
        if let Some(missing) = key.iter().find(|name| !columns.contains(name)) {
            return Err(TaskError::fail(anyhow!("the files to load have no column `{missing}`, which is in `key`")));
        }
        if database.dialect() == Dialect::MySql {
            self.check_mysql(to, database, &key).await?;
        }
        let are_truths = columns.iter().map(|name| truths.contains(name)).collect();
        Ok(Destination { table, columns, are_truths, key, database })
    }

    /// MySQL has tables that know no transaction, and updates by whatever unique index a row violates.
    async fn check_mysql(&self, to: &mut Session, database: &Database, key: &[String]) -> Result<(), TaskError> {
        let (schema, table) = match self.table.rsplit_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, self.table.as_str()),
        };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "''");
        let schema = schema.map_or_else(|| "DATABASE()".to_owned(), |schema| format!("'{}'", quoted(schema)));
        let of_table = format!("table_schema = {schema} AND table_name = '{}'", quoted(table));
        let engine = format!(
            "SELECT e.engine FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine \
             WHERE {of_table} AND e.transactions <> 'YES'"
        );
        if let Some(engine) = first_value(to, &engine, database).await? {
            let engine = engine.as_str().unwrap_or_default();
            return Err(TaskError::fail(anyhow!(
                "the table `{}` is one of {engine}, which knows no transactions: it could be left half loaded; \
                 `ALTER TABLE {} ENGINE = InnoDB` makes it another",
                self.table,
                self.table
            )));
        }
        if self.mode != Mode::Upsert {
            return Ok(());
        }
        let names: Vec<String> = key.iter().map(|name| format!("'{}'", quoted(name))).collect();
        let index = format!(
            "SELECT index_name FROM information_schema.statistics WHERE {of_table} AND non_unique = 0 GROUP BY index_name \
             HAVING COUNT(*) = {} AND SUM(column_name IN ({})) = COUNT(*)",
            names.len(),
            names.join(", ")
        );
        match first_value(to, &index, database).await? {
            Some(_) => Ok(()),
            None => Err(self.has_no_index()),
        }
    }

    fn has_no_index(&self) -> TaskError {
        TaskError::fail(anyhow!(
            "the table `{}` has no unique index on {}, by which `mode: upsert` could know a row",
            self.table,
            columns::list(self.key.iter().map(String::as_str))
        ))
    }

    /// Postgres and SQLite say by words of ours that the table has no unique index.
    fn named(&self, error: TaskError) -> TaskError {
        let said = error.to_string();
        if NO_INDEX.iter().any(|words| said.contains(words)) { self.has_no_index() } else { error }
    }

    async fn copy(
        &self,
        to: &mut Session,
        into: &Destination<'_>,
        from: SendableRecordBatchStream,
        stop: &CancellationToken,
    ) -> Result<u64, TaskError> {
        // What is read is in UTC, whatever the zone of the session.
        tell(to, "SET LOCAL TIME ZONE 'UTC'", "the time zone cannot be set", stop).await?;
        let columns = into.quoted(&into.columns);
        let is_staged = self.mode == Mode::Upsert;
        let target = if is_staged { STAGE } else { into.table.as_str() };
        if is_staged {
            let stage = format!(
                "CREATE TEMPORARY TABLE {STAGE} ON COMMIT DROP AS SELECT {columns} FROM {} WITH NO DATA",
                into.table
            );
            tell(to, &stage, "there can be no table for new rows", stop).await?;
        }
        let is_bytes = bytes_in(&from.schema());
        let lines = from.map(move |batch| {
            let batch = batch.map_err(|error| unread(&error))?;
            lines(&batch, &is_bytes)
        });
        let copy = format!("COPY {target} ({columns}) FROM STDIN (FORMAT csv)");
        let copied = to.copy_in(&copy, lines, stop).await;
        let copied = copied.map_err(|fault| into.wrong(fault))??;
        if is_staged {
            let merge = format!(
                "INSERT INTO {} ({columns}) SELECT {columns} FROM {STAGE}{}",
                into.table,
                into.on_conflict("EXCLUDED")
            );
            tell(to, &merge, "the rows cannot be merged", stop).await?;
        }
        Ok(copied)
    }

    async fn insert(
        &self,
        to: &mut Session,
        into: &Destination<'_>,
        mut from: SendableRecordBatchStream,
        stop: &CancellationToken,
    ) -> Result<u64, TaskError> {
        let width = into.columns.len().max(1);
        let rows_max = INSERT_ROWS.min(INSERT_VALUES / width).max(1);
        let is_bytes = bytes_in(&from.schema());
        let end = match (self.mode, into.database.dialect()) {
            (Mode::Upsert, Dialect::MySql) => into.on_duplicate(),
            (Mode::Upsert, _) => into.on_conflict("excluded"),
            _ => String::new(),
        };
        let (mut values, mut bytes, mut count) = (Vec::new(), 0, 0_u64);
        while let Some(batch) = from.next().await {
            let batch = batch.map_err(|error| unread(&error))?;
            for row in rows(&batch, usize::MAX).map_err(|error| unread(&error))? {
                for ((value, is_bytes), is_truth) in row.into_iter().zip(&is_bytes).zip(&into.are_truths) {
                    let datum = datum(if *is_truth { truth(value) } else { value }, *is_bytes)?;
                    bytes += size(&datum);
                    values.push(datum);
                }
                count += 1;
                if values.len() >= rows_max * width || bytes >= INSERT_BYTES {
                    into.send(to, &mut values, &end, stop).await?;
                    bytes = 0;
                }
            }
        }
        if !values.is_empty() {
            into.send(to, &mut values, &end, stop).await?;
        }
        Ok(count)
    }
}

impl Destination<'_> {
    fn quoted(&self, names: &[String]) -> String {
        names.iter().map(|name| self.database.quoted(name)).collect::<Vec<_>>().join(", ")
    }

    /// The columns that a row is not known by.
    fn others(&self) -> impl Iterator<Item = String> {
        let others = self.columns.iter().filter(|name| !self.key.contains(name));
        others.map(|name| self.database.quoted(name))
    }

    fn on_conflict(&self, new: &str) -> String {
        let changes: Vec<String> = self.others().map(|name| format!("{name} = {new}.{name}")).collect();
        let deed = if changes.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", changes.join(", ")) };
        // SQLite would take ON for the condition of a join, if it were not for WHERE.
        format!(" ON CONFLICT ({}) DO {deed}", self.quoted(&self.key))
    }

    fn on_duplicate(&self) -> String {
        let mut changes: Vec<String> = self.others().map(|name| format!("{name} = VALUES({name})")).collect();
        if changes.is_empty() {
            changes
                .extend(self.key.first().map(|name| self.database.quoted(name)).map(|name| format!("{name} = {name}")));
        }
        format!(" ON DUPLICATE KEY UPDATE {}", changes.join(", "))
    }

    async fn send(
        &self,
        to: &mut Session,
        values: &mut Vec<Datum>,
        end: &str,
        stop: &CancellationToken,
    ) -> Result<(), TaskError> {
        let width = self.columns.len().max(1);
        let places = format!("({})", vec!["?"; width].join(", "));
        let rows = vec![places.as_str(); values.len() / width].join(", ");
        let insert = format!("INSERT INTO {} ({}) VALUES {rows}{end}", self.table, self.quoted(&self.columns));
        to.insert(&insert, values, stop).await.map_err(|fault| self.wrong(fault))?;
        values.clear();
        Ok(())
    }

    fn wrong(&self, fault: Fault) -> TaskError {
        judged(self.database, fault, "the rows cannot be loaded")
    }
}

async fn tell(to: &mut Session, sql: &str, problem: &str, stop: &CancellationToken) -> Result<(), TaskError> {
    let told = to.tell(sql, stop).await;
    told.map_err(|fault| judged(to.database(), fault, problem))
}

async fn first_value(to: &mut Session, sql: &str, database: &Database) -> Result<Option<Value>, TaskError> {
    let mut answer = Answer::new(1);
    let asked = to.execute(&Bound::plain(sql), &mut answer, &CancellationToken::new()).await;
    asked.map_err(|fault| judged(database, fault, "the table cannot be looked at"))?;
    Ok(answer.into_first_row().and_then(|row| row.into_iter().next()).map(|(_, value)| value))
}

fn unread(error: &datafusion::error::DataFusionError) -> TaskError {
    TaskError::retry(anyhow!("the files to load cannot be read: {error}"))
}

/// Which columns hold bytes, that are written as hexadecimal digits.
fn bytes_in(schema: &Schema) -> Vec<bool> {
    let is_bytes = |of: &DataType| {
        matches!(of, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
    };
    schema.fields().iter().map(|field| is_bytes(field.data_type())).collect()
}

/// Rows as Postgres reads CSV: what is not NULL is in quotes, so that nothing in it means anything.
fn lines(batch: &RecordBatch, is_bytes: &[bool]) -> Result<String, TaskError> {
    let mut lines = String::new();
    for row in rows(batch, usize::MAX).map_err(|error| unread(&error))? {
        for (at, (value, is_bytes)) in row.into_iter().zip(is_bytes).enumerate() {
            if at > 0 {
                lines.push(',');
            }
            let Some(text) = text(value) else { continue };
            lines.push('"');
            if *is_bytes {
                lines.push_str("\\x");
            }
            lines.push_str(&text.replace('"', "\"\""));
            lines.push('"');
        }
        lines.push('\n');
    }
    Ok(lines)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// A text of a CSV file that says true or false: these databases have numbers for it, and take no words.
fn truth(value: Value) -> Value {
    match value.as_str() {
        Some(text) if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        _ => value,
    }
}

fn datum(value: Value, is_bytes: bool) -> Result<Datum, TaskError> {
    Ok(match value {
        Value::Null => Datum::Null,
        Value::Bool(truth) => Datum::Boolean(truth),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Datum::Integer(number),
            (None, Some(real)) if number.is_f64() => Datum::Real(real),
            _ => Datum::Text(number.to_string()),
        },
        Value::String(text) if is_bytes => Datum::Bytes(from_digits(&text)?),
        Value::String(text) => Datum::Text(text),
        other => Datum::Text(other.to_string()),
    })
}

fn from_digits(text: &str) -> Result<Vec<u8>, TaskError> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    bytes.ok_or_else(|| TaskError::fail(anyhow!("`{text}` is not written as bytes")))
}

fn size(datum: &Datum) -> usize {
    match datum {
        Datum::Text(text) => text.len(),
        Datum::Bytes(bytes) => bytes.len(),
        _ => 8,
    }
}
