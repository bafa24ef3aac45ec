//! A store of chunks as it was once written: it opens for ever.
//!
//! A failure here means that bytes which people have stored cannot be read any more. The folder is made where it is
//! missing with `CAIRN_GOLDEN_WRITE=1`, and never written again.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use cairn_blobs::{Blobs, Chunk};

const PIN: &str = "marks/v1";
/// The bytes of the chunks in the first pack, which has its list, and in the second, which is still written to.
const FULL: [usize; 3] = [0, 900, 5000];
const OPEN: [usize; 2] = [1, 3000];

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/store")
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(&(bytes as u64).to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// Stores chunks in a new folder.
fn stored(dir: &Path, sizes: &[usize]) {
    let blobs = Blobs::open(dir).unwrap();
    let chunks: Vec<Vec<u8>> = sizes.iter().map(|bytes| noise(*bytes)).collect();
    let chunks = blobs.put_all(chunks.iter().map(Vec::as_slice)).unwrap();
    blobs.pin(PIN, &chunks.iter().map(|chunk| chunk.hash).collect::<Vec<_>>()).unwrap();
    blobs.close().unwrap();
}

fn write(dir: &Path) {
    let other = tempfile::tempdir().unwrap();
    stored(dir, &FULL);
    stored(other.path(), &OPEN);
    let second = other.path().join("packs/00000001.pack");
    fs::copy(second, dir.join("packs/00000002.pack")).unwrap();
    // Of two packs that nobody has closed, the first is closed now.
    Blobs::open(dir).unwrap().close().unwrap();
    assert!(dir.join("packs/00000001.list").exists());
}

#[test]
fn what_was_stored_and_pinned_is_read_and_the_store_goes_on() {
    if std::env::var_os("CAIRN_GOLDEN_WRITE").is_some() && !golden().exists() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        copy(dir.path(), &golden());
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&golden(), dir.path());
    let blobs = Blobs::open(dir.path()).unwrap();
    for bytes in FULL.iter().chain(&OPEN) {
        assert_eq!(blobs.read(&Chunk::of(&noise(*bytes)).hash).unwrap(), noise(*bytes));
    }
    let names = FULL.map(|bytes| Chunk::of(&noise(bytes)).hash);
    assert_eq!(blobs.pinned(PIN).unwrap().as_deref(), Some(&names[..]));
    let new = blobs.put(b"new").unwrap();
    blobs.close().unwrap();
    assert_eq!(Blobs::open(dir.path()).unwrap().read(&new.hash).unwrap(), b"new");
}
