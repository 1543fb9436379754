//! What holds a try up until it is durable that it begins.
//!
//! A try is prepared while that is being written. What others left for it may be in the same commit, so it reads nothing of the
//! run before, and has no effect.

use tokio_util::sync::CancellationToken;

/// What a try waits at. Clones are the same gate.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    /// Cancelled when it is open.
    durable: CancellationToken,
    /// Cancelled when the try is to stop.
    stopping: CancellationToken,
}

impl Gate {
    /// One that is shut, of a try that is told by `stopping` to stop.
    pub(super) fn shut(stopping: CancellationToken) -> Gate {
        Gate { durable: CancellationToken::new(), stopping }
    }

    /// One at which nobody waits.
    pub(super) fn opened() -> Gate {
        let gate = Gate::shut(CancellationToken::new());
        gate.open();
        gate
    }

    /// It is durable that the try begins.
    pub(super) fn open(&self) {
        self.durable.cancel();
    }

    /// Whether it is.
    pub(super) fn is_open(&self) -> bool {
        self.durable.is_cancelled()
    }

    /// Waits until it is. False when the try is to stop before, so that it never begins.
    pub(super) async fn passed(&self) -> bool {
        tokio::select! {
            biased;
            () = self.durable.cancelled() => true,
            () = self.stopping.cancelled() => false,
        }
    }
}
