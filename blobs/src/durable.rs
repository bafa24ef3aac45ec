//! Files that are wholly there or not at all, also after a power cut.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::BlobsError;

/// What the name of a file ends in until it is whole.
pub(crate) const PART_ENDING: &str = ".cairn-part";

/// A file under a passing name, gone unless it is renamed.
pub(crate) struct Temporary {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Temporary {
    /// One that will take the place of `target`, and lies beside it.
    pub(crate) fn beside(target: &Path) -> Result<Self, BlobsError> {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}{PART_ENDING}", std::process::id()));
        let path = target.with_file_name(name);
        let file = File::create(&path).map_err(BlobsError::disk("create", &path))?;
        Ok(Self { path, file, kept: false })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BlobsError> {
        self.file.write_all(bytes).map_err(BlobsError::disk("write", &self.path))
    }

    /// Fsyncs the bytes, gives them their name, and fsyncs the name.
    pub(crate) fn rename_to(mut self, target: &Path) -> Result<(), BlobsError> {
        self.file.sync_all().map_err(BlobsError::disk("fsync", &self.path))?;
        fs::rename(&self.path, target).map_err(BlobsError::disk("rename to", target))?;
        self.kept = true;
        sync_folder_of(target)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            fs::remove_file(&self.path).ok();
        }
    }
}

/// Writes a whole file durably, in place of what was there.
pub(crate) fn write_whole(target: &Path, parts: &[&[u8]]) -> Result<(), BlobsError> {
    let mut file = Temporary::beside(target)?;
    for part in parts {
        file.write(part)?;
    }
    file.rename_to(target)
}

/// Fsyncs the folder that a file lies in, so that its name survives a power cut.
pub(crate) fn sync_folder_of(file: &Path) -> Result<(), BlobsError> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
        _ => sync_folder(Path::new(".")),
    }
}

/// Fsyncs a folder.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), BlobsError> {
    let opened = File::open(folder).map_err(BlobsError::disk("open", folder))?;
    opened.sync_all().map_err(BlobsError::disk("fsync", folder))
}

/// Removes a file that may not be there; says whether it was.
pub(crate) fn remove(path: &Path) -> Result<bool, BlobsError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BlobsError::disk("remove", path)(error)),
    }
}
