//! What was seen on disk last: so that `status` reads only files that were touched since.
//!
//! Losing the index, or any doubt about it, costs reading files again and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_crdt::path::RepoPath;

use super::beneath::Facts;
use super::by_path::ByPath;
use super::cache;
use crate::error::NodeError;

/// The file inside the worktree's own folder.
const INDEX_FILE: &str = "index";
/// First bytes of that file.
const MAGIC: &[u8; 8] = b"cairnix2";
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
    /// When something was done to it, whatever time people gave it, in nanoseconds since 1970.
    pub touched_ns: i128,
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
            touched_ns: facts.touched_ns,
            inode: facts.inode,
            executable: facts.executable,
            content,
            artifact,
            settled: facts.modified_ns.max(facts.touched_ns) + SETTLE_NS < now_ns,
        }
    }

    /// Whether nothing was written since, as far as the file system tells.
    pub fn is(&self, facts: &Facts) -> bool {
        self.settled && self.looks_like(facts)
    }

    /// Whether the file looks as it did, no matter how short the time was.
    pub fn looks_like(&self, facts: &Facts) -> bool {
        self.touched_ns == facts.touched_ns && self.was_moved(facts)
    }

    /// Whether it looks as it did but for its name: renaming touches a file.
    pub fn was_moved(&self, facts: &Facts) -> bool {
        self.bytes == facts.bytes && self.modified_ns == facts.modified_ns && self.inode == facts.inode
    }
}

/// What was seen on disk last. The file is read when it is first asked for.
#[derive(Debug)]
pub struct Index {
    root: PathBuf,
    seen: OnceLock<Sightings>,
    /// Whether the file says something else.
    is_changed: bool,
}

/// The files that were seen.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sightings {
    files: ByPath<Seen>,
    /// What was noted since, or forgotten; it goes before.
    since: BTreeMap<RepoPath, Option<Seen>>,
}

impl Sightings {
    fn get(&self, path: &RepoPath) -> Option<&Seen> {
        self.since.get(path).map_or_else(|| self.files.get(path), Option::as_ref)
    }

    /// Notes what was seen at a path, or that nothing was; whether that is something else than before.
    fn note(&mut self, path: &RepoPath, seen: Option<Seen>) -> bool {
        if self.get(path) == seen.as_ref() {
            return false;
        }
        self.since.insert(path.clone(), seen);
        true
    }

    /// All of it in one list.
    fn settle(&mut self) {
        self.files.amend(std::mem::take(&mut self.since));
    }
}

impl Index {
    /// The index of a worktree; an empty one where there is none, or a damaged one.
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), seen: OnceLock::new(), is_changed: false }
    }

    /// Writes the index over the one before, if it says something else.
    pub fn save(&mut self) -> Result<(), NodeError> {
        if self.is_changed {
            self.change(Sightings::settle);
            cache::save(&self.root, INDEX_FILE, self.ready())?;
            self.is_changed = false;
        }
        Ok(())
    }

    /// Reads the file if nobody has asked for it yet.
    pub(super) fn load(&self) {
        self.ready();
    }

    fn ready(&self) -> &Sightings {
        self.seen.get_or_init(|| cache::load(&self.root, INDEX_FILE).unwrap_or_default())
    }

    fn change<T: Default>(&mut self, change: impl FnOnce(&mut Sightings) -> T) -> T {
        self.ready();
        self.seen.get_mut().map(change).unwrap_or_default()
    }

    /// What was seen at a path.
    pub fn get(&self, path: &RepoPath) -> Option<&Seen> {
        self.ready().get(path)
    }

    /// Notes what was seen at a path.
    pub fn note(&mut self, path: &RepoPath, seen: Seen) {
        self.is_changed |= self.change(|files| files.note(path, Some(seen)));
    }

    /// Forgets what was seen at a path.
    pub fn forget(&mut self, path: &RepoPath) {
        self.is_changed |= self.change(|files| files.note(path, None));
    }

    /// Forgets all that was seen.
    pub fn forget_all(&mut self) {
        self.put_back(Vec::new(), true);
    }

    /// Gives all that was seen, to be put back as far as it is there.
    pub(super) fn take(&mut self) -> ByPath<Seen> {
        self.change(|seen| {
            seen.settle();
            std::mem::take(&mut seen.files)
        })
    }

    /// Puts back what is there; `is_changed` where that is something else than was taken.
    pub(super) fn put_back(&mut self, files: Vec<(RepoPath, Seen)>, is_changed: bool) {
        self.seen = OnceLock::from(Sightings { files: files.into_iter().collect(), since: BTreeMap::new() });
        self.is_changed |= is_changed;
    }
}

impl Encoded for Sightings {
    fn write(&self, out: &mut Writer) {
        out.raw(MAGIC);
        self.files.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let magic: [u8; 8] = input.array()?;
        input.require(&magic == MAGIC, "index")?;
        Ok(Self { files: ByPath::read(input, FILES_MAX)?, since: BTreeMap::new() })
    }
}

impl Encoded for Seen {
    fn write(&self, out: &mut Writer) {
        out.u64(self.bytes);
        out.raw(&self.modified_ns.to_le_bytes());
        out.raw(&self.touched_ns.to_le_bytes());
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
        let touched_ns = i128::from_le_bytes(input.array()?);
        let inode = input.u64()?;
        let flags = input.u8()?;
        let content = ContentHash(input.array()?);
        let artifact = if flags & 4 == 0 { None } else { Some(ArtifactId(input.array()?)) };
        let (executable, settled) = (flags & 1 != 0, flags & 2 != 0);
        Ok(Self { bytes, modified_ns, touched_ns, inode, executable, content, artifact, settled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(root: &Path) -> Index {
        let seen = Seen {
            bytes: 5,
            modified_ns: 1_700_000_000_123_456_789,
            touched_ns: 1_700_000_000_223_456_789,
            inode: 9,
            executable: true,
            content: ContentHash([1; 32]),
            artifact: Some(ArtifactId([2; 32])),
            settled: true,
        };
        let other = Seen { artifact: None, executable: false, ..seen };
        let mut index = Index::of(root);
        index.note(&RepoPath::new(b"b").unwrap(), other);
        index.note(&RepoPath::new(b"a/\xff").unwrap(), seen);
        index
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut index = index(dir.path());
        index.save().unwrap();
        assert_eq!(Index::of(dir.path()).ready(), index.ready());
        index.forget(&RepoPath::new(b"b").unwrap());
        index.save().unwrap();
        assert_eq!(Index::of(dir.path()).ready(), index.ready());
        assert_eq!(index.ready().files.len(), 1);
    }

    #[test]
    fn an_index_that_says_the_same_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut index = index(dir.path());
        index.save().unwrap();
        std::fs::remove_dir_all(super::super::link::private_dir(dir.path())).unwrap();
        let seen = *index.get(&RepoPath::new(b"b").unwrap()).unwrap();
        index.note(&RepoPath::new(b"b").unwrap(), seen);
        index.save().unwrap();
        assert_eq!(*Index::of(dir.path()).ready(), Sightings::default());
        index.note(&RepoPath::new(b"c").unwrap(), seen);
        index.save().unwrap();
        assert_eq!(Index::of(dir.path()).ready(), index.ready());
    }
}
