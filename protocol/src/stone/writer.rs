//! Writing stones, a pack at a time: memory holds one pack and the index.

use cairn_crdt::encoding::Encoded;

use crate::error::Reject;
use crate::hash::LogHash;
use crate::limits::{BLOCK_BYTES_MAX, CONTENTS_BYTES_TARGET, PACK_BYTES_TARGET, PACK_ITEMS_MAX};
use crate::merkle::Peaks;
use crate::packing::{Effort, Method, pack_with};
use crate::piece::Gone;
use crate::stone::index::Block;
use crate::stone::pack::{Pack, PackIndex, add_node};
use crate::stone::streams::{Streams, Taker};
use crate::stone::{
    Foot, HEADER_BYTES, Head, Layout, Source, StoneName, StoneReader, Stored, block_sum, index_sum,
};

/// A stone that is being written. What each call returns is appended to the file.
#[derive(Debug)]
pub struct StoneWriter {
    name: StoneName,
    index: PackIndex,
    peaks: Peaks,
    taker: Taker,
    /// The subtrees of the pack that is being filled.
    nodes: Vec<Gone>,
    /// Neighbours that are gone and wait to be one.
    gone: Vec<Gone>,
    has_gone: bool,
    /// How much work its packs are worth, where somebody has said so.
    effort: Option<Effort>,
    /// How many waypoints of the stone lie in packs that have ended.
    packed: u64,
    offset: u64,
    file: blake3::Hasher,
}

impl StoneWriter {
    /// A writer, and the first bytes of the file.
    pub fn new(name: StoneName) -> Result<(Self, Vec<u8>), Reject> {
        if !name.span.is_subtree() {
            return Err(Reject::Misuse("a stone where no subtree begins"));
        }
        let header = Head { name, layout: Layout::Packed }.to_bytes();
        let mut file = blake3::Hasher::new();
        file.update(&header);
        let (index, peaks, taker) = (PackIndex::default(), Peaks::default(), Taker::default());
        let (nodes, gone, offset) = (Vec::new(), Vec::new(), HEADER_BYTES as u64);
        let writer = Self {
            name,
            index,
            peaks,
            taker,
            nodes,
            gone,
            has_gone: false,
            effort: None,
            packed: 0,
            offset,
            file,
        };
        Ok((writer, header))
    }

    /// From now on packs are packed swiftly, however small: they are part of much that somebody waits for.
    pub fn hurry(&mut self) {
        self.effort = Some(Effort::Swift);
    }

    /// From now on packs are worth the work of packing them tightly: the stone will lie for long as it is.
    pub fn last(&mut self) {
        self.effort = Some(Effort::Tight);
    }

    /// Adds the next waypoint, or a subtree that is gone; the bytes of a pack, if one is full.
    pub fn push(&mut self, stored: &Stored) -> Result<Vec<u8>, Reject> {
        if let Stored::Body(waypoint) = stored {
            self.name.feed.check(&waypoint.header().feed)?;
            let (expected, found) = (self.next() + 1, waypoint.header().seq);
            if found != expected {
                return Err(Reject::Gap { expected, found });
            }
        }
        let (level, hash) = stored.node();
        let fits = self.peaks.len() + stored.count() <= self.name.span.count();
        if !fits || !self.peaks.append_subtree(level, hash) {
            return Err(Reject::Misuse("a subtree where none can begin"));
        }
        add_node(&mut self.nodes, Gone { level, hash }, self.peaks.len());
        match stored {
            Stored::Gone(gone) => add_node(&mut self.gone, *gone, self.peaks.len()),
            Stored::Body(_) | Stored::Faded(_) => {
                self.take_gone();
                self.taker.push(stored);
            }
        }
        let items = self.taker.items() as usize + self.gone.len();
        let is_full = items >= PACK_ITEMS_MAX as usize || self.taker.bytes() >= PACK_BYTES_TARGET;
        Ok(if is_full { self.flush() } else { Vec::new() })
    }

    /// Takes over one part of a stone that holds the next waypoints; the bytes of the packs that are full.
    ///
    /// A pack that is well filled is copied as it is once its checksums are found to hold: its waypoints were checked when
    /// it was written. Others are taken apart and packed again, so that many small stones do not leave many small packs.
    pub fn take<S: Source>(&mut self, other: &StoneReader<S>, part: u32) -> Result<Vec<u8>, Reject> {
        self.name.feed.check(&other.name().feed)?;
        let (expected, found) = (self.next(), other.part_start(part));
        if found != expected {
            return Err(Reject::Gap { expected, found });
        }
        if !other.is_listed() {
            return Err(Reject::Faded);
        }
        if let Some(pack) = other.pack(part).filter(|pack| is_filled(pack, other, part)) {
            return self.copy(other, part, pack.clone());
        }
        let mut bytes = Vec::new();
        for stored in other.read_part(part) {
            bytes.extend(self.push(&stored?)?);
        }
        Ok(bytes)
    }

    fn copy<S: Source>(&mut self, other: &StoneReader<S>, part: u32, pack: Pack) -> Result<Vec<u8>, Reject> {
        let mut bytes = self.flush();
        for node in &pack.nodes {
            if !self.peaks.append_subtree(node.level, node.hash) {
                return Err(Reject::Misuse("a subtree where none can begin"));
            }
        }
        for number in other.packs.blocks(part) {
            let (block, packed) = other.packed(number)?;
            self.put_block(block.method, block.raw_bytes, packed, &mut bytes);
        }
        self.packed += u64::from(pack.count);
        self.index.packs.push(pack);
        Ok(bytes)
    }

    /// The place of the next waypoint.
    fn next(&self) -> u64 {
        self.name.span.start + self.peaks.len()
    }

    /// Puts down the subtrees that are gone and found no neighbour.
    fn take_gone(&mut self) {
        for gone in self.gone.drain(..) {
            self.has_gone = true;
            self.taker.push(&Stored::Gone(gone));
        }
    }

    /// Ends the pack that is being filled.
    fn flush(&mut self) -> Vec<u8> {
        self.take_gone();
        let (taker, nodes) = (std::mem::take(&mut self.taker), std::mem::take(&mut self.nodes));
        let (items, has_gone) = (taker.items(), std::mem::take(&mut self.has_gone));
        let mut bytes = Vec::new();
        if items == 0 {
            return bytes;
        }
        let effort = self.effort(taker.bytes());
        let Streams { alike, random, contents } = taker.finish();
        // What is alike is one block as far as a block may be that large: it is read whole anyway.
        let alike = self.put_blocks(alike.chunks(BLOCK_BYTES_MAX), effort, &mut bytes);
        let random = self.put_blocks(random.chunks(BLOCK_BYTES_MAX), Effort::None, &mut bytes);
        let contents = self.put_contents(contents, effort, &mut bytes);
        let count = (self.peaks.len() - self.packed) as u32;
        self.packed = self.peaks.len();
        self.index.packs.push(Pack { count, items, has_gone, alike, random, contents, nodes });
        bytes
    }

    /// What is written while somebody waits is packed in the time that its bytes are worth; a fade, for which nobody waits,
    /// packs tightly.
    fn effort(&self, bytes: usize) -> Effort {
        let fitting = if is_large(bytes) { Effort::Swift } else { Effort::Quick };
        self.effort.unwrap_or(fitting)
    }

    fn put_contents(&mut self, contents: Vec<Vec<u8>>, effort: Effort, bytes: &mut Vec<u8>) -> u32 {
        let (mut raw, mut count) = (Vec::new(), 0);
        for content in contents {
            if !raw.is_empty() && raw.len() + content.len() > CONTENTS_BYTES_TARGET {
                count += self.put_blocks([&raw[..]].into_iter(), effort, bytes);
                raw.clear();
            }
            raw.extend_from_slice(&content);
        }
        count + self.put_blocks((!raw.is_empty()).then_some(&raw[..]).into_iter(), effort, bytes)
    }

    /// Packs blocks; how many they were.
    fn put_blocks<'a>(
        &mut self,
        blocks: impl Iterator<Item = &'a [u8]>,
        effort: Effort,
        bytes: &mut Vec<u8>,
    ) -> u32 {
        let mut count = 0;
        for raw in blocks {
            let (method, packed) = pack_with(effort, raw);
            self.put_block(method, raw.len() as u32, packed, bytes);
            count += 1;
        }
        count
    }

    fn put_block(&mut self, method: Method, raw_bytes: u32, packed: Vec<u8>, bytes: &mut Vec<u8>) {
        let sum = block_sum(&self.name, self.index.blocks.len() as u32, method, raw_bytes, &packed);
        self.index.blocks.push(Block { method, raw_bytes, packed_bytes: packed.len() as u32, sum });
        self.offset += packed.len() as u64;
        self.file.update(&packed);
        bytes.extend(packed);
    }

    /// Ends the stone: its last bytes, and the hash of its subtree.
    pub fn finish(mut self) -> Result<(Vec<u8>, LogHash), Reject> {
        if self.peaks.len() != self.name.span.count() {
            let (expected, found) = (self.name.span.count(), self.peaks.len());
            return Err(Reject::Gap { expected, found });
        }
        let mut bytes = self.flush();
        let head = Head { name: self.name, layout: Layout::Packed };
        let subtree = self.peaks.root();
        bytes.extend(ending(&head, self.offset, &self.index.to_bytes(), subtree, self.file));
        Ok((bytes, subtree))
    }
}

/// Whether a pack is worth to be copied as it is.
fn is_filled<S: Source>(pack: &Pack, stone: &StoneReader<S>, part: u32) -> bool {
    let blocks = stone.packs.blocks(part);
    let blocks = stone.blocks().get(blocks.start as usize..blocks.end as usize).unwrap_or_default();
    let bytes: usize = blocks.iter().map(|block| block.raw_bytes as usize).sum();
    pack.items >= PACK_ITEMS_MAX || is_large(bytes)
}

/// Whether a pack holds much, few as its waypoints may be.
fn is_large(bytes: usize) -> bool {
    bytes >= PACK_BYTES_TARGET / 2
}

/// The file of a stone. `stored` has one item for each waypoint of the span, in order, or for each subtree of it that is gone.
pub fn write_stone(name: &StoneName, stored: &[Stored]) -> Result<Vec<u8>, Reject> {
    let (mut writer, mut file) = StoneWriter::new(*name)?;
    for item in stored {
        file.extend(writer.push(item)?);
    }
    file.extend(writer.finish()?.0);
    Ok(file)
}

/// The file of a stone that has faded as a whole: its place and the hash of its subtree.
pub fn write_faded_stone(name: &StoneName, subtree: LogHash) -> Result<Vec<u8>, Reject> {
    if !name.span.is_subtree() {
        return Err(Reject::Misuse("a stone where no subtree begins"));
    }
    let head = Head { name: *name, layout: Layout::Hash };
    let mut bytes = head.to_bytes();
    let mut file = blake3::Hasher::new();
    file.update(&bytes);
    bytes.extend(ending(&head, HEADER_BYTES as u64, &[], subtree, file));
    Ok(bytes)
}

/// The index and the footer. `file` has hashed everything before.
pub(super) fn ending(
    head: &Head,
    index_offset: u64,
    index: &[u8],
    subtree: LogHash,
    mut file: blake3::Hasher,
) -> Vec<u8> {
    let index_sum = index_sum(head, index_offset, &subtree, index);
    let index_bytes = index.len() as u64;
    let mut foot = Foot { index_offset, index_bytes, index_sum, subtree, file: [0; 32] };
    let unsealed = foot.to_bytes();
    file.update(index);
    file.update(&unsealed[..unsealed.len() - 40]);
    foot.file = *file.finalize().as_bytes();
    [index, &foot.to_bytes()].concat()
}
