//! `init`: founds a repo with one project, and makes a folder its worktree.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Here;

/// What `init` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The project's name, `@owner/name`; `@me/` and the folder's name when left out.
    pub project: Option<String>,
    /// Whether anyone may read the repo.
    pub public: bool,
}

/// What `init` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The repo.
    pub repo: String,
    /// The project, `@owner/name`.
    pub project: String,
    /// The feed that this device will write there.
    pub feed: String,
}

/// Founds the repo; posts nothing.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}
