//! What iroh-blobs leaves to chance: after it says "stored", the bytes may still be in memory only.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::chunk::hex;
use crate::error::BlobsError;

/// Fsyncs the data and the hash tree of chunks, then the folder that names them.
///
/// A chunk without a file is small and lies inside the database, which is synced by itself.
pub(crate) fn sync_chunks(data: &Path, hashes: &[[u8; 32]]) -> Result<(), BlobsError> {
    for hash in hashes {
        for ending in ["data", "obao4"] {
            sync_if_there(&data.join(format!("{}.{ending}", hex(hash))))?;
        }
    }
    sync_if_there(data)
}

fn sync_if_there(path: &Path) -> Result<(), BlobsError> {
    match File::open(path) {
        Ok(file) => file.sync_all().map_err(BlobsError::disk("fsync", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BlobsError::disk("open", path)(error)),
    }
}

/// Fsyncs the folder that a file lies in, so that its name survives a power cut.
pub(crate) fn sync_folder(file: &Path) -> Result<(), BlobsError> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync_if_there(folder),
        _ => sync_if_there(Path::new(".")),
    }
}
