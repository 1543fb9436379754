//! Asks services of AWS over HTTP, with signed requests; and how a connection says who asks.

use anyhow::Context as _;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::HttpRequest;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use scheduler::connection::{Connection, Secret};
use serde_json::Value;

use crate::location::S3;
use crate::requests::{Reply, Trouble, client, exchange};

/// How a connection reaches AWS.
pub(crate) fn settings(connection: &Connection, surroundings: &S3) -> S3 {
    let extra = |key: &str| connection.extra_text(key).map(str::to_owned);
    let region = extra("region_name");
    if connection.login.is_none() && region.is_none() && extra("endpoint_url").is_none() {
        return surroundings.clone();
    }
    let variables = [
        ("AWS_ACCESS_KEY_ID", connection.login.clone()),
        ("AWS_SECRET_ACCESS_KEY", connection.password.as_ref().map(|password| Secret::reveal(password).to_owned())),
        ("AWS_SESSION_TOKEN", extra("aws_session_token")),
        ("AWS_REGION", region),
        ("AWS_ENDPOINT_URL", extra("endpoint_url")),
    ];
    S3::from_variables(variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))))
}

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
        self.ask_json_as("application/x-amz-json-1.1", target, body).await
    }

    /// The same, in the JSON of that content type: services differ.
    pub(crate) async fn ask_json_as(
        &self,
        content_type: &'static str,
        target: &str,
        body: &Value,
    ) -> Result<Reply, Trouble> {
        let target = HeaderValue::try_from(target).context("the name of an action").map_err(Trouble::lasting)?;
        let headers =
            [(HeaderName::from_static("x-amz-target"), target), (CONTENT_TYPE, HeaderValue::from_static(content_type))];
        self.ask(headers.into_iter().collect(), body.to_string()).await
    }

    /// Asks in a form.
    pub(crate) async fn ask_form(&self, body: &str) -> Result<Reply, Trouble> {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.ask(HeaderMap::from_iter([(CONTENT_TYPE, form)]), body.to_owned()).await
    }

    async fn ask(&self, headers: HeaderMap, body: String) -> Result<Reply, Trouble> {
        self.request(Method::POST, self.url.clone(), headers, body).await
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Asks as one likes; `url` is below the service's own.
    pub(crate) async fn request(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: String,
    ) -> Result<Reply, Trouble> {
        let name = self.name;
        let credential = self.credentials.get_credential().await;
        let credential =
            credential.with_context(|| format!("cannot get credentials for {name}")).map_err(Trouble::passing)?;
        let mut request = HttpRequest::new(body.clone().into());
        *request.method_mut() = method.clone();
        *request.uri_mut() = url.as_str().parse().context("the endpoint of a service").map_err(Trouble::lasting)?;
        *request.headers_mut() = headers;
        AwsAuthorizer::new(&credential, name, &self.region).authorize(&mut request, None);
        let request =
            client().map_err(Trouble::lasting)?.request(method, url).headers(request.headers().clone()).body(body);
        exchange(request, &self.host).await
    }
}
