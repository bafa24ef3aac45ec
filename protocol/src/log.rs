//! A feed's append-only Merkle log over waypoint ids, in the shape of RFC 9162 with BLAKE3.
//!
//! It keeps the ids and the hashes of the larger complete subtrees, 40 bytes a waypoint; the hashes of small ones are
//! made again when they are asked for. Where ids have faded it knows only the hashes of the subtrees above them.

use std::collections::BTreeMap;

use cairn_crdt::id::{WaypointId, derive};

use crate::error::Reject;
use crate::hash::LogHash;
use crate::limits::FEED_LEVEL_MAX;
use crate::merkle::{Peaks, node_hash};
use crate::proof::{ConsistencyProof, InclusionProof};

/// The smallest subtrees whose hashes are kept, as a power of two.
const KEPT_LEVEL_MIN: u8 = 3;
/// How many names stand together; where none of them is known they take no room.
const CHUNK_COUNT: usize = 256;
/// What stands in a row where nothing is known: no hash is zero.
const UNKNOWN: [u8; 32] = [0; 32];

/// The hash of a waypoint as a leaf of the log.
pub fn leaf_hash(id: &WaypointId) -> LogHash {
    LogHash(derive("cairn 1 log leaf", &[&id.0]))
}

/// The log of one feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    n: u64,
    ids: Row,
    /// The hashes of subtrees, by level from [`KEPT_LEVEL_MIN`] on.
    kept: Vec<Row>,
    /// The hashes of small subtrees whose ids are not known.
    given: BTreeMap<(u8, u64), LogHash>,
}

/// Names side by side, some of which are not known. They come in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Row {
    chunks: Vec<Vec<[u8; 32]>>,
}

impl Row {
    fn get(&self, index: u64) -> Option<[u8; 32]> {
        let index = usize::try_from(index).ok()?;
        let name = self.chunks.get(index / CHUNK_COUNT)?.get(index % CHUNK_COUNT)?;
        (*name != UNKNOWN).then_some(*name)
    }

    /// Puts a name behind all that are there.
    fn put(&mut self, index: u64, name: [u8; 32]) {
        let (chunk, within) = ((index / CHUNK_COUNT as u64) as usize, (index % CHUNK_COUNT as u64) as usize);
        if self.chunks.len() <= chunk {
            self.chunks.resize_with(chunk + 1, Vec::new);
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.resize(within, UNKNOWN);
            chunk.push(name);
        }
    }
}

impl Log {
    /// The log of a feed that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many waypoints.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The name of the waypoint at a place, from 0, if it is known.
    pub fn id(&self, place: u64) -> Option<WaypointId> {
        self.ids.get(place).map(WaypointId)
    }

    /// All names that are known, with their places.
    pub fn names(&self) -> impl Iterator<Item = (u64, WaypointId)> + '_ {
        (0..self.n).filter_map(|place| self.id(place).map(|id| (place, id)))
    }

    /// Adds one waypoint.
    pub fn append(&mut self, id: &WaypointId) {
        self.ids.put(self.n, id.0);
        self.n += 1;
        self.complete(KEPT_LEVEL_MIN);
    }

    /// Adds `2^level` waypoints by the hash of the subtree over them; refuses one that does not start
    /// at a multiple of its size.
    pub fn append_subtree(&mut self, level: u8, hash: LogHash) -> Result<(), Reject> {
        self.cover(self.n, level, hash)
    }

    /// The same where the subtree may begin before the end of the log, of which it is known to be the rest.
    pub fn cover(&mut self, start: u64, level: u8, hash: LogHash) -> Result<(), Reject> {
        let fits = level <= FEED_LEVEL_MAX && start <= self.n && start.trailing_zeros() >= u32::from(level);
        let end = start.saturating_add(1 << level.min(FEED_LEVEL_MAX));
        if !fits || end <= self.n || end > 1 << FEED_LEVEL_MAX {
            return Err(Reject::Misuse("a subtree where none can begin"));
        }
        match level.checked_sub(KEPT_LEVEL_MIN) {
            Some(row) => self.keep(row, start >> level, hash),
            None => drop(self.given.insert((level, start >> level), hash)),
        }
        self.n = end;
        self.complete(KEPT_LEVEL_MIN.max(level + 1));
        Ok(())
    }

    /// Keeps the hashes of the subtrees from a level on that end with the last waypoint.
    fn complete(&mut self, from: u8) {
        let ending = u8::try_from(self.n.trailing_zeros()).unwrap_or(FEED_LEVEL_MAX);
        for level in from..=ending {
            let index = (self.n >> level) - 1;
            let Some(hash) = self.joined(level, index) else { return };
            self.keep(level - KEPT_LEVEL_MIN, index, hash);
        }
    }

    fn keep(&mut self, row: u8, index: u64, hash: LogHash) {
        let row = usize::from(row);
        if self.kept.len() <= row {
            self.kept.resize_with(row + 1, Row::default);
        }
        if let Some(row) = self.kept.get_mut(row) {
            row.put(index, hash.0);
        }
    }

    /// The hash of the complete subtree over waypoints `index << level ..`, if it is known.
    pub fn subtree(&self, level: u8, index: u64) -> Option<LogHash> {
        if let Some(row) = level.checked_sub(KEPT_LEVEL_MIN) {
            return self.kept.get(usize::from(row))?.get(index).map(LogHash);
        }
        let leaf = || if level == 0 { self.id(index).map(|id| leaf_hash(&id)) } else { None };
        let given = self.given.get(&(level, index)).copied();
        given.or_else(leaf).or_else(|| self.joined(level, index))
    }

    /// A subtree's hash, made of those of its halves.
    fn joined(&self, level: u8, index: u64) -> Option<LogHash> {
        let below = level.checked_sub(1)?;
        Some(node_hash(&self.subtree(below, index << 1)?, &self.subtree(below, (index << 1) + 1)?))
    }

    /// The root over all waypoints.
    pub fn root(&self) -> LogHash {
        self.peaks().root()
    }

    /// The root over the first `n`; `None` beyond the end, or inside what has faded.
    pub fn root_of(&self, n: u64) -> Option<LogHash> {
        self.peaks_of(n).map(|peaks| peaks.root())
    }

    /// The subtrees that bag to the root.
    pub fn peaks(&self) -> Peaks {
        self.peaks_of(self.n).unwrap_or_default()
    }

    /// The subtrees that bag to the root over the first `n`.
    pub fn peaks_of(&self, n: u64) -> Option<Peaks> {
        if n > self.n {
            return None;
        }
        let mut hashes = Vec::new();
        let mut start = 0;
        for level in (0..=FEED_LEVEL_MAX).rev().filter(|level| n >> level & 1 == 1) {
            hashes.push(self.subtree(level, start >> level)?);
            start += 1 << level;
        }
        Peaks::new(n, hashes)
    }

    /// What the root will be once `nodes`, each a level and a hash, follow the first `start` waypoints; `None` inside of what
    /// has faded, and where no subtree of that level can begin.
    pub fn root_with(&self, start: u64, nodes: impl IntoIterator<Item = (u8, LogHash)>) -> Option<LogHash> {
        let mut peaks = self.peaks_of(start)?;
        nodes.into_iter().all(|(level, hash)| peaks.append_subtree(level, hash)).then(|| peaks.root())
    }

    /// The proof that the first `m` waypoints are the same in the log of the first `n`.
    pub fn consistency(&self, m: u64, n: u64) -> Option<ConsistencyProof> {
        if m > n || n > self.n {
            return None;
        }
        let mut hashes = Vec::new();
        if m > 0 && m < n {
            self.prefix_path(m, Range { start: 0, count: n }, &mut hashes)?;
        }
        Some(ConsistencyProof { hashes })
    }

    /// The subtrees that make up both the first `m` of a range and the whole range.
    fn prefix_path(&self, m: u64, range: Range, hashes: &mut Vec<LogHash>) -> Option<()> {
        if m == range.count {
            hashes.push(self.range_root(range)?);
            return Some(());
        }
        let (left, right) = range.split();
        if m <= left.count {
            self.prefix_path(m, left, hashes)?;
            hashes.push(self.range_root(right)?);
        } else {
            self.prefix_path(m - left.count, right, hashes)?;
            hashes.push(self.range_root(left)?);
        }
        Some(())
    }

    /// The proof that the waypoint at `index` (from 0) is in the log of the first `n`.
    pub fn inclusion(&self, index: u64, n: u64) -> Option<InclusionProof> {
        if index >= n || n > self.n {
            return None;
        }
        let mut hashes = Vec::new();
        let mut range = Range { start: 0, count: n };
        while range.count > 1 {
            let (left, right) = range.split();
            let (inside, sibling) = if index < right.start { (left, right) } else { (right, left) };
            hashes.push(self.range_root(sibling)?);
            range = inside;
        }
        hashes.reverse();
        Some(InclusionProof { hashes })
    }

    /// The root over a range that is a node of the tree.
    fn range_root(&self, range: Range) -> Option<LogHash> {
        if range.count.is_power_of_two() {
            let level = range.count.trailing_zeros() as u8;
            return self.subtree(level, range.start >> level);
        }
        let (left, right) = range.split();
        Some(node_hash(&self.range_root(left)?, &self.range_root(right)?))
    }
}

/// A run of leaves under one node of the tree.
#[derive(Debug, Clone, Copy)]
struct Range {
    start: u64,
    count: u64,
}

impl Range {
    /// The two below; the left is the largest complete subtree that leaves something to the right.
    fn split(self) -> (Range, Range) {
        let left = (self.count.next_power_of_two() / 2).max(1);
        (
            Range { start: self.start, count: left },
            Range { start: self.start + left, count: self.count.saturating_sub(left) },
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn id(n: u64) -> WaypointId {
        WaypointId(derive("test", &[&n.to_le_bytes()]))
    }

    pub(crate) fn log_of(n: u64) -> Log {
        let mut log = Log::new();
        (0..n).for_each(|index| log.append(&id(index)));
        log
    }

    /// The tree's definition in RFC 9162, 2.1.1, as plainly as it can be written.
    fn plain_root(leaves: &[LogHash]) -> LogHash {
        match leaves {
            [] => crate::merkle::empty_root(),
            [leaf] => *leaf,
            leaves => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&plain_root(left), &plain_root(right))
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_definition() {
        let log = log_of(70);
        let leaves: Vec<_> = (0..70).map(|n| leaf_hash(&id(n))).collect();
        for n in 0..=70u64 {
            assert_eq!(log.root_of(n), Some(plain_root(&leaves[..n as usize])), "{n}");
        }
        assert_eq!(log.root_of(71), None);
        let nodes = (60..70).map(|n| (0, leaf_hash(&id(n))));
        assert_eq!(log_of(60).root_with(60, nodes), Some(log.root()));
    }

    #[test]
    fn every_prefix_and_every_leaf_is_proven() {
        let log = log_of(40);
        for n in 0..=40 {
            let root = log.root_of(n).unwrap();
            for m in 0..=n {
                let proof = log.consistency(m, n).unwrap();
                assert_eq!(proof.verify(m, &log.root_of(m).unwrap(), n, &root), Ok(()), "{m} {n}");
            }
            for index in 0..n {
                let proof = log.inclusion(index, n).unwrap();
                assert_eq!(proof.verify(&id(index), index, n, &root), Ok(()), "{index} {n}");
            }
        }
    }

    #[test]
    fn a_log_that_knows_only_subtrees_has_the_same_root() {
        let whole = log_of(13);
        let mut log = Log::new();
        log.append_subtree(3, whole.subtree(3, 0).unwrap()).unwrap();
        assert!(log.append_subtree(4, whole.root()).is_err());
        (8..13).for_each(|index| log.append(&id(index)));
        assert_eq!(log.root(), whole.root());
        assert_eq!(log.root_of(9), whole.root_of(9));
        assert_eq!(log.root_of(3), None);
        assert_eq!(log.consistency(8, 13), whole.consistency(8, 13));
        assert!(log.append_subtree(200, whole.root()).is_err());
    }

    #[test]
    fn subtrees_that_are_known_only_by_hash_may_lie_anywhere() {
        let whole = log_of(700);
        for level in 0..9 {
            let mut log = Log::new();
            for place in (0..700u64).step_by(1 << level) {
                let (index, end) = (place >> level, (place + (1 << level)).min(700));
                match whole.subtree(level, index).filter(|_| index % 2 == 1) {
                    Some(hash) => log.append_subtree(level, hash).unwrap(),
                    None => (place..end).for_each(|place| log.append(&id(place))),
                }
            }
            assert_eq!(log.root(), whole.root(), "{level}");
            assert_eq!((log.id(0), log.id(1 << level)), (Some(id(0)), None));
            assert_eq!(log.root_of(512), whole.root_of(512));
            assert_eq!(log.subtree(level, 1), whole.subtree(level, 1));
            assert_eq!(log.consistency(512, 700), whole.consistency(512, 700), "{level}");
        }
    }

    proptest! {
        #[test]
        fn any_other_proof_fails(m in 1u64..40, n in 1u64..40, place: usize, bit in 0usize..256) {
            let (m, n) = (m.min(n), m.max(n));
            let log = log_of(n);
            let (root_m, root_n) = (log.root_of(m).unwrap(), log.root());
            let mut proof = log.consistency(m, n).unwrap();
            if !proof.hashes.is_empty() {
                let place = place % proof.hashes.len();
                proof.hashes[place].0[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(proof.verify(m, &root_m, n, &root_n).is_err());
                proof.hashes.pop();
                prop_assert!(proof.verify(m, &root_m, n, &root_n).is_err());
            }
            let honest = log.consistency(m, n).unwrap();
            prop_assert!(honest.verify(m, &root_n, n, &root_m).is_err() || m == n);
        }

        #[test]
        fn hostile_proofs_do_not_panic(
            hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..100), m: u64, n: u64,
        ) {
            let hashes: Vec<_> = hashes.into_iter().map(LogHash).collect();
            let root = LogHash([0; 32]);
            let proof = ConsistencyProof { hashes: hashes.clone() };
            if m != n && m != 0 {
                prop_assert!(proof.verify(m, &root, n, &root).is_err());
            }
            let inclusion = InclusionProof { hashes };
            prop_assert!(inclusion.verify(&id(0), m, n, &root).is_err());
        }
    }
}
