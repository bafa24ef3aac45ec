//! One file with all that it holds.

use std::sync::Arc;

use cairn_crdt::id::ArtifactId;
use cairn_crdt::path::RepoPath;
use cairn_crdt::{FileBody, FileEdit, View};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Place;

/// One file with all that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) body: Held,
    pub(super) executable: bool,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    Bytes(Arc<[u8]>),
    Artifact(ArtifactId, u64),
    Link(Vec<u8>),
}

impl Sheet {
    /// A file of which nothing is there yet.
    pub(super) fn blank() -> Self {
        Self::of_bytes(Arc::from([]), false)
    }

    pub(super) fn of_bytes(bytes: Arc<[u8]>, executable: bool) -> Self {
        Self { body: Held::Bytes(bytes), executable }
    }

    /// The bytes of a file that merges.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match &self.body {
            Held::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn edit(&self, path: &RepoPath) -> FileEdit {
        let (path, executable) = (path.clone(), self.executable);
        match &self.body {
            Held::Bytes(bytes) => FileEdit::Write { path, bytes: bytes.clone(), executable },
            Held::Artifact(artifact, bytes) => {
                FileEdit::Artifact { path, artifact: *artifact, bytes: *bytes, executable }
            }
            Held::Link(target) => FileEdit::Link { path, target: target.clone() },
        }
    }
}

/// A file of a view.
pub(super) fn read(
    owner: &mut Owner,
    place: Place,
    view: &View,
    path: &RepoPath,
) -> Result<Sheet, NodeError> {
    let missing = || NodeError::NotFound { what: "file", name: path.to_string() };
    let file = view.files.get(path).ok_or_else(missing)?;
    let body = match &file.body {
        FileBody::Bytes { .. } => Held::Bytes(place.bytes(owner, view, path)?.into()),
        FileBody::Artifact { artifact, bytes } => Held::Artifact(*artifact, *bytes),
        FileBody::Link { target } => Held::Link(target.clone()),
    };
    Ok(Sheet { body, executable: file.executable })
}
