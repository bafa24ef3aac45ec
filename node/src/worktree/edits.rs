//! From what changed on disk to what a draft is made of: bytes are read here.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_crdt::FileEdit;
use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_crdt::path::RepoPath;

use super::Worktree;
use super::beneath::facts_of_file;
use super::index::Seen;
use super::scan::{Change, Disk};
use crate::error::NodeError;

/// A file above this many bytes is an artifact.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// Bytes that are no text are an artifact above this many.
pub const OPAQUE_BYTES_MAX: usize = 64 << 10;
/// How often a file that is being written is read again.
const ATTEMPTS_MAX: u32 = 3;

/// Takes large files into the artifact store.
pub trait Artifacts {
    /// Takes in the file at `file`, called `name`; its hash and size.
    fn import(&mut self, file: &Path, name: &str) -> Result<(ArtifactId, u64), NodeError>;
}

impl Worktree {
    /// What to write so that a version shows these changes.
    pub fn edits(
        &mut self,
        changes: &[Change],
        artifacts: &mut dyn Artifacts,
    ) -> Result<Vec<FileEdit>, NodeError> {
        let mut edits = Vec::with_capacity(changes.len());
        for change in changes {
            let path = change.path.clone();
            edits.extend(match &change.disk {
                None => Some(FileEdit::Remove { path }),
                Some(Disk::Dir) => Some(FileEdit::Dir { path }),
                Some(Disk::Link { target }) => Some(FileEdit::Link { path, target: target.clone() }),
                Some(Disk::File { .. }) => self.file_edit(path, artifacts)?,
            });
        }
        Ok(edits)
    }

    /// Takes a file into the artifact store, however small it is; `None` where no file stands.
    pub fn import(
        &mut self,
        path: &RepoPath,
        artifacts: &mut dyn Artifacts,
    ) -> Result<Option<(ArtifactId, u64)>, NodeError> {
        match self.beneath.read(path) {
            Ok(file) => artifacts.import(&handle_path(&file), &path.name().to_string()).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(NodeError::io("read", &self.on_disk(path), error)),
        }
    }

    /// The edit that makes a version show a file as it is now; none when it is gone again.
    fn file_edit(
        &mut self,
        path: RepoPath,
        artifacts: &mut dyn Artifacts,
    ) -> Result<Option<FileEdit>, NodeError> {
        for _ in 1..ATTEMPTS_MAX {
            if let Some((edit, true)) = self.read_edit(&path, artifacts)? {
                return Ok(Some(edit));
            }
        }
        // Someone writes it all the time: what was read is kept, the next post keeps the rest.
        Ok(self.read_edit(&path, artifacts)?.map(|(edit, _)| edit))
    }

    /// Reads a file; also whether it stood still meanwhile.
    fn read_edit(
        &mut self,
        path: &RepoPath,
        artifacts: &mut dyn Artifacts,
    ) -> Result<Option<(FileEdit, bool)>, NodeError> {
        let io = |error| NodeError::io("read", &self.on_disk(path), error);
        let Ok(mut file) = self.beneath.read(path) else { return Ok(None) };
        let (facts, now_ns) = (facts_of_file(&file).map_err(io)?, super::now_ns());
        let bytes = read_small(&mut file, facts.bytes).map_err(io)?;
        let executable = facts.executable;
        let (edit, content) = match bytes {
            Some(bytes) => {
                let (content, bytes) = (ContentHash::of(&bytes), Arc::from(bytes));
                (FileEdit::Write { path: path.clone(), bytes, executable }, content)
            }
            None => {
                let name = path.name().to_string();
                let (artifact, bytes) = artifacts.import(&handle_path(&file), &name)?;
                let content = self.index.get(path).map_or(ContentHash([0; 32]), |seen| seen.content);
                (FileEdit::Artifact { path: path.clone(), artifact, bytes, executable }, content)
            }
        };
        let still = facts_of_file(&file).is_ok_and(|now| now == facts);
        let artifact = if let FileEdit::Artifact { artifact, .. } = &edit { Some(*artifact) } else { None };
        if artifact.is_some() && self.link.lazy {
            self.link.asked.insert(path.clone());
        }
        self.index.note(path, Seen::new(&facts, content, artifact, now_ns));
        Ok(Some((edit, still)))
    }
}

/// All bytes of a file that is kept as it is; `None` for one that is an artifact.
fn read_small(file: &mut impl Read, expected: u64) -> io::Result<Option<Vec<u8>>> {
    if expected > FILE_BYTES_MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(if is_large(&bytes) { None } else { Some(bytes) })
}

/// Whether a file with these bytes is an artifact.
pub(crate) fn is_large(bytes: &[u8]) -> bool {
    bytes.len() as u64 > FILE_BYTES_MAX || (bytes.len() > OPAQUE_BYTES_MAX && !is_text(bytes))
}

/// Whether bytes are text: UTF-8 without NUL.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}

/// A path that leads to this open file and to nothing else, whatever is renamed meanwhile.
pub(super) fn handle_path(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
