//! Chunk borders: where a file is cut is decided by its content.

use std::io::Read;

use fastcdc::v2020::StreamCDC;

/// Smallest chunk, except for the last one of a file.
pub(crate) const CHUNK_BYTES_MIN: usize = 256 << 10;
/// What chunks tend to be.
pub(crate) const CHUNK_BYTES_AVERAGE: usize = 1 << 20;
/// Largest chunk; a longer claim is refused before anything is allocated.
pub const CHUNK_BYTES_MAX: usize = 4 << 20;

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

/// Cuts a stream into chunks, holding one of them in memory at a time.
pub(crate) fn cut<R: Read>(source: R) -> StreamCDC<R> {
    StreamCDC::new(source, CHUNK_BYTES_MIN, CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX)
}

pub(crate) fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}
