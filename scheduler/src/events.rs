//! Hints that something changed, for whoever watches: the web UI, a waiting command, a test.
//!
//! A hint says what is stale, never what is true: the truth is read from the database. Hints are sent after the change
//! is durable, and a watcher that falls behind is told so and reads everything again.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::bus::{Bus, Message};

/// Hints kept for a slow watcher before it must read everything again.
const HINTS_KEPT: usize = 4096;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A DAG: its definition, or whether it is paused.
    Dag,
    /// A run.
    DagRun,
    /// A task instance.
    TaskInstance,
    /// What is wrong with DAG files.
    ImportError,
    /// Assets: who names them, their events, or what is queued of them.
    Asset,
    /// What tasks ask of people: something was asked, or answered.
    HitlDetail,
    /// Callbacks of a run: one was told, or could not be.
    Callback,
}

/// A hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What changed.
    pub kind: ChangeKind,
    /// Of which DAG.
    pub dag_id: Option<String>,
    /// Of which run.
    pub dag_run_id: Option<String>,
    /// Of which task.
    pub task_id: Option<String>,
    /// Of which mapped instance; -1 when not mapped.
    pub map_index: Option<i32>,
    /// The new state, in Airflow's word.
    pub state: Option<Cow<'static, str>>,
}

impl Change {
    /// A DAG changed.
    pub fn dag(dag_id: &str) -> Change {
        Change { dag_id: Some(dag_id.to_owned()), ..Change::of(ChangeKind::Dag) }
    }

    /// A run changed.
    pub fn dag_run(dag_id: &str, run_id: &str, state: &'static str) -> Change {
        Change {
            dag_id: Some(dag_id.to_owned()),
            dag_run_id: Some(run_id.to_owned()),
            state: Some(Cow::Borrowed(state)),
            ..Change::of(ChangeKind::DagRun)
        }
    }

    /// A task instance changed.
    pub fn task_instance(dag_id: &str, run_id: &str, task_id: &str, state: Option<&'static str>) -> Change {
        Change {
            dag_id: Some(dag_id.to_owned()),
            dag_run_id: Some(run_id.to_owned()),
            task_id: Some(task_id.to_owned()),
            map_index: Some(-1),
            state: state.map(Cow::Borrowed),
            ..Change::of(ChangeKind::TaskInstance)
        }
    }

    /// The same of one instance of a mapped task.
    pub fn of_instance(self, map_index: i32) -> Change {
        Change { map_index: Some(map_index), ..self }
    }

    /// The import errors changed.
    pub fn import_errors() -> Change {
        Change::of(ChangeKind::ImportError)
    }

    /// Assets changed.
    pub fn assets() -> Change {
        Change::of(ChangeKind::Asset)
    }

    /// A task asked something of people, or somebody answered it.
    pub fn hitl_detail(dag_id: &str, run_id: &str, task_id: &str) -> Change {
        Change { kind: ChangeKind::HitlDetail, ..Change::task_instance(dag_id, run_id, task_id, None) }
    }

    /// Somebody may have answered what tasks ask.
    pub fn hitl_details() -> Change {
        Change::of(ChangeKind::HitlDetail)
    }

    /// Callbacks of a run were told, or could not be.
    pub fn callbacks(dag_id: &str, run_id: &str) -> Change {
        let (dag_id, dag_run_id) = (Some(dag_id.to_owned()), Some(run_id.to_owned()));
        Change { dag_id, dag_run_id, ..Change::of(ChangeKind::Callback) }
    }

    fn of(kind: ChangeKind) -> Change {
        Change { kind, dag_id: None, dag_run_id: None, task_id: None, map_index: None, state: None }
    }
}

/// Where hints are sent and received. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Changes {
    sender: broadcast::Sender<Change>,
    /// To watchers in other processes.
    bus: Option<Bus>,
}

impl Default for Changes {
    fn default() -> Changes {
        Changes { sender: broadcast::channel(HINTS_KEPT).0, bus: None }
    }
}

impl Changes {
    /// The same, with watchers in other processes, too.
    pub fn through(self, bus: Bus) -> Changes {
        Changes { bus: Some(bus), ..self }
    }

    /// Receives every hint from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }

    /// Whether anybody watches, so that no hint need be made for nobody.
    pub fn is_watched(&self) -> bool {
        self.bus.is_some() || self.sender.receiver_count() > 0
    }

    /// Sends a hint; nobody may be listening.
    pub fn send(&self, change: Change) {
        if let Some(bus) = &self.bus {
            bus.send(Message::Change(change.clone()));
        }
        self.send_here(change);
    }

    /// Sends a hint to those who watch in this process.
    pub(crate) fn send_here(&self, change: Change) {
        let _ = self.sender.send(change);
    }
}
