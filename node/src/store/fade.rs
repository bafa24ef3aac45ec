//! Fading: stones are written again without what may be forgotten.
//!
//! The new stones prove the same subtrees as the old ones, so every top and every proof stays as it is. As with a
//! cut, the manifest flips once all of them are durable, and only then do the old files go. The index
//! names contents that go, and the quarantine may hold anything: both are emptied before, so that a crash cannot leave in
//! them what the stones have lost. Nothing fades while a stone is damaged, so no copy in the quarantine is the last one.

use cairn_protocol::replica::Fading;
use cairn_protocol::stone::{StoneName, StoneWriter, Stored};

use super::cut::{Plan, Planned};
use super::index::Index;
use super::manifest::StoneRecord;
use super::{Cache, Held, Store, quarantine};
use crate::error::NodeError;

/// What was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faded {
    /// How many waypoints.
    pub waypoints: u64,
    /// What log and stones came to before, in bytes.
    pub bytes_before: u64,
    /// What they come to after.
    pub bytes_after: u64,
}

impl Store {
    /// What log and stones come to, in bytes.
    pub fn bytes(&self) -> u64 {
        self.log.len() + self.height().1
    }

    /// How many stones there are, and what they come to, in bytes.
    pub fn height(&self) -> (u64, u64) {
        let stones = self.feeds.values().flat_map(Held::all_stones);
        stones.fold((0, 0), |(count, bytes), stone| (count + 1, bytes + stone.bytes))
    }

    /// Forgets what may go. Everything in the log is cut into stones first.
    pub fn fade(&mut self, fading: &Fading) -> Result<Faded, NodeError> {
        self.cut_all("fades")?;
        let bytes_before = self.bytes();
        let (mut planned, mut waypoints, mut is_changed) = (Planned::new(), 0, false);
        for feed in fading.feeds() {
            let Some(held) = self.feeds.get(&feed) else { continue };
            let mut stones = Vec::new();
            for stone in &held.stones {
                let (record, faded) = self.faded_stone(held, stone, fading)?;
                stones.push(record);
                waypoints += faded;
                is_changed |= faded > 0;
            }
            let (relics, faded) = self.faded_relics(held, fading)?;
            waypoints += faded;
            is_changed |= faded > 0 || relics != held.relics;
            planned.insert(feed, Plan { stones, relics });
        }
        if is_changed {
            self.index = Index::create(&*self.files, &self.dir)?;
            quarantine::clear(&*self.files, &self.dir)?;
            self.flip(planned)?;
            *self.cache() = Cache::default();
            self.rebuild_index()?;
        }
        Ok(Faded { waypoints, bytes_before, bytes_after: self.bytes() })
    }

    /// What would come of it. Nothing is forgotten; what lies in the log is cut into stones, as a fade does first.
    pub fn would_fade(&mut self, fading: &Fading) -> Result<Faded, NodeError> {
        self.cut_all("fades")?;
        let bytes_before = self.bytes();
        let (mut waypoints, mut gone) = (0, 0);
        for held in fading.feeds().iter().filter_map(|feed| self.feeds.get(feed)) {
            for stone in &held.stones {
                let (bytes, faded) = self.faded_bytes(held, stone, fading)?;
                gone += stone.bytes.saturating_sub(bytes);
                waypoints += faded;
            }
            let (dropped, faded) = self.would_drop(held, fading)?;
            gone += dropped;
            waypoints += faded;
        }
        Ok(Faded { waypoints, bytes_before, bytes_after: bytes_before.saturating_sub(gone) })
    }

    pub(super) fn faded_stone(
        &self,
        held: &Held,
        stone: &StoneRecord,
        fading: &Fading,
    ) -> Result<(StoneRecord, u64), NodeError> {
        if !fading.touches(held.feed, stone.span.start, stone.span.end()) {
            return Ok((stone.clone(), 0));
        }
        let mut chisel = self.stones.begin(StoneName { feed: held.name, span: stone.span })?;
        chisel.last();
        let faded = self.each_left(held, stone, fading, &mut |left| chisel.push(left))?;
        match faded {
            0 => Ok((stone.clone(), 0)),
            _ => Ok((chisel.finish(stone.subtree)?, faded)),
        }
    }

    /// How large a stone will be, and how many of its waypoints fade.
    pub(super) fn faded_bytes(
        &self,
        held: &Held,
        stone: &StoneRecord,
        fading: &Fading,
    ) -> Result<(u64, u64), NodeError> {
        if !fading.touches(held.feed, stone.span.start, stone.span.end()) {
            return Ok((stone.bytes, 0));
        }
        let (mut writer, head) = StoneWriter::new(StoneName { feed: held.name, span: stone.span })?;
        writer.last();
        let mut bytes = head.len();
        let faded = self.each_left(held, stone, fading, &mut |left| {
            bytes += writer.push(left)?.len();
            Ok(())
        })?;
        Ok(((bytes + writer.finish()?.0.len()) as u64, faded))
    }

    /// Shows what is left of each waypoint of a stone, in order; gives how many fade.
    pub(super) fn each_left(
        &self,
        held: &Held,
        stone: &StoneRecord,
        fading: &Fading,
        each: &mut dyn FnMut(&Stored) -> Result<(), NodeError>,
    ) -> Result<u64, NodeError> {
        let (mut place, mut faded) = (stone.span.start, 0);
        self.stones.read_from(held.name, stone, place, &mut |stored| {
            let left = match &stored {
                Stored::Body(waypoint) => fading.left_of(held.feed, place, waypoint),
                Stored::Faded(_) | Stored::Gone(_) => None,
            };
            place += stored.count();
            faded += u64::from(left.is_some());
            each(&left.map_or(stored, Stored::from))
        })?;
        Ok(faded)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cairn_crdt::encoding::Encoded;
    use cairn_crdt::id::ContentHash;
    use cairn_protocol::Skeleton;
    use cairn_protocol::piece::{Gone, Piece};
    use cairn_protocol::waypoint::Waypoint;

    use super::super::fixture::{Author, create, each_crash, open};
    use super::*;
    use crate::files::Files;
    use crate::files::fault::FaultFiles;

    const FADED: usize = 10;

    /// The first waypoints may go but for the contents of the third.
    fn choice(author: &Author) -> Fading {
        let places = BTreeMap::from([(author.feed.id(), (0..FADED as u64).collect())]);
        let contents = author.contents.get(2).into_iter().flatten().map(|content| ContentHash::of(content));
        Fading { places, contents: contents.collect(), ..Fading::default() }
    }

    /// The same, but of the first eight nothing stays.
    fn gone(author: &Author) -> Fading {
        let mut choice = choice(author);
        let places = choice.places.entry(author.feed.id()).or_default();
        let kept = places.split_off(&8);
        choice.gone.insert(author.feed.id(), std::mem::replace(places, kept));
        choice
    }

    fn story(files: &FaultFiles, author: &mut Author) -> Result<Faded, NodeError> {
        let mut store = create(files, author)?;
        for count in [3, 9, 8] {
            store.commit(&author.batch(count))?;
        }
        store.cut()?;
        store.quarantine("refused", b"what may hold anything")?;
        store.fade(&choice(author))
    }

    #[test]
    fn what_has_faded_leaves_the_disk_and_the_tower_stands() {
        let files = FaultFiles::default();
        let mut author = Author::new(1);
        let faded = story(&files, &mut author).unwrap();
        assert_eq!(faded.waypoints, FADED as u64 - 1, "nothing of the third may go");
        assert!(faded.bytes_after < faded.bytes_before);
        let (store, recovered) = open(&files).unwrap();
        assert_eq!(files.list(&store.dir().join(quarantine::DIR)).unwrap(), Vec::<std::path::PathBuf>::new());
        assert!(store.verify(true).is_ok(), "{:?}", store.verify(true));
        let skeletons = recovered.feeds[0].skeletons.iter();
        let waypoints: Vec<_> = skeletons.filter_map(Skeleton::waypoint).collect();
        assert_eq!(waypoints.len(), 20);
        for (place, bones) in waypoints.into_iter().enumerate() {
            assert_eq!(bones.faded, place < FADED && place != 2, "{place}");
            let here =
                author.contents[place].iter().all(|bytes| store.content(ContentHash::of(bytes)).is_ok());
            assert_eq!(here, !bones.faded, "{place}");
        }
    }

    #[test]
    fn what_is_gone_leaves_one_hash_and_the_store_goes_on() {
        let files = FaultFiles::default();
        let mut author = Author::new(1);
        let mut store = create(&files, &author).unwrap();
        for count in [3, 9, 8] {
            store.commit(&author.batch(count)).unwrap();
        }
        let told = store.would_fade(&gone(&author)).unwrap();
        let done = store.fade(&gone(&author)).unwrap();
        assert_eq!((told.waypoints, done.waypoints), (10, 10));
        assert_eq!(store.fade(&gone(&author)).unwrap().waypoints, 0);
        let (feed, project) = (author.feed.id(), author.feed.project);
        let counts = |store: &Store, from| {
            let pieces = store.pieces(project, feed, from, u64::MAX, u64::MAX).unwrap();
            pieces.iter().map(|bytes| Piece::from_bytes(bytes).unwrap().count()).collect::<Vec<_>>()
        };
        assert_eq!(counts(&store, 0), [vec![8], vec![1; 12]].concat());
        assert_eq!(counts(&store, 5), counts(&store, 0), "the subtree that has the place comes whole");
        for _ in 0..3 {
            store.commit(&author.batch(30)).unwrap();
            store.cut().unwrap();
            assert!(store.verify(true).is_ok(), "{:?}", store.verify(true).problems);
        }
        let (store, recovered) = open(&files).unwrap();
        assert_eq!(recovered.feeds[0].skeletons.iter().map(Skeleton::count).sum::<u64>(), 110);
        assert_eq!(counts(&store, 0)[0], 8);
        assert!(store.verify(true).is_ok());
    }

    #[test]
    fn what_is_gone_elsewhere_covers_the_end_of_what_is_here() {
        let (files, mut author) = (FaultFiles::default(), Author::new(1));
        let mut store = create(&files, &author).unwrap();
        store.commit(&author.batch(5)).unwrap();
        store.cut().unwrap();
        store.commit(&author.batch(1)).unwrap();
        author.batch(4);
        let log = &author.log;
        let gone = Piece::Gone(Gone { level: 3, hash: log.subtree(3, 0).unwrap() });
        let run = author.again(8, 2);
        let mut covering = run.clone();
        covering.feeds[0].start = 0;
        covering.feeds[0].pieces.insert(0, gone);
        store.commit(&covering).unwrap();
        let feed = author.feed.id();
        for reopened in [false, true] {
            let (opened, recovered) = open(&files).unwrap();
            assert_eq!((opened.feed_length(feed), recovered.feeds[0].skeletons.len()), (10, 3), "{reopened}");
            assert!(opened.verify(true).is_ok(), "{:?}", opened.verify(true).problems);
            assert_eq!(opened.pieces(author.feed.project, feed, 3, 10, u64::MAX).unwrap().len(), 3);
            opened.close().unwrap();
        }
    }

    #[test]
    fn a_dry_run_says_what_a_fade_then_does() {
        let files = FaultFiles::default();
        let mut author = Author::new(1);
        let mut store = create(&files, &author).unwrap();
        store.commit(&author.batch(20)).unwrap();
        store.cut().unwrap();
        let (told, names) = (store.would_fade(&choice(&author)).unwrap(), store.bytes());
        assert_eq!(store.bytes(), names, "a dry run writes nothing");
        let done = store.fade(&choice(&author)).unwrap();
        assert_eq!((told.waypoints, told.bytes_before), (done.waypoints, done.bytes_before));
        assert_eq!(told.bytes_after, done.bytes_after);
    }

    #[test]
    fn e6_a_crash_while_fading_leaves_everything_that_stays() {
        each_crash(story, 20, survives);
    }

    /// What a crash left is the store before the fade or after it, and fading goes on from there.
    fn survives(files: &FaultFiles, author: &Author, told: &str) {
        let (mut store, _) = open(files).unwrap_or_else(|error| panic!("{told}: {error}"));
        if store.feed_length(author.feed.id()) < 20 {
            return;
        }
        store.fade(&choice(author)).unwrap_or_else(|error| panic!("{told}: {error}"));
        let report = store.verify(true);
        assert!(report.is_ok(), "{told}: {report:?}");
        let bodies = store.pieces(author.feed.project, author.feed.id(), 0, 20, u64::MAX).unwrap();
        for (place, body) in bodies.iter().enumerate() {
            let read = Waypoint::from_bytes(body).unwrap();
            assert_eq!(read.id(), author.ids[place], "{told}");
            assert_eq!(read.is_faded(), place < FADED && place != 2, "{told}: {place}");
        }
    }
}
