//! Files beside a DAG file: SQL and scripts that its tasks use.

use std::path::{Component, Path, PathBuf};

use anyhow::anyhow;
use scheduler::operator::{DagFile, TaskContext, TaskError};

/// A text that is longer was not written by hand.
const TEXT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Where the DAG file of a task is.
pub(crate) async fn dag_file(ctx: &TaskContext) -> Result<DagFile, TaskError> {
    let found = ctx.runs.dag_file(&ctx.key.dag_id).await.map_err(TaskError::retry)?;
    found.ok_or_else(|| TaskError::fail(anyhow!("the DAG `{}` has no file any more", ctx.key.dag_id)))
}

/// The path of a file beside the DAG file, or below. Nothing else is reached from there.
pub(crate) fn path(folder: &Path, written: &str) -> Result<PathBuf, String> {
    let parts = Path::new(written);
    match parts.components().find(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        None => Ok(folder.join(parts)),
        Some(_) => {
            Err(format!("`{written}` leads away from the DAG file; files of a DAG are beside it, or in a folder there"))
        }
    }
}

/// The text of a file beside the DAG file of a task.
pub(crate) async fn read(ctx: &TaskContext, written: &str) -> Result<String, TaskError> {
    let folder = dag_file(ctx).await?.folder;
    let path = path(&folder, written).map_err(|problem| TaskError::fail(anyhow!(problem)))?;
    let unread = |error: std::io::Error| {
        TaskError::fail(anyhow!("`{written}`, which is looked for in `{}`, cannot be read: {error}", folder.display()))
    };
    let length = tokio::fs::metadata(&path).await.map_err(unread)?.len();
    if length > TEXT_BYTES_MAX {
        return Err(TaskError::fail(anyhow!("`{written}` has {length} bytes, and may have {TEXT_BYTES_MAX}")));
    }
    tokio::fs::read_to_string(&path).await.map_err(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_what_is_beside_the_dag_file_is_reached() {
        let folder = Path::new("/dags/sales");
        assert_eq!(path(folder, "./sql/a.sql"), Ok(PathBuf::from("/dags/sales/sql/a.sql")));
        for written in ["/etc/passwd", "../other.sql", "sql/../../x.sql"] {
            assert!(path(folder, written).unwrap_err().contains("leads away"), "{written}");
        }
    }
}
