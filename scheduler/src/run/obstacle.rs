//! Why a task instance does not run: everything that is in its way, and what would help.

use super::limit::Limit;
use super::state::{RunState, TaskState};

/// Upstream tasks that are named; the rest is a number.
const NAMED_MAX: usize = 5;

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
    /// Whether its DAG is paused.
    pub is_paused: bool,
    /// Where its run stands.
    pub run: RunState,
    /// Why its run does not begin.
    pub run_reason: Option<&'a str>,
    /// Where it stands itself.
    pub state: TaskState,
    /// Why, as stored.
    pub reason: Option<&'a str>,
    /// The states of the task instances directly upstream, by task.
    pub upstream: Vec<(&'a str, TaskState)>,
}

impl Waiting<'_> {
    /// Everything that is in the way; nothing when it runs or is over.
    pub fn obstacles(&self) -> Vec<Obstacle> {
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
        let says_paused = |obstacle: &Obstacle| obstacle.reason == Limit::DagPaused.to_string();
        if self.is_paused && !obstacles.iter().chain(&own).any(says_paused) {
            obstacles.push(limited(&Limit::DagPaused, self.dag_id));
        }
        obstacles.extend(own);
        obstacles
    }

    /// What follows from its own state.
    fn own(&self) -> Option<Obstacle> {
        match self.state {
            TaskState::None => {
                let upstream = unfinished(&self.upstream);
                if let Some(reason) = upstream {
                    return Some(Obstacle { dependency: "Trigger Rule", reason, remedy: None });
                }
                self.reason.map(|reason| self.stored("Trigger Rule", reason))
            }
            TaskState::Scheduled => {
                let not_yet = "the scheduler has not looked at it yet";
                Some(self.stored("Task Instance Slots Available", self.reason.unwrap_or(not_yet)))
            }
            TaskState::UpForRetry => {
                Some(self.stored("Not In Retry Period", self.reason.unwrap_or("waits for its retry")))
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

/// The upstream tasks that have not ended; none when all have.
fn unfinished(upstream: &[(&str, TaskState)]) -> Option<String> {
    let mut tasks: Vec<(&str, usize, usize, TaskState)> = Vec::new();
    for (task_id, state) in upstream {
        let place = tasks.iter().position(|(known, ..)| known == task_id).unwrap_or_else(|| {
            tasks.push((task_id, 0, 0, *state));
            tasks.len() - 1
        });
        let (_, all, open, shown) = &mut tasks[place];
        *all += 1;
        if !state.is_finished() {
            *open += 1;
            *shown = *state;
        }
    }
    tasks.retain(|(_, _, open, _)| *open > 0);
    if tasks.is_empty() {
        return None;
    }
    let more = tasks.len().saturating_sub(NAMED_MAX);
    let named: Vec<String> = tasks
        .iter()
        .take(NAMED_MAX)
        .map(|(task_id, all, open, state)| match all {
            1 => format!("{task_id} ({state})"),
            _ => format!("{task_id} ({} of {all} done)", all - open),
        })
        .collect();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("waits for {}{rest}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(state: TaskState, reason: Option<&'static str>) -> Waiting<'static> {
        Waiting {
            dag_id: "sales",
            is_paused: false,
            run: RunState::Running,
            run_reason: None,
            state,
            reason,
            upstream: Vec::new(),
        }
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
    fn tasks_that_are_waited_for_are_named() {
        let mut waiting = asked(TaskState::None, None);
        waiting.upstream = vec![("a", TaskState::Running), ("b", TaskState::Success), ("c", TaskState::None)];
        assert_eq!(said(&waiting), [("Trigger Rule", "waits for a (running), c (none)".to_owned())]);

        waiting.upstream = vec![("m", TaskState::Success), ("m", TaskState::Running), ("m", TaskState::Success)];
        assert_eq!(said(&waiting), [("Trigger Rule", "waits for m (2 of 3 done)".to_owned())]);

        let names = ["a", "b", "c", "d", "e", "f", "g"];
        waiting.upstream = names.iter().map(|name| (*name, TaskState::None)).collect();
        assert!(said(&waiting)[0].1.ends_with("e (none) and 2 more"), "{:?}", said(&waiting));
    }

    #[test]
    fn a_paused_dag_is_said_once() {
        let mut waiting = asked(TaskState::None, None);
        (waiting.is_paused, waiting.run, waiting.run_reason) = (true, RunState::Queued, Some("DAG paused"));
        assert_eq!(said(&waiting), [("Dag Not Paused", "DAG paused".to_owned())]);

        waiting.run_reason = Some("max_active_runs 1 reached");
        assert_eq!(said(&waiting)[0], ("Dagrun Running", "max_active_runs 1 reached".to_owned()));
        assert_eq!(said(&waiting)[1], ("Dag Not Paused", "DAG paused".to_owned()));
    }

    #[test]
    fn what_runs_or_is_over_has_nothing_in_its_way() {
        for state in [TaskState::Running, TaskState::Queued, TaskState::Success, TaskState::UpstreamFailed] {
            assert_eq!(said(&asked(state, Some("pool etl is full (4 slots)"))), []);
        }
    }

    #[test]
    fn other_reasons_are_told_as_they_are() {
        let retry = asked(TaskState::UpForRetry, Some("waits for its retry at 2026-11-21T08:00:00Z"));
        assert_eq!(said(&retry), [("Not In Retry Period", "waits for its retry at 2026-11-21T08:00:00Z".to_owned())]);
    }
}
