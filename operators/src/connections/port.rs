//! Anything that listens on a port: we knock, and say nothing.

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use scheduler::connection::{Connection, ConnectionTest};
use tokio::net::TcpStream;

/// Tries out a server of which no more is known than where it is.
pub(super) struct Port;

#[async_trait]
impl ConnectionTest for Port {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        let host = connection.host.as_deref().map(str::trim).filter(|host| !host.is_empty());
        let (host, port) = match (host, connection.port) {
            (Some(host), Some(port)) => (host, port),
            (None, Some(_)) => {
                bail!("it has no host; with a host and a port it is tested whether something listens there")
            }
            (Some(_), None) => {
                bail!("it has no port; with a host and a port it is tested whether something listens there")
            }
            (None, None) => bail!("it has no host and no port, so there is nothing to reach; tasks use it as it is"),
        };
        // An address of IPv6 may stand in brackets, as in URLs.
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        TcpStream::connect((bare, port)).await.with_context(|| format!("nothing can be reached on {host}:{port}"))?;
        Ok(format!("something listens on {host}:{port}; what it is was not asked"))
    }
}
