//! `artifact gc`: takes away the chunks that nothing needs.
//!
//! What a waypoint names that has not faded is needed: so whatever a mark, a branch, a worktree or a name shows, what is
//! held, and local checkpoints. What was pinned and what is on its way here is needed too.

use std::collections::BTreeSet;

use cairn_crdt::id::{ArtifactId, RepoId};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Network;

/// Artifacts that repos need.
pub type Needed = BTreeSet<(RepoId, ArtifactId)>;

/// What `artifact gc` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collected {
    /// Artifacts that nothing needs, and that went, or would.
    pub unneeded: Vec<String>,
    /// How many chunks that came to.
    pub chunks: u64,
    /// How many bytes those have.
    pub chunk_bytes: u64,
    /// What the chunk store took on the disk before.
    pub bytes_before: u64,
    /// What it takes after.
    pub bytes_after: u64,
}

/// Collects, or says what would be collected.
pub(super) fn run(
    owner: &mut Owner,
    network: &mut dyn Network,
    dry_run: bool,
) -> Result<Collected, NodeError> {
    network.sweep_artifacts(owner, dry_run)
}

/// Every artifact that a repo of the home needs.
pub(crate) fn needed(owner: &Owner) -> Result<Needed, NodeError> {
    let mut needed = Needed::new();
    if let Some((repo, error)) = owner.broken().iter().next() {
        let why = format!("repo {repo} cannot be opened, so nobody knows what it needs: {error}");
        return Err(NodeError::Refused(why));
    }
    for repo in owner.repos() {
        needed.extend(owner.store(repo)?.named_artifacts()?.into_iter().map(|artifact| (repo, artifact)));
        let projects = owner.replica(repo)?.projects().map(|(project, _)| project);
        let pinned = projects.flat_map(|project| owner.config().pinned(project));
        needed.extend(pinned.map(|artifact| (repo, artifact)));
    }
    Ok(needed)
}
