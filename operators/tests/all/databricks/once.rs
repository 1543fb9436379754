//! A run is started once, whenever the process dies.

use std::sync::{Arc, Mutex};

use operators::databricks::{RepairRun, RunNow, Workspaces};
use scheduler::operator::Operator;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fake::{FAILED, Fake, Fault, RUNNING, SUCCESS};
use super::{bench, notebook, submit_run, xcoms};
use crate::bomb::Bomb;
use crate::support::{Bench, Mined};

/// Lets the process die at the n-th moment, for every n, and another take over: `check` is asked after each.
pub(super) async fn at_each_moment<O: Operator>(
    operator: impl Fn() -> O,
    args: &Value,
    prepare: impl Fn(&Fake),
    check: impl Fn(&Fake, usize),
) -> usize {
    for moment in 1..200 {
        let fake = Fake::start().await;
        prepare(&fake);
        let mut bench: Bench = bench(&fake);
        let kept = Arc::new(Mutex::new(None));
        let bomb = Bomb::after(moment);
        fake.set_bomb(bomb.clone());
        bench.ctx.checkpoint = Arc::new(Mined { kept: Arc::clone(&kept), bomb: bomb.clone() });
        let dying = operator();
        let first = tokio::select! {
            outcome = bench.run(&dying, args.clone()) => Some(outcome),
            () = bomb.exploded.cancelled() => None,
        };
        if let Some(outcome) = first {
            xcoms(outcome);
            check(&fake, moment);
            return moment;
        }
        fake.set_bomb(Bomb::dud());
        bench.ctx.checkpoint = Arc::new(Mined { kept, bomb: Bomb::dud() });
        bench.ctx.try_id = Uuid::new_v4();
        xcoms(bench.run(&operator(), args.clone()).await);
        check(&fake, moment);
    }
    panic!("it never came to its end");
}

pub(super) fn started(fake: &Fake, runs: usize, moment: usize) {
    assert_eq!(fake.runs().len(), runs, "killed at moment {moment}");
    assert!(fake.runs().iter().all(|run| run.cancels == 0), "killed at moment {moment}: nothing is cancelled");
}

#[tokio::test]
async fn a_submitted_run_is_one_whenever_the_process_dies() {
    let moments =
        at_each_moment(submit_run, &notebook(json!({})), |_| {}, |fake, moment| started(fake, 1, moment)).await;
    assert!(moments > 12, "{moments} moments: checkpoints, the request, the looks, the output");
}

#[tokio::test]
async fn a_run_of_a_job_is_one_whenever_the_process_dies() {
    let args = json!({ "job_name": "nightly", "polling_period_seconds": 0.1, "databricks_retry_delay": 0.01 });
    let prepare = |fake: &Fake| {
        fake.inside().jobs.insert(7, "nightly");
    };
    at_each_moment(|| RunNow::new(Workspaces::default()), &args, prepare, |fake, moment| started(fake, 1, moment))
        .await;
}

#[tokio::test]
async fn a_repair_within_a_try_is_one_whenever_the_process_dies() {
    let args =
        json!({ "job_id": 7, "repair_run": true, "polling_period_seconds": 0.1, "databricks_retry_delay": 0.01 });
    let prepare = |fake: &Fake| {
        fake.inside().jobs.insert(7, "nightly");
        fake.script(&[RUNNING, FAILED]);
        fake.script(&[RUNNING, SUCCESS]);
    };
    at_each_moment(
        || RunNow::new(Workspaces::default()),
        &args,
        prepare,
        |fake, moment| {
            started(fake, 1, moment);
            assert_eq!(fake.runs()[0].repairs.len(), 1, "killed at moment {moment}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_repair_of_a_named_run_is_one_whenever_the_process_dies() {
    let prepare = |fake: &Fake| {
        let run =
            super::fake::Run { script: [FAILED].into(), request: json!({}), job_id: Some(7), ..Default::default() };
        fake.inside().runs.insert(55, run);
    };
    let args = json!({ "run_id": 55, "rerun_all_failed_tasks": true, "polling_period_seconds": 0.1 });
    at_each_moment(
        || RepairRun::new(Workspaces::default()),
        &args,
        prepare,
        |fake, moment| {
            assert_eq!(fake.runs()[0].repairs.len(), 1, "killed at moment {moment}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_repair_whose_answer_is_lost_is_followed() {
    let fake = Fake::start().await;
    let run = super::fake::Run { script: [FAILED].into(), request: json!({}), job_id: Some(7), ..Default::default() };
    fake.inside().runs.insert(55, run);
    fake.faults("runs/repair", [Fault::LoseAnswer]);
    let args = json!({ "run_id": 55, "rerun_all_failed_tasks": true, "polling_period_seconds": 0.1 });

    xcoms(bench(&fake).run(&RepairRun::new(Workspaces::default()), args).await);

    assert_eq!((fake.runs()[0].repairs.len(), fake.runs()[0].cancels), (1, 0));
}

#[tokio::test]
async fn an_answer_that_is_lost_starts_no_second_run() {
    let fake = Fake::start().await;
    fake.faults("runs/submit", [Fault::LoseAnswer, Fault::Answer(502, "x", None), Fault::LoseRequest]);
    let args = notebook(json!({ "databricks_retry_limit": 5 }));
    xcoms(bench(&fake).run(&submit_run(), args).await);
    assert_eq!(fake.requests("runs/submit").len(), 2, "one whose answer was lost, and one that was answered");
    started(&fake, 1, 0);
}

#[tokio::test]
async fn the_author_s_own_token_is_sent_as_it_is() {
    let fake = Fake::start().await;
    let args = notebook(json!({ "idempotency_token": "mine" }));
    xcoms(bench(&fake).run(&submit_run(), args.clone()).await);
    assert_eq!(fake.runs()[0].request["idempotency_token"], "mine");
    let token = |bench: &Bench| format!("updraft-{}", bench.ctx.try_id.simple());
    let other = bench(&fake);
    xcoms(other.run(&submit_run(), notebook(json!({}))).await);
    assert_eq!(fake.runs()[1].request["idempotency_token"], token(&other));
}
