//! What verbs ask of artifacts: taking in, writing out, fetching from peers. A fetch goes on feeding the core.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cairn_blobs::Pace;
use cairn_crdt::id::{ArtifactId, ContentHash, RepoId};
use cairn_protocol::key::DeviceKey;
use cairn_protocol::manifest::{Chunk, Manifest};
use tokio::task::JoinHandle;

use super::Address;
use super::fetch::{Fetcher, Part, Progress, write_part};
use super::session::{Core, LOOK, REACH_MAX, REFUSED_MAX, Session};
use crate::artifacts::{Added, Artifacts, Busy, Checked, Hashes};
use crate::config::Config;
use crate::error::NodeError;
use crate::identity;
use crate::progress;

/// How long it counts that nobody answered.
const ALONE_FOR: Duration = Duration::from_secs(10);
/// How long a fetch waits for more peers when one is there.
const TOGETHER: Duration = Duration::from_millis(300);

/// How an artifact is fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Haul {
    /// The part of its file that is wanted, in bytes, and the file that is to hold it; the whole of it, into the store,
    /// when left out.
    pub part: Option<(Range<u64>, PathBuf)>,
    /// How many bytes may come a second; any number for zero.
    pub bytes_per_s: u64,
}

/// What a fetch moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes of content that came over the network.
    pub bytes: u64,
}

/// A fetch over all peers that it asks.
struct Begun {
    at: Instant,
    pace: Pace,
    progress: Arc<Progress>,
    part: Option<Part>,
    /// Whether only what an artifact consists of is asked for, and none of it.
    only_manifest: bool,
}

impl Begun {
    fn new(haul: &Haul) -> Self {
        let part = haul.part.clone().map(|(range, out)| Part { range, out });
        let (pace, progress) = (Pace::of(haul.bytes_per_s), Arc::default());
        Self { at: Instant::now(), pace, progress, part, only_manifest: false }
    }

    fn of_manifest() -> Self {
        Self { only_manifest: true, ..Self::new(&Haul::default()) }
    }

    fn moved(&self) -> Moved {
        Moved { bytes: self.progress.moved.load(Ordering::Relaxed) }
    }

    /// Tells people how far it is.
    fn tell(&self) {
        let (wanted, came) = (&self.progress.wanted, &self.progress.came);
        progress::tell("fetching", came.load(Ordering::Relaxed), wanted.load(Ordering::Relaxed));
    }
}

/// Nothing is told any more when this is dropped.
struct Telling;

impl Drop for Telling {
    fn drop(&mut self) {
        progress::end();
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    async fn take(mut self) -> Result<T, NodeError> {
        let done = (&mut self.0).await;
        done.map_err(|_| NodeError::Bug("a fetch that ended without a word"))
    }
}

/// How each artifact of an errand came, and how many bytes moved for it.
pub(crate) type Brought = Vec<(ArtifactId, Result<Moved, NodeError>)>;

/// Fetches that nobody waits for, one artifact after the other. Dropped, they stop; what has come stays.
pub(crate) struct Errand {
    task: AbortOnDrop<Brought>,
    /// What is on its way is not collected.
    _busy: Vec<Busy>,
}

impl Errand {
    /// Whether all have come, or will not.
    pub(crate) fn is_finished(&self) -> bool {
        self.task.0.is_finished()
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    pub(super) fn artifacts(&mut self) -> Result<&Artifacts, NodeError> {
        if self.artifacts.is_none() {
            let opened = Artifacts::open(&self.home.blobs_dir())?;
            opened.blobs().limit(Config::load(&self.home)?.chunk_bytes_max);
            self.artifacts = Some(opened);
        }
        self.artifacts.as_ref().ok_or(NodeError::Bug("an artifact store that is gone at once"))
    }

    /// Takes a file in as an artifact of `repo`.
    pub fn import_artifact(&mut self, repo: RepoId, file: &Path, name: &str) -> Result<Added, NodeError> {
        self.artifacts()?.add(repo, file, name)
    }

    /// Writes an artifact that is here to a file; says how many bytes.
    pub fn export_artifact(
        &mut self,
        repo: RepoId,
        artifact: ArtifactId,
        out: &Path,
    ) -> Result<u64, NodeError> {
        self.artifacts()?.export(repo, artifact, out)
    }

    /// Whether every byte of an artifact is here.
    pub fn holds_artifact(&mut self, repo: RepoId, artifact: ArtifactId) -> Result<bool, NodeError> {
        self.artifacts()?.holds(repo, artifact)
    }

    /// Reads every byte of an artifact against its names.
    pub(crate) fn verify_artifact(
        &mut self,
        repo: RepoId,
        artifact: ArtifactId,
        sound: &mut Hashes,
    ) -> Result<Checked, NodeError> {
        self.artifacts()?.verify(repo, artifact, sound)
    }

    /// The manifest of an artifact of which every byte is here.
    pub fn whole_artifact(
        &mut self,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<Option<Manifest>, NodeError> {
        self.artifacts()?.whole(repo, artifact)
    }

    /// The bytes of a chunk, compared with its name.
    pub fn read_chunk(&mut self, chunk: &Chunk) -> Result<Vec<u8>, NodeError> {
        self.artifacts()?.read_chunk(chunk)
    }

    /// Makes an artifact known to a repo; the chunks of it that are not here.
    pub fn keep_artifact(
        &mut self,
        repo: RepoId,
        manifest: &Manifest,
    ) -> Result<Vec<ContentHash>, NodeError> {
        self.artifacts()?.keep(repo, manifest)
    }

    /// Keeps the bytes of a chunk, durably.
    pub fn keep_chunk(&mut self, bytes: Vec<u8>) -> Result<(), NodeError> {
        self.artifacts()?.keep_chunk(bytes)
    }

    /// Takes what is damaged of an artifact for missing, so that the next fetch brings it.
    pub fn disown_damage(&mut self, checked: &Checked) -> Result<(), NodeError> {
        self.artifacts()?.disown(checked);
        Ok(())
    }

    /// Fetches what is missing of an artifact, or of a part of it, from peers that share the repo.
    pub(crate) fn fetch_artifact(
        &mut self,
        core: &mut dyn Core,
        repo: RepoId,
        artifact: ArtifactId,
        haul: &Haul,
    ) -> Result<Moved, NodeError> {
        self.fetch_begun(core, repo, artifact, Begun::new(haul))
    }

    /// How many bytes of each of these artifacts are not here; `None` where neither this home nor a peer that was reached
    /// knows what it consists of.
    pub(crate) fn size_up(
        &mut self,
        core: &mut dyn Core,
        repo: RepoId,
        wanted: &[ArtifactId],
    ) -> Result<Vec<Option<u64>>, NodeError> {
        let mut unknown = Vec::new();
        for artifact in wanted {
            if self.artifacts()?.manifest(repo, *artifact)?.is_none() {
                unknown.push(*artifact);
            }
        }
        if let Some((first, others)) = unknown.split_first() {
            // The first one waits until peers have answered, the others are asked of the same peers.
            match self.fetch_begun(core, repo, *first, Begun::of_manifest()) {
                Err(NodeError::Network(reason)) => {
                    tracing::debug!(reason, "nobody says how large things are")
                }
                Ok(_) | Err(NodeError::NotFound { .. } | NodeError::Peer(_)) => {
                    let errand = self.begin_errand(repo, others, Begun::of_manifest)?;
                    while !errand.is_finished() {
                        self.check_stop()?;
                        self.step(core, LOOK)?;
                    }
                    for (artifact, came) in self.end_errand(errand)? {
                        came.map_or_else(|error| tracing::debug!(%artifact, %error, "no size"), drop);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let artifacts = self.artifacts()?;
        let lacking = |artifact: &ArtifactId| {
            let manifest = artifacts.manifest(repo, *artifact)?;
            Ok(manifest.map(|manifest| artifacts.missing(&manifest).iter().map(|chunk| chunk.bytes).sum()))
        };
        wanted.iter().map(lacking).collect()
    }

    fn fetch_begun(
        &mut self,
        core: &mut dyn Core,
        repo: RepoId,
        artifact: ArtifactId,
        begun: Begun,
    ) -> Result<Moved, NodeError> {
        if self.is_here(repo, artifact, &begun)? {
            return Ok(begun.moved());
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
            let settled = self.all_called(repo)? || Instant::now() > deadline;
            let peers: Vec<_> = self.connected().into_iter().filter(|peer| !tried.contains(peer)).collect();
            // The others have a moment to answer, so that all are asked at once.
            let has_waited = settled || begun.at.elapsed() > TOGETHER;
            if !peers.is_empty() && has_waited {
                match self.fetch_from(core, (repo, artifact), &peers, &begun) {
                    Ok(()) => return Ok(begun.moved()),
                    Err(error) => last = error,
                }
                tried.extend(peers);
            }
            if (!tried.is_empty() && self.all_called(repo)?) || Instant::now() > deadline {
                return Err(last);
            }
            if tried.is_empty() && self.is_alone(repo, begun.at)? {
                self.nobody_at = Some(Instant::now());
                return Err(last);
            }
            self.step(core, LOOK)?;
        }
    }

    /// Whether every call has failed, and peers that are just starting have had their time since `begun`. A verb that
    /// fetches much does not give them that time for each piece.
    fn is_alone(&mut self, repo: RepoId, begun: Instant) -> Result<bool, NodeError> {
        let lately = self.nobody_at.is_some_and(|at| at.elapsed() < ALONE_FOR);
        let has_waited = lately || begun.elapsed() > REFUSED_MAX;
        Ok(has_waited && self.connected().is_empty() && self.all_called(repo)?)
    }

    /// Whether nobody needs to be asked; a part that is here is written at once.
    fn is_here(&mut self, repo: RepoId, artifact: ArtifactId, begun: &Begun) -> Result<bool, NodeError> {
        let artifacts = self.artifacts()?;
        let Some(manifest) = artifacts.manifest(repo, artifact)? else { return Ok(false) };
        match &begun.part {
            None if begun.only_manifest => Ok(true),
            None => Ok(artifacts.missing(&manifest).is_empty()),
            Some(part) => write_part(artifacts, &manifest, part),
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
        (repo, artifact): (RepoId, ArtifactId),
        peers: &[DeviceKey],
        begun: &Begun,
    ) -> Result<(), NodeError> {
        let _busy = self.artifacts()?.busy(repo, artifact);
        let fetcher = self.fetcher((repo, artifact), peers, begun)?;
        let fetching = self.runtime()?.spawn(fetcher.fetch());
        // Whoever stops waiting also stops the fetch; what has come stays.
        let fetching = AbortOnDrop(fetching);
        let _telling = Telling;
        while !fetching.0.is_finished() {
            self.check_stop()?;
            self.step(core, LOOK)?;
            begun.tell();
        }
        self.runtime()?.block_on(fetching.take())?
    }

    fn fetcher(
        &mut self,
        (repo, artifact): (RepoId, ArtifactId),
        peers: &[DeviceKey],
        begun: &Begun,
    ) -> Result<Fetcher, NodeError> {
        let artifacts = self.artifacts()?.clone();
        let me = identity::device(&self.home)?.key();
        let control = self.wire()?.control.clone();
        let (pace, progress, part) = (begun.pace.clone(), Arc::clone(&begun.progress), begun.part.clone());
        let (peers, only_manifest) = (peers.to_vec(), begun.only_manifest);
        Ok(Fetcher { me, control, artifacts, repo, artifact, peers, pace, progress, part, only_manifest })
    }

    /// Begins to fetch artifacts from the peers that are connected now, and nobody waits for it.
    pub(crate) fn begin_background(
        &mut self,
        repo: RepoId,
        wanted: &[ArtifactId],
    ) -> Result<Errand, NodeError> {
        self.begin_errand(repo, wanted, || Begun::new(&Haul::default()))
    }

    fn begin_errand(
        &mut self,
        repo: RepoId,
        wanted: &[ArtifactId],
        begin: impl Fn() -> Begun,
    ) -> Result<Errand, NodeError> {
        let (peers, mut busy, mut fetchers) = (self.connected(), Vec::new(), Vec::new());
        for artifact in wanted {
            let begun = begin();
            busy.push(self.artifacts()?.busy(repo, *artifact));
            fetchers.push((self.fetcher((repo, *artifact), &peers, &begun)?, begun));
        }
        let task = self.runtime()?.spawn(async move {
            let mut brought = Brought::new();
            for (fetcher, begun) in fetchers {
                let artifact = fetcher.artifact;
                brought.push((artifact, fetcher.fetch().await.map(|()| begun.moved())));
            }
            brought
        });
        Ok(Errand { task: AbortOnDrop(task), _busy: busy })
    }

    /// How a finished errand went.
    pub(crate) fn end_errand(&mut self, errand: Errand) -> Result<Brought, NodeError> {
        self.runtime()?.block_on(errand.task.take())
    }
}
