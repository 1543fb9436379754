//! The arguments of `kubernetes_job`, by Airflow's names, and mistakes in them that can be told while the DAG file is loaded.

use std::collections::BTreeMap;
use std::time::Duration;

use scheduler::dag::template::holds_template;
use scheduler::operator::ArgumentProblem;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::bash::{EnvValue, ExitCodes, OutputProcessor};
use crate::shapes::OneOrMany;
use crate::span::{self, Span};

/// A mapping, or a list of them, as the API of Kubernetes has it.
type Piece = Map<String, Value>;

/// Arguments of the `kubernetes_job` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobArgs {
    /// The image of the container; not needed when a template has it.
    #[serde(default)]
    pub(super) image: Option<String>,
    /// What is run, in the place of the image's own entry point: a list of words.
    #[serde(default)]
    pub(super) cmds: Option<OneOrMany>,
    /// What that is given, in the place of the image's own command.
    #[serde(default)]
    pub(super) arguments: Option<OneOrMany>,
    /// Environment variables: a mapping, or a list as Kubernetes has it.
    #[serde(default)]
    pub(super) env_vars: Option<EnvVars>,
    /// Whole sets of variables, from ConfigMaps and Secrets: a list of `{secretRef: {name: …}}`.
    #[serde(default)]
    pub(super) env_from: Option<Vec<Piece>>,
    /// ConfigMaps whose data become variables: names, beside `env_from`.
    #[serde(default)]
    pub(super) configmaps: Option<OneOrMany>,
    /// What the container asks for and may have: `{requests: {cpu: 500m}, limits: {memory: 2Gi}}`.
    #[serde(default)]
    pub(super) container_resources: Option<Piece>,
    /// When the image is pulled: `Always`, `IfNotPresent`, `Never`.
    #[serde(default)]
    pub(super) image_pull_policy: Option<PullPolicy>,
    /// Secrets with which images are pulled: names, or a list of `{name: …}`.
    #[serde(default)]
    pub(super) image_pull_secrets: Option<PullSecrets>,
    /// Ports of the container.
    #[serde(default)]
    pub(super) ports: Option<Vec<Piece>>,
    /// Where the container sees volumes.
    #[serde(default)]
    pub(super) volume_mounts: Option<Vec<Piece>>,
    /// What the container may do.
    #[serde(default)]
    pub(super) container_security_context: Option<Piece>,
    /// The name of the container.
    #[serde(default = "base")]
    #[schemars(length(min = 1))]
    pub(super) base_container_name: String,
    /// Volumes of the pod.
    #[serde(default)]
    pub(super) volumes: Option<Vec<Piece>>,
    /// Containers that run before.
    #[serde(default)]
    pub(super) init_containers: Option<Vec<Piece>>,
    /// The account in whose name the pod asks the cluster.
    #[serde(default)]
    pub(super) service_account_name: Option<String>,
    /// Whether the pod has a token of that account.
    #[serde(default)]
    pub(super) automount_service_account_token: Option<bool>,
    /// Labels that a node must have.
    #[serde(default)]
    pub(super) node_selector: Option<Piece>,
    /// Which nodes and neighbours it likes.
    #[serde(default)]
    pub(super) affinity: Option<Piece>,
    /// Taints of nodes that it bears.
    #[serde(default)]
    pub(super) tolerations: Option<Vec<Piece>>,
    /// As whom the pod runs, and more.
    #[serde(default)]
    pub(super) security_context: Option<Piece>,
    /// Which pods go first.
    #[serde(default)]
    pub(super) priority_class_name: Option<String>,
    /// Whether it has the network of its node.
    #[serde(default)]
    pub(super) hostnetwork: bool,
    /// Where it asks for names: `ClusterFirst`, `Default`, ….
    #[serde(default)]
    pub(super) dnspolicy: Option<String>,
    /// The same in detail: `{nameservers: […], searches: […]}`.
    #[serde(default)]
    pub(super) dns_config: Option<Piece>,
    /// Names that it knows without asking: a list of `{ip: …, hostnames: […]}`.
    #[serde(default)]
    pub(super) host_aliases: Option<Vec<Piece>>,
    /// What it is called there.
    #[serde(default)]
    pub(super) hostname: Option<String>,
    /// The domain of that name.
    #[serde(default)]
    pub(super) subdomain: Option<String>,
    /// The RuntimeClass of its containers.
    #[serde(default)]
    pub(super) runtime_class_name: Option<String>,
    /// Who chooses its node.
    #[serde(default)]
    pub(super) schedulername: Option<String>,
    /// Between SIGTERM and SIGKILL, in seconds.
    #[serde(default)]
    pub(super) termination_grace_period: Option<u32>,
    /// The begin of the name of the Job; the id of the task when absent.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Whether something is added to the name that belongs to the try alone. Without it there is one Job of that name at a time.
    #[serde(default = "yes")]
    pub(super) random_name_suffix: bool,
    /// The namespace; that of the connection or of the context when absent.
    #[serde(default)]
    pub(super) namespace: Option<String>,
    /// Labels of the Job and its pods.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, EnvValue>,
    /// Annotations of the Job and its pods.
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, EnvValue>,
    /// How often a pod that fails is replaced before the Job fails.
    #[serde(default)]
    pub(super) backoff_limit: Option<u32>,
    /// How many pods must succeed.
    #[serde(default)]
    pub(super) completions: Option<u32>,
    /// `Indexed` gives each pod a number, in `JOB_COMPLETION_INDEX`.
    #[serde(default)]
    pub(super) completion_mode: Option<CompletionMode>,
    /// How many pods run at the same time.
    #[serde(default)]
    pub(super) parallelism: Option<u32>,
    /// After so long Kubernetes itself ends the Job: a number of seconds, or a duration.
    #[serde(default)]
    pub(super) active_deadline_seconds: Option<Span>,
    /// How long after its end Kubernetes deletes the Job: a number of seconds, or a duration. What Updraft has not seen by then
    /// it does not see.
    #[serde(default)]
    pub(super) ttl_seconds_after_finished: Option<Span>,
    /// Whether the Job waits for somebody to let it begin.
    #[serde(default)]
    pub(super) suspend: Option<bool>,
    /// Which pods are those of the Job, with `manual_selector`. Kubernetes chooses that by itself.
    #[serde(default)]
    pub(super) selector: Option<Piece>,
    /// Whether `selector` counts.
    #[serde(default)]
    pub(super) manual_selector: Option<bool>,
    /// A whole Job as Kubernetes has it, over which the other arguments are laid.
    #[serde(default)]
    pub(super) job_template: Option<Piece>,
    /// The same in a file of YAML beside the DAG file.
    #[serde(default)]
    pub(super) job_template_file: Option<String>,
    /// A whole pod as Kubernetes has it, over which the other arguments are laid.
    #[serde(default)]
    pub(super) pod_template_dict: Option<Piece>,
    /// The same in a file of YAML beside the DAG file.
    #[serde(default)]
    pub(super) pod_template_file: Option<String>,
    /// The connection, of type `kubernetes`, to the cluster.
    #[serde(default)]
    pub(super) kubernetes_conn_id: Option<String>,
    /// Whether it is the cluster that Updraft itself runs in.
    #[serde(default)]
    pub(super) in_cluster: Option<bool>,
    /// A file of kubectl that says where the cluster is.
    #[serde(default)]
    pub(super) config_file: Option<String>,
    /// Which context of that file; its current one when absent.
    #[serde(default)]
    pub(super) cluster_context: Option<String>,
    /// Whether the task ends when the Job does. Otherwise it ends when the Job is made.
    #[serde(default = "yes")]
    pub(super) wait_until_job_complete: bool,
    /// How long it sleeps at most before it looks again: a number of seconds, or a duration. It looks more often at first.
    #[serde(default = "ten_seconds")]
    pub(super) job_poll_interval: Span,
    /// How long pods may take to begin: a number of seconds, or a duration.
    #[serde(default = "two_minutes")]
    pub(super) startup_timeout_seconds: Span,
    /// Whether the output of the containers is in the log.
    #[serde(default = "yes")]
    pub(super) get_logs: bool,
    /// Of which containers; of `base_container_name` when absent.
    #[serde(default)]
    pub(super) container_logs: Option<OneOrMany>,
    /// Of which `init_containers`, beside those.
    #[serde(default)]
    pub(super) init_container_logs: Option<OneOrMany>,
    /// What becomes of the Job once it has ended.
    #[serde(default)]
    pub(super) on_finish_action: OnFinish,
    /// What becomes of a Job that goes on and that nobody wants any more.
    #[serde(default)]
    pub(super) on_kill_action: OnKill,
    /// How its pods go when the Job is deleted because nobody wants it any more.
    #[serde(default)]
    pub(super) on_kill_propagation_policy: Propagation,
    /// What becomes of the last line of output: text, or the value that it is as JSON.
    #[serde(default)]
    pub(super) output_processor: OutputProcessor,
    /// The exit code, or codes, of the container that skip the task.
    #[serde(default)]
    pub(super) skip_on_exit_code: Option<ExitCodes>,
}

/// Environment variables.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum EnvVars {
    Values(BTreeMap<String, EnvValue>),
    List(Vec<Piece>),
}

/// Secrets with which images are pulled.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum PullSecrets {
    Names(OneOrMany),
    List(Vec<Piece>),
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Deserialize, serde::Serialize, JsonSchema)]
pub(super) enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// Whether pods have numbers.
#[derive(Clone, Copy, Debug, Deserialize, serde::Serialize, JsonSchema)]
pub(super) enum CompletionMode {
    NonIndexed,
    Indexed,
}

/// What becomes of a Job that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum OnFinish {
    /// It is deleted, with its pods.
    #[default]
    #[serde(rename = "delete_pod")]
    Delete,
    /// It is deleted, with its pods, if it succeeded.
    #[serde(rename = "delete_succeeded_pod")]
    DeleteSucceeded,
    /// It stays.
    #[serde(rename = "keep_pod")]
    Keep,
}

/// What becomes of a Job whose task is cleared, marked or out of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum OnKill {
    /// It is deleted, with its pods.
    #[default]
    #[serde(rename = "delete_pod")]
    Delete,
    /// It goes on.
    #[serde(rename = "keep_pod")]
    Keep,
}

/// How pods go when their Job is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum Propagation {
    /// Before the Job.
    #[default]
    Foreground,
    /// After the Job.
    Background,
    /// They stay.
    Orphan,
}

fn base() -> String {
    "base".to_owned()
}

fn yes() -> bool {
    true
}

fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}

fn two_minutes() -> Span {
    Span(Duration::from_mins(2))
}

/// Whether a text can be the name of a namespace, a Job or a container.
pub(super) fn is_label(text: &str) -> bool {
    let is_inside = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
    (1..=63).contains(&text.len()) && text.chars().all(is_inside) && !text.starts_with('-') && !text.ends_with('-')
}

/// All mistakes.
pub(super) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let problem = |key: &str, message: String| ArgumentProblem { pointer: format!("/{key}"), message, help: None };
    let is_given = |key: &str| args.get(key).is_some_and(|value| !value.is_null());
    let spans =
        ["active_deadline_seconds", "ttl_seconds_after_finished", "job_poll_interval", "startup_timeout_seconds"];
    let mut problems: Vec<ArgumentProblem> =
        spans.into_iter().filter_map(|key| span::check::<Span>(args, key)).collect();
    let templates = ["job_template", "job_template_file", "pod_template_dict", "pod_template_file"];
    let given: Vec<&str> = templates.into_iter().filter(|key| is_given(key)).collect();
    if let [first, second, ..] = given.as_slice() {
        problems.push(problem(second, format!("`{first}` and `{second}` exclude each other")));
    }
    if given.is_empty() && !is_given("image") {
        let message = format!("it does not say what to run: `image`, or one of `{}`", templates.join("`, `"));
        problems.push(ArgumentProblem { pointer: String::new(), message, help: None });
    }
    for key in ["namespace", "base_container_name"] {
        let text = args.get(key).and_then(Value::as_str).filter(|text| !holds_template(text));
        if let Some(text) = text.filter(|text| !is_label(text)) {
            problems.push(problem(key, format!("`{text}` is no name: lower-case letters, digits and `-`, at most 63")));
        }
    }
    for (key, needed, message) in
        [("job_template", "Job", "a Job has the kind `Job`"), ("pod_template_dict", "Pod", "a pod has the kind `Pod`")]
    {
        let kind = args.get(key).and_then(|template| template.get("kind")).and_then(Value::as_str);
        if kind.is_some_and(|kind| kind != needed && !holds_template(kind)) {
            problems.push(problem(&format!("{key}/kind"), message.to_owned()));
        }
    }
    if args.get("in_cluster") == Some(&Value::Bool(true)) && is_given("config_file") {
        problems.push(problem("config_file", "`in_cluster` and `config_file` exclude each other".to_owned()));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for (text, is_one) in
            [("jobs", true), ("a-1", true), ("", false), ("-a", false), ("Jobs", false), ("a/b", false), ("a.b", false)]
        {
            assert_eq!(is_label(text), is_one, "{text}");
        }
        assert!(!is_label(&"a".repeat(64)));
    }
}
