//! `delete`: removes a file, or a label.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network};

/// What `delete` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// A path, or a label `?name`.
    pub target: String,
}

/// What `delete` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was removed.
    pub deleted: String,
    /// `file`, `branch` or `mark`.
    pub kind: String,
    /// The waypoint that says so; a file never posted leaves none.
    pub waypoint: Option<String>,
}

/// Keeps the last bytes in a waypoint, then removes.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}
