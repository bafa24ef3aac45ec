//! Forgetting, from the choice to the disk.

use cairn_crdt::Frontier;
use cairn_crdt::id::{ProjectId, RepoId};
use cairn_protocol::replica::Retention;

use super::Owner;
use crate::clock;
use crate::error::NodeError;
use crate::store::Faded;

impl Owner {
    /// Forgets what may go from a project, or says what would go where `dry_run`.
    ///
    /// What is in memory is read again from the disk, so that nothing remembers what has faded.
    pub fn fade(
        &mut self,
        (repo, project): (RepoId, ProjectId),
        keep_ms: u64,
        pins: &[Frontier],
        dry_run: bool,
    ) -> Result<Faded, NodeError> {
        let fading = self.replica(repo)?.fading(project, Retention { keep_ms, pins }, clock::now_ms());
        if dry_run {
            return self.store(repo)?.would_fade(&fading);
        }
        let missing = self.missing(repo);
        let faded = self.stores.get_mut(&repo).ok_or(missing)?.fade(&fading);
        if !matches!(&faded, Ok(faded) if faded.waypoints == 0) {
            self.reopen(repo);
            self.pump();
        }
        faded
    }
}
