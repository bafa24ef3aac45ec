//! Trees as git writes them, checked: names in order, each once, none that leads elsewhere.

use std::collections::BTreeMap;
use std::rc::Rc;

use cairn_crdt::path::{PATH_DEPTH_MAX, RepoPath};

use super::entry::{Kind, Mode};
use super::source::Source;
use super::{Oid, Problem};

/// The trees that are kept because neighbouring commits share them.
const KEPT_MAX: usize = 8192;
/// The most paths that one commit changes.
const CHANGES_COUNT_MAX: usize = 4 << 20;

/// One line of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: Vec<u8>,
    pub(crate) entry: Entry,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: Mode,
    pub(crate) id: Oid,
}

/// What became of one path between two trees; a folder stands for all that is in it where it goes as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: Vec<u8>,
    pub(crate) old: Option<Entry>,
    pub(crate) new: Option<Entry>,
}

/// Reads trees, and remembers those read lately.
pub(crate) struct Trees<'a> {
    source: &'a Source,
    kept: BTreeMap<Oid, Rc<[Line]>>,
}

impl<'a> Trees<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self { source, kept: BTreeMap::new() }
    }

    /// The lines of a tree.
    fn lines(&mut self, commit: Oid, id: Oid) -> Result<Rc<[Line]>, Problem> {
        if let Some(lines) = self.kept.get(&id) {
            return Ok(lines.clone());
        }
        let bytes = if id == Oid::empty_tree(id.kind()) { Vec::new() } else { self.source.tree(id)? };
        let lines: Rc<[Line]> = lines(commit, id, &bytes)?.into();
        if self.kept.len() >= KEPT_MAX {
            self.kept.clear();
        }
        self.kept.insert(id, lines.clone());
        Ok(lines)
    }

    /// What stands at a path of a commit's tree.
    pub(crate) fn find(&mut self, commit: Oid, root: Oid, path: &[u8]) -> Result<Option<Entry>, Problem> {
        let mut at = root;
        let mut names = path.split(|byte| *byte == b'/').peekable();
        while let Some(name) = names.next() {
            let lines = self.lines(commit, at)?;
            let Some(line) = lines.iter().find(|line| line.name == name) else { return Ok(None) };
            match (names.peek().is_some(), line.entry.mode.kind()) {
                (false, _) => return Ok(Some(line.entry)),
                (true, Kind::Tree) => at = line.entry.id,
                (true, _) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// What differs between two trees, in order; a folder that comes is told with all that is in it, and one that goes
    /// by itself, before what went in it.
    pub(crate) fn changes(
        &mut self,
        commit: Oid,
        old: Option<Oid>,
        new: Oid,
    ) -> Result<Vec<Change>, Problem> {
        let mut found = Vec::new();
        self.compare(commit, &[], old, Some(new), 0, &mut found)?;
        Ok(found)
    }

    fn compare(
        &mut self,
        commit: Oid,
        folder: &[u8],
        old: Option<Oid>,
        new: Option<Oid>,
        depth: usize,
        found: &mut Vec<Change>,
    ) -> Result<(), Problem> {
        if old == new {
            return Ok(());
        }
        if depth > PATH_DEPTH_MAX {
            return Err(path_problem(commit, folder, "it lies too deep"));
        }
        let mut read = |id: Option<Oid>| id.map_or(Ok(Rc::from([])), |id| self.lines(commit, id));
        let (old, new) = (read(old)?, read(new)?);
        let mut names: BTreeMap<&[u8], (Option<Entry>, Option<Entry>)> = BTreeMap::new();
        for line in old.iter() {
            names.entry(&line.name).or_default().0 = Some(line.entry);
        }
        for line in new.iter() {
            names.entry(&line.name).or_default().1 = Some(line.entry);
        }
        for (name, (old, new)) in names.into_iter().filter(|(_, (old, new))| old != new) {
            if found.len() >= CHANGES_COUNT_MAX {
                let (found, limit) = (found.len() as u64 + 1, CHANGES_COUNT_MAX as u64);
                return Err(Problem::TooLarge { commit: commit.to_string(), what: "a change", found, limit });
            }
            let path = if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() };
            if new.is_some() {
                check_path(commit, &path, name)?;
            }
            found.push(Change { path: path.clone(), old, new });
            let tree = |entry: Option<Entry>| {
                entry.filter(|entry| entry.mode.kind() == Kind::Tree).map(|entry| entry.id)
            };
            self.compare(commit, &path, tree(old), tree(new), depth + 1, found)?;
        }
        Ok(())
    }
}

/// Reads the lines of a tree.
fn lines(commit: Oid, id: Oid, bytes: &[u8]) -> Result<Vec<Line>, Problem> {
    let bad = |why: &str| Problem::Damaged { id: id.to_string(), why: why.to_owned() };
    let (mut lines, mut rest) = (Vec::<Line>::new(), bytes);
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(|| bad("a tree ends in a mode"))?;
        let (mode, after) = rest.split_at(space);
        let end = after.iter().position(|byte| *byte == 0).ok_or_else(|| bad("a tree ends in a name"))?;
        let name = after.get(1..end).unwrap_or_default();
        let after = after.get(end + 1..).unwrap_or_default();
        let (hash, after) = after
            .split_at_checked(id.as_bytes().len())
            .ok_or_else(|| bad("a tree ends in an object's name"))?;
        let mode = Mode::read(mode).ok_or_else(|| bad("a tree holds a mode that is none"))?;
        let target = Oid::try_from(hash).map_err(|_| bad("a tree ends in an object's name"))?;
        let line = Line { name: name.to_vec(), entry: Entry { mode, id: target } };
        if lines.last().is_some_and(|last| key(last) >= key(&line)) {
            return Err(bad("a tree holds a name twice, or its names in another order"));
        }
        lines.push(line);
        rest = after;
    }
    check_once(commit, &lines)?;
    Ok(lines)
}

/// Refuses a file and a folder of one name, which stand apart in git's order.
fn check_once(commit: Oid, lines: &[Line]) -> Result<(), Problem> {
    let mut names: Vec<&[u8]> = lines.iter().map(|line| &line.name[..]).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(path_problem(commit, pair[0], "a folder holds the name twice")),
        None => Ok(()),
    }
}

/// What git sorts a tree's lines by: a folder's name as if it ended with a slash.
pub(crate) fn key(line: &Line) -> Vec<u8> {
    let mut key = line.name.clone();
    if line.entry.mode.kind() == Kind::Tree {
        key.push(b'/');
    }
    key
}

/// Refuses a path that no worktree may hold: one that leads elsewhere, into cairn's own folder or into git's.
fn check_path(commit: Oid, path: &[u8], name: &[u8]) -> Result<(), Problem> {
    RepoPath::new(path).map_err(|error| path_problem(commit, path, &error.to_string()))?;
    let options = gix::validate::path::component::Options {
        protect_windows: false,
        protect_hfs: true,
        protect_ntfs: true,
    };
    gix::validate::path::component(name.into(), None, options)
        .map(|_| ())
        .map_err(|error| path_problem(commit, path, &error.to_string()))
}

pub(crate) fn path_problem(commit: Oid, path: &[u8], why: &str) -> Problem {
    let path = String::from_utf8_lossy(path).into_owned();
    Problem::Path { commit: commit.to_string(), path, why: why.to_owned() }
}
