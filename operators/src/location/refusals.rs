//! What S3 says when it does not do what it was asked for, in a sentence: its code, which bucket and key, and what to do; and where
//! it was looked for when it says nothing.
//!
//! It stands between the store and the network, so that whoever uses the store meets the sentence where S3 sends XML. Those
//! who give out credentials are asked by the same way; what they answer stays as it is.

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::path::Path as ObjectPath;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use url::{Url, form_urlencoded};

use crate::aws::forget_if_over;

/// How each sentence begins: that of an answer, and that of none.
pub(super) const BEGINNINGS: [&str; 2] = [ANSWERS, SILENT];
const ANSWERS: &str = "S3 answers `";
const SILENT: &str = "there is no answer from `";

/// How the `Authorization` of requests to S3 begins.
const SIGNATURE: &str = "AWS4-";

/// Where the token of a session stands in them.
const SESSION_TOKEN: &str = "x-amz-security-token";

/// Connects to the server of one bucket.
#[derive(Clone, Debug)]
pub(super) struct ToBucket {
    pub(super) bucket: String,
    /// Whether nothing is signed. Then there are no credentials to ask for, either.
    pub(super) is_anonymous: bool,
}

impl HttpConnector for ToBucket {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Asking { client, to: self.clone() }))
    }
}

#[derive(Debug)]
struct Asking {
    client: HttpClient,
    to: ToBucket,
}

impl ToBucket {
    /// Whether it is S3 that is asked, and not somebody who gives out credentials.
    fn asks_s3(&self, headers: &HeaderMap) -> bool {
        let is_signature = |value: &[u8]| value.starts_with(SIGNATURE.as_bytes());
        self.is_anonymous || headers.get(AUTHORIZATION).is_some_and(|value| is_signature(value.as_bytes()))
    }
}

#[async_trait]
impl HttpService for Asking {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asked = Url::parse(&request.uri().to_string()).ok();
        let asks_s3 = self.to.asks_s3(request.headers());
        let token = request.headers().get(SESSION_TOKEN).cloned();
        let answer = self.client.execute(request).await.map_err(|error| match &asked {
            Some(asked) if asks_s3 => silence(error, asked),
            _ => error,
        })?;
        let status = answer.status();
        if !asks_s3 || !(status.is_client_error() || status.is_server_error()) {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let body = body.bytes().await?;
        let text = String::from_utf8_lossy(&body);
        forget_if_over(token.as_ref().and_then(|token| token.to_str().ok()), &text);
        let said = sentence(status.as_u16(), &text, &self.to.bucket, asked.as_ref());
        let body = said.unwrap_or_else(|| text.into_owned());
        Ok(HttpResponse::from_parts(parts, body.into()))
    }
}

/// That nobody answers, and where.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Silence(String);

/// An error that says where nobody answers, if that is what it is about.
fn silence(error: HttpError, asked: &Url) -> HttpError {
    let kind = error.kind();
    if !matches!(kind, HttpErrorKind::Connect | HttpErrorKind::Timeout) {
        return error;
    }
    let bottom = std::iter::successors(std::error::Error::source(&error), |cause| cause.source()).last();
    let why = bottom.map_or_else(|| error.to_string(), ToString::to_string);
    let place = asked.origin().ascii_serialization();
    let cure = cure_of_silence(asked.host_str().unwrap_or_default());
    HttpError::new(kind, Silence(format!("{SILENT}{place}` ({why}): {cure}")))
}

/// What to do when nobody answers at a host.
pub(crate) fn cure_of_silence(host: &str) -> &'static str {
    if host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn") {
        "look at the region, and at what is between (a firewall, `HTTPS_PROXY`)"
    } else {
        "look whether it is up, and at its address: `endpoint_url` of the connection, or AWS_ENDPOINT_URL"
    }
}

/// The sentence for an answer; none if it is none of S3's.
pub(crate) fn sentence(status: u16, body: &str, bucket: &str, asked: Option<&Url>) -> Option<String> {
    let code = match element(body, "Code") {
        Some(code) => code,
        // HEAD has no body.
        None if body.trim().is_empty() => match status {
            403 => "AccessDenied".to_owned(),
            404 => "NoSuchKey".to_owned(),
            status => status.to_string(),
        },
        None => return None,
    };
    let bucket = element(body, "BucketName").unwrap_or_else(|| bucket.to_owned());
    let key = element(body, "Key").or_else(|| asked.map(|asked| key(asked, &bucket))).unwrap_or_default();
    let mut text = format!("{ANSWERS}{code}` for s3://{bucket}/{key}");
    if let Some(message) = element(body, "Message").filter(|message| !message.is_empty()) {
        text.push_str(" (");
        text.push_str(message.trim().trim_end_matches('.'));
        text.push(')');
    }
    if let Some(cure) = cure(&code) {
        text.push_str(": ");
        text.push_str(cure);
    }
    Some(text)
}

/// The key that was asked for, or what the keys begin with that were.
fn key(asked: &Url, bucket: &str) -> String {
    let path = ObjectPath::from_url_path(asked.path()).map(String::from).unwrap_or_default();
    let is_in_host = asked.host_str().is_some_and(|host| host.starts_with(&format!("{bucket}.")));
    let key = if is_in_host { path.as_str() } else { path.strip_prefix(bucket).unwrap_or(&path) };
    let prefix = || form_urlencoded::parse(asked.query()?.as_bytes()).find(|(name, _)| name == "prefix");
    match key.trim_start_matches('/') {
        "" => prefix().map(|(_, prefix)| prefix.into_owned()).unwrap_or_default(),
        key => key.to_owned(),
    }
}

/// What to do, for the codes that people meet.
fn cure(code: &str) -> Option<&'static str> {
    Some(match code {
        "NoSuchBucket" => "there is no such bucket; look at its name, or make it",
        "NoSuchKey" => "there is no such object, or none any more",
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => {
            "these credentials may not do that; look at the policies of the bucket and of the user"
        }
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
            "the credentials have expired; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN need new ones"
        }
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidClientTokenId" => {
            "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
        }
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            "the bucket is in another region; say in which by AWS_REGION"
        }
        "RequestTimeTooSkewed" => "the clock of this machine is wrong",
        "SlowDown" | "ServiceUnavailable" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => {
            "the bucket throttles; let fewer tasks use it at a time"
        }
        "InvalidObjectState" => "the object is in an archive; have it restored first",
        _ => return None,
    })
}

/// The text of the first element of that name.
fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(signs.into_iter().fold(text.to_owned(), |text, (written, sign)| text.replace(written, sign)))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn said(status: u16, body: &str, url: &str) -> Option<String> {
        sentence(status, body, "lake", Some(&Url::parse(url).unwrap()))
    }

    #[test]
    fn answers_name_code_bucket_key_and_cure() {
        let xml = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Not for &quot;you&quot;.</Message></Error>";
        let cure = "these credentials may not do that; look at the policies of the bucket and of the user";
        for url in ["http://127.0.0.1:9000/lake/a%20b/c.json", "https://lake.s3.eu-west-1.amazonaws.com/a%20b/c.json"] {
            let expected = format!("S3 answers `AccessDenied` for s3://lake/a b/c.json (Not for \"you\"): {cure}");
            assert_eq!(said(403, xml, url), Some(expected), "{url}");
        }
        let listed = "http://127.0.0.1:9000/lake?list-type=2&prefix=topics%2Fpin%2F";
        let expected = format!("S3 answers `AccessDenied` for s3://lake/topics/pin/: {cure}");
        assert_eq!(said(403, "", listed), Some(expected));
    }

    #[test]
    fn what_the_answer_names_counts_more_than_what_was_asked() {
        let xml = "<Error><Code>NoSuchKey</Code><Key>x</Key><BucketName>other</BucketName></Error>";
        let expected = "S3 answers `NoSuchKey` for s3://other/x: there is no such object, or none any more";
        assert_eq!(said(404, xml, "http://h/lake/y").unwrap(), expected);
        assert_eq!(
            said(500, "<Error><Code>InternalError</Code></Error>", "http://h/lake/y").unwrap(),
            "S3 answers `InternalError` for s3://lake/y"
        );
    }

    #[test]
    fn who_does_not_answer_is_named_with_the_cure() {
        let refused = || std::io::Error::from_raw_os_error(111);
        let error = |kind, url: &str| silence(HttpError::new(kind, refused()), &Url::parse(url).unwrap());
        let minio = error(HttpErrorKind::Connect, "http://127.0.0.1:9000/lake/a?list-type=2");
        assert_eq!(minio.kind(), HttpErrorKind::Connect, "it is asked again as before");
        assert_eq!(
            std::error::Error::source(&minio).unwrap().to_string(),
            "there is no answer from `http://127.0.0.1:9000` (Connection refused (os error 111)): look whether it is up, and at \
             its address: `endpoint_url` of the connection, or AWS_ENDPOINT_URL"
        );
        let amazon = error(HttpErrorKind::Timeout, "https://lake.s3.eu-west-1.amazonaws.com/a").to_string();
        assert!(amazon.contains("from `https://lake.s3.eu-west-1.amazonaws.com` (") && amazon.contains("HTTPS_PROXY"));
        let broken = error(HttpErrorKind::Interrupted, "http://127.0.0.1:9000/lake/a").to_string();
        assert!(!broken.contains(SILENT), "{broken}");
    }

    #[test]
    fn those_who_give_out_credentials_are_not_s3() {
        let to = |is_anonymous| ToBucket { bucket: "lake".to_owned(), is_anonymous };
        let headers = |authorization: Option<&str>| -> HeaderMap {
            authorization.map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap())).into_iter().collect()
        };
        assert!(to(false).asks_s3(&headers(Some("AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"))));
        assert!(!to(false).asks_s3(&headers(None)), "STS, and the metadata of a machine");
        assert!(!to(false).asks_s3(&headers(Some("a token"))), "the agent of a pod");
        assert!(to(true).asks_s3(&headers(None)), "S3 that is asked without a signature");
    }

    #[test]
    fn answers_of_others_stay_as_they_are() {
        assert_eq!(said(502, "<html>Bad Gateway</html>", "http://h/lake/y"), None);
    }
}
