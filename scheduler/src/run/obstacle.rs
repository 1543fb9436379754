//! Why a task instance does not run: everything that is in its way, and what would help.

use super::limit::Limit;
use super::state::{RunState, TaskState};

/// What is stored of a task instance that waits for the run before (Airflow 3: `depends_on_past`).
pub(super) const WAITS_FOR_PAST: &str = "waits for the run before";

/// The same where the run before has no such task, so that waiting alone does not help.
pub(super) const WAITS_FOR_ABSENT: &str = "waits for the run before, which does not have the task";

/// How what is stored of the task instances of a run begins whose logical date is to come.
pub(super) const WAITS_FOR_DATE: &str = "logical date is in the future: ";

/// Something that is in the way of a task instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What Airflow calls the dependency that is not met (Airflow 3: `ti_deps/deps`).
    pub dependency: &'static str,
    /// What it is.
    pub reason: String,
    /// What a person can do about it; none when waiting is all there is to do.
    pub remedy: Option<String>,
}

/// What is known of a task instance that somebody asks about.
#[derive(Clone, Debug)]
pub struct Waiting<'a> {
    /// Its DAG.
    pub dag_id: &'a str,
    /// What keeps its DAG from starting anything: it is paused, or its file is gone.
    pub held_back: Option<Limit>,
    /// Where its run stands.
    pub run: RunState,
    /// Why its run does not begin.
    pub run_reason: Option<&'a str>,
    /// Where it stands itself.
    pub state: TaskState,
    /// Why, as stored.
    pub reason: Option<&'a str>,
}

impl Waiting<'_> {
    /// Everything that is in the way; nothing when it runs or is over.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        if self.state == TaskState::Queued {
            // What was handed out has every slot that it needs, but perhaps no worker.
            let limit = self.reason.and_then(|reason| reason.parse::<Limit>().ok());
            let lacks_worker = |limit: &Limit| matches!(limit, Limit::NoWorker { .. } | Limit::WorkersBusy { .. });
            return limit.filter(lacks_worker).map(|limit| limited(&limit, self.dag_id)).into_iter().collect();
        }
        if self.state.only_waits() {
            // It holds no slot that a limit could keep from it: it waits for what it says.
            return self.own().into_iter().collect();
        }
        if self.state.is_finished() || self.state.is_held() {
            return Vec::new();
        }
        let mut obstacles = Vec::new();
        match self.run {
            RunState::Queued => {
                obstacles.push(self.stored("Dagrun Running", self.run_reason.unwrap_or("the run has not begun")));
            }
            RunState::Success | RunState::Failed => obstacles.push(Obstacle {
                dependency: "Dagrun Running",
                reason: format!("the run is over: {}", self.run),
                remedy: None,
            }),
            RunState::Running => {}
        }
        let own = self.own();
        let held_back = self.held_back.as_ref().map(|limit| limited(limit, self.dag_id));
        let is_said = obstacles.iter().chain(&own).any(|said| Some(said) == held_back.as_ref());
        obstacles.extend(held_back.filter(|_| !is_said));
        obstacles.extend(own);
        obstacles
    }

    /// What follows from its own state.
    fn own(&self) -> Option<Obstacle> {
        match self.state {
            TaskState::None => match self.reason {
                Some(WAITS_FOR_PAST) => Some(self.stored("Previous Dagrun State", WAITS_FOR_PAST)),
                Some(WAITS_FOR_ABSENT) => {
                    let remedy = "mark it here, or write `ignore_first_depends_on_past: true` in the DAG's file and clear \
                                  the run on the newest version";
                    let waits = self.stored("Previous Dagrun State", WAITS_FOR_ABSENT);
                    Some(Obstacle { remedy: Some(remedy.to_owned()), ..waits })
                }
                Some(reason) if reason.starts_with(WAITS_FOR_DATE) => Some(self.stored("Logical Date", reason)),
                reason => reason.map(|reason| self.stored("Trigger Rule", reason)),
            },
            TaskState::Scheduled => {
                let not_yet = "the scheduler has not looked at it yet";
                Some(self.stored("Task Instance Slots Available", self.reason.unwrap_or(not_yet)))
            }
            TaskState::UpForRetry => {
                Some(self.stored("Not In Retry Period", self.reason.unwrap_or("waits for its retry")))
            }
            TaskState::Deferred => Some(self.stored("Task Instance Deferred", self.reason.unwrap_or("it waits"))),
            TaskState::AwaitingInput => {
                let remedy = format!("answer it: see `updraft tasks questions {}`", self.dag_id);
                let waits =
                    self.stored("Task Instance Awaiting Input", self.reason.unwrap_or("waits for a person to answer"));
                Some(Obstacle { remedy: Some(remedy), ..waits })
            }
            TaskState::UpForReschedule => {
                Some(self.stored("Ready To Reschedule", self.reason.unwrap_or("waits to look again")))
            }
            state => Some(self.stored("Task Instance State", self.reason.unwrap_or(state.word().unwrap_or_default()))),
        }
    }

    /// A stored reason, taken apart when it names a limit.
    fn stored(&self, dependency: &'static str, reason: &str) -> Obstacle {
        match reason.parse::<Limit>() {
            Ok(limit) => limited(&limit, self.dag_id),
            Err(_) => Obstacle { dependency, reason: reason.to_owned(), remedy: None },
        }
    }
}

fn limited(limit: &Limit, dag_id: &str) -> Obstacle {
    Obstacle { dependency: limit.dependency(), reason: limit.to_string(), remedy: Some(limit.remedy(dag_id)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(state: TaskState, reason: Option<&'static str>) -> Waiting<'static> {
        Waiting { dag_id: "sales", held_back: None, run: RunState::Running, run_reason: None, state, reason }
    }

    fn said(waiting: &Waiting<'_>) -> Vec<(&'static str, String)> {
        waiting.obstacles().into_iter().map(|obstacle| (obstacle.dependency, obstacle.reason)).collect()
    }

    #[test]
    fn a_full_pool_is_named_with_what_would_help() {
        let obstacles = asked(TaskState::Scheduled, Some("pool etl is full (4 slots)")).obstacles();

        assert_eq!(obstacles.len(), 1);
        assert_eq!(obstacles[0].dependency, "Pool Slots Available");
        assert_eq!(obstacles[0].reason, "pool etl is full (4 slots)");
        assert!(obstacles[0].remedy.as_deref().is_some_and(|remedy| remedy.contains("updraft pools set etl")));
    }

    #[test]
    fn what_comes_before_is_named() {
        let upstream = asked(TaskState::None, Some("waits for extract and load"));
        assert_eq!(said(&upstream), [("Trigger Rule", "waits for extract and load".to_owned())]);

        let past = asked(TaskState::None, Some(WAITS_FOR_PAST));
        assert_eq!(said(&past), [("Previous Dagrun State", "waits for the run before".to_owned())]);

        let absent = asked(TaskState::None, Some(WAITS_FOR_ABSENT)).obstacles();
        assert_eq!(absent[0].dependency, "Previous Dagrun State");
        assert!(
            absent[0].remedy.as_deref().is_some_and(|remedy| remedy.contains("ignore_first_depends_on_past: true"))
        );
    }

    /// Airflow 3's semantics, section 1: a future logical date; Airflow calls what is not met so (`RunnableExecDateDep`).
    #[test]
    fn a_date_that_is_to_come_is_named() {
        let waiting = asked(TaskState::None, Some("logical date is in the future: 2026-11-22T12:00:00Z"));
        assert_eq!(said(&waiting)[0].0, "Logical Date");
    }

    #[test]
    fn a_paused_dag_is_said_once() {
        let mut waiting = asked(TaskState::None, None);
        waiting.held_back = Some(Limit::DagPaused);
        (waiting.run, waiting.run_reason) = (RunState::Queued, Some("DAG paused"));
        assert_eq!(said(&waiting), [("Dag Not Paused", "DAG paused".to_owned())]);

        waiting.run_reason = Some("max_active_runs 1 reached");
        assert_eq!(said(&waiting)[0], ("Dagrun Running", "max_active_runs 1 reached".to_owned()));
        assert_eq!(said(&waiting)[1], ("Dag Not Paused", "DAG paused".to_owned()));
    }

    #[test]
    fn what_is_not_ready_waits_for_a_file_that_is_gone_as_well() {
        let mut waiting = asked(TaskState::None, Some("waits for extract"));
        waiting.held_back = Some(Limit::DagStale);
        let gone = ("Dagrun Running", "DAG file is gone".to_owned());
        assert_eq!(said(&waiting), [gone.clone(), ("Trigger Rule", "waits for extract".to_owned())]);

        (waiting.state, waiting.reason) = (TaskState::Scheduled, Some("DAG file is gone"));
        assert_eq!(said(&waiting), [gone], "it is said once");
    }

    #[test]
    fn what_runs_or_is_over_has_nothing_in_its_way() {
        for state in [TaskState::Running, TaskState::Queued, TaskState::Success, TaskState::UpstreamFailed] {
            assert_eq!(said(&asked(state, Some("pool etl is full (4 slots)"))), []);
        }
    }

    #[test]
    fn what_is_deferred_tells_what_it_waits_for_and_no_limit() {
        let mut waiting = asked(TaskState::Deferred, Some("waits for file /data/x; looks again every 1m"));
        waiting.held_back = Some(Limit::DagPaused);
        let expected = "waits for file /data/x; looks again every 1m".to_owned();
        assert_eq!(said(&waiting), [("Task Instance Deferred", expected)]);
    }

    #[test]
    fn what_waits_for_a_person_tells_how_to_answer() {
        let obstacles = asked(TaskState::AwaitingInput, Some("waits for a person to answer")).obstacles();

        assert_eq!(obstacles[0].dependency, "Task Instance Awaiting Input");
        assert_eq!(obstacles[0].reason, "waits for a person to answer");
        assert_eq!(obstacles[0].remedy.as_deref(), Some("answer it: see `updraft tasks questions sales`"));
    }

    #[test]
    fn what_was_handed_out_may_lack_a_worker() {
        let obstacles = asked(TaskState::Queued, Some("no worker takes queue gpu")).obstacles();

        assert_eq!(obstacles[0].reason, "no worker takes queue gpu");
        assert!(obstacles[0].remedy.as_deref().is_some_and(|remedy| remedy.contains("updraft worker --queues gpu")));
    }

    #[test]
    fn other_reasons_are_told_as_they_are() {
        let retry = asked(TaskState::UpForRetry, Some("waits for its retry at 2026-11-21T08:00:00Z"));
        assert_eq!(said(&retry), [("Not In Retry Period", "waits for its retry at 2026-11-21T08:00:00Z".to_owned())]);
    }
}
