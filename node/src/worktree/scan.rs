//! What stands on disk, and how that differs from a version.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::thread;

use cairn_crdt::View;
use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_crdt::path::RepoPath;

use super::Worktree;
use super::beneath::{Facts, Kind, Stroll, facts_of_file};
use super::footing::{Footing, Standing, Summary, shows};
use super::index::Seen;
use super::link::Link;
use super::lookout::{Lookouts, Same};
use super::walk::{Walked, walk};
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
    /// How what stands on disk differs from what the version shows there.
    fn between(shown: Option<&Standing>, disk: Option<&Disk>) -> Option<Self> {
        match (shown, disk) {
            (None, None) => None,
            (Some(standing), Some(disk)) if standing.is(disk) => None,
            (Some(_), Some(_)) => Some(Self::Modified),
            (Some(_), None) => Some(Self::Removed),
            (None, Some(_)) => Some(Self::Added),
        }
    }

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

/// A worktree as it was found: what stands where, in the order of the paths.
type Scan = Vec<(RepoPath, Disk)>;

/// What is found without knowing what the version shows.
#[derive(Debug)]
pub enum Survey {
    /// Nothing differs from the version.
    Same(Summary),
    /// Nothing does but at some paths, if there.
    But {
        /// The paths.
        paths: BTreeSet<RepoPath>,
        /// What is kept of the version.
        footing: Footing,
    },
    /// Whatever there is.
    Found {
        /// What lies where.
        walked: Walked,
        /// What is kept of the version, if anything is.
        footing: Option<Footing>,
    },
}

impl Worktree {
    /// Looks at what lies where, and meanwhile at what was seen and shown before.
    pub(crate) fn survey(&self, mut lookouts: Option<&mut Lookouts>) -> Survey {
        if let Some(Same { version, but }) = lookouts.as_deref_mut().and_then(|lookouts| self.same(lookouts))
        {
            if but.is_empty() {
                return Survey::Same(version);
            }
            if let ((), Some(footing)) = self.beside_reading(|| ()) {
                return Survey::But { paths: but, footing };
            }
        }
        let (walked, footing) = self.beside_reading(|| match lookouts {
            Some(lookouts) => lookouts.look(&self.root, &self.beneath, || self.walk()),
            None => self.walk(),
        });
        Survey::Found { walked, footing }
    }

    /// Does something while what is kept of the version, and of what was seen, is read.
    fn beside_reading<T>(&self, work: impl FnOnce() -> T) -> (T, Option<Footing>) {
        let kept = || Footing::load(&self.root, &self.link.frontier);
        if !Footing::is_large(&self.root) {
            return (work(), kept());
        }
        thread::scope(|scope| {
            let reading = thread::Builder::new().spawn_scoped(scope, kept);
            // Where no thread is to be had for it, whoever asks for the index first reads it.
            let _ = thread::Builder::new().spawn_scoped(scope, || self.index.load());
            let worked = work();
            let footing = match reading {
                Ok(reading) => reading.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_) => kept(),
            };
            (worked, footing)
        })
    }

    /// Where files may differ from the version, if it is known that they do nowhere else.
    fn same(&self, lookouts: &mut Lookouts) -> Option<Same> {
        let is_plain = self.is_plain();
        let same = lookouts.same(&self.root, &self.beneath);
        same.filter(|same| is_plain && same.version.frontier == self.link.frontier).cloned()
    }

    /// Remembers what the last look found to differ from a version, where whatever happens next will be told.
    pub(crate) fn note_same(&self, lookouts: Option<&mut Lookouts>, footing: &Footing, changes: &[Change]) {
        let is_known = self.is_plain() && changes.iter().all(|change| is_by_itself(change, footing));
        if let Some(lookouts) = lookouts.filter(|_| is_known) {
            let but = changes.iter().map(|change| change.path.clone()).collect();
            lookouts.note_same(&self.root, Same { version: footing.summary.clone(), but });
        }
    }

    /// Whether all that the version shows stands where a walk comes by, and all that was found can be kept.
    fn is_plain(&self) -> bool {
        let Link { underway, absent, .. } = &self.link;
        underway.is_none() && absent.is_empty() && self.skipped.is_empty() && !self.has_ignored
    }

    fn walk(&self) -> Walked {
        walk(&self.beneath, &self.root, &self.link.home)
    }

    /// Looks at everything that is not ignored, and at what the version shows even if it is.
    fn scan(&mut self, walked: Walked, footing: &Footing) -> Result<Scan, NodeError> {
        let Walked { mut found, skipped } = walked;
        self.skipped = skipped;
        self.has_ignored = self.add_ignored(footing, &mut found)?;
        let (before, mut is_changed) = (self.index.take(), false);
        let (known, mut known_count) = (before.len(), 0);
        let (mut before, mut after, mut scan) = (Along::new(before), Vec::new(), Scan::new());
        for (path, facts) in found {
            let seen = before.at(&path);
            known_count += usize::from(seen.is_some());
            let Some((disk, now)) = self.look_closer(&path, &facts, seen.as_ref().map(|(_, seen)| seen))?
            else {
                is_changed |= seen.is_some();
                continue;
            };
            is_changed |= now != seen.as_ref().map(|(_, seen)| *seen);
            after.extend(now.map(|now| (seen.map_or_else(|| path.clone(), |(path, _)| path), now)));
            scan.push((path, disk));
        }
        self.index.put_back(after, is_changed || known_count < known);
        Ok(scan)
    }

    /// Adds what stands where the version shows something that rules name; whether there is any.
    fn add_ignored(&self, footing: &Footing, found: &mut Vec<(RepoPath, Facts)>) -> Result<bool, NodeError> {
        let mut stroll = Stroll::default();
        let mut ignored = Vec::new();
        let mut walked = Along::new(found.iter().map(|(path, facts)| (path, facts)));
        for path in footing.standing.iter().map(|(path, _)| path) {
            if walked.at(&path).is_none() {
                let facts = stroll.facts(&self.beneath, path).map_err(|error| self.unread(path, error))?;
                ignored.extend(facts.map(|facts| (path.clone(), facts)));
            }
        }
        let has_ignored = !ignored.is_empty();
        if has_ignored {
            found.extend(ignored);
            found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        }
        Ok(has_ignored)
    }

    /// What stands at one path; reads the file only if it may have changed since last time.
    pub fn look(&mut self, path: &RepoPath) -> Result<Option<Disk>, NodeError> {
        let facts = self.beneath.facts(path).map_err(|error| self.unread(path, error))?;
        let Some(facts) = facts else { return Ok(None) };
        let known = self.index.get(path).copied();
        let Some((disk, seen)) = self.look_closer(path, &facts, known.as_ref())? else { return Ok(None) };
        if let Some(seen) = seen.filter(|seen| Some(*seen) != known) {
            self.index.note(path, seen);
        }
        Ok(Some(disk))
    }

    fn unread(&self, path: &RepoPath, error: io::Error) -> NodeError {
        NodeError::io("read", &self.on_disk(path), error)
    }

    /// What stands at a path, and what is known of it then if it is a file.
    fn look_closer(
        &self,
        path: &RepoPath,
        facts: &Facts,
        known: Option<&Seen>,
    ) -> Result<Option<(Disk, Option<Seen>)>, NodeError> {
        let found = match facts.kind {
            Kind::Dir => return Ok(Some((Disk::Dir, None))),
            Kind::Other => return Ok(None),
            Kind::Link => self.beneath.read_link(path).map(|target| (Disk::Link { target }, None)),
            Kind::File => self.see(path, facts, known).map(|seen| (seen.as_disk(), Some(seen))),
        };
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(self.unread(path, error)),
        }
    }

    /// What is known of a file's bytes, after reading them if need be.
    fn see(&self, path: &RepoPath, facts: &Facts, known: Option<&Seen>) -> io::Result<Seen> {
        if let Some(seen) = known.filter(|seen| seen.is(facts)) {
            return Ok(Seen { executable: facts.executable, ..*seen });
        }
        let mut file = self.beneath.read(path)?;
        // Reading takes its time: what was written meanwhile must not look as if it had settled.
        let (facts, now_ns) = (facts_of_file(&file)?, super::now_ns());
        let content = hash(&mut file)?;
        let artifact = known.filter(|seen| seen.content == content).and_then(|seen| seen.artifact);
        Ok(Seen::new(&facts, content, artifact, now_ns))
    }

    /// How the disk differs from what a version shows at some paths.
    pub(crate) fn compare_at(
        &mut self,
        paths: BTreeSet<RepoPath>,
        footing: &Footing,
    ) -> Result<Vec<Change>, NodeError> {
        let mut changes = Vec::new();
        for path in paths {
            let disk = self.look(&path)?;
            if let Some(difference) = Difference::between(footing.standing.get(&path), disk.as_ref()) {
                changes.push(Change { path, difference, disk });
            }
        }
        Ok(changes)
    }

    /// How the disk differs from what a version shows; what already is as `underway` shows it does not.
    pub fn changes(&mut self, footing: &Footing, underway: Option<&View>) -> Result<Vec<Change>, NodeError> {
        let walked = self.walk();
        self.compare(walked, footing, underway)
    }

    /// The same from what was found.
    pub fn compare(
        &mut self,
        walked: Walked,
        footing: &Footing,
        underway: Option<&View>,
    ) -> Result<Vec<Change>, NodeError> {
        let scan = self.scan(walked, footing)?;
        let expected = |path: &RepoPath, disk| underway.is_some_and(|to| shows(to, path, disk));
        let (mut changes, mut removed) = (Vec::new(), Vec::new());
        let mut there = Along::new(footing.standing.iter());
        for (path, disk) in &scan {
            let before = there.after(&path, |gone, _| removed.push(gone)).map(|(_, standing)| standing);
            if let Some(difference) = Difference::between(before, Some(disk))
                && !expected(path, Some(disk))
            {
                changes.push(Change { path: path.clone(), difference, disk: Some(disk.clone()) });
            }
        }
        removed.extend(there.rest().map(|(path, _)| path));
        removed.retain(|path| !self.link.absent.contains(*path) && !expected(path, None));
        let gone =
            |path: &RepoPath| Change { path: path.clone(), difference: Difference::Removed, disk: None };
        changes.extend(removed.into_iter().map(gone));
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

/// Whether nothing but what stands at its path is needed to tell later whether it still differs. A new folder is told of by what it
/// holds, and so it is not told by its path.
fn is_by_itself(change: &Change, footing: &Footing) -> bool {
    let is_folder = |path: &RepoPath| footing.standing.get(path) == Some(&Standing::Dir);
    match change.difference {
        Difference::Added => {
            change.disk != Some(Disk::Dir) && change.path.parent().is_none_or(|folder| is_folder(&folder))
        }
        Difference::Modified => change.disk != Some(Disk::Dir),
        Difference::Removed => true,
    }
}

/// A new folder that holds something needs no word of its own.
fn is_implied(change: &Change, scan: &Scan) -> bool {
    if change.disk != Some(Disk::Dir) || change.difference != Difference::Added {
        return false;
    }
    let begin = scan.partition_point(|(path, _)| *path <= change.path);
    let near = |path: &RepoPath| path.as_bytes().starts_with(change.path.as_bytes());
    let mut behind = scan.iter().skip(begin).map(|(path, _)| path).take_while(|path| near(path));
    behind.any(|path| path.is_within(&change.path))
}

fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL | Errno::NXIO))
}

pub(super) fn hash(file: &mut impl Read) -> io::Result<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    io::copy(file, &mut hasher)?;
    Ok(ContentHash(*hasher.finalize().as_bytes()))
}

/// Takes one item after the other out of a sorted list, for paths that come in order.
struct Along<I: Iterator> {
    items: std::iter::Peekable<I>,
}

impl<K: Ord, V, I: Iterator<Item = (K, V)>> Along<I> {
    /// Along a list that is sorted by its keys.
    fn new(items: impl IntoIterator<IntoIter = I>) -> Self {
        Self { items: items.into_iter().peekable() }
    }

    /// The item of that key; keys are asked for in rising order.
    fn at(&mut self, key: &K) -> Option<(K, V)> {
        self.after(key, |_, _| ())
    }

    /// The item of that key, after those before it that nobody asked for.
    fn after(&mut self, key: &K, mut passed: impl FnMut(K, V)) -> Option<(K, V)> {
        while let Some((before, value)) = self.items.next_if(|(known, _)| known < key) {
            passed(before, value);
        }
        self.items.next_if(|(known, _)| known == key)
    }

    /// What is left.
    fn rest(self) -> impl Iterator<Item = (K, V)> {
        self.items
    }
}
