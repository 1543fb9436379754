//! Delta tables: opening one to read, replacing the content of one in a single commit.

use std::sync::Arc;

use anyhow::Context as _;
use datafusion::catalog::TableProvider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
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
    let mut table = unloaded(location, s3)?;
    match table.load().await {
        Ok(()) => Ok(Some(table)),
        Err(DeltaTableError::NotATable(_)) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("the Delta table `{location}` cannot be read")),
    }
}

/// A table for queries.
pub async fn provider(table: &DeltaTable, session: &SessionContext) -> anyhow::Result<Arc<dyn TableProvider>> {
    table.update_datafusion_session(&session.state())?;
    Ok(table.table_provider().await?)
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
    let writing = || format!("the Delta table `{location}` cannot be written");
    let table = match open(location, s3).await? {
        Some(table) => table,
        None => {
            if let Location::Local(path) = location {
                std::fs::create_dir_all(path).with_context(writing)?;
            }
            unloaded(location, s3)?
        }
    };
    table
        .write(std::iter::empty())
        .with_input_plan(plan)
        .with_save_mode(SaveMode::Overwrite)
        .with_schema_mode(SchemaMode::Overwrite)
        .with_session_state(Arc::new(session.state()))
        .await
        .with_context(writing)
}
