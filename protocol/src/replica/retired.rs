//! Labels that were taken away: which marks still stand, and what became of the others.
//!
//! A record takes away what lies in its past, so nothing depends on the order of arrival. A mark
//! with a hold is only taken away where an admin has lifted the hold before; a record that knows of no such act
//! leaves it where it is, whoever signed it.

use cairn_crdt::Frontier;
use cairn_crdt::id::{ProjectId, WaypointId};

use super::project::{Known, Project};
use super::{LogEntry, Replica};
use crate::grant::{Grants, Role};
use crate::mark::Mark;
use crate::retire::{Retire, Retired};

/// A label that was taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The waypoint that says so: who wrote it, and when.
    pub entry: LogEntry,
    /// What it took away, and why.
    pub retire: Retire,
    /// The marks that are gone, with the waypoints that had set them.
    pub marks: Vec<(WaypointId, Mark)>,
    /// What a branch showed that is gone.
    pub tips: Frontier,
}

impl Replica {
    /// The marks of a project with the waypoints that set them, in order of time. What was deleted is not
    /// among them, and a hold that was lifted is not told.
    pub fn marks(&self, project: ProjectId) -> Vec<(WaypointId, Mark)> {
        let Some(project) = self.projects.get(&project) else { return Vec::new() };
        let standing = project.marks.iter().filter(|(id, mark)| !project.is_deleted(id, mark));
        let told = standing.map(|(id, mark)| {
            let hold = mark.hold.clone().filter(|_| !project.is_released(id, mark, None));
            (*id, Mark { hold, ..mark.clone() })
        });
        let mut marks: Vec<_> = told.collect();
        marks.sort_by_key(|(id, _)| (project.waypoints.get(id).map(|known| known.stamp), *id));
        marks
    }

    /// The marks whose versions must never fade: all that stand, with their class and, where one is in
    /// force, their hold.
    pub fn pins(&self, project: ProjectId) -> Vec<(WaypointId, Mark)> {
        self.marks(project)
    }

    /// The records that lifted the hold on a mark.
    pub fn releases(&self, project: ProjectId, set: &WaypointId) -> Vec<WaypointId> {
        let Some(project) = self.projects.get(&project) else { return Vec::new() };
        let marks = project.marks.iter().filter(|(id, _)| id == set);
        marks.flat_map(|(id, mark)| project.about(Retired::Hold, id, mark)).copied().collect()
    }

    /// The labels of a project that were taken away, in order of time.
    pub fn tombstones(&self, project: ProjectId) -> Vec<Tombstone> {
        let Some(project) = self.projects.get(&project) else { return Vec::new() };
        let made = project.retired.iter().filter(|(_, retire)| retire.what != Retired::Hold);
        let mut made: Vec<_> = made.filter_map(|(id, retire)| project.tombstone(id, retire)).collect();
        made.sort_by_key(|tombstone| (tombstone.entry.stamp, tombstone.entry.id));
        made
    }
}

impl Project {
    /// Takes note of what a waypoint takes away.
    pub(super) fn retire(&mut self, id: &WaypointId, grants: &Grants) {
        let Some((known, retire)) =
            self.waypoints.get(id).and_then(|known| Some((known, known.labels.retire.clone()?)))
        else {
            return;
        };
        if retire.what == Retired::Hold && !self.is_admin(known, grants) {
            return;
        }
        if retire.what == Retired::Branch
            && let Some(branch) = self.branches.get_mut(&retire.name)
            && branch.retire(id, &self.documents)
        {
            self.branches.remove(&retire.name);
        }
        self.retired.push((*id, retire));
    }

    /// Whether a record that came before has taken a branch away as far as `id`.
    pub(super) fn is_retired(&self, id: &WaypointId, name: &str) -> bool {
        let is_about = |retire: &Retire| retire.what == Retired::Branch && retire.name == name;
        self.retired.iter().any(|(record, retire)| is_about(retire) && self.documents.is_ancestor(id, record))
    }

    fn is_admin(&self, known: &Known, grants: &Grants) -> bool {
        grants.may(&known.key, Role::Admin, self.id(), known.stamp.wall_ms)
    }

    /// The records about the marks of a name that had seen one of them.
    fn about<'a>(
        &'a self,
        what: Retired,
        id: &'a WaypointId,
        mark: &'a Mark,
    ) -> impl Iterator<Item = &'a WaypointId> {
        let about =
            self.retired.iter().filter(move |(_, retire)| retire.what == what && retire.name == mark.name);
        about.map(|(record, _)| record).filter(|record| self.documents.is_ancestor(id, record))
    }

    /// Whether the hold on a mark was lifted, as far as `seen` had seen, or at all.
    fn is_released(&self, id: &WaypointId, mark: &Mark, seen: Option<&WaypointId>) -> bool {
        let mut lifted = self.about(Retired::Hold, id, mark);
        lifted.any(|release| seen.is_none_or(|seen| self.documents.is_ancestor(release, seen)))
    }

    fn is_deleted_by(&self, record: &WaypointId, id: &WaypointId, mark: &Mark) -> bool {
        mark.hold.is_none() || self.is_released(id, mark, Some(record))
    }

    /// Whether a mark was taken away.
    pub(super) fn is_deleted(&self, id: &WaypointId, mark: &Mark) -> bool {
        self.about(Retired::Mark, id, mark).any(|record| self.is_deleted_by(record, id, mark))
    }

    fn tombstone(&self, id: &WaypointId, retire: &Retire) -> Option<Tombstone> {
        let entry = self.entry(*id)?;
        let (mut marks, mut tips) = (Vec::new(), Frontier::empty());
        if retire.what == Retired::Branch {
            tips = self.documents.frontier_of(entry.parents.iter().copied());
        } else {
            let gone = self.marks.iter().filter(|(set, mark)| {
                let seen = mark.name == retire.name && self.documents.is_ancestor(set, id);
                seen && self.is_deleted_by(id, set, mark)
            });
            marks.extend(gone.cloned());
        }
        Some(Tombstone { entry, retire: retire.clone(), marks, tips })
    }
}
