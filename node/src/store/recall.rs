//! Recalling: bodies that had faded are written into their stones again.
//!
//! The reverse of a fade, and as durable: a new stone proves the same subtree, the manifest flips to it once it is on
//! the disk, and only then does the old file go. The index forgets the stone before, so that a crash in between only makes it
//! derived again.

use std::collections::BTreeMap;

use cairn_crdt::id::FeedId;
use cairn_protocol::effect::Recalled;
use cairn_protocol::stone::{StoneName, Stored};
use cairn_protocol::waypoint::Waypoint;

use super::Store;
use super::index::{Unusable, contents_of};
use super::manifest::StoneRecord;
use super::recover::tower_root;
use crate::error::NodeError;

/// Bodies by their places in one feed.
type Bodies<'a> = BTreeMap<u64, &'a Waypoint>;

impl Store {
    /// Writes bodies that are held by name into their stones again. Everything in the log is cut into stones first.
    pub(super) fn recall(&mut self, recalled: &[&Recalled]) -> Result<(), NodeError> {
        let mut feeds: BTreeMap<FeedId, Bodies<'_>> = BTreeMap::new();
        for one in recalled {
            feeds.entry(one.feed).or_default().insert(one.place, &one.waypoint);
        }
        if feeds.is_empty() {
            return Ok(());
        }
        self.cut_all("comes back")?;
        for (feed, bodies) in feeds {
            let Some(held) = self.feeds.get(&feed) else { continue };
            let stones: Vec<StoneRecord> = held.all_stones().cloned().collect();
            let touched =
                |stone: &StoneRecord| bodies.range(stone.span.start..stone.span.end()).next().is_some();
            for stone in stones.iter().filter(|stone| touched(stone)) {
                self.recall_into(feed, stone, &bodies)?;
            }
        }
        Ok(())
    }

    fn recall_into(
        &mut self,
        feed: FeedId,
        stone: &StoneRecord,
        bodies: &Bodies<'_>,
    ) -> Result<(), NodeError> {
        let Some(held) = self.feeds.get(&feed) else { return Ok(()) };
        let name = StoneName { feed: held.name, span: stone.span };
        let (mut stored, mut changed, mut place) = (Vec::new(), false, stone.span.start);
        self.stones.read_from(held.name, stone, place, &mut |known| {
            let back = bodies.get(&place).filter(|body| Some(body.id()) == known.id() && !is_whole(&known));
            changed |= back.is_some();
            place += known.count();
            stored.push(back.map_or(known, |body| Stored::Body((*body).clone())));
            Ok(())
        })?;
        if !changed {
            return Ok(());
        }
        let mut chisel = self.stones.begin(name)?;
        stored.iter().try_for_each(|stored| chisel.push(stored))?;
        let new = chisel.finish(stone.subtree)?;
        // The histories of a forked feed share the stones that they begin with.
        let users = self.feeds.iter().filter(|(_, held)| held.all_stones().any(|used| used == stone));
        let users: Vec<FeedId> = users.map(|(feed, _)| *feed).collect();
        for user in &users {
            let forgotten = self.index.forget(*user);
            self.or_anew(forgotten)?;
        }
        self.swap_stone(stone, new)?;
        *self.cache() = super::Cache::default();
        let mut contents = Vec::new();
        let mut place = stone.span.start;
        for stored in &stored {
            contents.extend(contents_of(stored).into_iter().map(|content| (content, place)));
            place += stored.count();
        }
        for user in users {
            let Some(held) = self.feeds.get(&user) else { continue };
            let put = self.index.add(user, &contents, Some(&tower_root(&held.stones)?));
            self.or_anew(put)?;
        }
        Ok(())
    }

    /// Derives the index again where it failed.
    fn or_anew(&mut self, done: Result<(), Unusable>) -> Result<(), NodeError> {
        match done {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::warn!(?error, "the index is made anew");
                self.rebuild_index()
            }
        }
    }
}

fn is_whole(stored: &Stored) -> bool {
    match stored {
        Stored::Body(waypoint) => waypoint.is_whole(),
        Stored::Faded(_) | Stored::Gone(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use cairn_protocol::Batch;
    use cairn_protocol::Skeleton;
    use cairn_protocol::replica::Fading;

    use super::super::fixture::{Author, create, each_crash, open};
    use super::*;
    use crate::files::fault::FaultFiles;

    const COUNT: u64 = 20;
    const FADED: u64 = 10;

    /// Writes, fades the first half, and brings it back.
    fn story(files: &FaultFiles, author: &mut Author) -> Result<Batch, NodeError> {
        let mut store = create(files, author)?;
        let written = author.batch(COUNT);
        store.commit(&written)?;
        let places = BTreeMap::from([(author.feed.id(), (0..FADED).collect())]);
        store.fade(&Fading { places, contents: BTreeSet::new(), ..Fading::default() })?;
        let batch = back(author, &written);
        store.commit(&batch)?;
        Ok(batch)
    }

    fn back(author: &Author, written: &Batch) -> Batch {
        let (project, feed) = (author.feed.project, author.feed.id());
        let one = |(place, waypoint): (u64, &Arc<Waypoint>)| Recalled {
            project,
            feed,
            place,
            waypoint: Arc::clone(waypoint),
        };
        let recalled = (0..FADED).zip(written.feeds[0].waypoints()).map(one).collect();
        Batch { recalled, ..Batch::new(author.feed.repo) }
    }

    fn check(files: &FaultFiles, author: &Author, told: &str) {
        let (store, recovered) = open(files).unwrap_or_else(|error| panic!("{told}: {error}"));
        assert!(store.verify(true).is_ok(), "{told}: {:?}", store.verify(true));
        let waypoints = || recovered.feeds[0].skeletons.iter().filter_map(Skeleton::waypoint);
        assert_eq!(waypoints().count() as u64, COUNT, "{told}");
        assert!(waypoints().all(|bones| !bones.faded), "{told}");
        author.check(&store, COUNT);
    }

    #[test]
    fn what_had_faded_is_on_the_disk_again_and_the_tower_stands() {
        let files = FaultFiles::default();
        let mut author = Author::new(1);
        let batch = story(&files, &mut author).unwrap();
        check(&files, &author, "brought back");
        let (mut store, _) = open(&files).unwrap();
        let before = store.bytes();
        store.commit(&batch).unwrap();
        assert_eq!(store.bytes(), before, "twice is nothing new");
    }

    #[test]
    fn e6_a_crash_while_bodies_come_back_loses_nothing_and_it_goes_on() {
        let batch = story(&FaultFiles::default(), &mut Author::new(1)).unwrap();
        each_crash(story, COUNT, |files, author, told| {
            let (mut store, _) = open(files).unwrap_or_else(|error| panic!("{told}: {error}"));
            if store.feed_length(author.feed.id()) < COUNT {
                return;
            }
            store.commit(&batch).unwrap_or_else(|error| panic!("{told}: {error}"));
            drop(store);
            check(files, author, told);
        });
    }
}
