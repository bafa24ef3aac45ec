//! Chunk borders: where a file is cut is decided by its content.

use std::io;
use std::sync::Arc;

use fastcdc::v2020::FastCDC;

use crate::block::{Block, Slice};

/// Largest chunk; a longer claim is refused before anything is allocated.
pub const CHUNK_BYTES_MAX: usize = 4 << 20;

/// What chunks of a file tend to have. A changed place costs one to two of them, each one costs 36 bytes in
/// manifest and index.
const USUAL_BYTES: usize = 128 << 10;
/// Files above this are cut more coarsely, so that a list of chunks stays far below a million.
const USUAL_FILE_BYTES_MAX: u64 = 32 << 30;
/// By how much.
const COARSER: usize = 8;

/// One chunk of a file, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chunk {
    /// BLAKE3 of the chunk's bytes.
    pub hash: [u8; 32],
    /// How many bytes.
    pub bytes: u64,
}

impl Chunk {
    /// The chunk that these bytes are.
    pub fn of(bytes: &[u8]) -> Self {
        Self { hash: *blake3::hash(bytes).as_bytes(), bytes: bytes.len() as u64 }
    }
}

/// How large the chunks of one file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    min: usize,
    average: usize,
    pub(crate) max: usize,
}

impl Sizes {
    /// Those of a file of this length.
    pub(crate) fn of_file(bytes: u64) -> Self {
        let average = if bytes > USUAL_FILE_BYTES_MAX { USUAL_BYTES * COARSER } else { USUAL_BYTES };
        // Borders are looked for above the minimum only, which is what cutting costs.
        Self { min: average / 2, average, max: average * 4 }
    }
}

/// Cuts blocks, and hands each piece on until `take` says that nobody wants more. Each block has room for the largest chunk in front.
///
/// Borders depend on the bytes alone, not on how they are read.
pub(crate) fn cut(
    blocks: impl IntoIterator<Item = io::Result<Block>>,
    sizes: Sizes,
    mut take: impl FnMut(Slice) -> bool,
) -> io::Result<()> {
    let mut left: Option<Slice> = None;
    for block in blocks {
        let mut block = block?;
        if let Some(left) = &left {
            block.put_before(left);
        }
        let (block, mut done) = (Arc::new(block), 0);
        for piece in FastCDC::new(&block, sizes.min, sizes.average, sizes.max) {
            // Where the largest chunk would not fit any more, the border may lie in what is not read yet.
            if !block.is_last && block.len() - piece.offset < sizes.max {
                break;
            }
            let begin = std::mem::replace(&mut done, piece.offset + piece.length);
            if !take(Slice { block: block.clone(), range: begin..done }) {
                return Ok(());
            }
        }
        left = Some(Slice { range: done..block.len(), block });
    }
    Ok(())
}

pub(crate) fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}
