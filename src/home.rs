//! The home folder: its lock, its secrets, and who we are.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use scheduler::keyring::{self, KEY_BYTES};

use crate::report::BadInput;

/// How long a start waits for what a killed predecessor left running.
const LOCK_WAIT: Duration = Duration::from_secs(15);

/// Letters and digits that cannot be taken for each other.
const PASSWORD_LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Some 116 bits.
const PASSWORD_LENGTH: usize = 20;

/// Makes the home folder, readable by its owner alone.
pub fn create(home: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(home).map_err(|error| {
        BadInput::new(format!("cannot make the home folder `{}`: {error}", home.display()))
            .hint("name another with --home or UPDRAFT_HOME")
            .into()
    })
}

/// Locks the home folder for this process and its guardian: one server at a time works in it.
pub async fn lock(home: &Path) -> anyhow::Result<File> {
    let path = home.join("updraft.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open `{}`", path.display()))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WAIT => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(BadInput::new(format!("another Updraft works in the home folder `{}`", home.display()))
                    .hint("stop it, or give this one a home of its own with --home")
                    .into());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock `{}`", path.display()));
            }
        }
    }
}

/// Identifies the home folder among the processes that share a database.
pub fn instance_id(home: &Path) -> anyhow::Result<String> {
    let make = || Ok(random_text(24)?);
    read_or_make(&home.join("instance-id"), make).map(|(id, _)| id)
}

/// The key that signs sessions.
pub fn session_secret(home: &Path) -> anyhow::Result<Vec<u8>> {
    let make = || Ok(random_text(64)?);
    read_or_make(&home.join("session-secret"), make).map(|(secret, _)| secret.into_bytes())
}

/// The key that encrypts secrets in the database.
pub fn secret_key(home: &Path) -> anyhow::Result<String> {
    let make = || {
        let mut bytes = [0u8; KEY_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(keyring::written(&bytes))
    };
    read_or_make(&secret_key_file(home), make).map(|(key, _)| key)
}

/// Where that key is kept.
pub fn secret_key_file(home: &Path) -> PathBuf {
    home.join("secret-key")
}

/// The password of `admin`, and whether it was made just now.
pub fn admin_password(home: &Path) -> anyhow::Result<(String, bool)> {
    let make = || Ok(random_text(PASSWORD_LENGTH)?);
    read_or_make(&password_file(home), make)
}

/// Where the password of `admin` is kept.
pub fn password_file(home: &Path) -> PathBuf {
    home.join("admin-password")
}

/// Reads a secret, or makes it. It is written beside and renamed, so that a kill leaves no half of it.
fn read_or_make(path: &Path, make: impl Fn() -> anyhow::Result<String>) -> anyhow::Result<(String, bool)> {
    if let Ok(mut file) = File::open(path) {
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(|| format!("cannot read `{}`", path.display()))?;
        let text = text.trim().to_owned();
        if text.is_empty() {
            bail!(BadInput::new(format!("`{}` is empty", path.display())).hint("delete it, and a new one is made"));
        }
        return Ok((text, false));
    }
    let text = make()?;
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok((text, true))
}

fn random_text(length: usize) -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(length);
    // Bytes beyond the last whole multiple would make some letters likelier.
    let limit = 256 - 256 % PASSWORD_LETTERS.len();
    let mut bytes = [0u8; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes)?;
        let usable = bytes.iter().map(|&byte| usize::from(byte)).filter(|&byte| byte < limit);
        text.extend(
            usable.take(length - text.len()).map(|byte| char::from(PASSWORD_LETTERS[byte % PASSWORD_LETTERS.len()])),
        );
    }
    Ok(text)
}
