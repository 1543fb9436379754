//! One tour over those that wait, best first, for as long as slots are free.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;

use super::lanes::LaneKey;
use super::{Admission, Rank};

/// How far a tour has come: the next lane of each queue whose pool may have room.
#[derive(Debug, Default)]
pub(in crate::engine) struct Tour {
    next: BinaryHeap<Reverse<(Rank, LaneKey)>>,
    /// The lane that was looked at last; the one after it in its queue comes next.
    last: Option<(Rank, LaneKey)>,
}

impl Admission {
    /// Begins a tour.
    pub(in crate::engine) fn tour(&self) -> Tour {
        if self.running >= self.parallelism {
            return Tour::default();
        }
        let with_room = self.queues.iter().filter(|(wanted, _)| self.pools.has_room(**wanted));
        let next = with_room.filter_map(|(_, queue)| queue.first().copied().map(Reverse)).collect();
        Tour { next, last: None }
    }

    /// The best task instance that may start now. Whoever asks files it as running before asking again, so that each
    /// answer knows of those before it.
    pub(in crate::engine) fn next(&self, tour: &mut Tour) -> Option<Rank> {
        if self.running >= self.parallelism {
            return None;
        }
        loop {
            if let Some(last) = tour.last.take() {
                tour.next.extend(self.after(last).map(Reverse));
            }
            let Reverse(first) = tour.next.pop()?;
            let (rank, key) = first;
            if !self.pools.has_room(key.wanted) {
                // Nor have those behind it. Slots that become free meanwhile are for the next tour.
                continue;
            }
            tour.last = Some(first);
            // An earlier answer may have closed it.
            let is_open = self.queues.get(&key.wanted).is_some_and(|queue| queue.contains(&first));
            if is_open && self.full_per_dag(key).is_none() {
                return Some(rank);
            }
        }
    }

    /// The lane behind another in its queue.
    fn after(&self, last: (Rank, LaneKey)) -> Option<(Rank, LaneKey)> {
        let queue = self.queues.get(&last.1.wanted)?;
        queue.range((Bound::Excluded(last), Bound::Unbounded)).next().copied()
    }
}
