//! Reading stones, from any source of bytes, one block at a time.

use cairn_crdt::id::WaypointId;

use crate::error::Reject;
use crate::hash::LogHash;
use crate::stone::{StoneName, Stored};

/// Where a stone's bytes lie. The disk implements it outside of this crate.
pub trait Source {
    /// How many bytes.
    fn len(&self) -> u64;
    /// Exactly `length` bytes at `offset`, or an error.
    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, Reject>;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, Reject> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(length)?));
        let bytes = range.and_then(|range| self.get(range));
        bytes.map(<[u8]>::to_vec).ok_or(Reject::Stone { offset, what: "the file is too short" })
    }
}

/// A stone whose header and index were read and checked.
#[derive(Debug)]
pub struct StoneReader<S> {
    source: S,
    name: StoneName,
}

impl<S: Source> StoneReader<S> {
    /// Reads header and index. Bodies are not read.
    pub fn open(source: S) -> Result<Self, Reject> {
        let _ = source;
        todo!()
    }

    /// Which subtree this is.
    pub fn name(&self) -> &StoneName {
        &self.name
    }

    /// The hash of the subtree, computed from the ids in the index.
    pub fn hash(&self) -> LogHash {
        todo!()
    }

    /// The name of the waypoint at `place` (from 0, in the feed).
    pub fn id(&self, place: u64) -> Result<WaypointId, Reject> {
        let _ = place;
        todo!()
    }

    /// The waypoint at `place` (from 0, in the feed); reads one block.
    pub fn read(&self, place: u64) -> Result<Stored, Reject> {
        let _ = (place, &self.source);
        todo!()
    }

    /// Reads everything: the file's hash, every block, every waypoint, and the subtree's hash against `expected`.
    pub fn verify(&self, expected: &LogHash) -> Result<(), Reject> {
        let _ = expected;
        todo!()
    }
}
