//! The store of one repo: signed feeds on disk, and nothing else that counts.
//!
//! ```text
//! <repo>/FORMAT        what this is, and since which level
//!       /manifest      what the store consists of; replaced as a whole
//!       /log.<n>       what was committed since the last cut
//!       /stones/*.sst  everything older; beside large ones a derived .sst.sum
//!       /index.redb    derived; may be thrown away
//!       /descent-*.redb which run read and wrote what; the runs', derived
//!       /quarantine/   copies of damaged files and of what was refused
//!       /elsewhere.json what other peers are known to hold; the owner's, derived
//! ```
//!
//! A commit is one write and one sync of the log. A cut turns the log into stones, proves them
//! against the feeds' Merkle logs, flips the manifest and only then lets the log go. Whatever
//! happens in between, what was acknowledged is in a file that the manifest names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ContentHash, FeedId, ProjectId, RepoId, WaypointId};
use cairn_protocol::effect::{Batch, Recalled};
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::grant::GrantRecord;
use cairn_protocol::hash::LogHash;
use cairn_protocol::log::leaf_hash;
use cairn_protocol::piece::{Gone, Piece};
use cairn_protocol::proof::ForkProof;
use cairn_protocol::stone::Stored;
use cairn_protocol::top::Top;
use cairn_protocol::waypoint::Waypoint;
use cairn_protocol::{FeedName, Signed};

use crate::error::{Damage, NodeError, Range};
use crate::files::Files;

mod cache;
mod commit;
mod contents;
mod cut;
mod fade;
#[cfg(test)]
mod fixture;
mod glance;
#[cfg(test)]
mod golden;
mod heal;
mod index;
mod log;
mod manifest;
mod named;
mod quarantine;
mod recall;
mod recover;
mod relics;
mod stones;
mod summaries;
#[cfg(test)]
mod tests;
mod verify;

use cache::Cache;
use commit::{Extent, Run};
pub(crate) use index::NAME as INDEX_NAME;
use index::{Index, Place};
use log::Log;
use manifest::Manifest;
pub(crate) use manifest::StoneRecord;
use stones::Stones;

pub use fade::Faded;
pub use glance::Seen;
pub(crate) use index::{Backend, Unusable};
pub use recover::{Recovered, RecoveredFeed};
pub use verify::{Problem, Report};

/// The store of one repo.
#[derive(Debug)]
pub struct Store {
    files: Arc<dyn Files>,
    dir: PathBuf,
    manifest: Manifest,
    log: Log,
    feeds: BTreeMap<FeedId, Held>,
    /// The contents that lie in the log.
    fresh: BTreeMap<ContentHash, Place>,
    stones: Stones,
    index: Index,
    cache: Mutex<Cache>,
    damages: Mutex<BTreeMap<String, Damage>>,
    repaired: Vec<Range>,
}

/// What is held of one feed.
#[derive(Debug)]
struct Held {
    /// The feed, or the local name of a side of one.
    feed: FeedId,
    name: FeedName,
    top: Signed<Top>,
    stones: Vec<StoneRecord>,
    /// What was covered by something that had forgotten it.
    relics: Vec<StoneRecord>,
    /// What lies in the log behind the stones.
    pending: Vec<Pending>,
    /// Waypoints in the log that were fetched again because their stone is damaged.
    patches: BTreeMap<u64, Pending>,
}

/// One piece in the log.
#[derive(Debug, Clone, Copy)]
struct Pending {
    /// The place of its first waypoint.
    place: u64,
    what: What,
    extent: Extent,
}

/// What a piece in the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Waypoint(WaypointId),
    Gone(Gone),
}

impl Pending {
    fn new(place: u64, piece: &Piece, extent: Extent) -> Self {
        let what = match piece {
            Piece::Waypoint(waypoint) => What::Waypoint(waypoint.id()),
            Piece::Gone(gone) => What::Gone(*gone),
        };
        Self { place, what, extent }
    }

    /// The place after its last waypoint.
    fn end(&self) -> u64 {
        match self.what {
            What::Waypoint(_) => self.place + 1,
            What::Gone(gone) => self.place + gone.count(),
        }
    }

    /// The node of the feed's log that it is: level and hash.
    fn node(&self) -> (u8, LogHash) {
        match self.what {
            What::Waypoint(id) => (0, leaf_hash(&id)),
            What::Gone(gone) => (gone.level, gone.hash),
        }
    }
}

impl Held {
    fn new(feed: FeedId, top: Signed<Top>) -> Self {
        let name = top.claimed().feed;
        let (stones, relics, pending, patches) = Default::default();
        Self { feed, name, top, stones, relics, pending, patches }
    }

    /// How many waypoints lie in stones.
    fn base(&self) -> u64 {
        self.stones.last().map_or(0, |stone| stone.span.end())
    }

    /// How many waypoints are held.
    fn n(&self) -> u64 {
        self.pending.last().map_or(self.base(), Pending::end)
    }

    fn stone(&self, place: u64) -> Option<&StoneRecord> {
        let after = self.stones.partition_point(|stone| stone.span.start <= place);
        self.stones.get(after.checked_sub(1)?).filter(|stone| place < stone.span.end())
    }

    /// The stone that begins at a place, if nothing in the log stands for any of it.
    fn stone_at(&self, place: u64) -> Option<&StoneRecord> {
        let stone = self.stone(place).filter(|stone| stone.span.start == place)?;
        self.patches.range(place..stone.span.end()).next().is_none().then_some(stone)
    }

    /// Where in the log a waypoint lies, if it does.
    fn in_log(&self, place: u64) -> Option<&Pending> {
        if place < self.base() {
            return self.patches.get(&place);
        }
        let after = self.pending.partition_point(|pending| pending.place <= place);
        self.pending.get(after.checked_sub(1)?).filter(|pending| place < pending.end())
    }

    /// Ends at a place: something that covers all that lies at or behind it has come.
    fn cut_back(&mut self, place: u64) {
        if place >= self.n() {
            return;
        }
        self.lay_aside(place);
        self.pending.retain(|pending| pending.end() <= place);
        self.patches.split_off(&place);
    }

    /// Keeps the top that says most about what is held: one that is held in full before one that
    /// is not, then the longer one.
    fn offer_top(&mut self, top: &Signed<Top>) {
        let rank = |top: &Signed<Top>| (top.claimed().n <= self.n(), top.claimed().n);
        if rank(top) > rank(&self.top) {
            self.top = top.clone();
        }
    }
}

/// Reads what a stone has at a place.
type ReadAt = fn(&Stones, FeedName, &StoneRecord, u64) -> Result<Stored, NodeError>;

impl Store {
    /// Makes the store of a new repo.
    pub fn create(
        files: Arc<dyn Files>,
        dir: &Path,
        founding: &Signed<FoundingRecord>,
    ) -> Result<Self, NodeError> {
        recover::create(files, dir, founding)
    }

    /// Opens a store and says what it holds; what a crash left half done is finished or undone.
    pub fn open(files: Arc<dyn Files>, dir: &Path) -> Result<(Self, Recovered), NodeError> {
        recover::open(files, dir)
    }

    /// Whether there is a finished store in this folder.
    pub fn exists(files: &dyn Files, dir: &Path) -> Result<bool, NodeError> {
        let path = dir.join(manifest::NAME);
        Ok(files.len(&path).map_err(|error| NodeError::io("open", &path, error))?.is_some())
    }

    /// The repo.
    pub fn repo(&self) -> RepoId {
        self.manifest.founding.repo()
    }

    /// The founding record.
    pub fn founding(&self) -> &Signed<FoundingRecord> {
        &self.manifest.founding
    }

    /// The repo's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes a batch durable.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), NodeError> {
        self.commit_all(&[batch])
    }

    /// Makes batches durable together, with one write and one sync; all of them or none.
    pub fn commit_all(&mut self, batches: &[&Batch]) -> Result<(), NodeError> {
        self.check_runs(batches)?;
        if batches.iter().any(|batch| self.covers(batch)) {
            // All of what is about to be covered can be laid aside then.
            self.cut_all("is covered")?;
        }
        if batches.iter().any(|batch| has_records(batch)) {
            self.append(batches)?;
        }
        self.heal()?;
        let recalled: Vec<&Recalled> = batches.iter().flat_map(|batch| &batch.recalled).collect();
        self.recall(&recalled)
    }

    /// Writes what goes into the log.
    fn append(&mut self, batches: &[&Batch]) -> Result<(), NodeError> {
        let (record, extents) = commit::encode(batches);
        let offset = self.log.append(&record)?;
        let mut extents = extents.into_iter().map(|extent| shifted(extent, offset));
        for batch in batches {
            self.admit(&batch.projects, &batch.grants, &batch.forks);
            for run in &batch.feeds {
                self.admit_run(
                    run.feed,
                    run.top.signed(),
                    run.start,
                    run.pieces.iter().zip(extents.by_ref()),
                );
            }
        }
        Ok(())
    }

    /// Refuses runs that leave a gap, before anything is written.
    fn check_runs(&self, batches: &[&Batch]) -> Result<(), NodeError> {
        let mut ends = BTreeMap::new();
        for run in batches.iter().flat_map(|batch| &batch.feeds) {
            let end = ends.entry(run.feed).or_insert_with(|| self.feeds.get(&run.feed).map_or(0, Held::n));
            if run.start > *end {
                return Err(NodeError::Bug("a commit leaves a gap in a feed"));
            }
            *end = run.end().max(*end);
        }
        Ok(())
    }

    fn admit(&mut self, projects: &[String], rights: &[GrantRecord], forks: &[ForkProof]) {
        for project in projects {
            if !self.manifest.projects.contains(project) {
                self.manifest.projects.push(project.clone());
            }
        }
        for right in rights {
            if !self.manifest.rights.contains(right) {
                self.manifest.rights.push(right.clone());
            }
        }
        for fork in forks {
            // One proof of a feed is enough; the replica chose which.
            self.manifest.forks.retain(|known| known.feed() != fork.feed());
            self.manifest.forks.push(fork.clone());
        }
    }

    /// Takes in where pieces of one feed lie in the log.
    fn admit_run<'a>(
        &mut self,
        feed: FeedId,
        top: &Signed<Top>,
        start: u64,
        pieces: impl Iterator<Item = (&'a Piece, Extent)>,
    ) {
        let held = self.feeds.entry(feed).or_insert_with(|| Held::new(feed, top.clone()));
        let mut next = start;
        for (piece, extent) in pieces {
            let (place, pending) = (next, Pending::new(next, piece, extent));
            next = pending.end();
            if pending.end() > held.n() {
                // What was forgotten elsewhere may cover the end of what is here.
                held.cut_back(place);
                held.pending.push(pending);
            } else if place < held.base() && piece.waypoint().is_some() {
                held.patches.insert(place, pending);
            } else {
                continue;
            }
            let entries = piece.waypoint().into_iter().flat_map(|waypoint| waypoint.entries());
            for (content, _) in entries.filter_map(|entry| entry.content()) {
                self.fresh.insert(content, Place { feed, place });
            }
        }
        held.offer_top(top);
    }

    /// Takes in a run that was read back from the log, whose record's payload begins at `offset`.
    fn readmit_run(&mut self, run: &Run, offset: u64) {
        let pieces = run.pieces.iter().map(|(piece, extent)| (piece, shifted(*extent, offset)));
        self.admit_run(run.feed, &run.top, run.start, pieces);
    }

    /// How many waypoints of a feed are held.
    pub fn feed_length(&self, feed: FeedId) -> u64 {
        self.feeds.get(&feed).map_or(0, Held::n)
    }

    /// Encoded pieces of a feed by place, from 0: from the one that has `from` to the one that has the place before `to`.
    ///
    /// Stops before `bytes_max` bytes, but not before the first piece.
    pub fn pieces(
        &self,
        _project: ProjectId,
        feed: FeedId,
        from: u64,
        to: u64,
        bytes_max: u64,
    ) -> Result<Vec<Vec<u8>>, NodeError> {
        let (mut pieces, mut total, mut place) = (Vec::new(), 0, from);
        while place < to.min(self.feed_length(feed)) {
            let (bytes, end) = match self.load(Place { feed, place }) {
                Ok(Stored::Body(waypoint)) => (waypoint.to_bytes(), place + 1),
                Ok(Stored::Gone(gone)) => (gone.to_bytes(), gone.start(place) + gone.count()),
                Ok(Stored::Faded(id)) if pieces.is_empty() => return Err(NodeError::Faded(id)),
                Err(error) if pieces.is_empty() => return Err(error),
                Ok(Stored::Faded(_)) | Err(_) => break,
            };
            total += bytes.len() as u64;
            if total > bytes_max && !pieces.is_empty() {
                break;
            }
            pieces.push(bytes);
            place = end;
        }
        Ok(pieces)
    }

    /// Waypoints of a feed by place, from 0, without their operations and contents; those that are gone are left out.
    pub fn witnesses(&self, feed: FeedId, places: &[u64]) -> Result<Vec<Waypoint>, NodeError> {
        let mut witnesses = Vec::new();
        for place in places {
            if let Stored::Body(waypoint) = self.load(Place { feed, place: *place })? {
                witnesses.push(waypoint.faded(&BTreeSet::new()));
            }
        }
        Ok(witnesses)
    }

    /// Reads one waypoint from wherever it lies, and checks that it is the one; the subtree that has it where it is gone.
    fn load(&self, place: Place) -> Result<Stored, NodeError> {
        self.load_with(place, Stones::read)
    }

    fn load_with(&self, place: Place, read: ReadAt) -> Result<Stored, NodeError> {
        let missing =
            || NodeError::NotFound { what: "waypoint", name: format!("{} {}", place.feed, place.place) };
        let held = self.feeds.get(&place.feed).ok_or_else(missing)?;
        if let Some(pending) = held.in_log(place.place) {
            return self.load_pending(held, pending);
        }
        let stone = held.stone(place.place).ok_or_else(missing)?;
        read(&self.stones, held.name, stone, place.place).inspect_err(|error| self.note(error))
    }

    fn load_pending(&self, held: &Held, pending: &Pending) -> Result<Stored, NodeError> {
        let bytes = self.log.read(pending.extent.offset, pending.extent.len)?;
        match Piece::from_bytes(&bytes) {
            Ok(piece) if piece.node() == pending.node() => Ok(piece.into()),
            _ => {
                let detail = format!("waypoint {} does not read back", pending.place + 1);
                let range = Range { project: held.name.project, feed: held.name.id(), first: 0, count: 0 };
                let file = recover::log_name(self.manifest.log);
                let damage = Damage { file, offset: pending.extent.offset, detail, range: Some(range) };
                Err(damage.into())
            }
        }
    }

    /// The damages that were met since the store was opened, and were not repaired.
    pub fn damages(&self) -> Vec<Damage> {
        self.damaged().values().cloned().collect()
    }

    /// Whether nothing more can be written before the store is reopened.
    pub fn is_poisoned(&self) -> bool {
        self.log.is_poisoned()
    }

    fn note(&self, error: &NodeError) {
        if let NodeError::Damaged(damage) = error {
            self.damaged().insert(damage.file.clone(), damage.clone());
        }
    }

    // What these two guard is replaced in single steps, so a panic elsewhere leaves it whole.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self) -> MutexGuard<'_, BTreeMap<String, Damage>> {
        self.damages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a batch has something for the log. What comes back goes straight into stones.
fn has_records(batch: &Batch) -> bool {
    let records = batch.projects.len() + batch.grants.len() + batch.forks.len() + batch.feeds.len();
    records > 0 || batch.recalled.is_empty()
}

/// An extent of a record's payload as one of the file.
fn shifted(extent: Extent, offset: u64) -> Extent {
    Extent { offset: offset + extent.offset, len: extent.len }
}
