//! Puts small files of Delta tables together, so that a table which is appended to a few rows at a time stays quick to read.
//!
//! ```text
//!   small files of a version ──choose──> groups ──rewrite──> larger files ──commit──> the next version, same rows
//! ```
//!
//! A file is put together with others of its size, sixteen at least, so that each row is written anew once for each size, some
//! four times, while a table grows to gigabytes, and a folder has some dozens of small files at most. Files of the least size,
//! which ends at 64 KiB, may be written anew more often until they have grown out of it; that is little work.
//!
//! **What keeps rows from being doubled or lost.** The rows, in their larger files, and the removal of the small files are
//! one commit. It is made for one version of the table only, the one after a version in which *all* of the small files are
//! still there; if somebody else makes that version, the files are looked at again. `optimize` of the `deltalake` crate is not
//! used because it does not look again: two of them that begin at once both commit, and rows are there twice. Whoever
//! overwrites a table says so by an application transaction that compactions have, too (`delta::rewrites`), by which the
//! protocol refuses the later one of two that began with the same version; merges are refused by any commit before theirs.
//! Appends do not mind, and are not minded.
//!
//! What a killed compaction has written is known to no version, and goes as such files do (`vacuum.rs`).

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake::kernel::{Action, Add, LogicalFileView, cast_record_batch};
use deltalake::operations::write::writer::{DeltaWriter, WriterConfig};
use deltalake::protocol::DeltaOperation;
use deltalake::table::config::{DEFAULT_TARGET_FILE_SIZE, TablePropertiesExt as _};
use deltalake::table::state::DeltaTableState;
use futures::{StreamExt as _, TryStreamExt as _};
use scheduler::log::TaskLog;

use crate::delta;
use crate::location::Location;
use crate::retention::Retention;
use crate::vacuum;

/// So many files of a size are left beside each other. Sizes are told apart by powers of the same number.
const FILES: usize = 16;
/// Smaller files are all of a size: there is little in them but their frames.
const FRAME_BYTES: u64 = 4 * 1024;
/// Files of that size and larger are left alone.
const LARGE_BYTES: u64 = 64 * 1024 * 1024;
/// So much is read and written anew at a time.
const GROUP_BYTES: u64 = 256 * 1024 * 1024;
/// So much is in a file, as in those that are written otherwise. It is more than what is left alone, so that what comes of a
/// group is fewer small files in any case.
const TARGET_BYTES: NonZeroU64 = DEFAULT_TARGET_FILE_SIZE;
/// How often a commit is tried that others forestall.
const COMMIT_TRIES: usize = 20;

/// Puts small files of a table together if it has many, and removes the files of replaced versions as after an overwrite.
/// Answers with the newest version that is known.
///
/// The rows are safe by then, so nothing that goes wrong here fails the task; the next one tries again. The property
/// `delta.autoOptimize.autoCompact` of a table turns it off for that table.
pub async fn after_append(
    table: DeltaTable,
    location: &Location,
    retention: Option<Retention>,
    session: &SessionContext,
    log: &TaskLog,
) -> DeltaTable {
    match compact(&table, session).await {
        Ok(None) => table,
        Ok(Some(done)) => {
            let Compacted { table, removed, added } = done;
            log.info(format_args!("Put {removed} small files of {location} together into {added}"));
            vacuum::after_overwrite(&table, location, retention, log).await;
            table
        }
        Err(error) => {
            log.warning(format_args!("Small files of {location} stay as they are: {error:#}"));
            table
        }
    }
}

/// What came of it.
struct Compacted {
    table: DeltaTable,
    removed: usize,
    added: usize,
}

/// Nothing if there is nothing to do, or if others have rewritten the files meanwhile.
async fn compact(table: &DeltaTable, session: &SessionContext) -> anyhow::Result<Option<Compacted>> {
    let state = table.snapshot()?;
    if !may_compact(state) {
        return Ok(None);
    }
    let views: Vec<LogicalFileView> = state
        .snapshot()
        .file_views(table.log_store().as_ref(), None)
        .try_collect()
        .await
        .context("cannot list them")?;
    // Rows of a file with a deletion vector are not all rows of the file.
    let files = views.iter().filter(|file| file.deletion_vector_descriptor().is_none());
    let groups = choose(files.map(|file| (folder(file), u64::try_from(file.size()).unwrap_or(0), file)));
    let mut actions = Vec::new();
    let mut added = 0;
    for group in &groups {
        let larger = rewrite(table, group, session).await.context("cannot write them anew")?;
        added += larger.len();
        actions.extend(group.iter().map(|file| Action::Remove(file.remove_action(false))));
        actions.extend(larger.into_iter().map(|add| Action::Add(Add { data_change: false, ..add })));
    }
    if groups.is_empty() {
        return Ok(None);
    }
    let removed = groups.iter().map(Vec::len).sum();
    let committed = commit(table.clone(), actions).await.context("cannot commit them")?;
    Ok(committed.map(|table| Compacted { table, removed, added }))
}

/// Whether files can be written anew without anything being lost that only whoever wrote them knows.
fn may_compact(state: &DeltaTableState) -> bool {
    let properties = state.table_config();
    let configuration = state.metadata().configuration();
    let has = |key: &str| configuration.get(key).is_some_and(|value| value != "none" && value != "false");
    properties.auto_compact != Some(false) && !has("delta.columnMapping.mode") && !has("delta.enableRowTracking")
}

/// The values of the partition that a file lies in.
fn folder(file: &LogicalFileView) -> BTreeMap<String, Option<String>> {
    file.partition_values_map().into_iter().collect()
}

/// Groups of files to put together, each of one folder and of one size.
fn choose<Folder: Ord, File>(files: impl Iterator<Item = (Folder, u64, File)>) -> Vec<Vec<File>> {
    let mut sizes: BTreeMap<(Folder, u32), Vec<(u64, File)>> = BTreeMap::new();
    for (folder, bytes, file) in files.filter(|(_, bytes, _)| *bytes < LARGE_BYTES) {
        let size = bytes.max(FRAME_BYTES).ilog(FILES as u64);
        sizes.entry((folder, size)).or_default().push((bytes, file));
    }
    let many = sizes.into_values().filter(|files| files.len() >= FILES);
    many.flat_map(|files| packed(files, GROUP_BYTES)).filter(|group| group.len() > 1).collect()
}

/// Files in groups of so many bytes at most, unless a single one has more.
fn packed<File>(files: Vec<(u64, File)>, most: u64) -> Vec<Vec<File>> {
    let mut groups: Vec<(u64, Vec<File>)> = Vec::new();
    for (bytes, file) in files {
        match groups.last_mut() {
            Some((sum, group)) if *sum + bytes <= most => {
                *sum += bytes;
                group.push(file);
            }
            _ => groups.push((bytes, vec![file])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Writes the rows of the files into larger ones, which no version knows yet.
async fn rewrite(table: &DeltaTable, group: &[&LogicalFileView], session: &SessionContext) -> anyhow::Result<Vec<Add>> {
    let state = table.snapshot()?;
    let schema = state.snapshot().arrow_schema();
    let properties = state.table_config();
    let statistics = properties.data_skipping_stats_columns.as_ref();
    let config = WriterConfig::new(
        Arc::clone(&schema),
        state.metadata().partition_columns().to_vec(),
        Some(delta::file_properties()),
        Some(TARGET_BYTES),
        Some(delta::WRITE_ROWS),
        properties.num_indexed_cols(),
        statistics.map(|names| names.iter().map(ToString::to_string).collect()),
    );
    table.update_datafusion_session(&session.state())?;
    let selected = group.iter().map(|file| Add { path: file.path().into_owned(), ..Add::default() });
    let provider = table.table_provider().with_session(Arc::new(session.state())).with_adds(selected).build().await?;
    let mut rows = session.read_table(Arc::new(provider))?.execute_stream().await?;
    let mut writer = DeltaWriter::new(table.log_store().object_store(None), config);
    let written = async {
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            // The values of partitions come as dictionaries, which folders are not named after.
            let batch = cast_record_batch(&batch?, Arc::clone(&schema), false, true)?;
            count += batch.num_rows();
            writer.write(&batch).await?;
        }
        anyhow::Ok(count)
    };
    let count = match written.await {
        Ok(count) => count,
        Err(error) => {
            // The error says more than what may go wrong now as well.
            drop(writer.abort().await);
            return Err(error);
        }
    };
    let larger = writer.close().await?;
    let known: Option<usize> = group.iter().map(|file| file.num_records()).sum();
    ensure!(
        known.is_none_or(|known| known == count),
        "{} files of {} rows in all were read as {count} rows",
        group.len(),
        known.unwrap_or_default()
    );
    Ok(larger)
}

/// What has become of the files since they were read.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// All of the small files are there.
    Free,
    /// The larger files are there: the commit was made, although it seemed otherwise.
    Committed,
    /// Some are not there, or not as they were.
    Taken,
}

/// Commits the exchange of files, on top of a version that has all that are removed; nothing if there is none any more.
async fn commit(mut table: DeltaTable, actions: Vec<Action>) -> anyhow::Result<Option<DeltaTable>> {
    let metadata = table.snapshot()?.metadata().clone();
    for _ in 0..COMMIT_TRIES {
        let state = table.snapshot()?;
        // With retries the crate would put the commit on top of versions that we have not looked at.
        let properties = CommitProperties::default()
            .with_max_retries(0)
            .with_application_transaction(delta::rewrites(Some(state.version())));
        let target_size = i64::try_from(TARGET_BYTES.get()).unwrap_or(i64::MAX);
        let operation = DeltaOperation::Optimize { predicate: None, target_size };
        let state: &dyn TableReference = state;
        let committed = CommitBuilder::from(properties)
            .with_actions(actions.clone())
            .build(Some(state), table.log_store(), operation)
            .await;
        let is_made = match committed {
            Ok(_) => true,
            Err(error) if delta::is_forestalled(&error) => false,
            Err(error) => return Err(error.into()),
        };
        table.update_state().await?;
        if is_made {
            return Ok(Some(table));
        }
        match standing(&table, &actions).await? {
            Standing::Committed => return Ok(Some(table)),
            Standing::Free if table.snapshot()?.metadata() == &metadata => {}
            Standing::Free | Standing::Taken => return Ok(None),
        }
    }
    bail!("others were faster {COMMIT_TRIES} times")
}

async fn standing(table: &DeltaTable, actions: &[Action]) -> anyhow::Result<Standing> {
    let state = table.snapshot()?;
    let views: Vec<LogicalFileView> =
        state.snapshot().file_views(table.log_store().as_ref(), None).try_collect().await?;
    let whole = views.iter().filter(|file| file.deletion_vector_descriptor().is_none());
    let whole: HashSet<String> = whole.map(|file| file.path().into_owned()).collect();
    Ok(stand(actions, &whole))
}

/// What has become of the files, of which `there` are left as they were.
fn stand(actions: &[Action], there: &HashSet<String>) -> Standing {
    let mut added = actions.iter().filter_map(|action| match action {
        Action::Add(add) => Some(&add.path),
        _ => None,
    });
    let mut removed = actions.iter().filter_map(|action| match action {
        Action::Remove(remove) => Some(&remove.path),
        _ => None,
    });
    if removed.all(|path| there.contains(path)) {
        Standing::Free
    } else if added.all(|path| there.contains(path)) {
        Standing::Committed
    } else {
        Standing::Taken
    }
}

#[cfg(test)]
mod tests {
    use deltalake::kernel::Remove;

    use super::*;

    const MB: u64 = 1024 * 1024;

    fn chosen(files: &[(&str, u64)]) -> Vec<Vec<usize>> {
        choose(files.iter().enumerate().map(|(at, (folder, bytes))| (*folder, *bytes, at)))
    }

    #[test]
    fn files_wait_until_there_are_sixteen_of_their_size_in_their_folder() {
        let small = [("a", 5000); 15];
        assert!(chosen(&small).is_empty());
        let other: Vec<_> = small.into_iter().chain([("b", 5000), ("a", 2 * MB)]).collect();
        assert!(chosen(&other).is_empty());
        let many: Vec<_> = other.into_iter().chain([("a", 700)]).collect();
        assert_eq!(chosen(&many), [(0..15).chain([17]).collect::<Vec<usize>>()]);
    }

    #[test]
    fn large_files_are_left_alone_and_groups_do_not_grow_beyond_all_bounds() {
        assert!(chosen(&[("a", LARGE_BYTES); 40]).is_empty());
        let groups = chosen(&[("a", 60 * MB); 17]);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<usize>>(), [4, 4, 4, 4], "the last one would be alone");
    }

    #[test]
    fn an_exchange_stands_by_the_files_that_are_there() {
        let add = |path: &str| Action::Add(Add { path: path.to_owned(), ..Add::default() });
        let remove = |path: &str| Action::Remove(Remove { path: path.to_owned(), ..Remove::default() });
        let actions = [remove("a"), remove("b"), add("ab")];
        let stand = |there: &[&str]| stand(&actions, &there.iter().map(|&path| path.to_owned()).collect());
        assert_eq!(stand(&["a", "b", "c"]), Standing::Free);
        assert_eq!(stand(&["ab", "c"]), Standing::Committed);
        assert_eq!(stand(&["b", "c"]), Standing::Taken);
        assert_eq!(stand(&[]), Standing::Taken);
    }
}
