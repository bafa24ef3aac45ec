//! Fading: which waypoints may be forgotten. A pure choice; the disk does it.
//!
//! What a version shows needs the operations back to the beginning of its epoch and nothing below. So every
//! version that has to stay says what it needs, and what nobody needs may go: its operations, and the bytes that no
//! operation names any more. Who wrote it, when, on what and why stays, and its hash: the author's signature
//! over the feed still holds.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::{ContentHash, FeedId, ProjectId, WaypointId};

use super::project::Project;
use super::{Replica, Retention};

/// What may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fading {
    /// The places, from 0, of the waypoints in each feed whose operations go.
    pub places: BTreeMap<FeedId, BTreeSet<u64>>,
    /// The contents that stay though their waypoints fade, because something else names them.
    pub contents: BTreeSet<ContentHash>,
}

impl Fading {
    /// How many waypoints fade.
    pub fn count(&self) -> u64 {
        self.places.values().map(|places| places.len() as u64).sum()
    }
}

impl Replica {
    /// What may go from a project at `now_ms`.
    pub fn fading(&self, project: ProjectId, retention: Retention<'_>, now_ms: u64) -> Fading {
        let Some(project) = self.projects.get(&project) else { return Fading::default() };
        let heads: Vec<WaypointId> = project.kept(retention, now_ms).into_iter().collect();
        project.without(&project.documents.needed(&heads))
    }
}

impl Project {
    /// What goes where only `needed` stays.
    fn without(&self, needed: &BTreeSet<WaypointId>) -> Fading {
        let mut fading = Fading { contents: self.documents.named(needed), ..Fading::default() };
        for id in self.order.iter().filter(|id| !needed.contains(*id)) {
            if let Some(known) = self.waypoints.get(id).filter(|known| !known.faded) {
                fading.places.entry(known.feed).or_default().insert(known.seq - 1);
            }
        }
        fading
    }
}
