//! Taking in what is durable: feeds grow, waypoints reach the documents in causal order.
//!
//! A waypoint waits until its parents are applied, unless it needs none of them: one that begins an epoch and says
//! what lies below, or one whose operations have faded. What documents refuse for what it says bars the rest of its
//! feed, on every replica alike, whatever order things came in.

use std::collections::{BTreeSet, VecDeque};

use cairn_crdt::id::{FeedId, ProjectId, WaypointId};
use cairn_crdt::{CrdtError, Spot};

use super::branches::{later, sooner};
use super::project::{Feed, Known, Project};
use super::{Applied, Replica};
use crate::effect::{Accepted, Batch};
use crate::error::Reject;
use crate::skeleton::{Bones, Skeleton};

impl Replica {
    /// Takes in what is durable now.
    pub fn apply(&mut self, batch: &Batch, now_ms: u64) -> Applied {
        let mut applied = self.admit_grants(&batch.grants, now_ms);
        for name in &batch.projects {
            // The names were checked when the batch was made; a bad one changes nothing.
            let _ = self.add_project(name);
        }
        for accepted in &batch.feeds {
            self.apply_feed(accepted, accepted.pieces.iter().map(Skeleton::from), now_ms, &mut applied);
        }
        applied.add(self.admit_forks(&batch.forks, now_ms));
        self.recall(&batch.recalled);
        applied
    }

    /// Takes in a run, whose pieces are those skeletons.
    pub(super) fn apply_feed(
        &mut self,
        accepted: &Accepted,
        skeletons: impl Iterator<Item = Skeleton>,
        now_ms: u64,
        applied: &mut Applied,
    ) {
        let Some(project) = self.projects.get_mut(&accepted.project) else { return };
        let fresh = project.grow(accepted, skeletons, applied);
        self.show(accepted.project, fresh, &BTreeSet::from([accepted.top.feed_id()]), now_ms, applied);
    }

    /// Lets waypoints reach the documents and the labels that `feeds` have grown by.
    pub(super) fn show(
        &mut self,
        project: ProjectId,
        fresh: Vec<WaypointId>,
        feeds: &BTreeSet<FeedId>,
        now_ms: u64,
        applied: &mut Applied,
    ) {
        let Some(project) = self.projects.get_mut(&project) else { return };
        let (before, marks, held) = (project.versions(), project.marks.len(), project.held.len());
        let inserted = project.insert_ready(fresh, applied);
        // What came after those that stand on it may lie in the past of a label now.
        let mut is_moved = project.documents.settle();
        project.absorb(&inserted);
        for id in inserted {
            let Some(known) = project.waypoints.get(&id) else { continue };
            let feed = known.origin;
            self.clock = later(self.clock, known.stamp, now_ms);
            project.order.push(id);
            project.label(&id, &self.grants, now_ms);
            if project.held.contains_key(&id) {
                applied.held.push((project.id(), feed, id));
            }
        }
        for feed in feeds {
            is_moved |= project.part(*feed);
        }
        if is_moved {
            project.hold_again(&self.grants, now_ms, applied);
        }
        project.report(&before, marks, applied);
        if project.held.len() > held {
            self.future_ms = sooner(self.future_ms, project.next_release());
        }
    }
}

impl Applied {
    fn add(&mut self, more: Applied) {
        self.branches.extend(more.branches);
        self.marks.extend(more.marks);
        self.held.extend(more.held);
        self.forked.extend(more.forked);
        self.refused.extend(more.refused);
    }
}

impl Project {
    /// Appends to a feed what it does not have yet; returns what may be ready for documents.
    pub(super) fn grow(
        &mut self,
        accepted: &Accepted,
        skeletons: impl Iterator<Item = Skeleton>,
        applied: &mut Applied,
    ) -> Vec<WaypointId> {
        let origin = accepted.top.feed_id();
        if accepted.feed != origin && !self.feeds.contains_key(&accepted.feed) {
            self.sides.entry(origin).or_default().push(accepted.feed);
        }
        self.feeds.entry(accepted.feed).or_insert_with(|| Feed::new(accepted));
        let (mut fresh, mut start) = (Vec::new(), accepted.start);
        for skeleton in skeletons {
            let next = start + skeleton.count();
            // What was accepted has been read before; what cannot be read is never accepted.
            if self.grow_by(accepted.feed, start, skeleton, &mut fresh, applied).is_err() {
                break;
            }
            start = next;
        }
        if let Some(feed) = self.feeds.get_mut(&accepted.feed) {
            feed.note_top(&accepted.top);
        }
        let signed = self.signed.entry(origin).or_insert(0);
        *signed = accepted.top.n.max(*signed);
        self.writing.remove(&accepted.feed);
        fresh
    }

    fn grow_by(
        &mut self,
        id: FeedId,
        start: u64,
        skeleton: Skeleton,
        fresh: &mut Vec<WaypointId>,
        applied: &mut Applied,
    ) -> Result<(), Reject> {
        let feed = self.feeds.get_mut(&id).ok_or(Reject::Missing)?;
        if start + skeleton.count() <= feed.n() {
            return Ok(());
        }
        let bones = match skeleton {
            Skeleton::Gone(gone) => {
                (self.gaps, self.parted) = (true, true);
                return feed.skip(start, &gone);
            }
            Skeleton::Waypoint(bones) => bones,
        };
        let name = bones.id;
        self.remember(id, bones, fresh, applied)?;
        let Some(feed) = self.feeds.get_mut(&id) else { return Err(Reject::Missing) };
        feed.append(name);
        let known = self.waypoints.get(&name);
        feed.local |= known.is_some_and(|known| known.labels.local);
        if known.is_some_and(|known| known.refused) {
            feed.bar();
        }
        Ok(())
    }

    /// Takes in what a waypoint says, unless it is known: histories of one feed begin alike, and what is known from
    /// another is known.
    pub(super) fn remember(
        &mut self,
        id: FeedId,
        bones: Bones,
        fresh: &mut Vec<WaypointId>,
        applied: &mut Applied,
    ) -> Result<(), Reject> {
        let (feed, name) = (self.feeds.get_mut(&id).ok_or(Reject::Missing)?, bones.id);
        if self.waypoints.contains(&name) {
            return Ok(());
        }
        let mut known = Known::read(bones, &feed.source)?;
        feed.share(&mut known);
        let ops = known.waiting.as_ref().map_or(&[][..], |change| &change.ops);
        let refused = self.documents.check(ops).err();
        known.refused = refused.is_some();
        self.waypoints.insert(name, known);
        fresh.push(name);
        if let Some(reason) = refused {
            applied.refused.push((self.documents.project(), id, name, Reject::Document(reason)));
        }
        Ok(())
    }

    /// Puts waypoints into the documents, and then those that waited for them.
    pub(super) fn insert_ready(&mut self, fresh: Vec<WaypointId>, applied: &mut Applied) -> Vec<WaypointId> {
        let mut queue: VecDeque<WaypointId> = fresh.into();
        let mut inserted = Vec::new();
        while let Some(id) = queue.pop_front() {
            if self.insert_one(id, applied) {
                queue.extend(self.waiting.release(&id));
                inserted.push(id);
            }
        }
        inserted
    }

    fn insert_one(&mut self, id: WaypointId, applied: &mut Applied) -> bool {
        if self.is_barred(&id) {
            return false;
        }
        if let Some(missing) = self.missing(&id) {
            self.waiting.wait(missing, id);
            return false;
        }
        let Some(known) = self.waypoints.get_mut(&id) else { return false };
        let (feed, faded, shelved) = (known.feed, known.faded, known.shelved);
        let spot = Spot { feed, place: known.seq - 1 };
        let begins = known.labels.epoch.as_ref().map(|epoch| epoch.depth);
        let Some(change) = known.waiting.take() else { return false };
        let change = *change;
        if !change.parents.iter().all(|id| self.documents.contains(id)) {
            (self.gaps, self.parted) = (true, true);
        }
        let inserted = match (begins, faded) {
            (begins, false) if shelved => self.documents.insert_shelved(id, &change.parents, begins, spot),
            (None, false) => self.documents.insert(change),
            (Some(depth), false) => self.documents.restart(change, depth),
            (begins, true) => self.documents.insert_faded(id, &change.parents, begins),
        };
        match inserted {
            Ok(()) => {
                self.documents.shelve(&id, spot);
                true
            }
            Err(error) => {
                // It stands on several epochs; nothing but what stands on it is touched.
                applied.refused.push((self.id(), feed, id, reason_of(error)));
                false
            }
        }
    }

    /// Whether documents refuse a waypoint, or one before it in its feed, for what it says.
    fn is_barred(&self, id: &WaypointId) -> bool {
        let known = self.waypoints.get(id);
        let barred = known.and_then(|known| self.feeds.get(&known.feed)?.barred);
        known.zip(barred).is_some_and(|(known, barred)| known.seq >= barred)
    }

    /// What the waypoint stands on and needs that is not applied yet.
    fn missing(&self, id: &WaypointId) -> Option<WaypointId> {
        let known = self.waypoints.get(id)?;
        let is_needed = |need: &&WaypointId| match known.needs_no_parents() {
            true => known.faded && self.restored.is_some() && self.waypoints.contains(need),
            false => true,
        };
        let mut parents = known.waiting.iter().flat_map(|change| &change.parents);
        parents.find(|need| !self.documents.contains(need) && is_needed(need)).copied()
    }
}

fn reason_of(error: CrdtError) -> Reject {
    match error {
        CrdtError::Invalid { reason, .. } => Reject::Document(reason),
        _ => Reject::Missing,
    }
}
