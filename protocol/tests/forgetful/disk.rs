//! A disk in memory: per feed a tower of real stones and what was not cut yet. It can be cut, merged, faded and read
//! again from its bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_crdt::id::{ContentHash, FeedId};
use cairn_crdt::{Absent, Contents};
use cairn_protocol::hash::LogHash;
use cairn_protocol::log::Log;
use cairn_protocol::replica::Fading;
use cairn_protocol::stone::{StoneName, StoneReader, Stored, write_stone};
use cairn_protocol::top::Top;
use cairn_protocol::tower::{Choice, Policy, Span, Tower, choose};
use cairn_protocol::waypoint::Waypoint;
use cairn_protocol::{Accepted, FeedName, Signed};

/// One feed on the disk.
pub struct Held {
    pub name: FeedName,
    pub top: Signed<Top>,
    stones: BTreeMap<u64, (Span, LogHash, Vec<u8>)>,
    pending: Vec<Waypoint>,
}

#[derive(Default)]
pub struct Disk {
    pub feeds: BTreeMap<FeedId, Held>,
    contents: BTreeMap<ContentHash, Arc<[u8]>>,
}

impl Contents for Disk {
    fn get(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent> {
        self.contents.get(&content).cloned().ok_or(Absent::Missing(content))
    }
}

fn contents(waypoints: &[Waypoint]) -> impl Iterator<Item = (ContentHash, Arc<[u8]>)> + '_ {
    let entries = waypoints.iter().flat_map(Waypoint::entries);
    entries.filter_map(|entry| entry.content().map(|(hash, bytes)| (hash, Arc::from(bytes))))
}

impl Held {
    fn base(&self) -> u64 {
        self.stones.last_key_value().map_or(0, |(_, (span, ..))| span.end())
    }

    pub fn len(&self) -> u64 {
        self.base() + self.pending.len() as u64
    }

    fn tower(&self) -> Tower {
        let mut tower = Tower::default();
        self.stones.values().for_each(|(span, hash, _)| tower.push(*span, *hash).unwrap());
        tower
    }

    /// All waypoints, read from the bytes; every checksum and the root of the tower are checked.
    pub fn read(&self) -> Vec<Waypoint> {
        let (mut all, mut log) = (Vec::new(), Log::new());
        for (span, hash, bytes) in self.stones.values() {
            let reader = StoneReader::open(&bytes[..]).unwrap();
            reader.verify(hash).unwrap();
            assert_eq!(*reader.name(), StoneName { feed: self.name, span: *span });
            all.extend(reader.read_all().map(|stored| match stored.unwrap() {
                Stored::Body(waypoint) => waypoint,
                Stored::Faded(id) => panic!("the header of {id} is gone"),
            }));
        }
        all.extend(self.pending.iter().cloned());
        all.iter().for_each(|waypoint| log.append(&waypoint.id()));
        assert_eq!(self.tower().root(), log.root_of(self.base()).unwrap(), "the tower bags to the log");
        let top = self.top.clone().verify().unwrap();
        assert!(log.root_of(top.n).is_none_or(|root| root == top.root), "the author's signature holds");
        all
    }

    fn write(&mut self, span: Span, waypoints: &[Waypoint]) -> LogHash {
        let stored: Vec<Stored> = waypoints.iter().cloned().map(Stored::Body).collect();
        let bytes = write_stone(&StoneName { feed: self.name, span }, &stored).unwrap();
        let hash = StoneReader::open(&bytes[..]).unwrap().hash();
        self.stones.insert(span.start, (span, hash, bytes));
        hash
    }

    /// Cuts and merges as a node does.
    fn compact(&mut self, policy: Policy) {
        let all = self.read();
        loop {
            let of = |span: Span| &all[span.start as usize..span.end() as usize];
            match choose(&self.tower(), self.len(), policy) {
                Choice::Nothing => return,
                Choice::Cut(span) => {
                    self.write(span, of(span));
                    self.pending.drain(..span.count() as usize);
                }
                Choice::Merge { left, right } => {
                    let (mut tower, whole) = (self.tower(), left.with(right).unwrap());
                    tower.merge(left, right).unwrap();
                    self.stones.remove(&right.start);
                    let hash = self.write(whole, of(whole));
                    assert!(tower.stones().contains(&(whole, hash)), "a merge proves what the two proved");
                }
            }
        }
    }

    fn fade(&mut self, places: &BTreeSet<u64>, kept: &BTreeSet<ContentHash>) {
        let all = self.read().into_iter().zip(0u64..);
        let faded = |(waypoint, place): (Waypoint, u64)| match places.contains(&place) {
            true => waypoint.faded(kept),
            false => waypoint,
        };
        let all: Vec<Waypoint> = all.map(faded).collect();
        let spans: Vec<(Span, LogHash)> =
            self.stones.values().map(|(span, hash, _)| (*span, *hash)).collect();
        for (span, hash) in spans {
            let again = self.write(span, &all[span.start as usize..span.end() as usize]);
            assert_eq!(again, hash, "a faded stone proves what it proved before");
        }
        self.pending = all[self.base() as usize..].to_vec();
    }
}

impl Disk {
    pub fn store(&mut self, accepted: &Accepted) {
        let waypoints: Vec<Waypoint> =
            accepted.waypoints.iter().map(|waypoint| (**waypoint).clone()).collect();
        self.contents.extend(contents(&waypoints));
        let top = accepted.top.signed().clone();
        let (name, stones, pending) = (accepted.top.feed, BTreeMap::new(), Vec::new());
        let held =
            self.feeds.entry(accepted.feed).or_insert(Held { name, top: top.clone(), stones, pending });
        assert_eq!(held.len(), accepted.start);
        held.pending.extend(waypoints);
        held.top = top;
    }

    pub fn compact(&mut self, policy: Policy) {
        self.feeds.values_mut().for_each(|held| held.compact(policy));
    }

    pub fn fade(&mut self, fading: &Fading) {
        for (feed, places) in &fading.places {
            self.feeds.get_mut(feed).unwrap().fade(places, &fading.contents);
        }
        // What is in no waypoint any more is nowhere any more.
        self.contents.clear();
        for held in self.feeds.values() {
            let waypoints = held.read();
            self.contents.extend(contents(&waypoints));
        }
    }
}
