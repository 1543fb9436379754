//! A try that is cancelled, cleared or out of time cancels its run; a process that stops does not, and what one left behind that
//! was killed is cancelled later.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use operators::databricks::{Notebook, RepairRun, RunNow, Workspaces};
use scheduler::operator::{Checkpoint, Operator, TaskError, Verdict};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::fake::{FAILED, Fake, Fault, RUNNING};
use super::{bench, next_try, notebook, object, submit_run, withdrawn_once_it_waits};
use crate::support::{Bench, HeldSlot};

/// Runs until the try waits, then stops it.
async fn stopped(fake: &Fake, bench: &mut Bench, stop: impl Fn(&Bench)) -> TaskError {
    fake.script(&[RUNNING]);
    let slot = Arc::new(HeldSlot::default());
    bench.ctx.slot = slot.clone();
    let operator = submit_run();
    let run = bench.run(&operator, notebook(json!({})));
    let stopping = async {
        let reason = slot.reason().await;
        assert!(reason.starts_with("waits for run 1000000000001 of Databricks, http://"), "{reason}");
        stop(bench);
    };
    tokio::join!(run, stopping).0.unwrap_err()
}

fn withdraw(bench: &Bench) {
    bench.ctx.withdrawn.cancel();
    bench.ctx.cancelled.cancel();
}

#[tokio::test]
async fn a_try_whose_work_is_not_wanted_cancels_its_run_and_awaits_the_end() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    let error = stopped(&fake, &mut bench, withdraw).await;
    assert_eq!(error.verdict, Verdict::Cancelled);
    assert_eq!(fake.runs()[0].cancels, 1);
    assert!(bench.log_text().contains("Run 1000000000001 was cancelled: it is TERMINATING"), "{}", bench.log_text());
}

#[tokio::test]
async fn the_page_of_a_run_is_there_while_it_goes_on_and_after_it_has_failed() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    stopped(&fake, &mut bench, |bench| {
        let page = bench.pushed.all()["run_page_url"].as_str().unwrap_or_default().to_owned();
        assert!(page.contains("/run/1000000000001"), "{page}");
        bench.ctx.cancelled.cancel();
    })
    .await;

    let bench = self::bench(&fake);
    fake.script(&[FAILED]);
    bench.run(&submit_run(), notebook(json!({}))).await.unwrap_err();
    assert_eq!(bench.pushed.all()["run_id"], 1_000_000_000_002_i64);
    assert!(bench.pushed.all()["run_page_url"].as_str().unwrap().contains("/run/1000000000002"));
}

#[tokio::test]
async fn a_process_that_stops_leaves_the_run_alone() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    let error = stopped(&fake, &mut bench, |bench| bench.ctx.cancelled.cancel()).await;
    assert_eq!(error.verdict, Verdict::Cancelled);
    assert_eq!(fake.runs()[0].cancels, 0);
    assert!(bench.log_text().contains("whoever takes up this task goes on watching it"));
}

#[tokio::test]
async fn a_try_out_of_time_cancels_its_run_and_may_be_tried_again() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    bench.ctx.time_limit = Some(Duration::from_secs(5));
    let error = stopped(&fake, &mut bench, |_| {}).await;
    assert_eq!(error.verdict, Verdict::Retry);
    assert_eq!(error.to_string(), "took longer than its execution_timeout of 5s");
    assert_eq!(fake.runs()[0].cancels, 1);
}

#[tokio::test]
async fn a_run_that_was_started_unheard_is_found_and_cancelled() {
    let fake = Fake::start().await;
    let bench = bench(&fake);
    fake.script(&[RUNNING]);
    fake.faults("runs/submit", [Fault::Hang]);
    let operator = submit_run();
    let run = bench.run(&operator, notebook(json!({})));
    let stopping = async {
        fake.hanging().await;
        withdraw(&bench);
    };
    let error = tokio::join!(run, stopping).0.unwrap_err();
    assert_eq!(error.verdict, Verdict::Cancelled);
    assert_eq!((fake.runs().len(), fake.runs()[0].cancels), (1, 1));
}

#[tokio::test]
async fn a_cancellation_that_is_refused_is_said() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    fake.faults("runs/cancel", [Fault::Answer(403, "PERMISSION_DENIED", None)]);
    stopped(&fake, &mut bench, withdraw).await;
    assert!(bench.log_text().contains("could not be cancelled, and may go on"), "{}", bench.log_text());
}

#[tokio::test]
async fn a_cancellation_outlives_a_workspace_that_is_busy() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    fake.faults("runs/cancel", [Fault::Answer(503, "x", None), Fault::LoseAnswer]);
    stopped(&fake, &mut bench, withdraw).await;
    assert_eq!(fake.runs()[0].script[0].0, "TERMINATING");
}

/// Every operator that follows a run cancels it with its try.
#[tokio::test]
async fn whatever_started_a_run_cancels_it_with_its_try() {
    let quick = |more: Value| {
        let mut args = json!({ "polling_period_seconds": 0.1, "databricks_retry_delay": 0.01 });
        args.as_object_mut().unwrap().extend(object(more));
        args
    };
    let fake = Fake::start().await;
    fake.inside().jobs.insert(11, "nightly");
    let workspaces = Workspaces::default;
    let notebook = quick(json!({ "notebook_path": "/clean", "source": "WORKSPACE", "existing_cluster_id": "c" }));
    stops_its_run(&fake, &RunNow::new(workspaces()), quick(json!({ "job_id": 11 })), 1).await;
    stops_its_run(&fake, &Notebook::new(workspaces()), notebook, 2).await;

    // The run that is repaired has failed before.
    fake.script(&[FAILED]);
    let failed = bench(&fake).run(&RunNow::new(workspaces()), quick(json!({ "job_id": 11 }))).await;
    assert!(failed.is_err());
    let repair = quick(json!({ "run_id": 1_000_000_000_003_i64, "rerun_all_failed_tasks": true }));
    stops_its_run(&fake, &RepairRun::new(workspaces()), repair, 3).await;
}

/// Stops a try that follows the n-th run, and looks that the run is cancelled; a withdrawal finds nothing more to do.
async fn stops_its_run<O: Operator>(fake: &Fake, operator: &O, args: Value, run: usize) {
    fake.script(&[RUNNING]);
    let mut bench = bench(fake);
    let ended = withdrawn_once_it_waits(&mut bench, operator, args.clone()).await;
    assert_eq!(ended.unwrap_err().verdict, Verdict::Cancelled, "{}", O::NAME);
    assert_eq!(fake.runs()[run - 1].cancels, 1, "{}", O::NAME);
    bench.ctx.cancelled = CancellationToken::new();
    bench.withdraw(operator, args).await.unwrap();
    assert_eq!(fake.runs()[run - 1].cancels, 1, "{}", O::NAME);
}

/// A try whose process is gone: nobody told it that its work is not wanted any more.
async fn left_behind(fake: &Fake, bench: &mut Bench) {
    stopped(fake, bench, |bench| bench.ctx.cancelled.cancel()).await;
    bench.ctx.cancelled = CancellationToken::new();
}

#[tokio::test]
async fn what_a_killed_process_left_is_cancelled_once() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    left_behind(&fake, &mut bench).await;

    bench.withdraw(&submit_run(), notebook(json!({}))).await.unwrap();
    bench.withdraw(&submit_run(), notebook(json!({}))).await.unwrap();

    assert_eq!(fake.runs()[0].cancels, 1);
    assert!(bench.log_text().contains("Run 1000000000001 was cancelled: it is TERMINATING"), "{}", bench.log_text());
}

#[tokio::test]
async fn a_run_that_may_have_been_started_is_found_by_its_token_and_cancelled() {
    let fake = Fake::start().await;
    let bench = bench(&fake);
    fake.script(&[RUNNING]);
    fake.faults("runs/submit", [Fault::Hang]);
    let operator = submit_run();
    // The process is gone before it hears of the run.
    tokio::select! {
        _ = bench.run(&operator, notebook(json!({}))) => panic!("nothing answers"),
        () = fake.hanging() => {}
    }

    bench.withdraw(&operator, notebook(json!({}))).await.unwrap();

    assert_eq!((fake.runs().len(), fake.runs()[0].cancels), (1, 1));
}

#[tokio::test]
async fn a_cancellation_that_is_refused_is_to_be_tried_again() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    left_behind(&fake, &mut bench).await;
    fake.faults("runs/cancel", [Fault::Answer(403, "PERMISSION_DENIED", None)]);

    let refused = bench.withdraw(&submit_run(), notebook(json!({}))).await.unwrap_err();
    assert!(refused.to_string().contains("PERMISSION_DENIED"), "{refused}");

    bench.withdraw(&submit_run(), notebook(json!({}))).await.unwrap();
    assert_eq!(fake.runs()[0].script[0].0, "TERMINATING");
}

#[tokio::test]
async fn there_is_nothing_to_cancel_where_nothing_was_started_or_is_known_any_more() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    bench.withdraw(&submit_run(), notebook(json!({}))).await.unwrap();
    assert_eq!(fake.runs().len(), 0);

    left_behind(&fake, &mut bench).await;
    fake.inside().runs.clear();
    bench.withdraw(&submit_run(), notebook(json!({}))).await.unwrap();
}

/// A further try of a task that was cleared does not go on with what it was cleared of.
#[tokio::test]
async fn a_cleared_task_starts_another_run_whatever_on_retry_says() {
    for on_retry in ["adopt", "repair"] {
        let fake = Fake::start().await;
        let mut bench = bench(&fake);
        left_behind(&fake, &mut bench).await;
        bench.ctx.checkpoint = Arc::new(Cleared(Arc::clone(&bench.ctx.checkpoint)));
        next_try(&mut bench);

        bench.run(&submit_run(), notebook(json!({ "on_retry": on_retry }))).await.unwrap();

        assert_eq!(fake.runs().iter().map(|run| run.cancels).collect::<Vec<_>>(), [1, 0], "{on_retry}");
    }
}

/// The checkpoint of a task that was cleared after its first try.
pub(super) struct Cleared(pub(super) Arc<dyn Checkpoint>);

#[async_trait]
impl Checkpoint for Cleared {
    async fn load(&self) -> anyhow::Result<Option<Value>> {
        self.0.load().await
    }

    async fn save(&self, value: Value) -> anyhow::Result<()> {
        self.0.save(value).await
    }

    async fn tries_before_clear(&self) -> anyhow::Result<u32> {
        Ok(1)
    }
}
