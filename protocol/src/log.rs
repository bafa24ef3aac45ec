//! A feed's append-only Merkle log over waypoint ids, in the shape of RFC 9162 with BLAKE3.
//!
//! It keeps the hash of every complete subtree that it knows: those of single waypoints, or only
//! those above where the ids themselves have faded.

use std::collections::BTreeMap;

use cairn_crdt::id::{WaypointId, derive};

use crate::error::Reject;
use crate::hash::LogHash;
use crate::merkle::{Peaks, node_hash};
use crate::proof::{ConsistencyProof, InclusionProof};

/// The hash of a waypoint as a leaf of the log.
pub fn leaf_hash(id: &WaypointId) -> LogHash {
    LogHash(derive("cairn 1 log leaf", &[&id.0]))
}

/// The log of one feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    n: u64,
    nodes: BTreeMap<(u8, u64), LogHash>,
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

    /// Adds one waypoint.
    pub fn append(&mut self, id: &WaypointId) {
        let _ = self.append_subtree(0, leaf_hash(id));
    }

    /// Adds `2^level` waypoints by the hash of the subtree over them; refuses one that does not start
    /// at a multiple of its size.
    pub fn append_subtree(&mut self, level: u8, hash: LogHash) -> Result<(), Reject> {
        let _ = (level, hash, node_hash);
        todo!()
    }

    /// The hash of the complete subtree over waypoints `index << level ..`, if it is known.
    pub fn subtree(&self, level: u8, index: u64) -> Option<LogHash> {
        self.nodes.get(&(level, index)).copied()
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
        let _ = n;
        todo!()
    }

    /// What the root will be once `ids` are added.
    pub fn root_after<'a>(&self, ids: impl IntoIterator<Item = &'a WaypointId>) -> LogHash {
        let mut peaks = self.peaks();
        for id in ids {
            peaks.append(leaf_hash(id));
        }
        peaks.root()
    }

    /// The proof that the first `m` waypoints are the same in the log of the first `n`.
    pub fn consistency(&self, m: u64, n: u64) -> Option<ConsistencyProof> {
        let _ = (m, n);
        todo!()
    }

    /// The proof that the waypoint at `index` (from 0) is in the log of the first `n`.
    pub fn inclusion(&self, index: u64, n: u64) -> Option<InclusionProof> {
        let _ = (index, n);
        todo!()
    }
}
