//! The formats as files: written once, compared for ever.
//!
//! A failure here means that a signed or stored format changed, which breaks every history that was
//! written before. To add a new format: put it into `samples`, run with `CAIRN_GOLDEN_WRITE=1`, and
//! commit the new file. An existing file is never written again.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

#[allow(dead_code, reason = "only the fuzzer signs samples again")]
mod samples;

use std::collections::BTreeSet;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

#[test]
fn every_format_is_as_it_was() {
    for sample in samples::samples() {
        let path = folder().join(format!("{}.bin", sample.name));
        if std::env::var_os("CAIRN_GOLDEN_WRITE").is_some() && !path.exists() {
            std::fs::write(&path, &sample.bytes).unwrap();
        }
        let golden = std::fs::read(&path).unwrap();
        let read = (sample.format.round_trip)(&golden).unwrap();
        assert_eq!(read, sample.bytes, "{} reads as something else", sample.name);
        assert!(golden == sample.bytes || !sample.format.canonical, "{} is written otherwise", sample.name);
    }
}

#[test]
fn every_golden_file_has_its_sample() {
    let names: BTreeSet<_> = samples::samples().iter().map(|sample| format!("{}.bin", sample.name)).collect();
    let files = std::fs::read_dir(folder()).unwrap();
    let found: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, found);
}

#[test]
fn every_format_is_drawn() {
    let drawn = include_str!("../FORMAT.md");
    for sample in samples::samples() {
        assert!(drawn.contains(&format!("`{}.bin`", sample.name)), "{} is not in FORMAT.md", sample.name);
    }
}
