//! A task within a run, and how the run names it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::state::TaskState;
use crate::dag::TaskIndex;

/// The map index of a task instance that is not, or not yet, one of several.
pub const UNMAPPED: i32 = -1;

/// Names a task instance within its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceIndex {
    /// Which task.
    pub task: TaskIndex,
    /// Which of its instances, from 0; [`UNMAPPED`] when it is the only one.
    pub map_index: i32,
}

impl InstanceIndex {
    /// The only instance of a task.
    pub fn unmapped(task: TaskIndex) -> InstanceIndex {
        InstanceIndex { task, map_index: UNMAPPED }
    }
}

impl fmt::Display for InstanceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.map_index {
            UNMAPPED => write!(f, "{}", self.task.index()),
            index => write!(f, "{}[{index}]", self.task.index()),
        }
    }
}

/// What a task instance left as its `return_value`, as far as mapping over it asks (Airflow 3: TaskMap).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pushed {
    /// Nothing.
    #[default]
    Nothing,
    /// Something over which cannot be mapped.
    Value,
    /// A list or mapping with so many items.
    Items(u32),
}

/// A task within a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Where it stands.
    pub state: TaskState,
    /// The current or last try; 0 before the first.
    pub try_number: u32,
    /// Tries beyond this number need no more retries: the last one is `max_tries + 1` (Airflow 3).
    pub max_tries: u32,
    /// Identifies the current or last try.
    pub try_id: Uuid,
    /// How often the process that ran the current try was lost.
    pub lost_tries: u32,
    /// When its dependencies were met.
    pub scheduled_when: Option<DateTime<Utc>>,
    /// When it was handed out.
    pub queued_when: Option<DateTime<Utc>>,
    /// When the try began.
    pub start_date: Option<DateTime<Utc>>,
    /// When the try ended.
    pub end_date: Option<DateTime<Utc>>,
    /// Since when the try only waits. It stays when the process is gone that made the try: the same try goes on then.
    pub deferred_at: Option<DateTime<Utc>>,
    /// When the next try is due, in `up_for_retry`.
    pub next_try_at: Option<DateTime<Utc>>,
    /// Why it does not run now.
    pub reason: Option<String>,
    /// Why the try failed, in one line.
    pub error: Option<String>,
    /// What it left for tasks that are mapped over it.
    pub pushed: Pushed,
    /// The tasks that it decided to skip; they are skipped again when they are cleared (Airflow 3: `skipmixin_key`).
    pub skips: Vec<TaskIndex>,
}

impl Instance {
    /// An instance that waits for its dependencies.
    pub fn new(retries: u32) -> Instance {
        Instance {
            state: TaskState::None,
            try_number: 0,
            max_tries: retries,
            try_id: Uuid::nil(),
            lost_tries: 0,
            scheduled_when: None,
            queued_when: None,
            start_date: None,
            end_date: None,
            deferred_at: None,
            next_try_at: None,
            reason: None,
            error: None,
            pushed: Pushed::Nothing,
            skips: Vec::new(),
        }
    }

    /// When the try began that goes on as the same one when it starts next: it waited when its process was gone.
    pub fn resumes_from(&self) -> Option<DateTime<Utc>> {
        self.deferred_at.and(self.start_date)
    }

    /// Whether its last try has begun and not ended, although no process may hold it now.
    pub fn is_cut_off(&self) -> bool {
        self.has_begun() && self.end_date.is_none()
    }

    /// Whether a try of it ever began.
    pub fn has_begun(&self) -> bool {
        self.start_date.is_some() && !self.try_id.is_nil()
    }
}

/// The instances of one task.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Instances {
    /// The task is not mapped, or it is not known yet over what.
    One(Instance),
    /// The n-th has the map index n.
    Mapped(Vec<Instance>),
}

impl Instances {
    pub fn as_slice(&self) -> &[Instance] {
        match self {
            Instances::One(instance) => std::slice::from_ref(instance),
            Instances::Mapped(instances) => instances,
        }
    }

    pub fn as_mut_slice(&mut self) -> &mut [Instance] {
        match self {
            Instances::One(instance) => std::slice::from_mut(instance),
            Instances::Mapped(instances) => instances,
        }
    }

    /// The map index of the instance at a place in the slice.
    pub fn map_index(&self, place: usize) -> i32 {
        match self {
            Instances::One(_) => UNMAPPED,
            Instances::Mapped(_) => i32::try_from(place).unwrap_or(i32::MAX),
        }
    }

    /// The place of a map index, if there is such an instance.
    pub fn place(&self, map_index: i32) -> Option<usize> {
        match self {
            Instances::One(_) => (map_index == UNMAPPED).then_some(0),
            Instances::Mapped(instances) => usize::try_from(map_index).ok().filter(|place| *place < instances.len()),
        }
    }

    /// All map indices.
    pub fn indices(&self) -> impl Iterator<Item = i32> + use<> {
        let range = match self {
            Instances::One(_) => UNMAPPED..0,
            Instances::Mapped(instances) => 0..i32::try_from(instances.len()).unwrap_or(i32::MAX),
        };
        range.into_iter()
    }
}
