//! Towers: which stones a feed's log is kept in, and when to cut or merge them.
//!
//! The choice is a pure function, so that it can be tested without a disk: like a binary counter,
//! neighbours of one size become one of twice the size, and a feed has O(log n) stones.

use crate::error::Reject;
use crate::hash::LogHash;
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
        let _ = (span, hash);
        todo!()
    }

    /// Puts one stone where two neighbours were.
    pub fn merge(&mut self, left: Span, right: Span) -> Result<(), Reject> {
        let _ = (left, right);
        todo!()
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

    /// The log's root, bagged from the stones' hashes.
    pub fn root(&self) -> LogHash {
        let _: Option<Peaks> = None;
        todo!()
    }
}

/// What to do next with a tower, when the feed holds `n` waypoints.
pub fn choose(tower: &Tower, n: u64, policy: Policy) -> Choice {
    let _ = (tower, n, policy);
    todo!()
}
