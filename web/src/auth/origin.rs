//! Which page a request comes from. A browser sends our cookie along with whatever another site makes it do, so a change
//! by cookie must come from our own pages. (`SameSite=Lax` holds other sites off already, but not other ports of the same
//! host.)

use axum::http::{HeaderMap, Method, header};

/// Whether a request that is signed in by cookie may change something.
pub(super) fn may_change(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    match text(header::ORIGIN) {
        // A browser too old to name the site still names the origin of a change.
        Some(origin) => {
            let host = text(header::HOST);
            host.is_some() && origin.split_once("://").map(|(_, host)| host) == host
        }
        // No browser: nothing sends our cookie without being told to.
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        let table: [(&[(&str, &str)], bool); 7] = [
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site"), ("host", "a"), ("origin", "http://a")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("host", "localhost:8080"), ("origin", "http://localhost:8080")], true),
            (&[("host", "localhost:8080"), ("origin", "http://localhost:3000")], false),
            (&[("host", "localhost:8080"), ("origin", "null")], false),
        ];
        for (pairs, expected) in table {
            assert_eq!(may_change(&Method::POST, &headers(pairs)), expected, "{pairs:?}");
            assert!(may_change(&Method::GET, &headers(pairs)), "{pairs:?}");
        }
        assert!(may_change(&Method::PATCH, &HeaderMap::new()));
    }
}
