//! From edited files to operations.

use std::sync::Arc;

use crate::id::{ArtifactId, ContentHash};
use crate::op::Op;
use crate::path::RepoPath;

/// What a worktree says about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEdit {
    /// The path is a file with these bytes.
    Write {
        /// The path.
        path: RepoPath,
        /// All of its bytes.
        bytes: Arc<[u8]>,
        /// Whether it may be executed.
        executable: bool,
    },
    /// The path is a file whose bytes lie in the artifact store.
    Artifact {
        /// The path.
        path: RepoPath,
        /// The hash of the manifest.
        artifact: ArtifactId,
        /// How many bytes.
        bytes: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// The path is a symbolic link.
    Link {
        /// The path.
        path: RepoPath,
        /// The target.
        target: Vec<u8>,
    },
    /// The path is a folder.
    Dir {
        /// The path.
        path: RepoPath,
    },
    /// The path, and what lies below it, is gone.
    Remove {
        /// The path.
        path: RepoPath,
    },
}

impl FileEdit {
    /// The path that is edited.
    pub fn path(&self) -> &RepoPath {
        match self {
            FileEdit::Write { path, .. }
            | FileEdit::Artifact { path, .. }
            | FileEdit::Link { path, .. }
            | FileEdit::Dir { path }
            | FileEdit::Remove { path } => path,
        }
    }
}

/// What a waypoint will say: its operations, and the bytes that they name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// The operations, in order.
    pub ops: Vec<Op>,
    /// The bytes that operations name by hash, each once.
    pub contents: Vec<(ContentHash, Arc<[u8]>)>,
}

impl Draft {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}
