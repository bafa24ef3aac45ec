//! The door to the file system.
//!
//! Everything that the store writes goes through this trait, so that a test can stand in
//! for the disk, fail any operation, and lose any part of what was not yet synced. The
//! operations are the few that a store needs; each maps to one system call.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

mod disk;
#[cfg(test)]
pub(crate) mod fault;

pub use disk::DiskFiles;

/// A file system.
pub trait Files: Debug + Send + Sync {
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;
    /// Makes an empty file, also where one was before; only its owner may read it.
    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;
    /// Makes a folder and those above it; only their owner may enter.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Puts a file under another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The paths inside a folder, in order.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// The length of a file, `None` when there is none.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Makes the names inside a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock on a file, which is made if need be and gets `words` as its text.
    fn lock(&self, path: &Path, words: &str) -> io::Result<Lock>;
}

/// A file that is open.
pub trait OpenFile: Debug + Send + Sync {
    /// Fills `bytes` from `offset`; an error when the file ends before.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Writes `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The file's length.
    fn len(&self) -> io::Result<u64>;
    /// Makes what was written durable.
    fn sync(&self) -> io::Result<()>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// The answer to a request for a lock.
#[derive(Debug)]
pub enum Lock {
    /// It is held until the guard is dropped.
    Held(Guard),
    /// Somebody else has it and left these words.
    Taken(String),
}

/// Holds a lock as long as it lives.
#[derive(Debug)]
pub struct Guard(#[allow(dead_code, reason = "dropping it releases the lock")] Box<dyn Any + Send + Sync>);

impl Guard {
    /// A guard around whatever releases the lock when it is dropped.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self(Box::new(held))
    }
}

/// Reads a whole file of at most `limit` bytes.
pub fn read(files: &dyn Files, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = files.open(path)?;
    let len = file.len()?;
    if len > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than it may be"));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Replaces a file as one durable step: what opens `path` later sees all of the old or all of the new.
///
/// `temp` must lie on the same file system; it may be in another folder.
pub fn replace(files: &dyn Files, temp: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = files.create(temp)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    files.rename(temp, path)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    files.sync_dir(dir)
}
