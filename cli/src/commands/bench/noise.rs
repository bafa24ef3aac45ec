//! Files of bytes that nothing compresses and that no two places share.

use super::dice::Dice;
use crate::error::Failure;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What is written and compared at a time.
const STEP_BYTES: usize = 1 << 20;

/// Files of successive numbers have nothing in common.
const SEED_STEP: u64 = 0xD134_2543_DE82_EF95;

/// Fills a buffer.
pub(super) fn fill(dice: &mut Dice, buffer: &mut [u8]) {
    for step in buffer.chunks_mut(8) {
        let bytes = dice.roll().to_le_bytes();
        step.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }
}

/// Writes a small file of them, which need not lie on the disk yet.
pub(super) fn write_quickly(path: &Path, bytes: u64, number: u64) -> Result<(), Failure> {
    let mut step = vec![0; usize::try_from(bytes).unwrap_or_default()];
    fill(&mut Dice::new(number.wrapping_mul(SEED_STEP)), &mut step);
    Ok(std::fs::write(path, step)?)
}

/// Writes a file of them.
pub(super) fn write(path: &Path, bytes: u64, number: u64) -> Result<(), Failure> {
    let mut dice = Dice::new(number.wrapping_mul(SEED_STEP));
    let mut file = File::create(path)?;
    let mut step = vec![0; STEP_BYTES];
    let mut left = bytes;
    while left > 0 {
        fill(&mut dice, &mut step);
        let size = left.min(STEP_BYTES as u64);
        file.write_all(step.get(..size as usize).unwrap_or_default())?;
        left -= size;
    }
    Ok(file.sync_all()?)
}

/// Whether two files hold the same bytes.
pub(super) fn same(left: &Path, right: &Path) -> Result<bool, Failure> {
    let lengths = (std::fs::metadata(left)?.len(), std::fs::metadata(right)?.len());
    Ok(lengths.0 == lengths.1 && same_part(left, 0, right)?)
}

/// Whether a file is the part of another one that begins there.
pub(super) fn same_part(whole: &Path, from: u64, part: &Path) -> Result<bool, Failure> {
    let (mut whole, mut part) = (File::open(whole)?, File::open(part)?);
    whole.seek(SeekFrom::Start(from))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    loop {
        theirs.clear();
        if Read::by_ref(&mut part).take(STEP_BYTES as u64).read_to_end(&mut theirs)? == 0 {
            return Ok(true);
        }
        ours.clear();
        Read::by_ref(&mut whole).take(theirs.len() as u64).read_to_end(&mut ours)?;
        if ours != theirs {
            return Ok(false);
        }
    }
}
