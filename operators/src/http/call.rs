//! One request until there is an answer: redirects, and what may be repeated.

use std::time::Duration;

use anyhow::anyhow;
use bytes::{Bytes, BytesMut};
use futures::TryFutureExt as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Client, Response, StatusCode, Url};
use scheduler::operator::{TaskContext, TaskError};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::answer::{Answer, Body};
use super::request::{Request, Statuses};
use crate::location::Location;
use crate::requests::{Complaints, Patience, Trouble, broken_off, reply_of, send};
use crate::span::spoken;
use crate::whole_file::WholeFile;

/// A server that leads on further than this leads nowhere.
const REDIRECTS_MAX: usize = 10;

/// Of an answer that is refused, so much is read.
const REFUSAL_BYTES_MAX: usize = 4 * 1024;

/// The client's own limit is for short answers. How long the server may be silent is minded here.
const ANSWER_TIME_MAX: Duration = Duration::from_hours(24 * 7);

/// The log says in such intervals how much of a long answer has come.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Sends requests of one try.
pub(crate) struct Caller<'a> {
    pub(super) client: &'static Client,
    pub(super) silence_max: Duration,
    pub(super) retry_for: Duration,
    pub(super) follows: bool,
    pub(super) ctx: &'a TaskContext,
}

/// Where the body of an answer goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Destination<'a> {
    /// Into memory, if it is not longer than that.
    Memory(usize),
    /// Into a file that will be there.
    File(&'a Location),
}

impl Caller<'_> {
    /// Asks until there is an answer with one of these statuses; with any, when there are none. Repeats what may be repeated.
    pub(crate) async fn ask(
        &self,
        request: &Request,
        wanted: Option<&Statuses>,
        into: Destination<'_>,
    ) -> Result<Answer, TaskError> {
        let complaints = Complaints::new(self.ctx.log.clone());
        let mut patience = Patience::new(self.retry_for, &complaints, &self.ctx.cancelled);
        loop {
            // Dropped when the try is cancelled, with the file that was begun.
            let answered = tokio::select! {
                answered = self.once(request, wanted, into) => answered,
                () = self.ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
            };
            match answered {
                Ok(answer) => return Ok(answer),
                Err(trouble) if trouble.may_retry && trouble.may_be_done && !is_repeatable(request) => {
                    let told = format!("{} may have been done, so it is not repeated within the try", request.shown());
                    return Err(TaskError::retry(trouble.error.context(told)));
                }
                Err(trouble) => {
                    let named = Trouble { error: trouble.error.context(request.shown()), ..trouble };
                    patience.wait(named).await?;
                }
            }
        }
    }

    /// Asks once, without repeating anything.
    pub(crate) async fn once(
        &self,
        request: &Request,
        wanted: Option<&Statuses>,
        into: Destination<'_>,
    ) -> Result<Answer, Trouble> {
        let (url, response) = self.send(request.clone()).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let host = host_of(&url);
        if wanted.is_some_and(|wanted| !wanted.hold(status)) {
            return Err(self.patiently(&host, reply_of(response, REFUSAL_BYTES_MAX, &host)).await?.refusal());
        }
        let body = match into {
            Destination::Memory(bytes_max) => {
                let body = self.read(response, &host, bytes_max).await?;
                if body.len() > bytes_max {
                    let error = anyhow!(
                        "the answer of `{host}` is longer than {bytes_max} bytes; put it into a file with `save_to`"
                    );
                    return Err(Trouble::lasting(error));
                }
                Body::Bytes(body)
            }
            Destination::File(location) => self.save(response, &host, location).await?,
        };
        Ok(Answer { status, headers, url, body })
    }

    /// Sends a request, and follows where it leads.
    async fn send(&self, mut request: Request) -> Result<(Url, Response), Trouble> {
        for _ in 0..=REDIRECTS_MAX {
            let host = host_of(&request.url);
            let mut sent = self.client.request(request.method.clone(), request.url.clone());
            sent = sent.headers(request.headers.clone()).timeout(ANSWER_TIME_MAX);
            if let Some(body) = &request.body {
                sent = sent.body(body.clone());
            }
            let response = self.patiently(&host, send(sent, &host)).await?;
            match next_stop(&request, response.status(), response.headers()).filter(|_| self.follows) {
                Some(next) => request = next?,
                None => return Ok((request.url, response)),
            }
        }
        let host = host_of(&request.url);
        Err(Trouble::lasting(anyhow!("`{host}` leads on more than {REDIRECTS_MAX} times")))
    }

    /// Reads an answer, of one that is longer than `bytes_max` only so much that this is seen. It takes as long as it takes: each
    /// part is waited for.
    async fn read(&self, mut response: Response, host: &str, bytes_max: usize) -> Result<Bytes, Trouble> {
        let mut body = BytesMut::new();
        let broken = |error| broken_off(error, host, true);
        while let Some(chunk) = self.patiently(host, response.chunk().map_err(broken)).await? {
            body.extend_from_slice(&chunk);
            if body.len() > bytes_max {
                break;
            }
        }
        Ok(body.freeze())
    }

    async fn save(&self, mut response: Response, host: &str, location: &Location) -> Result<Body, Trouble> {
        let file = WholeFile::begin(location, self.ctx.try_id).map_err(Trouble::lasting)?;
        let mut writer = tokio::fs::File::from_std(file.file().map_err(Trouble::lasting)?);
        let writing = |error: std::io::Error| {
            Trouble::lasting(anyhow::Error::new(error).context(format!("`{location}` cannot be written")))
        };
        let (mut bytes, mut said) = (0_u64, Instant::now());
        let broken = |error| broken_off(error, host, true);
        while let Some(chunk) = self.patiently(host, response.chunk().map_err(broken)).await? {
            writer.write_all(&chunk).await.map_err(writing)?;
            bytes += chunk.len() as u64;
            if said.elapsed() > PROGRESS_EVERY {
                said = Instant::now();
                self.ctx.log.info(format!("{} MB so far", bytes / 1_000_000));
            }
        }
        writer.flush().await.map_err(writing)?;
        Ok(Body::File { file, bytes })
    }

    /// Waits for the server no longer than it may be silent.
    async fn patiently<T>(
        &self,
        host: &str,
        answer: impl Future<Output = Result<T, Trouble>> + Send,
    ) -> Result<T, Trouble> {
        match tokio::time::timeout(self.silence_max, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble {
                error: anyhow!("`{host}` was silent for {}", spoken(self.silence_max)),
                may_retry: true,
                may_be_done: true,
                not_before: None,
            }),
        }
    }
}

/// Whether it does no harm to ask twice (RFC 9110, 9.2.2).
fn is_repeatable(request: &Request) -> bool {
    !matches!(request.method, reqwest::Method::POST | reqwest::Method::PATCH)
}

/// A server, with its port where that is written.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The request that an answer leads to, if it leads anywhere.
fn next_stop(request: &Request, status: StatusCode, headers: &HeaderMap) -> Option<Result<Request, Trouble>> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let lost = |problem: &str| Trouble::lasting(anyhow!("`{}` leads to {problem}", host_of(&request.url)));
    let Ok(url) = request.url.join(location) else { return Some(Err(lost("what is no address"))) };
    if !matches!(url.scheme(), "http" | "https") {
        return Some(Err(lost("what is not HTTP")));
    }
    if request.url.scheme() == "https" && url.scheme() == "http" {
        return Some(Err(lost("an address that is not encrypted")));
    }
    let mut next = Request { url, ..request.clone() };
    let is_plain_get = matches!(request.method, reqwest::Method::GET | reqwest::Method::HEAD);
    // As browsers do: what was sent is not sent again, unless the status says so.
    if !is_plain_get
        && (status == StatusCode::SEE_OTHER || (request.method == reqwest::Method::POST && status.as_u16() < 303))
    {
        next.method = reqwest::Method::GET;
        next.body = None;
        next.headers.remove(CONTENT_TYPE);
    }
    if next.url.origin() != request.url.origin() {
        // Keys for one server are none of another's business.
        let kind = next.headers.remove(CONTENT_TYPE);
        next.headers = kind.map(|kind| (CONTENT_TYPE, kind)).into_iter().collect();
    }
    Some(Ok(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: reqwest::Method) -> Request {
        let headers = [("authorization", "Bearer hush"), ("content-type", "text/plain")];
        Request {
            method,
            url: "https://shop.example/a/b".parse().unwrap(),
            headers: headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
            body: Some("x".into()),
        }
    }

    fn led(method: reqwest::Method, status: u16, location: &str) -> Option<Result<Request, Trouble>> {
        let headers = [(LOCATION, location.parse().unwrap())].into_iter().collect();
        next_stop(&request(method), StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn a_redirect_keeps_what_is_sent_only_where_its_status_says_so() {
        let seen = led(reqwest::Method::POST, 303, "../c").unwrap().unwrap();
        assert_eq!((seen.method.as_str(), seen.url.as_str()), ("GET", "https://shop.example/c"));
        assert!(seen.body.is_none() && seen.headers.contains_key("authorization"));
        let kept = led(reqwest::Method::POST, 307, "/c").unwrap().unwrap();
        assert_eq!((kept.method.as_str(), kept.body.as_deref()), ("POST", Some(b"x".as_slice())));
        assert!(led(reqwest::Method::GET, 200, "/c").is_none());
    }

    #[test]
    fn another_server_is_shown_no_headers() {
        let seen = led(reqwest::Method::GET, 302, "https://cdn.example/c").unwrap().unwrap();
        assert!(!seen.headers.contains_key("authorization"));
        for place in ["http://shop.example/c", "ftp://shop.example/c"] {
            assert!(!led(reqwest::Method::GET, 302, place).unwrap().unwrap_err().may_retry, "{place}");
        }
    }
}
