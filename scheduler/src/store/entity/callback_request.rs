//! Callbacks that were called: those that wait for delivery (an outbox), and what became of the others. A row goes with its
//! run.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "callback_request")]
pub struct Model {
    /// The key; also the idempotency key that receivers are given.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The run's key.
    pub dag_run_id: Uuid,
    /// The DAG.
    pub dag_id: String,
    /// The run, as people name it.
    pub run_id: String,
    /// The task; NULL for a callback of the DAG.
    pub task_id: Option<String>,
    /// The index within a mapped task; -1 when not mapped.
    pub map_index: i32,
    /// The try that it is about.
    pub try_number: Option<i32>,
    /// A word of `crate::operator::CallbackKind`.
    pub kind: String,
    /// Which of the callbacks of that kind, from 0.
    pub position: i32,
    /// How things stood: `crate::dag::template::CallbackFacts`. Arguments are not kept here: they may hold secrets, and
    /// are in the definition that the run is pinned to.
    pub facts: Json,
    /// How often delivery was tried.
    pub attempts: i32,
    /// No attempt is made before.
    pub due_at: DateTimeUtc,
    /// When it was called.
    pub created_at: DateTimeUtc,
    /// The lease of the scheduler that delivers it now; void when that lease is.
    pub claimed_by: Option<Uuid>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// A word of `crate::store::callbacks::CallbackState`.
    pub state: String,
    /// Through what it was told last: a notifier's name.
    pub notifier: Option<String>,
    /// Whom it was told last, as far as that is no secret.
    pub receiver: Option<String>,
    /// When somebody asked for another attempt; patience begins anew then.
    pub retried_at: Option<DateTimeUtc>,
    /// When it was delivered, or given up.
    pub ended_at: Option<DateTimeUtc>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
