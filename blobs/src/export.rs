//! From chunks to a file: verified, and either wholly there or not at all.

use std::ops::Range;
use std::path::Path;

use crate::chunk::Chunk;
use crate::durable::Temporary;
use crate::error::BlobsError;
use crate::store::Blobs;

impl Blobs {
    /// Writes chunks one after the other into `target`, replacing what was there.
    ///
    /// The bytes go to a temporary file beside it, are compared with their hashes on the way,
    /// fsynced, and renamed. After an error `target` is what it was.
    pub fn export(&self, chunks: &[Chunk], target: &Path) -> Result<u64, BlobsError> {
        let mut written = Temporary::beside(target)?;
        let mut bytes = 0;
        for chunk in chunks {
            written.write(&self.read_chunk(chunk)?)?;
            bytes += chunk.bytes;
        }
        written.rename_to(target)?;
        Ok(bytes)
    }
}

/// The chunks that a range of the file touches: each with the part of it that is meant, in the chunk's own bytes.
pub fn touched(chunks: &[Chunk], range: &Range<u64>) -> Vec<(Chunk, Range<u64>)> {
    let mut start = 0;
    let mut touched = Vec::new();
    for chunk in chunks {
        let end = start + chunk.bytes;
        let part = range.start.max(start)..range.end.min(end);
        if part.start < part.end {
            touched.push((*chunk, part.start - start..part.end - start));
        }
        start = end;
    }
    touched
}
