//! A folder for as long as something is measured.

use crate::error::{Failure, REFUSED};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How many names are tried.
const NAMES_MAX: u32 = 100;

/// A folder that is gone when this is dropped.
pub(super) struct Stage(PathBuf);

impl Stage {
    /// A new folder.
    pub(super) fn new() -> Result<Self, Failure> {
        for number in 0..NAMES_MAX {
            let dir = std::env::temp_dir().join(format!("cairn-bench-{}-{number}", std::process::id()));
            match fs::create_dir(&dir) {
                Ok(()) => return Ok(Self(dir)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::new(
            REFUSED,
            "E_IO",
            "no folder to measure in could be made",
            "clean the temporary folder",
        ))
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        &self.0
    }

    /// A place in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        Ok(fs::write(self.path(name), bytes)?)
    }

    /// Reads a file in it.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Failure> {
        Ok(fs::read(self.path(name))?)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
