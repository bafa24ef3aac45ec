//! Healing: a damaged stone is written again from waypoints that a peer sent.
//!
//! The waypoints come through an ordinary commit, whose run overlaps what is held. They are durable in
//! the log before the stone is touched, and the new stone is proven against the hash that the
//! author's top vouches for; the damaged file stays in quarantine.

use cairn_crdt::id::FeedId;

use super::manifest::StoneRecord;
use super::{Place, Store, quarantine, stones};
use crate::error::{NodeError, Range};

impl Store {
    /// The waypoints that damaged stones hold, and that a peer should send again.
    pub fn wanted(&self) -> Vec<Range> {
        self.damages().into_iter().filter_map(|damage| damage.range).filter(|range| range.count > 0).collect()
    }

    /// What was healed since this was asked last.
    pub fn take_repaired(&mut self) -> Vec<Range> {
        std::mem::take(&mut self.repaired)
    }

    /// Writes every damaged stone again of which all waypoints are here now.
    pub(super) fn heal(&mut self) -> Result<(), NodeError> {
        let patched = self.feeds.iter().filter(|(_, held)| !held.patches.is_empty());
        let feeds: Vec<FeedId> = patched.map(|(feed, _)| *feed).collect();
        for feed in feeds {
            let Some(held) = self.feeds.get(&feed) else { continue };
            let touched = |stone: &&StoneRecord| {
                held.patches.range(stone.span.start..stone.span.end()).next().is_some()
            };
            for stone in held.stones.iter().filter(touched).cloned().collect::<Vec<_>>() {
                self.heal_stone(feed, &stone)?;
            }
        }
        Ok(())
    }

    fn heal_stone(&mut self, feed: FeedId, stone: &StoneRecord) -> Result<(), NodeError> {
        let Some(held) = self.feeds.get(&feed) else { return Ok(()) };
        let mut places = stone.span.start..stone.span.end();
        if places.any(|place| self.load(Place { feed, place }).is_err()) {
            return Ok(());
        }
        let range = stones::range(held.name, stone);
        if self.stones.verify(held.name, stone).is_err() {
            quarantine::copy(&*self.files, &self.dir, &self.stones.path(stone))?;
            let new = self.write_stone(held, stone.span, stone.subtree)?.prove()?;
            self.swap_stone(stone, new)?;
            self.repaired.push(range);
        }
        self.damaged().remove(&format!("{}/{}", stones::DIR, stone.file));
        if let Some(held) = self.feeds.get_mut(&feed) {
            held.patches.retain(|place, _| !(stone.span.start..stone.span.end()).contains(place));
        }
        Ok(())
    }

    /// Lets the manifest name the new stone wherever it names the old one, unless it has the old one's name and bytes.
    pub(super) fn swap_stone(&mut self, old: &StoneRecord, new: StoneRecord) -> Result<(), NodeError> {
        if *old == new {
            return self.stones.sync_names();
        }
        let swap = |stone: &mut StoneRecord| {
            if stone == old {
                *stone = new.clone();
            }
        };
        let mut feeds = self.manifest.feeds.clone();
        feeds.iter_mut().flat_map(|record| record.stones.iter_mut().chain(&mut record.relics)).for_each(swap);
        self.put_manifest(self.manifest.log, feeds)?;
        self.feeds
            .values_mut()
            .flat_map(|held| held.stones.iter_mut().chain(&mut held.relics))
            .for_each(swap);
        self.stones.remove(old);
        Ok(())
    }
}
