//! Pools: slots that task instances share, and how many of them are taken.
//!
//! What is taken is never kept: it follows from the states of task instances each time somebody asks.

use std::collections::HashMap;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait as _,
};

use super::entity::{dag_run, pool, task_instance};
use super::error::{StoreError, doing, is_duplicate};
use super::runs::is_unfinished;

/// The pool of tasks that name none. It is always there (Airflow 3: `default_pool`).
pub const DEFAULT_POOL: &str = "default_pool";

/// What people say of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// What tasks call it.
    pub name: String,
    /// How many slots it has; -1 when there is no end of them.
    pub slots: i32,
    /// What it is for.
    pub description: Option<String>,
    /// Whether deferred task instances take slots, too.
    pub include_deferred: bool,
}

/// Every pool, in the order in which they were made.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<pool::Model>, StoreError> {
    pool::Entity::find().order_by_asc(pool::Column::Id).all(db).await.map_err(doing("listing pools"))
}

/// The pool of that name.
pub async fn find(db: &impl ConnectionTrait, name: &str) -> Result<Option<pool::Model>, StoreError> {
    pool::Entity::find().filter(pool::Column::Name.eq(name)).one(db).await.map_err(doing("looking for a pool"))
}

/// The pool of that name, which must exist.
pub async fn get(db: &impl ConnectionTrait, name: &str) -> Result<pool::Model, StoreError> {
    find(db, name).await?.ok_or_else(|| StoreError::NotFound { what: "pool", id: name.to_owned() })
}

/// Makes a pool.
///
/// # Errors
/// [`StoreError::Exists`] when there is one of its name.
pub async fn insert(db: &impl ConnectionTrait, settings: &PoolSettings) -> Result<(), StoreError> {
    let row = pool::ActiveModel {
        id: NotSet,
        name: Set(settings.name.clone()),
        slots: Set(settings.slots),
        description: Set(settings.description.clone()),
        include_deferred: Set(settings.include_deferred),
    };
    pool::Entity::insert(row).exec_without_returning(db).await.map_err(|error| {
        if is_duplicate(&error) {
            StoreError::Exists { what: "pool", id: settings.name.clone() }
        } else {
            doing("making a pool")(error)
        }
    })?;
    Ok(())
}

/// Changes the pool `name`, its name included; true when there is one.
///
/// # Errors
/// [`StoreError::Exists`] when another has its new name.
pub async fn update(db: &impl ConnectionTrait, name: &str, settings: &PoolSettings) -> Result<bool, StoreError> {
    let updated = pool::Entity::update_many()
        .col_expr(pool::Column::Name, Expr::value(settings.name.clone()))
        .col_expr(pool::Column::Slots, Expr::value(settings.slots))
        .col_expr(pool::Column::Description, Expr::value(settings.description.clone()))
        .col_expr(pool::Column::IncludeDeferred, Expr::value(settings.include_deferred))
        .filter(pool::Column::Name.eq(name))
        .exec(db)
        .await
        .map_err(|error| {
            if is_duplicate(&error) {
                StoreError::Exists { what: "pool", id: settings.name.clone() }
            } else {
                doing("changing a pool")(error)
            }
        })?;
    Ok(updated.rows_affected > 0)
}

/// Deletes a pool; true when there was one.
pub async fn delete(db: &impl ConnectionTrait, name: &str) -> Result<bool, StoreError> {
    let deleted = pool::Entity::delete_many()
        .filter(pool::Column::Name.eq(name))
        .exec(db)
        .await
        .map_err(doing("deleting a pool"))?;
    Ok(deleted.rows_affected > 0)
}

/// The slots of a pool by what has or wants them (Airflow 3: PoolResponse).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotUse {
    /// Taken by task instances that run.
    pub running: i64,
    /// Taken by task instances that have a slot and wait for a worker.
    pub queued: i64,
    /// Wanted by task instances that wait for slots.
    pub scheduled: i64,
    /// Of task instances that wait for something elsewhere; taken only if the pool says so.
    pub deferred: i64,
}

impl SlotUse {
    /// The slots that are taken.
    pub fn occupied(self, pool: &pool::Model) -> i64 {
        self.running + self.queued + if pool.include_deferred { self.deferred } else { 0 }
    }

    /// The slots that are free; -1 when there is no end of them. None are when the pool was made smaller than what was
    /// taken.
    pub fn open(self, pool: &pool::Model) -> i64 {
        if pool.slots < 0 { -1 } else { (i64::from(pool.slots) - self.occupied(pool)).max(0) }
    }
}

/// The use of every pool that any unfinished task instance names, by name, made from their states. They are found through
/// the runs that are not over, of which there are few.
pub async fn slot_use(db: &impl ConnectionTrait) -> Result<HashMap<String, SlotUse>, StoreError> {
    use task_instance::Column as C;
    let unfinished =
        dag_run::Entity::find().select_only().column(dag_run::Column::Id).filter(is_unfinished()).into_query();
    let rows: Vec<(String, Option<String>, i64)> = task_instance::Entity::find()
        .select_only()
        .column(C::Pool)
        .column(C::State)
        .column_as(C::PoolSlots.sum(), "slots")
        .filter(C::DagRunId.in_subquery(unfinished))
        .filter(C::State.is_in(["running", "restarting", "queued", "scheduled", "deferred"]))
        .group_by(C::Pool)
        .group_by(C::State)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("counting the slots of pools"))?;
    let mut all: HashMap<String, SlotUse> = HashMap::new();
    for (pool, state, slots) in rows {
        let slot_use = all.entry(pool).or_default();
        match state.as_deref() {
            // What is being stopped still runs.
            Some("running" | "restarting") => slot_use.running += slots,
            Some("queued") => slot_use.queued += slots,
            Some("scheduled") => slot_use.scheduled += slots,
            Some("deferred") => slot_use.deferred += slots,
            _ => {}
        }
    }
    Ok(all)
}
