//! What the log says of a database that does not do what it should: once when it begins, and once when it is over.

use chrono::{DateTime, Utc};
use tracing::{error, info};

use crate::chain::Chain;
use crate::store::StoreError;

/// Remembers what has been said, because work is tried again several times a second.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    told: Option<Told>,
}

#[derive(Debug)]
struct Told {
    problem: String,
    since: DateTime<Utc>,
}

impl Outage {
    /// `what` could not be done, and will be tried again.
    pub(crate) fn met(&mut self, what: &str, problem: &StoreError, now: DateTime<Utc>) {
        let problem = Chain(problem).to_string();
        match &mut self.told {
            Some(told) if told.problem == problem => {}
            Some(told) => {
                error!("{what}: {problem}; still trying");
                told.problem = problem;
            }
            None => {
                error!("{what}: {problem}; trying again until it can be");
                self.told = Some(Told { problem, since: now });
            }
        }
    }

    /// It could be done.
    pub(crate) fn over(&mut self, now: DateTime<Utc>) {
        if let Some(told) = self.told.take() {
            info!("the database can be used again, after {} s", (now - told.since).num_seconds());
        }
    }
}
