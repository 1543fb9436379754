//! The logs of tries in the database: pieces that are only ever appended.
//!
//! A place in a log is a number of bytes from its beginning, and stays what it is whatever is appended; so a reader that
//! remembers how far it came goes on there.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::entity::dag_run;
use super::entity::try_log::{Column, Entity, Model};
use super::error::{StoreError, doing};

/// Which try's log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogOf {
    /// The run's key.
    pub run: Uuid,
    /// The task.
    pub task_id: String,
    /// The index within a mapped task; -1 when not mapped.
    pub map_index: i32,
    /// The try, from 1.
    pub try_number: i32,
}

impl LogOf {
    fn condition(&self) -> Condition {
        Condition::all()
            .add(Column::DagRunId.eq(self.run))
            .add(Column::TaskId.eq(self.task_id.as_str()))
            .add(Column::MapIndex.eq(self.map_index))
            .add(Column::TryNumber.eq(self.try_number))
    }
}

/// What is appended to a log.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The log.
    pub of: LogOf,
    /// The file that it is copied from.
    pub source: Uuid,
    /// What it says.
    pub content: Vec<u8>,
}

/// Appends pieces to logs, in their order. Those of runs that are gone are passed over.
///
/// # Errors
/// When somebody else appended to one of the logs at the same time: nothing is written then, and doing it again helps.
pub async fn append(db: &impl ConnectionTrait, pieces: Vec<Piece>) -> Result<(), StoreError> {
    let runs = existing(db, &pieces).await?;
    let pieces: Vec<Piece> = pieces.into_iter().filter(|piece| runs.contains(&piece.of.run)).collect();
    if pieces.is_empty() {
        return Ok(());
    }
    let mut ends = ends(db, &pieces).await?;
    let rows = pieces.into_iter().map(|piece| {
        let end = ends.entry(piece.of.clone()).or_default();
        let begins_at = *end;
        *end += i64::try_from(piece.content.len()).unwrap_or(i64::MAX);
        let Piece { of: LogOf { run, task_id, map_index, try_number }, source, content } = piece;
        Model { dag_run_id: run, task_id, map_index, try_number, begins_at, ends_at: *end, source, content }
    });
    Entity::insert_many(rows.map(IntoActiveModel::into_active_model))
        .exec_without_returning(db)
        .await
        .map_err(doing("appending to the logs of tries"))?;
    Ok(())
}

async fn existing(db: &impl ConnectionTrait, pieces: &[Piece]) -> Result<HashSet<Uuid>, StoreError> {
    let runs: HashSet<Uuid> = pieces.iter().map(|piece| piece.of.run).collect();
    let found: Vec<Uuid> = dag_run::Entity::find()
        .select_only()
        .column(dag_run::Column::Id)
        .filter(dag_run::Column::Id.is_in(runs))
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for the runs of logs"))?;
    Ok(found.into_iter().collect())
}

/// Where these logs end so far.
async fn ends(db: &impl ConnectionTrait, pieces: &[Piece]) -> Result<HashMap<LogOf, i64>, StoreError> {
    let logs: HashSet<&LogOf> = pieces.iter().map(|piece| &piece.of).collect();
    let which = logs.into_iter().fold(Condition::any(), |any, of| any.add(of.condition()));
    let ends: Vec<(Uuid, String, i32, i32, i64)> = Entity::find()
        .select_only()
        .columns([Column::DagRunId, Column::TaskId, Column::MapIndex, Column::TryNumber])
        .column_as(Column::EndsAt.max(), "end")
        .filter(which)
        .group_by(Column::DagRunId)
        .group_by(Column::TaskId)
        .group_by(Column::MapIndex)
        .group_by(Column::TryNumber)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for the ends of logs"))?;
    let of = |(run, task_id, map_index, try_number, end)| (LogOf { run, task_id, map_index, try_number }, end);
    Ok(ends.into_iter().map(of).collect())
}

/// How many bytes of each of these files are in the database; those of which there are none are left out.
pub async fn sent(db: &impl ConnectionTrait, sources: &[Uuid]) -> Result<HashMap<Uuid, u64>, StoreError> {
    let pieces: Vec<(Uuid, i64, i64)> = Entity::find()
        .select_only()
        .columns([Column::Source, Column::BeginsAt, Column::EndsAt])
        .filter(Column::Source.is_in(sources.iter().copied()))
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for what was sent of logs"))?;
    let mut sent: HashMap<Uuid, u64> = HashMap::new();
    for (source, begins_at, ends_at) in pieces {
        *sent.entry(source).or_default() += u64::try_from(ends_at - begins_at).unwrap_or(0);
    }
    Ok(sent)
}

/// What a log says from `offset` on, at most `bytes_max` bytes; none when nothing of it is in the database.
pub async fn read(
    db: &impl ConnectionTrait,
    of: &LogOf,
    offset: u64,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let begin = i64::try_from(offset).unwrap_or(i64::MAX);
    let end = i64::try_from(offset.saturating_add(bytes_max)).unwrap_or(i64::MAX);
    let pieces = Entity::find()
        .filter(of.condition())
        .filter(Column::EndsAt.gt(begin))
        .filter(Column::BeginsAt.lt(end))
        .order_by_asc(Column::BeginsAt)
        .all(db)
        .await
        .map_err(doing("reading the log of a try"))?;
    if pieces.is_empty() && offset == 0 {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for piece in pieces {
        let within = |place: i64| usize::try_from(place - piece.begins_at).unwrap_or(0).min(piece.content.len());
        bytes.extend_from_slice(&piece.content[within(begin)..within(end)]);
    }
    Ok(Some(bytes))
}
