//! Where queries put what does not fit into memory: in a folder that goes with them, also when their process is killed.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::error::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::{DiskManager, SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;

use crate::scratch::Scratch;

/// The files of one session. Their folder is made with the first of them: most queries need none.
#[derive(Default)]
pub(crate) struct Spills(Mutex<Option<Place>>);

/// A folder, and who keeps account of what is in it.
#[derive(Clone)]
struct Place {
    manager: Arc<DiskManager>,
    folder: Arc<Scratch>,
}

/// A file, and the folder that is there for as long as it.
struct Spilled {
    file: Arc<dyn SpillFile>,
    _folder: Arc<Scratch>,
}

impl Place {
    fn make() -> Result<Place> {
        let folder = Scratch::begin()?;
        let mode = DiskManagerMode::Directories(vec![folder.path().to_owned()]);
        let manager = DiskManagerBuilder::default().with_mode(mode).build()?;
        Ok(Place { manager: Arc::new(manager), folder: Arc::new(folder) })
    }
}

impl TempFileFactory for Spills {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Place { manager, folder } = match &*place {
            Some(place) => place.clone(),
            None => place.insert(Place::make()?).clone(),
        };
        Ok(Arc::new(Spilled { file: manager.create_tmp_file(description)?, _folder: folder }))
    }
}

impl SpillFile for Spilled {
    fn path(&self) -> Option<&Path> {
        self.file.path()
    }

    fn size(&self) -> Option<u64> {
        self.file.size()
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        self.file.read_stream()
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        self.file.open_writer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_for_as_long_as_somebody_has_it() {
        let spills = Spills::default();
        let file = spills.create_temp_file("a test").unwrap();
        let path = file.path().unwrap().to_owned();
        let folder = spills.0.lock().unwrap().as_ref().unwrap().folder.path().to_owned();

        drop(spills);
        assert!(path.is_file() && path.starts_with(&folder));
        drop(file);
        assert!(!folder.exists());
    }
}
