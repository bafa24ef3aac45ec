//! Floors: how long a project's admins want everything kept at least.
//!
//! A floor holds until another takes its place that has seen it. Of those that have not seen each other the
//! longest counts, so that all nodes agree, and nobody forgets too soon because of what came first.

use std::collections::BTreeSet;

use cairn_crdt::id::{ProjectId, WaypointId};

use super::Replica;
use super::absorbed::is_admin;
use super::project::Project;
use crate::grant::Grants;
use crate::retention::Floor;

impl Replica {
    /// How long everything is kept at least, in milliseconds; 0 where no admin has set a floor.
    pub fn floor_ms(&self, project: ProjectId) -> u64 {
        self.projects.get(&project).map_or(0, Project::floor_ms)
    }

    /// The floors of a project that no other has taken the place of, with the waypoints that set them; the
    /// longest, which counts, first.
    pub fn floors(&self, project: ProjectId) -> Vec<(WaypointId, Floor)> {
        self.projects.get(&project).map(Project::standing_floors).unwrap_or_default()
    }
}

impl Project {
    /// Takes note of the floor that a waypoint sets, if its author may.
    pub(super) fn raise(&mut self, id: &WaypointId, grants: &Grants) {
        let Some(known) = self.waypoints.get(id) else { return };
        if let Some(floor) = &known.labels.floor
            && is_admin(known, self.id(), grants)
        {
            self.floors.push((*id, floor.clone()));
        }
    }

    fn standing_floors(&self) -> Vec<(WaypointId, Floor)> {
        let seen: BTreeSet<&WaypointId> = self.floors.iter().flat_map(|(_, floor)| &floor.seen).collect();
        let mut standing: Vec<_> = self.floors.iter().filter(|(id, _)| !seen.contains(id)).cloned().collect();
        standing.sort_by_key(|(id, floor)| (std::cmp::Reverse(floor.all_ms), *id));
        standing
    }

    pub(super) fn floor_ms(&self) -> u64 {
        self.standing_floors().first().map_or(0, |(_, floor)| floor.all_ms)
    }
}
