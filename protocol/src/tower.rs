//! Towers: which stones a feed's log is kept in, and when to cut or merge them.
//!
//! The choice is a pure function, so that it can be tested without a disk. Levels grow by a constant factor, so a feed
//! has O(log n) stones, and each waypoint is written again O(log n) times while it grows.

use std::ops::Range;

use crate::error::Reject;
use crate::hash::LogHash;
use crate::limits::{FEED_LEVEL_MAX, STONE_LEVEL_MAX};
use crate::merkle::Peaks;

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
}

/// The stones of one feed, from the large and old to the small and new, without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tower {
    stones: Vec<(Span, LogHash)>,
}

/// What decides when stones are cut, and into which sizes they are merged.
///
/// A stone that many stones become has the size of a *rung*. Small stones double: they are cheap to write again, and
/// doubling keeps them few. Above that rungs lie further apart, so that a waypoint is written again less often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// As many waypoints in the write-ahead log are worth a stone.
    pub cut_count_min: u64,
    /// Up to this size, as a power of two, every level is a rung.
    pub doubling_level_max: u8,
    /// From there on every so many levels are one.
    pub step_levels: u8,
    /// The largest stone, as a power of two.
    pub level_max: u8,
}

/// The policy of every store, whose bounds hold for a feed of up to `2^20` waypoints.
///
/// It has at most 12 stones below `2^12`, and 3 in each of the 4 steps above: at most 24. Where cuts bring some
/// hundreds of waypoints, each is written less than 6 times; cut one by one, 10 times.
pub const POLICY: Policy =
    Policy { cut_count_min: 1, doubling_level_max: 12, step_levels: 2, level_max: STONE_LEVEL_MAX };

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Nothing.
    Nothing,
    /// Write waypoints that are only in the write-ahead log as a stone.
    Cut(Span),
    /// Write the stones that make up a subtree as one.
    Merge(Span),
}

impl Policy {
    /// Whether stones are merged into this size.
    fn is_rung(&self, level: u8) -> bool {
        let above = level.saturating_sub(self.doubling_level_max);
        level <= self.level_max.min(STONE_LEVEL_MAX) && above.is_multiple_of(self.step_levels.max(1))
    }
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

    /// Puts one stone where several were that make up a subtree.
    pub fn merge(&mut self, span: Span) -> Result<(), Reject> {
        let places = self.within(span).ok_or(Reject::Misuse("stones that make up no subtree"))?;
        let mut peaks = Peaks::default();
        for (part, hash) in &self.stones[places.clone()] {
            peaks.append_subtree(part.level, *hash);
        }
        self.stones.splice(places, [(span, peaks.root())]);
        Ok(())
    }

    /// Which stones, by their number, make up a subtree.
    fn within(&self, span: Span) -> Option<Range<usize>> {
        let first = self.stones.binary_search_by_key(&span.start, |(part, _)| part.start).ok()?;
        let last = self.stones.partition_point(|(part, _)| part.end() < span.end());
        let fits = span.is_subtree() && self.stones.get(last)?.0.end() == span.end();
        fits.then_some(first..last + 1)
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
    if let Some(span) = mergeable(tower, policy) {
        return Choice::Merge(span);
    }
    let (start, level_max) = (tower.len(), policy.level_max.min(STONE_LEVEL_MAX));
    let pending = n.saturating_sub(start);
    if pending < policy.cut_count_min.max(1) {
        return Choice::Nothing;
    }
    let level = pending.ilog2().min(start.trailing_zeros()).min(level_max.into());
    Choice::Cut(Span { start, level: level as u8 })
}

/// The newest rung that several stones make up.
fn mergeable(tower: &Tower, policy: Policy) -> Option<Span> {
    tower.stones.iter().rev().find_map(|(last, _)| {
        let rungs = (last.level + 1..=policy.level_max).filter(|level| policy.is_rung(*level));
        let ending =
            rungs.filter_map(|level| last.end().checked_sub(1 << level).map(|start| Span { start, level }));
        ending.into_iter().find(|span| tower.within(*span).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tests::log_of;
    use crate::merkle::node_hash;
    use proptest::prelude::*;

    /// Does what `choose` says until it says nothing; gives how many waypoints were written into stones.
    fn settle(tower: &mut Tower, n: u64, policy: Policy, hash: impl Fn(Span) -> LogHash) -> u64 {
        let before: Vec<Span> = tower.stones().iter().map(|(span, _)| *span).collect();
        loop {
            match choose(tower, n, policy) {
                Choice::Nothing => break,
                Choice::Cut(span) => tower.push(span, hash(span)).unwrap(),
                Choice::Merge(span) => tower.merge(span).unwrap(),
            }
        }
        let new = tower.stones().iter().map(|(span, _)| span).filter(|span| !before.contains(span));
        new.map(Span::count).sum()
    }

    /// Lets a tower grow by steps; gives the most stones that it had, and how often a waypoint was written on average.
    fn grown(steps: impl Iterator<Item = u64>) -> (usize, f64) {
        let (mut tower, mut n, mut written, mut stones) = (Tower::default(), 0, 0, 0);
        for step in steps {
            n += step;
            written += settle(&mut tower, n, POLICY, |_| LogHash([0; 32]));
            stones = stones.max(tower.stones().len());
        }
        (stones, written as f64 / n as f64)
    }

    proptest! {
        #[test]
        fn a_tower_bags_to_the_root_and_leaves_little(
            steps in proptest::collection::vec(1u64..40, 1..12), cut_count_min in 1u64..20,
        ) {
            let log = log_of(steps.iter().sum());
            let (mut tower, mut n) = (Tower::default(), 0);
            let policy = Policy { cut_count_min, doubling_level_max: 3, ..POLICY };
            for step in steps {
                n += step;
                let hash = |span: Span| log.subtree(span.level, span.start >> span.level).unwrap();
                settle(&mut tower, n, policy, hash);
                prop_assert_eq!(Some(tower.root()), log.root_of(tower.len()));
                prop_assert!(n - tower.len() < cut_count_min);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn a_million_waypoints_lie_in_few_stones_and_are_rarely_written_again(
            steps in proptest::collection::vec(1u64..2000, 300), most in 400u64..20_000,
        ) {
            let mut left = 1_000_000;
            let steps = steps.iter().cycle().map(|step| (step * most / 2000).max(1));
            let (stones, written) = grown(steps.map_while(|step| {
                let step = step.min(left);
                left -= step;
                (step > 0).then_some(step)
            }));
            prop_assert!(stones <= 24, "{} stones", stones);
            prop_assert!(written <= 6.0, "written {} times", written);
        }
    }

    #[test]
    fn a_tower_that_grows_one_by_one_stays_low_too() {
        let (stones, written) = grown(std::iter::repeat_n(1, (1 << 16) - 1));
        assert!(stones <= 18 && written <= 9.0, "{stones} stones, written {written} times");
    }

    #[test]
    fn above_small_stones_four_become_one_at_once() {
        let mut tower = Tower::default();
        for start in (0..4).map(|part| part << 12) {
            tower.push(Span { start, level: 12 }, LogHash([0; 32])).unwrap();
            let full = start == 3 << 12;
            let merged = Span { start: 0, level: 14 };
            let next = if full { Choice::Merge(merged) } else { Choice::Nothing };
            assert_eq!(choose(&tower, start + (1 << 12), POLICY), next);
        }
    }

    #[test]
    fn stones_that_do_not_fit_are_refused() {
        let mut tower = Tower::default();
        let hash = LogHash([1; 32]);
        let span = |start, level| Span { start, level };
        assert!(tower.push(span(1, 0), hash).is_err());
        tower.push(span(0, 0), hash).unwrap();
        assert!(tower.push(span(1, 1), hash).is_err());
        tower.push(span(1, 0), hash).unwrap();
        tower.push(span(2, 0), hash).unwrap();
        assert!(tower.merge(span(1, 1)).is_err() && tower.merge(span(0, 2)).is_err());
        tower.merge(span(0, 1)).unwrap();
        assert_eq!(tower.stones()[0], (span(0, 1), node_hash(&hash, &hash)));
    }
}
