//! The output of containers of pods in the log of a try: each is followed by a task of its own as long as it runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Response;
use scheduler::operator::TaskContext;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cluster::{Cluster, told};
use super::sight::{ContainerState, Pod};
use crate::claim::Claim;
use crate::container_log::{Bookmark, Follower, LINE_BYTES_MAX, Stream};

/// How far output was seen is kept so often, while there is any.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// The last words of a container are waited for so long after its Job has ended.
const LAST_WORDS_MAX: Duration = Duration::from_secs(10);

/// Output that breaks off while its container runs is followed again after this.
const BROKEN_OFF_PAUSE: Duration = Duration::from_secs(1);

/// Follows the output of containers.
pub(super) struct Logs<'a> {
    cluster: &'a Cluster,
    ctx: &'a TaskContext,
    /// The names of the containers that are followed; nothing is, when there are none.
    containers: Vec<String>,
    followed: HashMap<String, Followed>,
    /// They end with this value. Each answers with what it followed, and whether that has come to its end.
    tasks: JoinSet<(String, Result<(), String>)>,
    keep_at: Instant,
}

/// A container that is followed.
struct Followed {
    follower: Arc<Mutex<Follower>>,
    is_under_way: bool,
    /// Whether it had ended when it was begun to be followed, so that there is no more after this.
    had_ended: bool,
    is_complete: bool,
    /// What broke off is not followed again before.
    not_before: Instant,
    /// Why it broke off.
    problem: String,
}

impl<'a> Logs<'a> {
    pub(super) fn new(cluster: &'a Cluster, containers: Vec<String>, ctx: &'a TaskContext) -> Logs<'a> {
        let keep_at = Instant::now() + KEEP_EVERY;
        Logs { cluster, ctx, containers, followed: HashMap::new(), tasks: JoinSet::new(), keep_at }
    }

    /// Begins to follow what has begun, and what broke off.
    pub(super) fn follow(&mut self, pods: &[Pod], claim: &Claim) {
        for pod in pods {
            for container in &pod.containers {
                let is_meant = self.containers.contains(&container.name);
                let has_ended = matches!(container.state, ContainerState::Ended { .. });
                if is_meant && (has_ended || container.state == ContainerState::Running) {
                    self.follow_container(&pod.name, &container.name, has_ended, claim);
                }
            }
        }
    }

    fn follow_container(&mut self, pod: &str, container: &str, has_ended: bool, claim: &Claim) {
        let key = format!("{pod}/{container}");
        let followed = self.followed.entry(key.clone()).or_insert_with(|| Followed {
            follower: Arc::new(Mutex::new(Follower::new(&self.ctx.log, claim.seen.get(&key)))),
            is_under_way: false,
            had_ended: false,
            is_complete: false,
            not_before: Instant::now(),
            problem: String::new(),
        });
        let may_begin = Instant::now() >= followed.not_before || (has_ended && followed.problem.is_empty());
        if followed.is_under_way || followed.is_complete || !may_begin {
            return;
        }
        followed.is_under_way = true;
        followed.had_ended = has_ended;
        let (cluster, follower) = (self.cluster.clone(), Arc::clone(&followed.follower));
        let (pod, container) = (pod.to_owned(), container.to_owned());
        self.tasks.spawn(async move {
            let copied = copy(&cluster, &pod, &container, &follower, has_ended).await;
            (key, copied)
        });
    }

    /// Returns when the output of a container has come to its end, or broke off; never when none is followed.
    pub(super) async fn one_ends(&mut self) {
        let Some(joined) = self.tasks.join_next().await else { return std::future::pending().await };
        self.settle(joined);
    }

    fn settle(&mut self, joined: Result<(String, Result<(), String>), tokio::task::JoinError>) {
        let Ok((key, copied)) = joined else { return };
        let Some(followed) = self.followed.get_mut(&key) else { return };
        followed.is_under_way = false;
        followed.is_complete = copied.is_ok() && followed.had_ended;
        if !followed.is_complete {
            followed.not_before = Instant::now() + BROKEN_OFF_PAUSE;
        }
        if let Err(problem) = copied
            && followed.problem != problem
        {
            self.ctx.log.warning(format_args!("Cannot follow the output of {key}: {problem}"));
            followed.problem = problem;
        }
    }

    /// Waits for the last words of containers that have ended.
    pub(super) async fn finish(&mut self, pods: &[Pod], claim: &mut Claim) {
        let all = async {
            loop {
                self.follow(pods, claim);
                while let Some(joined) = self.tasks.join_next().await {
                    self.settle(joined);
                }
                if self.followed.values().all(|followed| followed.is_complete) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        if tokio::time::timeout(LAST_WORDS_MAX, all).await.is_err() {
            self.ctx.log.warning("The end of the output could not be read");
        }
        for followed in self.followed.values() {
            lock(&followed.follower).finish();
        }
        self.note(claim);
    }

    /// Keeps how far output was seen, now and then.
    pub(super) async fn keep(&mut self, claim: &mut Claim) {
        if Instant::now() >= self.keep_at {
            self.keep_at = Instant::now() + KEEP_EVERY;
            self.keep_now(claim).await;
        }
    }

    /// Keeps how far output was seen.
    pub(super) async fn keep_now(&mut self, claim: &mut Claim) {
        if self.note(claim)
            && let Err(error) = claim.save(self.ctx).await
        {
            self.ctx.log.warning(format_args!("Cannot keep how far the output was seen: {error}"));
        }
    }

    /// Writes into the claim how far output was seen. Whether there was any.
    fn note(&self, claim: &mut Claim) -> bool {
        let mut is_new = false;
        for (key, followed) in &self.followed {
            let mut follower = lock(&followed.follower);
            if follower.is_dirty() {
                claim.seen.insert(key.clone(), follower.bookmark().clone());
                follower.is_kept();
                is_new = true;
            }
        }
        is_new
    }
}

/// The last line of the container `name` of whichever pod spoke last.
pub(super) fn last_line(claim: &Claim, name: &str) -> Option<String> {
    let of_name = claim.seen.iter().filter(|(key, _)| key.rsplit('/').next() == Some(name));
    of_name.map(|(_, seen)| seen).max_by_key(|seen| seen.at()).and_then(|seen: &Bookmark| seen.last_line.clone())
}

fn lock(follower: &Mutex<Follower>) -> std::sync::MutexGuard<'_, Follower> {
    follower.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies output until it ends; that of a container that `has_ended` is all there is.
async fn copy(
    cluster: &Cluster,
    pod: &str,
    container: &str,
    follower: &Mutex<Follower>,
    has_ended: bool,
) -> Result<(), String> {
    let since: Option<DateTime<Utc>> = {
        let mut follower = lock(follower);
        follower.begin_again();
        follower.since()
    };
    let output = cluster.output(pod, container, since).await.map_err(|error| format!("{:#}", told(error)))?;
    lines(output, follower, has_ended).await.map_err(|error| error.without_url().to_string())
}

/// Takes output apart into lines.
async fn lines(mut output: Response, follower: &Mutex<Follower>, has_ended: bool) -> reqwest::Result<()> {
    let mut line = Vec::new();
    while let Some(chunk) = output.chunk().await? {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if line.ends_with(b"\n") || line.len() >= LINE_BYTES_MAX {
                lock(follower).take(Stream::Stdout, &line);
                line.clear();
            }
        }
    }
    // While the container goes on, what has no end comes again, and whole.
    if has_ended && !line.is_empty() {
        lock(follower).take(Stream::Stdout, &line);
    }
    Ok(())
}
