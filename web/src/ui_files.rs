//! The web UI: files that the binary carries, and the one page that serves every address of the UI.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

use crate::hex::hex;

/// What `npm run build` makes in `web/ui`. The folder may be empty: then the UI was not built.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/ui/dist"]
struct Dist;

/// Where Vite puts the files whose names have the hash of their content in them: `build.assetsDir` of its configuration. No
/// address of the UI begins so.
const HASHED: &str = "static/";

/// Shown in place of a UI that was not built.
const NOT_BUILT: &str = include_str!("not_built.html");

/// Smaller files gain nothing from compression.
const GZIP_BYTES_MIN: usize = 1024;

/// The file at `path`, or the page of the UI for every path that is none.
pub(crate) fn serve(path: &str, headers: &HeaderMap) -> Response {
    let name = path.trim_start_matches('/');
    if let Some(file) = Dist::get(name).filter(|_| !name.is_empty() && name != "index.html") {
        return respond(name, file, headers);
    }
    if name.starts_with(HASHED) {
        // A page of an older build asks for files that are gone; the UI's page in their place would be taken for a script.
        return StatusCode::NOT_FOUND.into_response();
    }
    match Dist::get("index.html") {
        Some(page) => respond("index.html", page, headers),
        None => (StatusCode::OK, [(header::CACHE_CONTROL, "no-cache")], Html(NOT_BUILT)).into_response(),
    }
}

fn respond(name: &str, file: rust_embed::EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash = hex(&file.metadata.sha256_hash()[..16]);
    // What has its hash in its name never changes; the page that names it must be asked for each time.
    let caching = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let etag = format!("\"{hash}\"");
    let is_known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        content(name, &hash, file.data.into_owned(), headers)
    };
    let fixed = response.headers_mut();
    fixed.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    fixed.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        fixed.insert(header::ETAG, etag);
    }
    response
}

fn content(name: &str, hash: &str, data: Vec<u8>, headers: &HeaderMap) -> Response {
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    let mut kind = mime.essence_str().to_owned();
    if mime.type_() == "text" || kind == "application/javascript" {
        kind.push_str("; charset=utf-8");
    }
    let takes_gzip = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|codings| codings.split(',').any(|coding| is_gzip(coding.trim())));
    let gains = data.len() >= GZIP_BYTES_MIN
        && (mime.type_() == "text" || matches!(mime.subtype().as_str(), "javascript" | "json" | "svg" | "wasm"));
    if takes_gzip
        && gains
        && let Some(small) = gzipped(hash, &data)
    {
        return ([(header::CONTENT_TYPE, kind), (header::CONTENT_ENCODING, "gzip".to_owned())], small).into_response();
    }
    ([(header::CONTENT_TYPE, kind)], data).into_response()
}

fn is_gzip(coding: &str) -> bool {
    match coding.split_once(';') {
        Some((name, quality)) => name.trim() == "gzip" && !matches!(quality.trim(), "q=0" | "q=0.0"),
        None => coding == "gzip",
    }
}

/// Each file is compressed once for each process; there are as many as the UI has.
fn gzipped(hash: &str, data: &[u8]) -> Option<Bytes> {
    static DONE: OnceLock<Mutex<HashMap<String, Bytes>>> = OnceLock::new();

    let done = DONE.get_or_init(Mutex::default);
    if let Some(small) = done.lock().unwrap_or_else(PoisonError::into_inner).get(hash) {
        return Some(small.clone());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).ok()?;
    let small = Bytes::from(encoder.finish().ok()?);
    done.lock().unwrap_or_else(PoisonError::into_inner).insert(hash.to_owned(), small.clone());
    Some(small)
}
