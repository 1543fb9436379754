//! Who gets in, and who does not.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::server::{Backend, Server, json_request, now, read};

async fn server() -> Server {
    Server::start(Backend::Sqlite).await
}

fn get_version_of_dags() -> axum::http::request::Builder {
    Request::get("/api/v2/dags")
}

#[tokio::test]
async fn tokens_are_given_for_json_and_for_forms() {
    let server = server().await;
    let form = Request::post("/auth/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from("username=admin&password=s3cret"))
        .unwrap();
    let json = json_request(Method::POST, "/auth/token/cli", &json!({ "username": "admin", "password": "s3cret" }));

    for request in [form, json] {
        let (status, body) = read(server.send(request).await).await;

        assert_eq!(status, StatusCode::CREATED);
        let token = body["access_token"].as_str().unwrap();
        let request = get_version_of_dags().header(header::AUTHORIZATION, format!("Bearer {token}"));
        assert_eq!(server.send(request.body(Body::empty()).unwrap()).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn tokens_are_refused_as_airflow_refuses_them() {
    let server = server().await;
    let table = [
        (json!({ "username": "admin", "password": "wrong" }), StatusCode::UNAUTHORIZED, json!("Invalid credentials")),
        (json!({ "username": "root", "password": "s3cret" }), StatusCode::UNAUTHORIZED, json!("Invalid credentials")),
        (json!({ "username": "admin" }), StatusCode::BAD_REQUEST, json!("Username and password must be provided")),
    ];

    for (body, status, detail) in table {
        let answer = read(server.send(json_request(Method::POST, "/auth/token", &body)).await).await;

        assert_eq!(answer, (status, json!({ "detail": detail })), "{body}");
    }
    let text = Request::post("/auth/token").header(header::CONTENT_TYPE, "text/plain").body(Body::from("hi")).unwrap();
    assert_eq!(server.send(text).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let without = Request::get("/auth/token").body(Body::empty()).unwrap();
    assert_eq!(server.send(without).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn nothing_but_version_and_health_is_for_everybody() {
    let server = server().await;
    let document: Value = web::openapi();

    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let is_open = operation["security"] == json!([{}]);
            let path = path.replace("{try_number}", "1").replace("{map_index}", "1").replace("{version_number}", "1");
            let path = path.replace("{task_try_number}", "1").replace("_id}", "").replace('{', "");
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
            let (status, body) = read_any(server.send(request.body(Body::empty()).unwrap()).await).await;

            if is_open {
                assert_ne!(body, r#"{"detail":"Not authenticated"}"#, "{method} {path}");
            } else {
                assert_eq!((status, body.as_str()), (StatusCode::UNAUTHORIZED, r#"{"detail":"Not authenticated"}"#));
            }
        }
    }
}

async fn read_any(response: axum::http::Response<Body>) -> (StatusCode, String) {
    crate::server::read_text(response).await
}

#[tokio::test]
async fn a_token_expires_after_a_day_and_one_for_the_command_line_after_an_hour() {
    let server = server().await;
    let body = json!({ "username": "admin", "password": "s3cret" });
    let (_, cli) = read(server.send(json_request(Method::POST, "/auth/token/cli", &body)).await).await;
    let status_of = async |token: &str| {
        let request = get_version_of_dags().header(header::AUTHORIZATION, format!("Bearer {token}"));
        read(server.send(request.body(Body::empty()).unwrap()).await).await
    };

    server.clock.set(now() + TimeDelta::minutes(61));
    let after_an_hour = (status_of(cli["access_token"].as_str().unwrap()).await, status_of(server.token()).await);
    server.clock.set(now() + TimeDelta::minutes(24 * 60 + 1));
    let after_a_day = status_of(server.token()).await;

    let expired = (StatusCode::UNAUTHORIZED, json!({ "detail": "Token Expired" }));
    assert_eq!(after_an_hour.0, expired);
    assert_eq!(after_an_hour.1.0, StatusCode::OK);
    assert_eq!(after_a_day, expired);
}

#[tokio::test]
async fn a_token_that_is_none_of_ours_is_forbidden() {
    let server = server().await;
    // `{"alg":"none"}` and claims that would otherwise do.
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJBRE1JTiIsImp0aSI6IngiLCJuYmYiOjAsImlhdCI6MCwiZXhwIjo0MTAyNDQ0ODAwfQ.";
    let mut forged = server.token().to_owned();
    forged.truncate(forged.len() - 4);

    for token in ["garbage", unsigned, &forged] {
        let request = get_version_of_dags().header(header::AUTHORIZATION, format!("Bearer {token}"));
        let answer = read(server.send(request.body(Body::empty()).unwrap()).await).await;

        assert_eq!(answer, (StatusCode::FORBIDDEN, json!({ "detail": "Invalid JWT token" })), "{token}");
    }
}

#[tokio::test]
async fn a_browser_gets_a_cookie_that_signing_out_makes_worthless() {
    let server = server().await;
    let body = json!({ "username": "admin", "password": "s3cret" });

    let response = server.send(json_request(Method::POST, "/auth/login", &body)).await;

    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    let (pair, attributes) = set.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=86400; HttpOnly; SameSite=Lax");
    let with_cookie = |method: &str, path: &str| {
        Request::builder().method(method).uri(path).header(header::COOKIE, pair).body(Body::empty()).unwrap()
    };
    let me = read(server.send(with_cookie("GET", "/api/v2/updraft/me")).await).await;
    assert_eq!(me, (StatusCode::OK, json!({ "username": "admin", "role": "ADMIN" })));

    let out = server.send(with_cookie("POST", "/auth/logout")).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    assert!(out.headers()[header::SET_COOKIE].to_str().unwrap().starts_with("_token=; Path=/; Max-Age=0"));
    let after = read(server.send(with_cookie("GET", "/api/v2/updraft/me")).await).await;
    assert_eq!(after, (StatusCode::FORBIDDEN, json!({ "detail": "Invalid JWT token" })));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_token_that_was_signed_out_at_one_server_is_refused_at_another_and_after_a_restart(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let other = server.another_router();
    let bearer = format!("Bearer {}", server.token());
    let me = || Request::get("/api/v2/updraft/me").header(header::AUTHORIZATION, &bearer).body(Body::empty()).unwrap();
    assert_eq!(other.clone().oneshot(me()).await.unwrap().status(), StatusCode::OK);

    let out = server.send_signed(Request::post("/auth/logout").body(Body::empty()).unwrap()).await;

    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    let refused = (StatusCode::FORBIDDEN, json!({ "detail": "Invalid JWT token" }));
    for (which, router) in [("beside it", other), ("after a restart", server.another_router())] {
        assert_eq!(read(router.oneshot(me()).await.unwrap()).await, refused, "{which}");
    }
}

#[tokio::test]
async fn signing_out_forgets_the_tokens_that_have_expired() {
    let server = server().await;
    let revoked = async |jti: &str| scheduler::store::revoked_tokens::contains(server.db.read(), jti).await.unwrap();
    let txn = server.db.begin_write().await.unwrap();
    for (jti, hours) in [("long ago", 2), ("just now", 0)] {
        let exp = now() - TimeDelta::hours(hours);
        scheduler::store::revoked_tokens::insert(&txn, jti, exp).await.unwrap();
    }
    scheduler::store::commit(txn).await.unwrap();

    server.send_signed(Request::post("/auth/logout").body(Body::empty()).unwrap()).await;

    // A server whose clock is behind still takes the second one for good.
    assert_eq!((revoked("long ago").await, revoked("just now").await), (false, true));
}

#[tokio::test]
async fn nobody_is_let_in_unlooked_while_the_database_is_away() {
    let server = server().await;
    let _ = server.db.read().clone().close().await;

    // Who one is stands in the token, and is asked of no table.
    let me = Request::get("/api/v2/updraft/me").body(Body::empty()).unwrap();
    let sign_out = Request::post("/auth/logout").body(Body::empty()).unwrap();

    assert_eq!(server.send_signed(me).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.send_signed(sign_out).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn behind_https_the_cookie_is_for_https_alone() {
    let server = server().await;
    let body = json!({ "username": "admin", "password": "s3cret" });
    let mut request = json_request(Method::POST, "/auth/login", &body);
    request.headers_mut().insert("x-forwarded-proto", "https".parse().unwrap());

    let response = server.send(request).await;

    assert!(response.headers()[header::SET_COOKIE].to_str().unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn another_site_can_change_nothing_with_the_cookie() {
    let server = server().await;
    let change = |site: &str| {
        let mut request = json_request(Method::PATCH, "/api/v2/dags/sales", &json!({ "is_paused": false }));
        let cookie = format!("_token={}", server.token());
        request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
        request.headers_mut().insert("sec-fetch-site", site.parse().unwrap());
        request
    };

    assert_eq!(server.send(change("cross-site")).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(server.get_ok("/dags/sales").await["is_paused"], true);
    assert_eq!(server.send(change("same-origin")).await.status(), StatusCode::OK);
    assert_eq!(server.get_ok("/dags/sales").await["is_paused"], false);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_the_owner_gets_in_again() {
    let server = server().await;
    let wrong = json!({ "username": "admin", "password": "guess" });
    let right = json!({ "username": "admin", "password": "s3cret" });
    let status = async |body: &Value| server.send(json_request(Method::POST, "/auth/token", body)).await.status();

    for _ in 0..10 {
        assert_eq!(status(&wrong).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(status(&wrong).await, StatusCode::TOO_MANY_REQUESTS);
    server.clock.set(now() + TimeDelta::seconds(1));
    assert_eq!(status(&right).await, StatusCode::CREATED);
}

#[tokio::test]
async fn the_old_login_addresses_lead_to_the_ui() {
    let server = server().await;

    for path in ["/auth/login", "/auth/logout"] {
        let response = server.send(Request::get(path).body(Body::empty()).unwrap()).await;

        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(response.headers()[header::LOCATION], "/login");
    }
}
