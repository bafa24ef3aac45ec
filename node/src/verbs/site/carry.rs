//! Bytes on their way between a worktree and the stores.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use cairn_crdt::id::{ArtifactId, ContentHash, RepoId};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{FileBody, View};

use crate::config::Fetching;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::artifact::policy::wanted;
use crate::verbs::{Network, Place};
use crate::worktree::checkout::{Source, differing};
use crate::worktree::edits::Artifacts;

/// The most bytes that are brought at once; worktrees that need more are written one by one.
const BROUGHT_BYTES_MAX: u64 = 64 << 20;

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
    /// Whether somebody asked for what is brought, so that no policy leaves it out.
    pub asked: bool,
    /// What comes by itself under `pinned`, once that was looked up.
    pub pins: Option<BTreeSet<ArtifactId>>,
}

impl Files<'_> {
    /// Whether the policy of the project leaves an artifact where it is.
    fn is_left(&mut self, artifact: ArtifactId) -> Result<bool, NodeError> {
        if self.asked || self.owner.config().fetching(self.place.project) != Fetching::Pinned {
            return Ok(false);
        }
        let pins = match self.pins.take() {
            Some(pins) => pins,
            None => wanted(self.owner, self.place)?,
        };
        Ok(!self.pins.insert(pins).contains(&artifact))
    }
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
        if !self.network.holds_artifact(self.owner, repo, artifact)? {
            if self.is_left(artifact)? {
                return Ok(false);
            }
            if let Err(error) = self.network.fetch_artifact(self.owner, repo, artifact) {
                tracing::warn!(%artifact, %error, "an artifact is not here; its file is left out for now");
                return Ok(false);
            }
        }
        self.network.export_artifact(self.owner, repo, artifact, out).map(|_| true)
    }
}

/// Bytes that were brought from the stores before, for several worktrees that are written at once.
#[derive(Debug, Default)]
pub struct Brought(BTreeMap<ContentHash, Vec<u8>>);

impl Brought {
    /// Brings what `to` shows otherwise than `known`; `false` where that is more than what is brought for all together
    /// may be, or lies elsewhere.
    pub fn bring(
        &mut self,
        owner: &mut Owner,
        place: Place,
        known: &View,
        to: &View,
    ) -> Result<bool, NodeError> {
        for path in differing(&[known], to) {
            match to.files.get(&path).map(|file| &file.body) {
                None | Some(FileBody::Link { .. }) => {}
                Some(FileBody::Artifact { .. }) => return Ok(false),
                Some(FileBody::Bytes { content, .. }) if self.0.contains_key(content) => {}
                Some(FileBody::Bytes { bytes, .. }) if self.bytes() + bytes > BROUGHT_BYTES_MAX => {
                    return Ok(false);
                }
                Some(FileBody::Bytes { content, .. }) => {
                    self.0.insert(*content, place.bytes(owner, to, &path)?);
                }
            }
        }
        Ok(true)
    }

    fn bytes(&self) -> u64 {
        self.0.values().map(|bytes| bytes.len() as u64).sum()
    }

    /// The files of a version.
    pub fn files<'a>(&'a self, view: &'a View) -> impl Source + 'a {
        BroughtFiles { brought: self, view }
    }
}

/// The files of a version whose bytes were brought.
struct BroughtFiles<'a> {
    brought: &'a Brought,
    view: &'a View,
}

impl Source for BroughtFiles<'_> {
    fn bytes(&mut self, path: &RepoPath) -> Result<Vec<u8>, NodeError> {
        let content = match self.view.files.get(path).map(|file| &file.body) {
            Some(FileBody::Bytes { content, .. }) => self.brought.0.get(content),
            _ => None,
        };
        content.cloned().ok_or(NodeError::Bug("a file whose bytes were not brought"))
    }

    fn export(&mut self, _artifact: ArtifactId, _out: &Path) -> Result<bool, NodeError> {
        Err(NodeError::Bug("an artifact among what was brought"))
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
