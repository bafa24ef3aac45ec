//! A folder for as long as something is measured.

use super::home::Home;
use crate::error::{BUG, Failure, REFUSED};
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

    /// The same as a word on a command line.
    pub(super) fn word(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Runs this program in it, with a home of its own; how long it took, in milliseconds.
    pub(super) fn cairn(&self, words: &[&str]) -> Result<f64, Failure> {
        Ok(Home::new(&self.0, "home").run(words)?.ms)
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

/// What went wrong with a measurement itself.
pub(super) fn bug(words: &str) -> Failure {
    Failure::new(BUG, "E_BENCH", words, "please report it")
}

/// What the files of a folder come to, in bytes; of a file, its own.
pub(super) fn bytes(path: &Path) -> Result<u64, Failure> {
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    if !about.is_dir() {
        return Ok(about.len());
    }
    fs::read_dir(path)?.map(|entry| bytes(&entry?.path())).sum()
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
