//! Processes that die at a chosen moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

/// Ends a process at one of the moments that it ticks off.
#[derive(Clone)]
pub struct Bomb {
    left: Arc<AtomicUsize>,
    pub exploded: CancellationToken,
}

impl Bomb {
    /// After so many moments.
    pub fn after(moments: usize) -> Bomb {
        Bomb { left: Arc::new(AtomicUsize::new(moments)), exploded: CancellationToken::new() }
    }

    /// One that never goes off.
    pub fn dud() -> Bomb {
        Bomb::after(usize::MAX)
    }

    /// A moment at which a process may die; if it does, this never returns.
    pub async fn moment(&self) {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(1)));
        if left == Ok(1) || left == Ok(0) {
            self.exploded.cancel();
            std::future::pending::<()>().await;
        }
    }
}
