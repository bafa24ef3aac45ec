//! `fsck`: puts right what can be derived again.

use serde::{Deserialize, Serialize};

use super::verify;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Here;

/// What `fsck` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// Whether indexes are thrown away and made again from the feeds.
    pub rebuild: bool,
}

/// What `fsck` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How many repos were read.
    pub repos: u64,
    /// Whether the indexes were made again.
    pub rebuilt: bool,
    /// Whether nothing is wrong.
    pub ok: bool,
    /// What is wrong.
    pub problems: Vec<super::verify::Problem>,
}

/// Rebuilds if asked, then verifies.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    if args.rebuild {
        owner.rebuild()?;
    }
    let verified = verify::run(owner, &verify::Args { here: args.here.clone(), deep: true })?;
    Ok(Answer {
        repos: (owner.repos().len() + owner.broken().len()) as u64,
        rebuilt: args.rebuild,
        ok: verified.ok,
        problems: verified.problems,
    })
}
