//! `overlaps`: where concurrent edits met, with every alternative; and the choice of one.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network};

/// What `overlaps` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The version; what the worktree stands on when left out.
    pub uri: Option<String>,
    /// What to do.
    pub action: Action,
}

/// What `overlaps` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The overlaps of the version: all, or the one asked for.
    pub overlaps: Vec<Overlap>,
    /// The waypoint that took an alternative.
    pub waypoint: Option<String>,
    /// The version that is told of: after `take`, the one with the choice in it.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
}

/// Lists, shows, or takes.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}

/// What to do about overlaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Lists all.
    #[default]
    List,
    /// Shows one.
    Show {
        /// Which one, as listed.
        index: usize,
    },
    /// Settles one in favour of an alternative.
    Take {
        /// Which one, as listed.
        index: usize,
        /// Which alternative, as listed; 0 is the one shown now.
        alternative: usize,
    },
}

/// One place where concurrent edits met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Its place in the list.
    pub index: usize,
    /// What met: `replace`, `delete_edit`, `name`, …
    pub kind: String,
    /// The file.
    pub path: String,
    /// The item inside the file.
    pub symbol: Option<String>,
    /// What each side wrote; the first is shown.
    pub alternatives: Vec<Alternative>,
}

/// One side of an overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Its text, invalid UTF-8 replaced.
    pub text: String,
    /// The waypoints that wrote it.
    pub waypoints: Vec<String>,
    /// Who wrote it: names, or keys where there is no name.
    pub authors: Vec<String>,
}
