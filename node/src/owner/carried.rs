//! What came in a file, by the durable path of everything else: first the disk, then the service.

use cairn_crdt::id::RepoId;
use cairn_protocol::{Batch, Input, Replica};

use super::Owner;
use crate::error::NodeError;

impl Owner {
    /// Makes what was verified durable, and lets the service apply it and tell peers. A repo that is new here is founded.
    pub fn take_in(&mut self, batch: Batch) -> Result<(), NodeError> {
        if batch.is_empty() {
            return Ok(());
        }
        let repo = batch.repo;
        match &batch.founding {
            Some(founding) if !self.stores.contains_key(&repo) => self.create_store(repo, founding)?,
            _ => self.revive(repo)?,
        }
        self.commit(repo, &[&batch])?;
        self.input(Input::Carried { batch })
    }

    /// The replica of a repo, if the home has the repo at all; an error where it has it and cannot open it.
    pub fn known(&self, repo: RepoId) -> Result<Option<&Replica>, NodeError> {
        match self.replica(repo) {
            Ok(replica) => Ok(Some(replica)),
            Err(NodeError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks nobody any more for bodies that have faded here.
    pub fn end_recall(&mut self, repo: RepoId) {
        self.service.end_recall(repo);
    }
}
