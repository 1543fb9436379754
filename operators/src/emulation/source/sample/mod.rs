//! The source `sample`: made-up rows of the three tables, as dirty as the real ones.
//!
//! The shares and rules are measured on the real tables; the words are our own. Rows depend on the seed and on the number
//! of rows alone, and the rows of one index in the three tables belong together.

mod cast;
mod dice;
mod pin;
mod words;

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use scheduler::operator::TaskError;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Inspection, RowStream, Sender, Source, channel};
use crate::emulation::table::Table;
use cast::{Cast, category_of};
use dice::Dice;
use pin::{Oddity, Pin};
use words::{CATEGORIES, ROWS_REAL};

/// Streams of chance. What one draws does not touch the others.
const CAST_STREAM: u64 = 0;
const PIN_STREAM: u64 = 1;
const GEO_STREAM: u64 = 2;

/// 2017-10-20 00:00:00 UTC.
const POSTED_FIRST: i64 = 1_508_457_600;

/// To the end of 2022-10-19.
const POSTED_SECONDS: u64 = 1826 * 86_400;

/// Where the two odd rows are among the real ones.
const EMPTY_TITLE_AT: u64 = 5658;
const UNTITLED_AT: u64 = 8021;

/// A row of `geolocation_data`.
#[derive(Serialize)]
struct Geo {
    ind: u64,
    timestamp: String,
    latitude: f64,
    longitude: f64,
    country: &'static str,
}

/// A row of `user_data`.
#[derive(Serialize)]
struct User {
    ind: u64,
    first_name: &'static str,
    last_name: &'static str,
    age: u64,
    date_joined: String,
}

/// So many rows are handed over at a time.
const CHUNK_ROWS: usize = 256;

/// The generator. Cheap to clone; it works when rows are asked for.
#[derive(Clone)]
pub(in crate::emulation) struct Sample {
    rows: u64,
    seed: u64,
    cast: Arc<std::sync::OnceLock<Cast>>,
}

impl Sample {
    /// `rows` rows for each table, at least one.
    pub(in crate::emulation) fn new(rows: u64, seed: u64) -> Sample {
        Sample { rows, seed, cast: Arc::default() }
    }

    /// The rows of a table as JSON documents, in the order of their indices.
    fn rows_of(&self, table: Table) -> impl Iterator<Item = anyhow::Result<Vec<u8>>> + '_ {
        let cast = self.cast.get_or_init(|| Cast::new(self.rows, &mut Dice::new(self.seed, CAST_STREAM)));
        let mut dice = Dice::new(self.seed, if table == Table::Pin { PIN_STREAM } else { GEO_STREAM });
        (0..self.rows).map(move |row| match table {
            Table::Pin => self.pin(row, cast, &mut dice),
            Table::Geo => geo(row, cast, &mut dice),
            Table::User => user(row, cast),
        })
    }

    fn pin(&self, row: u64, cast: &Cast, dice: &mut Dice) -> anyhow::Result<Vec<u8>> {
        let category = &CATEGORIES[category_of(row, self.rows)];
        let oddity = if row == EMPTY_TITLE_AT * self.rows / ROWS_REAL {
            Some(Oddity::EmptyTitle)
        } else if row == UNTITLED_AT * self.rows / ROWS_REAL {
            Some(Oddity::Untitled)
        } else {
            None
        };
        json(&Pin::draw(row, cast.poster(usize::try_from(row)?), category, oddity, dice))
    }
}

#[async_trait]
impl Source for Sample {
    fn shown(&self) -> String {
        format!("sample ({} rows, seed {})", self.rows, self.seed)
    }

    async fn inspect(&self, _table: Table, _stop: &CancellationToken) -> Result<Inspection, TaskError> {
        Ok(Inspection { rows: self.rows, ..Inspection::default() })
    }

    async fn rows(
        &self,
        table: Table,
        from: u64,
        limit: u64,
        stop: &CancellationToken,
    ) -> Result<RowStream, TaskError> {
        let (sender, rows) = channel();
        let (sample, stop) = (self.clone(), stop.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = sample.generate(table, from, limit, &sender, &stop) {
                let _ = sender.blocking_send(Err(TaskError::retry(error)));
            }
        });
        Ok(rows)
    }
}

impl Sample {
    fn generate(
        &self,
        table: Table,
        from: u64,
        limit: u64,
        sender: &Sender,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let [from, limit] = [from, limit].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let mut chunk = Vec::with_capacity(CHUNK_ROWS);
        for row in self.rows_of(table).skip(from).take(limit) {
            chunk.push(Bytes::from(row?));
            if chunk.len() == CHUNK_ROWS {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
                // A receiver that is gone has a better reason than we could give.
                if stop.is_cancelled() || sender.blocking_send(Ok(full)).is_err() {
                    return Ok(());
                }
            }
        }
        let _ = sender.blocking_send(Ok(chunk));
        Ok(())
    }
}

fn geo(row: u64, cast: &Cast, dice: &mut Dice) -> anyhow::Result<Vec<u8>> {
    let poster = cast.poster(usize::try_from(row)?);
    json(&Geo {
        ind: row,
        timestamp: datetime(POSTED_FIRST + dice.below(POSTED_SECONDS).cast_signed())?,
        latitude: poster.latitude,
        longitude: poster.longitude,
        country: poster.country,
    })
}

fn user(row: u64, cast: &Cast) -> anyhow::Result<Vec<u8>> {
    let poster = cast.poster(usize::try_from(row)?);
    json(&User {
        ind: row,
        first_name: poster.first_name,
        last_name: poster.last_name,
        age: poster.age,
        date_joined: datetime(poster.date_joined)?,
    })
}

fn json(row: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    serde_json::to_vec(row).context("cannot write a row as JSON")
}

/// As `MySQL` prints a DATETIME.
fn datetime(seconds: i64) -> anyhow::Result<String> {
    let instant = DateTime::from_timestamp(seconds, 0).context("a time is out of range")?;
    Ok(instant.format("%Y-%m-%d %H:%M:%S").to_string())
}
