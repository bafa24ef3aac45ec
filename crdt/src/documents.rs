//! All documents of one project: waypoints go in, views and drafts come out.

use std::sync::Arc;

use crate::draft::{Draft, FileEdit};
use crate::error::{Absent, CrdtError};
use crate::frontier::Frontier;
use crate::id::{ContentHash, ProjectId, WaypointId};
use crate::op::Op;
use crate::path::RepoPath;
use crate::view::View;

/// One waypoint, as far as documents care: where it stands and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The waypoint.
    pub id: WaypointId,
    /// What it stands on.
    pub parents: Vec<WaypointId>,
    /// What it does, in order.
    pub ops: Arc<[Op]>,
}

/// Where bytes are found by hash.
pub trait Contents {
    /// The bytes, or why they are not here.
    fn get(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent>;
}

/// The documents of one project.
#[derive(Debug)]
pub struct Documents {
    project: ProjectId,
}

#[expect(unused_variables, clippy::todo, reason = "signatures first, so that others can compile")]
impl Documents {
    /// The documents of a project in which nothing was written yet.
    pub fn new(project: ProjectId) -> Self {
        Self { project }
    }

    /// Takes in one waypoint, whose parents must be here. Taking it twice is nothing new.
    pub fn insert(&mut self, change: Change) -> Result<(), CrdtError> {
        todo!()
    }

    /// Whether the waypoint is here.
    pub fn contains(&self, id: &WaypointId) -> bool {
        todo!()
    }

    /// Whether `a` is `b` or lies in its past.
    pub fn is_ancestor(&self, a: &WaypointId, b: &WaypointId) -> bool {
        todo!()
    }

    /// What a waypoint stands on; nothing for one that is not here.
    pub fn parents(&self, id: &WaypointId) -> &[WaypointId] {
        todo!()
    }

    /// Those of `ids` that are here and lie in no other's past.
    pub fn frontier_of(&self, ids: impl IntoIterator<Item = WaypointId>) -> Frontier {
        todo!()
    }

    /// The waypoints of a frontier and of its whole past, parents first.
    pub fn ancestors(&self, frontier: &Frontier) -> impl Iterator<Item = WaypointId> + '_ {
        Vec::new().into_iter()
    }

    /// The waypoints that `frontier` has and `known` lacks, parents first.
    pub fn between(&self, known: &Frontier, frontier: &Frontier) -> Vec<WaypointId> {
        todo!()
    }

    /// What a frontier shows.
    pub fn view(&mut self, frontier: &Frontier, contents: &dyn Contents) -> Result<Arc<View>, CrdtError> {
        todo!()
    }

    /// The bytes of a file of a view; the target of a symbolic link.
    pub fn bytes(
        &mut self,
        view: &View,
        path: &RepoPath,
        contents: &dyn Contents,
    ) -> Result<Vec<u8>, CrdtError> {
        todo!()
    }

    /// What to write on top of `base` so that the view shows exactly `edits`.
    pub fn draft(
        &mut self,
        base: &Frontier,
        edits: &[FileEdit],
        contents: &dyn Contents,
    ) -> Result<Draft, CrdtError> {
        todo!()
    }

    /// What to write on top of `base` to settle one overlap of its view in favour of an alternative.
    pub fn take(
        &mut self,
        base: &Frontier,
        overlap: usize,
        alternative: usize,
        contents: &dyn Contents,
    ) -> Result<Draft, CrdtError> {
        todo!()
    }

    /// The project that the documents belong to.
    pub fn project(&self) -> ProjectId {
        self.project
    }
}
