//! `get`: repo to worktree. Checks out, switches, or brings one file.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network};

/// What `get` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to get; the worktree's own branch when empty.
    pub uris: Vec<String>,
}

/// What `get` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The branch that the worktree follows now.
    pub branch: String,
    /// The version that it stands on now.
    pub frontier: Vec<String>,
    /// The root of what was got.
    pub root: String,
    /// How many files were written.
    pub written: u64,
    /// How many files were removed.
    pub removed: u64,
    /// The waypoint that keeps what would have been overwritten.
    pub saved: Option<String>,
    /// Whether several versions were blended.
    pub blended: bool,
    /// How many overlaps the version shows.
    pub overlaps: u64,
}

/// Saves what is unposted, then writes the files of the version asked for.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}
