//! One look at a whole file: what taking it in is measured against.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::NodeError;

/// Reads a file on one thread and hashes it with BLAKE3.
pub fn hash_file(path: &Path) -> Result<[u8; 32], NodeError> {
    let io = |error| NodeError::io("read", path, error);
    let mut file = File::open(path).map_err(io)?;
    let (mut hasher, mut step) = (blake3::Hasher::new(), vec![0; 1 << 20]);
    while let size @ 1.. = file.read(&mut step).map_err(io)? {
        hasher.update(step.get(..size).unwrap_or_default());
    }
    Ok(*hasher.finalize().as_bytes())
}
