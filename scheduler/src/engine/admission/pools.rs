//! The pools as admission knows them: what they have, and what is taken.

use std::collections::HashMap;

use crate::run::Limit;
use crate::store::entity::pool;

/// Names a pool within one admission, whether it exists or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PoolId(usize);

/// What a task instance wants of the pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Wanted {
    pub(super) pool: PoolId,
    pub(super) slots: u32,
}

/// Every pool that exists or that a task names.
#[derive(Debug, Default)]
pub(super) struct Pools {
    ids: HashMap<String, PoolId>,
    pools: Vec<Pool>,
}

#[derive(Debug)]
struct Pool {
    name: String,
    size: Size,
    /// Whether what is deferred takes slots.
    include_deferred: bool,
    running: u64,
    deferred: u64,
}

/// How many slots a pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// There is no such pool.
    Missing,
    Endless,
    Slots(u32),
}

impl Pools {
    /// The pool of that name, which may not exist.
    pub(super) fn id(&mut self, name: &str) -> PoolId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = PoolId(self.pools.len());
        self.ids.insert(name.to_owned(), id);
        self.pools.push(Pool {
            name: name.to_owned(),
            size: Size::Missing,
            include_deferred: false,
            running: 0,
            deferred: 0,
        });
        id
    }

    /// The pools that there are now. What is taken of them stays taken.
    pub(super) fn set(&mut self, rows: &[pool::Model]) {
        for pool in &mut self.pools {
            pool.size = Size::Missing;
        }
        for row in rows {
            let PoolId(place) = self.id(&row.name);
            let pool = &mut self.pools[place];
            pool.size = u32::try_from(row.slots).map_or(Size::Endless, Size::Slots);
            pool.include_deferred = row.include_deferred;
        }
    }

    /// The slots that are taken of a pool by what runs in it.
    pub(super) fn running(&mut self, pool: PoolId) -> &mut u64 {
        &mut self.pools[pool.0].running
    }

    /// The slots of what is deferred in it.
    pub(super) fn deferred(&mut self, pool: PoolId) -> &mut u64 {
        &mut self.pools[pool.0].deferred
    }

    /// Whether the slots that are wanted are free.
    pub(super) fn has_room(&self, wanted: Wanted) -> bool {
        let pool = &self.pools[wanted.pool.0];
        match pool.size {
            Size::Missing => false,
            Size::Endless => true,
            Size::Slots(slots) => pool.taken() + u64::from(wanted.slots) <= u64::from(slots),
        }
    }

    /// Why the slots that are wanted never become free, if that is so.
    pub(super) fn never(&self, wanted: Wanted) -> Option<Limit> {
        let pool = &self.pools[wanted.pool.0];
        match pool.size {
            Size::Missing => Some(Limit::PoolMissing { pool: pool.name.clone() }),
            Size::Slots(slots) if slots < wanted.slots => {
                Some(Limit::PoolTooSmall { pool: pool.name.clone(), slots, needed: wanted.slots })
            }
            Size::Slots(_) | Size::Endless => None,
        }
    }

    /// Whether nothing is taken of any pool.
    #[cfg(test)]
    pub(super) fn are_free(&self) -> bool {
        self.pools.iter().all(|pool| pool.running == 0 && pool.deferred == 0)
    }

    /// Why the slots that are wanted are not free now, if they are not.
    pub(super) fn full(&self, wanted: Wanted) -> Option<Limit> {
        let pool = &self.pools[wanted.pool.0];
        match pool.size {
            Size::Slots(slots) if !self.has_room(wanted) => Some(Limit::PoolFull { pool: pool.name.clone(), slots }),
            _ => None,
        }
    }
}

impl Pool {
    fn taken(&self) -> u64 {
        self.running + if self.include_deferred { self.deferred } else { 0 }
    }
}
