//! `kubernetes_job`: runs a Job on Kubernetes.
//!
//! ```yaml
//! - task_id: score
//!   operator: kubernetes_job
//!   image: ghcr.io/acme/scoring:1.4
//!   cmds: [score]
//!   arguments: [--day, "{{ ds }}"]
//!   container_resources: { limits: { memory: 2Gi } }
//! ```
//!
//! ```text
//!   claim ──> manifest, with the token of the claim ──> create ──> defer ──look, follow the logs of pods── … ──> ended ──> delete
//! ```
//!
//! A Job is a try's own: a process that takes the try up goes on with the Job that it finds, and a try that is not wanted any
//! more deletes its Job. It holds no slot, because the cluster does the work.
//!
//! [`args`]: what people write. [`manifest`]: what is asked of the cluster. [`cluster`]: where it is, and what it can be asked.
//! [`access`]: the way there, and what is shown on it. [`sight`]: what is seen of a Job and its pods. [`logs`]: their output. [`run`]: the course of a try.

mod access;
mod args;
mod cluster;
mod logs;
mod manifest;
mod run;
mod sight;

use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use serde_json::{Map, Value, json};

pub use args::JobArgs;
pub(crate) use cluster::who_we_are;

use crate::notifiers::Environment;
use cluster::Cluster;

/// The `kubernetes_job` operator.
#[derive(Clone, Debug)]
pub struct KubernetesJob {
    environment: Environment,
}

impl KubernetesJob {
    /// On the cluster that `KUBECONFIG` of `environment` names where a task names none.
    pub fn new(environment: Environment) -> KubernetesJob {
        KubernetesJob { environment }
    }
}

impl Operator for KubernetesJob {
    const NAME: &'static str = "kubernetes_job";
    const SUMMARY: &'static str = "Runs a Job on Kubernetes.";
    type Args = JobArgs;

    fn airflow_classes() -> Vec<AirflowClass> {
        let class = |path| {
            let class = AirflowClass::named(path)
                .given("kubernetes_conn_id", "kubernetes_default")
                .renamed("full_job_spec", "job_template")
                .renamed("full_pod_spec", "pod_template_dict")
                .renamed("poll_interval", "job_poll_interval")
                .refused("secrets", "they are objects of Python; write `env_from`, or `volumes` and `volume_mounts`")
                .refused("callbacks", "they are functions of Python; see `on_success_callback`")
                .refused("log_formatter", "it is a function of Python; the log has the lines as they are")
                .refused("pod_runtime_info_envs", "write `env_vars` as a list with `valueFrom: {fieldRef: …}`")
                .refused("progress_callback", "it is a function of Python; the log shows the output");
            let unneeded = [
                "deferrable",
                "durable",
                "reattach_on_restart",
                "trigger_kwargs",
                "log_events_on_startup",
                "base_container_status_polling_interval",
                "container_name_log_prefix_enabled",
                "xcom_sidecar_container_security_context",
                "logging_interval",
                "log_events_on_failure",
                "log_pod_spec_on_failure",
                "discover_pods_retry_number",
                "unwrap_single",
                "termination_message_policy",
                "startup_check_interval_seconds",
                "schedule_timeout_seconds",
                "is_delete_operator_pod",
            ];
            unneeded.into_iter().fold(class, AirflowClass::unneeded)
        };
        vec![
            class("airflow.providers.cncf.kubernetes.operators.job.KubernetesJobOperator")
                .given("wait_until_job_complete", false)
                .given("on_finish_action", "keep_pod")
                .given("backoff_limit", 6),
            class("airflow.providers.cncf.kubernetes.operators.pod.KubernetesPodOperator"),
        ]
    }

    async fn execute(&self, args: JobArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let cluster = Cluster::open(&args, &self.environment, ctx).await?;
        run::perform(&cluster, &args, ctx).await
    }

    async fn withdraw(&self, args: JobArgs, ctx: &TaskContext) -> Result<(), TaskError> {
        let cluster = Cluster::open(&args, &self.environment, ctx).await?;
        run::withdraw(&cluster, &args, ctx).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        args::check(args)
    }
}

/// What other tasks may know of a Job, by Airflow's names.
fn xcoms(namespace: &str, name: &str) -> Vec<(String, Value)> {
    vec![("job_name".to_owned(), json!(name)), ("job_namespace".to_owned(), json!(namespace))]
}
