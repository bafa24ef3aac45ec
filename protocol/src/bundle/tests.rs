//! Bundles that lie about their sizes and sections.

use std::cell::Cell;

use super::*;
use cairn_crdt::id::ArtifactId;

use crate::founding::FoundingRecord;
use crate::samples::keypair;
use crate::stamp::Stamp;

fn founding() -> Signed<FoundingRecord> {
    let founders = vec![keypair(1).key()];
    let name = "test".to_owned();
    let record = FoundingRecord { name, public: false, founders, nonce: [7; 16], stamp: Stamp::default() };
    record.sign(&keypair(1)).unwrap().into_signed()
}

fn written(parts: &[Part]) -> Vec<u8> {
    let (mut writer, mut bytes) = BundleWriter::new(&Head { repo: founding().repo(), archive: false });
    parts.iter().for_each(|part| bytes.extend(writer.push(part).unwrap()));
    bytes.extend(writer.end());
    bytes
}

/// Reads to the end; the parts, or why not.
fn read(bytes: &[u8]) -> Result<Vec<Part>, Reject> {
    let mut reader = BundleReader::open(bytes)?;
    let mut parts = Vec::new();
    loop {
        match reader.read()? {
            Next::Part(part) => parts.push(part),
            Next::End => return Ok(parts),
            Next::Cut => panic!("cut"),
        }
    }
}

#[test]
fn sections_come_in_order_and_the_founding_first_and_once() {
    let begun = || Part::Founding(founding());
    let (names, rights) = (Part::Projects(vec!["a".into()]), Part::Rights(Vec::new()));
    let good = [begun(), names.clone(), names.clone(), rights.clone()];
    assert_eq!(read(&written(&good)).unwrap(), good);
    for bad in [vec![], vec![names.clone()], vec![begun(), rights, names], vec![begun(), begun()]] {
        assert!(matches!(read(&written(&bad)), Err(Reject::Bundle { .. })), "{bad:?}");
    }
    let many = Part::Projects(vec!["a".into(); BUNDLE_LIST_COUNT_MAX]);
    let most = PROJECTS_COUNT_MAX / BUNDLE_LIST_COUNT_MAX;
    let parts = |count: usize| [vec![begun()], vec![many.clone(); count]].concat();
    assert!(read(&written(&parts(most))).is_ok() && read(&written(&parts(most + 1))).is_err());
}

#[test]
fn artifacts_stand_behind_everything_else_and_before_the_end() {
    let begun = || Part::Founding(founding());
    let part = ManifestPart { artifact: ArtifactId([1; 32]), size: 2, start: 0, bytes: vec![7, 7] };
    let (manifest, chunk) = (Part::Manifest(part), Part::Chunk(vec![7]));
    let good = [begun(), manifest.clone(), manifest.clone(), chunk.clone(), chunk.clone()];
    assert_eq!(read(&written(&good)).unwrap(), good);
    let late = Part::Rights(Vec::new());
    for bad in [vec![begun(), chunk.clone(), manifest.clone()], vec![begun(), manifest.clone(), late]] {
        assert!(matches!(read(&written(&bad)), Err(Reject::Bundle { .. })), "{bad:?}");
    }
    for bad in [Part::Chunk(Vec::new()), Part::Chunk(vec![0; FRAME_BYTES_MAX + 1])] {
        let (mut writer, _) = BundleWriter::new(&Head { repo: founding().repo(), archive: false });
        let refused = writer.push(&bad).is_err() || read(&written(&[begun(), bad])).is_err();
        assert!(refused);
    }
    let many = |count: usize| [vec![begun()], vec![manifest.clone(); count]].concat();
    assert!(read(&written(&many(BUNDLE_ARTIFACTS_COUNT_MAX))).is_ok());
    assert!(read(&written(&many(BUNDLE_ARTIFACTS_COUNT_MAX + 1))).is_err());
}

#[test]
fn the_founding_must_be_the_one_in_the_head() {
    let head = Head { repo: RepoId([9; 32]), archive: false };
    let (mut writer, mut bytes) = BundleWriter::new(&head);
    bytes.extend(writer.push(&Part::Founding(founding())).unwrap());
    bytes.extend(writer.end());
    assert_eq!(read(&bytes), Err(Reject::Graft("repo")));
}

/// A file of a terabyte whose first frame declares as much as it can; counts what it is asked for.
struct Endless {
    begun: Vec<u8>,
    asked: Cell<usize>,
}

impl Source for Endless {
    fn len(&self) -> u64 {
        1 << 40
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, Reject> {
        self.asked.set(self.asked.get() + length);
        assert!(length <= FRAME_BYTES_MAX + SUM_BYTES, "{length} bytes at once");
        let bytes = self.begun.iter().copied().chain(std::iter::repeat(0));
        Ok(bytes.skip(offset as usize).take(length).collect())
    }
}

#[test]
fn a10_a_declared_length_beyond_the_limit_is_refused_before_anything_is_read() {
    let mut begun = Head { repo: founding().repo(), archive: false }.to_bytes();
    begun.push(1);
    begun.extend(u32::MAX.to_le_bytes());
    let mut reader = BundleReader::open(Endless { begun, asked: Cell::new(0) }).unwrap();
    assert!(matches!(reader.read(), Err(Reject::Bundle { .. })));
    assert_eq!(reader.source.asked.get(), HEAD_BYTES + FRAME_HEAD_BYTES);
}

#[test]
fn a_file_that_was_cut_is_told_from_one_that_is_damaged() {
    let mut bytes = written(&[Part::Founding(founding())]);
    let mut cut = BundleReader::open(&bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(cut.read(), Ok(Next::Part(_))));
    assert_eq!(cut.read(), Ok(Next::Cut));
    bytes[HEAD_BYTES + 3] = 1;
    let mut damaged = BundleReader::open(&bytes[..]).unwrap();
    assert!(matches!(damaged.read(), Err(Reject::Bundle { .. })));
}
