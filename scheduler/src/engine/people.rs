//! How a try asks people, and hears what they answer: through the database, and hints that it has changed.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::clock::Clock;
use crate::events::{Change, ChangeKind, Changes};
use crate::operator::{Answer, FALLBACK_USER, People, Question, TaskKey};
use crate::store::hitl_details::{self, Asker};
use crate::store::{Db, StoreError, commit};

/// How often a try looks for its answer without having been told of one: hints can be lost, and clocks be set.
const LOOK_AROUND: Duration = Duration::from_secs(15);

/// Tells the tries of a process that somebody may have answered.
pub(super) struct Answers {
    changes: Changes,
    heard: Notify,
    is_listening: AtomicBool,
}

impl Answers {
    /// Answers of which `changes` tells.
    pub(super) fn new(changes: Changes) -> Answers {
        Answers { changes, heard: Notify::new(), is_listening: AtomicBool::new(false) }
    }

    /// Begins to listen when the first try waits: hints that nobody listens to are not made.
    fn listen(self: &Arc<Answers>) {
        if self.is_listening.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut hints = self.changes.subscribe();
        let answers = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                match hints.recv().await {
                    Ok(change) if change.kind != ChangeKind::HitlDetail => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => match answers.upgrade() {
                        Some(answers) => answers.heard.notify_waiters(),
                        None => return,
                    },
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }
}

/// People, as one try asks them.
pub(super) struct StoredPeople {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) answers: Arc<Answers>,
    pub(super) run: Uuid,
    pub(super) key: Arc<TaskKey>,
    pub(super) try_number: u32,
}

impl StoredPeople {
    fn asker(&self) -> Asker {
        Asker {
            run: self.run,
            task_id: self.key.task_id.clone(),
            map_index: self.key.map_index,
            try_number: i32::try_from(self.try_number).unwrap_or(i32::MAX),
        }
    }

    async fn stored(&self) -> Result<Option<Answer>, StoreError> {
        match hitl_details::find(self.db.read(), &self.asker()).await? {
            Some(row) => row.answer(),
            None => Ok(None),
        }
    }

    fn tell(&self) {
        let TaskKey { dag_id, run_id, task_id, map_index } = &*self.key;
        self.answers.changes.send(Change::hitl_detail(dag_id, run_id, task_id).of_instance(*map_index));
    }
}

#[async_trait]
impl People for StoredPeople {
    async fn ask(&self, question: &Question) -> anyhow::Result<bool> {
        let txn = self.db.begin_write().await?;
        let is_new = hitl_details::ask(&txn, &self.asker(), question, self.clock.now()).await?;
        commit(txn).await?;
        self.tell();
        Ok(is_new)
    }

    async fn answer(&self, until: Option<DateTime<Utc>>) -> anyhow::Result<Option<Answer>> {
        self.answers.listen();
        loop {
            // From here on no hint is missed, also one that comes while the database is asked.
            let mut heard = pin!(self.answers.heard.notified());
            heard.as_mut().enable();
            match self.stored().await {
                Ok(Some(answer)) => return Ok(Some(answer)),
                Ok(None) => {}
                // Nobody should be asked again because the database was away for a moment.
                Err(problem) if problem.is_passing() => {}
                Err(problem) => return Err(problem.into()),
            }
            let left = until.map(|until| (until - self.clock.now()).to_std().unwrap_or_default());
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            tokio::select! {
                () = heard => {}
                () = tokio::time::sleep(left.unwrap_or(LOOK_AROUND).min(LOOK_AROUND)) => {}
            }
        }
    }

    async fn fall_back(&self, chosen: &[String], params: Map<String, Value>) -> anyhow::Result<Answer> {
        let answer = Answer {
            chosen_options: chosen.to_vec(),
            params_input: params,
            responded_at: self.clock.now(),
            responded_by: FALLBACK_USER.to_owned(),
        };
        let txn = self.db.begin_write().await?;
        let counts = hitl_details::respond(&txn, &self.asker(), &answer).await?;
        commit(txn).await?;
        if counts {
            self.tell();
            return Ok(answer);
        }
        let faster = self.stored().await?;
        faster.ok_or_else(|| anyhow::anyhow!("the question of this task is not in the database any more"))
    }
}
