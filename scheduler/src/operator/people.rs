//! What a task asks of people: the question, the answer, and how a try gets from one to the other.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dag::Param;

/// Who has answered when nobody did in time (Airflow 3: the user of a fallback to defaults).
pub const FALLBACK_USER: &str = "Fallback to defaults";

/// A question to people (Airflow 3: human in the loop).
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The question, in one line.
    pub subject: String,
    /// What one has to know to answer it, in Markdown.
    pub body: Option<String>,
    /// What can be answered.
    pub options: Vec<String>,
    /// What is answered when nobody does in time.
    pub defaults: Option<Vec<String>>,
    /// Whether several options may be chosen.
    pub multiple: bool,
    /// What else is asked for.
    pub params: BTreeMap<String, Param>,
    /// Who may answer; everybody when empty.
    pub assigned_users: Vec<Respondent>,
}

/// Somebody who may answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Respondent {
    /// By which sign-in knows them.
    pub id: String,
    /// As people call them.
    pub name: String,
}

impl Question {
    /// Whether that user may answer.
    pub fn is_for(&self, user: &str) -> bool {
        self.assigned_users.is_empty() || self.assigned_users.iter().any(|one| one.id == user || one.name == user)
    }

    /// What is wrong with a choice, in words for the person who made it.
    pub fn complaint(&self, chosen: &[String]) -> Option<String> {
        let options = || self.options.iter().map(|option| format!("`{option}`")).collect::<Vec<_>>().join(", ");
        if chosen.is_empty() {
            return Some(format!("choose one of {}", options()));
        }
        if let Some(stranger) = chosen.iter().find(|chosen| !self.options.contains(chosen)) {
            return Some(format!("`{stranger}` is not one of the options, which are {}", options()));
        }
        (chosen.len() > 1 && !self.multiple).then(|| "only one option may be chosen".to_owned())
    }
}

/// What somebody answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The options, at least one.
    pub chosen_options: Vec<String>,
    /// What else was asked for, by name.
    pub params_input: Map<String, Value>,
    /// When.
    pub responded_at: DateTime<Utc>,
    /// Who; [`FALLBACK_USER`] when the time was up.
    pub responded_by: String,
}

/// Asks people in the name of one try, and hears what they answer. A try that is made again after its process was lost finds
/// its question, and the answer that came meanwhile.
#[async_trait]
pub trait People: Send + Sync {
    /// Puts the question where people see it; durable before it returns. False when this try has asked before.
    async fn ask(&self, question: &Question) -> anyhow::Result<bool>;

    /// Sleeps until there is an answer; none when there is none by `until`. May be dropped at any time.
    async fn answer(&self, until: Option<DateTime<Utc>>) -> anyhow::Result<Option<Answer>>;

    /// Answers in place of people, unless somebody was faster. Returns the answer that counts.
    async fn fall_back(&self, chosen: &[String], params: Map<String, Value>) -> anyhow::Result<Answer>;
}
