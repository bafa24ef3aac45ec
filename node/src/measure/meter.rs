//! A file system that counts what is read and what is written into stones.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::files::{DiskFiles, Files, Lock, OpenFile};

/// The file system of this machine, counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    read: Arc<AtomicU64>,
    stones: Arc<AtomicU64>,
}

/// A file that is counted.
#[derive(Debug)]
struct Metered {
    file: Box<dyn OpenFile>,
    meter: Meter,
    is_stone: bool,
}

impl Meter {
    /// The bytes that were read since the last time.
    pub(super) fn take_read(&self) -> u64 {
        self.read.swap(0, Ordering::Relaxed)
    }

    /// The bytes that were written into stones.
    pub(super) fn stones(&self) -> u64 {
        self.stones.load(Ordering::Relaxed)
    }

    fn metered(&self, path: &Path, file: Box<dyn OpenFile>) -> Box<dyn OpenFile> {
        let is_stone = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("stone"));
        Box::new(Metered { file, meter: self.clone(), is_stone })
    }
}

impl Files for Meter {
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        Ok(self.metered(path, DiskFiles.open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        Ok(self.metered(path, DiskFiles.create(path)?))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DiskFiles.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        DiskFiles.list(dir)
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        DiskFiles.len(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        DiskFiles.sync_dir(dir)
    }

    fn lock(&self, path: &Path, words: &str) -> io::Result<Lock> {
        DiskFiles.lock(path, words)
    }
}

impl OpenFile for Metered {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.meter.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.read_at(offset, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.is_stone {
            self.meter.stones.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        self.file.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
