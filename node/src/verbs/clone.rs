//! `clone`: copies a public repo, or one that this device may read, into a new worktree.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
pub use crate::verbs::join::Answer;
use crate::verbs::{Here, Network};

/// What `clone` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// A link: `cairn://<repo>/@owner/project?ref`, or a repo of this home, `//repo`.
    pub link: String,
    /// Peers to ask before those that the link names, as multiaddresses.
    pub peers: Vec<String>,
}

/// Fetches the repo and checks out.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}
