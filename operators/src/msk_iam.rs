//! Signs in to Amazon MSK as somebody whom AWS knows.
//!
//! Brokers take the mechanism `OAUTHBEARER`, and as its token the address of a request that is never made: that of
//! connecting, signed (Signature Version 4, in the query) by whoever wants to connect, and good for a quarter of an hour.
//! The library that Amazon has for this, aws-msk-iam-sasl-signer, says what exactly is signed.

use std::sync::Arc;

use anyhow::Context as _;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use object_store::aws::AwsCredential;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rskafka::client::{OauthBearerCredentials, OauthCallback, SaslConfig};
use scheduler::clock::Clock;

use crate::location::S3;

/// What is connected to, in signatures.
const SERVICE: &str = "kafka-cluster";

/// For how long a token is good, in seconds.
const EXPIRES: u32 = 900;

/// What signatures leave as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How to sign in, with the credentials and in the region of the settings.
pub(crate) fn sasl(settings: &S3) -> anyhow::Result<SaslConfig> {
    let (credentials, region) = (settings.credentials().context("cannot set up signing in")?, settings.region());
    let callback: OauthCallback = Arc::new(move || {
        let (credentials, region) = (Arc::clone(&credentials), region.clone());
        Box::pin(async move {
            let credential = credentials.get_credential().await?;
            Ok(token(&credential, &region, Clock::System.now()))
        })
    });
    Ok(SaslConfig::Oauthbearer(OauthBearerCredentials { callback, authz_id: None, bearer_kvs: Vec::new() }))
}

/// The token of `credential` for the clusters of a region.
fn token(credential: &AwsCredential, region: &str, now: DateTime<Utc>) -> String {
    let host = format!("kafka.{region}.amazonaws.com");
    let (day, time) = (now.format("%Y%m%d").to_string(), now.format("%Y%m%dT%H%M%SZ").to_string());
    let scope = format!("{day}/{region}/{SERVICE}/aws4_request");
    // In the order of their names, as they are signed.
    let mut query = vec![
        ("Action", "kafka-cluster:Connect".to_owned()),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("X-Amz-Credential", format!("{}/{scope}", credential.key_id)),
        ("X-Amz-Date", time.clone()),
        ("X-Amz-Expires", EXPIRES.to_string()),
    ];
    query.extend(credential.token.iter().map(|token| ("X-Amz-Security-Token", token.clone())));
    query.push(("X-Amz-SignedHeaders", "host".to_owned()));
    let query: Vec<String> =
        query.into_iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, ENCODED))).collect();
    let query = query.join("&");

    let request = format!("GET\n/\n{query}\nhost:{host}\n\nhost\n{}", sha256(b""));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(request.as_bytes()));
    let first = format!("AWS4{}", credential.secret_key).into_bytes();
    let key = [day.as_str(), region, SERVICE, "aws4_request"].into_iter().fold(first, |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &to_sign));
    URL_SAFE_NO_PAD.encode(format!("https://{host}/?{query}&X-Amz-Signature={signature}&User-Agent=updraft"))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
