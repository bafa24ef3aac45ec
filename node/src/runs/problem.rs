//! Why something cannot be done with a run.

use super::filter::FilterError;
use super::record::{RecordError, RunId};

/// Why something cannot be done with a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A name that looks like a secret would be written where others read it.
    #[error("{0} looks like a secret, and a record is for everybody who may read the project")]
    Secret(String),
    /// The record is nowhere else.
    #[error("run {0} is kept in this worktree alone: nobody else can have it")]
    LocalRun(RunId),
    /// The code is nowhere else.
    #[error("the code of run {0} is a local waypoint, which is only where it was run")]
    LocalCode(RunId),
    /// A folder that is not as it must be to reproduce something in it.
    #[error("{folder} {why}")]
    Folder {
        /// The folder.
        folder: String,
        /// What is wrong with it.
        why: String,
    },
    /// An input that cannot be brought as it was.
    #[error("the input {path} is not to be had: {why}")]
    Input {
        /// Where it lies in the worktree.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// The record is not the one that was named, or says of the code what is not so.
    #[error("the record of run {run} {why}")]
    Untrue {
        /// The run.
        run: RunId,
        /// What is wrong with it.
        why: String,
    },
    /// A file that somebody writes all the time.
    #[error("{0} is being changed; it is not recorded")]
    Changing(String),
    /// It does not fit into a record.
    #[error("the record: {0}")]
    Record(#[from] RecordError),
    /// An expression that is none.
    #[error("{0}")]
    Filter(#[from] FilterError),
}

impl Problem {
    /// What the user can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Secret(_) => "leave it out: the command finds it in its environment all the same",
            Self::LocalRun(_) => "run it again without --local, with a right to write",
            Self::LocalCode(_) => "`cairn post` the code and run it again, without --local",
            Self::Folder { .. } => "name a folder that is not there yet",
            Self::Input { .. } => "let somebody who has it serve, and try again",
            Self::Untrue { .. } => "ask whoever wrote it; `cairn run log` names what is no record",
            Self::Changing(_) => "wait until nobody writes it any more",
            Self::Record(_) => "name fewer files, or pack them into one",
            Self::Filter(_) => "`cairn run log --help` tells how questions are asked",
        }
    }

    /// Whether the question was wrong, and nothing else.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Filter(_))
    }
}
