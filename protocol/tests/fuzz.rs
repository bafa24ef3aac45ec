//! Structure-aware fuzzing of every decoder, with a fixed seed, as part of the tests.
//!
//! Each round takes one of the samples, changes it as a hostile or broken peer might (bits, bytes, lengths,
//! cuts, parts of other records), and puts a true signature or root on it where the format has one, so that
//! the change gets past the outer check. Nothing may panic; whatever is accepted must have exactly one encoding.
//! `CAIRN_FUZZ_ITERATIONS` sets the rounds, `CAIRN_FUZZ_SEED` the seed. What ever failed is kept in `crashers/`
//! under `<sample>-<anything>` and tried each time.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod samples;

use samples::{Sample, samples};

/// Few enough for every run of the tests; a night takes millions.
const ITERATIONS: u64 = 20_000;

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Numbers that lie: around every border of the encodings.
const LIES: [u64; 10] = [0, 1, 0x7f, 0x80, 0xff, 1 << 14, 1 << 24, u32::MAX as u64, 1 << 48, u64::MAX];

fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len());
    match dice.below(8) {
        0 => flip(bytes, at, dice),
        1 => bytes.truncate(at),
        2 => set(bytes, at, dice.next() as u8),
        3 => drop(bytes.splice(at..at, leb128(LIES[dice.below(LIES.len())]))),
        4 => overwrite(bytes, at, &LIES[dice.below(LIES.len())].to_le_bytes()[..1 << dice.below(4)]),
        5 => {
            let from = dice.below(other.len());
            let count = dice.below(other.len() - from + 1);
            let end = (at + dice.below(count + 1)).min(bytes.len());
            bytes.splice(at..end, other[from..from + count].iter().copied());
        }
        6 => {
            let end = (at + 1 + dice.below(64)).min(bytes.len());
            let part: Vec<u8> = bytes[at.min(end)..end].to_vec();
            bytes.splice(at.min(end)..at.min(end), part);
        }
        _ => {
            let end = (at + 1 + dice.below(64)).min(bytes.len());
            bytes.drain(at.min(end)..end);
        }
    }
}

fn flip(bytes: &mut [u8], at: usize, dice: &mut Dice) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
}

fn set(bytes: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, value) in bytes.iter_mut().skip(at).zip(with) {
        *byte = *value;
    }
}

fn leb128(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Reads the bytes as the sample's format; whatever is accepted must be written in one way only.
fn check(sample: &Sample, bytes: &[u8]) {
    let Ok(written) = (sample.format.round_trip)(bytes) else { return };
    if sample.format.canonical {
        assert_eq!(written, bytes, "{} has two encodings", sample.name);
    }
    let again = (sample.format.round_trip)(&written);
    assert_eq!(again.as_ref(), Ok(&written), "{} does not read what it wrote", sample.name);
}

/// Names the input when a check panics, so that it can be kept.
struct Report<'a> {
    sample: &'a Sample,
    bytes: &'a [u8],
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let hex = cairn_crdt::id::hex(self.bytes);
            eprintln!("keep this in tests/crashers/ as {}-<name>: {hex}", self.sample.name);
        }
    }
}

fn try_one(sample: &Sample, bytes: &[u8]) {
    let _report = Report { sample, bytes };
    check(sample, bytes);
    if let Some(signed) = sample.format.resign.and_then(|resign| resign(bytes)) {
        check(sample, &signed);
    }
}

#[test]
fn a8_malformed_bytes_of_every_format_do_no_harm() {
    let all = samples();
    let mut dice = Dice(number("CAIRN_FUZZ_SEED", 1));
    for _ in 0..number("CAIRN_FUZZ_ITERATIONS", ITERATIONS) {
        let sample = &all[dice.below(all.len())];
        let other = &all[dice.below(all.len())];
        let mut bytes = sample.bytes.clone();
        for _ in 0..=dice.below(4) {
            mutate(&mut bytes, &other.bytes, &mut dice);
        }
        try_one(sample, &bytes);
    }
}

#[test]
fn signing_again_changes_nothing_that_is_true() {
    let exact = |sample: &&Sample| sample.format.canonical || sample.name.starts_with("stone");
    for sample in samples().iter().filter(|sample| exact(sample) || sample.name == "bundle") {
        let Some(resign) = sample.format.resign else { continue };
        if !["waypoint_erased", "waypoint_faded"].contains(&sample.name) {
            assert_eq!(resign(&sample.bytes).as_ref(), Some(&sample.bytes), "{}", sample.name);
        }
    }
}

#[test]
fn a8_every_truncation_of_every_format_is_refused() {
    for sample in samples() {
        for length in 0..sample.bytes.len() {
            let cut = (sample.format.round_trip)(&sample.bytes[..length]);
            assert!(cut.is_err(), "{} at {length}", sample.name);
        }
        let mut longer = sample.bytes.clone();
        longer.push(0);
        assert!((sample.format.round_trip)(&longer).is_err(), "{} with a byte more", sample.name);
    }
}

/// The checksums alone find a change, whatever it hits; and what got past them, signed again, does no harm.
#[test]
fn a8_a_changed_bit_in_any_byte_of_a_bundle_is_found() {
    let all = samples();
    let sample = all.iter().find(|sample| sample.name == "bundle").unwrap();
    for at in 0..sample.bytes.len() {
        let mut bytes = sample.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!((sample.format.round_trip)(&bytes).is_err(), "a bit of byte {at}");
        try_one(sample, &bytes);
    }
}

#[test]
fn a10_lying_lengths_anywhere_do_no_harm() {
    for sample in samples() {
        for at in 0..sample.bytes.len() {
            for lie in [0x80, u32::MAX.into(), u64::MAX] {
                let mut bytes = sample.bytes.clone();
                bytes.splice(at..=at, leb128(lie));
                try_one(&sample, &bytes);
            }
        }
    }
}

#[test]
fn what_ever_failed_does_no_harm() {
    let all = samples();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crashers");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        let format = name.split('-').next().unwrap_or_default();
        for sample in all.iter().filter(|sample| sample.name == format) {
            try_one(sample, &bytes);
        }
    }
}
