//! `overlaps`: where concurrent edits met, with every alternative; and the choice of one.

mod question;
mod settle;
mod tell;

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network, Version};
use crate::worktree::link::digits;

pub use question::Question;
pub use settle::Settlement;
pub use tell::{Alternative, Overlap, Spot};
pub(crate) use tell::{kind, spots, told};

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
    /// What is only noted: where both sides changed one item in different places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Overlap>,
    /// Overlaps with what is around them, when that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
    /// The waypoint that settled one.
    pub waypoint: Option<String>,
    /// The version that is told of: after one was settled, that with the choice in it.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
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
    /// Tells some, or all, with what is around them.
    Ask {
        /// Which ones, as listed; all in which a choice is open when empty.
        indexes: Vec<usize>,
    },
    /// Settles one that was told before.
    Settle {
        /// The overlap, as it was told.
        overlap: Box<Overlap>,
        /// How.
        settlement: Settlement,
        /// What the waypoint says about it.
        message: Option<String>,
    },
}

/// Lists, shows, or takes.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    match &args.action {
        Action::List => list(owner, args, None),
        Action::Show { index } => list(owner, args, Some(*index)),
        Action::Ask { indexes } => ask(owner, args, indexes),
        Action::Take { index, alternative } => {
            settle::take_number(owner, args, *index, *alternative, network)
        }
        Action::Settle { overlap, settlement, message } => {
            settle::settle(owner, args, overlap, settlement, message.as_deref(), network)
        }
    }
}

fn ask(owner: &mut Owner, args: &Args, indexes: &[usize]) -> Result<Answer, NodeError> {
    let version = Version::find(owner, &args.here, args.uri.as_deref())?;
    let view = version.place.view(owner, &version.frontier)?;
    if let Some(index) = indexes.iter().find(|index| **index >= view.overlaps.len()) {
        return Err(NodeError::NotFound { what: "overlap", name: index.to_string() });
    }
    let questions = question::questions(owner, version.place, &view, indexes)?;
    let (frontier, root) = (digits(&version.frontier), view.root.to_string());
    Ok(Answer { questions, frontier, root, ..Answer::default() })
}

fn list(owner: &mut Owner, args: &Args, only: Option<usize>) -> Result<Answer, NodeError> {
    let version = Version::find(owner, &args.here, args.uri.as_deref())?;
    let view = version.place.view(owner, &version.frontier)?;
    if let Some(index) = only.filter(|index| *index >= view.overlaps.len()) {
        return Err(NodeError::NotFound { what: "overlap", name: index.to_string() });
    }
    let below = |met: &cairn_crdt::Overlap| version.path.as_ref().is_none_or(|path| met.path.is_within(path));
    let overlaps = tell::overlaps(owner, version.place, &view, |index, met| {
        only.is_none_or(|only| only == index) && below(met)
    })?;
    let notes = tell::notes(owner, version.place, &view, |met| only.is_none() && below(met))?;
    let (frontier, root) = (digits(&version.frontier), view.root.to_string());
    Ok(Answer { overlaps, notes, frontier, root, ..Answer::default() })
}
