//! What is asked of a provider: a part of one chunk.
//!
//! ```text
//! asked:    chunk hash 32 | from u32 | to u32, in bytes of the chunk, at most as many as it has
//! answered: status u8 (0 here, 1 absent)
//!           then the answer of iroh-blobs to a request for those ranges: length u64, and hashes and bytes of the groups
//!           of 16 KiB that the range touches, in the order of the tree
//! ```
//!
//! Numbers are little endian. Many are asked on one stream, one after the other, without waiting for answers; answers come
//! in the same order.

use std::io;
use std::ops::Range;

use bao_tree::{BlockSize, ChunkNum, ChunkRanges};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::chunk::Chunk;

/// Bytes that are verified together.
pub(crate) const GROUP: BlockSize = BlockSize::from_chunk_log(4);
/// How many those are.
pub(crate) const GROUP_BYTES: u64 = 16 << 10;

/// The answer follows.
pub(crate) const HERE: u8 = 0;
/// There is no answer.
pub(crate) const ABSENT: u8 = 1;

/// Bytes of a question.
pub const QUESTION_BYTES: usize = 40;

/// A part of a chunk that is asked for, rounded to whole groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The chunk.
    pub chunk: Chunk,
    /// Where the part begins, in bytes of the chunk.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
}

/// What a provider reads of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) hash: [u8; 32],
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Piece {
    /// The whole chunk.
    pub fn whole(chunk: Chunk) -> Self {
        Self { chunk, from: 0, to: chunk.bytes }
    }

    /// The groups that a range of the chunk touches.
    pub fn part(chunk: Chunk, range: &Range<u64>) -> Self {
        let from = range.start / GROUP_BYTES * GROUP_BYTES;
        let to = range.end.div_ceil(GROUP_BYTES).saturating_mul(GROUP_BYTES).min(chunk.bytes);
        Self { chunk, from, to }
    }

    /// How many bytes of content it asks for.
    pub fn bytes(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// The bytes that ask for it.
    pub fn question(&self) -> [u8; QUESTION_BYTES] {
        let mut bytes = [0; QUESTION_BYTES];
        bytes[..32].copy_from_slice(&self.chunk.hash);
        // A chunk has 4 MiB at most.
        bytes[32..36].copy_from_slice(&(self.from as u32).to_le_bytes());
        bytes[36..].copy_from_slice(&(self.to as u32).to_le_bytes());
        bytes
    }
}

impl Question {
    /// The next one on a stream; `None` where the asker has said that there are no more.
    pub(crate) async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> io::Result<Option<Self>> {
        let mut bytes = [0; QUESTION_BYTES];
        let mut filled = 0;
        while filled < QUESTION_BYTES {
            match reader.read(&mut bytes[filled..]).await? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes[..32]);
        let number = |at: usize| bytes[at..].first_chunk::<4>().copied().map_or(0, u32::from_le_bytes);
        Ok(Some(Self { hash, from: number(32), to: number(36) }))
    }
}

/// The ranges that both sides mean, in the tree's own counting.
pub(crate) fn ranges(from: u64, to: u64, length: u64) -> ChunkRanges {
    match (from, to >= length) {
        (0, true) => ChunkRanges::all(),
        // To the end, however long the other side says that it is.
        (_, true) => ChunkRanges::from(ChunkNum::chunk_group_start(ChunkNum::full_chunks(from), GROUP)..),
        _ => ChunkRanges::from(
            ChunkNum::chunk_group_start(ChunkNum::full_chunks(from), GROUP)
                ..ChunkNum::chunk_group_end(ChunkNum::chunks(to), GROUP),
        ),
    }
}
