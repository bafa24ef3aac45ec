//! Towers: which stones a feed's log is kept in, and when to cut or merge them.
//!
//! The choice is a pure function, so that it can be tested without a disk: like a binary counter,
//! neighbours of one size become one of twice the size, and a feed has O(log n) stones.

use crate::error::Reject;
use crate::hash::LogHash;
use crate::limits::{FEED_LEVEL_MAX, STONE_LEVEL_MAX};
use crate::merkle::{Peaks, node_hash};

/// Where a stone lies in its feed: waypoints `start .. start + 2^level`, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first waypoint's place in the log, from 0; a multiple of the count.
    pub start: u64,
    /// The count, as a power of two.
    pub level: u8,
}

impl Span {
    /// How many waypoints.
    pub fn count(&self) -> u64 {
        1 << self.level
    }

    /// The place after the last.
    pub fn end(&self) -> u64 {
        self.start + self.count()
    }

    /// Whether a subtree of that size begins there, small enough for a stone.
    pub fn is_subtree(&self) -> bool {
        let aligned = self.start.trailing_zeros() >= u32::from(self.level);
        aligned && self.level <= STONE_LEVEL_MAX && self.start < 1 << FEED_LEVEL_MAX
    }

    /// The subtree that this one and its right neighbour make up.
    pub fn with(&self, right: Span) -> Option<Span> {
        let whole = Span { start: self.start, level: self.level + 1 };
        let pair = self.level == right.level && self.end() == right.start;
        (pair && whole.is_subtree()).then_some(whole)
    }
}

/// The stones of one feed, from the large and old to the small and new, without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tower {
    stones: Vec<(Span, LogHash)>,
}

/// What decides when stones are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// As many waypoints in the write-ahead log are worth a stone.
    pub cut_count_min: u64,
    /// The largest stone, as a power of two.
    pub level_max: u8,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Nothing.
    Nothing,
    /// Write waypoints that are only in the write-ahead log as a stone.
    Cut(Span),
    /// Write two neighbouring stones as one.
    Merge {
        /// The older one.
        left: Span,
        /// The newer one.
        right: Span,
    },
}

impl Tower {
    /// Adds the next stone; refuses a gap or a place that no subtree has.
    pub fn push(&mut self, span: Span, hash: LogHash) -> Result<(), Reject> {
        if span.start != self.len() {
            return Err(Reject::Gap { expected: self.len(), found: span.start });
        }
        if !span.is_subtree() {
            return Err(Reject::Misuse("a stone where no subtree begins"));
        }
        self.stones.push((span, hash));
        Ok(())
    }

    /// Puts one stone where two neighbours were; answers where it lies.
    pub fn merge(&mut self, left: Span, right: Span) -> Result<Span, Reject> {
        let wrong = Reject::Misuse("stones that are no neighbours under one node");
        let Some(place) = self.stones.iter().position(|(span, _)| *span == left) else { return Err(wrong) };
        let (Some(merged), Some(&(next, right_hash))) = (left.with(right), self.stones.get(place + 1)) else {
            return Err(wrong);
        };
        if next != right {
            return Err(wrong);
        }
        let hash = node_hash(&self.stones[place].1, &right_hash);
        self.stones.splice(place..place + 2, [(merged, hash)]);
        Ok(merged)
    }

    /// The stones, from the old to the new.
    pub fn stones(&self) -> &[(Span, LogHash)] {
        &self.stones
    }

    /// How many waypoints the stones hold.
    pub fn len(&self) -> u64 {
        self.stones.last().map_or(0, |(span, _)| span.end())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stones.is_empty()
    }

    /// The log's root, bagged from the stones' hashes: the hash chain of the tower.
    pub fn root(&self) -> LogHash {
        let mut peaks = Peaks::default();
        for (span, hash) in &self.stones {
            peaks.append_subtree(span.level, *hash);
        }
        peaks.root()
    }
}

/// What to do next with a tower, when the feed holds `n` waypoints.
pub fn choose(tower: &Tower, n: u64, policy: Policy) -> Choice {
    if let Some((left, right)) = mergeable(tower, policy) {
        return Choice::Merge { left, right };
    }
    let (start, level_max) = (tower.len(), policy.level_max.min(STONE_LEVEL_MAX));
    let pending = n.saturating_sub(start);
    if pending < policy.cut_count_min.max(1) {
        return Choice::Nothing;
    }
    let level = pending.ilog2().min(start.trailing_zeros()).min(level_max.into());
    Choice::Cut(Span { start, level: level as u8 })
}

/// The newest two neighbours that are one subtree.
fn mergeable(tower: &Tower, policy: Policy) -> Option<(Span, Span)> {
    let level_max = policy.level_max.min(STONE_LEVEL_MAX);
    let mut pairs = tower.stones.windows(2).rev().map(|pair| (pair[0].0, pair[1].0));
    pairs.find(|(left, right)| left.with(*right).is_some_and(|span| span.level <= level_max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tests::log_of;
    use proptest::prelude::*;

    /// Does what `choose` says until it says nothing.
    fn settle(tower: &mut Tower, log: &crate::log::Log, n: u64, policy: Policy) {
        loop {
            match choose(tower, n, policy) {
                Choice::Nothing => return,
                Choice::Cut(span) => {
                    let hash = log.subtree(span.level, span.start >> span.level).unwrap();
                    tower.push(span, hash).unwrap();
                }
                Choice::Merge { left, right } => {
                    tower.merge(left, right).unwrap();
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_tower_bags_to_the_root_and_stays_low(
            steps in proptest::collection::vec(1u64..40, 1..12), cut_count_min in 1u64..20,
        ) {
            let log = log_of(steps.iter().sum());
            let (mut tower, mut n) = (Tower::default(), 0);
            for step in steps {
                n += step;
                settle(&mut tower, &log, n, Policy { cut_count_min, level_max: 20 });
                prop_assert_eq!(Some(tower.root()), log.root_of(tower.len()));
                prop_assert!(n - tower.len() < cut_count_min);
                prop_assert!(tower.stones().len() as u32 <= n.ilog2() + 1);
            }
        }
    }

    #[test]
    fn stones_that_do_not_fit_are_refused() {
        let mut tower = Tower::default();
        let hash = LogHash([1; 32]);
        assert!(tower.push(Span { start: 1, level: 0 }, hash).is_err());
        tower.push(Span { start: 0, level: 0 }, hash).unwrap();
        assert!(tower.push(Span { start: 1, level: 1 }, hash).is_err());
        tower.push(Span { start: 1, level: 0 }, hash).unwrap();
        tower.push(Span { start: 2, level: 0 }, hash).unwrap();
        let span = |start| Span { start, level: 0 };
        assert!(tower.merge(span(1), span(2)).is_err());
        assert_eq!(tower.merge(span(0), span(1)), Ok(Span { start: 0, level: 1 }));
    }
}
