//! The manifest: what a store consists of at this moment, replaced as a whole.
//!
//! It names the log in use and every stone, and keeps the founding record, the rights, the proofs of
//! forks and the tops, so that these outlive the log. One rename flips a store from its old state to
//! its new one, so every cut is there or not there, wherever the power went. What the manifest does
//! not name is not part of the store.
//!
//! ```text
//! "cairn manifest 2\n"  generation (u64)  log number (u64)  founding record
//! projects  rights  forks  feeds, as `compact` has them  BLAKE3 of all that (32)
//! ```
//!
//! The first level wrote every feed in full and knew no relics; it is read, and never written.

use std::path::Path;

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::FeedId;
use cairn_protocol::Signed;
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::grant::GrantRecord;
use cairn_protocol::hash::LogHash;
use cairn_protocol::limits::{GRANTS_COUNT_MAX, LABEL_BYTES_MAX, PROJECTS_COUNT_MAX, TOPS_COUNT_MAX};
use cairn_protocol::piece::Gone;
use cairn_protocol::proof::ForkProof;
use cairn_protocol::top::Top;
use cairn_protocol::tower::Span;

use crate::error::{Damage, NodeError};
use crate::files::{self, Files};

mod compact;

const MAGIC: &[u8] = b"cairn manifest 2\n";
/// How one of the first level begins.
const MAGIC_FULL: &[u8] = b"cairn manifest 1\n";
/// The most bytes of a manifest.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;
/// The most stones of one feed: a tower has few, and a wide margin.
const STONES_COUNT_MAX: usize = 1 << 20;
/// Bytes of the hash at the end.
const HASH_BYTES: usize = 32;

/// The manifest's file.
pub(crate) const NAME: &str = "manifest";

/// What a store consists of.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    /// Grows with each replacement.
    pub(crate) generation: u64,
    /// The number in the name of the log in use.
    pub(crate) log: u64,
    /// What the repo begins with.
    pub(crate) founding: Signed<FoundingRecord>,
    /// The names of its projects.
    pub(crate) projects: Vec<String>,
    /// Its grants and revocations, in the order in which they came.
    pub(crate) rights: Vec<GrantRecord>,
    /// The proofs of forks, in the order in which they came.
    pub(crate) forks: Vec<ForkProof>,
    /// Its feeds.
    pub(crate) feeds: Vec<FeedRecord>,
}

/// One feed in a manifest.
#[derive(Debug, Clone)]
pub(crate) struct FeedRecord {
    /// The feed, or the local name of a side of one.
    pub(crate) feed: FeedId,
    /// Its newest top that is known.
    pub(crate) top: Signed<Top>,
    /// Its stones, from the old to the new.
    pub(crate) stones: Vec<StoneRecord>,
    /// Its relics.
    pub(crate) relics: Vec<StoneRecord>,
}

/// One stone in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoneRecord {
    /// Which waypoints.
    pub(crate) span: Span,
    /// The hash of the subtree over them.
    pub(crate) subtree: LogHash,
    /// How many bytes the file has.
    pub(crate) bytes: u64,
    /// The file's name, without the folder; empty where there is none.
    pub(crate) file: String,
}

impl StoneRecord {
    /// A stone of which nothing is left but the subtree's hash. It has no file.
    pub(crate) fn hollow(span: Span, subtree: LogHash) -> Self {
        Self { span, subtree, bytes: 0, file: String::new() }
    }

    /// What is left of a stone that has no file.
    pub(crate) fn gone(&self) -> Option<Gone> {
        self.file.is_empty().then_some(Gone { level: self.span.level, hash: self.subtree })
    }
}

impl Manifest {
    /// Reads the manifest of a store; `None` when there is none, because the store was never finished.
    pub(crate) fn load(files: &dyn Files, dir: &Path) -> Result<Option<Self>, NodeError> {
        let path = dir.join(NAME);
        let io = |error| NodeError::io("read", &path, error);
        if files.len(&path).map_err(io)?.is_none() {
            return Ok(None);
        }
        let bytes = files::read(files, &path, MANIFEST_BYTES_MAX).map_err(io)?;
        let damage = |offset: usize, detail: String| {
            NodeError::Damaged(Damage { file: NAME.to_owned(), offset: offset as u64, detail, range: None })
        };
        let Some((body, hash)) = bytes.split_last_chunk::<HASH_BYTES>() else {
            return Err(damage(bytes.len(), "it ends too early".to_owned()));
        };
        if blake3::hash(body) != *hash {
            return Err(damage(0, "its hash does not hold".to_owned()));
        }
        let manifest = Self::from_bytes(body);
        manifest.map(Some).map_err(|error| damage(error.offset, error.problem.to_string()))
    }

    /// Puts this manifest in the place of the present one.
    pub(crate) fn replace(&self, files: &dyn Files, dir: &Path) -> Result<(), NodeError> {
        let mut bytes = self.to_bytes();
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        let path = dir.join(NAME);
        let replaced = files::replace(files, &dir.join("manifest.new"), &path, &bytes);
        replaced.map_err(|error| NodeError::io("write", &path, error))
    }
}

impl Encoded for Manifest {
    fn write(&self, out: &mut Writer) {
        out.raw(MAGIC);
        out.u64(self.generation);
        out.u64(self.log);
        self.founding.write(out);
        out.count(self.projects.len() as u64);
        for project in &self.projects {
            out.bytes(project.as_bytes());
        }
        out.list(&self.rights);
        out.list(&self.forks);
        compact::write(out, self.founding.repo(), &self.projects, &self.feeds);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let magic = input.raw(MAGIC.len())?;
        at.require([MAGIC, MAGIC_FULL].contains(&magic), "manifest")?;
        let (generation, log) = (input.u64()?, input.u64()?);
        let founding: Signed<FoundingRecord> = Signed::read(input)?;
        let projects = read_texts(input, PROJECTS_COUNT_MAX)?;
        let rights = input.list(GRANTS_COUNT_MAX)?;
        let forks = input.list(TOPS_COUNT_MAX)?;
        let feeds = match magic == MAGIC {
            true => compact::read(input, founding.repo(), &projects)?,
            false => input.list(TOPS_COUNT_MAX)?,
        };
        Ok(Self { generation, log, founding, projects, rights, forks, feeds })
    }
}

/// In full, without its relics.
impl Encoded for FeedRecord {
    fn write(&self, out: &mut Writer) {
        self.feed.write(out);
        self.top.write(out);
        out.list(&self.stones);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let feed = FeedId::read(input)?;
        let (top, stones) = (Signed::read(input)?, input.list(STONES_COUNT_MAX)?);
        Ok(Self { feed, top, stones, relics: Vec::new() })
    }
}

impl Encoded for StoneRecord {
    fn write(&self, out: &mut Writer) {
        out.u64(self.span.start);
        out.u8(self.span.level);
        self.subtree.write(out);
        out.u64(self.bytes);
        out.bytes(self.file.as_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let span = Span { start: input.u64()?, level: input.u8()? };
        at.require(span.level < 48 && span.start < 1 << 48, "place of a stone")?;
        let (subtree, bytes) = (LogHash::read(input)?, input.u64()?);
        Ok(Self { span, subtree, bytes, file: read_text(input)? })
    }
}

/// Names, each of at most as many bytes as a name may have.
pub(crate) fn read_texts(input: &mut Reader<'_>, limit: usize) -> Decode<Vec<String>> {
    let count = input.count(limit as u64)?;
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(read_text(input)?);
    }
    Ok(texts)
}

fn read_text(input: &mut Reader<'_>) -> Decode<String> {
    let at = input.clone();
    let bytes = input.bytes(LABEL_BYTES_MAX)?;
    at.require(std::str::from_utf8(bytes).is_ok(), "name")?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}
