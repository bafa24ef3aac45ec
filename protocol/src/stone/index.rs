//! The index of a stone: where each block lies, what each waypoint is called and where it lies.

use std::ops::Range;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::WaypointId;

use crate::limits::{BLOCK_BYTES_MAX, STONE_LEVEL_MAX, WAYPOINT_BYTES_MAX};
use crate::packing::Method;

/// One block of a stone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) method: Method,
    pub(super) raw_bytes: u32,
    pub(super) packed_bytes: u32,
    pub(super) sum: [u8; 32],
}

/// One waypoint of a stone, as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: WaypointId,
    /// Where the body lies; `None` if it has faded.
    pub(super) place: Option<Place>,
}

/// Where a body lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) block: u32,
    pub(super) start: u32,
    pub(super) bytes: u32,
}

/// The index. In memory a waypoint has its name and its size: where it lies follows from the sizes before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index {
    pub(super) blocks: Vec<Block>,
    pub(super) ids: Vec<WaypointId>,
    /// The bytes of each body; 0 of one that has faded.
    sizes: Vec<u32>,
    /// Which waypoint is the first of each block.
    firsts: Vec<u32>,
}

impl Encoded for Index {
    fn write(&self, out: &mut Writer) {
        out.list(&self.blocks);
        out.count(self.ids.len() as u64);
        self.items().for_each(|item| item.write(out));
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let mut index = Self { blocks: input.list(1 << STONE_LEVEL_MAX)?, ..Self::default() };
        let at = input.clone();
        let mut next = Place { block: 0, start: 0, bytes: 0 };
        for _ in 0..input.count(1 << STONE_LEVEL_MAX)? {
            let item = Item::read(input)?;
            at.require(index.follows(&mut next, item.place), "places in a stone")?;
            index.push(item.id, item.place.map_or(0, |place| place.bytes));
        }
        at.require(index.ends_at(next), "places in a stone")?;
        Ok(index)
    }
}

impl Index {
    /// Whether bodies fill the blocks end to end, in order, up to this one: no byte of a block is out of sight.
    fn follows(&mut self, next: &mut Place, place: Option<Place>) -> bool {
        let Some(place) = place else { return true };
        if place.block != next.block {
            if self.raw_bytes(next.block) != Some(next.start) || place.block != next.block + 1 {
                return false;
            }
            *next = Place { block: place.block, start: 0, bytes: 0 };
        }
        let fits = place.start == next.start;
        if next.start == 0 {
            self.firsts.push(self.ids.len() as u32);
        }
        next.start = place.start.saturating_add(place.bytes);
        fits
    }

    /// Whether the last body ends where the last block does.
    fn ends_at(&self, next: Place) -> bool {
        let blocks = self.blocks.len() as u64;
        let last = u64::from(next.block) + 1;
        (blocks == 0 && next.start == 0) || (blocks == last && self.raw_bytes(next.block) == Some(next.start))
    }

    fn raw_bytes(&self, block: u32) -> Option<u32> {
        self.blocks.get(block as usize).map(|block| block.raw_bytes)
    }

    fn push(&mut self, id: WaypointId, bytes: u32) {
        self.ids.push(id);
        self.sizes.push(bytes);
    }

    /// Adds a waypoint whose body follows the one before it in the block that is filled now; 0 bytes if it has faded.
    pub(super) fn add(&mut self, id: WaypointId, bytes: u32) {
        if bytes > 0 && self.firsts.len() == self.blocks.len() {
            self.firsts.push(self.ids.len() as u32);
        }
        self.push(id, bytes);
    }

    /// Where the body of a waypoint lies; `None` if it has faded.
    pub(super) fn place(&self, item: usize) -> Option<Place> {
        let bytes = self.size(item)?;
        let block = self.firsts.partition_point(|first| *first as usize <= item).checked_sub(1)?;
        let first = *self.firsts.get(block)? as usize;
        Some(Place { block: block as u32, start: self.sizes.get(first..item)?.iter().sum(), bytes })
    }

    /// The bytes of a body; `None` if it has faded.
    pub(super) fn size(&self, item: usize) -> Option<u32> {
        self.sizes.get(item).copied().filter(|bytes| *bytes > 0)
    }

    /// The waypoints from the first of a block to before the first of the next; those that faded before
    /// all blocks belong to the first.
    pub(super) fn part(&self, block: usize) -> Range<usize> {
        let first = |block: usize| self.firsts.get(block).map(|first| *first as usize);
        let start = if block == 0 { Some(0) } else { first(block) };
        let end = first(block + 1).unwrap_or(self.ids.len());
        start.unwrap_or(end)..end
    }

    /// All waypoints as they stand in the file.
    pub(super) fn items(&self) -> impl Iterator<Item = Item> + '_ {
        let (mut block, mut start) = (0, 0);
        self.ids.iter().zip(&self.sizes).enumerate().map(move |(number, (id, bytes))| {
            if self.firsts.get(block + 1).is_some_and(|first| *first as usize == number) {
                (block, start) = (block + 1, 0);
            }
            let place = Place { block: block as u32, start, bytes: *bytes };
            start += bytes;
            Item { id: *id, place: (*bytes > 0).then_some(place) }
        })
    }
}

impl Encoded for Block {
    fn write(&self, out: &mut Writer) {
        out.u8(self.method as u8);
        out.u32(self.raw_bytes);
        out.u32(self.packed_bytes);
        out.raw(&self.sum);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let method = Method::read(input)?;
        let (raw_bytes, packed_bytes) = (read_size(input)?, read_size(input)?);
        Ok(Self { method, raw_bytes, packed_bytes, sum: input.array()? })
    }
}

/// The declared size of a block, checked before anybody allocates it.
fn read_size(input: &mut Reader<'_>) -> Decode<u32> {
    let at = input.clone();
    let size = input.u32()?;
    let (declared, limit) = (u64::from(size), BLOCK_BYTES_MAX as u64);
    at.require(size > 0, "empty block")?;
    if declared > limit { Err(at.error(Problem::TooLarge { declared, limit })) } else { Ok(size) }
}

impl Encoded for Item {
    fn write(&self, out: &mut Writer) {
        self.id.write(out);
        out.u8(u8::from(self.place.is_some()));
        if let Some(place) = self.place {
            out.u32(place.block);
            out.u32(place.start);
            out.u32(place.bytes);
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let id = WaypointId::read(input)?;
        if !crate::text::read_flag(input)? {
            return Ok(Self { id, place: None });
        }
        let at = input.clone();
        let place = Place { block: input.u32()?, start: input.u32()?, bytes: input.u32()? };
        let (start, bytes) = (place.start as usize, place.bytes as usize);
        at.require(place.block < 1 << STONE_LEVEL_MAX, "block of a waypoint")?;
        let fits = start <= BLOCK_BYTES_MAX && bytes > 0 && bytes <= WAYPOINT_BYTES_MAX;
        at.require(fits, "place of a waypoint")?;
        Ok(Self { id, place: Some(place) })
    }
}
