//! Who asks AWS: keys that were said, a profile of the shared files, or what the machine lends; and a role on top of that.
//!
//! ```text
//!   keys that were said ──────────────────────────┐
//!   else a profile: keys, a role of another,      ├──> [a role] ──> signs requests
//!        a program, single sign-on                │
//!   else a token of the pod, the container,       │
//!        the machine (as the object store does)  ─┘
//! ```
//!
//! Nothing is looked for before the first request. What ends is renewed before it does.

use std::sync::Arc;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use chrono::{DateTime, TimeDelta, Utc};
use object_store::CredentialProvider;
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use scheduler::clock::Clock;
use tokio::sync::Mutex;

use super::role::Role;
use super::shared_files::{SharedFiles, Variables};
use super::{NoCredentials, is_lasting};
use crate::location::cause;

/// What ends is renewed so long before, or when half of its life is over.
const EARLY: TimeDelta = TimeDelta::minutes(5);

/// What has no end that we know of is looked for again after this long: the files may say something else by then, and the
/// object store renews in time what a machine lends.
const UNTOLD: TimeDelta = TimeDelta::minutes(1);

/// What could not be renewed is good for a while, and is tried again after this long.
const PAUSE: TimeDelta = TimeDelta::seconds(20);

/// Who asks.
#[derive(Debug)]
pub(crate) struct Identity {
    own: Own,
    role: Option<Arc<Role>>,
    region: String,
    clock: Clock,
    state: Mutex<State>,
}

/// What became of asking for credentials.
#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    failed: Option<Failed>,
}

/// Who asks, before a role is assumed.
#[derive(Debug)]
pub(crate) enum Own {
    /// What the object store finds: keys that were said, or what the machine lends.
    Found(AwsCredentialProvider),
    /// A profile of the shared files, if it leads to credentials.
    Profile { variables: Arc<Variables>, otherwise: AwsCredentialProvider },
}

/// Credentials that we have.
#[derive(Debug)]
struct Held {
    credential: Arc<AwsCredential>,
    ends: Option<DateTime<Utc>>,
    renewed_at: DateTime<Utc>,
    since: DateTime<Utc>,
}

/// That there were none.
#[derive(Debug)]
struct Failed {
    at: DateTime<Utc>,
    words: String,
    is_lasting: bool,
}

impl Identity {
    pub(crate) fn new(own: Own, role: Option<Arc<Role>>, region: String, clock: Clock) -> Identity {
        Identity { own, role, region, clock, state: Mutex::default() }
    }

    /// Holds the session of that token no more, unless it is younger than that. While somebody else looks at it, it stays: the
    /// next refusal is heard as well.
    pub(super) fn forget(&self, token: &str, younger_stays: TimeDelta) {
        let Ok(mut state) = self.state.try_lock() else { return };
        let is_over = |held: &Held| {
            held.credential.token.as_deref() == Some(token) && held.since + younger_stays <= self.clock.now()
        };
        if state.held.as_ref().is_some_and(is_over) {
            state.held = None;
        }
    }

    async fn fetch(&self) -> Result<Credentials, NoCredentials> {
        match &self.role {
            None => self.own.credentials(&self.region).await,
            Some(role) => {
                let own = if role.needs_credentials() { Some(self.own.credentials(&self.region).await?) } else { None };
                role.assume(own, &self.region).await
            }
        }
    }
}

impl Own {
    async fn credentials(&self, region: &str) -> Result<Credentials, NoCredentials> {
        let found = match self {
            Own::Found(found) => found.get_credential().await?,
            Own::Profile { variables, otherwise } => match SharedFiles::read(variables)?.credentials(region).await? {
                Some(credentials) => return Ok(credentials),
                None => otherwise.get_credential().await.map_err(|error| NoCredentials::Nowhere(cause(&error)))?,
            },
        };
        Ok(Credentials::new(&found.key_id, &found.secret_key, found.token.clone(), None, "found"))
    }
}

#[async_trait]
impl CredentialProvider for Identity {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let came = self.clock.now();
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(held) = state.held.as_ref().filter(|held| now < held.renewed_at) {
            return Ok(Arc::clone(&held.credential));
        }
        // If everybody who waited asked anew, one after the other, the last would hear of it very late.
        if let Some(failed) = state.failed.as_ref().filter(|failed| came < failed.at) {
            return Err(NoCredentials::Alike(failed.words.clone(), failed.is_lasting).into());
        }
        match self.fetch().await {
            Ok(credentials) => Ok(Arc::clone(&state.held.insert(Held::of(&credentials, now)).credential)),
            Err(error) => match state.held.as_mut().filter(|held| held.ends.is_some_and(|ends| now < ends)) {
                Some(held) => {
                    tracing::warn!(%error, "credentials of AWS cannot be renewed; those that there are hold for a while");
                    held.renewed_at = now + PAUSE;
                    Ok(Arc::clone(&held.credential))
                }
                None => {
                    let error = object_store::Error::from(error);
                    let (words, is_lasting) = (cause(&error), is_lasting(&error));
                    state.failed = Some(Failed { at: self.clock.now(), words, is_lasting });
                    Err(error)
                }
            },
        }
    }
}

impl Held {
    fn of(credentials: &Credentials, now: DateTime<Utc>) -> Held {
        let credential = AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        };
        let ends = credentials.expiry().map(DateTime::<Utc>::from);
        let renewed_at = ends.map_or(now + UNTOLD, |ends| ends - EARLY.min((ends - now) / 2));
        Held { credential: Arc::new(credential), ends, renewed_at, since: now }
    }
}
