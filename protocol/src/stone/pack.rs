//! The index of a packed stone: its blocks, and the packs that they make up.
//!
//! A pack is a run of waypoints that were taken apart together. It names the largest subtrees of the feed's log that it
//! covers, so a stone is checked against its hash without a look into the packs, and each pack against its own names.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};

use crate::limits::{PACK_BLOCKS_COUNT_MAX, PACK_BYTES_MAX, PACK_ITEMS_MAX, PACK_NODES_MAX, STONE_LEVEL_MAX};
use crate::piece::{Gone, joined_gone};
use crate::stone::index::Block;

/// One run of waypoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pack {
    /// How many waypoints.
    pub(super) count: u32,
    /// How many waypoints and subtrees that are gone.
    pub(super) items: u32,
    /// Whether subtrees are gone from it.
    pub(super) has_gone: bool,
    /// How many blocks hold what is alike.
    pub(super) alike: u32,
    /// How many hold what is random.
    pub(super) random: u32,
    /// How many hold contents.
    pub(super) contents: u32,
    /// The subtrees of the log that its waypoints make up, in order.
    pub(super) nodes: Vec<Gone>,
}

impl Pack {
    /// How many blocks it has.
    pub(super) fn blocks(&self) -> u32 {
        self.alike + self.random + self.contents
    }
}

impl Encoded for Pack {
    fn write(&self, out: &mut Writer) {
        out.u32(self.count);
        out.u32(self.items);
        out.u8(u8::from(self.has_gone));
        out.u32(self.alike);
        out.u32(self.random);
        out.u32(self.contents);
        out.list(&self.nodes);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let (count, items) = (input.u32()?, input.u32()?);
        let counts = items > 0 && items <= PACK_ITEMS_MAX && count >= items && count <= 1 << STONE_LEVEL_MAX;
        at.require(counts, "count of waypoints")?;
        let has_gone = crate::text::read_flag(input)?;
        at.require(has_gone || count == items, "count of waypoints")?;
        let (alike, random, contents) = (input.u32()?, input.u32()?, input.u32()?);
        let most = alike.max(random).max(contents);
        at.require(most <= PACK_BLOCKS_COUNT_MAX, "blocks of a pack")?;
        let nodes: Vec<Gone> = input.list(PACK_NODES_MAX)?;
        let covered = nodes.iter().map(Gone::count).sum::<u64>();
        at.require(covered == u64::from(count), "subtrees of a pack")?;
        Ok(Self { count, items, has_gone, alike, random, contents, nodes })
    }
}

/// The index.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct PackIndex {
    pub(super) blocks: Vec<Block>,
    pub(super) packs: Vec<Pack>,
}

impl Encoded for PackIndex {
    fn write(&self, out: &mut Writer) {
        out.list(&self.blocks);
        out.list(&self.packs);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let blocks: Vec<Block> = input.list(1 << STONE_LEVEL_MAX)?;
        let at = input.clone();
        let packs: Vec<Pack> = input.list(1 << STONE_LEVEL_MAX)?;
        let mut rest = &blocks[..];
        for pack in &packs {
            let (own, after) = rest.split_at_checked(pack.blocks() as usize).unwrap_or((&[], &[]));
            at.require(own.len() == pack.blocks() as usize, "blocks of a pack")?;
            let raw: u64 = own.iter().map(|block| u64::from(block.raw_bytes)).sum();
            at.require(raw <= PACK_BYTES_MAX as u64, "size of a pack")?;
            rest = after;
        }
        at.require(rest.is_empty(), "blocks of no pack")?;
        Ok(Self { blocks, packs })
    }
}

/// Adds a node of the log that ends before the place `end`, and makes one of it and its neighbours wherever they make up
/// a larger one.
pub(super) fn add_node(nodes: &mut Vec<Gone>, node: Gone, end: u64) {
    nodes.push(node);
    while let [.., left, right] = nodes[..]
        && let Some(joined) = joined_gone(left, right, end)
    {
        nodes.truncate(nodes.len() - 2);
        nodes.push(joined);
    }
}
