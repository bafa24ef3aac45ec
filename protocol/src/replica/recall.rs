//! Coming back: bodies that faded here, from an archive or from a peer that still has them.
//!
//! A waypoint's name stays when its body fades, and the name is a hash over all that it said. So whoever offers a body
//! need not be believed: it is the one, or it is refused. What came back stays until the next fade.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_crdt::Frontier;
use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{FeedId, ProjectId, WaypointId};

use super::Replica;
use super::project::{Known, Project};
use crate::effect::Recalled;
use crate::error::Reject;
use crate::key::DeviceKey;
use crate::piece::{Gone, count_in};
use crate::skeleton::Bones;
use crate::stamp::Stamp;
use crate::waypoint::Waypoint;
use crate::wire::Segment;

/// A waypoint whose body has faded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    /// The waypoint.
    pub id: WaypointId,
    /// Who wrote it.
    pub key: DeviceKey,
    /// The feed, or the local name of a side of one.
    pub feed: FeedId,
    /// The place in the feed, from 0.
    pub place: u64,
    /// When it was written.
    pub stamp: Stamp,
}

impl Replica {
    /// The waypoints that a version needs and that have faded here, by feed and place; those of its whole past where
    /// `deep`: bytes that a version names may lie further down than its operations.
    pub fn forgotten(&self, project: ProjectId, version: &Frontier, deep: bool) -> Vec<Forgotten> {
        let Some(project) = self.projects.get(&project) else { return Vec::new() };
        let needed: Vec<WaypointId> = match deep {
            true => project.documents.ancestors(version).collect(),
            false => project.documents.needed(version.heads()).into_iter().collect(),
        };
        let faded = needed.iter().filter_map(|id| Some((id, project.waypoints.get(id)?)));
        let faded = faded.filter(|(_, known)| known.faded);
        let placed: BTreeMap<(FeedId, u64), Forgotten> =
            faded.map(|(id, known)| ((known.feed, known.seq), forgotten(*id, known))).collect();
        placed.into_values().collect()
    }

    /// Those waypoints of a run that have faded here and that it brings whole. One that is not what its name says is
    /// the error, with its place.
    pub fn recallable(&self, segment: &Segment) -> Result<Vec<Recalled>, (u64, Reject)> {
        let top = segment.top.claimed();
        let Some(project) = self.projects.get(&top.feed.project) else { return Ok(Vec::new()) };
        let history = self.holding(top).first().and_then(|feed| project.feeds.get(feed));
        let mut recalled = Vec::new();
        let mut place = segment.start;
        for bytes in &segment.pieces {
            let named = history.and_then(|feed| feed.log.id(place));
            let found = project.recallable(bytes, named).map_err(|reject| (place, reject))?;
            recalled.extend(found);
            place = place.saturating_add(count_in(std::slice::from_ref(bytes)));
        }
        Ok(recalled)
    }

    /// Takes in bodies that are durable again.
    pub fn recall(&mut self, recalled: &[Recalled]) {
        for one in recalled {
            if let Some(project) = self.projects.get_mut(&one.project) {
                project.recall(&one.waypoint);
            }
        }
    }
}

impl Project {
    /// Reads a body that may be one that has faded here. `named` is the waypoint that must be there.
    fn recallable(&self, bytes: &[u8], named: Option<WaypointId>) -> Result<Option<Recalled>, Reject> {
        let is_faded = |id: WaypointId| self.waypoints.get(&id).is_some_and(|known| known.faded);
        if Gone::peek(bytes).is_some() || named.is_some_and(|id| !is_faded(id)) {
            return Ok(None);
        }
        let waypoint = Waypoint::from_bytes(bytes)?;
        let id = waypoint.id();
        if named.is_some_and(|named| named != id) {
            return Err(Reject::Proof("a waypoint that has faded here"));
        }
        let Some(known) = self.waypoints.get(&id).filter(|known| known.faded) else { return Ok(None) };
        if !waypoint.is_whole() {
            return Ok(None);
        }
        waypoint.check_payloads()?;
        let read = Known::read(Bones::whole(&waypoint), &known.source)?;
        let ops = read.waiting.as_ref().map_or(&[][..], |change| &change.ops);
        self.documents.check(ops).map_err(Reject::Document)?;
        let (feed, place) = (known.feed, known.seq - 1);
        Ok(Some(Recalled { project: self.id(), feed, place, waypoint: Arc::new(waypoint) }))
    }

    fn recall(&mut self, waypoint: &Waypoint) {
        let Some(known) = self.waypoints.get_mut(&waypoint.id()).filter(|known| known.faded) else { return };
        // What was made durable has been read and checked before; what cannot be read stays faded.
        let Ok(read) = Known::read(Bones::whole(waypoint), &known.source) else { return };
        let Some(change) = read.waiting else { return };
        if !self.documents.contains(&waypoint.id()) {
            // It still waits for what it stands on.
            (known.waiting, known.faded, known.writes) = (Some(change), false, read.writes);
            return;
        }
        if self.documents.recall(&change).is_ok() {
            (known.faded, known.writes) = (false, read.writes);
        }
    }
}

fn forgotten(id: WaypointId, known: &Known) -> Forgotten {
    Forgotten { id, key: known.key, feed: known.feed, place: known.seq - 1, stamp: known.stamp }
}
