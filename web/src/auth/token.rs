//! JSON Web Tokens with the claims of Airflow's simple auth manager.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::hex::hex;

/// How long a token is good (Airflow 3: `jwt_expiration_time`).
pub(super) const TOKEN_LIFE: TimeDelta = TimeDelta::hours(24);

/// How long a token for the command line is good (Airflow 3: `jwt_cli_expiration_time`).
pub(super) const CLI_TOKEN_LIFE: TimeDelta = TimeDelta::hours(1);

/// How far clocks of machines may be apart (Airflow 3: `jwt_leeway`).
const LEEWAY_SECS: i64 = 10;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The user.
    pub(super) sub: String,
    /// What the user may do.
    pub(super) role: String,
    /// Airflow's teams; always empty.
    #[serde(default)]
    pub(super) teams: Vec<String>,
    /// Names the token, so that it can be revoked.
    pub(super) jti: String,
    /// Not good before, in seconds since the epoch.
    pub(super) nbf: i64,
    /// Made at.
    pub(super) iat: i64,
    /// Not good after.
    pub(super) exp: i64,
}

impl Claims {
    /// When the token is good for nothing any more.
    pub(super) fn expires_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.exp, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// Why a token is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadToken {
    /// It was.
    Expired,
    /// It never was, or was revoked.
    Invalid,
}

/// Makes and reads tokens.
pub(super) struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    header: Header,
    validation: Validation,
}

impl Signer {
    pub(super) fn new(secret: &[u8]) -> Signer {
        let mut header = Header::new(Algorithm::HS512);
        // Names the key without giving it away, so that a change of the secret can be told from a forged token.
        header.kid = Some(hex(&Sha256::digest(secret)[..8]));
        let mut validation = Validation::new(Algorithm::HS512);
        // Times are compared with our own clock, which tests move.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        Signer {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            header,
            validation,
        }
    }

    /// A token for `user`.
    pub(super) fn sign(
        &self,
        user: &str,
        role: &str,
        now: DateTime<Utc>,
        life: TimeDelta,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = Claims {
            sub: user.to_owned(),
            role: role.to_owned(),
            teams: Vec::new(),
            jti: Uuid::now_v7().simple().to_string(),
            nbf: now.timestamp(),
            iat: now.timestamp(),
            exp: (now + life).timestamp(),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.encoding)
    }

    /// What a token says, if it is ours and its time has come and not passed.
    pub(super) fn read(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, BadToken> {
        let read = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        let claims = read.map_err(|_| BadToken::Invalid)?.claims;
        let now = now.timestamp();
        if now > claims.exp + LEEWAY_SECS {
            return Err(BadToken::Expired);
        }
        if now + LEEWAY_SECS < claims.nbf { Err(BadToken::Invalid) } else { Ok(claims) }
    }
}
