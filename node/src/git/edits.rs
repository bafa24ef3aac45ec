//! From what differs between two trees to what a draft is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_crdt::path::RepoPath;
use cairn_crdt::{FileEdit, View};
use cairn_protocol::imported::Odd;

use super::entry::{Kind, pointer};
use super::source::Source;
use super::tree::{Change, Entry, path_problem};
use super::{Oid, Problem};

/// The most bytes of a link's target.
const TARGET_BYTES_MAX: usize = 4096;

/// What a path is to hold, with all bytes at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    File { bytes: Arc<[u8]>, executable: bool },
    Link(Vec<u8>),
    Folder,
    Nothing,
}

/// What a path is to hold.
pub(crate) fn want(
    source: &Source,
    commit: Oid,
    path: &RepoPath,
    entry: Option<Entry>,
) -> Result<Want, Problem> {
    let Some(Entry { mode, id }) = entry else { return Ok(Want::Nothing) };
    Ok(match mode.kind() {
        Kind::Tree => Want::Folder,
        Kind::Submodule => Want::File { bytes: pointer(id).into(), executable: false },
        Kind::File { executable } => Want::File { bytes: source.blob(id)?.into(), executable },
        Kind::Link => {
            let target = source.blob(id)?;
            if target.len() > TARGET_BYTES_MAX || target.contains(&0) {
                return Err(path_problem(commit, path.as_bytes(), "a link whose target is no path"));
            }
            Want::Link(target)
        }
    })
}

/// What views do not show of what changed.
pub(crate) fn odd(changes: &[Change]) -> Vec<Odd> {
    let is_odd = |entry: &Entry| entry.mode.is_odd() || is_empty_folder(entry);
    let of = |change: &Change| {
        let (old, new) = (change.old.filter(is_odd), change.new.filter(is_odd));
        match (old, new) {
            (_, Some(new)) if old.map(|old| old.mode) != Some(new.mode) => Some(new.mode.0),
            (Some(_), None) => Some(0),
            _ => None,
        }
        .map(|mode| Odd { path: change.path.clone(), mode })
    };
    let odd: BTreeMap<Vec<u8>, u32> = changes.iter().filter_map(of).map(|odd| (odd.path, odd.mode)).collect();
    odd.into_iter().map(|(path, mode)| Odd { path, mode }).collect()
}

/// A tree may name a folder that holds nothing, which git itself never writes.
pub(crate) fn is_empty_folder(entry: &Entry) -> bool {
    entry.mode.kind() == Kind::Tree && entry.id == Oid::empty_tree(entry.id.kind())
}

/// The paths that are to be written: those that changed. What lies in a folder that goes, goes with it.
pub(crate) fn touched(changes: &[Change]) -> Vec<&[u8]> {
    let mut gone: Option<&[u8]> = None;
    let mut touched = Vec::new();
    for Change { path, old, new } in changes {
        if gone.is_some_and(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))) {
            continue;
        }
        let is_tree = |entry: &Option<Entry>| entry.is_some_and(|entry| entry.mode.kind() == Kind::Tree);
        gone = (is_tree(old) && !is_tree(new)).then_some(path);
        // A folder that goes on to be one is nothing to write.
        if !(is_tree(old) && is_tree(new)) {
            touched.push(&path[..]);
        }
    }
    touched
}

/// The paths at which two views differ.
pub(crate) fn differing(a: &View, b: &View) -> BTreeSet<RepoPath> {
    let files = |x: &View, y: &View| -> Vec<RepoPath> {
        let same = |path, file: &cairn_crdt::File| {
            y.files
                .get(path)
                .is_some_and(|there| there.body == file.body && there.executable == file.executable)
        };
        x.files.iter().filter(|(path, file)| !same(*path, file)).map(|(path, _)| path.clone()).collect()
    };
    let mut paths: BTreeSet<RepoPath> = a.dirs.symmetric_difference(&b.dirs).cloned().collect();
    paths.extend(files(a, b));
    paths.extend(files(b, a));
    paths
}

/// The edit that makes a version show what is wanted; large files are not made so.
pub(crate) fn edit(path: RepoPath, want: Want) -> FileEdit {
    match want {
        Want::File { bytes, executable } => FileEdit::Write { path, bytes, executable },
        Want::Link(target) => FileEdit::Link { path, target },
        Want::Folder => FileEdit::Dir { path },
        Want::Nothing => FileEdit::Remove { path },
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Mode;
    use super::*;

    fn entry(mode: Mode, n: u8) -> Option<Entry> {
        Some(Entry { mode, id: Oid::from_bytes_or_panic(&[n; 20]) })
    }

    fn change(path: &str, old: Option<Entry>, new: Option<Entry>) -> Change {
        Change { path: path.as_bytes().to_vec(), old, new }
    }

    #[test]
    fn a_folder_that_goes_is_one_path() {
        let changes = [
            change("a", entry(Mode::TREE, 1), None),
            change("a/x", entry(Mode::FILE, 2), None),
            change("ab", None, entry(Mode::FILE, 2)),
            change("b", entry(Mode::TREE, 1), entry(Mode::TREE, 2)),
            change("b/y", entry(Mode::FILE, 1), entry(Mode::FILE, 2)),
            change("c", entry(Mode::TREE, 1), entry(Mode::FILE, 2)),
            change("c/z", entry(Mode::FILE, 1), None),
        ];
        assert_eq!(touched(&changes), [&b"a"[..], b"ab", b"b/y", b"c"]);
    }

    #[test]
    fn what_no_view_shows_is_told_when_it_comes_and_when_it_goes() {
        let changes = [
            change("lib", None, entry(Mode(0o160_000), 1)),
            change("old", entry(Mode(0o100_664), 1), entry(Mode::FILE, 1)),
            change("same", entry(Mode(0o100_664), 1), entry(Mode(0o100_664), 2)),
            change("plain", entry(Mode::FILE, 1), entry(Mode::EXECUTABLE, 2)),
        ];
        let odd = odd(&changes);
        let told: Vec<_> = odd.iter().map(|odd| (&odd.path[..], odd.mode)).collect();
        assert_eq!(told, [(&b"lib"[..], 0o160_000), (b"old", 0)]);
    }
}
