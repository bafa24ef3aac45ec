//! The index of a stone: where each block lies, what each waypoint is called and where it lies.

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

/// One waypoint of a stone.
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

/// The index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index {
    pub(super) blocks: Vec<Block>,
    pub(super) items: Vec<Item>,
}

impl Encoded for Index {
    fn write(&self, out: &mut Writer) {
        out.list(&self.blocks);
        out.list(&self.items);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let blocks = input.list(1 << STONE_LEVEL_MAX)?;
        let at = input.clone();
        let index = Self { blocks, items: input.list(1 << STONE_LEVEL_MAX)? };
        at.require(index.is_dense(), "places in a stone")?;
        Ok(index)
    }
}

impl Index {
    /// Whether the bodies fill the blocks end to end, in order: no byte of a block is out of sight.
    fn is_dense(&self) -> bool {
        let (mut block, mut end) = (0, 0);
        for place in self.items.iter().filter_map(|item| item.place) {
            if place.block != block {
                if self.raw_bytes(block) != Some(end) || place.block != block + 1 {
                    return false;
                }
                (block, end) = (place.block, 0);
            }
            if place.start != end {
                return false;
            }
            end += place.bytes;
        }
        let blocks = self.blocks.len() as u64;
        let last = u64::from(block) + 1;
        (blocks == 0 && end == 0) || (blocks == last && self.raw_bytes(block) == Some(end))
    }

    fn raw_bytes(&self, block: u32) -> Option<u32> {
        self.blocks.get(block as usize).map(|block| block.raw_bytes)
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
