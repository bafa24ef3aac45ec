//! `diff`: what differs between two versions, or a version and the worktree, as text.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Here;

/// What `diff` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// None: the version stood on against the disk. One: it against the disk. Two: the first against the second.
    pub uris: Vec<String>,
    /// Only these files and folders; all when empty.
    pub paths: Vec<String>,
}

/// What `diff` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// One entry a file that differs.
    pub files: Vec<FileDiff>,
}

/// Compares the two sides.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDiff {
    /// The path.
    pub path: String,
    /// `added`, `modified` or `removed`.
    pub kind: String,
    /// The difference in unified form; `null` where a side is no text.
    pub text: Option<String>,
}
