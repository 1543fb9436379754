//! Who may write: the leases of processes.
//!
//! A run belongs to the lease of a scheduler, a try to that of a worker, and a lease to a process. Each transaction of the
//! process first reads its own lease with a lock that a take-over must wait for; a lease that has lapsed refuses the
//! transaction. So a process that was suspended, or cut off, and comes back after somebody took over can change nothing.
//!
//! One scheduler leads at a time: only then are limits exact that hold for all runs. Others stand by.
//!
//! **Invariant:** nobody compares clocks. A lease counts up with each renewal, and whoever wants to take over watches it
//! stand still for long enough by a clock of its own that cannot be set.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Statement,
};
use serde_json::Value;
use uuid::Uuid;

use super::entity::{dag_run, process_lease};
use super::error::{StoreError, doing};
use super::tries;

/// A number of our own, under which processes queue up that want to lead.
const LEADERSHIP: i64 = 7_205_759_403_792_795;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It decides what runs.
    Scheduler,
    /// It runs tries that schedulers hand out.
    Worker,
}

impl Kind {
    /// As it is stored.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Scheduler => "scheduler",
            Kind::Worker => "worker",
        }
    }
}

/// A process that asks for a lease.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Identifies the home folder, which only one process at a time can hold.
    pub instance: String,
    /// The machine.
    pub hostname: String,
    /// The process.
    pub pid: u32,
    /// The key of the advisory lock that its connection holds, on Postgres.
    pub presence: Option<i64>,
    /// How long it may stay silent before others take it for dead.
    pub patience: Duration,
}

impl Holder {
    /// A process that shares its database with no other: nobody could take over from it while it lives.
    pub fn alone(instance: &str, hostname: &str) -> Holder {
        Holder {
            instance: instance.to_owned(),
            hostname: hostname.to_owned(),
            pid: std::process::id(),
            presence: None,
            patience: Duration::from_secs(15),
        }
    }
}

/// What a worker takes.
#[derive(Clone, Debug)]
pub struct Offer {
    /// From which queues.
    pub queues: Vec<String>,
    /// How many tries at the same time.
    pub concurrency: u32,
}

/// Makes this process the scheduler that leads, unless another one does. Leases of earlier processes of the same home, and
/// those in `dead`, lapse.
pub async fn lead(
    db: &impl ConnectionTrait,
    holder: &Holder,
    dead: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Option<Uuid>, StoreError> {
    if db.get_database_backend() == DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({LEADERSHIP})");
        db.execute_unprepared(&lock).await.map_err(doing("asking to lead"))?;
    }
    lapse(db, None, &holder.instance, dead).await?;
    let leading = process_lease::Entity::find()
        .filter(process_lease::Column::Kind.eq(Kind::Scheduler.word()))
        .filter(process_lease::Column::IsLapsed.eq(false))
        .count(db)
        .await
        .map_err(doing("looking for a scheduler that leads"))?;
    if leading > 0 {
        return Ok(None);
    }
    insert(db, Kind::Scheduler, holder, None, now).await.map(Some)
}

/// Gives a worker its lease.
pub async fn register(
    db: &impl ConnectionTrait,
    holder: &Holder,
    offer: &Offer,
    now: DateTime<Utc>,
) -> Result<Uuid, StoreError> {
    insert(db, Kind::Worker, holder, Some(offer), now).await
}

async fn insert(
    db: &impl ConnectionTrait,
    kind: Kind,
    holder: &Holder,
    offer: Option<&Offer>,
    now: DateTime<Utc>,
) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    let row = process_lease::ActiveModel {
        id: Set(id),
        kind: Set(kind.word().to_owned()),
        instance: Set(holder.instance.clone()),
        hostname: Set(holder.hostname.clone()),
        pid: Set(i32::try_from(holder.pid).unwrap_or(0)),
        presence: Set(holder.presence),
        patience_ms: Set(i64::try_from(holder.patience.as_millis()).unwrap_or(i64::MAX)),
        renewals: Set(0),
        started_at: Set(now),
        heartbeat_at: Set(now),
        is_lapsed: Set(false),
        is_draining: Set(false),
        queues: Set(offer.map(|offer| Value::from(offer.queues.clone()))),
        concurrency: Set(offer.map(|offer| i32::try_from(offer.concurrency).unwrap_or(i32::MAX))),
    };
    process_lease::Entity::insert(row).exec_without_returning(db).await.map_err(doing("acquiring a lease"))?;
    Ok(id)
}

/// Renews a lease.
///
/// # Errors
/// [`StoreError::Fenced`] when it was taken over.
pub async fn renew(
    db: &impl ConnectionTrait,
    lease: Uuid,
    is_draining: bool,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let renewed = process_lease::Entity::update_many()
        .col_expr(process_lease::Column::HeartbeatAt, Expr::value(now))
        .col_expr(process_lease::Column::Renewals, Expr::col(process_lease::Column::Renewals).add(1))
        .col_expr(process_lease::Column::IsDraining, Expr::value(is_draining))
        .filter(process_lease::Column::Id.eq(lease))
        .filter(process_lease::Column::IsLapsed.eq(false))
        .exec(db)
        .await
        .map_err(doing("renewing a lease"))?;
    if renewed.rows_affected == 1 { Ok(()) } else { Err(StoreError::Fenced) }
}

/// Refuses to go on with a transaction whose process has lost its lease.
///
/// # Errors
/// [`StoreError::Fenced`] when it was taken over.
pub async fn assert_held(db: &impl ConnectionTrait, lease: Uuid) -> Result<(), StoreError> {
    let held = process_lease::Entity::find_by_id(lease)
        .filter(process_lease::Column::IsLapsed.eq(false))
        .lock_shared()
        .one(db)
        .await
        .map_err(doing("looking at the lease"))?;
    if held.is_some() { Ok(()) } else { Err(StoreError::Fenced) }
}

/// Declares dead these processes, and earlier ones of this very `instance`, but never `own`. Their runs belong to nobody
/// afterwards, and their tries are lost. Answers with how many processes that were.
pub async fn lapse(
    db: &impl ConnectionTrait,
    own: Option<Uuid>,
    instance: &str,
    dead: &[Uuid],
) -> Result<usize, StoreError> {
    let lapsed = process_lease::Entity::update_many()
        .col_expr(process_lease::Column::IsLapsed, Expr::value(true))
        .filter(process_lease::Column::Id.ne(own.unwrap_or_default()))
        .filter(process_lease::Column::IsLapsed.eq(false))
        .filter(
            Condition::any()
                .add(process_lease::Column::Id.is_in(dead.iter().copied()))
                .add(process_lease::Column::Instance.eq(instance)),
        )
        .exec_with_returning(db)
        .await
        .map_err(doing("taking over from lapsed leases"))?;
    let ids: Vec<Uuid> = lapsed.iter().map(|lease| lease.id).collect();
    disown(db, &ids).await?;
    Ok(ids.len())
}

/// Gives up a lease, and its runs and tries with it, at a clean shutdown.
pub async fn release(db: &impl ConnectionTrait, lease: Uuid) -> Result<(), StoreError> {
    disown(db, &[lease]).await?;
    process_lease::Entity::delete_by_id(lease).exec(db).await.map_err(doing("releasing the lease"))?;
    Ok(())
}

/// Lapsed leases that nobody needs to read about any more.
pub async fn forget_lapsed(db: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<(), StoreError> {
    process_lease::Entity::delete_many()
        .filter(process_lease::Column::IsLapsed.eq(true))
        .filter(process_lease::Column::HeartbeatAt.lt(before))
        .exec(db)
        .await
        .map_err(doing("forgetting lapsed leases"))?;
    Ok(())
}

/// The leases that have not lapsed.
pub async fn living(db: &impl ConnectionTrait) -> Result<Vec<process_lease::Model>, StoreError> {
    process_lease::Entity::find()
        .filter(process_lease::Column::IsLapsed.eq(false))
        .order_by_asc(process_lease::Column::StartedAt)
        .all(db)
        .await
        .map_err(doing("looking at the leases"))
}

/// The keys of the advisory locks that connections to this database hold: whose process is killed, lets go of its own at
/// once. Empty on SQLite.
pub async fn presences(db: &impl ConnectionTrait) -> Result<HashSet<i64>, StoreError> {
    #[derive(FromQueryResult)]
    struct Held {
        key: i64,
    }
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(HashSet::new());
    }
    let held = Held::find_by_statement(Statement::from_string(
        DbBackend::Postgres,
        "SELECT ((classid::bigint << 32) | objid::bigint) AS key FROM pg_locks \
         WHERE locktype = 'advisory' AND objsubid = 1 AND granted \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    ));
    let held = held.all(db).await.map_err(doing("looking which processes are there"))?;
    Ok(held.into_iter().map(|held| held.key).collect())
}

/// The lease of a scheduler that was renewed last, for health.
pub async fn latest_heartbeat(db: &impl ConnectionTrait) -> Result<Option<process_lease::Model>, StoreError> {
    process_lease::Entity::find()
        .filter(process_lease::Column::Kind.eq(Kind::Scheduler.word()))
        .filter(process_lease::Column::IsLapsed.eq(false))
        .order_by_desc(process_lease::Column::HeartbeatAt)
        .one(db)
        .await
        .map_err(doing("looking for a living scheduler"))
}

async fn disown(db: &impl ConnectionTrait, leases: &[Uuid]) -> Result<(), StoreError> {
    if leases.is_empty() {
        return Ok(());
    }
    dag_run::Entity::update_many()
        .col_expr(dag_run::Column::Owner, Expr::value(None::<Uuid>))
        .filter(dag_run::Column::Owner.is_in(leases.iter().copied()))
        .exec(db)
        .await
        .map_err(doing("taking over runs"))?;
    tries::lose(db, leases).await
}
