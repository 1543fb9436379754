//! Room for the rows of large tables in the memory that there is.
//!
//! Whoever sorts or merges holds some batches of each of its parts. A batch of thousands of rows is nothing if they are short,
//! and more than there is if they are long; so batches are as small as that asks for. Whoever joins holds one side, unless both
//! are sorted.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::catalog::TableProvider;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;

use crate::delta;
use crate::memory::batch_rows_of;
use crate::memory_pool::Shares;

/// Of binary files, so many bytes are in one, or some more.
const PACKED: usize = 4;
/// Rows that seem so short on disk, in bytes of memory, are not looked at where each partition has much memory.
const SHORT: usize = 1024;
/// See [`SHORT`].
const MUCH: usize = 256 * 1024 * 1024;
/// Of so many rows of a table it is told how long they are.
const ROWS_LOOKED_AT: usize = 256;
/// What has fewer bytes on disk than such a part of the memory is not looked at: in memory it is some times as large.
const SMALL: usize = 1024;

/// Bytes of a row in memory, going by the first ones; none of a table of `disk_bytes` that needs no looking at.
pub(crate) async fn row_bytes(
    provider: &Arc<dyn TableProvider>,
    disk_bytes: u64,
    session: &SessionContext,
) -> Option<usize> {
    if is_small(disk_bytes, session) {
        return None;
    }
    let look = async {
        let frame = one_by_one(session).read_table(Arc::clone(provider))?.limit(0, Some(ROWS_LOOKED_AT))?;
        frame.collect().await
    };
    // What cannot be read is told when it is read in earnest.
    let batches = look.await.ok()?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    batches.iter().map(bytes).sum::<usize>().checked_div(rows)
}

/// The same of a Delta table, which says how many rows it has.
pub(crate) async fn delta_row_bytes(
    provider: &Arc<dyn TableProvider>,
    table: &DeltaTable,
    session: &SessionContext,
) -> Option<usize> {
    let disk_bytes = delta::disk_bytes(table);
    let partition_bytes = memory_bytes(session)? / session.copied_config().target_partitions().max(1);
    let unpacked = usize::try_from(disk_bytes).ok()?.saturating_mul(PACKED);
    match delta::row_count(table).and_then(|rows| unpacked.checked_div(rows)) {
        Some(bytes) if bytes <= SHORT && partition_bytes >= MUCH => Some(bytes),
        _ => row_bytes(provider, disk_bytes, session).await,
    }
}

/// Whether what has so many bytes on disk is small beside the memory.
pub(crate) fn is_small(disk_bytes: u64, session: &SessionContext) -> bool {
    memory_bytes(session).is_none_or(|bytes| disk_bytes < (bytes / SMALL) as u64)
}

/// The bytes of the rows. What holds them may be larger.
pub(crate) fn bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_default()).sum()
}

/// A session that reads one file after another.
pub(crate) fn one_by_one(session: &SessionContext) -> SessionContext {
    let config = session.copied_config().with_target_partitions(1);
    // Its tables are those of the session; a schema that is made would take their place.
    let config = config.with_create_default_catalog_and_schema(false);
    let state = SessionStateBuilder::new_from_existing(session.state()).with_config(config).build();
    SessionContext::new_with_state(state)
}

/// Lets what is planned from now on have batches of no more rows than there is memory for.
pub(crate) fn make(session: &SessionContext, row_bytes: usize) {
    let Some(memory_bytes) = memory_bytes(session) else { return };
    let state = session.state_ref();
    let mut state = state.write();
    let config = state.config_mut();
    let batch_rows = batch_rows_of(memory_bytes, config.target_partitions(), row_bytes);
    *config = config.clone().with_batch_size(config.batch_size().min(batch_rows));
}

/// If a join was refused memory: lets those that are planned from now on sort both sides, which spills, instead of holding one.
pub(crate) fn join_by_sorting(session: &SessionContext) -> bool {
    let is_refused = session.runtime_env().memory_pool.downcast_ref::<Shares>().is_some_and(Shares::has_refused_join);
    if is_refused {
        prefer_hash_join(false, session);
    }
    is_refused
}

/// Takes [`join_by_sorting`] back.
pub(crate) fn join_by_hash(session: &SessionContext) {
    prefer_hash_join(true, session);
}

fn prefer_hash_join(prefer: bool, session: &SessionContext) {
    session.state_ref().write().config_mut().options_mut().optimizer.prefer_hash_join = prefer;
}

/// What a session may use.
pub(crate) fn memory_bytes(session: &SessionContext) -> Option<usize> {
    match session.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => Some(bytes),
        MemoryLimit::Infinite | MemoryLimit::Unknown => None,
    }
}

/// A batch of more rows than memory is planned for, in parts. They are copies: what a part of a batch holds on to is
/// reckoned as all of it.
pub(crate) fn parts(batch: &RecordBatch, rows_max: usize) -> Result<Vec<RecordBatch>> {
    if batch.num_rows() <= rows_max {
        return Ok(vec![batch.clone()]);
    }
    let rows = u32::try_from(batch.num_rows()).map_err(|error| DataFusionError::External(error.into()))?;
    let part = |start: u32| {
        let end = rows.min(start.saturating_add(u32::try_from(rows_max).unwrap_or(u32::MAX)));
        Ok(take_record_batch(batch, &UInt32Array::from_iter_values(start..end))?)
    };
    (0..rows).step_by(rows_max).map(part).collect()
}
