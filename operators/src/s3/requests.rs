//! What is asked of buckets with signed requests of our own, because the object store does not: to be there, to go, and to
//! copy from one to another.

use std::time::Duration;

use anyhow::anyhow;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use scheduler::operator::{TaskContext, TaskError};

use super::place::ObjectPlace;
use crate::aws::Service;
use crate::location::S3;
use crate::requests::{ANSWER_TIME_MAX, Complaints, Patience, Reply, Trouble};

/// A request that cannot be served just now is repeated for so long.
const RETRY_FOR: Duration = Duration::from_mins(2);

/// S3 answers to a copy when it is done, which for gigabytes takes minutes.
const COPY_TIME_MAX: Duration = Duration::from_mins(15);

/// What S3 leaves as it is when it signs a key (AWS: UriEncode, but for the slash).
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The region that a bucket is in without being told so.
const REGION_UNSAID: &str = "us-east-1";

/// S3 itself, for one try.
pub(super) struct Buckets<'a> {
    service: Service,
    ctx: &'a TaskContext,
}

impl<'a> Buckets<'a> {
    pub(super) fn open(settings: &S3, ctx: &'a TaskContext) -> Result<Buckets<'a>, TaskError> {
        Ok(Buckets { service: Service::open("s3", settings).map_err(TaskError::fail)?, ctx })
    }

    /// Whether we can see that the bucket is there.
    pub(super) async fn is_there(&self, bucket: &str) -> Result<bool, TaskError> {
        let reply = self.ask(Method::HEAD, &self.url(bucket, "")?, HeaderMap::new(), String::new()).await?;
        Ok(reply.status.is_success())
    }

    /// Makes a bucket; whether it was not there before.
    pub(super) async fn create(&self, bucket: &str, region: Option<&str>) -> Result<bool, TaskError> {
        // In its oldest region S3 says "made" of a bucket that we have already.
        if self.is_there(bucket).await? {
            return Ok(false);
        }
        let region = region.unwrap_or(&self.service.region);
        let body = if region == REGION_UNSAID { String::new() } else { configuration(region)? };
        let reply = self.ask(Method::PUT, &self.url(bucket, "")?, HeaderMap::new(), body).await?;
        match code(&reply).as_deref() {
            None if reply.status.is_success() => Ok(true),
            Some("BucketAlreadyOwnedByYou") => Ok(false),
            Some("BucketAlreadyExists") => Err(TaskError::fail(anyhow!(
                "somebody else has a bucket `{bucket}`; names are given once in all of S3"
            ))),
            _ => Err(refused(&reply, &format!("the bucket `{bucket}` cannot be made"))),
        }
    }

    /// Deletes an empty bucket; whether it was there.
    pub(super) async fn delete(&self, bucket: &str) -> Result<bool, TaskError> {
        let reply = self.ask(Method::DELETE, &self.url(bucket, "")?, HeaderMap::new(), String::new()).await?;
        match code(&reply).as_deref() {
            None if reply.status.is_success() => Ok(true),
            Some("NoSuchBucket") => Ok(false),
            Some("BucketNotEmpty") => {
                Err(TaskError::fail(anyhow!("the bucket `{bucket}` is not empty; `force: true` deletes what is in it")))
            }
            _ => Err(refused(&reply, &format!("the bucket `{bucket}` cannot be deleted"))),
        }
    }

    /// Deletes the marks that browsers of buckets put in the place of folders, whose keys end with a slash.
    pub(super) async fn delete_mark(&self, bucket: &str, key: &str) -> Result<(), TaskError> {
        let url = self.url(bucket, &format!("{key}/"))?;
        let reply = self.ask(Method::DELETE, &url, HeaderMap::new(), String::new()).await?;
        if reply.status.is_success() || reply.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(refused(&reply, &format!("s3://{bucket}/{key}/ cannot be deleted")))
    }

    /// Copies an object within S3.
    pub(super) async fn copy(&self, from: &ObjectPlace, to: &ObjectPlace) -> Result<(), TaskError> {
        let source = format!("/{}/{}", from.bucket, utf8_percent_encode(&from.key, KEY));
        let source = HeaderValue::try_from(source).map_err(TaskError::fail)?;
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-amz-copy-source"), source)]);
        let url = self.url(&to.bucket, &to.key)?;
        let reply = self.ask_within(COPY_TIME_MAX, Method::PUT, &url, headers, String::new()).await?;
        // A copy that fails on its way has begun its answer with 200 already.
        match code(&reply) {
            None if reply.status.is_success() => Ok(()),
            _ => Err(refused(&reply, &format!("{from} cannot be copied to {to}"))),
        }
    }

    fn url(&self, bucket: &str, key: &str) -> Result<Url, TaskError> {
        if bucket.is_empty() || bucket.contains(['/', '?', '#', '@', ':']) {
            return Err(TaskError::fail(anyhow!("`{bucket}` is no name of a bucket")));
        }
        let mut url = self.service.url().clone();
        let below = url.path().trim_end_matches('/').to_owned();
        let path = if key.is_empty() { String::new() } else { format!("/{}", utf8_percent_encode(key, KEY)) };
        url.set_path(&format!("{below}/{bucket}{path}"));
        Ok(url)
    }

    /// Asks until there is an answer.
    async fn ask(&self, method: Method, url: &Url, headers: HeaderMap, body: String) -> Result<Reply, TaskError> {
        self.ask_within(ANSWER_TIME_MAX, method, url, headers, body).await
    }

    /// The same, with so long for each answer.
    async fn ask_within(
        &self,
        time_max: Duration,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: String,
    ) -> Result<Reply, TaskError> {
        let complaints = Complaints::new(self.ctx.log.clone());
        let mut patience = Patience::new(RETRY_FOR, &complaints, &self.ctx.cancelled);
        loop {
            let (method, headers, body) = (method.clone(), headers.clone(), body.clone());
            let asked = tokio::select! {
                asked = self.service.request_within(time_max, method, url.clone(), headers, body) => asked,
                () = self.ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
            };
            // All that is asked here may be asked twice.
            let trouble: Trouble = match asked {
                Ok(reply) if is_passing(reply.status, code(&reply).as_deref()) => {
                    Trouble { may_retry: true, ..reply.refusal() }
                }
                Ok(reply) => return Ok(reply),
                Err(trouble) => trouble,
            };
            patience.wait(trouble).await?;
        }
    }
}

fn configuration(region: &str) -> Result<String, TaskError> {
    if !region.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '-') {
        return Err(TaskError::fail(anyhow!("`{region}` is no region")));
    }
    Ok(format!(
        r#"<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"#
    ))
}

/// Whether the same request may be served later: by its status or, where S3 said that before it knew, by the name of the error.
fn is_passing(status: StatusCode, code: Option<&str>) -> bool {
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || matches!(code, Some("InternalError" | "SlowDown" | "ServiceUnavailable" | "RequestTimeout"))
}

/// The name of the error in an answer, if there is one.
fn code(reply: &Reply) -> Option<String> {
    let text = String::from_utf8_lossy(&reply.body);
    let error = text.split_once("<Error>")?.1;
    Some(element(error, "Code")?.to_owned())
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

fn refused(reply: &Reply, what: &str) -> TaskError {
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let said = code(reply).map(|code| format!("{code}: {}", element(&text, "Message").unwrap_or_default()));
    let hint = match reply.status {
        StatusCode::FORBIDDEN => " (look at the connection, or at the AWS_* variables)",
        StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT => " (is it in another region?)",
        _ => "",
    };
    TaskError::fail(anyhow!("{what}: {}{hint}", said.unwrap_or_else(|| reply.status.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_breaks_off_behind_its_200_is_made_again() {
        let table = [
            (StatusCode::OK, None, false),
            (StatusCode::OK, Some("InternalError"), true),
            (StatusCode::OK, Some("SlowDown"), true),
            (StatusCode::SERVICE_UNAVAILABLE, None, true),
            (StatusCode::FORBIDDEN, Some("AccessDenied"), false),
        ];
        for (status, code, expected) in table {
            assert_eq!(is_passing(status, code), expected, "{status} {code:?}");
        }
    }
}
