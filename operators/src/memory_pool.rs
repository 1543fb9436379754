//! Shares out the memory of a query among those who sort, group and join.
//!
//! The pools of DataFusion give all there is to those who can spill, or to the first who merges what was spilled, and whoever
//! comes next finds nothing: not enough to read back what was put aside, or to take one batch. Here neither gets more than a
//! part. A sort that spills needs up to half as much again for a moment, because it lays out anew what it sorts by; a
//! merge of what was spilled takes more turns if it has less. So nobody has to wait for memory that another holds.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size,
};

/// How DataFusion calls those who merge what a sort has spilled, or is about to spill.
const MERGE: &str = "ExternalSorterMerge";
/// Those who hand rows on from partition to partition. There are many, and they hold little.
const REPARTITION: &str = "RepartitionExec";
/// Those who hold one side of a join.
const JOIN: &str = "HashJoinInput";

/// Of so many parts one is for those who neither sort nor group, such as who puts the partitions together.
const FOR_OTHERS: usize = 8;

/// So many bytes, and who has how many of them.
#[derive(Debug)]
pub(crate) struct Shares {
    limit_bytes: usize,
    /// By the numbers of the consumers.
    holders: Mutex<Holders>,
    /// Whether a join was refused what it needs, and nobody has asked since.
    has_refused_join: AtomicBool,
}

/// Those who hold memory.
#[derive(Debug, Default)]
struct Holders(HashMap<usize, Holder>);

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Holder {
    kind: Kind,
    bytes: usize,
}

/// What somebody does who is refused more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It spills.
    Spills,
    /// It spills what it would hand on.
    HandsOn,
    /// It merges less at a time.
    Merges,
    /// It gives up, and the query fails.
    Needs,
}

impl Holder {
    fn of(consumer: &MemoryConsumer) -> Holder {
        let kind = match consumer.can_spill() {
            true if consumer.name().starts_with(REPARTITION) => Kind::HandsOn,
            true => Kind::Spills,
            false if consumer.name().starts_with(MERGE) => Kind::Merges,
            false => Kind::Needs,
        };
        Holder { kind, bytes: 0 }
    }
}

impl Holders {
    fn bytes(&self) -> usize {
        self.0.values().map(|holder| holder.bytes).sum()
    }

    fn holder(&mut self, consumer: &MemoryConsumer) -> &mut Holder {
        self.0.entry(consumer.id()).or_insert_with(|| Holder::of(consumer))
    }

    /// Whether somebody may have so many bytes more.
    fn may_grow(&mut self, reservation: &MemoryReservation, additional: usize, limit_bytes: usize) -> bool {
        let Holder { kind, bytes } = *self.holder(reservation.consumer());
        let those = |kind: Kind| self.0.values().filter(move |holder| holder.kind == kind);
        let needed: usize = those(Kind::Needs).map(|holder| holder.bytes).sum();
        // Whoever has sorted is gone while the merge goes on.
        let parts = those(Kind::Spills).count().max(those(Kind::Merges).count()).max(1);
        let for_others = limit_bytes / FOR_OTHERS;
        let share = limit_bytes.saturating_sub(needed.max(for_others)) / parts;
        let is_within = match kind {
            // Those who group merge what they spilled in their own name, and still have to hold something beside.
            Kind::Spills => reservation.size() + additional <= share - share * 2 / 5 && bytes + additional <= share,
            Kind::HandsOn => bytes + additional <= for_others / those(Kind::HandsOn).count().max(1),
            Kind::Merges => bytes + additional <= share,
            Kind::Needs => true,
        };
        is_within && self.bytes() + additional <= limit_bytes
    }
}

impl Shares {
    pub(crate) fn new(limit_bytes: usize) -> Shares {
        Shares { limit_bytes, holders: Mutex::default(), has_refused_join: AtomicBool::new(false) }
    }

    /// Whether a join was refused memory since this was asked last.
    pub(crate) fn has_refused_join(&self) -> bool {
        self.has_refused_join.swap(false, Ordering::Relaxed)
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shares of {}", human_readable_size(self.limit_bytes))
    }
}

impl MemoryPool for Shares {
    fn name(&self) -> &'static str {
        "shares"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.holders().holder(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.holders().0.remove(&consumer.id());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.holders().holder(reservation.consumer()).bytes += additional;
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.holders().holder(reservation.consumer()).bytes -= shrink;
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer();
        let mut holders = self.holders();
        let may_grow = holders.may_grow(reservation, additional, self.limit_bytes);
        let holder = holders.holder(consumer);
        if !may_grow {
            self.has_refused_join.fetch_or(consumer.name().starts_with(JOIN), Ordering::Relaxed);
            // As DataFusion's own pools say it.
            let (more, had) = (human_readable_size(additional), human_readable_size(holder.bytes));
            return Err(DataFusionError::ResourcesExhausted(format!(
                "Failed to allocate additional {more} for {} with {had} already allocated, of {self}",
                consumer.name()
            )));
        }
        holder.bytes += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.holders().bytes()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn register(name: &str, can_spill: bool, pool: &Arc<dyn MemoryPool>) -> MemoryReservation {
        MemoryConsumer::new(name).with_can_spill(can_spill).register(pool)
    }

    #[test]
    fn neither_who_sorts_nor_who_merges_gets_more_than_a_part() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Shares::new(1600));
        let (one, other) = (register("ExternalSorter[0]", true, &pool), register("ExternalSorter[1]", true, &pool));
        let (merge, join) = (register("ExternalSorterMerge[0]", false, &pool), register("HashJoinInput", false, &pool));
        let full = |reservation: &MemoryReservation, bytes: usize| {
            reservation.try_grow(bytes).unwrap();
            assert!(reservation.try_grow(1).is_err());
        };
        // An eighth is for the others; of the rest each has half, and may sort three fifths of that.
        full(&one, 420);
        full(&other, 420);

        // One spills: what it gives up goes to its merge, which may have more.
        one.shrink(420);
        full(&merge, 700);
        // Parts of what somebody has are no holders of their own.
        let part = merge.split(300);
        assert!(part.try_grow(1).is_err());
        drop(part);
        full(&merge, 300);

        // What there is besides is for those who need it, and lessens the shares.
        let shares = pool.downcast_ref::<Shares>().unwrap();
        assert!(!shares.has_refused_join());
        full(&join, 480);
        assert!(shares.has_refused_join() && !shares.has_refused_join());
        merge.free();
        full(&one, 336);
        assert_eq!(pool.reserved(), 336 + 420 + 480);
        // Who has several reservations may have more in all than in one.
        let beside = one.new_empty();
        full(&beside, 224);
        drop(beside);

        // Of fewer each has more.
        drop(other);
        full(&one, 336);
        let said = one.try_grow(1).unwrap_err().to_string();
        assert!(
            said.ends_with("Failed to allocate additional 1.0 B for ExternalSorter[0] with 672.0 B already allocated, of shares of 1600.0 B"),
            "{said}"
        );
        drop((one, merge, join));
        assert_eq!(pool.reserved(), 0);
    }
}
