//! What only the templates of callbacks can see: how things stood when something happened.
//!
//! A callback is delivered later than it is called, when the task may have been tried again long since. So these facts are
//! kept with the call.

use chrono::{DateTime, Utc};
use minijinja::value::Value;
use serde::{Deserialize, Serialize};

use super::objects::{or_none, text_or_none};

/// How things stood when a callback was called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallbackFacts {
    /// Why the try failed, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// Why the run ended (Airflow 3: `task_failure`, `timed_out`, `all_tasks_deadlocked`, `success`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The state of the run, in Airflow's word.
    pub run_state: String,
    /// When the run began.
    pub run_start: Option<DateTime<Utc>>,
    /// When the run ended.
    pub run_end: Option<DateTime<Utc>>,
    /// The try that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<TryFacts>,
    /// The deadline that passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DeadlineFacts>,
    /// Where a person reads more of the try, or of the run.
    #[serde(skip)]
    pub url: Option<String>,
}

/// A try as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TryFacts {
    /// Of which task.
    pub task_id: String,
    /// Of which mapped instance; -1 when not mapped.
    pub map_index: i32,
    /// Counts from 1.
    pub try_number: u32,
    /// Its state, in Airflow's word.
    pub state: String,
    /// When it began.
    pub start_date: Option<DateTime<Utc>>,
    /// When it ended.
    pub end_date: Option<DateTime<Utc>>,
    /// The machine that it ran on.
    pub hostname: Option<String>,
}

/// A deadline that passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadlineFacts {
    /// What people call it.
    pub name: Option<String>,
    /// When it was.
    pub deadline_time: DateTime<Utc>,
}

impl CallbackFacts {
    /// A name at the top of a template. What does not apply is none, not absent: a notice with a hole in it is better than
    /// no notice.
    pub(super) fn name(&self, name: &str) -> Option<Value> {
        match name {
            "exception" => Some(text_or_none(self.exception.as_deref())),
            "reason" => Some(text_or_none(self.reason.as_deref())),
            "deadline" => Some(self.deadline.as_ref().map_or_else(
                || Value::from(()),
                |deadline| {
                    Value::from_pairs([
                        ("name", text_or_none(deadline.name.as_deref())),
                        ("deadline_time", or_none(Some(deadline.deadline_time))),
                    ])
                },
            )),
            _ => None,
        }
    }

    /// What `dag_run` has besides.
    pub(super) fn of_run(&self) -> [(&'static str, Value); 2] {
        [("state", Value::from(self.run_state.as_str())), ("end_date", or_none(self.run_end))]
    }

    /// What `ti` has besides.
    pub(super) fn of_try(&self, name: &str) -> Option<Value> {
        let instance = self.instance.as_ref()?;
        Some(match name {
            "state" => Value::from(instance.state.as_str()),
            "start_date" => or_none(instance.start_date),
            "end_date" => or_none(instance.end_date),
            "duration" => match (instance.start_date, instance.end_date) {
                (Some(start), Some(end)) => Value::from((end - start).as_seconds_f64()),
                _ => Value::from(()),
            },
            "hostname" => Value::from(instance.hostname.as_deref().unwrap_or_default()),
            "log_url" => Value::from(self.url.as_deref().unwrap_or_default()),
            _ => return None,
        })
    }
}
