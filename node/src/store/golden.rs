//! Stores as they were once written, of each level of the manifest: they open for ever.
//!
//! A failure here means that homes which people have cannot be read any more. To add a level, run with
//! `CAIRN_GOLDEN_WRITE=1` and commit the new folder; one that is there is never written again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_crdt::encoding::{Encoded, Writer};
use cairn_protocol::replica::Fading;

use super::fixture::Author;
use super::manifest::{self, Manifest};
use super::{Recovered, Store, index, quarantine};
use crate::files::DiskFiles;

const HASH_BYTES: usize = 32;
/// How many waypoints of the first author lie in stones, and how many with those in the log.
const CUT: u64 = 21;
const WHOLE: u64 = 24;
/// How many waypoints of the second author are gone where something is.
const GONE: u64 = 8;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
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

/// What the two authors of each golden store wrote.
fn authors() -> [Author; 2] {
    [Author::new(1), Author::new(2)]
}

/// Writes a golden store: of one feed a part lies in stones and a part in the log, the other lies in stones or is gone.
fn write(dir: &Path, is_gone: bool) {
    let [mut whole, mut other] = authors();
    let mut store = Store::create(Arc::new(DiskFiles), dir, &whole.founding).unwrap();
    store.commit(&whole.batch(CUT)).unwrap();
    store.commit(&other.batch(GONE)).unwrap();
    store.cut().unwrap();
    if is_gone {
        let gone = [(other.feed.id(), (0..GONE).collect())].into();
        store.fade(&Fading { gone, ..Fading::default() }).unwrap();
    }
    store.commit(&whole.batch(WHOLE - CUT)).unwrap();
    if !is_gone {
        write_in_full(&store.manifest, dir);
    }
    drop(store);
    fs::remove_file(dir.join(index::NAME)).unwrap();
}

/// Writes a manifest of the first level, which nothing else does any more.
fn write_in_full(manifest: &Manifest, dir: &Path) {
    let mut out = Writer::default();
    out.raw(b"cairn manifest 1\n");
    out.u64(manifest.generation);
    out.u64(manifest.log);
    manifest.founding.write(&mut out);
    out.count(manifest.projects.len() as u64);
    manifest.projects.iter().for_each(|project| out.bytes(project.as_bytes()));
    out.list(&manifest.rights);
    out.list(&manifest.forks);
    out.list(&manifest.feeds);
    let mut bytes = out.into_bytes();
    bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
    fs::write(dir.join(manifest::NAME), bytes).unwrap();
}

/// Opens a copy of a golden store; the first time, it is made.
fn opened(name: &str, is_gone: bool) -> (tempfile::TempDir, Store, Recovered) {
    if std::env::var_os("CAIRN_GOLDEN_WRITE").is_some() && !golden(name).exists() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), is_gone);
        copy(dir.path(), &golden(name));
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&golden(name), dir.path());
    // An empty folder is in no repository of source code.
    fs::create_dir_all(dir.path().join(quarantine::DIR)).unwrap();
    let (store, recovered) = Store::open(Arc::new(DiskFiles), dir.path()).unwrap();
    (dir, store, recovered)
}

fn manifest_of(name: &str) -> Vec<u8> {
    let mut bytes = fs::read(golden(name).join(manifest::NAME)).unwrap();
    bytes.truncate(bytes.len() - HASH_BYTES);
    bytes
}

fn check(store: &Store, recovered: &Recovered) -> [Author; 2] {
    assert!(recovered.damages.is_empty(), "{:?}", recovered.damages);
    assert!(store.verify(true).is_ok(), "{:?}", store.verify(true).problems);
    let mut authors = authors();
    let [whole, other] = &mut authors;
    whole.batch(CUT);
    whole.batch(WHOLE - CUT);
    other.batch(GONE);
    whole.check(store, WHOLE);
    authors
}

#[test]
fn a_store_of_level_1_opens_goes_on_and_is_of_level_2_then() {
    let (dir, mut store, recovered) = opened("store-1", false);
    let [mut whole, other] = check(&store, &recovered);
    other.check(&store, GONE);
    store.commit(&whole.batch(2)).unwrap();
    store.cut().unwrap();
    drop(store);
    let (store, _) = Store::open(Arc::new(DiskFiles), dir.path()).unwrap();
    whole.check(&store, WHOLE + 2);
    let written = fs::read(dir.path().join(manifest::NAME)).unwrap();
    assert!(
        manifest_of("store-1").starts_with(b"cairn manifest 1\n")
            && written.starts_with(b"cairn manifest 2\n")
    );
}

#[test]
fn a_store_of_level_2_opens_and_its_manifest_is_written_as_it_was() {
    let (_dir, store, recovered) = opened("store-2", true);
    let [_, other] = check(&store, &recovered);
    assert_eq!(store.feed_length(other.feed.id()), GONE);
    let bytes = manifest_of("store-2");
    assert_eq!(Manifest::from_bytes(&bytes).unwrap().to_bytes(), bytes);
}
