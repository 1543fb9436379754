//! Databricks: we ask the workspace who we are.

use anyhow::{Context, anyhow, bail};
use async_trait::async_trait;
use reqwest::header::AUTHORIZATION;
use scheduler::connection::{Connection, ConnectionTest, Secret};
use serde::Deserialize;

use crate::requests::{Base, client, exchange};

/// Tries out a workspace.
pub(super) struct Databricks;

#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

#[derive(Deserialize)]
struct Me {
    #[serde(rename = "userName")]
    user_name: Option<String>,
}

#[async_trait]
impl ConnectionTest for Databricks {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        let base = workspace(connection)?;
        let token = token(connection, &base).await?;
        let url = base.join(&["api", "2.0", "preview", "scim", "v2", "Me"]);
        let request = client()?.get(url).header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
        let reply = exchange(request, &base.host).await.map_err(|trouble| trouble.error)?;
        if !reply.status.is_success() {
            return Err(reply.refusal().error);
        }
        let me: Me = serde_json::from_slice(&reply.body).context("the workspace answered with something else")?;
        Ok(format!("the workspace knows us as {}", me.user_name.as_deref().unwrap_or("somebody without a name")))
    }
}

fn workspace(connection: &Connection) -> anyhow::Result<Base> {
    let Some(host) = connection.host.as_deref().or(connection.extra_text("host")) else {
        bail!("it has no workspace URL; write it as its host");
    };
    let url = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
    Base::parse(&url).map_err(|problem| anyhow!(problem))
}

/// A token that is kept, or one that a service principal is given.
async fn token(connection: &Connection, base: &Base) -> anyhow::Result<Secret> {
    if let Some(token) = connection.extra_text("token") {
        return Ok(Secret::new(token));
    }
    let Some(password) = &connection.password else {
        bail!("it has neither a token nor a client secret");
    };
    if connection.extra_text("azure_tenant_id").is_some() {
        bail!("service principals of Azure are not tried out; tasks use them");
    }
    let login = match connection.login.as_deref() {
        None | Some("token") => return Ok(password.clone()),
        Some(login) => login,
    };
    let request = client()?
        .post(base.join(&["oidc", "v1", "token"]))
        .basic_auth(login, Some(password.reveal()))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials&scope=all-apis");
    let reply = exchange(request, &base.host).await.map_err(|trouble| trouble.error)?;
    if !reply.status.is_success() {
        return Err(reply.refusal().error.context("the service principal is not let in"));
    }
    let granted: Granted = serde_json::from_slice(&reply.body).context("the workspace gave no token")?;
    Ok(Secret::new(granted.access_token))
}
