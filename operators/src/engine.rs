//! Runs data work beside the engine that schedules it.
//!
//! Queries keep cores busy for seconds. They run on threads of their own, so that leases are renewed and pages served
//! on time whatever a query does; and they stop when the try is cancelled.

use std::future::Future;
use std::num::NonZero;
use std::sync::OnceLock;

use scheduler::operator::{TaskContext, TaskError};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

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
        Ok(result) => result,
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
