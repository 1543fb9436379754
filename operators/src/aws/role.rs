//! Roles that are assumed: who asks takes one on for a while, with the leave of AWS's Security Token Service.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context as _, bail, ensure};
use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Region;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use scheduler::connection::Connection;
use serde::Deserialize;
use serde_json::Value;

use super::NoCredentials;
use super::transport::Transport;

/// How long a session's name may be.
const SESSION_NAME_MAX: usize = 64;

/// A role, and how it is assumed.
#[derive(Debug, PartialEq)]
pub(crate) struct Role {
    arn: String,
    how: How,
    session_name: String,
    terms: Terms,
    /// Where the service is, when it is not Amazon's own.
    endpoint: Option<String>,
}

#[derive(Debug, PartialEq)]
enum How {
    /// By who asks.
    AsOneself,
    /// By whoever has the token in this file (OpenID Connect), which others renew.
    WithToken(PathBuf),
}

/// What `assume_role_kwargs` may say, by the names that AWS has for it.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Terms {
    role_session_name: Option<String>,
    external_id: Option<String>,
    duration_seconds: Option<i32>,
    policy: Option<String>,
    policy_arns: Option<Vec<PolicyArn>>,
    tags: Option<Vec<SessionTag>>,
    transitive_tag_keys: Option<Vec<String>>,
    source_identity: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyArn {
    arn: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SessionTag {
    key: String,
    value: String,
}

impl Role {
    /// The role that a connection names, if it does; the service that lends it is at `endpoint`.
    pub(crate) fn of(connection: &Connection, endpoint: Option<String>) -> anyhow::Result<Option<Role>> {
        let Some(arn) = connection.extra_text("role_arn") else { return Ok(None) };
        let mut terms = match connection.extra.get("assume_role_kwargs") {
            None | Some(Value::Null) => Terms::default(),
            Some(Value::String(text)) => serde_json::from_str(text).context("`assume_role_kwargs`")?,
            Some(value) => Terms::deserialize(value).context("`assume_role_kwargs`")?,
        };
        let text = |key: &str| connection.extra_text(key).map(str::to_owned);
        terms.external_id = terms.external_id.or_else(|| text("external_id"));
        let said = terms.role_session_name.take().or_else(|| text("role_session_name"));
        let session_name = said.unwrap_or_else(|| session_name(&connection.conn_id));
        let how = match connection.extra_text("assume_role_method") {
            None | Some("assume_role") => How::AsOneself,
            Some("assume_role_with_web_identity") => How::WithToken(token_file(connection, &terms)?),
            Some(other) => {
                bail!("`assume_role_method` is `{other}`; it can be `assume_role` or `assume_role_with_web_identity`")
            }
        };
        Ok(Some(Role { arn: arn.to_owned(), how, session_name, terms, endpoint }))
    }

    /// Whether it is assumed by who asks, who must have credentials for that.
    pub(super) fn needs_credentials(&self) -> bool {
        matches!(self.how, How::AsOneself)
    }

    /// Assumes it; `own` are the credentials of who asks.
    pub(super) async fn assume(&self, own: Option<Credentials>, region: &str) -> Result<Credentials, NoCredentials> {
        let client = self.service(own, region).await;
        let terms = &self.terms;
        let policies = terms
            .policy_arns
            .as_ref()
            .map(|arns| arns.iter().map(|policy| PolicyDescriptorType::builder().arn(&policy.arn).build()).collect());
        let lent = match &self.how {
            How::AsOneself => {
                let asked = client
                    .assume_role()
                    .role_arn(&self.arn)
                    .role_session_name(&self.session_name)
                    .set_external_id(terms.external_id.clone())
                    .set_duration_seconds(terms.duration_seconds)
                    .set_policy(terms.policy.clone())
                    .set_policy_arns(policies)
                    .set_tags(self.tags()?)
                    .set_transitive_tag_keys(terms.transitive_tag_keys.clone())
                    .set_source_identity(terms.source_identity.clone());
                asked.send().await.map_err(|error| self.refused(&super::said(&error)))?.credentials
            }
            How::WithToken(path) => {
                let token = tokio::fs::read_to_string(path).await;
                let token = token.map_err(|error| NoCredentials::Unreadable(path.clone(), error))?;
                let asked = client
                    .assume_role_with_web_identity()
                    .role_arn(&self.arn)
                    .role_session_name(&self.session_name)
                    .web_identity_token(token.trim())
                    .set_duration_seconds(terms.duration_seconds)
                    .set_policy(terms.policy.clone())
                    .set_policy_arns(policies);
                asked.send().await.map_err(|error| self.refused(&super::said(&error)))?.credentials
            }
        };
        let lent = lent.ok_or_else(|| self.refused("AWS answered without credentials"))?;
        let ends = SystemTime::try_from(lent.expiration).ok();
        Ok(Credentials::new(lent.access_key_id, lent.secret_access_key, Some(lent.session_token), ends, "role"))
    }

    async fn service(&self, own: Option<Credentials>, region: &str) -> Client {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Transport)
            .region(Region::new(region.to_owned()))
            // Who asks is known by now, so there is nothing to read.
            .profile_files(EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, "").build());
        loader = match own {
            Some(own) => loader.credentials_provider(own),
            None => loader.no_credentials(),
        };
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        Client::new(&loader.load().await)
    }

    fn tags(&self) -> Result<Option<Vec<Tag>>, NoCredentials> {
        let Some(tags) = &self.terms.tags else { return Ok(None) };
        let built = tags.iter().map(|tag| Tag::builder().key(&tag.key).value(&tag.value).build());
        built.collect::<Result<_, _>>().map(Some).map_err(|error| self.refused(&error.to_string()))
    }

    fn refused(&self, said: &str) -> NoCredentials {
        NoCredentials::Role(self.arn.clone(), said.to_owned())
    }
}

/// Where the token is that stands for us.
fn token_file(connection: &Connection, terms: &Terms) -> anyhow::Result<PathBuf> {
    let federation = connection.extra_text("assume_role_with_web_identity_federation").unwrap_or("file");
    ensure!(
        federation == "file",
        "`assume_role_with_web_identity_federation` is `{federation}`; only tokens in a `file` are known"
    );
    let says_more = terms.external_id.is_some()
        || terms.tags.is_some()
        || terms.transitive_tag_keys.is_some()
        || terms.source_identity.is_some();
    ensure!(!says_more, "a role that is assumed with a token takes no external id, tags or source identity");
    let path = connection.extra_text("assume_role_with_web_identity_token_file");
    path.map(PathBuf::from).context("`assume_role_with_web_identity_token_file` is missing: the file with the token")
}

/// The name of the session when none is said; AWS's logs have it.
fn session_name(conn_id: &str) -> String {
    let name = format!("Updraft_{conn_id}");
    let allowed = |sign: &char| sign.is_ascii_alphanumeric() || "_+=,.@-".contains(*sign);
    name.chars().filter(allowed).take(SESSION_NAME_MAX).collect()
}
