//! What most commands work on: the database of the installation, and the definitions in it.

use std::sync::Arc;

use anyhow::Context;
use scheduler::catalog::Catalog;
use scheduler::clock::Clock;
use scheduler::control::Control;
use scheduler::engine::wake::{WakeFile, Waker};
use scheduler::events::Changes;
use scheduler::keyring::Keyring;
use scheduler::secrets::Secrets;
use scheduler::store::{Db, StoreError, commit, secret_keys};

use crate::config::{self, Config};
use crate::home;
use crate::report::BadInput;

/// An installation that a command works on, beside its server or without one.
pub struct Installation {
    /// Its settings.
    pub config: Config,
    /// Its database.
    pub db: Db,
    /// Its definitions.
    pub catalog: Catalog,
    /// The time.
    pub clock: Clock,
    /// Asks for things.
    pub control: Control,
    /// Where connections and variables are looked for.
    pub secrets: Secrets,
}

impl Installation {
    /// Opens the installation that the settings name.
    pub async fn open(config: Config) -> anyhow::Result<Installation> {
        home::create(&config.home)?;
        let db = open_database(&config).await?;
        let catalog = catalog(&config)?;
        let keyring = keyring(&config)?;
        let secrets = secrets(&config, db.clone(), Arc::clone(&keyring))?;
        let clock = Clock::System;
        let waker = Waker::through_file(WakeFile::in_home(&config.home));
        let control = Control::new(db.clone(), catalog.clone(), clock.clone(), Changes::default(), waker);
        let control = control.with_keyring(keyring);
        Ok(Installation { config, db, catalog, clock, control, secrets })
    }
}

/// Opens the database and brings its schema up to date.
pub async fn open_database(config: &Config) -> anyhow::Result<Db> {
    Db::open(&config.database_url)
        .await
        .with_context(|| format!("cannot open the database {}", shown(&config.database_url)))
}

/// An empty catalog for all operators and notifiers.
pub fn catalog(config: &Config) -> anyhow::Result<Catalog> {
    let registry =
        operators::registry_mailing(config.mail.clone()).context("the operators and notifiers do not fit together")?;
    Ok(Catalog::new(Arc::new(registry)))
}

/// The keys of the secrets in the database: given, or the one of the home folder, which is made when there is none.
pub fn keyring(config: &Config) -> anyhow::Result<Arc<Keyring>> {
    let (text, origin) = match &config.secret_key {
        Some(given) => (given.clone(), "UPDRAFT_SECRET_KEY".to_owned()),
        None => (home::secret_key(&config.home)?, format!("`{}`", home::secret_key_file(&config.home).display())),
    };
    let keyring = text.parse::<Keyring>();
    Ok(Arc::new(keyring.map_err(|problem| BadInput::new(format!("{origin}: {problem}")))?))
}

/// Where connections and variables are looked for.
pub fn secrets(config: &Config, db: Db, keyring: Arc<Keyring>) -> anyhow::Result<Secrets> {
    Ok(Secrets::new(config::secrets::open(&config.secrets_backends)?, db, keyring))
}

/// Notes which key secrets are encrypted with, unless it was another so far.
pub async fn register_key(db: &Db, keyring: &Keyring, clock: &Clock) -> Result<(), StoreError> {
    let txn = db.begin_write().await?;
    secret_keys::register(&txn, keyring, clock.now()).await?;
    commit(txn).await
}

/// A database URL without its password.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((credentials, place)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = credentials.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}:***@{place}")
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_shown_database_url_has_no_password() {
        assert_eq!(shown("postgres://me:se@cret@db:5432/updraft"), "postgres://me:***@db:5432/updraft");
        assert_eq!(shown("sqlite:///home/me/updraft.db"), "sqlite:///home/me/updraft.db");
    }
}
