//! What vouches for one waypoint to somebody who holds nothing of the repo.

use cairn_crdt::id::{FeedId, ProjectId};

use super::Replica;
use crate::proof::InclusionProof;
use crate::signed::Signed;
use crate::top::Top;

impl Replica {
    /// The top that vouches for number `seq` (from 1) of a feed that others may have, and that it is in that log. `None` where it is
    /// not held in full, or lies beside what was forgotten as a whole.
    pub fn vouch(&self, project: ProjectId, feed: FeedId, seq: u64) -> Option<(Signed<Top>, InclusionProof)> {
        let feed = self.feed(project, feed)?;
        let top = feed.whole.as_ref()?;
        let proof = feed.log.inclusion(seq.checked_sub(1)?, top.n)?;
        Some((top.signed().clone(), proof))
    }
}
