//! Reading stones, from any source of bytes: a listed one a block at a time, a packed one a pack at a time.

use cairn_crdt::encoding::{DecodeError, Encoded};
use cairn_crdt::id::WaypointId;

use crate::error::Reject;
use crate::hash::LogHash;
use crate::limits::{INDEX_BYTES_MAX, STONE_BYTES_MAX};
use crate::merkle::Peaks;
use crate::packing::unpack;
use crate::stone::index::{Block, Index, Item, Place};
use crate::stone::opened::Packs;
use crate::stone::pack::{Pack, PackIndex};
use crate::stone::{
    FOOTER_BYTES, Foot, HEADER_BYTES, Head, Layout, StoneName, Stored, block_sum, damage, index_sum,
};
use crate::waypoint::Waypoint;

/// What is read at once when a whole file is hashed.
const PIECE_BYTES: u64 = 1 << 20;

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

/// A stone whose header, index and footer were read and checked.
#[derive(Debug)]
pub struct StoneReader<S> {
    source: S,
    pub(super) head: Head,
    pub(super) foot: Foot,
    /// The waypoints of a listed stone.
    pub(super) index: Index,
    /// Those of a packed one.
    pub(super) packs: Packs,
    /// Where each block begins.
    offsets: Vec<u64>,
}

impl<S: Source> StoneReader<S> {
    /// Reads header, footer and index, and checks them against each other. Bodies are not read.
    pub fn open(source: S) -> Result<Self, Reject> {
        let foot = read_foot(&source)?;
        let head = read_head(&source)?;
        let bytes = source.read_at(foot.index_offset, foot.index_bytes as usize)?;
        if index_sum(&head, foot.index_offset, &foot.subtree, &bytes) != foot.index_sum {
            return Err(Reject::Stone { offset: foot.index_offset, what: "checksum of the index" });
        }
        let (mut index, mut packs) = (Index::default(), PackIndex::default());
        let malformed = |error: DecodeError| damage(foot.index_offset, error.into());
        match head.layout {
            Layout::Hash => {}
            Layout::Listed => index = Index::from_bytes(&bytes).map_err(malformed)?,
            Layout::Packed => packs = PackIndex::from_bytes(&bytes).map_err(malformed)?,
        }
        let packs = Packs::new(packs);
        let mut reader = Self { source, head, foot, index, packs, offsets: Vec::new() };
        reader.offsets = block_offsets(reader.blocks(), foot.index_offset)?;
        reader.check_index(bytes.is_empty())?;
        Ok(reader)
    }

    /// Whether the index lists the whole span and its names come to the subtree's hash.
    fn check_index(&self, empty: bool) -> Result<(), Reject> {
        let offset = self.foot.index_offset;
        let wrong = |what| Err(Reject::Stone { offset, what });
        let mut peaks = Peaks::default();
        let fits = match self.head.layout {
            Layout::Hash if empty && offset == HEADER_BYTES as u64 => return Ok(()),
            Layout::Hash => return wrong("an index where none is"),
            Layout::Listed => {
                let mut nodes = (0..self.index.ids.len()).filter_map(|item| self.index.node(item));
                nodes.all(|(level, hash)| peaks.append_subtree(level, hash))
            }
            Layout::Packed => {
                let mut nodes = self.packs.index.packs.iter().flat_map(|pack| &pack.nodes);
                nodes.all(|node| peaks.append_subtree(node.level, node.hash))
            }
        };
        if fits && peaks.len() != self.head.name.span.count() {
            return wrong("count of waypoints");
        }
        if fits && peaks.root() == self.foot.subtree {
            Ok(())
        } else {
            wrong("names under the subtree's hash")
        }
    }

    /// Which subtree this is.
    pub fn name(&self) -> &StoneName {
        &self.head.name
    }

    /// The hash of the subtree.
    pub fn hash(&self) -> LogHash {
        self.foot.subtree
    }

    /// Whether the stone has its waypoints, or has faded to one hash.
    pub fn is_listed(&self) -> bool {
        self.head.layout != Layout::Hash
    }

    pub(super) fn is_packed(&self) -> bool {
        self.head.layout == Layout::Packed
    }

    /// In how many parts [`StoneWriter::take`](super::StoneWriter::take) takes the stone over: its packs, or one if it has
    /// none.
    pub fn parts(&self) -> u32 {
        (self.packs.index.packs.len() as u32).max(1)
    }

    /// The place of the first waypoint of a part.
    pub(super) fn part_start(&self, part: u32) -> u64 {
        self.head.name.span.start + self.packs.start(part)
    }

    /// The pack that is a part.
    pub(super) fn pack(&self, part: u32) -> Option<&Pack> {
        self.packs.get(part)
    }

    /// The waypoints of a part, in order.
    pub(super) fn read_part(&self, part: u32) -> Box<dyn Iterator<Item = Result<Stored, Reject>> + '_> {
        match self.is_packed() {
            true => Box::new(self.read_pack(part, 0, false)),
            false => Box::new(self.read_all()),
        }
    }

    /// Where the bytes come from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Whether subtrees are gone from the stone.
    pub fn has_gone(&self) -> bool {
        self.index.has_gone() || self.packs.index.packs.iter().any(|pack| pack.has_gone)
    }

    /// The waypoint at `place` (from 0, in the feed), or the subtree that is gone and has it; reads its block, or its pack.
    pub fn read(&self, place: u64) -> Result<Stored, Reject> {
        self.read_at(place, false)
    }

    /// The same; in the place of each content stands its hash, as if it were erased. Of a packed stone no content is read.
    pub fn read_lean_at(&self, place: u64) -> Result<Stored, Reject> {
        self.read_at(place, true)
    }

    fn read_at(&self, place: u64, lean: bool) -> Result<Stored, Reject> {
        let span = self.head.name.span;
        if place < span.start || place >= span.end() {
            return Err(Reject::Misuse("a place outside of the stone"));
        }
        let place = place - span.start;
        match self.head.layout {
            Layout::Hash => Err(Reject::Faded),
            Layout::Listed if lean => self.read_listed(place).map(without_contents),
            Layout::Listed => self.read_listed(place),
            Layout::Packed => self.read_packed(place, lean),
        }
    }

    fn read_listed(&self, place: u64) -> Result<Stored, Reject> {
        let item = self.index.item(place).ok_or(Reject::Misuse("a place outside of the stone"))?;
        let id = self.index.ids[item];
        if let Some(gone) = self.index.gone(item) {
            return Ok(Stored::Gone(gone));
        }
        match self.index.place(item) {
            None => Ok(Stored::Faded(id)),
            Some(at) => self.body(self.head.name.span.start + place, id, at, &self.block(at.block)?),
        }
    }

    /// All waypoints and subtrees that are gone, in order, each block read once.
    pub fn read_all(&self) -> impl Iterator<Item = Result<Stored, Reject>> + '_ {
        self.read_from(self.head.name.span.start)
    }

    /// The same from the one that has a place (in the feed) on.
    pub fn read_from(&self, first: u64) -> Box<dyn Iterator<Item = Result<Stored, Reject>> + '_> {
        let first = first.saturating_sub(self.head.name.span.start);
        match self.is_packed() {
            true => Box::new(self.read_packs(first, false)),
            false => Box::new(self.read_listed_from(first)),
        }
    }

    /// All waypoints and subtrees that are gone, in order; in the place of each content stands its hash, as if it were
    /// erased. Of a packed stone no content is read.
    pub fn read_lean(&self) -> Box<dyn Iterator<Item = Result<Stored, Reject>> + '_> {
        match self.is_packed() {
            true => Box::new(self.read_packs(0, true)),
            false => Box::new(self.read_listed_from(0).map(|stored| stored.map(without_contents))),
        }
    }

    /// Of a listed stone, from a waypoint on that counts from 0 in the stone.
    fn read_listed_from(&self, first: u64) -> impl Iterator<Item = Result<Stored, Reject>> + '_ {
        let mut current: Option<(u32, Vec<u8>)> = None;
        let start = self.head.name.span.start;
        let begun = self.index.item(first).unwrap_or(0);
        self.index.items().enumerate().skip(begun).map(move |(number, item)| {
            let (id, at) = match item {
                Item::Body(id, at) => (id, at),
                Item::Faded(id) => return Ok(Stored::Faded(id)),
                Item::Gone(gone) => return Ok(Stored::Gone(gone)),
            };
            if current.as_ref().is_none_or(|(block, _)| *block != at.block) {
                current = Some((at.block, self.block(at.block)?));
            }
            let raw = current.as_ref().map_or(&[][..], |(_, raw)| raw);
            self.body(start + self.index.start(number), id, at, raw)
        })
    }

    /// Reads everything: the file's hash, every block, every waypoint, and the subtree's hash against `expected`.
    pub fn verify(&self, expected: &LogHash) -> Result<(), Reject> {
        if self.foot.subtree != *expected {
            return Err(Reject::Proof("a stone's subtree"));
        }
        let sealed = self.source.len() - 40;
        if hash_file(&self.source, sealed)? != self.foot.file {
            return Err(Reject::Stone { offset: sealed, what: "hash of the file" });
        }
        self.read_all().try_for_each(|stored| stored.map(|_| ()))
    }

    pub(super) fn blocks(&self) -> &[Block] {
        if self.is_packed() { &self.packs.index.blocks } else { &self.index.blocks }
    }

    /// Where a block begins in the file.
    pub(super) fn offset(&self, number: u32) -> u64 {
        self.offsets.get(number as usize).copied().unwrap_or_default()
    }

    /// A block's bytes, unpacked.
    pub(super) fn block(&self, number: u32) -> Result<Vec<u8>, Reject> {
        let (block, packed) = self.packed(number)?;
        let offset = self.offset(number);
        let raw = unpack(block.method, &packed, block.raw_bytes as usize);
        raw.map_err(|_| Reject::Stone { offset, what: "compressed bytes" })
    }

    /// A block's bytes as they lie in the file; its checksum holds.
    pub(super) fn packed(&self, number: u32) -> Result<(Block, Vec<u8>), Reject> {
        let at = number as usize;
        let (Some(block), Some(&offset)) = (self.blocks().get(at), self.offsets.get(at)) else {
            return Err(Reject::Stone { offset: self.foot.index_offset, what: "number of a block" });
        };
        let Block { method, raw_bytes, packed_bytes, sum } = *block;
        let packed = self.source.read_at(offset, packed_bytes as usize)?;
        if block_sum(&self.head.name, number, method, raw_bytes, &packed) != sum {
            return Err(Reject::Stone { offset, what: "checksum of a block" });
        }
        Ok((*block, packed))
    }

    /// Takes one waypoint out of its block and checks that it is the one that belongs there.
    fn body(&self, place: u64, id: WaypointId, at: Place, raw: &[u8]) -> Result<Stored, Reject> {
        let offset = self.offset(at.block);
        let wrong = |what| Reject::Stone { offset, what };
        let start = at.start as usize;
        let bytes = raw.get(start..start + at.bytes as usize).ok_or(wrong("place of a waypoint"))?;
        let waypoint = Waypoint::from_bytes(bytes).map_err(|error| damage(offset, error.into()))?;
        let header = waypoint.header();
        if waypoint.id() != id || header.feed != self.head.name.feed || header.seq != place + 1 {
            return Err(wrong("a waypoint that does not belong here"));
        }
        Ok(Stored::Body(waypoint))
    }
}

fn without_contents(stored: Stored) -> Stored {
    match stored {
        Stored::Body(waypoint) => Stored::Body(waypoint.without(|_, entry| entry.is_content())),
        other => other,
    }
}

/// What a stone says that it is, read from its two ends: which subtree, and the hash of it.
pub fn read_subtree(source: &impl Source) -> Result<(StoneName, LogHash), Reject> {
    let foot = read_foot(source)?;
    Ok((read_head(source)?.name, foot.subtree))
}

fn read_head(source: &impl Source) -> Result<Head, Reject> {
    let head = source.read_at(0, HEADER_BYTES)?;
    Head::from_bytes(&head).map_err(|error| damage(0, error.into()))
}

fn read_foot(source: &impl Source) -> Result<Foot, Reject> {
    let length = source.len();
    if length > STONE_BYTES_MAX {
        return Err(Reject::TooLarge { what: "bytes of a stone", found: length, limit: STONE_BYTES_MAX });
    }
    let short = Reject::Stone { offset: length, what: "the file is too short" };
    let offset = length.checked_sub(FOOTER_BYTES as u64).ok_or(short)?;
    let bytes = source.read_at(offset, FOOTER_BYTES)?;
    let foot = Foot::from_bytes(&bytes).map_err(|error| damage(offset, error.into()))?;
    if foot.index_bytes > INDEX_BYTES_MAX || foot.index_offset.checked_add(foot.index_bytes) != Some(offset) {
        return Err(Reject::Stone { offset, what: "place of the index" });
    }
    Ok(foot)
}

/// Where each block begins; they lie end to end between header and index.
fn block_offsets(blocks: &[Block], index_offset: u64) -> Result<Vec<u64>, Reject> {
    let mut offset = HEADER_BYTES as u64;
    let mut offsets = Vec::new();
    for block in blocks {
        offsets.push(offset);
        offset += u64::from(block.packed_bytes);
    }
    let wrong = Reject::Stone { offset: index_offset, what: "sizes of the blocks" };
    if offset == index_offset { Ok(offsets) } else { Err(wrong) }
}

fn hash_file(source: &impl Source, length: u64) -> Result<[u8; 32], Reject> {
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    while offset < length {
        let piece = (length - offset).min(PIECE_BYTES);
        hasher.update(&source.read_at(offset, piece as usize)?);
        offset += piece;
    }
    Ok(*hasher.finalize().as_bytes())
}
