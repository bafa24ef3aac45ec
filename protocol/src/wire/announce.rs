//! Announcements: what gossip carries.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};

use crate::error::Reject;
use crate::wire::Segment;

/// News of a feed: its top, and its newest waypoints where they are small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// The top with the waypoints that fit inline; none if they do not.
    pub segment: Segment,
}

impl Announce {
    /// One gossip message, with its version; refuses what is too large for one.
    pub fn to_frame(&self) -> Result<Vec<u8>, Reject> {
        todo!()
    }

    /// Reads one gossip message.
    pub fn from_frame(bytes: &[u8]) -> Result<Self, Reject> {
        let _ = bytes;
        todo!()
    }
}

impl Encoded for Announce {
    fn write(&self, out: &mut Writer) {
        self.segment.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self { segment: Segment::read(input)? })
    }
}
