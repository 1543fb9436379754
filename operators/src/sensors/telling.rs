//! What a run is to tell of what it found, kept until some run has told it.

use scheduler::operator::{TaskContext, TaskError};
use serde::{Deserialize, Serialize};

/// What a run is to tell.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Telling<T> {
    /// Who.
    run_id: String,
    /// What.
    #[serde(alias = "files", alias = "messages")]
    pub(super) news: Vec<T>,
}

impl<T> Telling<T> {
    /// What the run of that name is to tell.
    pub(super) fn of(run_id: &str, news: Vec<T>) -> Telling<T> {
        Telling { run_id: run_id.to_owned(), news }
    }

    /// What is still to be told: by the run itself, in a further try, or by another one because it failed.
    pub(super) async fn untold(self, ctx: &TaskContext) -> Result<Vec<T>, TaskError> {
        let is_ours = self.run_id == ctx.key.run_id;
        let was_told = !is_ours && ctx.checkpoint.has_succeeded(&self.run_id).await.map_err(TaskError::retry)?;
        Ok(if was_told { Vec::new() } else { self.news })
    }
}
