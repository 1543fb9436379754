//! Remembers for a moment what a backend far away has answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::operator::SecretReader;

/// For how long an answer counts: a thousand tasks of a run ask once, and a secret that was replaced is soon known.
pub const ANSWER_AGE_MAX: Duration = Duration::from_secs(30);

/// Most answers that are remembered.
const ANSWERS_MAX: usize = 1_000;

/// A backend whose answers are remembered. Who asks while another is asking waits for the same answer. Failures are not
/// remembered.
pub struct Cached<R> {
    reader: R,
    connections: Answers<Connection>,
    variables: Answers<String>,
}

impl<R: SecretReader> Cached<R> {
    /// Remembers what `reader` answers.
    pub fn new(reader: R) -> Cached<R> {
        Cached { reader, connections: Answers::default(), variables: Answers::default() }
    }
}

#[async_trait]
impl<R: SecretReader> SecretReader for Cached<R> {
    async fn connection(&self, conn_id: &str) -> anyhow::Result<Option<Connection>> {
        let answer = self.connections.of(conn_id);
        answer.get_or_try_init(|| self.reader.connection(conn_id)).await.cloned()
    }

    async fn variable(&self, key: &str) -> anyhow::Result<Option<String>> {
        let answer = self.variables.of(key);
        answer.get_or_try_init(|| self.reader.variable(key)).await.cloned()
    }

    async fn keep_up(&self) -> anyhow::Result<()> {
        self.reader.keep_up().await
    }
}

/// An answer, as soon as there is one.
type Answer<T> = Arc<OnceCell<Option<T>>>;

/// Answers by what was asked for, each with when it was first asked.
struct Answers<T>(Mutex<HashMap<String, (Instant, Answer<T>)>>);

impl<T> Default for Answers<T> {
    fn default() -> Answers<T> {
        Answers(Mutex::default())
    }
}

impl<T> Answers<T> {
    /// The place of the answer: one that others wait for or have, or an empty one.
    fn of(&self, id: &str) -> Answer<T> {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_young = |(since, _): &(Instant, Answer<T>)| since.elapsed() < ANSWER_AGE_MAX;
        if let Some((_, answer)) = answers.get(id).filter(|kept| is_young(kept)) {
            return Arc::clone(answer);
        }
        if answers.len() >= ANSWERS_MAX {
            answers.retain(|_, kept| is_young(kept));
        }
        let answer = Answer::default();
        if answers.len() < ANSWERS_MAX {
            answers.insert(id.to_owned(), (Instant::now(), Arc::clone(&answer)));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Answers with how often it was asked; the first time it fails.
    #[derive(Default)]
    struct Counting(AtomicU32);

    #[async_trait]
    impl SecretReader for Counting {
        async fn connection(&self, _: &str) -> anyhow::Result<Option<Connection>> {
            Ok(None)
        }

        async fn variable(&self, _: &str) -> anyhow::Result<Option<String>> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => anyhow::bail!("away"),
                asked => Ok(Some(asked.to_string())),
            }
        }
    }

    #[tokio::test]
    async fn an_answer_is_remembered_and_a_failure_is_not() {
        let cached = Cached::new(Counting::default());

        assert!(cached.variable("a").await.is_err());
        assert_eq!(cached.variable("a").await.unwrap().as_deref(), Some("1"));
        assert_eq!(cached.variable("a").await.unwrap().as_deref(), Some("1"));
        assert_eq!(cached.variable("b").await.unwrap().as_deref(), Some("2"));
    }
}
