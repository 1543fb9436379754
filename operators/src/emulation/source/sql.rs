//! A source of tables of a database: MySQL or MariaDB, Postgres, SQLite.
//!
//! ```text
//!   SELECT * FROM <table> [ORDER BY <column>] LIMIT <n> OFFSET <n>
//! ```
//!
//! Columns are keys of the documents, in their order.

mod document;

use std::path::Path;

use async_trait::async_trait;
use scheduler::operator::TaskError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Inspection, RowStream, Sender, Source, channel};
use crate::database::{Address, Database};
use crate::emulation::args::{SqlArgs, TimeStyle};
use crate::emulation::table::{PerTable, Table};
use crate::notifiers::Environment;
use crate::shapes::TextOr;
use document::Documents;

/// So many rows are handed over at a time.
const CHUNK_ROWS: usize = 500;

/// When rows are taken slowly, so many are asked for at a time: servers end a connection whose answer nobody reads.
const PAGE_ROWS: u64 = 5000;

/// All chunks of a page, and one that is not full.
const CHUNKS_A_PAGE: usize = 5000 / CHUNK_ROWS + 1;

/// The three tables.
#[derive(Clone)]
pub(in crate::emulation) struct Sql {
    database: Database,
    tables: PerTable<Selection>,
    times: TimeStyle,
    is_slow: bool,
}

/// A table, and the order of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Selection {
    /// The parts of its name.
    table: Vec<String>,
    order_by: Option<String>,
}

impl Sql {
    /// `is_slow` says that rows are not taken as fast as they come.
    pub(in crate::emulation) fn new(
        args: &SqlArgs,
        environment: &Environment,
        home: &Path,
        is_slow: bool,
    ) -> Result<Sql, String> {
        let address = Address {
            url: args.url.as_deref(),
            url_env: args.url_env.as_deref(),
            password_env: args.password_env.as_deref(),
        };
        let database = Database::resolve(address, environment, home)?;
        let tables = [&args.pin, &args.geo, &args.user].map(|table| {
            let (table, order_by) = match table {
                TextOr::Text(table) => (table, None),
                TextOr::More(more) => (&more.table, more.order_by.clone()),
            };
            Selection { table: table.split('.').map(str::to_owned).collect(), order_by }
        });
        Ok(Sql { database, tables: PerTable(tables), times: args.datetimes, is_slow })
    }

    fn name(&self, table: Table) -> String {
        let parts = self.tables[table].table.iter();
        parts.map(|part| self.database.quoted(part)).collect::<Vec<_>>().join(".")
    }

    fn select(&self, table: Table, from: u64, limit: u64) -> String {
        let order = match &self.tables[table].order_by {
            Some(column) => format!(" ORDER BY {}", self.database.quoted(column)),
            None => String::new(),
        };
        // The largest number that all of them take.
        let limit = limit.min(i64::MAX.unsigned_abs());
        format!("SELECT * FROM {}{order} LIMIT {limit} OFFSET {from}", self.name(table))
    }
}

#[async_trait]
impl Source for Sql {
    fn shown(&self) -> String {
        self.database.shown()
    }

    async fn inspect(&self, table: Table, stop: &CancellationToken) -> Result<Inspection, TaskError> {
        let count = format!("SELECT COUNT(*) FROM {}", self.name(table));
        tokio::select! {
            rows = self.database.count(&count) => Ok(Inspection { rows: rows?, ..Inspection::default() }),
            () = stop.cancelled() => Err(TaskError::cancelled()),
        }
    }

    async fn rows(
        &self,
        table: Table,
        from: u64,
        limit: u64,
        stop: &CancellationToken,
    ) -> Result<RowStream, TaskError> {
        let (sender, rows) = channel();
        let (sql, stop) = (self.clone(), stop.clone());
        tokio::spawn(async move {
            let sending = async {
                if sql.is_slow {
                    sql.send_pages(table, from, limit, &sender).await
                } else {
                    let mut documents = Documents::new(sql.times, &sender);
                    sql.database.read(&sql.select(table, from, limit), &mut documents).await.map(drop)
                }
            };
            let sent = tokio::select! {
                sent = sending => sent,
                () = stop.cancelled() => Err(TaskError::cancelled()),
            };
            if let Err(error) = sent {
                let _ = sender.send(Err(error)).await;
            }
        });
        Ok(rows)
    }
}

impl Sql {
    /// Reads page after page, each at once, when the one before is taken.
    async fn send_pages(&self, table: Table, from: u64, limit: u64, sender: &Sender) -> Result<(), TaskError> {
        let (mut from, mut left) = (from, limit);
        while left > 0 {
            let asked = PAGE_ROWS.min(left);
            let (page, mut chunks) = mpsc::channel(CHUNKS_A_PAGE);
            let mut documents = Documents::new(self.times, &page);
            let got = self.database.read(&self.select(table, from, asked), &mut documents).await?;
            drop(documents);
            drop(page);
            while let Some(chunk) = chunks.recv().await {
                if sender.send(chunk).await.is_err() {
                    return Ok(());
                }
            }
            if got < asked {
                break;
            }
            from += got;
            left -= got;
        }
        Ok(())
    }
}
