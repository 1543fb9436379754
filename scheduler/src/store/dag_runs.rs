//! Writing runs that are there: many rows in one statement, for at midnight thousands begin at once.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoIden, Query, TableRef, UpdateStatement, ValueTuple};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, IdenStatic, ModelTrait, Statement};
use serde::Serialize;
use uuid::Uuid;

use super::ROWS_MAX;
use super::entity::dag_run::{Column as C, Entity, Model};
use super::error::{StoreError, doing};

/// What of a run changes while it is under way, and how Postgres has it; the rest is as it was made.
const CHANGING: [(C, &str); 11] = [
    (C::State, "text"),
    (C::StartDate, "timestamptz"),
    (C::EndDate, "timestamptz"),
    (C::QueuedAt, "timestamptz"),
    (C::LastSchedulingDecision, "timestamptz"),
    (C::DagVersionId, "uuid"),
    (C::DecidedState, "text"),
    (C::ClearNumber, "int"),
    (C::Owner, "uuid"),
    (C::Reason, "text"),
    (C::UpdatedAt, "timestamptz"),
];

/// From so many rows on Postgres takes longer to read a list of values than to write the rows.
const MANY: usize = 50;

/// Writes what changed of runs that are there.
pub(super) async fn update(db: &impl ConnectionTrait, rows: &[Model]) -> Result<(), StoreError> {
    if db.get_database_backend() == DbBackend::Postgres && rows.len() >= MANY {
        db.execute_raw(from_document(rows)?).await.map_err(doing("writing runs"))?;
        return Ok(());
    }
    for rows in rows.chunks(ROWS_MAX) {
        db.execute(&from_values(rows)).await.map_err(doing("writing runs"))?;
    }
    Ok(())
}

/// The rows as a list of values, which either database reads.
fn from_values(rows: &[Model]) -> UpdateStatement {
    let written = Alias::new("written");
    // Both databases call the columns of a list of values so.
    let value = |position: usize| (written.clone(), Alias::new(format!("column{position}")));
    let row = |row: &Model| {
        let changing = CHANGING.into_iter().map(|(column, _)| row.get(column));
        ValueTuple::Many(std::iter::once(row.id.into()).chain(changing).collect())
    };
    let mut update = Query::update();
    update.table(Entity);
    for (at, (column, _)) in CHANGING.into_iter().enumerate() {
        update.value(column, Expr::col(value(at + 2)));
    }
    update
        .from(TableRef::ValuesList(rows.iter().map(row).collect(), written.clone().into_iden()))
        .and_where(Expr::col((Entity, C::Id)).equals(value(1)));
    update
}

/// For Postgres: the rows as one value, so that the text of the statement is the same however many there are.
static FROM_DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let assignments: Vec<String> =
        CHANGING.iter().map(|(column, _)| format!("{0} = given.{0}", column.as_str())).collect();
    let columns: Vec<String> = CHANGING.iter().map(|(column, kind)| format!("{} {kind}", column.as_str())).collect();
    format!(
        "UPDATE dag_run SET {} FROM json_to_recordset($1::text::json) AS given(id uuid, {}) WHERE dag_run.id = given.id",
        assignments.join(", "),
        columns.join(", ")
    )
});

fn from_document(rows: &[Model]) -> Result<Statement, StoreError> {
    let document: Vec<Given> = rows.iter().map(Given::of).collect();
    let document = serde_json::to_string(&document)
        .map_err(|error| DbErr::Json(error.to_string()))
        .map_err(doing("writing runs"))?;
    Ok(Statement::from_sql_and_values(DbBackend::Postgres, FROM_DOCUMENT.as_str(), [document.into()]))
}

/// A row in the document: the key, and what stands in [`CHANGING`].
#[derive(Serialize)]
struct Given<'a> {
    id: Uuid,
    state: &'a str,
    start_date: Option<DateTime<Utc>>,
    end_date: Option<DateTime<Utc>>,
    queued_at: Option<DateTime<Utc>>,
    last_scheduling_decision: Option<DateTime<Utc>>,
    dag_version_id: Uuid,
    decided_state: Option<&'a str>,
    clear_number: i32,
    owner: Option<Uuid>,
    reason: Option<&'a str>,
    updated_at: DateTime<Utc>,
}

impl Given<'_> {
    fn of(row: &Model) -> Given<'_> {
        Given {
            id: row.id,
            state: &row.state,
            start_date: row.start_date,
            end_date: row.end_date,
            queued_at: row.queued_at,
            last_scheduling_decision: row.last_scheduling_decision,
            dag_version_id: row.dag_version_id,
            decided_state: row.decided_state.as_deref(),
            clear_number: row.clear_number,
            owner: row.owner,
            reason: row.reason.as_deref(),
            updated_at: row.updated_at,
        }
    }
}
