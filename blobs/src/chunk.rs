//! Chunk borders: where a file is cut is decided by its content.

use std::io::{self, Read};

use fastcdc::v2020::FastCDC;

/// Largest chunk; a longer claim is refused before anything is allocated.
pub const CHUNK_BYTES_MAX: usize = 4 << 20;

/// What chunks of a file tend to have. A changed place costs one to two of them, each one costs 36 bytes in
/// manifest and index.
const USUAL_BYTES: usize = 128 << 10;
/// Files above this are cut more coarsely, so that a list of chunks stays far below a million.
const USUAL_FILE_BYTES_MAX: u64 = 32 << 30;
/// By how much.
const COARSER: usize = 8;
/// What is read at a time, over what the largest chunk takes.
const READ_BYTES: usize = 4 << 20;

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

/// Cuts a stream, and hands each piece on until `take` says that nobody wants more.
///
/// Borders depend on the bytes alone, not on how they are read.
pub(crate) fn cut<R: Read>(
    mut source: R,
    sizes: Sizes,
    mut take: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES + sizes.max];
    let (mut filled, mut ended) = (0, false);
    while !ended {
        let fresh = fill(&mut source, &mut buffer[filled..])?;
        ended = filled + fresh < buffer.len();
        filled += fresh;
        let mut done = 0;
        for piece in FastCDC::new(&buffer[..filled], sizes.min, sizes.average, sizes.max) {
            // Where the largest chunk would not fit any more, the border may lie in what is not read yet.
            if !ended && filled - piece.offset < sizes.max {
                break;
            }
            done = piece.offset + piece.length;
            if !take(&buffer[piece.offset..done]) {
                return Ok(());
            }
        }
        buffer.copy_within(done..filled, 0);
        filled -= done;
    }
    Ok(())
}

/// Reads until the buffer is full or the source has ended.
fn fill<R: Read>(source: &mut R, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

pub(crate) fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}
