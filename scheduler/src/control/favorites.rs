//! The DAGs that users like to find again.

use super::{Control, ControlError};
use crate::store::audit::{self, Deed};
use crate::store::{commit, dags, favorites};

impl Control {
    /// Makes a DAG a favourite of a user, or none any more. False when that changes nothing.
    pub async fn set_favorite(&self, dag_id: &str, user: &str, is_favorite: bool) -> Result<bool, ControlError> {
        let txn = self.db.begin_write().await?;
        // So that it is not deleted meanwhile, which takes its favourites along.
        dags::get_locked(&txn, dag_id).await?;
        let is_news = if is_favorite {
            favorites::insert(&txn, user, dag_id).await?
        } else {
            favorites::delete(&txn, user, dag_id).await?
        };
        if is_news {
            let event = if is_favorite { "favorite_dag" } else { "unfavorite_dag" };
            let deed = Deed { event, dag_id: Some(dag_id), owner: Some(user), ..Deed::default() };
            audit::record(&txn, deed, self.clock.now()).await?;
        }
        commit(txn).await?;
        Ok(is_news)
    }
}
