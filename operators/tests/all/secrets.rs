//! Secrets backends: AWS Secrets Manager as moto plays it, and what of Vault the real server of `vault.rs` cannot be made to do,
//! as its documentation says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use operators::secrets::{AwsSecrets, Vault, VaultAuth, VaultSettings};
use scheduler::connection::{Connection, Secret};
use scheduler::operator::SecretReader;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use crate::moto::Moto;

/// Makes a secret in moto, which looks at no signature.
async fn make_secret(moto: &Moto, name: &str, text: &str) {
    let address = moto.endpoint().strip_prefix("http://").unwrap();
    let body = json!({ "Name": name, "SecretString": text }).to_string();
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: secretsmanager.CreateSecret\r\n\
         Content-Type: application/x-amz-json-1.1\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=test/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=x\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.split(' ').nth(1) == Some("200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_gives_connections_and_variables_below_its_prefix() {
    let moto = Moto::start();
    make_secret(&moto, "airflow/connections/db", "postgres://me:p%40ss@db:5432/sales").await;
    let made_by_aws = json!({ "engine": "mysql", "username": "u", "password": "hush", "host": "h", "port": 3306, "dbname": "d",
            "dbClusterIdentifier": "c", "masterarn": "arn:aws:secretsmanager:eu-west-1:1:secret:master" });
    make_secret(&moto, "airflow/connections/rds", &made_by_aws.to_string()).await;
    make_secret(&moto, "airflow/connections/broken", "hush").await;
    make_secret(&moto, "airflow/variables/region", "eu").await;
    let secrets = AwsSecrets::open(&moto.settings(), "airflow").unwrap();

    let db = secrets.connection("db").await.unwrap().unwrap();
    assert_eq!((db.host.as_deref(), db.password.unwrap().reveal()), (Some("db"), "p@ss"));
    let rds = secrets.connection("rds").await.unwrap().unwrap();
    assert_eq!((rds.conn_type.as_str(), rds.login.as_deref(), rds.schema.as_deref()), ("mysql", Some("u"), Some("d")));
    assert_eq!(secrets.connection("other").await.unwrap(), None);
    assert_eq!(secrets.variable("region").await.unwrap().as_deref(), Some("eu"));
    assert_eq!(secrets.variable("other").await.unwrap(), None);
    let problem = format!("{:#}", secrets.connection("broken").await.unwrap_err());
    assert!(problem.contains("airflow/connections/broken") && !problem.contains("hush"), "{problem}");
    let elsewhere = AwsSecrets::open(&moto.settings(), "mine").unwrap();
    assert_eq!(elsewhere.variable("region").await.unwrap(), None);

    drop(moto);
    assert!(secrets.variable("region").await.is_err(), "a server that is away is no answer");
}

/// Vault's HTTP API, as far as it is needed, strict about what it is asked.
struct World {
    /// Secrets by their paths below `/v1/`.
    secrets: HashMap<String, Value>,
    /// Tokens that are good.
    tokens: Mutex<Vec<String>>,
    /// How often somebody has signed in.
    logins: Mutex<u32>,
    namespace: Option<&'static str>,
    /// How long tokens are good, in seconds.
    lease: u64,
    /// Nobody has given it the keys to its storage.
    is_sealed: AtomicBool,
    /// How often it was asked, and how often a token was renewed.
    asked: watch::Sender<(u32, u32)>,
}

impl Default for World {
    fn default() -> World {
        World {
            secrets: HashMap::new(),
            tokens: Mutex::default(),
            logins: Mutex::default(),
            namespace: None,
            lease: 3600,
            is_sealed: AtomicBool::new(false),
            asked: watch::Sender::default(),
        }
    }
}

async fn answer(
    State(world): State<Arc<World>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refuse = |status, errors: &[&str]| (status, Json(json!({ "errors": errors }))).into_response();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    if header("x-vault-request") != Some("true") || header("x-vault-namespace") != world.namespace {
        return refuse(StatusCode::BAD_REQUEST, &["a header is missing"]);
    }
    world.asked.send_modify(|(asked, _)| *asked += 1);
    if world.is_sealed.load(Ordering::SeqCst) {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, &["Vault is sealed"]);
    }
    let path = uri.path().strip_prefix("/v1/").unwrap();
    if let Some(mount) = path.strip_prefix("auth/").and_then(|rest| rest.strip_suffix("/login")) {
        let expected = match mount {
            "approle" => json!({ "role_id": "updraft", "secret_id": "s3cret" }),
            "k8s/prod" => json!({ "role": "updraft", "jwt": "a.b.c" }),
            _ => return refuse(StatusCode::NOT_FOUND, &["no handler for route"]),
        };
        if method != Method::POST || serde_json::from_slice::<Value>(&body).ok() != Some(expected) {
            return refuse(StatusCode::BAD_REQUEST, &["invalid role or secret ID"]);
        }
        let mut logins = world.logins.lock().unwrap();
        *logins += 1;
        let token = format!("hvs.{}", *logins);
        world.tokens.lock().unwrap().push(token.clone());
        return Json(json!({ "auth": { "client_token": token, "lease_duration": world.lease, "renewable": true } }))
            .into_response();
    }
    let is_known =
        header("x-vault-token").is_some_and(|token| world.tokens.lock().unwrap().iter().any(|known| known == token));
    if is_known && method == Method::POST && path == "auth/token/renew-self" {
        world.asked.send_modify(|(_, renewed)| *renewed += 1);
        return Json(json!({ "auth": { "lease_duration": world.lease, "renewable": true } })).into_response();
    }
    if method != Method::GET || !is_known {
        return refuse(StatusCode::FORBIDDEN, &["permission denied"]);
    }
    match world.secrets.get(path) {
        // A version that was deleted is told of, and its fields are gone.
        Some(secret) if secret["data"]["data"].is_null() && secret["data"]["metadata"].is_object() => {
            (StatusCode::NOT_FOUND, Json(secret.clone())).into_response()
        }
        Some(secret) => Json(secret.clone()).into_response(),
        None => refuse(StatusCode::NOT_FOUND, &[]),
    }
}

async fn start(world: World) -> (String, Arc<World>) {
    let world = Arc::new(world);
    let app = Router::new().fallback(answer).with_state(Arc::clone(&world));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, world)
}

fn version_2(fields: &Value) -> Value {
    json!({ "data": { "data": fields, "metadata": { "version": 3, "destroyed": false } } })
}

fn settings(url: &str, auth: VaultAuth) -> VaultSettings {
    VaultSettings {
        url: url.to_owned(),
        mount: "secret".to_owned(),
        version: 2,
        connections: "connections".to_owned(),
        variables: "airflow/variables".to_owned(),
        namespace: None,
        auth,
    }
}

fn by_role() -> VaultAuth {
    VaultAuth::AppRole { mount: "approle".to_owned(), role_id: "updraft".to_owned(), secret_id: Secret::new("s3cret") }
}

#[tokio::test]
async fn vault_gives_what_is_in_its_kv_engine_of_version_2() {
    let secrets = HashMap::from([
        ("secret/data/connections/api".to_owned(), version_2(&json!({ "conn_uri": "http://me:hush@api" }))),
        (
            "secret/data/connections/db".to_owned(),
            version_2(&json!({ "conn_type": "postgres", "host": "db", "port": "5432" })),
        ),
        ("secret/data/connections/broken".to_owned(), version_2(&json!({ "pasword": "hush" }))),
        ("secret/data/airflow/variables/region".to_owned(), version_2(&json!({ "value": "eu" }))),
        ("secret/data/airflow/variables/empty".to_owned(), version_2(&json!({ "text": "eu" }))),
    ]);
    let (url, world) = start(World { secrets, ..World::default() }).await;
    let vault = Vault::open(settings(&url, by_role())).unwrap();

    assert_eq!(vault.connection("api").await.unwrap().unwrap().password.unwrap().reveal(), "hush");
    assert_eq!(vault.connection("db").await.unwrap().unwrap().port, Some(5432));
    assert_eq!(vault.connection("other").await.unwrap(), None);
    assert_eq!(vault.variable("region").await.unwrap().as_deref(), Some("eu"));
    let problem = format!("{:#}", vault.connection("broken").await.unwrap_err());
    assert!(problem.contains("`connections/broken` in Vault") && !problem.contains("hush"), "{problem}");
    let problem = vault.variable("empty").await.unwrap_err().to_string();
    assert!(problem.contains("no field `value`"), "{problem}");
    assert_eq!(*world.logins.lock().unwrap(), 1, "one login serves many questions");

    world.tokens.lock().unwrap().clear();
    assert_eq!(vault.variable("region").await.unwrap().as_deref(), Some("eu"), "a revoked token is replaced");
    assert_eq!(*world.logins.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_token_of_vault_that_ends_soon_is_replaced_and_a_sealed_vault_is_no_answer() {
    let deleted =
        json!({ "data": { "data": null, "metadata": { "version": 2, "deletion_time": "2026-11-21T00:00:00Z" } } });
    let secrets = HashMap::from([
        ("secret/data/airflow/variables/region".to_owned(), version_2(&json!({ "value": "eu" }))),
        ("secret/data/connections/gone".to_owned(), deleted),
    ]);
    let (url, world) = start(World { secrets, lease: 5, ..World::default() }).await;
    let vault = Vault::open(settings(&url, by_role())).unwrap();
    for logins in 1..=2 {
        assert_eq!(vault.variable("region").await.unwrap().as_deref(), Some("eu"));
        assert_eq!(*world.logins.lock().unwrap(), logins);
    }
    assert_eq!(vault.connection("gone").await.unwrap(), None);

    world.is_sealed.store(true, Ordering::SeqCst);
    let problem = format!("{:#}", vault.variable("region").await.unwrap_err());
    assert!(problem.contains("503") && problem.contains("Vault is sealed"), "{problem}");
    let by_token = Vault::open(settings(&url, VaultAuth::Token(Secret::new("hush")))).unwrap();
    let problem = format!("{:#}", by_token.connection("db").await.unwrap_err());
    assert!(problem.contains("Vault is sealed") && !problem.contains("hush"), "{problem}");
}

#[tokio::test]
async fn a_token_is_kept_although_vault_is_sealed_or_away_for_a_while() {
    let lookup = json!({ "data": { "ttl": 1, "renewable": true, "expire_time": "2026-11-21T00:00:00Z" } });
    let secrets = HashMap::from([("auth/token/lookup-self".to_owned(), lookup)]);
    let (url, world) = start(World { secrets, lease: 1, ..World::default() }).await;
    world.tokens.lock().unwrap().push("hvs.mine".to_owned());
    let vault = Vault::open(settings(&url, VaultAuth::Token(Secret::new("hvs.mine")))).unwrap();
    let mut asked = world.asked.subscribe();
    world.is_sealed.store(true, Ordering::SeqCst);
    let course = async {
        asked.wait_for(|(asked, _)| *asked > 0).await.unwrap();
        world.is_sealed.store(false, Ordering::SeqCst);
        asked.wait_for(|(_, renewed)| *renewed > 0).await.unwrap();
        world.is_sealed.store(true, Ordering::SeqCst);
        let so_far = asked.borrow().0;
        asked.wait_for(|(asked, _)| *asked > so_far).await.unwrap();
        world.is_sealed.store(false, Ordering::SeqCst);
        asked.wait_for(|(_, renewed)| *renewed > 1).await.unwrap();
        // Somebody revokes it.
        world.tokens.lock().unwrap().clear();
    };
    let (ended, ()) = tokio::join!(vault.keep_up(), course);
    let problem = format!("{:#}", ended.unwrap_err());
    assert!(problem.contains("has not been renewed; give Updraft another token"), "{problem}");
    assert!(problem.contains("permission denied") && !problem.contains("hvs.mine"), "{problem}");
}

#[tokio::test]
async fn a_connection_to_vault_is_tried_out_by_asking_for_our_token() {
    let lookup = json!({ "data": { "display_name": "token", "policies": ["airflow"] } });
    let secrets = HashMap::from([("auth/token/lookup-self".to_owned(), lookup)]);
    let (url, world) = start(World { secrets, ..World::default() }).await;
    world.tokens.lock().unwrap().push("hvs.mine".to_owned());
    let test = async |token: &str| {
        let password = Some(Secret::new(token)).filter(|_| !token.is_empty());
        let connection = Connection { host: Some(url.clone()), password, ..Connection::new("v", "vault") };
        scheduler::connection::test(&operators::registry().unwrap(), &connection).await
    };

    assert!(test("hvs.mine").await.unwrap().contains("knows our token"));
    let problem = test("hush").await.unwrap_err();
    assert!(problem.contains("403") && !problem.contains("hush"), "{problem}");
    assert!(test("").await.unwrap_err().contains("it has no token"));
}

#[tokio::test]
async fn vault_of_version_1_in_a_namespace_takes_the_token_of_a_service_account() {
    let secrets = HashMap::from([("kv/team/variables/region".to_owned(), json!({ "data": { "value": { "a": 1 } } }))]);
    let (url, _world) = start(World { secrets, namespace: Some("team-a"), ..World::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "a.b.c\n").unwrap();
    let auth = VaultAuth::Kubernetes { mount: "k8s/prod".to_owned(), role: "updraft".to_owned(), token_file };
    let vault = Vault::open(VaultSettings {
        mount: "kv/team".to_owned(),
        version: 1,
        variables: "variables".to_owned(),
        namespace: Some("team-a".to_owned()),
        ..settings(&url, auth)
    });

    assert_eq!(vault.unwrap().variable("region").await.unwrap().as_deref(), Some(r#"{"a":1}"#));
}

#[tokio::test]
async fn a_vault_that_refuses_says_why_without_secrets() {
    let (url, _world) = start(World::default()).await;
    let cases = [
        (VaultAuth::Token(Secret::new("hush")), "policy of our token"),
        (
            VaultAuth::AppRole {
                mount: "approle".to_owned(),
                role_id: "updraft".to_owned(),
                secret_id: Secret::new("hush"),
            },
            "invalid role or secret ID",
        ),
        (
            VaultAuth::Kubernetes {
                mount: "kubernetes".to_owned(),
                role: "updraft".to_owned(),
                token_file: "/nowhere/token".into(),
            },
            "/nowhere/token",
        ),
    ];
    for (auth, words) in cases {
        let vault = Vault::open(settings(&url, auth)).unwrap();
        let problem = format!("{:#}", vault.connection("db").await.unwrap_err());
        assert!(problem.contains(words) && !problem.contains("hush"), "{words}: {problem}");
    }
    let away = Vault::open(settings("http://127.0.0.1:9", VaultAuth::Token(Secret::new("hush")))).unwrap();
    let problem = format!("{:#}", away.connection("db").await.unwrap_err());
    assert!(problem.contains("127.0.0.1") && !problem.contains("hush"), "{problem}");
}
