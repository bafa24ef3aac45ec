//! Bundles with something in every section.

use super::{Format, feed, fork, founding, frame, log, records, segment, top};
use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ContentHash, derive};
use cairn_protocol::Reject;
use cairn_protocol::bundle::{
    Artifacts, BundleReader, BundleWriter, HEAD_BYTES, Head, ManifestPart, Next, Part, Stretch,
};
use cairn_protocol::log::Log;
use cairn_protocol::manifest::{Chunk, Manifest};

pub(crate) const BUNDLE: Format = Format { resign: Some(resign), ..frame(round_trip) };

pub(crate) fn bundle() -> Vec<u8> {
    written(Vec::new())
}

/// The same with the bytes of an artifact.
pub(crate) fn with_artifacts() -> Vec<u8> {
    let manifest = manifest_of(&[b"first", b"second"]);
    let bytes = manifest.to_bytes();
    let manifests = ManifestPart::all(manifest.artifact(), &bytes).map(Part::Manifest);
    let chunks = [Part::Chunk(b"first".to_vec()), Part::Chunk(b"second".to_vec())];
    written(manifests.chain(chunks).collect())
}

fn manifest_of(chunks: &[&[u8]]) -> Manifest {
    let chunk = |bytes: &&[u8]| Chunk { hash: ContentHash::of(bytes), bytes: bytes.len() as u32 };
    let chunks: Vec<Chunk> = chunks.iter().map(chunk).collect();
    let bytes = chunks.iter().map(|chunk| u64::from(chunk.bytes)).sum();
    Manifest { bytes, chunks, media: String::new(), name: "model.bin".into(), lineage: Vec::new() }
}

fn written(behind: Vec<Part>) -> Vec<u8> {
    let (mut writer, mut bytes) = BundleWriter::new(&Head { repo: founding().repo(), archive: true });
    let stretch = Stretch { top: top(&log(6)).into_signed(), start: 1 };
    let parts = [
        Part::Founding(founding()),
        Part::Projects(vec!["owner/name".into(), "owner/other".into()]),
        Part::Rights(records()),
        Part::Forks(vec![fork()]),
        Part::Feeds(vec![stretch]),
        Part::Run(segment(1, 3, 6)),
        Part::Run(segment(3, 6, 6)),
    ];
    parts.iter().chain(&behind).for_each(|part| bytes.extend(writer.push(part).unwrap()));
    bytes.extend(writer.end());
    bytes
}

fn round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let mut reader = BundleReader::open(bytes)?;
    let (mut writer, mut written) = BundleWriter::new(&reader.head());
    let mut artifacts = Artifacts::default();
    loop {
        match reader.read()? {
            Next::Part(part) => {
                match &part {
                    Part::Run(segment) => drop(segment.clone().verify(&feed(), &Log::new())),
                    Part::Manifest(part) => drop(artifacts.manifest(part.clone())),
                    Part::Chunk(bytes) => drop(artifacts.takes(bytes)),
                    _ => {}
                }
                written.extend(writer.push(&part)?);
            }
            Next::End => break,
            Next::Cut => return Err(Reject::Bundle { offset: reader.offset(), what: "cut short" }),
        }
    }
    written.extend(writer.end());
    Ok(written)
}

/// Puts true checksums on changed frames, as a hostile maker of bundles would.
fn resign(bytes: &[u8]) -> Option<Vec<u8>> {
    let (head, mut rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let (mut sum, mut sealed) = (derive("cairn 1 bundle head", &[head]), head.to_vec());
    while !rest.is_empty() {
        let size = u32::from_le_bytes(rest.get(1..5)?.try_into().ok()?) as usize;
        let payload = rest.get(5..5usize.checked_add(size)?)?;
        sum = derive("cairn 1 bundle frame", &[&sum, &rest[..1], payload]);
        sealed.extend_from_slice(&rest[..5 + size]);
        sealed.extend_from_slice(&sum);
        rest = rest.get(5 + size + 32..)?;
    }
    Some(sealed)
}
