//! The cluster of a task: where it is, who we are there, and what its refusals mean.
//!
//! A connection says it in one of Airflow's ways (`in_cluster`, `kube_config_path`, `kube_config`), or as an address with a
//! token. Without one it is what kubectl would take, else the cluster that Updraft runs in.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use k8s_openapi::jiff::Timestamp;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::core::params::{DeleteParams, GetParams, ListParams, PostParams, PropagationPolicy};
use kube::core::request::Request;
use kube::core::subresource::LogParams;
use reqwest::Response;
use scheduler::connection::{Connection, Secret};
use scheduler::operator::{TaskContext, TaskError};
use serde_json::{Value, json};

use super::access::{Access, ClusterError};
use super::args::{JobArgs, is_label};
use crate::claim::Place;
use crate::connections::address;
use crate::notifiers::Environment;

/// The connection that Airflow's classes have by default.
const DEFAULT_CONNECTION: &str = "kubernetes_default";

/// Airflow has written this before the names in `extra`.
const OLD_PREFIX: &str = "extra__kubernetes__";

/// A cluster, and a namespace in it.
#[derive(Clone)]
pub(super) struct Cluster {
    access: Access,
    pub(super) namespace: String,
    /// For people.
    pub(super) address: String,
}

impl Cluster {
    /// The one that the arguments name.
    pub(super) async fn open(
        args: &JobArgs,
        environment: &Environment,
        ctx: &TaskContext,
    ) -> Result<Cluster, TaskError> {
        let connection = match &args.kubernetes_conn_id {
            Some(conn_id) => named(conn_id, ctx).await?,
            None => None,
        };
        let choice = Choice {
            in_cluster: args.in_cluster,
            config_file: args.config_file.as_ref().map(|path| ctx.home.join(path)),
            context: args.cluster_context.clone(),
        };
        let cannot = "cannot tell where the cluster is";
        let config = configuration(&choice, connection.as_ref(), environment).await.context(cannot);
        let mut config = config.map_err(TaskError::fail)?;
        let of_connection = connection.as_ref().and_then(|connection| text(connection, "namespace"));
        if let Some(namespace) = args.namespace.clone().or(of_connection) {
            config.default_namespace = namespace;
        }
        let cluster = Cluster::of(config).map_err(TaskError::fail)?;
        if !is_label(&cluster.namespace) {
            return Err(TaskError::fail(anyhow!("`{}` is no name of a namespace", cluster.namespace)));
        }
        Ok(cluster)
    }

    fn of(config: Config) -> anyhow::Result<Cluster> {
        let access = Access::of(&config).context("what leads to the cluster is not sound")?;
        Ok(Cluster { address: access.base.clone(), namespace: config.default_namespace, access })
    }

    /// Where Jobs are made.
    pub(super) fn place(&self) -> Place {
        Place { address: format!("the namespace {} of {}", self.namespace, self.address), identity: None }
    }

    /// What is asked at a path of the API.
    fn at(&self, path: &str) -> Request {
        Request::new(format!("{}{path}", self.access.base))
    }

    fn jobs(&self) -> Request {
        self.at(&format!("/apis/batch/v1/namespaces/{}/jobs", self.namespace))
    }

    fn pods(&self) -> Request {
        self.at(&format!("/api/v1/namespaces/{}/pods", self.namespace))
    }

    /// Makes a Job. Fields that the cluster does not know are refused by it.
    pub(super) async fn make_job(&self, manifest: &Value) -> Result<Value, ClusterError> {
        let mut request = asked(self.jobs().create(&PostParams::default(), manifest.to_string().into_bytes()))?;
        request.url_mut().query_pairs_mut().append_pair("fieldValidation", "Strict");
        self.access.ask(request).await
    }

    /// The Job of that name.
    pub(super) async fn job(&self, name: &str) -> Result<Value, ClusterError> {
        self.access.ask(asked(self.jobs().get(name, &GetParams::default()))?).await
    }

    /// The Jobs that have a label.
    pub(super) async fn jobs_with(&self, label: &str) -> Result<Vec<Value>, ClusterError> {
        let request = asked(self.jobs().list(&ListParams::default().labels(label)))?;
        self.access.ask(request).await.map(items)
    }

    /// The pods that have a label.
    pub(super) async fn pods_with(&self, label: &str) -> Result<Vec<Value>, ClusterError> {
        let request = asked(self.pods().list(&ListParams::default().labels(label)))?;
        self.access.ask(request).await.map(items)
    }

    /// Deletes a Job, and its pods by a policy.
    pub(super) async fn delete_job(&self, name: &str, policy: PropagationPolicy) -> Result<(), ClusterError> {
        let how = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        self.access.ask(asked(self.jobs().delete(name, &how))?).await.map(|_| ())
    }

    /// The output of a container as it comes, with an instant before each line.
    pub(super) async fn output(
        &self,
        pod: &str,
        container: &str,
        since: Option<DateTime<Utc>>,
    ) -> Result<Response, ClusterError> {
        let since_time = since.and_then(|at| Timestamp::from_second(at.timestamp()).ok());
        let container = Some(container.to_owned());
        let how = LogParams { container, follow: true, timestamps: true, since_time, ..LogParams::default() };
        self.access.open(asked(self.pods().logs(pod, &how))?).await
    }

    /// As whom the cluster knows us.
    async fn us(&self) -> Result<String, ClusterError> {
        let question = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" }).to_string();
        let reviews = self.at("/apis/authentication.k8s.io/v1/selfsubjectreviews");
        let request = asked(reviews.create(&PostParams::default(), question.into_bytes()))?;
        let answer = self.access.ask(request).await?;
        Ok(answer["status"]["userInfo"]["username"].as_str().unwrap_or("somebody without a name").to_owned())
    }
}

/// What is to be sent.
fn asked(
    request: Result<impl TryInto<reqwest::Request, Error = reqwest::Error>, kube::core::request::Error>,
) -> Result<reqwest::Request, ClusterError> {
    let request = request.map_err(|error| ClusterError::Unasked(error.into()))?;
    request.try_into().map_err(|error| ClusterError::Unasked(error.without_url().into()))
}

fn items(mut list: Value) -> Vec<Value> {
    match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// What a task says of its cluster.
#[derive(Debug, Default)]
struct Choice {
    in_cluster: Option<bool>,
    config_file: Option<PathBuf>,
    context: Option<String>,
}

/// The connection of that id. Airflow's default need not be there: then it is as if none were named. Where it cannot be looked up
/// nobody knows, and the cluster that is reached without it may be another.
async fn named(conn_id: &str, ctx: &TaskContext) -> Result<Option<Connection>, TaskError> {
    if conn_id == DEFAULT_CONNECTION && ctx.secrets.connection(conn_id).await.map_err(TaskError::retry)?.is_none() {
        return Ok(None);
    }
    ctx.connection(conn_id).await.map(Some)
}

/// How a cluster is reached.
async fn configuration(
    choice: &Choice,
    connection: Option<&Connection>,
    environment: &Environment,
) -> anyhow::Result<Config> {
    let says = |key| connection.and_then(|connection| text(connection, key));
    let is_inside =
        choice.in_cluster.unwrap_or_else(|| connection.is_some_and(|connection| is_on(connection, "in_cluster")));
    if is_inside {
        return Config::incluster().context("Updraft does not run in a cluster");
    }
    let options = KubeConfigOptions {
        context: choice.context.clone().or_else(|| says("cluster_context")),
        ..KubeConfigOptions::default()
    };
    let kubeconfig = if let Some(path) = &choice.config_file {
        from_file(path)?
    } else if let Some(kubeconfig) = connection.map(of_connection).transpose()?.flatten() {
        kubeconfig
    } else if let Some(path) = usual_file(environment) {
        from_file(&path)?
    } else if environment.look_up("KUBERNETES_SERVICE_HOST").is_ok() {
        return Config::incluster().context("the account of Updraft's pod cannot be read");
    } else if connection.is_some() {
        bail!("no cluster is named; the connection needs a kubeconfig, or an API server as its host, or `in_cluster`");
    } else {
        bail!("no cluster is named; make a connection of type `kubernetes`, and name it with `kubernetes_conn_id`");
    };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.context("the kubeconfig names no cluster")
}

fn from_file(path: &Path) -> anyhow::Result<Kubeconfig> {
    Kubeconfig::read_from(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// The file that kubectl would take.
fn usual_file(environment: &Environment) -> Option<PathBuf> {
    let named = environment.look_up("KUBECONFIG").ok().filter(|path| !path.is_empty()).map(PathBuf::from);
    let usual = || Some(PathBuf::from(environment.look_up("HOME").ok()?).join(".kube/config"));
    named.or_else(|| usual().filter(|path| path.is_file()))
}

/// The kubeconfig that a connection holds, names or amounts to.
fn of_connection(connection: &Connection) -> anyhow::Result<Option<Kubeconfig>> {
    if let Some(path) = text(connection, "kube_config_path") {
        return from_file(Path::new(&path)).map(Some);
    }
    match extra(connection, "kube_config") {
        Some(Value::String(written)) if !written.trim().is_empty() => {
            let read = Kubeconfig::from_yaml(written);
            // What is wrong in it may show a part of it.
            return read.map(Some).map_err(|_| anyhow!("`kube_config` of the connection is no kubeconfig"));
        }
        Some(kubeconfig @ Value::Object(_)) => {
            let read = serde_json::from_value(kubeconfig.clone());
            return read.map(Some).map_err(|_| anyhow!("`kube_config` of the connection is no kubeconfig"));
        }
        _ => {}
    }
    if connection.host.as_deref().is_none_or(str::is_empty) {
        return Ok(None);
    }
    let server = address(&Connection { schema: Some("https".to_owned()), ..connection.clone() });
    let server = server.context("the connection leads to no cluster")?;
    let token = connection.password.as_ref().map(Secret::reveal);
    let authority = text(connection, "ca_cert").map(|pem| BASE64.encode(pem));
    let written = json!({
        "clusters": [{ "name": "it", "cluster": {
            "server": server.url().as_str(),
            "insecure-skip-tls-verify": is_on(connection, "disable_verify_ssl"),
            "certificate-authority-data": authority,
        } }],
        "users": [{ "name": "us", "user": { "token": token } }],
        "contexts": [{ "name": "here", "context": { "cluster": "it", "user": "us" } }],
        "current-context": "here",
    });
    Ok(Some(serde_json::from_value(written).context("the connection leads to no cluster")?))
}

fn extra<'a>(connection: &'a Connection, key: &str) -> Option<&'a Value> {
    connection.extra.get(key).or_else(|| connection.extra.get(&format!("{OLD_PREFIX}{key}")))
}

fn text(connection: &Connection, key: &str) -> Option<String> {
    extra(connection, key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn is_on(connection: &Connection, key: &str) -> bool {
    match extra(connection, key) {
        Some(Value::Bool(on)) => *on,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// Who we are to the cluster that a connection leads to, and the cluster.
pub(crate) async fn who_we_are(connection: &Connection, environment: &Environment) -> anyhow::Result<(String, String)> {
    let config = configuration(&Choice::default(), Some(connection), environment).await?;
    let cluster = Cluster::of(config)?;
    let name = cluster.us().await;
    let name = name.map_err(|error| told(error).context(format!("cannot ask {}", cluster.address)))?;
    Ok((name, cluster.address))
}

/// Whether the cluster says that there is no such thing.
pub(super) fn is_absent(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Refused { code: 404, .. })
}

/// Whether the cluster says that there is such a thing already.
pub(super) fn is_there_already(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Refused { code: 409, reason, .. } if reason == "AlreadyExists")
}

/// Whether the same request may be answered otherwise later: the cluster is away, busy or broken.
pub(super) fn is_passing(error: &ClusterError) -> bool {
    match error {
        ClusterError::Refused { code, .. } => *code >= 500 || matches!(code, 408 | 429),
        ClusterError::Away(_) => true,
        ClusterError::Unasked(_) => false,
    }
}

/// An error as people read it.
pub(super) fn told(error: ClusterError) -> anyhow::Error {
    match error {
        ClusterError::Refused { code: 401, message, .. } => anyhow!("the cluster does not know us: {message}"),
        ClusterError::Refused { message, .. } => anyhow!("{message}"),
        ClusterError::Away(error) | ClusterError::Unasked(error) => error,
    }
}

/// What an error means to the try; `deed` is read after "cannot".
pub(super) fn refused(error: ClusterError, deed: &str) -> TaskError {
    // Who we are, and what we may do, is mended without a change of the DAG file.
    let may_retry = match &error {
        ClusterError::Refused { code: 401 | 403 | 409, .. } | ClusterError::Unasked(_) => true,
        error => is_passing(error),
    };
    let error = told(error).context(format!("cannot {deed}"));
    if may_retry { TaskError::retry(error) } else { TaskError::fail(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(extra: Value) -> Connection {
        let Value::Object(extra) = extra else { panic!("a mapping") };
        Connection { extra, ..Connection::new("k", "kubernetes") }
    }

    async fn address(connection: Connection, context: Option<&str>) -> anyhow::Result<String> {
        let choice = Choice { context: context.map(str::to_owned), ..Choice::default() };
        let config = configuration(&choice, Some(&connection), &Environment::default()).await?;
        Ok(format!("{} {}", config.cluster_url, config.default_namespace))
    }

    #[tokio::test]
    async fn a_connection_says_it_in_one_of_several_ways() {
        let kubeconfig = json!({
            "clusters": [
                { "name": "a", "cluster": { "server": "https://a.example" } },
                { "name": "b", "cluster": { "server": "https://b.example" } },
            ],
            "users": [{ "name": "me", "user": { "token": "hush" } }],
            "contexts": [
                { "name": "first", "context": { "cluster": "a", "user": "me" } },
                { "name": "second", "context": { "cluster": "b", "user": "me", "namespace": "jobs" } },
            ],
            "current-context": "first",
        });
        let whole = connection(json!({ "kube_config": kubeconfig.clone() }));
        assert_eq!(address(whole.clone(), None).await.unwrap(), "https://a.example/ default");
        assert_eq!(address(whole, Some("second")).await.unwrap(), "https://b.example/ jobs");
        let old = json!({
            "extra__kubernetes__kube_config": kubeconfig.to_string(), "extra__kubernetes__cluster_context": "second",
        });
        assert_eq!(address(connection(old), None).await.unwrap(), "https://b.example/ jobs");
        let hosts = [
            ("api.example", "https://api.example:6443/ default"),
            ("::1", "https://[::1]:6443/ default"),
            ("[::1]", "https://[::1]:6443/ default"),
            ("http://api.example/k8s", "http://api.example:6443/k8s default"),
        ];
        for (host, expected) in hosts {
            let host = Connection {
                host: Some(host.to_owned()),
                port: Some(6443),
                password: Some(Secret::new("hush")),
                ..connection(json!({}))
            };
            assert_eq!(address(host, None).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_without_secrets() {
        let broken = connection(json!({ "kube_config": "users: [{token: hush" }));
        assert_eq!(
            address(broken, None).await.unwrap_err().to_string(),
            "`kube_config` of the connection is no kubeconfig"
        );
        let nothing = address(connection(json!({})), None).await.unwrap_err().to_string();
        assert!(nothing.starts_with("no cluster is named"), "{nothing}");
        let nowhere = address(connection(json!({ "kube_config_path": "/nowhere/config" })), None).await.unwrap_err();
        assert!(nowhere.to_string().contains("cannot read `/nowhere/config`"), "{nowhere}");
        let inside = address(connection(json!({ "in_cluster": true })), None).await.unwrap_err();
        assert!(inside.to_string().contains("does not run in a cluster"), "{inside}");
    }
}
