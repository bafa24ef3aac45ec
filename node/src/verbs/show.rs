//! `show`: one waypoint with its changes, or one file at a version.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Here;

/// What `show` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to show; the version stood on when left out.
    pub uri: Option<String>,
}

/// What `show` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The version shown.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// The waypoint, when the version is one.
    pub waypoint: Option<super::log::Logged>,
    /// What it changed against the version it was written on.
    pub changes: Vec<super::diff::FileDiff>,
    /// The file, when a path was asked for.
    pub file: Option<Shown>,
}

/// Shows it.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}

/// One file at a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its path.
    pub path: String,
    /// `text`, `bytes`, `link` or `artifact`.
    pub kind: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether it may be executed.
    pub executable: bool,
    /// Its text, when it is UTF-8; a link's target; an artifact's hash.
    pub text: Option<String>,
    /// Its bytes in hexadecimal digits, when they are no UTF-8.
    pub hex: Option<String>,
}
