//! How many runs a DAG has, of which kinds, and how they are bounded.

use std::collections::BTreeSet;
use std::time::Duration;

use super::run_type::RunType;
use super::timetable::Catchup;

/// How runs of a DAG are made and bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagRunPolicy {
    /// What becomes of runs that were missed (Airflow 3: catchup; by default only the latest is made up for).
    pub catchup: Catchup,
    /// Most runs at the same time (Airflow 3: `max_active_runs`, default 16).
    pub max_active_runs: u32,
    /// Most task instances of one run at the same time (Airflow 3: `max_active_tasks`, default 16).
    pub max_active_tasks: u32,
    /// Whether a new DAG starts paused; the installation decides when absent (Airflow 3: paused).
    pub is_paused_upon_creation: Option<bool>,
    /// A run that takes longer fails (Airflow 3: `dagrun_timeout`).
    pub dagrun_timeout: Option<Duration>,
    /// After so many failed runs in a row the DAG is paused; 0 is never (Airflow 3: `max_consecutive_failed_dag_runs`).
    pub max_consecutive_failed_dag_runs: u32,
    /// Whether the first task that fails for good ends the run: what runs fails, what waits is skipped (Airflow 3:
    /// `fail_fast`).
    pub fail_fast: bool,
    /// The kinds of runs that are made; all when absent (Airflow 3: `allowed_run_types`).
    pub allowed_run_types: Option<BTreeSet<RunType>>,
    /// Whether runs that run again do so on the newest version of the DAG, when whoever asks does not say (Airflow 3:
    /// `rerun_with_latest_version`).
    pub rerun_with_latest_version: Option<bool>,
}

impl DagRunPolicy {
    /// Whether runs of that kind are made.
    pub fn allows(&self, kind: RunType) -> bool {
        self.allowed_run_types.as_ref().is_none_or(|allowed| allowed.contains(&kind))
    }
}

impl Default for DagRunPolicy {
    fn default() -> DagRunPolicy {
        DagRunPolicy {
            catchup: Catchup::default(),
            max_active_runs: 16,
            max_active_tasks: 16,
            is_paused_upon_creation: None,
            dagrun_timeout: None,
            max_consecutive_failed_dag_runs: 0,
            fail_fast: false,
            allowed_run_types: None,
            rerun_with_latest_version: None,
        }
    }
}
