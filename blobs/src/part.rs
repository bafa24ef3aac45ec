//! The beginning of a chunk that was cut off on its way here.

use std::fs;
use std::io;

use crate::chunk::{Chunk, hex};
use crate::durable;
use crate::error::BlobsError;
use crate::store::Blobs;

impl Blobs {
    /// Keeps what came of a chunk, so that only the rest is asked for. It is compared with the name once it is whole;
    /// losing it costs time only, so nothing is fsynced.
    pub(crate) fn keep_part(&self, chunk: &Chunk, bytes: &[u8]) -> Result<(), BlobsError> {
        let path = self.place("parts").join(hex(&chunk.hash));
        fs::write(&path, bytes).map_err(BlobsError::disk("write", &path))
    }

    /// What is kept of a chunk; empty where nothing is.
    pub(crate) fn part(&self, chunk: &Chunk) -> Result<Vec<u8>, BlobsError> {
        let path = self.place("parts").join(hex(&chunk.hash));
        match fs::read(&path) {
            Ok(bytes) if (bytes.len() as u64) < chunk.bytes => Ok(bytes),
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(BlobsError::disk("read", &path)(error)),
        }
    }

    /// Lets go of it.
    pub(crate) fn drop_part(&self, chunk: &Chunk) -> Result<(), BlobsError> {
        durable::remove(&self.place("parts").join(hex(&chunk.hash))).map(drop)
    }

    /// Lets go of all of them.
    pub(crate) fn drop_parts(&self) -> Result<(), BlobsError> {
        let folder = self.place("parts");
        for entry in fs::read_dir(&folder).map_err(BlobsError::disk("list", &folder))? {
            durable::remove(&entry.map_err(BlobsError::disk("list", &folder))?.path())?;
        }
        Ok(())
    }
}
