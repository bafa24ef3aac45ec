//! Witnesses: waypoints that begin an epoch, shown ahead of their turn.
//!
//! What is gone of a feed is taken only where an epoch has it in its past, and where the feed's own author begins the epochs
//! they stand above the gap. So whoever sends such a run shows them with it: without their operations, and with the
//! proof that they are in the log which the run's top signs.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};

use crate::error::Reject;
use crate::feed::FeedName;
use crate::limits::{WAYPOINT_BYTES_MAX, WITNESSES_BYTES_MAX, WITNESSES_COUNT_MAX};
use crate::packing::{read_packed, write_packed};
use crate::proof::InclusionProof;
use crate::top::Top;
use crate::waypoint::Waypoint;

/// A waypoint of a feed, and that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The waypoint, encoded; operations and contents may have faded.
    pub waypoint: Vec<u8>,
    /// That it is in the log that the segment's top signs.
    pub proof: InclusionProof,
}

impl Witness {
    /// Checks that the waypoint is one of this feed's, in the log that the top signs.
    pub(super) fn verify(&self, feed: &FeedName, top: &Top) -> Result<Waypoint, Reject> {
        let waypoint = Waypoint::from_bytes(&self.waypoint)?;
        feed.check(&waypoint.header().feed)?;
        waypoint.check_payloads()?;
        let place = waypoint.header().seq.checked_sub(1).ok_or(Reject::Proof("inclusion"))?;
        self.proof.verify(&waypoint.id(), place, top.n, &top.root)?;
        Ok(waypoint)
    }
}

/// Writes witnesses: how many, their waypoints packed together, and their proofs.
pub(super) fn write_witnesses(out: &mut Writer, witnesses: &[Witness]) {
    out.count(witnesses.len() as u64);
    let mut raw = Writer::default();
    for witness in witnesses {
        raw.bytes(&witness.waypoint);
    }
    write_packed(out, &raw.into_bytes());
    for witness in witnesses {
        witness.proof.write(out);
    }
}

/// Reads what [`write_witnesses`] wrote; there is at least one.
pub(super) fn read_witnesses(input: &mut Reader<'_>) -> Decode<Vec<Witness>> {
    let at = input.clone();
    let count = input.count(WITNESSES_COUNT_MAX as u64)?;
    at.require(count > 0, "witnesses of a segment")?;
    let raw = read_packed(input, WITNESSES_BYTES_MAX)?;
    let mut bodies = Reader::new(&raw);
    let mut witnesses = Vec::new();
    for _ in 0..count {
        let waypoint = bodies.bytes(WAYPOINT_BYTES_MAX)?.to_vec();
        witnesses.push(Witness { waypoint, proof: InclusionProof::read(input)? });
    }
    bodies.finish()?;
    Ok(witnesses)
}
