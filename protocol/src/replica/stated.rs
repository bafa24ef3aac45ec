//! What marks and epochs say that they show. Their authors sign a root; whether the version has it is for whoever can
//! show the version to check.

use cairn_crdt::Frontier;
use cairn_crdt::id::{ProjectId, Root, WaypointId};

use super::Replica;
use super::project::Project;

/// A version of which somebody has signed the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The mark's name; `None` where an epoch begins.
    pub mark: Option<String>,
    /// The waypoint that says so.
    pub by: WaypointId,
    /// The version.
    pub version: Frontier,
    /// The root that it is to have.
    pub root: Root,
}

impl Replica {
    /// All versions of which somebody has signed the root: those that marks restore, those that epochs begin
    /// with, and those on which they began.
    pub fn stated(&self, project: ProjectId) -> Vec<Stated> {
        let Some(known) = self.projects.get(&project) else { return Vec::new() };
        let marks = self.marks(project).into_iter().map(|(by, mark)| {
            let version = known.marked(&by, &mark);
            Stated { mark: Some(mark.name), by, version, root: mark.root }
        });
        let epochs = known.begun_epochs().flat_map(|(by, root)| {
            let begun = self.begun(project, by).map(|id| Frontier::from_iter([id]));
            let below: Frontier = known.documents.parents(&by).iter().copied().collect();
            let versions = begun.into_iter().chain([below]);
            versions.map(move |version| Stated { mark: None, by, version, root })
        });
        marks.chain(epochs).collect()
    }
}

impl Project {
    /// The epochs that were begun by somebody who may, and the roots that they say.
    fn begun_epochs(&self) -> impl Iterator<Item = (WaypointId, Root)> + '_ {
        let counts = self.order.iter().filter(|id| !self.held.contains_key(*id));
        counts.filter_map(|id| Some((*id, self.waypoints.get(id)?.labels.epoch.as_ref()?.root)))
    }
}
