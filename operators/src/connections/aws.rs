//! AWS: we ask who we are, or for the buckets or the streams that we may see.

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::HeaderMap;
use scheduler::connection::{Connection, ConnectionTest};
use serde_json::{Value, json};

use crate::aws;
use crate::location::{S3, refusals};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// The Security Token Service, who we are.
    Identity,
    /// S3, or what speaks as it does: whether the bucket of the connection can be listed, else which buckets there are.
    Buckets,
    /// Kinesis, which streams there are.
    Kinesis,
}

/// Tries out keys of AWS.
pub(super) struct Aws {
    pub(super) service: Service,
    /// Whose keys are taken for connections that have none.
    pub(super) surroundings: S3,
}

#[async_trait]
impl ConnectionTest for Aws {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        let settings = aws::settings(connection, &self.surroundings)?;
        match self.service {
            Service::Identity => identity(&settings).await,
            Service::Buckets => {
                let bucket = connection.schema.as_deref().map(str::trim).filter(|bucket| !bucket.is_empty());
                buckets(&settings, bucket).await
            }
            Service::Kinesis => streams(&settings).await,
        }
    }
}

async fn identity(settings: &S3) -> anyhow::Result<String> {
    let service = aws::Service::open("sts", settings)?;
    let asked = service.ask_form("Action=GetCallerIdentity&Version=2011-06-15").await;
    let reply = asked.map_err(|trouble| trouble.error)?;
    if !reply.status.is_success() {
        return Err(reply.refusal().error);
    }
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let who = text.split_once("<Arn>").and_then(|(_, rest)| rest.split_once("</Arn>")).map(|(arn, _)| arn.to_owned());
    Ok(who.map_or_else(|| "AWS knows these keys".to_owned(), |arn| format!("AWS knows us as {arn}")))
}

async fn buckets(settings: &S3, bucket: Option<&str>) -> anyhow::Result<String> {
    if bucket.is_none() && settings.said_endpoint("s3").is_none() {
        // Amazon tells everybody who they are, and few may list all buckets.
        return identity(settings).await;
    }
    let service = aws::Service::open("s3", settings)?;
    let mut url = service.url().clone();
    if let Some(bucket) = bucket {
        url.path_segments_mut().map_err(|()| anyhow!("the endpoint takes no paths"))?.pop_if_empty().push(bucket);
        url.query_pairs_mut().append_pair("list-type", "2").append_pair("max-keys", "1");
    }
    let asked = service.request(Method::GET, url.clone(), HeaderMap::new(), String::new()).await;
    let reply = asked.map_err(|trouble| trouble.error)?;
    let text = String::from_utf8_lossy(&reply.body);
    if !reply.status.is_success() {
        let said = bucket.and_then(|bucket| refusals::sentence(reply.status.as_u16(), &text, bucket, Some(&url)));
        return Err(said.map_or_else(|| reply.refusal().error, |said| anyhow!(said)));
    }
    Ok(match bucket {
        Some(bucket) => format!("the bucket `{bucket}` can be listed"),
        None => format!("`{}` answered; buckets that we may see: {}", service.host, text.matches("<Bucket>").count()),
    })
}

async fn streams(settings: &S3) -> anyhow::Result<String> {
    let service = aws::Service::open("kinesis", settings)?;
    let asked = service.ask_json("Kinesis_20131202.ListStreams", &json!({ "Limit": 10 })).await;
    let reply = asked.map_err(|trouble| trouble.error)?;
    if !reply.status.is_success() {
        return Err(reply.refusal().error);
    }
    let answer: Value = serde_json::from_slice(&reply.body).context("Kinesis answered with no JSON")?;
    let count = answer["StreamNames"].as_array().map_or(0, Vec::len);
    Ok(format!("Kinesis in {} answered; it has {count} streams on its first page", settings.region()))
}
