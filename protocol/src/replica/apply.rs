//! Taking in what is durable: feeds grow, waypoints reach the documents in causal order.
//!
//! A waypoint stands on its parents and on the one before it in its feed; it waits until all of
//! them are applied. So what documents refuse bars the rest of its feed on every replica
//! alike, whatever order things came in.

use std::collections::VecDeque;
use std::collections::btree_map::Entry;

use cairn_crdt::Change;
use cairn_crdt::CrdtError;
use cairn_crdt::id::{FeedId, WaypointId};

use super::branches::{later, sooner};
use super::project::{Feed, Known, Project};
use super::{Applied, Replica};
use crate::effect::{Accepted, Batch};
use crate::error::Reject;

impl Replica {
    /// Takes in what is durable now.
    pub fn apply(&mut self, batch: &Batch, now_ms: u64) -> Applied {
        let mut applied = self.admit_grants(&batch.grants, now_ms);
        for name in &batch.projects {
            // The names were checked when the batch was made; a bad one changes nothing.
            let _ = self.add_project(name);
        }
        for accepted in &batch.feeds {
            self.apply_feed(accepted, now_ms, &mut applied);
        }
        applied.add(self.admit_forks(&batch.forks, now_ms));
        self.recall(&batch.recalled);
        applied
    }

    pub(super) fn apply_feed(&mut self, accepted: &Accepted, now_ms: u64, applied: &mut Applied) {
        let Some(project) = self.projects.get_mut(&accepted.project) else { return };
        let (before, marks, held) = (project.versions(), project.marks.len(), project.held.len());
        let fresh = project.grow(accepted);
        for id in project.insert_ready(fresh, applied) {
            let Some(known) = project.waypoints.get(&id) else { continue };
            let feed = known.origin;
            self.clock = later(self.clock, known.stamp, now_ms);
            project.order.push(id);
            project.label(&id, &self.grants, now_ms);
            if project.held.contains_key(&id) {
                applied.held.push((accepted.project, feed, id));
            }
        }
        if project.part(accepted.top.feed_id()) {
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
    fn grow(&mut self, accepted: &Accepted) -> Vec<WaypointId> {
        let origin = accepted.top.feed_id();
        if accepted.feed != origin && !self.feeds.contains_key(&accepted.feed) {
            self.sides.entry(origin).or_default().push(accepted.feed);
        }
        let feed = self.feeds.entry(accepted.feed).or_insert_with(|| Feed::new(accepted));
        let skip = feed.n().saturating_sub(accepted.start) as usize;
        let mut fresh = Vec::new();
        for waypoint in accepted.waypoints.iter().skip(skip) {
            // What was accepted has been read before; what cannot be read is never accepted.
            let Ok(known) = Known::read(waypoint) else { break };
            feed.append(waypoint.id());
            // Histories of one feed begin alike; what is known from another is known.
            if let Entry::Vacant(entry) = self.waypoints.entry(waypoint.id()) {
                entry.insert(Known { feed: accepted.feed, ..known });
                fresh.push(waypoint.id());
            }
        }
        feed.note_top(&accepted.top);
        let signed = self.signed.entry(origin).or_insert(0);
        *signed = accepted.top.n.max(*signed);
        self.writing.remove(&accepted.feed);
        fresh
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
        if let Some(missing) = self.missing(&id) {
            self.waiting.wait(missing, id);
            return false;
        }
        let Some(known) = self.waypoints.get_mut(&id) else { return false };
        let (feed, parents) = (known.feed, known.parents.clone());
        let (begins, faded) = (known.labels.epoch.is_some(), known.faded);
        let change = Change { id, parents, ops: std::mem::take(&mut known.ops) };
        let inserted = match (begins, faded) {
            (false, false) => self.documents.insert(change),
            (true, false) => self.documents.restart(change),
            (begins, true) => self.documents.insert_faded(id, &change.parents, begins),
        };
        match inserted {
            Ok(()) => true,
            Err(error) => {
                self.refuse(feed, id, error, applied);
                false
            }
        }
    }

    /// What the waypoint stands on that is not applied yet.
    fn missing(&self, id: &WaypointId) -> Option<WaypointId> {
        let known = self.waypoints.get(id)?;
        let previous = self.feeds.get(&known.feed).and_then(|feed| feed.before(known.seq));
        let needs = known.parents.iter().copied().chain(previous);
        needs.into_iter().find(|need| !self.documents.contains(need))
    }

    fn refuse(&mut self, feed: FeedId, id: WaypointId, error: CrdtError, applied: &mut Applied) {
        let reason = match error {
            CrdtError::Invalid { reason, .. } => Reject::Document(reason),
            _ => Reject::Missing,
        };
        if let Some(feed) = self.feeds.get_mut(&feed) {
            feed.frozen.get_or_insert(reason.clone());
        }
        applied.refused.push((self.id(), feed, id, reason));
    }
}
