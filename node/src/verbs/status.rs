//! `status`: where the worktree stands, and what changed in it.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Here;

/// What `status` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
}

/// What `status` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The repo.
    pub repo: String,
    /// The project, `@owner/name`.
    pub project: String,
    /// The branch that the worktree follows.
    pub branch: String,
    /// The version that it stands on.
    pub frontier: Vec<String>,
    /// The root of that version.
    pub root: String,
    /// What differs from that version on disk.
    pub changed: Vec<Changed>,
    /// How many waypoints of the branch are not in the worktree yet.
    pub incoming: u64,
    /// How many overlaps the version shows.
    pub overlaps: u64,
    /// How many peers are known.
    pub peers: u64,
}

/// Compares disk and version; writes nothing but the stat index.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The path; bytes that are not UTF-8 as `%` and two digits.
    pub path: String,
    /// `added`, `modified` or `removed`.
    pub kind: String,
}
