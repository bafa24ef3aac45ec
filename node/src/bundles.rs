//! Bundle files on disk: written whole or not at all, read a frame at a time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use cairn_protocol::Reject;
use cairn_protocol::bundle::{BundleWriter, Head, Part};
use cairn_protocol::stone::Source;

use crate::error::NodeError;
use crate::files::{Files, OpenFile};

/// A bundle that is being written beside its place.
#[derive(Debug)]
pub(crate) struct BundleSink<'a> {
    files: &'a dyn Files,
    path: PathBuf,
    temporary: PathBuf,
    file: Box<dyn OpenFile>,
    writer: BundleWriter,
    bytes: u64,
    done: bool,
}

impl<'a> BundleSink<'a> {
    /// Begins a bundle that will be `path`. Only its owner may read the file.
    pub(crate) fn create(files: &'a dyn Files, path: &Path, head: &Head) -> Result<Self, NodeError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.new"));
        let file = files.create(&temporary).map_err(|error| NodeError::io("create", &temporary, error))?;
        let (writer, head) = BundleWriter::new(head);
        let mut sink = Self { files, path: path.to_owned(), temporary, file, writer, bytes: 0, done: false };
        sink.append(&head)?;
        Ok(sink)
    }

    /// Adds a part.
    pub(crate) fn push(&mut self, part: &Part) -> Result<(), NodeError> {
        let frame = self.writer.push(part)?;
        self.append(&frame)
    }

    /// Ends the bundle and puts it in its place, durably; says how many bytes it has.
    pub(crate) fn finish(mut self) -> Result<u64, NodeError> {
        let end = self.writer.end();
        self.append(&end)?;
        let io = |error| NodeError::io("write", &self.path, error);
        self.file.sync().map_err(io)?;
        self.files.rename(&self.temporary, &self.path).map_err(io)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        self.files.sync_dir(folder).map_err(io)?;
        self.done = true;
        Ok(self.bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), NodeError> {
        let written = self.file.write_at(self.bytes, bytes);
        written.map_err(|error| NodeError::io("write", &self.path, error))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for BundleSink<'_> {
    fn drop(&mut self) {
        if !self.done {
            // The error that led here is told; what cannot be removed is written over the next time.
            let _ = self.files.remove(&self.temporary);
        }
    }
}

/// A bundle to read. The file is never written to: a stick may be locked.
#[derive(Debug)]
pub(crate) struct BundleFile {
    file: File,
    len: u64,
}

impl BundleFile {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Self, NodeError> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((facts, file)) if facts.is_file() => Ok(Self { file, len: facts.len() }),
            Ok(_) => Err(NodeError::Usage(format!("{} is no file", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(NodeError::NotFound { what: "file", name: path.display().to_string() })
            }
            Err(error) => Err(NodeError::io("open", path, error)),
        }
    }
}

impl Source for &BundleFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, Reject> {
        // A length from the file must not decide how much is allocated.
        if offset.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(Reject::Bundle { offset, what: "the file is too short" });
        }
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map(|()| bytes).map_err(|_| Reject::Bundle { offset, what: "the disk does not give it back" })
    }
}
