//! `mark`: a signed name for a version, with a changelog entry; marked versions never fade.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Here;

/// What `mark` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The name.
    pub name: String,
    /// The changelog entry.
    pub message: String,
    /// The version; what the worktree stands on when left out.
    pub uri: Option<String>,
}

/// What `mark` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The name.
    pub mark: String,
    /// The version it names.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
}

/// Writes the mark.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}
