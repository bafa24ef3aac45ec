//! Coming back from the local disk.

use std::collections::BTreeSet;

use cairn_crdt::id::{FeedId, ProjectId, WaypointId};

use super::{Applied, Replica};
use crate::effect::Accepted;
use crate::error::Reject;
use crate::signed::Signed;
use crate::skeleton::{Bones, Skeleton};
use crate::top::Top;

/// What the disk has given of a project that is not shown yet.
#[derive(Debug, Default)]
pub(super) struct Restored {
    fresh: Vec<WaypointId>,
    feeds: BTreeSet<FeedId>,
}

impl Replica {
    /// Takes in what the local disk holds of one feed, or of a side of one, under the name that the
    /// batch had which brought it: the skeletons of all pieces from the first, and the signed top. The disk was checked when it was
    /// opened, so only the top's signature and the log's root are checked again. Nothing is shown before
    /// [`Replica::restored`], so feeds may come in any order.
    pub fn restore(
        &mut self,
        project: &str,
        feed: FeedId,
        top: Signed<Top>,
        skeletons: impl IntoIterator<Item = impl Into<Skeleton>>,
    ) -> Result<(), Reject> {
        let id = self.add_project(project)?;
        let top = top.verify()?;
        if top.feed.project != id || top.feed.repo != self.id() {
            return Err(Reject::Graft("project"));
        }
        let accepted = Accepted { project: id, feed, key: top.feed.key, start: 0, pieces: Vec::new(), top };
        let project = self.projects.get_mut(&id).ok_or(Reject::Missing)?;
        let skeletons = skeletons.into_iter().map(Into::into);
        let mut fresh = project.grow(&accepted, skeletons, &mut Applied::default());
        let restored = project.restored.get_or_insert_default();
        restored.fresh.append(&mut fresh);
        restored.feeds.insert(accepted.top.feed_id());
        self.check_restored(&accepted)
    }

    /// Takes in the relics of a feed that the disk has given: waypoints that lie beside it since a subtree that was gone
    /// covered them. What stands on them can be shown; the feed itself goes on without them.
    pub fn restore_relics(
        &mut self,
        project: &str,
        feed: FeedId,
        relics: impl IntoIterator<Item = Bones>,
    ) -> Result<(), Reject> {
        let id = self.add_project(project)?;
        let project = self.projects.get_mut(&id).ok_or(Reject::Missing)?;
        let mut fresh = Vec::new();
        for bones in relics {
            project.remember(feed, bones, &mut fresh, &mut Applied::default())?;
        }
        project.restored.get_or_insert_default().fresh.append(&mut fresh);
        Ok(())
    }

    /// All feeds of the local disk are here: the waypoints that they hold reach the documents, parents first also where they
    /// have faded.
    pub fn restored(&mut self, now_ms: u64) {
        let mut applied = Applied::default();
        let projects: Vec<ProjectId> = self.projects.keys().copied().collect();
        for id in projects {
            let Some(project) = self.projects.get_mut(&id) else { continue };
            let Some(restored) = project.restored.as_mut().map(std::mem::take) else { continue };
            self.show(id, restored.fresh, &restored.feeds, now_ms, &mut applied);
            let Some(project) = self.projects.get_mut(&id) else { continue };
            // Of what is left, the faded ones wait for something that is here and never gets ready.
            project.restored = None;
            let left = project.waiting.all();
            self.show(id, left, &BTreeSet::new(), now_ms, &mut applied);
        }
    }

    fn check_restored(&self, accepted: &Accepted) -> Result<(), Reject> {
        let feed = self.kept_feed(accepted.project, accepted.feed).ok_or(Reject::Missing)?;
        match feed.log.root_of(accepted.top.n) {
            Some(root) if root != accepted.top.root => Err(Reject::Proof("a stored feed")),
            _ => Ok(()),
        }
    }
}
