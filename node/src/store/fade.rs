//! Fading: stones are written again without what may be forgotten.
//!
//! The new stones prove the same subtrees as the old ones, so every top and every proof stays as it is. As with a
//! cut, the manifest flips once all of them are durable, and only then do the old files go. The index
//! holds operations too, and so may the quarantine: both are emptied before, so that a crash cannot leave in them what
//! the stones have lost. Nothing fades while a stone is damaged, so no copy in the quarantine is the last one.

use std::collections::BTreeSet;

use cairn_crdt::id::ContentHash;
use cairn_protocol::replica::Fading;
use cairn_protocol::stone::{StoneName, Stored, write_stone};

use super::cut::Planned;
use super::index::Index;
use super::manifest::StoneRecord;
use super::{Cache, Held, Place, Store, quarantine};
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
        let stones = self.feeds.values().flat_map(|held| &held.stones);
        self.log.len() + stones.map(|stone| stone.bytes).sum::<u64>()
    }

    /// Forgets what may go. Everything in the log is cut into stones first.
    pub fn fade(&mut self, fading: &Fading) -> Result<Faded, NodeError> {
        let bytes_before = self.bytes();
        self.cut()?;
        if !self.log.is_empty() {
            return Err(NodeError::Refused(
                "a damaged stone waits to be repaired, so nothing fades yet".to_owned(),
            ));
        }
        let (mut planned, mut waypoints) = (Planned::new(), 0);
        for (feed, places) in &fading.places {
            let Some(held) = self.feeds.get(feed) else { continue };
            let mut stones = Vec::new();
            for stone in &held.stones {
                let (record, faded) = self.faded_stone(held, stone, places, &fading.contents)?;
                stones.push(record);
                waypoints += faded;
            }
            planned.insert(*feed, stones);
        }
        if waypoints > 0 {
            self.index = Index::create(&*self.files, &self.dir)?;
            quarantine::clear(&*self.files, &self.dir)?;
            self.flip(planned)?;
            *self.cache() = Cache::default();
            self.rebuild_index()?;
        }
        Ok(Faded { waypoints, bytes_before, bytes_after: self.bytes() })
    }

    /// What would come of it, as far as the stones go; nothing is written.
    pub fn would_fade(&self, fading: &Fading) -> Result<Faded, NodeError> {
        let bytes_before = self.bytes();
        let (mut waypoints, mut gone) = (0, 0);
        for (feed, places) in &fading.places {
            let Some(held) = self.feeds.get(feed) else { continue };
            for stone in &held.stones {
                let (stored, faded) = self.without(held, stone, places, &fading.contents)?;
                if faded > 0 {
                    let name = StoneName { feed: held.name, span: stone.span };
                    gone += stone.bytes.saturating_sub(write_stone(&name, &stored)?.len() as u64);
                    waypoints += faded;
                }
            }
            let base = held.base();
            for pending in places.range(base..).filter_map(|place| held.in_log(*place)) {
                gone += pending.extent.len as u64;
                waypoints += 1;
            }
        }
        Ok(Faded { waypoints, bytes_before, bytes_after: bytes_before.saturating_sub(gone) })
    }

    fn faded_stone(
        &self,
        held: &Held,
        stone: &StoneRecord,
        places: &BTreeSet<u64>,
        kept: &BTreeSet<ContentHash>,
    ) -> Result<(StoneRecord, u64), NodeError> {
        let (stored, faded) = self.without(held, stone, places, kept)?;
        if faded == 0 {
            return Ok((stone.clone(), 0));
        }
        let name = StoneName { feed: held.name, span: stone.span };
        Ok((self.stones.write(name, stone.subtree, &stored)?, faded))
    }

    /// A stone's waypoints without what may go, and how many change by that; nothing is read where none do.
    fn without(
        &self,
        held: &Held,
        stone: &StoneRecord,
        places: &BTreeSet<u64>,
        kept: &BTreeSet<ContentHash>,
    ) -> Result<(Vec<Stored>, u64), NodeError> {
        let (mut all, mut faded) = (Vec::new(), 0);
        let (feed, span) = (held.name.id(), stone.span);
        if places.range(span.start..span.end()).next().is_none() {
            return Ok((all, faded));
        }
        for place in span.start..span.end() {
            let stored = self.load(Place { feed, place })?;
            all.push(match stored {
                Stored::Body(waypoint) if places.contains(&place) => {
                    let less = waypoint.faded(kept);
                    faded += u64::from(less != waypoint);
                    Stored::Body(less)
                }
                stored => stored,
            });
        }
        Ok((all, faded))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cairn_crdt::encoding::Encoded;
    use cairn_protocol::waypoint::Waypoint;

    use super::super::fixture::{Author, create, open};
    use super::*;
    use crate::files::Files;
    use crate::files::fault::{FaultFiles, Kept, Plan};

    const FADED: usize = 10;

    /// The first waypoints may go but for the contents of the third.
    fn choice(author: &Author) -> Fading {
        let places = BTreeMap::from([(author.feed.id(), (0..FADED as u64).collect())]);
        let contents = author.contents.get(2).into_iter().flatten().map(|content| ContentHash::of(content));
        Fading { places, contents: contents.collect() }
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
        let waypoints = &recovered.feeds[0].waypoints;
        assert_eq!(waypoints.len(), 20);
        for (place, waypoint) in waypoints.iter().enumerate() {
            assert_eq!(waypoint.is_faded(), place < FADED && place != 2, "{place}");
            let here =
                author.contents[place].iter().all(|bytes| store.content(ContentHash::of(bytes)).is_ok());
            assert_eq!(here, !waypoint.is_faded(), "{place}");
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
        let files = FaultFiles::default();
        story(&files, &mut Author::new(1)).unwrap();
        let steps = files.steps();
        for step in 1..=steps {
            let files = FaultFiles::default();
            files.plan(Plan { crash_at: Some(step), ..Plan::default() });
            let mut author = Author::new(1);
            if story(&files, &mut author).is_ok() || author.ids.len() < 20 {
                continue;
            }
            for kept in [Kept::None, Kept::All, Kept::Some(step)] {
                survives(&files.crash(kept), &author, &format!("crash at {step}, kept {kept:?}"));
            }
        }
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
        let bodies = store.waypoints(author.feed.project, author.feed.id(), 0, 20, u64::MAX).unwrap();
        for (place, body) in bodies.iter().enumerate() {
            let read = Waypoint::from_bytes(body).unwrap();
            assert_eq!(read.id(), author.ids[place], "{told}");
            assert_eq!(read.is_faded(), place < FADED && place != 2, "{told}: {place}");
        }
    }
}
