//! Secrets in the environment of the process: `UPDRAFT_CONN_<ID>` and `UPDRAFT_VAR_<KEY>`, or Airflow's names.

use std::collections::HashMap;

use anyhow::Context;
use async_trait::async_trait;

use crate::connection::Connection;
use crate::operator::SecretReader;

/// What names of connections begin with, the first that is there wins.
const CONN_PREFIXES: [&str; 2] = ["UPDRAFT_CONN_", "AIRFLOW_CONN_"];

/// What names of variables begin with.
const VAR_PREFIXES: [&str; 2] = ["UPDRAFT_VAR_", "AIRFLOW_VAR_"];

/// The variables of a process that hold secrets.
#[derive(Default)]
pub struct EnvironmentSecrets {
    variables: HashMap<String, String>,
}

impl EnvironmentSecrets {
    /// Of all variables, those that are meant.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> EnvironmentSecrets {
        let is_meant = |name: &str| CONN_PREFIXES.iter().chain(&VAR_PREFIXES).any(|prefix| name.starts_with(prefix));
        EnvironmentSecrets { variables: variables.into_iter().filter(|(name, _)| is_meant(name)).collect() }
    }

    fn find(&self, prefixes: &[&str], id: &str) -> Option<(String, &str)> {
        let id = id.to_uppercase();
        prefixes.iter().find_map(|prefix| {
            let name = format!("{prefix}{id}");
            let value = self.variables.get(&name)?;
            Some((name, value.as_str()))
        })
    }
}

#[async_trait]
impl SecretReader for EnvironmentSecrets {
    async fn connection(&self, conn_id: &str) -> anyhow::Result<Option<Connection>> {
        // An empty variable is as good as none, as in Airflow.
        let found = self.find(&CONN_PREFIXES, conn_id).filter(|(_, value)| !value.trim().is_empty());
        let Some((name, value)) = found else { return Ok(None) };
        Connection::parse(conn_id, value).map(Some).with_context(|| format!("{name} holds no connection"))
    }

    async fn variable(&self, key: &str) -> anyhow::Result<Option<String>> {
        Ok(self.find(&VAR_PREFIXES, key).map(|(_, value)| value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ours_go_before_airflows_and_both_are_read_as_uri_or_json() {
        let pairs = [
            ("UPDRAFT_CONN_MY_DB", "postgres://ours"),
            ("AIRFLOW_CONN_MY_DB", "postgres://airflows"),
            ("AIRFLOW_CONN_API", r#"{"conn_type": "http", "host": "h"}"#),
            ("AIRFLOW_CONN_BAD", "hush"),
            ("AIRFLOW_CONN_EMPTY", ""),
            ("UPDRAFT_VAR_REGION", "eu-west-1"),
            ("HOME", "/root"),
        ];
        let secrets = EnvironmentSecrets::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));

        let host = async |conn_id: &str| secrets.connection(conn_id).await.unwrap().map(|found| found.host.unwrap());
        assert_eq!(host("my_db").await.as_deref(), Some("ours"));
        assert_eq!(host("api").await.as_deref(), Some("h"));
        assert_eq!(host("other").await, None);
        assert_eq!(host("empty").await, None);
        assert_eq!(secrets.variable("region").await.unwrap().as_deref(), Some("eu-west-1"));
        let problem = format!("{:#}", secrets.connection("bad").await.unwrap_err());
        assert!(problem.starts_with("AIRFLOW_CONN_BAD holds no connection") && !problem.contains("hush"), "{problem}");
    }
}
