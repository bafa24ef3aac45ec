//! The log of a version: who wrote what, newest first.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::Frontier;
use cairn_crdt::id::{FeedId, ProjectId, WaypointId};

use super::Replica;
use super::project::Project;
use crate::entry::{Edge, Profile};
use crate::imported::Imported;
use crate::key::DeviceKey;
use crate::mark::Mark;
use crate::retire::Retire;
use crate::stamp::Stamp;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The waypoint.
    pub id: WaypointId,
    /// Who wrote it.
    pub key: DeviceKey,
    /// The author's name and mail, where they gave one.
    pub author: Option<Profile>,
    /// The feed that it is in.
    pub feed: FeedId,
    /// Its place in the feed, from 1.
    pub seq: u64,
    /// When it was written.
    pub stamp: Stamp,
    /// What it stands on.
    pub parents: Vec<WaypointId>,
    /// The message.
    pub message: Option<String>,
    /// The branch that it advanced.
    pub branch: Option<String>,
    /// The mark that it set.
    pub mark: Option<Mark>,
    /// The label that it took away.
    pub retire: Option<Retire>,
    /// Edges of the change graph.
    pub edges: Vec<Edge>,
    /// What it was in another system, without that system's record.
    pub imported: Option<Imported>,
    /// Whether it begins an epoch.
    pub epoch: bool,
    /// Whether its operations have faded.
    pub faded: bool,
    /// Whether it is a part of a write that goes on in the next waypoint.
    pub continued: bool,
    /// Whether it never leaves this home.
    pub local: bool,
}

impl Replica {
    /// A version's history, newest first; no waypoint comes before one that stands on it.
    pub fn log(&self, project: ProjectId, frontier: &Frontier) -> Vec<LogEntry> {
        let Some(project) = self.projects.get(&project) else { return Vec::new() };
        let past: BTreeSet<WaypointId> = project.documents.ancestors(frontier).collect();
        let order = project.newest_first(&past);
        order.into_iter().filter_map(|id| project.entry(id)).collect()
    }

    /// One waypoint.
    pub fn entry(&self, project: ProjectId, id: WaypointId) -> Option<LogEntry> {
        self.projects.get(&project)?.entry(id)
    }

    /// The applied waypoints that say they were something in another system, parents first: their names there. What
    /// they say is the word of whoever imported them.
    pub fn imported<'a>(
        &'a self,
        project: ProjectId,
        system: &'a str,
    ) -> impl Iterator<Item = (WaypointId, &'a [u8])> + 'a {
        let project = self.projects.get(&project);
        let of = move |id: &WaypointId| {
            let imported = project?.waypoints.get(id)?.labels.imported.as_deref()?;
            (imported.system == system).then_some((*id, imported.name.as_slice()))
        };
        project.into_iter().flat_map(|project| &project.order).filter_map(of)
    }

    /// What a key calls itself.
    pub fn profile(&self, project: ProjectId, key: DeviceKey) -> Option<Profile> {
        self.projects.get(&project)?.profile(key)
    }
}

impl Project {
    fn profile(&self, key: DeviceKey) -> Option<Profile> {
        self.profiles.get(&key).map(|(_, _, profile)| profile.clone())
    }

    pub(super) fn entry(&self, id: WaypointId) -> Option<LogEntry> {
        let known = self.applied(&id)?;
        Some(LogEntry {
            id,
            key: known.key,
            // A key that only writes here gave its name in the waypoint itself.
            author: self.profile(known.key).or_else(|| known.labels.profile.clone()),
            feed: known.feed,
            seq: known.seq,
            stamp: known.stamp,
            parents: self.documents.parents(&id).to_vec(),
            message: known.labels.message.as_deref().map(str::to_owned),
            branch: known.labels.branch.as_deref().map(str::to_owned),
            mark: known.labels.mark.clone(),
            retire: known.labels.retire.clone(),
            edges: known.labels.edges.clone(),
            imported: known.labels.imported.as_deref().cloned(),
            epoch: known.labels.epoch.is_some(),
            faded: known.faded,
            continued: known.continued,
            local: known.labels.local,
        })
    }

    /// Orders `past` so that children come before parents, and newer before older where free.
    fn newest_first(&self, past: &BTreeSet<WaypointId>) -> Vec<WaypointId> {
        let mut children = self.count_children(past);
        let key = |id: &WaypointId| (self.waypoints.get(id).map(|known| known.stamp), *id);
        let childless = past.iter().filter(|id| !children.contains_key(*id));
        let mut ready: BTreeSet<_> = childless.map(key).collect();
        let mut order = Vec::new();
        while let Some((_, id)) = ready.pop_last() {
            order.push(id);
            for parent in self.documents.parents(&id) {
                let Some(left) = children.get_mut(parent) else { continue };
                *left -= 1;
                if *left == 0 {
                    ready.insert(key(parent));
                }
            }
        }
        order
    }

    fn count_children(&self, past: &BTreeSet<WaypointId>) -> BTreeMap<WaypointId, usize> {
        let mut children = BTreeMap::new();
        for parent in past.iter().flat_map(|id| self.documents.parents(id)) {
            *children.entry(*parent).or_insert(0) += 1;
        }
        children
    }
}
