//! What a server of Vault is asked: one request each, with what its answers mean.

use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, StatusCode};
use scheduler::connection::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::requests::{Base, Reply, Trouble, client, exchange};

/// A server, in one of its namespaces.
pub(super) struct Server {
    pub(super) base: Base,
    pub(super) namespace: Option<String>,
}

/// A token, and how long it is good.
#[derive(Deserialize)]
pub(super) struct Granted {
    pub(super) client_token: String,
    /// Seconds; 0 is for ever.
    #[serde(default)]
    pub(super) lease_duration: u64,
}

/// What is left of the life of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// None when it does not end.
    pub(super) left: Option<Duration>,
    pub(super) is_renewable: bool,
}

/// How an engine is mounted.
pub(super) struct Mount {
    /// `kv`, or another kind of engine.
    pub(super) engine: String,
    /// The version of a KV engine.
    pub(super) version: u8,
}

/// The answer to a login, or to a renewal.
#[derive(Deserialize)]
struct Authorized<T> {
    auth: T,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

/// A token as Vault keeps it.
#[derive(Deserialize)]
struct Kept {
    /// Whole seconds.
    #[serde(default)]
    ttl: u64,
    /// None when it does not end.
    #[serde(default)]
    expire_time: Option<String>,
    #[serde(default)]
    renewable: bool,
}

#[derive(Deserialize)]
struct Renewed {
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

#[derive(Deserialize)]
struct MountedAs {
    #[serde(rename = "type")]
    engine: String,
    #[serde(default)]
    options: Option<Map<String, Value>>,
}

#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    errors: Vec<String>,
}

impl Server {
    /// Reads a path.
    pub(super) async fn get(&self, parts: &[&str], token: &Secret) -> Result<Reply, Trouble> {
        let request = self.request(Method::GET, parts, Some(token))?;
        exchange(request, &self.base.host).await
    }

    async fn post(&self, parts: &[&str], token: Option<&Secret>, body: &Value) -> Result<Reply, Trouble> {
        let request = self.request(Method::POST, parts, token)?;
        let request = request.header("Content-Type", "application/json").body(body.to_string());
        exchange(request, &self.base.host).await
    }

    fn request(&self, method: Method, parts: &[&str], token: Option<&Secret>) -> Result<RequestBuilder, Trouble> {
        let parts: Vec<&str> = ["v1"].into_iter().chain(parts.iter().copied()).collect();
        let client = client().map_err(Trouble::lasting)?;
        let mut request = client.request(method, self.base.join(&parts)).header("X-Vault-Request", "true");
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(token) = token {
            let token = HeaderValue::try_from(token.reveal()).context("the token of Vault is none");
            let mut token = token.map_err(Trouble::lasting)?;
            token.set_sensitive(true);
            request = request.header("X-Vault-Token", token);
        }
        Ok(request)
    }

    /// Signs in by the method that is mounted at `mount`.
    pub(super) async fn log_in(&self, mount: &str, body: &Value) -> anyhow::Result<Granted> {
        let parts: Vec<&str> = ["auth"].into_iter().chain(segments(mount)).chain(["login"]).collect();
        let reply = self.post(&parts, None, body).await.map_err(|trouble| trouble.error)?;
        if reply.status != StatusCode::OK {
            return Err(refusal(&reply).error.context("Vault does not let us in"));
        }
        let login: Authorized<Granted> =
            serde_json::from_slice(&reply.body).context("the answer of Vault has no token")?;
        Ok(login.auth)
    }

    /// How long a token is good.
    pub(super) async fn look_up(&self, token: &Secret) -> Result<Life, Trouble> {
        let reply = self.get(&["auth", "token", "lookup-self"], token).await?;
        let Answer { data: Kept { ttl, expire_time, renewable } } = read(&reply)?;
        let ends = ttl > 0 || expire_time.is_some();
        Ok(Life { left: ends.then(|| Duration::from_secs(ttl)), is_renewable: renewable })
    }

    /// Makes a token good for longer.
    pub(super) async fn renew(&self, token: &Secret) -> Result<Life, Trouble> {
        let reply = self.post(&["auth", "token", "renew-self"], Some(token), &Value::Object(Map::new())).await?;
        let Authorized { auth: Renewed { lease_duration, renewable } } = read(&reply)?;
        // One that does not end cannot be renewed; 0 is less than a second.
        Ok(Life { left: Some(Duration::from_secs(lease_duration)), is_renewable: renewable })
    }

    /// What is mounted at a path; none when the policy of the token does not let us see it.
    pub(super) async fn mount(&self, path: &str, token: &Secret) -> Result<Option<Mount>, Trouble> {
        let parts: Vec<&str> = ["sys", "internal", "ui", "mounts"].into_iter().chain(segments(path)).collect();
        let reply = self.get(&parts, token).await?;
        if matches!(reply.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
            return Ok(None);
        }
        let Answer { data: MountedAs { engine, options } } = read(&reply)?;
        let version = options.and_then(|options| options.get("version")?.as_str()?.parse().ok()).unwrap_or(1);
        Ok(Some(Mount { engine, version }))
    }
}

/// The parts of a path.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn read<T: DeserializeOwned>(reply: &Reply) -> Result<T, Trouble> {
    if reply.status != StatusCode::OK {
        return Err(refusal(reply));
    }
    let read = serde_json::from_slice(&reply.body).context("the answer of Vault is none that is known");
    read.map_err(Trouble::lasting)
}

/// What an answer means that is no success, in Vault's own words if it has any.
pub(super) fn refusal(reply: &Reply) -> Trouble {
    let trouble = reply.refusal();
    match complaints(reply) {
        Some(said) => Trouble { error: anyhow!("Vault answered {}: {said}", reply.status), ..trouble },
        None => trouble,
    }
}

/// What Vault has to say against a request.
pub(super) fn complaints(reply: &Reply) -> Option<String> {
    let said: Refusal = serde_json::from_slice(&reply.body).unwrap_or_default();
    // They may have several lines.
    let words = said.errors.iter().map(|error| error.split_whitespace().collect::<Vec<_>>().join(" "));
    (!said.errors.is_empty()).then(|| words.collect::<Vec<_>>().join("; "))
}
