//! Why Kinesis did not do what was asked.

use anyhow::anyhow;
use serde_json::Value;

use crate::requests::{Reply, Trouble};

/// Names of errors that pass.
const PASSING: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "KMSThrottlingException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "InternalFailure",
    "InternalFailureException",
    "InternalServerError",
];

/// Why Kinesis did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The name of the error, when Kinesis answered with one.
    pub(crate) name: Option<String>,
    pub(crate) trouble: Trouble,
}

impl Failure {
    /// Whether it has that name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        Failure { name: None, trouble }
    }
}

/// Whether an error with that name passes.
pub(crate) fn is_passing(name: &str) -> bool {
    PASSING.contains(&name)
}

/// What an answer says; an empty one is `null`.
///
/// A gateway that maps no status codes answers 200 with the error of Kinesis in the body, so the body decides.
pub(super) fn judge(reply: &Reply, action: &str, stream: Option<&str>) -> Result<Value, Failure> {
    let body = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
    if let Some(written) = body.get("__type").and_then(Value::as_str) {
        return Err(named(written, &body, action, stream));
    }
    if !reply.status.is_success() {
        return Err(reply.refusal().into());
    }
    if body.is_null() && !reply.body.trim_ascii().is_empty() {
        let error = anyhow!("{action} was answered with something else than JSON; does the address lead to a gateway?");
        return Err(Trouble::lasting(error).into());
    }
    Ok(body)
}

fn named(written: &str, body: &Value, action: &str, stream: Option<&str>) -> Failure {
    // `com.amazonaws.kinesis#ResourceNotFoundException`, `ResourceNotFoundException:http://…`.
    let name = written.rsplit('#').next().unwrap_or(written).split(':').next().unwrap_or(written).to_owned();
    let said = ["message", "Message"].iter().find_map(|key| body.get(*key)?.as_str()).unwrap_or_default();
    let of = stream.map(|stream| format!(" of stream `{stream}`")).unwrap_or_default();
    let hint = match name.as_str() {
        "ResourceNotFoundException" => " (a task with `operator: kinesis` and `action: create` makes it)",
        "AccessDeniedException" => " (look at the role of the gateway, or at the AWS_* variables)",
        "UnrecognizedClientException" | "InvalidSignatureException" | "ExpiredTokenException" => {
            " (look at the AWS_* variables)"
        }
        _ => "",
    };
    let passing = is_passing(&name);
    let may_be_done = name.starts_with("Internal");
    let error = anyhow!("{action}{of}: {name}: {said}{hint}");
    Failure { name: Some(name), trouble: Trouble { error, may_retry: passing, may_be_done, not_before: None } }
}
