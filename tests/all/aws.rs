//! Who asks AWS, with the real binary in somebody's home: what the AWS tools find there, Updraft finds.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::routing::get;
use serde_json::{Value, json};

use crate::dag_origins::Moto;
use crate::server::{Backend, Installation};

const CONFIG: &str = "
[profile single]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Reader

[sso-session corp]
sso_start_url = https://corp.example/start
sso_region = eu-west-1

[profile lent]
role_arn = arn:aws:iam::123456789012:role/lent
role_session_name = session
credential_source = Environment
";

/// What `aws sso login` leaves for the session `corp`, under the SHA-1 of its name.
const SIGNED_IN: &str = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json";

fn home() -> tempfile::TempDir {
    let home = tempfile::TempDir::with_prefix("updraft-aws-").unwrap();
    let cache = home.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(home.path().join(".aws/config"), CONFIG).unwrap();
    let token = json!({
        "startUrl": "https://corp.example/start", "region": "eu-west-1", "accessToken": "signed-in",
        "expiresAt": "2099-01-01T00:00:00Z",
    });
    std::fs::write(cache.join(SIGNED_IN), token.to_string()).unwrap();
    home
}

/// The portal of single sign-on, and what it was asked.
async fn portal() -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let lend = move |headers: HeaderMap, RawQuery(query): RawQuery| {
        let token = headers["x-amz-sso_bearer_token"].to_str().unwrap().to_owned();
        kept.lock().unwrap().push(format!("{token} {}", query.unwrap_or_default()));
        let lent = json!({
            "accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 4_070_908_800_000_i64,
        });
        async move { Json(json!({ "roleCredentials": lent })) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/federation/credentials", get(lend));
    tokio::spawn(axum::serve(listener, app).into_future());
    (address, asked)
}

/// What `connections test` says of a connection to AWS.
async fn said(home: &Path, extra: Value, variables: &[(&str, &str)]) -> String {
    let installation = Installation::new(Backend::Sqlite).await;
    let mut command = installation.command(&["connections", "test", "my_aws"]);
    let connection = json!({ "conn_type": "aws", "extra": extra });
    command.env("HOME", home).env("UPDRAFT_CONN_MY_AWS", connection.to_string()).envs(variables.iter().copied());
    let output = command.output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn who_is_signed_in_for_the_aws_tools_is_signed_in_for_updraft() {
    let (moto, home, (portal, asked)) = (Moto::start(), home(), portal().await);
    let sts = format!("http://{}", moto.address);
    let variables = [("AWS_ENDPOINT_URL_STS", sts.as_str()), ("AWS_ENDPOINT_URL_SSO", portal.as_str())];
    let single = [variables[0], variables[1], ("AWS_PROFILE", "single")];

    let plain = said(home.path(), json!({}), &single).await;
    assert!(plain.contains("AWS knows us as"), "{plain}");
    let once = asked.lock().unwrap().clone();
    assert!(once.len() == 1 && once[0].starts_with("signed-in ") && once[0].contains("role_name=Reader"), "{once:?}");
    assert!(once[0].contains("account_id=123456789012"), "{once:?}");
    let role = json!({ "role_arn": "arn:aws:iam::123456789012:role/other", "role_session_name": "me" });
    let role = said(home.path(), role, &single).await;
    assert!(role.contains(":assumed-role/other/me"), "{role}");

    // A profile that a connection names, which lends a role to whose keys the environment has.
    let keys = [variables[0], ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let lent = said(home.path(), json!({ "profile_name": "lent" }), &keys).await;
    assert!(lent.contains(":assumed-role/lent/session"), "{lent}");

    std::fs::remove_file(home.path().join(".aws/sso/cache").join(SIGNED_IN)).unwrap();
    let out = said(home.path(), json!({}), &single).await;
    assert!(out.contains("does not work") && out.contains("the profile `single` leads to no credentials"), "{out}");
}
