//! Managed identities of Azure: the machine itself vouches for what runs on it, and gives the tokens.
//!
//! A virtual machine has a metadata service at an address that leads nowhere else; App Service and Container Apps name theirs
//! in `IDENTITY_ENDPOINT`, with a secret in `IDENTITY_HEADER`. `AZURE_POD_IDENTITY_AUTHORITY_HOST` leads to another metadata
//! service. All three are read as Azure's own libraries read them.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};

use super::failure::{Failure, judge};
use crate::notifiers::Environment;
use crate::requests::{Base, Trouble, direct_client, exchange};

/// The metadata service of a virtual machine.
const METADATA_SERVICE: &str = "http://169.254.169.254";

/// It is near; where there is none, nobody answers at all.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Who gives tokens to this machine.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// With all that does not depend on what a token is for.
    url: Url,
    host: String,
    /// What shows that the request comes from here, and was not brought about by somebody else.
    header: (HeaderName, HeaderValue),
}

impl Machine {
    /// What the environment says of it. An identity that was assigned by a user is told by its client id.
    pub(super) fn of(environment: &Environment, client_id: &str) -> Result<Machine, String> {
        let variable = |name: &str| environment.look_up(name).ok().filter(|value| !value.trim().is_empty());
        let (mut url, version, mut header) = match (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER")) {
            (Some(endpoint), Some(secret)) => {
                let url = Url::parse(endpoint.trim()).map_err(|error| format!("`IDENTITY_ENDPOINT`: {error}"))?;
                let value = HeaderValue::try_from(secret).map_err(|_| "`IDENTITY_HEADER` is no header".to_owned())?;
                (url, "2019-08-01", (HeaderName::from_static("x-identity-header"), value))
            }
            _ => {
                let named = variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
                let base = Base::parse(named.as_deref().unwrap_or(METADATA_SERVICE))
                    .map_err(|problem| format!("`AZURE_POD_IDENTITY_AUTHORITY_HOST`: {problem}"))?;
                let url = base.join(&["metadata", "identity", "oauth2", "token"]);
                (url, "2018-02-01", (HeaderName::from_static("metadata"), HeaderValue::from_static("true")))
            }
        };
        header.1.set_sensitive(true);
        url.query_pairs_mut().append_pair("api-version", version);
        if !client_id.is_empty() {
            url.query_pairs_mut().append_pair("client_id", client_id);
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        Ok(Machine { url, host, header })
    }

    /// The answer to a request for a token that lets into `resource`.
    pub(super) async fn ask(&self, resource: &str) -> Result<Bytes, Failure> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("resource", resource);
        let (name, value) = self.header.clone();
        let client = direct_client().map_err(Trouble::lasting)?;
        let asked = exchange(client.get(url).header(name, value).timeout(ANSWER_TIME_MAX), &self.host).await;
        let reply = asked.map_err(|trouble| Trouble {
            error: trouble.error.context("only a machine of Azure has a managed identity"),
            ..trouble
        })?;
        judge(reply, "get a token of the managed identity").map_err(|mut failure| {
            // The service is being replaced.
            failure.trouble.may_retry |= matches!(failure.status, Some(StatusCode::NOT_FOUND | StatusCode::GONE));
            failure
        })
    }
}
