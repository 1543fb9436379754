//! The course of one try: its Job is found or made, watched to its end, and tidied away.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use kube::core::params::PropagationPolicy;
use scheduler::operator::{Outcome, TaskContext, TaskError};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::access::ClusterError;
use super::args::{JobArgs, OnFinish, OnKill, Propagation};
use super::cluster::{Cluster, is_absent, is_passing, is_there_already, refused, told};
use super::logs::{Logs, last_line};
use super::manifest::{self, TOKEN_LABEL};
use super::sight::{JobState, Pod, job_state};
use super::xcoms;
use crate::beside;
use crate::claim::{Claim, Ended};
use crate::requests::Complaints;
use crate::shapes::OneOrMany;
use crate::span::spoken;
use crate::time_limit;

/// The first look at a Job that has just been made is repeated after this; each further pause is half as long again, up to
/// `job_poll_interval`.
const LOOK_FIRST: Duration = Duration::from_millis(500);

/// So often a Job is asked for while the cluster is away; the task's own `retries` come after that.
const MAKE_ATTEMPTS: u32 = 5;

/// A cluster has so long to say that a Job is deleted; the scheduler itself gives a try half a minute.
const DELETE_PATIENCE: Duration = Duration::from_secs(20);

/// The Job of an earlier try must be gone within this before another is made.
const EARLIER_GOES: Duration = Duration::from_mins(10);

/// Why a try ends without having seen the end of its Job.
enum Stop {
    /// The Job, if there is one, is not touched.
    Leaves(TaskError),
    /// The Job is deleted.
    GivesUp(TaskError),
}

impl From<TaskError> for Stop {
    fn from(error: TaskError) -> Stop {
        Stop::Leaves(error)
    }
}

/// Runs the Job of a try to its end.
pub(super) async fn perform(cluster: &Cluster, args: &JobArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
    let course = Course { cluster, args, ctx };
    let ended = Box::pin(course.to_the_end()).await;
    let ended = match ended {
        Err(Stop::GivesUp(error)) => {
            course.abandon().await;
            Err(error)
        }
        Err(Stop::Leaves(error)) => {
            if ctx.withdrawn.is_cancelled() {
                course.abandon().await;
            }
            Err(error)
        }
        Ok(ended) => Ok(ended),
    };
    let (name, ended) = ended?;
    match ended.into_outcome(args.skip_on_exit_code.as_ref(), args.output_processor)? {
        Outcome::Success { return_value, next, .. } => {
            Ok(Outcome::Success { return_value, xcoms: xcoms(&cluster.namespace, &name), next })
        }
        skipped @ Outcome::Skipped { .. } => Ok(skipped),
    }
}

/// Ends what a try has left that nobody minds any more, and awaits that it has ended.
pub(super) async fn withdraw(cluster: &Cluster, args: &JobArgs, ctx: &TaskContext) -> Result<(), TaskError> {
    let course = Course { cluster, args, ctx };
    let Some(token) = Claim::left_going_on(ctx, &cluster.place()).await? else { return Ok(()) };
    match course.end(&token).await? {
        Some(name) => course.gone(&name).await,
        None => Ok(()),
    }
}

/// The course of one try.
struct Course<'a> {
    cluster: &'a Cluster,
    args: &'a JobArgs,
    ctx: &'a TaskContext,
}

impl Course<'_> {
    async fn to_the_end(&self) -> Result<(String, Ended), Stop> {
        let here = self.cluster.place();
        let mut claim = Claim::of_try(self.ctx, &here, async |token| self.end_earlier(&token).await).await?;
        if let (Some(name), Some(ended)) = (claim.made.clone(), claim.ended.clone()) {
            self.ctx.log.info(format_args!("Job {name} of this try has ended already"));
            if claim.is_at(&here) {
                self.tidy(&name, &ended).await;
            }
            return Ok((name, ended));
        }
        let name = self.obtain(&mut claim).await?;
        let ended = if self.args.wait_until_job_complete {
            self.watch(&mut claim, &name).await?
        } else {
            self.ctx.log.info(format_args!("Does not wait for the end of job {name}"));
            Ended { failure: None, exit_code: None, said: Value::Null }
        };
        claim.ended = Some(ended.clone());
        claim.save(self.ctx).await?;
        self.tidy(&name, &ended).await;
        Ok((name, ended))
    }

    /// The name of the Job of this try, which is made if there is none.
    async fn obtain(&self, claim: &mut Claim) -> Result<String, TaskError> {
        let found = match claim.made.clone() {
            Some(made) => Some(made),
            None => self.find(&claim.token).await?.map(|job| name_of(&job)),
        };
        if let Some(name) = found {
            self.ctx.log.info(format_args!("Goes on with job {name}, which this try made"));
            return Ok(name);
        }
        let name = self.make(&claim.token).await?;
        claim.made = Some(name.clone());
        claim.save(self.ctx).await?;
        Ok(name)
    }

    /// The Job that bears a token.
    async fn find(&self, token: &str) -> Result<Option<Value>, TaskError> {
        let found = self.cluster.jobs_with(&label(token)).await;
        Ok(found.map_err(|error| refused(error, "look for the Job of the try"))?.into_iter().next())
    }

    /// Makes the Job.
    async fn make(&self, token: &str) -> Result<String, TaskError> {
        let template = self.template().await?;
        let manifest = manifest::job(self.args, template, token, &self.cluster.namespace, self.ctx);
        if self.ctx.cancelled.is_cancelled() {
            return Err(TaskError::cancelled());
        }
        let name = name_of(&manifest);
        match self.send(&manifest).await {
            Ok(()) => {
                self.ctx.log.info(format_args!("Made job {name} in {}", self.cluster.place()));
                Ok(name)
            }
            // The answer to an earlier request was lost.
            Err(error) if is_there_already(&error) && self.find(token).await?.is_some() => Ok(name),
            Err(error) if is_there_already(&error) => Err(TaskError::retry(anyhow!(
                "there is a job {name} already, which is not of this try; delete it, or leave `random_name_suffix` on"
            ))),
            Err(error) => Err(refused(error, &format!("make the job {name}"))),
        }
    }

    /// Asks for a Job, again for a while when the cluster is away: its name is its own, so there is one in the end.
    async fn send(&self, manifest: &Value) -> Result<(), ClusterError> {
        let complaints = Complaints::new(self.ctx.log.clone());
        let mut pause = LOOK_FIRST;
        for _ in 1..MAKE_ATTEMPTS {
            match self.cluster.make_job(manifest).await {
                Err(error) if is_passing(&error) && !self.ctx.cancelled.is_cancelled() => {
                    complaints.say(&told(error), pause);
                }
                answered => return answered.map(drop),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.ctx.cancelled.cancelled() => {}
            }
            pause *= 2;
        }
        self.cluster.make_job(manifest).await.map(drop)
    }

    /// What the Job is laid over.
    async fn template(&self) -> Result<Value, TaskError> {
        let args = self.args;
        let file = async |name: &Option<String>| -> Result<Option<Value>, TaskError> {
            let Some(name) = name else { return Ok(None) };
            let text = beside::read(self.ctx, name).await?;
            let read = serde_yaml::from_str::<Value>(&text).with_context(|| format!("`{name}` is no YAML"));
            read.map(Some).map_err(TaskError::fail)
        };
        let written = |piece: &Option<Map<String, Value>>| piece.as_ref().map(|piece| json!(piece));
        if let Some(job) = written(&args.job_template).or(file(&args.job_template_file).await?) {
            return Ok(job);
        }
        let pod = written(&args.pod_template_dict).or(file(&args.pod_template_file).await?);
        Ok(pod.map_or(Value::Null, |pod| json!({ "spec": { "template": part(&pod) } })))
    }

    /// Deletes what a try before this one has left, and waits until it is gone: two at a time would do the work twice.
    async fn end_earlier(&self, token: &str) -> Result<(), TaskError> {
        let Some(job) = self.find(token).await? else { return Ok(()) };
        let name = name_of(&job);
        let is_over = job_state(&job) != JobState::UnderWay;
        if is_over && self.args.on_finish_action == OnFinish::Keep && self.args.random_name_suffix {
            return Ok(());
        }
        self.ctx.log.info(format_args!("Deletes job {name} of the try before"));
        let deleted = self.cluster.delete_job(&name, PropagationPolicy::Foreground).await;
        unless_absent(deleted).map_err(|error| refused(error, "delete the Job of the try before"))?;
        self.gone(&name).await
    }

    /// Waits until a Job that was deleted is gone, with its pods.
    async fn gone(&self, name: &str) -> Result<(), TaskError> {
        let gone = async {
            loop {
                match self.cluster.job(name).await {
                    Err(error) if is_absent(&error) => return Ok(()),
                    Err(error) if !is_passing(&error) => return Err(refused(error, "look at the Job before")),
                    _ => {}
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK_FIRST) => {}
                    () = self.ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
                }
            }
        };
        tokio::time::timeout(EARLIER_GOES, gone).await.unwrap_or_else(|_| {
            let limit = spoken(EARLIER_GOES);
            Err(TaskError::retry(anyhow!("job {name} is not gone {limit} after it was deleted")))
        })
    }

    /// Looks, sleeps without a slot, and looks again, until the Job is over. A cluster that is away is waited for, because
    /// giving up would not end the Job.
    async fn watch(&self, claim: &mut Claim, name: &str) -> Result<Ended, Stop> {
        let mut logs = Logs::new(self.cluster, self.followed(), self.ctx);
        let mut told_before = Told::default();
        let (began, mut pause) = (Instant::now(), LOOK_FIRST.min(self.args.job_poll_interval.0));
        let mut has_begun = false;
        loop {
            match Box::pin(self.look(claim, name)).await {
                Ok((JobState::UnderWay, pods)) => {
                    told_before.tell(&pods, self.ctx);
                    logs.follow(&pods, claim);
                    has_begun = has_begun || pods.iter().any(Pod::has_begun);
                    let is_late = began.elapsed() > self.args.startup_timeout_seconds.0;
                    if !has_begun && is_late && self.args.suspend != Some(true) {
                        return Err(Stop::GivesUp(self.too_late(name, &pods)));
                    }
                }
                Ok((state, pods)) => {
                    told_before.tell(&pods, self.ctx);
                    logs.finish(&pods, claim).await;
                    return Ok(self.ended(claim, name, &state, &pods));
                }
                Err(error) if is_absent(&error) => {
                    return Err(Stop::Leaves(TaskError::retry(anyhow!(
                        "job {name} is not there any more; somebody has deleted it, and how it ended is not known"
                    ))));
                }
                Err(error) if is_passing(&error) => told_before.complain(&told(error), self.ctx),
                Err(error) => return Err(Stop::Leaves(refused(error, "look at the Job"))),
            }
            self.ctx.defer(format!("waits for job {name} in {}", self.cluster.place()));
            logs.keep(claim).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = logs.one_ends() => {}
                () = self.ctx.cancelled.cancelled() => {
                    if !self.ctx.withdrawn.is_cancelled() {
                        logs.keep_now(claim).await;
                        self.ctx.log.info(format_args!("Job {name} goes on; whoever takes up this task goes on watching it"));
                    }
                    return Err(Stop::Leaves(TaskError::cancelled()));
                }
                error = time_limit::reached(self.ctx.time_limit, self.ctx) => return Err(Stop::GivesUp(error)),
            }
            pause = pause.mul_f64(1.5).min(self.args.job_poll_interval.0);
        }
    }

    /// The names of the containers whose output is in the log.
    fn followed(&self) -> Vec<String> {
        if !self.args.get_logs {
            return Vec::new();
        }
        let before = self.args.init_container_logs.as_ref().map(OneOrMany::names).unwrap_or_default().to_vec();
        let main = match &self.args.container_logs {
            Some(names) => names.names().to_vec(),
            None => vec![self.args.base_container_name.clone()],
        };
        before.into_iter().chain(main).collect()
    }

    async fn look(&self, claim: &Claim, name: &str) -> Result<(JobState, Vec<Pod>), ClusterError> {
        let job = self.cluster.job(name).await?;
        let pods = self.cluster.pods_with(&label(&claim.token)).await?;
        Ok((job_state(&job), pods.iter().map(Pod::of).collect()))
    }

    fn too_late(&self, name: &str, pods: &[Pod]) -> TaskError {
        let limit = spoken(self.args.startup_timeout_seconds.0);
        let why = pods.iter().find_map(Pod::hindrance).unwrap_or_else(|| "it is not known why".to_owned());
        TaskError::retry(anyhow!("no pod of job {name} has begun within its startup_timeout_seconds of {limit}: {why}"))
    }

    fn ended(&self, claim: &Claim, name: &str, state: &JobState, pods: &[Pod]) -> Ended {
        let base = &self.args.base_container_name;
        let JobState::Failed(reason) = state else {
            self.ctx.log.info(format_args!("Job {name} is complete"));
            let said = last_line(claim, base).map_or(Value::Null, Value::String);
            return Ended { failure: None, exit_code: None, said };
        };
        let fault = pods.iter().rev().find_map(|pod| pod.failure(base));
        let (failure, exit_code) = match fault {
            Some((words, exit_code)) => (format!("job {name} failed: {words} ({reason})"), exit_code),
            None => match pods.iter().find_map(Pod::hindrance) {
                Some(hindrance) => (format!("job {name} failed ({reason}): {hindrance}"), None),
                None => (format!("job {name} failed: {reason}"), None),
            },
        };
        Ended { failure: Some(failure), exit_code, said: Value::Null }
    }

    /// Deletes a Job that has ended, if that is wanted.
    async fn tidy(&self, name: &str, ended: &Ended) {
        let is_wanted = match self.args.on_finish_action {
            _ if !self.args.wait_until_job_complete => false,
            OnFinish::Delete => true,
            OnFinish::DeleteSucceeded => ended.is_success(),
            OnFinish::Keep => false,
        };
        if !is_wanted {
            return;
        }
        if let Err(error) = unless_absent(self.cluster.delete_job(name, PropagationPolicy::Background).await) {
            self.ctx.log.warning(format_args!("Cannot delete job {name}: {:#}", told(error)));
        }
    }

    /// Ends what this try may have going on, as far as there is time for it; otherwise it is withdrawn later.
    async fn abandon(&self) {
        let ending = async {
            match Claim::going_on(self.ctx).await? {
                Some(token) => self.end(&token).await.map(drop),
                None => Ok(()),
            }
        };
        let problem = match tokio::time::timeout(DELETE_PATIENCE, ending).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the cluster did not answer within {}", spoken(DELETE_PATIENCE)),
        };
        self.ctx.log.error(format_args!("The Job of this try may go on: {problem}"));
    }

    /// Deletes the Job that bears a token, which nobody wants any more, and answers with its name. One that is over is treated
    /// as `on_finish_action` says.
    async fn end(&self, token: &str) -> Result<Option<String>, TaskError> {
        if self.args.on_kill_action == OnKill::Keep {
            self.ctx.log.info("The Job of this try goes on, as `on_kill_action` says");
            return Ok(None);
        }
        let policy = match self.args.on_kill_propagation_policy {
            Propagation::Foreground => PropagationPolicy::Foreground,
            Propagation::Background => PropagationPolicy::Background,
            Propagation::Orphan => PropagationPolicy::Orphan,
        };
        let Some(job) = self.find(token).await? else { return Ok(None) };
        if job_state(&job) != JobState::UnderWay && self.args.on_finish_action == OnFinish::Keep {
            return Ok(None);
        }
        let name = name_of(&job);
        let deleted = unless_absent(self.cluster.delete_job(&name, policy).await);
        deleted.map_err(|error| refused(error, &format!("delete the job {name}")))?;
        self.ctx.log.info(format_args!("Deleted job {name}"));
        Ok(Some(name))
    }
}

/// What was told of a Job, so that it is not told again.
#[derive(Default)]
struct Told {
    pods: BTreeMap<String, String>,
    problem: String,
}

impl Told {
    fn tell(&mut self, pods: &[Pod], ctx: &TaskContext) {
        for pod in pods {
            let shown = pod.hindrance().unwrap_or_else(|| pod.shown());
            if self.pods.insert(pod.name.clone(), shown.clone()).as_ref() != Some(&shown) {
                ctx.log.info(format_args!("Pod {}: {shown}", pod.name));
            }
        }
    }

    fn complain(&mut self, error: &anyhow::Error, ctx: &TaskContext) {
        let problem = format!("{error:#}");
        if self.problem != problem {
            ctx.log.warning(format_args!("The cluster does not answer: {problem}; goes on trying"));
            self.problem = problem;
        }
    }
}

fn label(token: &str) -> String {
    format!("{TOKEN_LABEL}={token}")
}

fn name_of(job: &Value) -> String {
    job["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// The metadata and the spec of a pod, which is what the template of a Job has.
fn part(pod: &Value) -> Value {
    json!({ "metadata": pod["metadata"], "spec": pod["spec"] })
}

/// What is not there need not be deleted.
fn unless_absent(done: Result<(), ClusterError>) -> Result<(), ClusterError> {
    match done {
        Err(error) if is_absent(&error) => Ok(()),
        done => done,
    }
}
