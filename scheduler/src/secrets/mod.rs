//! Where connections and variables are looked for: in one backend after the other, and then in the database (Airflow 3:
//! secrets backends).
//!
//! A backend that fails ends the search: an answer from further down could be the wrong one.

mod cached;
mod environment;
mod folder;
mod stored;

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use futures::future::join_all;
use tracing::warn;

use crate::connection::Connection;
use crate::keyring::Keyring;
use crate::operator::SecretReader;
use crate::store::Db;

pub use cached::{ANSWER_AGE_MAX, Cached};
pub use environment::EnvironmentSecrets;
pub use folder::FolderSecrets;

use stored::StoredSecrets;

/// A place where secrets are kept outside of the database.
#[derive(Clone)]
pub struct Backend {
    /// What people call it: `environment`, `folder:/run/secrets`.
    pub name: String,
    /// What reads it.
    pub reader: Arc<dyn SecretReader>,
}

impl Backend {
    /// A backend under that name.
    pub fn new(name: impl Into<String>, reader: impl SecretReader + 'static) -> Backend {
        Backend { name: name.into(), reader: Arc::new(reader) }
    }
}

/// All places, in order. Cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    places: Arc<[Backend]>,
}

impl Secrets {
    /// These backends, and then the database.
    pub fn new(mut backends: Vec<Backend>, db: Db, keyring: Arc<Keyring>) -> Secrets {
        backends.push(Backend::new("database", StoredSecrets { db, keyring }));
        Secrets { places: backends.into() }
    }

    /// The same without the database.
    pub fn outside(backends: Vec<Backend>) -> Secrets {
        Secrets { places: backends.into() }
    }

    /// The connection of that id and the name of the place where it is, if there is one.
    pub async fn find_connection(&self, conn_id: &str) -> anyhow::Result<Option<(Connection, &str)>> {
        for place in self.places.iter() {
            let looking = || format!("cannot look up the connection `{conn_id}` ({})", place.name);
            if let Some(connection) = place.reader.connection(conn_id).await.with_context(looking)? {
                return Ok(Some((connection, &place.name)));
            }
        }
        Ok(None)
    }

    /// The value of that variable and the name of the place where it is, if there is one.
    pub async fn find_variable(&self, key: &str) -> anyhow::Result<Option<(String, &str)>> {
        for place in self.places.iter() {
            let looking = || format!("cannot look up the variable `{key}` ({})", place.name);
            if let Some(value) = place.reader.variable(key).await.with_context(looking)? {
                return Ok(Some((value, &place.name)));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl SecretReader for Secrets {
    async fn connection(&self, conn_id: &str) -> anyhow::Result<Option<Connection>> {
        Ok(self.find_connection(conn_id).await?.map(|(connection, _)| connection))
    }

    async fn variable(&self, key: &str) -> anyhow::Result<Option<String>> {
        Ok(self.find_variable(key).await?.map(|(value, _)| value))
    }

    async fn keep_up(&self) -> anyhow::Result<()> {
        let each = self.places.iter().map(|place| async move {
            if let Err(problem) = place.reader.keep_up().await {
                warn!(backend = %place.name, "{problem:#}");
            }
        });
        join_all(each).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    #[async_trait]
    impl SecretReader for Broken {
        async fn connection(&self, _: &str) -> anyhow::Result<Option<Connection>> {
            anyhow::bail!("it is sealed")
        }

        async fn variable(&self, _: &str) -> anyhow::Result<Option<String>> {
            anyhow::bail!("it is sealed")
        }
    }

    fn environment(variables: &[(&str, &str)]) -> EnvironmentSecrets {
        EnvironmentSecrets::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[tokio::test]
    async fn the_first_place_that_knows_it_answers() {
        let first = environment(&[("UPDRAFT_CONN_DB", "http://first"), ("AIRFLOW_VAR_A", "1")]);
        let second = environment(&[("AIRFLOW_CONN_DB", "http://second"), ("AIRFLOW_VAR_B", "2")]);
        let secrets = Secrets::outside(vec![Backend::new("one", first), Backend::new("two", second)]);

        let (connection, place) = secrets.find_connection("db").await.unwrap().unwrap();
        assert_eq!((connection.host.as_deref(), place), (Some("first"), "one"));
        assert_eq!(secrets.find_variable("b").await.unwrap(), Some(("2".to_owned(), "two")));
        assert_eq!(secrets.variable("c").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_place_that_fails_is_not_passed_over() {
        let second = environment(&[("AIRFLOW_CONN_DB", "http://second"), ("AIRFLOW_VAR_A", "2")]);
        let secrets = Secrets::outside(vec![Backend::new("vault", Broken), Backend::new("two", second)]);

        let problem = format!("{:#}", secrets.connection("db").await.unwrap_err());
        assert_eq!(problem, "cannot look up the connection `db` (vault): it is sealed");
        assert!(secrets.variable("a").await.is_err());
    }
}
