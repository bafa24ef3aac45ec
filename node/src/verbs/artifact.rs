//! `artifact`: large contents, named by hash: added, fetched, listed, verified.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network};

/// What `artifact` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to do.
    pub action: Action,
}

/// Adds, gets, lists or verifies.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}

/// What to do with artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Takes a file into the store.
    Add {
        /// The file; an absolute path.
        file: PathBuf,
        /// What to call it; the file's name when left out.
        name: Option<String>,
    },
    /// Writes an artifact to a file, after fetching it if it is not here.
    Get {
        /// A name or a hash.
        artifact: String,
        /// The file to write; an absolute path.
        out: PathBuf,
    },
    /// Lists the artifacts of the project.
    Ls,
    /// Checks the bytes held of one, or of all.
    Verify {
        /// A name or a hash; all when left out.
        artifact: Option<String>,
    },
}

impl Default for Action {
    fn default() -> Self {
        Self::Ls
    }
}

/// What `artifact` answers, by action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// To `add`.
    Added(Added),
    /// To `get`.
    Got(Got),
    /// To `ls`.
    Listed(Listed),
    /// To `verify`.
    Verified(Verified),
}

/// What `artifact add` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Added {
    /// Its hash.
    pub artifact: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many bytes this call added to the store.
    pub stored_bytes: u64,
}

/// What `artifact get` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Got {
    /// Its hash.
    pub artifact: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Where it was written.
    pub path: String,
    /// Whether it came over the network.
    pub fetched: bool,
}

/// What `artifact ls` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// One entry an artifact.
    pub artifacts: Vec<Item>,
}

/// One artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its hash.
    pub artifact: String,
    /// What it is called.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether all its bytes are here.
    pub held: bool,
}

/// What `artifact verify` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// How many artifacts were read.
    pub artifacts: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// Whether all were as named.
    pub ok: bool,
    /// What was not.
    pub problems: Vec<super::verify::Problem>,
}
