//! HashiCorp Vault and OpenBao: the KV secrets engine, versions 1 and 2 (Airflow 3: `VaultBackend`).
//!
//! `connections/<id>` holds the fields of a connection, or its URI under `conn_uri`; `variables/<key>` holds the value under
//! `value`.

mod lifetime;
mod server;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use async_trait::async_trait;
use reqwest::StatusCode;
use scheduler::connection::{Connection, Secret};
use scheduler::operator::SecretReader;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use self::server::{Granted, Mount, Server, complaints, refusal, segments};
use crate::requests::{Base, Reply};

/// A token that Vault gave us is asked for anew when so much of its life is left.
const TOKEN_RESERVE: Duration = Duration::from_secs(10);

/// Where a server of Vault is, and how it is asked.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// `https://vault.example:8200`.
    pub url: String,
    /// Where the KV engine is mounted; `secret` unless somebody mounted it elsewhere.
    pub mount: String,
    /// The version of the KV engine, 1 or 2.
    pub version: u8,
    /// Below which path connections are.
    pub connections: String,
    /// Below which path variables are.
    pub variables: String,
    /// The namespace, which Vault Enterprise and OpenBao have.
    pub namespace: Option<String>,
    /// How we say who we are.
    pub auth: VaultAuth,
}

/// How Vault is told who asks.
#[derive(Clone, Debug)]
pub enum VaultAuth {
    /// By a token.
    Token(Secret),
    /// As a role of programs.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role_id: String,
        /// Its secret.
        secret_id: Secret,
    },
    /// As the service account of a pod.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// The token of the service account, which Kubernetes renews in this file.
        token_file: PathBuf,
    },
}

/// A server of Vault.
pub struct Vault {
    server: Server,
    settings: VaultSettings,
    /// The token that Vault gave us, and until when it is good.
    token: Mutex<Option<(Secret, Option<Instant>)>>,
    /// Set as soon as the mount was found to be what the settings say.
    mount: OnceCell<()>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.server.base.shown()).finish()
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Map<String, Value>,
}

impl Vault {
    /// A server, which is not asked anything yet.
    pub fn open(settings: VaultSettings) -> anyhow::Result<Vault> {
        let base = Base::parse(&settings.url).map_err(|problem| anyhow!("Vault: {problem}"))?;
        if !matches!(settings.version, 1 | 2) {
            bail!("Vault has version 1 and 2 of its KV engine, not {}", settings.version);
        }
        let server = Server { base, namespace: settings.namespace.clone() };
        Ok(Vault { server, settings, token: Mutex::default(), mount: OnceCell::new() })
    }

    /// What is at a path of the KV engine.
    async fn read(&self, folder: &str, name: &str) -> anyhow::Result<Option<Map<String, Value>>> {
        let VaultSettings { mount, version, .. } = &self.settings;
        let data: &[&str] = if *version == 2 { &["data"] } else { &[] };
        let parts: Vec<&str> =
            segments(mount).chain(data.iter().copied()).chain(segments(folder)).chain([name]).collect();
        let mut token = self.token(false).await?;
        let mut reply = self.ask(&parts, &token).await?;
        let is_ours = matches!(self.settings.auth, VaultAuth::Token(_));
        if reply.status == StatusCode::FORBIDDEN && !is_ours {
            // It may have been revoked before its time.
            token = self.token(true).await?;
            reply = self.ask(&parts, &token).await?;
        }
        match reply.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                // Nobody is there who could have it; a secret that is not there goes without words.
                if complaints(&reply).is_some() {
                    return Err(refusal(&reply).error.context(format!("cannot read `{mount}`")));
                }
                self.mount.get_or_try_init(|| self.check_mount(&token)).await?;
                // Also for a version that was deleted.
                return Ok(None);
            }
            StatusCode::FORBIDDEN => {
                let ended = if is_ours { ", whether it has ended," } else { "" };
                bail!(
                    "Vault forbids to read `{mount}/{folder}/{name}`; look at the policy of our token{ended} and at how the KV \
                     engine is mounted"
                )
            }
            _ => return Err(refusal(&reply).error),
        }
        let answer: Answer = serde_json::from_slice(&reply.body).context("the answer of Vault has no `data`")?;
        if *version == 1 {
            return Ok(Some(answer.data));
        }
        match answer.data.get("data") {
            Some(Value::Object(fields)) => Ok(Some(fields.clone())),
            Some(Value::Null) => Ok(None),
            _ => bail!("`{mount}` is no KV engine of version 2; write `version=1` if it is one of version 1"),
        }
    }

    /// An engine of the other version has nothing where we look, and must not be taken for one that has not the secret.
    async fn check_mount(&self, token: &Secret) -> anyhow::Result<()> {
        let VaultSettings { mount, version, .. } = &self.settings;
        let found = self.server.mount(mount, token).await.map_err(|trouble| trouble.error)?;
        let Some(Mount { engine, version: found }) = found else { return Ok(()) };
        if !matches!(engine.as_str(), "kv" | "generic") {
            bail!("`{mount}` is no KV engine, but one of the type `{engine}`; write where the KV engine is mounted");
        }
        if found != *version {
            bail!("`{mount}` is a KV engine of version {found}; write `version={found}` behind its address");
        }
        Ok(())
    }

    async fn ask(&self, parts: &[&str], token: &Secret) -> anyhow::Result<Reply> {
        self.server.get(parts, token).await.map_err(|trouble| trouble.error)
    }

    /// The token that we have, or a new one when it ends soon or is not taken any more.
    async fn token(&self, anew: bool) -> anyhow::Result<Secret> {
        if let VaultAuth::Token(token) = &self.settings.auth {
            return Ok(token.clone());
        }
        let mut kept = self.token.lock().await;
        if let Some((token, until)) = &*kept
            && !anew
            && until.is_none_or(|until| Instant::now() < until)
        {
            return Ok(token.clone());
        }
        let granted = self.log_in().await?;
        let token = Secret::new(granted.client_token);
        let life = Duration::from_secs(granted.lease_duration);
        let until = (granted.lease_duration > 0).then(|| Instant::now() + life.saturating_sub(TOKEN_RESERVE));
        *kept = Some((token.clone(), until));
        Ok(token)
    }

    async fn log_in(&self) -> anyhow::Result<Granted> {
        let (mount, body) = match &self.settings.auth {
            VaultAuth::Token(_) => bail!("a token needs no login"),
            VaultAuth::AppRole { mount, role_id, secret_id } => {
                (mount, json!({ "role_id": role_id, "secret_id": secret_id.reveal() }))
            }
            VaultAuth::Kubernetes { mount, role, token_file } => {
                let jwt = tokio::fs::read_to_string(token_file).await.with_context(|| {
                    format!("cannot read the token of the service account, `{}`", token_file.display())
                })?;
                (mount, json!({ "role": role, "jwt": jwt.trim() }))
            }
        };
        self.server.log_in(mount, &body).await
    }
}

#[async_trait]
impl SecretReader for Vault {
    async fn connection(&self, conn_id: &str) -> anyhow::Result<Option<Connection>> {
        let folder = &self.settings.connections;
        let Some(fields) = self.read(folder, conn_id).await? else { return Ok(None) };
        let parsed = match fields.get("conn_uri").and_then(Value::as_str) {
            Some(uri) => Connection::parse(conn_id, uri),
            None => Connection::from_json(conn_id, fields),
        };
        parsed.map(Some).with_context(|| format!("`{folder}/{conn_id}` in Vault holds no connection"))
    }

    async fn variable(&self, key: &str) -> anyhow::Result<Option<String>> {
        let folder = &self.settings.variables;
        let Some(fields) = self.read(folder, key).await? else { return Ok(None) };
        match fields.get("value") {
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Ok(Some(other.to_string())),
            None => bail!("`{folder}/{key}` in Vault has no field `value`"),
        }
    }

    /// Renews a token that was given to us. Those that Vault gives for a login are replaced when they are asked with.
    async fn keep_up(&self) -> anyhow::Result<()> {
        match &self.settings.auth {
            VaultAuth::Token(token) => lifetime::keep(&self.server, token).await,
            VaultAuth::AppRole { .. } | VaultAuth::Kubernetes { .. } => Ok(()),
        }
    }
}
