//! `docker`: runs a container.
//!
//! ```yaml
//! - task_id: score
//!   operator: docker
//!   image: ghcr.io/acme/scoring:1.4
//!   command: score --day {{ ds }}
//!   environment: { REGION: eu }
//!   mem_limit: 2g
//! ```
//!
//! ```text
//!   claim ──> image ──> create, with the token of the claim ──> start ──> follow its output … ──> ended ──> remove
//! ```
//!
//! A container is a try's own: a process that takes the try up goes on with the container that it finds, and a try that is
//! not wanted any more stops its container. It holds its slot, because the engine usually works on the same machine.
//!
//! [`args`]: what people write. [`blueprint`]: what is asked of the engine. [`engine`]: where the engine is, and what its
//! refusals mean. [`image`]: pulls, and who asks for them. [`run`]: the course of a try. [`words`]: command lines.

mod args;
mod blueprint;
mod engine;
mod image;
mod run;
mod words;

use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use serde_json::{Map, Value};

pub use args::DockerArgs;
pub(crate) use image::registry_of;

use crate::claim::Claim;
use crate::notifiers::Environment;
use engine::Engine;

/// The `docker` operator.
#[derive(Clone, Debug)]
pub struct Docker {
    environment: Environment,
}

impl Docker {
    /// Asking the engine that `DOCKER_HOST` of `environment` names where a task names none.
    pub fn new(environment: Environment) -> Docker {
        Docker { environment }
    }

    /// The engine of a task: that at which something may go on, if it answers.
    async fn engine(&self, args: &DockerArgs, ctx: &TaskContext) -> Result<Engine, TaskError> {
        let left_at = Claim::place_left(ctx).await?;
        engine::connect(args, left_at.as_deref(), &self.environment, ctx).await
    }
}

impl Operator for Docker {
    const NAME: &'static str = "docker";
    const SUMMARY: &'static str = "Runs a container with Docker, or with what speaks as it does.";
    const TEMPLATE_FILES: TemplateFiles = &[("command", &[".sh", ".bash"]), ("env_file", &[".env"])];
    type Args = DockerArgs;

    fn airflow_classes() -> Vec<AirflowClass> {
        const PICKLE: &str = "it would unpickle Python; print JSON as the last line, with `output_processor: json`";
        vec![
            AirflowClass::named("airflow.providers.docker.operators.docker.DockerOperator")
                .given("auto_remove", "never")
                .given("mount_tmp_dir", true)
                .unneeded("api_version")
                .unneeded("host_tmp_dir")
                .unneeded("tls_verify")
                .unneeded("xcom_push")
                .refused("tls_hostname", "certificates are checked against the name in `docker_url`")
                .refused("tls_ssl_version", "the newest version that both sides know is used")
                .refused("retrieve_output", PICKLE)
                .refused("retrieve_output_path", PICKLE),
        ]
    }

    async fn execute(&self, args: DockerArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let engine = self.engine(&args, ctx).await?;
        run::perform(&engine, &args, ctx).await
    }

    async fn withdraw(&self, args: DockerArgs, ctx: &TaskContext) -> Result<(), TaskError> {
        let engine = self.engine(&args, ctx).await?;
        run::withdraw(&engine, &args, ctx).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        args::check(args)
    }
}
