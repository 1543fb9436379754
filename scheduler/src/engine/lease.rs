//! Gets the lease under which a process works, keeps it alive, and says so when it is lost.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
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
    stop: CancellationToken,
}

impl KeptLease {
    /// Renews the lease from now on.
    pub(crate) fn keep(id: Uuid, patience: Duration, db: Db, clock: Clock, leash: Arc<Leash>) -> KeptLease {
        let (lost_sender, lost) = watch::channel(false);
        let (draining, is_draining) = watch::channel(false);
        let stop = CancellationToken::new();
        let keeper = Keeper { id, patience, db, clock, leash, is_draining };
        tokio::spawn(keeper.run(lost_sender, stop.clone()));
        KeptLease { id, lost, draining, stop }
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
        leases::renew(&txn, self.id, is_draining, self.clock.now()).await?;
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
