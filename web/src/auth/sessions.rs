//! Who is signed in: the user, and the tokens that were not taken back.

use std::net::IpAddr;

use chrono::TimeDelta;
use scheduler::clock::Clock;
use scheduler::store::{Db, StoreError, revoked_tokens};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::guesses::Guesses;
use super::token::{BadToken, Claims, Signer};
use crate::state::AuthSettings;

/// Airflow's role that may do everything.
pub(super) const ROLE: &str = "ADMIN";

/// Why somebody is not signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The name or the password is wrong.
    WrongCredentials,
    /// Too many wrong guesses came from that address just now.
    TooManyGuesses,
}

/// Who is signed in.
pub(crate) struct Sessions {
    username: String,
    // Both sides of the comparison are digests with a salt of this process, so that it takes the same time whatever the
    // length, and the password itself is not kept here.
    salt: [u8; 16],
    password: [u8; 32],
    pub(super) signer: Signer,
    guesses: Guesses,
    db: Db,
    clock: Clock,
}

impl Sessions {
    pub(crate) fn new(settings: &AuthSettings, db: Db, clock: Clock) -> Sessions {
        let salt = *Uuid::new_v4().as_bytes();
        Sessions {
            username: settings.username.clone(),
            salt,
            password: digest(salt, &settings.password),
            signer: Signer::new(&settings.secret),
            guesses: Guesses::default(),
            db,
            clock,
        }
    }

    /// A token for whoever knows the password.
    pub(super) fn sign_in(
        &self,
        username: &str,
        password: &str,
        address: Option<IpAddr>,
        life: TimeDelta,
    ) -> Result<Result<String, Refusal>, jsonwebtoken::errors::Error> {
        let now = self.clock.now();
        if !self.guesses.may_try(address, now) {
            return Ok(Err(Refusal::TooManyGuesses));
        }
        let same_password = digest(self.salt, password).ct_eq(&self.password);
        let same_name = digest(self.salt, username).ct_eq(&digest(self.salt, &self.username));
        if !bool::from(same_password & same_name) {
            self.guesses.failed(address, now);
            return Ok(Err(Refusal::WrongCredentials));
        }
        self.signer.sign(&self.username, ROLE, now, life).map(Ok)
    }

    /// Who holds this token. The database is asked each time: it may have been taken back at another server.
    pub(super) async fn holder(&self, token: &str) -> Result<Result<Claims, BadToken>, StoreError> {
        let claims = match self.signer.read(token, self.clock.now()) {
            Ok(claims) => claims,
            Err(bad) => return Ok(Err(bad)),
        };
        let is_revoked = revoked_tokens::contains(self.db.read(), &claims.jti).await?;
        Ok(if is_revoked { Err(BadToken::Invalid) } else { Ok(claims) })
    }
}

fn digest(salt: [u8; 16], text: &str) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(text.as_bytes()).finalize().into()
}
