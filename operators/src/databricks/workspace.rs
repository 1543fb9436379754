//! Workspaces that can be asked: one for each connection, shared by all tries that use it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, USER_AGENT};
use scheduler::connection::Connection;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::auth::Identity;
use super::failure::{Failure, judge};
use crate::notifiers::Environment;
use crate::requests::{Base, Trouble, client, exchange};

/// So many requests of this process to one workspace are under way at a time. Ten thousand runs that are watched share them.
const REQUESTS_MAX: usize = 32;

/// Who asks, as Databricks' own statistics read it.
const AGENT: &str = concat!("updraft/", env!("CARGO_PKG_VERSION"));

/// What is asked of a workspace.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(super) method: Method,
    /// Below `/api`.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    /// Whether asking twice comes to the same as asking once.
    pub(super) is_repeatable: bool,
    /// How long the workspace takes to answer because it is asked to.
    pub(super) takes: Duration,
    /// What it is for, to be read after "cannot".
    pub(super) deed: &'static str,
}

impl Request {
    pub(super) fn get(path: impl Into<String>, deed: &'static str) -> Request {
        let path = path.into();
        Request {
            method: Method::GET,
            path,
            query: Vec::new(),
            body: None,
            is_repeatable: true,
            takes: Duration::ZERO,
            deed,
        }
    }

    pub(super) fn post(path: impl Into<String>, body: Value, deed: &'static str) -> Request {
        let path = path.into();
        Request {
            method: Method::POST,
            path,
            query: Vec::new(),
            body: Some(body),
            is_repeatable: true,
            takes: Duration::ZERO,
            deed,
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: &impl ToString) -> Request {
        self.query.push((name, value.to_string()));
        self
    }

    pub(super) fn once(self) -> Request {
        Request { is_repeatable: false, ..self }
    }

    pub(super) fn taking(self, takes: Duration) -> Request {
        Request { takes, ..self }
    }

    /// Whether it changes nothing, so that it may be broken off.
    pub(super) fn only_looks(&self) -> bool {
        self.method == Method::GET
    }
}

/// A workspace, and as whom it is asked.
pub(crate) struct Workspace {
    pub(super) base: Base,
    identity: Identity,
    turns: Semaphore,
}

impl Workspace {
    /// The one to which a connection leads, for who runs in that environment.
    pub(crate) fn of(connection: &Connection, environment: &Environment) -> Result<Workspace, String> {
        let base = address(connection)?;
        let identity = Identity::of(connection, &base, environment)?;
        Ok(Workspace { base, identity, turns: Semaphore::new(REQUESTS_MAX) })
    }

    /// Asks once. Beside a failure there is what was shown to the workspace, for [`Workspace::refuse`].
    pub(super) async fn ask(&self, request: &Request) -> Result<bytes::Bytes, (Failure, HeaderMap)> {
        // Nobody closes it.
        let _turn = self.turns.acquire().await;
        let nobody = |failure: Failure| (failure, HeaderMap::new());
        let identity = self.identity.headers().await.map_err(|mut failure| {
            // Whatever became of the token, the workspace was not asked.
            failure.trouble.may_be_done = false;
            nobody(failure)
        })?;
        let client = client().map_err(|error| nobody(Trouble::lasting(error).into()))?;
        let mut url = self.base.join(&["api"]);
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(request.path.split('/'));
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut built = client.request(request.method.clone(), url).headers(identity.clone()).header(USER_AGENT, AGENT);
        if let Some(body) = &request.body {
            built = built.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let reply = exchange(built, &self.base.host).await.map_err(|trouble| nobody(trouble.into()))?;
        judge(reply, request.deed).map_err(|failure| (failure, identity))
    }

    /// What was shown was not taken; answers whether there will be something else to show.
    pub(super) async fn refuse(&self, shown: &HeaderMap) -> bool {
        self.identity.refuse(shown).await
    }
}

/// Where the workspace of a connection is, however people type it: with and without `https://`, and with what a browser
/// shows behind the host. A token goes over a connection without TLS only to an address that is no name of the internet.
fn address(connection: &Connection) -> Result<Base, String> {
    let written = connection.extra_text("host").or(connection.host.as_deref()).map(str::trim).unwrap_or_default();
    if written.is_empty() {
        return Err("it has no host; write the address of the workspace, https://….cloud.databricks.com".to_owned());
    }
    let whole = if written.contains("://") { written.to_owned() } else { format!("https://{written}") };
    let url = url::Url::parse(&whole).map_err(|error| format!("its host `{written}` is no address: {error}"))?;
    let host = url.host_str().ok_or_else(|| format!("its host `{written}` is no address"))?;
    let port = url.port().or(connection.port).map(|port| format!(":{port}")).unwrap_or_default();
    let is_near = host == "localhost" || !matches!(url.host(), Some(url::Host::Domain(_)));
    let scheme = if url.scheme() == "http" && !is_near { "https" } else { url.scheme() };
    Base::parse(&format!("{scheme}://{host}{port}"))
}

/// The workspaces that this process has asked, by the ids of their connections.
#[derive(Clone, Default)]
pub struct Workspaces {
    known: Arc<Mutex<HashMap<String, Known>>>,
    environment: Environment,
}

struct Known {
    connection: Connection,
    workspace: Arc<Workspace>,
}

impl Workspaces {
    /// None yet, for who runs in that environment: it tells who gives tokens to a machine of Azure.
    pub fn in_environment(environment: Environment) -> Workspaces {
        Workspaces { known: Arc::default(), environment }
    }

    /// The workspace of a connection; the same for all who ask, until the connection changes.
    pub(super) fn find(&self, connection: Connection) -> Result<Arc<Workspace>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&connection.conn_id).filter(|known| known.connection == connection) {
            return Ok(Arc::clone(&known.workspace));
        }
        let workspace = Arc::new(Workspace::of(&connection, &self.environment)?);
        known.insert(connection.conn_id.clone(), Known { connection, workspace: Arc::clone(&workspace) });
        Ok(workspace)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hosts_are_taken_as_people_type_them() {
        let table = [
            ("https://dbc-1.cloud.databricks.com/", "https://dbc-1.cloud.databricks.com"),
            ("https://dbc-1.cloud.databricks.com", "https://dbc-1.cloud.databricks.com"),
            ("dbc-1.cloud.databricks.com", "https://dbc-1.cloud.databricks.com"),
            (" https://adb-5.azuredatabricks.net/?o=5#job/list ", "https://adb-5.azuredatabricks.net"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("localhost:8080", "https://localhost:8080"),
            ("http://dbc-1.cloud.databricks.com", "https://dbc-1.cloud.databricks.com"),
        ];
        for (host, expected) in table {
            let mut connection = Connection::new("databricks_default", "databricks");
            connection.extra = json!({ "token": "dapi1", "host": host }).as_object().unwrap().clone();
            assert_eq!(address(&connection).unwrap().shown(), expected, "{host}");
            connection.extra.remove("host");
            connection.host = Some(host.to_owned());
            assert_eq!(address(&connection).unwrap().shown(), expected, "{host}");
        }
    }

    #[test]
    fn a_connection_that_cannot_work_says_what_it_lacks() {
        let table = [
            (json!({ "token": "t" }), None, None, "no host"),
            (json!({ "host": "ftp://x", "token": "t" }), None, None, "must be http"),
            (json!({ "host": "x" }), None, None, "no token"),
            (json!({ "host": "x" }), Some("me@example.com"), Some("pass"), "does not take"),
            (json!({ "host": "x", "service_principal_oauth": true }), Some("me"), None, "as its password"),
            (json!({ "host": "x", "azure_tenant_id": "t" }), None, Some("s"), "as its login"),
            (json!({ "host": "x", "use_default_azure_credential": "true" }), None, None, "not possible here"),
        ];
        for (extra, login, password, words) in table {
            let mut connection = Connection::new("databricks_default", "databricks");
            connection.extra = extra.as_object().unwrap().clone();
            connection.login = login.map(str::to_owned);
            connection.password = password.map(scheduler::connection::Secret::new);
            let problem = Workspace::of(&connection, &Environment::default()).err().unwrap_or_default();
            assert!(problem.contains(words), "{extra}: {problem}");
        }
    }

    #[test]
    fn a_workspace_is_shared_until_its_connection_changes() {
        let workspaces = Workspaces::default();
        let mut connection = Connection::new("databricks_default", "databricks");
        connection.extra = json!({ "token": "one", "host": "x" }).as_object().unwrap().clone();
        let first = workspaces.find(connection.clone()).unwrap();
        assert!(Arc::ptr_eq(&first, &workspaces.find(connection.clone()).unwrap()));
        connection.extra["token"] = json!("two");
        assert!(!Arc::ptr_eq(&first, &workspaces.find(connection).unwrap()));
    }
}
