//! A glance: whether the towers on the disk still stand on those that were seen before.
//!
//! What was checked once need not be read again: of a stone that is known its length is looked at, of a new one the
//! two ends. Where known stones have become part of a larger one, its names are read, and must lead to the same root as
//! before. So the cost follows what is new, however high the tower is.

use std::collections::BTreeMap;

use cairn_crdt::id::FeedId;
use cairn_protocol::log::Log;
use cairn_protocol::stone::{StoneName, read_subtree};
use cairn_protocol::tower::{Span, Tower};

use super::manifest::{Manifest, StoneRecord};
use super::{Held, Store, stones};
use crate::error::NodeError;

/// Towers that were checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    towers: BTreeMap<FeedId, Tower>,
}

impl Store {
    /// Checks the store against towers that were seen before, and gives what was seen now.
    ///
    /// Read are the manifest, the ends of new stones, and what lies in the log.
    pub fn glance(&self, seen: &Seen) -> Result<Seen, NodeError> {
        let unwritten = NodeError::NotFound { what: "manifest", name: self.dir.display().to_string() };
        let manifest = Manifest::load(&*self.files, &self.dir)?.ok_or(unwritten)?;
        let mut now = Seen::default();
        for record in &manifest.feeds {
            let before = seen.towers.get(&record.feed);
            // The last stones may be relics since something that lies in the log covered them.
            let is_it = |held: &&Held| record.stones.starts_with(&held.stones);
            let held = self.feeds.get(&record.feed).filter(is_it);
            let held = held.ok_or(NodeError::Bug("the manifest is not that of this store"))?;
            now.towers.insert(record.feed, self.glance_at(held, before)?);
        }
        match seen.towers.keys().find(|feed| !self.feeds.contains_key(*feed)) {
            Some(feed) => Err(NodeError::NotFound { what: "feed", name: feed.to_string() }),
            None => Ok(now),
        }
    }

    fn glance_at(&self, held: &Held, before: Option<&Tower>) -> Result<Tower, NodeError> {
        let before = before.cloned().unwrap_or_default();
        let (mut tower, mut log) = (Tower::default(), Log::new());
        for stone in &held.stones {
            let known = before.stones().contains(&(stone.span, stone.subtree));
            self.glance_at_stone(held, stone, known)?;
            let is_part =
                |(span, _): &(Span, _)| stone.span.start <= span.start && span.end() <= stone.span.end();
            if !known && before.stones().iter().any(is_part) {
                self.stones.read_lean(held.name, stone, &mut |stored| {
                    let (level, hash) = stored.node();
                    Ok(log.append_subtree(level, hash)?)
                })?;
            } else {
                log.append_subtree(stone.span.level, stone.subtree)?;
            }
            tower.push(stone.span, stone.subtree)?;
        }
        // What was seen may have been forgotten since: then its place has no root any more.
        if log.root_of(before.len()).is_some_and(|root| root != before.root()) {
            return Err(changed(held, "it does not stand on what was seen before"));
        }
        for pending in &held.pending {
            self.load_pending(held, pending)?;
            let (level, hash) = pending.node();
            log.append_subtree(level, hash)?;
        }
        let top = held.top.clone().verify()?;
        if top.n <= log.len() && log.root_of(top.n) != Some(top.root) {
            return Err(changed(held, "it is not what was signed"));
        }
        Ok(tower)
    }

    fn glance_at_stone(&self, held: &Held, stone: &StoneRecord, known: bool) -> Result<(), NodeError> {
        if let Some(damage) = self.stones.check(held.name, stone)? {
            return Err(damage.into());
        }
        if known || stone.gone().is_some() {
            return Ok(());
        }
        let name = StoneName { feed: held.name, span: stone.span };
        let read = read_subtree(&self.stones.source(stone)?);
        let wrong = |reject| stones::damage(held.name, stone, &reject);
        match read.map_err(wrong)? == (name, stone.subtree) {
            true => Ok(()),
            false => Err(changed(held, "a stone holds other waypoints than it should")),
        }
    }
}

fn changed(held: &Held, what: &str) -> NodeError {
    NodeError::Document(format!("the tower of feed {}: {what}", held.name.id()))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Author, create, dir, open};
    use super::*;
    use crate::files::Files;
    use crate::files::fault::FaultFiles;

    #[test]
    fn a_tower_that_has_grown_stands_on_what_was_seen() {
        let files = FaultFiles::default();
        let mut author = Author::new(1);
        let mut store = create(&files, &author).unwrap();
        let mut seen = Seen::default();
        for count in [5, 1, 1, 9, 40] {
            store.commit(&author.batch(count)).unwrap();
            seen = store.glance(&seen).unwrap();
            store.cut().unwrap();
            seen = store.glance(&seen).unwrap();
        }
        assert_eq!(seen, store.glance(&Seen::default()).unwrap());
        assert_eq!(seen.towers[&author.feed.id()].len(), 56);
    }

    #[test]
    fn another_tower_and_a_damaged_stone_are_told() {
        let files = FaultFiles::default();
        let mut author = Author::new(1);
        let mut store = create(&files, &author).unwrap();
        store.commit(&author.batch(6)).unwrap();
        store.cut().unwrap();
        let seen = store.glance(&Seen::default()).unwrap();
        let mut forged = seen.clone();
        let tower = forged.towers.get_mut(&author.feed.id()).unwrap();
        *tower = Tower::default();
        tower.push(Span { start: 0, level: 2 }, cairn_protocol::hash::LogHash([1; 32])).unwrap();
        assert!(store.glance(&forged).is_err(), "another beginning");
        store.commit(&author.batch(2)).unwrap();
        store.cut().unwrap();
        assert!(store.glance(&seen).is_ok());
        let path = files.paths().into_iter().find(|path| path.starts_with(dir().join("stones"))).unwrap();
        files.rot(&path, files.bytes(&path).len() - 60);
        let (store, _) = open(&files).unwrap();
        assert!(matches!(store.glance(&seen), Err(NodeError::Damaged(_)) | Err(NodeError::Document(_))));
        files.remove(&path).unwrap();
        assert!(matches!(store.glance(&Seen::default()), Err(NodeError::Damaged(_))));
    }
}
