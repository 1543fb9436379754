//! Gets the lease under which a process works, keeps it alive, and says so when it is lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;
use uuid::Uuid;

use super::leash::Leash;
use super::outage::Outage;
use crate::clock::{Clock, since_boot};
use crate::store::leases::{self, Holder};
use crate::store::{Db, StoreError, commit};

/// The longest wait between two renewals; several may fail before the lease is taken over.
const RENEW_EVERY_MAX: Duration = Duration::from_secs(3);

/// Makes this process the scheduler that leads, unless another one does.
pub(crate) async fn lead(
    db: &Db,
    holder: &Holder,
    dead: &[Uuid],
    leash: &Leash,
    clock: &Clock,
) -> Result<Option<Uuid>, StoreError> {
    let (began, now) = (since_boot(), clock.now());
    let txn = db.begin_write().await?;
    let lease = leases::lead(&txn, holder, dead, now).await?;
    leases::forget_lapsed(&txn, now - TimeDelta::days(1)).await?;
    commit(txn).await?;
    if lease.is_some() {
        leash.lengthen(began, leash_of(holder.patience));
    }
    Ok(lease)
}

/// Tries are stopped before others may take them for lost: children need a moment to be killed.
pub(crate) fn leash_of(patience: Duration) -> Duration {
    patience * 2 / 3
}

/// A lease of this process, kept alive until it is lost or let go of.
pub(crate) struct KeptLease {
    /// The lease.
    pub(crate) id: Uuid,
    /// Turns true when it was taken over.
    pub(crate) lost: watch::Receiver<bool>,
    draining: watch::Sender<bool>,
    pulse: Arc<Pulse>,
    stop: CancellationToken,
}

/// When whoever works under a lease last went about its work. What is renewed by itself would tell nothing of a scheduler
/// that hangs; so people are told this time as its heartbeat, and its health by it.
#[derive(Debug, Default)]
struct Pulse(Mutex<Option<DateTime<Utc>>>);

impl Pulse {
    fn set(&self, at: Option<DateTime<Utc>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn get(&self) -> Option<DateTime<Utc>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptLease {
    /// Renews the lease from now on.
    pub(crate) fn keep(id: Uuid, patience: Duration, db: Db, clock: Clock, leash: Arc<Leash>) -> KeptLease {
        let (lost_sender, lost) = watch::channel(false);
        let (draining, is_draining) = watch::channel(false);
        let (stop, pulse) = (CancellationToken::new(), Arc::new(Pulse::default()));
        let keeper = Keeper { id, patience, db, clock, leash, is_draining, pulse: Arc::clone(&pulse) };
        tokio::spawn(keeper.run(lost_sender, stop.clone()));
        KeptLease { id, lost, draining, pulse, stop }
    }

    /// Says that whoever works under the lease goes about its work. Who has said so once has to go on saying it, at least
    /// every few seconds.
    pub(crate) fn beat(&self, now: DateTime<Utc>) {
        self.pulse.set(Some(now));
    }

    /// Says that from here on there is no more to be said: the work is being ended.
    pub(crate) fn beat_no_more(&self) {
        self.pulse.set(None);
    }

    /// Lets the others know that this process takes no more tries.
    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Renews it no more.
    pub(crate) fn let_go(&self) {
        self.stop.cancel();
    }
}

struct Keeper {
    id: Uuid,
    patience: Duration,
    db: Db,
    clock: Clock,
    leash: Arc<Leash>,
    is_draining: watch::Receiver<bool>,
    pulse: Arc<Pulse>,
}

impl Keeper {
    async fn run(mut self, lost: watch::Sender<bool>, stop: CancellationToken) {
        let mut outage = Outage::default();
        let every = (self.patience / 5).min(RENEW_EVERY_MAX);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = self.is_draining.changed() => {}
                () = tokio::time::sleep(every) => {}
            }
            match self.renew().await {
                Ok(()) => outage.over(self.clock.now()),
                Err(StoreError::Fenced) => {
                    error!("the lease of this process was taken over; letting go of its work");
                    lost.send_replace(true);
                    return;
                }
                Err(problem) => outage.met("the lease cannot be renewed", &problem, self.clock.now()),
            }
        }
    }

    async fn renew(&self) -> Result<(), StoreError> {
        let (began, is_draining) = (since_boot(), *self.is_draining.borrow());
        let txn = self.db.begin_write().await?;
        let heartbeat = self.pulse.get().unwrap_or_else(|| self.clock.now());
        leases::renew(&txn, self.id, is_draining, heartbeat).await?;
        commit(txn).await?;
        self.leash.lengthen(began, leash_of(self.patience));
        Ok(())
    }
}

/// Gives a lease up, with everything that belongs to it.
pub(crate) async fn release(db: &Db, lease: Uuid) -> Result<(), StoreError> {
    let txn = db.begin_write().await?;
    leases::release(&txn, lease).await?;
    commit(txn).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::entity::process_lease;
    use crate::testing::TestDb;

    async fn renewed(db: &Db, more_than: i64) -> process_lease::Model {
        loop {
            let lease = leases::living(db.read()).await.unwrap().remove(0);
            if lease.renewals > more_than {
                return lease;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_lease_is_renewed_while_its_work_hangs_and_its_heartbeat_tells() {
        let db = TestDb::sqlite().await;
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let clock = Clock::manual(at("2026-11-21T12:00:00Z"));
        let leash = Arc::new(Leash::endless());
        let holder = Holder { patience: Duration::from_millis(50), ..Holder::alone("home", "host") };
        let id = lead(&db, &holder, &[], &leash, &clock).await.unwrap().unwrap();
        let kept = KeptLease::keep(id, holder.patience, db.clone(), clock.clone(), leash);
        kept.beat(at("2026-11-21T11:00:00Z"));
        let first = renewed(&db, 1).await;

        let later = renewed(&db, first.renewals + 1).await;

        assert_eq!(later.heartbeat_at, at("2026-11-21T11:00:00Z"), "its work hangs since then");
        kept.beat_no_more();
        let ending = renewed(&db, later.renewals + 1).await;
        assert_eq!(ending.heartbeat_at, at("2026-11-21T12:00:00Z"), "ending is no hanging");
        kept.let_go();
    }
}
