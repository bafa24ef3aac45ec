//! Artifacts in a bundle: manifests in parts, then chunks, each once. Pure; who reads decides what is wanted and keeps it.
//!
//! Nothing of this is signed, and nothing has to be: a manifest is what its artifact's name says, and a chunk what a
//! manifest says, or they are refused. So a file can bring nothing that was not asked for by name.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{ArtifactId, ContentHash};

use crate::error::Reject;
use crate::limits::{BUNDLE_CHUNKS_COUNT_MAX, MANIFEST_BYTES_MAX, MANIFEST_PART_BYTES_MAX};
use crate::manifest::Manifest;

/// A part of an encoded manifest. The parts of one follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestPart {
    /// The artifact.
    pub artifact: ArtifactId,
    /// How many bytes the whole manifest has.
    pub size: u32,
    /// Where in it the part begins.
    pub start: u32,
    /// The part.
    pub bytes: Vec<u8>,
}

impl ManifestPart {
    /// The parts of an encoded manifest, in order.
    pub fn all(artifact: ArtifactId, manifest: &[u8]) -> impl Iterator<Item = Self> + '_ {
        let size = manifest.len() as u32;
        let starts = (0..).step_by(MANIFEST_PART_BYTES_MAX);
        let parts = manifest.chunks(MANIFEST_PART_BYTES_MAX).zip(starts);
        parts.map(move |(bytes, start)| Self { artifact, size, start, bytes: bytes.to_vec() })
    }
}

impl Encoded for ManifestPart {
    fn write(&self, out: &mut Writer) {
        self.artifact.write(out);
        out.u32(self.size);
        out.u32(self.start);
        out.bytes(&self.bytes);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let artifact = ArtifactId::read(input)?;
        let at = input.clone();
        let (size, start) = (input.u32()?, input.u32()?);
        let bytes = input.bytes(MANIFEST_PART_BYTES_MAX)?.to_vec();
        let end = u64::from(start) + bytes.len() as u64;
        let fits = !bytes.is_empty() && size as usize <= MANIFEST_BYTES_MAX && end <= u64::from(size);
        at.require(fits, "size of a manifest")?;
        Ok(Self { artifact, size, start, bytes })
    }
}

/// The artifacts of a bundle, as far as they were read.
#[derive(Debug, Default)]
pub struct Artifacts {
    /// A manifest of which not all parts came yet.
    begun: Option<(ArtifactId, Vec<u8>)>,
    /// Every chunk that a manifest of the file names.
    named: BTreeMap<ContentHash, u32>,
    wanted: BTreeSet<ContentHash>,
}

impl Artifacts {
    /// Takes a part of a manifest; gives the manifest once it is whole and what its artifact's name says. Memory grows with what
    /// came, not with what is declared.
    pub fn manifest(&mut self, part: ManifestPart) -> Result<Option<Manifest>, Reject> {
        let (artifact, mut bytes) = match self.begun.take() {
            Some(begun) if part.start > 0 => begun,
            _ => (part.artifact, Vec::new()),
        };
        if artifact != part.artifact || bytes.len() != part.start as usize {
            return Err(Reject::Proof("a part of a manifest"));
        }
        bytes.extend(part.bytes);
        if bytes.len() < part.size as usize {
            self.begun = Some((artifact, bytes));
            return Ok(None);
        }
        let manifest = Manifest::from_bytes(&bytes)?;
        if manifest.artifact() != artifact {
            return Err(Reject::Proof("the manifest of an artifact"));
        }
        let (found, limit) =
            ((self.named.len() + manifest.chunks.len()) as u64, BUNDLE_CHUNKS_COUNT_MAX as u64);
        if found > limit {
            return Err(Reject::TooLarge { what: "chunks of a bundle", found, limit });
        }
        self.named.extend(manifest.chunks.iter().map(|chunk| (chunk.hash, chunk.bytes)));
        Ok(Some(manifest))
    }

    /// Asks for a chunk that a manifest named.
    pub fn want(&mut self, chunk: ContentHash) {
        self.wanted.insert(chunk);
    }

    /// Whether these are the bytes of a chunk that is wanted; no more after it came. One that no manifest names, or with
    /// another size, is refused.
    pub fn takes(&mut self, bytes: &[u8]) -> Result<bool, Reject> {
        let hash = ContentHash::of(bytes);
        match self.named.get(&hash) {
            Some(size) if *size as usize == bytes.len() => Ok(self.wanted.remove(&hash)),
            _ => Err(Reject::Proof("a chunk of an artifact")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Chunk;

    fn manifest(chunks: &[&[u8]], name: &str) -> Manifest {
        let chunk = |bytes: &&[u8]| Chunk { hash: ContentHash::of(bytes), bytes: bytes.len() as u32 };
        let chunks: Vec<Chunk> = chunks.iter().map(chunk).collect();
        let bytes = chunks.iter().map(|chunk| u64::from(chunk.bytes)).sum();
        Manifest { bytes, chunks, media: String::new(), name: name.to_owned(), lineage: Vec::new() }
    }

    fn parts(manifest: &Manifest) -> Vec<ManifestPart> {
        ManifestPart::all(manifest.artifact(), &manifest.to_bytes()).collect()
    }

    #[test]
    fn only_chunks_that_a_manifest_names_are_taken_and_each_once() {
        let (one, mut artifacts) = (manifest(&[b"a", b"bc"], "one"), Artifacts::default());
        assert!(artifacts.takes(b"a").is_err(), "nothing was named yet");
        assert_eq!(artifacts.manifest(parts(&one).remove(0)), Ok(Some(one.clone())));
        assert_eq!(artifacts.takes(b"a"), Ok(false), "it is not wanted");
        one.chunks.iter().for_each(|chunk| artifacts.want(chunk.hash));
        assert_eq!((artifacts.takes(b"bc"), artifacts.takes(b"bc")), (Ok(true), Ok(false)));
        assert_eq!(artifacts.takes(b"bd"), Err(Reject::Proof("a chunk of an artifact")));
        assert_eq!(artifacts.takes(b"a"), Ok(true));
        // A manifest that lies about the size of its chunk gets none.
        let mut lies = manifest(&[b"xyz"], "lies");
        (lies.chunks[0].bytes, lies.bytes) = (4, 4);
        assert!(artifacts.manifest(parts(&lies).remove(0)).is_ok());
        assert!(artifacts.takes(b"xyz").is_err());
    }

    #[test]
    fn a_manifest_in_parts_is_whole_and_in_order_or_refused() {
        let chunks: Vec<Vec<u8>> = (0..200_000u32).map(|n| n.to_le_bytes().to_vec()).collect();
        let long = manifest(&chunks.iter().map(|chunk| &chunk[..]).collect::<Vec<_>>(), "long");
        let all = parts(&long);
        assert!(all.len() > 1);
        for part in &all {
            assert_eq!(ManifestPart::from_bytes(&part.to_bytes()), Ok(part.clone()));
        }
        let mut artifacts = Artifacts::default();
        let came: Vec<_> = all.iter().map(|part| artifacts.manifest(part.clone()).unwrap()).collect();
        assert!(came[..came.len() - 1].iter().all(Option::is_none));
        assert_eq!(came.last(), Some(&Some(long)));
        assert!(Artifacts::default().manifest(all[1].clone()).is_err(), "it does not begin");
        let other = ManifestPart { artifact: ArtifactId([1; 32]), ..all[1].clone() };
        let mut begun = Artifacts::default();
        assert_eq!(begun.manifest(all[0].clone()), Ok(None));
        assert!(begun.manifest(other).is_err(), "it goes on as another one");
        let small = manifest(&[b"a"], "small");
        let renamed = ManifestPart { artifact: ArtifactId([1; 32]), ..parts(&small).remove(0) };
        assert_eq!(begun.manifest(renamed), Err(Reject::Proof("the manifest of an artifact")));
    }

    #[test]
    fn a9_hostile_sizes_are_refused_before_anything_is_kept() {
        let part = parts(&manifest(&[b"a"], "small")).remove(0);
        let size = |size: u32, start: u32| ManifestPart { size, start, ..part.clone() }.to_bytes();
        for bytes in
            [size(u32::MAX, 0), size(MANIFEST_BYTES_MAX as u32 + 1, 0), size(part.size, 1), size(0, 0)]
        {
            assert!(ManifestPart::from_bytes(&bytes).is_err());
        }
        let empty = ManifestPart { bytes: Vec::new(), ..part.clone() }.to_bytes();
        assert!(ManifestPart::from_bytes(&empty).is_err());
        // A part that declares the most and brings little takes little.
        let mut artifacts = Artifacts::default();
        let large = ManifestPart { size: MANIFEST_BYTES_MAX as u32, ..part };
        assert_eq!(artifacts.manifest(large), Ok(None));
        assert!(artifacts.begun.is_some_and(|(_, bytes)| bytes.capacity() < 4096));
    }
}
