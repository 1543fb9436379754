//! What most commands work on: the database of the installation, and the definitions in it.

use std::sync::Arc;

use anyhow::Context;
use scheduler::catalog::Catalog;
use scheduler::clock::Clock;
use scheduler::control::Control;
use scheduler::engine::wake::{WakeFile, Waker};
use scheduler::events::Changes;
use scheduler::store::Db;

use crate::config::Config;
use crate::home;

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
}

impl Installation {
    /// Opens the installation that the settings name.
    pub async fn open(config: Config) -> anyhow::Result<Installation> {
        home::create(&config.home)?;
        let db = open_database(&config).await?;
        let catalog = catalog(&config)?;
        let clock = Clock::System;
        let waker = Waker::through_file(WakeFile::in_home(&config.home));
        let control = Control::new(db.clone(), catalog.clone(), clock.clone(), Changes::default(), waker);
        Ok(Installation { config, db, catalog, clock, control })
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
