//! `come`: forks a branch where the worktree stands, and switches to it.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network};

/// What `come` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The branch.
    pub branch: String,
    /// Where to fork; what the worktree stands on when left out.
    pub from: Option<String>,
}

/// What `come` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The branch that the worktree follows now.
    pub branch: String,
    /// The waypoint that began it; `null` when the branch was there already.
    pub waypoint: Option<String>,
    /// The version that the worktree stands on now.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
}

/// Posts what is unposted, begins the branch, and switches.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}
