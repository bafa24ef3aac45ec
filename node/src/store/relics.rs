//! Relics: stones that something covered which had forgotten what is in them.
//!
//! Whoever forgets neighbours keeps one hash for all of them and sends that. A peer that holds the first of them and
//! not the rest can only take the hash, which nobody can take apart, in the place of what it holds. But what it holds may be what
//! a mark stands on. So the covered stones stay beside the tower: the manifest names them, whatever is not in the tower any more
//! is read from them, and a fade drops those that nothing needs.

use cairn_crdt::id::FeedId;
use cairn_protocol::effect::{Accepted, Batch};
use cairn_protocol::piece::Piece;
use cairn_protocol::replica::Fading;
use cairn_protocol::skeleton::{Bones, Skeleton};
use cairn_protocol::stone::Stored;

use super::manifest::StoneRecord;
use super::{Held, Place, ReadAt, Store};
use crate::error::{Damage, NodeError};

impl Held {
    /// Every stone: those of the tower, and the relics.
    pub(super) fn all_stones(&self) -> impl Iterator<Item = &StoneRecord> {
        self.stones.iter().chain(&self.relics)
    }

    /// Lays aside the stones that lie at or behind a place: something that covers all of them has come.
    pub(super) fn lay_aside(&mut self, place: u64) {
        let covered = self.stones.partition_point(|stone| stone.span.end() <= place);
        self.relics.extend(self.stones.drain(covered..));
    }

    /// Whether a run covers some of what is held with a subtree that is gone.
    fn is_covered_by(&self, run: &Accepted) -> bool {
        let mut end = run.start;
        run.pieces.iter().any(|piece| {
            let place = end;
            end += piece.count();
            matches!(piece, Piece::Gone(_)) && place < self.n() && self.n() < end
        })
    }
}

impl Store {
    /// Whether a batch covers something that is held.
    pub(super) fn covers(&self, batch: &Batch) -> bool {
        let covered = |run: &Accepted| self.feeds.get(&run.feed).is_some_and(|held| held.is_covered_by(run));
        batch.feeds.iter().any(covered)
    }

    /// Reads a waypoint; from a relic, where the tower has only the subtree that is gone.
    pub(super) fn load_covered(&self, place: Place, read: ReadAt) -> Result<Stored, NodeError> {
        let stored = self.load_with(place, read)?;
        let Some(held) = self.feeds.get(&place.feed).filter(|_| matches!(stored, Stored::Gone(_))) else {
            return Ok(stored);
        };
        let has = |stone: &&StoneRecord| (stone.span.start..stone.span.end()).contains(&place.place);
        for stone in held.relics.iter().filter(has) {
            let relic = read(&self.stones, held.name, stone, place.place).map_err(beyond_repair)?;
            if matches!(relic, Stored::Body(_)) {
                return Ok(relic);
            }
        }
        Ok(stored)
    }

    /// Shows the bodies in the relics of a feed, with their places, up to the first relic that is damaged.
    pub(super) fn each_relic(
        &self,
        feed: FeedId,
        each: &mut dyn FnMut(u64, Stored) -> Result<(), NodeError>,
    ) -> Result<(), NodeError> {
        let Some(held) = self.feeds.get(&feed) else { return Ok(()) };
        held.relics.iter().try_for_each(|stone| {
            let mut place = stone.span.start;
            let read = self.stones.read_all(held.name, stone, &mut |stored| {
                let at = place;
                place += stored.count();
                each(at, stored)
            });
            read.map_err(beyond_repair)
        })
    }

    /// The skeletons of the waypoints in a feed's relics. A damaged one is noted and gives none.
    pub(super) fn relic_skeletons(&self, feed: FeedId) -> Result<Vec<Bones>, NodeError> {
        let Some(held) = self.feeds.get(&feed) else { return Ok(Vec::new()) };
        let mut skeletons = Vec::new();
        for stone in &held.relics {
            let read = self.stones.read_skeletons(held.name, stone, &mut |skeleton| {
                skeletons.extend(match skeleton {
                    Skeleton::Waypoint(bones) => Some(bones),
                    Skeleton::Gone(_) => None,
                });
                Ok(())
            });
            match read.map_err(beyond_repair).inspect_err(|error| self.note(error)) {
                Ok(()) | Err(NodeError::Damaged(_) | NodeError::Faded(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(skeletons)
    }

    /// The relics of a feed after a fade, and how many of their waypoints fade. One without a body goes; one that is
    /// damaged stays as it is, for what is in it is nowhere else.
    pub(super) fn faded_relics(
        &self,
        held: &Held,
        fading: &Fading,
    ) -> Result<(Vec<StoneRecord>, u64), NodeError> {
        let (mut left, mut count) = (Vec::new(), 0);
        for stone in &held.relics {
            match self.faded_relic(held, stone, fading) {
                Ok((relic, faded)) => {
                    left.extend(relic);
                    count += faded;
                }
                Err(NodeError::Damaged(damage)) => {
                    tracing::warn!(%damage, "a damaged relic stays as it is");
                    left.push(stone.clone());
                }
                Err(error) => return Err(error),
            }
        }
        Ok((left, count))
    }

    fn faded_relic(
        &self,
        held: &Held,
        stone: &StoneRecord,
        fading: &Fading,
    ) -> Result<(Option<StoneRecord>, u64), NodeError> {
        match self.left_of_relic(held, stone, fading)? {
            (0, faded) => Ok((None, faded)),
            (_, 0) => Ok((Some(stone.clone()), 0)),
            (_, faded) => Ok((Some(self.faded_stone(held, stone, fading)?.0), faded)),
        }
    }

    /// How many bodies a relic has left after a fade, and how many fade.
    fn left_of_relic(
        &self,
        held: &Held,
        stone: &StoneRecord,
        fading: &Fading,
    ) -> Result<(u64, u64), NodeError> {
        let mut bodies = 0;
        let faded = self.each_left(held, stone, fading, &mut |left| {
            bodies += u64::from(matches!(left, Stored::Body(_)));
            Ok(())
        })?;
        Ok((bodies, faded))
    }

    /// What relics a fade takes away: bytes, and waypoints. A damaged one is left alone.
    pub(super) fn would_drop(&self, held: &Held, fading: &Fading) -> Result<(u64, u64), NodeError> {
        let (mut gone, mut count) = (0, 0);
        for stone in &held.relics {
            let (bodies, faded) = match self.left_of_relic(held, stone, fading) {
                Err(NodeError::Damaged(_)) => continue,
                seen => seen?,
            };
            let left = if bodies == 0 { 0 } else { self.faded_bytes(held, stone, fading)?.0 };
            gone += stone.bytes.saturating_sub(left);
            count += faded;
        }
        Ok((gone, count))
    }
}

impl Held {
    /// What was met in one of the stones, as it is told.
    pub(super) fn met(&self, stone: &StoneRecord, error: NodeError) -> NodeError {
        if self.relics.contains(stone) { beyond_repair(error) } else { error }
    }
}

/// The same damage of a relic: no peer that holds what covers it can be asked for it.
fn beyond_repair(error: NodeError) -> NodeError {
    match error {
        NodeError::Damaged(damage) => Damage { range: None, ..damage }.into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use cairn_crdt::id::ContentHash;
    use cairn_protocol::piece::Gone;

    use super::super::fixture::{Author, create, each_crash, open};
    use super::*;
    use crate::files::fault::FaultFiles;

    /// How many waypoints are held before the first eight come as one hash.
    const HELD: u64 = 6;

    /// What a peer sends that has forgotten the first eight.
    fn covering(author: &Author) -> Batch {
        let mut batch = author.again(8, 2);
        let run = &mut batch.feeds[0];
        run.start = 0;
        run.pieces.insert(0, Piece::Gone(Gone { level: 3, hash: author.log.subtree(3, 0).unwrap() }));
        batch
    }

    fn story(files: &FaultFiles, author: &mut Author) -> Result<Store, NodeError> {
        let mut store = create(files, author)?;
        store.commit(&author.batch(HELD - 1))?;
        store.cut()?;
        store.commit(&author.batch(1))?;
        author.batch(4);
        store.commit(&covering(author))?;
        Ok(store)
    }

    fn relics(files: &FaultFiles) -> Vec<u64> {
        let (_, recovered) = open(files).unwrap();
        recovered.feeds[0].relics.iter().map(|bones| bones.seq).collect()
    }

    fn has(store: &Store, author: &Author, place: usize) -> bool {
        author.contents[place].iter().all(|bytes| store.content(ContentHash::of(bytes)).is_ok())
    }

    /// Everything may go but the waypoint at a place.
    fn all_but(author: &Author, kept: u64) -> Fading {
        let gone = (0..HELD).filter(|place| *place != kept).collect();
        Fading { gone: BTreeMap::from([(author.feed.id(), gone)]), ..Fading::default() }
    }

    #[test]
    fn what_is_covered_stays_until_a_fade_that_does_not_need_it() {
        let files = FaultFiles::default();
        let mut author = Author::new(1);
        let mut store = story(&files, &mut author).unwrap();
        let check = |store: &Store, held: &[usize]| {
            assert!(store.verify(true).is_ok(), "{:?}", store.verify(true).problems);
            assert!(store.glance(&super::super::Seen::default()).is_ok());
            let here: Vec<usize> = (0..10).filter(|place| has(store, &author, *place)).collect();
            assert_eq!(here, [held, &[8, 9]].concat());
            let pieces = store.pieces(author.feed.project, author.feed.id(), 0, 10, u64::MAX).unwrap();
            assert_eq!(pieces.len(), 3, "peers get the feed as it is, without the relics");
        };
        let all: Vec<usize> = (0..HELD as usize).collect();
        check(&store, &all);
        store.cut().unwrap();
        check(&store, &all);
        assert_eq!(relics(&files), (1..=HELD).collect::<Vec<_>>());
        store.rebuild_index().unwrap();
        check(&store, &all);
        let told = store.would_fade(&all_but(&author, 2)).unwrap();
        let done = store.fade(&all_but(&author, 2)).unwrap();
        assert_eq!(told, done, "a dry run says what a fade then does");
        check(&store, &[2]);
        assert_eq!(relics(&files), [3]);
        store.fade(&all_but(&author, HELD)).unwrap();
        check(&store, &[]);
        assert_eq!(relics(&files), [0; 0]);
    }

    #[test]
    fn a_damaged_relic_is_told_and_nobody_is_asked_for_it() {
        let files = FaultFiles::default();
        let mut author = Author::new(1);
        let mut store = story(&files, &mut author).unwrap();
        store.cut().unwrap();
        let relic = store.feeds[&author.feed.id()].relics[0].clone();
        let path = store.stones.path(&relic);
        drop(store);
        files.rot(&path, relic.bytes as usize / 2);
        let (mut store, _) = open(&files).unwrap();
        assert!(!store.verify(true).is_ok());
        assert!(store.wanted().is_empty(), "{:?}", store.wanted());
        store.fade(&all_but(&author, HELD)).unwrap();
        assert_eq!(store.feeds[&author.feed.id()].relics, [relic], "what is in it is nowhere else");
    }

    #[test]
    fn e6_a_crash_while_something_is_covered_loses_nothing_that_was_held() {
        each_crash(story, 10, |files, author, told| {
            let (mut store, _) = open(files).unwrap_or_else(|error| panic!("{told}: {error}"));
            assert!(store.verify(true).is_ok(), "{told}: {:?}", store.verify(true).problems);
            let held: BTreeSet<usize> = (0..10).filter(|place| has(&store, author, *place)).collect();
            assert!(held.is_superset(&(0..HELD as usize).collect()), "{told}: {held:?}");
            store.commit(&covering(author)).unwrap_or_else(|error| panic!("{told}: {error}"));
            store.close().unwrap();
            assert_eq!(relics(files), (1..=HELD).collect::<Vec<_>>(), "{told}");
        });
    }
}
