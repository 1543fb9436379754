//! Clusters of Kafka: how people write them, how they are reached, and what their answers mean.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rskafka::BackoffConfig;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::BuilderVerifierExt;
use scheduler::connection::Connection;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::time::timeout;

use crate::location::S3;
use crate::msk_iam;
use crate::notifiers::Environment;
use crate::requests::Trouble;

/// A broker that takes longer to answer is asked again.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// The client itself repeats a request for no longer than this; what it says then is ours to judge.
const REPEATED_FOR: Duration = Duration::from_secs(3);

/// In the words of an error: the broker knows no such name with that password or token.
const REFUSED: &str = "SaslAuthenticationFailed";

/// A cluster, as people write it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaArgs {
    /// Some of the brokers, as `host:port`; they name the others.
    #[schemars(length(min = 1))]
    pub(crate) brokers: Vec<String>,
    /// Whether to speak TLS.
    #[serde(default)]
    pub(crate) tls: bool,
    /// With `tls`, a file with the certificates (PEM) of those who sign for the brokers, when they are none that the machine
    /// trusts. A relative path begins at `UPDRAFT_HOME`.
    pub(crate) ca_file: Option<String>,
    /// How to sign in, if one has to: a name with a password, or `aws-msk-iam` for who the `AWS_*` variables say that one is.
    pub(crate) sasl: Option<Sasl>,
}

/// How to sign in to Kafka: with a name and a password, or as somebody whom AWS knows.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Sasl {
    /// As AWS knows one.
    Aws(AwsWord),
    /// With a name and a password.
    Password(SaslArgs),
}

/// The word for signing in to Amazon MSK with an identity of AWS (mechanism `OAUTHBEARER`, with a signed token).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum AwsWord {
    #[serde(rename = "aws-msk-iam")]
    MskIam,
}

/// Mistakes are those of the mapping, not that nothing fits.
impl<'de> Deserialize<'de> for Sasl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sasl, D::Error> {
        match Value::deserialize(deserializer)? {
            word @ Value::String(_) => serde_json::from_value(word).map(Sasl::Aws),
            more => serde_json::from_value(more).map(Sasl::Password),
        }
        .map_err(D::Error::custom)
    }
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaslArgs {
    /// The mechanism.
    #[serde(default)]
    pub(crate) mechanism: Mechanism,
    /// The name.
    pub(crate) username: String,
    /// The environment variable that holds the password.
    pub(crate) password_env: String,
}

/// The mechanisms by which one can sign in to Kafka. With `plain` the password is a secret only with TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum Mechanism {
    #[default]
    #[serde(rename = "plain")]
    Plain,
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

/// Where the files, the identity and the passwords are that arguments name.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) home: &'a Path,
    pub(crate) s3: &'a S3,
    pub(crate) environment: &'a Environment,
}

/// A cluster that can be reached.
pub(crate) struct Cluster {
    brokers: Vec<String>,
    tls: Option<Arc<rustls::ClientConfig>>,
    sasl: Option<SaslConfig>,
}

impl Cluster {
    /// Finds in the surroundings what the arguments name.
    ///
    /// # Errors
    ///
    /// What is not there, and arguments that contradict each other, in words for people.
    pub(crate) fn new(args: &KafkaArgs, around: Surroundings<'_>) -> Result<Cluster, String> {
        if args.ca_file.is_some() && !args.tls {
            return Err("`ca_file` is for `tls: true`".to_owned());
        }
        let tls = args.tls.then(|| tls(args.ca_file.as_deref().map(|file| around.home.join(file)).as_deref()));
        let tls = tls.transpose().map_err(|error| format!("{error:#}"))?;
        let sasl = args.sasl.as_ref().map(|sasl| match sasl {
            // The token is as good as a password for a quarter of an hour.
            Sasl::Aws(AwsWord::MskIam) if tls.is_none() => Err("`sasl: aws-msk-iam` needs `tls: true`".to_owned()),
            Sasl::Aws(AwsWord::MskIam) => msk_iam::sasl(around.s3).map_err(|error| format!("{error:#}")),
            Sasl::Password(sasl) => {
                let password = around.environment.look_up(&sasl.password_env)?;
                let credentials = Credentials::new(sasl.username.clone(), password);
                Ok(match sasl.mechanism {
                    Mechanism::Plain => SaslConfig::Plain(credentials),
                    Mechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
                    Mechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
                })
            }
        });
        Ok(Cluster { brokers: args.brokers.clone(), tls: tls.map(Arc::new), sasl: sasl.transpose()? })
    }

    /// What a connection says in its extra, in the words of Kafka's own clients.
    ///
    /// # Errors
    ///
    /// What is missing, and words that are none of theirs, in words for people.
    pub(crate) fn of(connection: &Connection) -> Result<Cluster, String> {
        let said = |name: &str| connection.extra.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let unknown = |name: &str, word: &str| Err(format!("`{word}` is no `{name}`"));
        let brokers = said("bootstrap.servers").ok_or("its extra has no `bootstrap.servers`")?;
        let (is_secured, signs_in) = match said("security.protocol").unwrap_or("PLAINTEXT") {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            other => return unknown("security.protocol", other),
        };
        let tls = is_secured.then(|| tls(said("ssl.ca.location").map(Path::new))).transpose();
        let sasl = if signs_in {
            let (Some(user), Some(password)) = (said("sasl.username"), said("sasl.password")) else {
                return Err("its extra has no `sasl.username` and `sasl.password`".to_owned());
            };
            let credentials = Credentials::new(user.to_owned(), password.to_owned());
            Some(match said("sasl.mechanism").unwrap_or("PLAIN") {
                "PLAIN" => SaslConfig::Plain(credentials),
                "SCRAM-SHA-256" => SaslConfig::ScramSha256(credentials),
                "SCRAM-SHA-512" => SaslConfig::ScramSha512(credentials),
                other => return unknown("sasl.mechanism", other),
            })
        } else {
            None
        };
        let brokers = brokers.split(',').map(|broker| broker.trim().to_owned()).collect();
        Ok(Cluster { brokers, tls: tls.map_err(|error| format!("{error:#}"))?.map(Arc::new), sasl })
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        format!("kafka://{}", self.brokers.join(","))
    }

    /// A client.
    pub(crate) async fn connect(&self) -> Result<Client, Trouble> {
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
            deadline: Some(REPEATED_FOR),
        };
        let mut builder = ClientBuilder::new(self.brokers.clone()).client_id("updraft").backoff_config(backoff);
        if let Some(tls) = &self.tls {
            builder = builder.tls_config(Arc::clone(tls));
        }
        if let Some(sasl) = &self.sasl {
            builder = builder.sasl_config(sasl.clone());
        }
        in_time(builder.build()).await.map_err(|trouble| not_done(trouble, self))
    }
}

/// Certificates are judged as the machine judges them, or by those of the file.
fn tls(ca_file: Option<&Path>) -> anyhow::Result<rustls::ClientConfig> {
    const FAILS: &str = "cannot set up TLS";
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.context(FAILS)?;
    let Some(file) = ca_file else {
        return Ok(builder.with_platform_verifier().context(FAILS)?.with_no_client_auth());
    };
    let reading = || format!("the certificates in `{}` cannot be read", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).with_context(reading)? {
        roots.add(certificate.with_context(reading)?).with_context(reading)?;
    }
    anyhow::ensure!(!roots.is_empty(), "there are no certificates in `{}`", file.display());
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Awaits an answer, for no longer than a broker may take.
pub(crate) async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
    match timeout(ANSWER_TIME_MAX, asked).await {
        Ok(answer) => answer.map_err(explain),
        Err(_) => Err(unsure(anyhow!("no answer within {} s", ANSWER_TIME_MAX.as_secs()))),
    }
}

/// What a request that only asks cannot have done.
pub(crate) fn not_done(trouble: Trouble, cluster: &Cluster) -> Trouble {
    let error = trouble.error.context(format!("cannot reach Kafka at {}", cluster.brokers.join(",")));
    Trouble { error, may_be_done: false, ..trouble }
}

fn unsure(error: anyhow::Error) -> Trouble {
    Trouble { error, may_retry: true, may_be_done: true, not_before: None }
}

fn explain(error: Error) -> Trouble {
    let Error::ServerError { protocol_error, error_message, .. } = &error else {
        // The client says it in words alone.
        let is_refused = error.to_string().contains(REFUSED);
        return if is_refused {
            Trouble::lasting(anyhow!("Kafka refuses who signs in"))
        } else {
            unsure(anyhow!(error))
        };
    };
    let said = error_message.as_deref().map(|said| format!(": {said}")).unwrap_or_default();
    let words = anyhow!("Kafka answered `{protocol_error}`{said}");
    let lasts = matches!(
        protocol_error,
        ProtocolError::MessageTooLarge
            | ProtocolError::InvalidTopicException
            | ProtocolError::TopicAuthorizationFailed
            | ProtocolError::ClusterAuthorizationFailed
            | ProtocolError::UnsupportedVersion
            | ProtocolError::InvalidRecord
    );
    if lasts { Trouble::lasting(words) } else { unsure(words) }
}
