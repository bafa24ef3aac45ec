//! What the waypoint that begins an epoch says about all that lies below it.
//!
//! Whoever forgets what lies below an epoch can no longer follow parents through it. So its first waypoint
//! writes down which waypoints of which feeds are in its past: for each feed that went on since the epoch before, how far, and
//! the places before that which are not. That is a Merkle map from feeds to logs: by it anybody can tell work that came late
//! from work that the epoch has, and a feed that ended long ago costs no more than its line there.

use std::ops::Range;

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{FeedId, Root};

use crate::hash::LogHash;
use crate::limits::{ABSORBED_COUNT_MAX, BESIDE_COUNT_MAX, FEED_LEVEL_MAX};

/// The beginning of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// The root of what the version below shows, which is what the epoch begins with.
    pub root: Root,
    /// How many epochs lie below, and this one; 0 where the author did not write down what lies below.
    pub depth: u32,
    /// How far each feed lies in the past, where that is not said by an epoch below; ascending by feed.
    pub absorbed: Vec<Absorbed>,
}

/// How far one feed lies in the past of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absorbed {
    /// The feed.
    pub feed: FeedId,
    /// How many waypoints of it, but for those that lie beside.
    pub n: u64,
    /// The root of the feed's log over them.
    pub root: LogHash,
    /// Places before `n` that are not in the past; ascending, apart from each other.
    pub beside: Vec<Beside>,
}

/// Neighbouring places in a feed, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beside {
    /// The first.
    pub start: u64,
    /// How many.
    pub count: u64,
}

impl Epoch {
    /// An epoch of which nothing is known but what it shows.
    pub fn bare(root: Root) -> Self {
        Self { root, depth: 0, absorbed: Vec::new() }
    }

    /// Whether the author wrote down what lies below, so that nothing below has to be here.
    pub fn is_detached(&self) -> bool {
        self.depth > 0
    }

    /// How far a feed lies in the past, by this epoch alone.
    pub fn absorbed(&self, feed: &FeedId) -> Option<&Absorbed> {
        let at = self.absorbed.binary_search_by_key(feed, |absorbed| absorbed.feed).ok()?;
        self.absorbed.get(at)
    }
}

impl Absorbed {
    /// Whether the waypoint at a place is in the past.
    pub fn has(&self, place: u64) -> bool {
        place < self.n && !self.beside.iter().any(|beside| beside.start <= place && place < beside.end())
    }

    /// What of a run is not in the past.
    pub fn lacking(&self, run: Range<u64>) -> Vec<Range<u64>> {
        let beside = self.beside.iter().map(|beside| beside.start..beside.end());
        let parts = beside.chain(Some(self.n..u64::MAX));
        let parts = parts.map(|part| part.start.max(run.start)..part.end.min(run.end));
        parts.filter(|part| !part.is_empty()).collect()
    }
}

impl Beside {
    /// The place after the last.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.count)
    }

    /// Places, in order, as runs.
    pub fn runs(places: impl IntoIterator<Item = u64>) -> Vec<Beside> {
        let mut runs: Vec<Beside> = Vec::new();
        for place in places {
            match runs.last_mut() {
                Some(run) if run.end() == place => run.count += 1,
                _ => runs.push(Beside { start: place, count: 1 }),
            }
        }
        runs
    }
}

impl Encoded for Epoch {
    fn write(&self, out: &mut Writer) {
        self.root.write(out);
        if self.is_detached() {
            out.u32(self.depth);
            out.list(&self.absorbed);
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let root = Root::read(input)?;
        if input.remaining() == 0 {
            return Ok(Self::bare(root));
        }
        let at = input.clone();
        let depth = input.u32()?;
        at.require(depth > 0, "depth of an epoch")?;
        let absorbed: Vec<Absorbed> = input.list(ABSORBED_COUNT_MAX)?;
        at.require(absorbed.is_sorted_by(|a, b| a.feed < b.feed), "order of absorbed feeds")?;
        Ok(Self { root, depth, absorbed })
    }
}

impl Encoded for Absorbed {
    fn write(&self, out: &mut Writer) {
        self.feed.write(out);
        out.count(self.n);
        self.root.write(out);
        out.list(&self.beside);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let feed = FeedId::read(input)?;
        let n = input.count(1 << FEED_LEVEL_MAX)?;
        let root = LogHash::read(input)?;
        let at = input.clone();
        let beside: Vec<Beside> = input.list(BESIDE_COUNT_MAX)?;
        let apart = beside.is_sorted_by(|a, b| a.end() < b.start);
        at.require(
            n > 0 && apart && beside.last().is_none_or(|last| last.end() < n),
            "places beside an epoch",
        )?;
        Ok(Self { feed, n, root, beside })
    }
}

impl Encoded for Beside {
    fn write(&self, out: &mut Writer) {
        out.count(self.start);
        out.count(self.count);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let (start, at) = (input.count(1 << FEED_LEVEL_MAX)?, input.clone());
        let count = input.count(1 << FEED_LEVEL_MAX)?;
        at.require(count > 0, "places beside an epoch")?;
        Ok(Self { start, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(beside: Vec<Beside>) -> Epoch {
        let absorbed = Absorbed { feed: FeedId([3; 32]), n: 20, root: LogHash([4; 32]), beside };
        Epoch { root: Root([1; 32]), depth: 2, absorbed: vec![absorbed] }
    }

    #[test]
    fn places_beside_are_not_in_the_past() {
        let epoch = epoch(Beside::runs([3, 4, 9]));
        assert_eq!(Epoch::from_bytes(&epoch.to_bytes()), Ok(epoch.clone()));
        let absorbed = epoch.absorbed(&FeedId([3; 32])).unwrap();
        let past: Vec<u64> = (0..25).filter(|place| absorbed.has(*place)).collect();
        assert_eq!(past, (0..20).filter(|place| ![3, 4, 9].contains(place)).collect::<Vec<_>>());
        assert!(absorbed.lacking(5..9).is_empty() && absorbed.lacking(10..20).is_empty());
        assert_eq!(absorbed.lacking(2..25), [3..5, 9..10, 20..25]);
        assert_eq!(absorbed.lacking(0..4).len(), 1);
        assert_eq!(epoch.absorbed(&FeedId([9; 32])), None);
    }

    #[test]
    fn maps_that_nobody_writes_are_refused() {
        let run = |start, count| Beside { start, count };
        for beside in
            [vec![run(3, 0)], vec![run(3, 2), run(5, 1)], vec![run(9, 1), run(3, 1)], vec![run(18, 2)]]
        {
            assert!(Epoch::from_bytes(&epoch(beside.clone()).to_bytes()).is_err(), "{beside:?}");
        }
        let mut twice = epoch(Vec::new());
        twice.absorbed.push(twice.absorbed[0].clone());
        assert!(Epoch::from_bytes(&twice.to_bytes()).is_err());
        assert_eq!(Epoch::from_bytes(&[7; 32]), Ok(Epoch::bare(Root([7; 32]))));
    }
}
