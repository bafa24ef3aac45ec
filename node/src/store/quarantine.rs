//! Quarantine: copies of what was damaged or refused, for people to look at. Never read again, and emptied when
//! something fades.

use std::path::{Path, PathBuf};

use super::Store;
use crate::error::NodeError;
use crate::files::{self, Files};

/// The folder.
pub(crate) const DIR: &str = "quarantine";
/// The most files in it: what a hostile peer sends must not fill the disk.
const FILES_COUNT_MAX: usize = 64;
/// The most bytes of one file.
const FILE_BYTES_MAX: u64 = 1 << 30;

impl Store {
    /// Keeps bytes that a peer sent and that were refused.
    pub fn quarantine(&self, name: &str, bytes: &[u8]) -> Result<(), NodeError> {
        keep(&*self.files, &self.dir, name, bytes)
    }
}

/// Copies a file into the quarantine of a repo; a file that is gone leaves nothing to copy.
pub(super) fn copy(files: &dyn Files, repo_dir: &Path, path: &Path) -> Result<(), NodeError> {
    let io = |error| NodeError::io("read", path, error);
    if files.len(path).map_err(io)?.is_none() {
        return Ok(());
    }
    let bytes = files::read(files, path, FILE_BYTES_MAX).map_err(io)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    keep(files, repo_dir, &name, &bytes)
}

/// Keeps bytes under the first free name; drops them when the quarantine is full.
pub(super) fn keep(files: &dyn Files, repo_dir: &Path, name: &str, bytes: &[u8]) -> Result<(), NodeError> {
    let dir = repo_dir.join(DIR);
    let Some(path) = free(files, &dir, name)? else {
        tracing::warn!(name, "the quarantine is full");
        return Ok(());
    };
    let write = || {
        let file = files.create(&path)?;
        file.write_at(0, bytes)?;
        file.sync()
    };
    write().map_err(|error| NodeError::io("write", &path, error))
}

/// Removes everything that is kept: what has faded may be in any of it.
pub(super) fn clear(files: &dyn Files, repo_dir: &Path) -> Result<(), NodeError> {
    let dir = repo_dir.join(DIR);
    let paths = files.list(&dir).map_err(|error| NodeError::io("list", &dir, error))?;
    for path in &paths {
        files.remove(path).map_err(|error| NodeError::io("remove", path, error))?;
    }
    if paths.is_empty() {
        Ok(())
    } else {
        files.sync_dir(&dir).map_err(|error| NodeError::io("sync", &dir, error))
    }
}

fn free(files: &dyn Files, dir: &Path, name: &str) -> Result<Option<PathBuf>, NodeError> {
    let taken = files.list(dir).map_err(|error| NodeError::io("list", dir, error))?;
    if taken.len() >= FILES_COUNT_MAX {
        return Ok(None);
    }
    let names = (0..=taken.len()).map(|number| dir.join(format!("{name}.{number}")));
    Ok(names.into_iter().find(|path| !taken.contains(path)))
}
