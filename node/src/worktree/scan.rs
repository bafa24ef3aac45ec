//! What stands on disk, and how that differs from a version.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{File, FileBody, View};

use super::beneath::{Facts, Kind, Stroll, facts_of_file};
use super::index::Seen;
use super::{Worktree, ignored};
use crate::error::NodeError;

/// What stands at a path on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disk {
    /// A file.
    File {
        /// The hash of its bytes.
        content: ContentHash,
        /// How many bytes.
        bytes: u64,
        /// Whether its owner may execute it.
        executable: bool,
        /// What it is in the artifact store, where that is known.
        artifact: Option<ArtifactId>,
    },
    /// A symbolic link.
    Link {
        /// Its target.
        target: Vec<u8>,
    },
    /// A folder.
    Dir,
}

/// How a path differs from a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// The version has nothing there.
    Added,
    /// The version has something else there.
    Modified,
    /// The disk has nothing there.
    Removed,
}

impl Difference {
    /// The word for it in answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Removed => "removed",
        }
    }
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: RepoPath,
    /// How it differs.
    pub difference: Difference,
    /// What stands there now.
    pub disk: Option<Disk>,
}

/// A worktree as it was found.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// What stands where.
    pub entries: BTreeMap<RepoPath, Disk>,
    /// What was left out although nothing ignores it, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

impl Worktree {
    /// Looks at everything that is not ignored, and at what `view` shows even if it is.
    pub fn scan(&mut self, view: &View) -> Result<Scan, NodeError> {
        let walked = ignored::walk(&self.root, &self.link.home);
        let mut scan = Scan { skipped: walked.skipped, ..Scan::default() };
        let mut stroll = Stroll::default();
        for path in walked.paths.iter().chain(view.files.keys()).chain(&view.dirs) {
            if scan.entries.contains_key(path) {
                continue;
            }
            let facts = stroll.facts(&self.beneath, path).map_err(|error| self.unread(path, error))?;
            if let Some(disk) = self.look_closer(path, facts)? {
                scan.entries.insert(path.clone(), disk);
            }
        }
        self.index.files.retain(|path, _| scan.entries.contains_key(path));
        Ok(scan)
    }

    /// What stands at one path; reads the file only if it may have changed since last time.
    pub fn look(&mut self, path: &RepoPath) -> Result<Option<Disk>, NodeError> {
        let facts = self.beneath.facts(path).map_err(|error| self.unread(path, error))?;
        self.look_closer(path, facts)
    }

    fn unread(&self, path: &RepoPath, error: io::Error) -> NodeError {
        NodeError::io("read", &self.on_disk(path), error)
    }

    fn look_closer(&mut self, path: &RepoPath, facts: Option<Facts>) -> Result<Option<Disk>, NodeError> {
        let Some(facts) = facts else { return Ok(None) };
        match facts.kind {
            Kind::Dir => Ok(Some(Disk::Dir)),
            Kind::Other => Ok(None),
            Kind::Link => match self.beneath.read_link(path) {
                Ok(target) => Ok(Some(Disk::Link { target })),
                Err(error) if is_gone(&error) => Ok(None),
                Err(error) => Err(self.unread(path, error)),
            },
            Kind::File => match self.see(path, &facts) {
                Ok(seen) => Ok(Some(seen.as_disk())),
                Err(error) if is_gone(&error) => Ok(None),
                Err(error) => Err(self.unread(path, error)),
            },
        }
    }

    /// What is known of a file's bytes, after reading them if need be.
    fn see(&mut self, path: &RepoPath, facts: &Facts) -> io::Result<Seen> {
        let known = self.index.files.get(path);
        if let Some(seen) = known.filter(|seen| seen.is(facts)) {
            return Ok(Seen { executable: facts.executable, ..*seen });
        }
        let known = known.copied();
        let mut file = self.beneath.read(path)?;
        let facts = facts_of_file(&file)?;
        let content = hash(&mut file)?;
        let artifact = known.filter(|seen| seen.content == content).and_then(|seen| seen.artifact);
        let seen = Seen::new(&facts, content, artifact, super::now_ns());
        self.index.files.insert(path.clone(), seen);
        Ok(seen)
    }

    /// How the disk differs from `view`; what already is as `underway` shows it does not.
    pub fn changes(&mut self, view: &View, underway: Option<&View>) -> Result<Vec<Change>, NodeError> {
        let scan = self.scan(view)?;
        let mut changes = Vec::new();
        for (path, disk) in &scan.entries {
            if !shows(view, path, Some(disk)) && !underway.is_some_and(|to| shows(to, path, Some(disk))) {
                let difference = if holds(view, path) { Difference::Modified } else { Difference::Added };
                changes.push(Change { path: path.clone(), difference, disk: Some(disk.clone()) });
            }
        }
        for path in view.files.keys().chain(&view.dirs).filter(|path| !scan.entries.contains_key(*path)) {
            let expected =
                self.link.absent.contains(path) || underway.is_some_and(|to| shows(to, path, None));
            if !expected {
                let path = path.clone();
                changes.push(Change { path, difference: Difference::Removed, disk: None });
            }
        }
        changes.retain(|change| !is_implied(change, &scan));
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }
}

impl Seen {
    /// The file as something that stands on disk.
    pub fn as_disk(&self) -> Disk {
        let Self { bytes, executable, content, artifact, .. } = *self;
        Disk::File { content, bytes, executable, artifact }
    }
}

/// Whether a view has anything at a path.
fn holds(view: &View, path: &RepoPath) -> bool {
    view.files.contains_key(path) || view.dirs.contains(path)
}

/// Whether what stands on disk at a path is what a view shows there.
pub fn shows(view: &View, path: &RepoPath, disk: Option<&Disk>) -> bool {
    match disk {
        None => !holds(view, path),
        Some(Disk::Dir) => view.dirs.contains(path),
        Some(disk) => view.files.get(path).is_some_and(|file| is_file(file, disk)),
    }
}

fn is_file(file: &File, disk: &Disk) -> bool {
    match (&file.body, disk) {
        (FileBody::Link { target: shown }, Disk::Link { target }) => shown == target,
        (FileBody::Bytes { content: shown, .. }, Disk::File { content, executable, .. }) => {
            shown == content && file.executable == *executable
        }
        (FileBody::Artifact { artifact: shown, .. }, Disk::File { artifact, executable, .. }) => {
            Some(shown) == artifact.as_ref() && file.executable == *executable
        }
        _ => false,
    }
}

/// A new folder that holds something needs no word of its own.
fn is_implied(change: &Change, scan: &Scan) -> bool {
    let below = |path: &RepoPath| path != &change.path && path.is_within(&change.path);
    let near = |path: &RepoPath| path.as_bytes().starts_with(change.path.as_bytes());
    change.disk == Some(Disk::Dir)
        && change.difference == Difference::Added
        && scan.entries.range(&change.path..).map(|(path, _)| path).take_while(|path| near(path)).any(below)
}

fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL | Errno::NXIO))
}

fn hash(file: &mut impl Read) -> io::Result<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    io::copy(file, &mut hasher)?;
    Ok(ContentHash(*hasher.finalize().as_bytes()))
}
