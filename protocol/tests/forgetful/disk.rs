//! A disk in memory: per feed a tower of real stones and what was not cut yet. It can be cut, merged, faded and read
//! again from its bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_crdt::id::{ContentHash, FeedId, WaypointId};
use cairn_crdt::op::Op;
use cairn_crdt::{Absent, Contents, Spot};
use cairn_protocol::hash::LogHash;
use cairn_protocol::log::Log;
use cairn_protocol::piece::Piece;
use cairn_protocol::replica::{Fading, Holders};
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
    pending: Vec<Piece>,
    /// What was covered, by its place.
    pub relics: BTreeMap<u64, Arc<Waypoint>>,
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

    fn ops(&self, id: WaypointId, spot: Spot) -> Option<Arc<[Op]>> {
        let waypoints = self.feeds.get(&spot.feed)?.waypoints();
        let is_it = |(place, waypoint): &&(u64, Arc<Waypoint>)| *place == spot.place && waypoint.id() == id;
        waypoints.iter().find(is_it)?.1.ops().ok().map(Arc::from)
    }
}

impl Holders for Disk {
    fn holder(&self, content: ContentHash) -> Option<(FeedId, u64)> {
        self.feeds.iter().find_map(|(feed, held)| {
            let carries =
                |(_, waypoint): &(u64, Arc<Waypoint>)| contents(waypoint).any(|(hash, _)| hash == content);
            held.waypoints().into_iter().find(carries).map(|(place, _)| (*feed, place))
        })
    }
}

fn contents(waypoint: &Waypoint) -> impl Iterator<Item = (ContentHash, Arc<[u8]>)> + '_ {
    let contents = waypoint.entries().filter_map(|entry| entry.content());
    contents.map(|(hash, bytes)| (hash, Arc::from(bytes)))
}

/// How many waypoints pieces stand for.
pub fn count(pieces: &[Piece]) -> u64 {
    pieces.iter().map(Piece::count).sum()
}

/// The waypoints among the pieces of a feed, with their places.
pub fn placed(pieces: &[Piece]) -> impl Iterator<Item = (u64, &Arc<Waypoint>)> + '_ {
    let mut next = 0;
    pieces.iter().filter_map(move |piece| {
        let place = next;
        next += piece.count();
        piece.waypoint().map(|waypoint| (place, waypoint))
    })
}

/// The pieces of a feed that begin in a span, of all of them from the first.
fn within(all: &[Piece], start: u64, end: u64) -> Vec<Piece> {
    let mut next = 0;
    let begins = |piece: &&Piece| {
        let place = next;
        next += piece.count();
        start <= place && place < end
    };
    all.iter().filter(begins).cloned().collect()
}

impl Held {
    fn base(&self) -> u64 {
        self.stones.last_key_value().map_or(0, |(_, (span, ..))| span.end())
    }

    pub fn len(&self) -> u64 {
        self.base() + count(&self.pending)
    }

    fn tower(&self) -> Tower {
        let mut tower = Tower::default();
        self.stones.values().for_each(|(span, hash, _)| tower.push(*span, *hash).unwrap());
        tower
    }

    /// All pieces, read from the bytes; every checksum and the root of the tower are checked.
    pub fn read(&self) -> Vec<Piece> {
        let (mut all, mut log) = (Vec::new(), Log::new());
        for (span, hash, bytes) in self.stones.values() {
            let reader = StoneReader::open(&bytes[..]).unwrap();
            reader.verify(hash).unwrap();
            assert_eq!(*reader.name(), StoneName { feed: self.name, span: *span });
            all.extend(reader.read_all().map(|stored| stored.unwrap().into_piece().unwrap()));
        }
        all.extend(self.pending.iter().cloned());
        for (level, hash) in all.iter().map(Piece::node) {
            log.append_subtree(level, hash).unwrap();
        }
        assert_eq!(self.tower().root(), log.root_of(self.base()).unwrap(), "the tower bags to the log");
        let top = self.top.clone().verify().unwrap();
        assert!(log.root_of(top.n).is_none_or(|root| root == top.root), "the author's signature holds");
        all
    }

    fn write(&mut self, span: Span, pieces: Vec<Piece>) -> LogHash {
        let stored: Vec<Stored> = pieces.into_iter().map(Stored::from).collect();
        let bytes = write_stone(&StoneName { feed: self.name, span }, &stored).unwrap();
        let hash = StoneReader::open(&bytes[..]).unwrap().hash();
        self.stones.insert(span.start, (span, hash, bytes));
        hash
    }

    /// All waypoints that lie here, the covered ones among them.
    pub fn waypoints(&self) -> Vec<(u64, Arc<Waypoint>)> {
        let pieces = self.read();
        let relics = self.relics.iter().map(|(place, waypoint)| (*place, Arc::clone(waypoint)));
        relics.chain(placed(&pieces).map(|(place, waypoint)| (place, Arc::clone(waypoint)))).collect()
    }

    /// Lays aside what lies at or behind a place, which what comes next covers.
    fn cover(&mut self, start: u64) {
        assert!(start <= self.len());
        let pieces = self.read();
        let covered = placed(&pieces).filter(|(place, _)| start <= *place);
        self.relics.extend(covered.map(|(place, waypoint)| (place, Arc::clone(waypoint))));
        let pending = within(&pieces, self.base(), start);
        self.stones.retain(|_, (span, ..)| span.end() <= start);
        self.pending = pending;
    }

    /// Cuts and merges as a node does.
    fn compact(&mut self, policy: Policy) {
        let all = self.read();
        loop {
            let of = |span: Span| within(&all, span.start, span.end());
            match choose(&self.tower(), self.len(), policy) {
                Choice::Nothing => return,
                Choice::Cut(span) => {
                    // What is gone may be larger than what was to be cut.
                    let level = self.pending[0].node().0.max(span.level);
                    let span = Span { level, ..span };
                    self.write(span, of(span));
                    self.pending = within(&all, span.end(), u64::MAX);
                }
                Choice::Merge(whole) => {
                    let mut tower = self.tower();
                    tower.merge(whole).unwrap();
                    self.stones.retain(|start, _| *start < whole.start || whole.end() <= *start);
                    let hash = self.write(whole, of(whole));
                    assert!(tower.stones().contains(&(whole, hash)), "a merge proves what its parts proved");
                }
            }
        }
    }

    fn fade(&mut self, feed: FeedId, fading: &Fading) {
        let mut next = 0;
        let left = self.read().into_iter().map(|piece| {
            let place = next;
            next += piece.count();
            piece.waypoint().and_then(|waypoint| fading.left_of(feed, place, waypoint)).unwrap_or(piece)
        });
        let all: Vec<Piece> = left.collect();
        let spans: Vec<(Span, LogHash)> =
            self.stones.values().map(|(span, hash, _)| (*span, *hash)).collect();
        for (span, hash) in spans {
            let again = self.write(span, within(&all, span.start, span.end()));
            assert_eq!(again, hash, "a faded stone proves what it proved before");
        }
        self.pending = within(&all, self.base(), u64::MAX);
        let relics = std::mem::take(&mut self.relics).into_iter().filter_map(|(place, waypoint)| {
            let left = fading.left(feed, place, [Piece::Waypoint(waypoint)]);
            Some((place, Arc::clone(left.first()?.waypoint()?)))
        });
        self.relics = relics.collect();
    }
}

impl Disk {
    pub fn store(&mut self, accepted: &Accepted) {
        self.contents.extend(accepted.waypoints().flat_map(|waypoint| contents(waypoint)));
        let top = accepted.top.signed().clone();
        let (name, stones, pending, relics) =
            (accepted.top.feed, BTreeMap::new(), Vec::new(), BTreeMap::new());
        let new = Held { name, top: top.clone(), stones, pending, relics };
        let held = self.feeds.entry(accepted.feed).or_insert(new);
        held.cover(accepted.start);
        held.pending.extend(accepted.pieces.iter().cloned());
        held.top = top;
    }

    pub fn compact(&mut self, policy: Policy) {
        self.feeds.values_mut().for_each(|held| held.compact(policy));
    }

    pub fn fade(&mut self, fading: &Fading) {
        for feed in fading.feeds() {
            self.feeds.get_mut(&feed).unwrap().fade(feed, fading);
        }
        // What is in no waypoint any more is nowhere any more.
        self.contents.clear();
        for held in self.feeds.values() {
            let waypoints = held.waypoints();
            self.contents.extend(waypoints.iter().flat_map(|(_, waypoint)| contents(waypoint)));
        }
    }
}
