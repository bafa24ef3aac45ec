//! The name of a feed: one key's writing in one project of one repo.
//!
//! Every signed record of a feed carries this whole name, so that none can be grafted into another.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{FeedId, ProjectId, RepoId, derive};

use crate::error::Reject;
use crate::key::DeviceKey;

/// The three things that name a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedName {
    /// The repo.
    pub repo: RepoId,
    /// The project in it.
    pub project: ProjectId,
    /// The key that writes.
    pub key: DeviceKey,
}

impl FeedName {
    /// The feed's identifier, derived from the three.
    pub fn id(&self) -> FeedId {
        FeedId(derive("cairn 1 feed", &[&self.repo.0, &self.project.0, self.key.as_bytes()]))
    }

    /// Refuses a record that was made for another feed, and says what differs.
    pub fn check(&self, found: &FeedName) -> Result<(), Reject> {
        if found.repo != self.repo {
            return Err(Reject::Graft("repo"));
        }
        if found.project != self.project {
            return Err(Reject::Graft("project"));
        }
        if found.key != self.key { Err(Reject::Graft("feed")) } else { Ok(()) }
    }
}

/// The identifier of the project `name` in a repo.
pub fn project_id(repo: RepoId, name: &str) -> ProjectId {
    ProjectId(derive("cairn 1 project", &[&repo.0, name.as_bytes()]))
}

impl Encoded for FeedName {
    fn write(&self, out: &mut Writer) {
        self.repo.write(out);
        self.project.write(out);
        self.key.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self {
            repo: RepoId::read(input)?,
            project: ProjectId::read(input)?,
            key: DeviceKey::read(input)?,
        })
    }
}
