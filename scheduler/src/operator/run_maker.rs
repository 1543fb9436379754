//! Runs of DAGs that a task makes.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::TaskKey;

/// A run that a task wants.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedRun {
    /// Of which DAG.
    pub dag_id: String,
    /// Its name; made up when absent.
    pub run_id: Option<String>,
    /// What it is about.
    pub logical_date: WantedDate,
    /// Before which instant it does not begin; that of its logical date when absent.
    pub run_after: Option<DateTime<Utc>>,
    /// What it is given.
    pub conf: Map<String, Value>,
    /// A remark.
    pub note: Option<String>,
    /// What to do when there is such a run already.
    pub when_exists: WhenExists,
    /// Whether a paused DAG is refused, instead of its run waiting.
    pub refuses_paused: bool,
}

/// The logical date of a run that a task wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WantedDate {
    /// The moment at which it is made (Airflow 3: when none is said).
    #[default]
    Now,
    /// This one.
    At(DateTime<Utc>),
    /// None at all.
    Nothing,
}

/// What is done when there is a run with that name or that logical date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenExists {
    /// The task fails.
    #[default]
    Fail,
    /// The task is told so, and decides.
    Tell,
    /// That run is cleared: it runs again, with what it was given when it was made.
    Reset,
}

/// A run that a task has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeRun {
    /// As people name it.
    pub run_id: String,
    /// What it is about.
    pub logical_date: Option<DateTime<Utc>>,
    /// How it came about.
    pub how: HowMade,
}

/// How a task came by a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowMade {
    /// It was made now.
    New,
    /// It was there, and runs again.
    Reset,
    /// The same try made it before its process was lost.
    Before,
    /// It was there, and was left alone.
    Existing,
}

/// Why a task has no run.
#[derive(Debug, thiserror::Error)]
pub enum RunRefusal {
    /// It may have one later: the DAG is not there, is broken or is paused.
    #[error("{0}")]
    NotNow(String),
    /// It makes no sense as asked.
    #[error("{0}")]
    Never(String),
    /// The world is at fault.
    #[error("cannot make the run")]
    World(#[source] anyhow::Error),
}

/// Makes runs in the name of tasks.
#[async_trait]
pub trait RunMaker: Send + Sync {
    /// Makes a run, once for each try of a task instance: a try that is made again after its process was lost is given the run
    /// that it made. Admission is that of any run that somebody triggers.
    async fn make(&self, by: &TaskKey, try_number: u32, wanted: WantedRun) -> Result<MadeRun, RunRefusal>;
}
