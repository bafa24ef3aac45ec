//! Pieces: what a feed's log is held as. A waypoint, or the hash of a complete subtree of waypoints that were
//! forgotten as a whole.
//!
//! Among the bytes of waypoints a forgotten subtree is known by its length: a header alone is longer.

use std::sync::Arc;

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};

use crate::hash::LogHash;
use crate::limits::STONE_LEVEL_MAX;
use crate::log::leaf_hash;
use crate::merkle::node_hash;
use crate::waypoint::Waypoint;

/// The length of a forgotten subtree, written down.
pub const GONE_BYTES: usize = 33;

/// A complete subtree of a feed's log of which only the hash is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// How many waypoints, as a power of two.
    pub level: u8,
    /// The subtree's hash.
    pub hash: LogHash,
}

/// One part of a feed's log as somebody holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A waypoint, with its entries or those that did not fade.
    Waypoint(Arc<Waypoint>),
    /// Waypoints that were forgotten.
    Gone(Gone),
}

impl Gone {
    /// How many waypoints.
    pub fn count(&self) -> u64 {
        1 << self.level
    }

    /// Reads one where the bytes are as long as one; `None` where they are a waypoint's.
    pub fn peek(bytes: &[u8]) -> Option<Decode<Self>> {
        (bytes.len() == GONE_BYTES).then(|| Self::from_bytes(bytes))
    }

    /// The place of the first waypoint of the subtree that has a place in it.
    pub fn start(&self, place: u64) -> u64 {
        place >> self.level << self.level
    }
}

impl Piece {
    /// How many waypoints.
    pub fn count(&self) -> u64 {
        match self {
            Piece::Waypoint(_) => 1,
            Piece::Gone(gone) => gone.count(),
        }
    }

    /// The node of the log that it is: level and hash.
    pub fn node(&self) -> (u8, LogHash) {
        match self {
            Piece::Waypoint(waypoint) => (0, leaf_hash(&waypoint.id())),
            Piece::Gone(gone) => (gone.level, gone.hash),
        }
    }

    /// The waypoint, if it is one.
    pub fn waypoint(&self) -> Option<&Arc<Waypoint>> {
        match self {
            Piece::Waypoint(waypoint) => Some(waypoint),
            Piece::Gone(_) => None,
        }
    }

    /// Reads a piece from the bytes of one.
    pub fn from_bytes(bytes: &[u8]) -> Decode<Self> {
        match Gone::peek(bytes) {
            Some(gone) => Ok(Piece::Gone(gone?)),
            None => Ok(Piece::Waypoint(Arc::new(Waypoint::from_bytes(bytes)?))),
        }
    }

    /// The bytes of a piece.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Piece::Waypoint(waypoint) => waypoint.to_bytes(),
            Piece::Gone(gone) => gone.to_bytes(),
        }
    }
}

/// The same pieces, with neighbours that are gone as one wherever they make up a subtree. The first begins at `start`.
pub fn joined(start: u64, pieces: impl IntoIterator<Item = Piece>) -> Vec<Piece> {
    let (mut joined, mut next): (Vec<Piece>, u64) = (Vec::new(), start);
    for piece in pieces {
        next += piece.count();
        joined.push(piece);
        while let Some(gone) = last_two(&joined, next) {
            joined.truncate(joined.len() - 2);
            joined.push(Piece::Gone(gone));
        }
    }
    joined
}

/// The subtree that the last two pieces make up, if both are gone; `end` is the place after them.
fn last_two(pieces: &[Piece], end: u64) -> Option<Gone> {
    let [.., Piece::Gone(left), Piece::Gone(right)] = pieces else { return None };
    joined_gone(*left, *right, end)
}

/// The subtree that two neighbours make up that are gone; `end` is the place after them.
pub(crate) fn joined_gone(left: Gone, right: Gone, end: u64) -> Option<Gone> {
    let level = left.level + 1;
    let fits = left.level == right.level && end.trailing_zeros() >= level.into() && level <= STONE_LEVEL_MAX;
    fits.then(|| Gone { level, hash: node_hash(&left.hash, &right.hash) })
}

/// How many waypoints the bytes of pieces stand for; what cannot be read counts as one.
pub fn count_in(pieces: &[Vec<u8>]) -> u64 {
    let count = |bytes: &Vec<u8>| match Gone::peek(bytes) {
        Some(Ok(gone)) => gone.count(),
        _ => 1,
    };
    pieces.iter().map(count).fold(0, u64::saturating_add)
}

/// Where pieces begin that were asked for from `from` on: a forgotten subtree may begin before.
pub fn start_of(pieces: &[Vec<u8>], from: u64) -> u64 {
    match pieces.first().and_then(|bytes| Gone::peek(bytes)) {
        Some(Ok(gone)) => gone.start(from),
        _ => from,
    }
}

impl Encoded for Gone {
    fn write(&self, out: &mut Writer) {
        out.u8(self.level);
        self.hash.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let level = input.u8()?;
        at.require(level <= STONE_LEVEL_MAX, "level of a subtree that is gone")?;
        Ok(Self { level, hash: LogHash::read(input)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{feed, waypoint};

    #[test]
    fn pieces_are_told_apart_by_their_length() {
        let gone = Piece::Gone(Gone { level: 3, hash: LogHash([7; 32]) });
        let whole = Piece::Waypoint(Arc::new(waypoint(feed(1, "p", 1), 1, b"one")));
        for piece in [&gone, &whole] {
            assert_eq!(Piece::from_bytes(&piece.to_bytes()).as_ref(), Ok(piece));
        }
        assert_eq!(count_in(&[gone.to_bytes(), whole.to_bytes()]), 9);
        assert_eq!((start_of(&[gone.to_bytes()], 13), start_of(&[whole.to_bytes()], 13)), (8, 13));
        let mut high = gone.to_bytes();
        high[0] = STONE_LEVEL_MAX + 1;
        assert!(Piece::from_bytes(&high).is_err());
    }

    #[test]
    fn neighbours_that_are_gone_are_one_where_they_make_up_a_subtree() {
        let log = crate::log::tests::log_of(16);
        let leaf = |place| Piece::Gone(Gone { level: 0, hash: log.subtree(0, place).expect("a leaf") });
        let levels = |start: u64, end: u64| -> Vec<u8> {
            let pieces = joined(start, (start..end).map(leaf));
            let mut place = start;
            for piece in &pieces {
                let (level, hash) = piece.node();
                assert_eq!(log.subtree(level, place >> level), Some(hash));
                place += piece.count();
            }
            pieces.iter().map(|piece| piece.node().0).collect()
        };
        assert_eq!(levels(0, 16), [4]);
        assert_eq!(levels(3, 13), [0, 2, 2, 0]);
        let whole = Piece::Waypoint(Arc::new(waypoint(feed(1, "p", 1), 3, b"three")));
        let pieces = [leaf(0), leaf(1), whole.clone(), leaf(3)];
        let counts: Vec<u64> = joined(0, pieces).iter().map(Piece::count).collect();
        assert_eq!(counts, [2, 1, 1]);
    }

    #[test]
    fn no_waypoint_is_as_short_as_a_subtree_that_is_gone() {
        let least = crate::samples::labels(feed(1, "p", 1), 1);
        let bytes = Waypoint::new(least, Vec::new()).expect("the least waypoint").to_bytes();
        assert!(bytes.len() > 2 * GONE_BYTES);
    }
}
