//! What keeps a run or a ready task instance from starting, in words that are stored and read back.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};

/// What keeps a run or a ready task instance from starting.
///
/// Its words hold no number that changes by itself, so that what waits for long is written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nothing of a paused DAG starts (Airflow 3: pause).
    DagPaused,
    /// Nor of one that no file defines any more (Airflow 3: a stale DAG).
    DagStale,
    /// A run that is for later.
    RunAfter(DateTime<Utc>),
    /// As many runs of the DAG run as may.
    MaxActiveRuns(usize),
    /// The backfill that the run is part of is paused.
    BackfillPaused,
    /// As many runs of the backfill run as may.
    BackfillMaxActiveRuns(usize),
    /// There is no pool of that name.
    PoolMissing {
        /// The name.
        pool: String,
    },
    /// The pool has fewer slots than the task takes, so that it never starts.
    PoolTooSmall {
        /// The pool.
        pool: String,
        /// All slots of the pool.
        slots: u32,
        /// The slots that the task takes.
        needed: u32,
    },
    /// The pool has not as many free slots as the task takes.
    PoolFull {
        /// The pool.
        pool: String,
        /// All slots of the pool.
        slots: u32,
    },
    /// As many task instances of the run are active as may be.
    MaxActiveTasks(usize),
    /// As many instances of the task are active in all runs as may be.
    MaxActiveTisPerDag(usize),
    /// As many instances of the task are active in the run as may be.
    MaxActiveTisPerDagrun(usize),
    /// As many task instances run as the installation allows.
    Parallelism(usize),
    /// The task was handed out, and no worker takes from its queue.
    NoWorker {
        /// The queue.
        queue: String,
    },
    /// The task was handed out, and the workers of its queue have no room.
    WorkersBusy {
        /// The queue.
        queue: String,
    },
}

impl Limit {
    /// What keeps a DAG from starting anything at all.
    pub fn of_dag(is_paused: bool, is_stale: bool) -> Option<Limit> {
        match (is_stale, is_paused) {
            (true, _) => Some(Limit::DagStale),
            (false, true) => Some(Limit::DagPaused),
            (false, false) => None,
        }
    }

    /// What Airflow's API calls the dependency that is not met (Airflow 3: `ti_deps/deps`).
    pub fn dependency(&self) -> &'static str {
        match self {
            Limit::DagPaused => "Dag Not Paused",
            Limit::DagStale
            | Limit::RunAfter(_)
            | Limit::MaxActiveRuns(_)
            | Limit::BackfillPaused
            | Limit::BackfillMaxActiveRuns(_) => "Dagrun Running",
            Limit::PoolMissing { .. } | Limit::PoolTooSmall { .. } | Limit::PoolFull { .. } => "Pool Slots Available",
            Limit::MaxActiveTisPerDag(_) | Limit::MaxActiveTisPerDagrun(_) => "Task Concurrency",
            Limit::MaxActiveTasks(_) | Limit::Parallelism(_) | Limit::NoWorker { .. } | Limit::WorkersBusy { .. } => {
                "Task Instance Slots Available"
            }
        }
    }

    /// What a person can do about it.
    pub fn remedy(&self, dag_id: &str) -> String {
        match self {
            Limit::DagPaused => format!("unpause it: `updraft dags unpause {dag_id}`"),
            Limit::DagStale => "put its file back, or mark its runs".to_owned(),
            Limit::RunAfter(_) => "wait until then".to_owned(),
            Limit::MaxActiveRuns(_) => "wait until a run of it ends, or raise `max_active_runs` in its file".to_owned(),
            Limit::BackfillPaused => "let the backfill go on: `updraft backfill unpause ID`".to_owned(),
            Limit::BackfillMaxActiveRuns(_) => "wait until another run of the backfill ends".to_owned(),
            Limit::PoolMissing { pool } => {
                format!("make the pool (`updraft pools set {pool} SLOTS`), or name another in the DAG's file")
            }
            Limit::PoolTooSmall { pool, needed, .. } => {
                format!("give the pool more slots (`updraft pools set {pool} {needed}`), or lower `pool_slots`")
            }
            Limit::PoolFull { pool, .. } => {
                format!("wait until others end, or give the pool more slots: `updraft pools set {pool} SLOTS`")
            }
            Limit::MaxActiveTasks(_) => "wait until others of the run end, or raise `max_active_tasks`".to_owned(),
            Limit::MaxActiveTisPerDag(_) => "wait until others end, or raise `max_active_tis_per_dag`".to_owned(),
            Limit::MaxActiveTisPerDagrun(_) => "wait until others end, or raise `max_active_tis_per_dagrun`".to_owned(),
            Limit::Parallelism(_) => {
                "wait until others end, or start the server with a larger `--parallelism`".to_owned()
            }
            Limit::NoWorker { queue } => format!("start one: `updraft worker --queues {queue}`"),
            Limit::WorkersBusy { queue } => {
                format!("wait until others end, or start another worker: `updraft worker --queues {queue}`")
            }
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::DagPaused => f.write_str("DAG paused"),
            Limit::DagStale => f.write_str("DAG file is gone"),
            Limit::RunAfter(at) => write!(f, "waits until {}", at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            Limit::MaxActiveRuns(most) => write!(f, "max_active_runs {most} reached"),
            Limit::BackfillPaused => f.write_str("backfill paused"),
            Limit::BackfillMaxActiveRuns(most) => write!(f, "max_active_runs {most} of the backfill reached"),
            Limit::PoolMissing { pool } => write!(f, "pool {pool} does not exist"),
            Limit::PoolTooSmall { pool, slots, needed } => {
                write!(f, "pool {pool} has {}, and the task takes {needed}", Slots(*slots))
            }
            Limit::PoolFull { pool, slots } => write!(f, "pool {pool} is full ({})", Slots(*slots)),
            Limit::MaxActiveTasks(most) => write!(f, "max_active_tasks {most} reached"),
            Limit::MaxActiveTisPerDag(most) => write!(f, "max_active_tis_per_dag {most} reached"),
            Limit::MaxActiveTisPerDagrun(most) => write!(f, "max_active_tis_per_dagrun {most} reached"),
            Limit::Parallelism(most) => write!(f, "parallelism {most} reached"),
            Limit::NoWorker { queue } => write!(f, "no worker takes queue {queue}"),
            Limit::WorkersBusy { queue } => write!(f, "no worker is free for queue {queue}"),
        }
    }
}

struct Slots(u32);

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { f.write_str("1 slot") } else { write!(f, "{} slots", self.0) }
    }
}

/// A reason that names no limit: the task waits for a retry, was given back, ….
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reason names no limit")]
pub struct NoLimit;

impl FromStr for Limit {
    type Err = NoLimit;

    fn from_str(words: &str) -> Result<Limit, NoLimit> {
        match words {
            "DAG paused" => return Ok(Limit::DagPaused),
            "DAG file is gone" => return Ok(Limit::DagStale),
            "backfill paused" => return Ok(Limit::BackfillPaused),
            _ => {}
        }
        if let Some(at) = words.strip_prefix("waits until ") {
            let at = DateTime::parse_from_rfc3339(at).map_err(|_| NoLimit)?;
            return Ok(Limit::RunAfter(at.with_timezone(&Utc)));
        }
        if let Some(queue) = words.strip_prefix("no worker takes queue ") {
            return Ok(Limit::NoWorker { queue: queue.to_owned() });
        }
        if let Some(queue) = words.strip_prefix("no worker is free for queue ") {
            return Ok(Limit::WorkersBusy { queue: queue.to_owned() });
        }
        if let Some(rest) = words.strip_prefix("pool ") {
            return pool_limit(rest).ok_or(NoLimit);
        }
        if let Some(rest) = words.strip_suffix(" of the backfill reached") {
            let most = rest.strip_prefix("max_active_runs ").and_then(|most| most.parse().ok()).ok_or(NoLimit)?;
            return Ok(Limit::BackfillMaxActiveRuns(most));
        }
        let (name, most) = words.strip_suffix(" reached").and_then(|rest| rest.split_once(' ')).ok_or(NoLimit)?;
        let most = most.parse().map_err(|_| NoLimit)?;
        match name {
            "max_active_runs" => Ok(Limit::MaxActiveRuns(most)),
            "max_active_tasks" => Ok(Limit::MaxActiveTasks(most)),
            "max_active_tis_per_dag" => Ok(Limit::MaxActiveTisPerDag(most)),
            "max_active_tis_per_dagrun" => Ok(Limit::MaxActiveTisPerDagrun(most)),
            "parallelism" => Ok(Limit::Parallelism(most)),
            _ => Err(NoLimit),
        }
    }
}

/// What is said of a pool. Its name may hold any words, so the sentence is read from its end.
fn pool_limit(words: &str) -> Option<Limit> {
    if let Some(pool) = words.strip_suffix(" does not exist") {
        return Some(Limit::PoolMissing { pool: pool.to_owned() });
    }
    if let Some((pool, slots)) = words.strip_suffix(')').and_then(|rest| rest.rsplit_once(" is full (")) {
        return Some(Limit::PoolFull { pool: pool.to_owned(), slots: slots_of(slots)? });
    }
    let (rest, needed) = words.rsplit_once(", and the task takes ")?;
    let (pool, slots) = rest.rsplit_once(" has ")?;
    Some(Limit::PoolTooSmall { pool: pool.to_owned(), slots: slots_of(slots)?, needed: needed.parse().ok()? })
}

fn slots_of(words: &str) -> Option<u32> {
    words.split_once(' ')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn a_limit() -> impl Strategy<Value = Limit> {
        let pool = "[a-z_ ]{1,12}|is full \\(4 slots\\)|x has 1 slot, and the task takes 2";
        prop_oneof![
            Just(Limit::DagPaused),
            Just(Limit::DagStale),
            (0i64..4_000_000_000).prop_map(|at| Limit::RunAfter(DateTime::from_timestamp(at, 0).unwrap())),
            Just(Limit::BackfillPaused),
            any::<usize>().prop_map(Limit::MaxActiveRuns),
            any::<usize>().prop_map(Limit::BackfillMaxActiveRuns),
            pool.prop_map(|pool| Limit::PoolMissing { pool }),
            (pool, any::<u32>(), any::<u32>()).prop_map(|(pool, slots, needed)| Limit::PoolTooSmall {
                pool,
                slots,
                needed
            }),
            (pool, any::<u32>()).prop_map(|(pool, slots)| Limit::PoolFull { pool, slots }),
            any::<usize>().prop_map(Limit::MaxActiveTasks),
            any::<usize>().prop_map(Limit::MaxActiveTisPerDag),
            any::<usize>().prop_map(Limit::MaxActiveTisPerDagrun),
            any::<usize>().prop_map(Limit::Parallelism),
            pool.prop_map(|queue| Limit::NoWorker { queue }),
            pool.prop_map(|queue| Limit::WorkersBusy { queue }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_stored_is_read_back(limit in a_limit()) {
            prop_assert_eq!(limit.to_string().parse(), Ok(limit));
        }
    }

    #[test]
    fn other_reasons_name_no_limit() {
        for words in
            ["", "waits for its retry at 2026-11-21T08:00:00Z", "max_active_tasks many reached", "pool x is small"]
        {
            assert_eq!(words.parse::<Limit>(), Err(NoLimit), "{words}");
        }
    }

    #[test]
    fn limits_are_named_in_few_words() {
        let said = |limit: Limit| limit.to_string();
        assert_eq!(said(Limit::PoolFull { pool: "etl_pool".into(), slots: 4 }), "pool etl_pool is full (4 slots)");
        assert_eq!(said(Limit::PoolMissing { pool: "nonexistent".into() }), "pool nonexistent does not exist");
        assert_eq!(
            said(Limit::PoolTooSmall { pool: "small".into(), slots: 1, needed: 8 }),
            "pool small has 1 slot, and the task takes 8"
        );
        assert_eq!(said(Limit::MaxActiveTasks(16)), "max_active_tasks 16 reached");
        assert_eq!(said(Limit::DagPaused), "DAG paused");
        assert_eq!(said(Limit::DagStale), "DAG file is gone");
        assert_eq!(said(Limit::MaxActiveRuns(1)), "max_active_runs 1 reached");
    }
}
