//! Fading: which waypoints may be forgotten. A pure choice; the disk does it.
//!
//! What a version shows needs the operations back to the beginning of its epoch and nothing below. So every
//! version that has to stay says what it needs, and what nobody needs may go: its operations, and the bytes that no
//! operation names any more. Who wrote it, when, on what and why stays, and its hash: the author's signature
//! over the feed still holds.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::Frontier;
use cairn_crdt::id::{ContentHash, FeedId, ProjectId, WaypointId};

use super::Replica;
use super::project::Project;

/// What has to stay beside what always does: marks, tips of branches, late work, held work.
#[derive(Debug, Clone, Copy)]
pub struct Retention<'a> {
    /// Waypoints younger than this stay, in milliseconds.
    pub keep_ms: u64,
    /// Versions that worktrees stand on.
    pub pins: &'a [Frontier],
}

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
        let mut heads = project.always_kept();
        heads.extend(retention.pins.iter().flat_map(Frontier::heads).copied());
        heads.extend(project.younger_than(retention.keep_ms, now_ms));
        heads.retain(|head| project.documents.contains(head));
        let heads: Vec<WaypointId> = heads.into_iter().collect();
        project.without(&project.documents.needed(&heads))
    }
}

impl Project {
    /// The heads of all versions that never fade.
    fn always_kept(&self) -> BTreeSet<WaypointId> {
        let names: BTreeSet<&String> = self.branches.keys().collect();
        let shown = self.versions().into_values().flat_map(|version| version.heads().to_vec());
        let late =
            names.into_iter().filter_map(|name| self.branches.get(name)).flat_map(|branch| branch.late(self));
        let marks = self
            .marks
            .iter()
            .filter(|(id, mark)| !self.is_deleted(id, mark))
            .flat_map(|(id, mark)| self.marked(id, mark).heads().to_vec());
        shown.chain(late).chain(marks).chain(self.held.keys().copied()).collect()
    }

    fn younger_than(&self, keep_ms: u64, now_ms: u64) -> impl Iterator<Item = WaypointId> + '_ {
        let since_ms = now_ms.saturating_sub(keep_ms);
        self.waypoints.iter().filter(move |(_, known)| known.stamp.wall_ms > since_ms).map(|(id, _)| *id)
    }

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
