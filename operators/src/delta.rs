//! Delta tables: opening one to read, replacing the content of one in a single commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::SessionContext;
use deltalake::kernel::Transaction;
use deltalake::kernel::transaction::{CommitConflictError, CommitProperties, TransactionError};
use deltalake::logstore::{
    LogStore, LogStoreFactory, ObjectStoreRef, StorageConfig, default_logstore, logstore_factories,
};
use deltalake::operations::write::SchemaMode;
use deltalake::protocol::SaveMode;
use deltalake::{DeltaResult, DeltaTable, DeltaTableBuilder, DeltaTableError};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use url::Url;

use crate::location::{Location, S3};
use crate::reason::reason;

/// Rows of a row group. It is in memory until it is whole, so that it must not be all of a file; two readers share a file
/// that has several.
const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Bytes of a page before it is compressed, which the caches of a core hold.
const PAGE_BYTES: usize = 128 * 1024;
/// Bytes of different values above which a column is written value by value. What has few does not come near it, and what
/// has many is found out sooner.
const DICTIONARY_BYTES: usize = 256 * 1024;
/// Rows that are handed to the encoder at once.
pub(crate) const WRITE_ROWS: usize = 8 * 1024;

/// The folder that makes a folder a Delta table.
pub const LOG_FOLDER: &str = "_delta_log";

/// Commits to S3 are conditional puts (`If-None-Match`), which need no lock service beside the bucket.
struct ConditionalPutLogStore;

impl LogStoreFactory for ConditionalPutLogStore {
    fn with_options(
        &self,
        prefixed_store: ObjectStoreRef,
        root_store: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed_store, root_store, location, options))
    }
}

fn unloaded(location: &Location, s3: &S3) -> anyhow::Result<DeltaTable> {
    let url = location.folder_url()?;
    let store: Arc<dyn ObjectStore> = match location {
        Location::Local(_) => Arc::new(LocalFileSystem::new()),
        Location::S3 { bucket, .. } => {
            let scheme = Url::parse("s3://")?;
            logstore_factories().entry(scheme).or_insert_with(|| Arc::new(ConditionalPutLogStore));
            s3.bucket(bucket)?
        }
    };
    Ok(DeltaTableBuilder::from_url(url.clone())?.with_storage_backend(store, url).build()?)
}

/// Opens the newest version of a table; none if there is no table.
pub async fn open(location: &Location, s3: &S3) -> anyhow::Result<Option<DeltaTable>> {
    if let Location::Local(path) = location
        && !path.join(LOG_FOLDER).is_dir()
    {
        return Ok(None);
    }
    // Where none can be, there is none.
    if location.folder_url().is_err() {
        return Ok(None);
    }
    let mut table = unloaded(location, s3)?;
    match table.load().await {
        Ok(()) => Ok(Some(table)),
        Err(DeltaTableError::NotATable(_)) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("the Delta table `{location}` cannot be read")),
    }
}

/// An earlier version of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// By its number.
    Number(u64),
    /// As it was at an instant.
    At(DateTime<Utc>),
}

/// Opens a version that a table has had.
pub async fn open_version(location: &Location, version: &Version, s3: &S3) -> anyhow::Result<DeltaTable> {
    let Some(mut table) = open(location, s3).await? else {
        anyhow::bail!("there is no Delta table at `{location}`");
    };
    let (loaded, wanted) = match version {
        Version::Number(number) => (table.load_version(*number).await, format!("version {number}")),
        Version::At(instant) => (table.load_with_datetime(*instant).await, format!("version of {instant}")),
    };
    loaded.with_context(|| format!("the Delta table `{location}` has no {wanted} any more, or not yet"))?;
    Ok(table)
}

/// A table that is yet to be made by its first commit.
pub fn new(location: &Location, s3: &S3) -> anyhow::Result<DeltaTable> {
    if let Location::Local(path) = location {
        std::fs::create_dir_all(path).with_context(|| format!("the folder `{location}` cannot be made"))?;
    }
    unloaded(location, s3)
}

/// A table for queries. Its texts are no views of what was read from disk: whoever sorts would reckon each batch with all that
/// its texts are parts of.
pub async fn provider(table: &DeltaTable, session: &SessionContext) -> anyhow::Result<Arc<dyn TableProvider>> {
    table.update_datafusion_session(&session.state())?;
    let mut state = session.state();
    // Rows that a filter leaves out are not decoded.
    state.config_mut().options_mut().execution.parquet.pushdown_filters = true;
    Ok(table.table_provider().with_session(Arc::new(state)).await?)
}

/// How large the files of a table are together.
pub fn disk_bytes(table: &DeltaTable) -> u64 {
    let sizes =
        table.snapshot().into_iter().flat_map(|snapshot| snapshot.log_data().into_iter().map(|file| file.size()));
    sizes.filter_map(|bytes| u64::try_from(bytes).ok()).sum()
}

/// How many rows a table has, if all its files say so.
pub fn row_count(table: &DeltaTable) -> Option<usize> {
    let snapshot = table.snapshot().ok()?;
    snapshot.log_data().into_iter().map(|file| file.num_records()).sum()
}

/// How rows are put into a table.
#[derive(Clone, Default)]
pub struct Write {
    /// What becomes of the rows that are there.
    pub save: Save,
    /// The columns by whose values files are put into folders; those that the table has if there are none.
    pub partition_by: Vec<String>,
    /// Numbers that are committed with the rows, by the name of who numbers.
    pub transactions: Vec<(String, i64)>,
    /// Whether to fail when somebody else commits meanwhile.
    pub is_exclusive: bool,
}

/// What becomes of the rows that are there.
#[derive(Clone, Default)]
pub enum Save {
    /// They go, and the schema with them.
    #[default]
    Overwrite,
    /// Those go for which this is true; new columns are added to the others.
    OverwriteWhere(Expr),
    /// They stay; new columns are added to them.
    Append,
}

/// Replaces rows and schema of a table, or creates it, in one commit. Answers with the new version of the table.
///
/// Readers see the old rows until the commit, and a process that dies before it leaves them as they are.
pub async fn overwrite(
    location: &Location,
    plan: LogicalPlan,
    session: &SessionContext,
    s3: &S3,
) -> anyhow::Result<DeltaTable> {
    write(open(location, s3).await?, location, plan, Write::default(), session, s3).await
}

/// The application transaction of commits that exchange all files of a table, on top of a version of it. The protocol lets
/// only one of those commit that began with the same version: a compaction changes no rows, so that it would find no conflict
/// between one and a commit that replaces the same files, and there would be rows twice.
pub fn rewrites(on_top_of: Option<u64>) -> Transaction {
    let number = on_top_of.map_or(0, |version| i64::try_from(version).unwrap_or(i64::MAX));
    Transaction::new("updraft/rewrites", number)
}

/// Two columns whose names differ in case at most: no table of Delta has such columns.
#[derive(Debug, thiserror::Error)]
#[error(
    "the columns `{0}` and `{1}` differ in case alone, and a Delta table cannot have both; rename one, or leave it out"
)]
pub struct SameName(String, String);

/// Whether a table may have columns of these names.
pub fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), SameName> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for name in names {
        if let Some(other) = seen.insert(name.to_lowercase(), name) {
            return Err(SameName(other.to_owned(), name.to_owned()));
        }
    }
    Ok(())
}

/// Rows as files of a table hold them that are put into folders by `partitions`: there a text without letters is NULL, because
/// the protocol writes both alike.
pub fn without_empty(rows: LogicalPlan, partitions: &[String]) -> datafusion::error::Result<LogicalPlan> {
    let schema = Arc::clone(rows.schema());
    let is_concerned = |field: &Field| partitions.contains(field.name()) && is_text(field.data_type());
    if !schema.fields().iter().any(|field| is_concerned(field.as_ref())) {
        return Ok(rows);
    }
    let columns = schema.iter().map(|(qualifier, field)| {
        let column = Expr::Column(Column::from((qualifier, field)));
        if is_concerned(field.as_ref()) { nullif(column, lit("")).alias(field.name()) } else { column }
    });
    LogicalPlanBuilder::from(rows).project(columns.collect::<Vec<_>>())?.build()
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Puts rows into a table that is open, or creates it, in one commit. Answers with the new version of the table.
pub async fn write(
    table: Option<DeltaTable>,
    location: &Location,
    plan: LogicalPlan,
    how: Write,
    session: &SessionContext,
    s3: &S3,
) -> anyhow::Result<DeltaTable> {
    let writing = || format!("the Delta table `{location}` cannot be written");
    check_names(plan.schema().fields().iter().map(|field| field.name().as_str())).with_context(writing)?;
    let exists = table.is_some();
    let table = match table {
        Some(table) => table,
        None => new(location, s3)?,
    };
    // Whoever replaces rows of their own has none in a table that others made meanwhile, and adds theirs to it.
    let may_share = !exists && !how.is_exclusive && matches!(how.save, Save::OverwriteWhere(_));
    let again = may_share.then(|| (plan.clone(), how.clone()));
    let written = match (attempt(table, exists, plan, how, session).await, again) {
        (Err(error), Some((plan, how))) if is_forestalled(&error) => match open(location, s3).await? {
            Some(table) => attempt(table, true, plan, how, session).await,
            None => Err(error),
        },
        (written, _) => written,
    };
    written.map_err(explained).with_context(writing)
}

async fn attempt(
    table: DeltaTable,
    exists: bool,
    plan: LogicalPlan,
    how: Write,
    session: &SessionContext,
) -> DeltaResult<DeltaTable> {
    let plan = match how.partition_by.as_slice() {
        [] if exists => without_empty(plan, table.snapshot()?.metadata().partition_columns()),
        partitions => without_empty(plan, partitions),
    }?;
    let mut numbered: Vec<Transaction> =
        how.transactions.into_iter().map(|(who, number)| Transaction::new(who, number)).collect();
    if exists && matches!(how.save, Save::Overwrite) {
        numbered.push(rewrites(table.version()));
    }
    let mut commit = CommitProperties::default().with_application_transactions(numbered);
    // Whoever finds that a table was made meanwhile would be let commit on top of it, without a look at what is in it, and with
    // a schema that knows nothing of it.
    if how.is_exclusive || !exists {
        commit = commit.with_max_retries(0);
    }
    let write = table
        .write(std::iter::empty())
        .with_input_plan(plan)
        .with_session_state(Arc::new(session.state()))
        .with_writer_properties(file_properties())
        .with_write_batch_size(WRITE_ROWS)
        .with_commit_properties(commit);
    let write = if how.partition_by.is_empty() { write } else { write.with_partition_columns(how.partition_by) };
    let write = match how.save {
        Save::OverwriteWhere(rows) if exists => {
            write.with_save_mode(SaveMode::Overwrite).with_schema_mode(SchemaMode::Merge).with_replace_where(rows)
        }
        Save::Append if exists => write.with_save_mode(SaveMode::Append).with_schema_mode(SchemaMode::Merge),
        _ => write.with_save_mode(SaveMode::Overwrite).with_schema_mode(SchemaMode::Overwrite),
    };
    write.await
}

/// Whether others have committed first.
pub(crate) fn is_forestalled(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction { source: TransactionError::MaxCommitAttempts(_) }
    )
}

/// The words of the crate for a commit that others forestalled say nothing of what to do.
fn explained(error: DeltaTableError) -> anyhow::Error {
    match error {
        DeltaTableError::Transaction {
            source:
                TransactionError::MaxCommitAttempts(_)
                | TransactionError::CommitConflict(CommitConflictError::ConcurrentTransaction),
        } => anyhow::anyhow!(
            "somebody else has written to it meanwhile; nothing was changed, and the next try reads it anew"
        ),
        error => anyhow::anyhow!(reason(&error)),
    }
}

/// How data files are written: what every reader of Delta tables understands, and quickly.
pub(crate) fn file_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(concat!("updraft version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .build()
}

/// Removes the rows for which `rows` is true, in one commit; nothing if there is no table.
pub async fn delete(location: &Location, rows: Expr, session: &SessionContext, s3: &S3) -> anyhow::Result<()> {
    let Some(table) = open(location, s3).await? else { return Ok(()) };
    let session = Arc::new(session.state());
    table.delete().with_predicate(rows).with_session_state(session).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use datafusion::common::ScalarValue;
    use datafusion::prelude::{ident, lit};

    use super::*;

    /// Rows of two who both saw no table, with columns that only one of them knows.
    #[tokio::test]
    async fn rows_of_ones_own_are_added_to_a_table_that_was_made_meanwhile() {
        let home = tempfile::tempdir().unwrap();
        let location = Location::parse("rejected", home.path()).unwrap();
        let (session, s3) = (crate::spark::session(64 * 1024 * 1024, 1).unwrap(), S3::from_variables([]));
        let add = async |who: &str, own: &str| {
            let columns = vec![lit(who).alias("who"), lit(ScalarValue::Int64(None)).alias(own)];
            let plan = session.read_empty().unwrap().select(columns).unwrap().into_unoptimized_plan();
            let how = Write { save: Save::OverwriteWhere(ident("who").eq(lit(who))), ..Write::default() };
            write(None, &location, plan, how, &session, &s3).await.unwrap()
        };

        add("one", "a").await;
        let table = add("two", "b").await;

        let rows = session.read_table(provider(&table, &session).await.unwrap()).unwrap();
        let names: Vec<&str> = rows.schema().fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["who", "a", "b"]);
        assert_eq!(rows.count().await.unwrap(), 2);
    }
}
