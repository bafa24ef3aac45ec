//! Bytes on their way between a worktree and the stores.

use std::path::Path;
use std::sync::Arc;

use cairn_crdt::View;
use cairn_crdt::id::{ArtifactId, RepoId};
use cairn_crdt::path::RepoPath;

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Network, Place};
use crate::worktree::checkout::Source;
use crate::worktree::edits::Artifacts;

/// From the stores to a worktree.
pub struct Files<'a> {
    /// The stores.
    pub owner: &'a mut Owner,
    /// Where artifacts are.
    pub network: &'a mut dyn Network,
    /// The project.
    pub place: Place,
    /// The version.
    pub view: Arc<View>,
}

impl Source for Files<'_> {
    fn bytes(&mut self, path: &RepoPath) -> Result<Vec<u8>, NodeError> {
        self.place.bytes(self.owner, &self.view, path)
    }

    fn order<'a>(&mut self, paths: Vec<&'a RepoPath>) -> Result<Vec<&'a RepoPath>, NodeError> {
        self.place.by_disk(self.owner, &self.view, paths)
    }

    fn export(&mut self, artifact: ArtifactId, out: &Path) -> Result<bool, NodeError> {
        let repo = self.place.repo;
        if !self.network.holds_artifact(self.owner, repo, artifact)?
            && let Err(error) = self.network.fetch_artifact(self.owner, repo, artifact)
        {
            tracing::warn!(%artifact, %error, "an artifact is not here; its file is left out for now");
            return Ok(false);
        }
        self.network.export_artifact(self.owner, repo, artifact, out).map(|_| true)
    }
}

/// From a worktree to the artifact store.
pub struct Imports<'a> {
    /// The stores.
    pub owner: &'a mut Owner,
    /// Where artifacts go.
    pub network: &'a mut dyn Network,
    /// The repo that will name them.
    pub repo: RepoId,
}

impl Artifacts for Imports<'_> {
    fn import(&mut self, file: &Path, name: &str) -> Result<(ArtifactId, u64), NodeError> {
        let imported = self.network.import_artifact(self.owner, self.repo, file, name)?;
        Ok((imported.artifact, imported.bytes))
    }
}
