//! The keys that secrets in the database are encrypted with: the first encrypts, all decrypt.
//!
//! A sealed text is `v1:<key id>:<base64>`: AES-256-GCM under a nonce of its own, authenticated together with the name of the
//! place that it is kept in, so that nobody who can write to the database can put one secret in the place of another.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// The form of sealed texts.
const VERSION: &str = "v1";

/// Bytes of a key (Airflow 3: a Fernet key has as many).
pub const KEY_BYTES: usize = 32;

/// Bytes of a key's id.
const KEY_ID_BYTES: usize = 4;

/// Where a secret is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// What people call it: `connection`, `variable`.
    pub kind: &'static str,
    /// Which one.
    pub id: &'a str,
    /// Which part of it.
    pub field: &'static str,
}

impl Place<'_> {
    /// What is authenticated with the text. Ids hold no NUL.
    fn bound(self) -> String {
        format!("{}\0{}\0{}", self.kind, self.id, self.field)
    }
}

/// Why a secret cannot be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no key at all.
    #[error("{kind} `{id}`: there is no key for secrets; set UPDRAFT_SECRET_KEY")]
    NoKey {
        /// What is kept.
        kind: &'static str,
        /// Which one.
        id: String,
    },
    /// It was sealed with a key that is not here.
    #[error(
        "{kind} `{id}`: its {field} is encrypted with the key {key_id}, which this Updraft does not have; add that key to \
         UPDRAFT_SECRET_KEY behind a comma, or set the {field} anew"
    )]
    OtherKey {
        /// What is kept.
        kind: &'static str,
        /// Which one.
        id: String,
        /// Which part of it.
        field: &'static str,
        /// The id of the key.
        key_id: String,
    },
    /// It is not as it was written.
    #[error("{kind} `{id}`: its {field} in the database is damaged or was put there by somebody else; set it anew")]
    Damaged {
        /// What is kept.
        kind: &'static str,
        /// Which one.
        id: String,
        /// Which part of it.
        field: &'static str,
    },
    /// Something in the database was sealed with keys that are not here.
    #[error(
        "secrets in the database are encrypted with the key {key_ids}, which this Updraft does not have; give it the same \
         UPDRAFT_SECRET_KEY as the others, or the file `secret-key` of their home folder. If the key is lost, delete what it \
         encrypted, and run `updraft db rotate-key`"
    )]
    Mismatch {
        /// The ids of the keys, separated by commas.
        key_ids: String,
    },
    /// The cryptographic library refuses.
    #[error("the secret cannot be encrypted")]
    Refused,
}

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a key for secrets is {KEY_BYTES} random bytes in base64, which key {number} is not; make one with `openssl rand -base64 32`"
)]
pub struct MalformedKey {
    /// Which of them, from 1.
    number: usize,
}

/// The keys, the one that encrypts first.
#[derive(Default)]
pub struct Keyring {
    keys: Vec<Key>,
}

struct Key {
    id: String,
    cipher: RandomizedNonceKey,
}

/// Without the keys.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// Reads keys as `UPDRAFT_SECRET_KEY` has them, separated by commas (Airflow 3: `fernet_key`).
impl FromStr for Keyring {
    type Err = MalformedKey;

    fn from_str(text: &str) -> Result<Keyring, MalformedKey> {
        let keys = text.split(',').map(str::trim).enumerate().map(|(index, text)| {
            let malformed = MalformedKey { number: index + 1 };
            read_key(text).and_then(|bytes| Key::new(&bytes)).ok_or(malformed)
        });
        Ok(Keyring { keys: keys.collect::<Result<_, _>>()? })
    }
}

/// Fernet's keys are in the alphabet of URLs, those of `openssl` in the standard one.
fn read_key(text: &str) -> Option<[u8; KEY_BYTES]> {
    [STANDARD, URL_SAFE, STANDARD_NO_PAD, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(text).ok())
        .and_then(|bytes| bytes.try_into().ok())
}

/// A key as it is written down.
pub fn written(bytes: &[u8; KEY_BYTES]) -> String {
    STANDARD.encode(bytes)
}

impl Key {
    /// What encrypts, and what it is called, come from the key by different ways: the one tells nothing of the other.
    fn new(bytes: &[u8; KEY_BYTES]) -> Option<Key> {
        let source = hkdf::Salt::new(hkdf::HKDF_SHA256, b"updraft").extract(bytes);
        let mut id = [0; KEY_ID_BYTES];
        source.expand(&[b"id"], Length(KEY_ID_BYTES)).ok()?.fill(&mut id).ok()?;
        let mut cipher = [0; KEY_BYTES];
        source.expand(&[b"secrets"], Length(KEY_BYTES)).ok()?.fill(&mut cipher).ok()?;
        Some(Key {
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            cipher: RandomizedNonceKey::new(&AES_256_GCM, &cipher).ok()?,
        })
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Keyring {
    /// The ids of the keys, which may be shown.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// The id of the key that encrypts; none when there are no keys.
    pub fn first_id(&self) -> Option<&str> {
        self.ids().next()
    }

    /// Encrypts a text for the place that it is kept in.
    pub fn seal(&self, text: &str, place: Place<'_>) -> Result<String, KeyError> {
        let Some(key) = self.keys.first() else {
            return Err(KeyError::NoKey { kind: place.kind, id: place.id.to_owned() });
        };
        let mut bytes = text.as_bytes().to_vec();
        let nonce =
            key.cipher.seal_in_place_append_tag(Aad::from(place.bound()), &mut bytes).map_err(|_| KeyError::Refused)?;
        let sealed = [nonce.as_ref().as_slice(), bytes.as_slice()].concat();
        Ok(format!("{VERSION}:{}:{}", key.id, STANDARD.encode(sealed)))
    }

    /// Decrypts what was sealed for that place.
    pub fn open(&self, sealed: &str, place: Place<'_>) -> Result<String, KeyError> {
        let damaged = || KeyError::Damaged { kind: place.kind, id: place.id.to_owned(), field: place.field };
        let mut parts = sealed.splitn(3, ':');
        let (Some(VERSION), Some(key_id), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(damaged());
        };
        let Some(key) = self.keys.iter().find(|key| key.id == key_id) else {
            return Err(KeyError::OtherKey {
                kind: place.kind,
                id: place.id.to_owned(),
                field: place.field,
                key_id: key_id.chars().take(2 * KEY_ID_BYTES).collect(),
            });
        };
        let bytes = STANDARD.decode(text).map_err(|_| damaged())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut sealed = sealed.to_vec();
        let opened = key.cipher.open_in_place(nonce, Aad::from(place.bound()), &mut sealed).map_err(|_| damaged())?;
        String::from_utf8(opened.to_vec()).map_err(|_| damaged())
    }

    /// Whether the key that encrypts now has encrypted that.
    pub fn is_current(&self, sealed: &str) -> bool {
        self.first_id().is_some_and(|id| sealed.starts_with(&format!("{VERSION}:{id}:")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const NEW: &str = "_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-8";

    fn place(id: &str) -> Place<'_> {
        Place { kind: "connection", id, field: "password" }
    }

    #[test]
    fn a_secret_is_opened_by_its_key_at_its_place_alone() {
        let keyring: Keyring = OLD.parse().unwrap();
        let sealed = keyring.seal("s3cret", place("db")).unwrap();
        assert!(!sealed.contains("s3cret"));
        assert_ne!(sealed, keyring.seal("s3cret", place("db")).unwrap(), "each has a nonce of its own");
        assert_eq!(keyring.open(&sealed, place("db")).unwrap(), "s3cret");

        assert!(matches!(keyring.open(&sealed, place("other")), Err(KeyError::Damaged { .. })));
        let other = Place { field: "extra", ..place("db") };
        assert!(matches!(keyring.open(&sealed, other), Err(KeyError::Damaged { .. })));
        for broken in ["", "s3cret", "v1:", &sealed[..sealed.len() - 4], &sealed.replace("v1:", "v2:")] {
            assert!(matches!(keyring.open(broken, place("db")), Err(KeyError::Damaged { .. })), "{broken}");
        }
    }

    #[test]
    fn the_first_key_encrypts_and_all_decrypt() {
        let old: Keyring = OLD.parse().unwrap();
        let new: Keyring = NEW.parse().unwrap();
        let both: Keyring = format!("{NEW}, {OLD}").parse().unwrap();
        let sealed = old.seal("s3cret", place("db")).unwrap();

        assert_eq!(both.open(&sealed, place("db")).unwrap(), "s3cret");
        assert!(old.is_current(&sealed) && !both.is_current(&sealed));
        assert_eq!(new.open(&both.seal("x", place("db")).unwrap(), place("db")).unwrap(), "x");
        assert!(both.ids().any(|id| Some(id) == old.first_id()));
        let problem = new.open(&sealed, place("db")).unwrap_err().to_string();
        assert!(problem.contains("`db`") && problem.contains(old.first_id().unwrap()), "{problem}");
        assert!(Keyring::default().seal("x", place("db")).unwrap_err().to_string().contains("UPDRAFT_SECRET_KEY"));
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        for (text, number) in [("", 1), ("hush", 1), (&*format!("{OLD},hush"), 2), (&*format!("{OLD},"), 2)] {
            let problem = text.parse::<Keyring>().unwrap_err().to_string();
            assert!(problem.contains(&format!("key {number}")) && !problem.contains("hush"), "{problem}");
        }
        assert!(!format!("{:?}", OLD.parse::<Keyring>().unwrap()).contains("MDEy"));
    }
}
