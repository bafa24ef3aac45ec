//! What verbs wait for: exchanges with peers, and artifacts. Each wait goes on feeding the core.

use std::path::Path;
use std::time::Instant;

use cairn_crdt::id::{ArtifactId, ContentHash, RepoId};
use cairn_protocol::input::{Input, Wanted};
use cairn_protocol::key::DeviceKey;
use cairn_protocol::manifest::{Chunk, Manifest};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::Address;
use super::exchange::{Exchange, Exchanged};
use super::fetch::Fetcher;
use super::session::{Core, LOOK, News, REACH_MAX, Session};
use crate::artifacts::{Added, Artifacts};
use crate::error::{NodeError, Range};
use crate::identity;

/// Exchanges with peers.
impl Session {
    /// Exchanges with `peers`, or with those remembered for the repo, until nobody lacks anything.
    pub(crate) fn sync(
        &mut self,
        core: &mut dyn Core,
        repo: RepoId,
        peers: &[String],
    ) -> Result<Exchanged, NodeError> {
        let named = addresses(peers)?;
        let before = core.waypoints(repo);
        let remembered = if named.is_empty() { self.book.addresses(Some(repo)) } else { Vec::new() };
        let exchange = Exchange::sync(repo, named, remembered, Instant::now() + REACH_MAX);
        let mut exchanged = self.exchange(core, exchange)?;
        exchanged.received = core.waypoints(repo).saturating_sub(before);
        Ok(exchanged)
    }

    /// Gets a repo that is not here from the first of `peers` that shows it.
    pub(crate) fn join(
        &mut self,
        core: &mut dyn Core,
        wanted: Wanted,
        peers: &[String],
    ) -> Result<Exchanged, NodeError> {
        let repo = wanted.repo;
        let exchange = Exchange::join(wanted, addresses(peers)?, Instant::now() + REACH_MAX);
        let mut exchanged = self.exchange(core, exchange)?;
        exchanged.received = core.waypoints(repo);
        Ok(exchanged)
    }

    /// Asks every peer of the repo that can be reached for bodies that have faded here, until they are back or nobody is
    /// left to ask. What came is durable.
    pub(crate) fn recall(
        &mut self,
        core: &mut dyn Core,
        repo: RepoId,
        ranges: &[Range],
    ) -> Result<(), NodeError> {
        for range in ranges {
            let Range { project, feed, first, count } = *range;
            let from = first.saturating_sub(1);
            core.input(Input::Recall { repo, project, feed, from, to: from + count })?;
        }
        // Peers are asked as soon as they have told what they hold.
        let reached = self.sync(core, repo, &[]);
        let waited = self.wait_for_recall(core, repo);
        core.end_recall(repo);
        waited.and(reached).map(|_| ())
    }

    fn wait_for_recall(&mut self, core: &mut dyn Core, repo: RepoId) -> Result<(), NodeError> {
        while core.is_recalling(repo) {
            self.check_stop()?;
            self.step(core, LOOK)?;
        }
        Ok(())
    }

    fn exchange(&mut self, core: &mut dyn Core, mut exchange: Exchange) -> Result<Exchanged, NodeError> {
        self.call(exchange.addresses())?;
        let mut seen = self.heard;
        loop {
            self.check_stop()?;
            let now = Instant::now();
            if let Some(outcome) = exchange.outcome(self.wire()?, now) {
                return outcome;
            }
            for input in exchange.ask(self.wire()?, now) {
                core.input(input)?;
            }
            self.step(core, LOOK)?;
            for news in self.news_after(seen) {
                if let News::Event(event) = news {
                    exchange.hear(event, Instant::now());
                }
            }
            seen = self.heard;
        }
    }
}

/// Artifacts.
impl Session {
    pub(super) fn artifacts(&mut self) -> Result<&Artifacts, NodeError> {
        if self.artifacts.is_none() {
            let opened = self.runtime()?.block_on(Artifacts::open(&self.home.blobs_dir()))?;
            self.artifacts = Some(opened);
        }
        self.artifacts.as_ref().ok_or(NodeError::Bug("an artifact store that is gone at once"))
    }

    /// Takes a file in as an artifact of `repo`.
    pub fn import_artifact(&mut self, repo: RepoId, file: &Path, name: &str) -> Result<Added, NodeError> {
        let artifacts = self.artifacts()?.clone();
        self.runtime()?.block_on(artifacts.add(repo, file, name))
    }

    /// Writes an artifact that is here to a file; says how many bytes.
    pub fn export_artifact(
        &mut self,
        repo: RepoId,
        artifact: ArtifactId,
        out: &Path,
    ) -> Result<u64, NodeError> {
        let artifacts = self.artifacts()?.clone();
        self.runtime()?.block_on(artifacts.export(repo, artifact, out))
    }

    /// Whether every byte of an artifact is here.
    pub fn holds_artifact(&mut self, repo: RepoId, artifact: ArtifactId) -> Result<bool, NodeError> {
        let artifacts = self.artifacts()?.clone();
        self.runtime()?.block_on(artifacts.holds(repo, artifact))
    }

    /// Reads every byte of an artifact against its names; says how many bytes.
    pub fn verify_artifact(&mut self, repo: RepoId, artifact: ArtifactId) -> Result<u64, NodeError> {
        let artifacts = self.artifacts()?.clone();
        self.runtime()?.block_on(artifacts.verify(repo, artifact))
    }

    /// The manifest of an artifact of which every byte is here.
    pub fn whole_artifact(
        &mut self,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<Option<Manifest>, NodeError> {
        let artifacts = self.artifacts()?.clone();
        self.runtime()?.block_on(artifacts.whole(repo, artifact))
    }

    /// The bytes of a chunk, compared with its name.
    pub fn read_chunk(&mut self, chunk: &Chunk) -> Result<Vec<u8>, NodeError> {
        let artifacts = self.artifacts()?.clone();
        self.runtime()?.block_on(artifacts.read_chunk(chunk))
    }

    /// Makes an artifact known to a repo; the chunks of it that are not here.
    pub fn keep_artifact(
        &mut self,
        repo: RepoId,
        manifest: &Manifest,
    ) -> Result<Vec<ContentHash>, NodeError> {
        let artifacts = self.artifacts()?.clone();
        self.runtime()?.block_on(artifacts.keep(repo, manifest))
    }

    /// Keeps the bytes of a chunk, durably.
    pub fn keep_chunk(&mut self, bytes: Vec<u8>) -> Result<(), NodeError> {
        let artifacts = self.artifacts()?.clone();
        self.runtime()?.block_on(artifacts.keep_chunk(bytes))
    }

    /// Fetches what is missing of an artifact from peers that share the repo.
    pub(crate) fn fetch_artifact(
        &mut self,
        core: &mut dyn Core,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<(), NodeError> {
        if self.holds_artifact(repo, artifact)? {
            return Ok(());
        }
        let nobody = || NodeError::Network("no peer of this repo could be reached".to_owned());
        let known = self.book.addresses(Some(repo));
        if known.is_empty() && self.connected().is_empty() {
            return Err(nobody());
        }
        self.call(known)?;
        let deadline = Instant::now() + REACH_MAX;
        let mut tried = Vec::new();
        let mut last = nobody();
        loop {
            let peers: Vec<_> = self.connected().into_iter().filter(|peer| !tried.contains(peer)).collect();
            if !peers.is_empty() {
                match self.fetch_from(core, repo, artifact, &peers) {
                    Ok(()) => return Ok(()),
                    Err(error) => last = error,
                }
                tried.extend(peers);
            }
            let nobody_left = !tried.is_empty() && self.all_called(repo)?;
            if nobody_left || Instant::now() > deadline {
                return Err(last);
            }
            self.step(core, LOOK)?;
        }
    }

    /// Whether every address remembered for a repo has answered or failed at least once.
    fn all_called(&mut self, repo: RepoId) -> Result<bool, NodeError> {
        let addresses = self.book.addresses(Some(repo));
        let wire = self.wire()?;
        let settled = |address: &Address| {
            wire.unreachable.contains_key(address)
                || address.peer().is_some_and(|peer| wire.connected.contains(&peer))
        };
        Ok(addresses.iter().all(settled))
    }

    /// Fetches from these peers, and goes on feeding the core meanwhile.
    fn fetch_from(
        &mut self,
        core: &mut dyn Core,
        repo: RepoId,
        artifact: ArtifactId,
        peers: &[DeviceKey],
    ) -> Result<(), NodeError> {
        let artifacts = self.artifacts()?.clone();
        let me = identity::device(&self.home)?.key();
        let control = self.wire()?.control.clone();
        let fetcher = Fetcher { me, control, artifacts, repo, artifact, peers: peers.to_vec() };
        let (sender, mut fetched) = oneshot::channel();
        self.runtime()?.spawn(async move { sender.send(fetcher.fetch().await) });
        loop {
            self.check_stop()?;
            match fetched.try_recv() {
                Ok(outcome) => return outcome,
                Err(TryRecvError::Closed) => return Err(NodeError::Bug("a fetch that ended without a word")),
                Err(TryRecvError::Empty) => self.step(core, LOOK)?,
            }
        }
    }
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, NodeError> {
    texts.iter().map(|text| text.parse()).collect()
}
