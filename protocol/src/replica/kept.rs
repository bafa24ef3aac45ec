//! What has to stay: the versions of a project that never fade, and those that its retention keeps.
//!
//! Never faded are marks, tips of branches, what worktrees stand on, work that is late or held, and what nobody else
//! has yet. Overlaps are part of what these show: whoever holds a version whole holds every alternative in it. Late
//! work that was carried over stays until the next epoch begins above it, because where it met something, what the
//! branch had written stands nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::Frontier;
use cairn_crdt::id::{FeedId, WaypointId};

use super::project::{Known, Project};
use crate::entry::EdgeKind;
use crate::retention::{Shown, Thinning};

/// What stays beside what always does.
#[derive(Debug, Clone, Copy)]
pub struct Retention<'a> {
    /// How long history stays; the project's floor comes on top.
    pub thinning: Thinning,
    /// The names of faded waypoints younger than this stay, in milliseconds: by a name they can be found and asked for.
    pub names_ms: u64,
    /// Versions that worktrees stand on.
    pub pins: &'a [Frontier],
    /// How much of each feed other peers are known to hold: what lies above stays. `None` where that is no
    /// reason to keep anything.
    pub elsewhere: Option<&'a BTreeMap<FeedId, u64>>,
}

impl Project {
    /// The heads of all versions that stay.
    pub(super) fn kept(&self, retention: Retention<'_>, now_ms: u64) -> BTreeSet<WaypointId> {
        let thinning = retention.thinning.at_least(self.floor_ms());
        let mut heads = self.always_kept();
        heads.extend(retention.pins.iter().flat_map(Frontier::heads).copied());
        heads.extend(self.that_are(|known| thinning.is_young(known.stamp.wall_ms, now_ms)));
        // Of those that never leave this home, an hour keeps one beside the branch's own.
        heads.extend([false, true].iter().flat_map(|local| thinning.picks(&self.shown(*local), now_ms)));
        if let Some(elsewhere) = retention.elsewhere {
            // What nobody else may ever have is not kept until somebody has it.
            let held = |known: &Known| {
                known.labels.local || elsewhere.get(&known.feed).is_some_and(|n| known.seq <= *n)
            };
            heads.extend(self.that_are(|known| !held(known)));
        }
        // What has faded shows nothing, so nothing need stay for it.
        heads.retain(|head| self.documents.contains(head) && !self.documents.is_faded(head));
        heads
    }

    /// The heads of all versions that never fade, whoever else has them.
    fn always_kept(&self) -> BTreeSet<WaypointId> {
        let versions = self.versions();
        let late = self.branches.values().flat_map(|branch| branch.late(self));
        let marks = self
            .marks
            .iter()
            .filter(|(id, mark)| !self.is_deleted(id, mark))
            .flat_map(|(id, mark)| self.marked(id, mark).heads().to_vec());
        let heads = late.chain(marks).chain(self.held.keys().copied());
        let mut heads: BTreeSet<WaypointId> = heads.chain(self.met(&versions)).collect();
        heads.extend(versions.values().flat_map(Frontier::heads));
        heads
    }

    /// The late work that was carried over into the epochs that branches are in.
    fn met(&self, versions: &BTreeMap<String, Frontier>) -> Vec<WaypointId> {
        let epoch = |id| self.documents.epoch(id);
        let open: BTreeSet<_> = versions.values().flat_map(Frontier::heads).map(epoch).collect();
        let carriers =
            self.order.iter().filter(|id| open.contains(&epoch(id)) && !self.held.contains_key(*id));
        let edges = carriers.filter_map(|id| self.waypoints.get(id)).flat_map(|known| &known.labels.edges);
        edges.filter(|edge| edge.kind == EdgeKind::Translates).map(|edge| edge.target).collect()
    }

    fn that_are<'a>(&'a self, holds: impl Fn(&Known) -> bool + 'a) -> impl Iterator<Item = WaypointId> + 'a {
        self.waypoints.iter().filter(move |(_, known)| holds(known)).map(|(id, _)| *id)
    }

    /// Every version that a branch ever showed, or the local ones that were written on one.
    fn shown(&self, local: bool) -> Vec<Shown<'_>> {
        let shown = self.order.iter().filter_map(|id| {
            let known =
                self.waypoints.get(id).filter(|known| !known.continued && known.labels.local == local)?;
            Some(Shown { branch: known.labels.branch.as_deref()?, stamp: known.stamp, id: *id })
        });
        shown.collect()
    }
}
