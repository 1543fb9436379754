//! The secrets backend `vault` against a real server, OpenBao: both versions of the KV engine, ways to sign in, tokens that
//! end, and what is set up wrongly. What that server cannot be made to do is in `secrets.rs`, as the API is documented.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use operators::secrets::{Vault, VaultAuth, VaultSettings};
use scheduler::connection::{Connection, Secret};
use scheduler::operator::SecretReader;
use serde_json::{Value, json};

use crate::openbao::OpenBao;

fn by_token(token: &str) -> VaultAuth {
    VaultAuth::Token(Secret::new(token))
}

fn by_role((role_id, secret_id): &(String, String)) -> VaultAuth {
    VaultAuth::AppRole {
        mount: "approle".to_owned(),
        role_id: role_id.clone(),
        secret_id: Secret::new(secret_id.as_str()),
    }
}

fn settings(bao: &OpenBao, auth: VaultAuth) -> VaultSettings {
    VaultSettings { url: bao.url().to_owned(), ..by_default(auth) }
}

fn by_default(auth: VaultAuth) -> VaultSettings {
    VaultSettings {
        url: String::new(),
        mount: "secret".to_owned(),
        version: 2,
        connections: "connections".to_owned(),
        variables: "airflow/variables".to_owned(),
        namespace: None,
        auth,
    }
}

fn vault(bao: &OpenBao, auth: VaultAuth) -> Vault {
    Vault::open(settings(bao, auth)).unwrap()
}

/// A variable of each version of the KV engine, and a role that may read that of version 2.
async fn bao_with_secrets(role: Value) -> (OpenBao, (String, String)) {
    let bao = OpenBao::start().await;
    bao.write("secret/data/airflow/variables/region", json!({ "data": { "value": "eu" } })).await;
    bao.write("kv/team/airflow/variables/region", json!({ "value": "us" })).await;
    bao.allow("updraft", "secret/data/*").await;
    bao.write("sys/auth/approle", json!({ "type": "approle" })).await;
    let mut properties = json!({ "token_policies": ["updraft"], "token_ttl": "1h" });
    properties.as_object_mut().unwrap().extend(role.as_object().unwrap().clone());
    let role = bao.role("updraft", properties).await;
    (bao, role)
}

async fn problem_of(vault: &Vault, key: &str) -> String {
    format!("{:#}", vault.variable(key).await.unwrap_err())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kv_engine_is_read_in_both_versions() {
    let (bao, role) = bao_with_secrets(json!({})).await;
    bao.write("secret/data/connections/api", json!({ "data": { "conn_uri": "http://me:hush@api" } })).await;
    let fields = json!({ "conn_type": "postgres", "host": "db", "port": 5432, "extra": { "sslmode": "require" } });
    bao.write("secret/data/connections/db", json!({ "data": fields })).await;
    bao.write("secret/data/connections/db", json!({ "data": { "conn_type": "mysql", "host": "newer" } })).await;
    bao.write("kv/team/connections/db", fields).await;
    bao.write("secret/data/connections/gone", json!({ "data": { "conn_uri": "http://x" } })).await;
    bao.delete("secret/data/connections/gone").await;
    bao.write("secret/data/airflow/variables/limits", json!({ "data": { "value": { "rows": 5 } } })).await;

    let of_2 = vault(&bao, by_role(&role));
    assert_eq!(of_2.connection("api").await.unwrap().unwrap().password.unwrap().reveal(), "hush");
    assert_eq!(
        of_2.connection("db").await.unwrap().unwrap().host.as_deref(),
        Some("newer"),
        "the newest version counts"
    );
    assert_eq!(of_2.connection("gone").await.unwrap(), None, "its newest version was deleted");
    assert_eq!(of_2.connection("other").await.unwrap(), None);
    assert_eq!(of_2.variable("region").await.unwrap().as_deref(), Some("eu"));
    assert_eq!(of_2.variable("limits").await.unwrap().as_deref(), Some(r#"{"rows":5}"#));

    let in_1 = VaultSettings { mount: "kv/team".to_owned(), version: 1, ..settings(&bao, by_token(bao.root())) };
    let of_1 = Vault::open(in_1).unwrap();
    let db = of_1.connection("db").await.unwrap().unwrap();
    assert_eq!((db.port, db.extra_text("sslmode")), (Some(5432), Some("require")));
    assert_eq!(of_1.connection("other").await.unwrap(), None);
    assert_eq!(of_1.variable("region").await.unwrap().as_deref(), Some("us"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_has_secrets_of_its_own() {
    let bao = OpenBao::start().await;
    bao.write("sys/namespaces/team-a", json!({})).await;
    bao.write_in("team-a", "sys/mounts/secret", json!({ "type": "kv", "options": { "version": "2" } })).await;
    bao.write_in("team-a", "secret/data/airflow/variables/region", json!({ "data": { "value": "eu" } })).await;
    let within = |namespace: Option<&str>| {
        let namespace = namespace.map(str::to_owned);
        Vault::open(VaultSettings { namespace, ..settings(&bao, by_token(bao.root())) }).unwrap()
    };

    assert_eq!(within(Some("team-a")).variable("region").await.unwrap().as_deref(), Some("eu"));
    assert_eq!(within(None).variable("region").await.unwrap(), None);
    let problem = problem_of(&within(Some("team-b")), "region").await;
    assert!(problem.contains("namespace not found"), "a secret is not just missing there: {problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_mounted_otherwise_is_not_taken_for_one_that_is_empty() {
    let (bao, _) = bao_with_secrets(json!({})).await;
    for (mount, version, words) in [
        ("secret", 1, "`secret` is a KV engine of version 2; write `version=2`"),
        ("kv/team", 2, "`kv/team` is a KV engine of version 1; write `version=1`"),
        ("nowhere", 2, "no handler for route"),
        ("cubbyhole", 1, "`cubbyhole` is no KV engine, but one of the type `cubbyhole`"),
        ("identity", 1, "unsupported path"),
    ] {
        let wrong = VaultSettings { mount: mount.to_owned(), version, ..settings(&bao, by_token(bao.root())) };
        let problem = problem_of(&Vault::open(wrong).unwrap(), "region").await;
        assert!(problem.contains(words), "{mount}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_let_in_is_told_why_without_secrets() {
    let (bao, role) = bao_with_secrets(json!({})).await;
    let (unrelated, _) = bao.token(json!({ "policies": ["default"], "ttl": "1h" })).await;
    for (auth, words) in [
        (by_token("hvs.hush"), "look at the policy of our token, whether it has ended,"),
        (by_token(&unrelated), "look at the policy of our token, whether it has ended,"),
        (by_token("hush\n"), "the token of Vault is none"),
        (
            by_role(&(role.0.clone(), "hush".to_owned())),
            "Vault does not let us in: Vault answered 400 Bad Request: invalid",
        ),
        (
            VaultAuth::AppRole {
                mount: "approle2".to_owned(),
                role_id: "r".to_owned(),
                secret_id: Secret::new("hush"),
            },
            "Vault does not let us in",
        ),
    ] {
        let problem = problem_of(&vault(&bao, auth), "region").await;
        assert!(problem.contains(words) && !problem.contains("hush"), "{words}: {problem}");
    }
    let elsewhere = VaultSettings { mount: "kv/team".to_owned(), version: 1, ..settings(&bao, by_role(&role)) };
    let problem = problem_of(&Vault::open(elsewhere).unwrap(), "region").await;
    assert!(problem.contains("Vault forbids to read `kv/team/airflow/variables/region`"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_server_is_no_answer_until_it_is_opened_again() {
    let (bao, role) = bao_with_secrets(json!({})).await;
    let asked_before = vault(&bao, by_role(&role));
    assert_eq!(asked_before.variable("region").await.unwrap().as_deref(), Some("eu"));
    bao.seal().await;

    for vault in [&asked_before, &vault(&bao, by_role(&role)), &vault(&bao, by_token("hush"))] {
        let problem = problem_of(vault, "region").await;
        assert!(problem.contains("503") && problem.contains("Vault is sealed"), "{problem}");
    }

    bao.unseal().await;
    assert_eq!(asked_before.variable("region").await.unwrap().as_deref(), Some("eu"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_login_is_replaced_when_it_is_revoked_or_has_ended() {
    let (bao, role) = bao_with_secrets(json!({})).await;
    let lasting = vault(&bao, by_role(&role));
    for _ in 0..2 {
        assert_eq!(lasting.variable("region").await.unwrap().as_deref(), Some("eu"));
        assert_eq!(bao.tokens().await, 2, "that of the root and that of the login");
        bao.write("sys/leases/revoke-prefix/auth/approle/login", json!({ "sync": true })).await;
        assert_eq!(bao.tokens().await, 1);
    }

    // Each login is good for one reading.
    let role = bao.role("short", json!({ "token_policies": ["updraft"], "token_num_uses": 1 })).await;
    let short = vault(&bao, by_role(&role));
    for _ in 0..3 {
        assert_eq!(short.variable("region").await.unwrap().as_deref(), Some("eu"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewable_token_is_renewed_before_it_ends() {
    let (bao, _) = bao_with_secrets(json!({})).await;
    let life = 12;
    let outlives = async |properties: Value| {
        let (token, accessor) = bao.token(properties).await;
        let vault = vault(&bao, by_token(&token));
        let outlived = bao.token_is(&accessor, |known| {
            let made = known["creation_time"].as_u64().unwrap();
            known.get("last_renewal_time").and_then(Value::as_u64).is_some_and(|renewed| renewed > made + life)
        });
        tokio::select! {
            ended = vault.keep_up() => panic!("it is renewed for ever: {ended:?}"),
            () = outlived => {}
        }
        assert_eq!(vault.variable("region").await.unwrap().as_deref(), Some("eu"));
    };
    tokio::join!(
        outlives(json!({ "policies": ["updraft"], "period": life })),
        outlives(json!({ "policies": ["updraft"], "ttl": life, "renewable": true })),
    );
}

/// What answers is what is between us and Vault, or a server that stands by: OpenBao cannot be made to.
#[tokio::test(flavor = "multi_thread")]
async fn an_odd_answer_does_not_end_the_renewal_of_a_token_that_lives() {
    let outlives = async |status: u16, odd: &'static str| {
        let renewals = Arc::new(AtomicUsize::new(0));
        let renewed = Arc::new(tokio::sync::Notify::new());
        let (asked, told) = (Arc::clone(&renewals), Arc::clone(&renewed));
        let renew = move || async move {
            if asked.fetch_add(1, Ordering::SeqCst) == 0 {
                return (StatusCode::from_u16(status).unwrap(), odd.to_owned());
            }
            told.notify_one();
            (StatusCode::OK, json!({ "auth": { "lease_duration": 3600, "renewable": true } }).to_string())
        };
        let life =
            json!({ "data": { "ttl": 6, "expire_time": "2030-01-01T00:00:00Z", "renewable": true } }).to_string();
        let app = Router::new()
            .route("/v1/auth/token/lookup-self", get(move || async move { life }))
            .route("/v1/auth/token/renew-self", post(renew));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let vault = Vault::open(VaultSettings { url, ..by_default(by_token("hush")) }).unwrap();
        tokio::select! {
            ended = vault.keep_up() => panic!("{status} {odd}: {ended:?}"),
            () = renewed.notified() => {}
        }
        assert_eq!(renewals.load(Ordering::SeqCst), 2);
    };
    tokio::join!(
        outlives(307, ""),
        outlives(403, "<html>forbidden</html>"),
        outlives(404, "<html>not found</html>"),
        outlives(412, r#"{"errors":["required index state not present"]}"#),
        outlives(200, "<html>come back later</html>"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_kept_is_told() {
    let (bao, role) = bao_with_secrets(json!({})).await;
    let policies = json!(["updraft"]);
    for (properties, words) in [
        (
            json!({ "policies": policies, "ttl": "1h", "renewable": false }),
            "and cannot be renewed; give Updraft another",
        ),
        (json!({ "policies": policies, "ttl": "1h", "type": "batch" }), "and cannot be renewed; give Updraft another"),
        (
            json!({ "policies": policies, "ttl": "1h", "no_default_policy": true }),
            "must allow `auth/token/lookup-self`",
        ),
        // It is renewed until nothing is left of its longest life.
        (
            json!({ "policies": policies, "ttl": "5s", "explicit_max_ttl": "8s" }),
            "has not been renewed; give Updraft another",
        ),
    ] {
        let (token, _) = bao.token(properties.clone()).await;
        let problem = format!("{:#}", vault(&bao, by_token(&token)).keep_up().await.unwrap_err());
        assert!(problem.contains(words) && !problem.contains(&token), "{properties}: {problem}");
    }
    let problem = format!("{:#}", vault(&bao, by_token("hvs.hush")).keep_up().await.unwrap_err());
    assert!(problem.contains("permission denied") && !problem.contains("hush"), "{problem}");

    // One that does not end, and logins, need nothing.
    vault(&bao, by_token(bao.root())).keep_up().await.unwrap();
    vault(&bao, by_role(&role)).keep_up().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_vault_is_tried_out() {
    let bao = OpenBao::start().await;
    let test = async |token: &str| {
        let (host, password) = (Some(bao.url().to_owned()), Some(Secret::new(token)));
        let connection = Connection { host, password, ..Connection::new("v", "vault") };
        scheduler::connection::test(&operators::registry().unwrap(), &connection).await
    };

    assert!(test(bao.root()).await.unwrap().contains("knows our token"));
    let problem = test("hvs.hush").await.unwrap_err();
    assert!(problem.contains("403") && !problem.contains("hush"), "{problem}");
    bao.seal().await;
    let problem = test(bao.root()).await.unwrap_err();
    assert!(problem.contains("Vault is sealed"), "{problem}");
}
