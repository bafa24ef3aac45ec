//! Where a verb starts from: a folder, and the key that speaks.

use std::path::PathBuf;

use cairn_protocol::key::Keypair;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::home::Home;
use crate::identity;

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

impl Here {
    /// The key that speaks; made when its file is not there.
    pub fn keypair(&self, home: &Home) -> Result<Keypair, NodeError> {
        self.key.as_deref().map_or_else(|| identity::device(home), identity::load_or_make)
    }
}
