//! Segments: a run of a feed's waypoints with the signed top that vouches for them.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};

use crate::error::Reject;
use crate::feed::FeedName;
use crate::log::Log;
use crate::proof::ConsistencyProof;
use crate::signed::{Signed, Verified};
use crate::top::Top;
use crate::waypoint::Waypoint;

/// A run of a feed's waypoints, as one node sends it to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The top that vouches for the run.
    pub top: Signed<Top>,
    /// The place of the first waypoint, from 0.
    pub start: u64,
    /// The waypoints' bytes, in order.
    pub waypoints: Vec<Vec<u8>>,
    /// From the end of the run to the top, where the run ends below it.
    pub proof: Option<ConsistencyProof>,
}

/// A segment that was checked in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The top.
    pub top: Verified<Top>,
    /// The place of the first waypoint, from 0.
    pub start: u64,
    /// The waypoints.
    pub waypoints: Vec<Waypoint>,
}

impl Segment {
    /// Checks a segment that continues `log`: signature, feed, numbers, hashes, proof. `start` must be the
    /// log's length. Nothing is applied.
    pub fn verify(self, feed: &FeedName, log: &Log) -> Result<Proven, Reject> {
        let _ = (feed, log);
        todo!()
    }
}

impl Encoded for Segment {
    fn write(&self, out: &mut Writer) {
        let _ = out;
        todo!()
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let _ = input;
        todo!()
    }
}
