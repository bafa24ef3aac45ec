//! Writing stones, a block at a time: memory holds one block and the index.

use std::ops::Range;

use cairn_crdt::encoding::{Encoded, Writer};
use cairn_crdt::id::WaypointId;

use crate::error::Reject;
use crate::hash::LogHash;
use crate::limits::{BLOCK_BYTES_MAX, BLOCK_BYTES_TARGET, WAYPOINT_BYTES_MAX};
use crate::log::leaf_hash;
use crate::merkle::Peaks;
use crate::packing::{Method, pack};
use crate::piece::Gone;
use crate::stone::index::{Block, Index};
use crate::stone::{
    FOOTER_BYTES, Foot, HEADER_BYTES, Head, Source, StoneName, StoneReader, Stored, block_sum, index_sum,
};

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

    /// Adds the next waypoint, or a subtree that is gone; the bytes of a block, if one is full.
    pub fn push(&mut self, stored: &Stored) -> Result<Vec<u8>, Reject> {
        match stored {
            Stored::Faded(id) => self.add(*id, &[]),
            Stored::Gone(gone) => self.add_gone(*gone)?,
            Stored::Body(waypoint) => {
                self.name.feed.check(&waypoint.header().feed)?;
                let expected = self.next() + 1;
                if waypoint.header().seq != expected {
                    return Err(Reject::Gap { expected, found: waypoint.header().seq });
                }
                self.add(waypoint.id(), &waypoint.to_bytes());
            }
        }
        Ok(if self.block.len() >= BLOCK_BYTES_TARGET { self.flush() } else { Vec::new() })
    }

    /// Takes over one part of a stone that holds the next waypoints; the bytes of the blocks that are full.
    ///
    /// A block that is well filled is copied as it is once its checksum is found to hold: its waypoints were checked when
    /// it was written. Others are taken apart and packed again, so that many small stones do not leave many small blocks.
    pub fn take<S: Source>(&mut self, other: &StoneReader<S>, part: u32) -> Result<Vec<u8>, Reject> {
        let from = other.name();
        self.name.feed.check(&from.feed)?;
        let items = other.index.part(part as usize);
        let (expected, found) = (self.next(), from.span.start + other.index.start(items.start));
        if found != expected {
            return Err(Reject::Gap { expected, found });
        }
        if !other.is_listed() {
            return Err(Reject::Faded);
        }
        let (begun, bytes) = (
            self.block.len(),
            other.index.blocks.get(part as usize).map_or(0, |block| block.raw_bytes as usize),
        );
        let stays = begun == 0 || is_filled(begun) || begun + bytes > BLOCK_BYTES_MAX;
        if is_filled(bytes) && stays {
            return self.copy(other, part, items);
        }
        let raw = if other.index.blocks.is_empty() { Vec::new() } else { other.block(part)? };
        for item in items {
            let id = other.index.ids[item];
            if let Some(gone) = other.index.gone(item) {
                self.add_gone(gone)?;
                continue;
            }
            let Some(at) = other.index.place(item) else {
                self.add(id, &[]);
                continue;
            };
            other.body(from.span.start + other.index.start(item), id, at, &raw)?;
            self.add(id, &raw[at.start as usize..(at.start + at.bytes) as usize]);
        }
        Ok(if self.block.len() >= BLOCK_BYTES_TARGET { self.flush() } else { Vec::new() })
    }

    fn copy<S: Source>(
        &mut self,
        other: &StoneReader<S>,
        part: u32,
        items: Range<usize>,
    ) -> Result<Vec<u8>, Reject> {
        let (block, packed) = other.packed(part)?;
        let mut bytes = self.flush();
        for item in items {
            let id = other.index.ids[item];
            if let Some(gone) = other.index.gone(item) {
                self.add_gone(gone)?;
                continue;
            }
            self.peaks.append(leaf_hash(&id));
            self.index.add(id, other.index.size(item).unwrap_or(0));
        }
        self.end_block(block.method, block.raw_bytes, &packed);
        bytes.extend(packed);
        Ok(bytes)
    }

    /// The place of the next waypoint.
    fn next(&self) -> u64 {
        self.name.span.start + self.index.count()
    }

    /// Adds the body of the next waypoint; none if it has faded.
    fn add(&mut self, id: WaypointId, body: &[u8]) {
        debug_assert!(body.len() <= WAYPOINT_BYTES_MAX);
        self.peaks.append(leaf_hash(&id));
        self.index.add(id, body.len() as u32);
        self.block.extend_from_slice(body);
    }

    fn add_gone(&mut self, gone: Gone) -> Result<(), Reject> {
        let fits = self.index.join_gone(gone) && self.peaks.append_subtree(gone.level, gone.hash);
        if fits { Ok(()) } else { Err(Reject::Misuse("a subtree where none can begin")) }
    }

    fn flush(&mut self) -> Vec<u8> {
        if self.block.is_empty() {
            return Vec::new();
        }
        let (method, packed) = pack(&self.block);
        self.end_block(method, self.block.len() as u32, &packed);
        self.block.clear();
        packed
    }

    fn end_block(&mut self, method: Method, raw_bytes: u32, packed: &[u8]) {
        let sum = block_sum(&self.name, self.index.blocks.len() as u32, method, raw_bytes, packed);
        self.index.blocks.push(Block { method, raw_bytes, packed_bytes: packed.len() as u32, sum });
        self.offset += packed.len() as u64;
        self.file.update(packed);
    }

    /// Ends the stone: its last bytes, and the hash of its subtree.
    pub fn finish(mut self) -> Result<(Vec<u8>, LogHash), Reject> {
        if self.peaks.len() != self.name.span.count() {
            let (expected, found) = (self.name.span.count(), self.peaks.len());
            return Err(Reject::Gap { expected, found });
        }
        let (mut out, last) = (Writer::default(), self.flush());
        out.reserve(last.len() + self.index.file_bytes() + FOOTER_BYTES);
        out.raw(&last);
        let head = Head { name: self.name, listed: true };
        let (subtree, block) = (self.peaks.root(), last.len());
        // The index of a large stone is larger than all else that is in memory, so there is one copy of it at a time.
        self.index.write(&mut out);
        drop(self.index);
        Ok((ended(&head, self.offset, out.into_bytes(), block, subtree, self.file), subtree))
    }
}

/// Whether a block is worth to be copied as it is.
fn is_filled(raw_bytes: usize) -> bool {
    raw_bytes >= BLOCK_BYTES_TARGET / 2
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
    let head = Head { name: *name, listed: false };
    let bytes = head.to_bytes();
    let mut file = blake3::Hasher::new();
    file.update(&bytes);
    let index = bytes.len();
    Ok(ended(&head, HEADER_BYTES as u64, bytes, index, subtree, file))
}

/// The last bytes of a file, in which the index begins at `from`, with the footer behind it.
fn ended(
    head: &Head,
    index_offset: u64,
    mut bytes: Vec<u8>,
    from: usize,
    subtree: LogHash,
    mut file: blake3::Hasher,
) -> Vec<u8> {
    let index = &bytes[from..];
    let index_sum = index_sum(head, index_offset, &subtree, index);
    let index_bytes = index.len() as u64;
    let mut foot = Foot { index_offset, index_bytes, index_sum, subtree, file: [0; 32] };
    let unsealed = foot.to_bytes();
    file.update(index);
    file.update(&unsealed[..unsealed.len() - 40]);
    foot.file = *file.finalize().as_bytes();
    bytes.extend(foot.to_bytes());
    bytes
}
