//! Finds processes that are dead, by watching whether their leases are renewed.
//!
//! Clocks on walls are set, and differ between machines; so no time that another process wrote is compared with ours. A
//! lease that stood still for as long as its holder asked for, by a clock of this process that cannot be set, is that of a
//! dead or suspended process. On Postgres a killed process is found sooner: the lock that its connection held is gone.
//!
//! While the database does not answer, nobody can renew, and nobody is dead: watching begins anew afterwards.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

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
                self.seen.clear();
                return Err(problem);
            }
        };
        let now = Instant::now();
        // We may have been suspended ourselves, and the database may have been away meanwhile.
        if self.looked.is_none_or(|looked| now - looked > LOOK_EVERY * 3) {
            self.seen.clear();
        }
        self.looked = Some(now);
        self.seen.retain(|id, _| living.iter().any(|lease| lease.id == *id));
        let mut dead = Vec::new();
        for lease in living.iter().filter(|lease| Some(lease.id) != own) {
            let seen = self.seen.entry(lease.id).or_insert(Seen { renewals: lease.renewals, since: now });
            if seen.renewals != lease.renewals {
                *seen = Seen { renewals: lease.renewals, since: now };
            }
            let patience = Duration::from_millis(u64::try_from(lease.patience_ms).unwrap_or(0));
            let is_gone = lease.presence.is_some_and(|key| !present.contains(&key));
            let limit = if is_gone { GONE.min(patience / 2) } else { patience };
            if now - seen.since >= limit {
                dead.push(lease.id);
            }
        }
        Ok(dead)
    }
}
