//! A try that is cancelled, cleared or out of time cancels its run; a process that stops does not.

use std::sync::Arc;
use std::time::Duration;

use scheduler::operator::{TaskError, Verdict};
use serde_json::json;

use super::fake::{Fake, Fault, RUNNING};
use super::{bench, notebook, submit_run};
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
    bench.ctx.time_limit = Some(Duration::from_millis(300));
    let error = stopped(&fake, &mut bench, |_| {}).await;
    assert_eq!(error.verdict, Verdict::Retry);
    assert_eq!(error.to_string(), "took longer than its execution_timeout of 0.3s");
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
