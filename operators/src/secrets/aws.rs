//! AWS Secrets Manager (Airflow 3: `SecretsManagerBackend`).

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use scheduler::connection::Connection;
use scheduler::operator::SecretReader;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::Service;
use crate::location::S3;

/// The version of the protocol and the one action that is needed.
const TARGET: &str = "secretsmanager.GetSecretValue";

/// What others call the fields of a connection, in the secrets that AWS itself makes for databases.
const OTHER_NAMES: [(&str, &str); 9] = [
    ("username", "login"),
    ("user", "login"),
    ("engine", "conn_type"),
    ("dbname", "schema"),
    ("database", "schema"),
    ("dbInstanceIdentifier", ""),
    ("dbClusterIdentifier", ""),
    ("masterarn", ""),
    ("masterArn", ""),
];

/// The secrets of an account, as `<prefix>/connections/<id>` and `<prefix>/variables/<key>`.
pub struct AwsSecrets {
    service: Service,
    prefix: String,
}

/// What is refused.
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    kind: String,
}

impl AwsSecrets {
    /// With the credentials and the region of the environment.
    pub fn open(settings: &S3, prefix: &str) -> anyhow::Result<AwsSecrets> {
        let service = Service::open("secretsmanager", settings)?;
        Ok(AwsSecrets { service, prefix: prefix.trim_matches('/').to_owned() })
    }

    async fn read(&self, kind: &str, name: &str) -> anyhow::Result<Option<String>> {
        let secret = format!("{}/{kind}/{name}", self.prefix);
        let asked = self.service.ask_json(TARGET, &json!({ "SecretId": secret })).await;
        let reply = asked.map_err(|trouble| trouble.error)?;
        if !reply.status.is_success() {
            let refusal: Option<Refusal> = serde_json::from_slice(&reply.body).ok();
            // The name may be written with the name of the protocol before it.
            if refusal.is_some_and(|refusal| refusal.kind.ends_with("ResourceNotFoundException")) {
                return Ok(None);
            }
            return Err(reply.refusal().error.context(format!("AWS does not give the secret `{secret}`")));
        }
        let answer: Value = serde_json::from_slice(&reply.body).context("AWS answered with no JSON")?;
        let text = answer.get("SecretString").and_then(Value::as_str);
        text.map(|text| Some(text.to_owned())).ok_or_else(|| anyhow!("the secret `{secret}` holds bytes, not text"))
    }
}

#[async_trait]
impl SecretReader for AwsSecrets {
    async fn connection(&self, conn_id: &str) -> anyhow::Result<Option<Connection>> {
        let Some(text) = self.read("connections", conn_id).await? else { return Ok(None) };
        let parsed = match serde_json::from_str::<Map<String, Value>>(&text) {
            Ok(fields) => Connection::from_json(conn_id, renamed(fields)),
            Err(_) => Connection::parse(conn_id, &text),
        };
        let secret = format!("{}/connections/{conn_id}", self.prefix);
        parsed.map(Some).with_context(|| format!("the secret `{secret}` in AWS holds no connection"))
    }

    async fn variable(&self, key: &str) -> anyhow::Result<Option<String>> {
        self.read("variables", key).await
    }
}

fn renamed(fields: Map<String, Value>) -> Map<String, Value> {
    let rename = |(key, value): (String, Value)| match OTHER_NAMES.iter().find(|(other, _)| *other == key) {
        Some((_, "")) => None,
        Some((_, ours)) => Some(((*ours).to_owned(), value)),
        None => Some((key, value)),
    };
    fields.into_iter().filter_map(rename).collect()
}
