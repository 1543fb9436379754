//! How far a stream has been read, and how a Delta table remembers it.
//!
//! The Delta protocol knows application transactions: `txn` actions, each a number under the id of an application, which are
//! part of a commit and of the state of the table for ever after. A partition's offset is one such number. A sequence number
//! of Kinesis has some 56 digits, so it takes several, each under an id of its own.

use std::collections::BTreeMap;

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat};
use deltalake::DeltaTable;

/// So many decimal digits fit a 64-bit integer.
const PIECE_DIGITS: usize = 18;
/// Pieces of a sequence number: up to 72 digits.
const PIECES: usize = 4;

/// How far a partition or a shard has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// The offset of the next record.
    Offset(i64),
    /// The sequence number of the last record that was read.
    After(String),
    /// Nothing has been read of a shard of Kinesis, and what came before an instant is not to be: milliseconds since the epoch.
    Since(i64),
    /// All of it: a shard that was split or merged ends.
    Ended,
}

impl Position {
    /// For people.
    pub(super) fn shown(&self) -> String {
        match self {
            Position::Offset(offset) => offset.to_string(),
            Position::After(number) => number.clone(),
            Position::Since(millis) => match DateTime::from_timestamp_millis(*millis) {
                Some(instant) => format!("since {}", instant.to_rfc3339_opts(SecondsFormat::Millis, true)),
                None => format!("since {millis} ms"),
            },
            Position::Ended => "ended".to_owned(),
        }
    }
}

/// Positions by partition or shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Positions(pub(super) BTreeMap<String, Position>);

impl Positions {
    /// What `table` remembers of the parts of a stream.
    pub(super) async fn read(table: &DeltaTable, id: &str, parts: &[String]) -> anyhow::Result<Positions> {
        let mut positions = Positions::default();
        for part in parts {
            if let Some(position) = read_one(table, id, part).await? {
                positions.0.insert(part.clone(), position);
            }
        }
        Ok(positions)
    }

    /// What a commit has to say of them: numbers, by the names of application transactions.
    pub(super) fn transactions(&self, id: &str) -> Vec<(String, i64)> {
        let written = |(part, position): (&String, &Position)| -> Vec<(String, i64)> {
            match position {
                Position::Offset(offset) => vec![(app_id(id, part, "offset"), *offset)],
                Position::After(number) => pieces(number)
                    .into_iter()
                    .enumerate()
                    .map(|(at, piece)| (app_id(id, part, &at.to_string()), piece))
                    .collect(),
                Position::Since(millis) => vec![(app_id(id, part, "since"), *millis)],
                Position::Ended => vec![(app_id(id, part, "ended"), 1)],
            }
        };
        self.0.iter().flat_map(written).collect()
    }

    /// Takes over what `later` knows better.
    pub(super) fn advance(&mut self, later: Positions) {
        self.0.extend(later.0);
    }
}

async fn read_one(table: &DeltaTable, id: &str, part: &str) -> anyhow::Result<Option<Position>> {
    if read_number(table, id, part, "ended").await?.is_some() {
        return Ok(Some(Position::Ended));
    }
    if let Some(offset) = read_number(table, id, part, "offset").await? {
        return Ok(Some(Position::Offset(offset)));
    }
    let Some(first) = read_number(table, id, part, "0").await? else {
        return Ok(read_number(table, id, part, "since").await?.map(Position::Since));
    };
    let mut pieces = vec![first];
    for at in 1..PIECES {
        let piece = read_number(table, id, part, &at.to_string()).await?;
        pieces.push(piece.with_context(|| format!("the table has lost a part of the position of `{part}`"))?);
    }
    let number: String = pieces.iter().map(|piece| format!("{piece:018}")).collect();
    Ok(Some(Position::After(number.trim_start_matches('0').to_owned())))
}

async fn read_number(table: &DeltaTable, id: &str, part: &str, what: &str) -> anyhow::Result<Option<i64>> {
    let log_store = table.log_store();
    let app_id = app_id(id, part, what);
    Ok(table.snapshot()?.transaction_version(log_store.as_ref(), &app_id).await?)
}

fn app_id(id: &str, part: &str, what: &str) -> String {
    format!("updraft/{id}/{part}/{what}")
}

/// A decimal number of at most 72 digits in pieces of 18, the leading ones first.
fn pieces(number: &str) -> [i64; PIECES] {
    let padded = format!("{number:0>width$}", width = PIECES * PIECE_DIGITS);
    std::array::from_fn(|at| padded[at * PIECE_DIGITS..(at + 1) * PIECE_DIGITS].parse().unwrap_or_default())
}

/// Whether a text is a sequence number that [`Position::After`] can hold.
pub(super) fn is_sequence_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= PIECES * PIECE_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_number_is_put_down_in_pieces() {
        let number = "49590338271490256608559692538361571095921575989136588898";
        assert_eq!(number.len(), 56);
        let pieces = pieces(number);
        let back: String = pieces.iter().map(|piece| format!("{piece:018}")).collect();
        assert_eq!(back.trim_start_matches('0'), number);
        assert!(is_sequence_number(number) && !is_sequence_number("-1") && !is_sequence_number(""));
    }

    #[test]
    fn each_part_has_ids_of_its_own() {
        let positions = Positions(BTreeMap::from([
            ("0".to_owned(), Position::Offset(7)),
            ("shardId-1".to_owned(), Position::Ended),
            ("shardId-2".to_owned(), Position::Since(1_790_000_000_250)),
        ]));
        let expected = [
            ("updraft/dag.task/0/offset", 7),
            ("updraft/dag.task/shardId-1/ended", 1),
            ("updraft/dag.task/shardId-2/since", 1_790_000_000_250),
        ];
        assert_eq!(positions.transactions("dag.task"), expected.map(|(id, number)| (id.to_owned(), number)));
        assert_eq!(positions.0["shardId-2"].shown(), "since 2026-09-21T14:13:20.250Z");
    }
}
