//! `log`: the waypoints of a version, newest first.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Here;

/// What `log` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The version; what the worktree stands on when left out.
    pub uri: Option<String>,
    /// At most so many; all when left out.
    pub limit: Option<usize>,
}

/// What `log` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The waypoints, newest first.
    pub waypoints: Vec<Logged>,
}

/// Lists them.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}

/// One waypoint as `log` and `show` tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// Its hash.
    pub waypoint: String,
    /// The feed it was written to.
    pub feed: String,
    /// Its number in that feed.
    pub seq: u64,
    /// The key that wrote it.
    pub key: String,
    /// The name that the key gave itself, if any.
    pub author: Option<String>,
    /// The author's clock when it was written.
    pub stamp: Stamp,
    /// The version it was written on.
    pub parents: Vec<String>,
    /// The branch it was written to.
    pub branch: Option<String>,
    /// What it is about.
    pub message: Option<String>,
    /// The marks that name it.
    pub marks: Vec<String>,
}

/// A hybrid logical clock's reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970, as the author's wall clock said.
    pub wall_ms: u64,
    /// What orders waypoints of one millisecond.
    pub counter: u32,
}
