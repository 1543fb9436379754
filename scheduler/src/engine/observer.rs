//! Finds processes that are dead, by watching whether their leases are renewed.
//!
//! Clocks on walls are set, and differ between machines; so no time that another process wrote is compared with ours. A
//! lease that stood still for as long as its holder asked for, by a clock of this process that cannot be set, is that of a
//! dead or suspended process. On Postgres a killed process is found sooner: the lock that its connection held is gone.
//!
//! While the database does not answer, nobody can renew, and nobody is dead: watching begins anew afterwards. A database that
//! restarts closes everybody's connection, so that of those that have not come back a closed one says nothing.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::store::entity::process_lease;
use crate::store::{Db, StoreError, leases};

/// How often leases are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A process whose connection is gone has so long to come back with another one before it is taken for dead; less when it
/// asked for less patience.
const GONE: Duration = Duration::from_secs(10);

/// What is known of the leases of other processes.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    seen: HashMap<Uuid, Seen>,
    /// Leases of processes that were there when the database went away, and have not been seen since.
    awaited: HashSet<Uuid>,
    looked: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    renewals: i64,
    /// Since when the lease stands still.
    since: Instant,
}

impl Observer {
    /// Looks at the leases; answers with those of processes that are dead, never with `own`.
    pub(crate) async fn look(&mut self, db: &Db, own: Option<Uuid>) -> Result<Vec<Uuid>, StoreError> {
        let looked = async { Ok((leases::living(db.read()).await?, leases::presences(db.read()).await?)) };
        let (living, present) = match looked.await {
            Ok(found) => found,
            Err(problem) => {
                self.lose_sight();
                return Err(problem);
            }
        };
        Ok(self.judge(&living, &present, own, Instant::now()))
    }

    /// The database is away.
    fn lose_sight(&mut self) {
        self.awaited.extend(self.seen.drain().map(|(id, _)| id));
    }

    /// Which of the leases that live are those of dead processes, given whose connections are `present`.
    fn judge(
        &mut self,
        living: &[process_lease::Model],
        present: &HashSet<i64>,
        own: Option<Uuid>,
        now: Instant,
    ) -> Vec<Uuid> {
        // We may have been suspended ourselves, and the database may have been away meanwhile.
        if self.looked.is_none_or(|looked| now - looked > LOOK_EVERY * 3) {
            self.seen.clear();
        }
        self.looked = Some(now);
        self.seen.retain(|id, _| living.iter().any(|lease| lease.id == *id));
        self.awaited.retain(|id| living.iter().any(|lease| lease.id == *id));
        let mut dead = Vec::new();
        for lease in living.iter().filter(|lease| Some(lease.id) != own) {
            let seen = self.seen.entry(lease.id).or_insert(Seen { renewals: lease.renewals, since: now });
            let is_present = lease.presence.is_some_and(|key| present.contains(&key));
            if is_present || seen.renewals != lease.renewals {
                self.awaited.remove(&lease.id);
            }
            if seen.renewals != lease.renewals {
                *seen = Seen { renewals: lease.renewals, since: now };
            }
            let patience = Duration::from_millis(u64::try_from(lease.patience_ms).unwrap_or(0));
            let is_gone = lease.presence.is_some() && !is_present && !self.awaited.contains(&lease.id);
            let limit = if is_gone { GONE.min(patience / 2) } else { patience };
            if now - seen.since >= limit {
                dead.push(lease.id);
            }
        }
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_lease() -> process_lease::Model {
        let at = "2026-11-21T12:00:00Z".parse().unwrap();
        process_lease::Model {
            id: Uuid::now_v7(),
            kind: "worker".to_owned(),
            instance: "one".to_owned(),
            hostname: "here".to_owned(),
            pid: 1,
            presence: Some(7),
            patience_ms: 300_000,
            renewals: 3,
            started_at: at,
            heartbeat_at: at,
            is_lapsed: false,
            is_draining: false,
            queues: None,
            concurrency: None,
        }
    }

    /// After how many seconds a process counts as dead that was there at first, and then is not.
    fn dies_after(is_database_away: bool) -> Option<u64> {
        let (mut observer, living) = (Observer::default(), [a_lease()]);
        let start = Instant::now();
        assert!(observer.judge(&living, &HashSet::from([7]), None, start).is_empty());
        if is_database_away {
            observer.lose_sight();
        }
        let is_dead = |secs: &u64| {
            let now = start + Duration::from_secs(*secs);
            !observer.judge(&living, &HashSet::new(), None, now).is_empty()
        };
        (1..1000).find(is_dead)
    }

    #[test]
    fn a_closed_connection_gives_a_process_away_unless_the_database_closed_it() {
        assert_eq!(dies_after(false), Some(10));
        assert_eq!(dies_after(true), Some(301), "it was watched anew after a second, and has all of its patience");
    }
}
