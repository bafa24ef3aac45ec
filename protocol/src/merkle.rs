//! The shape of every Merkle tree here: leaves and inner nodes hashed under different domains, so
//! that neither can pass for the other; the larger complete tree to the left.

use cairn_crdt::id::derive;

use crate::hash::LogHash;
use crate::limits::FEED_LEVEL_MAX;

/// The hash of an inner node.
pub fn node_hash(left: &LogHash, right: &LogHash) -> LogHash {
    LogHash(derive("cairn 1 log node", &[&left.0, &right.0]))
}

/// The root over no leaves.
pub fn empty_root() -> LogHash {
    LogHash(derive("cairn 1 log empty", &[]))
}

/// The roots of the complete subtrees that a list of leaves consists of, large to small.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peaks {
    n: u64,
    peaks: Vec<LogHash>,
}

impl Peaks {
    /// The peaks of `n` leaves; `None` unless there is one for each bit of `n`.
    pub fn new(n: u64, peaks: Vec<LogHash>) -> Option<Self> {
        (peaks.len() == n.count_ones() as usize).then_some(Self { n, peaks })
    }

    /// How many leaves.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The subtree roots, large to small.
    pub fn hashes(&self) -> &[LogHash] {
        &self.peaks
    }

    /// Adds one leaf, given its hash in the tree.
    pub fn append(&mut self, leaf: LogHash) {
        self.append_subtree(0, leaf);
    }

    /// Adds the complete subtree over `2^level` leaves; `false` where none can begin.
    pub fn append_subtree(&mut self, level: u8, mut hash: LogHash) -> bool {
        let level = u32::from(level);
        if level > u32::from(FEED_LEVEL_MAX) || self.n.trailing_zeros() < level {
            return false;
        }
        for _ in 0..(self.n >> level).trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.n += 1 << level;
        true
    }

    /// The root: the peaks bagged from the small to the large.
    pub fn root(&self) -> LogHash {
        let mut peaks = self.peaks.iter().rev().copied();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(last, |right, left| node_hash(&left, &right))
    }
}

/// The root over hashes that are not leaves of a log: each is taken as a leaf of this tree.
pub fn tree_root(items: impl IntoIterator<Item = LogHash>) -> LogHash {
    let mut peaks = Peaks::default();
    for item in items {
        peaks.append(LogHash(derive("cairn 1 tree leaf", &[&item.0])));
    }
    peaks.root()
}
