//! From stores to replicas: what was found on disk becomes the state that the service works with.

use std::sync::Arc;

use cairn_crdt::id::RepoId;
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::{Replica, Signed};

use super::Owner;
use crate::clock;
use crate::error::NodeError;
use crate::store::{Recovered, Store};

impl Owner {
    /// Opens one repo; notes why if that fails.
    pub(super) fn open_repo(&mut self, repo: RepoId) {
        match self.try_open(repo) {
            Ok(Some((store, replica))) => {
                self.stores.insert(repo, store);
                self.recall(repo);
                self.service.add(replica, clock::now_ms());
            }
            Ok(None) => tracing::info!(%repo, "the store of a repo was never finished"),
            Err(error) => {
                tracing::warn!(%repo, %error, "a repo cannot be opened");
                self.broken.insert(repo, error);
            }
        }
    }

    /// Forgets what is in memory of a repo and reads it from the disk again.
    pub(super) fn reopen(&mut self, repo: RepoId) {
        self.service.remove(repo);
        self.stores.remove(&repo);
        self.broken.remove(&repo);
        self.open_repo(repo);
    }

    fn try_open(&self, repo: RepoId) -> Result<Option<(Store, Replica)>, NodeError> {
        let (dir, files) = (self.home.repo_dir(repo), self.home.files());
        if !Store::exists(&**files, &dir)? {
            return Ok(None);
        }
        let (store, recovered) = Store::open(files.clone(), &dir)?;
        if store.repo() != repo {
            let why = "it holds the store of another repo".to_owned();
            return Err(NodeError::Format { path: dir, why });
        }
        let replica = restore(recovered)?;
        Ok(Some((store, replica)))
    }

    /// Makes the store of a repo that is new here.
    pub(super) fn create_store(
        &mut self,
        repo: RepoId,
        founding: &Signed<FoundingRecord>,
    ) -> Result<(), NodeError> {
        let dir = self.home.repo_dir(repo);
        let store = Store::create(Arc::clone(self.home.files()), &dir, founding)?;
        self.stores.insert(repo, store);
        Ok(())
    }
}

/// The replica of what a store held.
fn restore(recovered: Recovered) -> Result<Replica, NodeError> {
    let now_ms = clock::now_ms();
    let mut replica = Replica::open(recovered.founding)?;
    for project in &recovered.projects {
        replica.add_project(project)?;
    }
    replica.admit_grants(&recovered.rights, now_ms);
    for feed in recovered.feeds {
        replica.restore(&feed.project, feed.feed, feed.top, feed.skeletons)?;
        replica.restore_relics(&feed.project, feed.feed, feed.relics)?;
    }
    replica.restored(now_ms);
    replica.admit_forks(&recovered.forks, now_ms);
    Ok(replica)
}
