//! `identity`: the device key: shown, named, backed up, restored.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Here;

/// What `identity` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to do.
    pub action: Action,
}

/// What `identity` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The device key.
    pub key: String,
    /// The peer that it is on the network.
    pub peer: String,
    /// The name that it gave itself.
    pub name: Option<String>,
    /// The mail address that it gave itself.
    pub mail: Option<String>,
    /// The file that was written or read.
    pub path: Option<String>,
}

/// Shows, names, backs up or restores.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}

/// What to do with the device key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Shows it.
    #[default]
    Show,
    /// Gives it a name, written to the project that the worktree belongs to and to the home for later ones.
    Name {
        /// The name.
        name: String,
        /// The mail address.
        mail: Option<String>,
    },
    /// Writes it to a file.
    Backup {
        /// The file; an absolute path.
        out: PathBuf,
    },
    /// Reads it back from a file.
    Restore {
        /// The file; an absolute path.
        from: PathBuf,
    },
}
