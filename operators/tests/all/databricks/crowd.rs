//! Very many runs, watched by one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use operators::databricks::{SubmitRun, Workspaces};
use scheduler::operator::{Operator, Slot, Verdict};
use serde_json::json;

use super::fake::{Fake, RUNNING};
use super::{bench, notebook};

/// So many runs at the same time.
const RUNS: usize = 10_000;

/// What a run that is watched may cost, in bytes: some 16,000 by itself; other tests go on beside it.
const BYTES_A_RUN_MAX: usize = 60_000;

/// Counts the tries that wait, each once.
struct Counted {
    all: Arc<AtomicUsize>,
    is_counted: AtomicBool,
}

impl Slot for Counted {
    fn give_up(&self, _reason: String) {
        if !self.is_counted.swap(true, Ordering::SeqCst) {
            self.all.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The memory that this process uses, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_runs_are_watched_with_few_requests_at_a_time_and_little_memory() {
    let fake = Fake::start().await;
    fake.inside().is_forgetful = true;
    fake.inside().next_script = vec![vec![RUNNING]; RUNS].into();
    let base = bench(&fake);
    let operator = Arc::new(SubmitRun::new(Workspaces::default()));
    let waiting = Arc::new(AtomicUsize::new(0));
    let before = resident();
    let tries: Vec<_> = (0..RUNS)
        .map(|_| {
            let (operator, mut ctx) = (Arc::clone(&operator), base.ctx.clone());
            ctx.try_id = uuid::Uuid::new_v4();
            ctx.checkpoint = Arc::new(Forgetful);
            ctx.slot = Arc::new(Counted { all: Arc::clone(&waiting), is_counted: AtomicBool::new(false) });
            ctx.log = scheduler::log::TaskLog::discard(ctx.clock.clone());
            tokio::spawn(async move {
                let args = notebook(json!({ "polling_period_seconds": 30 }));
                operator.execute(serde_json::from_value(args).unwrap(), &ctx).await
            })
        })
        .collect();
    while waiting.load(Ordering::SeqCst) < RUNS {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let grown = resident().saturating_sub(before);
    let at_a_time = fake.world.most_under_way.load(Ordering::SeqCst);
    assert!(at_a_time <= 32, "{at_a_time} requests at a time");
    assert!(grown / RUNS < BYTES_A_RUN_MAX, "{} bytes a run, those of the stand-in included", grown / RUNS);

    base.ctx.cancelled.cancel();
    for one in tries {
        assert_eq!(one.await.unwrap().unwrap_err().verdict, Verdict::Cancelled);
    }
    assert!(fake.runs().iter().all(|run| run.cancels == 0), "a process that stops leaves runs alone");
}

/// A checkpoint that keeps nothing, so that it costs nothing.
struct Forgetful;

#[async_trait::async_trait]
impl scheduler::operator::Checkpoint for Forgetful {
    async fn load(&self) -> anyhow::Result<Option<serde_json::Value>> {
        Ok(None)
    }

    async fn save(&self, _value: serde_json::Value) -> anyhow::Result<()> {
        Ok(())
    }
}
