//! Stones: immutable files that hold a complete subtree of a feed's log.
//!
//! Layout and compression are local and unsigned; what a stone proves is the hash of its subtree,
//! which the author's top signs. See `FORMAT.md` for the bytes.

pub mod reader;
pub mod writer;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::WaypointId;

use crate::feed::FeedName;
use crate::waypoint::Waypoint;

pub use reader::{Source, StoneReader};
pub use writer::write_stone;

/// One waypoint in a stone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// With its entries, or those that were not erased.
    Body(Waypoint),
    /// Faded: only its name.
    Faded(WaypointId),
}

impl Stored {
    /// The waypoint's name.
    pub fn id(&self) -> WaypointId {
        match self {
            Stored::Body(waypoint) => waypoint.id(),
            Stored::Faded(id) => *id,
        }
    }
}

/// The bytes of a waypoint as stones, logs and segments hold them.
pub fn body_bytes(waypoint: &Waypoint) -> Vec<u8> {
    waypoint.to_bytes()
}

/// Which subtree of which feed a stone holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoneName {
    /// The feed.
    pub feed: FeedName,
    /// The place in its log.
    pub span: crate::tower::Span,
}
