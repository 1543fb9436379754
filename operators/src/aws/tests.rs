//! Roles and shared files, against a stand-in for AWS's Security Token Service that says what it was asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use object_store::aws::AwsCredential;
use object_store::{CredentialProvider as _, ObjectStoreExt as _, StaticCredentialProvider};
use scheduler::clock::Clock;
use scheduler::connection::{Connection, Secret};
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/lake";

/// What the service was asked, the key that signed it among it.
type Asked = BTreeMap<String, String>;

/// The service. Beside it are others, to which all sessions are over.
#[derive(Clone, Default)]
struct Lender(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    asked: Vec<Asked>,
    until: DateTime<Utc>,
    refuses: bool,
}

impl Lender {
    /// Starts it; its address, too.
    async fn start(until: DateTime<Utc>) -> (Lender, String) {
        let lender = Lender::default();
        lender.0.lock().unwrap().until = until;
        let answering = lender.clone();
        let answer = move |headers: HeaderMap, body: String| {
            let answer = answering.answer(&headers, &body);
            async { answer }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let refuse = || async { (StatusCode::BAD_REQUEST, "<Error><Code>ExpiredToken</Code></Error>") };
        let router = Router::new().route("/", post(answer)).fallback(refuse);
        tokio::spawn(axum::serve(listener, router).into_future());
        (lender, address)
    }

    fn answer(&self, headers: &HeaderMap, body: &str) -> (StatusCode, String) {
        let mut asked: Asked = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let signature = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        let key = signature.split_once("Credential=").and_then(|(_, rest)| rest.split_once('/'));
        asked.insert("key".to_owned(), key.map_or("nobody", |(key, _)| key).to_owned());
        let mut book = self.0.lock().unwrap();
        let action = asked["Action"].clone();
        book.asked.push(asked);
        if book.refuses {
            let said =
                "<Code>AccessDenied</Code><Message>User: me is not authorized to perform: sts:AssumeRole</Message>";
            return (StatusCode::FORBIDDEN, format!("<ErrorResponse><Error>{said}</Error></ErrorResponse>"));
        }
        let (count, until) = (book.asked.len(), book.until.to_rfc3339_opts(SecondsFormat::Secs, true));
        let (keys, token) = (format!("<AccessKeyId>ASIA{count}</AccessKeyId>"), Uuid::new_v4());
        let keys = format!("{keys}<SecretAccessKey>s</SecretAccessKey><SessionToken>{token}</SessionToken>");
        let lent = format!("<Credentials>{keys}<Expiration>{until}</Expiration></Credentials>");
        (StatusCode::OK, format!("<{action}Response><{action}Result>{lent}</{action}Result></{action}Response>"))
    }

    fn asked(&self) -> Vec<Asked> {
        self.0.lock().unwrap().asked.clone()
    }

    fn refuses(&self) {
        self.0.lock().unwrap().refuses = true;
    }
}

fn connection(extra: Value) -> Connection {
    let Value::Object(extra) = extra else { panic!("{extra} is no object") };
    Connection { extra, ..Connection::new("the lake", "aws") }
}

fn role(extra: Value, endpoint: &str) -> Arc<Role> {
    Arc::new(Role::of(&connection(extra), Some(endpoint.to_owned())).unwrap().unwrap())
}

/// Who has keys that were said, and takes on a role.
fn identity(role: Arc<Role>, clock: &Clock) -> Identity {
    let own = AwsCredential { key_id: "AKIAOWN".to_owned(), secret_key: "s".to_owned(), token: None };
    let own = Own::Found(Arc::new(StaticCredentialProvider::new(own)));
    Identity::new(own, Some(role), "eu-west-1".to_owned(), clock.clone())
}

async fn key_of(identity: &Identity) -> Result<String, String> {
    identity.get_credential().await.map(|credential| credential.key_id.clone()).map_err(|error| error.to_string())
}

fn noon() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn a_role_is_assumed_once_and_again_before_it_ends() {
    let (lender, address) = Lender::start(noon() + TimeDelta::hours(1)).await;
    let clock = Clock::manual(noon());
    let terms = json!({
        "ExternalId": "x-1", "DurationSeconds": 3600, "PolicyArns": [{ "arn": "arn:p" }],
        "Tags": [{ "Key": "team", "Value": "data" }], "TransitiveTagKeys": ["team"],
    });
    let identity = identity(role(json!({ "role_arn": ROLE, "assume_role_kwargs": terms }), &address), &clock);

    assert_eq!(key_of(&identity).await.unwrap(), "ASIA1");
    clock.set(noon() + TimeDelta::minutes(54));
    assert_eq!(key_of(&identity).await.unwrap(), "ASIA1");
    clock.set(noon() + TimeDelta::minutes(55));
    assert_eq!(key_of(&identity).await.unwrap(), "ASIA2", "it is renewed before it ends");

    let asked = &lender.asked()[0];
    for (name, value) in [
        ("Action", "AssumeRole"),
        ("RoleArn", ROLE),
        ("RoleSessionName", "Updraft_thelake"),
        ("ExternalId", "x-1"),
        ("DurationSeconds", "3600"),
        ("PolicyArns.member.1.arn", "arn:p"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "data"),
        ("TransitiveTagKeys.member.1", "team"),
        ("key", "AKIAOWN"),
    ] {
        assert_eq!(asked.get(name).map(String::as_str), Some(value), "{name} in {asked:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_renewed_holds_until_it_ends() {
    let (lender, address) = Lender::start(noon() + TimeDelta::hours(1)).await;
    let clock = Clock::manual(noon());
    let extra = json!({ "role_arn": ROLE, "external_id": "x-2", "role_session_name": "me" });
    let identity = identity(role(extra, &address), &clock);
    assert_eq!(key_of(&identity).await.unwrap(), "ASIA1");
    let first = &lender.asked()[0];
    assert_eq!((first["ExternalId"].as_str(), first["RoleSessionName"].as_str()), ("x-2", "me"));

    lender.refuses();
    clock.set(noon() + TimeDelta::minutes(56));
    assert_eq!(key_of(&identity).await.unwrap(), "ASIA1", "it has not ended");
    let count = lender.asked().len();
    assert_eq!(key_of(&identity).await.unwrap(), "ASIA1");
    assert_eq!(lender.asked().len(), count, "and is not asked for again at once");
    clock.set(noon() + TimeDelta::hours(1));
    let error = key_of(&identity).await.unwrap_err();
    let said = format!("cannot assume the role {ROLE}: AccessDenied: User: me is not authorized");
    assert!(error.contains(&said), "{error}");
}

#[tokio::test]
async fn the_tries_of_a_connection_share_its_role() {
    let (lender, address) = Lender::start(Clock::System.now() + TimeDelta::hours(1)).await;
    let surroundings = S3::from_variables([("AWS_ENDPOINT_URL_STS".to_owned(), address)]);
    let key = async |secret: &str, role: &str| {
        let connection = Connection {
            login: Some("AKIAOWN".to_owned()),
            password: Some(Secret::new(secret)),
            ..connection(json!({ "role_arn": role }))
        };
        key_at(&settings(&connection, &surroundings).unwrap()).await.unwrap()
    };

    assert_eq!(key("s", ROLE).await, "ASIA1");
    assert_eq!(key("s", ROLE).await, "ASIA1", "a further try");
    assert_eq!(key("another", ROLE).await, "ASIA2", "with another secret");
    assert_eq!(key("s", "arn:aws:iam::123456789012:role/other").await, "ASIA3", "in another role");
    assert_eq!(lender.asked().len(), 3);
}

#[tokio::test]
async fn a_session_that_is_over_before_its_end_is_forgotten() {
    let (lender, address) = Lender::start(Clock::System.now() + TimeDelta::hours(1)).await;
    let extra = json!({ "role_arn": ROLE, "service_config": { "sts": { "endpoint_url": address } },
                        "endpoint_url": format!("{address}/others") });
    let connection =
        Connection { login: Some("AKIAOWN".to_owned()), password: Some(Secret::new("s")), ..connection(extra) };
    let settings = settings(&connection, &S3::from_variables([])).unwrap();
    assert_eq!(key_at(&settings).await.unwrap(), "ASIA1");

    settings.bucket("lake").unwrap().get(&"a".into()).await.unwrap_err();
    assert_eq!(key_at(&settings).await.unwrap(), "ASIA2", "S3 has refused the first");
    let reply = Service::open("sqs", &settings).unwrap().ask_form("Action=ListQueues").await.unwrap();
    assert_eq!(reply.status, 400);
    assert_eq!(key_at(&settings).await.unwrap(), "ASIA3", "a service has refused the second");
    assert_eq!(key_at(&settings).await.unwrap(), "ASIA3");
    assert_eq!(lender.asked().len(), 3);
}

#[tokio::test]
async fn those_who_wait_while_it_is_asked_for_in_vain_hear_of_it_too() {
    let (lender, address) = Lender::start(noon()).await;
    lender.refuses();
    let identity = identity(role(json!({ "role_arn": ROLE }), &address), &Clock::System);

    let (first, second) = tokio::join!(key_of(&identity), key_of(&identity));

    assert_eq!(first, second);
    assert!(first.unwrap_err().contains("AccessDenied"));
    assert_eq!(lender.asked().len(), 1);
    key_of(&identity).await.unwrap_err();
    assert_eq!(lender.asked().len(), 2, "whoever comes later asks anew");
}

#[tokio::test]
async fn a_role_is_assumed_with_a_token() {
    let (lender, address) = Lender::start(noon() + TimeDelta::hours(1)).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let extra = json!({
        "role_arn": ROLE, "assume_role_method": "assume_role_with_web_identity",
        "assume_role_with_web_identity_federation": "file", "assume_role_with_web_identity_token_file": token,
    });
    let identity = identity(role(extra, &address), &Clock::manual(noon()));

    let error = key_of(&identity).await.unwrap_err();
    assert!(error.contains("token"), "{error}");
    std::fs::write(&token, "from-the-pod\n").unwrap();
    assert_eq!(key_of(&identity).await.unwrap(), "ASIA1");
    let asked = &lender.asked()[0];
    assert_eq!(asked["WebIdentityToken"], "from-the-pod");
    assert_eq!(asked["key"], "nobody", "whoever has the token needs no keys");
}

/// What somebody whose home this is would ask with.
fn at_home(home: &Path, more: &[(&str, &str)]) -> S3 {
    let home = home.to_str().unwrap();
    let variables = [("HOME", home)].into_iter().chain(more.iter().copied());
    S3::from_variables(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

fn write(home: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    std::fs::write(home.join(".aws").join(name), text).unwrap();
}

async fn key_at(settings: &S3) -> Result<String, String> {
    let provider = settings.credentials().unwrap();
    let credential = provider.get_credential().await;
    credential.map(|credential| credential.key_id.clone()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn profiles_are_followed_wherever_they_lead() {
    let (lender, address) = Lender::start(Clock::System.now() + TimeDelta::hours(1)).await;
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "credentials", "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n");
    let program = home.path().join("keys.sh");
    let answer = r#"{"Version": 1, "AccessKeyId": "AKIAPROGRAM", "SecretAccessKey": "s"}"#;
    std::fs::write(&program, format!("echo '{answer}'\n")).unwrap();
    let config = format!(
        "[default]\nregion = eu-central-1\n\
         [profile lake]\nrole_arn = {ROLE}\nsource_profile = default\nexternal_id = x-3\nendpoint_url = {address}\n\
         [profile program]\ncredential_process = sh {}\n\
         [profile astray]\nrole_arn = {ROLE}\nsource_profile = nobody\n",
        program.display()
    );
    write(home.path(), "config", &config);

    let plain = at_home(home.path(), &[]);
    assert_eq!(key_at(&plain).await.unwrap(), "AKIADEFAULT");
    assert_eq!(plain.region(), "eu-central-1");
    let lake = at_home(home.path(), &[("AWS_PROFILE", "lake")]);
    assert_eq!(key_at(&lake).await.unwrap(), "ASIA1");
    let asked = &lender.asked()[0];
    assert_eq!((asked["ExternalId"].as_str(), asked["key"].as_str()), ("x-3", "AKIADEFAULT"));
    assert_eq!(lake.endpoint_of("kinesis"), address);
    assert_eq!(key_at(&at_home(home.path(), &[("AWS_DEFAULT_PROFILE", "program")])).await.unwrap(), "AKIAPROGRAM");

    // Keys that are said count more.
    let said = [("AWS_PROFILE", "lake"), ("AWS_ACCESS_KEY_ID", "AKIASAID"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(key_at(&at_home(home.path(), &said)).await.unwrap(), "AKIASAID");
    // Unless a connection names a profile.
    let surroundings = at_home(home.path(), &said[1..]);
    let named = settings(&connection(json!({ "profile_name": "program" })), &surroundings).unwrap();
    assert_eq!(key_at(&named).await.unwrap(), "AKIAPROGRAM");

    for (profile, words) in
        [("nobody", "there is no profile `nobody` in "), ("astray", "could not find source profile")]
    {
        let error = key_at(&at_home(home.path(), &[("AWS_PROFILE", profile)])).await.unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn who_has_no_credentials_is_told_where_they_were_looked_for() {
    let home = tempfile::tempdir().unwrap();
    let alone = at_home(home.path(), &[("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")]).giving_up(Duration::ZERO);
    let error = key_at(&alone).await.unwrap_err();
    assert!(error.contains("in AWS_ACCESS_KEY_ID or in the shared files"), "{error}");
    assert!(error.contains("the machine lends none ("), "{error}");
    assert!(error.contains("name a connection of type `aws`"), "{error}");
}

#[tokio::test]
async fn what_is_written_into_the_files_later_counts() {
    let home = tempfile::tempdir().unwrap();
    let keys = |id: &str| format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = s\n");
    write(home.path(), "credentials", &keys("AKIAOLD"));
    let clock = Clock::manual(noon());
    let variables = Arc::new(at_home(home.path(), &[]).variables().clone());
    let own = Own::Profile { variables, otherwise: at_home(home.path(), &[]).credentials().unwrap() };
    let identity = Identity::new(own, None, "us-east-1".to_owned(), clock.clone());
    assert_eq!(key_of(&identity).await.unwrap(), "AKIAOLD");

    write(home.path(), "credentials", &keys("AKIANEW"));
    clock.set(noon() + TimeDelta::minutes(1));
    assert_eq!(key_of(&identity).await.unwrap(), "AKIANEW");
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_named_with_the_cure() {
    let service = Service::open("s3", &S3::with_endpoint("http://127.0.0.1:9", "AKIA", "s")).unwrap();
    let Err(trouble) = service.ask_form("Action=x").await else { panic!("nobody is there") };
    assert!(trouble.may_retry);
    let error = format!("{:#}", trouble.error);
    assert!(
        error.starts_with("s3 does not answer (look whether it is up, and at its address: `endpoint_url`"),
        "{error}"
    );
    assert!(error.contains("cannot reach `127.0.0.1:9`: ") && error.contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn files_that_cannot_be_understood_hold_up_those_alone_who_need_them() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "config", "region = eu-west-1\n");
    let error = key_at(&at_home(home.path(), &[])).await.unwrap_err();
    assert!(error.contains(".aws/config") && error.contains("Expected a profile definition"), "{error}");

    let keys = [("AWS_ACCESS_KEY_ID", "AKIASAID"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(key_at(&at_home(home.path(), &keys)).await.unwrap(), "AKIASAID");
}
