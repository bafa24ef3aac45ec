//! Runs of experiments: what was run, on which code and data, where, and what came of it.
//!
//! A run is a *record*: a JSON document that is a file on the branch [`RUNS_BRANCH`] of its project, as names of artifacts are
//! files on a branch of theirs. So records are signed, travel, merge and are kept like everything else, and need no format of
//! their own. A record is named after the hash of its bytes and never changes; its log and its series of metrics are files beside
//! it, which it names by their hashes, and large outputs are artifacts below a folder of its name.
//!
//! Records come from other people: they are read as bytes from outside, and what is none is told and passed over.

pub mod begun;
pub mod book;
pub mod chart;
pub mod compare;
pub mod descent;
pub mod environment;
pub mod execute;
pub mod filter;
pub mod found;
pub mod lineage;
pub mod metrics;
pub mod number;
pub mod problem;
pub mod provenance;
pub mod record;

use cairn_crdt::path::RepoPath;

use crate::error::NodeError;

pub use found::Patterns;
pub use number::Number;
pub use problem::Problem;
pub use record::{Record, RunId};

/// The branch on which records are files.
pub const RUNS_BRANCH: &str = "runs";

/// The folder on that branch in which they lie.
const FOLDER: &str = "runs";

/// The folder of a run in which its inputs lie, as far as they are artifacts.
pub(crate) const INPUTS: &str = "in";

/// The same for its outputs.
pub(crate) const OUTPUTS: &str = "out";

/// A file of a run on its branch: `runs/<id><ending>`.
pub(crate) fn file(id: &RunId, ending: &str) -> Result<RepoPath, NodeError> {
    RepoPath::new(format!("{FOLDER}/{id}{ending}").as_bytes())
        .map_err(|error| NodeError::Refused(format!("the name of a run's file: {error}")))
}
