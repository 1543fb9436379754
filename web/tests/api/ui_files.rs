//! The web UI, or what stands in its place. The UI need not have been built for this.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use crate::server::{Backend, Server, read_text};

async fn get(server: &Server, path: &str, headers: &[(header::HeaderName, &str)]) -> axum::http::Response<Body> {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    server.send(request).await
}

#[tokio::test]
async fn every_address_of_the_ui_is_its_page() {
    let server = Server::start(Backend::Sqlite).await;

    let (status, root) = read_text(get(&server, "/", &[]).await).await;

    assert_eq!(status, StatusCode::OK);
    assert!(root.to_lowercase().starts_with("<!doctype html>"), "{root}");
    for path in ["/login", "/assets/1", "/dags/sales/runs/scheduled__2026-11-21T00:00:00+00:00", "/index.html"] {
        let response = get(&server, path, &[]).await;
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache", "{path}");
        assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"), "{path}");
        assert_eq!(read_text(response).await.1, root, "{path}");
    }
}

#[tokio::test]
async fn a_missing_file_is_not_the_page() {
    let server = Server::start(Backend::Sqlite).await;

    assert_eq!(get(&server, "/static/gone-123.js", &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get(&server, "/static/../Cargo.toml", &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_description_of_the_api_is_for_everybody() {
    let server = Server::start(Backend::Sqlite).await;

    let (status, text) = read_text(get(&server, "/openapi.json", &[]).await).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), web::openapi());
}

#[tokio::test]
async fn built_files_are_cached_for_good_and_compressed() {
    let server = Server::start(Backend::Sqlite).await;
    let (_, page) = read_text(get(&server, "/", &[]).await).await;
    // Without a built UI there is no script to ask for; the page then says how to build it.
    let Some(script) = page.split(['"', '\'']).find(|part| part.starts_with("/static/") && part.contains(".js")) else {
        assert!(page.contains("npm run build"), "{page}");
        return;
    };

    let plain = get(&server, script, &[]).await;
    let etag = plain.headers()[header::ETAG].to_str().unwrap().to_owned();
    let small = get(&server, script, &[(header::ACCEPT_ENCODING, "gzip, br")]).await;
    let known = get(&server, script, &[(header::IF_NONE_MATCH, &etag)]).await;

    assert_eq!(plain.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    assert_eq!(small.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
}
