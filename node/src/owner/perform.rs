//! Performing effects: what concerns the disk is done here, what does not is handed on.

use std::collections::BTreeMap;

use cairn_crdt::id::{FeedId, ProjectId, RepoId};
use cairn_protocol::input::{LoadError, Loaded, Ticket};
use cairn_protocol::{Batch, Effect, Event, Input};

use super::Owner;
use crate::clock;
use crate::error::{NodeError, Range};

/// How much a log may hold that is read at each start: a few milliseconds.
const LOG_KEPT_BYTES: u64 = 256 << 10;

/// Batches that wait for the disk, by repo.
pub(super) type Batches = BTreeMap<RepoId, Vec<(Ticket, Box<Batch>)>>;

/// A reading of waypoints.
struct Wanted {
    repo: RepoId,
    project: ProjectId,
    feed: FeedId,
    from: u64,
    to: u64,
    bytes_max: u64,
    witnesses: Vec<u64>,
}

impl Owner {
    /// Does what the service wants until it wants nothing more.
    pub(super) fn pump(&mut self) {
        self.seek_lost();
        self.poll();
        while self.store_due() {}
    }

    /// Takes in one thing that happened. What is to become durable waits for [`Owner::store_due`], so that questions to peers go
    /// out before the disk is waited for.
    pub(crate) fn hear(&mut self, input: Input) {
        self.service.handle(input, self.now_ms());
        self.seek_lost();
        self.poll();
    }

    /// Makes durable what waits for it, and performs what follows from that; whether anything waited.
    ///
    /// Batches that come together are committed together: one write and one sync for all of a repo.
    pub(crate) fn store_due(&mut self) -> bool {
        let due = std::mem::take(&mut self.due);
        let is_any = !due.is_empty();
        for (repo, batches) in due {
            self.persist(repo, batches);
        }
        self.poll();
        is_any
    }

    fn poll(&mut self) {
        while let Some(effect) = self.service.poll() {
            self.perform(effect);
        }
    }

    /// Tells the service, once, which waypoints damaged stones have lost.
    ///
    /// A replica that was restored without them lacks their names too, and fetches them as it
    /// fetches all that it lacks.
    fn seek_lost(&mut self) {
        let wanted = |(repo, store): (&RepoId, &crate::Store)| {
            let repo = *repo;
            store.wanted().into_iter().map(move |range| (repo, range))
        };
        let lost: Vec<_> = self.stores.iter().flat_map(wanted).collect();
        for (repo, range) in lost {
            let Range { project, feed, first, count } = range;
            let (from, to) = (first.saturating_sub(1), first.saturating_sub(1) + count);
            let named =
                self.service.replica(repo).is_some_and(|replica| replica.feed_length(project, feed) >= to);
            if named && self.sought.insert((repo, range)) {
                self.service.handle(Input::Lost { repo, project, feed, from, to }, clock::now_ms());
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Persist { ticket, batch } => {
                self.due.entry(batch.repo).or_default().push((ticket, batch));
            }
            Effect::Load { load, repo, project, feed, from, to, bytes_max, witnesses } => {
                let loaded = self.load(&Wanted { repo, project, feed, from, to, bytes_max, witnesses });
                self.service.handle(Input::Loaded { load, loaded }, clock::now_ms());
            }
            Effect::Quarantine { repo, peer, reason, bytes } => {
                let name = format!("refused-{}-{}", peer.short(), reason.code());
                if let Err(error) = self.quarantine(repo, &name, &bytes) {
                    tracing::warn!(%error, "refused bytes could not be kept");
                }
            }
            Effect::Notify(event) => {
                if let Event::Synced { repo, .. } = &event
                    && let Err(error) = self.placed.synced(*repo)
                {
                    tracing::warn!(%error, "that a peer was asked could not be noted");
                }
                if let Event::Synced { repo, .. } = &event
                    && let Err(error) = self.remember(*repo)
                {
                    tracing::warn!(%error, "what other peers hold could not be noted");
                }
                self.effects.push_back(Effect::Notify(event));
            }
            effect => self.effects.push_back(effect),
        }
    }

    fn load(&self, wanted: &Wanted) -> Result<Loaded, LoadError> {
        let store = self.stores.get(&wanted.repo).ok_or(LoadError::Absent)?;
        let Wanted { project, feed, from, to, bytes_max, .. } = *wanted;
        let pieces = store.pieces(project, feed, from, to, bytes_max);
        let loaded = pieces.and_then(|pieces| {
            let witnesses = store.witnesses(feed, &wanted.witnesses)?;
            Ok(Loaded { pieces, witnesses })
        });
        loaded.map_err(|error| match error {
            NodeError::Io { .. } | NodeError::Poisoned => LoadError::Failed,
            _ => LoadError::Absent,
        })
    }

    /// Makes batches of one repo durable and tells the service what became of them.
    fn persist(&mut self, repo: RepoId, batches: Vec<(Ticket, Box<Batch>)>) {
        let committed = self.try_persist(repo, &batches);
        if let Err(error) = &committed {
            tracing::warn!(%repo, %error, "a batch could not be made durable");
        }
        for (ticket, _) in batches {
            let input = match &committed {
                Ok(()) => Input::Persisted { ticket },
                Err(_) => Input::PersistFailed { ticket },
            };
            self.service.handle(input, clock::now_ms());
        }
        if let Some(replica) = self.service.replica_mut(repo) {
            replica.let_go();
        }
        if self.stores.get(&repo).is_some_and(crate::Store::is_poisoned) {
            self.reopen(repo);
        }
    }

    fn try_persist(&mut self, repo: RepoId, batches: &[(Ticket, Box<Batch>)]) -> Result<(), NodeError> {
        let founding = batches.iter().find_map(|(_, batch)| batch.founding.as_ref());
        if let Some(founding) = founding.filter(|_| !self.stores.contains_key(&repo)) {
            self.create_store(repo, founding)?;
        }
        let store = self.store_mut(repo)?;
        let batches: Vec<&Batch> = batches.iter().map(|(_, batch)| &**batch).collect();
        store.commit_all(&batches)?;
        for range in store.take_repaired() {
            self.sought.remove(&(repo, range));
            self.repaired.push((repo, range));
        }
        self.cut_large(repo);
        Ok(())
    }

    /// Cuts the log of a repo if it has grown large. What was committed is durable either way.
    pub(super) fn cut_large(&mut self, repo: RepoId) {
        let limit = self.config.log_bytes_max;
        let store = self.stores.get_mut(&repo).filter(|store| store.wants_cut(limit));
        if let Some(Err(error)) = store.map(crate::Store::cut) {
            tracing::warn!(%repo, %error, "the log could not be cut");
        }
    }

    /// Cuts every log that would hold up the next start. For when there is nothing else to do.
    pub fn cut(&mut self) -> Result<(), NodeError> {
        let limit = self.log_kept_bytes();
        self.stores
            .values_mut()
            .filter(|store| store.wants_cut(limit))
            .try_for_each(|store| store.cut().map(drop))
    }

    /// What a log may hold when nobody is writing.
    pub(super) fn log_kept_bytes(&self) -> u64 {
        LOG_KEPT_BYTES.min(self.config.log_bytes_max)
    }
}
