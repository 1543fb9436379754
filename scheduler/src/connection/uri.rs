//! Connections as URIs, as Airflow writes them: `conn-type://login:password@host:port/schema?key=value`.
//!
//! Every part is percent-encoded. What `extra` cannot say in a query stands there as JSON under `__extra__`. A host that
//! brings a protocol of its own keeps it: `http://https://host` is `https://host` for a connection of type `http`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use super::{Connection, MalformedConnection, Secret, json, normalise_type};

/// Under this name a query has all of `extra` as JSON (Airflow 3: `Connection.EXTRA_KEY`).
const EXTRA_KEY: &str = "__extra__";

/// What RFC 3986 lets stand as it is.
pub(super) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const FORM: &str = "write it as conn-type://login:password@host:port/schema?key=value, each part percent-encoded";

const PROTOCOL: &str = "the protocol of a host stands before the login: conn-type://https://login:password@host:port";

/// Reads a URI. Hosts keep their case.
pub(super) fn read(conn_id: &str, uri: &str) -> Result<Connection, MalformedConnection> {
    let uri = uri.trim();
    let Some((scheme, rest)) = uri.split_once("://") else {
        return Err(MalformedConnection::new("it has no `://`", FORM));
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    if scheme.is_empty() || !scheme.chars().all(is_plain) {
        return Err(MalformedConnection::new("what stands before `://` is no type of connection", FORM));
    }
    if rest.contains('#') {
        return Err(MalformedConnection::new("it holds a `#`", "write %23 where one is meant"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (protocol, rest) = match rest.split_once("://") {
        Some((protocol, rest)) => (Some(protocol), rest),
        None => (None, rest),
    };
    if protocol.is_some_and(|protocol| !protocol.chars().all(is_plain)) || rest.contains("://") {
        return Err(MalformedConnection::new("it has `://` in a place where that means nothing", PROTOCOL));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (login, password) = user.split_once(':').unwrap_or((user, ""));
    let (host, port) = split_port(place);
    let host = decoded(host).map(|host| match protocol {
        Some(protocol) => format!("{protocol}://{host}"),
        None => host,
    });
    Ok(Connection {
        host,
        login: decoded(login),
        password: decoded(password).map(Secret::new),
        schema: decoded(path),
        port: read_port(port)?,
        extra: read_extra(query)?,
        ..Connection::new(conn_id, normalise_type(scheme))
    })
}

/// Writes a URI, secrets and all; the description is not part of one.
pub(super) fn write(connection: &Connection) -> String {
    let mut uri = format!("{}://", connection.conn_type.replace('_', "-"));
    let host = connection.host.as_deref().unwrap_or_default();
    let host = match split_protocol(host) {
        Some((protocol, host)) => {
            uri.push_str(protocol);
            uri.push_str("://");
            host
        }
        None => host,
    };
    let login = connection.login.as_deref().unwrap_or_default();
    uri.push_str(&encoded(login));
    if let Some(password) = &connection.password {
        uri.push(':');
        uri.push_str(&encoded(password.reveal()));
    }
    if !login.is_empty() || connection.password.is_some() {
        uri.push('@');
    }
    uri.push_str(&encoded(host));
    if let Some(port) = connection.port {
        uri.push(':');
        uri.push_str(&port.to_string());
    }
    if let Some(schema) = &connection.schema {
        uri.push('/');
        uri.push_str(&encoded(schema));
    }
    if !connection.extra.is_empty() {
        uri.push_str(if connection.schema.is_some() { "?" } else { "/?" });
        uri.push_str(&write_extra(&connection.extra));
    }
    uri
}

/// Text with everything escaped that could mean something else in a URI.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn decoded(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| percent_decode_str(text).decode_utf8_lossy().into_owned())
}

/// The protocol that a host brings, if it can stand in a URI as it is.
fn split_protocol(host: &str) -> Option<(&str, &str)> {
    let (protocol, rest) = host.split_once("://")?;
    let is_plain = !protocol.is_empty() && protocol.chars().all(|c| c.is_ascii_alphanumeric());
    (is_plain && !rest.is_empty()).then_some((protocol, rest))
}

/// `host:port`, `[::1]:port`, or either without the port.
fn split_port(place: &str) -> (&str, &str) {
    match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or(rest)),
        None => place.split_once(':').unwrap_or((place, "")),
    }
}

fn read_port(text: &str) -> Result<Option<u16>, MalformedConnection> {
    if text.is_empty() {
        return Ok(None);
    }
    // The text may be the end of a password that holds an `@`, so it is not shown.
    let wrong = |_| {
        let help = "a port is a number up to 65535; in a login or password write %3A for `:`, %40 for `@`, %2F for `/`";
        MalformedConnection::new("its port is no port", help)
    };
    text.parse().map(Some).map_err(wrong)
}

fn read_extra(query: &str) -> Result<Map<String, Value>, MalformedConnection> {
    let mut pairs: Map<String, Value> = Map::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        pairs.insert(key.into_owned(), Value::String(value.into_owned()));
    }
    match pairs.get(EXTRA_KEY).and_then(Value::as_str) {
        Some(text) => json::read_extra(text),
        None => Ok(pairs),
    }
}

fn write_extra(extra: &Map<String, Value>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let texts: Option<Vec<(&str, &str)>> =
        extra.iter().map(|(key, value)| value.as_str().map(|value| (key.as_str(), value))).collect();
    match texts.filter(|texts| texts.iter().all(|(key, _)| *key != EXTRA_KEY)) {
        Some(texts) => query.extend_pairs(texts),
        None => query.append_pair(EXTRA_KEY, &Value::Object(extra.clone()).to_string()),
    };
    query.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn shown(connection: &Connection) -> Value {
        json!([
            connection.conn_type,
            connection.host,
            connection.login,
            connection.password.as_ref().map(Secret::reveal),
            connection.port,
            connection.schema,
            connection.extra,
        ])
    }

    /// The cases of Airflow's own documentation and tests of URIs.
    #[test]
    fn airflows_uris_are_read_as_airflow_reads_them() {
        let cases = [
            (
                "scheme://user:password@host%2Flocation:1234/schema",
                json!(["scheme", "host/location", "user", "password", 1234, "schema", {}]),
            ),
            (
                "postgresql://user:p%40ss%3A@host:5432/db?sslmode=require&empty=",
                json!(["postgres", "host", "user", "p@ss:", 5432, "db", {"sslmode": "require", "empty": ""}]),
            ),
            (
                "google-cloud-platform://?key_path=%2Fkeys%2Fkey.json&scope=https%3A%2F%2Fwww.x.com%2Fauth",
                json!(["google_cloud_platform", null, null, null, null, null,
                    {"key_path": "/keys/key.json", "scope": "https://www.x.com/auth"}]),
            ),
            (
                "scheme://user@host/?__extra__=%7B%22my_val%22%3A+%5B%22list%22%5D%2C+%22nested%22%3A+%7B%22a%22%3A+1%7D%7D",
                json!(["scheme", "host", "user", null, null, null, {"my_val": ["list"], "nested": {"a": 1}}]),
            ),
            ("http://https://host:8443/path", json!(["http", "https://host", null, null, 8443, "path", {}])),
            ("http://host/https", json!(["http", "host", null, null, null, "https", {}])),
            ("spark://k8s%3a%2F%2F100.68.0.1:443", json!(["spark", "k8s://100.68.0.1", null, null, 443, null, {}])),
            ("scheme://:password@host", json!(["scheme", "host", null, "password", null, null, {}])),
            ("scheme://@:1234", json!(["scheme", null, null, null, 1234, null, {}])),
            ("sqlite:///relative.db", json!(["sqlite", null, null, null, null, "relative.db", {}])),
            ("sqlite:///%2Fabs%2Fpath.db", json!(["sqlite", null, null, null, null, "/abs/path.db", {}])),
            ("scheme://[::1]:80", json!(["scheme", "::1", null, null, 80, null, {}])),
        ];
        for (uri, expected) in cases {
            let connection = read("id", uri).unwrap_or_else(|problem| panic!("{uri}: {problem}"));
            assert_eq!(shown(&connection), expected, "{uri}");
            let again = read("id", &write(&connection)).unwrap();
            assert_eq!(again, connection, "{uri} is written as {}", write(&connection));
        }
    }

    #[test]
    fn what_is_no_uri_is_refused_with_a_hint_and_without_its_secrets() {
        let cases = [
            ("hush", "no `://`"),
            ("://host", "no type of connection"),
            ("my type://host", "no type of connection"),
            ("scheme://user:hush@ord@host:port", "no port"),
            ("scheme://user:hush/word@host", "no port"),
            ("scheme://user:hush#word@host", "a `#`"),
            ("scheme://user:hush@https://host", "means nothing"),
            ("scheme://https://http://host", "means nothing"),
            ("scheme://host:99999", "no port"),
            ("scheme://host/?__extra__=hush", "is no JSON"),
            ("scheme://host/?__extra__=%5B1%5D", "JSON object"),
        ];
        for (uri, words) in cases {
            let problem = read("id", uri).unwrap_err().to_string();
            assert!(problem.contains(words) && !problem.contains("hush"), "{uri}: {problem}");
        }
    }

    fn text() -> impl Strategy<Value = Option<String>> {
        prop_oneof![Just(None), any::<String>().prop_filter("empty is absent", |text| !text.is_empty()).prop_map(Some)]
    }

    fn host() -> impl Strategy<Value = Option<String>> {
        let with_protocol =
            ("[a-z]{1,5}", any::<String>()).prop_map(|(protocol, host)| Some(format!("{protocol}://{host}")));
        prop_oneof![3 => text(), 1 => with_protocol]
    }

    fn extra() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            Just(json!([1, {"a": null}]))
        ];
        proptest::collection::vec((any::<String>(), leaf), 0..4).prop_map(|pairs| pairs.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_connection_survives_both_of_its_forms(
            conn_type in "[a-z][a-z0-9_]{0,8}",
            (host, login, password, schema) in (host(), text(), text(), text()),
            port in any::<Option<u16>>(),
            extra in extra(),
        ) {
            prop_assume!(conn_type != "postgresql");
            let password = password.map(Secret::new);
            let connection = Connection { host, login, password, schema, port, extra, ..Connection::new("id", conn_type) };

            prop_assert_eq!(&Connection::parse("id", &connection.to_uri()).unwrap(), &connection);
            let text = Value::Object(connection.to_json()).to_string();
            prop_assert_eq!(&Connection::parse("id", &text).unwrap(), &connection);
        }
    }
}
