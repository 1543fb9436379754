//! `trigger_dag`, with an engine that answers as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeZone, Utc};
use operators::registry_with;
use scheduler::operator::{
    HowMade, MadeRun, Outcome, Outline, RunMaker, RunReader, RunRefusal, RunStanding, TaskContext, TaskError, TaskKey,
    Verdict, WantedDate, WantedRun, WhenExists,
};
use serde_json::{Value, json};

use crate::context::{context, nowhere};
use crate::support::HeldSlot;

/// Makes a run `made`, which is in one state after the other each time somebody looks.
#[derive(Default)]
struct Runs {
    wanted: Mutex<Option<WantedRun>>,
    states: Mutex<Vec<&'static str>>,
    refuses: Option<fn() -> RunRefusal>,
    is_there: bool,
}

#[async_trait]
impl RunMaker for Runs {
    async fn make(&self, _by: &TaskKey, _try_number: u32, wanted: WantedRun) -> Result<MadeRun, RunRefusal> {
        if let Some(refusal) = self.refuses {
            return Err(refusal());
        }
        *self.wanted.lock().unwrap() = Some(wanted);
        let how = if self.is_there { HowMade::Existing } else { HowMade::New };
        let logical_date = Some(Utc.with_ymd_and_hms(2026, 3, 2, 0, 0, 0).unwrap());
        Ok(MadeRun { run_id: "made".to_owned(), logical_date, how })
    }
}

#[async_trait]
impl RunReader for Runs {
    async fn outline(&self, _dag_id: &str) -> anyhow::Result<Option<Outline>> {
        Ok(None)
    }

    async fn standing(
        &self,
        _dag_id: &str,
        _logical_date: DateTime<Utc>,
        _task_ids: &[String],
    ) -> anyhow::Result<Option<RunStanding>> {
        Ok(None)
    }

    async fn state(&self, dag_id: &str, run_id: &str) -> anyhow::Result<Option<String>> {
        assert_eq!((dag_id, run_id), ("sales", "made"));
        Ok(self.states.lock().unwrap().pop().map(str::to_owned))
    }
}

async fn triggered(runs: &Arc<Runs>, more: Value, limit: Option<Duration>) -> Result<Outcome, TaskError> {
    let home = tempfile::tempdir().unwrap();
    let (run_maker, reader): (Arc<dyn RunMaker>, Arc<dyn RunReader>) = (runs.clone(), runs.clone());
    let ctx = TaskContext { run_maker, runs: reader, time_limit: limit, ..context(home.path()) };
    let mut args = json!({ "trigger_dag_id": "sales", "poke_interval": 0.1 });
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let registry = registry_with(&nowhere()).unwrap();
    let operator = registry.find("TriggerDagRunOperator").unwrap();
    assert_eq!(operator.check(args.as_object().unwrap()), []);
    operator.execute(args.as_object().unwrap().clone(), &ctx).await
}

fn runs(states: &[&'static str]) -> Arc<Runs> {
    Arc::new(Runs { states: Mutex::new(states.iter().rev().copied().collect()), ..Runs::default() })
}

#[tokio::test]
async fn it_says_what_run_it_wants_and_which_it_made() {
    let runs = runs(&[]);
    let args = json!({ "trigger_run_id": "mine", "conf": { "rows": 3 }, "logical_date": "2026-03-02 01:00:00+01:00",
                       "reset_dag_run": true, "note": "by a task", "fail_when_dag_is_paused": true });

    let outcome = triggered(&runs, args, None).await.unwrap();

    let wanted = WantedRun {
        dag_id: "sales".to_owned(),
        run_id: Some("mine".to_owned()),
        logical_date: WantedDate::At(Utc.with_ymd_and_hms(2026, 3, 2, 0, 0, 0).unwrap()),
        run_after: None,
        conf: json!({ "rows": 3 }).as_object().unwrap().clone(),
        note: Some("by a task".to_owned()),
        when_exists: WhenExists::Reset,
        refuses_paused: true,
    };
    assert_eq!(runs.wanted.lock().unwrap().take(), Some(wanted));
    let Outcome::Success { xcoms, return_value, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(return_value, Value::Null);
    let xcoms: Vec<(&str, &str)> = xcoms.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
    let expected = [
        ("trigger_dag_id", "sales"),
        ("trigger_run_id", "made"),
        ("trigger_logical_date_iso", "2026-03-02T00:00:00+00:00"),
    ];
    assert_eq!(xcoms, expected);
}

#[tokio::test]
async fn a_run_may_be_told_when_to_begin() {
    let runs = runs(&[]);
    triggered(&runs, json!({ "run_after": "2026-03-02T08:00:00Z" }), None).await.unwrap();

    let wanted = runs.wanted.lock().unwrap().take().unwrap();

    assert_eq!(wanted.run_after, Some(Utc.with_ymd_and_hms(2026, 3, 2, 8, 0, 0).unwrap()));
    assert_eq!(wanted.logical_date, WantedDate::Nothing, "as in Airflow, unless one is written");
}

#[tokio::test]
async fn it_waits_for_its_run_and_ends_as_that_does() {
    let wait = || json!({ "wait_for_completion": true });

    triggered(&runs(&["queued", "running", "success"]), wait(), None).await.unwrap();
    let failed = triggered(&runs(&["running", "failed"]), wait(), None).await.unwrap_err();
    assert_eq!((failed.verdict, failed.to_string().as_str()), (Verdict::Retry, "run made of DAG sales is failed"));
    let gone = triggered(&runs(&["running"]), wait(), None).await.unwrap_err();
    assert_eq!(gone.to_string(), "run made of DAG sales is not there any more");
    let late = triggered(&runs(&["running"; 1000]), wait(), Some(Duration::from_millis(300))).await.unwrap_err();
    assert_eq!(late.to_string(), "waited longer than its execution_timeout of 0.3s");
}

#[tokio::test]
async fn it_waits_without_its_slot_and_stops_when_it_is_told_to() {
    let home = tempfile::tempdir().unwrap();
    let (slot, runs) = (Arc::new(HeldSlot::default()), runs(&["running"; 1000]));
    let ctx = TaskContext { slot: slot.clone(), run_maker: runs.clone(), runs, ..context(home.path()) };
    let stop = ctx.cancelled.clone();
    let waiting = tokio::spawn(async move {
        let args = json!({ "trigger_dag_id": "sales", "wait_for_completion": true });
        let operator = registry_with(&nowhere()).unwrap().find("trigger_dag").unwrap().clone();
        operator.execute(args.as_object().unwrap().clone(), &ctx).await
    });

    let reason = slot.reason().await;
    assert_eq!(reason, "waits for run made of DAG sales; looks again at intervals of up to 1m");
    stop.cancel();

    assert_eq!(waiting.await.unwrap().unwrap_err().verdict, Verdict::Cancelled);
}

#[tokio::test]
async fn a_run_that_is_there_skips_it_and_a_refusal_fails_it() {
    let there = Arc::new(Runs { is_there: true, ..Runs::default() });
    let skipped = triggered(&there, json!({ "skip_when_already_exists": true }), None).await.unwrap();
    assert_eq!(skipped, Outcome::Skipped { reason: "DAG sales has the run made already".to_owned() });

    let refusing = |refuses: fn() -> RunRefusal| Arc::new(Runs { refuses: Some(refuses), ..Runs::default() });
    let not_now = refusing(|| RunRefusal::NotNow("there is no DAG `sales`".to_owned()));
    let failed = triggered(&not_now, json!({}), None).await.unwrap_err();
    assert_eq!((failed.verdict, failed.to_string().as_str()), (Verdict::Retry, "there is no DAG `sales`"));
    let never = refusing(|| RunRefusal::Never("param `rows` has no default".to_owned()));
    let failed = triggered(&never, json!({}), None).await.unwrap_err();
    assert_eq!(failed.verdict, Verdict::Fail);
}

#[test]
fn what_cannot_be_meant_is_a_mistake() {
    let registry = registry_with(&nowhere()).unwrap();
    let complaints = |args: Value| {
        let problems = registry.find("trigger_dag").unwrap().check(args.as_object().unwrap());
        problems.into_iter().map(|problem| format!("{} {}", problem.pointer, problem.message)).collect::<Vec<_>>()
    };
    let table = [
        (
            json!({ "reset_dag_run": true, "skip_when_already_exists": true }),
            "/skip_when_already_exists `reset_dag_run` and `skip_when_already_exists` exclude each other",
        ),
        (json!({ "allowed_states": ["done"] }), "/allowed_states `done` is no state of runs"),
        (json!({ "logical_date": "yesterday" }), "/logical_date `yesterday` is neither an instant nor a time of day"),
        (json!({ "run_after": "soon" }), "/run_after `soon` is neither an instant nor a time of day"),
        (
            json!({ "poke_interval": "soon" }),
            "/poke_interval `soon` is not a duration; write `30s`, `5m`, `1h30m` or a number of seconds",
        ),
    ];
    for (args, expected) in table {
        assert_eq!(complaints(args.clone()), [expected], "{args}");
    }
    assert_eq!(complaints(json!({ "logical_date": "{{ logical_date }}", "failed_states": ["failed"] })), [""; 0]);
}
