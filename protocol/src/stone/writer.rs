//! Writing stones, a block at a time: memory holds one block and the index.

use cairn_crdt::encoding::Encoded;

use crate::error::Reject;
use crate::hash::LogHash;
use crate::limits::{BLOCK_BYTES_TARGET, WAYPOINT_BYTES_MAX};
use crate::log::leaf_hash;
use crate::merkle::Peaks;
use crate::packing::pack;
use crate::stone::index::{Block, Index, Item, Place};
use crate::stone::{Foot, HEADER_BYTES, Head, StoneName, Stored, block_sum, index_sum};

/// A stone that is being written. What each call returns is appended to the file.
#[derive(Debug)]
pub struct StoneWriter {
    name: StoneName,
    index: Index,
    peaks: Peaks,
    block: Vec<u8>,
    offset: u64,
    file: blake3::Hasher,
}

impl StoneWriter {
    /// A writer, and the first bytes of the file.
    pub fn new(name: StoneName) -> Result<(Self, Vec<u8>), Reject> {
        if !name.span.is_subtree() {
            return Err(Reject::Misuse("a stone where no subtree begins"));
        }
        let header = Head { name, listed: true }.to_bytes();
        let mut file = blake3::Hasher::new();
        file.update(&header);
        let (index, peaks) = (Index::default(), Peaks::default());
        let writer = Self { name, index, peaks, block: Vec::new(), offset: HEADER_BYTES as u64, file };
        Ok((writer, header))
    }

    /// Adds the next waypoint; the bytes of a block, if one is full.
    pub fn push(&mut self, stored: &Stored) -> Result<Vec<u8>, Reject> {
        let place = match stored {
            Stored::Faded(_) => None,
            Stored::Body(waypoint) => {
                self.name.feed.check(&waypoint.header().feed)?;
                let expected = self.name.span.start + self.index.items.len() as u64 + 1;
                if waypoint.header().seq != expected {
                    return Err(Reject::Gap { expected, found: waypoint.header().seq });
                }
                Some(self.place(&waypoint.to_bytes()))
            }
        };
        let id = stored.id();
        self.peaks.append(leaf_hash(&id));
        self.index.items.push(Item { id, place });
        Ok(if self.block.len() >= BLOCK_BYTES_TARGET { self.flush() } else { Vec::new() })
    }

    fn place(&mut self, body: &[u8]) -> Place {
        debug_assert!(body.len() <= WAYPOINT_BYTES_MAX);
        let (block, start) = (self.index.blocks.len() as u32, self.block.len() as u32);
        self.block.extend_from_slice(body);
        Place { block, start, bytes: body.len() as u32 }
    }

    fn flush(&mut self) -> Vec<u8> {
        if self.block.is_empty() {
            return Vec::new();
        }
        let (method, packed) = pack(&self.block);
        let raw_bytes = self.block.len() as u32;
        let sum = block_sum(&self.name, self.index.blocks.len() as u32, method, raw_bytes, &packed);
        self.index.blocks.push(Block { method, raw_bytes, packed_bytes: packed.len() as u32, sum });
        self.block.clear();
        self.offset += packed.len() as u64;
        self.file.update(&packed);
        packed
    }

    /// Ends the stone: its last bytes, and the hash of its subtree.
    pub fn finish(mut self) -> Result<(Vec<u8>, LogHash), Reject> {
        if self.peaks.len() != self.name.span.count() {
            let (expected, found) = (self.name.span.count(), self.peaks.len());
            return Err(Reject::Gap { expected, found });
        }
        let mut bytes = self.flush();
        let head = Head { name: self.name, listed: true };
        let subtree = self.peaks.root();
        bytes.extend(ending(&head, self.offset, &self.index.to_bytes(), subtree, self.file));
        Ok((bytes, subtree))
    }
}

/// The file of a stone. `stored` has one item for each waypoint of the span, in order.
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
    let head = Head { name: *name, listed: false };
    let mut bytes = head.to_bytes();
    let mut file = blake3::Hasher::new();
    file.update(&bytes);
    bytes.extend(ending(&head, HEADER_BYTES as u64, &[], subtree, file));
    Ok(bytes)
}

/// The index and the footer.
fn ending(
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
