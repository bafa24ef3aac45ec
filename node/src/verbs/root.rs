//! `root`: the hash of every file of a version.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Version};
use crate::worktree::link::digits;

/// What `root` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The version; what the worktree stands on when left out.
    pub uri: Option<String>,
    /// A version of the branch that is named: a serving node answers when the branch shows another one, or after a
    /// while with the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlike: Option<Vec<String>>,
}

/// What `root` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The Merkle root of the files.
    pub root: String,
    /// The version.
    pub frontier: Vec<String>,
    /// How many overlaps it shows.
    pub overlaps: u64,
}

/// Derives it.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let version = Version::find(owner, &args.here, args.uri.as_deref())?;
    let view = version.place.view(owner, &version.frontier)?;
    Ok(Answer {
        root: view.root.to_string(),
        frontier: digits(&version.frontier),
        overlaps: view.overlaps.len() as u64,
    })
}
