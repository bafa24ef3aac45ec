//! The index of a listed stone: where each block lies, what each waypoint is called and where it lies.

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::WaypointId;

use crate::hash::LogHash;
use crate::limits::{BLOCK_BYTES_MAX, STONE_LEVEL_MAX, WAYPOINT_BYTES_MAX};
use crate::log::leaf_hash;
use crate::packing::Method;
use crate::piece::Gone;

/// What a waypoint takes in the file at least: its name, and that it has faded.
const ITEM_BYTES_MIN: usize = 33;
/// One block of a stone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) method: Method,
    pub(super) raw_bytes: u32,
    pub(super) packed_bytes: u32,
    pub(super) sum: [u8; 32],
}

/// What a size says of a subtree that is gone, beside its level: no body is as large.
const GONE: u32 = 1 << 31;

/// One waypoint of a stone, as it stands in the file, or a subtree that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// A waypoint whose body is here.
    Body(WaypointId, Place),
    /// A waypoint of which only the name is here.
    Faded(WaypointId),
    /// Waypoints of which only the hash over them is here.
    Gone(Gone),
}

/// Where a body lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) block: u32,
    pub(super) start: u32,
    pub(super) bytes: u32,
}

/// The index. In memory a waypoint has its name and its size: where it lies follows from the sizes before it. A subtree
/// that is gone stands among them under its hash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index {
    pub(super) blocks: Vec<Block>,
    pub(super) ids: Vec<WaypointId>,
    /// The bytes of each body; 0 of one that has faded.
    sizes: Vec<u32>,
    /// The subtrees that are gone: which item, and at which waypoint of the stone it begins.
    skips: Vec<(u32, u32)>,
    /// How many waypoints.
    count: u32,
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
        let count = input.count(1 << STONE_LEVEL_MAX)?;
        let room = (count as usize).min(input.remaining() / ITEM_BYTES_MIN);
        index.ids.reserve_exact(room);
        index.sizes.reserve_exact(room);
        for _ in 0..count {
            let item = Item::read(input)?;
            let place = if let Item::Body(_, place) = item { Some(place) } else { None };
            at.require(index.follows(&mut next, place), "places in a stone")?;
            at.require(index.put(item), "places in a stone")?;
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

    /// Adds an item as it was read; false where no subtree of that size begins.
    fn put(&mut self, item: Item) -> bool {
        match item {
            Item::Body(id, place) => self.push(id, place.bytes, 1),
            Item::Faded(id) => self.push(id, 0, 1),
            Item::Gone(gone) => return self.add_gone(gone),
        }
        true
    }

    fn push(&mut self, id: WaypointId, size: u32, count: u32) {
        self.ids.push(id);
        self.sizes.push(size);
        self.count += count;
    }

    /// Adds a subtree that is gone; false where none of that size begins, or behind the end of the largest stone.
    fn add_gone(&mut self, gone: Gone) -> bool {
        let level = u32::from(gone.level);
        if self.count.trailing_zeros() < level || u64::from(self.count) + gone.count() > 1 << STONE_LEVEL_MAX
        {
            return false;
        }
        self.skips.push((self.ids.len() as u32, self.count));
        self.push(WaypointId(gone.hash.0), GONE | level, 1 << level);
        true
    }

    /// Whether subtrees are gone.
    pub(super) fn has_gone(&self) -> bool {
        !self.skips.is_empty()
    }

    /// The item with a waypoint of the stone, from 0.
    pub(super) fn item(&self, at: u64) -> Option<usize> {
        let at = u32::try_from(at).ok().filter(|at| *at < self.count)?;
        let after = self.skips.partition_point(|(_, start)| *start <= at);
        let Some((item, start)) = after.checked_sub(1).and_then(|skip| self.skips.get(skip)) else {
            return Some(at as usize);
        };
        let end = start + self.gone(*item as usize).map_or(1, |gone| gone.count() as u32);
        Some((item + at.checked_sub(end).map_or(0, |beyond| beyond + 1)) as usize)
    }

    /// The first waypoint of an item, from 0 in the stone.
    pub(super) fn start(&self, item: usize) -> u64 {
        let before = self.skips.partition_point(|(skip, _)| (*skip as usize) < item);
        let Some((skip, start)) = before.checked_sub(1).and_then(|skip| self.skips.get(skip)) else {
            return item as u64;
        };
        let count = self.gone(*skip as usize).map_or(1, |gone| gone.count());
        u64::from(*start) + count + (item as u64 - u64::from(*skip) - 1)
    }

    /// The subtree that an item is, if it is gone.
    pub(super) fn gone(&self, item: usize) -> Option<Gone> {
        let level = self.sizes.get(item).filter(|size| **size & GONE != 0)? & !GONE;
        Some(Gone { level: level as u8, hash: LogHash(self.ids.get(item)?.0) })
    }

    /// The node of the feed's log that an item is: level and hash.
    pub(super) fn node(&self, item: usize) -> Option<(u8, LogHash)> {
        match self.gone(item) {
            Some(gone) => Some((gone.level, gone.hash)),
            None => self.ids.get(item).map(|id| (0, leaf_hash(id))),
        }
    }

    /// Where the body of a waypoint lies; `None` if it has faded.
    pub(super) fn place(&self, item: usize) -> Option<Place> {
        let bytes = self.size(item)?;
        let block = self.firsts.partition_point(|first| *first as usize <= item).checked_sub(1)?;
        let first = *self.firsts.get(block)? as usize;
        let before = self.sizes.get(first..item)?.iter().filter(|size| **size & GONE == 0);
        Some(Place { block: block as u32, start: before.sum(), bytes })
    }

    /// The bytes of a body; `None` if it has faded.
    pub(super) fn size(&self, item: usize) -> Option<u32> {
        self.sizes.get(item).copied().filter(|bytes| *bytes > 0 && bytes & GONE == 0)
    }

    /// All waypoints as they stand in the file.
    pub(super) fn items(&self) -> impl Iterator<Item = Item> + '_ {
        let (mut block, mut start) = (0, 0);
        self.ids.iter().enumerate().map(move |(number, id)| {
            if self.firsts.get(block + 1).is_some_and(|first| *first as usize == number) {
                (block, start) = (block + 1, 0);
            }
            if let Some(gone) = self.gone(number) {
                return Item::Gone(gone);
            }
            let Some(bytes) = self.size(number) else { return Item::Faded(*id) };
            let place = Place { block: block as u32, start, bytes };
            start += bytes;
            Item::Body(*id, place)
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
        match self {
            Item::Faded(id) => {
                id.write(out);
                out.u8(0);
            }
            Item::Body(id, place) => {
                id.write(out);
                out.u8(1);
                out.u32(place.block);
                out.u32(place.start);
                out.u32(place.bytes);
            }
            Item::Gone(gone) => {
                gone.hash.write(out);
                out.u8(2);
                out.u8(gone.level);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let id = WaypointId::read(input)?;
        let at = input.clone();
        match input.u8()? {
            0 => return Ok(Item::Faded(id)),
            1 => {}
            2 => {
                let level = input.u8()?;
                at.require(level <= STONE_LEVEL_MAX, "level of a subtree that is gone")?;
                return Ok(Item::Gone(Gone { level, hash: LogHash(id.0) }));
            }
            tag => return Err(at.error(Problem::UnknownTag(tag.into()))),
        }
        let at = input.clone();
        let place = Place { block: input.u32()?, start: input.u32()?, bytes: input.u32()? };
        let (start, bytes) = (place.start as usize, place.bytes as usize);
        at.require(place.block < 1 << STONE_LEVEL_MAX, "block of a waypoint")?;
        let fits = start <= BLOCK_BYTES_MAX && bytes > 0 && bytes <= WAYPOINT_BYTES_MAX;
        at.require(fits, "place of a waypoint")?;
        Ok(Item::Body(id, place))
    }
}
