//! `join`: enters a repo by an invitation, and makes a folder its worktree.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network};

/// What `join` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The link from `invite`.
    pub invite: String,
    /// Peers to ask before those that the link names, as multiaddresses.
    pub peers: Vec<String>,
}

/// What `join` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The repo.
    pub repo: String,
    /// The project, `@owner/name`.
    pub project: String,
    /// The feed that this device will write there.
    pub feed: String,
    /// The branch that the worktree follows.
    pub branch: String,
    /// The version that it stands on.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// How many files were written.
    pub files: u64,
}

/// Signs a delegation from the one-time key to the device key, fetches, and checks out.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}
