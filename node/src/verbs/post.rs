//! `post`: worktree to repo. Writes what changed as one waypoint on the worktree's branch.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network};

/// What `post` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// Only these files and folders; all when empty.
    pub paths: Vec<String>,
    /// Another branch to post on, `?branch`.
    pub uri: Option<String>,
    /// What the waypoint is about.
    pub message: Option<String>,
}

/// What `post` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The waypoint; `null` when there was nothing to write.
    pub waypoint: Option<String>,
    /// The feed it was written to.
    pub feed: String,
    /// Its number in that feed.
    pub seq: Option<u64>,
    /// The version that the worktree stands on now.
    pub frontier: Vec<String>,
    /// The root of that version.
    pub root: String,
    /// How many files it changed.
    pub files: u64,
}

/// Writes the waypoint and moves the worktree onto it.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}
