//! How small bytes become: what a store is measured against.

use std::io::{self, Write};

use crate::error::NodeError;

/// The library's own default.
const EFFORT: i32 = 3;

/// One zstd stream of which only the length is kept.
pub struct Packer(zstd::stream::Encoder<'static, Counter>);

#[derive(Default)]
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Packer {
    /// Nothing yet.
    pub fn new() -> Result<Self, NodeError> {
        zstd::stream::Encoder::new(Counter::default(), EFFORT).map(Self).map_err(failed)
    }

    /// Takes in more bytes.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), NodeError> {
        self.0.write_all(bytes).map_err(failed)
    }

    /// How many bytes they become together.
    pub fn finish(self) -> Result<u64, NodeError> {
        self.0.finish().map(|counter| counter.0).map_err(failed)
    }
}

fn failed(_: io::Error) -> NodeError {
    NodeError::Bug("bytes in memory cannot be compressed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_small() {
        let mut packer = Packer::new().unwrap();
        (0..1000).for_each(|_| packer.add(b"the same again").unwrap());
        let small = packer.finish().unwrap();
        assert!((14..200).contains(&small), "{small}");
    }
}
