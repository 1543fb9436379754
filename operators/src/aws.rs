//! Asks services of AWS over HTTP, with signed requests.
//!
//! [`connection`]: how a connection says who asks. [`identity`]: who that is, from [`shared_files`], in a [`role`], or as the
//! object store finds it. [`known`]: those who ask alike are one. [`transport`]: how Amazon's own library, which knows those
//! files and lends roles, reaches AWS.

mod connection;
mod identity;
mod known;
mod role;
mod shared_files;
#[cfg(test)]
mod tests;
mod transport;

pub(crate) use connection::settings;
pub(crate) use identity::{Identity, Own};
pub(crate) use known::{Asker, forget_if_over, identity_of};
pub(crate) use role::Role;
pub(crate) use shared_files::{SharedFiles, Variables};

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_sts::error::ErrorMetadata;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::HttpRequest;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use crate::location::S3;
use crate::location::refusals::cure_of_silence;
use crate::requests::{ANSWER_TIME_MAX, Reply, Trouble, client, exchange};

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCredentials {
    /// A shared file is there and cannot be read.
    #[error("cannot read {}: {}", .0.display(), .1)]
    Unreadable(PathBuf, io::Error),
    /// The shared files hold something else than profiles.
    #[error("{0}: {1}")]
    Malformed(String, String),
    /// Somebody named a profile, and where it was looked for.
    #[error("there is no profile `{0}` in {1}")]
    NoProfile(String, String),
    /// A profile says where to get credentials, and there are none.
    #[error("the profile `{0}` leads to no credentials: {1}")]
    Profile(String, String),
    /// A role is not lent.
    #[error("cannot assume the role {0}: {1}")]
    Role(String, String),
    /// Nobody has any.
    #[error(
        "there are none in the connection, in AWS_ACCESS_KEY_ID or in the shared files of the AWS tools, and the machine lends \
         none ({0}); name a connection of type `aws`"
    )]
    Nowhere(String),
    /// What somebody else has just been told who asked alike, and whether that lasts.
    #[error("{0}")]
    Alike(String, bool),
    /// What the object store says.
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

impl From<NoCredentials> for object_store::Error {
    fn from(error: NoCredentials) -> object_store::Error {
        match error {
            NoCredentials::Store(error) => error,
            error => object_store::Error::Generic { store: "AWS", source: Box::new(error) },
        }
    }
}

/// Whether nothing but a change of the configuration mends it.
fn is_lasting(error: &object_store::Error) -> bool {
    let object_store::Error::Generic { source, .. } = error else { return false };
    match source.downcast_ref() {
        Some(NoCredentials::Unreadable(..) | NoCredentials::Malformed(..) | NoCredentials::NoProfile(..)) => true,
        Some(NoCredentials::Role(_, said)) => said.starts_with("AccessDenied"),
        Some(NoCredentials::Alike(_, is_lasting)) => *is_lasting,
        _ => false,
    }
}

/// What AWS itself says in an error, or else what is at the bottom of it.
fn said(error: &(dyn Error + 'static)) -> String {
    let mut at = error;
    loop {
        let refusal = at.downcast_ref::<ErrorMetadata>();
        if let Some((code, message)) = refusal.and_then(|refusal| refusal.code().zip(refusal.message())) {
            return format!("{code}: {message}");
        }
        match at.source() {
            Some(below) => at = below,
            None => return at.to_string(),
        }
    }
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
        self.request_within(ANSWER_TIME_MAX, method, url, headers, body).await
    }

    /// The same of what may take so long to answer.
    pub(crate) async fn request_within(
        &self,
        time_max: Duration,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: String,
    ) -> Result<Reply, Trouble> {
        let name = self.name;
        let credential = self.credentials.get_credential().await;
        let credential = credential.map_err(|error| {
            let trouble = if is_lasting(&error) { Trouble::lasting } else { Trouble::passing };
            trouble(anyhow::Error::new(error).context(format!("cannot get credentials for {name}")))
        })?;
        let mut request = HttpRequest::new(body.clone().into());
        *request.method_mut() = method.clone();
        *request.uri_mut() = url.as_str().parse().context("the endpoint of a service").map_err(Trouble::lasting)?;
        *request.headers_mut() = headers;
        AwsAuthorizer::new(&credential, name, &self.region).authorize(&mut request, None);
        let client = client().map_err(Trouble::lasting)?;
        let request = client.request(method, url).headers(request.headers().clone()).body(body).timeout(time_max);
        let reply = exchange(request, &self.host).await.map_err(|trouble| self.silence(trouble))?;
        if !reply.status.is_success() {
            forget_if_over(credential.token.as_deref(), &String::from_utf8_lossy(&reply.body));
        }
        Ok(reply)
    }

    /// What did not get there says what to look at.
    fn silence(&self, trouble: Trouble) -> Trouble {
        if trouble.may_be_done || !trouble.may_retry {
            return trouble;
        }
        let error = trouble.error.context(format!("{} does not answer ({})", self.name, cure_of_silence(&self.host)));
        Trouble { error, ..trouble }
    }
}
