//! Signing out.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Control, ControlError};
use crate::store::{commit, revoked_tokens};

/// How much longer than it is good a token is known to be taken back: clocks of servers may be apart.
const CLOCKS_APART: TimeDelta = TimeDelta::hours(1);

impl Control {
    /// Takes a token back, which is good until `exp` otherwise: no server that asks this database accepts it any more.
    pub async fn revoke_token(&self, jti: &str, exp: DateTime<Utc>) -> Result<(), ControlError> {
        let txn = self.db.begin_write().await?;
        // What has expired anyway need not be remembered; so there are no more rows than a day has sign-outs.
        revoked_tokens::delete_expired(&txn, self.clock.now() - CLOCKS_APART).await?;
        revoked_tokens::insert(&txn, jti, exp).await?;
        commit(txn).await?;
        Ok(())
    }
}
