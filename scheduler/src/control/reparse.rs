//! Asking that a DAG file is read again.

use serde_json::json;

use super::{Control, ControlError};
use crate::store::audit::{self, Deed};
use crate::store::{commit, dags};

impl Control {
    /// Writes down who asked that a file is read again (Airflow 3: `reparse_dag_file`); false when no DAG came from it. Whoever
    /// reads the files sees by itself when one has changed.
    pub async fn note_reparse(&self, bundle_name: &str, file: &str, user: &str) -> Result<bool, ControlError> {
        if !dags::is_in_file(self.db.read(), bundle_name, file).await? {
            return Ok(false);
        }
        let txn = self.db.begin_write().await?;
        let extra = Some(json!({ "bundle_name": bundle_name, "relative_fileloc": file }));
        let deed = Deed { event: "reparse_dag_file", owner: Some(user), extra, ..Deed::default() };
        audit::record(&txn, deed, self.clock.now()).await?;
        commit(txn).await?;
        Ok(true)
    }
}
