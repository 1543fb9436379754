//! Reads the logs of tries, wherever they are kept.

use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{LogKey, path};
use crate::store::try_logs::{self, LogOf};
use crate::store::{Db, StoreError};

/// Reads logs: those in the folder of this process, else those in the database.
#[derive(Clone)]
pub struct LogReader {
    folder: Arc<Path>,
    db: Db,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Its file refuses.
    #[error("the log cannot be read")]
    File(#[from] io::Error),
    /// The database refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LogReader {
    /// Reads what is in a folder, and what is in a database.
    pub fn new(folder: PathBuf, db: Db) -> LogReader {
        LogReader { folder: folder.into(), db }
    }

    /// What a log says from `offset` on, at most `bytes_max` bytes; none when there is no log.
    pub async fn read(&self, key: &LogKey, offset: u64, bytes_max: u64) -> Result<Option<Vec<u8>>, LogError> {
        let file = path(&self.folder, &key.task, key.try_number);
        match read_file(&file, offset, bytes_max).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return Ok(Some(read?)),
        }
        Ok(try_logs::read(self.db.read(), &LogOf::from(key), offset, bytes_max).await?)
    }
}

async fn read_file(path: &Path, offset: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path).await?;
    file.seek(SeekFrom::Start(offset)).await?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
