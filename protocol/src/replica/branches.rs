//! Branches and marks: labels for versions, set by waypoints whose authors may write.
//!
//! A branch shows the waypoints that carry its name and lie in no other such waypoint's past.
//! Rights decide which waypoints count as tips, never what a version shows: a tip shows its whole
//! past. When rights change, all labels are read again, so that arrival order decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::{ProjectId, WaypointId};
use cairn_crdt::{Documents, Frontier};

use super::absorbed::is_admin;
use super::project::{Known, Project};
use super::{Applied, Replica};
use crate::entry::EdgeKind;
use crate::epoch::Epoch;
use crate::grant::{Grants, Held, Standing};
use crate::limits::STAMP_AHEAD_MS_MAX;
use crate::stamp::Stamp;

/// Why a waypoint shows on no branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeldFor {
    /// Its author was never given a right to write there.
    #[error("its author may not write here")]
    Ungranted,
    /// Its author's right had ended, or was taken back.
    #[error("its author's right does not cover it: {0:?}")]
    Rights(Held),
    /// Its author's key signed two histories, this lies past the fork, and nobody else has built on it.
    #[error("its author's key signed two histories, and nobody else has built on this one")]
    Forked,
    /// It stands in an epoch that somebody began who is no admin.
    #[error("it stands in an epoch whose author may not begin one here")]
    Epoch,
    /// It was written too far ahead of this node's clock.
    #[error("it was written {0} ms ahead of this clock")]
    Future(u64),
}

/// The concurrent tips of one branch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Branch {
    tips: BTreeSet<WaypointId>,
}

impl Branch {
    /// The tips that count: those of the epoch in force.
    pub(super) fn frontier(&self, documents: &Documents) -> Frontier {
        documents.in_force(&self.tips).into_iter().collect()
    }

    /// The other tips, but for those that were carried over.
    pub(super) fn late(&self, project: &Project) -> BTreeSet<WaypointId> {
        let shown = project.documents.in_force(&self.tips);
        let is_carried = |tip: &WaypointId| {
            project.carried.iter().any(|carried| project.documents.is_ancestor(tip, carried))
        };
        self.tips.iter().filter(|tip| !shown.contains(tip) && !is_carried(tip)).copied().collect()
    }

    /// Moves the branch on to `id`, unless it lies in the past of a tip.
    fn advance(&mut self, id: WaypointId, documents: &Documents) {
        documents.advance(&mut self.tips, id);
    }

    /// Drops the tips in the past of `id`; whether none is left.
    pub(super) fn retire(&mut self, id: &WaypointId, documents: &Documents) -> bool {
        self.tips.retain(|tip| !documents.is_ancestor(tip, id));
        self.tips.is_empty()
    }
}

impl Replica {
    /// What a branch shows: its concurrent tips. Empty for a branch that is not there.
    pub fn branch(&self, project: ProjectId, name: &str) -> Frontier {
        let Some(project) = self.projects.get(&project) else { return Frontier::default() };
        let branch = project.branches.get(name);
        branch.map(|branch| branch.frontier(&project.documents)).unwrap_or_default()
    }

    /// The tips of a branch that were written beside the epoch in force, and that nobody has carried over yet.
    pub fn late(&self, project: ProjectId, name: &str) -> BTreeSet<WaypointId> {
        let Some(project) = self.projects.get(&project) else { return BTreeSet::new() };
        project.branches.get(name).map(|branch| branch.late(project)).unwrap_or_default()
    }

    /// The waypoint with which the beginning of an epoch is complete: a long one goes on in several.
    pub fn begun(&self, project: ProjectId, epoch: WaypointId) -> Option<WaypointId> {
        let project = self.projects.get(&project)?;
        let (mut id, mut known) = (epoch, project.waypoints.get(&epoch)?);
        while known.continued {
            // The parts of a write follow each other in their feed.
            id = project.feeds.get(&known.feed)?.log.id(known.seq)?;
            known = project.waypoints.get(&id)?;
        }
        Some(id)
    }

    /// The branches of a project.
    pub fn branches(&self, project: ProjectId) -> Vec<(String, Frontier)> {
        self.projects.get(&project).map(Project::versions).unwrap_or_default().into_iter().collect()
    }

    /// Waypoints that are applied but show on no branch, and that no tip has in its past.
    pub fn held(&self, project: ProjectId) -> Vec<(WaypointId, HeldFor)> {
        let Some(project) = self.projects.get(&project) else { return Vec::new() };
        let held = project.held.iter().filter(|(id, _)| !project.is_shown(id));
        held.map(|(id, reason)| (*id, *reason)).collect()
    }

    /// Reads all labels again, because rights or the time changed.
    pub(super) fn relabel(&mut self, now_ms: u64, applied: &mut Applied) {
        self.future_ms = None;
        for project in self.projects.values_mut() {
            let (before, marks) = (project.versions(), project.marks.len());
            project.relabel(&self.grants, now_ms);
            project.report(&before, marks, applied);
            self.future_ms = sooner(self.future_ms, project.next_release());
        }
    }
}

impl Project {
    /// What every branch shows.
    pub(super) fn versions(&self) -> BTreeMap<String, Frontier> {
        self.branches.iter().map(|(name, branch)| (name.clone(), branch.frontier(&self.documents))).collect()
    }

    /// When the first waypoint that lies in the future will not be too far ahead any more.
    pub(super) fn next_release(&self) -> Option<u64> {
        let future = self.held.iter().filter(|(_, reason)| matches!(reason, HeldFor::Future(_)));
        let walls = future.filter_map(|(id, _)| self.waypoints.get(id).map(|known| known.stamp.wall_ms));
        walls.min().map(|wall_ms| wall_ms.saturating_sub(STAMP_AHEAD_MS_MAX))
    }

    fn is_shown(&self, id: &WaypointId) -> bool {
        let mut tips = self.branches.values().flat_map(|branch| &branch.tips);
        tips.any(|tip| self.documents.is_ancestor(id, tip))
    }

    pub(super) fn relabel(&mut self, grants: &Grants, now_ms: u64) {
        self.branches.clear();
        self.marks.clear();
        self.retired.clear();
        self.floors.clear();
        self.carried.clear();
        self.epochs.clear();
        self.profiles.clear();
        self.held.clear();
        let order = std::mem::take(&mut self.order);
        for id in &order {
            self.label(id, grants, now_ms);
        }
        self.order = order;
    }

    /// Reads what one applied waypoint says beside its operations.
    pub(super) fn label(&mut self, id: &WaypointId, grants: &Grants, now_ms: u64) {
        let Some(known) = self.waypoints.get(id).filter(|known| !known.labels.local) else { return };
        let contained = self.places.get(&known.origin).is_some_and(|place| known.seq > *place);
        let forked = if contained { Err(HeldFor::Forked) } else { Ok(()) };
        if let Err(reason) = standing(known, self.id(), grants, now_ms).and(forked) {
            self.held.insert(*id, reason);
            return;
        }
        if !self.may_stand(id, known, grants) {
            self.held.insert(*id, HeldFor::Epoch);
            return;
        }
        let carried = known.labels.edges.iter().filter(|edge| edge.kind == EdgeKind::Translates);
        self.carried.extend(carried.map(|edge| edge.target));
        if known.labels.epoch.as_ref().is_some_and(Epoch::is_detached) {
            self.epochs.insert(*id);
        }
        // What has faded is in the past of what made it fade, so it is no tip.
        let is_tip = |name: &&str| !known.continued && !known.faded && !self.is_retired(id, name);
        if let Some(name) = known.labels.branch.as_deref().filter(is_tip) {
            if !self.branches.contains_key(name) {
                self.branches.insert(name.to_owned(), Branch::default());
            }
            if let Some(branch) = self.branches.get_mut(name) {
                branch.advance(*id, &self.documents);
            }
        }
        if let Some(mark) = &known.labels.mark {
            self.marks.push((*id, mark.clone()));
        }
        if let Some(profile) = &known.labels.profile {
            let candidate = (known.stamp, *id, profile.clone());
            let newest = self.profiles.entry(known.key).or_insert_with(|| candidate.clone());
            if (newest.0, newest.1) < (candidate.0, candidate.1) {
                *newest = candidate;
            }
        }
        self.retire(id, grants);
        self.raise(id, grants);
    }

    /// Whether a waypoint's epoch was begun by an admin; an admin who builds on another's adopts it.
    fn may_stand(&self, id: &WaypointId, known: &Known, grants: &Grants) -> bool {
        let is_admin = |known: &Known| is_admin(known, self.id(), grants);
        let began = self.documents.epoch(id).and_then(|began| self.waypoints.get(&began));
        began.is_none_or(|began| is_admin(began) || is_admin(known))
    }

    /// Notes what changed since `before`.
    pub(super) fn report(&self, before: &BTreeMap<String, Frontier>, marks: usize, applied: &mut Applied) {
        for (name, now) in self.versions() {
            if before.get(&name) != Some(&now) {
                applied.branches.push((self.id(), name, now));
            }
        }
        let gone = before.keys().filter(|name| !self.branches.contains_key(*name));
        applied.branches.extend(gone.map(|name| (self.id(), name.clone(), Frontier::empty())));
        let fresh = self.marks.iter().skip(marks);
        applied.marks.extend(fresh.map(|(_, mark)| (self.id(), mark.name.clone())));
    }
}

/// Whether a waypoint may be a tip. Rights are judged at the waypoint's own stamp, so that every
/// node comes to the same verdict.
fn standing(known: &Known, project: ProjectId, grants: &Grants, now_ms: u64) -> Result<(), HeldFor> {
    let ahead_ms = known.stamp.wall_ms.saturating_sub(now_ms);
    if ahead_ms > STAMP_AHEAD_MS_MAX {
        return Err(HeldFor::Future(ahead_ms));
    }
    match grants.standing(&known.key, project, known.seq, known.stamp.wall_ms) {
        Standing::Admitted => Ok(()),
        Standing::Held(reason) => Err(HeldFor::Rights(reason)),
        Standing::Ungranted => Err(HeldFor::Ungranted),
    }
}

/// The sooner of two times.
pub(super) fn sooner(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

/// The later of two stamps, unless the second lies too far ahead of `now_ms` to be believed.
pub(super) fn later(clock: Stamp, seen: Stamp, now_ms: u64) -> Stamp {
    if seen.check(now_ms).is_ok() { clock.max(seen) } else { clock }
}
