//! One repo as this node knows it: who founded it, who may write, what every feed says,
//! and the documents that come out of it.
//!
//! A replica decides and remembers; it does no I/O. What it accepts becomes durable first
//! and is applied then: [`Replica::ingest`] and [`Replica::write`] change no document, they
//! return what is to be stored, and [`Replica::apply`] takes it in once it is.
//! The bytes of contents stay on the disk and are asked for through [`Contents`].

mod absorbed;
mod apply;
mod branches;
mod carried;
mod fading;
mod floors;
mod forks;
mod history;
mod ingest;
mod kept;
pub mod local;
mod lookup;
mod post;
mod project;
mod recall;
mod restore;
mod retired;
mod rights;
mod stack;
mod stated;
mod vouched;
mod witnesses;

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_crdt::id::{FeedId, ProjectId, RepoId, WaypointId};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{Contents, CrdtError, Documents, Draft, FileEdit, Frontier, View};

use crate::error::Reject;
use crate::feed::project_id;
use crate::founding::FoundingRecord;
use crate::grant::Grants;
use crate::key::DeviceKey;
use crate::limits::{LABEL_BYTES_MAX, OPS_HELD_COUNT_MAX, PROJECTS_COUNT_MAX};
use crate::signed::{Signed, Verified};
use crate::stamp::Stamp;
use crate::text::is_label;
use crate::top::Top;

use project::Project;

pub use branches::HeldFor;
pub use carried::Run;
pub use fading::{Fading, Holders};
pub use history::LogEntry;
pub use ingest::{Comparison, News};
pub use kept::Retention;
pub use lookup::{Candidate, Found, PREFIX_DIGITS_MIN};
pub use post::{Labels, PART_BYTES_TARGET, PART_OPS_TARGET, Post, WriteError};
pub use recall::Forgotten;
pub use retired::Tombstone;
pub use stack::Stack;
pub use stated::Stated;

/// One repo.
#[derive(Debug)]
pub struct Replica {
    founding: Verified<FoundingRecord>,
    repo: RepoId,
    grants: Grants,
    projects: BTreeMap<ProjectId, Project>,
    /// The highest stamp seen that was not far ahead of this node's clock.
    clock: Stamp,
    /// When the first waypoint that lies in the future becomes present.
    future_ms: Option<u64>,
}

/// How far a feed has come.
#[derive(Debug, Clone)]
pub struct FeedInfo {
    /// The feed.
    pub feed: FeedId,
    /// Whose it is.
    pub key: DeviceKey,
    /// How many waypoints are held here.
    pub n: u64,
    /// The highest top that is held in full; a feed of which only a part came has none yet.
    pub top: Option<Verified<Top>>,
    /// Why nothing more is taken from it.
    pub frozen: Option<Reject>,
    /// Whether its key is known to have signed two histories.
    pub forked: bool,
    /// How many other histories of it are held.
    pub sides: usize,
}

/// What applying a batch changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Branches that show another version: project, name, version.
    pub branches: Vec<(ProjectId, String, Frontier)>,
    /// Marks that are new.
    pub marks: Vec<(ProjectId, String)>,
    /// Waypoints that show on no branch.
    pub held: Vec<(ProjectId, FeedId, WaypointId)>,
    /// Feeds of which a fork was not known before.
    pub forked: Vec<(ProjectId, FeedId)>,
    /// Waypoints that documents refused; their feeds are frozen there.
    pub refused: Vec<(ProjectId, FeedId, WaypointId, Reject)>,
}

impl Replica {
    /// A repo of which only the founding record is known; its signature is checked.
    pub fn open(founding: Signed<FoundingRecord>) -> Result<Self, Reject> {
        let founding = founding.verify()?;
        Ok(Self {
            repo: founding.repo(),
            grants: Grants::new(&founding),
            founding,
            projects: BTreeMap::new(),
            clock: Stamp::default(),
            future_ms: None,
        })
    }

    /// The repo's name.
    pub fn id(&self) -> RepoId {
        self.repo
    }

    /// The founding record.
    pub fn founding(&self) -> &Verified<FoundingRecord> {
        &self.founding
    }

    /// Whether anybody may read.
    pub fn is_public(&self) -> bool {
        self.founding.public
    }

    /// Who may do what.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The projects by name.
    pub fn projects(&self) -> impl Iterator<Item = (ProjectId, &str)> + '_ {
        self.projects.iter().map(|(id, project)| (*id, project.name.as_str()))
    }

    /// The project of that name, if it is here.
    pub fn project(&self, name: &str) -> Option<ProjectId> {
        let id = project_id(self.repo, name);
        self.projects.contains_key(&id).then_some(id)
    }

    /// Makes room for a project; the name is to be stored with the next batch.
    pub fn add_project(&mut self, name: &str) -> Result<ProjectId, Reject> {
        let id = project_id(self.repo, name);
        if self.projects.contains_key(&id) {
            return Ok(id);
        }
        if !is_label(name, LABEL_BYTES_MAX) {
            return Err(Reject::Misuse("a project's name"));
        }
        let (found, limit) = (self.projects.len() as u64 + 1, PROJECTS_COUNT_MAX as u64);
        if found > limit {
            return Err(Reject::TooLarge { what: "projects", found, limit });
        }
        self.projects.insert(id, Project::new(self.repo, name));
        Ok(id)
    }

    /// The feeds of a project that others may have.
    pub fn feeds(&self, project: ProjectId) -> Vec<FeedInfo> {
        let Some(project) = self.projects.get(&project) else { return Vec::new() };
        let info = |(feed, held): (&FeedId, &project::Feed)| FeedInfo {
            feed: *feed,
            key: held.key,
            n: held.n(),
            top: held.whole.clone(),
            frozen: held.frozen.clone(),
            forked: project.forks.contains_key(feed),
            sides: project.sides.get(feed).map_or(0, Vec::len),
        };
        project.shared_feeds().filter(|(id, feed)| feed.origin == **id).map(info).collect()
    }

    /// How many waypoints of a feed are held that others may have.
    pub fn feed_length(&self, project: ProjectId, feed: FeedId) -> u64 {
        self.feed(project, feed).map_or(0, project::Feed::n)
    }

    /// When `Replica::release` has something to do.
    pub fn next_release(&self) -> Option<u64> {
        self.future_ms
    }

    /// A feed that others may have: whatever is said to peers is said of these.
    fn feed(&self, project: ProjectId, feed: FeedId) -> Option<&project::Feed> {
        self.kept_feed(project, feed).filter(|feed| !feed.local)
    }

    /// The documents of a project.
    pub fn documents(&self, project: ProjectId) -> Option<&Documents> {
        self.projects.get(&project).map(|project| &project.documents)
    }

    /// The documents of a project, for what fills caches.
    pub fn documents_mut(&mut self, project: ProjectId) -> Option<&mut Documents> {
        self.projects.get_mut(&project).map(|project| &mut project.documents)
    }

    /// Lets go of operations that the disk gives again, where there are many.
    pub fn let_go(&mut self) {
        self.projects.values_mut().for_each(|project| project.documents.let_go(OPS_HELD_COUNT_MAX));
    }

    /// What a version shows.
    pub fn view(
        &mut self,
        project: ProjectId,
        frontier: &Frontier,
        contents: &dyn Contents,
    ) -> Result<Arc<View>, CrdtError> {
        self.written(project)?.view(frontier, contents)
    }

    /// The bytes of a file of a view.
    pub fn bytes(
        &mut self,
        project: ProjectId,
        view: &View,
        path: &RepoPath,
        contents: &dyn Contents,
    ) -> Result<Vec<u8>, CrdtError> {
        self.written(project)?.bytes(view, path, contents)
    }

    /// What to write so that a version shows `edits`.
    pub fn draft(
        &mut self,
        project: ProjectId,
        base: &Frontier,
        edits: &[FileEdit],
        contents: &dyn Contents,
    ) -> Result<Draft, CrdtError> {
        self.written(project)?.draft(base, edits, contents)
    }

    fn written(&mut self, project: ProjectId) -> Result<&mut Documents, CrdtError> {
        self.documents_mut(project).ok_or(CrdtError::Bug("no such project"))
    }
}

#[cfg(test)]
mod tests;
