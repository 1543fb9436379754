//! Requests over HTTP to services that may be busy, throttled or away: what their answers mean, and how to wait.
//!
//! ```text
//!   request ──exchange──> Reply      whatever was answered
//!                 └─────> Trouble    may it be repeated, when, and may it have been done all the same?
//!                            └──Patience::wait──> repeat, or an error of the try
//! ```

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use httpdate::parse_http_date;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode, Url};
use scheduler::chain::Chain;
use scheduler::log::TaskLog;
use scheduler::operator::TaskError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::notifiers::Environment;

/// A server that takes longer to answer is asked again.
pub(crate) const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// A longer answer is none that we know.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Of an answer that is no success, so much is shown.
const ANSWER_CHARACTERS_MAX: usize = 300;

/// What is complained of when the other side speaks, but not TLS.
const NOT_ENCRYPTED: &str = "InvalidContentType";

/// The first pause before a request is repeated; each is twice the one before, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// The log says at most once in such a while that requests are repeated.
const COMPLAINT_EVERY: Duration = Duration::from_secs(5);

/// A client that is made once.
type Shared = OnceLock<Result<Client, String>>;

/// The client that all requests share, those of notifiers too. Redirects are not followed: most turn a POST into a GET.
pub(crate) fn client() -> anyhow::Result<&'static Client> {
    static CLIENT: Shared = OnceLock::new();
    made_once(&CLIENT, |builder| builder)
}

/// The same, which takes any certificate that a server shows.
pub(crate) fn trusting_client() -> anyhow::Result<&'static Client> {
    static CLIENT: Shared = OnceLock::new();
    made_once(&CLIENT, |builder| builder.tls_danger_accept_invalid_certs(true))
}

/// The same, which passes by the proxies that the environment names: for what is a part of the machine.
pub(crate) fn direct_client() -> anyhow::Result<&'static Client> {
    static CLIENT: Shared = OnceLock::new();
    made_once(&CLIENT, ClientBuilder::no_proxy)
}

fn made_once(shared: &'static Shared, how: fn(ClientBuilder) -> ClientBuilder) -> anyhow::Result<&'static Client> {
    let made = shared.get_or_init(|| set_up(how(Client::builder())));
    made.as_ref().map_err(|error| anyhow!(error.clone()))
}

fn set_up(builder: ClientBuilder) -> Result<Client, String> {
    let built = builder
        .timeout(ANSWER_TIME_MAX)
        .redirect(Policy::none())
        .user_agent(concat!("updraft/", env!("CARGO_PKG_VERSION")))
        .build();
    built.context("cannot set up HTTP").map_err(|error| format!("{error:#}"))
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    wait: Option<Duration>,
    /// When it was made, by the clock over there, which tells the second.
    pub(crate) date: Option<DateTime<Utc>>,
    pub(crate) host: String,
}

impl Reply {
    /// What an answer that is no success means.
    pub(crate) fn refusal(&self) -> Trouble {
        let said = first_words(&self.body);
        let colon = if said.is_empty() { "" } else { ": " };
        let hint = if self.status.is_redirection() { " (write the address that it leads to)" } else { "" };
        let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        Trouble {
            error: anyhow!("`{}` answered {}{hint}{colon}{said}", self.host, self.status),
            may_retry: self.status.is_server_error() || passing.contains(&self.status),
            may_be_done: self.status.is_server_error(),
            not_before: self.wait,
        }
    }
}

/// Why a request did not lead to what was wanted.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) error: anyhow::Error,
    /// Whether the same request may succeed later.
    pub(crate) may_retry: bool,
    /// Whether the other side may have done what was asked, without our hearing of it.
    pub(crate) may_be_done: bool,
    /// The other side's own word on when to come back.
    pub(crate) not_before: Option<Duration>,
}

impl Trouble {
    /// Later it may succeed; it has not been done.
    pub(crate) fn passing(error: anyhow::Error) -> Trouble {
        Trouble { error, may_retry: true, may_be_done: false, not_before: None }
    }

    /// It would fail alike again.
    pub(crate) fn lasting(error: anyhow::Error) -> Trouble {
        Trouble { error, may_retry: false, may_be_done: false, not_before: None }
    }

    /// As the error of a try that gives up.
    pub(crate) fn into_error(self) -> TaskError {
        if self.may_retry { TaskError::retry(self.error) } else { TaskError::fail(self.error) }
    }
}

/// Sends a request and reads the whole answer.
pub(crate) async fn exchange(request: RequestBuilder, host: &str) -> Result<Reply, Trouble> {
    exchange_up_to(ANSWER_BYTES_MAX, request, host).await
}

/// The same, with an answer of at most that many bytes.
pub(crate) async fn exchange_up_to(bytes_max: usize, request: RequestBuilder, host: &str) -> Result<Reply, Trouble> {
    reply_of(send(request, host).await?, bytes_max, host).await
}

/// Sends a request; of the answer, nothing has been read but its head.
pub(crate) async fn send(request: RequestBuilder, host: &str) -> Result<Response, Trouble> {
    request.send().await.map_err(|error| {
        let done = !error.is_connect() && !error.is_builder();
        broken_off(error, host, done)
    })
}

/// Reads an answer, at most that many bytes of it and those that came with them.
pub(crate) async fn reply_of(mut response: Response, bytes_max: usize, host: &str) -> Result<Reply, Trouble> {
    let body = read(&mut response, bytes_max).await.map_err(|error| broken_off(error, host, true))?;
    let wait = retry_after(response.headers());
    let date = date_in(response.headers(), DATE).map(DateTime::from);
    Ok(Reply { status: response.status(), body, wait, date, host: host.to_owned() })
}

/// How long the other side asks to be left alone: a number of seconds, or a date, and one that is past means not at all.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let written = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = written.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // The date is of its clock, which need not be ours.
    let now = date_in(headers, DATE).unwrap_or_else(SystemTime::now);
    Some(date_in(headers, RETRY_AFTER)?.duration_since(now).unwrap_or_default())
}

fn date_in(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

/// That a request, or its answer, did not get through; `done` when the other side may have acted on it.
pub(crate) fn broken_off(error: reqwest::Error, host: &str, done: bool) -> Trouble {
    let port = error.url().and_then(Url::port).map(|port| format!(":{port}")).filter(|port| !host.ends_with(port));
    let place = format!("{host}{}", port.unwrap_or_default());
    let mut what = if error.is_body() || error.is_decode() {
        format!("the answer of `{place}` broke off")
    } else {
        format!("cannot reach `{place}`")
    };
    if Chain(&error).to_string().contains(NOT_ENCRYPTED) {
        what += " with encryption (write `http://` before its host if that is how it is spoken to)";
    }
    Trouble {
        may_retry: !error.is_builder(),
        may_be_done: done,
        not_before: None,
        // The address may be a secret, so it is not in the error.
        error: anyhow::Error::new(error.without_url()).context(what),
    }
}

async fn read(response: &mut Response, bytes_max: usize) -> Result<Bytes, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > bytes_max {
            break;
        }
    }
    Ok(body.freeze())
}

/// The beginning of an answer, on one line.
pub(crate) fn first_words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(ANSWER_CHARACTERS_MAX * 4)]);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(ANSWER_CHARACTERS_MAX).collect()
}

/// Repeats what may be repeated, for a while.
pub(crate) struct Patience<'a> {
    limit: Duration,
    began: Instant,
    pauses: u32,
    complaints: &'a Complaints,
    stop: &'a CancellationToken,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(limit: Duration, complaints: &'a Complaints, stop: &'a CancellationToken) -> Patience<'a> {
        Patience { limit, began: Instant::now(), pauses: 0, complaints, stop }
    }

    /// Something went well: all patience is back.
    pub(crate) fn renew(&mut self) {
        self.began = Instant::now();
        self.pauses = 0;
    }

    /// Waits until the request may be repeated, or says why it is not.
    pub(crate) async fn wait(&mut self, trouble: Trouble) -> Result<(), TaskError> {
        if !trouble.may_retry {
            return Err(trouble.into_error());
        }
        let pause = self.next_pause().max(trouble.not_before.unwrap_or_default());
        let spent = self.began.elapsed();
        if spent.saturating_add(pause) > self.limit {
            let error = match trouble.not_before {
                Some(wait) if wait > self.limit => trouble.error.context(format!(
                    "given up: it is to be asked again in {} s, and `retry_for` is {} s",
                    wait.as_secs(),
                    self.limit.as_secs()
                )),
                _ => trouble.error.context(format!("given up after {} tries", self.pauses)),
            };
            return Err(TaskError::retry(error));
        }
        self.complaints.say(&trouble.error, pause);
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.stop.cancelled() => Err(TaskError::cancelled()),
        }
    }

    /// Each is twice as long, less up to a half by chance, so that many who wait do not come back at once.
    fn next_pause(&mut self) -> Duration {
        let full = PAUSE_FIRST.saturating_mul(1 << self.pauses.min(10)).min(PAUSE_MAX);
        self.pauses += 1;
        let chance = f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
        full.mul_f64(1.0 - chance / 2.0)
    }
}

/// Says in the log that requests are repeated, not too often.
pub(crate) struct Complaints {
    log: TaskLog,
    state: Mutex<(Option<Instant>, u64)>,
}

impl Complaints {
    pub(crate) fn new(log: TaskLog) -> Complaints {
        Complaints { log, state: Mutex::new((None, 0)) }
    }

    pub(crate) fn say(&self, error: &anyhow::Error, pause: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.is_some_and(|said| said.elapsed() < COMPLAINT_EVERY) {
            state.1 += 1;
            return;
        }
        let more = if state.1 > 0 { format!(" ({} more since the last such line)", state.1) } else { String::new() };
        *state = (Some(Instant::now()), 0);
        self.log.warning(format!("{error:#}; again in {:.1} s{more}", pause.as_secs_f64()));
    }
}

/// An address below which there are routes.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    url: Url,
    /// Its host, which may be named.
    pub(crate) host: String,
}

impl Base {
    /// Reads an address; credentials in it belong into headers.
    pub(crate) fn parse(text: &str) -> Result<Base, String> {
        let url = Url::parse(text.trim()).map_err(|error| format!("the address is not one: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("the address begins with `{}:`; it must be http:// or https://", url.scheme()));
        }
        let Some(host) = url.host_str().map(str::to_owned) else {
            return Err("the address has no host".to_owned());
        };
        if url.password().is_some() || !url.username().is_empty() {
            return Err("the address holds credentials; put them into a connection, or into a header".to_owned());
        }
        Ok(Base { url, host })
    }

    /// As it was written.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The address of a route below it.
    pub(crate) fn join(&self, parts: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// For people: without a query, which may hold a key.
    pub(crate) fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.as_str().trim_end_matches('/').to_owned()
    }
}

/// An address and headers that are written down, or are in variables of the environment.
pub(crate) fn resolve(
    environment: &Environment,
    url: Option<&str>,
    url_env: Option<&str>,
    headers: &BTreeMap<String, String>,
    headers_env: &BTreeMap<String, String>,
) -> Result<(Base, HeaderMap), String> {
    let url = match url_env {
        Some(variable) => environment.look_up(variable)?,
        None => url.unwrap_or_default().to_owned(),
    };
    let base = Base::parse(&url)?;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(header_name(name)?, header_value(name, value)?);
    }
    for (name, variable) in headers_env {
        let mut value = header_value(name, &environment.look_up(variable)?)?;
        value.set_sensitive(true);
        map.insert(header_name(name)?, value);
    }
    Ok((base, map))
}

pub(crate) fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("`{name}` is not the name of a header"))
}

pub(crate) fn header_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::try_from(value).map_err(|_| format!("the value of header `{name}` cannot be one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_below_the_stage() {
        for text in ["https://x.example/dev", "https://x.example/dev/"] {
            let base = Base::parse(text).unwrap();
            assert_eq!(base.join(&["topics", "u.pin"]).as_str(), "https://x.example/dev/topics/u.pin");
            assert_eq!(base.shown(), "https://x.example/dev");
        }
        assert_eq!(Base::parse("http://h:8082").unwrap().join(&["topics"]).as_str(), "http://h:8082/topics");
    }

    #[test]
    fn who_asks_to_be_left_alone_says_how_long_or_until_when() {
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        let table = [
            ("30", Some(30)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("soon", None),
        ];
        for (written, expected) in table {
            let headers =
                [(DATE, now), (RETRY_AFTER, written)].map(|(name, text)| (name, HeaderValue::from_static(text)));
            let headers: HeaderMap = headers.into_iter().collect();
            assert_eq!(retry_after(&headers).map(|wait| wait.as_secs()), expected, "{written}");
        }
        let past: HeaderMap = [(RETRY_AFTER, HeaderValue::from_static(now))].into_iter().collect();
        assert_eq!(retry_after(&past), Some(Duration::ZERO));
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn an_address_is_http_and_holds_no_secret() {
        for (text, words) in
            [("ftp://x", "must be http"), ("nowhere", "not one"), ("https://me:hush@x/dev", "holds credentials")]
        {
            let problem = Base::parse(text).unwrap_err();
            assert!(problem.contains(words) && !problem.contains("hush"), "{problem}");
        }
        assert!(!Base::parse("https://x/dev?key=hush").unwrap().shown().contains("hush"));
    }
}
