//! The arguments that make a request: to whom, with what, signed how.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use scheduler::connection::{Connection, Secret};
use scheduler::dag::template::{self, holds_template};
use scheduler::operator::{ArgumentProblem, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::call::Caller;
use crate::connections::address;
use crate::requests::{Base, header_name, header_value};
use crate::shapes::Common;
use crate::span::{self, Span};

/// Keys of a connection's `extra` that are no headers (Airflow 3: HttpHook).
const NO_HEADERS: [&str; 9] = [
    "timeout",
    "allow_redirects",
    "proxies",
    "verify",
    "cert",
    "max_redirects",
    "check_response",
    "trust_env",
    "stream",
];

/// A request, and how patiently it is made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestArgs {
    /// The connection to the server, of type `http`: its address, its login and password, and in `extra` headers of every
    /// request.
    #[serde(default)]
    conn_id: Option<String>,
    /// The whole address, in the place of a connection.
    #[serde(default)]
    url: Option<String>,
    /// What comes after the address.
    #[serde(default)]
    endpoint: Option<String>,
    /// How it is asked.
    #[serde(default)]
    pub(super) method: Method,
    /// Parameters in the address: a value, or a list of several.
    #[serde(default)]
    query: Map<String, Value>,
    /// Headers, over those of the connection.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What is sent as JSON.
    #[serde(default)]
    json: Option<Value>,
    /// What is sent as a form.
    #[serde(default)]
    form: Option<Map<String, Value>>,
    /// What is sent as it is.
    #[serde(default)]
    body: Option<String>,
    /// Airflow's word for any of them: text is sent as it is; a mapping is put into the address of a GET, and else sent as a
    /// form, or as JSON if the header `Content-Type` says so.
    #[serde(default)]
    data: Option<Data>,
    /// How the connection's login and password are shown; `basic` if it has a login.
    #[serde(default)]
    auth: Option<Auth>,
    /// How long the server may be silent, before it answers and between two parts of its answer.
    #[serde(default = "half_a_minute")]
    request_timeout: Span,
    /// For how long a request is repeated when the server is away, busy (5xx) or wants no more for now (429). POST and PATCH
    /// are repeated only when they cannot have been done.
    #[serde(default = "a_minute")]
    retry_for: Span,
    /// Whether the server must show a certificate that is trusted. Only for servers of one's own should that be false.
    #[serde(default = "yes")]
    verify: bool,
    /// Whether redirects are followed, ten of them at most. Headers are not shown to another server.
    #[serde(default = "yes")]
    follow_redirects: bool,
    /// Airflow's options of the library that it asks with.
    #[serde(default)]
    extra_options: ExtraOptions,
}

impl Common for RequestArgs {
    const NAMES: &'static [&'static str] = &[
        "conn_id",
        "url",
        "endpoint",
        "method",
        "query",
        "headers",
        "json",
        "form",
        "body",
        "data",
        "auth",
        "request_timeout",
        "retry_for",
        "verify",
        "follow_redirects",
        "extra_options",
    ];
}

fn half_a_minute() -> Span {
    Span(Duration::from_secs(30))
}

fn a_minute() -> Span {
    Span(Duration::from_mins(1))
}

fn yes() -> bool {
    true
}

/// How a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Method {
    #[default]
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
}

impl Method {
    fn http(self) -> reqwest::Method {
        match self {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
            Method::Head => reqwest::Method::HEAD,
            Method::Options => reqwest::Method::OPTIONS,
        }
    }
}

/// Text, or a mapping.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Data {
    /// As it is.
    Text(String),
    /// By name.
    Named(Map<String, Value>),
}

/// How a connection's login and password are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Auth {
    /// Login and password.
    Basic,
    /// The password is a token.
    Bearer,
    /// Not at all.
    None,
}

/// Airflow's options of the library that it asks with, those of them that mean something here.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExtraOptions {
    /// As `request_timeout`.
    #[serde(default)]
    timeout: Option<Span>,
    /// As `verify`.
    #[serde(default)]
    verify: Option<bool>,
    /// As `follow_redirects`.
    #[serde(default)]
    allow_redirects: Option<bool>,
    /// Whether an answer must be a success. `false` takes every status.
    #[serde(default)]
    check_response: Option<bool>,
    /// Answers are always read as they come.
    #[serde(default)]
    #[expect(dead_code, reason = "answers are always read as they come")]
    stream: Option<bool>,
}

/// A request that can be sent, and sent again.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(super) method: reqwest::Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

impl Request {
    /// For people: without its query, which may hold a key.
    pub(crate) fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        format!("{} {url}", self.method)
    }
}

impl RequestArgs {
    /// The request that the arguments mean.
    pub(crate) async fn request(&self, ctx: &TaskContext) -> Result<Request, TaskError> {
        let connection = match &self.conn_id {
            Some(conn_id) => Some(ctx.connection(conn_id).await?),
            None => None,
        };
        let made = self.assemble(connection.as_ref());
        let request = made.map_err(TaskError::fail)?;
        if let Some(sent) = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            let credentials = sent.split_once(' ').map_or(sent, |(_, credentials)| credentials);
            ctx.log.hide(credentials);
        }
        Ok(request)
    }

    /// How it is sent.
    pub(crate) fn caller<'a>(&self, ctx: &'a TaskContext) -> anyhow::Result<Caller<'a>> {
        Ok(Caller {
            client: if self.extra_options.verify.unwrap_or(self.verify) {
                crate::requests::client()?
            } else {
                crate::requests::trusting_client()?
            },
            silence_max: self.extra_options.timeout.unwrap_or(self.request_timeout).0,
            retry_for: self.retry_for.0,
            follows: self.extra_options.allow_redirects.unwrap_or(self.follow_redirects),
            ctx,
        })
    }

    /// Whether any status will do.
    pub(crate) fn takes_every_status(&self) -> bool {
        self.extra_options.check_response == Some(false)
    }

    fn assemble(&self, connection: Option<&Connection>) -> anyhow::Result<Request> {
        let method = self.method.http();
        let (headers, url) = (self.headers(connection)?, self.address(connection)?);
        let body = self.content(&headers)?;
        let mut request = Request { method, url, headers, body: None };
        if let Some((kind, content)) = body {
            request.body = Some(content);
            if let (Some(kind), false) = (kind, request.headers.contains_key(CONTENT_TYPE)) {
                request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
        }
        let mut query: Vec<(&String, String)> = Vec::new();
        for (name, value) in self.query.iter().chain(self.data_in_address().into_iter().flatten()) {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            query.extend(values.iter().filter(|value| !value.is_null()).map(|value| (name, plain(value))));
        }
        if !query.is_empty() {
            request.url.query_pairs_mut().extend_pairs(query);
        }
        Ok(request)
    }

    fn address(&self, connection: Option<&Connection>) -> anyhow::Result<Url> {
        let base = match (&self.url, connection) {
            (Some(url), _) => Base::parse(url).map_err(|problem| anyhow!(problem))?,
            (None, Some(connection)) => {
                address(connection).with_context(|| format!("the connection `{}`", connection.conn_id))?
            }
            (None, None) => return Err(anyhow!("it needs `conn_id` or `url`")),
        };
        let Some(endpoint) = self.endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) else {
            return Ok(base.url().clone());
        };
        let whole = format!("{}/{}", base.shown(), endpoint.trim_start_matches('/'));
        Url::parse(&whole).with_context(|| format!("`{endpoint}` is no endpoint"))
    }

    /// The connection's, with those of the arguments over them.
    fn headers(&self, connection: Option<&Connection>) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        if let Some(connection) = connection {
            for (name, value) in &connection.extra {
                if let (Some(text), false) = (value.as_str(), NO_HEADERS.contains(&name.as_str())) {
                    headers.insert(name_of(name)?, value_of(name, text)?);
                }
            }
            if let Some(value) = self.authorization(connection)? {
                headers.insert(AUTHORIZATION, value);
            }
        }
        for (name, text) in &self.headers {
            headers.insert(name_of(name)?, value_of(name, text)?);
        }
        Ok(headers)
    }

    fn authorization(&self, connection: &Connection) -> anyhow::Result<Option<HeaderValue>> {
        let password = connection.password.as_ref().map(Secret::reveal);
        let text = match (self.auth, &connection.login, password) {
            (Some(Auth::None), ..) | (None, None, _) => return Ok(None),
            (Some(Auth::Bearer), _, Some(token)) => format!("Bearer {token}"),
            (Some(Auth::Bearer), _, None) => {
                return Err(anyhow!(
                    "the connection `{}` has no password, which is to be the token",
                    connection.conn_id
                ));
            }
            (Some(Auth::Basic) | None, login, password) => {
                let (login, password) = (login.as_deref().unwrap_or_default(), password.unwrap_or_default());
                format!("Basic {}", STANDARD.encode(format!("{login}:{password}")))
            }
        };
        let mut value = value_of("Authorization", &text)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// What is sent, and what it is where the headers do not say that.
    fn content(&self, headers: &HeaderMap) -> anyhow::Result<Option<(Option<&'static str>, Bytes)>> {
        const JSON: Option<&str> = Some("application/json");
        const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
        let says_json = || {
            let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            kind.is_some_and(|kind| kind.contains("json"))
        };
        Ok(match (&self.json, &self.form, &self.body, &self.data) {
            (Some(json), ..) => Some((JSON, serde_json::to_vec(json)?.into())),
            (_, Some(form), ..) => Some((FORM, form_of(form).into())),
            (_, _, Some(body), _) => Some((None, body.clone().into())),
            (_, _, _, Some(Data::Text(text))) => Some((None, text.clone().into())),
            (_, _, _, Some(Data::Named(_))) if self.method == Method::Get => None,
            (_, _, _, Some(Data::Named(named))) if says_json() => Some((JSON, serde_json::to_vec(named)?.into())),
            (_, _, _, Some(Data::Named(named))) => Some((FORM, form_of(named).into())),
            (None, None, None, None) => None,
        })
    }

    fn data_in_address(&self) -> Option<&Map<String, Value>> {
        match &self.data {
            Some(Data::Named(named)) if self.method == Method::Get => Some(named),
            _ => None,
        }
    }

    /// Mistakes that the schema cannot express.
    pub(crate) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems: Vec<ArgumentProblem> =
            ["request_timeout", "retry_for"].iter().filter_map(|key| span::check::<Span>(args, key)).collect();
        let mut problem = |key: &str, message: String, help: &str| {
            let help = (!help.is_empty()).then(|| help.to_owned());
            let pointer = if key.is_empty() { String::new() } else { format!("/{key}") };
            problems.push(ArgumentProblem { pointer, message, help });
        };
        let is_there = |key: &&str| args.get(*key).is_some_and(|value| !value.is_null());
        if !is_there(&"url") && !is_there(&"conn_id") {
            problem("", "it needs `conn_id` or `url`".to_owned(), "`url: https://host/path` is the whole address");
        }
        let contents: Vec<&str> = ["json", "form", "body", "data"].into_iter().filter(|key| is_there(key)).collect();
        if let [first, second, ..] = contents.as_slice() {
            problem(second, format!("`{first}` and `{second}` exclude each other"), "");
        }
        let url = args.get("url").and_then(Value::as_str).filter(|url| !holds_template(url));
        if let Some(message) = url.and_then(|url| Base::parse(url).err()) {
            problem("url", message, "write https://host/path");
        }
        for name in args.get("headers").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            if let Err(message) = header_name(name) {
                problem("headers", message, "");
            }
        }
        problems
    }
}

fn name_of(name: &str) -> anyhow::Result<HeaderName> {
    header_name(name).map_err(|problem| anyhow!(problem))
}

fn value_of(name: &str, text: &str) -> anyhow::Result<HeaderValue> {
    header_value(name, text).map_err(|problem| anyhow!(problem))
}

fn form_of(fields: &Map<String, Value>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        form.extend_pairs(values.iter().filter(|value| !value.is_null()).map(|value| (name, plain(value))));
    }
    form.finish()
}

/// A value in an address or a form.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Which statuses will do: `200`, or `2xx`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Statuses(Vec<Status>);

/// A status, or a class of statuses.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
enum Status {
    /// One.
    Code(#[schemars(range(min = 100, max = 599))] u16),
    /// `404`, or all that begin alike: `2xx`.
    Written(#[schemars(regex(pattern = r"^([1-5][0-9][0-9]|[1-5][xX][xX])$"))] String),
}

impl Statuses {
    /// Success.
    pub(crate) fn success() -> Statuses {
        Statuses(vec![Status::Written("2xx".to_owned())])
    }

    /// That there is no such thing (yet).
    pub(crate) fn not_found() -> Statuses {
        Statuses(vec![Status::Code(404)])
    }

    /// These and those.
    pub(crate) fn and(mut self, others: &Statuses) -> Statuses {
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// Whether a status is among them.
    pub(crate) fn hold(&self, status: reqwest::StatusCode) -> bool {
        self.0.iter().any(|one| match one {
            Status::Code(code) => *code == status.as_u16(),
            Status::Written(text) => {
                let text = text.to_lowercase();
                match text.strip_suffix("xx") {
                    Some(class) => status.as_str().starts_with(class),
                    None => text == status.as_str(),
                }
            }
        })
    }
}

/// What to write instead of a function.
pub(super) const NO_PYTHON: &str =
    "there is no Python to call; write an expression, for example `response_check: status == 200`";

/// Expressions among the arguments.
pub(crate) struct Expressions;

impl Expressions {
    /// What is wrong with those under `keys` (`/response_check`), which may use `names`.
    pub(crate) fn check(args: &Map<String, Value>, keys: &[&str], names: &[&str]) -> Vec<ArgumentProblem> {
        let args = Value::Object(args.clone());
        let found = keys.iter().filter_map(|pointer| {
            let text = args.pointer(pointer)?.as_str().filter(|text| !holds_template(text))?;
            let mistake = template::check_expression(text, names)?;
            let help = if text.trim_start().starts_with("lambda") { Some(NO_PYTHON.to_owned()) } else { mistake.help };
            Some(ArgumentProblem { pointer: (*pointer).to_owned(), message: mistake.message, help })
        });
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn assembled(args: Value, connection: Option<&Connection>) -> anyhow::Result<Request> {
        let args: RequestArgs = serde_json::from_value(args)?;
        args.assemble(connection)
    }

    fn body(request: &Request) -> &str {
        std::str::from_utf8(request.body.as_deref().unwrap_or_default()).unwrap()
    }

    #[test]
    fn the_names_are_those_of_the_keys() {
        let schema = schemars::schema_for!(RequestArgs);
        let names: Vec<&String> = schema.get("properties").unwrap().as_object().unwrap().keys().collect();
        assert_eq!(names, RequestArgs::NAMES);
    }

    #[test]
    fn an_endpoint_is_below_the_address_of_its_connection() {
        let mut connection = Connection::new("shop", "http");
        connection.host = Some("https://shop.example/api/".to_owned());
        for endpoint in ["orders?a=1", "/orders?a=1"] {
            let request =
                assembled(json!({ "endpoint": endpoint, "query": { "b": [2, "x y"], "c": null } }), Some(&connection));
            assert_eq!(request.unwrap().url.as_str(), "https://shop.example/api/orders?a=1&b=2&b=x+y");
        }
        let plain = assembled(json!({ "url": "http://h:8080/x?y=z" }), None).unwrap();
        assert_eq!(plain.url.as_str(), "http://h:8080/x?y=z");
        assert_eq!(plain.shown(), "GET http://h:8080/x");
    }

    #[test]
    fn the_connection_signs_and_its_extra_are_headers() {
        let mut connection = Connection::new("shop", "http");
        connection.host = Some("shop.example".to_owned());
        connection.login = Some("me".to_owned());
        connection.password = Some(Secret::new("hush"));
        connection.extra = json!({ "X-Api-Key": "k", "verify": "false" }).as_object().unwrap().clone();
        let headers = |args: Value| assembled(args, Some(&connection)).unwrap().headers;
        let basic = headers(json!({}));
        assert_eq!(basic["authorization"], "Basic bWU6aHVzaA==");
        assert_eq!((basic["x-api-key"].to_str().unwrap(), basic.len()), ("k", 2));
        assert_eq!(headers(json!({ "auth": "bearer" }))["authorization"], "Bearer hush");
        assert_eq!(headers(json!({ "headers": { "authorization": "mine" } }))["authorization"], "mine");
        assert!(!headers(json!({ "auth": "none" })).contains_key("authorization"));
    }

    #[test]
    fn a_mapping_is_sent_as_the_headers_of_the_connection_say() {
        let mut connection = Connection::new("shop", "http");
        connection.host = Some("shop.example".to_owned());
        connection.extra = json!({ "Content-Type": "application/json" }).as_object().unwrap().clone();
        let sent = assembled(json!({ "method": "POST", "data": { "a": 1 } }), Some(&connection)).unwrap();
        assert_eq!((body(&sent), sent.headers["content-type"].to_str().unwrap()), (r#"{"a":1}"#, "application/json"));
    }

    #[test]
    fn what_is_sent_is_named_by_its_kind() {
        let of = |args: Value| {
            let mut all = json!({ "url": "http://h/", "method": "POST" });
            all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
            let request = assembled(all, None).unwrap();
            let kind = request.headers.get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
            (kind.unwrap_or_default(), body(&request).to_owned(), request.url.query().unwrap_or_default().to_owned())
        };
        let form = "application/x-www-form-urlencoded";
        let said = |kind: &str, body: &str, query: &str| (kind.to_owned(), body.to_owned(), query.to_owned());
        assert_eq!(of(json!({ "json": [1, null] })), said("application/json", "[1,null]", ""));
        assert_eq!(of(json!({ "form": { "a": "b c", "n": [1, true] } })), said(form, "a=b+c&n=1&n=true", ""));
        assert_eq!(of(json!({ "body": "raw" })), said("", "raw", ""));
        assert_eq!(of(json!({ "data": "raw" })), said("", "raw", ""));
        assert_eq!(of(json!({ "data": { "a": 1 } })), said(form, "a=1", ""));
        assert_eq!(of(json!({ "data": { "a": 1 }, "method": "GET" })), said("", "", "a=1"));
        let json = of(json!({ "data": { "a": 1 }, "headers": { "Content-Type": "application/json" } }));
        assert_eq!(json, said("application/json", r#"{"a":1}"#, ""));
    }

    #[test]
    fn statuses_are_numbers_or_classes() {
        let statuses: Statuses = serde_json::from_value(json!([201, "404", "5xx"])).unwrap();
        let held: Vec<u16> = [200, 201, 404, 500, 503]
            .into_iter()
            .filter(|code| statuses.hold(reqwest::StatusCode::from_u16(*code).unwrap()))
            .collect();
        assert_eq!(held, [201, 404, 500, 503]);
    }
}
