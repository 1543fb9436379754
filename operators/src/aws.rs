//! Asks services of AWS over HTTP, with signed requests.

use anyhow::Context as _;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::HttpRequest;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::location::S3;
use crate::requests::{Reply, Trouble, client, exchange};

/// A service of AWS, and who asks it.
pub(crate) struct Service {
    /// Its name in signatures.
    name: &'static str,
    url: Url,
    /// Its host, which may be named.
    pub(crate) host: String,
    pub(crate) region: String,
    credentials: AwsCredentialProvider,
}

impl Service {
    /// The service, wherever the settings say that it is.
    pub(crate) fn open(name: &'static str, settings: &S3) -> anyhow::Result<Service> {
        let url =
            Url::parse(&settings.endpoint_of(name)).with_context(|| format!("the endpoint of {name} is no address"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let credentials = settings.credentials().with_context(|| format!("cannot set up {name}"))?;
        Ok(Service { name, url, host, region: settings.region(), credentials })
    }

    /// Asks in JSON; `target` is the version of the protocol and the action.
    pub(crate) async fn ask_json(&self, target: &str, body: &Value) -> Result<Reply, Trouble> {
        let target = HeaderValue::try_from(target).context("the name of an action").map_err(Trouble::lasting)?;
        let headers = [
            (HeaderName::from_static("x-amz-target"), target),
            (CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1")),
        ];
        self.ask(headers.into_iter().collect(), body.to_string()).await
    }

    /// Asks in a form.
    pub(crate) async fn ask_form(&self, body: &str) -> Result<Reply, Trouble> {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.ask(HeaderMap::from_iter([(CONTENT_TYPE, form)]), body.to_owned()).await
    }

    async fn ask(&self, headers: HeaderMap, body: String) -> Result<Reply, Trouble> {
        let Service { name, url, .. } = self;
        let credential = self.credentials.get_credential().await;
        let credential =
            credential.with_context(|| format!("cannot get credentials for {name}")).map_err(Trouble::passing)?;
        let mut request = HttpRequest::new(body.clone().into());
        *request.method_mut() = reqwest::Method::POST;
        *request.uri_mut() = url.as_str().parse().context("the endpoint of a service").map_err(Trouble::lasting)?;
        *request.headers_mut() = headers;
        AwsAuthorizer::new(&credential, name, &self.region).authorize(&mut request, None);
        let request =
            client().map_err(Trouble::lasting)?.post(url.clone()).headers(request.headers().clone()).body(body);
        exchange(request, &self.host).await
    }
}
