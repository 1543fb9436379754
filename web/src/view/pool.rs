//! Pools.

use scheduler::store::entity::pool;
use scheduler::store::pools::SlotUse;
use serde::Serialize;
use utoipa::ToSchema;

/// A pool, and what of it is taken now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolResponse {
    name: String,
    /// -1 when there is no end of them.
    slots: i32,
    description: Option<String>,
    /// Whether deferred task instances take slots, too.
    include_deferred: bool,
    /// Running and queued, and deferred if these count.
    occupied_slots: i64,
    running_slots: i64,
    queued_slots: i64,
    /// Wanted by task instances that wait for slots.
    scheduled_slots: i64,
    /// -1 when there is no end of them.
    open_slots: i64,
    deferred_slots: i64,
    team_name: Option<String>,
}

impl PoolResponse {
    pub(crate) fn new(pool: pool::Model, slots: SlotUse) -> PoolResponse {
        PoolResponse {
            occupied_slots: slots.occupied(&pool),
            running_slots: slots.running,
            queued_slots: slots.queued,
            scheduled_slots: slots.scheduled,
            open_slots: slots.open(&pool),
            deferred_slots: slots.deferred,
            team_name: None,
            name: pool.name,
            slots: pool.slots,
            description: pool.description,
            include_deferred: pool.include_deferred,
        }
    }
}

/// A page of pools.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolCollectionResponse {
    pub(crate) pools: Vec<PoolResponse>,
    pub(crate) total_entries: u64,
}
