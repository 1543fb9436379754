//! A server in memory.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode, header};
use chrono::{DateTime, Utc};
use scheduler::catalog::Catalog;
use scheduler::clock::Clock;
use scheduler::connection::{Connection, ConnectionTest, ConnectionType, Field, FieldKind, Secret};
use scheduler::control::Control;
use scheduler::engine::wake::Waker;
use scheduler::events::Changes;
use scheduler::keyring::Keyring;
use scheduler::log::LogReader;
use scheduler::operator::{Operator, Outcome, Registry, SecretReader, TaskContext, TaskError};
use scheduler::secrets::Secrets;
use scheduler::sources::folder::DagFolder;
use scheduler::testing::TestDb;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use web::{AppState, AuthSettings, build_router};

/// Which database a test runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// The DAGs of every test: one with a schedule, params and three tasks, and one without any of it.
const SALES: &str = r#"
description: What was sold
schedule: "0 6 * * *"
timezone: Europe/Amsterdam
start_date: 2026-01-01
tags: [sales, daily]
owner: ann, bob
doc_md: Numbers of sales
params:
  rows:
    default: 10
    type: integer
    minimum: 1
    description: How many
tasks:
  - task_id: extract
    operator: bash
    bash_command: echo {{ params.rows }}
    retries: 2
    retry_delay: 30s
    execution_timeout: 1h30m
  - task_id: load
    operator: bash
    bash_command: echo load
    dependencies: [extract]
  - task_id: list
    operator: bash
    bash_command: echo list
    trigger_rule: all_done
    dependencies: [load]
"#;

const MANUAL: &str = "
schedule: null
tasks:
  - task_id: only
    operator: bash
    bash_command: 'true'
";

/// When it is, in every test.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

/// An operator that takes anything; no test of the API runs it.
struct Bash;

impl Operator for Bash {
    const NAME: &'static str = "bash";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["airflow.providers.standard.operators.bash.BashOperator"];
    const SUMMARY: &'static str = "Runs nothing";
    type Args = Map<String, Value>;

    async fn execute(&self, _: Self::Args, _: &TaskContext) -> Result<Outcome, TaskError> {
        Ok(Outcome::done())
    }
}

/// The form of what it knows.
const FIELDS: &[Field] = &[Field::own("password", "Password", FieldKind::Secret)];

/// Knows one password, and is careless with it.
struct Telltale;

#[async_trait]
impl ConnectionTest for Telltale {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        match connection.password.as_ref().map(Secret::reveal) {
            Some("p4ssw0rd") => Ok("signed in with p4ssw0rd".to_owned()),
            other => anyhow::bail!("{} is not the password", other.unwrap_or_default()),
        }
    }
}

/// What secrets are encrypted with.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn keyring() -> Arc<Keyring> {
    Arc::new(KEY.parse().unwrap())
}

/// The whole server, without a socket.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) db: TestDb,
    pub(crate) changes: Changes,
    pub(crate) clock: Clock,
    pub(crate) shutdown: CancellationToken,
    pub(crate) home: TempDir,
    catalog: Catalog,
    secrets: Secrets,
    folder: DagFolder,
    token: String,
}

impl Server {
    /// A server with the DAGs `sales` (paused) and `manual`, signed in.
    pub(crate) async fn start(backend: Backend) -> Server {
        let db = match backend {
            Backend::Sqlite => TestDb::sqlite().await,
            Backend::Postgres => TestDb::postgres().await,
        };
        let home = tempfile::tempdir().unwrap();
        let dags = home.path().join("dags");
        std::fs::create_dir(&dags).unwrap();
        std::fs::write(dags.join("sales.yaml"), SALES).unwrap();
        std::fs::write(dags.join("manual.yaml"), MANUAL).unwrap();

        let mut registry = Registry::default();
        registry.register(Bash).unwrap();
        let tale = ConnectionType { name: "tale", label: "Tale", fields: FIELDS, test: Some(Arc::new(Telltale)) };
        registry.register_connection_type(tale).unwrap();
        let catalog = Catalog::new(Arc::new(registry));
        let (clock, changes, shutdown) = (Clock::manual(now()), Changes::default(), CancellationToken::new());
        let (waker, _) = Waker::new();
        let mut folder = DagFolder::new(dags, db.clone(), catalog.clone(), clock.clone(), changes.clone(), waker, true);
        folder.sync().await.unwrap();

        let secrets = Secrets::new(Vec::new(), db.clone(), keyring());
        let (router, token) = (Router::new(), String::new());
        let mut server = Server { router, db, changes, clock, shutdown, home, catalog, secrets, folder, token };
        server.router = server.another_router();
        server.token = server.new_token().await;
        server
    }

    /// What another process serves over the same database, or this one after a restart.
    pub(crate) fn another_router(&self) -> Router {
        let (db, clock, changes) = (self.db.clone(), self.clock.clone(), self.changes.clone());
        let (waker, _) = Waker::new();
        let control = Control::new(db.clone(), self.catalog.clone(), clock.clone(), changes.clone(), waker);
        let control = control.with_keyring(keyring());
        let auth = AuthSettings { username: "admin".into(), password: "s3cret".into(), secret: b"not secret".into() };
        let logs = LogReader::new(self.logs(), db.clone());
        let (catalog, shutdown) = (self.catalog.clone(), self.shutdown.clone());
        build_router(AppState::new(db, control, changes, catalog, clock, logs, &auth, shutdown))
    }

    async fn new_token(&self) -> String {
        let body = json!({ "username": "admin", "password": "s3cret" });
        let response = self.send(json_request(Method::POST, "/auth/token", &body)).await;
        let (status, body) = read(response).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// A connection as tasks see it.
    pub(crate) async fn stored_connection(&self, conn_id: &str) -> Connection {
        self.secrets.connection(conn_id).await.unwrap().unwrap()
    }

    /// A variable as tasks see it.
    pub(crate) async fn stored_variable(&self, key: &str) -> String {
        self.secrets.variable(key).await.unwrap().unwrap()
    }

    /// The token of the signed-in user.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The folder of logs.
    pub(crate) fn logs(&self) -> std::path::PathBuf {
        self.home.path().join("logs")
    }

    /// Writes a DAG file and loads it.
    pub(crate) async fn write_dag(&mut self, name: &str, text: &str) {
        std::fs::write(self.home.path().join("dags").join(name), text).unwrap();
        self.folder.sync().await.unwrap();
    }

    /// Removes a DAG file.
    pub(crate) async fn remove_dag(&mut self, name: &str) {
        std::fs::remove_file(self.home.path().join("dags").join(name)).unwrap();
        self.folder.sync().await.unwrap();
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request with the token.
    pub(crate) async fn send_signed(&self, mut request: Request<Body>) -> Response<Body> {
        let value = format!("Bearer {}", self.token).parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        self.send(request).await
    }

    /// Gets a path below `/api/v2`.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = Request::get(format!("/api/v2{path}")).body(Body::empty()).unwrap();
        read(self.send_signed(request).await).await
    }

    /// Gets a path below `/api/v2` that must be there.
    pub(crate) async fn get_ok(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Posts to a path below `/api/v2`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        read(self.send_signed(json_request(Method::POST, &format!("/api/v2{path}"), body)).await).await
    }

    /// Patches a path below `/api/v2`.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        read(self.send_signed(json_request(Method::PATCH, &format!("/api/v2{path}"), body)).await).await
    }

    /// Deletes a path below `/api/v2`.
    pub(crate) async fn delete(&self, path: &str) -> (StatusCode, Value) {
        let request = Request::delete(format!("/api/v2{path}")).body(Body::empty()).unwrap();
        read(self.send_signed(request).await).await
    }

    /// A body with what differs from run to run masked.
    pub(crate) fn masked(&self, body: &Value) -> Value {
        mask(body, self.home.path())
    }
}

/// A request with a JSON body.
pub(crate) fn json_request(method: Method, path: &str, body: &Value) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// The status and the body, which is null when there is none.
pub(crate) async fn read(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    (status, body)
}

/// The status and the body as text.
pub(crate) async fn read_text(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.into()).unwrap())
}

fn mask(value: &Value, home: &Path) -> Value {
    match value {
        Value::String(text) if is_uuid(text) => json!("<uuid>"),
        Value::String(text) => json!(text.replace(&home.display().to_string(), "<home>")),
        Value::Array(items) => items.iter().map(|item| mask(item, home)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match name.as_str() {
                "last_parse_duration" => (name.clone(), json!("<duration>")),
                _ => (name.clone(), mask(value, home)),
            })
            .collect::<Map<String, Value>>()
            .into(),
        other => other.clone(),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-') && text.matches('-').count() == 4
}
