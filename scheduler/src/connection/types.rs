//! Types of connections: what their forms ask for, and how one finds out whether a connection works.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Connection, MASK, spellings};
use crate::chain::Chain;
use crate::operator::Registry;

/// For how long a test may take.
pub const TEST_TIME_MAX: Duration = Duration::from_secs(10);

/// Finds out whether a connection works.
#[async_trait]
pub trait ConnectionTest: Send + Sync {
    /// Reaches the other side, changes nothing there, and says in a sentence what it found.
    async fn test(&self, connection: &Connection) -> anyhow::Result<String>;
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A line of text.
    Text,
    /// A text that nobody may read.
    Secret,
    /// A number.
    Number,
    /// A yes or no.
    Flag,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// One field of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// `host`, `login`, `password`, `schema` or `port`; else a key of `extra`.
    pub name: &'static str,
    /// What people call it here.
    pub label: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it is a key of `extra`.
    pub is_extra: bool,
    /// What stands in it while it is empty.
    pub placeholder: &'static str,
    /// One sentence more, or nothing.
    pub help: &'static str,
}

impl Field {
    /// A field of the connection itself.
    pub const fn own(name: &'static str, label: &'static str, kind: FieldKind) -> Field {
        Field { name, label, kind, is_extra: false, placeholder: "", help: "" }
    }

    /// A key of `extra`.
    pub const fn extra(name: &'static str, label: &'static str, kind: FieldKind) -> Field {
        Field { is_extra: true, ..Field::own(name, label, kind) }
    }

    /// The same with what stands in it while it is empty.
    pub const fn like(self, placeholder: &'static str) -> Field {
        Field { placeholder, ..self }
    }

    /// The same with a sentence more.
    pub const fn help(self, help: &'static str) -> Field {
        Field { help, ..self }
    }
}

/// A type of connections.
#[derive(Clone)]
pub struct ConnectionType {
    /// The word in `conn_type`.
    pub name: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// The fields of its form, in order.
    pub fields: &'static [Field],
    /// How one is tried out, if it can be.
    pub test: Option<Arc<dyn ConnectionTest>>,
}

/// Tries out a connection. What comes of it, good or bad, holds none of its secrets.
pub async fn test(registry: &Registry, connection: &Connection) -> Result<String, String> {
    let Some(kind) = registry.connection_type(&connection.conn_type) else {
        return Err(format!("connections of type `{}` cannot be tested", connection.conn_type));
    };
    let Some(test) = kind.test.clone() else {
        return Err(format!("connections of type `{}` cannot be tested; tasks use them as they are", kind.name));
    };
    // A panic is a fault of ours, but it must not take the caller with it.
    let subject = connection.clone();
    let attempt = tokio::spawn(async move { tokio::time::timeout(TEST_TIME_MAX, test.test(&subject)).await });
    let told = match attempt.await {
        Ok(Ok(Ok(found))) => Ok(found),
        Ok(Ok(Err(problem))) => Err(Chain(problem.as_ref()).to_string()),
        Ok(Err(_)) => Err(format!("there was no answer within {} s", TEST_TIME_MAX.as_secs())),
        Err(_) => Err("the test broke down".to_owned()),
    };
    let mask = |text: String| {
        let mut hidden: Vec<String> = connection.secrets().iter().flat_map(|secret| spellings(secret)).collect();
        hidden.extend(connection.basic_credentials());
        // One may be part of another.
        hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        hidden.into_iter().fold(text, |text, secret| text.replace(&secret, MASK))
    };
    told.map(mask).map_err(mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Secret;

    struct Telltale;

    #[async_trait]
    impl ConnectionTest for Telltale {
        async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
            let password = connection.password.as_ref().map(Secret::reveal).unwrap_or_default();
            match connection.host.as_deref() {
                Some("good") => Ok(format!("signed in with {password}")),
                Some("bad") => anyhow::bail!("refused: {}", connection.to_uri()),
                Some("echo") => anyhow::bail!("refused: Basic bWU6cEBzcw=="),
                _ => panic!("no host"),
            }
        }
    }

    #[tokio::test]
    async fn what_comes_of_a_test_holds_no_secret() {
        let mut registry = Registry::default();
        let kind = ConnectionType { name: "tale", label: "Tale", fields: &[], test: Some(Arc::new(Telltale)) };
        registry.register_connection_type(kind).unwrap();
        let connection = |host: &str| Connection {
            host: Some(host.to_owned()),
            login: Some("me".to_owned()),
            password: Some(Secret::new("p@ss")),
            ..Connection::new("x", "tale")
        };

        assert_eq!(test(&registry, &connection("good")).await, Ok("signed in with ***".to_owned()));
        assert_eq!(test(&registry, &connection("bad")).await, Err("refused: tale://me:***@bad".to_owned()));
        assert_eq!(test(&registry, &connection("echo")).await, Err("refused: Basic ***==".to_owned()));
        assert_eq!(test(&registry, &connection("none")).await, Err("the test broke down".to_owned()));
        let unknown = test(&registry, &Connection::new("x", "other")).await;
        assert!(unknown.unwrap_err().contains("`other` cannot be tested"));
    }
}
