//! Requests to whoever is told over HTTP, and what their answers mean.

use anyhow::anyhow;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use scheduler::operator::{ArgumentProblem, DeliveryError};
use serde_json::{Map, Value};

use crate::requests::{client, retry_after};

/// Of an answer that is no success, so much is shown.
const ANSWER_CHARACTERS_MAX: usize = 200;

/// A request.
pub(super) struct Message {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
}

/// Sends a request; anything but success is an error that says whether to come back.
///
/// Redirects are not followed: most turn a POST into a GET, and an address that holds a secret should not hand it on.
pub(super) async fn send(message: Message) -> Result<(), DeliveryError> {
    let url = parse(&message.url).map_err(|problem| DeliveryError::fail(anyhow!(problem)))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let headers = headers(&message.headers)?;
    let request = client().map_err(DeliveryError::fail)?.request(message.method, url).headers(headers);
    let request = match message.body {
        Some(body) => request.body(body),
        None => request,
    };
    match request.send().await {
        Ok(response) => judge(response, &host).await,
        // The address may be a secret, so it is not in the error.
        Err(error) => {
            let error = anyhow::Error::new(error.without_url()).context(format!("cannot reach `{host}`"));
            Err(DeliveryError::retry(error))
        }
    }
}

fn headers(written: &[(String, String)]) -> Result<HeaderMap, DeliveryError> {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let header = HeaderName::try_from(name.as_str())
            .map_err(|_| DeliveryError::fail(anyhow!("`{name}` is not the name of a header")))?;
        let value = HeaderValue::try_from(value.as_str())
            .map_err(|_| DeliveryError::fail(anyhow!("the value of header `{name}` cannot be one")))?;
        headers.insert(header, value);
    }
    Ok(headers)
}

async fn judge(mut response: Response, host: &str) -> Result<(), DeliveryError> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let wait = retry_after(response.headers());
    let said = first_words(&mut response).await;
    let colon = if said.is_empty() { "" } else { ": " };
    let hint = if status.is_redirection() { " (write the address that it leads to)" } else { "" };
    let error = anyhow!("`{host}` answered {status}{hint}{colon}{said}");
    Err(match (may_change(status), wait) {
        (false, _) => DeliveryError::fail(error),
        (true, Some(wait)) => DeliveryError::retry_after(error, wait),
        (true, None) => DeliveryError::retry(error),
    })
}

/// Whether the same request may be answered otherwise later.
fn may_change(status: StatusCode) -> bool {
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || passing.contains(&status)
}

/// The beginning of an answer, on one line.
async fn first_words(response: &mut Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_CHARACTERS_MAX * 4 {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            _ => break,
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(ANSWER_CHARACTERS_MAX).collect()
}

/// An address that HTTP can reach.
fn parse(text: &str) -> Result<Url, String> {
    match Url::parse(text.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => Ok(url),
        Ok(url) => Err(format!("the address begins with `{}:`; it must be http:// or https://", url.scheme())),
        Err(error) => Err(format!("the address is not one: {error}")),
    }
}

/// Who is told, for people to see: the host of an address, whose path may be a secret, or the variable that holds it.
pub(super) fn receiver(args: &Map<String, Value>, url: &str, variable: &str) -> Option<String> {
    let text = |key: &str| args.get(key).and_then(Value::as_str);
    let host = |url: &str| parse(url).ok()?.host_str().map(str::to_owned);
    text(url).and_then(host).or_else(|| text(variable).map(|variable| format!("${variable}")))
}

/// What is wrong with an address, as far as that can be told before templates are filled in.
pub(super) fn check_url(args: &Map<String, Value>, name: &str) -> Option<ArgumentProblem> {
    let text = args.get(name)?.as_str()?;
    if text.contains("{{") || text.contains("{%") {
        return None;
    }
    let message = parse(text).err()?;
    Some(ArgumentProblem { pointer: format!("/{name}"), message, help: Some("write https://host/path".to_owned()) })
}
