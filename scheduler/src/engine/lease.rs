//! Keeps the lease of this process alive, and says so when it is lost.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;
use uuid::Uuid;

use super::outage::Outage;
use crate::clock::Clock;
use crate::store::{Db, StoreError, commit, leases};

/// A lease that was not renewed for so long may be taken over.
pub(super) const LEASE: TimeDelta = TimeDelta::seconds(15);

/// How often it is renewed: several attempts may fail before it lapses.
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// Takes over what dead processes left, and acquires a lease of our own.
pub(super) async fn acquire(db: &Db, holder: &leases::Holder, clock: &Clock) -> Result<Uuid, StoreError> {
    let now = clock.now();
    let txn = db.begin_write().await?;
    let lease = leases::acquire(&txn, holder, now, now + LEASE).await?;
    leases::lapse_dead(&txn, lease, &holder.instance, now).await?;
    leases::forget_lapsed(&txn, now - TimeDelta::days(1)).await?;
    commit(txn).await?;
    Ok(lease)
}

/// Renews `lease` until told to stop; `lost` turns true when it was taken over.
pub(super) async fn keep(db: Db, lease: Uuid, clock: Clock, lost: watch::Sender<bool>, stop: CancellationToken) {
    let mut outage = Outage::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
        match renew(&db, lease, &clock).await {
            Ok(()) => outage.over(clock.now()),
            Err(StoreError::Fenced) => {
                error!("the lease of this scheduler was taken over; letting go of its runs");
                lost.send_replace(true);
                return;
            }
            Err(problem) => outage.met("the lease cannot be renewed", &problem, clock.now()),
        }
    }
}

async fn renew(db: &Db, lease: Uuid, clock: &Clock) -> Result<(), StoreError> {
    let now = clock.now();
    let txn = db.begin_write().await?;
    leases::renew(&txn, lease, now, now + LEASE).await?;
    commit(txn).await
}
