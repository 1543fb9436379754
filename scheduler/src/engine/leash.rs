//! How long the tries of this process may go on.
//!
//! When a process loses its lease, its tries are made again elsewhere. So they must have ended before: each renewal of the
//! lease lengthens the leash, and when it has run out, every try is stopped, and its child processes are killed. The
//! guardian of child processes does so even while this process is suspended.
//!
//! The leash is measured by the time since the machine started, which nobody can set and which goes on while it sleeps.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::since_boot;

/// How often a leash that may have run out is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Told of the new end of a leash, as the time since the machine started.
pub type Tell = Box<dyn Fn(Duration) + Send + Sync>;

/// How long the tries of this process may go on.
pub struct Leash {
    tell: Option<Tell>,
    state: Mutex<State>,
}

struct State {
    /// None while it has no end.
    until: Option<Duration>,
    /// Cancelled when the leash runs out; there is another one once it is lengthened.
    tries: CancellationToken,
}

impl fmt::Debug for Leash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leash").field("until", &self.lock().until).finish_non_exhaustive()
    }
}

impl Leash {
    /// A leash without an end: nobody else could take over.
    pub fn endless() -> Leash {
        Leash { tell: None, state: Mutex::new(State { until: None, tries: CancellationToken::new() }) }
    }

    /// A leash that ends unless it is lengthened; `tell` lets the guardian know.
    pub fn new(tell: Tell) -> Leash {
        Leash { tell: Some(tell), ..Leash::endless() }
    }

    /// Whether it can run out.
    pub(crate) fn has_end(&self) -> bool {
        self.tell.is_some()
    }

    /// The lease was renewed by a transaction that began at `began`: tries may go on for `length` from then.
    pub(crate) fn lengthen(&self, began: Duration, length: Duration) {
        let Some(tell) = &self.tell else { return };
        let mut state = self.lock();
        // It may have run out while this process was suspended.
        state.end_if_due();
        if state.tries.is_cancelled() {
            state.tries = CancellationToken::new();
        }
        state.until = Some(began + length);
        tell(began + length);
    }

    /// The lease is renewed no more, and its tries were seen to: what is left of the leash means nothing.
    pub(crate) fn let_go(&self) {
        self.lock().until = None;
    }

    /// Whether it has run out, and nothing may begin until the lease is renewed.
    pub(crate) fn has_run_out(&self) -> bool {
        let mut state = self.lock();
        state.end_if_due();
        state.tries.is_cancelled()
    }

    /// What stops a try when the leash runs out, or sooner by its own token. A try that begins after it has run out is
    /// stopped already: this process may have been suspended between the commit that allowed it and now.
    pub(crate) fn hold(&self) -> Held {
        let mut state = self.lock();
        state.end_if_due();
        Held { stops: state.tries.child_token(), ends: state.tries.clone() }
    }

    /// Stops every try once the leash has run out; goes on for ever.
    pub(crate) async fn watch(&self) {
        while self.has_end() {
            tokio::time::sleep(LOOK_EVERY).await;
            self.lock().end_if_due();
        }
    }

    /// Whether a try that holds on to it was let go of.
    pub(crate) fn let_go_of(&self, held: &Held) -> bool {
        self.lock().end_if_due();
        held.ends.is_cancelled()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A try's hold on the leash.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// Cancelled when the try is to stop, for whatever reason.
    pub(crate) stops: CancellationToken,
    /// Cancelled when the leash has run out.
    ends: CancellationToken,
}

impl State {
    fn end_if_due(&mut self) {
        if self.until.is_some_and(|until| since_boot() > until) {
            tracing::error!(
                "the lease could not be renewed in time; stopping every try, because others may make them again"
            );
            self.until = None;
            self.tries.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leash_that_ran_out_stops_the_tries_that_hold_it_and_no_others() {
        let leash = Leash::new(Box::new(|_| {}));
        leash.lengthen(since_boot(), Duration::from_hours(1));
        let before = leash.hold();
        assert!(!leash.let_go_of(&before));

        leash.lengthen(Duration::ZERO, Duration::ZERO);
        assert!(leash.let_go_of(&before));
        assert!(before.stops.is_cancelled());

        leash.lengthen(since_boot(), Duration::from_hours(1));
        assert!(!leash.let_go_of(&leash.hold()));
    }

    #[test]
    fn what_begins_after_the_leash_ran_out_is_stopped_until_the_lease_is_renewed() {
        let leash = Leash::new(Box::new(|_| {}));
        leash.lengthen(Duration::ZERO, Duration::ZERO);

        let late = leash.hold();
        assert!(leash.has_run_out());
        assert!(late.stops.is_cancelled());
        assert!(leash.let_go_of(&late));

        leash.lengthen(since_boot(), Duration::from_hours(1));
        assert!(!leash.has_run_out());
        assert!(!leash.hold().stops.is_cancelled());
    }

    #[test]
    fn a_leash_that_was_let_go_of_does_not_run_out() {
        let leash = Leash::new(Box::new(|_| {}));
        leash.lengthen(Duration::ZERO, Duration::ZERO);
        leash.let_go();
        assert!(!leash.let_go_of(&leash.hold()));
    }

    #[test]
    fn an_endless_leash_holds() {
        let leash = Leash::endless();
        leash.lengthen(Duration::ZERO, Duration::ZERO);
        assert!(!leash.let_go_of(&leash.hold()));
    }
}
