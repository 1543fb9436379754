//! The Jobs API: what is asked, and what is answered. Fields of answers that are not known here are passed over.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::session::Session;
use super::workspace::Request;

/// The version of the Jobs API. Since 2.2 the tasks of large runs come in pages.
const JOBS: &str = "2.2/jobs";

/// More pages than this are not followed.
const PAGES_MAX: usize = 100;

/// The number of a run, or of a repair of it.
pub(super) type RunId = i64;

/// A run of a job, or one that was submitted without one.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Run {
    pub(super) run_id: RunId,
    #[serde(default)]
    pub(super) job_id: Option<i64>,
    #[serde(default)]
    pub(super) run_page_url: Option<String>,
    #[serde(default)]
    state: Option<State>,
    #[serde(default)]
    status: Option<Status>,
    #[serde(default)]
    pub(super) tasks: Vec<TaskRun>,
    #[serde(default)]
    pub(super) repair_history: Vec<Repair>,
    #[serde(default)]
    next_page_token: Option<String>,
}

/// A task of a run.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct TaskRun {
    pub(super) run_id: RunId,
    #[serde(default)]
    pub(super) task_key: String,
    #[serde(default)]
    pub(super) attempt_number: i64,
    #[serde(default)]
    state: Option<State>,
    #[serde(default)]
    status: Option<Status>,
    #[serde(default)]
    pub(super) notebook_task: Option<Value>,
}

/// The original run, or a repair of it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Repair {
    /// Only repairs have one.
    #[serde(default)]
    pub(super) id: Option<i64>,
}

/// How a run stands.
#[derive(Clone, Debug, Default, Deserialize)]
struct State {
    #[serde(default)]
    life_cycle_state: Option<String>,
    #[serde(default)]
    result_state: Option<String>,
    #[serde(default)]
    state_message: Option<String>,
    #[serde(default)]
    queue_reason: Option<String>,
}

/// The same in newer words, for answers that have no others.
#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    termination_details: Option<Termination>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Termination {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// How a run, or a task of one, stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// `PENDING`, `RUNNING`, `TERMINATED`, ….
    pub(super) life_cycle: String,
    /// `SUCCESS`, `FAILED`, …; empty while it goes on.
    pub(super) result: String,
    pub(super) message: String,
}

impl Standing {
    fn of(state: Option<&State>, status: Option<&Status>) -> Standing {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        if let Some(state) = state.filter(|state| state.life_cycle_state.is_some()) {
            let message =
                if text(&state.state_message).is_empty() { &state.queue_reason } else { &state.state_message };
            return Standing {
                life_cycle: text(&state.life_cycle_state),
                result: text(&state.result_state),
                message: text(message),
            };
        }
        let Some(status) = status else { return Standing::default() };
        let details = status.termination_details.clone().unwrap_or_default();
        Standing { life_cycle: text(&status.state), result: text(&details.code), message: text(&details.message) }
    }

    /// Whether nothing more will happen.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.life_cycle.as_str(), "TERMINATED" | "SKIPPED" | "INTERNAL_ERROR")
    }

    /// Whether it is over, or on its way there.
    pub(super) fn is_ending(&self) -> bool {
        self.is_over() || self.life_cycle == "TERMINATING"
    }

    pub(super) fn is_success(&self) -> bool {
        self.life_cycle == "TERMINATED" && self.result == "SUCCESS"
    }

    /// Whether it went wrong by itself, so that there is an error to read.
    pub(super) fn is_broken(&self) -> bool {
        let by_others = ["SUCCESS", "CANCELED", "UPSTREAM_FAILED", "UPSTREAM_CANCELED", "EXCLUDED", "DISABLED"];
        self.is_over() && !by_others.contains(&self.result.as_str())
    }

    /// For people: `TERMINATED FAILED: the message`.
    pub(super) fn shown(&self) -> String {
        let blank = if self.result.is_empty() { "" } else { " " };
        let colon = if self.message.is_empty() { "" } else { ": " };
        format!("{}{blank}{}{colon}{}", self.life_cycle, self.result, self.message)
    }
}

impl Run {
    pub(super) fn standing(&self) -> Standing {
        Standing::of(self.state.as_ref(), self.status.as_ref())
    }

    /// The newest repair, if it was ever repaired.
    pub(super) fn latest_repair(&self) -> Option<i64> {
        self.repair_history.iter().rev().find_map(|repair| repair.id)
    }

    /// The last attempt at each task, in the order of the tasks.
    pub(super) fn latest_tasks(&self) -> Vec<&TaskRun> {
        let mut latest: Vec<&TaskRun> = Vec::with_capacity(self.tasks.len());
        for task in &self.tasks {
            match latest.iter_mut().find(|other| other.task_key == task.task_key) {
                Some(other) if (other.attempt_number, other.run_id) < (task.attempt_number, task.run_id) => {
                    *other = task;
                }
                Some(_) => {}
                None => latest.push(task),
            }
        }
        latest
    }
}

impl TaskRun {
    pub(super) fn standing(&self) -> Standing {
        Standing::of(self.state.as_ref(), self.status.as_ref())
    }
}

/// What a task of a run left.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct RunOutput {
    #[serde(default)]
    pub(super) notebook_output: Option<NotebookOutput>,
    /// What it printed.
    #[serde(default)]
    pub(super) logs: Option<String>,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) error_trace: Option<String>,
}

/// What a notebook gave to `dbutils.notebook.exit`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct NotebookOutput {
    #[serde(default)]
    pub(super) result: Option<String>,
    #[serde(default)]
    pub(super) truncated: bool,
}

#[derive(Deserialize)]
struct Started {
    run_id: RunId,
}

#[derive(Deserialize)]
struct Repaired {
    repair_id: i64,
}

#[derive(Deserialize)]
struct Jobs {
    #[serde(default)]
    jobs: Vec<Job>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Job {
    job_id: i64,
    #[serde(default)]
    settings: Option<JobSettings>,
}

#[derive(Deserialize)]
struct JobSettings {
    #[serde(default)]
    name: String,
}

/// An answer of which nothing is read.
#[derive(Deserialize)]
struct Nothing {}

/// How a run is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Without a job (`runs/submit`).
    Submit,
    /// As a run of a job (`run-now`).
    RunNow,
}

/// Starts a run; the body holds an idempotency token, so that asking twice starts one.
pub(super) async fn start(session: &Session, door: Door, body: Map<String, Value>) -> Result<RunId, Failure> {
    let (path, deed) = match door {
        Door::Submit => (format!("{JOBS}/runs/submit"), "submit a run"),
        Door::RunNow => (format!("{JOBS}/run-now"), "start a run of the job"),
    };
    let started: Started = session.ask(&Request::post(path, Value::Object(body), deed)).await?;
    Ok(started.run_id)
}

/// How a run stands, with all its tasks.
pub(super) async fn get(session: &Session, run_id: RunId, is_patient: bool) -> Result<Run, Failure> {
    let request = Request::get(format!("{JOBS}/runs/get"), "look at a run")
        .with("run_id", &run_id)
        .with("include_history", &true);
    let ask = async |request: &Request| -> Result<Run, Failure> {
        if is_patient { session.ask_patiently(request).await } else { session.ask(request).await }
    };
    let mut run = ask(&request).await?;
    for _ in 0..PAGES_MAX {
        let Some(token) = run.next_page_token.take().filter(|token| !token.is_empty()) else { break };
        let mut next = ask(&request.clone().with("page_token", &token)).await?;
        run.tasks.append(&mut next.tasks);
        run.next_page_token = next.next_page_token;
    }
    Ok(run)
}

/// What a task of a run left; of a run with one task, its own number may be given.
pub(super) async fn output(session: &Session, run_id: RunId) -> Result<RunOutput, Failure> {
    let request = Request::get(format!("{JOBS}/runs/get-output"), "read the output of a run").with("run_id", &run_id);
    session.ask(&request).await
}

/// Asks for the end of a run; it ends some time later.
pub(super) async fn cancel(session: &Session, run_id: RunId) -> Result<(), Failure> {
    let request = Request::post(format!("{JOBS}/runs/cancel"), json!({ "run_id": run_id }), "cancel a run");
    session.ask::<Nothing>(&request).await.map(|_| ())
}

/// Asks for the end of all runs of a job.
pub(super) async fn cancel_all(session: &Session, job_id: i64) -> Result<(), Failure> {
    let body = json!({ "job_id": job_id });
    let request = Request::post(format!("{JOBS}/runs/cancel-all"), body, "cancel the runs of the job");
    session.ask::<Nothing>(&request).await.map(|_| ())
}

/// Has tasks of a run run again; answers with the number of the repair. Without a token, so it is asked once.
pub(super) async fn repair(session: &Session, body: Map<String, Value>) -> Result<i64, Failure> {
    let request = Request::post(format!("{JOBS}/runs/repair"), Value::Object(body), "repair a run").once();
    session.ask::<Repaired>(&request).await.map(|repaired| repaired.repair_id)
}

/// Changes settings of a job.
pub(super) async fn update(session: &Session, job_id: i64, settings: &Value) -> Result<(), Failure> {
    let body = json!({ "job_id": job_id, "new_settings": settings });
    session.ask::<Nothing>(&Request::post(format!("{JOBS}/update"), body, "change the job")).await.map(|_| ())
}

/// The numbers of the jobs with that name.
pub(super) async fn named(session: &Session, name: &str) -> Result<Vec<i64>, Failure> {
    let request = Request::get(format!("{JOBS}/list"), "list the jobs").with("name", &name).with("limit", &25);
    let mut found = Vec::new();
    let mut page: Jobs = session.ask(&request).await?;
    for _ in 0..PAGES_MAX {
        let is_meant = |job: &Job| job.settings.as_ref().is_some_and(|settings| settings.name == name);
        found.extend(page.jobs.iter().filter(|job| is_meant(job)).map(|job| job.job_id));
        let Some(token) = page.next_page_token.take().filter(|token| !token.is_empty()) else { break };
        page = session.ask(&request.clone().with("page_token", &token)).await?;
    }
    Ok(found)
}

#[derive(Deserialize)]
struct Pipelines {
    #[serde(default)]
    statuses: Vec<Pipeline>,
}

#[derive(Deserialize)]
struct Pipeline {
    pipeline_id: String,
    #[serde(default)]
    name: String,
}

/// The ids of the pipelines with that name.
pub(super) async fn pipelines_named(session: &Session, name: &str) -> Result<Vec<String>, Failure> {
    let quoted = name.replace('\'', "''");
    let request = Request::get("2.0/pipelines", "list the pipelines")
        .with("filter", &format!("name LIKE '{quoted}'"))
        .with("max_results", &25);
    let page: Pipelines = session.ask(&request).await?;
    Ok(page.statuses.into_iter().filter(|found| found.name == name).map(|found| found.pipeline_id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(value: Value) -> Run {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_run_stands_as_either_wording_says() {
        let old = run(json!({ "run_id": 1, "state": { "life_cycle_state": "TERMINATED", "result_state": "FAILED",
            "state_message": "boom", "user_cancelled_or_timedout": false }, "a_new_field": [1] }));
        assert_eq!(old.standing().shown(), "TERMINATED FAILED: boom");
        assert!(old.standing().is_over() && old.standing().is_broken() && !old.standing().is_success());
        let new = run(json!({ "run_id": 1, "status": { "state": "TERMINATED",
            "termination_details": { "code": "SUCCESS", "type": "SUCCESS", "message": "" } } }));
        assert!(new.standing().is_success());
        for (life_cycle, is_over, is_ending) in [
            ("PENDING", false, false),
            ("QUEUED", false, false),
            ("RUNNING", false, false),
            ("BLOCKED", false, false),
            ("WAITING_FOR_RETRY", false, false),
            ("TERMINATING", false, true),
            ("SKIPPED", true, true),
            ("INTERNAL_ERROR", true, true),
            ("SOMETHING_NEW", false, false),
        ] {
            let standing = run(json!({ "run_id": 1, "state": { "life_cycle_state": life_cycle } })).standing();
            assert_eq!((standing.is_over(), standing.is_ending()), (is_over, is_ending), "{life_cycle}");
        }
    }

    #[test]
    fn of_several_attempts_at_a_task_the_last_counts() {
        let run = run(json!({ "run_id": 1, "tasks": [
            { "run_id": 10, "task_key": "a", "attempt_number": 0 },
            { "run_id": 11, "task_key": "b" },
            { "run_id": 12, "task_key": "a", "attempt_number": 1 },
        ] }));
        let latest: Vec<(&str, RunId)> = run.latest_tasks().iter().map(|task| (&*task.task_key, task.run_id)).collect();
        assert_eq!(latest, [("a", 12), ("b", 11)]);
    }
}
