//! Announcements: what gossip carries.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};

use crate::error::Reject;
use crate::limits::{ANNOUNCE_BYTES_MAX, INLINE_BYTES_MAX};
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
        if self.segment.raw_bytes() > INLINE_BYTES_MAX {
            let found = self.segment.raw_bytes() as u64;
            return Err(Reject::TooLarge { what: "inline bytes", found, limit: INLINE_BYTES_MAX as u64 });
        }
        super::to_frame(self, ANNOUNCE_BYTES_MAX)
    }

    /// Reads one gossip message.
    pub fn from_frame(bytes: &[u8]) -> Result<Self, Reject> {
        super::from_frame(bytes, ANNOUNCE_BYTES_MAX)
    }
}

impl Encoded for Announce {
    fn write(&self, out: &mut Writer) {
        self.segment.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let segment = Segment::read(input)?;
        at.require(segment.raw_bytes() <= INLINE_BYTES_MAX, "size of an announcement")?;
        Ok(Self { segment })
    }
}
