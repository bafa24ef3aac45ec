//! A file in large blocks: read by one thread, cut by another, hashed by others, and not copied in between.
//!
//! What a block leaves over, since the border may lie in the next one, is put in front of that one; each has room for it.

use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, PoisonError};

/// What is read at a time.
const READ_BYTES: usize = 4 << 20;

/// Memory of blocks that nobody needs any more.
type Used = Arc<Mutex<Vec<Vec<u8>>>>;

/// Neighbouring bytes of a file.
#[derive(Debug)]
pub(crate) struct Block {
    memory: Vec<u8>,
    filled: Range<usize>,
    /// Whether the file ends with it.
    pub(crate) is_last: bool,
    used: Used,
}

impl Block {
    /// Puts what was left over in front. It is less than the room that there is.
    pub(crate) fn put_before(&mut self, left: &[u8]) {
        let begin = self.filled.start - left.len();
        self.memory[begin..self.filled.start].copy_from_slice(left);
        self.filled.start = begin;
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.filled.clone()]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        self.used.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}

/// Some bytes of a block.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    pub(crate) block: Arc<Block>,
    pub(crate) range: Range<usize>,
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.block[self.range.clone()]
    }
}

/// Reads a source block by block; the last one may be empty.
#[derive(Debug)]
pub(crate) struct Blocks<R> {
    source: Option<R>,
    room_bytes: usize,
    used: Used,
}

impl<R: Read> Blocks<R> {
    /// Blocks that each have so much room in front.
    pub(crate) fn of(source: R, room_bytes: usize) -> Self {
        Self { source: Some(source), room_bytes, used: Used::default() }
    }

    fn read(&mut self) -> io::Result<Option<Block>> {
        let Some(source) = &mut self.source else { return Ok(None) };
        let (begin, end) = (self.room_bytes, self.room_bytes + READ_BYTES);
        let memory = self.used.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = memory.unwrap_or_else(|| vec![0; end]);
        let count = fill(source, &mut memory[begin..])?;
        let (filled, is_last) = (begin..begin + count, count < READ_BYTES);
        if is_last {
            self.source = None;
        }
        Ok(Some(Block { memory, filled, is_last, used: self.used.clone() }))
    }
}

impl<R: Read> Iterator for Blocks<R> {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read().transpose();
        if matches!(read, Some(Err(_))) {
            self.source = None;
        }
        read
    }
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
