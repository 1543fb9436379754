//! Files that gzip has packed as a whole, which Spark tells by their names: `pin.jsonl.gz`.
//!
//! Nobody can begin to read such a file in its middle, and not each of them fits into memory. So it is unpacked into a folder
//! among the temporary ones, and read from there as any other, also in parts. What was unpacked goes away with the last who may
//! read it.

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use datafusion::prelude::SessionContext;
use flate2::write::MultiGzDecoder;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use tempfile::{NamedTempFile, TempPath};
use tokio_util::task::AbortOnDropHandle;

use crate::listing::InputFile;
use crate::location::{Location, Opened, S3};
use crate::scratch::Scratch;

/// How names of packed files end.
pub const ENDING: &str = ".gz";

/// How packed files begin (RFC 1952, 2.3.1).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is wrong with a file whose end is not that which gzip writes.
const INCOMPLETE: &str = "it is cut off, or damaged: the sum that gzip puts at the end is missing or another one";

/// Files that are unpacked at a time: those of a bucket are mostly waited for.
const FILES_AT_A_TIME: usize = 16;

/// Whether a name says that its file is packed.
pub fn is_packed(name: &str) -> bool {
    name.ends_with(ENDING)
}

/// The name that the file had before it was packed, if it was.
pub fn plain_name(name: &str) -> &str {
    name.strip_suffix(ENDING).unwrap_or(name)
}

/// A file of text that can be read from any byte on.
#[derive(Clone, Debug)]
pub struct Plain {
    /// The file that people know; not the one to read, if that is packed.
    pub file: Location,
    /// How long the text is.
    pub size_bytes: u64,
    copy: Option<Arc<Temporary>>,
}

/// A file that goes with the value.
#[derive(Debug)]
struct Temporary {
    path: TempPath,
    /// In which it is, perhaps beside others.
    _folder: Arc<Scratch>,
}

impl Plain {
    /// Where the text is, if that is on this machine.
    pub fn local_path(&self) -> Option<&Path> {
        self.copy.as_ref().map_or_else(|| self.file.local_path(), |copy| Some(&*copy.path))
    }

    /// Where the text is.
    pub fn place(&self) -> Location {
        self.copy.as_ref().map_or_else(|| self.file.clone(), |copy| Location::Local(copy.path.to_path_buf()))
    }
}

/// The texts of files, in the same order.
pub async fn plain(files: &[InputFile], s3: &S3) -> anyhow::Result<Vec<Plain>> {
    let is_packed = |file: &InputFile| is_packed(file.location.file_name());
    let first = files.iter().find(|file| is_packed(file));
    let folder = first.map(|file| folder_for(&file.location)).transpose()?.map(Arc::new);
    let texts: Vec<_> = files
        .iter()
        .map(|file| text_of(file.clone(), s3.clone(), folder.clone().filter(|_| is_packed(file))))
        .collect();
    futures::stream::iter(texts).buffered(FILES_AT_A_TIME).try_collect().await
}

/// The text of an object, copied onto this machine: whoever took their time over it would keep a server waiting for longer than
/// that waits.
pub async fn copied(object: &Location, s3: &S3) -> anyhow::Result<Plain> {
    let copying = || format!("`{object}` cannot be copied onto this machine");
    let folder = Arc::new(folder_for(object)?);
    let (mut text, path) = NamedTempFile::new_in(folder.path()).with_context(copying)?.into_parts();
    let Opened { store, prefix } = object.open(s3)?;
    let mut pieces = store.get(&prefix).await.with_context(copying)?.into_stream();
    let mut size_bytes = 0;
    while let Some(piece) = pieces.try_next().await.with_context(copying)? {
        text.write_all(&piece).with_context(copying)?;
        size_bytes += piece.len() as u64;
    }
    Ok(Plain { file: object.clone(), size_bytes, copy: Some(Arc::new(Temporary { path, _folder: folder })) })
}

fn folder_for(file: &Location) -> anyhow::Result<Scratch> {
    Scratch::begin().with_context(|| format!("no folder can be made for what is in `{file}`"))
}

/// The text of a file, unpacked into `folder` if there is one.
async fn text_of(file: InputFile, s3: S3, folder: Option<Arc<Scratch>>) -> anyhow::Result<Plain> {
    let InputFile { location, size_bytes, .. } = file;
    match folder {
        // Beside others, and no longer than somebody waits for it.
        Some(folder) => AbortOnDropHandle::new(tokio::spawn(unpack(location, s3, folder))).await?,
        None => Ok(Plain { file: location, size_bytes, copy: None }),
    }
}

async fn unpack(file: Location, s3: S3, folder: Arc<Scratch>) -> anyhow::Result<Plain> {
    let unpacking = || format!("`{file}` cannot be unpacked");
    let Opened { store, prefix } = file.open(&s3)?;
    let mut pieces = store.get(&prefix).await.with_context(unpacking)?.into_stream();
    let (text, path) = NamedTempFile::new_in(folder.path()).with_context(unpacking)?.into_parts();
    let mut unpacker = Unpacker::new(text);
    while let Some(piece) = pieces.try_next().await.with_context(unpacking)? {
        unpacker.add(&piece).with_context(unpacking)?;
    }
    unpacker.finish().with_context(unpacking)?;
    let size_bytes = unpacker.written().metadata().with_context(unpacking)?.len();
    Ok(Plain { file, size_bytes, copy: Some(Arc::new(Temporary { path, _folder: folder })) })
}

/// What is in packed bytes.
pub fn unpacked(packed: &[u8]) -> std::io::Result<Bytes> {
    let mut unpacker = Unpacker::new(Vec::new());
    unpacker.add(packed)?;
    unpacker.finish()?;
    Ok(std::mem::take(unpacker.written()).into())
}

/// Unpacks piece by piece. Nothing at all is an empty file, as for Spark.
pub struct Unpacker<W: std::io::Write> {
    decoder: MultiGzDecoder<W>,
    /// As much as tells that it is packed.
    beginning: Vec<u8>,
}

impl<W: std::io::Write> Unpacker<W> {
    /// Writes to `to`.
    pub fn new(to: W) -> Unpacker<W> {
        Unpacker { decoder: MultiGzDecoder::new(to), beginning: Vec::with_capacity(MAGIC.len()) }
    }

    /// Takes the next piece.
    pub fn add(&mut self, piece: &[u8]) -> std::io::Result<()> {
        let missing = MAGIC.len() - self.beginning.len();
        self.beginning.extend_from_slice(&piece[..missing.min(piece.len())]);
        if !MAGIC.starts_with(&self.beginning) {
            return Err(std::io::Error::new(ErrorKind::InvalidInput, "invalid gzip header"));
        }
        self.decoder.write_all(piece)
    }

    /// Where it has written to.
    pub fn written(&mut self) -> &mut W {
        self.decoder.get_mut()
    }

    /// Writes the rest; nothing may come after it. What ends too early is an error of the kind [`ErrorKind::UnexpectedEof`].
    pub fn finish(&mut self) -> std::io::Result<()> {
        if self.beginning.is_empty() {
            return Ok(());
        }
        self.decoder.try_finish().map_err(|error| match error.kind() {
            ErrorKind::InvalidInput => std::io::Error::new(ErrorKind::UnexpectedEof, INCOMPLETE),
            _ => error,
        })
    }
}

/// Texts that a session may read.
#[derive(Default)]
struct Kept(Mutex<Vec<Plain>>);

/// Keeps what was unpacked or copied for as long as the session is there. Rows that are still to come do not keep it.
pub fn keep(texts: &[Plain], session: &SessionContext) {
    let copies = texts.iter().filter(|text| text.copy.is_some()).cloned();
    let state = session.state_ref();
    let mut state = state.write();
    let config = state.config_mut();
    let kept = config.get_extension::<Kept>().unwrap_or_default();
    kept.0.lock().unwrap_or_else(PoisonError::into_inner).extend(copies);
    config.set_extension(kept);
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_packed_in_one_piece_or_several_is_one_text() {
        let both = [packed("one\n"), packed("two\n")].concat();
        assert_eq!(unpacked(&both).unwrap(), "one\ntwo\n");
        let mut unpacker = Unpacker::new(Vec::new());
        for byte in &both {
            unpacker.add(&[*byte]).unwrap();
        }
        unpacker.finish().unwrap();
        assert_eq!(unpacker.written(), b"one\ntwo\n");
        assert_eq!(unpacked(b"").unwrap(), "");
    }

    #[tokio::test]
    async fn a_copy_outlives_what_it_was_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let object = folder.path().join("pin.csv");
        std::fs::write(&object, "index\n1\n").unwrap();

        let copy = copied(&Location::Local(object.clone()), &S3::from_variables([])).await.unwrap();
        std::fs::remove_file(object).unwrap();

        let path = copy.local_path().unwrap().to_owned();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), copy.size_bytes), ("index\n1\n", 8));
        drop(copy);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_cut_off_or_not_packed_at_all_is_an_error() {
        let whole = packed(&"a line\n".repeat(1000));
        for end in [5, whole.len() / 2, whole.len() - 3] {
            assert_eq!(unpacked(&whole[..end]).unwrap_err().kind(), ErrorKind::UnexpectedEof, "{end}");
        }
        assert_eq!(unpacked(b"{\"a\": 1}\n").unwrap_err().to_string(), "invalid gzip header");
    }
}
