//! A project of a repo of this home, and what can be asked of it.

use std::sync::Arc;

use cairn_crdt::id::{ProjectId, RepoId, WaypointId};
use cairn_crdt::path::RepoPath;
use cairn_crdt::pieces::Piece;
use cairn_crdt::{Documents, Draft, FileEdit, Frontier, View};
use cairn_protocol::replica::{Candidate, Found, Tombstone};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::log::Deleted;

/// A project of a repo of this home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The repo.
    pub repo: RepoId,
    /// The project.
    pub project: ProjectId,
}

impl Place {
    /// The project of that name in a repo of this home; the only one when no name is given.
    pub fn find(owner: &Owner, repo: RepoId, name: Option<&str>) -> Result<Self, NodeError> {
        let replica = owner.replica(repo)?;
        let projects: Vec<_> = match name {
            Some(name) => replica.projects().filter(|(_, known)| *known == name).collect(),
            None => replica.projects().collect(),
        };
        match *projects.as_slice() {
            [(project, _)] => Ok(Self { repo, project }),
            [] => {
                Err(NodeError::NotFound { what: "project", name: name.unwrap_or("of any name").to_owned() })
            }
            _ => Err(NodeError::Ambiguous {
                name: format!("//{repo}"),
                candidates: projects.iter().map(|(_, name)| format!("//{repo}/{name}")).collect(),
            }),
        }
    }

    /// The project's name.
    pub fn name(&self, owner: &Owner) -> Result<String, NodeError> {
        let replica = owner.replica(self.repo)?;
        let name = replica.projects().find(|(project, _)| *project == self.project);
        name.map(|(_, name)| name.to_owned()).ok_or(NodeError::Bug("a place without a project"))
    }

    /// What a version shows.
    pub fn view(&self, owner: &mut Owner, frontier: &Frontier) -> Result<Arc<View>, NodeError> {
        let (replica, store) = owner.with(self.repo)?;
        Ok(replica.view(self.project, frontier, store)?)
    }

    /// The bytes of a file of a view.
    pub fn bytes(&self, owner: &mut Owner, view: &View, path: &RepoPath) -> Result<Vec<u8>, NodeError> {
        let (replica, store) = owner.with(self.repo)?;
        Ok(replica.bytes(self.project, view, path, store)?)
    }

    /// Files of a view in the order in which their bytes lie on the disk.
    pub fn by_disk<'a>(
        &self,
        owner: &mut Owner,
        view: &View,
        paths: Vec<&'a RepoPath>,
    ) -> Result<Vec<&'a RepoPath>, NodeError> {
        let (replica, store) = owner.with(self.repo)?;
        let documents =
            replica.documents_mut(self.project).ok_or(NodeError::Bug("a place without documents"))?;
        let mut ordered = Vec::with_capacity(paths.len());
        for path in paths {
            let content = documents.beginning(view, path, store)?;
            ordered.push((content.and_then(|content| store.order_of(content)), path));
        }
        ordered.sort_by_key(|(order, _)| *order);
        Ok(ordered.into_iter().map(|(_, path)| path).collect())
    }

    /// The named items of a file of a view, as far as the view knows them.
    pub fn pieces(&self, owner: &mut Owner, view: &View, path: &RepoPath) -> Result<Vec<Piece>, NodeError> {
        let (replica, store) = owner.with(self.repo)?;
        let missing = NodeError::Bug("a place without documents");
        Ok(replica.documents_mut(self.project).ok_or(missing)?.pieces(view, path, store)?)
    }

    /// What to write so that a version shows `edits`.
    pub fn draft(&self, owner: &mut Owner, base: &Frontier, edits: &[FileEdit]) -> Result<Draft, NodeError> {
        let (replica, store) = owner.with(self.repo)?;
        Ok(replica.draft(self.project, base, edits, store)?)
    }

    /// The documents.
    pub fn documents<'a>(&self, owner: &'a Owner) -> Result<&'a Documents, NodeError> {
        let name = || NodeError::NotFound { what: "project", name: self.project.to_string() };
        owner.replica(self.repo)?.documents(self.project).ok_or_else(name)
    }

    /// What a branch shows; empty for one that is not there.
    pub fn branch(&self, owner: &Owner, name: &str) -> Result<Frontier, NodeError> {
        Ok(owner.replica(self.repo)?.branch(self.project, name))
    }

    /// The version that several versions blend to.
    pub fn blend<'a>(
        &self,
        owner: &Owner,
        versions: impl IntoIterator<Item = &'a Frontier>,
    ) -> Result<Frontier, NodeError> {
        let heads: Vec<WaypointId> = versions.into_iter().flat_map(Frontier::heads).copied().collect();
        Ok(self.documents(owner)?.frontier_of(heads))
    }

    /// What a name stands for: a branch, a mark, or a waypoint.
    pub fn reference(&self, owner: &Owner, name: &str) -> Result<(Candidate, Frontier), NodeError> {
        match owner.replica(self.repo)?.find(self.project, name) {
            Found::One(candidate, frontier) => Ok((candidate, frontier)),
            Found::Ambiguous(candidates) => Err(NodeError::Ambiguous {
                name: format!("?{name}"),
                candidates: candidates.iter().map(word).collect(),
            }),
            Found::Nothing => Err(self
                .deleted(owner, name)?
                .unwrap_or(NodeError::NotFound { what: "branch, mark or waypoint", name: name.to_owned() })),
        }
    }

    /// What became of a label that was there once.
    fn deleted(&self, owner: &Owner, name: &str) -> Result<Option<NodeError>, NodeError> {
        let tombstones = owner.replica(self.repo)?.tombstones(self.project);
        let gone = |tombstone: &Tombstone| {
            tombstone.retire.name == name && !(tombstone.marks.is_empty() && tombstone.tips.is_empty())
        };
        let last = tombstones.into_iter().rev().find(gone).map(|tombstone| Deleted::of(&tombstone));
        Ok(last.map(|last| NodeError::Deleted(last.to_string())))
    }
}

/// A candidate as people write it.
fn word(candidate: &Candidate) -> String {
    match candidate {
        Candidate::Branch(name) => format!("branch ?{name}"),
        Candidate::Mark(name, waypoint) => format!("mark ?{name} set by {}", waypoint.short()),
        Candidate::Waypoint(waypoint) => format!("waypoint ?{waypoint}"),
    }
}
