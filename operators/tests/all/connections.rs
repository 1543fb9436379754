//! Trying connections out, against real servers where there are any.

use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use operators::location::S3;
use scheduler::connection::{Connection, Field, Secret, test};
use scheduler::operator::Registry;
use serde_json::{Value, json};

use crate::mailbox::Mailbox;
use crate::mariadb::{MariaDb, PASSWORD};
use crate::moto::Moto;

fn registry() -> Registry {
    operators::registry().unwrap()
}

async fn works(connection: &Connection) -> String {
    test(&registry(), connection).await.unwrap_or_else(|problem| panic!("{connection:?}: {problem}"))
}

async fn fails(connection: &Connection, words: &str) {
    let problem = test(&registry(), connection).await.expect_err("it does not work");
    assert!(problem.contains(words) && !problem.contains("hush"), "{problem}");
}

fn with_extra(connection: Connection, extra: &serde_json::Value) -> Connection {
    Connection { extra: extra.as_object().unwrap().clone(), ..connection }
}

#[test]
fn every_type_has_a_form_without_doubles() {
    for kind in registry().connection_types() {
        let mut names: Vec<&str> = kind.fields.iter().map(|field| field.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert!(all > 0 && names.len() == all, "{}: {names:?}", kind.name);
        for field in kind.fields.iter().filter(|field| !field.is_extra) {
            assert!(
                ["host", "login", "password", "schema", "port"].contains(&field.name),
                "{} {}",
                kind.name,
                field.name
            );
        }
    }
}

/// The table of the documentation.
fn table() -> String {
    let mut rows =
        vec!["| `conn_type` | what it is | its form | can be tried out |\n| --- | --- | --- | --- |\n".to_owned()];
    for kind in registry().connection_types() {
        let field = |field: &Field| {
            let (open, close) = if field.is_extra { ('[', ']') } else { ('(', ')') };
            format!("{} {open}`{}`{close}", field.label, field.name)
        };
        let fields: Vec<String> = kind.fields.iter().map(field).collect();
        let can_test = if kind.test.is_some() { "yes" } else { "" };
        rows.push(format!("| `{}` | {} | {} | {can_test} |\n", kind.name, kind.label, fields.join(", ")));
    }
    rows.concat()
}

#[test]
fn the_documentation_lists_every_type() {
    let path = crate::support::repository().join("docs/connections.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- table: types -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    let wanted = format!("{before}<!-- table: types -->\n{}<!-- end -->{after}", table());
    if std::env::var_os("UPDRAFT_REGENERATE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(text == wanted, "docs/connections.md is out of date: run this test with UPDRAFT_REGENERATE=1");
}

#[tokio::test]
async fn postgres_is_signed_in_to() {
    let url = scheduler::testing::postgres_url().await;
    let (role, rest) = url.strip_prefix("postgres://").unwrap().split_once("@localhost/").unwrap();
    let (database, socket) = rest.split_once("?host=").unwrap();
    let good = Connection {
        host: Some(socket.to_owned()),
        login: Some(role.to_owned()),
        schema: Some(database.to_owned()),
        ..Connection::new("db", "postgres")
    };

    assert!(works(&good).await.contains("SELECT 1"));
    fails(&Connection { schema: Some("nowhere".to_owned()), ..good.clone() }, "nowhere").await;
    fails(&with_extra(good, &json!({ "sslmode": "sometimes" })), "`sometimes` is no `sslmode`; those are disable")
        .await;
    let away = Connection { host: Some("127.0.0.1".to_owned()), port: Some(9), ..Connection::new("db", "postgres") };
    fails(
        &Connection { password: Some(Secret::new("hush")), ..away },
        "cannot sign in at `127.0.0.1:9`: Connection refused (os error 111); look at its host",
    )
    .await;
}

#[tokio::test]
async fn mariadb_is_signed_in_to() {
    let server = MariaDb::start();
    let socket = server.url().split_once("?socket=").unwrap().1.to_owned();
    let good = Connection {
        login: Some("reader".to_owned()),
        password: Some(Secret::new(PASSWORD)),
        schema: Some("pinterest_data".to_owned()),
        ..with_extra(Connection::new("db", "mysql"), &json!({ "unix_socket": socket }))
    };

    assert!(works(&good).await.contains("SELECT 1"));
    fails(&Connection { password: Some(Secret::new("hush-hush")), ..good }, "cannot sign in").await;
}

#[tokio::test]
async fn sqlite_is_opened_and_never_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let connection = |path: &std::path::Path| Connection {
        host: Some(path.display().to_string()),
        ..Connection::new("db", "sqlite")
    };

    fails(&connection(&path), "there is no file").await;
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    works(&connection(&path)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_says_who_we_are() {
    let moto = Moto::start();
    let connection = |kind: &str| Connection {
        login: Some("test".to_owned()),
        password: Some(Secret::new("test-hush")),
        ..with_extra(
            Connection::new("aws", kind),
            &json!({ "endpoint_url": moto.endpoint(), "region_name": "eu-west-1" }),
        )
    };

    let said = works(&connection("aws")).await;
    assert!(said.contains("arn:aws:"), "{said}");
    let s3 = |bucket: Option<&str>| Connection { schema: bucket.map(str::to_owned), ..connection("s3") };
    assert_eq!(works(&s3(None)).await, "`127.0.0.1` answered; buckets that we may see: 0");
    moto.make_bucket("lake").await;
    assert_eq!(works(&s3(None)).await, "`127.0.0.1` answered; buckets that we may see: 1");
    assert_eq!(works(&s3(Some("lake"))).await, "the bucket `lake` can be listed");
    fails(&s3(Some("nowhere")), "S3 answers `NoSuchBucket` for s3://nowhere/").await;
    let said = works(&connection("kinesis")).await;
    assert!(said.contains("eu-west-1") && said.contains("0 streams"), "{said}");
}

/// The session of a role is what AWS then knows us as.
#[tokio::test(flavor = "multi_thread")]
async fn aws_is_asked_in_a_role_and_with_a_profile() {
    let moto = Moto::start();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let shared = "[default]\naws_access_key_id = test\naws_secret_access_key = test\n\
                  [lake]\nsource_profile = default\nrole_arn = arn:aws:iam::123456789012:role/of-profile\n\
                  role_session_name = shared\n";
    // Without a variable that says it, the profile says where the service is that lends roles.
    let shared = format!("{shared}endpoint_url = {}\nregion = eu-west-2\n", moto.endpoint());
    std::fs::write(home.path().join(".aws/credentials"), shared).unwrap();
    let variables = [
        ("HOME", home.path().to_str().unwrap().to_owned()),
        ("AWS_ENDPOINT_URL_STS", moto.endpoint().to_owned()),
        ("AWS_ENDPOINT_URL", moto.endpoint().to_owned()),
    ];
    let s3 = S3::from_variables(variables.map(|(name, value)| (name.to_owned(), value)));
    let registry = operators::registry_with(&s3).unwrap();
    let said = async |kind: &str, login: Option<&str>, extra: Value| {
        let connection = Connection {
            login: login.map(str::to_owned),
            password: login.map(|_| Secret::new("test-hush")),
            ..with_extra(Connection::new("lake", kind), &extra)
        };
        test(&registry, &connection).await
    };

    let plain = said("aws", None, json!({})).await.unwrap();
    assert!(plain.contains(":user/"), "{plain}");
    let profile = said("aws", None, json!({ "profile_name": "lake" })).await.unwrap();
    assert!(profile.ends_with(":assumed-role/of-profile/shared"), "{profile}");
    let role = json!({ "role_arn": "arn:aws:iam::210987654321:role/other", "endpoint_url": moto.endpoint() });
    let keys = said("aws", Some("AKIA"), role.clone()).await.unwrap();
    assert!(keys.contains("::210987654321:assumed-role/other/Updraft_lake"), "{keys}");
    let both = json!({ "profile_name": "lake", "role_arn": "arn:aws:iam::210987654321:role/other",
                       "assume_role_kwargs": { "RoleSessionName": "both" } });
    let both = said("aws", None, both).await.unwrap();
    assert!(both.ends_with("::210987654321:assumed-role/other/both"), "{both}");
    let streams = said("kinesis", None, json!({ "profile_name": "lake" })).await.unwrap();
    assert!(streams.contains("eu-west-2"), "the profile says the region: {streams}");

    let nobody = said("aws", None, json!({ "profile_name": "nobody" })).await.unwrap_err();
    assert!(nobody.contains("there is no profile `nobody` in "), "{nobody}");
    let wrong = json!({ "role_arn": "arn", "assume_role_method": "assume_role_with_saml" });
    assert!(said("aws", None, wrong).await.unwrap_err().contains("`assume_role_method`"));
}

#[tokio::test]
async fn mail_servers_are_greeted() {
    let open = Mailbox::start(&[]);
    let strict = Mailbox::start(&["me", "s3cret-word"]);
    let connection = |mailbox: &Mailbox, password: &str| Connection {
        host: Some("127.0.0.1".to_owned()),
        port: Some(mailbox.port),
        login: Some("me".to_owned()).filter(|_| !password.is_empty()),
        password: Some(Secret::new(password)).filter(|_| !password.is_empty()),
        ..with_extra(Connection::new("mail", "smtp"), &json!({ "disable_tls": true }))
    };

    works(&connection(&open, "")).await;
    assert!(works(&connection(&strict, "s3cret-word")).await.contains("sign in"));
    fails(&connection(&strict, "hush"), &format!("the mail server at `127.0.0.1:{}` refuses us", strict.port)).await;
    let away = Connection { port: Some(9), ..connection(&open, "") };
    fails(&away, "cannot reach the mail server at `127.0.0.1:9`").await;
}

#[tokio::test]
async fn servers_on_the_web_are_asked_as_their_type_wants() {
    let me = async |headers: HeaderMap| match headers["authorization"].to_str().unwrap() {
        "Bearer dapi-good" => (StatusCode::OK, Json(json!({ "userName": "me@example.com" }))),
        _ => (StatusCode::FORBIDDEN, Json(json!({ "message": "Invalid access token." }))),
    };
    let grant = async |headers: HeaderMap, body: String| {
        // `client:s3cret`
        let is_good = headers["authorization"] == "Basic Y2xpZW50OnMzY3JldA==";
        assert_eq!(body, "grant_type=client_credentials&scope=all-apis");
        if is_good {
            (StatusCode::OK, Json(json!({ "access_token": "dapi-good", "expires_in": 3600 })))
        } else {
            (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" })))
        }
    };
    let app = Router::new()
        .route("/api/2.0/preview/scim/v2/Me", get(me))
        .route("/oidc/v1/token", axum::routing::post(grant))
        .route("/topics", get(async || Json(json!(["12e.pin", "12e.geo"]))))
        .route("/shut", get(async || StatusCode::UNAUTHORIZED));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let at = |kind: &str, path: &str| Connection {
        host: Some(format!("http://{address}{path}")),
        ..Connection::new("x", kind)
    };

    let databricks = at("databricks", "");
    let said = works(&with_extra(databricks.clone(), &json!({ "token": "dapi-good" }))).await;
    assert!(said.contains("me@example.com"), "{said}");
    let principal = |secret: &str| Connection {
        login: Some("client".to_owned()),
        password: Some(Secret::new(secret)),
        ..databricks.clone()
    };
    works(&principal("s3cret")).await;
    fails(&principal("hush"), "cannot get a token for the service principal").await;
    fails(&with_extra(databricks.clone(), &json!({ "token": "dapi-hush" })), "403").await;
    fails(&databricks, "it has no token").await;

    assert!(works(&at("kafka_rest", "")).await.contains("2 topics"));
    assert!(works(&at("http", "/nowhere")).await.contains("404"));
    fails(&at("http", "/shut"), "401").await;
    let split = Connection {
        host: Some("127.0.0.1".to_owned()),
        port: Some(address.port()),
        schema: Some("http".to_owned()),
        ..Connection::new("x", "http")
    };
    works(&split).await;
    fails(&Connection { port: Some(9), ..split }, "cannot reach `127.0.0.1:9`").await;
    let unencrypted = Connection {
        host: Some("127.0.0.1".to_owned()),
        port: Some(address.port()),
        password: Some(Secret::new("hush-hush")),
        ..Connection::new("x", "vault")
    };
    fails(&unencrypted, "write `http://` before its host").await;
}

#[tokio::test]
async fn anything_else_is_knocked_at() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let at = |host: &str, port| Connection {
        host: Some(host.to_owned()),
        port,
        login: Some("me".to_owned()),
        ..Connection::new("x", "generic")
    };

    let said = works(&at("127.0.0.1", Some(port))).await;
    assert!(said.starts_with(&format!("something listens on 127.0.0.1:{port}")), "{said}");
    drop(listener);
    fails(&at("127.0.0.1", Some(port)), "nothing can be reached on 127.0.0.1:").await;
    fails(&at("nowhere.invalid", Some(port)), "nothing can be reached on nowhere.invalid:").await;
    fails(&at("127.0.0.1", None), "it has no port").await;
    fails(&at(" ", Some(port)), "it has no host").await;
    fails(&Connection::new("x", "generic"), "no host and no port").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_kafka_is_asked_for_its_topics() {
    let cluster = crate::kafka::Cluster::start(&["12e.pin", "12e.geo"]);
    let said = |extra: Value| with_extra(Connection::new("x", "kafka"), &extra);
    let works = works(&said(json!({ "bootstrap.servers": cluster.address }))).await;
    assert!(works.contains("2 topics"), "{works}");

    fails(&said(json!({})), "no `bootstrap.servers`").await;
    fails(&said(json!({ "bootstrap.servers": "127.0.0.1:9" })), "cannot reach Kafka at 127.0.0.1:9").await;
    let secured = json!({ "bootstrap.servers": cluster.address, "security.protocol": "SASL_SSL" });
    fails(&said(secured), "no `sasl.username`").await;
    let unknown = json!({ "bootstrap.servers": cluster.address, "security.protocol": "TLS" });
    fails(&said(unknown), "`TLS` is no `security.protocol`").await;
}

#[tokio::test]
async fn slack_is_tried_out_without_a_message() {
    let hook = async |body: String| {
        assert_eq!(body, "{}");
        (StatusCode::BAD_REQUEST, "no_text")
    };
    let who = async |headers: HeaderMap| match headers["authorization"].to_str().unwrap() {
        "Bearer xoxb-good" => Json(json!({ "ok": true, "user": "updraft", "team": "ops" })),
        _ => Json(json!({ "ok": false, "error": "invalid_auth" })),
    };
    let app = Router::new()
        .route("/T000/B000/good", axum::routing::post(hook))
        .route("/api/auth.test", axum::routing::post(who));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let webhook = |token: &str| Connection {
        host: Some(format!("http://{address}")),
        password: Some(Secret::new(token)),
        ..Connection::new("x", "slackwebhook")
    };
    assert!(works(&webhook("T000/B000/good")).await.contains("nothing was written"));
    fails(&webhook("T000/B000/hush"), "404").await;
    fails(&Connection { password: None, ..webhook("") }, "has no token").await;

    let bot = |token: &str| Connection { conn_type: "slack".to_owned(), ..webhook(token) };
    assert_eq!(works(&bot("xoxb-good")).await, "Slack knows us as updraft of ops");
    fails(&bot("xoxb-hush"), "Slack says `invalid_auth`").await;
    fails(&Connection { password: None, ..bot("") }, "has no token").await;
}
