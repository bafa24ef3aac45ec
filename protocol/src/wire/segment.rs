//! Segments: a run of a feed's waypoints with the signed top that vouches for them.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};

use crate::error::Reject;
use crate::feed::FeedName;
use crate::limits::{SEGMENT_BYTES_MAX, SEGMENT_COUNT_MAX, WAYPOINT_BYTES_MAX, WITNESSES_COUNT_MAX};
use crate::log::Log;
use crate::packing::{read_packed, write_packed};
use crate::piece::{Piece, count_in};
use crate::proof::ConsistencyProof;
use crate::signed::{Signed, Verified};
use crate::top::Top;
use crate::waypoint::Waypoint;

use super::witness::{Witness, read_witnesses, write_witnesses};

/// The flag of a segment with a proof.
const WITH_PROOF: u8 = 1;
/// The flag of a segment with witnesses.
const WITH_WITNESSES: u8 = 2;
/// The most bytes that the length before a waypoint takes.
const LENGTH_BYTES: usize = 4;

/// A run of a feed's waypoints, as one node sends it to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The top that vouches for the run.
    pub top: Signed<Top>,
    /// The place of the first waypoint, from 0.
    pub start: u64,
    /// The bytes of its pieces, in order: waypoints, and subtrees that are gone.
    pub pieces: Vec<Vec<u8>>,
    /// From the end of the run to the top, where the run ends below it.
    pub proof: Option<ConsistencyProof>,
    /// Epochs of the feed that have in their past what is gone of the run.
    pub witnesses: Vec<Witness>,
}

/// A segment that was checked in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The top.
    pub top: Verified<Top>,
    /// The place of the first waypoint, from 0.
    pub start: u64,
    /// The pieces.
    pub pieces: Vec<Piece>,
    /// Waypoints of the feed that were shown ahead of their turn.
    pub witnesses: Vec<Waypoint>,
}

impl Segment {
    /// Checks a segment that continues `log`: signature, feed, numbers, hashes, proof. `start` must be the
    /// log's length, unless a subtree that is gone covers the log's end. Nothing is applied.
    pub fn verify(self, feed: &FeedName, log: &Log) -> Result<Proven, Reject> {
        let top = self.top.clone().verify()?;
        feed.check(&top.feed)?;
        let held = log.len();
        if top.n < held {
            return Err(Reject::Rollback { known: held, found: top.n });
        }
        let pieces = self.read_pieces(feed)?;
        let first = pieces.first().map_or(0, Piece::count);
        let covers = self.start < held && self.start.saturating_add(first) > held;
        if self.start != held && !covers {
            return Err(Reject::Gap { expected: held + 1, found: self.start.saturating_add(1) });
        }
        check_root(log, self.start, &pieces, &top, self.proof.as_ref())?;
        let witnesses = self.witnesses.iter().map(|witness| witness.verify(feed, &top));
        let witnesses = witnesses.collect::<Result<_, _>>()?;
        Ok(Proven { top, start: self.start, pieces, witnesses })
    }

    fn read_pieces(&self, feed: &FeedName) -> Result<Vec<Piece>, Reject> {
        let (mut pieces, mut place) = (Vec::new(), self.start);
        for bytes in &self.pieces {
            let piece = read_piece(bytes, feed, place.saturating_add(1))?;
            place = place.saturating_add(piece.count());
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// The place after the last waypoint.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(count_in(&self.pieces))
    }

    /// What the pieces come to, in bytes, before they are packed.
    pub fn raw_bytes(&self) -> usize {
        let witnesses = self.witnesses.iter().map(|witness| &witness.waypoint);
        self.pieces.iter().chain(witnesses).map(|bytes| bytes.len() + LENGTH_BYTES).sum()
    }

    /// Refuses what no reader would take.
    pub(crate) fn check_limits(&self) -> Result<(), Reject> {
        let limits = [
            ("pieces of a segment", self.pieces.len(), SEGMENT_COUNT_MAX),
            ("bytes of a segment", self.raw_bytes(), SEGMENT_BYTES_MAX),
            ("witnesses of a segment", self.witnesses.len(), WITNESSES_COUNT_MAX),
        ];
        for (what, found, limit) in limits {
            if found > limit {
                return Err(Reject::TooLarge { what, found: found as u64, limit: limit as u64 });
            }
        }
        Ok(())
    }
}

/// Reads one piece; checks of a waypoint that it is number `seq` of `feed` and says only what this program knows.
fn read_piece(bytes: &[u8], feed: &FeedName, seq: u64) -> Result<Piece, Reject> {
    let piece = Piece::from_bytes(bytes)?;
    let Piece::Waypoint(waypoint) = &piece else { return Ok(piece) };
    feed.check(&waypoint.header().feed)?;
    if waypoint.header().seq != seq {
        return Err(Reject::Gap { expected: seq, found: waypoint.header().seq });
    }
    waypoint.check_payloads()?;
    Ok(piece)
}

/// Checks that the first `start` of `log` with the pieces are, or lead up to, what the top signs.
fn check_root(
    log: &Log,
    start: u64,
    pieces: &[Piece],
    top: &Top,
    proof: Option<&ConsistencyProof>,
) -> Result<(), Reject> {
    let end = pieces.iter().map(Piece::count).fold(start, u64::saturating_add);
    let root = log.root_with(start, pieces.iter().map(Piece::node));
    let root = root.ok_or(Reject::Proof("a subtree where none can begin"))?;
    match proof {
        None if end == top.n && root == top.root => Ok(()),
        None => Err(Reject::Proof("the feed's root")),
        Some(_) if end >= top.n => Err(Reject::Proof("the feed's length")),
        Some(proof) => proof.verify(end, &root, top.n, &top.root),
    }
}

impl Encoded for Segment {
    fn write(&self, out: &mut Writer) {
        self.top.write(out);
        out.u64(self.start);
        out.count(self.pieces.len() as u64);
        let mut raw = Writer::default();
        for piece in &self.pieces {
            raw.bytes(piece);
        }
        write_packed(out, &raw.into_bytes());
        let proof = if self.proof.is_some() { WITH_PROOF } else { 0 };
        out.u8(if self.witnesses.is_empty() { proof } else { proof | WITH_WITNESSES });
        if let Some(proof) = &self.proof {
            proof.write(out);
        }
        if !self.witnesses.is_empty() {
            write_witnesses(out, &self.witnesses);
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let (top, start) = (Signed::read(input)?, input.u64()?);
        let count = input.count(SEGMENT_COUNT_MAX as u64)?;
        let raw = read_packed(input, SEGMENT_BYTES_MAX)?;
        let mut bodies = Reader::new(&raw);
        let mut pieces = Vec::new();
        for _ in 0..count {
            pieces.push(bodies.bytes(WAYPOINT_BYTES_MAX)?.to_vec());
        }
        bodies.finish()?;
        let at = input.clone();
        let flags = input.u8()?;
        at.require(flags <= WITH_PROOF | WITH_WITNESSES, "flags of a segment")?;
        let proof = (flags & WITH_PROOF != 0).then(|| ConsistencyProof::read(input)).transpose()?;
        let witnesses = if flags & WITH_WITNESSES != 0 { read_witnesses(input)? } else { Vec::new() };
        Ok(Self { top, start, pieces, proof, witnesses })
    }
}

#[cfg(test)]
mod tests;
