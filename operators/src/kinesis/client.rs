//! Asks Kinesis, through a gateway or directly.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::HttpRequest;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use scheduler::operator::TaskError;
use serde_json::Value;

use super::action::Action;
use super::failure::{Failure, judge};
use crate::location::S3;
use crate::notifiers::Environment;
use crate::requests::{Base, Reply, Trouble, client, exchange, resolve};

/// The version of the protocol, as the header `x-amz-target` names it.
const TARGET: &str = "Kinesis_20131202";

/// How people say where Kinesis is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door {
    pub(crate) url: Option<String>,
    pub(crate) url_env: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) headers_env: BTreeMap<String, String>,
}

/// Streams that can be asked.
pub(crate) enum Streams {
    /// Through an API Gateway.
    Gateway { base: Base, headers: HeaderMap },
    /// Kinesis itself.
    Aws { url: Url, host: String, region: String, credentials: AwsCredentialProvider },
}

impl Streams {
    /// What a person means by `door`.
    pub(crate) fn open(door: &Door, s3: &S3, environment: &Environment) -> Result<Streams, TaskError> {
        let fail = |problem: String| TaskError::fail(anyhow!(problem));
        if door.url.is_some() || door.url_env.is_some() {
            let (url, url_env) = (door.url.as_deref(), door.url_env.as_deref());
            let (base, headers) = resolve(environment, url, url_env, &door.headers, &door.headers_env).map_err(fail)?;
            return Ok(Streams::Gateway { base, headers });
        }
        let endpoint = s3.endpoint_of("kinesis");
        let url =
            Url::parse(&endpoint).map_err(|error| fail(format!("the endpoint of Kinesis is no address: {error}")))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let credentials = s3.credentials().map_err(|error| fail(format!("cannot set up Kinesis: {error}")))?;
        Ok(Streams::Aws { url, host, region: s3.region(), credentials })
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Streams::Gateway { base, .. } => base.shown(),
            Streams::Aws { host, region, .. } => format!("Kinesis at {host} ({region})"),
        }
    }

    /// Whether it is behind a gateway.
    pub(crate) fn is_gateway(&self) -> bool {
        matches!(self, Streams::Gateway { .. })
    }

    /// Asks once.
    pub(crate) async fn ask(&self, action: Action<'_>) -> Result<Value, Failure> {
        let reply = match self {
            Streams::Gateway { base, headers } => {
                let (method, path) = action.route();
                let mut request = http()?.request(method, base.join(&path)).headers(headers.clone());
                request = request.header(CONTENT_TYPE, "application/json");
                if let Some(body) = action.body_for_gateway() {
                    request = request.body(body);
                }
                exchange(request, &base.host).await?
            }
            Streams::Aws { url, host, region, credentials } => signed(action, url, host, region, credentials).await?,
        };
        judge(&reply, action.name(), action.stream())
    }
}

fn http() -> Result<&'static reqwest::Client, Trouble> {
    client().map_err(Trouble::lasting)
}

async fn signed(
    action: Action<'_>,
    url: &Url,
    host: &str,
    region: &str,
    credentials: &AwsCredentialProvider,
) -> Result<Reply, Trouble> {
    let credential =
        credentials.get_credential().await.context("cannot get credentials for Kinesis").map_err(Trouble::passing)?;
    let body = action.body_for_aws().to_string();
    let mut request = HttpRequest::new(body.clone().into());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.as_str().parse().context("the endpoint of Kinesis").map_err(Trouble::lasting)?;
    let target = format!("{TARGET}.{}", action.name());
    let target = HeaderValue::try_from(target).context("the name of an action").map_err(Trouble::lasting)?;
    request.headers_mut().insert("x-amz-target", target);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    AwsAuthorizer::new(&credential, "kinesis", region).authorize(&mut request, None);
    let request = http()?.post(url.clone()).headers(request.headers().clone()).body(body);
    exchange(request, host).await
}
