//! As whom a workspace is asked: with a token of a person, or with tokens that a service principal, or the machine, is given for
//! a while.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use scheduler::clock::Clock;
use scheduler::connection::{Connection, Secret};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::form_urlencoded;
use uuid::Uuid;

use super::failure::{Failure, judge};
use super::managed_identity::Machine;
use crate::notifiers::Environment;
use crate::requests::{Base, Trouble, client, exchange};

/// A token that ends sooner than this is replaced, unless it lives for so short that this would be most of its life.
const REFRESH_BEFORE: Duration = Duration::from_mins(2);

/// Azure Databricks, as Azure's directory calls it.
const AZURE_DATABRICKS: &str = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d";

/// Azure's directory, unless the connection names another (`azure_ad_endpoint`).
const AZURE_DIRECTORY: &str = "https://login.microsoftonline.com";

/// What a service principal that is no member of the workspace must show, too.
const AZURE_MANAGEMENT: &str = "https://management.core.windows.net/";
const AZURE_MANAGEMENT_TOKEN: HeaderName = HeaderName::from_static("x-databricks-azure-sp-management-token");
const AZURE_RESOURCE_ID: HeaderName = HeaderName::from_static("x-databricks-azure-workspace-resource-id");

/// Ways to sign in that Airflow's connection offers and that are not here, by their key in `extra`.
const NOT_HERE: [&str; 2] = ["use_default_azure_credential", "federated_k8s"];

/// As whom a workspace is asked.
pub(super) enum Identity {
    /// A personal access token.
    Token(Secret),
    /// A service principal of Databricks or of Azure, or the machine on Azure.
    Principal(Box<Grant>),
    /// One of Azure that is no member of the workspace, but may manage its resource.
    Manager(Box<Manager>),
}

/// What somebody shows who may manage the resource of the workspace.
pub(super) struct Manager {
    databricks: Grant,
    management: Grant,
    resource_id: HeaderValue,
}

impl Identity {
    /// What a connection to the workspace at `base` says, on a machine with that environment.
    pub(super) fn of(connection: &Connection, base: &Base, environment: &Environment) -> Result<Identity, String> {
        let is_set = |key: &str| connection.extra.get(key).is_some_and(is_true);
        if let Some(key) = NOT_HERE.into_iter().find(|key| is_set(key)) {
            return Err(format!(
                "`{key}` is not possible here; give the connection a token, a service principal with \
                 `service_principal_oauth` or `azure_tenant_id`, or `use_azure_managed_identity`"
            ));
        }
        if let Some(token) = connection.extra_text("token") {
            return Ok(Identity::Token(Secret::new(token.trim())));
        }
        let login = connection.login.as_deref().unwrap_or_default().trim();
        let password = connection.password.as_ref().filter(|password| !password.reveal().trim().is_empty());
        if is_set("use_azure_managed_identity") && (password.is_none() || !login.is_empty()) {
            let machine = Machine::of(environment, assigned_identity(connection)?)?;
            return member_or_manager(connection, |resource| Grant::of_machine(&machine, resource));
        }
        if let Some(tenant) = connection.extra_text("azure_tenant_id") {
            let principal = principal(login, password, "azure_tenant_id")?;
            let directory = connection.extra_text("azure_ad_endpoint").unwrap_or(AZURE_DIRECTORY);
            let directory = Base::parse(directory).map_err(|problem| format!("`azure_ad_endpoint`: {problem}"))?;
            return member_or_manager(connection, |resource| Grant::of_azure(&directory, tenant, &principal, resource));
        }
        if is_set("service_principal_oauth") {
            let principal = principal(login, password, "service_principal_oauth")?;
            return Ok(Identity::Principal(Box::new(Grant::of_databricks(base, &principal))));
        }
        match password {
            Some(password) if login.is_empty() || login == "token" => {
                Ok(Identity::Token(Secret::new(password.reveal().trim())))
            }
            Some(_) if login.contains('@') => {
                Err("it has the login and the password of a person, which Databricks does not take; put a token into `extra` \
                     (`{\"token\": \"…\"}`)"
                    .to_owned())
            }
            // Nobody else has a login and a password there; Airflow wants `service_principal_oauth` beside them.
            Some(_) => {
                let principal = principal(login, password, "login")?;
                Ok(Identity::Principal(Box::new(Grant::of_databricks(base, &principal))))
            }
            None => Err("it has no token; put it into `extra` (`{\"token\": \"…\"}`) or into the password".to_owned()),
        }
    }

    /// The headers that a request needs.
    pub(super) async fn headers(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        match self {
            Identity::Token(token) => {
                headers.insert(AUTHORIZATION, bearer(token.reveal())?);
            }
            Identity::Principal(grant) => {
                headers.insert(AUTHORIZATION, bearer(&grant.token().await?)?);
            }
            Identity::Manager(manager) => {
                headers.insert(AUTHORIZATION, bearer(&manager.databricks.token().await?)?);
                headers.insert(AZURE_MANAGEMENT_TOKEN, secret_header(&manager.management.token().await?)?);
                headers.insert(AZURE_RESOURCE_ID, manager.resource_id.clone());
            }
        }
        Ok(headers)
    }

    /// The workspace did not take what [`Identity::headers`] gave; answers whether there will be something else.
    pub(super) async fn refuse(&self, headers: &HeaderMap) -> bool {
        match self {
            Identity::Token(_) => false,
            Identity::Principal(grant) => {
                grant.forget(headers).await;
                true
            }
            Identity::Manager(manager) => {
                manager.management.forget(headers).await;
                manager.databricks.forget(headers).await;
                true
            }
        }
    }
}

/// The client id of the identity that a user has assigned to the machine; empty for the machine's own. As in Airflow, the login says
/// nothing of it.
fn assigned_identity(connection: &Connection) -> Result<&str, String> {
    let id = connection.extra_text("azure_managed_identity_client_id").unwrap_or_default().trim();
    if id.is_empty() || Uuid::parse_str(id).is_ok() {
        return Ok(id);
    }
    Err(format!(
        "its `azure_managed_identity_client_id` is `{id}`, and client ids are UUIDs; copy that of the identity from Azure, or leave \
         it out for the machine's own"
    ))
}

/// Somebody of Azure, by the tokens for its resources.
fn member_or_manager(connection: &Connection, grant: impl Fn(&str) -> Grant) -> Result<Identity, String> {
    let databricks = grant(AZURE_DATABRICKS);
    let Some(resource_id) = connection.extra_text("azure_resource_id") else {
        return Ok(Identity::Principal(Box::new(databricks)));
    };
    let resource_id = HeaderValue::try_from(resource_id).map_err(|_| "`azure_resource_id` is no such id".to_owned())?;
    let management = grant(AZURE_MANAGEMENT);
    Ok(Identity::Manager(Box::new(Manager { databricks, management, resource_id })))
}

/// As Airflow reads what people type into `extra`.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::String(text) => matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "1" | "yes"),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => false,
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Trouble> {
    secret_header(&format!("Bearer {token}"))
}

fn secret_header(text: &str) -> Result<HeaderValue, Trouble> {
    let unfit = |_| Trouble::lasting(anyhow!("the token of the connection has signs that no token has"));
    let mut value = HeaderValue::try_from(text).map_err(unfit)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The id and the secret of a service principal.
struct Principal {
    id: String,
    secret: Secret,
}

fn principal(login: &str, password: Option<&Secret>, key: &str) -> Result<Principal, String> {
    match password {
        Some(secret) if !login.is_empty() => Ok(Principal { id: login.to_owned(), secret: secret.clone() }),
        _ => Err(format!(
            "with `{key}` it needs the id of the service principal as its login, and its secret as its password"
        )),
    }
}

/// Tokens that are given for a while. Whoever finds that the last one ends fetches the next, and the others wait for it.
pub(super) struct Grant {
    source: Source,
    kept: Mutex<Option<Kept>>,
}

/// Who gives tokens.
enum Source {
    /// A directory, to whoever knows a secret.
    Directory { url: Url, host: String, authorization: Option<Secret>, form: Secret },
    /// The machine, to whatever runs on it.
    Machine { machine: Machine, resource: String },
}

struct Kept {
    token: String,
    /// From here on it is not used any more.
    until: Instant,
}

/// What is answered when a token is asked for.
#[derive(Deserialize)]
struct Given {
    access_token: String,
    /// How long it lives, in seconds.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    /// When it ends, in seconds since 1970. Azure's App Service says nothing else.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<u64>,
}

impl Given {
    fn life(&self) -> Option<Duration> {
        let since_1970 =
            |end: u64| end.saturating_sub(u64::try_from(Clock::System.now().timestamp()).unwrap_or_default());
        self.expires_in.or_else(|| self.expires_on.map(since_1970)).map(Duration::from_secs)
    }
}

/// Azure answers with text, too.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_u64().or_else(|| value.as_str()?.parse().ok()))
}

impl Grant {
    fn of(source: Source) -> Grant {
        Grant { source, kept: Mutex::new(None) }
    }

    fn of_directory(url: Url, host: &str, authorization: Option<Secret>, form: &[(&str, &str)]) -> Grant {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        Grant::of(Source::Directory { url, host: host.to_owned(), authorization, form: Secret::new(form) })
    }

    fn of_machine(machine: &Machine, resource: &str) -> Grant {
        Grant::of(Source::Machine { machine: machine.clone(), resource: resource.to_owned() })
    }

    fn of_databricks(base: &Base, principal: &Principal) -> Grant {
        let credentials = STANDARD.encode(format!("{}:{}", principal.id, principal.secret.reveal()));
        let authorization = Secret::new(format!("Basic {credentials}"));
        let form = [("grant_type", "client_credentials"), ("scope", "all-apis")];
        Grant::of_directory(base.join(&["oidc", "v1", "token"]), &base.host, Some(authorization), &form)
    }

    fn of_azure(directory: &Base, tenant: &str, principal: &Principal, resource: &str) -> Grant {
        let scope = format!("{resource}/.default");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", principal.id.as_str()),
            ("client_secret", principal.secret.reveal()),
            ("scope", scope.as_str()),
        ];
        Grant::of_directory(directory.join(&[tenant, "oauth2", "v2.0", "token"]), &directory.host, None, &form)
    }

    async fn token(&self) -> Result<String, Failure> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.until) {
            return Ok(kept.token.clone());
        }
        let given: Given = serde_json::from_slice(&self.fetch().await?)
            .context("the answer to a request for a token is none")
            .map_err(Trouble::lasting)?;
        let life =
            given.life().context("a token was given that does not say when it ends").map_err(Trouble::lasting)?;
        let until = Instant::now() + life.saturating_sub(REFRESH_BEFORE.min(life / 5));
        *kept = Some(Kept { token: given.access_token.clone(), until });
        Ok(given.access_token)
    }

    async fn fetch(&self) -> Result<Bytes, Failure> {
        let (url, host, authorization, form) = match &self.source {
            Source::Directory { url, host, authorization, form } => (url, host, authorization, form),
            Source::Machine { machine, resource } => return machine.ask(resource).await,
        };
        let client = client().map_err(Trouble::lasting)?;
        let mut request = client.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, secret_header(authorization.reveal())?);
        }
        let reply = exchange(request.body(form.reveal().to_owned()), host).await?;
        judge(reply, "get a token for the service principal")
    }

    /// Lets go of the token in these headers, unless there is a newer one.
    async fn forget(&self, headers: &HeaderMap) {
        let mut kept = self.kept.lock().await;
        let is_in = |kept: &Kept| {
            headers.values().any(|value| value.to_str().is_ok_and(|text| text.ends_with(kept.token.as_str())))
        };
        if kept.as_ref().is_some_and(is_in) {
            *kept = None;
        }
    }
}
