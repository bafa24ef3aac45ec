//! What a reader sees at a frontier.

pub(crate) mod beside;
pub(crate) mod outline;
pub(crate) mod paths;
pub(crate) mod report;
pub(crate) mod resolve;
pub(crate) mod reuse;
pub(crate) mod revive;
pub(crate) mod root;
pub(crate) mod tree;

use std::collections::{BTreeMap, BTreeSet};

use crate::frontier::Frontier;
use crate::id::{ArtifactId, ContentHash, NodeId, Root};
use crate::overlap::Overlap;
use crate::path::RepoPath;

/// The files that a frontier shows: a pure function of the set of waypoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The version that is shown.
    pub frontier: Frontier,
    /// The Merkle root of the tree.
    pub root: Root,
    /// The files.
    pub files: BTreeMap<RepoPath, File>,
    /// The folders, with those that hold nothing.
    pub dirs: BTreeSet<RepoPath>,
    /// Where concurrent changes met, in order.
    pub overlaps: Vec<Overlap>,
    /// Where they came near to it: [`OverlapKind::is_note`](crate::OverlapKind::is_note).
    pub notes: Vec<Overlap>,
}

/// One file of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The file's node.
    pub node: NodeId,
    /// Whether it may be executed.
    pub executable: bool,
    /// What it holds.
    pub body: FileBody,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileBody {
    /// Bytes.
    Bytes {
        /// The hash of the bytes that are shown.
        content: ContentHash,
        /// How many.
        bytes: u64,
        /// Whether they merge as a whole.
        opaque: bool,
    },
    /// Bytes in the artifact store.
    Artifact {
        /// The hash of the manifest.
        artifact: ArtifactId,
        /// How many bytes.
        bytes: u64,
    },
    /// A symbolic link.
    Link {
        /// The target, as its author's system wrote it.
        target: Vec<u8>,
    },
}
