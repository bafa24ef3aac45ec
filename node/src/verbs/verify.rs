//! `verify`: reads the store against what was signed.

use cairn_crdt::id::RepoId;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::store;
use crate::verbs::Here;

/// What `verify` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// Whether every byte is read and every root derived again.
    pub deep: bool,
}

/// What `verify` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How many feeds were read.
    pub feeds: u64,
    /// How many stones were read.
    pub ssts: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// Whether nothing was wrong.
    pub ok: bool,
    /// What was wrong.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of thing, for programs.
    pub code: String,
    /// Where: a file, with the offset when it is known.
    #[serde(rename = "where")]
    pub place: String,
    /// What was found, for people.
    pub detail: String,
}

/// Verifies every repo of the home.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let mut answer = Answer { ok: true, ..Answer::default() };
    for (repo, report) in owner.verify(args.deep) {
        answer.feeds += report.feeds;
        answer.ssts += report.ssts;
        answer.bytes += report.bytes;
        answer.problems.extend(report.problems.iter().map(|problem| told(repo, problem)));
    }
    answer.ok = answer.problems.is_empty();
    Ok(answer)
}

fn told(repo: RepoId, problem: &store::Problem) -> Problem {
    Problem {
        code: problem.code.to_owned(),
        place: format!("repos/{repo}/{}", problem.place),
        detail: problem.detail.clone(),
    }
}
