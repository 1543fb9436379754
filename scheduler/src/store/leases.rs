//! Who may write: the leases of scheduler processes.
//!
//! A run belongs to a lease, and a lease to a process. Each transaction of the process first reads its own lease with a
//! lock that a take-over must wait for; a lease that has lapsed refuses the transaction. So a process that was
//! suspended, or cut off, and comes back after somebody took over can change nothing.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::entity::{dag_run, scheduler_lease};
use super::error::{StoreError, doing};

/// A process that asks for a lease.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Identifies the home folder, which only one process at a time can hold.
    pub instance: String,
    /// The machine.
    pub hostname: String,
    /// The process.
    pub pid: u32,
}

/// Gives a new lease.
pub async fn acquire(
    db: &impl ConnectionTrait,
    holder: &Holder,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    let row = scheduler_lease::ActiveModel {
        id: Set(id),
        instance: Set(holder.instance.clone()),
        hostname: Set(holder.hostname.clone()),
        pid: Set(i32::try_from(holder.pid).unwrap_or(0)),
        started_at: Set(now),
        heartbeat_at: Set(now),
        expires_at: Set(expires_at),
        is_lapsed: Set(false),
    };
    scheduler_lease::Entity::insert(row).exec_without_returning(db).await.map_err(doing("acquiring a lease"))?;
    Ok(id)
}

/// Renews a lease.
///
/// # Errors
/// [`StoreError::Fenced`] when it was taken over.
pub async fn renew(
    db: &impl ConnectionTrait,
    lease: Uuid,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let renewed = scheduler_lease::Entity::update_many()
        .col_expr(scheduler_lease::Column::HeartbeatAt, Expr::value(now))
        .col_expr(scheduler_lease::Column::ExpiresAt, Expr::value(expires_at))
        .filter(scheduler_lease::Column::Id.eq(lease))
        .filter(scheduler_lease::Column::IsLapsed.eq(false))
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
    let held = scheduler_lease::Entity::find_by_id(lease)
        .filter(scheduler_lease::Column::IsLapsed.eq(false))
        .lock_shared()
        .one(db)
        .await
        .map_err(doing("looking at the lease"))?;
    if held.is_some() { Ok(()) } else { Err(StoreError::Fenced) }
}

/// Declares dead the leases of processes that are: those that ran out, and those of earlier processes of this very
/// `instance`. Their runs belong to nobody afterwards. Answers with how many leases that were.
pub async fn lapse_dead(
    db: &impl ConnectionTrait,
    own: Uuid,
    instance: &str,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let dead = scheduler_lease::Entity::update_many()
        .col_expr(scheduler_lease::Column::IsLapsed, Expr::value(true))
        .filter(scheduler_lease::Column::Id.ne(own))
        .filter(scheduler_lease::Column::IsLapsed.eq(false))
        .filter(
            Condition::any()
                .add(scheduler_lease::Column::ExpiresAt.lt(now))
                .add(scheduler_lease::Column::Instance.eq(instance)),
        )
        .exec_with_returning(db)
        .await
        .map_err(doing("taking over from lapsed leases"))?;
    let ids: Vec<Uuid> = dead.iter().map(|lease| lease.id).collect();
    disown(db, &ids).await?;
    Ok(ids.len())
}

/// Gives up a lease, and its runs with it, at a clean shutdown.
pub async fn release(db: &impl ConnectionTrait, lease: Uuid) -> Result<(), StoreError> {
    disown(db, &[lease]).await?;
    scheduler_lease::Entity::delete_by_id(lease).exec(db).await.map_err(doing("releasing the lease"))?;
    Ok(())
}

/// Lapsed leases that nobody needs to read about any more.
pub async fn forget_lapsed(db: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<(), StoreError> {
    scheduler_lease::Entity::delete_many()
        .filter(scheduler_lease::Column::IsLapsed.eq(true))
        .filter(scheduler_lease::Column::ExpiresAt.lt(before))
        .exec(db)
        .await
        .map_err(doing("forgetting lapsed leases"))?;
    Ok(())
}

/// The lease that was renewed last, for health.
pub async fn latest_heartbeat(db: &impl ConnectionTrait) -> Result<Option<scheduler_lease::Model>, StoreError> {
    use sea_orm::QueryOrder;
    scheduler_lease::Entity::find()
        .filter(scheduler_lease::Column::IsLapsed.eq(false))
        .order_by_desc(scheduler_lease::Column::HeartbeatAt)
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
    Ok(())
}
