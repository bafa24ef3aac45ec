//! Cutting: the log becomes stones, small stones become larger ones.
//!
//! A stone that becomes part of a larger one is taken over pack by pack, so memory does not grow with it.
//!
//! New stones are written and proven, the manifest flips to them and to a new, empty log, and only
//! then do the old log and the merged stones go. A crash anywhere leaves the old state or the new.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use cairn_crdt::id::FeedId;
use cairn_protocol::hash::LogHash;
use cairn_protocol::merkle::Peaks;
use cairn_protocol::stone::StoneName;
use cairn_protocol::tower::{Choice, POLICY, Span, Tower, choose};

use super::index::Lying;
use super::manifest::{FeedRecord, Manifest, StoneRecord};
use super::recover::{log_name, tower_root};
use super::stones::{Carved, Proof};
use super::{Held, Place, Store, What};
use crate::error::NodeError;
use crate::store::log::Log;

/// What a log holds while somebody sends, or posts, more than a little.
const MUCH_BYTES: u64 = 16 << 20;

/// The stones that feeds will have.
pub(super) type Planned = BTreeMap<FeedId, Plan>;

/// The stones that one feed will have.
pub(super) struct Plan {
    pub(super) stones: Vec<StoneRecord>,
    pub(super) relics: Vec<StoneRecord>,
}

impl Store {
    /// Whether the log has grown above this many bytes.
    pub fn wants_cut(&self, log_bytes_max: u64) -> bool {
        self.log.len() > log_bytes_max
    }

    /// Cuts the log into stones and merges small ones. Gives how many stones were written.
    ///
    /// While waypoints in the log stand for those of a damaged stone, nothing is cut.
    pub fn cut(&mut self) -> Result<u64, NodeError> {
        if self.log.is_poisoned() {
            return Err(NodeError::Poisoned);
        }
        if self.log.is_empty() || self.feeds.values().any(|held| !held.patches.is_empty()) {
            return Ok(0);
        }
        let (mut planned, mut written) = (Planned::new(), 0);
        for (feed, held) in self.feeds.iter().filter(|(_, held)| !held.pending.is_empty()) {
            let (stones, new) = self.cut_feed(held)?;
            planned.insert(*feed, Plan { stones, relics: held.relics.clone() });
            written += new;
        }
        let feeds: Vec<FeedId> = planned.keys().copied().collect();
        self.flip(planned)?;
        feeds.into_iter().try_for_each(|feed| self.index_again(feed))?;
        Ok(written)
    }

    /// Cuts all that lies in the log, as what `nothing` names has to have it in stones; refuses where a damage forbids it.
    pub(super) fn cut_all(&mut self, nothing: &str) -> Result<(), NodeError> {
        self.cut()?;
        match self.log.is_empty() {
            true => Ok(()),
            false => {
                let why = format!("a damaged stone waits to be repaired, so nothing {nothing} yet");
                Err(NodeError::Refused(why))
            }
        }
    }

    /// Cuts what is left and closes the store.
    pub fn close(mut self) -> Result<(), NodeError> {
        if self.is_poisoned() {
            return Ok(());
        }
        self.cut()?;
        self.compact_index();
        Ok(())
    }

    /// Writes the stones that one feed should have; gives them all and how many are new.
    fn cut_feed(&self, held: &Held) -> Result<(Vec<StoneRecord>, u64), NodeError> {
        let written = match self.write_tower(held, plan(held)?) {
            // A damaged stone cannot be merged; those beside it can wait.
            Err(NodeError::Damaged(_)) => self.write_tower(held, plan_beside(held)?),
            written => written,
        };
        written.inspect_err(|error| self.note(error))
    }

    fn write_tower(
        &self,
        held: &Held,
        tower: Vec<(Span, LogHash)>,
    ) -> Result<(Vec<StoneRecord>, u64), NodeError> {
        thread::scope(|scope| {
            let (mut stones, mut proof, mut new) = (Vec::new(), None, 0);
            for (span, subtree) in tower {
                if let Some(known) = held.stones.iter().find(|stone| stone.span == span) {
                    stones.push(known.clone());
                    continue;
                }
                let carved = self.write_stone(held, span, subtree)?;
                // While one is proven the next one is written, and no more.
                stones.extend(proof.take().map(Proof::end).transpose()?);
                proof = Some(carved.prove_beside(scope));
                new += 1;
            }
            stones.extend(proof.map(Proof::end).transpose()?);
            stones.sort_by_key(|stone: &StoneRecord| stone.span.start);
            Ok((stones, new))
        })
    }

    pub(super) fn write_stone(
        &self,
        held: &Held,
        span: Span,
        subtree: LogHash,
    ) -> Result<Carved<'_>, NodeError> {
        let mut chisel = self.stones.begin(StoneName { feed: held.name, span })?;
        if self.log.len() > MUCH_BYTES {
            // What is little of it is packed again when it becomes part of something larger.
            chisel.hurry();
        }
        let mut place = span.start;
        while place < span.end() {
            let part = held.stone_at(place).filter(|stone| stone.span.level < span.level);
            if let Some(stone) = part {
                chisel.take(stone).inspect_err(|error| self.note(error))?;
                place = stone.span.end();
            } else {
                let stored = self.load(Place { feed: held.feed, place })?;
                chisel.push(&stored)?;
                place += stored.count();
            }
        }
        chisel.carved(subtree)
    }

    /// Makes the planned stones and an empty log the state of the store.
    pub(super) fn flip(&mut self, mut planned: Planned) -> Result<(), NodeError> {
        let number = self.manifest.log + 1;
        let path = self.dir.join(log_name(number));
        let log = Log::create(&*self.files, &path)?;
        let record = |(feed, held): (&FeedId, &Held)| FeedRecord {
            feed: *feed,
            top: held.top.clone(),
            stones: planned.get(feed).map_or(&held.stones, |plan| &plan.stones).clone(),
            relics: planned.get(feed).map_or(&held.relics, |plan| &plan.relics).clone(),
        };
        let feeds = self.feeds.iter().map(record).collect();
        self.put_manifest(number, feeds)?;
        self.index_new(&planned);
        let old_log = self.dir.join(log_name(number - 1));
        self.log = log;
        let mut gone = Vec::new();
        for (feed, held) in &mut self.feeds {
            if let Some(plan) = planned.remove(feed) {
                gone.append(&mut std::mem::replace(&mut held.stones, plan.stones));
                gone.append(&mut std::mem::replace(&mut held.relics, plan.relics));
                held.pending = Vec::new();
            }
        }
        // The histories of a forked feed begin alike, and so with the same stones.
        let used: BTreeSet<&str> =
            self.feeds.values().flat_map(Held::all_stones).map(|stone| &*stone.file).collect();
        let used = |stone: &StoneRecord| used.contains(&*stone.file);
        gone.iter().filter(|stone| !used(stone)).for_each(|stone| self.stones.remove(stone));
        self.fresh.clear();
        // What cannot be removed now goes when the store is opened.
        let _ = self.files.remove(&old_log);
        Ok(())
    }

    /// Derives what the index has of a feed again, where it lags behind because what was covered is not in the tower.
    fn index_again(&mut self, feed: FeedId) -> Result<(), NodeError> {
        let Some(held) = self.feeds.get(&feed) else { return Ok(()) };
        let root = tower_root(&held.stones)?;
        match self.index.covers(feed, &root).unwrap_or(false) {
            true => Ok(()),
            false => self.reindex(feed),
        }
    }

    /// Adds what leaves the log to the index; where that fails, opening the store does it.
    fn index_new(&self, planned: &Planned) {
        let indexed = || -> Result<(), NodeError> {
            let (mut fresh, mut roots) = (self.fresh_by_feed(), BTreeMap::new());
            for (feed, plan) in planned {
                let Some(held) = self.feeds.get(feed).filter(|held| !held.pending.is_empty()) else {
                    continue;
                };
                let before = tower_root(&held.stones)?;
                if held.base() == 0 || self.index.covers(*feed, &before).unwrap_or(false) {
                    roots.insert(*feed, (fresh.remove(feed).unwrap_or_default(), tower_root(&plan.stones)?));
                }
            }
            if roots.is_empty() {
                return Ok(());
            }
            let feeds = roots.iter().map(|(feed, (contents, root))| (*feed, &**contents, Some(root)));
            Ok(self.index.add_all(feeds)?)
        };
        if let Err(error) = indexed() {
            tracing::warn!(%error, "the index lags behind");
        }
    }

    /// The contents that lie in the log, by the feed whose waypoint carries them.
    fn fresh_by_feed(&self) -> BTreeMap<FeedId, Vec<Lying>> {
        let mut fresh: BTreeMap<FeedId, Vec<Lying>> = BTreeMap::new();
        for (content, Place { feed, place }) in &self.fresh {
            fresh.entry(*feed).or_default().push((*content, *place));
        }
        fresh
    }

    /// Replaces the manifest, once the names of the stones that it speaks of are durable. After a failure nobody knows
    /// which one counts, so the store stops.
    pub(super) fn put_manifest(&mut self, log: u64, feeds: Vec<FeedRecord>) -> Result<(), NodeError> {
        let generation = self.manifest.generation + 1;
        let manifest = Manifest { generation, log, feeds, ..self.manifest.clone() };
        let named = self.stones.sync_names();
        if let Err(error) = named.and_then(|()| manifest.replace(&*self.files, &self.dir)) {
            self.log.poison();
            return Err(error);
        }
        self.manifest = manifest;
        Ok(())
    }
}

/// The stones that a feed should have, by the rule of its tower.
fn plan(held: &Held) -> Result<Vec<(Span, LogHash)>, NodeError> {
    const WRONG: NodeError = NodeError::Bug("a tower cannot be built");
    let mut tower = Tower::default();
    for stone in &held.stones {
        tower.push(stone.span, stone.subtree).map_err(|_| WRONG)?;
    }
    loop {
        match choose(&tower, held.n(), POLICY) {
            Choice::Nothing => break,
            Choice::Cut(span) => {
                let (span, hash) = pending_subtree(held, span).ok_or(WRONG)?;
                tower.push(span, hash).map_err(|_| WRONG)?;
            }
            Choice::Merge(span) => tower.merge(span).map_err(|_| WRONG)?,
        }
    }
    if tower.len() == held.n() { Ok(tower.stones().to_vec()) } else { Err(WRONG) }
}

/// The stones that a feed should have when those that it has stay as they are.
fn plan_beside(held: &Held) -> Result<Vec<(Span, LogHash)>, NodeError> {
    let mut tower: Vec<_> = held.stones.iter().map(|stone| (stone.span, stone.subtree)).collect();
    let mut start = held.base();
    while start < held.n() {
        let fits =
            (held.n() - start).ilog2().min(start.checked_ilog2().map_or(63, |_| start.trailing_zeros()));
        let span = Span { start, level: fits.min(POLICY.level_max.into()) as u8 };
        let (span, hash) = pending_subtree(held, span).ok_or(NodeError::Bug("a tower cannot be built"))?;
        tower.push((span, hash));
        start = span.end();
    }
    Ok(tower)
}

/// A subtree over pieces that lie in the log, and its hash: the one that is wanted, or a larger one that is gone.
fn pending_subtree(held: &Held, span: Span) -> Option<(Span, LogHash)> {
    let first = held.pending.binary_search_by_key(&span.start, |pending| pending.place).ok()?;
    let span = match held.pending.get(first)?.what {
        What::Gone(gone) if gone.level > span.level => Span { start: span.start, level: gone.level },
        _ => span,
    };
    let mut peaks = Peaks::default();
    for pending in held.pending.get(first..)?.iter().take_while(|pending| pending.end() <= span.end()) {
        let (level, hash) = pending.node();
        // Places count from the feed's beginning, levels from the subtree's: it begins where a subtree of its size may.
        if !peaks.append_subtree(level, hash) {
            return None;
        }
    }
    match peaks.hashes() {
        [hash] if peaks.len() == span.count() => Some((span, *hash)),
        _ => None,
    }
}
