//! What lies below epochs, by the maps that their first waypoints carry.
//!
//! An epoch that has a map does not wait for what it stands on, which others may have forgotten. What of it is here
//! all the same, or comes later, is told by the map to lie in the epoch's past.

use std::collections::BTreeSet;
use std::ops::Range;

use cairn_crdt::Frontier;
use cairn_crdt::id::{FeedId, ProjectId, Root, WaypointId};

use super::Replica;
use super::project::{Feed, Known, Project};
use crate::entry::EdgeKind;
use crate::epoch::{Absorbed, Beside, Epoch};
use crate::error::Reject;
use crate::grant::Grants;
use crate::limits::{ABSORBED_COUNT_MAX, BESIDE_COUNT_MAX};
use crate::wire::segment::Proven;

impl Replica {
    /// What the first waypoint of an epoch on top of a version says: that it shows `root`, and what is in its past.
    pub fn epoch_on(&self, project: ProjectId, version: &Frontier, root: Root) -> Epoch {
        self.projects.get(&project).map_or(Epoch::bare(root), |project| project.epoch_on(version, root))
    }

    /// Refuses a run with forgotten waypoints that no epoch is known to have: they may be what everybody looks for.
    pub(super) fn check_gone(&self, proven: &Proven) -> Result<(), Reject> {
        let (name, mut place) = (proven.top.feed, proven.start);
        let shown = proven.witnesses.iter().filter_map(|witness| self.shown(name.project, witness));
        let shown: Vec<Absorbed> = shown.collect();
        let Some(project) = self.projects.get(&name.project) else { return Err(Reject::Missing) };
        for piece in &proven.pieces {
            let end = place.saturating_add(piece.count());
            let gone = piece.waypoint().is_none().then_some(place..end);
            let lacking = without(gone, &shown);
            if !lacking.is_empty() && !project.unabsorbed(&name.id(), lacking).is_empty() {
                return Err(Reject::Unabsorbed);
            }
            place = end;
        }
        Ok(())
    }
}

/// Whether a waypoint's author was an admin where it stands: may begin an epoch, may set a floor.
pub(super) fn is_admin(known: &Known, project: ProjectId, grants: &Grants) -> bool {
    grants.is_admin(&known.key, project, (known.seq, known.stamp.wall_ms))
}

fn has(epoch: &Epoch, known: &Known) -> bool {
    let absorbed = epoch.absorbed(&known.origin).filter(|_| known.feed == known.origin);
    absorbed.is_some_and(|absorbed| absorbed.has(known.seq - 1))
}

/// What of some runs of a feed none of these has in its past.
pub(super) fn without<'a>(
    runs: impl IntoIterator<Item = Range<u64>>,
    lines: impl IntoIterator<Item = &'a Absorbed>,
) -> Vec<Range<u64>> {
    let runs = runs.into_iter().collect();
    lines.into_iter().fold(runs, |runs, line| runs.into_iter().flat_map(|run| line.lacking(run)).collect())
}

impl Project {
    /// The admitted epochs that say what lies below them.
    fn maps(&self) -> impl Iterator<Item = &Epoch> + '_ {
        self.epochs.iter().filter_map(|id| self.epoch_of(id))
    }

    fn epoch_of(&self, id: &WaypointId) -> Option<&Epoch> {
        self.waypoints.get(id)?.labels.epoch.as_ref().filter(|epoch| epoch.is_detached())
    }

    /// What of some runs of a feed no admitted epoch is known to have in its past.
    fn unabsorbed(&self, feed: &FeedId, runs: Vec<Range<u64>>) -> Vec<Range<u64>> {
        without(runs, self.maps().filter_map(|epoch| epoch.absorbed(feed)))
    }

    /// Whether an admitted epoch is known to have a waypoint in its past.
    pub(super) fn is_absorbed(&self, known: &Known) -> bool {
        self.maps().any(|epoch| has(epoch, known))
    }

    /// Tells the documents what lies in the past of epochs though no parents lead there, now that `fresh` came.
    ///
    /// Where nothing is forgotten and nothing is missing below an epoch, parents lead everywhere.
    pub(super) fn absorb(&mut self, fresh: &[WaypointId]) {
        let begun = fresh.iter().filter(|id| self.epoch_of(id).is_some()).copied();
        let before = self.mapped.len();
        self.mapped.extend(begun.collect::<Vec<_>>());
        // A new epoch, and a new gap, may part what is here for long.
        let parted = std::mem::take(&mut self.parted) || self.mapped.len() > before;
        if !self.gaps {
            return;
        }
        let ids: Vec<WaypointId> = match parted {
            true => self.waypoints.names().copied().collect(),
            false => fresh.iter().filter(|id| self.is_mapped(id)).copied().collect(),
        };
        if ids.is_empty() {
            return;
        }
        for began in &self.mapped {
            let below = self.maps_below(began);
            let in_past = |id: &&WaypointId| {
                let known = self.waypoints.get(id).filter(|_| *id != began);
                known.is_some_and(|known| below.iter().any(|epoch| has(epoch, known)))
            };
            let past: Vec<WaypointId> = ids.iter().filter(in_past).copied().collect();
            self.documents.absorb(*began, &past);
        }
    }

    /// Whether any epoch has a waypoint in its map.
    fn is_mapped(&self, id: &WaypointId) -> bool {
        let maps = || self.mapped.iter().filter_map(|began| self.epoch_of(began));
        self.waypoints.get(id).is_some_and(|known| maps().any(|epoch| has(epoch, known)))
    }

    /// The maps of an epoch and of all that it has in its past.
    fn maps_below(&self, began: &WaypointId) -> Vec<&Epoch> {
        let mut below: Vec<&Epoch> = self.epoch_of(began).into_iter().collect();
        let mut open: Vec<_> =
            self.mapped.iter().filter_map(|id| Some((id, self.waypoints.get(id)?))).collect();
        loop {
            let before = open.len();
            open.retain(|(id, known)| {
                let is_below = below.iter().any(|epoch| has(epoch, known));
                below.extend(self.epoch_of(id).filter(|_| is_below));
                !is_below
            });
            if open.len() == before {
                return below;
            }
        }
    }

    fn epoch_on(&self, version: &Frontier, root: Root) -> Epoch {
        let heads = version.heads();
        let is_past = |id: &WaypointId| heads.iter().any(|head| self.documents.is_ancestor(id, head));
        let below: Vec<&Epoch> =
            self.epochs.iter().filter(|id| is_past(id)).filter_map(|id| self.epoch_of(id)).collect();
        let translated = self.translated(&is_past);
        let is_past = |id: &WaypointId| translated.contains(id) || is_past(id);
        let whole = |(id, feed): &(&FeedId, &Feed)| {
            feed.origin == **id && !self.sides.contains_key(*id) && !self.forks.contains_key(*id)
        };
        let feeds = self.shared_feeds().filter(whole);
        let absorbed = feeds.filter_map(|(id, feed)| absorbed(*id, feed, &below, &is_past));
        Epoch {
            root,
            depth: self.documents.depth(version) + 1,
            absorbed: absorbed.take(ABSORBED_COUNT_MAX).collect(),
        }
    }

    /// Late work that something in the past has carried over, applied or not.
    fn translated(&self, is_past: &impl Fn(&WaypointId) -> bool) -> BTreeSet<WaypointId> {
        let carriers = self.waypoints.iter().filter(|(id, _)| is_past(id));
        let edges = carriers.flat_map(|(_, known)| &known.labels.edges);
        let targets = edges.filter(|edge| edge.kind == EdgeKind::Translates).map(|edge| edge.target);
        let (mut open, mut found): (Vec<WaypointId>, _) = (targets.collect(), BTreeSet::new());
        while let Some(id) = open.pop() {
            if is_past(&id) || !found.insert(id) {
                continue;
            }
            open.extend(self.parents(&id));
        }
        found
    }
}

/// How far a feed lies in the past, unless the epochs below say it already.
fn absorbed(
    id: FeedId,
    feed: &Feed,
    below: &[&Epoch],
    is_past: &impl Fn(&WaypointId) -> bool,
) -> Option<Absorbed> {
    let known: Vec<&Absorbed> = below.iter().filter_map(|epoch| epoch.absorbed(&id)).collect();
    let is_known = |place: u64| known.iter().rev().any(|absorbed| absorbed.has(place));
    let (mut n, mut beside, mut is_new) = (0, Vec::new(), false);
    for (place, waypoint) in feed.log.names() {
        if is_known(place) {
            n = place + 1;
        } else if is_past(&waypoint) {
            (n, is_new) = (place + 1, true);
        } else {
            beside.push(place);
        }
    }
    let beside = Beside::runs(beside.into_iter().filter(|place| *place < n));
    let fits = is_new && beside.len() <= BESIDE_COUNT_MAX;
    let root = feed.log.root_of(n).filter(|_| fits)?;
    Some(Absorbed { feed: id, n, root, beside })
}
