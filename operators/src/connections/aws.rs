//! AWS: we ask who we are, or for the streams that we may see.

use anyhow::Context;
use async_trait::async_trait;
use scheduler::connection::{Connection, ConnectionTest};
use serde_json::{Value, json};

use crate::aws;
use crate::location::S3;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// The Security Token Service, who we are.
    Identity,
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
