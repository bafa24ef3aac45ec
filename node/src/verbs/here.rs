//! Where a verb starts from: a folder, and the key that speaks.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where a verb starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// An absolute path: the worktree is found by walking up from it. Verbs that make a
    /// worktree (`init`, `join`, `clone`) make it exactly here.
    pub dir: PathBuf,
    /// The key file that signs, when it is not the home's own (`CAIRN_KEY`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}
