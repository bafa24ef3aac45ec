//! Making and opening stores: what a crash left half done is finished or undone here.
//!
//! Every step may be cut short and done again: files that the manifest does not name are
//! removed, a torn commit is cut off (and kept in quarantine), the index is rebuilt where it disagrees.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use cairn_crdt::id::FeedId;
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::grant::GrantRecord;
use cairn_protocol::hash::LogHash;
use cairn_protocol::log as merkle;
use cairn_protocol::proof::ForkProof;
use cairn_protocol::skeleton::Bones;
use cairn_protocol::stone::Stored;
use cairn_protocol::top::Top;
use cairn_protocol::{FeedName, Signed, Skeleton, project_id};

use super::cache::Cache;
use super::commit::{self, Commit};
use super::index::{self, Index, Unusable};
use super::log::{Log, Record, Replayed};
use super::manifest::{Manifest, StoneRecord};
use super::stones::{self, Stones};
use super::{Held, Store, quarantine, summaries};
use crate::error::{Damage, NodeError};
use crate::files::{self, Files};

/// The file that says what the folder is.
const FORMAT: &str = "FORMAT";
/// What it says; a store of another level is refused.
const FORMAT_WORDS: &str = "cairn store 1\n";

/// What a store held when it was opened: enough to restore a replica.
#[derive(Debug)]
pub struct Recovered {
    /// The founding record.
    pub founding: Signed<FoundingRecord>,
    /// The names of the projects.
    pub projects: Vec<String>,
    /// Grants and revocations, in the order in which they came.
    pub rights: Vec<GrantRecord>,
    /// The proofs of forks.
    pub forks: Vec<ForkProof>,
    /// The feeds.
    pub feeds: Vec<RecoveredFeed>,
    /// What is damaged.
    pub damages: Vec<Damage>,
    /// Bytes of a commit that was never acknowledged; they are in quarantine.
    pub torn_bytes: u64,
}

/// One feed of a store that was opened.
#[derive(Debug)]
pub struct RecoveredFeed {
    /// The name of its project.
    pub project: String,
    /// Its name, or the local name of a side.
    pub feed: FeedId,
    /// Its top.
    pub top: Signed<Top>,
    /// Its pieces from the first, as skeletons. Fewer than are held where a damaged stone interrupts them.
    pub skeletons: Vec<Skeleton>,
    /// What lies beside it since something covered it that had forgotten it.
    pub relics: Vec<Bones>,
}

/// Reads a stone, in order.
type ReadStone<T> =
    fn(&Stones, FeedName, &StoneRecord, &mut dyn FnMut(T) -> Result<(), NodeError>) -> Result<(), NodeError>;
/// The skeletons that were read from the log, by feed and place.
type Skeletons = BTreeMap<FeedId, BTreeMap<u64, Skeleton>>;

/// The name of a log's file.
pub(super) fn log_name(number: u64) -> String {
    format!("log.{number}")
}

/// Makes the store of a new repo.
pub(super) fn create(
    files: Arc<dyn Files>,
    dir: &Path,
    founding: &Signed<FoundingRecord>,
) -> Result<Store, NodeError> {
    if Store::exists(&*files, dir)? {
        return Err(NodeError::Refused(format!("{} holds a store already", dir.display())));
    }
    for folder in [dir.to_owned(), dir.join(stones::DIR), dir.join(quarantine::DIR)] {
        files.create_dir(&folder).map_err(|error| NodeError::io("create", &folder, error))?;
    }
    let path = dir.join(FORMAT);
    let written = files::replace(&*files, &dir.join("FORMAT.new"), &path, FORMAT_WORDS.as_bytes());
    written.map_err(|error| NodeError::io("write", &path, error))?;
    let log = Log::create(&*files, &dir.join(log_name(1)))?;
    let (projects, rights, forks, feeds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let founding = founding.clone();
    let manifest = Manifest { generation: 1, log: 1, founding, projects, rights, forks, feeds };
    manifest.replace(&*files, dir)?;
    let parent = dir.parent().unwrap_or(Path::new("."));
    files.sync_dir(parent).map_err(|error| NodeError::io("sync", parent, error))?;
    let index = Index::create(&*files, dir)?;
    Ok(assemble(files, dir, manifest, log, index))
}

/// Opens a store.
pub(super) fn open(files: Arc<dyn Files>, dir: &Path) -> Result<(Store, Recovered), NodeError> {
    check_format(&*files, dir)?;
    let manifest = load_manifest(&*files, dir)?;
    let (log, replayed) = open_log(&*files, dir, manifest.log)?;
    let index = Index::open(&*files, dir)?;
    let mut store = assemble(files, dir, manifest, log, index);
    let skeletons = store.replay(&replayed.records)?;
    store.sweep()?;
    store.check_stones()?;
    let feeds = store.recover_feeds(skeletons)?;
    let recovered = Recovered {
        founding: store.manifest.founding.clone(),
        projects: store.manifest.projects.clone(),
        rights: store.manifest.rights.clone(),
        forks: store.manifest.forks.clone(),
        feeds,
        damages: store.damages(),
        torn_bytes: replayed.torn.len() as u64,
    };
    Ok((store, recovered))
}

fn assemble(files: Arc<dyn Files>, dir: &Path, manifest: Manifest, log: Log, index: Index) -> Store {
    let held = |feed: &super::manifest::FeedRecord| {
        let (stones, relics) = (feed.stones.clone(), feed.relics.clone());
        let held = Held { stones, relics, ..Held::new(feed.feed, feed.top.clone()) };
        (feed.feed, held)
    };
    let feeds = manifest.feeds.iter().map(held).collect();
    let stones = Stones::new(files.clone(), dir);
    let (cache, damages) = (Mutex::new(Cache::default()), Mutex::default());
    let (dir, fresh, repaired) = (dir.to_owned(), BTreeMap::new(), Vec::new());
    Store { files, dir, manifest, log, feeds, fresh, stones, index, cache, damages, repaired }
}

fn check_format(files: &dyn Files, dir: &Path) -> Result<(), NodeError> {
    let path = dir.join(FORMAT);
    let missing = || NodeError::NotFound { what: "store", name: dir.display().to_string() };
    let known = files.len(&path).map_err(|error| NodeError::io("read", &path, error))?;
    known.ok_or_else(missing)?;
    let words = files::read(files, &path, 4096).map_err(|error| NodeError::io("read", &path, error))?;
    if words == FORMAT_WORDS.as_bytes() {
        return Ok(());
    }
    let why = format!("it says {:?}", String::from_utf8_lossy(&words));
    Err(NodeError::Format { path, why })
}

fn load_manifest(files: &dyn Files, dir: &Path) -> Result<Manifest, NodeError> {
    let missing = || NodeError::NotFound { what: "store", name: dir.display().to_string() };
    Manifest::load(files, dir)?.ok_or_else(missing)
}

/// Opens the log; a damaged one is copied to quarantine before the damage is reported.
fn open_log(files: &dyn Files, dir: &Path, number: u64) -> Result<(Log, Replayed), NodeError> {
    let name = log_name(number);
    let path = dir.join(&name);
    let (log, replayed) = match Log::open(files, &path) {
        Err(error @ NodeError::Damaged(_)) => {
            quarantine::copy(files, dir, &path)?;
            return Err(error);
        }
        opened => opened?,
    };
    if !replayed.torn.is_empty() {
        tracing::info!(bytes = replayed.torn.len(), "an unfinished commit was cut off");
        // It was never acknowledged, so a disk without room for the copy stops nothing.
        if let Err(error) = quarantine::keep(files, dir, &name, &replayed.torn) {
            tracing::warn!(%error, "an unfinished commit could not be kept");
        }
    }
    Ok((log, replayed))
}

/// Takes a log apart in which a record is bad: what is whole and leaves no gap goes into a new log.
///
/// Gives the number of commits that were kept and of those that were lost or lost a part.
pub(super) fn salvage(files: &Arc<dyn Files>, dir: &Path) -> Result<(u64, u64), NodeError> {
    let mut manifest = load_manifest(&**files, dir)?;
    let records = Log::salvage(&**files, &dir.join(log_name(manifest.log)))?;
    let mut ends: BTreeMap<FeedId, u64> = BTreeMap::new();
    for feed in &manifest.feeds {
        let end = feed.stones.last().map_or(0, |stone| stone.span.end());
        ends.insert(feed.feed, end);
    }
    manifest.log += 1;
    manifest.generation += 1;
    let mut log = Log::create(&**files, &dir.join(log_name(manifest.log)))?;
    // The bad record itself is lost.
    let (mut kept, mut lost) = (0, 1);
    for record in records {
        let mut commit = decode(&record, manifest.log)?;
        let runs = commit.runs.len();
        commit.runs.retain(|run| follows(&mut ends, run));
        lost += u64::from(commit.runs.len() < runs);
        kept += 1;
        log.append(&commit::encode_again(&commit))?;
    }
    manifest.replace(&**files, dir)?;
    Ok((kept, lost))
}

/// Whether a run leaves no gap behind what is known of its feed, and what is known then.
fn follows(ends: &mut BTreeMap<FeedId, u64>, run: &commit::Run) -> bool {
    let end = ends.entry(run.feed).or_insert(0);
    let fits = run.start <= *end;
    if fits {
        *end = (*end)
            .max(run.pieces.iter().map(|(piece, _)| piece.count()).fold(run.start, u64::saturating_add));
    }
    fits
}

fn decode(record: &Record, log: u64) -> Result<Commit, NodeError> {
    commit::decode(&record.payload).map_err(|error| {
        let offset = record.offset + error.offset as u64;
        let detail = format!("a record does not read: {}", error.problem);
        NodeError::Damaged(Damage { file: log_name(log), offset, detail, range: None })
    })
}

impl Store {
    fn replay(&mut self, records: &[Record]) -> Result<Skeletons, NodeError> {
        let mut skeletons = Skeletons::new();
        for record in records {
            let commit = decode(record, self.manifest.log)?;
            self.admit(&commit.projects, &commit.rights, &commit.forks);
            for run in &commit.runs {
                let feed = run.feed;
                let before = self.feed_length(feed);
                self.readmit_run(run, record.offset);
                lay(skeletons.entry(feed).or_default(), run, before);
            }
        }
        Ok(skeletons)
    }

    /// Removes what the manifest does not name: the leavings of a cut that a crash interrupted.
    fn sweep(&self) -> Result<(), NodeError> {
        let stones = self.feeds.values().flat_map(Held::all_stones);
        let named: BTreeSet<&str> = stones.map(|stone| &*stone.file).collect();
        self.stones.sweep(&|name| named.contains(name))?;
        let current = log_name(self.manifest.log);
        let paths = self.files.list(&self.dir).map_err(|error| NodeError::io("list", &self.dir, error))?;
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if (name.starts_with("log.") && name != current) || name.ends_with(".new") {
                self.files.remove(&path).map_err(|error| NodeError::io("remove", &path, error))?;
            }
        }
        Ok(())
    }

    /// Notes the stones that are gone or have another length, without reading them.
    fn check_stones(&self) -> Result<(), NodeError> {
        for held in self.feeds.values() {
            for stone in held.all_stones() {
                if let Some(damage) = self.stones.check(held.name, stone)? {
                    self.note(&held.met(stone, damage.into()));
                }
            }
        }
        Ok(())
    }

    fn recover_feeds(&mut self, mut skeletons: Skeletons) -> Result<Vec<RecoveredFeed>, NodeError> {
        let ids: Vec<FeedId> = self.feeds.keys().copied().collect();
        let mut feeds = Vec::new();
        for feed in ids {
            let mut known = self.stone_skeletons(feed)?;
            let Some(held) = self.feeds.get(&feed) else { continue };
            if known.iter().map(Skeleton::count).sum::<u64>() == held.base() {
                known.extend(skeletons.remove(&feed).unwrap_or_default().into_values());
            }
            let named = |name: &&String| project_id(held.name.repo, name) == held.name.project;
            let project = self.manifest.projects.iter().find(named);
            let project = project.ok_or(NodeError::Bug("a feed of a project without a name"))?.clone();
            let (top, relics) = (held.top.clone(), self.relic_skeletons(feed)?);
            feeds.push(RecoveredFeed { project, feed, top, skeletons: known, relics });
        }
        Ok(feeds)
    }

    /// The skeletons of what lies in a feed's stones, up to the first that cannot be had.
    fn stone_skeletons(&mut self, feed: FeedId) -> Result<Vec<Skeleton>, NodeError> {
        let Some(held) = self.feeds.get(&feed) else { return Ok(Vec::new()) };
        if !self.index.covers(feed, &tower_root(&held.stones)?).unwrap_or(false) {
            self.reindex(feed)?;
        }
        let mut skeletons = Vec::new();
        let mut add = |_, skeleton| skeletons.push(skeleton);
        match self.read_stones(feed, Stones::read_skeletons, summaries::skeleton, Skeleton::count, &mut add) {
            Ok(_) | Err(NodeError::Faded(_)) => Ok(skeletons),
            Err(error) => Err(error),
        }
    }

    /// Reads the stones of a feed into the index again, up to the first that is damaged.
    pub(super) fn reindex(&mut self, feed: FeedId) -> Result<(), NodeError> {
        let mut contents = Vec::new();
        let mut add = |place, stored: Stored| {
            contents.extend(index::contents_of(&stored).into_iter().map(|content| (content, place)));
        };
        let is_whole = self.read_stones(feed, Stones::read_all, Ok, Stored::count, &mut add)?;
        let mut add = |place, stored: Stored| {
            add(place, stored);
            Ok(())
        };
        match self.each_relic(feed, &mut add).inspect_err(|error| self.note(error)) {
            Ok(()) | Err(NodeError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        let Some(held) = self.feeds.get(&feed) else { return Ok(()) };
        let root = tower_root(&held.stones)?;
        let root = is_whole.then_some(&root);
        if let Err(error) = self.index.add(feed, &contents, root) {
            tracing::warn!(?error, "the index is made anew");
            self.index = Index::create(&*self.files, &self.dir)?;
            self.index.add(feed, &contents, root).map_err(|error: Unusable| NodeError::from(error))?;
        }
        Ok(())
    }

    /// Shows what lies in the stones of a feed, and where, up to the first that is damaged; whether all could be read. What
    /// is not read with a whole stone is loaded by itself.
    fn read_stones<T>(
        &self,
        feed: FeedId,
        read: ReadStone<T>,
        loaded: fn(Stored) -> Result<T, NodeError>,
        count: fn(&T) -> u64,
        each: &mut dyn FnMut(u64, T),
    ) -> Result<bool, NodeError> {
        let Some(held) = self.feeds.get(&feed) else { return Ok(true) };
        let mut place = 0;
        while place < held.base() {
            let start = place;
            let mut add = |read: T| {
                let at = place;
                place += count(&read);
                each(at, read);
                Ok(())
            };
            let read = match held.stone_at(start) {
                Some(stone) => read(&self.stones, held.name, stone, &mut add),
                None => self.load(super::Place { feed, place: start }).and_then(loaded).and_then(add),
            };
            match read.inspect_err(|error| self.note(error)) {
                Ok(()) => {}
                Err(NodeError::Damaged(_)) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Throws the index and the summaries away and derives the index again from the stones; the summaries are made when
    /// the store is opened.
    pub fn rebuild_index(&mut self) -> Result<(), NodeError> {
        self.feeds.values().flat_map(Held::all_stones).for_each(|stone| self.stones.remove_summary(stone));
        self.index = Index::create(&*self.files, &self.dir)?;
        let feeds: Vec<FeedId> = self.feeds.keys().copied().collect();
        feeds.into_iter().try_for_each(|feed| self.reindex(feed))?;
        self.compact_index();
        Ok(())
    }

    /// Lets the index have no more of the disk than it needs; where that fails, it stays as it is.
    pub(super) fn compact_index(&mut self) {
        if let Err(error) = self.index.compact() {
            tracing::warn!(?error, "the index keeps its size");
        }
    }

    /// Makes a store usable again whose log has a bad record in the middle.
    ///
    /// The damaged log is in quarantine since it was opened. Gives the commits kept and lost.
    pub fn salvage(files: &Arc<dyn Files>, dir: &Path) -> Result<(u64, u64), NodeError> {
        salvage(files, dir)
    }
}

/// Lays what a run brings over what is there: a subtree that is gone may cover the end of it.
fn lay(skeletons: &mut BTreeMap<u64, Skeleton>, run: &commit::Run, held: u64) {
    let mut next = run.start;
    for (piece, _) in &run.pieces {
        let place = next;
        next += piece.count();
        if next > held {
            skeletons.split_off(&place);
            skeletons.insert(place, Skeleton::of(piece));
        }
    }
}

/// The root over a feed's stones.
pub(super) fn tower_root(stones: &[StoneRecord]) -> Result<LogHash, NodeError> {
    let mut log = merkle::Log::new();
    for stone in stones {
        let appended = log.append_subtree(stone.span.level, stone.subtree);
        appended.map_err(|_| NodeError::Bug("the stones of a feed are not in order"))?;
    }
    Ok(log.root())
}
