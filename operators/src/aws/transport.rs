//! Carries the requests of Amazon's library with the client that all our requests share: one pool, one TLS.

use std::net::IpAddr;
use std::time::Duration;

use aws_sdk_sts::config::RuntimeComponents;
use aws_sdk_sts::config::http::{HttpRequest, HttpResponse};
use aws_sdk_sts::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::http::{Headers, StatusCode};

use crate::requests::{Trouble, client, direct_client, reply_of, send};

/// A longer answer is none that gives out credentials.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The client, as Amazon's library wants it.
#[derive(Clone, Debug)]
pub(super) struct Transport;

/// Carries requests, each for so long at most; the client has a limit of its own.
#[derive(Debug)]
struct Carrier(Option<Duration>);

impl HttpClient for Transport {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let connecting = settings.connect_timeout().unwrap_or_default();
        SharedHttpConnector::new(Carrier(settings.read_timeout().map(|reading| connecting + reading)))
    }
}

impl HttpConnector for Carrier {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(carry(request, self.0))
    }
}

async fn carry(request: HttpRequest, time_max: Option<Duration>) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let host = parts.uri.host().unwrap_or_default().to_owned();
    // Who asks for credentials sends a form, and no stream.
    let body = body.bytes().map(<[u8]>::to_vec).unwrap_or_default();
    let client = if is_of_the_machine(&host) { direct_client() } else { client() };
    let client = client.map_err(|error| ConnectorError::user(error.into()))?;
    let mut request = client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
    if let Some(time_max) = time_max {
        request = request.timeout(time_max);
    }
    let answer = send(request, &host).await.map_err(broken_off)?;
    let headers = answer.headers().clone();
    let reply = reply_of(answer, ANSWER_BYTES_MAX, &host).await.map_err(broken_off)?;
    let status = StatusCode::try_from(reply.status.as_u16()).map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = HttpResponse::new(status, reply.body.into());
    *response.headers_mut() = Headers::try_from(headers).map_err(|error| ConnectorError::user(error.into()))?;
    Ok(response)
}

/// Whether a host is a part of the machine, or of what it runs on, of which no proxy knows: the services that tell a machine or a
/// container its role.
fn is_of_the_machine(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => address.is_link_local() || address.is_loopback(),
        Ok(IpAddr::V6(address)) => {
            address.is_unique_local() || address.is_unicast_link_local() || address.is_loopback()
        }
        Err(_) => host == "localhost",
    }
}

fn broken_off(trouble: Trouble) -> ConnectorError {
    ConnectorError::io(trouble.error.into())
}
