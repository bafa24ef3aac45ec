//! Versions of several epochs brought together in the one that is in force.
//!
//! No waypoint stands on two epochs. So what was written beside the beginning of the epoch in force is carried
//! over: a waypoint on the epoch's beginning says what it did, and names what it carries.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::Frontier;
use cairn_crdt::id::WaypointId;
use cairn_crdt::path::RepoPath;
use cairn_protocol::Labels;
use cairn_protocol::entry::{Edge, EdgeKind};
use serde::{Deserialize, Serialize};

use super::Site;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::path_text;

/// A file in which late work met what the epoch has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// The file.
    pub path: String,
    /// In how many places.
    pub places: u64,
}

/// Several versions as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    /// The version.
    pub frontier: Frontier,
    /// The waypoints that carry something over, in order.
    pub carried: Vec<WaypointId>,
    /// Where what they carry met what was there.
    pub met: Vec<Met>,
}

impl Site {
    /// The late work of this worktree's key on its branch, which its own node carries over.
    pub fn own_late(&self, owner: &Owner) -> Result<Vec<Frontier>, NodeError> {
        let (replica, key) = (owner.replica(self.place.repo)?, self.key(owner));
        let late = replica.late(self.place.project, self.branch()).into_iter();
        let own =
            late.filter(|id| replica.entry(self.place.project, *id).is_some_and(|entry| entry.key == key));
        Ok(own.map(|id| Frontier::from_iter([id])).collect())
    }

    /// The version that shows what several versions show; what stands in another epoch than the one in force among them
    /// is carried over first.
    pub fn gather(&self, owner: &mut Owner, versions: &[Frontier]) -> Result<Gathered, NodeError> {
        let whole = self.place.blend(owner, versions)?;
        if self.place.documents(owner)?.is_one_epoch(&whole) {
            return Ok(Gathered { frontier: whole, ..Gathered::default() });
        }
        let heads: BTreeSet<WaypointId> = whole.heads().iter().copied().collect();
        let mut shown = self.place.documents(owner)?.in_force(&heads);
        let mut late = BTreeMap::<Option<WaypointId>, Vec<WaypointId>>::new();
        for head in heads.difference(&shown) {
            late.entry(self.place.documents(owner)?.epoch(head)).or_default().push(*head);
        }
        let mut gathered = Gathered::default();
        for (_, heads) in late {
            let waypoint = self.carry(owner, heads, &shown, &mut gathered.met)?;
            shown.insert(waypoint);
            gathered.carried.push(waypoint);
        }
        let shown: Frontier = shown.into_iter().collect();
        gathered.frontier = self.place.blend(owner, [&shown])?;
        Ok(gathered)
    }

    /// A version, and in it what was saved on the way there. What was saved in an earlier epoch is carried over, unless
    /// it is local. A version beside the epoch of what was saved stays as it is: nothing goes back over that border.
    pub fn with_saved(
        &self,
        owner: &mut Owner,
        version: &Frontier,
        saved: &Frontier,
    ) -> Result<Frontier, NodeError> {
        let both = self.place.blend(owner, [version, saved])?;
        let documents = self.place.documents(owner)?;
        if documents.is_one_epoch(&both) {
            return Ok(both);
        }
        let shown = documents.in_force(&both.heads().iter().copied().collect());
        let epoch = shown.first().and_then(|head| documents.epoch(head));
        let is_in_force = version.heads().iter().all(|head| documents.epoch(head) == epoch);
        match is_in_force && !self.keeping().local {
            true => Ok(self.gather(owner, &[version.clone(), saved.clone()])?.frontier),
            false => Ok(version.clone()),
        }
    }

    /// Writes one waypoint that says what `late`, all of one epoch, did.
    fn carry(
        &self,
        owner: &mut Owner,
        late: Vec<WaypointId>,
        shown: &BTreeSet<WaypointId>,
        met: &mut Vec<Met>,
    ) -> Result<WaypointId, NodeError> {
        let place = self.place;
        let documents = place.documents(owner)?;
        let began = shown.first().and_then(|tip| documents.epoch(tip));
        let began = began.ok_or(NodeError::Bug("an epoch in force that nobody began"))?;
        let marked: Frontier = documents.parents(&began).iter().copied().collect();
        let complete = owner.replica(place.repo)?.begun(place.project, began);
        let onto = Frontier::from_iter([complete.ok_or(NodeError::Bug("an epoch that is not complete"))?]);
        let from: Frontier = late.iter().copied().collect();
        let (replica, store) = owner.with(place.repo)?;
        let missing = NodeError::Bug("a place without documents");
        let documents = replica.documents_mut(place.project).ok_or(missing)?;
        let carried = documents.carry(&from, &marked, &onto, store)?;
        let told = |(path, places): (RepoPath, usize)| Met { path: path_text(&path), places: places as u64 };
        met.extend(carried.met.into_iter().map(told));
        let edge = |target: &WaypointId| Edge { kind: EdgeKind::Translates, target: *target };
        let labels = Labels {
            branch: Some(self.branch().to_owned()),
            message: Some("carried over".to_owned()),
            edges: late.iter().map(edge).collect(),
            ..Labels::default()
        };
        Ok(self.write(owner, onto, carried.draft, labels)?.waypoint)
    }
}
