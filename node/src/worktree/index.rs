//! What was seen on disk last: so that `status` reads only files that were touched since.
//!
//! The index is a cache. Losing it, or any doubt about it, costs reading files again and
//! nothing else; so a damaged one is as good as none.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_crdt::path::{PATH_BYTES_MAX, RepoPath};

use super::beneath::Facts;
use super::link;
use crate::error::NodeError;

/// The file inside the worktree's own folder.
const INDEX_FILE: &str = "index";
/// First bytes of that file.
const MAGIC: &[u8; 8] = b"cairnix1";
/// The most files that an index speaks of.
const FILES_MAX: u64 = 16 << 20;
/// A file that was written less than this before it was looked at may be written again
/// within the same tick of the file system's clock, and look the same.
const SETTLE_NS: i128 = 50_000_000;

/// A file as it was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// How many bytes.
    pub bytes: u64,
    /// When it was written, in nanoseconds since 1970.
    pub modified_ns: i128,
    /// Its number in the file system.
    pub inode: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// The hash of its bytes.
    pub content: ContentHash,
    /// What it is in the artifact store, if it is there.
    pub artifact: Option<ArtifactId>,
    /// Whether it had been left alone for long enough for this to be trusted.
    pub settled: bool,
}

impl Seen {
    /// What was seen at `now_ns`.
    pub fn new(facts: &Facts, content: ContentHash, artifact: Option<ArtifactId>, now_ns: i128) -> Self {
        Self {
            bytes: facts.bytes,
            modified_ns: facts.modified_ns,
            inode: facts.inode,
            executable: facts.executable,
            content,
            artifact,
            settled: facts.modified_ns + SETTLE_NS < now_ns,
        }
    }

    /// Whether nothing was written since, as far as the file system tells.
    pub fn is(&self, facts: &Facts) -> bool {
        self.settled && self.looks_like(facts)
    }

    /// Whether the file looks as it did, no matter how short the time was.
    pub fn looks_like(&self, facts: &Facts) -> bool {
        self.bytes == facts.bytes && self.modified_ns == facts.modified_ns && self.inode == facts.inode
    }
}

/// What was seen on disk last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// The files.
    pub files: BTreeMap<RepoPath, Seen>,
}

impl Index {
    /// Reads the index of a worktree; an empty one where there is none, or a damaged one.
    pub fn load(root: &Path) -> Self {
        let bytes = fs::read(link::private_dir(root).join(INDEX_FILE)).unwrap_or_default();
        Self::from_bytes(&bytes).unwrap_or_default()
    }

    /// Writes the index over the one before. It is not made durable, nor all at once: half of it has a wrong sum, and counts
    /// as none.
    pub fn save(&self, root: &Path) -> Result<(), NodeError> {
        let dir = link::private_dir(root);
        let (path, bytes) = (dir.join(INDEX_FILE), self.to_bytes());
        let written = fs::create_dir_all(&dir).and_then(|()| {
            let mut file = File::options().write(true).create(true).truncate(false).open(&path)?;
            file.write_all(&bytes)?;
            file.set_len(bytes.len() as u64)
        });
        written.map_err(|error| NodeError::io("write", &path, error))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(MAGIC);
        out.count(self.files.len() as u64);
        for (path, seen) in &self.files {
            out.bytes(path.as_bytes());
            seen.write(&mut out);
        }
        let mut bytes = out.into_bytes();
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, check) = bytes.split_last_chunk::<32>()?;
        if blake3::hash(body).as_bytes() != check {
            return None;
        }
        Self::read(&mut Reader::new(body)).ok()
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let magic: [u8; 8] = input.array()?;
        input.require(&magic == MAGIC, "index")?;
        let mut files = BTreeMap::new();
        for _ in 0..input.count(FILES_MAX)? {
            let at = input.clone();
            let path = RepoPath::new(input.bytes(PATH_BYTES_MAX)?);
            let path = path.map_err(|_| at.error(Problem::Invalid("path")))?;
            files.insert(path, Seen::read(input)?);
        }
        input.finish()?;
        Ok(Self { files })
    }
}

impl Encoded for Seen {
    fn write(&self, out: &mut Writer) {
        out.u64(self.bytes);
        out.raw(&self.modified_ns.to_le_bytes());
        out.u64(self.inode);
        out.u8(u8::from(self.executable)
            | u8::from(self.settled) << 1
            | u8::from(self.artifact.is_some()) << 2);
        out.raw(self.content.as_bytes());
        if let Some(artifact) = &self.artifact {
            out.raw(artifact.as_bytes());
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let bytes = input.u64()?;
        let modified_ns = i128::from_le_bytes(input.array()?);
        let inode = input.u64()?;
        let flags = input.u8()?;
        let content = ContentHash(input.array()?);
        let artifact = if flags & 4 == 0 { None } else { Some(ArtifactId(input.array()?)) };
        let (executable, settled) = (flags & 1 != 0, flags & 2 != 0);
        Ok(Self { bytes, modified_ns, inode, executable, content, artifact, settled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let seen = Seen {
            bytes: 5,
            modified_ns: 1_700_000_000_123_456_789,
            inode: 9,
            executable: true,
            content: ContentHash([1; 32]),
            artifact: Some(ArtifactId([2; 32])),
            settled: true,
        };
        let other = Seen { artifact: None, executable: false, ..seen };
        let files = [(RepoPath::new(b"a/\xff").unwrap(), seen), (RepoPath::new(b"b").unwrap(), other)];
        Index { files: files.into_iter().collect() }
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        index().save(dir.path()).unwrap();
        assert_eq!(Index::load(dir.path()), index());
        let shorter = Index { files: index().files.into_iter().take(1).collect() };
        shorter.save(dir.path()).unwrap();
        assert_eq!(Index::load(dir.path()), shorter);
    }

    #[test]
    fn a_damaged_index_is_as_good_as_none() {
        let bytes = index().to_bytes();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(Index::from_bytes(&bad), None);
            assert_eq!(Index::from_bytes(&bytes[..at]), None);
        }
    }
}
