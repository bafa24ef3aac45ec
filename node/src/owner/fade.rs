//! Forgetting, from the choice to the disk.

use cairn_crdt::Frontier;
use cairn_crdt::id::{ProjectId, RepoId};
use cairn_protocol::replica::{Fading, Retention};
use cairn_protocol::retention::Thinning;

use super::Owner;
use crate::error::NodeError;
use crate::store::Faded;

/// What stays of a project beside what always does.
#[derive(Debug, Clone, Copy)]
pub struct Keep<'a> {
    /// How long history stays; the project's floor comes on top.
    pub thinning: Thinning,
    /// Names of faded waypoints younger than this stay.
    pub names_ms: u64,
    /// Versions that worktrees stand on.
    pub pins: &'a [Frontier],
    /// Whether what no other peer is known to have may go all the same.
    pub alone: bool,
}

impl Owner {
    /// Forgets what may go from a project.
    ///
    /// What is in memory is read again from the disk, so that nothing remembers what has faded.
    pub fn fade(&mut self, (repo, project): (RepoId, ProjectId), keep: Keep<'_>) -> Result<Faded, NodeError> {
        let fading = self.fading((repo, project), keep)?;
        let faded = self.store_mut(repo)?.fade(&fading);
        if !matches!(&faded, Ok(faded) if faded.waypoints == 0) {
            self.reopen(repo);
            self.pump();
        }
        faded
    }

    /// Says what would go; nothing is forgotten.
    pub fn would_fade(
        &mut self,
        (repo, project): (RepoId, ProjectId),
        keep: Keep<'_>,
    ) -> Result<Faded, NodeError> {
        let fading = self.fading((repo, project), keep)?;
        self.store_mut(repo)?.would_fade(&fading)
    }

    /// How many waypoints stay only because no other peer is known to have them.
    pub fn unshared(
        &mut self,
        (repo, project): (RepoId, ProjectId),
        keep: Keep<'_>,
    ) -> Result<u64, NodeError> {
        let kept = self.fading((repo, project), Keep { alone: false, ..keep })?;
        let mut more = self.fading((repo, project), Keep { alone: true, ..keep })?;
        for (feed, places) in kept.places.iter().chain(&kept.gone) {
            for all in [more.places.get_mut(feed), more.gone.get_mut(feed)].into_iter().flatten() {
                all.retain(|place| !places.contains(place));
            }
        }
        if more.count() == 0 { Ok(0) } else { Ok(self.store_mut(repo)?.would_fade(&more)?.waypoints) }
    }

    fn fading(&self, (repo, project): (RepoId, ProjectId), keep: Keep<'_>) -> Result<Fading, NodeError> {
        let elsewhere = self.elsewhere(repo).filter(|_| !keep.alone);
        let Keep { thinning, names_ms, pins, .. } = keep;
        let retention = Retention { thinning, names_ms, pins, elsewhere: elsewhere.as_ref() };
        let store = self.store(repo)?;
        Ok(self.replica(repo)?.fading(project, retention, store, store, self.now_ms())?)
    }
}
