//! Files that gzip has packed as a whole, which Spark tells by their names: `pin.jsonl.gz`.
//!
//! Nobody can begin to read such a file in its middle, and not each of them fits into memory. So it is unpacked into the folder
//! for temporary files, and read from there as any other, also in parts. What was unpacked goes away with the last who may
//! read it.

use std::io::Write as _;
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

/// How names of packed files end.
pub const ENDING: &str = ".gz";

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
    unpacked: Option<Arc<TempPath>>,
}

impl Plain {
    /// Where the text is, if that is on this machine.
    pub fn local_path(&self) -> Option<&Path> {
        self.unpacked.as_ref().map_or_else(|| self.file.local_path(), |path| Some(path.as_ref()))
    }

    /// Where the text is.
    pub fn place(&self) -> Location {
        self.unpacked.as_ref().map_or_else(|| self.file.clone(), |path| Location::Local(path.to_path_buf()))
    }
}

/// The texts of files, in the same order.
pub async fn plain(files: &[InputFile], s3: &S3) -> anyhow::Result<Vec<Plain>> {
    let texts: Vec<_> = files.iter().map(|file| text_of(file.clone(), s3.clone())).collect();
    futures::stream::iter(texts).buffered(FILES_AT_A_TIME).try_collect().await
}

async fn text_of(file: InputFile, s3: S3) -> anyhow::Result<Plain> {
    if !is_packed(file.location.file_name()) {
        return Ok(Plain { file: file.location, size_bytes: file.size_bytes, unpacked: None });
    }
    // Beside others, and no longer than somebody waits for it.
    AbortOnDropHandle::new(tokio::spawn(unpack(file.location, s3))).await?
}

async fn unpack(file: Location, s3: S3) -> anyhow::Result<Plain> {
    let unpacking = || format!("`{file}` cannot be unpacked");
    let Opened { store, prefix } = file.open(&s3)?;
    let mut pieces = store.get(&prefix).await.with_context(unpacking)?.into_stream();
    let (text, path) = NamedTempFile::new().with_context(unpacking)?.into_parts();
    let mut unpacker = Unpacker::new(text);
    while let Some(piece) = pieces.try_next().await.with_context(unpacking)? {
        unpacker.add(&piece).with_context(unpacking)?;
    }
    unpacker.finish().with_context(unpacking)?;
    let size_bytes = unpacker.written().metadata().with_context(unpacking)?.len();
    Ok(Plain { file, size_bytes, unpacked: Some(Arc::new(path)) })
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
    is_empty: bool,
}

impl<W: std::io::Write> Unpacker<W> {
    /// Writes to `to`.
    pub fn new(to: W) -> Unpacker<W> {
        Unpacker { decoder: MultiGzDecoder::new(to), is_empty: true }
    }

    /// Takes the next piece.
    pub fn add(&mut self, piece: &[u8]) -> std::io::Result<()> {
        self.is_empty &= piece.is_empty();
        self.decoder.write_all(piece)
    }

    /// Where it has written to.
    pub fn written(&mut self) -> &mut W {
        self.decoder.get_mut()
    }

    /// Writes the rest; nothing may come after it. What ends too early is an error.
    pub fn finish(&mut self) -> std::io::Result<()> {
        if self.is_empty { Ok(()) } else { self.decoder.try_finish() }
    }
}

/// Texts that a session may read.
#[derive(Default)]
struct Kept(Mutex<Vec<Plain>>);

/// Keeps what was unpacked for as long as the session is there. Rows that are still to come do not keep it.
pub fn keep(texts: &[Plain], session: &SessionContext) {
    let unpacked = texts.iter().filter(|text| text.unpacked.is_some()).cloned();
    let state = session.state_ref();
    let mut state = state.write();
    let config = state.config_mut();
    let kept = config.get_extension::<Kept>().unwrap_or_default();
    kept.0.lock().unwrap_or_else(PoisonError::into_inner).extend(unpacked);
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

    #[test]
    fn what_is_cut_off_or_not_packed_at_all_is_an_error() {
        let whole = packed(&"a line\n".repeat(1000));
        assert!(unpacked(&whole[..whole.len() - 3]).is_err());
        assert!(unpacked(&whole[..whole.len() / 2]).is_err());
        assert!(unpacked(b"{\"a\": 1}\n").is_err());
    }
}
