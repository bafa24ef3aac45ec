//! From chunks to a file: verified, and either wholly there or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::chunk::{CHUNK_BYTES_MAX, Chunk};
use crate::durable::sync_folder;
use crate::error::BlobsError;
use crate::store::Blobs;

impl Blobs {
    /// Writes chunks one after the other into `target`, replacing what was there.
    ///
    /// The bytes go to a temporary file beside it, are compared with their hashes on the way,
    /// fsynced, and renamed. After an error `target` is what it was.
    pub async fn export(&self, chunks: &[Chunk], target: &Path) -> Result<u64, BlobsError> {
        let mut written = Temporary::beside(target)?;
        let mut bytes = 0;
        for chunk in chunks {
            let piece = self.read_chunk(chunk).await?;
            written.write(&piece)?;
            bytes += chunk.bytes;
        }
        written.rename_to(target)?;
        Ok(bytes)
    }

    /// The bytes of a chunk, if they are as many as the list says.
    pub async fn read_chunk(&self, chunk: &Chunk) -> Result<Vec<u8>, BlobsError> {
        if chunk.bytes > CHUNK_BYTES_MAX as u64 {
            return Err(BlobsError::TooLarge { hash: chunk.hash, bytes: chunk.bytes });
        }
        let piece = self.read(&chunk.hash).await?;
        match piece.len() as u64 == chunk.bytes {
            true => Ok(piece),
            false => Err(BlobsError::TooLarge { hash: chunk.hash, bytes: chunk.bytes }),
        }
    }
}

/// A file under a passing name, gone unless it is renamed.
struct Temporary {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Temporary {
    fn beside(target: &Path) -> Result<Self, BlobsError> {
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}.cairn-part", std::process::id()));
        let path = target.with_file_name(name);
        let file = File::create(&path).map_err(BlobsError::disk("create", &path))?;
        Ok(Self { path, file, kept: false })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BlobsError> {
        self.file.write_all(bytes).map_err(BlobsError::disk("write", &self.path))
    }

    fn rename_to(mut self, target: &Path) -> Result<(), BlobsError> {
        self.file.sync_all().map_err(BlobsError::disk("fsync", &self.path))?;
        fs::rename(&self.path, target).map_err(BlobsError::disk("rename to", target))?;
        self.kept = true;
        sync_folder(target)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            fs::remove_file(&self.path).ok();
        }
    }
}
