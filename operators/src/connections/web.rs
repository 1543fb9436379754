//! Servers that speak HTTP: we ask for a page that changes nothing.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use anyhow::{Context, anyhow, bail};
use async_trait::async_trait;
use reqwest::StatusCode;
use scheduler::connection::{Connection, ConnectionTest, Secret};
use serde_json::Value;

use crate::requests::{Base, Reply, client, exchange};

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The address itself.
    Plain,
    /// The topics of a Kafka REST proxy.
    KafkaRest,
    /// What our token may do in Vault.
    Vault,
}

/// Tries out a server.
pub(super) struct Web(pub(super) Way);

#[async_trait]
impl ConnectionTest for Web {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        match self.0 {
            Way::Plain => plain(connection).await,
            Way::KafkaRest => kafka_rest(connection).await,
            Way::Vault => vault(connection).await,
        }
    }
}

/// A host as addresses have it, where those of IPv6 stand in brackets.
pub(crate) fn host_in_url(host: &str) -> Cow<'_, str> {
    if host.parse::<Ipv6Addr>().is_ok() { Cow::Owned(format!("[{host}]")) } else { Cow::Borrowed(host) }
}

/// The address of a connection, whatever of it stands in the host.
pub(crate) fn address(connection: &Connection) -> anyhow::Result<Base> {
    let Some(host) = connection.host.as_deref() else { bail!("it has no host") };
    let scheme = connection.schema.as_deref().filter(|scheme| matches!(*scheme, "http" | "https"));
    let mut url = if host.contains("://") {
        host.to_owned()
    } else {
        format!("{}://{}", scheme.unwrap_or("http"), host_in_url(host))
    };
    if let Some(port) = connection.port {
        let mut parsed = reqwest::Url::parse(&url).context("the host is no address")?;
        parsed.set_port(Some(port)).map_err(|()| anyhow!("the host can have no port"))?;
        url = parsed.into();
    }
    Base::parse(&url).map_err(|problem| anyhow!(problem))
}

async fn get(connection: &Connection, base: &Base, parts: &[&str]) -> anyhow::Result<Reply> {
    let mut request = client()?.get(base.join(parts));
    if let Some(login) = &connection.login {
        request = request.basic_auth(login, connection.password.as_ref().map(Secret::reveal));
    }
    exchange(request, &base.host).await.map_err(|trouble| trouble.error)
}

/// Whatever a server says of a page, it is there; unless it does not let us in.
async fn plain(connection: &Connection) -> anyhow::Result<String> {
    let base = address(connection)?;
    let reply = get(connection, &base, &[]).await?;
    let is_shut = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::PROXY_AUTHENTICATION_REQUIRED];
    if reply.status.is_server_error() || is_shut.contains(&reply.status) {
        return Err(reply.refusal().error);
    }
    Ok(format!("{} answered {}", base.host, reply.status))
}

async fn kafka_rest(connection: &Connection) -> anyhow::Result<String> {
    let base = address(connection)?;
    let reply = get(connection, &base, &["topics"]).await?;
    if !reply.status.is_success() {
        return Err(reply.refusal().error);
    }
    let topics: Vec<Value> = serde_json::from_slice(&reply.body).context("`/topics` is no list of topics")?;
    Ok(format!("{} answered; it has {} topics", base.host, topics.len()))
}

async fn vault(connection: &Connection) -> anyhow::Result<String> {
    let Some(token) = &connection.password else { bail!("it has no token") };
    // The schema is the mount of the KV engine.
    let base = address(&Connection { schema: Some("https".to_owned()), ..connection.clone() })?;
    let url = base.join(&["v1", "auth", "token", "lookup-self"]);
    let request = client()?.get(url).header("X-Vault-Token", token.reveal()).header("X-Vault-Request", "true");
    let reply = exchange(request, &base.host).await.map_err(|trouble| trouble.error)?;
    if !reply.status.is_success() {
        return Err(reply.refusal().error);
    }
    Ok(format!("{} knows our token", base.host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_ipv6_stands_in_brackets() {
        let mut connection = Connection::new("shop", "http");
        for (host, shown) in [("::1", "http://[::1]:8080"), ("[::1]", "http://[::1]:8080"), ("h", "http://h:8080")] {
            (connection.host, connection.port) = (Some(host.to_owned()), Some(8080));
            assert_eq!(address(&connection).unwrap().shown(), shown);
        }
    }
}
