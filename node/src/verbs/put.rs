//! `put`: merges a branch, other branches, or the state of a peer into the worktree.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network};

/// What `put` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to merge; the worktree's own branch when empty.
    pub uris: Vec<String>,
    /// Peers to exchange with first, as multiaddresses.
    pub peers: Vec<String>,
}

/// What `put` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The waypoint that keeps what was not yet posted.
    pub posted: Option<String>,
    /// The merge waypoint; `null` when one version held the other.
    pub waypoint: Option<String>,
    /// The version that the worktree stands on now.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// How many files were written or removed.
    pub files: u64,
    /// How many overlaps it shows.
    pub overlaps: u64,
    /// How many waypoints came from peers.
    pub received: u64,
}

/// Posts what is unposted, exchanges with peers if asked, merges, and writes the files.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}
