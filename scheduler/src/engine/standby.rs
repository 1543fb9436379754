//! Leading, standing by, and watching over each other.
//!
//! One engine leads, so that limits which hold for all runs are decided in one place. The others watch its lease, and one
//! of them leads as soon as it is given up or its holder is dead. An engine that loses its lease stands by, too.

use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use uuid::Uuid;

use super::EngineSettings;
use super::coordinator::Coordinator;
use super::lease;
use super::observer::{LOOK_EVERY, Observer};
use super::outage::Outage;
use super::wake::{Wake, Waker};
use crate::chain::Chain;
use crate::store::{Db, StoreError};

/// An engine that leads when it can.
pub(super) struct Standby {
    pub(super) settings: EngineSettings,
    pub(super) waker: Waker,
    pub(super) observer: Observer,
}

impl Standby {
    /// Leads, and stands by when that is over, until told to stop.
    pub(super) async fn go_on(
        mut self,
        mut leading: Option<Coordinator>,
        mut idle: Option<UnboundedReceiver<Wake>>,
        stop: CancellationToken,
    ) {
        loop {
            let mut wakes = match (leading.take(), idle.take()) {
                (Some(coordinator), _) => Box::pin(coordinator.run(stop.clone())).await,
                (None, Some(wakes)) => wakes,
                (None, None) => return,
            };
            let led = stop.run_until_cancelled(self.wait_to_lead(&mut wakes)).await;
            let Some(lease) = led else { return };
            info!("this scheduler leads now");
            match Coordinator::start(self.settings.clone(), lease, self.waker.clone(), wakes).await {
                Ok(coordinator) => leading = Some(coordinator),
                Err((problem, wakes)) => {
                    error!(error = %Chain(&problem), "this scheduler cannot lead; trying again");
                    // Its lease must not keep the others from leading.
                    let _ = lease::release(&self.settings.db, lease).await;
                    idle = Some(wakes);
                }
            }
        }
    }

    /// Waits until this engine leads; answers with its lease.
    async fn wait_to_lead(&mut self, wakes: &mut UnboundedReceiver<Wake>) -> Uuid {
        let mut outage = Outage::default();
        loop {
            match self.try_to_lead().await {
                Ok(Some(lease)) => return lease,
                Ok(None) => outage.over(self.settings.clock.now()),
                Err(problem) => outage.met("cannot find out who leads", &problem, self.settings.clock.now()),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                // Whoever gives the lead up says so.
                Some(_) = wakes.recv() => while wakes.try_recv().is_ok() {},
            }
        }
    }

    async fn try_to_lead(&mut self) -> Result<Option<Uuid>, StoreError> {
        let EngineSettings { db, holder, leash, clock, .. } = &self.settings;
        let dead = self.observer.look(db, None).await?;
        lease::lead(db, holder, &dead, leash, clock).await
    }
}

/// Tells the engine of this process which others are dead.
pub(super) struct Watcher {
    pub(super) db: Db,
    pub(super) waker: Waker,
}

impl Watcher {
    /// Watches until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut observer = Observer::default();
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            // The engine says that the database does not answer.
            let dead = observer.look(&self.db, None).await.unwrap_or_default();
            if !dead.is_empty() {
                self.waker.wake_here(Wake::Dead(dead));
            }
        }
    }
}
