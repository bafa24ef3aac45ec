//! What is appended to an artifact: a new one that has all chunks of the old one but the last.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use cairn_blobs::{Blobs, Chunk};
use cairn_crdt::id::{ArtifactId, RepoId};

use super::{Added, Artifacts, chunks, not_here};
use crate::error::NodeError;

/// What is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum More {
    /// Nothing.
    Nothing,
    /// The bytes of a file.
    File(PathBuf),
    /// The bytes of an artifact that is here, from a place on.
    Rest(ArtifactId, u64),
}

impl Artifacts {
    /// Appends to an artifact, or to nothing, as an artifact of `repo`. The old one stays as it is.
    pub fn append(
        &self,
        repo: RepoId,
        base: Option<ArtifactId>,
        more: &More,
        name: &str,
    ) -> Result<Added, NodeError> {
        let _hold = self.blobs.hold();
        let listed = |artifact: ArtifactId| -> Result<_, NodeError> {
            let manifest = self.manifest(repo, artifact)?;
            Ok(chunks(&manifest.ok_or_else(|| not_here(artifact))?))
        };
        let before = base.map(listed).transpose()?.unwrap_or_default();
        let imported = match more {
            More::Nothing => self.blobs.extend(&before, || Ok(io::empty()), true),
            More::File(path) => {
                let io = |error| NodeError::io("open", path, error);
                let file = File::open(path).map_err(io)?;
                let is_file = file.metadata().map_err(io)?.is_file();
                let mut first = Some(file);
                let open = || first.take().map_or_else(|| File::open(path), Ok);
                self.blobs.extend(&before, open, is_file)
            }
            More::Rest(artifact, from) => {
                let chunks = listed(*artifact)?;
                let open = || Ok(Rest::new(&self.blobs, chunks.clone(), *from));
                self.blobs.extend(&before, open, true)
            }
        };
        self.keep_imported(repo, imported?, name)
    }
}

/// Reads chunks from a place on.
struct Rest<'a> {
    blobs: &'a Blobs,
    chunks: std::vec::IntoIter<Chunk>,
    /// How many bytes of the next chunks are passed over.
    skip: u64,
    /// What was read, and how much of it was handed on.
    open: (Vec<u8>, usize),
}

impl<'a> Rest<'a> {
    fn new(blobs: &'a Blobs, mut chunks: Vec<Chunk>, from: u64) -> Self {
        let (mut skip, mut whole) = (from, 0);
        while let Some(chunk) = chunks.get(whole).filter(|chunk| chunk.bytes <= skip) {
            skip -= chunk.bytes;
            whole += 1;
        }
        Self { blobs, chunks: chunks.split_off(whole).into_iter(), skip, open: (Vec::new(), 0) }
    }
}

impl Read for Rest<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.open.1 >= self.open.0.len() {
            let Some(chunk) = self.chunks.next() else { return Ok(0) };
            self.open.0 = self.blobs.read_chunk(&chunk).map_err(io::Error::other)?;
            self.open.1 = usize::try_from(std::mem::take(&mut self.skip)).map_err(io::Error::other)?;
        }
        let mut left = self.open.0.get(self.open.1..).unwrap_or_default();
        let read = left.read(out)?;
        self.open.1 += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::{Checked, Hashes};

    const REPO: RepoId = RepoId([1; 32]);

    /// Bytes that nothing compresses and no two places share.
    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn what_is_appended_comes_to_the_artifact_that_the_whole_would_be() {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(&dir.path().join("blobs")).unwrap();
        let (log, more) = (dir.path().join("log"), dir.path().join("more"));
        let (mut whole, mut base) = (Vec::new(), None);
        for (turn, bytes) in [0, 1, 3_000_000, 70_000, 5, 900_000].into_iter().enumerate() {
            let part = noise(bytes, turn as u64 + 1);
            std::fs::write(&more, &part).unwrap();
            whole.extend(&part);
            let before = base;
            let added = artifacts.append(REPO, base, &More::File(more.clone()), "log").unwrap();
            // A chunk has at most 512 KiB, and the last one is cut again.
            assert!(added.stored_bytes <= bytes as u64 + (512 << 10), "{bytes}: {added:?}");
            std::fs::write(&log, &whole).unwrap();
            let all = artifacts.add(REPO, &log, "log").unwrap();
            assert_eq!((all.artifact, all.stored_bytes, all.bytes), (added.artifact, 0, whole.len() as u64));
            base = Some(added.artifact);
            if let Some(before) = before {
                let checked = artifacts.verify(REPO, before, &mut Hashes::new()).unwrap();
                let length = (whole.len() - bytes) as u64;
                assert_eq!(checked, Checked { bytes: length, faults: vec![] }, "the old one stays");
                let mut sound = Hashes::new();
                let all = artifacts.verify(REPO, added.artifact, &mut sound).unwrap();
                let again = artifacts.verify(REPO, before, &mut sound).unwrap();
                assert_eq!(all.bytes, whole.len() as u64);
                assert!(again.faults.is_empty() && again.bytes <= 512 << 10, "what both have is read once");
            }
        }
    }

    #[test]
    fn the_rest_of_another_one_is_appended_from_any_place() {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(&dir.path().join("blobs")).unwrap();
        let (file, out) = (dir.path().join("file"), dir.path().join("out"));
        let (one, other) = (noise(100_000, 1), noise(2_000_000, 2));
        let add = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            artifacts.add(REPO, &file, "log").unwrap().artifact
        };
        let (base, rest) = (add(&one), add(&other));
        for from in [0, 1, 65_536, 1_234_567, 1_999_999, 2_000_000, 2_000_001] {
            let added = artifacts.append(REPO, Some(base), &More::Rest(rest, from), "log").unwrap();
            artifacts.export(REPO, added.artifact, &out).unwrap();
            let tail = other.get(from as usize..).unwrap_or_default();
            assert!(std::fs::read(&out).unwrap() == [&one, tail].concat(), "{from}");
        }
        let nobody = ArtifactId([9; 32]);
        assert!(artifacts.append(REPO, Some(nobody), &More::Nothing, "log").is_err());
    }
}
