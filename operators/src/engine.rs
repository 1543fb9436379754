//! Runs data work beside the engine that schedules it.
//!
//! Queries keep cores busy for seconds. They run on threads of their own, so that leases are renewed and pages served
//! on time whatever a query does; and they stop when the try is cancelled. Many of them at once take turns, because each of
//! them keeps all cores busy and needs memory meanwhile.

use std::future::Future;
use std::num::NonZero;
use std::sync::OnceLock;
use std::time::Duration;

use scheduler::operator::{TaskContext, TaskError};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;

use crate::location::without_layers;

/// Cores that data work may keep busy.
pub fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(2, NonZero::get)
}

fn runtime() -> Result<&'static Runtime, TaskError> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(parallelism().max(2))
            .thread_name("updraft-data")
            .enable_all()
            .build()
    });
    runtime.as_ref().map_err(|error| TaskError::retry(anyhow::anyhow!("cannot start threads for data work: {error}")))
}

/// How long work waits for its turn at most. What keeps others waiting for longer may be waiting itself, for a bucket or a
/// database.
const TURN_WAIT_MAX: Duration = Duration::from_secs(10);

/// Waits until no more works are under way than there are cores; the turn ends when the answer is dropped.
async fn turn() -> Option<SemaphorePermit<'static>> {
    static TURNS: OnceLock<Semaphore> = OnceLock::new();
    let turns = TURNS.get_or_init(|| Semaphore::new(parallelism().max(2)));
    tokio::time::timeout(TURN_WAIT_MAX, turns.acquire()).await.ok()?.ok()
}

/// Runs `work` as [`run`] does when its turn has come.
pub fn run_in_turn<T: Send + 'static>(
    ctx: &TaskContext,
    work: impl Future<Output = Result<T, TaskError>> + Send + 'static,
) -> impl Future<Output = Result<T, TaskError>> + Send {
    // It waits in the heap, not within the futures around it.
    let work = Box::pin(work);
    run(ctx, async {
        let _turn = turn().await;
        work.await
    })
}

/// Runs `work` on the threads for data work until it ends or the try is cancelled.
///
/// A cancelled work is dropped at its next `.await`, and this function returns only after that: what it had begun is
/// undone by then.
pub async fn run<T: Send + 'static>(
    ctx: &TaskContext,
    work: impl Future<Output = Result<T, TaskError>> + Send + 'static,
) -> Result<T, TaskError> {
    if ctx.cancelled.is_cancelled() {
        return Err(TaskError::cancelled());
    }
    let mut task = runtime()?.spawn(work);
    // The caller may be dropped as well, which must not leave the work behind.
    let _guard = AbortOnDrop(task.abort_handle());
    let finished = tokio::select! {
        finished = &mut task => finished,
        () = ctx.cancelled.cancelled() => {
            task.abort();
            task.await
        }
    };
    match finished {
        Ok(result) => result.map_err(|error| TaskError { error: without_layers(error.error), ..error }),
        Err(error) if error.is_cancelled() => Err(TaskError::cancelled()),
        Err(error) => Err(TaskError::fail(anyhow::anyhow!("Updraft itself failed at this work: {error}"))),
    }
}

/// Runs `work` on the threads for data work until it ends. It minds by itself that its try is cancelled, because it has
/// something to undo elsewhere then.
pub async fn run_to_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, TaskError>> + Send + 'static,
) -> Result<T, TaskError> {
    let task = runtime()?.spawn(work);
    let _guard = AbortOnDrop(task.abort_handle());
    match task.await {
        Ok(result) => result,
        Err(error) => Err(TaskError::fail(anyhow::anyhow!("Updraft itself failed at this work: {error}"))),
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn no_more_works_have_a_turn_than_there_are_cores() {
        let mut held = Vec::new();
        for _ in 0..parallelism().max(2) {
            held.push(turn().await.expect("a turn"));
        }
        let mut next = pin!(turn());
        assert!(futures::poll!(&mut next).is_pending());
        held.pop();
        assert!(next.await.is_some());
    }
}
