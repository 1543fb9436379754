//! HashiCorp Vault and OpenBao: the KV secrets engine, versions 1 and 2 (Airflow 3: `VaultBackend`).
//!
//! `connections/<id>` holds the fields of a connection, or its URI under `conn_uri`; `variables/<key>` holds the value under
//! `value`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use async_trait::async_trait;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use scheduler::connection::{Connection, Secret};
use scheduler::operator::SecretReader;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::requests::{Base, Reply, client, exchange};

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
    base: Base,
    settings: VaultSettings,
    /// The token that Vault gave us, and until when it is good.
    token: Mutex<Option<(Secret, Option<Instant>)>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.base.shown()).finish()
    }
}

/// The answer to a login.
#[derive(Deserialize)]
struct Login {
    auth: Granted,
}

#[derive(Deserialize)]
struct Granted {
    client_token: String,
    /// Seconds; 0 is for ever.
    #[serde(default)]
    lease_duration: u64,
}

#[derive(Deserialize)]
struct Answer {
    data: Map<String, Value>,
}

#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    errors: Vec<String>,
}

impl Vault {
    /// A server, which is not asked anything yet.
    pub fn open(settings: VaultSettings) -> anyhow::Result<Vault> {
        let base = Base::parse(&settings.url).map_err(|problem| anyhow!("Vault: {problem}"))?;
        if !matches!(settings.version, 1 | 2) {
            bail!("Vault has version 1 and 2 of its KV engine, not {}", settings.version);
        }
        Ok(Vault { base, settings, token: Mutex::default() })
    }

    /// What is at a path of the KV engine.
    async fn read(&self, folder: &str, name: &str) -> anyhow::Result<Option<Map<String, Value>>> {
        let VaultSettings { mount, version, .. } = &self.settings;
        let data: &[&str] = if *version == 2 { &["data"] } else { &[] };
        let parts = ["v1"].into_iter().chain(segments(mount)).chain(data.iter().copied());
        let parts: Vec<&str> = parts.chain(segments(folder)).chain([name]).collect();
        let mut reply = self.ask(&parts, &self.token(false).await?).await?;
        if reply.status == StatusCode::FORBIDDEN && !matches!(self.settings.auth, VaultAuth::Token(_)) {
            // It may have been revoked before its time.
            reply = self.ask(&parts, &self.token(true).await?).await?;
        }
        match reply.status {
            StatusCode::OK => {}
            // Also for a version that was deleted.
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::FORBIDDEN => bail!(
                "Vault forbids to read `{mount}/{folder}/{name}`; look at the policy of our token, and at how the KV engine is \
                 mounted"
            ),
            _ => return Err(refusal(&reply)),
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

    async fn ask(&self, parts: &[&str], token: &Secret) -> anyhow::Result<Reply> {
        let mut token = HeaderValue::try_from(token.reveal()).context("the token of Vault is none")?;
        token.set_sensitive(true);
        let request = self.request(Method::GET, parts)?.header("X-Vault-Token", token);
        exchange(request, &self.base.host).await.map_err(|trouble| trouble.error)
    }

    fn request(&self, method: Method, parts: &[&str]) -> anyhow::Result<reqwest::RequestBuilder> {
        let mut request = client()?.request(method, self.base.join(parts)).header("X-Vault-Request", "true");
        if let Some(namespace) = &self.settings.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        Ok(request)
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
        let parts: Vec<&str> = ["v1", "auth"].into_iter().chain(segments(mount)).chain(["login"]).collect();
        let request = self.request(Method::POST, &parts)?;
        let request = request.header("Content-Type", "application/json").body(body.to_string());
        let reply = exchange(request, &self.base.host).await.map_err(|trouble| trouble.error)?;
        if reply.status != StatusCode::OK {
            return Err(refusal(&reply).context("Vault does not let us in"));
        }
        let login: Login = serde_json::from_slice(&reply.body).context("the answer of Vault has no token")?;
        Ok(login.auth)
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
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn refusal(reply: &Reply) -> anyhow::Error {
    let said: Refusal = serde_json::from_slice(&reply.body).unwrap_or_default();
    if said.errors.is_empty() {
        return reply.refusal().error;
    }
    anyhow!("Vault answered {}: {}", reply.status, said.errors.join("; "))
}
