//! How a cluster is reached: a client that trusts its authority, and what is shown to it of who we are.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use kube::config::{Config, ExecConfig};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Identity, Proxy, Request, Response};
use scheduler::clock::Clock;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::process::{self, output_of};
use crate::requests::{broken_off, header_value, reply_of};
use crate::spawn::Command;

/// A cluster that takes longer to answer is asked again.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// A cluster that takes longer to take a connection is away.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// A longer answer is none that we know.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A token is replaced so long before it ends.
const TOKEN_MARGIN: TimeDelta = TimeDelta::seconds(60);

/// Why the cluster did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClusterError {
    /// It refuses.
    #[error("{message}")]
    Refused { code: u16, reason: String, message: String },
    /// There was no answer, or none that is known.
    #[error(transparent)]
    Away(anyhow::Error),
    /// It could not be asked.
    #[error(transparent)]
    Unasked(anyhow::Error),
}

/// The way to a cluster. Cheap to clone.
#[derive(Clone)]
pub(super) struct Access {
    client: Client,
    /// The address below which its API is.
    pub(super) base: String,
    /// Its host and its port, for people.
    host: String,
    shown: Arc<Shown>,
    /// In whose name we ask, if not in our own.
    headers: HeaderMap,
}

/// What is shown.
enum Shown {
    /// Nothing, or a certificate that the client has.
    Nothing,
    Header(HeaderValue),
    /// A token in a file, which somebody else renews.
    File(PathBuf),
    /// A token that a program gives out.
    Program {
        program: Box<ExecConfig>,
        granted: Mutex<Option<Granted>>,
    },
}

/// A token, and until when it holds.
#[derive(Clone)]
struct Granted {
    token: String,
    until: Option<DateTime<Utc>>,
}

impl Access {
    /// The way that a configuration describes.
    pub(super) fn of(config: &Config) -> anyhow::Result<Access> {
        let auth = serde_json::to_value(&config.auth_info).context("who we are cannot be read")?;
        let mut client = Client::builder()
            .connect_timeout(CONNECT_TIME_MAX)
            .user_agent(concat!("updraft/", env!("CARGO_PKG_VERSION")))
            .tls_danger_accept_invalid_certs(config.accept_invalid_certs);
        for certificate in config.root_cert.iter().flatten() {
            let certificate = Certificate::from_der(certificate).context("the certificate of the authority is none")?;
            client = client.add_root_certificate(certificate);
        }
        if let Some(identity) = identity(&auth)? {
            client = client.identity(identity);
        }
        if let Some(proxy) = &config.proxy_url {
            client = client.proxy(Proxy::all(proxy.to_string()).context("`proxy-url` is no address")?);
        }
        if config.tls_server_name.is_some() {
            bail!("`tls-server-name` is not served; write the name that is in the certificate as `server`");
        }
        Ok(Access {
            client: client.build().context("cannot set up the client")?,
            base: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            host: host_and_port(config),
            shown: Arc::new(shown(&auth, config.auth_info.exec.clone())?),
            headers: impersonation(&auth)?,
        })
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn ask(&self, request: Request) -> Result<Value, ClusterError> {
        let response = self.send(request, Some(ANSWER_TIME_MAX)).await?;
        let reply = reply_of(response, ANSWER_BYTES_MAX, &self.host).await;
        let reply = reply.map_err(|trouble| ClusterError::Away(trouble.error))?;
        serde_json::from_slice(&reply.body)
            .with_context(|| format!("the answer of `{}` is no JSON", self.host))
            .map_err(ClusterError::Away)
    }

    /// Asks, and leaves the answer to be read as it comes.
    pub(super) async fn open(&self, request: Request) -> Result<Response, ClusterError> {
        match tokio::time::timeout(ANSWER_TIME_MAX, self.send(request, None)).await {
            Ok(answered) => answered,
            Err(_) => Err(ClusterError::Away(anyhow!("`{}` does not answer", self.host))),
        }
    }

    async fn send(&self, mut request: Request, limit: Option<Duration>) -> Result<Response, ClusterError> {
        request.headers_mut().extend(self.headers.clone());
        if let Some(header) = self.shown.header().await.map_err(ClusterError::Unasked)? {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        *request.timeout_mut() = limit;
        let response = self
            .execute(request)
            .await
            .map_err(|error| ClusterError::Away(with_cure(broken_off(error, &self.host, true).error)))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let reply = reply_of(response, ANSWER_BYTES_MAX, &self.host).await;
        let reply = reply.map_err(|trouble| ClusterError::Away(trouble.error))?;
        Err(match serde_json::from_slice::<Refusal>(&reply.body) {
            Ok(Refusal { reason, message }) => ClusterError::Refused { code: reply.status.as_u16(), reason, message },
            Err(_) => {
                let message = reply.refusal().error.to_string();
                ClusterError::Refused { code: reply.status.as_u16(), reason: String::new(), message }
            }
        })
    }

    /// Sends a request. With TLS 1.3 a cluster says only after both sides agreed to speak that it does not know the client; a
    /// request that was about to be sent then learns no more than that it was not, and the next one learns why.
    async fn execute(&self, request: Request) -> reqwest::Result<Response> {
        let mut request = request;
        for _ in 1..SENDING_MAX {
            let Some(again) = request.try_clone() else { break };
            match self.client.execute(request).await {
                Err(error) if was_not_sent(&error) => request = again,
                answered => return answered,
            }
        }
        self.client.execute(request).await
    }
}

/// Where a cluster is, with the port also where that is the usual one.
fn host_and_port(config: &Config) -> String {
    let url = &config.cluster_url;
    let usual = if url.scheme_str() == Some("http") { 80 } else { 443 };
    format!("{}:{}", url.host().unwrap_or_default(), url.port_u16().unwrap_or(usual))
}

/// How often a request is sent until it is.
const SENDING_MAX: usize = 3;

/// Whether the connection was gone before anything was sent by it.
fn was_not_sent(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.into_iter().any(|cause| cause.to_string().contains("connection was not ready"))
}

/// What to do about a way that is not opened, where that is known.
fn with_cure(error: anyhow::Error) -> anyhow::Error {
    let words = format!("{error:#}");
    if words.contains("invalid peer certificate") {
        return error.context(
            "the certificate of the cluster is not trusted: give that of its authority as `ca_cert` of the connection, or as \
             `certificate-authority-data` of the kubeconfig",
        );
    }
    if wants_certificate(&words) {
        return error.context(
            "the cluster wants to see a client certificate that it knows: `client-certificate-data` and `client-key-data` of the \
             kubeconfig",
        );
    }
    error
}

/// How a server says in TLS that it does not like what it is shown, or that it is shown nothing.
const WANTS: [&str; 8] = [
    "CertificateRequired",
    "BadCertificate",
    "UnknownCA",
    "CertificateUnknown",
    "CertificateExpired",
    "AccessDenied",
    "HandshakeFailure",
    // A certificate that another authority of the same name has signed.
    "DecryptError",
];

fn wants_certificate(words: &str) -> bool {
    let Some((_, alert)) = words.split_once("received fatal alert: ") else { return false };
    let alert = alert.split(|sign: char| !sign.is_ascii_alphanumeric()).next().unwrap_or_default();
    WANTS.contains(&alert)
}

/// What the API says when it refuses (`Status`).
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    reason: String,
    message: String,
}

/// The text of a field of a kubeconfig, or what is in the file that another one names.
fn pem(auth: &Value, data: &str, file: &str) -> anyhow::Result<Option<Vec<u8>>> {
    if let Some(data) = auth[data].as_str() {
        return BASE64.decode(data).with_context(|| format!("`{data}` is no base64")).map(Some);
    }
    let Some(path) = auth[file].as_str() else { return Ok(None) };
    std::fs::read(path).with_context(|| format!("cannot read `{path}`")).map(Some)
}

/// The certificate that shows who we are.
fn identity(auth: &Value) -> anyhow::Result<Option<Identity>> {
    let certificate = pem(auth, "client-certificate-data", "client-certificate").context("the client certificate")?;
    let key = pem(auth, "client-key-data", "client-key").context("the client key")?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let both = [key.as_slice(), b"\n", certificate.as_slice()].concat();
            Ok(Some(Identity::from_pem(&both).context("the client certificate and its key are no PEM")?))
        }
        (None, None) => Ok(None),
        _ => bail!("a client certificate goes with its key"),
    }
}

fn shown(auth: &Value, program: Option<ExecConfig>) -> anyhow::Result<Shown> {
    let secret = |text: String| -> anyhow::Result<HeaderValue> {
        let mut header = header_value("Authorization", &text).map_err(|problem| anyhow!(problem))?;
        header.set_sensitive(true);
        Ok(header)
    };
    let text = |key: &str| auth[key].as_str().filter(|text| !text.is_empty());
    if let Some(token) = text("token") {
        return secret(format!("Bearer {token}")).map(Shown::Header);
    }
    if let Some(path) = text("tokenFile") {
        return Ok(Shown::File(PathBuf::from(path)));
    }
    if let Some(program) = program {
        return Ok(Shown::Program { program: Box::new(program), granted: Mutex::default() });
    }
    if let (Some(login), Some(password)) = (text("username"), text("password")) {
        return secret(format!("Basic {}", BASE64.encode(format!("{login}:{password}")))).map(Shown::Header);
    }
    if !auth["auth-provider"].is_null() {
        bail!("`auth-provider` is not served any more by Kubernetes; write `exec`");
    }
    Ok(Shown::Nothing)
}

/// In whose name we ask.
fn impersonation(auth: &Value) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: &Value| -> anyhow::Result<()> {
        let text = value.as_str().unwrap_or_default();
        headers.append(name, header_value(name, text).map_err(|problem| anyhow!(problem))?);
        Ok(())
    };
    if !auth["as"].is_null() {
        add("impersonate-user", &auth["as"])?;
    }
    for group in auth["as-groups"].as_array().into_iter().flatten() {
        add("impersonate-group", group)?;
    }
    if !auth["as-uid"].is_null() || !auth["as-user-extra"].is_null() {
        bail!("`as-uid` and `as-user-extra` are not served");
    }
    Ok(headers)
}

impl Shown {
    async fn header(&self) -> anyhow::Result<Option<HeaderValue>> {
        let token = match self {
            Shown::Nothing => return Ok(None),
            Shown::Header(header) => return Ok(Some(header.clone())),
            Shown::File(path) => {
                let text = tokio::fs::read_to_string(path).await;
                text.with_context(|| format!("cannot read the token in `{}`", path.display()))?.trim().to_owned()
            }
            Shown::Program { program, granted } => {
                let mut granted = granted.lock().await;
                let holds = |it: &Granted| it.until.is_none_or(|until| Clock::System.now() + TOKEN_MARGIN < until);
                match granted.as_ref().filter(|granted| holds(granted)) {
                    Some(granted) => granted.token.clone(),
                    None => granted.insert(ask_program(program).await?).token.clone(),
                }
            }
        };
        let mut header =
            header_value("Authorization", &format!("Bearer {token}")).map_err(|problem| anyhow!(problem))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// What a program answers (`ExecCredential`).
#[derive(Deserialize)]
struct Credential {
    status: CredentialStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialStatus {
    token: Option<String>,
    expiration_timestamp: Option<DateTime<Utc>>,
}

/// Has a program sign in, as kubectl does.
async fn ask_program(program: &ExecConfig) -> anyhow::Result<Granted> {
    let name = program.command.as_deref().context("`exec` names no command")?;
    let mut command = Command::new(name);
    process::hide_settings(&mut command);
    command.args(program.args.clone().unwrap_or_default());
    for variable in program.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
            command.env(name, value);
        }
    }
    let version = program.api_version.as_deref().unwrap_or("client.authentication.k8s.io/v1");
    let question = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": { "interactive": false } });
    command.env("KUBERNETES_EXEC_INFO", question.to_string());
    let hint = program.install_hint.as_deref().map(|hint| format!(" ({})", hint.trim())).unwrap_or_default();
    let answer = output_of(&command, ANSWER_TIME_MAX, ANSWER_BYTES_MAX as u64).await;
    let answer = answer.with_context(|| format!("`{name}` does not sign us in{hint}"))?;
    // What is wrong in it may show a part of it.
    let credential: Credential =
        serde_json::from_slice(&answer).map_err(|_| anyhow!("`{name}` answers with no ExecCredential"))?;
    let token = credential.status.token.with_context(|| format!("`{name}` answers with no token"))?;
    Ok(Granted { token, until: credential.status.expiration_timestamp })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(auth: &Value, program: Option<ExecConfig>) -> impl Future<Output = anyhow::Result<Option<HeaderValue>>> {
        let shown = shown(auth, program);
        async move { shown?.header().await }
    }

    #[tokio::test]
    async fn tokens_are_written_in_files_or_given_out_by_programs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "from-file\n").unwrap();
        let program = |script: &str| ExecConfig {
            command: Some("bash".to_owned()),
            args: Some(vec!["-c".to_owned(), script.to_owned()]),
            ..serde_json::from_value(json!({})).unwrap()
        };
        let text = |header: Option<HeaderValue>| header.map(|it| it.to_str().unwrap().to_owned());
        let shows = async |auth: Value, program| text(header(&auth, program).await.unwrap());

        assert_eq!(shows(json!({ "token": "t" }), None).await.as_deref(), Some("Bearer t"));
        assert_eq!(shows(json!({ "tokenFile": file }), None).await.as_deref(), Some("Bearer from-file"));
        assert_eq!(shows(json!({ "username": "u", "password": "p" }), None).await.as_deref(), Some("Basic dTpw"));
        assert_eq!(shows(json!({}), None).await, None);
        let answer =
            "[[ $KUBERNETES_EXEC_INFO == *ExecCredential* ]] && echo '{\"status\": {\"token\": \"from-program\"}}'";
        assert_eq!(shows(json!({}), Some(program(answer))).await.as_deref(), Some("Bearer from-program"));
        let broken = header(&json!({}), Some(program("echo hush"))).await.unwrap_err();
        assert_eq!(broken.to_string(), "`bash` answers with no ExecCredential");
        let fails = header(&json!({}), Some(program("echo 'log in first' >&2; exit 1"))).await.unwrap_err();
        assert!(format!("{fails:#}").contains("log in first"), "{fails:#}");
    }

    #[tokio::test]
    async fn a_cluster_that_is_not_there_is_named_with_its_port() {
        let place = |url: &str| host_and_port(&Config::new(url.parse().unwrap()));
        assert_eq!(place("https://10.0.0.1"), "10.0.0.1:443");
        assert_eq!(place("http://cluster.example/k8s"), "cluster.example:80");

        let access = Access::of(&Config::new("http://127.0.0.1:9".parse().unwrap())).unwrap();
        let request = Request::new(reqwest::Method::GET, "http://127.0.0.1:9/version".parse().unwrap());
        let Err(ClusterError::Away(error)) = access.ask(request).await else { panic!("nobody is there") };
        assert!(error.to_string().starts_with("cannot reach `127.0.0.1:9`"), "{error:#}");
    }

    #[test]
    fn only_alerts_about_certificates_ask_for_one() {
        let told = |alert: &str| {
            let error = anyhow!("received fatal alert: {alert}").context("`cluster` cannot be reached");
            format!("{:#}", with_cure(error))
        };
        for alert in WANTS {
            assert!(told(alert).starts_with("the cluster wants to see a client certificate"), "{alert}");
        }
        for alert in ["ProtocolVersion", "InternalError", "UnrecognisedName", "BadCertificateStatusResponse"] {
            assert!(told(alert).starts_with("`cluster` cannot be reached"), "{alert}");
        }
    }

    #[test]
    fn a_certificate_goes_with_its_key() {
        let alone = identity(&json!({ "client-certificate-data": BASE64.encode("x") })).unwrap_err();
        assert_eq!(alone.to_string(), "a client certificate goes with its key");
        let broken = json!({ "client-certificate-data": BASE64.encode("x"), "client-key-data": BASE64.encode("y") });
        assert!(identity(&broken).unwrap_err().to_string().contains("no PEM"));
    }
}
