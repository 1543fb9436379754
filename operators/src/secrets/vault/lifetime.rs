//! A token that was given to us, kept from ending: Vault ends a token that nobody renews in time.
//!
//! ```text
//!   lookup-self ──> does not end            nothing is to be done
//!        │    └───> ends, not renewable     told at once: somebody must give us another
//!        └──sleep for half of its life──renew-self──┐
//!             ^                                     │
//!             └─────────────────────────────────────┘   until it has ended, which is told
//! ```
//!
//! What is between us and Vault may answer instead of it, and a Vault that stands by does not know our token: so only who is
//! refused after the token's end takes it for ended.

use std::time::Duration;

use anyhow::anyhow;
use scheduler::connection::Secret;
use tokio::time::Instant;
use tracing::warn;

use super::server::{Life, Server};
use crate::requests::Trouble;
use crate::span::spoken;

/// The first pause before Vault is asked again that is away or sealed; each is twice the one before, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// Nor is a token that is soon to end awaited for longer than such a part of what is left of its life.
const PAUSES_OF_WHAT_IS_LEFT: u32 = 4;

/// A token whose last second has begun is not renewed without pause.
const SLEEP_MIN: Duration = Duration::from_millis(500);

/// Vault tells whole seconds.
const LAST_SECOND: Duration = Duration::from_secs(1);

const CURE: &str = "give Updraft another token before, one that is renewable or does not end, or use auth=approle";

/// Renews a token for as long as it is awaited. Ends when nothing is to be done for it, or with why nothing can be done.
pub(super) async fn keep(server: &Server, token: &Secret) -> anyhow::Result<()> {
    // Of a token that was never seen, no refusal tells that it has a life to be kept.
    let mut life = patiently(|| server.look_up(token), None).await.map_err(|error| {
        error.context(
            "Vault does not tell when our token ends, so it is not renewed (its policy must allow `auth/token/lookup-self` and \
             `auth/token/renew-self`, as `default` does)",
        )
    })?;
    let mut is_capped = false;
    while let Life { left: Some(left), is_renewable } = life {
        if !is_renewable {
            return Err(anyhow!("our token of Vault ends in {} and cannot be renewed; {CURE}", spoken(left)));
        }
        let ends_at = Instant::now() + left + LAST_SECOND;
        tokio::time::sleep((left / 2).max(SLEEP_MIN)).await;
        let ends = |error: anyhow::Error| error.context(format!("our token of Vault has not been renewed; {CURE}"));
        life = patiently(|| server.renew(token), Some(ends_at)).await.map_err(ends)?;
        if let Some(renewed) = life.left.filter(|renewed| *renewed < left)
            && !std::mem::replace(&mut is_capped, true)
        {
            warn!("our token of Vault has reached its longest life and ends in {}; {CURE}", spoken(renewed));
        }
    }
    Ok(())
}

/// Asks until there is an answer that counts. Of a token that lives until some instant, a refusal counts after that.
async fn patiently<F: Future<Output = Result<Life, Trouble>>>(
    ask: impl Fn() -> F,
    ends_at: Option<Instant>,
) -> anyhow::Result<Life> {
    let mut pause = PAUSE_FIRST;
    loop {
        let trouble = match ask().await {
            Ok(life) => return Ok(life),
            Err(trouble) => trouble,
        };
        let left = ends_at.map(|ends_at| ends_at.saturating_duration_since(Instant::now())).unwrap_or_default();
        if !trouble.may_retry && left.is_zero() {
            return Err(trouble.error);
        }
        if pause == PAUSE_FIRST {
            warn!("cannot see to our token of Vault, and goes on trying: {:#}", trouble.error);
        }
        let longest = if left.is_zero() { PAUSE_MAX } else { (left / PAUSES_OF_WHAT_IS_LEFT).max(SLEEP_MIN) };
        tokio::time::sleep(pause.min(longest)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
