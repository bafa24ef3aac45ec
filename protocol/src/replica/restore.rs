//! Coming back from the local disk.

use cairn_crdt::id::FeedId;

use super::{Applied, Replica};
use crate::effect::Accepted;
use crate::error::Reject;
use crate::signed::Signed;
use crate::skeleton::Skeleton;
use crate::top::Top;

impl Replica {
    /// Takes in what the local disk holds of one feed, or of a side of one, under the name that the
    /// batch had which brought it: the skeletons of all pieces from the first, and the signed top. The disk was checked when it was
    /// opened, so only the top's signature and the log's root are checked again. Feeds may come in any
    /// order: waypoints wait for parents in other feeds.
    pub fn restore(
        &mut self,
        project: &str,
        feed: FeedId,
        top: Signed<Top>,
        skeletons: impl IntoIterator<Item = impl Into<Skeleton>>,
        now_ms: u64,
    ) -> Result<Applied, Reject> {
        let project = self.add_project(project)?;
        let top = top.verify()?;
        if top.feed.project != project || top.feed.repo != self.id() {
            return Err(Reject::Graft("project"));
        }
        let accepted = Accepted { project, feed, key: top.feed.key, start: 0, pieces: Vec::new(), top };
        let mut applied = Applied::default();
        self.apply_feed(&accepted, skeletons.into_iter().map(Into::into), now_ms, &mut applied);
        self.check_restored(&accepted)?;
        Ok(applied)
    }

    fn check_restored(&self, accepted: &Accepted) -> Result<(), Reject> {
        let feed = self.kept_feed(accepted.project, accepted.feed).ok_or(Reject::Missing)?;
        match feed.log.root_of(accepted.top.n) {
            Some(root) if root != accepted.top.root => Err(Reject::Proof("a stored feed")),
            _ => Ok(()),
        }
    }
}
