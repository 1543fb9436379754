//! The course of one try: its container is found or made, followed to its end, and tidied away.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::anyhow;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerState, ContainerStateStatusEnum};
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, LogsOptions, RemoveContainerOptions, StopContainerOptions,
};
use futures::{StreamExt as _, TryStreamExt as _};
use scheduler::operator::{Outcome, TaskContext, TaskError};
use serde_json::Value;
use tokio::time::Instant;

use super::args::{AutoRemove, DockerArgs};
use super::blueprint::{self, TOKEN_LABEL};
use super::engine::{Engine, is_absent, refused};
use super::image;
use crate::claim::{Claim, Ended};
use crate::container_log::{Follower, Stream, text_of};
use crate::span::spoken;

/// Between SIGTERM and SIGKILL.
const STOP_GRACE_SECS: i32 = 10;

/// An engine has so long to stop and remove a container; the scheduler itself gives a try half a minute.
const STOP_PATIENCE: Duration = Duration::from_secs(25);

/// How far the output was seen is kept so often, while there is any.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// While the output is followed, the engine is asked so often whether the container goes on. Podman 4 can miss the end of one
/// that ends at once, and then keeps its output open for ever; an engine that vanishes from the network says nothing either.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Of a container that has ended, the engine sends the next piece of output within this.
const PIECE_PATIENCE: Duration = Duration::from_secs(30);

/// The output of a container that has ended is asked for so often before what is missing is given up.
const LAST_WORDS_TRIES: u32 = 6;

/// When the output has ended but the container has not, or the engine does not answer, it is asked again after this; each
/// further pause is twice as long, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What is left for other tasks may be so large; the database keeps all of it.
const OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Runs the container of a try to its end.
pub(super) async fn perform(engine: &Engine, args: &DockerArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
    let course = Course { engine, args, ctx };
    let ended = course.to_the_end().await;
    if ctx.withdrawn.is_cancelled() {
        course.abandon().await;
    }
    ended?.into_outcome(args.skip_on_exit_code.as_ref(), args.output_processor)
}

/// Ends what a try has left that nobody minds any more.
pub(super) async fn withdraw(engine: &Engine, args: &DockerArgs, ctx: &TaskContext) -> Result<(), TaskError> {
    match Claim::left_going_on(ctx, &engine.place).await? {
        Some(token) => Course { engine, args, ctx }.end(&token).await,
        None => Ok(()),
    }
}

/// The course of one try.
struct Course<'a> {
    engine: &'a Engine,
    args: &'a DockerArgs,
    ctx: &'a TaskContext,
}

impl Course<'_> {
    async fn to_the_end(&self) -> Result<Ended, TaskError> {
        let here = &self.engine.place;
        let mut claim = Claim::of_try(self.ctx, here, async |token| self.end_earlier(&token).await).await?;
        let is_here = claim.is_at(here);
        if let Some(ended) = claim.ended {
            self.ctx.log.info("The container of this try has ended already");
            self.tidy(claim.made.as_deref().filter(|_| is_here), &ended).await;
            return Ok(ended);
        }
        let container = self.obtain(&mut claim).await?;
        self.start(&container).await?;
        let state = self.watch(&mut claim, &container).await?;
        let ended = self.ended(&claim, &container, &state).await?;
        claim.ended = Some(ended.clone());
        claim.save(self.ctx).await?;
        self.tidy(Some(&container), &ended).await;
        Ok(ended)
    }

    /// The container of this try, which is made if there is none.
    async fn obtain(&self, claim: &mut Claim) -> Result<String, TaskError> {
        let found = match claim.made.clone() {
            Some(made) => Some(made),
            None => self.find(&claim.token).await?,
        };
        if let Some(container) = found {
            self.ctx.log.info(format_args!("Goes on with container {}, which this try made", short(&container)));
            return Ok(container);
        }
        let container = self.make(&claim.token).await?;
        claim.made = Some(container.clone());
        claim.save(self.ctx).await?;
        Ok(container)
    }

    /// The container that bears a token.
    async fn find(&self, token: &str) -> Result<Option<String>, TaskError> {
        let label = format!("{TOKEN_LABEL}={token}");
        let filters = Some(HashMap::from([("label".to_owned(), vec![label])]));
        let options = ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
        let found = self.engine.docker.list_containers(Some(options)).await;
        let found = found.map_err(|error| refused(error, "look for the container of the try"))?;
        Ok(found.into_iter().find_map(|container| container.id))
    }

    /// Ends what a try before this one has left: two at a time would do the work twice.
    async fn end_earlier(&self, token: &str) -> Result<(), TaskError> {
        let Some(container) = self.find(token).await? else { return Ok(()) };
        let state = self.state(&container).await.map_err(|error| refused(error, "look at the container before"))?;
        if is_under_way(&state) {
            self.ctx.log.info(format_args!("Stops container {} of the try before, which goes on", short(&container)));
            self.stop(&container).await.map_err(|error| refused(error, "stop the container of the try before"))?;
        }
        // Two containers cannot have one name.
        if self.args.auto_remove != AutoRemove::Never || self.args.container_name.is_some() {
            self.remove(&container).await.map_err(|error| refused(error, "remove the container of the try before"))?;
        }
        Ok(())
    }

    /// Makes the container, which does not run yet.
    async fn make(&self, token: &str) -> Result<String, TaskError> {
        image::provide(self.engine, self.args, self.ctx).await?;
        let body = blueprint::body(self.args, token, self.ctx).await?;
        let name = blueprint::name(self.args, token, self.ctx);
        if self.ctx.cancelled.is_cancelled() {
            return Err(TaskError::cancelled());
        }
        let options = CreateContainerOptions { name: Some(name.clone()), ..CreateContainerOptions::default() };
        let made = self.engine.docker.create_container(Some(options), body).await;
        let made = made.map_err(|error| refused(error, &format!("make the container `{name}`")))?;
        made.warnings.iter().for_each(|warning| self.ctx.log.warning(warning));
        let (id, image, place) = (short(&made.id), &self.args.image, &self.engine.place);
        self.ctx.log.info(format_args!("Made container {id} (`{name}`) of the image `{image}` at {place}"));
        Ok(made.id)
    }

    /// Starts the container if it has never been started. One that cannot be started is removed. An engine that is away is waited
    /// for: the container may run already.
    async fn start(&self, container: &str) -> Result<(), TaskError> {
        let mut complaint = Complaint::default();
        let state = loop {
            match self.state(container).await {
                Ok(state) => break state,
                Err(error) if is_absent(&error) => return Err(gone(container)),
                Err(error) => complaint.engine_is_away(error, self.ctx),
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE_MAX) => {}
                () = self.ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
            }
        };
        if state.status != Some(ContainerStateStatusEnum::CREATED) {
            return Ok(());
        }
        if let Err(error) = self.engine.docker.start_container(container, None).await {
            if let Err(error) = self.remove(container).await {
                self.ctx.log.warning(format_args!("Cannot remove container {}: {error}", short(container)));
            }
            return Err(refused(error, "start the container"));
        }
        Ok(())
    }

    /// Copies the output into the log until the container has ended. An engine that is away is waited for, because giving up
    /// would not end the container.
    async fn watch(&self, claim: &mut Claim, container: &str) -> Result<ContainerState, TaskError> {
        let mut follower = Follower::new(&self.ctx.log, claim.seen.get(container));
        let watching = self.watch_until_its_end(claim, container, &mut follower);
        let state = tokio::select! {
            state = watching => state?,
            () = self.ctx.cancelled.cancelled() => return Err(self.let_go(claim, container, &follower).await),
        };
        follower.finish();
        claim.seen.insert(container.to_owned(), follower.bookmark().clone());
        Ok(state)
    }

    async fn watch_until_its_end(
        &self,
        claim: &mut Claim,
        container: &str,
        follower: &mut Follower,
    ) -> Result<ContainerState, TaskError> {
        let mut complaint = Complaint::default();
        let mut pause = PAUSE_FIRST;
        let mut tries_left = LAST_WORDS_TRIES;
        loop {
            let began = Instant::now();
            let followed = self.follow(claim, container, follower).await.map_err(anyhow::Error::new);
            match (self.state(container).await, followed) {
                (Ok(state), Ok(())) if !is_under_way(&state) => return Ok(state),
                (Ok(state), Err(error)) if !is_under_way(&state) => {
                    tries_left -= 1;
                    if tries_left == 0 {
                        self.ctx.log.warning(format_args!("The end of the output could not be read: {error:#}"));
                        return Ok(state);
                    }
                    complaint.say(format!("Cannot read the end of the output: {error:#}"), self.ctx);
                }
                (Ok(_), Ok(())) => {}
                (Ok(_), Err(error)) => complaint.say(format!("Cannot follow the output: {error:#}"), self.ctx),
                (Err(error), _) if is_absent(&error) => return Err(gone(container)),
                (Err(error), _) => complaint.engine_is_away(error, self.ctx),
            }
            pause = if began.elapsed() > PAUSE_MAX { PAUSE_FIRST } else { pause };
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Copies the output into the log until the engine ends it, or says that the container has ended.
    async fn follow(&self, claim: &mut Claim, container: &str, follower: &mut Follower) -> Result<(), Error> {
        tokio::select! {
            copied = self.copy(claim, container, follower, true) => return copied,
            ended = self.end_of(container) => ended?,
        }
        self.copy(claim, container, follower, false).await
    }

    /// Returns when the container does not go on any more.
    async fn end_of(&self, container: &str) -> Result<(), Error> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !is_under_way(&self.state(container).await?) {
                return Ok(());
            }
        }
    }

    /// Copies into the log what was not seen yet; with `follow`, also what is still to come.
    async fn copy(
        &self,
        claim: &mut Claim,
        container: &str,
        follower: &mut Follower,
        follow: bool,
    ) -> Result<(), Error> {
        follower.begin_again();
        let since = follower.since().and_then(|at| i32::try_from(at.timestamp()).ok()).unwrap_or_default();
        let options =
            LogsOptions { follow, stdout: true, stderr: true, timestamps: true, since, ..LogsOptions::default() };
        let mut output = self.engine.docker.logs(container, Some(options));
        let mut keep_at = Instant::now() + KEEP_EVERY;
        loop {
            let next = tokio::select! {
                next = output.next() => next,
                () = tokio::time::sleep_until(keep_at), if follower.is_dirty() => {
                    claim.save_seen(container, follower.bookmark(), self.ctx).await;
                    follower.is_kept();
                    keep_at = Instant::now() + KEEP_EVERY;
                    continue;
                }
                () = tokio::time::sleep(PIECE_PATIENCE), if !follow => return Err(Error::RequestTimeoutError),
            };
            match next {
                Some(message) => {
                    let message = message?;
                    let stream =
                        if matches!(message, LogOutput::StdErr { .. }) { Stream::Stderr } else { Stream::Stdout };
                    follower.take(stream, message.as_ref());
                }
                None => return Ok(()),
            }
        }
    }

    /// Stops watching. Whoever takes the try up goes on where the output was left.
    async fn let_go(&self, claim: &mut Claim, container: &str, follower: &Follower) -> TaskError {
        if !self.ctx.withdrawn.is_cancelled() {
            claim.save_seen(container, follower.bookmark(), self.ctx).await;
            let id = short(container);
            self.ctx.log.info(format_args!("Container {id} goes on; whoever takes up this task goes on watching it"));
        }
        TaskError::cancelled()
    }

    /// What there is to say of a container that has ended.
    async fn ended(&self, claim: &Claim, container: &str, state: &ContainerState) -> Result<Ended, TaskError> {
        let code = state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1);
        let failure = (code != 0).then(|| failure(code, state));
        let said = if self.args.xcom_all && failure.is_none() {
            Value::from(self.all_lines(container).await?)
        } else {
            let last = claim.seen.get(container).and_then(|seen| seen.last_line.clone());
            last.map_or(Value::Null, Value::String)
        };
        self.ctx.log.info(format_args!("Container {} ended with exit code {code}", short(container)));
        Ok(Ended { failure, exit_code: Some(code), said })
    }

    /// All lines of standard output.
    async fn all_lines(&self, container: &str) -> Result<Vec<String>, TaskError> {
        let options = LogsOptions { stdout: true, timestamps: true, ..LogsOptions::default() };
        let mut output = self.engine.docker.logs(container, Some(options));
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while let Some(message) = output.try_next().await.map_err(|error| refused(error, "read the output"))? {
            bytes += message.as_ref().len();
            if bytes > OUTPUT_BYTES_MAX {
                return Err(TaskError::fail(anyhow!(
                    "the output has more than {OUTPUT_BYTES_MAX} bytes, and `xcom_all` wants to keep it; write it to a file"
                )));
            }
            lines.push(text_of(message.as_ref()));
        }
        Ok(lines)
    }

    /// Removes a container that has ended, if that is wanted.
    async fn tidy(&self, container: Option<&str>, ended: &Ended) {
        let is_wanted = match self.args.auto_remove {
            AutoRemove::Never => false,
            AutoRemove::Success => ended.is_success(),
            AutoRemove::Force => true,
        };
        let Some(container) = container.filter(|_| is_wanted) else { return };
        if let Err(error) = self.remove(container).await {
            let error = anyhow::Error::new(error);
            self.ctx.log.warning(format_args!("Cannot remove container {}: {error:#}", short(container)));
        }
    }

    /// Ends what this try may have going on, as far as there is time for it; otherwise it is withdrawn later.
    async fn abandon(&self) {
        let ending = async {
            match Claim::going_on(self.ctx).await? {
                Some(token) => self.end(&token).await,
                None => Ok(()),
            }
        };
        let problem = match tokio::time::timeout(STOP_PATIENCE, ending).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the engine did not stop it within {}", spoken(STOP_PATIENCE)),
        };
        self.ctx.log.error(format_args!("The container of this try may go on: {problem}"));
    }

    /// Stops and removes the container that bears a token, which nobody wants any more.
    async fn end(&self, token: &str) -> Result<(), TaskError> {
        let Some(container) = self.find(token).await? else { return Ok(()) };
        let state = match self.state(&container).await {
            Err(error) if is_absent(&error) => return Ok(()),
            state => state.map_err(|error| refused(error, "look at the container"))?,
        };
        if is_under_way(&state) {
            self.stop(&container).await.map_err(|error| refused(error, "stop the container"))?;
            self.ctx.log.info(format_args!("Stopped container {}", short(&container)));
        }
        if self.args.auto_remove != AutoRemove::Never {
            self.remove(&container).await.map_err(|error| refused(error, "remove the container"))?;
        }
        Ok(())
    }

    async fn state(&self, container: &str) -> Result<ContainerState, Error> {
        match self.engine.docker.inspect_container(container, None).await {
            Ok(found) => Ok(found.state.unwrap_or_default()),
            Err(error) if is_between(&error) => {
                Ok(ContainerState { status: Some(ContainerStateStatusEnum::STOPPING), ..ContainerState::default() })
            }
            Err(error) => Err(error),
        }
    }

    async fn stop(&self, container: &str) -> Result<(), Error> {
        let options = StopContainerOptions { t: Some(STOP_GRACE_SECS), ..StopContainerOptions::default() };
        unless_absent(self.engine.docker.stop_container(container, Some(options)).await)
    }

    /// Removes a container, and the volumes that are its own.
    async fn remove(&self, container: &str) -> Result<(), Error> {
        let options = RemoveContainerOptions { v: true, force: true, ..RemoveContainerOptions::default() };
        unless_absent(self.engine.docker.remove_container(container, Some(options)).await)
    }
}

/// What was last complained of, so that it is not said again and again.
#[derive(Default)]
struct Complaint(String);

impl Complaint {
    fn say(&mut self, problem: String, ctx: &TaskContext) {
        if self.0 != problem {
            ctx.log.warning(format_args!("{problem}; goes on trying"));
            self.0 = problem;
        }
    }

    fn engine_is_away(&mut self, error: Error, ctx: &TaskContext) {
        self.say(format!("The engine does not answer: {:#}", anyhow::Error::new(error)), ctx);
    }
}

/// What is not there need not be ended.
fn unless_absent(done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(error) if is_absent(&error) => Ok(()),
        done => done,
    }
}

/// Why an exit code is no success.
fn failure(code: i32, state: &ContainerState) -> String {
    let mut failure = format!("the container ended with exit code {code}");
    if state.oom_killed == Some(true) {
        failure += ": it needed more memory than it may have; raise `mem_limit`";
    } else if code == 137 {
        failure += ": it was killed (SIGKILL), perhaps because memory ran out";
    }
    if let Some(error) = state.error.as_deref().filter(|error| !error.is_empty()) {
        failure = format!("{failure}: {error}");
    }
    failure
}

/// Whether the engine is Podman, whose word for a container that has stopped and is not tidied up yet is not one of Docker's.
fn is_between(error: &Error) -> bool {
    matches!(error, Error::JsonDataError { message, .. } if message.contains("unknown variant `stopped`"))
}

/// Whether a container may still do something.
fn is_under_way(state: &ContainerState) -> bool {
    use ContainerStateStatusEnum as Status;
    matches!(
        state.status,
        Some(Status::CREATED | Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING)
    )
}

/// Whoever removes a container takes with it how it ended.
fn gone(container: &str) -> TaskError {
    let id = short(container);
    TaskError::retry(anyhow!(
        "container {id} is not there any more; somebody has removed it, and how it ended is not known"
    ))
}

/// An id as people write it.
fn short(container: &str) -> &str {
    container.get(..12).unwrap_or(container)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podmans_word_between_the_end_and_the_tidying_is_no_fault_of_the_engine() {
        let unread = |message: &str| Error::JsonDataError { message: message.to_owned(), column: 1 };
        assert!(is_between(&unread("unknown variant `stopped`, expected one of ``, `created`")));
        assert!(!is_between(&unread("unknown variant `odd`, expected one of ``, `created`")));
    }
}
