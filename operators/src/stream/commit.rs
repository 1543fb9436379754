//! One commit: rows, and how far the stream is read with them.

use anyhow::Context as _;
use datafusion::arrow::array::RecordBatch;
use deltalake::DeltaTable;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::protocol::SaveMode;

use super::position::Positions;
use crate::delta;
use crate::location::{Location, S3};

/// Appends rows to the table at `location`, which is made if it is not there.
///
/// # Errors
///
/// A table with other columns. Another writer of the same stream, which the protocol finds out by the positions: one of the
/// two commits is refused.
pub(super) async fn append(
    table: Option<DeltaTable>,
    batch: RecordBatch,
    positions: &Positions,
    id: &str,
    location: &Location,
    s3: &S3,
) -> anyhow::Result<DeltaTable> {
    let table = match table {
        Some(table) => table,
        None => delta::new(location, s3)?,
    };
    let properties = CommitProperties::default().with_application_transactions(positions.transactions(id));
    table
        .write([batch])
        .with_save_mode(SaveMode::Append)
        .with_commit_properties(properties)
        .await
        .with_context(|| format!("the Delta table `{location}` cannot be appended to"))
}
