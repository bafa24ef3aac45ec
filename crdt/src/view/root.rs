//! The Merkle root of the tree that a view shows.
//!
//! A folder is hashed over its names in order, each with what it is, so two views with one
//! root show the same files, and a folder's hash says whether anything below it differs.
//! Folders that hold nothing count.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Root, derive};
use crate::path::RepoPath;
use crate::view::{File, FileBody};

/// What is in a folder under a name: a byte for its kind, the executable bit and a hash.
type Entry<'a> = (&'a [u8], u8, bool, [u8; 32]);

/// The folders of a tree in the order of their paths, each with what is in it.
struct Folders<'a> {
    paths: Vec<&'a [u8]>,
    held: Vec<Vec<Entry<'a>>>,
    /// What stands in no folder.
    top: Vec<Entry<'a>>,
    /// Where the last folder stands that was asked for: the next is mostly the same.
    last: usize,
}

impl<'a> Folders<'a> {
    fn new(dirs: &'a BTreeSet<RepoPath>) -> Self {
        let paths: Vec<_> = dirs.iter().map(RepoPath::as_bytes).collect();
        Self { held: vec![Vec::new(); paths.len()], paths, top: Vec::new(), last: 0 }
    }

    /// Puts something where its path says. What lies in no folder of the tree is no part of it.
    fn put(&mut self, path: &'a [u8], kind: u8, executable: bool, hash: [u8; 32]) {
        let Some(cut) = path.iter().rposition(|byte| *byte == b'/') else {
            self.top.push((path, kind, executable, hash));
            return;
        };
        let (folder, name) = (path.get(..cut).unwrap_or_default(), path.get(cut + 1..).unwrap_or_default());
        if self.paths.get(self.last) != Some(&folder) {
            let Ok(at) = self.paths.binary_search(&folder) else { return };
            self.last = at;
        }
        if let Some(held) = self.held.get_mut(self.last) {
            held.push((name, kind, executable, hash));
        }
    }
}

/// The root of a tree.
pub(crate) fn root(files: &BTreeMap<RepoPath, File>, dirs: &BTreeSet<RepoPath>) -> Root {
    let mut folders = Folders::new(dirs);
    for (path, file) in files {
        let (kind, hash) = file_hash(&file.body);
        folders.put(path.as_bytes(), kind, file.executable, hash);
    }
    // A folder sorts before what lies in it, so from the end on every folder is whole when it is hashed.
    while let (Some(path), Some(held)) = (folders.paths.pop(), folders.held.pop()) {
        folders.put(path, 0, false, folder_hash(held));
    }
    Root(folder_hash(folders.top))
}

fn file_hash(body: &FileBody) -> (u8, [u8; 32]) {
    match body {
        FileBody::Bytes { content, .. } => (1, content.0),
        FileBody::Artifact { artifact, .. } => (2, artifact.0),
        FileBody::Link { target } => (3, derive("cairn 1 link", &[target])),
    }
}

fn folder_hash(mut held: Vec<Entry<'_>>) -> [u8; 32] {
    held.sort_unstable();
    let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(held.len()));
    for (name, kind, executable, hash) in &held {
        bytes.extend_from_slice(&[*kind, u8::from(*executable)]);
        bytes.extend_from_slice(hash);
        bytes.extend_from_slice(name);
        ends.push(bytes.len());
    }
    let begins = std::iter::once(0).chain(ends.iter().copied());
    let parts: Vec<_> = begins.zip(&ends).filter_map(|(begin, end)| bytes.get(begin..*end)).collect();
    derive("cairn 1 folder", &parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_counts() {
        let dirs = BTreeSet::from([RepoPath::new(b"a").unwrap()]);
        assert_ne!(root(&BTreeMap::new(), &dirs), root(&BTreeMap::new(), &BTreeSet::new()));
    }

    #[test]
    fn names_and_depth_count() {
        let tree = |paths: &[&str]| {
            let dirs: BTreeSet<_> =
                paths.iter().map(|path| RepoPath::new(path.as_bytes()).unwrap()).collect();
            root(&BTreeMap::new(), &dirs)
        };
        assert_ne!(tree(&["a", "a/b"]), tree(&["a", "b"]));
        assert_ne!(tree(&["a", "a-b", "a/c"]), tree(&["a", "a-b", "a-b/c"]));
        assert_eq!(tree(&["a", "a-b", "a/c"]), tree(&["a/c", "a-b", "a"]));
    }
}
