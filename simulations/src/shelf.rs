//! One feed on a disk: its stones, and what was not cut yet.
//!
//! Everything is held twice: as pieces, which a running peer reads, and as the bytes of real stones, from which a peer that starts
//! again reads. Whoever reads the stones checks every sum, every name and the author's signature over what they prove.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_crdt::id::{ContentHash, FeedId, ProjectId};
use cairn_protocol::hash::LogHash;
use cairn_protocol::log::Log;
use cairn_protocol::piece::Piece;
use cairn_protocol::replica::Fading;
use cairn_protocol::stone::{StoneName, StoneReader, Stored, write_stone};
use cairn_protocol::top::Top;
use cairn_protocol::tower::{Choice, Policy, Span, Tower, choose};
use cairn_protocol::waypoint::Waypoint;
use cairn_protocol::{Accepted, FeedName, Signed};

/// One feed on a disk.
#[derive(Debug)]
pub struct Shelf {
    /// The project that it is written in.
    pub project: ProjectId,
    /// The last top.
    pub top: Signed<Top>,
    name: FeedName,
    /// By the place at which each begins.
    stones: BTreeMap<u64, Stone>,
    pieces: Vec<Piece>,
    /// The waypoints that were held when something covered them that had forgotten them, by their places.
    relics: BTreeMap<u64, Arc<Waypoint>>,
}

#[derive(Debug)]
struct Stone {
    span: Span,
    hash: LogHash,
    bytes: Vec<u8>,
}

impl Shelf {
    /// An empty one.
    pub fn new(accepted: &Accepted) -> Self {
        Self {
            project: accepted.project,
            top: accepted.top.signed().clone(),
            name: accepted.top.feed,
            stones: BTreeMap::new(),
            pieces: Vec::new(),
            relics: BTreeMap::new(),
        }
    }

    /// How many waypoints there are, the forgotten ones among them.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::count).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// All pieces, from the first.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The waypoints that were covered.
    pub fn relics(&self) -> impl Iterator<Item = &Arc<Waypoint>> {
        self.relics.values()
    }

    /// Every waypoint that lies here, with its place.
    pub fn waypoints(&self) -> impl Iterator<Item = (u64, &Arc<Waypoint>)> {
        let relics = self.relics.iter().map(|(place, waypoint)| (*place, waypoint));
        relics.chain(placed(0, &self.pieces).filter_map(|(place, piece)| Some((place, piece.waypoint()?))))
    }

    /// The piece in which the waypoint at a place lies.
    pub fn at(&self, place: u64) -> Option<&Piece> {
        let holds = |(start, piece): &(u64, &Piece)| *start <= place && place < start + piece.count();
        placed(0, &self.pieces).find(holds).map(|(_, piece)| piece)
    }

    /// Puts a waypoint back that had faded.
    pub fn recall(&mut self, place: u64, piece: Piece) -> Result<(), String> {
        let at = placed(0, &self.pieces).position(|(start, piece)| start == place && piece.count() == 1);
        if let Some(there) = at.and_then(|at| self.pieces.get_mut(at)) {
            *there = piece;
        }
        self.write_again(|span| span.start <= place && place < span.end())
    }

    /// Takes in what is new of a run.
    pub fn store(&mut self, accepted: &Accepted) {
        let held = self.len();
        for (start, piece) in placed(accepted.start, &accepted.pieces) {
            if start + piece.count() > held {
                // What is forgotten elsewhere may cover the end of what is here.
                self.cover(start);
                self.pieces.push(piece.clone());
            }
        }
        if accepted.end() >= accepted.top.n {
            self.top = accepted.top.signed().clone();
        }
    }

    /// Lays aside what lies at or behind a place.
    fn cover(&mut self, end: u64) {
        let covered = placed(0, &self.pieces).filter(|(place, _)| end <= *place);
        let covered = covered.filter_map(|(place, piece)| Some((place, Arc::clone(piece.waypoint()?))));
        self.relics.extend(covered.collect::<Vec<_>>());
        let stay = placed(0, &self.pieces).take_while(|(start, piece)| start + piece.count() <= end).count();
        self.pieces.truncate(stay);
        self.stones.retain(|_, stone| stone.span.end() <= end);
    }

    /// Cuts and merges as a node does.
    pub fn compact(&mut self, policy: Policy) -> Result<(), String> {
        loop {
            match choose(&self.tower()?, self.len(), policy) {
                Choice::Nothing => return Ok(()),
                Choice::Cut(span) => {
                    // What is gone may be larger than what was to be cut.
                    let first = within(&self.pieces, self.base(), u64::MAX).into_iter().next();
                    let level = first.map_or(span.level, |piece| piece.node().0.max(span.level));
                    self.write(Span { level, ..span })?;
                }
                Choice::Merge(whole) => {
                    let mut tower = self.tower()?;
                    tower.merge(whole).map_err(words)?;
                    self.stones.retain(|start, _| *start < whole.start || whole.end() <= *start);
                    let hash = self.write(whole)?;
                    if !tower.stones().contains(&(whole, hash)) {
                        return Err(format!("the merge {whole:?} proves something else than its parts"));
                    }
                }
            }
        }
    }

    /// Forgets; the stones prove what they proved before.
    pub fn fade(&mut self, feed: FeedId, fading: &Fading) -> Result<(), String> {
        let base = self.base();
        let spans = self.stones.values().map(|stone| (stone.span.start, stone.span.end()));
        let runs: Vec<(u64, u64)> = spans.chain([(base, u64::MAX)]).collect();
        let left = runs
            .into_iter()
            .flat_map(|(start, end)| fading.left(feed, start, within(&self.pieces, start, end)));
        self.pieces = left.collect();
        let relics = std::mem::take(&mut self.relics).into_iter().filter_map(|(place, waypoint)| {
            let left = fading.left(feed, place, [Piece::Waypoint(waypoint)]);
            Some((place, Arc::clone(left.first()?.waypoint()?)))
        });
        self.relics = relics.collect();
        self.write_again(|_| true)
    }

    fn write_again(&mut self, chosen: impl Fn(Span) -> bool) -> Result<(), String> {
        let stones = self.stones.values().filter(|stone| chosen(stone.span));
        for (span, hash) in stones.map(|stone| (stone.span, stone.hash)).collect::<Vec<_>>() {
            if self.write(span)? != hash {
                return Err(format!("the stone {span:?} proves something else than before"));
            }
        }
        Ok(())
    }

    fn write(&mut self, span: Span) -> Result<LogHash, String> {
        let stored = within(&self.pieces, span.start, span.end()).into_iter().map(Stored::from);
        let bytes =
            write_stone(&StoneName { feed: self.name, span }, &stored.collect::<Vec<_>>()).map_err(words)?;
        let hash = StoneReader::open(&bytes[..]).map_err(words)?.hash();
        self.stones.insert(span.start, Stone { span, hash, bytes });
        Ok(hash)
    }

    /// Where the stones end.
    fn base(&self) -> u64 {
        self.stones.last_key_value().map_or(0, |(_, stone)| stone.span.end())
    }

    fn tower(&self) -> Result<Tower, String> {
        let mut tower = Tower::default();
        self.stones.values().try_for_each(|stone| tower.push(stone.span, stone.hash)).map_err(words)?;
        Ok(tower)
    }

    /// All pieces, read from the stones and what was not cut yet, with everything checked.
    pub fn read(&self) -> Result<Vec<Piece>, String> {
        let (mut all, mut log) = (Vec::new(), Log::new());
        for stone in self.stones.values() {
            let reader = StoneReader::open(&stone.bytes[..]).map_err(words)?;
            reader.verify(&stone.hash).map_err(words)?;
            if *reader.name() != (StoneName { feed: self.name, span: stone.span }) {
                return Err(format!("the stone {:?} bears another name", stone.span));
            }
            for stored in reader.read_all() {
                all.push(stored.map_err(words)?.into_piece().ok_or("a piece that cannot be read")?);
            }
        }
        all.extend(within(&self.pieces, self.base(), u64::MAX));
        for (level, hash) in all.iter().map(Piece::node) {
            log.append_subtree(level, hash).map_err(words)?;
        }
        let top = self.top.clone().verify().map_err(words)?;
        let bagged = log.root_of(self.base()).is_none_or(|root| root == self.tower_root());
        if !bagged || log.root_of(top.n).is_some_and(|root| root != top.root) {
            return Err(format!("the stones of {:?} are not what its author signed", self.name));
        }
        Ok(all)
    }

    fn tower_root(&self) -> LogHash {
        self.tower().map_or(LogHash([0; 32]), |tower| tower.root())
    }
}

/// Pieces with the places at which they begin.
pub fn placed(start: u64, pieces: &[Piece]) -> impl Iterator<Item = (u64, &Piece)> + '_ {
    pieces.iter().scan(start, |next, piece| {
        let start = *next;
        *next += piece.count();
        Some((start, piece))
    })
}

/// The contents that a waypoint carries.
pub fn contents(waypoint: &Waypoint) -> impl Iterator<Item = (ContentHash, Arc<[u8]>)> + '_ {
    let contents = waypoint.entries().filter_map(|entry| entry.content());
    contents.map(|(hash, bytes)| (hash, Arc::from(bytes)))
}

/// The pieces of a feed that begin in a span, of all of them from the first.
fn within(all: &[Piece], start: u64, end: u64) -> Vec<Piece> {
    placed(0, all)
        .filter(|(place, _)| start <= *place && *place < end)
        .map(|(_, piece)| piece.clone())
        .collect()
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
