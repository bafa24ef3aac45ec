//! Stones: immutable files that hold a complete subtree of a feed's log.
//!
//! Layout and compression are local and unsigned; what a stone proves is the hash of its subtree,
//! which the author's top signs. A file is a header, blocks of waypoints, an index, and a footer of
//! fixed size that is read first; `FORMAT.md` draws the bytes. Every checksum is bound to the place of
//! what it covers, so that no part can be moved inside a file or between files.

mod index;
mod opened;
mod ops;
mod pack;
mod reader;
mod streams;
mod summary;
mod writer;

use std::sync::Arc;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{WaypointId, derive};

use crate::error::Reject;
use crate::feed::FeedName;
use crate::hash::LogHash;
use crate::limits::STONE_BYTES_MAX;
use crate::log::leaf_hash;
use crate::packing::Method;
use crate::piece::{Gone, Piece};
use crate::signed::{read_level, write_level};
use crate::tower::Span;
use crate::waypoint::Waypoint;

pub use reader::{Source, StoneReader, read_subtree};
pub use summary::{Lying, Summary};
pub use writer::{StoneWriter, write_faded_stone, write_stone};

/// The first and the last bytes of every stone.
pub const MAGIC: [u8; 8] = *b"cairnsst";
/// The bytes before the first block.
pub const HEADER_BYTES: usize = 8 + 2 + 96 + 8 + 1 + 1;
/// The bytes after the index.
pub const FOOTER_BYTES: usize = 8 + 8 + 32 + 32 + 32 + 8;

/// Which subtree of which feed a stone holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoneName {
    /// The feed.
    pub feed: FeedName,
    /// The place in its log.
    pub span: Span,
}

/// One waypoint in a stone, or several that are gone.
#[expect(clippy::large_enum_variant, reason = "most are bodies, and they are handled one at a time")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// With its entries, or those that were not erased.
    Body(Waypoint),
    /// Faded: only its name.
    Faded(WaypointId),
    /// Gone: a subtree of waypoints of which only the hash is left.
    Gone(Gone),
}

impl From<Piece> for Stored {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Waypoint(waypoint) => Stored::Body(Arc::unwrap_or_clone(waypoint)),
            Piece::Gone(gone) => Stored::Gone(gone),
        }
    }
}

impl Stored {
    /// The same as a piece; nothing where only the name is left.
    pub fn into_piece(self) -> Option<Piece> {
        match self {
            Stored::Body(waypoint) => Some(Piece::Waypoint(Arc::new(waypoint))),
            Stored::Gone(gone) => Some(Piece::Gone(gone)),
            Stored::Faded(_) => None,
        }
    }

    /// The waypoint's name, unless it is gone.
    pub fn id(&self) -> Option<WaypointId> {
        match self {
            Stored::Body(waypoint) => Some(waypoint.id()),
            Stored::Faded(id) => Some(*id),
            Stored::Gone(_) => None,
        }
    }

    /// How many waypoints.
    pub fn count(&self) -> u64 {
        match self {
            Stored::Body(_) | Stored::Faded(_) => 1,
            Stored::Gone(gone) => gone.count(),
        }
    }

    /// The node of the feed's log that it is: level and hash.
    pub fn node(&self) -> (u8, LogHash) {
        match self {
            Stored::Body(waypoint) => (0, leaf_hash(&waypoint.id())),
            Stored::Faded(id) => (0, leaf_hash(id)),
            Stored::Gone(gone) => (gone.level, gone.hash),
        }
    }
}

/// What a stone begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    name: StoneName,
    layout: Layout,
}

/// How a stone holds its waypoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Layout {
    /// Not at all: only the hash of its subtree.
    Hash = 0,
    /// As they are, one after the other. Older programs wrote it.
    Listed = 1,
    /// Taken apart, so that what is alike lies together.
    Packed = 2,
}

impl Encoded for Head {
    fn write(&self, out: &mut Writer) {
        out.raw(&MAGIC);
        write_level(out);
        self.name.feed.write(out);
        out.u64(self.name.span.start);
        out.u8(self.name.span.level);
        out.u8(self.layout as u8);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        at.require(input.array()? == MAGIC, "magic of a stone")?;
        read_level(input)?;
        let feed = FeedName::read(input)?;
        let at = input.clone();
        let span = Span { start: input.u64()?, level: input.u8()? };
        at.require(span.is_subtree(), "place of a stone")?;
        let at = input.clone();
        let layout = match input.u8()? {
            0 => Layout::Hash,
            1 => Layout::Listed,
            2 => Layout::Packed,
            tag => return Err(at.error(Problem::UnknownTag(tag.into()))),
        };
        Ok(Self { name: StoneName { feed, span }, layout })
    }
}

/// What a stone ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Foot {
    index_offset: u64,
    index_bytes: u64,
    index_sum: [u8; 32],
    subtree: LogHash,
    /// BLAKE3 over everything before it.
    file: [u8; 32],
}

impl Encoded for Foot {
    fn write(&self, out: &mut Writer) {
        out.u64(self.index_offset);
        out.u64(self.index_bytes);
        out.raw(&self.index_sum);
        self.subtree.write(out);
        out.raw(&self.file);
        out.raw(&MAGIC);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let (index_offset, index_bytes) = (input.u64()?, input.u64()?);
        at.require(index_offset <= STONE_BYTES_MAX, "place of the index")?;
        let (index_sum, subtree) = (input.array()?, LogHash::read(input)?);
        let foot = Self { index_offset, index_bytes, index_sum, subtree, file: input.array()? };
        let at = input.clone();
        at.require(input.array()? == MAGIC, "magic of a stone")?;
        Ok(foot)
    }
}

/// The checksum of the index: over the header too, so that neither can be changed alone.
fn index_sum(head: &Head, offset: u64, subtree: &LogHash, index: &[u8]) -> [u8; 32] {
    derive("cairn 1 stone index", &[&head.to_bytes(), &offset.to_le_bytes(), &subtree.0, index])
}

/// The checksum of a block as stored, bound to its feed, stone and place.
fn block_sum(name: &StoneName, block: u32, method: Method, raw_bytes: u32, packed: &[u8]) -> [u8; 32] {
    let place = [name.span.start.to_le_bytes(), u64::from(block).to_le_bytes()].concat();
    let shape = [name.span.level, method as u8];
    let feed = name.feed.id();
    derive("cairn 1 stone block", &[&feed.0, &place, &shape, &raw_bytes.to_le_bytes(), packed])
}

/// A malformed part that lies at `base` in the file.
fn damage(base: u64, error: Reject) -> Reject {
    match error {
        Reject::Format(error) => {
            let offset = base.saturating_add(error.offset as u64);
            Reject::Stone { offset, what: "malformed" }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
